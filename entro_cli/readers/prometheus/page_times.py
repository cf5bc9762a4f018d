"""Times in the lines between saved pages of metrics, and in the names of their files."""

from __future__ import annotations

import re

from entro_cli.core.clock import NS
from entro_cli.readers.partial_timestamps import PartialTimestampFormat, Stamp, timestamp_in

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})[a-z]*"
_CLOCK = r"(?P<clock>\d\d[-_:.]?\d\d[-_:.]?\d\d)(?:[.,](?P<fraction>\d{1,9})\d*)?(?!\d)"
_ZONE = r"\s?(?P<zone>Z\b|GMT|UTC|[+-]\d\d:?\d\d(?![\d:]))?"
_DATES = (
    re.compile(
        rf"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<s>[-_./]?)(?P<month>\d\d)(?P=s)(?P<day>\d\d)[T_.\s-]*{_CLOCK}{_ZONE}"
    ),
    # Of HTTP, of web servers, and of `date`: Thu, 26 Nov 2026 12:00:10 GMT
    re.compile(rf"(?<!\d)(?P<day>\d\d?)[ /-]{_MONTH}[ /-](?P<year>\d{{4}})[ :,]+{_CLOCK}(?P<half> [AP]M)?{_ZONE}"),
    # Of ctime, and of `date` in the locale C: Thu Nov 26 12:00:10 UTC 2026
    re.compile(rf"{_MONTH} +(?P<day>\d\d?) {_CLOCK}(?P<half> [AP]M)?{_ZONE}(?: \w{{1,5}})? (?P<year>\d{{4}})(?!\d)"),
)
_EPOCH = re.compile(r"(?<![\d.])[1-8]\d{9}(?:\d{3}){0,3}(?:\.\d+)?(?![\d.]*\d)")
"""Seconds, or parts of them, up to the year 2255: later times do not fit into nanoseconds of 64 bits."""
_OTHER_TIME = re.compile(r"[<\s]*(?:last-modified|expires|set-cookie|age|etag|content-\w+):", re.IGNORECASE)
"""Headers of HTTP whose time is not that of the response."""


def page_time(text: str) -> Stamp | None:
    """Return the time in a line between pages, or in the name of a file; None if there is none."""
    if _OTHER_TIME.match(text):
        return None
    for pattern in _DATES:
        if (match := pattern.search(text)) and (stamp := timestamp_in(_iso(match.groupdict("")).encode())):
            return stamp
    if epoch := _EPOCH.search(text):
        return PartialTimestampFormat.ZONED, since_epoch_ns(epoch[0])
    return timestamp_in(text.encode())


def since_epoch_ns(number: str) -> int:
    """Return a number since the epoch in nanoseconds; its size shows its unit: s, ms, us or ns.

    Raises:
        ValueError: if it is not a number.
        OverflowError: if it is infinite.
    """
    whole, _, fraction = number.partition(".")
    if not whole.isdigit() or not f"0{fraction}".isdigit():  # such as 1.79569441e+09
        whole, fraction = str(round(float(number) * 1000)), ""
    unit = (NS, NS // 10**3, NS // 10**6, 1)[min(max((len(whole) - 8) // 3, 0), 3)]
    return int(whole) * unit + int(fraction[:9].ljust(9, "0")) * unit // NS


def _iso(parts: dict[str, str]) -> str:
    """Return a whole date as ISO 8601."""
    month = int(parts["month"]) if parts["month"].isdigit() else _MONTHS.index(parts["month"]) + 1
    hour, minute, second = re.findall(r"\d\d", parts["clock"])
    if half := parts.get("half"):
        hour = f"{int(hour) % 12 + 12 * (half == ' PM'):02}"
    zone = parts["zone"] if parts["zone"][:1] in "+-" else "Z"
    return f"{parts['year']}-{month:02}-{int(parts['day']):02}T{hour}:{minute}:{second}.{parts['fraction'] or 0}{zone}"
