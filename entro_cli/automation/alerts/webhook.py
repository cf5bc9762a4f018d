"""Webhook: an alert posted to an address, as Slack and those that took after it understand it."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import ClassVar, NoReturn
from urllib.parse import SplitResult, urlsplit

from entro_cli.automation.alerts.alert import Alert, DeliveryContext
from entro_cli.core.console import printable
from entro_cli.core.http import LONGEST_WAIT_S, HttpFailure, post, refusal
from entro_cli.core.secrets import Secret
from entro_engine import EntroError

# What would be more than text: `<!channel>`, `@here` and links by another name, in Slack and in those like it.
_PLAIN = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@\u200b", "](": "]\u200b("}


@dataclass(frozen=True)
class Webhook:
    """An address that takes `{"text": ...}` by POST: Slack, Mattermost, Rocket.Chat, Discord (with /slack at its end).

    The address is a secret, for whoever has it can post: messages name its host only. It is posted to with the standard
    library: one request, no redirects, no cookies, no pool; a library would bring more than that and save nothing.

    Attributes:
        url: where to, http or https; the certificate is checked.
        timeout_s: how long the server may keep us waiting each time, seconds.
    """

    url: Secret
    timeout_s: float = 10.0
    name: ClassVar[str] = "webhook"

    def send(self, alert: Alert, context: DeliveryContext) -> None:
        """Post an alert; see `Channel`.

        A 429, a 5xx or a lost connection is tried twice more. A Retry-After of up to 30 s is respected. After a longer
        one the next run tries again.
        """
        url = _checked(self.url.reveal(context.environ))
        request = urllib.request.Request(  # noqa: S310  (the scheme was checked)
            url.geturl(),
            data=json.dumps(payload(alert)).encode(),
            headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "entro"},
            method="POST",
        )
        post(
            request,
            where=f"webhook at {printable(url.hostname or '')}",
            timeout_s=self.timeout_s,
            sleep=context.sleep,
            read=lambda _: None,  # any 2xx means that the alert was accepted
            refused=lambda error: _refused(error.code, error.headers, context.now),
        )


def payload(alert: Alert) -> dict[str, object]:
    """What is posted: text that no receiver takes for markup, a mention or a link by another name."""
    text = f"{alert.subject}\n{alert.text}"
    for special, plain in _PLAIN.items():
        text = text.replace(special, plain)
    return {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def _checked(url: str) -> SplitResult:
    """An address that can be posted to.

    Raises:
        EntroError: when it is none; without showing it.
    """
    try:
        parts = urlsplit(url)
        usable = bool((parts.hostname or "").encode("idna")) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        _no_address()
    if parts.scheme not in {"http", "https"} or not usable or not url.isascii() or not url.isprintable() or " " in url:
        _no_address()
    return parts


def _no_address() -> NoReturn:
    raise EntroError(
        "the webhook's address cannot be used, and is not shown as it is a secret",
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
    """The seconds to wait, given as a number or as a date; None where neither."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):  # no date; a date without a zone
        return None
