"""Stamps of log lines that leave out the zone, the year or the day, and the times that they come to."""

from __future__ import annotations

import re
from array import array
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import IntEnum

import numpy as np

from entro_cli.core.clock import NS, moment, nanoseconds
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.timestamps import local_to_utc
from entro_cli.timeseries.observations import ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError

_DAY = 86400 * NS
_YEAR = 366 * _DAY
_LEAP_YEAR = 2000
"""The year that months and days are counted in until the true one is known: it has all of them."""

_FULL_DATE = re.compile(
    rb"(?<!\d)(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)?(Z|[+-]\d\d:?\d\d(?![\d:]))?"
)
_YEARLESS = re.compile(rb"(?<![\d-])(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?![\d])")
_DAYLESS = re.compile(rb"(?<![\d:T] )(?<![\dT:])(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?![\d:])")


class PartialTimestampFormat(IntEnum):
    """What a stamp says, and what its nanoseconds count from."""

    ZONED = 0
    """Everything: from the epoch."""
    LOCAL = 1
    """All but the zone: from the epoch, were the wall clock UTC."""
    YEARLESS = 2
    """Month, day and time: from the beginning of a leap year."""
    DAYLESS = 3
    """The time of day: from midnight."""


Stamp = tuple[PartialTimestampFormat, int]
"""A stamp's form and its nanoseconds."""


def timestamp_in(text: bytes) -> Stamp | None:
    """The stamp in the text before a message; that of a container runtime, which names its zone, rather than others.

    Args:
        text: the beginning of a line.

    Returns:
        None where there is none, or no true one: no month 13, no 25 o'clock.
    """
    dated = _FULL_DATE.search(text)
    if dated and dated[4]:
        return _with_date(dated)
    yearless = _YEARLESS.search(text)
    try:
        if yearless:
            month, day, hour, minute, second = map(int, yearless.groups())
            within = datetime(_LEAP_YEAR, month, day, hour, minute, second) - datetime(_LEAP_YEAR, 1, 1)
            return PartialTimestampFormat.YEARLESS, round(within.total_seconds()) * NS
    except ValueError:
        return None
    return _with_date(dated) if dated else _time_of_day(text)


def _with_date(match: re.Match[bytes]) -> Stamp | None:
    day, clock, fraction, zone = (part.decode() if part else "" for part in match.groups())
    try:
        when = datetime.fromisoformat(f"{day}T{clock}{zone}")
    except ValueError:
        return None
    form = PartialTimestampFormat.ZONED if zone else PartialTimestampFormat.LOCAL
    return form, nanoseconds(when if zone else when.replace(tzinfo=UTC)) + int(fraction.ljust(9, "0"))


def _time_of_day(text: bytes) -> Stamp | None:
    match = _DAYLESS.search(text)
    if not match:
        return None
    hour, minute, second = (int(part) for part in match.groups()[:3])
    if hour > 23 or minute > 59 or second > 59:
        return None
    return PartialTimestampFormat.DAYLESS, (3600 * hour + 60 * minute + second) * NS + int(
        (match[4] or b"").ljust(9, b"0")
    )


class LineTimestamps:
    """The stamps of a log's lines, in the order of the log."""

    def __init__(self) -> None:
        self._forms = array("b")
        self._values = array("q")

    def add(self, stamp: Stamp) -> None:
        """Put the next line's stamp behind the others."""
        self._forms.append(stamp[0])
        self._values.append(stamp[1])

    def rough(self) -> TimeArray:
        """Nanoseconds that tell how long it is from one stamp to the next, for those that are near; shape (lines,)."""
        return np.array(self._values, dtype=np.int64)

    def last_hour_back(self) -> list[int]:
        """The two lines between which the clock was set back an hour, if that was in the last two hours; else none.

        In the hour that the clock shows twice, the later lines are known by these.
        """
        rough = self.rough()
        steps = np.diff(rough)
        back = np.flatnonzero((steps < -30 * 60 * NS) & (steps > -70 * 60 * NS))
        if not len(back) or abs(int(rough[-1] - rough[back[-1]])) > 7200 * NS:
            return []
        return [int(back[-1]), int(back[-1]) + 1]

    def utc(self, log: LogFile, options: ReadOptions, tally: Tally) -> tuple[TimeArray, str]:
        """The times, and how they were read, in words.

        What a stamp leaves out is taken from the user, else from the time at which the file was last changed.

        Args:
            log: the log.
            options: what the user said.
            tally: is told what is out of the ordinary.

        Returns:
            Nanoseconds since the epoch, shape (lines,), in the order of the log.

        Raises:
            EntroError: when a stamp is a February 29 and its year has none.
        """
        forms, times = np.array(self._forms, dtype=np.int8), self.rough()
        words = ["as written"] if np.any(forms == PartialTimestampFormat.ZONED) or not len(forms) else []
        yearless, dayless = forms == PartialTimestampFormat.YEARLESS, forms == PartialTimestampFormat.DAYLESS
        if yearless.any():
            times[yearless], year = _add_years(times[yearless], log, options, tally)
            words.append(f"year {year} ({'--year' if options.year else 'the last change of the file'})")
        if dayless.any():
            times[dayless] = _add_days(times[dayless], log, options, tally)
        naive = forms != PartialTimestampFormat.ZONED
        if naive.any():
            local = local_to_utc(times[naive], options.zone)
            times[naive] = local.times
            tally.clock(local)
            words.append(f"{options.zone} ({'--tz' if options.zone_given else 'this machine'})")
        _count_steps_back(times, tally)
        return times, ", ".join(words)


