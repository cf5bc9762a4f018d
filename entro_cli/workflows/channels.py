"""From the configured alerts to the channels that carry them."""

from __future__ import annotations

from typing import Literal, cast

from entro_cli.automation.alerts.channels import Channels
from entro_cli.automation.alerts.command import Command
from entro_cli.automation.alerts.email import Email
from entro_cli.automation.alerts.webhook import Webhook
from entro_cli.config import Alerts
from entro_cli.core.secrets import secret_of


def channels_of(alerts: Alerts) -> Channels:
    """The channels of a pipeline's alerts; secrets are read when something is sent."""
    mail, hook = alerts.email, alerts.webhook
    address = secret_of(variable=hook.url_env, path=hook.url_file, text=hook.url) if hook else None
    return Channels(
        command=Command(alerts.command) if alerts.command else None,
        email=Email(
            mail.to,
            mail.sender,
            mail.host,
            mail.port,
            cast(Literal["none", "starttls", "tls"], mail.security),
            mail.user,
            secret_of(variable=mail.password_env, path=mail.password_file),
        )
        if mail
        else None,
        webhook=Webhook(address) if address else None,
    )
