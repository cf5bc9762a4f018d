"""Periods: days, ISO weeks, calendar months and any ranges in a zone, and the hours or days they are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise

from entro_cli.core.clock import NS, moment, nanoseconds
from entro_engine import EntroError

_HOUR_NS = 3600 * NS
_MOST_DAYS_BY_HOUR, _MOST_DAYS_BY_DAY = 3, 93
"""Longer ranges are told by the day, and still longer ones by the month."""

_LONGEST_NAME = 100
"""Bytes of a pipeline's name in a file name, which may have 255."""


class PeriodKind(StrEnum):
    """How long a period is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    RANGE = "range"


@dataclass(frozen=True)
class Span:
    """A part of a period with a name: an hour or a day.

    Attributes:
        label: `09:00` for an hour (`02:00 again` where the clock was set back), `Mon 6` for a day.
        start: where it begins.
        end: where it ends.
    """

    label: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Period:
    """A day, an ISO week, a calendar month or any range of a zone.

    Both ends are in the zone; the difference of two datetimes of one zone is one of wall clocks, so lengths are to be
    taken from `start_ns` and `end_ns`: a day has 23 or 25 hours where the clock is changed.

    Attributes:
        kind: day, week, month or range.
        first: its first date.
        start: the midnight it begins with, or where the range does.
        end: the midnight after it, or where the range ends.
        zone: whose midnights they are.
    """

    kind: PeriodKind
    first: date
    start: datetime
    end: datetime
    zone: tzinfo

    @property
    def start_ns(self) -> int:
        """Where it begins, nanoseconds since the epoch."""
        return nanoseconds(self.start)

    @property
    def end_ns(self) -> int:
        """Where it ends, nanoseconds since the epoch."""
        return nanoseconds(self.end)

    @property
    def length_s(self) -> float:
        """How long it really lasts, s."""
        return (self.end_ns - self.start_ns) / NS

    @property
    def label(self) -> str:
        """`2026-04-06`, `2026-W15`, `2026-04`, or `2026-04-06_2026-04-08` (with times where they are no midnights)."""
        if self.kind is PeriodKind.DAY:
            return self.first.isoformat()
        if self.kind is PeriodKind.WEEK:
            year, week, _ = self.first.isocalendar()
            return f"{year:04}-W{week:02}"
        if self.kind is PeriodKind.RANGE:
            form = "%Y-%m-%d" if self._is_of_days else "%Y-%m-%dT%H%M%S"
            return f"{self.start:{form}}_{self.end:{form}}"
        return f"{self.first.year:04}-{self.first.month:02}"

    @property
    def title(self) -> str:
        """The same for people: `Monday 6 April 2026`, `Week 15, 6 to 12 April 2026`, `April 2026`."""
        if self.kind is PeriodKind.DAY:
            return f"{self.first:%A} {_day(self.first)}"
        if self.kind is PeriodKind.MONTH:
            return f"{self.first:%B %Y}"
        if self.kind is PeriodKind.RANGE:
            return f"{_moment(self.start)} to {_moment(self.end)}"
        last = _next(self.kind, self.first) - timedelta(days=1)
        begin = _day(self.first).removesuffix(f"{last: %B %Y}").removesuffix(f"{last: %Y}")
        return f"Week {self.first.isocalendar().week}, {begin} to {_day(last)}"

    @property
    def previous(self) -> Period:
        """The period of the same kind that ends where this one begins; for a range one as long."""
        if self.kind is PeriodKind.RANGE:
            return range_of(moment(self.start_ns - (self.end_ns - self.start_ns), self.zone), self.start)
        return period_of(self.kind, self.first - timedelta(days=1), self.zone)

    @property
    def parts(self) -> str:
        """What its spans are: hour, day or month."""
        if self.kind is not PeriodKind.RANGE:
            return "hour" if self.kind is PeriodKind.DAY else "day"
        days = self.length_s / 86400
        return "hour" if days <= _MOST_DAYS_BY_HOUR else "day" if days <= _MOST_DAYS_BY_DAY else "month"

    @property
    def spans(self) -> tuple[Span, ...]:
        """The hours of a day, the days of a week or a month; of a range hours, days or months, by its length."""
        if self.kind is PeriodKind.RANGE:
            return self._pieces()
        return self._hours() if self.kind is PeriodKind.DAY else self._days()

    def file_stem(self, pipeline: str | None = None) -> str:
        """The name of its report without an ending: `PIPELINE-day-2026-04-06`, `day-2026-04-06` of all pipelines.

        Args:
            pipeline: any name; what does not belong into a file name becomes `_`. None for all of them.
        """
        stem = f"{self.kind}-{self.label}"
        return stem if pipeline is None else f"{_file_name(pipeline)}-{stem}"

    @property
    def _is_of_days(self) -> bool:
        """Whether it goes from a midnight to a midnight."""
        return all(edge == midnight(edge.date(), self.zone) for edge in (self.start, self.end))

    def _pieces(self) -> tuple[Span, ...]:
        """The hours, days or months of a range; the first and the last one may be parts of one."""
        if self.parts == "hour":
            first = self.start_ns + _HOUR_NS - self.start_ns % _HOUR_NS
            inner, form = [moment(ns, self.zone) for ns in range(first, self.end_ns, _HOUR_NS)], "%a %H:%M"
        else:
            count = (self.end.date() - self.start.date()).days
            dates = [self.start.date() + timedelta(days=day) for day in range(1, count + 1)]
            by_month = self.parts == "month"
            inner = [midnight(day, self.zone) for day in dates if day.day == 1 or not by_month]
            form = "%b %Y" if by_month else "%-d %b"
        edges = [self.start, *(edge for edge in inner if nanoseconds(edge) < self.end_ns), self.end]
        return tuple(Span(f"{begin:{form}}", begin, end) for begin, end in pairwise(edges))

    def _hours(self) -> tuple[Span, ...]:
        begins = range(self.start_ns, self.end_ns, _HOUR_NS)
        edges = [moment(ns, self.zone) for ns in (*begins, self.end_ns)]
        return tuple(
            Span(f"{start:%H:%M}{' again' if start.fold else ''}", start, end) for start, end in pairwise(edges)
        )

    def _days(self) -> tuple[Span, ...]:
        count = (_next(self.kind, self.first) - self.first).days
        dates = [self.first + timedelta(days=day) for day in range(count + 1)]
        return tuple(
            Span(f"{begin:%a} {begin.day}", midnight(begin, self.zone), midnight(end, self.zone))
            for begin, end in pairwise(dates)
        )


def period_of(kind: PeriodKind, day: date, zone: tzinfo) -> Period:
    """The period of that kind in which a date lies.

    Args:
        kind: day, week or month.
        day: a date of the zone.
        zone: whose midnights count.
    """
    first = _first(kind, day)
    return Period(kind, first, midnight(first, zone), midnight(_next(kind, first), zone), zone)


def range_of(start: datetime, end: datetime) -> Period:
    """Any stretch of time.

    Args:
        start: where it begins; its zone is the period's.
        end: where it ends, later.

    Raises:
        EntroError: when it does not end after it begins.
    """
    zone = start.tzinfo
    if zone is None or nanoseconds(end) <= nanoseconds(start):
        raise EntroError(
            f"nothing is between {start.isoformat()} and {end.isoformat()}",
            where="--since/--until",
            expected="a range that ends after it begins",
        )
    return Period(PeriodKind.RANGE, start.date(), start, end, zone)


def latest(kind: PeriodKind, last_ns: int, zone: tzinfo) -> Period:
    """The latest period with data.

    Args:
        kind: day, week or month.
        last_ns: where the last step with data begins, nanoseconds since the epoch.
        zone: whose midnights count.
    """
    return period_of(kind, moment(last_ns, zone).date(), zone)


def last_complete(kind: PeriodKind, now: datetime) -> Period:
    """The last period that is over.

    Args:
        kind: day, week or month.
        now: in the zone whose midnights count.
    """
    zone = now.tzinfo
    assert zone is not None  # noqa: S101 - now is in a zone
    return period_of(kind, now.date(), zone).previous


def due(kind: PeriodKind, last: date | None, now: datetime, most: int = 31) -> tuple[Period, ...]:
    """The complete periods that are to be reported on now, the oldest first; the latest is always one of them.

    Args:
        kind: day, week or month.
        last: the first date of the last one that was reported on; None where none was.
        now: in the zone whose midnights count.
        most: of those that were missed, how many are made up.
    """
    periods = [last_complete(kind, now)]
    while last is not None and len(periods) < most and periods[0].previous.first > last:
        periods.insert(0, periods[0].previous)
    return tuple(periods)


def midnight(day: date, zone: tzinfo) -> datetime:
    """Where a date begins; at the first moment there is where the clock is set forward at midnight."""
    return moment(nanoseconds(datetime.combine(day, time(), tzinfo=zone)), zone)


def _first(kind: PeriodKind, day: date) -> date:
    if kind is PeriodKind.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if kind is PeriodKind.MONTH else day


def _next(kind: PeriodKind, first: date) -> date:
    """The first date of the period after the one that begins with `first`."""
    if kind is PeriodKind.MONTH:
        return (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=7 if kind is PeriodKind.WEEK else 1)


def _day(day: date | datetime) -> str:
    return f"{day.day} {day:%B %Y}"


def _moment(when: datetime) -> str:
    """A moment of a range's title, the time where it is no midnight."""
    return f"{_day(when)} {when:%H:%M:%S}".removesuffix(" 00:00:00").removesuffix(":00")


def _file_name(pipeline: str) -> str:
    """The pipeline's name without what means something in a path, a shell or a terminal."""
    safe = re.sub(r"[^\w.+-]+", "_", pipeline).lstrip(".-")
    return safe.encode()[:_LONGEST_NAME].decode(errors="ignore") or "_"
