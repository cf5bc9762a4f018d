"""Delivery of alerts: each one once per channel, even if other channels fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from entro_cli.automation.alerts.alert import Alert, Channel, DeliveryContext, PartlyDeliveredError
from entro_cli.automation.alerts.rules import digest
from entro_cli.core.console import printable
from entro_cli.core.files import read_regular, write_whole
from entro_cli.core.json_document import sealed, to_builtins, unsealed
from entro_engine import EntroError

SCHEMA = "entro/told/1"
"""The `schema` of the ledger's file. The name is older than the word `deliver`, and stored files keep it."""

KEEP_FOR = timedelta(days=400)
"""Chosen: longer than any report's period, and longer than a year of logs that are read late."""

MAX_MESSAGES = 10
"""Chosen: more new alerts than this become one digest, so that a first run on a long history sends no flood."""

_MAX_FAILURES = 2
"""Chosen: after this many failures on a channel the rest waits for the next run.

A dead server costs up to three timeouts per alert.
"""


def deliver(
    alerts: Sequence[Alert],
    channels: Iterable[Channel],
    ledger_path: Path,
    now: datetime,
    environ: Mapping[str, str],
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Deliver alerts, each once per channel.

    The ledger is written after every message, so that a kill repeats at most one. The caller holds a lock, because two
    processes would both send what neither has recorded yet.

    Args:
        alerts: the alerts in the order of delivery.
        channels: the channels.
        ledger_path: the file that records deliveries.
        now: the current time, with a zone.
        environ: the environment of the command, and the place of secrets that are in variables.
        sleep: waits a number of seconds.

    Returns:
        A message for each failure. The next run tries these alerts again.

    Raises:
        EntroError: if the ledger cannot be read or is damaged; nothing is delivered then.
    """
    ledger = Ledger.load(ledger_path)
    context = DeliveryContext(now, environ, sleep)
    unique = list({alert.key: alert for alert in alerts}.values())
    failures = [failure for channel in channels for failure in _deliver_on(channel, unique, ledger, context)]
    return list(dict.fromkeys(failures))


def _deliver_on(channel: Channel, alerts: list[Alert], ledger: Ledger, context: DeliveryContext) -> list[str]:
    new = [alert for alert in alerts if not ledger.contains(alert.key, channel.name)]
    messages: list[tuple[Alert, tuple[str, ...]]] = [(alert, (alert.key,)) for alert in new]
    if len(new) > MAX_MESSAGES:
        messages = [(digest(new), tuple(alert.key for alert in new))]
    failures: list[str] = []
    failed = 0
    for sent, (alert, keys) in enumerate(messages):
        if failed == _MAX_FAILURES:
            failures.append(f"{channel.name}: {len(messages) - sent} more not tried after {failed} failures")
            break
        was_delivered, found = _send(channel, alert, keys, ledger, context)
        failed += not was_delivered
        failures += found
    return failures


def _send(
    channel: Channel, alert: Alert, keys: tuple[str, ...], ledger: Ledger, context: DeliveryContext
) -> tuple[bool, list[str]]:
    """Send one message and record it under its keys.

    Returns:
        Whether it was delivered, and a message for each failure.
    """
    failures: list[str] = []
    try:
        channel.send(alert, context)
    except PartlyDeliveredError as error:
        failures.append(f"{channel.name}: {error}")
    except EntroError as error:
        return False, [f"{channel.name}: not delivered ({alert.subject}): {error}"]
    try:
        ledger.record(keys, channel.name, context.now)
    except EntroError as error:  # the next run delivers it once more, which is better than never
        failures.append(str(error))
    return True, failures


_Deliveries = dict[tuple[str, str], datetime]
"""When the alert of a key was delivered on a channel, by key and channel."""


class Ledger:
    """The record of delivered alerts, kept in one file. Its users hold a lock.

    Args:
        path: the file.
        delivered: the deliveries so far.
    """

    def __init__(self, path: Path, delivered: _Deliveries | None = None) -> None:
        self._path, self._delivered = path, delivered or {}

    @classmethod
    def load(cls, path: Path) -> Ledger:
        """Read the ledger from a file; it is empty if the file does not exist yet.

        Raises:
            EntroError: if the file cannot be read or is damaged.
        """
        try:
            return cls(path, _deliveries(unsealed(read_regular(path))))
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise EntroError(f"cannot be read: {error.strerror or error}", where=printable(str(path))) from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise EntroError(
                "is damaged, or is not a ledger of alerts",
                where=printable(str(path)),
                expected=f"a JSON document {SCHEMA}",
                remedy="delete it: alerts that were delivered already are then sent once more",
            ) from error

    def contains(self, key: str, channel: str) -> bool:
        """Return whether the alert of a key was delivered on a channel."""
        return (key, channel) in self._delivered

    def record(self, keys: tuple[str, ...], channel: str, now: datetime) -> None:
        """Record that alerts were delivered on a channel, and save the ledger; see `save` for errors."""
        self._delivered.update({(key, channel): now for key in keys})
        self.save(now)

    def save(self, now: datetime) -> None:
        """Write the ledger without the records that are older than `KEEP_FOR`.

        Raises:
            EntroError: if the file cannot be written.
        """
        told = [
            {"key": key, "channel": channel, "at": at}
            for (key, channel), at in self._delivered.items()
            if now - at <= KEEP_FOR
        ]
        write_whole(self._path, sealed({"schema": SCHEMA, "told": to_builtins(told)}))


def _deliveries(document: Any) -> _Deliveries:
    """Return the deliveries of a ledger's document.

    Raises:
        ValueError, TypeError, KeyError: if the document has another form.
    """
    delivered = {
        (str(entry["key"]), str(entry["channel"])): datetime.fromisoformat(entry["at"]) for entry in document["told"]
    }
    # `save` could not subtract a time without a zone from one that has it
    if document["schema"] != SCHEMA or any(at.tzinfo is None for at in delivered.values()):
        raise ValueError
    return delivered
