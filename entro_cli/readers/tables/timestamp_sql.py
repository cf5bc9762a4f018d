"""SQL that reads the timestamps of tables. What is computed first is computed once, whoever uses it."""

from __future__ import annotations

from msgspec import Struct

from entro_cli.core.clock import NS, YEARS
from entro_cli.core.files import sql_string
from entro_cli.readers.timestamps import (
    ACCESS_LOG,
    EPOCH_SECONDS,
    MONTHS,
    OFFSET_SECONDS,
    PARTS,
    UNKNOWN_ORDER,
    WRITTEN,
    TimestampFormat,
)

WHOLE_NUMBERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})
"""Types of DuckDB for whole numbers that a column of Parquet may have."""

_MOMENTS = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"})
_UNCLEAR_ZONES = "ACT|AET|AGT|ART|AST|BET|BST|CNT|CTT|ECT|IET|MIT|NET|NST|PLT|PNT|PRT|SST|VST"
"""Names of zones that DuckDB has from old Java: there BST is not British Summer Time but that of Bangladesh."""

_YEARS = f"'{YEARS.start}' AND '{YEARS.stop}'"
"""Limits of the years of dates: between two of them are fewer nanoseconds than 64 bits hold."""

_USUAL = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d(:\d\d)?)?$"
_SHORT = "____-__-__T__:__:__"  # a third of the time of the pattern
_ODD, _UTC, _LOCAL, _SHIFTED = range(4)
"""Shapes of ISO 8601: one that only patterns read, and the usual ones with a Z, without a zone and with an offset."""


class TimestampSql(Struct, frozen=True):
    """SQL of a timestamp.

    Attributes:
        ns: BIGINT: the nanoseconds since the epoch if the timestamp is a number or names its zone. Otherwise they are
            what the wall clock shows, as if it were UTC. An offset counts from the start of the log. NULL if it is not
            a timestamp of the format.
        zoned: BOOLEAN: whether it names its zone.
        layers: columns that both use, each computed from the columns of the table and of the layers before.
    """

    ns: str
    zoned: str
    layers: tuple[str, ...] = ()


def timestamp_sql(text: str, form: TimestampFormat, name: str) -> TimestampSql:
    """Return SQL of a timestamp.

    Args:
        text: SQL of the timestamp as text.
        form: its format.
        name: beginning of the names of its layers.
    """
    if form.order == "days":
        return _day_number_sql(text, name)
    if form.order:
        return _written_sql(text, form.order, name)
    if form.unit_ns:
        # A double has 53 bits, too few for nanoseconds since the epoch; a decimal holds all digits.
        number = f"TRY_CAST(trim({text}) AS DECIMAL(29, 9)) AS {name}_number"
        return TimestampSql(_epoch_sql(f"{name}_number", form, f"{name}_number"), "true", (number,))
    return _iso_sql(text, name)


def typed_timestamp_sql(column: str, kind: str, form: TimestampFormat) -> TimestampSql | None:
    """Return SQL of a timestamp that a column of a DuckDB type holds; None if it must be read as text.

    Numbers with a point are text, too: their shortest digits are those that the writer meant.
    """
    if kind in _MOMENTS and form == TimestampFormat():
        # The year of a time in a zone, and its cast, go through a calendar, which takes five times as long.
        is_of_logs = f"{column} >= '{YEARS.start}-01-01' AND {column} < '{YEARS.stop}-01-01'"
        ns = f"CASE WHEN {is_of_logs} THEN epoch_ns({column}) END"
        return TimestampSql(ns, str("ZONE" in kind).lower())
    if kind in WHOLE_NUMBERS and form.unit_ns:
        return TimestampSql(_epoch_sql(column, form, f"CAST({column} AS BIGINT)"), "true")
    return None


def _epoch_sql(number: str, form: TimestampFormat, inside: str) -> str:
    """Return SQL of a number as nanoseconds, given SQL of the same number that only limits keep from overflowing."""
    low, high = (-OFFSET_SECONDS, OFFSET_SECONDS) if form.is_offset else EPOCH_SECONDS
    scale = NS // form.unit_ns
    product = f"CAST({inside} * {form.unit_ns} AS BIGINT)"
    return f"CASE WHEN {number} BETWEEN {low * scale} AND {high * scale} THEN {product} END"


