"""Alerts posted to a webhook, in the format of Slack and of services compatible with it."""

from __future__ import annotations

import json
import urllib.request
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import ClassVar, NoReturn
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.automation.alerts.alert import Alert, DeliveryContext
from entro_cli.core.console import printable
from entro_cli.core.http import LONGEST_WAIT_S, HttpFailure, refusal, send
from entro_cli.core.secrets import Secret
from entro_engine import EntroError

# Markup of Slack and compatible services that a name from a log could contain: `<!channel>`, `@here`, and links with
# another text. A zero-width space takes the meaning of what cannot be escaped.
_PLAIN = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@\u200b", "](": "]\u200b("}


class Webhook(Struct, frozen=True):
    """An address that accepts `{"text": ...}` by POST: Slack, Mattermost, Rocket.Chat, Discord (with /slack appended).

    The address is a secret, since everyone who has it can post. Messages of entro name only its host.

    Attributes:
        url: the address, http or https; the certificate is checked.
        timeout_s: how long each attempt may take as a whole, s.
    """

    url: Secret
    timeout_s: float = 10.0
    name: ClassVar[str] = "webhook"

    def send(self, alert: Alert, context: DeliveryContext) -> None:
        """Post an alert; see `Channel`.

        A 429, a 5xx or a lost connection is tried twice more. A Retry-After of up to 30 s is respected. After a longer
        one the next run tries again.
        """
        url = _parse_address(self.url.reveal(context.environ))
        request = urllib.request.Request(  # noqa: S310  (the scheme was checked)
            url.geturl(),
            data=json.dumps(payload(alert)).encode(),
            headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "entro"},
            method="POST",
        )
        send(
            request,
            where=f"webhook at {printable(url.hostname or '')}",
            timeout_s=self.timeout_s,
            sleep=context.sleep,
            read=lambda _: None,  # any 2xx means that the alert was accepted
            refused=lambda error: _refused(error.code, error.headers, context.now),
        )


def payload(alert: Alert) -> dict[str, object]:
    """Return the JSON to post, whose text no receiver takes for markup, a mention or a link with another text."""
    text = f"{alert.subject}\n{alert.text}"
    for special, plain in _PLAIN.items():
        text = text.replace(special, plain)
    return {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def _parse_address(url: str) -> SplitResult:
    """Parse the address.

    Raises:
        EntroError: if it cannot be used. The message does not show it.
    """
    try:
        parts = urlsplit(url)
        usable = bool((parts.hostname or "").encode("idna")) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        _refuse_address()
    if parts.scheme not in {"http", "https"} or not usable or not url.isascii() or not url.isprintable() or " " in url:
        _refuse_address()
    return parts


def _refuse_address() -> NoReturn:
    raise EntroError(
        "the webhook's address cannot be used (not shown, as it is a secret)",
        where="[alerts.webhook]",
        expected="https://HOST/PATH, in ASCII, without user and password",
    ) from None


def _refused(status: int, headers: Message, now: datetime) -> HttpFailure:
    failure = refusal(
        status,
        redirect_remedy="configure the address it leads to, if you trust that",
        remedy="check the address of [alerts.webhook]",
    )
    wait_s = _retry_after(headers.get("Retry-After", ""), now)
    if wait_s is not None and wait_s > LONGEST_WAIT_S:
        failure = replace(failure, found=f"{failure.found} and asks to wait {wait_s:.0f} s")
    return replace(failure, wait_s=wait_s)


def _retry_after(text: str, now: datetime) -> float | None:
    """Return the seconds to wait, from a number or a date (RFC 9110, section 10.2.3); None for anything else."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):  # not a date; a date without a zone
        return None
