import signal
import socket
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.automation.alerts.alert import Alert, DeliveryContext, PartlyDeliveredError
from entro_cli.automation.alerts.email import Email
from entro_cli.core.connections import lost_connections_as_errors
from entro_cli.core.secrets import SecretText, SecretVariable
from entro_engine import EntroError
from tests.alerts.conftest import NOW, PASSWORD, USER, Mailbox, authenticate

LOGIN = {"user": USER, "password": SecretVariable("MAIL_PASSWORD")}


def email(port, **options):
    known = {"to": ("ops@example.org",), "sender": "entro@example.org", "host": "127.0.0.1", "security": "none"}
    return Email(port=port, **{**known, "timeout_s": 5.0, **options})


def failure(channel, alert, around, password=PASSWORD):
    with pytest.raises(EntroError) as raised:
        channel.send(alert, around.given(MAIL_PASSWORD=password))
    error = str(raised.value)
    assert error.isprintable()
    assert password not in error + repr(raised.value) + repr(channel)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return error


def read(message):
    """The text of a message; its lines travel with a carriage return."""
    return message.get_content().replace("\r\n", "\n")


def test_a_message(mail_server, alert, around):
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        email(port, to=("ops@example.org", "On call <night@example.org>")).send(alert, around.given())
    (session,), (message,) = mailbox.sessions, mailbox.messages
    assert session.sender == "entro@example.org"
    assert session.recipients == ["ops@example.org", "night@example.org"]
    assert message["To"] == "ops@example.org, On call <night@example.org>"
    assert message["From"] == "entro@example.org"
    assert message["Subject"] == alert.subject
    assert parsedate_to_datetime(message["Date"]) == NOW
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "text/plain"
    assert message.get_content_charset() == "utf-8"
    assert read(message) == alert.text + "\n"


def test_a_repeat_is_recognised_as_one(mail_server, alert, around):
    mailbox = Mailbox()
    other = Alert("another", alert.pipeline, alert.subject, alert.text, "incident")
    with mail_server(mailbox) as port:
        for sent in (alert, alert, other):
            email(port).send(sent, around.given())
    first, again, another = [message["Message-ID"] for message in mailbox.messages]
    assert first == again != another
    assert first.endswith("@example.org>")


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_tls_and_login(mail_server, alert, around, trusted, security):
    mailbox = Mailbox()
    tls = {"tls": trusted.server} if security == "tls" else {"tls_context": trusted.server, "require_starttls": True}
    began = security == "starttls"  # aiosmtpd knows of the TLS it began itself only
    options = {"authenticator": authenticate, "auth_required": began, "auth_require_tls": began}
    with mail_server(mailbox, **tls, **options) as port:
        email(port, security=security, **LOGIN).send(alert, around.given(MAIL_PASSWORD=PASSWORD))
    (session,) = mailbox.sessions
    assert session.user == USER
    assert session.tls == began


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_is_checked(mail_server, alert, around, authority, security):
    mailbox = Mailbox()
    tls = {"tls": authority.server} if security == "tls" else {"tls_context": authority.server}
    with mail_server(mailbox, **tls) as port:
        error = failure(email(port, security=security), alert, around)
    assert f"mail server 127.0.0.1:{port}: has a certificate that is not trusted: " in error
    assert mailbox.sessions == []


def test_nothing_is_sent_when_there_is_no_starttls(mail_server, alert, around):
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        error = failure(email(port, security="starttls", **LOGIN), alert, around)
    assert "lacks a feature: STARTTLS extension not supported by server." in error
    assert mailbox.sessions == []


def test_tls_where_there_is_none(mail_server, alert, around):
    with mail_server(Mailbox()) as port:
        assert "does not speak TLS there" in failure(email(port, security="tls"), alert, around)


def test_a_wrong_password(mail_server, alert, around):
    options = {"authenticator": authenticate, "auth_require_tls": False}
    with mail_server(Mailbox(), **options) as port:
        error = failure(email(port, **LOGIN), alert, around, password="wr0ng")
    assert error.endswith(f":{port}: refused the login, code 535; check user and password of [alerts.email]")


def test_a_login_where_there_is_none(mail_server, alert, around):
    with mail_server(Mailbox()) as port:
        error = failure(email(port, **LOGIN), alert, around)
    assert error.endswith("check security and user of [alerts.email]")