def _iso_sql(text: str, name: str) -> TimestampSql:
    """Return the same for ISO 8601: usual forms by casts, several times as fast as the patterns for the others."""
    shape, clean = f"{name}_shape", f"{name}_clean"
    # The cast ignores whatever follows a space, even digits. Without one it takes only digits between the point and Z.
    precise = f"strlen({text}) IN (24, 27, 30) AND {text} LIKE '{_SHORT}.%Z' AND NOT contains({text}, ' ')"
    shapes = (
        f"CASE WHEN {precise} OR {text} LIKE '{_SHORT}Z' THEN {_UTC} WHEN {text} LIKE '{_SHORT}' THEN {_LOCAL} "
        f"WHEN NOT regexp_matches({text}, '{_USUAL}') THEN {_ODD} WHEN suffix({text}, 'Z') THEN {_UTC} "
        f"WHEN {text}[-3] IN ('+', '-') OR {text}[-6] IN ('+', '-') THEN {_SHIFTED} ELSE {_LOCAL} END AS {shape}"
    )
    odd, odd_zoned = _odd_iso_sql(clean)
    shift = f"CASE WHEN {shape} = {_SHIFTED} THEN {_shift_sql(text)} ELSE 0 END"
    return TimestampSql(
        f"CASE WHEN {shape} <> {_ODD} THEN TRY({_wall_sql(text)} - {shift}) ELSE {odd} END",
        f"CASE WHEN {shape} <> {_ODD} THEN {shape} <> {_LOCAL} ELSE {odd_zoned} END",
        (shapes, f"CASE WHEN {shape} = {_ODD} THEN {_clean_sql(text)} END AS {clean}"),
    )


def _clean_sql(text: str) -> str:
    """Return SQL of a timestamp without a space before the offset, UTC+1, a decimal comma and small letters."""
    upper = rf"regexp_replace(regexp_replace(trim({text}), '(\d)t(\d)', '\1T\2'), '(\d)z$', '\1Z')"
    offset = rf"regexp_replace({upper}, '(?i)(?:\s+|\s(?:UTC|GMT)\s?)([+-]\d)', '\1')"
    return rf"replace(regexp_replace({offset}, '(:\d\d[.,]?\d*[+-])(\d)(:\d\d)?$', '\10\2\3'), ',', '.')"


def _odd_iso_sql(clean: str) -> tuple[str, str]:
    """Return the same for any form: without dashes, with slashes, or with a zone's name."""
    parts = r"'^(\d{4})(\d\d)(\d\d)(?:[T ](\d\d):?(\d\d):?(\d\d)?)?', '\1-\2-\3T0\4:0\5:0\6'"
    basic = rf"regexp_replace(regexp_replace({clean}, {parts}), '([T:])0(\d\d)', '\1\2', 'g')"
    dashed, plain = (rf"regexp_matches({clean}, '^\d{{{digits}}}')" for digits in ("4}[-/]{1", "8"))
    iso = f"CASE WHEN {dashed} THEN {clean} WHEN {plain} THEN {basic} END"
    zoned = rf"regexp_matches({clean}, '(:\d|T\d{{4,6}}).*?([zZ]|[+-]\d\d(:?\d\d)?|[A-Za-z_/]+)$')"
    # The cast would ignore what else follows a space.
    is_clear = rf"NOT regexp_matches({clean}, ':\d\d([.]\d+)?\s+\S')"
    shift = f"CASE WHEN {zoned} THEN {_shift_sql('iso')} WHEN {is_clear} THEN 0 END"
    return let_sql("iso", iso, f"TRY({_wall_sql('iso')} - {shift})"), zoned


def let_sql(name: str, value: str, body: str) -> str:
    """Return SQL that computes a value once, for an expression that names it several times."""
    return f"list_transform([{value}], lambda {name}: {body})[1]"


def _wall_sql(text: str) -> str:
    """Return SQL of what the wall clock shows, nanoseconds: this cast of DuckDB ignores a zone."""
    return f"epoch_ns(CASE WHEN {text} BETWEEN {_YEARS} THEN TRY_CAST({text} AS TIMESTAMP_NS) END)"


