"""Meaning of cells that only the whole file shows: orders of dates, decimal marks, units, and names of sources."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.readers.tables.column_names import PER_UNIT, SECONDS_PER
from entro_cli.readers.tables.relations.table import Table, decimal_pattern
from entro_cli.readers.tables.schema import StageColumn, TableSchema, are_words, printable_name
from entro_cli.readers.tables.timestamp_sql import let_sql, written_parts_sql
from entro_cli.readers.timestamps import are_days, date_shown, given_format
from entro_engine import EntroError, Kind

_FACTORS = {"k": 1e3, "K": 1e3, "Mil": 1e6, "M": 1e6, "Bil": 1e9, "B": 1e9, "G": 1e9}
_THINGS = "requests?|reqs?|messages?|msgs?|pages?|items?|jobs?|tasks?|calls?|urls?|queries|events?|counts?|ops|io|c"
_RATES = {"reqps|rps|qps|ops|cps": 1, "rpm|cpm|opm": 60}
_RATE_UNIT = rf"{'|'.join(_RATES)}|(?:(?:{_THINGS})\s*)?(?:/|per\s)\s*(?:{PER_UNIT})"
_OTHER_UNITS = "%|percent|ns|us|µs|ms|s|sec|seconds|min|mins|h|[KMGT]?i?B|[kKMG]?bytes|[kMG]b"
_LEAST_SHAPED = 3
_REPEATED_TIMES = 0.6
"""Share of times in the rows of a table up to which most of its times have several rows."""
_GROUP_MARKS = "'\u2019\u00a0\u202f "
_LONELY = {",": {";": ",", ",": "."}, ".": {",": ".", "\t": ".", "|": ".", "": "."}}
"""Decimal mark of a file in which a mark occurs only as in 1,234, by that mark and the delimiter; others are unclear.

