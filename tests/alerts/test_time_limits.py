"""A server that sends a byte now and then is never silent: the limit is of the whole request, and of its size."""

import time
from contextlib import contextmanager

import pytest

from entro_cli.automation.alerts.apprise import Apprise
from entro_cli.automation.alerts.email import Email
from entro_cli.automation.alerts.webhook import Webhook
from entro_cli.core.secrets import SecretText
from entro_cli.readers.prometheus.client import MetricsPage, PrometheusServer, TimeRange
from entro_engine import EntroError
from tests.alerts.dripping import dripping
from tests.running import REAL_TIME

pytestmark = REAL_TIME

LIMIT_S = 0.15
HEADERS = b"HTTP/1.1 200 OK\r\n"
BEGINNINGS = {
    "its status": b"",
    "its headers": HEADERS + b"X: ",
    "its body": HEADERS + b"Content-Length: 100000\r\n\r\n",
    "a body of unknown length": HEADERS + b"\r\n",
}


@contextmanager
def given_up(says=f"did not answer within {LIMIT_S:g} s", attempts=1):
    began_s = time.monotonic()
    with pytest.raises(EntroError) as raised:
        yield
    assert says in str(raised.value)
    assert time.monotonic() - began_s < attempts * LIMIT_S + 3  # a machine that is busy


@pytest.mark.parametrize("begins", BEGINNINGS.values(), ids=BEGINNINGS)
def test_metrics_that_drip(begins):
    with dripping(begins) as port, given_up():
        MetricsPage(f"http://127.0.0.1:{port}/", {}, LIMIT_S, pauses_s=()).fetch()
    with dripping(begins) as port, given_up():
        PrometheusServer(f"http://127.0.0.1:{port}", {}, LIMIT_S, pauses_s=()).query_range(
            "up", TimeRange(0, 10**9, 10**9)
        )


@pytest.mark.parametrize("begins", [*BEGINNINGS.values()][:2], ids=[*BEGINNINGS][:2])
def test_a_webhook_that_drips(begins, alert, around):
    with dripping(begins) as port, given_up(attempts=3):
        Webhook(SecretText(f"http://127.0.0.1:{port}/x"), LIMIT_S).send(alert, around.given())


@pytest.mark.parametrize("begins", [b"", b"\x16\x03\x03\x40\x00\x02\x00\x40\x00"], ids=["no record", "a long record"])
def test_tls_that_drips(begins, alert, around, monkeypatch):
    part = b"\x16" if begins else b""
    with dripping(begins, part) as port, given_up(attempts=3):
        Webhook(SecretText(f"https://127.0.0.1:{port}/x"), LIMIT_S).send(alert, around.given())
    with dripping(begins, part) as port, given_up():
        email(port, security="tls").send(alert, around.given())


def test_continue_without_end(alert, around):
    with dripping(part=b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=0) as port, given_up(attempts=3):
        Webhook(SecretText(f"http://127.0.0.1:{port}/x"), LIMIT_S).send(alert, around.given())


def test_a_page_that_is_cut_short_is_not_taken_for_a_whole_one(byte_server):
    with byte_server(HEADERS + b"Content-Length: 100\r\n\r\nwaiting 1\n") as port, given_up("incomplete HTTP response"):
        MetricsPage(f"http://127.0.0.1:{port}/", {}, pauses_s=()).fetch()


def test_a_page_without_end(monkeypatch):
    monkeypatch.setattr("entro_cli.readers.prometheus.client._LARGEST_RESPONSE_BYTES", 1 << 20)
    with (
        dripping(BEGINNINGS["a body of unknown length"], b"a" * 65536, pause_s=0) as port,
        given_up("longer than 1 MiB"),
    ):
        MetricsPage(f"http://127.0.0.1:{port}/", {}, pauses_s=()).fetch()


def email(port, **options):
    return Email(
        ("ops@example.org",),
        "entro@example.org",
        "127.0.0.1",
        port,
        **{"security": "none", **options},
        timeout_s=LIMIT_S,
    )


@pytest.mark.parametrize("begins", [b"", b"220 ", b"220 here\r\n250-"], ids=["silence", "greeting", "reply"])
@pytest.mark.parametrize("security", ["none", "starttls"])
def test_a_mail_server_that_drips(begins, security, alert, around):
    with dripping(begins) as port, given_up():
        email(port, security=security).send(alert, around.given())


def test_a_mail_server_that_replies_without_end(alert, around):
    with dripping(b"220 here\r\n", b"250-x\r\n" * 1000, pause_s=0) as port, given_up("closed the connection"):
        Email(("ops@example.org",), "entro@example.org", "127.0.0.1", port, "none").send(alert, around.given())


def test_a_service_of_apprise_that_drips(alert, around):
    pytest.importorskip("apprise")
    with dripping(BEGINNINGS["its body"]) as port, given_up(f"within {LIMIT_S:g} s"):
        Apprise(SecretText(f"json://127.0.0.1:{port}/x"), LIMIT_S).send(alert, around.given())
