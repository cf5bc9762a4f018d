"""Alerts and reports sent as e-mail."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from typing import IO, Any, ClassVar, Literal

from msgspec import Struct

from entro_cli.automation.alerts.alert import Alert, DeliveryContext, PartlyDeliveredError
from entro_cli.core.connections import Deadline, connection_failure, lost_connections_as_errors, one_line
from entro_cli.core.secrets import Secret
from entro_engine import EntroError

Security = Literal["none", "starttls", "tls"]

_MAX_REPLIES_BYTES = 1 << 20

_Refused = dict[str, tuple[int, bytes]]
"""Replies of the mail server by the address that it refused."""


class Email(Struct, frozen=True):
    """A message through a mail server.

    Attributes:
        to: the recipients, as `ops@example.org` or `On call <ops@example.org>`.
        sender: the sender's address.
        host: the mail server.
        port: its port.
        security: `none`, `starttls` (TLS is requested, and nothing is sent without it) or `tls` from the first byte.
            The server's certificate is checked.
        user: the login; None to send without one.
        password: the user's password.
        timeout_s: how long a message may take as a whole, s.
        table: the table of the configuration that errors name.
    """

    to: tuple[str, ...]
    sender: str
    host: str
    port: int
    security: Security = "starttls"
    user: str | None = None
    password: Secret | None = None
    timeout_s: float = 60.0
    table: str = "alerts.email"
    name: ClassVar[str] = "email"

    def send(self, alert: Alert, context: DeliveryContext) -> None:
        """Send an alert; see `Channel`."""
        message = EmailMessage(policy=SMTP)
        message["Subject"] = alert.subject
        message.set_content(alert.text, charset="utf-8", cte="quoted-printable")
        self.post(message, alert.key, context)

    def post(self, message: EmailMessage, key: str, context: DeliveryContext) -> None:
        """Send a message.

        Args:
            message: its subject and content; the other headers are added.
            key: the identity of what it says; messages of one key have one id.
            context: the clock and the environment.

        Raises:
            PartlyDeliveredError, EntroError: as `Channel.send` does.
        """
        self._address(message, key, context)
        login = self._login(context.environ)
        with lost_connections_as_errors():
            try:
                refused = self._deliver_in_time(message, login)
            except OSError as error:  # SMTPException is an OSError
                raise self._failure(error, login) from None  # the cause may hold the password
            except UnicodeError:  # from the IDNA encoding of the host
                raise EntroError(f"{one_line(self.host)!r} is not a host name", where=f"[{self.table}] host") from None
        if refused:
            raise PartlyDeliveredError(
                f"{_masked(f'refused {_replies(refused)}', login)}; the other recipients received the message",
                where=self._where,
            )

    def _deliver_in_time(self, message: EmailMessage, login: tuple[str, str] | None) -> _Refused:
        with Deadline(self.timeout_s) as deadline:
            try:
                return self._deliver(message, login, deadline)
            except OSError:
                if deadline.has_passed:
                    raise TimeoutError from None
                raise

    def _deliver(self, message: EmailMessage, login: tuple[str, str] | None, deadline: Deadline) -> _Refused:
        """Hand the message to the server and return the recipients that it refused while it accepted others."""
        tls = ssl.create_default_context()
        server = _Server(self.host, self.port, deadline, tls if self.security == "tls" else None)
        try:
            if self.security == "starttls":
                server.starttls(context=tls)
            if login:
                server.login(*login)
            refused = server.send_message(message)
            with contextlib.suppress(OSError):
                server.quit()  # the message is accepted: an error after that must not repeat it
            return refused
        finally:
            server.close()

    def _address(self, message: EmailMessage, key: str, context: DeliveryContext) -> None:
        sender = self._addresses("from", (self.sender,))
        recipients = self._addresses("to", self.to)
        message["From"] = sender[:1]
        message["To"] = recipients
        message["Date"] = format_datetime(context.now)
        message["Message-ID"] = _message_id(key, sender[0].domain)
        message["Auto-Submitted"] = "auto-generated"  # keeps vacation responders from replying (RFC 3834)

    def _addresses(self, key: str, written: tuple[str, ...]) -> tuple[Address, ...]:
        """Parse the addresses of a key of the configuration, before anything is sent.

        Raises:
            EntroError: if one is not an address.
        """
        parsed = [_parse_addresses(text) for text in written]
        if not parsed or not all(parsed):
            raise EntroError(
                f"{one_line(', '.join(written))!r} is not an e-mail address",
                where=f"[{self.table}] {key}",
                expected="an address such as ops@example.org",
            )
        return tuple(address for addresses in parsed for address in addresses)

    def _login(self, environ: Mapping[str, str]) -> tuple[str, str] | None:
        if self.user is None:
            return None
        password = self.password.reveal(environ) if self.password else ""
        if not password:
            raise EntroError(
                "has a user and no password", where=f"[{self.table}]", remedy="set password_env or password_file"
            )
        if self.security == "none" and not _is_this_machine(self.host):
            raise EntroError(
                "would send the password in the clear", where=f"[{self.table}]", remedy='set security = "starttls"'
            )
        if not (self.user + password).isascii():  # smtplib encodes a login as ASCII
            raise EntroError("the user or the password has characters that are not ASCII", where=f"[{self.table}]")
        return self.user, password

    @property
    def _where(self) -> str:
        return f"mail server {one_line(self.host)}:{self.port}"

    def _failure(self, error: OSError, login: tuple[str, str] | None) -> EntroError:
        found, keys = _describe(error, self.timeout_s)
        return EntroError(_masked(found, login), where=self._where, remedy=f"check {keys} of [{self.table}]")


class _Server(smtplib.SMTP):
    """A connection to a mail server that ends at a deadline, and reads a bounded number of bytes.

    Args:
        host: the mail server.
        port: its port.
        deadline: the end.
        tls: encrypts from the first byte on; None to begin without.
    """

    def __init__(self, host: str, port: int, deadline: Deadline, tls: ssl.SSLContext | None) -> None:
        self._deadline, self._tls = deadline, tls
        super().__init__(host, port)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = self._deadline.connect((host, port))
        return self._tls.wrap_socket(connection, server_hostname=host) if self._tls else connection

    def getreply(self) -> tuple[int, bytes]:
        """Read the next reply; smtplib itself would take one of any number of lines."""
        if self.file is None and self.sock is not None:
            self.file = _Replies(self.sock.makefile("rb"))
        return super().getreply()


class _Replies:
    """The replies of a mail server, up to a number of bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, _MAX_REPLIES_BYTES

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise ConnectionAbortedError
        return line

    def close(self) -> None:
        self._file.close()


