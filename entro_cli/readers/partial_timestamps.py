"""Timestamps of log lines that lack the zone, the year or the day, and their conversion to times."""

from __future__ import annotations

import re
from array import array
from calendar import isleap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from enum import IntEnum
from functools import lru_cache

import msgspec
import numpy as np

from entro_cli.core.clock import NS, moment, nanoseconds
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.time_zones import clock_set_back, local_to_utc
from entro_cli.timeseries.observations import ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError

_DAY = 86400 * NS
_YEAR = 366 * _DAY
_LEAP_YEAR, _LEAP_START = 2000, 946_684_800 * NS
"""Year in which months and days are counted until the true one is known: a leap year has all of them. Its beginning."""

_DATED = re.compile(
    rb"(?<!\d)(?:(?P<day>\d{4}[-/]\d\d[-/]\d\d)[T ]|(?<!-)(?P<yearless>\d\d-\d\d) )(\d\d):(\d\d):(\d\d)(?!\d)"
    rb"(?:[.,](\d{1,9})\d*)?(?P<zone>Z|[+-]\d\d:?\d\d(?![\d:]))?"
)
BEFORE_COLON = 14
"""A date begins less than so many bytes before the first colon of its time."""
_DAYLESS = re.compile(rb"(?<![\d:T] )(?<![\dT:])(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?![\d:])")

_JSON_TIME = re.compile(
    rb'"(?:@?time\w*|@t|asctime|ts|t|date\w*|created|eventTime|repr|seconds)\\?": ?'
    rb'(?:\\?"([^"\\]{8,40})|(\d[\d.]{9,30}))',
    re.IGNORECASE,
)
"""The fields in which loggers write the time, also of an object inside another one, or inside its text."""
_EPOCH = re.compile(rb"([0-8]\d{9,18})(?:\.(\d{1,9})\d*)?")


_FEW = 3
"""So many lines with an earlier time than the line before show no order."""


class PartialTimestampFormat(IntEnum):
    """Parts of a timestamp that are known, and the origin of its nanoseconds."""

    ZONED = 0
    """All parts; nanoseconds since the epoch."""
    LOCAL = 1
    """All but the zone; nanoseconds since the epoch as if the wall clock were UTC."""
    YEARLESS = 2
    """Month, day and time; nanoseconds since the beginning of a leap year."""
    DAYLESS = 3
    """Time of day; nanoseconds since midnight."""


Stamp = tuple[PartialTimestampFormat, int]
"""Format and nanoseconds of a timestamp."""


def timestamp_in(text: bytes) -> Stamp | None:
    """Return the timestamp in the text before a message; None if there is none, or if it has a month 13 or the like."""
    dated = _DATED.search(text, max(text.find(b":") - BEFORE_COLON, 0))
    if dated and dated["day"] and not dated["zone"] and text.find(b"-", dated.end()) >= 0:
        # The timestamp of a container runtime is better than the program's own only if it names its zone.
        dated = next((match for match in _DATED.finditer(text, dated.end()) if match["yearless"]), dated)
    if dated:
        return _with_date(dated)
    match = _DAYLESS.search(text)
    clock = _clock(*match.groups()) if match else None
    return None if clock is None else (PartialTimestampFormat.DAYLESS, clock)


