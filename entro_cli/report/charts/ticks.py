"""Ticks of a chart's time axis, from coarse to fine. The page's script chooses the finest level that fits its width.

Plotly's own date axis is not used. It does not support time zones, so it would be off by an hour after a clock change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from entro_cli.core.clock import NS, moment, nanoseconds
from entro_cli.report.periods import midnight

_DAY_S = 86400
_WEEK_S = 7 * _DAY_S
_CLOCK_S = (43200, 21600, 10800, 3600, 1800, 900, 300, 60, 30, 10, 5, 1)
_MOST_MARKS = 300  # finer levels would bloat the page: even a wide chart has room for fewer

_SLACK_S = 2 * 3600
"""Longer than any clock change, which can make the end of an interval precede its start on the wall clock."""


@dataclass(frozen=True)
class TickLevel:
    """Ticks at one interval: their positions, in seconds from the origin, and their texts."""

    at: tuple[float, ...]
    text: tuple[str, ...]


def tick_levels(origin: datetime, start: datetime, end: datetime) -> tuple[TickLevel, ...]:
    """Return the ticks of a time span at all sensible intervals.

    Args:
        origin: time from which the axis counts seconds.
        start: beginning of the span, in the time zone of the ticks.
        end: end of the span.

    Returns:
        Levels from coarse to fine. Levels without a tick are left out, so there may be none in a span under a second.
    """
    length_s = (nanoseconds(end) - nanoseconds(start)) / NS
    kinds = [(_WEEK_S, _date), (_DAY_S, _number), (_DAY_S, _weekday), *((interval, _clock) for interval in _CLOCK_S)]
    fitting = [(interval, text) for interval, text in kinds if length_s / interval <= _MOST_MARKS]
    levels = (_level(interval, text, origin, start, end) for interval, text in fitting)
    return tuple(level for level in levels if level.at)


def _level(
    interval_s: int, text: Callable[[datetime], str], origin: datetime, start: datetime, end: datetime
) -> TickLevel:
    first, last, zero = nanoseconds(start), nanoseconds(end), nanoseconds(origin)
    found = [when for when in _times(interval_s, start, end) if first <= nanoseconds(when) < last]
    at = tuple((nanoseconds(when) - zero) / NS for when in found)
    return TickLevel(at, tuple(text(when) for when in found))


def _times(interval_s: int, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the multiples of the interval on the wall clock of each day in the span, and Mondays for a week.

    The first and the last day include times outside the span, which the caller drops.
    """
    zone = start.tzinfo
    assert zone is not None  # noqa: S101 - a period's ends have one
    for day in _dates(start, end):
        if interval_s < _WEEK_S or day.weekday() == 0:
            yield midnight(day, zone)
        first = _second_of_day(start) - _SLACK_S if day == start.date() else 0
        last = _second_of_day(end) + _SLACK_S if day == end.date() else _DAY_S
        for second in range(max(first // interval_s, 1) * interval_s, min(last, _DAY_S), interval_s):
            clock = datetime.combine(day, time(), tzinfo=zone) + timedelta(seconds=second)
            if moment(nanoseconds(clock), zone) == clock:  # a time that clocks skip does not survive the round trip
                yield clock


def _dates(start: datetime, end: datetime) -> Iterator[date]:
    for day in range((end.date() - start.date()).days + 1):
        yield start.date() + timedelta(days=day)


def _second_of_day(when: datetime) -> int:
    return when.hour * 3600 + when.minute * 60 + when.second


def _date(when: datetime) -> str:
    return f"{when.day} {when:%b}"


def _number(when: datetime) -> str:
    return str(when.day)


def _weekday(when: datetime) -> str:
    return f"{when:%a} {when.day}"


def _clock(when: datetime) -> str:
    """Return the time of day, with seconds unless they are 0; at midnight the date."""
    if when.hour == when.minute == when.second == 0:
        return _weekday(when)
    return f"{when:%H:%M}" if when.second == 0 else f"{when:%H:%M:%S}"
