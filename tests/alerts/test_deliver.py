import json
from datetime import timedelta

import pytest

from entro_cli.automation.alerts.alert import Alert, PartlyDeliveredError
from entro_cli.automation.alerts.command import Command
from entro_cli.automation.alerts.deliver import Ledger, deliver
from entro_cli.automation.alerts.email import Email
from entro_cli.automation.alerts.webhook import Webhook
from entro_cli.core.secrets import SecretText
from entro_engine import EntroError
from tests.alerts.conftest import NOW, Mailbox


class Recorder:
    """A channel that records the alerts it received, and fails where it is made to."""

    def __init__(self, name="recorder"):
        self.name = name
        self.received = []
        self.raises = {}

    def send(self, alert, around):
        if alert.key in self.raises:
            raise self.raises[alert.key]
        self.received.append(alert.key)


def alerts(*keys):
    return [Alert(key, "default", f"entro: {key}", key, "incident") for key in keys]


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "state" / "told.json"


@pytest.fixture
def delivered(ledger):
    def delivered(keys, *channels, now=NOW):
        return deliver(alerts(*keys), channels, ledger, now, {}, sleep=lambda _: None)

    return delivered


def test_each_once_on_each_channel_in_the_order_given(delivered, ledger):
    first, second = Recorder("first"), Recorder("second")
    assert delivered("ba", first) == []
    assert delivered("abcb", first, second) == []
    assert delivered("abc", first, second) == []
    assert first.received == ["b", "a", "c"]
    assert second.received == ["a", "b", "c"]
    document = json.loads(ledger.read_text())
    assert document["schema"] == "entro/told/1"
    assert document["told"][0] == {"key": "b", "channel": "first", "at": "2026-04-09T15:00:00+00:00"}


def test_no_alerts_write_nothing(delivered, ledger):
    assert delivered("", Recorder()) == []
    assert delivered("a") == []
    assert not ledger.exists()


def test_what_failed_is_tried_again_and_keeps_nothing_else_from_being_delivered(delivered):
    first, second = Recorder("first"), Recorder("second")
    first.raises = {"b": EntroError("is full", where="pager")}
    assert delivered("abc", first, second) == ["first: not delivered (entro: b): pager: is full"]
    assert first.received == ["a", "c"]
    assert second.received == ["a", "b", "c"]
    first.raises = {}
    assert delivered("abc", first, second) == []
    assert first.received == ["a", "c", "b"]
    assert second.received == ["a", "b", "c"]


def test_a_channel_that_fails_twice_is_left_until_next_time(delivered):
    first, second = Recorder("first"), Recorder("second")
    first.raises = {key: EntroError("is down") for key in "abcde"}
    failures = delivered("abcde", first, second)
    assert len(failures) == 3
    assert failures[-1] == "first: 3 more not tried after 2 failures"
    assert second.received == list("abcde")


def test_partly_delivered_counts_as_delivered_and_is_reported(delivered):
    channel = Recorder()
    channel.raises = {"a": PartlyDeliveredError("refused gone@example.org")}
    assert delivered("a", channel) == ["recorder: refused gone@example.org"]
    assert delivered("a", channel) == []


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, MemoryError])
def test_a_kill_loses_nothing_that_was_delivered(delivered, end):
    channel = Recorder()
    channel.raises = {"c": end()}
    with pytest.raises(end):
        delivered("abcd", channel)
    channel.raises = {}
    assert delivered("abcd", channel) == []
    assert channel.received == ["a", "b", "c", "d"]


def test_many_at_once_are_one_message(delivered):
    many = [f"k{number}" for number in range(11)]
    old, new = Recorder("old"), Recorder("new")
    delivered(many[:1], old)
    assert delivered(many, old, new) == []
    assert old.received == many
    assert len(new.received) == 1
    assert new.received[0].startswith("digest ")
    assert delivered(many, old, new) == []
    assert len(new.received) == 1


