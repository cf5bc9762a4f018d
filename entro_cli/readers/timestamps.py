"""Timestamps of tables: their formats, and the SQL that reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from entro_cli.core.clock import NS

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_ISO = re.compile(r"\s*\d{4}-?\d\d-?\d\d([Tt ]\d\d:?\d\d.*)?\s*|\s*\d{4}/\d\d/\d\d[Tt ]\d\d:\d\d.*", re.ASCII)

EPOCH_SECONDS = _EARLIEST, _LATEST = 500_000_000, 9_000_000_000
"""Limits of numbers that are read as seconds since the epoch: 1985 and 2255."""


@dataclass(frozen=True)
class TimestampFormat:
    """A format of timestamps.

    Attributes:
        name: its name in the output.
        unit_ns: unit of numbers, nanoseconds; 0 for text.
        is_offset: whether numbers count from the start of the log rather than from the epoch.
        pattern: the format for DuckDB's `try_strptime`; empty for numbers and ISO 8601.
    """

    name: str
    unit_ns: int = 0
    is_offset: bool = False
    pattern: str = ""


ISO = TimestampFormat("ISO 8601")
_EPOCHS = (
    TimestampFormat("epoch seconds", NS),
    TimestampFormat("epoch milliseconds", NS // 10**3),
    TimestampFormat("epoch microseconds", NS // 10**6),
    TimestampFormat("epoch nanoseconds", 1),
)
_SERVER_FORMATS = (  # stamps of web servers, in the order: Common Log Format, HAProxy, Gin
    (re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", re.ASCII), "%d/%b/%Y:%H:%M:%S %z"),
    (re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3}", re.ASCII), "%d/%b/%Y:%H:%M:%S.%g"),
    (re.compile(r"\d{4}/\d\d/\d\d - \d\d:\d\d:\d\d", re.ASCII), "%Y/%m/%d - %H:%M:%S"),
)


def timestamp_format(sample: Sequence[str], offset_unit_ns: int | None) -> TimestampFormat | None:
    """Return the format of a column's timestamps.

    Args:
        sample: cells of the column.
        offset_unit_ns: unit of small numbers, which are offsets, nanoseconds; None if offsets are not allowed here.

    Returns:
        The format of most of the sample; None if it does not look like times.
    """
    texts = [text for text in sample if text.strip()]
    numbers = [float(text) for text in texts if _NUMBER.fullmatch(text)]
    if sum(1 for text in texts if _ISO.fullmatch(text) and not _is_big_number(text)) * 2 > len(texts):
        return ISO
    for shape, pattern in _SERVER_FORMATS:
        if texts and 2 * sum(1 for text in texts if shape.fullmatch(text.strip())) > len(texts):
            return TimestampFormat("a web server's stamps", pattern=pattern)
    if not texts or len(numbers) * 2 <= len(texts):
        return None
    # The limits are a factor of 18 apart, and units a factor of 1000, so a number fits one unit at most.
    median = float(np.median(np.abs(numbers)))
    for form in _EPOCHS:
        if _EARLIEST <= median * form.unit_ns / NS <= _LATEST:
            return form
    if offset_unit_ns is not None and median < _EARLIEST:
        return TimestampFormat("offset from the start", offset_unit_ns, is_offset=True)
    return None


def _is_big_number(text: str) -> bool:
    """Return whether digits alone are more likely a count since the epoch than a date such as 20260406."""
    return bool(_NUMBER.fullmatch(text)) and not (len(text.strip()) == 8 and "1985" <= text.strip()[:4] <= "2255")


def timestamp_sql(text: str, form: TimestampFormat) -> tuple[str, str]:
    """Return SQL of a timestamp as nanoseconds, and SQL of whether it names its zone.

    Args:
        text: SQL of the timestamp as text.
        form: its format.

    Returns:
        A BIGINT expression and a BOOLEAN expression. The nanoseconds count from the epoch if the timestamp is a number
        or names its zone. Otherwise they are what the wall clock shows, as if it were UTC. An offset counts from the
        start of the log. NULL if it is not a timestamp of that format.
    """
    if form.unit_ns:
        # A double has 53 bits, too few for nanoseconds since the epoch; a decimal holds all digits.
        number = f"TRY_CAST(trim({text}) AS DECIMAL(29, 9))"
        low, high = (-_LATEST, _LATEST) if form.is_offset else (_EARLIEST, _LATEST)
        scale = NS // form.unit_ns
        inside = f"{number} BETWEEN {low * scale} AND {high * scale}"
        return f"CASE WHEN {inside} THEN CAST({number} * {form.unit_ns} AS BIGINT) END", "true"
    if form.pattern:
        return f"epoch_ns(try_strptime(trim({text}), '{form.pattern}'))", str("%z" in form.pattern).lower()
    return _iso_sql(text)


def _iso_sql(text: str) -> tuple[str, str]:
    """Return the same for ISO 8601: common forms by casts, several times as fast as the patterns for the others."""
    dated = f"({text}[5] = '-' AND {text}[11] <> 't' AND {text}[14] = ':' AND NOT contains({text}, ','))"
    utc = f"({dated} AND suffix({text}, 'Z'))"
    shifted = (
        f"({dated} AND length({text}) > 20 AND {text}[-6] IN ('+', '-') AND {text}[-7] <> ' ' AND {text}[-3] = ':')"
    )
    fraction = f"({text}[20] = '.' AND TRY_CAST({text}[21:] AS UBIGINT) IS NOT NULL)"
    local = f"({dated} AND (length({text}) = 19 OR {fraction}))"
    general, general_zoned = _general_iso_sql(text)
    stamp = (
        f"CASE WHEN {utc} OR {local} THEN {_wall_sql(text)} "
        f"WHEN {shifted} THEN {_wall_sql(text)} - {_shift_sql(text)} ELSE {general} END"
    )
    return stamp, f"CASE WHEN {utc} OR {shifted} THEN true WHEN {local} THEN false ELSE {general_zoned} END"


def _general_iso_sql(text: str) -> tuple[str, str]:
    """Return the same for any form.

    They may have a space before the offset, a decimal comma, small letters, no dashes, slashes, or a zone's name.
    """
    upper = rf"regexp_replace(regexp_replace(trim({text}), '(\d)t(\d)', '\1T\2'), '(\d)z$', '\1Z')"
    clean = rf"replace(regexp_replace({upper}, '\s+([+-]\d)', '\1'), ',', '.')"
    parts = r"'^(\d{4})(\d\d)(\d\d)(?:[T ](\d\d):?(\d\d):?(\d\d)?)?', '\1-\2-\3T0\4:0\5:0\6'"
    basic = rf"regexp_replace(regexp_replace({clean}, {parts}), '([T:])0(\d\d)', '\1\2', 'g')"
    dashed, plain = (rf"regexp_matches({clean}, '^\d{{{digits}}}')" for digits in ("4}[-/]{1", "8"))
    iso = f"CASE WHEN {dashed} THEN {clean} WHEN {plain} THEN {basic} END"
    zoned = rf"regexp_matches({clean}, '(:\d\d|T\d{{4,6}}).*?([zZ]|[+-]\d\d(:?\d\d)?|[A-Za-z_/]+)$')"
    return f"{_wall_sql(iso)} - CASE WHEN {zoned} THEN {_shift_sql(iso)} ELSE 0 END", zoned


def _wall_sql(text: str) -> str:
    """Return SQL of what the wall clock shows, nanoseconds: this cast of DuckDB ignores a zone."""
    return f"epoch_ns(TRY_CAST({text} AS TIMESTAMP_NS))"


def _shift_sql(text: str) -> str:
    """Return SQL of how far that clock is ahead of UTC, nanoseconds: the cast to TIMESTAMPTZ applies the zone."""
    return f"1000 * (epoch_us(TRY_CAST({text} AS TIMESTAMP)) - epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)))"
