"""Rows of a table as arrays, and the rows that could not be read, with their line numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.clock import NS
from entro_cli.readers.problems import SHOWN_BAD_ROWS
from entro_cli.readers.tables import fast_csv
from entro_cli.readers.tables.bad_rows import NOT_A_ROW, bad_rows
from entro_cli.readers.tables.column_names import TOTALS
from entro_cli.readers.tables.duckdb_table import Table, has_decimal
from entro_cli.readers.tables.schema import LARGEST_LOAD, TableSchema
from entro_cli.readers.tables.series import Rows
from entro_cli.readers.timestamps import UNKNOWN_ORDER, timestamp_sql
from entro_cli.timeseries.observations import ReadOptions, TimeArray
from entro_engine import Kind
from entro_engine.entropy import FloatArray

_GOOD, _BROKEN, _TIME, _STAGE, _TEXT, _INFINITE, _NEGATIVE, _STRAY = range(8)
_REASONS = (
    "",
    NOT_A_ROW,
    "the time cannot be read",
    "no stage is named",
    "not a number",
    "infinite",
    "negative",
    "the time is 300 days or more from all others",
)
STRAY_NS = 300 * 86400 * NS
"""Gap in the times of a table behind which a few rows are taken for wrong."""

_STRAY_SHARE = 100
_MISSING = ("", "nan", "null", "none", "n/a", "#n/a", "undefined", "-")


def fetch_rows(table: Table, schema: TableSchema, options: ReadOptions) -> Rows:
    """Return the rows of a table.

    Args:
        table: the table.
        schema: its schema.
        options: how it is read.

    Raises:
        EntroError: if the file cannot be read as a table, or if it is not clear what a stage of a long table measures.
    """
    loads = load_columns(table, schema)
    is_worth_it = table.shape == "csv" and table.path.stat().st_size >= fast_csv.WORTH_BYTES
    is_plain = is_worth_it and not has_open_mark(table, schema, options)
    plain = fast_csv.read_plain_csv(table, schema, loads) if is_plain else None
    if plain is not None and _usual_times(plain.times) is None:
        return plain
    schema = _with_date_order(table, schema)
    numbers = [_number_sql(f"c{column}") for column in loads]
    if not has_open_mark(table, schema, options):
        rows = _fetch(table, schema, options, numbers)
        if rows.not_numbers == 0:
            return rows
    return _styled_rows(table, schema, options, numbers)


def _fetch(
    table: Table,
    schema: TableSchema,
    options: ReadOptions,
    numbers: Sequence[str],
    usual: tuple[int, int] | None = None,
) -> Rows:
    """Return the rows of a table, given SQL of the loads in its columns and the first and last time of good rows."""
    columns = load_columns(table, schema)
    time, zoned = timestamp_sql(_time_text(schema), schema.form)
    reason = _reason_sql(schema, time, [f"c{column}" for column in columns], numbers, usual)
    fetched = table.fetch(_select_sql(schema, time, zoned, reason, numbers))
    reasons = np.asarray(fetched["reason"])
    is_good = np.equal(reasons, _GOOD)
    times = np.asarray(fetched["time"], dtype=np.int64)[is_good]
    found = None if usual else _usual_times(times)
    if found is not None:
        return _fetch(table, schema, options, numbers, found)
    wrong = {int(row): _REASONS[reasons[row]] for row in np.flatnonzero(~is_good)[:SHOWN_BAD_ROWS]}
    used = [schema.time, *(column for column in (schema.clock,) if column is not None), *columns]
    bad = bad_rows(table, [*used, *(column for _, column in _text_columns(schema))], wrong)
    stages, codes = schema.stages, None
    if schema.stage is not None:
        from entro_cli.readers.tables.long_stages import long_stages  # most tables are wide

        kinds = compress(fetched["kind"], is_good) if schema.kind is not None else None
        stages, codes = long_stages(table.log.label, list(compress(fetched["stage"], is_good)), kinds, options)
    totals = np.asarray(fetched["is_total"], np.bool_)[is_good] if schema.sources else None
    return Rows(
        times=times,
        zoned=np.asarray(fetched["zoned"], dtype=np.bool_)[is_good],
        values=np.stack([_good_loads(fetched[f"v{index}"], is_good) for index in range(len(numbers))]),
        stages=stages,
        codes=codes,
        source_names=[table.columns[column] for column in schema.sources],
        sources=np.asarray(fetched["source"]).view(np.int64)[is_good] if schema.sources else None,
        are_totals=totals if totals is not None and totals.any() and not totals.all() else None,
        skipped=int((~is_good).sum()) + table.rejected_count,
        bad=bad,
        not_numbers=int(np.equal(reasons, _TEXT).sum()),
    )


def _select_sql(schema: TableSchema, time: str, zoned: str, reason: str, numbers: Sequence[str]) -> str:
    """Return SQL of the columns of the rows, given SQL of each."""
    select = [
        # Without NULLs, DuckDB returns plain arrays instead of masked ones.
        f"coalesce({time}, 0) AS time",
        f"coalesce({zoned}, false) AS zoned",
        f"CAST({reason} AS TINYINT) AS reason",
        *(f"coalesce({number}, 'nan'::DOUBLE) AS v{index}" for index, number in enumerate(numbers)),
        *(f"coalesce(c{column}, '') AS {role}" for role, column in _text_columns(schema)),
    ]
    if schema.sources:
        names = ", ".join(f"coalesce(trim(c{column}), '')" for column in schema.sources)
        select.append(f"hash(concat_ws(chr(31), {names})) AS source")
        are_totals = " OR ".join(f"lower(trim(coalesce(c{column}, ''))) IN {TOTALS}" for column in schema.sources)
        select.append(f"{are_totals} AS is_total")
    return ", ".join(select)


def _time_text(schema: TableSchema) -> str:
    """Return SQL of the time as text: NULL without a time of day that is in another column."""
    return f"c{schema.time}" if schema.clock is None else f"c{schema.time} || ' ' || nullif(trim(c{schema.clock}), '')"


def _with_date_order(table: Table, schema: TableSchema) -> TableSchema:
    if schema.form.order != UNKNOWN_ORDER:
        return schema
    from entro_cli.readers.tables.cells import settle_order  # most tables need no look at the whole file

    return settle_order(table, schema, _time_text(schema))


def has_open_mark(table: Table, schema: TableSchema, options: ReadOptions) -> bool:
    """Return whether the point may not be the decimal mark: the user says so, or semicolons separate the cells."""
    if options.decimal or table.delimiter != ";":
        return options.decimal is not None
    return not any(has_decimal(table, column, ".") for column in load_columns(table, schema))


def _styled_rows(
    table: Table,
    schema: TableSchema,
    options: ReadOptions,
    numbers: Sequence[str],
) -> Rows:
    """Return the rows of a table whose loads are not all plain numbers, given SQL of the plain ones."""
    from entro_cli.readers.tables.cells import check_skipped, check_units, find_style, number_sql

    columns = load_columns(table, schema)
    style = find_style(table, columns, options.decimal)
    measures: list[tuple[Kind | None, float]]
    measures = [(stage.kind, stage.divisor) for stage in schema.stages for _ in stage.columns]
    parts = zip(columns, numbers, style.marks, measures or [(None, 1.0)], strict=True)
    styled = [number_sql(f"c{column}", plain, mark, *measure) for column, plain, mark, measure in parts]
    rows = _fetch(table, schema, options, styled)
    if rows.not_numbers:
        check_skipped(table, columns, styled, rows.not_numbers)
    if schema.stage is not None:
        check_units(table.log.label, style, rows.stages)
    return rows


def load_columns(table: Table, schema: TableSchema) -> list[int]:
    """Return the indexes of the columns of loads."""
    if schema.value is not None:
        return [schema.value]
    return [table.columns.index(name) for stage in schema.stages for name in stage.columns]


def _text_columns(schema: TableSchema) -> list[tuple[str, int]]:
    """Return the columns of a long table that hold names, with the role of each."""
    columns = (("stage", schema.stage), ("kind", schema.kind))
    return [(role, column) for role, column in columns if column is not None]


def _good_loads(column: Any, is_good: NDArray[np.bool_]) -> FloatArray:
    return np.asarray(column, dtype=np.float64)[is_good] + 0.0  # -0.0 becomes 0.0: equal loads have equal bits


def _number_sql(cell: str) -> str:
    """Return SQL of a cell as a number, NULL if it is not a number.

    The second cast removes quotes, which are part of the cell where the file is read with quotes as text.
    """
    return rf"coalesce(TRY_CAST({cell} AS DOUBLE), TRY_CAST(trim({cell}, ' \"' || chr(9)) AS DOUBLE))"


def _usual_times(times: TimeArray) -> tuple[int, int] | None:
    """Return the first and last time of a table without a few stray ones, years away; None if there are none."""
    if len(times) < 2 or int(times.max()) - int(times.min()) < STRAY_NS:
        return None
    ordered = np.sort(times)
    parts = np.split(ordered, np.flatnonzero(np.diff(ordered) > STRAY_NS) + 1)
    most = max(parts, key=len)
    strays = len(times) - len(most)
    is_clear = 0 < strays <= max(len(times) // _STRAY_SHARE, 1) and 10 * strays <= len(most)
    return (int(most[0]), int(most[-1])) if is_clear else None


def _reason_sql(
    schema: TableSchema,
    time: str,
    cells: Sequence[str],
    numbers: Sequence[str],
    usual: tuple[int, int] | None,
) -> str:
    """Return SQL of why a row is bad, an index into `_REASONS`; an empty cell, NaN or N/A is a missing sample."""
    missing = [rf"lower(trim(coalesce({cell}, ''), ' \"' || chr(9))) IN {_MISSING}" for cell in cells]
    checks = [f"WHEN broken THEN {_BROKEN}", f"WHEN ({time}) IS NULL THEN {_TIME}"]
    if schema.stage is not None:
        checks.append(f"WHEN trim(coalesce(c{schema.stage}, '')) = '' THEN {_STAGE}")
    for is_missing, number in zip(missing, numbers, strict=True):
        checks.append(f"WHEN {number} IS NULL AND NOT {is_missing} THEN {_TEXT}")
        checks.append(f"WHEN abs({number}) > {LARGEST_LOAD} AND NOT isnan({number}) THEN {_INFINITE}")
        checks.append(f"WHEN {number} < 0 THEN {_NEGATIVE}")
    if usual is not None:
        checks.append(f"WHEN ({time}) NOT BETWEEN {usual[0]} AND {usual[1]} THEN {_STRAY}")
    return f"CASE {' '.join(checks)} ELSE {_GOOD} END"
