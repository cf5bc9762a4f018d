"""Periods of reports: days, ISO weeks, calendar months and free ranges in a time zone, and their hours or days."""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise
from urllib.parse import quote

from msgspec import Struct

from entro_cli.core.clock import NS, moment, nanoseconds
from entro_engine import EntroError

_HOUR_NS = 3600 * NS
# A range of up to 3 days is divided into hours, one of up to 93 days into days, a longer one into months.
_MOST_DAYS_BY_HOUR, _MOST_DAYS_BY_DAY = 3, 93

_LONGEST_NAME = 180
"""The most bytes of a pipeline's name in a file name. File systems allow 255 for the whole name."""


class PeriodKind(StrEnum):
    """The kinds of periods."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    RANGE = "range"


class Span(Struct, frozen=True):
    """A named part of a period: an hour, a day or a month.

    Attributes:
        label: `09:00` for an hour (`02:00 again` for the second one when clocks are set back), `Mon 6` for a day.
        start: beginning of the part.
        end: end of the part.
    """

    label: str
    start: datetime
    end: datetime


class Period(Struct, frozen=True):
    """A day, an ISO week, a calendar month or a free range, in a time zone.

    Take lengths from `start_ns` and `end_ns`, never from `end - start`. Python subtracts datetimes of one zone by the
    wall clock, so a day would have 24 hours even if clocks change and it has 23 or 25.

    Attributes:
        kind: day, week, month or range.
        first: its first date.
        start: the midnight at its beginning, or the beginning of the range.
        end: the midnight at its end, or the end of the range.
        zone: the time zone of `first`, `start` and `end`.
    """

    kind: PeriodKind
    first: date
    start: datetime
    end: datetime
    zone: tzinfo

    @property
    def start_ns(self) -> int:
        """Beginning, nanoseconds since the epoch."""
        return nanoseconds(self.start)

    @property
    def end_ns(self) -> int:
        """End, nanoseconds since the epoch."""
        return nanoseconds(self.end)

    @property
    def length_s(self) -> float:
        """Elapsed duration, s, with clock changes taken into account."""
        return (self.end_ns - self.start_ns) / NS

    @property
    def label(self) -> str:
        """`2026-04-06`, `2026-W15`, `2026-04`, or `2026-04-06_2026-04-08` (with times if they are not midnights)."""
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
        """The label in words: `Monday 6 April 2026`, `Week 15, 6 to 12 April 2026`, `6 April 2026 09:00 to 11:00`."""
        if self.kind is PeriodKind.DAY:
            return f"{self.first:%A} {_day(self.first)}"
        if self.kind is PeriodKind.MONTH:
            return f"{self.first:%B %Y}"
        if self.kind is PeriodKind.RANGE and not self._is_of_days:
            return f"{_moment(self.start)} to {_moment(self.end).removeprefix(f'{_day(self.start)} ')}"
        last = self.end.date() - timedelta(days=1)
        # Month and year appear once if both ends share them: `6 to 12 April 2026`, `30 March to 5 April 2026`.
        begin = _day(self.first).removesuffix(f"{last: %B %Y}").removesuffix(f"{last: %Y}")
        days = f"{begin} to {_day(last)}" if last > self.first else _day(last)
        return days if self.kind is PeriodKind.RANGE else f"Week {self.first.isocalendar().week}, {days}"

    @property
    def previous(self) -> Period:
        """The period of the same kind that ends where this one begins; for a range, one of equal duration."""
        if self.kind is PeriodKind.RANGE:
            return range_of(moment(self.start_ns - (self.end_ns - self.start_ns), self.zone), self.start)
        return period_of(self.kind, self.first - timedelta(days=1), self.zone)

    @property
    def parts(self) -> str:
        """The unit of its spans: hour, day or month."""
        if self.kind is not PeriodKind.RANGE:
            return "hour" if self.kind is PeriodKind.DAY else "day"
        days = self.length_s / 86400
        return "hour" if days <= _MOST_DAYS_BY_HOUR else "day" if days <= _MOST_DAYS_BY_DAY else "month"

    @property
    def spans(self) -> tuple[Span, ...]:
        """The hours of a day, the days of a week or month; for a range hours, days or months, by its length."""
        if self.kind is PeriodKind.RANGE:
            return self._pieces()
        return self._hours() if self.kind is PeriodKind.DAY else self._days()

    def file_stem(self, pipeline: str | None = None) -> str:
        """Return the file name of its report without a suffix: `PIPELINE-day-2026-04-06`, or `day-2026-04-06`.

        Args:
            pipeline: name of the pipeline, which is percent-encoded. None for all pipelines.
        """
        stem = f"{self.kind}-{self.label}"
        return stem if pipeline is None else f"{file_name(pipeline)}-{stem}"

    @property
    def _is_of_days(self) -> bool:
        """Return whether both ends are midnights."""
        return all(edge == midnight(edge.date(), self.zone) for edge in (self.start, self.end))

    def _pieces(self) -> tuple[Span, ...]:
        """Return the hours, days or months of a range. The first and the last one may be partial."""
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
        # Counted in elapsed time: the day of a clock change has 23 or 25 of them.
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
    """Return the period of a kind that contains a date.

    Args:
        kind: day, week or month.
        day: the date, in the zone.
        zone: the time zone of the period.
    """
    first = _first(kind, day)
    return Period(kind, first, midnight(first, zone), midnight(_next(kind, first), zone), zone)


_LABELS = (
    (PeriodKind.MONTH, re.compile(r"\d{4}-\d\d")),
    (PeriodKind.WEEK, re.compile(r"\d{4}-W\d\d")),
    (PeriodKind.DAY, re.compile(r"\d{4}-\d\d-\d\d")),
)


def period_named(label: str, zone: tzinfo) -> Period:
    """Return the day, week or month that a label such as 2026-W15 names.

    Raises:
        EntroError: if the label names none.
    """
    kind = next((kind for kind, form in _LABELS if form.fullmatch(label)), None)
    try:
        if kind is not None:
            return period_of(kind, date.fromisoformat(f"{label}-01" if kind is PeriodKind.MONTH else label), zone)
    except (ValueError, OverflowError):  # such as the 30th of February, or the last day of the year 9999
        pass
    raise EntroError(
        f"{label!r} is not a period",
        expected="a day such as 2026-04-06, a week such as 2026-W15 or a month such as 2026-04",
    )


def range_of(start: datetime, end: datetime) -> Period:
    """Return a free range as a period.

    Args:
        start: beginning of the range, with the time zone of the period.
        end: end of the range.

    Raises:
        EntroError: if the range does not end after it begins.
    """
    zone = start.tzinfo
    if zone is None or nanoseconds(end) <= nanoseconds(start):
        raise EntroError(
            f"empty range: {start.isoformat()} to {end.isoformat()}",
            where="--since/--until",
            expected="a range that ends after it begins",
        )
    return Period(PeriodKind.RANGE, start.date(), start, end, zone)


def latest(kind: PeriodKind, last_ns: int, zone: tzinfo) -> Period:
    """Return the latest period with data.

    Args:
        kind: day, week or month.
        last_ns: start of the last step with data, nanoseconds since the epoch.
        zone: the time zone of the period.
    """
    return period_of(kind, moment(last_ns, zone).date(), zone)


def last_complete(kind: PeriodKind, now: datetime) -> Period:
    """Return the last period that is over.

    Args:
        kind: day, week or month.
        now: the present time, in the time zone of the period.
    """
    zone = now.tzinfo
    assert zone is not None  # noqa: S101 - now is in a zone
    return period_of(kind, now.date(), zone).previous


def due(kind: PeriodKind, last: date | None, now: datetime, most: int = 31) -> tuple[Period, ...]:
    """Return the complete periods to report on now, oldest first. The latest complete period is always included.

    Args:
        kind: day, week or month.
        last: first date of the last reported period; None if none was reported yet.
        now: the present time, in the time zone of the periods.
        most: the most periods to return, so that a long pause does not lead to hundreds of reports.
    """
    periods = [last_complete(kind, now)]
    while last is not None and len(periods) < most and periods[0].previous.first > last:
        periods.insert(0, periods[0].previous)
    return tuple(periods)


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the beginning of a date: its midnight, or its first moment if clocks are set forward at midnight."""
    # The detour over nanoseconds turns a wall-clock time that does not exist into the moment the clock jumps to.
    return moment(nanoseconds(datetime.combine(day, time(), tzinfo=zone)), zone)


