"""Email: an alert as a message to some people."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from typing import Any, ClassVar, Literal

from entro_cli.automation.alerts.alert import Alert, DeliveryContext, PartlyDeliveredError
from entro_cli.core.connections import connection_failure, lost_connections_as_errors, one_line
from entro_cli.core.secrets import Secret
from entro_engine import EntroError

Security = Literal["none", "starttls", "tls"]

_Refused = dict[str, tuple[int, bytes]]

PORTS: dict[Security, int] = {"none": 25, "starttls": 587, "tls": 465}
"""The usual port of each way to connect."""


@dataclass(frozen=True)
class Email:
    """A message through a mail server.

    Attributes:
        to: the addresses told, as `ops@example.org` or `On call <ops@example.org>`.
        sender: the address it comes from.
        host: the mail server.
        port: its port; see `PORTS`.
        security: `none`, `starttls` (TLS is asked for, and nothing is sent without it) or `tls` from the first byte.
            The server's certificate is checked.
        user: whom to log in as; None to send without.
        password: the user's.
        timeout_s: how long the server may keep us waiting each time, seconds.
    """

    to: tuple[str, ...]
    sender: str
    host: str
    port: int
    security: Security = "starttls"
    user: str | None = None
    password: Secret | None = None
    timeout_s: float = 20.0
    name: ClassVar[str] = "email"

    def send(self, alert: Alert, around: DeliveryContext) -> None:
        """Send it; see `Channel`."""
        message = self._message(alert, around)
        login = self._login(around.environ)
        with lost_connections_as_errors():
            try:
                refused = self._deliver(message, login)
            except OSError as error:  # what smtplib raises is one, too
                raise self._failed(error, login) from None  # what caused it may hold the password
            except UnicodeError:
                raise EntroError(f"{one_line(self.host)!r} is no host name", where="[alerts.email] host") from None
        if refused:
            raise PartlyDeliveredError(
                f"{_masked(f'refused {_replies(refused)}', login)}; the others were told", where=self._where
            )

    def _deliver(self, message: EmailMessage, login: tuple[str, str] | None) -> _Refused:
        """Hand it to the server: who was refused, where others were not."""
        context = ssl.create_default_context()
        server = (
            smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_s, context=context)
            if self.security == "tls"
            else smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        )
        try:
            if self.security == "starttls":
                server.starttls(context=context)
            if login:
                server.login(*login)
            refused = server.send_message(message)
            with contextlib.suppress(OSError):
                server.quit()  # it has the message, whatever it says now
            return refused
        finally:
            server.close()

    def _message(self, alert: Alert, around: DeliveryContext) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        sender = self._addresses("from", (self.sender,))
        recipients = self._addresses("to", self.to)
        message["From"] = sender[:1]
        message["To"] = recipients
        message["Subject"] = alert.subject
        message["Date"] = format_datetime(around.now)
        message["Message-ID"] = _message_id(alert.key, sender[0].domain)
        message["Auto-Submitted"] = "auto-generated"  # no answer from an absent reader's mailbox
        message.set_content(alert.text, charset="utf-8", cte="quoted-printable")
        return message

    def _addresses(self, key: str, written: tuple[str, ...]) -> tuple[Address, ...]:
        """Addresses as the configuration has them; one that is none is an error, before anything is sent."""
        found = [_parsed(text) for text in written]
        if not found or not all(found):
            raise EntroError(
                f"{one_line(', '.join(written))!r} is no address",
                where=f"[alerts.email] {key}",
                expected="an address such as ops@example.org",
            )
        return tuple(address for some in found for address in some)

    def _login(self, environ: Mapping[str, str]) -> tuple[str, str] | None:
        if self.user is None:
            return None
        password = self.password.reveal(environ) if self.password else ""
        if not password:
            raise EntroError("has a user and no password", where="[alerts.email]", remedy="say where the password is")
        if self.security == "none" and not _is_this_machine(self.host):
            raise EntroError(
                "would send the password in the clear", where="[alerts.email]", remedy='set security = "starttls"'
            )
        if not (self.user + password).isascii():
            raise EntroError("has a user or password with other letters than ASCII", where="[alerts.email]")
        return self.user, password

    @property
    def _where(self) -> str:
        return f"mail server {one_line(self.host)}:{self.port}"

    def _failed(self, error: OSError, login: tuple[str, str] | None) -> EntroError:
        found, keys = _in_words(error, self.timeout_s)
        return EntroError(_masked(found, login), where=self._where, remedy=f"check {keys} of [alerts.email]")


def _parsed(text: str) -> list[Address]:
    """The addresses in a text; none where any is none, or a control character tries to make another header of it."""
    if not text.isprintable():
        return []
    try:
        found = [Address(name, addr_spec=address) for name, address in getaddresses([text])]
    except (ValueError, IndexError, MessageError):  # each of which is said of some texts
        return []
    return found if all(address.username and address.domain for address in found) else []


def _message_id(key: str, domain: str) -> str:
    """The same for the same key, so that a repeat is recognised as one."""
    place = domain if domain.isascii() else "entro.invalid"
    return f"<entro.{hashlib.sha256(key.encode()).hexdigest()[:32]}@{place}>"


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


_REFUSALS: tuple[tuple[type[smtplib.SMTPException], Callable[[Any], str], str], ...] = (
    (smtplib.SMTPAuthenticationError, lambda error: f"refused the login, code {error.smtp_code}", "user and password"),
    (smtplib.SMTPRecipientsRefused, lambda error: f"refused {_replies(error.recipients)}", "to"),
    (smtplib.SMTPSenderRefused, lambda error: f"refused the sender: {_reply(error)}", "from"),
    (smtplib.SMTPResponseException, lambda error: f"answered {_reply(error)}", "host, port and security"),
    (smtplib.SMTPNotSupportedError, lambda error: f"cannot do it: {error}", "security and user"),
    (smtplib.SMTPServerDisconnected, lambda _: "closed the connection", "host, port and security"),
)
"""Each kind of refusal, in words, and the keys of the configuration to look at. The reply to a login is not shown: it
may hold what was sent."""


def _in_words(error: OSError, timeout_s: float) -> tuple[str, str]:
    """What went wrong, and the keys of the configuration to look at."""
    hidden = error.__context__  # smtplib makes a lost connection of every error while it waits for a reply
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(hidden, OSError):
        error = hidden
    for kind, say, keys in _REFUSALS:
        if isinstance(error, kind):
            return say(error), keys
    return connection_failure(error, timeout_s), "host, port and security"


def _replies(refused: _Refused) -> str:
    return ", ".join(f"{who}: {code} {_text(reply)}" for who, (code, reply) in refused.items())


def _reply(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_text(error.smtp_error)}"


def _text(reply: bytes | str) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else reply


def _masked(text: str, login: tuple[str, str] | None) -> str:
    """The server's words in one line, with the password taken out should they hold it."""
    return one_line(text.replace(login[1], "***") if login else text)