def _count_steps_back(times: TimeArray, tally: Tally) -> None:
    steps = np.diff(times)
    back = steps[steps < 0]
    if len(back):
        tally.count(ProblemKind.CLOCK_STEPS_BACK, len(back), f"{-int(back.min()) / NS:,.0f}")


def _changed(log: LogFile, zone: tzinfo) -> datetime:
    """What a wall clock showed when a log was last changed."""
    return moment(int(log.changed_s * NS), zone).replace(tzinfo=None)


def _add_years(values: TimeArray, log: LogFile, options: ReadOptions, tally: Tally) -> tuple[TimeArray, int]:
    """Yearless stamps with their years, nanoseconds on the wall clock, and the last one's year.

    A stamp goes over new year where it goes back by more than half a year; forward by nearly a year is back over it.
    """
    steps = np.diff(values)
    over = (steps < -_YEAR // 2).astype(np.int64) - (steps > _YEAR - 31 * _DAY)
    behind = np.concatenate([[0], np.cumsum(over)])
    last = options.year or _last_year(int(values[-1]), _changed(log, options.zone))
    years = last - (behind[-1] - behind)
    if behind.any():
        tally.note(ProblemKind.YEARS_INFERRED, str(years.min()), str(years.max()))
    wall = np.empty_like(values)
    for year in np.unique(years).tolist():
        inside = years == year
        wall[inside] = _in_year(values[inside], year, log)
    return wall, last


def _last_year(value: int, changed: datetime) -> int:
    """The latest year in which a stamp is not after the change of its file by more than a day."""
    for year in range(changed.year + 1, max(changed.year - 9, 1), -1):
        leap = _is_leap(year)
        if not leap and value // _DAY == 59:
            continue
        day = value - (_DAY if not leap and value // _DAY > 59 else 0)
        if datetime(year, 1, 1) + timedelta(microseconds=day // 1000) <= changed + timedelta(days=1):
            return year
    return changed.year


def _is_leap(year: int) -> bool:
    return (date(year + 1, 1, 1) - date(year, 1, 1)).days == 366


def _in_year(values: TimeArray, year: int, log: LogFile) -> TimeArray:
    start = nanoseconds(datetime(year, 1, 1, tzinfo=UTC))
    if _is_leap(year):
        return values + start
    days = values // _DAY
    if np.any(days == 59):
        raise EntroError(
            f"a stamp is of February 29, which {year} has not",
            where=log.label,
            expected="stamps of that year",
            remedy="name the year of the last stamp with --year",
        )
    shifted: TimeArray = values + start - _DAY * (days > 59)
    return shifted


def _add_days(values: TimeArray, log: LogFile, options: ReadOptions, tally: Tally) -> TimeArray:
    """Times of day with their days, nanoseconds on the wall clock.

    A time goes over midnight where it goes back by more than half a day; forward by nearly a day is back over it.
    """
    steps = np.diff(values)
    over = (steps < -_DAY // 2).astype(np.int64) - (steps > _DAY - _DAY // 24)
    behind: TimeArray = np.concatenate([[0], np.cumsum(over)])
    if options.start_ns is not None:
        first = nanoseconds(moment(options.start_ns, options.zone).replace(tzinfo=UTC))
        midnight = first // _DAY * _DAY
        dated: TimeArray = values + midnight + behind * _DAY + (_DAY if midnight + int(values[0]) < first else 0)
        return dated
    changed = nanoseconds(_changed(log, options.zone).replace(tzinfo=UTC))
    midnight = changed // _DAY * _DAY
    if midnight + int(values[-1]) > changed + 60 * NS:
        midnight -= _DAY
    tally.note(ProblemKind.DATES_INFERRED)
    wall: TimeArray = values + midnight - (behind[-1] - behind) * _DAY
    return wall