def _shift_sql(text: str) -> str:
    """Return SQL of how far that clock is ahead of UTC, nanoseconds: the cast to TIMESTAMPTZ applies the zone."""
    shift = f"1000 * (epoch_us(TRY_CAST({text} AS TIMESTAMP)) - epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)))"
    return rf"CASE WHEN NOT regexp_matches({text}, '(?i)\b(?:{_UNCLEAR_ZONES})$') THEN {shift} END"


def written_parts_sql(text: str) -> str:
    """Return SQL of the parts of a date that is not ISO 8601, texts in a struct with the fields a, b, c, hour, ..."""
    return f"regexp_extract({text}, {sql_string(WRITTEN.pattern)}, {list(PARTS)}, 'i')"


def _written_sql(text: str, order: str, name: str) -> TimestampSql:
    """Return the same for dates written in an order, by way of ISO 8601."""
    if order == UNKNOWN_ORDER:
        return TimestampSql("CAST(NULL AS BIGINT)", "false")
    parts = f"{name}_parts"
    stamp = let_sql("iso", _written_iso_sql(parts, order), f"TRY({_wall_sql('iso')} - {_written_shift_sql(parts)})")
    zoned = f"{parts}.zone <> ''"
    if order != ACCESS_LOG:
        return TimestampSql(stamp, zoned, (f"{written_parts_sql(text)} AS {parts}",))
    access, moment = f"{name}_access", f"try_strptime({text}, '%d/%b/%Y:%H:%M:%S %z')"
    layers = (
        f"epoch_ns(CASE WHEN {text}[8:11] BETWEEN {_YEARS} THEN {moment} END) AS {access}",
        f"CASE WHEN {access} IS NULL THEN {written_parts_sql(text)} END AS {parts}",
    )
    return TimestampSql(f"coalesce({access}, {stamp})", f"{access} IS NOT NULL OR {zoned}", layers)


def _written_iso_sql(parts: str, order: str) -> str:
    year, month, day = (f"{parts}.{'abc'[order.index(letter)]}" for letter in "ymd")
    named = f"((list_position({MONTHS}, lower({month}[1:3])) - 1) % 12 + 1)::VARCHAR"
    numbers = (
        f"CASE WHEN length({year}) = 2 THEN '20' || {year} ELSE {year} END",
        f"lpad(CASE WHEN regexp_matches({month}, '^[0-9]') THEN {month} ELSE {named} END, 2, '0')",
        f"lpad({day}, 2, '0')",
    )
    after_noon = f"CASE WHEN lower({parts}.half) LIKE 'p%' THEN 12 ELSE 0 END"
    hour = f"(TRY_CAST({parts}.hour AS INTEGER) % 12 + {after_noon})::VARCHAR"
    clock = (
        f"CASE WHEN {parts}.half = '' THEN {parts}.hour ELSE {hour} END",
        f"{parts}.minute",
        f"CASE WHEN {parts}.second = '' THEN '00' ELSE {parts}.second END",
    )
    padded = " || ':' || ".join(f"lpad({number}, 2, '0')" for number in clock)
    days = " || '-' || ".join(f"({number})" for number in numbers)
    fraction = f"replace({parts}.fraction, ',', '.')"
    return f"({days} || CASE WHEN {parts}.hour = '' THEN '' ELSE ' ' || {padded} || {fraction} END)"


def _written_shift_sql(parts: str) -> str:
    zone = f"{parts}.zone"
    offset = f"CASE WHEN upper({zone}) = 'Z' THEN '+00' WHEN {zone}[1] IN ('+', '-') THEN {zone} ELSE ' ' || {zone} END"
    return f"CASE WHEN {zone} = '' THEN 0 ELSE {_shift_sql(f'(iso || {offset})')} END"


def _day_number_sql(text: str, name: str) -> TimestampSql:
    """Return the same for the days of a spreadsheet. Up to eight decimals are whole seconds."""
    number = f"{name}_number"
    seconds = f"((TRY_CAST({number} AS DOUBLE) - 25569) * 86400)"
    places = f"CASE WHEN length(split_part({number}, '.', 2)) > 8 THEN 3 ELSE 0 END"
    ns = f"TRY(CAST(round({seconds}, {places}) * 1000 AS BIGINT) * 1000000)"
    return TimestampSql(ns, "false", (f"replace(trim({text}), ',', '.') AS {number}",))
