"""The cells of a plain CSV, byte by byte, compiled by numba: imported only where that is installed and pays.

A cell that is not plain is -1, which no time and no load is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

_NOT_PLAIN = -1
_LINE_FEED, _RETURN, _BLANK, _QUOTE, _PLUS, _DASH, _POINT, _ZERO, _COLON, _T, _Z, _SMALL_E, _LARGE_E = (
    ord(char) for char in '\n\r "+-.0:TZeE'
)
_LAST_PRINTABLE = ord("~")
_NS = 1_000_000_000
_FIRST_YEAR, _AFTER_LAST_YEAR = 1971, 2200

_TENS = np.array([10.0**power for power in range(23)])
"""The powers of ten that a double holds exactly: a number of up to 15 digits by one of them is rounded once."""

_MOST_DIGITS = 10**17
"""One more digit fits behind a number below this: 18 in all."""

_EXACT = 1 << 53
"""Every whole number up to this is a double."""

_SPLIT = 134217729.0
"""2^27 + 1: what a double is multiplied by to part it into two halves (Dekker 1971)."""

_DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334])
_MONTH_DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])

Function = TypeVar("Function", bound=Callable[..., Any])


def _compiled(function: Function) -> Function:
    """A function as machine code, which is kept beside this module where that can be written to."""
    try:
        return cast(Function, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # there is no place to keep it
        return cast(Function, numba.njit(nogil=True)(function))


@_compiled
def parse(
    text: Any, delimiter: int, has_returns: bool, roles: Any, form: Any, times: Any, zoned: Any, values: Any
) -> int:
    """Parse whole lines into arrays with an entry a line.

    Args:
        text: bytes, shape (bytes,), a line feed at its end.
        delimiter: between cells.
        has_returns: whether each line ends with a carriage return and a line feed.
        roles: of each column 0 to leave it aside, 1 for the time, from 2 on for loads in the order of `values`.
        form: of a time that is a number: what its unit is, nanoseconds, and the least and the greatest number; the unit
            is 0 of text.
        times: to be filled, shape (lines,), nanoseconds.
        zoned: to be filled, shape (lines,): whether the time names its zone.
        values: to be filled, shape (loads, lines); NaN of an empty cell.

    Returns:
        How many lines were: not all of them where one is not plain.
    """
    at, line, last = 0, 0, len(roles) - 1
    line_end = _RETURN if has_returns else _LINE_FEED
    while at < len(text):
        for column in range(last + 1):
            role = roles[column]
            end = _end(text, at, delimiter, line_end, role <= 1)
            if end == _NOT_PLAIN or (text[end] == line_end) != (column == last):
                return line
            if role == 1:
                times[line], zoned[line] = _count(text, at, end, form) if form[0] else _date(text, at, end)
                if times[line] == _NOT_PLAIN:
                    return line
            elif role > 1:
                load = _number(text, at, end) if end > at else np.nan
                load = _long_number(text, at, end) if load == _NOT_PLAIN else load
                if load == _NOT_PLAIN:
                    return line
                values[role - 2, line] = load
            at = end + 1
        if has_returns:
            if text[at] != _LINE_FEED:
                return line
            at += 1
        line += 1
    return line


@_compiled
def _end(text: Any, at: int, delimiter: int, line_end: int, may_be_parted: bool) -> int:
    """Where a cell ends that has nothing in it but printable characters, and a blank only where it may be parted."""
    least = _BLANK if may_be_parted else _BLANK + 1
    while text[at] != delimiter and text[at] != line_end:
        if text[at] < least or text[at] > _LAST_PRINTABLE or text[at] == _QUOTE:
            return _NOT_PLAIN
        at += 1
    return at


@_compiled
def _digits(text: Any, begin: int, end: int) -> int:
    """A text of nothing but up to 18 digits as a number."""
    found = 0
    if end <= begin or end - begin > 18:
        return _NOT_PLAIN
    for at in range(begin, end):
        digit = int(text[at]) - _ZERO
        if digit < 0 or digit > 9:
            return _NOT_PLAIN
        found = found * 10 + digit
    return found


@_compiled
def _point(text: Any, begin: int, end: int) -> int:
    """Where the point of a number stands; its end without one."""
    for at in range(begin, end):
        if text[at] == _POINT:
            return at
    return end


@_compiled
def _number(text: Any, begin: int, end: int) -> float:
    """A number of up to 15 digits, rounded once."""
    point = _point(text, begin, end)
    whole, places = _digits(text, begin, point), max(end - point - 1, 0)
    if whole == _NOT_PLAIN or end - begin > 16 or end == point + 1:
        return _NOT_PLAIN
    if places == 0:
        return float(whole)
    part = _digits(text, point + 1, end)
    if part == _NOT_PLAIN or point + places - begin > 15:
        return _NOT_PLAIN
    return float((whole * int(_TENS[places]) + part) / _TENS[places])


@_compiled
def _long_number(text: Any, begin: int, end: int) -> float:
    """A number of up to 18 digits besides zeros before them, or with an exponent, rounded once."""
    digits, exponent, figures, at, is_behind = 0, 0, 0, begin, False
    while at < end and text[at] != _SMALL_E and text[at] != _LARGE_E:
        digit = int(text[at]) - _ZERO
        if text[at] == _POINT and not is_behind and at > begin:
            is_behind, figures = True, 0
        elif digit < 0 or digit > 9 or digits >= _MOST_DIGITS:
            return _NOT_PLAIN
        else:
            digits, figures = digits * 10 + digit, figures + 1
            exponent -= is_behind
        at += 1
    power = 0 if at == end else _power(text, at + 1, end)
    if figures == 0 or power == _NS:
        return _NOT_PLAIN
    return _scaled(digits, exponent + power)


@_compiled
def _scaled(digits: int, exponent: int) -> float:
    """A whole number times a power of ten, rounded once."""
    if exponent == 0:
        return float(digits)
    if abs(exponent) >= len(_TENS) or (exponent > 0 and digits > _EXACT):
        return _NOT_PLAIN
    if exponent > 0:
        return float(digits) * float(_TENS[exponent])
    return float(digits) / float(_TENS[-exponent]) if digits <= _EXACT else _quotient(digits, float(_TENS[-exponent]))


@_compiled
def _power(text: Any, begin: int, end: int) -> int:
    """What stands behind an E; a billion where it is not plain."""
    is_signed = begin < end and (text[begin] == _DASH or text[begin] == _PLUS)
    found = _digits(text, begin + is_signed, end)
    if found == _NOT_PLAIN or end - begin > 4:
        return _NS
    return -found if text[begin] == _DASH else found


@_compiled
def _quotient(digits: int, power: float) -> float:
    """A whole number of more digits than a double has by a power of ten, rounded once.

    What the quotient of doubles leaves is divided, too (Dekker's product is exact), which gives it to some 100 bits.
    Where even these do not tell which of two doubles is the nearer one, it is not plain.
    """
    whole = float(digits)
    first = whole / power
    product = first * power
    first_high = first * _SPLIT - (first * _SPLIT - first)
    power_high = power * _SPLIT - (power * _SPLIT - power)
    first_low, power_low = first - first_high, power - power_high
    lost = first_low * power_low - (product - first_high * power_high - first_low * power_high - first_high * power_low)
    second = (whole - product - lost + float(digits - int(whole))) / power
    nearest = first + second
    left = second - (nearest - first)
    return nearest if nearest + left * (1.0 + 1e-9) == nearest else float(_NOT_PLAIN)


@_compiled
def _count(text: Any, begin: int, end: int, form: Any) -> tuple[int, bool]:
    """A time that is a number of units."""
    unit, low, high = form
    point = _point(text, begin, end)
    whole, places = _digits(text, begin, point), max(end - point - 1, 0)
    if whole == _NOT_PLAIN or whole < low or whole >= high or end == point + 1 or places > 9:
        return _NOT_PLAIN, False
    weight = unit
    for _ in range(places):
        if weight % 10:
            return _NOT_PLAIN, False
        weight //= 10
    part = _digits(text, point + 1, end) if places else 0
    return (_NOT_PLAIN if part == _NOT_PLAIN else whole * unit + part * weight), True


@_compiled
def _date(text: Any, begin: int, end: int) -> tuple[int, bool]:
    """A date and a time, as 2026-04-06T12:30:00.123Z or without a zone, or with +02:00 for one."""
    if end - begin < 19 or not _is_laid_out(text, begin):
        return _NOT_PLAIN, False
    stamp = _seconds(text, begin)
    place, part, weight = begin + 19, 0, _NS
    if place < end and text[place] == _POINT:
        first = place = place + 1
        while place < end and _digits(text, place, place + 1) != _NOT_PLAIN:
            place, weight = place + 1, weight // 10
        part = _digits(text, first, place)
        if place - first > 9:
            return _NOT_PLAIN, False
    shift = _shift(text, place, end)
    if min(stamp, part) == _NOT_PLAIN or shift == _NS:
        return _NOT_PLAIN, False
    return (stamp - shift) * _NS + part * weight, place < end


@_compiled
def _is_laid_out(text: Any, begin: int) -> bool:
    """Whether what stands between the numbers of a date and a time is what should."""
    parted = text[begin + 10] == _T or text[begin + 10] == _BLANK
    dashes = text[begin + 4] == _DASH and text[begin + 7] == _DASH
    return bool(parted and dashes and text[begin + 13] == _COLON and text[begin + 16] == _COLON)


@_compiled
def _seconds(text: Any, begin: int) -> int:
    """A date and a time of day by the wall clock, s since the epoch."""
    year, month = _digits(text, begin, begin + 4), _digits(text, begin + 5, begin + 7)
    day, hour = _digits(text, begin + 8, begin + 10), _digits(text, begin + 11, begin + 13)
    minute, second = _digits(text, begin + 14, begin + 16), _digits(text, begin + 17, begin + 19)
    if min(month, day, hour, minute, second) < 0 or max(minute, second) > 59 or hour > 23:
        return _NOT_PLAIN
    if year < _FIRST_YEAR or year >= _AFTER_LAST_YEAR or month < 1 or month > 12:
        return _NOT_PLAIN
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day < 1 or day > _MONTH_DAYS[month - 1] + (leap and month == 2):
        return _NOT_PLAIN
    before = year - 1
    days = (year - 1970) * 365 + before // 4 - before // 100 + before // 400 - 477
    days += _DAYS_BEFORE[month - 1] + (leap and month > 2) + day - 1
    return int(((days * 24 + hour) * 60 + minute) * 60 + second)


@_compiled
def _shift(text: Any, begin: int, end: int) -> int:
    """How far before UTC the clock of a zone is, s: 0 for Z and for none; a billion where it is not plain."""
    if begin == end or (end == begin + 1 and text[begin] == _Z):
        return 0
    if end != begin + 6 or text[begin + 3] != _COLON or (text[begin] != _PLUS and text[begin] != _DASH):
        return _NS
    hours, minutes = _digits(text, begin + 1, begin + 3), _digits(text, begin + 4, begin + 6)
    if hours < 0 or hours > 14 or minutes < 0 or minutes > 59:
        return _NS
    shift = (hours * 60 + minutes) * 60
    return -shift if text[begin] == _DASH else shift
