"""Webhook: an alert posted to an address, as Slack and those that took after it understand it."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import IO, ClassVar, NoReturn
from urllib.parse import SplitResult, urlsplit

from entro_cli.automation.alerts.alert import Alert, DeliveryContext
from entro_cli.core.connections import connection_failure, lost_connections_as_errors
from entro_cli.core.console import printable
from entro_cli.core.secrets import Secret
from entro_engine import EntroError

_PAUSES_S = (1.0, 4.0)
_LONGEST_PAUSE_S = 30.0

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

    def send(self, alert: Alert, around: DeliveryContext) -> None:
        """Post it; see `Channel`.

        After 429, a 5xx or a lost connection it is tried twice more, after a pause: the server's Retry-After where it
        has one of up to 30 s, with a longer one not at all.
        """
        url = _checked(self.url.reveal(around.environ))
        host = printable(url.hostname or "")
        body = json.dumps(payload(alert)).encode()
        with lost_connections_as_errors():
            for pause in (*_PAUSES_S, None):
                failure = self._post(url, body, around.now)
                if failure is None:
                    return
                wait_s = failure.wait_s if failure.wait_s is not None else pause
                if pause is None or wait_s is None or not failure.passing or wait_s > _LONGEST_PAUSE_S:
                    raise EntroError(failure.found, where=f"webhook at {host}", remedy=failure.remedy)
                around.sleep(wait_s)

    def _post(self, url: SplitResult, body: bytes, now: datetime) -> _Failure | None:
        """One attempt: None when it was taken."""
        request = urllib.request.Request(  # noqa: S310  (the scheme was checked)
            url.geturl(),
            data=body,
            headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "entro"},
            method="POST",
        )
        try:
            with urllib.request.build_opener(_NoRedirect()).open(request, timeout=self.timeout_s):
                return None  # the opener raises whatever is not 2xx
        except urllib.error.HTTPError as error:
            with error:
                return _refused(error.code, error.headers, now)
        except (OSError, HTTPException, ValueError) as error:  # its text may hold the address
            return _unreachable(error, self.timeout_s)


@dataclass(frozen=True)
class _Failure:
    """Why an attempt failed, whether that may pass, and how long the server asks to wait, in seconds."""

    found: str
    passing: bool
    wait_s: float | None = None
    remedy: str = ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: the address is a secret, and what it redirects to is another's."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        """No request is the answer to a redirect."""


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


def _refused(status: int, headers: Message, now: datetime) -> _Failure:
    if 300 <= status < 400:
        return _Failure(
            f"answered {status}, a redirect, which is not followed",
            passing=False,
            remedy="configure the address it leads to, if you trust that",
        )
    wait_s = _retry_after(headers.get("Retry-After", ""), now)
    asks = f" and asks to wait {wait_s:.0f} s" if wait_s is not None and wait_s > _LONGEST_PAUSE_S else ""
    passing = status == 429 or status >= 500
    return _Failure(
        f"answered {status}{asks}", passing, wait_s, "" if passing else "check the address of [alerts.webhook]"
    )


def _retry_after(text: str, now: datetime) -> float | None:
    """The seconds to wait, given as a number or as a date; None where neither."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError):  # no date; a date without a zone
        return None


def _unreachable(error: Exception, timeout_s: float) -> _Failure:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, OSError):
        return _Failure(connection_failure(reason, timeout_s), passing=not isinstance(reason, ssl.SSLError))
    return _Failure("gave an answer that is no HTTP", passing=False)
