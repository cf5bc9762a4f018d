"""Times on whatever clock, converted to nanoseconds since the epoch."""

from __future__ import annotations

from bisect import bisect_left
from datetime import timedelta, tzinfo

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from entro_cli.core.clock import NS, moment
from entro_cli.readers.problems import Tally
from entro_cli.readers.timestamps import TimestampFormat
from entro_cli.timeseries.observations import ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError

_EPOCHS = {NS // 1000**power: f"epoch {unit}seconds" for power, unit in enumerate(("", "milli", "micro", "nano"))}


def to_utc(
    label: str,
    times: TimeArray,
    zoned: NDArray[np.bool_],
    form: TimestampFormat,
    options: ReadOptions,
    tally: Tally,
    *,
    is_utc: bool,
) -> tuple[TimeArray, str]:
    """Return times as nanoseconds since the epoch, and a description of how they were read.

    Args:
        label: the file, for messages.
        times: nanoseconds, as `timestamp_sql` defines them, shape (rows,), in the order of the file.
        zoned: whether each names its zone, shape (rows,).
        form: their format.
        options: how the log is read.
        tally: receives the warnings.
        is_utc: whether their column is called that of times in UTC.

    Raises:
        EntroError: if only some of them name a zone, and the user named none.
    """
    if form.is_offset:
        if options.start_ns is None:
            tally.note(ProblemKind.NO_START)
            return times, "offsets, no date"
        return times + options.start_ns, "offsets from --start"
    if options.start_ns is not None:
        tally.note(ProblemKind.START_NOT_USED)
    if form.unit_ns:
        return times, _EPOCHS[form.unit_ns]
    if zoned.all():
        return times, "as written"
    if is_utc:
        return times, "UTC, by the name of the column"
    if zoned.any() and not options.zone_given:
        raise EntroError(
            f"{int((~zoned).sum())} of {len(zoned)} times name no zone while the others do",
            where=label,
            expected="a zone in all times or in none",
            remedy="name the zone of those with --tz",
        )
    naive = ~zoned
    utc = times.copy()
    utc[naive] = local_to_utc(times[naive], options.zone, tally)
    return utc, f"{options.zone} ({'--tz' if options.zone_given else 'this machine'})"


class _Change(Struct, frozen=True):
    """A change of a zone's offset from UTC, such as the start of summer time; all in nanoseconds."""

    utc: int
    before: int
    after: int


def local_to_utc(wall: TimeArray, zone: tzinfo, tally: Tally, known: int = 0) -> TimeArray:
    """Return wall clock times as nanoseconds since the epoch.

    The clock shows an hour twice in autumn. Rows of that hour after the one at which the log itself steps back are its
    second showing. Times that the clock skips in spring are read with the offset before the change.

    Args:
        wall: nanoseconds since the epoch as if the wall clock were UTC, shape (rows,), in the order of the log.
        zone: the clock's zone.
        tally: receives the count of times that had to be guessed or moved.
        known: the number of rows at the beginning that were counted before.
    """
    if not len(wall):
        return wall
    changes = _changes(int(wall.min()), int(wall.max()), zone)
    first = _offset(int(wall.min()) - 2 * 86400 * NS, zone)  # where `_changes` begins to look
    offsets = np.array([first] + [change.after for change in changes], dtype=np.int64)
    # Before these wall clock times the offset before a change applies, in the doubtful or skipped hour, too.
    edges = np.array([change.utc + max(change.before, change.after) for change in changes], dtype=np.int64)
    times = wall - offsets[np.searchsorted(edges, wall, side="right")]
    doubtful = skipped = 0
    by_order = True
    cadence = _cadence(wall)
    for change in changes:
        low, high = sorted((change.utc + change.before, change.utc + change.after))
        inside = (wall >= low) & (wall < high)
        if change.after > change.before:
            skipped += int(inside[known:].sum())
            continue
        doubtful += int(inside[known:].sum())
        second = _second_showing(wall, inside, high - low, cadence)
        if second is None:
            by_order = by_order and not inside.any()
        else:
            times[second] = wall[second] - change.after
    # Times in an hour that the clock showed twice are the first of the two unless the order of the rows resolves them.
    tally.count(ProblemKind.HOUR_TWICE_BY_ORDER if by_order else ProblemKind.HOUR_TWICE_AS_FIRST, doubtful)
    tally.count(ProblemKind.HOUR_SKIPPED, skipped)
    return times


def clock_set_back(wall: TimeArray) -> list[int]:
    """Return the two times between which the clock was set back an hour in the last two hours; empty if it was not.

    Lines that are read on need them to know that they are in the second showing of that hour.

    Args:
        wall: what the clock shows, nanoseconds, shape (rows,), in the order of the log.
    """
    steps = np.diff(wall)
    back = np.flatnonzero((steps < -30 * 60 * NS) & (steps > -70 * 60 * NS))
    if not len(back) or abs(int(wall[-1] - wall[back[-1]])) > 7200 * NS:
        return []
    return [int(wall[back[-1]]), int(wall[back[-1] + 1])]


def _cadence(wall: TimeArray) -> float:
    """Return the usual time between two rows, nanoseconds, without those of one time; 0 if there are no others."""
    between = np.diff(wall)
    return float(np.median(between[between > 0])) if np.any(between > 0) else 0.0


def _second_showing(
    wall: TimeArray, inside: NDArray[np.bool_], length: int, cadence: float
) -> NDArray[np.int64] | None:
    """Return the rows in the second showing of the doubtful hour; None unless the log steps back there exactly once.

    Between two rows the clock advances by the cadence, but by the cadence less the hour where it was set back. Half of
    the hour separates that from rows that are only out of order.

    Args:
        wall: what the clock shows, nanoseconds, shape (rows,).
        inside: whether each row is in the doubtful hour, shape (rows,).
        length: length of that hour, nanoseconds.
        cadence: the usual time between two rows, nanoseconds.
    """
    rows = np.flatnonzero(inside)
    if not len(rows):
        return None
    back = rows[(rows > 0) & (np.diff(wall, prepend=wall[0])[rows] <= cadence - length / 2)]
    return rows[rows >= back[0]] if len(back) == 1 else None


def _changes(first_wall: int, last_wall: int, zone: tzinfo) -> list[_Change]:
    """Return the changes of a zone's offset that can matter between two wall clock times."""
    day = 86400 * NS
    changes = []
    low = first_wall - 2 * day  # no wall clock is a day away from UTC
    while low < last_wall + 2 * day:
        high = low + day
        if _offset(low, zone) != _offset(high, zone):
            changes.append(_change_between(low, high, zone))
        low = high
    return changes


def _change_between(low: int, high: int, zone: tzinfo) -> _Change:
    """Return the only change of a zone's offset between two times, which is at a whole second."""
    before, after = _offset(low, zone), _offset(high, zone)
    seconds = range(low // NS, high // NS + 1)
    first = bisect_left(seconds, True, key=lambda second: _offset(second * NS, zone) != before)
    return _Change(seconds[first] * NS, before, after)


def _offset(utc: int, zone: tzinfo) -> int:
    """Return a zone's offset from UTC at a time, nanoseconds."""
    shift = moment(utc, zone).utcoffset() or timedelta(0)
    return round(shift.total_seconds()) * NS