def _first(kind: PeriodKind, day: date) -> date:
    if kind is PeriodKind.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if kind is PeriodKind.MONTH else day


def _next(kind: PeriodKind, first: date) -> date:
    """Return the first date of the period after the one that begins with `first`."""
    if kind is PeriodKind.MONTH:
        return (first + timedelta(days=31)).replace(day=1)  # 31 days after the 1st is always in the next month
    return first + timedelta(days=7 if kind is PeriodKind.WEEK else 1)


def _day(day: date | datetime) -> str:
    return f"{day.day} {day:%B %Y}"


def _moment(when: datetime) -> str:
    """Return a time as in a range's title: the date and the time of day, with seconds if there are any."""
    return f"{_day(when)} {when:%H:%M:%S}".removesuffix(":00")


def file_name(*pipelines: str) -> str:
    """Return the percent-encoded names of pipelines, with commas between them. Others never have the same."""
    name = ",".join(quote(pipeline, safe="", errors="surrogateescape") for pipeline in pipelines)
    if name[:1] in {"", ".", "-", "~"}:  # a hidden file, an option, or a home; the empty name becomes a mere `%`
        name = f"%{name[:1].encode().hex().upper()}{name[1:]}"
    if len(name) > _LONGEST_NAME:  # longer in all than any name that is written out
        name = f"{name[:_LONGEST_NAME]}~{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"
    return name