def whole_stamps(texts: Sequence[bytes], thousandths: Iterable[bytes]) -> tuple[list[int], list[int]] | None:
    """Return the formats and nanoseconds of timestamps; None without any, or if one has a month 13 or the like.

    Args:
        texts: the timestamps without fractions of seconds.
        thousandths: three digits of each, or none.
    """
    distinct = {*texts}
    known = {text: stamp for text in distinct if (stamp := _timestamp_in(text))}
    if len(known) < max(len(distinct), 1):
        return None
    moments = [known[text][1] + int(part or 0) * (NS // 1000) for text, part in zip(texts, thousandths, strict=True)]
    return [known[text][0] for text in texts], moments


_timestamp_in = lru_cache(maxsize=256)(timestamp_in)  # a busy log has many lines of one second


def json_timestamp(line: bytes) -> Stamp | None:
    """Return the timestamp in a field of a JSON object, a text or a number since the epoch; None if there is none."""
    for match in _JSON_TIME.finditer(line):
        text = match[1] or match[2]
        number = _EPOCH.fullmatch(text)
        if stamp := _since_epoch(number) if number else timestamp_in(text):
            return stamp
    return None


def _since_epoch(number: re.Match[bytes]) -> Stamp | None:
    # Seconds of the years 2001 to 2286 have ten digits; milliseconds, microseconds and nanoseconds three more each.
    unit = {10: NS, 13: NS // 10**3, 16: NS // 10**6, 19: 1}.get(len(number[1]))
    fraction = int((number[2] or b"").ljust(9, b"0"))
    return (PartialTimestampFormat.ZONED, int(number[1]) * unit + fraction * unit // NS) if unit else None


def _with_date(match: re.Match[bytes]) -> Stamp | None:
    day, yearless, hour, minute, second, fraction, zone = match.groups()
    midnight = _midnight(day or b"%d-%b" % (_LEAP_YEAR, yearless))
    clock, ahead = _clock(hour, minute, second, day and fraction), _ahead(day and zone)
    if midnight is None or clock is None or ahead is None:
        return None
    if yearless:
        return PartialTimestampFormat.YEARLESS, midnight - _LEAP_START + clock
    return PartialTimestampFormat.ZONED if zone else PartialTimestampFormat.LOCAL, midnight + clock - ahead


@lru_cache(maxsize=256)
def _midnight(day: bytes) -> int | None:
    """Return the beginning of a day in UTC, nanoseconds since the epoch; None if there is no such day.

    Days for which 64 bits are too few are none, either.
    """
    if not b"1700" <= day[:4] <= b"2255":
        return None
    try:
        return nanoseconds(datetime.fromisoformat(day.decode().replace("/", "-")).replace(tzinfo=UTC))
    except ValueError:
        return None


def _clock(hour: bytes, minute: bytes, second: bytes, fraction: bytes | None = None) -> int | None:
    """Return a time of day, nanoseconds since midnight; None if there is none such."""
    whole = _whole_second(hour, minute, second)
    return whole if whole is None or not fraction else whole + int(fraction.ljust(9, b"0"))


@lru_cache(maxsize=256)  # a busy log has many lines of one second
def _whole_second(hour: bytes, minute: bytes, second: bytes) -> int | None:
    if hour > b"23" or minute > b"59" or second > b"59":
        return None
    return (3600 * int(hour) + 60 * int(minute) + int(second)) * NS


@lru_cache(maxsize=256)
def _ahead(zone: bytes | None) -> int | None:
    """Return how far a zone such as +02:00 is ahead of UTC, nanoseconds; None if that cannot be."""
    if not zone or zone == b"Z":
        return 0
    ahead = _clock(zone[1:3], zone[-2:], b"00")
    return ahead if ahead is None or zone[:1] == b"+" else -ahead


class ClockState(msgspec.Struct):
    """The clock of a log behind some of its lines.

    Attributes:
        last: the last timestamp as it was written; None at the beginning of a log.
        undated: the last timestamp of each format without a year or day: as it was written, and on the wall clock.
        wall: what the clock showed last without a zone, behind the two times between which it was set back in the last
            two hours; nanoseconds.
        utc: the last time, nanoseconds since the epoch.
        words: how the timestamps were read.
    """

    last: Stamp | None = None
    undated: dict[PartialTimestampFormat, tuple[int, int]] = {}
    wall: list[int] = []
    utc: int | None = None
    words: str = "as written"


class LineTimestamps:
    """Timestamps of a log's lines, in the order of the log.

    Attributes:
        last: the last one so far; None without any.

    Args:
        before: the clock behind the lines that were read before.
    """

    def __init__(self, before: ClockState) -> None:
        self._before, self.last = before, before.last
        self._forms = array("b")  # 9 bytes per line in these arrays; lists of Python's numbers take many times as much
        self._values = array("q")

    def add(self, stamp: Stamp) -> None:
        """Append the timestamp of the next line."""
        self._forms.append(stamp[0])
        self._values.append(stamp[1])
        self.last = stamp

    def extend(self, forms: Iterable[int], values: Iterable[int]) -> None:
        """Append the timestamps of the next lines, at least one."""
        self._forms.extend(forms)
        self._values.extend(values)
        self.last = PartialTimestampFormat(self._forms[-1]), self._values[-1]

    def utc(self, log: LogFile, options: ReadOptions, tally: Tally) -> tuple[TimeArray, ClockState]:
        """Return the times, and the clock behind them.

        Missing parts go on from the lines before, or are taken from the options, or from the time at which the file was
        last changed.

        Args:
            log: the log.
            options: how it is read.
            tally: receives the warnings.

        Returns:
            Nanoseconds since the epoch, shape (lines,), in the order of the log, and the clock.

        Raises:
            EntroError: if the newest comes first, or a timestamp is of February 29 in a year that has none.
        """
        if not self._forms:
            return np.array([], np.int64), self._before
        forms, values = np.array(self._forms, np.int8), np.array(self._values, np.int64)
        times, undated = values.copy(), dict(self._before.undated)
        words = ["as written"] if np.any(forms == PartialTimestampFormat.ZONED) else []
        for form, add_dates in (
            (PartialTimestampFormat.YEARLESS, _add_years),
            (PartialTimestampFormat.DAYLESS, _add_days),
        ):
            if (of_form := forms == form).any():
                times[of_form] = add_dates(values[of_form], undated.get(form), log, options, tally)
                undated[form] = int(values[of_form][-1]), int(times[of_form][-1])
        if PartialTimestampFormat.YEARLESS in forms:
            year = moment(undated[PartialTimestampFormat.YEARLESS][1], UTC).year
            words.append(f"year {year} ({'--year' if options.year else 'the last change of the file'})")
        naive, wall = forms != PartialTimestampFormat.ZONED, self._before.wall
        if naive.any():
            shown = np.concatenate([np.array(wall, np.int64), times[naive]])
            times[naive] = local_to_utc(shown, options.zone, tally, len(wall))[len(wall) :]
            wall = [*clock_set_back(shown), int(shown[-1])]
            words.append(f"{options.zone} ({'--tz' if options.zone_given else 'this machine'})")
        if self._before.utc is None:
            _check_order(times, log)
        _count_steps_back(times, self._before.utc, tally)
        return times, ClockState(self.last, undated, wall, int(times[-1]), ", ".join(words))


def _check_order(times: TimeArray, log: LogFile) -> None:
    """Check that the lines of a log are not in reverse, as some stores of logs export them.

    Args:
        times: nanoseconds, shape (lines,), in the order of the log.
        log: the log.

    Raises:
        EntroError: if they are.
    """
    steps = np.diff(times)
    back, forward = np.count_nonzero(steps < 0), np.count_nonzero(steps > 0)
    if back > _FEW + 4 * forward:
        raise EntroError(
            f"its newest line comes first: {back} of {len(steps)} lines are earlier than the line before",
            where=log.label,
            expected="lines in the order in which they were written",
            remedy="export them in ascending order, or reverse the file with tac",
        )


def _count_steps_back(times: TimeArray, before: int | None, tally: Tally) -> None:
    steps = np.diff(times, prepend=times[0] if before is None else before)
    back = steps[steps < 0]
    if len(back):
        tally.count(ProblemKind.CLOCK_STEPS_BACK, len(back), f"{-int(back.min()) / NS:,.0f}")


def _changed(log: LogFile, zone: tzinfo) -> datetime:
    """Return what a wall clock showed when a log was last changed."""
    return moment(int(log.changed_s * NS), zone).replace(tzinfo=None)


def _add_years(
    values: TimeArray, before: tuple[int, int] | None, log: LogFile, options: ReadOptions, tally: Tally
) -> TimeArray:
    """Return timestamps with their years added, nanoseconds on the wall clock.

    New year is where a timestamp goes back by more than half a year. One that goes forward by nearly a year is a line
    out of order, from before new year.
    """
    steps = np.diff(values, prepend=before[0] if before else values[0])
    passed: TimeArray = np.cumsum((steps < -_YEAR // 2).astype(np.int64) - (steps > _YEAR - 31 * _DAY))
    if before:
        years = moment(before[1], UTC).year + passed
    else:
        last = options.year or _last_year(int(values[-1]), _changed(log, options.zone))
        years = last - (passed[-1] - passed)
    if passed.any():
        first = years[0] - passed[0]
        tally.note(ProblemKind.YEARS_INFERRED, str(min(first, years.min())), str(max(first, years.max())))
    wall = np.empty_like(values)
    for year in np.unique(years).tolist():
        inside = years == year
        wall[inside] = _in_year(values[inside], year, log)
    return wall


def _last_year(value: int, changed: datetime) -> int:
    """Return the latest year in which a timestamp is at most a day after the last change of its file.

    The latest February 29 may be eight years back, so ten years are tried.
    """
    for year in range(changed.year + 1, max(changed.year - 9, 1), -1):
        leap = isleap(year)
        if not leap and value // _DAY == 59:
            continue
        day = value - (_DAY if not leap and value // _DAY > 59 else 0)
        if datetime(year, 1, 1) + timedelta(microseconds=day // 1000) <= changed + timedelta(days=1):
            return year
    return changed.year


def _in_year(values: TimeArray, year: int, log: LogFile) -> TimeArray:
    start = nanoseconds(datetime(year, 1, 1, tzinfo=UTC))
    if isleap(year):
        return values + start
    days = values // _DAY
    if np.any(days == 59):
        raise EntroError(
            f"a timestamp is of February 29, which does not exist in {year}",
            where=log.label,
            expected="timestamps of that year",
            remedy="name the year of the last timestamp with --year",
        )
    shifted: TimeArray = values + start - _DAY * (days > 59)
    return shifted


def _add_days(
    values: TimeArray, before: tuple[int, int] | None, log: LogFile, options: ReadOptions, tally: Tally
) -> TimeArray:
    """Return times of day with their days added, nanoseconds on the wall clock.

    Midnight is where a time goes back by more than half a day. One that goes forward by nearly a day is a line out of
    order, from before midnight.
    """
    steps = np.diff(values, prepend=before[0] if before else values[0])
    passed: TimeArray = np.cumsum((steps < -_DAY // 2).astype(np.int64) - (steps > _DAY - _DAY // 24))
    if before:
        midnight = before[1] - before[0]
    elif options.start_ns is not None:
        first = nanoseconds(moment(options.start_ns, options.zone).replace(tzinfo=UTC))
        midnight = first // _DAY * _DAY
        midnight += _DAY if midnight + int(values[0]) < first else 0
    else:
        changed = nanoseconds(_changed(log, options.zone).replace(tzinfo=UTC))
        last = changed // _DAY * _DAY
        last -= _DAY if last + int(values[-1]) > changed + 60 * NS else 0
        midnight = last - int(passed[-1]) * _DAY
        tally.note(ProblemKind.DATES_INFERRED)
    dated: TimeArray = values + midnight + passed * _DAY
    return dated