class ReportEmail(Struct, frozen=True):
    """The mail of a report as a channel. Its alert stands for the report.

    Attributes:
        email: the mail server and the recipients.
        message: makes the message, if it has not been delivered yet.
    """

    email: Email
    message: Callable[[], EmailMessage]
    name: ClassVar[str] = "report email"

    def send(self, alert: Alert, context: DeliveryContext) -> None:
        """Send the mail; see `Channel`."""
        self.email.post(self.message(), alert.key, context)


def _parse_addresses(text: str) -> list[Address]:
    """Return the addresses in a text; none if one is invalid or a control character could start another header."""
    if not text.isprintable():
        return []
    try:
        found = [Address(name, addr_spec=address) for name, address in getaddresses([text])]
    except (ValueError, IndexError, MessageError):  # the standard library raises each of them for some texts
        return []
    return found if all(address.username and address.domain for address in found) else []


def _message_id(key: str, domain: str) -> str:
    """Return the same id for the same key, so that mail programs recognise a repeat."""
    host = domain if domain.isascii() else "entro.invalid"
    return f"<entro.{hashlib.sha256(key.encode()).hexdigest()[:32]}@{host}>"


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
    (smtplib.SMTPNotSupportedError, lambda error: f"lacks a feature: {error}", "security and user"),
    (smtplib.SMTPServerDisconnected, lambda _: "closed the connection", "host, port and security"),
)
"""Each kind of refusal, its description, and the keys of the configuration to check.

Subclasses come before their bases. The reply to a login is not shown, as it can repeat what was sent.
"""


def _describe(error: OSError, timeout_s: float) -> tuple[str, str]:
    """Return the description of an error and the keys of the configuration to check."""
    # While it waits for a reply, smtplib turns every error, a timeout too, into SMTPServerDisconnected.
    original = error.__context__
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(original, OSError):
        error = original
    for kind, describe, keys in _REFUSALS:
        if isinstance(error, kind):
            return describe(error), keys
    return connection_failure(error, timeout_s), "host, port and security"


def _replies(refused: _Refused) -> str:
    return ", ".join(f"{address}: {code} {_text(reply)}" for address, (code, reply) in refused.items())


def _reply(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_text(error.smtp_error)}"


def _text(reply: bytes | str) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else reply


def _masked(text: str, login: tuple[str, str] | None) -> str:
    """Return the server's text on one line, with the password masked in case the server repeats it."""
    return one_line(text.replace(login[1], "***") if login else text)
