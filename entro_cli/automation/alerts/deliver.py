"""Telling: each alert once on each channel, whatever becomes of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from entro_cli.automation.alerts.alert import Alert
from entro_cli.automation.alerts.channel import Channel, PartlyToldError, Surroundings
from entro_cli.automation.alerts.ledger import Ledger
from entro_cli.automation.alerts.rules import digest
from entro_engine import EntroError

MOST_AT_ONCE = 10
"""Chosen: more new alerts than this are told in one message; a first run on a long history is no flood."""

_MOST_FAILURES = 2
"""Chosen: after so many on one channel the rest waits for the next run; a dead server is not waited for all night."""


def tell(
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
    around = Surroundings(now, environ, sleep)
    unique = list({alert.key: alert for alert in alerts}.values())
    failures = [failure for channel in channels for failure in _tell_on(channel, unique, ledger, around)]
    return list(dict.fromkeys(failures))


def _tell_on(channel: Channel, alerts: list[Alert], ledger: Ledger, around: Surroundings) -> list[str]:
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
    channel: Channel, alert: Alert, keys: tuple[str, ...], ledger: Ledger, around: Surroundings
) -> tuple[bool, list[str]]:
    """Whether it was told, and what went wrong."""
    remarks: list[str] = []
    try:
        channel.send(alert, around)
    except PartlyToldError as part:
        remarks.append(f"{channel.name}: {part}")
    except EntroError as error:
        return False, [f"{channel.name}: not told ({alert.subject}): {error}"]
    try:
        ledger.record(keys, channel.name, around.now)
    except EntroError as error:  # told is told; it will be told again, which is better than never
        remarks.append(str(error))
    return True, remarks
