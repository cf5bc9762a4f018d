"""Timestamps of tables: their formats, by the first cells."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from entro_cli.core.clock import NS

_NUMBER = re.compile(r"\s*[+-]?(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*")
_ISO = re.compile(r"\s*\d{4}-?\d\d-?\d\d([Tt ]\d\d:?\d\d.*)?\s*|\s*\d{4}/\d\d/\d\d[Tt ]\d\d:\d\d.*", re.ASCII)
WRITTEN = re.compile(
    r"^\s*(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
    r"(\d{1,4}|[a-zäÄ]{3,9})\.?[ ./-]\s?(\d{1,2}|[a-zäÄ]{3,9})\.?,?[ ./-]\s?(\d{4}|\d{2})"
    r"(?:[,@T:\s-]+(\d{1,2}):(\d\d)(?::(\d\d)([.,]\d{1,9})?)?\s*([ap]\.?m\.?)?\s*"
    r"(?:(?:gmt|utc)?([+-]\d\d:?\d\d|[a-z]+(?:/[a-z_/]+)?)(?:\s*\([^)]*\))?)?)?\s*$",
    re.IGNORECASE | re.ASCII,
)
PARTS = ("a", "b", "c", "hour", "minute", "second", "fraction", "half", "zone")
_COMMA_DAYS = re.compile(r"^(\s*\d{5}),(\d+\s*)$")
MONTHS = [
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    *("", "", "mär", "", "mai", "", "", "", "", "okt", "", "dez"),
    *("", "", "mrz", "", "", "", "", "", "", "", "", ""),
]
"""Beginnings of the names of months, in English and German, twelve each."""

_CLOCK = re.compile(r"\s*\d{1,2}:\d\d(:\d\d([.,]\d+)?)?\s*([ap]\.?m\.?)?\s*", re.IGNORECASE | re.ASCII)
_DAY_NUMBERS = 36_526, 73_050
"""Limits of numbers that may be a spreadsheet's days since 1899-12-30: 2000 and 2099."""

UNKNOWN_ORDER = "?"
"""Order of dates that the sample leaves open, such as 06/04/2026: the rest of the file may show it."""

EPOCH_SECONDS = _EARLIEST, _LATEST = 1_000_000_000, 9_000_000_000
"""Limits of numbers that are read as seconds since the epoch: 2001 and 2255. Other epochs lead to times before."""

OFFSET_SECONDS = 3_000_000_000
"""Largest number that is read as an offset: 95 years."""


class TimestampFormat(Struct, frozen=True):
    """A format of timestamps.

    Attributes:
        unit_ns: unit of numbers, nanoseconds; 0 for text.
        is_offset: whether numbers count from the start of the log rather than from the epoch.
        order: order of day, month and year in dates that are not ISO 8601: `dmy`, `mdy`, `ymd` or `UNKNOWN_ORDER`;
            `days` for numbers that are the days of a spreadsheet; empty for all others.
    """

    unit_ns: int = 0
    is_offset: bool = False
    order: str = ""


