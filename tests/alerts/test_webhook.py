import json
import socket
from datetime import timedelta
from email.utils import format_datetime

import pytest

from entro_cli.automation.alerts.alert import Alert
from entro_cli.automation.alerts.webhook import Webhook, payload
from entro_cli.core.secrets import SecretText, SecretVariable
from entro_engine import EntroError
from tests.alerts.conftest import NOW

PATH = "/services/T000/B000/k3cr3t-path"


def webhook(server, scheme="http", **options):
    return Webhook(SecretText(f"{scheme}://127.0.0.1:{server.server_port}{PATH}"), **options)


def failure(channel, alert, around):
    with pytest.raises(EntroError) as raised:
        channel.send(alert, around.given())
    error = str(raised.value)
    assert "k3cr3t" not in error + repr(raised.value) + repr(channel)
    assert "\n" not in error
    return error


def test_posts_json_with_all_of_the_text(hook, alert, around):
    with hook((200, {})) as server:
        Webhook(SecretVariable("HOOK")).send(alert, around.given(HOOK=f"http://127.0.0.1:{server.server_port}{PATH}\n"))
    (posted,) = server.posted
    assert posted.path == PATH
    assert posted.headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(posted.body)["text"] == f"{alert.subject}\n{alert.text}"
    assert around.pauses == []


@pytest.mark.parametrize("status", [201, 202, 204])
def test_every_2xx_is_taken(hook, alert, around, status):
    with hook((status, {})) as server:
        webhook(server).send(alert, around.given())


def test_tried_again_after_a_server_error(hook, alert, around):
    with hook((500, {}), (503, {}), (200, {})) as server:
        webhook(server).send(alert, around.given())
    assert around.pauses == [1.0, 4.0]
    assert len({posted.body for posted in server.posted}) == 1


def test_three_attempts_are_all(hook, alert, around):
    with hook(*[(502, {})] * 3) as server:
        assert failure(webhook(server), alert, around) == "webhook at 127.0.0.1: answered 502"
    assert len(server.posted) == 3


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("30", 30.0),
        (format_datetime(NOW + timedelta(seconds=12), usegmt=True), 12.0),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0.0),
        ("soon", 1.0),
    ],
)
def test_waits_as_long_as_it_is_asked_to(hook, alert, around, header, pause):
    with hook((429, {"Retry-After": header}), (200, {})) as server:
        webhook(server).send(alert, around.given())
    assert around.pauses == [pause]


def test_what_asks_for_a_longer_wait_is_left_until_next_time(hook, alert, around):
    with hook((429, {"Retry-After": "3600"})) as server:
        assert failure(webhook(server), alert, around).endswith("answered 429 and asks to wait 3600 s")
    assert around.pauses == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_not_tried_again(hook, alert, around, status):
    with hook((status, {})) as server:
        error = failure(webhook(server), alert, around)
    assert error == f"webhook at 127.0.0.1: answered {status}; check the address of [alerts.webhook]"
    assert len(server.posted) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(hook, alert, around, status):
    with hook() as other, hook((status, {"Location": f"http://127.0.0.1:{other.server_port}/"})) as server:
        assert f"answered {status}, a redirect, which is not followed" in failure(webhook(server), alert, around)
    assert other.posted == []
    assert len(server.posted) == 1


def test_a_server_that_hangs_is_left(hook, alert, around):
    with hook(*[(None, {})] * 3) as server:
        error = failure(webhook(server, timeout_s=0.1), alert, around)
    assert error == "webhook at 127.0.0.1: did not answer within 0.1 s"


def test_nobody_there(alert, around):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}{PATH}"
        error = failure(Webhook(SecretText(url)), alert, around)
    assert error == "webhook at 127.0.0.1: refused the connection"
    assert around.pauses == [1.0, 4.0]


def test_a_server_that_hangs_up_or_speaks_something_else(byte_server, alert, around):
    for says, expected in [
        (b"", "closed the connection"),
        (b"220 mail ESMTP\r\n", "sent an invalid or incomplete HTTP response"),
    ]:
        with byte_server(says) as port:
            error = failure(Webhook(SecretText(f"http://127.0.0.1:{port}{PATH}")), alert, around)
        assert error == f"webhook at 127.0.0.1: {expected}"


def test_a_certificate_is_checked(hook, alert, around, authority):
    with hook((200, {}), tls=authority.server) as server:
        error = failure(webhook(server, "https"), alert, around)
    assert "has a certificate that is not trusted" in error
    assert server.posted == []
    assert around.pauses == []


def test_https(hook, alert, around, trusted):
    with hook((200, {}), tls=trusted.server) as server:
        webhook(server, "https").send(alert, around.given())
    assert len(server.posted) == 1


def test_tls_where_there_is_none(hook, alert, around):
    with hook() as server:
        assert "does not speak TLS there" in failure(webhook(server, "https"), alert, around)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd#k3cr3t",
        "ftp://127.0.0.1/k3cr3t",
        "k3cr3t",
        "//127.0.0.1/k3cr3t",
        "https:///k3cr3t",
        "https://me:k3cr3t@127.0.0.1/",
        "http://127.0.0.1:99999/k3cr3t",
        "http://127.0.0.1/k3cr3t x",
        "http://127.0.0.1/k3cr3t\r\nHost: other",
        "http://127.0.0.1/k3cr3t\u00e4",
        "http://[::1/k3cr3t",
        f"http://{'a' * 64}.example/k3cr3t",
        "http://.example/k3cr3t",
    ],
)
def test_an_address_that_cannot_be_used_is_not_shown(alert, around, url):
    error = failure(Webhook(SecretText(url)), alert, around)
    assert error.startswith("[alerts.webhook]: the webhook's address cannot be used")


def test_no_name_is_markup_or_a_mention():
    hostile = "<!channel> <@U1> @here & <http://evil.example|safe> ![x](http://evil.example)"
    posted = payload(Alert("k", hostile, f"entro: {hostile}", hostile, "incident"))
    text = str(posted["text"])
    assert not set("<>") & set(text)
    assert "@here" not in text
    assert "](" not in text
    assert "&lt;!channel&gt;" in text
    assert " &amp; " in text
    assert posted["mrkdwn"] is False