def test_a_digest_that_failed_is_tried_again(delivered):
    many = [f"k{number}" for number in range(50)]
    channel = Recorder()
    delivered(many, channel)
    (key,) = channel.received
    other = Recorder("other")
    other.raises = {key: EntroError("is down")}
    (failure,) = delivered(many, other)
    assert failure == "other: not delivered (entro: 50 alerts for default, in one message): is down"
    other.raises = {}
    assert delivered(many, other) == []
    assert other.received == [key]


def test_what_is_old_is_forgotten(delivered, ledger):
    channel = Recorder()
    delivered("a", channel)
    delivered("b", channel, now=NOW + timedelta(days=400))
    assert Ledger.load(ledger).contains("a", "recorder")
    delivered("c", channel, now=NOW + timedelta(days=401))
    assert not Ledger.load(ledger).contains("a", "recorder")
    assert Ledger.load(ledger).contains("b", "recorder")


ENTRY = {"key": "a", "channel": "b", "at": "2026-04-09T15:00:00+00:00"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b'{"schema": "entro/told/2", "told": []}',
        b'{"schema": "entro/told/1"}',
        b'{"schema": "entro/told/1", "told": 3}',
        b'{"schema": "entro/told/1", "told": ["x"]}',
        json.dumps({"schema": "entro/told/1", "told": [{**ENTRY, "at": "yesterday"}]}).encode(),
        json.dumps({"schema": "entro/told/1", "told": [{**ENTRY, "at": 3}]}).encode(),
        json.dumps({"schema": "entro/told/1", "told": [{**ENTRY, "at": "2026-04-09T15:00:00"}]}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_damaged_ledger_is_named_and_kept(delivered, ledger, content):
    ledger.parent.mkdir()
    ledger.write_bytes(content)
    channel = Recorder()
    with pytest.raises(
        EntroError,
        match=r"told\.json: is damaged.*; delete it: alerts that were delivered already are then sent once more",
    ):
        delivered("a", channel)
    assert channel.received == []
    assert ledger.read_bytes() == content


def test_a_ledger_that_cannot_be_read(delivered, ledger):
    ledger.mkdir(parents=True)
    with pytest.raises(EntroError, match="cannot be read: it is not a regular file"):
        delivered("a", Recorder())


def test_a_ledger_that_cannot_be_written_keeps_no_alert_from_being_delivered(delivered, ledger, monkeypatch):
    def full(path, content):
        raise EntroError("cannot be written: No space left on device", where=str(path))

    monkeypatch.setattr("entro_cli.automation.alerts.deliver.write_whole", full)
    first, second = Recorder("first"), Recorder("second")
    assert delivered("ab", first, second) == [f"{ledger}: cannot be written: No space left on device"]
    assert first.received == second.received == ["a", "b"]


def test_all_channels_for_real(tmp_path, ledger, mail_server, hook):
    mailbox = Mailbox()
    environ = {"PATH": "/usr/bin:/bin"}
    with mail_server(mailbox) as port, hook((403, {}), (200, {})) as server:
        channels = [
            Command(("sh", "-c", 'echo "$ENTRO_ALERT_SUBJECT" >> "$0"', str(tmp_path / "pager"))),
            Email(("ops@example.org",), "entro@example.org", "127.0.0.1", port, "none"),
            Webhook(SecretText(f"http://127.0.0.1:{server.server_port}/t0ps3cr3t")),
        ]
        assert [channel.name for channel in channels] == ["command", "email", "webhook"]
        failures = deliver(alerts("a"), channels, ledger, NOW, environ)
        assert failures == [
            "webhook: not delivered (entro: a): webhook at 127.0.0.1: answered 403; "
            "check the address of [alerts.webhook]"
        ]
        assert deliver(alerts("a"), channels, ledger, NOW, environ) == []
        assert deliver(alerts("a"), channels, ledger, NOW, environ) == []
    assert (tmp_path / "pager").read_text() == "entro: a\n"
    assert len(mailbox.messages) == 1
    assert len(server.posted) == 2
    assert "t0ps3cr3t" not in ledger.read_text()