_UNITS = {"s": NS, "ms": NS // 10**3, "us": NS // 10**6, "ns": 1}
ACCESS_LOG = "dmy of access logs"  # begins like the order that it has; read in a tenth of the time
_ACCESS_STAMP = re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", re.ASCII)
DATE_ORDERS = ("dmy", "mdy", "ymd")
"""Orders of day, month and year that the user can name."""
TIME_UNITS = (*_UNITS, *DATE_ORDERS, "days")
"""The units that `--time COLUMN:UNIT` accepts: of numbers, orders of dates, and the days of a spreadsheet."""


def timestamp_format(
    sample: Sequence[str], offset_unit_ns: int | None, is_date: bool = False
) -> TimestampFormat | None:
    """Return the format of a column's timestamps.

    Args:
        sample: cells of the column.
        offset_unit_ns: unit of small numbers, which are offsets, nanoseconds; None if offsets are not allowed here.
        is_date: whether the column is called a date, so that numbers of days are a spreadsheet's.

    Returns:
        The format of most of the sample; None if it does not look like times.
    """
    texts = [_COMMA_DAYS.sub(r"\1.\2", text) for text in sample if text.strip()]
    numbers = [float(text) for text in texts if _NUMBER.fullmatch(text)]
    written = [found for text in texts if (found := _written_match(text))]
    if len(written) * 2 > len(texts):
        return TimestampFormat(order=_order(written))
    if sum(1 for text in texts if _ISO.fullmatch(text) and not _is_big_number(text)) * 2 > len(texts):
        return TimestampFormat()
    if not texts or len(numbers) * 2 <= len(texts):
        return None
    return _number_format(numbers, offset_unit_ns, is_date)


def _number_format(numbers: Sequence[float], offset_unit_ns: int | None, is_date: bool) -> TimestampFormat | None:
    # The limits are a factor of 9 apart, and units a factor of 1000, so a number fits one unit at most.
    median = float(np.median(np.abs(numbers)))
    for unit_ns in _UNITS.values():
        if _EARLIEST <= median * unit_ns / NS <= _LATEST:
            return TimestampFormat(unit_ns)
    if offset_unit_ns is None or median >= _EARLIEST:
        return None
    is_of_days = _are_day_numbers(numbers, is_date)
    return TimestampFormat(order="days") if is_of_days else TimestampFormat(offset_unit_ns, is_offset=True)


def _written_match(text: str) -> re.Match[str] | None:
    """Return the parts of a date that is not ISO 8601. A year of two digits needs a time of day or a month's name."""
    found = WRITTEN.match(text)
    if found is None or (not found[8] and _ISO.fullmatch(text)):
        return None
    if len(found[3]) == 2 and text[found.end(3) :].startswith(":"):
        return None  # `Apr 6 12:00:01` of syslog has no year: 12 is the hour
    is_date = found[4] or len(found[3]) == 4 or found[1].isalpha() or found[2].isalpha()
    return found if is_date else None


def given_format(sample: Sequence[str], unit: str) -> TimestampFormat:
    """Return the format of timestamps of which the user named the unit or the order, one of `TIME_UNITS`."""
    if unit not in _UNITS:
        return TimestampFormat(order=unit)
    numbers = [float(text) for text in sample if _NUMBER.fullmatch(text)]
    is_epoch = bool(numbers) and float(np.median(np.abs(numbers))) * _UNITS[unit] / NS >= _EARLIEST
    return TimestampFormat(_UNITS[unit], is_offset=not is_epoch)


def are_clocks(sample: Sequence[str]) -> bool:
    """Return whether cells are times of day, such as 12:30:05 or 1:05 PM."""
    return any(text.strip() for text in sample) and all(_CLOCK.fullmatch(text) for text in sample if text.strip())


def are_days(sample: Sequence[str]) -> bool:
    """Return whether cells are dates without a time of day."""
    form = timestamp_format(sample, None)
    return form is not None and not form.unit_ns and not any(":" in text for text in sample)


def _order(written: Sequence[re.Match[str]]) -> str:
    """Return the order of dates: by names of months, by a year in front, or by a number above 12."""
    first, second, last = ({found[part].lower() for found in written} for part in (1, 2, 3))
    if all(_ACCESS_STAMP.fullmatch(found.string.strip()) for found in written):
        return ACCESS_LOG
    if any(part.isalpha() for part in first | second):
        return "mdy" if any(part.isalpha() for part in first) else "dmy"
    if max(map(len, first)) > 2:
        return "ymd"
    is_day_first, is_month_first = (any(int(part) > 12 for part in parts) for parts in (first, second))
    # Of 17/06/09 the first may be the year, too.
    is_clear = is_day_first != is_month_first and not (is_day_first and max(map(len, last)) < 4)
    return ("dmy" if is_day_first else "mdy") if is_clear else UNKNOWN_ORDER


def _are_day_numbers(numbers: Sequence[float], are_dates: bool) -> bool:
    """Return whether numbers are days of a spreadsheet: far from 0, with fractions, less than two hours apart.

    An offset of so many seconds would be of a log that begins half a day after its start and has 12 rows a second.
    """
    between = np.abs(np.diff(numbers))
    is_in_limits = _DAY_NUMBERS[0] <= min(numbers) and max(numbers) <= _DAY_NUMBERS[1]
    return is_in_limits and (are_dates or (len(between) > 0 and 0 < float(np.median(between)) < 2 / 24))


def _is_big_number(text: str) -> bool:
    """Return whether digits alone are more likely a count since the epoch than a date such as 20260406."""
    return bool(_NUMBER.fullmatch(text)) and not (len(text.strip()) == 8 and "1985" <= text.strip()[:4] <= "2255")


def date_shown(cells: Sequence[str]) -> str:
    """Return the first date in some cells, only its digits and marks, as messages show it."""
    found = (re.match(r"\s*(\d[\d./-]{4,9})", cell) for cell in cells)
    return next((match[1] for match in found if match), "06/04/2026")
