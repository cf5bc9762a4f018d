"""Moments: nanoseconds since the epoch, which all steps are counted in, and datetimes, which people read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from entro_engine import EntroError

NS = 1_000_000_000
"""Nanoseconds in a second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {
    "ms": NS // 1000,
    "s": NS,
    "min": 60 * NS,
    "m": 60 * NS,
    "h": 3600 * NS,
    "d": 86400 * NS,
    "w": 7 * 86400 * NS,
}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms|s|min|m|h|d|w)")


def moment(ns: int, zone: tzinfo) -> datetime:
    """Nanoseconds since the epoch as a datetime in a zone, to the microsecond."""
    return (_EPOCH + timedelta(microseconds=ns // 1000)).astimezone(zone)


def nanoseconds(when: datetime) -> int:
    """A datetime with a zone as nanoseconds since the epoch, exactly."""
    since = when - _EPOCH
    return (since.days * 86400 + since.seconds) * NS + since.microseconds * 1000


def local_midnight(ns: int, zone: tzinfo) -> int:
    """The local midnight at or before a moment, both in nanoseconds since the epoch."""
    local = moment(ns, zone)
    return nanoseconds(datetime(local.year, local.month, local.day, tzinfo=zone))


def zone_of(name: str | None, where: str = "--tz") -> tzinfo:
    """The zone of that name; without a name, the machine's.

    Args:
        name: such as Europe/Berlin.
        where: the option or key it was written for, for the message.

    Raises:
        EntroError: when there is no zone of that name.
    """
    if name is None:
        import tzlocal

        return tzlocal.get_localzone()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise EntroError(
            f"there is no time zone {name!r}", where=where, expected="a name such as UTC or Europe/Berlin"
        ) from error


def duration_ns(text: str, where: str) -> int:
    """A duration such as 500ms, 10s, 5min, 1h, 7d as nanoseconds.

    Args:
        text: what the user wrote.
        where: the option it was written for, for the message.

    Raises:
        EntroError: when it is not a duration above 0.
    """
    match = _DURATION.fullmatch(text.strip())
    length = round(float(match[1]) * _UNITS[match[2]]) if match else 0
    if length <= 0:
        raise EntroError(
            f"{text!r} is no duration",
            where=where,
            expected="a number above 0 with ms, s, min, h, d or w: 10s",
        )
    return length


def clock_shift(text: str, where: str) -> tuple[str, int]:
    """FILE=+3s: the file, and how far its clock is moved, in nanoseconds.

    Args:
        text: what the user wrote.
        where: the option or key it was written for, for the message.

    Raises:
        EntroError: when it is not of that form.
    """
    match = re.fullmatch(r"(.+)=([+-]?)(\S+)", text)
    if not match:
        raise EntroError(f"{text!r} is no offset", where=where, expected="FILE=+3s or FILE=-1h")
    return match[1], duration_ns(match[3], where) * (-1 if match[2] == "-" else 1)


def time_or_ago_ns(text: str, now_ns: int, zone: tzinfo, where: str) -> int:
    """An ISO 8601 date or time, or a duration before now (7d, 24h), as nanoseconds since the epoch.

    Args:
        text: what the user wrote.
        now_ns: now, nanoseconds since the epoch.
        zone: the zone of a time without one.
        where: the option it was written for, for the message.

    Raises:
        EntroError: when it is neither.
    """
    if _DURATION.fullmatch(text.strip()):
        return now_ns - duration_ns(text, where)
    return moment_ns(text, zone, where)


def moment_ns(text: str, zone: tzinfo, where: str) -> int:
    """An ISO 8601 date or time as nanoseconds since the epoch; one without a zone is in `zone`.

    Args:
        text: what the user wrote.
        zone: the zone of a time without one.
        where: the option it was written for, for the message.

    Raises:
        EntroError: when it is no date or time.
    """
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise EntroError(
            f"{text!r} is no date or time", where=where, expected="2026-04-06 or 2026-04-06T12:30:00Z"
        ) from error
    return nanoseconds(when if when.tzinfo else when.replace(tzinfo=zone))


_QUARTER_NS = 900 * NS


def hours_of_week(times_ns: NDArray[np.int64], zone: tzinfo) -> NDArray[np.int64]:
    """In which of the 168 hours of the week each moment lies, the first of them Monday's first.

    Clocks differ from UTC by whole quarters of an hour, so one look at the calendar serves a quarter.

    Args:
        times_ns: shape (n,), nanoseconds since the epoch.
        zone: whose clock counts; an hour that it shows twice is one.

    Returns:
        Shape (n,), 24 * weekday + hour.
    """
    quarters, of_moment = np.unique(times_ns // _QUARTER_NS, return_inverse=True)
    locals_ = (moment(quarter * _QUARTER_NS, zone) for quarter in quarters.tolist())
    return np.array([24 * local.weekday() + local.hour for local in locals_], dtype=np.int64)[of_moment]
