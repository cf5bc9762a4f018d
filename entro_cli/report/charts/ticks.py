"""Marks on a chart's time axis, in the report's zone, coarse to fine, so that a page can choose by its width.

Plotly knows no zones: its own date axis would be off by an hour after the clock is changed.
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
_MOST_MARKS = 300

_SLACK_S = 2 * 3600
"""More than any change of the clock, which can put an end before a start on the wall."""


@dataclass(frozen=True)
class Marks:
    """Marks of one interval: where they are, in seconds from the origin, and what they say."""

    at: tuple[float, ...]
    text: tuple[str, ...]


def marks(origin: datetime, start: datetime, end: datetime) -> tuple[Marks, ...]:
    """The marks of a stretch of time, every interval that makes sense in it.

    Args:
        origin: what the axis counts seconds from.
        start: where the stretch begins; its zone is the one marks are in.
        end: where it ends.

    Returns:
        Coarse to fine; at least one of them has a mark unless the stretch is shorter than a second.
    """
    length_s = (nanoseconds(end) - nanoseconds(start)) / NS
    kinds = [(_WEEK_S, _date), (_DAY_S, _number), (_DAY_S, _weekday), *((interval, _clock) for interval in _CLOCK_S)]
    fitting = [(interval, say) for interval, say in kinds if length_s / interval <= _MOST_MARKS]
    levels = (_level(interval, say, origin, start, end) for interval, say in fitting)
    return tuple(level for level in levels if level.at)


def _level(interval_s: int, say: Callable[[datetime], str], origin: datetime, start: datetime, end: datetime) -> Marks:
    first, last, zero = nanoseconds(start), nanoseconds(end), nanoseconds(origin)
    found = [when for when in _times(interval_s, start, end) if first <= nanoseconds(when) < last]
    at = tuple((nanoseconds(when) - zero) / NS for when in found)
    return Marks(at, tuple(say(when) for when in found))


def _times(interval_s: int, start: datetime, end: datetime) -> Iterator[datetime]:
    """The multiples of the interval on the wall clock of each day, about the stretch; Mondays for a week."""
    zone = start.tzinfo
    assert zone is not None  # noqa: S101 - a period's ends have one
    for day in _dates(start, end):
        if interval_s < _WEEK_S or day.weekday() == 0:
            yield midnight(day, zone)
        first = _second_of_day(start) - _SLACK_S if day == start.date() else 0
        last = _second_of_day(end) + _SLACK_S if day == end.date() else _DAY_S
        for second in range(max(first // interval_s, 1) * interval_s, min(last, _DAY_S), interval_s):
            clock = datetime.combine(day, time(), tzinfo=zone) + timedelta(seconds=second)
            if moment(nanoseconds(clock), zone) == clock:  # some times do not exist where the clock is changed
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
    """The time, and the day where it begins; seconds where there are any."""
    if when.hour == when.minute == when.second == 0:
        return _weekday(when)
    return f"{when:%H:%M}" if when.second == 0 else f"{when:%H:%M:%S}"