def test_a_password_is_never_sent_in_the_clear_to_another_machine(alert, around):
    channel = email(25, host="mail.example.org", **LOGIN)
    assert "would send the password in the clear" in failure(channel, alert, around)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"user": "me"}, "has a user and no password"),
        ({"user": "m\u00e9", "password": SecretText("x9x9")}, "characters that are not ASCII"),
        ({"user": "me", "password": SecretVariable("NOT_SET")}, "environment variable NOT_SET: is not set"),
        ({"to": ()}, "is not an e-mail address"),
        ({"to": ("ops@example.org", "nobody")}, "is not an e-mail address"),
        ({"to": ("ops@example.org\r\nBcc: x@example.org",)}, "is not an e-mail address"),
        ({"sender": "entro"}, "is not an e-mail address"),
        ({"sender": "a@b@c"}, "is not an e-mail address"),
        ({"host": f"{'a' * 64}.example"}, "is not a host name"),
        ({"host": "no.such.host.invalid"}, "cannot be reached: "),
    ],
)
def test_what_cannot_be_right(alert, around, options, expected):
    assert expected in failure(email(1, **options), alert, around)


def test_all_recipients_refused(mail_server, alert, around):
    with mail_server(Mailbox(refuse={"ops@example.org"})) as port:
        error = failure(email(port), alert, around)
    assert "refused ops@example.org: 550 5.1.1 no such user here; check to of" in error


def test_some_recipients_refused(mail_server, alert, around):
    mailbox = Mailbox(refuse={"gone@example.org"})
    with (
        mail_server(mailbox) as port,
        pytest.raises(
            PartlyDeliveredError, match=r"gone@example\.org: 550 .*; the other recipients received the message"
        ),
    ):
        email(port, to=("gone@example.org", "ops@example.org")).send(alert, around.given())
    assert mailbox.sessions[0].recipients == ["ops@example.org"]


def test_the_message_refused(mail_server, alert, around):
    with mail_server(Mailbox(reply="554 we saw \x1b[1m in it")) as port:
        options = {"authenticator": authenticate, "auth_require_tls": False}
        assert "answered 554 we saw" in failure(email(port), alert, around)
    with mail_server(Mailbox(reply=f"554 we saw {PASSWORD} in it"), **options) as port:
        assert "answered 554 we saw *** in it" in failure(email(port, **LOGIN), alert, around)


def test_nobody_there(alert, around):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = failure(email(unused.getsockname()[1]), alert, around)
    assert "refused the connection; check host, port and security" in error


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (None, "did not answer within 0.2 s"),
        (b"", "closed the connection"),
        (b"220 hello\r\n", "closed the connection"),
        (b"421 too busy\r\n", "answered 421 too busy"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "answered -1 "),
    ],
)
def test_a_server_that_is_none(byte_server, alert, around, says, expected):
    with byte_server(says) as port:
        assert expected in failure(email(port, timeout_s=0.2 if says is None else 20.0), alert, around)


def test_a_lost_connection_is_an_error_where_a_broken_pipe_would_end_the_process():
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        ours, theirs = socket.socketpair()
        theirs.close()
        with ours, lost_connections_as_errors(), pytest.raises(BrokenPipeError):
            ours.send(b"x")
        assert signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGPIPE, before)


HOSTILE = "x\r\nBcc: victim@example.org\r\n\r\nbody \x1b[31m \u202e \ud800 <!channel> $(touch x) =?utf-8?q?x?="


def built(alert):
    posted = []
    with patch.object(Email, "_deliver", lambda _, message, *others: posted.append(bytes(message))):
        email(25).send(alert, DeliveryContext(NOW, {}, print))
    return message_from_bytes(posted[0], policy=policy.default)


def assert_faithful(alert):
    message = built(alert)
    assert message.keys() == [
        *("Subject", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
        *("From", "To", "Date", "Message-ID", "Auto-Submitted"),
    ]
    assert not message.defects
    assert read(message) == alert.text + "\n"
    return message


def test_a_hostile_name_makes_no_header(mail_server, around):
    mailbox = Mailbox()
    alert = Alert(HOSTILE, HOSTILE, f"entro: {HOSTILE}", f"{HOSTILE}\n.\nQUIT", "incident", datetime.now(UTC))
    with mail_server(mailbox) as port:
        email(port).send(alert, around.given())
    (message,) = mailbox.messages
    assert "Bcc" not in message
    assert mailbox.sessions[0].recipients == ["ops@example.org"]
    assert read(message) == alert.text + "\n"
    assert r"\r\nBcc: victim@example.org" in message["Subject"]


@given(st.text(), st.text())
def test_any_alert_makes_a_message_that_reads_back(subject, text):
    alert = Alert("k", "p", subject, text, "incident")
    message = assert_faithful(alert)
    assert "".join(message["Subject"].split()) == "".join(alert.subject.split())


@given(st.text('aä \t:=?_<>"\\,;@\r\n\x1b\u202e\ud800', max_size=300))
def test_nor_does_any_made_of_what_headers_are_made_of(text):
    assert_faithful(Alert(text, text, text, text, "incident"))