A comma between commas is of a writer who groups digits with it. Semicolons are the delimiter where it is the decimal
mark, but some programs write points there.
"""


def settle_order(table: Table, schema: TableSchema, time: str) -> TableSchema:
    """Return a schema with the order of day and month that the dates of the whole file show.

    Args:
        table: the table.
        schema: its schema, which leaves the order open.
        time: SQL of the time as text.

    Raises:
        EntroError: if the dates fit both orders or none.
    """
    above = ", ".join(f"coalesce(max(TRY_CAST(parts.{part} AS INTEGER)), 0) > 12 AS {part}" for part in "ab")
    parts = f"{written_parts_sql(time)} AS parts"
    found = table.fetch(f"{above}, coalesce(min(length(parts.c)), 0) = 4 AS whole_years", layers=[parts])
    is_day_first, is_month_first = bool(found["a"][0]), bool(found["b"][0])
    # Of 17/06/09 the first may be the year, too.
    if is_day_first == is_month_first or (is_day_first and not found["whole_years"][0]):
        name, shown = printable_name(table.columns[schema.time]), date_shown([row[schema.time] for row in table.sample])
        raise EntroError(
            f"the column {name} has dates such as {shown}, of which the day or the month may be first",
            where=table.log.label,
            expected="a day above 12 in some of them",
            remedy=f"add --time {name}:dmy or --time {name}:mdy",
        )
    return replace(schema, form=given_format((), "dmy" if is_day_first else "mdy"))


class CellStyle(Struct, frozen=True):
    """The way in which a table writes its numbers.

    Attributes:
        marks: the decimal mark of each column of loads.
        has_rate_units: whether some cells have a unit per time, such as 1.33 req/s.
    """

    marks: tuple[str, ...]
    has_rate_units: bool


def find_style(table: Table, columns: Sequence[int], given: str | None) -> CellStyle:
    """Return how a table writes the numbers in some columns, by all of its rows.

    Args:
        table: the table.
        columns: indexes of the columns of loads.
        given: the decimal mark that the user named; None if not given.

    Raises:
        EntroError: if numbers such as 1.234 may be meant in two ways.
    """
    unit = rf"(?i)(?:{_RATE_UNIT})\s*$"
    checks = {f"unit{column}": f"regexp_matches(c{column}, '{unit}')" for column in columns}
    for index, mark in enumerate(".,"):
        pattern = decimal_pattern(mark)
        checks |= {f"sure{index}_{column}": f"regexp_matches(c{column}, '{pattern}')" for column in columns}
        checks |= {f"seen{index}_{column}": f"contains(c{column}, '{mark}')" for column in columns}
    over = ", ".join(f"coalesce(bool_or({check}), false) AS {name}" for name, check in checks.items())
    found = {name: bool(values[0]) for name, values in table.fetch(over).items()}
    sure = [
        [mark for index, mark in enumerate(".,") if found[f"sure{index}_{column}"] or table.has_decimal(column, mark)]
        for column in columns
    ]
    seen = [[mark for index, mark in enumerate(".,") if found[f"seen{index}_{column}"]] for column in columns]
    in_file = sorted({mark for marks in sure for mark in marks})
    marks = [
        given or _mark(table, column, own or in_file, lonely)
        for column, own, lonely in zip(columns, sure, seen, strict=True)
    ]
    return CellStyle(tuple(marks), any(found[f"unit{column}"] for column in columns))


def _mark(table: Table, column: int, sure: Sequence[str], seen: Sequence[str]) -> str:
    if len(sure) == 1 or not seen:
        return sure[0] if len(sure) == 1 else "."
    lonely = None if sure or len(seen) > 1 else _LONELY[seen[0]].get(table.delimiter)
    if lonely is None:
        name = printable_name(table.columns[column])
        raise EntroError(
            f"the column {name} has numbers such as 1{seen[0]}234, which may be a thousand times larger",
            where=table.log.label,
            expected="numbers such as 0.5 or 1,234.5, which can be read in one way only",
            remedy="add --decimal point or --decimal comma",
        )
    return lonely


def check_skipped(table: Table, columns: Sequence[int], numbers: Sequence[str], skipped: int) -> None:
    """Check that the skipped values are noise, rather than numbers with a unit that no load has.

    Args:
        table: the table.
        columns: indexes of the columns of loads.
        numbers: SQL of the loads.
        skipped: number of rows skipped because a load is not a number.

    Raises:
        EntroError: if most of them have such a unit.
    """
    shape = rf"^\s*[+-]?[\d.,]*\d\s*(?:{_OTHER_UNITS})\s*$"
    counts = ", ".join(
        f"count(*) FILTER ({number} IS NULL AND regexp_matches(c{column}, '{shape}')) AS n{column}"
        for column, number in zip(columns, numbers, strict=True)
    )
    found = {name: int(values[0]) for name, values in table.fetch(counts).items()}
    for column in columns:
        if found[f"n{column}"] >= _LEAST_SHAPED and 2 * found[f"n{column}"] > skipped:
            raise EntroError(
                f"{found[f'n{column}']} values of the column {printable_name(table.columns[column])} "
                "are shares, times or sizes, such as 5 % or 3 ms",
                where=table.log.label,
                expected="requests or requests per time",
                remedy="name another column with --stage",
            )


def check_sources(table: Table, schema: TableSchema) -> None:
    """Check that no column says what rows of one time are of, such as a region or an hour, unless the schema has it.

    Args:
        table: the table.
        schema: its schema.

    Raises:
        EntroError: if most times have several rows, and a column of a few words, or a number per row of a time, differs
            in them, or if these times are days.
    """
    key = [index for index in (schema.time, schema.clock, schema.stage, *schema.sources) if index is not None]
    loads = {table.columns.index(name) for stage in schema.stages for name in stage.columns}
    used = {*key, *loads, schema.value, schema.kind}
    values = loads if schema.value is None else {schema.value}
    sample = [row for row in table.sample if any(row[column].strip() for column in values)]
    names = [
        index
        for index in range(len(table.columns))
        if index not in used
        and all(row[index].strip() for row in sample)  # a total has no name beside its parts
        and (are_words(cells := [row[index] for row in sample]) or all(cell.isdigit() for cell in cells))
    ]
    is_of_days = schema.clock is None and are_days([row[schema.time] for row in table.sample])
    if not (names or is_of_days) or not sample:
        return
    with_load = "WHERE " + " OR ".join(f"trim(coalesce(c{column}, '')) <> ''" for column in values)
    row = "concat_ws(chr(31), " + ", ".join(f"coalesce(c{index}, '')" for index in key)
    counts = "".join(
        f", count(DISTINCT hash({row}, c{index}))) AS rows{index}, count(DISTINCT c{index}) AS names{index}"
        for index in names
    )
    all_loads = "".join(f", c{column}" for column in values)
    counts += f", count(DISTINCT hash({row}){all_loads})) AS different"
    over = table.fetch(f"count(*) AS rows, count(DISTINCT hash({row}))) AS times{counts}", with_load)
    found = {name: int(values[0]) for name, values in over.items()}
    if found["times"] > _REPEATED_TIMES * found["rows"]:
        return
    for index in names:
        is_number = sample[0][index].isdigit()
        # Numbers of shards are the same at each time; others, such as a load, are many.
        most = found["rows"] / found["times"] * 1.25 if is_number else found["rows"] / 2
        if found[f"rows{index}"] >= 0.95 * found["rows"] and found[f"names{index}"] <= most:
            name = printable_name(table.columns[index])
            raise EntroError(
                f"rows of one time differ in the column {name}, which may say what they are of",
                where=table.log.label,
                expected="one row per time",
                remedy=f"add --by {name} to add up their rates and queues (--aggregate mean or max combines them)",
            )
    if is_of_days and found["times"] <= _REPEATED_TIMES * found["different"]:
        raise EntroError(
            f"most rows have the date of another in the column {printable_name(table.columns[schema.time])}",
            where=table.log.label,
            expected="one row per date, or the time of day in a column such as time: 12:30:05",
            remedy="save date and time in one column",
        )


def check_units(label: str, style: CellStyle, stages: Sequence[StageColumn]) -> None:
    """Check that the stages of a long table do not have units both in their names and in their cells.

    Raises:
        EntroError: if they do: a cell does not show of which stage it is.
    """
    named = next((stage.source for stage in stages if stage.divisor != 1), None)
    if style.has_rate_units and named is not None:
        raise EntroError(
            f"the values have units such as req/s, and so has the name {printable_name(named)}",
            where=label,
            expected="the unit in one of the two",
            remedy="remove one of them, or save one column per stage",
        )


def number_sql(cell: str, plain: str, mark: str, kind: Kind | None, divisor: float) -> str:
    """Return SQL of a cell as a number, NULL if it is none: 1.24 K, 17,900, 80 requests/min.

    Args:
        cell: SQL of the cell.
        plain: SQL of the same for plain numbers, which have a decimal point.
        mark: its decimal mark.
        kind: the kind of load; None for any.
        divisor: divisor of the column, which does not apply to cells with a unit of their own.
    """
    groups = (",." if mark == "." else ".")[:1] + _GROUP_MARKS
    escaped = groups.replace("'", "''")
    number = rf"[+-]?(?:\d{{1,3}}(?:[{escaped}]\d{{3}})+|\d+|)(?:\{mark}\d+)?(?:[eE][+-]?\d+)?"
    units = {Kind.RATE: _RATE_UNIT, Kind.QUEUE: _THINGS}.get(kind or Kind.GENERIC, f"{_RATE_UNIT}|{_THINGS}")
    pattern = rf"^\s*({number})\s*({'|'.join(_FACTORS)}|)\s*((?i:{units})|)\s*$"
    parts = f"regexp_extract(trim({cell}, '\"'), '{pattern}', ['number', 'factor', 'unit'])"
    digits = f"replace(regexp_replace(parts.number, '[{escaped}]', '', 'g'), '{mark}', '.')"
    factor = " ".join(f"WHEN '{name}' THEN {value}" for name, value in _FACTORS.items())
    per = " ".join(
        f"WHEN regexp_matches(parts.unit, '(?i)^(?:{names})$') THEN {divisor} / {seconds}"
        for names, seconds in {
            **{rf".*(?:/|per\s)\s*{unit}": each for unit, each in SECONDS_PER.items()},
            **_RATES,
        }.items()
    )
    scale = f"CASE parts.factor {factor} ELSE 1 END * CASE {per} ELSE 1 END"
    read = plain if mark == "." else f"CASE WHEN NOT contains({cell}, '.') THEN {plain} END"
    return f"coalesce({read}, {let_sql('parts', parts, f'TRY_CAST({digits} AS DOUBLE) * {scale}')})"
