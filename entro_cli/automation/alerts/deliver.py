"""Telling: each alert once on each channel, whatever becomes of the others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from entro_cli.automation.alerts.alert import Alert, Channel, DeliveryContext, PartlyDeliveredError
from entro_cli.automation.alerts.command import Command
from entro_cli.automation.alerts.email import Email
from entro_cli.automation.alerts.rules import digest
from entro_cli.automation.alerts.webhook import Webhook
from entro_cli.core.console import printable
from entro_cli.core.files import write_whole
from entro_cli.core.json_document import as_json
from entro_engine import EntroError

MOST_AT_ONCE = 10
"""Chosen: more new alerts than this are told in one message; a first run on a long history is no flood."""

_MOST_FAILURES = 2
"""Chosen: after so many on one channel the rest waits for the next run; a dead server is not waited for all night."""


def deliver(
    alerts: Sequence[Alert],
    channels: Iterable[Channel],
    ledger_path: Path,
    now: datetime,
    environ: Mapping[str, str],
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Tell of alerts, each once on each channel: what could not be done, in words, and is tried again next time.

    The ledger is written after every message, so that a kill makes at most one be told twice. Only one may tell at a
    time: the caller holds a lock.

    Args:
        alerts: in the order in which to tell them.
        channels: see `Channels`.
        ledger_path: where it is noted what was told.
        now: the time it is, with a zone.
        environ: the environment: of the command, and of secrets that are in variables.
        sleep: waits so many seconds.

    Raises:
        EntroError: when the ledger cannot be read or is damaged; nothing is told then.
    """
    ledger = Ledger.load(ledger_path)
    around = DeliveryContext(now, environ, sleep)
    unique = list({alert.key: alert for alert in alerts}.values())
    failures = [failure for channel in channels for failure in _tell_on(channel, unique, ledger, around)]
    return list(dict.fromkeys(failures))


def _tell_on(channel: Channel, alerts: list[Alert], ledger: Ledger, around: DeliveryContext) -> list[str]:
    new = [alert for alert in alerts if not ledger.holds(alert.key, channel.name)]
    messages: list[tuple[Alert, tuple[str, ...]]] = [(alert, (alert.key,)) for alert in new]
    if len(new) > MOST_AT_ONCE:
        messages = [(digest(new), tuple(alert.key for alert in new))]
    remarks: list[str] = []
    failed = 0
    for number, (alert, keys) in enumerate(messages):
        if failed == _MOST_FAILURES:
            remarks.append(f"{channel.name}: {len(messages) - number} more not tried after {failed} failures")
            break
        told, said = _send(channel, alert, keys, ledger, around)
        failed += not told
        remarks += said
    return remarks


def _send(
    channel: Channel, alert: Alert, keys: tuple[str, ...], ledger: Ledger, around: DeliveryContext
) -> tuple[bool, list[str]]:
    """Whether it was told, and what went wrong."""
    remarks: list[str] = []
    try:
        channel.send(alert, around)
    except PartlyDeliveredError as part:
        remarks.append(f"{channel.name}: {part}")
    except EntroError as error:
        return False, [f"{channel.name}: not told ({alert.subject}): {error}"]
    try:
        ledger.record(keys, channel.name, around.now)
    except EntroError as error:  # told is told; it will be told again, which is better than never
        remarks.append(str(error))
    return True, remarks


SCHEMA = "entro/told/1"
"""What the file calls itself."""

KEPT = timedelta(days=400)
"""Chosen: longer than any report's period and a year of reading back."""


@dataclass(frozen=True)
class DeliveryRecord:
    """That an alert of this key was told on this channel, then."""

    key: str
    channel: str
    at: datetime


class Ledger:
    """What was told, kept in one file. Its callers take turns: who tells holds the lock.

    Args:
        path: where it is kept.
        told: what was told so far.
    """

    def __init__(self, path: Path, told: tuple[DeliveryRecord, ...] = ()) -> None:
        self._path = path
        self._told = {(entry.key, entry.channel): entry.at for entry in told}

    @classmethod
    def load(cls, path: Path) -> Ledger:
        """The ledger in a file; an empty one where there is no file yet.

        Raises:
            EntroError: when it cannot be read, or is damaged.
        """
        try:
            return cls(path, _entries(json.loads(path.read_bytes())))
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise EntroError(f"cannot be read: {error.strerror or error}", where=printable(str(path))) from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise EntroError(
                "is damaged, or no ledger of alerts",
                where=printable(str(path)),
                expected=f"a JSON document {SCHEMA}",
                remedy="delete it; what was told already is then told once more",
            ) from error

    def holds(self, key: str, channel: str) -> bool:
        """Whether it was told there."""
        return (key, channel) in self._told

    def record(self, keys: tuple[str, ...], channel: str, now: datetime) -> None:
        """Note that these were told there, now, and write that down; see `save` for errors."""
        self._told.update({(key, channel): now for key in keys})
        self.save(now)

    def save(self, now: datetime) -> None:
        """Write it, without what is older than `KEPT`.

        Raises:
            EntroError: when it cannot be written.
        """
        entries = [DeliveryRecord(key, channel, at) for (key, channel), at in self._told.items() if now - at <= KEPT]
        write_whole(self._path, as_json({"schema": SCHEMA, "told": entries}) + "\n")


def _entries(document: Any) -> tuple[DeliveryRecord, ...]:
    """The entries of the document; a `ValueError`, `TypeError` or `KeyError` where it is none of ours."""
    if document["schema"] != SCHEMA:
        raise ValueError
    told = tuple(
        DeliveryRecord(str(entry["key"]), str(entry["channel"]), datetime.fromisoformat(entry["at"]))
        for entry in document["told"]
    )
    if any(entry.at.tzinfo is None for entry in told):
        raise ValueError
    return told


@dataclass(frozen=True)
class Channels:
    """The ways there are; None where there is none of a kind."""

    command: Command | None = None
    email: Email | None = None
    webhook: Webhook | None = None

    def __iter__(self) -> Iterator[Channel]:
        ways: tuple[Channel | None, ...] = (self.command, self.email, self.webhook)
        return iter([way for way in ways if way is not None])
