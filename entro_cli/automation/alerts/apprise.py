"""Alerts sent through Apprise: Teams, ntfy, PagerDuty, Telegram and many other services."""

from __future__ import annotations

import logging
from functools import partial
from typing import ClassVar

from msgspec import Struct

from entro_cli.automation.alerts.alert import Alert, DeliveryContext, PartlyDeliveredError
from entro_cli.core.connections import lost_connections_as_errors
from entro_cli.core.parallel import in_thread
from entro_cli.core.secrets import Secret
from entro_engine import EntroError

_WHERE = "[alerts] apprise"


class Apprise(Struct, frozen=True):
    """Services, named by Apprise URLs that white space separates.

    A URL holds tokens and is a secret as a whole, even its host. Messages of entro name it by its number.

    Attributes:
        urls: the URLs.
        timeout_s: a service that takes longer is given up, s.
    """

    urls: Secret
    timeout_s: float = 60.0
    name: ClassVar[str] = "apprise"

    def send(self, alert: Alert, context: DeliveryContext) -> None:
        """Send an alert to each service; see `Channel`."""
        urls = self.urls.reveal(context.environ).split()
        with lost_connections_as_errors():
            failures = [self._failure(url, alert) for url in urls]
        failed = [f"URL {number} of {len(urls)} {found}" for number, found in enumerate(failures, 1) if found]
        if not failed:
            return
        text = f"{', '.join(failed)} (not shown, as it is a secret)"
        if len(failed) < len(urls):
            raise PartlyDeliveredError(f"{text}; the other services have the alert", where=_WHERE)
        raise EntroError(text, where=_WHERE, remedy="try it with the command `apprise`, which shows the reason")

    def _failure(self, url: str, alert: Alert) -> str:
        """Send an alert to a service within the time, and return why that failed; empty if it did not."""
        try:
            return in_thread(partial(_notify, url, alert)).result(self.timeout_s)
        except TimeoutError:
            return f"did not accept the alert within {self.timeout_s:g} s"


def _notify(url: str, alert: Alert) -> str:
    """Send an alert to a service, and return why that failed; empty if it did not."""
    try:
        import apprise
    except ImportError as error:
        raise EntroError(
            "needs a package that is not installed", where=_WHERE, remedy="pip install 'entro-cli[notify]'"
        ) from error
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its messages show parts of the URL
    service = apprise.Apprise.instantiate(url)
    if service is None:
        return "is none that Apprise knows"
    services = apprise.Apprise()
    services.add(service)
    accepted = services.notify(
        title=_plain(alert.subject),
        body=_plain(alert.text),
        notify_type=apprise.NotifyType.WARNING,
        body_format=apprise.NotifyFormat.TEXT,  # it escapes what the service would take for markup
    )
    return "" if accepted else "did not accept the alert"


def _plain(text: str) -> str:
    """Return text without a mention, such as `@here` or `<!channel>`, which escaping leaves as it is."""
    return text.replace("@", "@\u200b").replace("<", "<\u200b")
