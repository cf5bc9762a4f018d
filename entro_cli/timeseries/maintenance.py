"""Maintenance windows: times that no figure counts, once or every week, by the clock of the reports' zone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.core.clock import duration_ns, moment, moment_ns, nanoseconds
from entro_cli.timeseries.steps import Steps, StepSource, view_of
from entro_engine import EntroError

EXPECTED = 'windows such as "Sun 02:00-04:00", "daily 03:00-03:30" or "2026-04-06T02:00/2h"'

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKLY = re.compile(r"(?P<days>[a-z,-]+)\s+(?P<begin>\d\d?:\d\d)\s*-\s*(?P<end>\d\d?:\d\d)", re.IGNORECASE)
_DURATION = re.compile(r"[0-9.]+[a-z]+")
_DAY_MINUTES = 24 * 60


class Gap(NamedTuple):
    """A time range to leave out: its begin and end, nanoseconds since the epoch."""

    start_ns: int
    end_ns: int


class _Once(Struct, frozen=True):
    gap: Gap

    def gaps(self, start_ns: int, end_ns: int, zone: tzinfo) -> Iterator[Gap]:
        yield self.gap


class _Weekly(Struct, frozen=True):
    """A window on some days of the week, from one minute of the day to another. It may end on the next day."""

    days: frozenset[int]
    begin: int
    end: int

    def gaps(self, start_ns: int, end_ns: int, zone: tzinfo) -> Iterator[Gap]:
        day, last = (moment(ns, zone).date() for ns in (start_ns, end_ns))
        day -= timedelta(days=1)  # a window of the previous day may reach past midnight
        while day <= last:
            if day.weekday() in self.days:
                yield Gap(_at(day, self.begin, zone), _at(day, self.end, zone))
            day += timedelta(days=1)


def _at(day: date, minute: int, zone: tzinfo) -> int:
    """Return a minute of a day by the local clock, nanoseconds since the epoch."""
    days, rest = divmod(minute, _DAY_MINUTES)
    return nanoseconds(datetime.combine(day + timedelta(days=days), time(rest // 60, rest % 60), zone))


class Maintenance(Struct, frozen=True):
    """The maintenance windows of a pipeline, and the zone of their times."""

    windows: tuple[_Once | _Weekly, ...] = ()
    zone: tzinfo = field(default=UTC)

    def gaps(self, start_ns: int, end_ns: int) -> list[Gap]:
        """Return the time ranges to leave out between two times, in order, without overlap, ns since the epoch."""
        if start_ns >= end_ns:
            return []
        found = sorted(gap for window in self.windows for gap in window.gaps(start_ns, end_ns, self.zone))
        merged: list[Gap] = []
        for start, end in ((max(gap.start_ns, start_ns), min(gap.end_ns, end_ns)) for gap in found):
            if start >= end:
                continue
            if merged and start <= merged[-1].end_ns:
                merged[-1] = Gap(merged[-1].start_ns, max(end, merged[-1].end_ns))
            else:
                merged.append(Gap(start, end))
        return merged

    def length_ns(self, start_ns: int, end_ns: int) -> int:
        """Return the total time to leave out between two times, nanoseconds."""
        return sum(gap.end_ns - gap.start_ns for gap in self.gaps(start_ns, end_ns))

    def steps(self, start_ns: int, step_ns: int, count: int) -> NDArray[np.bool_]:
        """Return a mask of the steps that a window touches, shape (count,). Such a step is left out as a whole."""
        touched = np.zeros(count, dtype=np.bool_)
        for part in self._touched(start_ns, step_ns, count):
            touched[part] = True
        return touched

    def count_steps(self, start_ns: int, step_ns: int, count: int) -> int:
        """Return the number of steps that a window touches."""
        touched = after = 0
        for part in self._touched(start_ns, step_ns, count):
            touched += part.stop - max(part.start, after)
            after = part.stop
        return touched

    def _touched(self, start_ns: int, step_ns: int, count: int) -> Iterator[slice]:
        """Yield the steps that each window touches, in order. Two windows may touch the same step."""
        for gap in self.gaps(start_ns, start_ns + count * step_ns):
            # The double negation rounds up: a window that ends within a step touches it.
            yield slice((gap.start_ns - start_ns) // step_ns, -((start_ns - gap.end_ns) // step_ns))

    def apply(self, steps: Steps) -> Steps:
        """Return the steps of a pipeline without the data of those that a window touches."""
        touched = self.steps(steps.start_ns, steps.step_ns, steps.count) if self.windows else np.zeros(0, np.bool_)
        if not touched.any():
            return steps
        loads, peaks, ends = (np.where(touched, np.nan, array) for array in (steps.loads, steps.peaks, steps.ends))
        samples, measured = np.where(touched, 0, steps.samples), np.where(touched, False, steps.measured)
        return replace(steps, loads=loads, peaks=peaks, ends=ends, samples=samples, measured=measured)

    def view(self, steps: StepSource) -> StepSource:
        """Return the same view of steps that may not fit into memory."""
        return view_of(steps, lambda first, after: self.apply(steps.part(first, after))) if self.windows else steps


NONE = Maintenance()
"""No maintenance."""


def parse_maintenance(texts: Iterable[str], zone: tzinfo, where: str) -> Maintenance:
    """Parse maintenance windows as users write them.

    Args:
        texts: `Sun 02:00-04:00`, `Mon-Fri 23:30-00:30`, `Sat,Sun 01:00-02:00`, `daily 03:00-03:30`, or once:
            `2026-04-06T02:00/2026-04-06T04:00`, `2026-04-06T02:00/2h`.
        zone: the zone of times that name none.
        where: the option or key that they were written for, for the message.

    Raises:
        EntroError: if a text has none of these forms.
    """
    return Maintenance(tuple(_window(text.strip(), zone, where) for text in texts), zone)


def _window(text: str, zone: tzinfo, where: str) -> _Once | _Weekly:
    weekly = _WEEKLY.fullmatch(text)
    if weekly is None and "/" not in text:
        raise _invalid(text, where)
    return _once(text, zone, where) if weekly is None else _every_week(text, weekly, where)


def _once(text: str, zone: tzinfo, where: str) -> _Once:
    begin, _, end = text.partition("/")
    start_ns = moment_ns(begin, zone, where)
    is_duration = _DURATION.fullmatch(end.strip())
    end_ns = start_ns + duration_ns(end, where) if is_duration else moment_ns(end, zone, where)
    if end_ns <= start_ns:
        raise EntroError(f"{text!r} ends before it begins", where=where, expected=EXPECTED)
    return _Once(Gap(start_ns, end_ns))


def _every_week(text: str, parts: re.Match[str], where: str) -> _Weekly:
    days = _weekdays(parts["days"].lower())
    begin, end = (_minute(parts[name]) for name in ("begin", "end"))
    if not days or begin is None or end is None or begin in {end, _DAY_MINUTES}:
        raise _invalid(text, where)
    return _Weekly(days, begin, end if end > begin else end + _DAY_MINUTES)


def _minute(text: str) -> int | None:
    """Return a time of day as minutes since midnight, up to 24:00; None if it is not one."""
    hour, minute = (int(part) for part in text.split(":"))
    found = hour * 60 + minute
    return found if minute < 60 and found <= _DAY_MINUTES else None


def _weekdays(text: str) -> frozenset[int]:
    """Return the days of `daily`, `Sun`, `Mon-Fri` or `Sat,Sun`, from Monday as 0; empty if a part is not a day."""
    if text == "daily":
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.split(","):
        ends = [_weekday(name) for name in part.split("-")]
        if None in ends or len(ends) > 2:
            return frozenset()
        first, last = ends[0] or 0, ends[-1] or 0
        # The modulo lets a range go past Sunday: Sat-Mon.
        found |= {(first + step) % 7 for step in range((last - first) % 7 + 1)}
    return frozenset(found)


def _weekday(name: str) -> int | None:
    """Return a day by its first three letters or its English name, from Monday as 0; None if it is not one."""
    names = {f"{date(2024, 1, 1 + number):%A}".lower(): number for number in range(7)}  # 2024-01-01 was a Monday
    return names.get(name, _DAYS.index(name) if name in _DAYS else None)


def _invalid(text: str, where: str) -> EntroError:
    return EntroError(f"{text!r} is not a maintenance window", where=where, expected=EXPECTED)
