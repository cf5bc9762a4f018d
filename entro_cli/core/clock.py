"""Times as integers (nanoseconds since the epoch), which all steps are counted in, and as datetimes to show.

An int64 of nanoseconds is exact, so rounding never moves a sample into the wrong step.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.suggestions import closest_name
from entro_engine import EntroError

NS = 1_000_000_000
"""Nanoseconds in a second."""

YEARS = range(1965, 2256)
"""The years of logs. Times outside of them are bad rows: 64 bits of nanoseconds end in 2262."""

_LONGEST_NS = 1 << 62
"""146 years: a time of a log plus or minus a duration is a date, too."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OF_LOGS_NS = range(
    *((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH).days * 86400 * NS for year in (YEARS.start, YEARS.stop))
)
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
_REGIONS = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")


def moment(ns: int, zone: tzinfo) -> datetime:
    """Return nanoseconds since the epoch as a datetime in a zone, cut to the microsecond."""
    return (_EPOCH + timedelta(microseconds=ns // 1000)).astimezone(zone)


def nanoseconds(when: datetime) -> int:
    """Return a datetime with a zone as nanoseconds since the epoch, exactly."""
    since = when - _EPOCH
    # timedelta.total_seconds() is a float, which has no room for nanoseconds since 1970.
    return (since.days * 86400 + since.seconds) * NS + since.microseconds * 1000


def local_midnight(ns: int, zone: tzinfo) -> int:
    """Return the local midnight at or before a moment, both in nanoseconds since the epoch."""
    local = moment(ns, zone)
    return nanoseconds(datetime(local.year, local.month, local.day, tzinfo=zone))


def zone_of(name: str | None, where: str = "--tz") -> tzinfo:
    """Return the time zone of a name, or the machine's without a name.

    Args:
        name: a name of the IANA database, such as Europe/Berlin.
        where: the option or key that names it, for the message.

    Raises:
        EntroError: if there is no zone of that name.
    """
    if name is None:
        import tzlocal

        try:
            return tzlocal.get_localzone()
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # such as EST5EDT,M3.2.0,M11.1.0
            raise EntroError(
                "the machine's time zone has no name that is known",
                where="TZ" if os.environ.get("TZ") else "/etc/localtime",
                expected="a name such as UTC or Europe/Berlin",
                remedy="name the zone with --tz, or zone in entro.toml",
            ) from error
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # ValueError: not a key, such as ../../etc/passwd
        similar = _similar_zone(name)
        raise EntroError(
            f"unknown time zone {name!r}",
            where=where,
            expected="" if similar else "a name such as UTC or Europe/Berlin",
            remedy=f"did you mean {similar}?" if similar else "",
        ) from error


def _similar_zone(name: str) -> str | None:
    """Return the zone whose name, or whose city, is close to a mistyped one: Europe/Berlin for `berlin`."""
    if name.isupper():  # an abbreviation such as CEST, which is close to Australia/West
        return None
    # Only zones of places: Etc/GMT+1 is close to UTC+1, but an hour behind UTC.
    zones = sorted(zone for zone in available_timezones() if zone.startswith(_REGIONS))
    cities = {zone.rpartition("/")[2]: zone for zone in zones}
    city = closest_name(name.replace(" ", "_"), cities)
    return cities[city] if city else closest_name(name, zones)


def duration_ns(text: str, where: str, most_ns: float = _LONGEST_NS) -> int:
    """Return a duration such as 500ms, 10s, 5min, 1h or 7d in nanoseconds.

    Args:
        text: the duration as the user wrote it.
        where: the option or key that it was written for, for the message.
        most_ns: the longest that is allowed.

    Raises:
        EntroError: if it is not a duration above 0, or too long.
    """
    match = _DURATION.fullmatch(text.strip())
    length = round(float(match[1]) * _UNITS[match[2]]) if match else 0
    if length <= 0:
        raise EntroError(
            f"{text!r} is not a duration",
            where=where,
            expected="a number above 0 with ms, s, min, h, d or w: 10s",
        )
    if length > most_ns:
        raise EntroError(f"{text!r} is too long", where=where, expected="at most 146 years")
    return length


def clock_shift(text: str, where: str) -> tuple[str, int]:
    """Split FILE=+3s into the file and the shift of its clock in nanoseconds.

    Args:
        text: the shift as the user wrote it.
        where: the option or key that it was written for, for the message.

    Raises:
        EntroError: if it does not have that form.
    """
    match = re.fullmatch(r"(.+)=([+-]?)(\S+)", text)
    if not match:
        raise EntroError(f"{text!r} is not an offset", where=where, expected="FILE=+3s or FILE=-1h")
    return match[1], duration_ns(match[3], where) * (-1 if match[2] == "-" else 1)


def time_or_ago_ns(text: str, now_ns: int, zone: tzinfo, where: str) -> int:
    """Return an ISO 8601 date or time, or a duration before now (7d, 24h), as nanoseconds since the epoch.

    Args:
        text: the time as the user wrote it.
        now_ns: now, nanoseconds since the epoch.
        zone: the zone of a time that names none.
        where: the option that it was written for, for the message.

    Raises:
        EntroError: if it is neither, or a time of which there are no logs.
    """
    if _DURATION.fullmatch(text.strip()):
        return now_ns - duration_ns(text, where)
    return log_time_ns(text, zone, where)


def log_time_ns(text: str, zone: tzinfo, where: str) -> int:
    """Return what `moment_ns` does, after a check that logs can be of that time.

    Raises:
        EntroError: if it is not a date or time, or not of `YEARS`.
    """
    ns = moment_ns(text, zone, where)
    if ns not in _OF_LOGS_NS:
        raise EntroError(f"{text!r} is out of range", where=where, expected=f"a time from {YEARS[0]} to {YEARS[-1]}")
    return ns


def moment_ns(text: str, zone: tzinfo, where: str) -> int:
    """Return an ISO 8601 date or time as nanoseconds since the epoch.

    Args:
        text: the time as the user wrote it.
        zone: the zone of a time that names none.
        where: the option that it was written for, for the message.

    Raises:
        EntroError: if it is not a date or time.
    """
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise EntroError(
            f"{text!r} is not a date or time", where=where, expected="2026-04-06 or 2026-04-06T12:30:00Z"
        ) from error
    return nanoseconds(when if when.tzinfo else when.replace(tzinfo=zone))


_QUARTER_NS = 900 * NS
"""All present zones differ from UTC by whole quarters of an hour, so one look at the calendar serves a quarter."""


def hours_of_week(times_ns: NDArray[np.int64], zone: tzinfo) -> NDArray[np.int64]:
    """Return the hour of the week of each moment, from 0 for the first hour of Monday to 167.

    Args:
        times_ns: shape (n,), nanoseconds since the epoch.
        zone: the zone whose clock counts. An hour that the clock shows twice is one hour.

    Returns:
        Shape (n,), 24 * weekday + hour.
    """
    quarters, quarter_of = np.unique(times_ns // _QUARTER_NS, return_inverse=True)
    local_times = (moment(quarter * _QUARTER_NS, zone) for quarter in quarters.tolist())
    return np.array([24 * local.weekday() + local.hour for local in local_times], dtype=np.int64)[quarter_of]


def utc_offsets(start: datetime, end: datetime) -> list[tuple[float, float]]:
    """Return the offsets from UTC in a time span: from which second after its start each holds, and the offset, s."""

    def offset(ns: int) -> timedelta | None:
        return moment(ns, start.tzinfo or UTC).utcoffset()

    begin, last, day_ns = nanoseconds(start), nanoseconds(end), 86400 * NS
    changes = [begin]
    for ns in range(begin, last, day_ns):
        minutes = range(ns, min(ns + day_ns, last) + 1, 60 * NS)
        if offset(minutes[0]) != offset(minutes[-1]):
            changes.append(minutes[bisect_left(minutes, True, key=lambda at: offset(at) != offset(minutes[0]))])
    return [((ns - begin) / NS, (offset(ns) or timedelta()).total_seconds()) for ns in changes]
