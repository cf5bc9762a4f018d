"""Rows of a table as arrays, and the rows that could not be read, with their line numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.core.clock import NS
from entro_cli.readers.problems import SHOWN_BAD_ROWS
from entro_cli.readers.tables.bad_rows import NOT_A_ROW, bad_rows, other_header_sql, second_header
from entro_cli.readers.tables.column_names import TOTALS
from entro_cli.readers.tables.relations.table import Table
from entro_cli.readers.tables.schema import LARGEST_LOAD, TableSchema
from entro_cli.readers.tables.series import Rows
from entro_cli.readers.tables.timestamp_sql import timestamp_sql
from entro_cli.readers.timestamps import UNKNOWN_ORDER
from entro_cli.timeseries.observations import BadRow, NotStreamableError, ReadOptions, TimeArray
from entro_engine import Kind
from entro_engine.entropy import FloatArray

_GOOD, _BROKEN, _TIME, _STAGE, _TEXT, _INFINITE, _NEGATIVE, _STRAY, _HEADER = range(9)
_REASONS = (
    "",
    NOT_A_ROW,
    "the time cannot be read",
    "no stage is named",
    "not a number",
    "infinite",
    "negative",
    "the time is 300 days or more from all others",
    "another header",
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
    schema = _with_date_order(table, schema)
    numbers = [table.number_sql(column) for column in load_columns(table, schema)]
    if not has_open_mark(table, schema, options):
        rows = _fetch(table, schema, options, numbers)
        if rows.not_numbers == 0:
            return rows
    return _styled_rows(table, schema, options, numbers)


class RowBlocks:
    """The good rows of a wide table, block by block, and after them what was wrong with the others.

    Args:
        table: the table.
        schema: its schema.
        options: how it is read.

    Raises:
        NotStreamableError: if the numbers or the sources of its rows need a look at the whole table.
        EntroError: if the file cannot be read as a table, or if dates fit two orders.
    """

    def __init__(self, table: Table, schema: TableSchema, options: ReadOptions) -> None:
        loads = load_columns(table, schema)
        is_combined = schema.stage is not None or schema.sources or len(loads) > len(schema.stages)
        if is_combined or has_open_mark(table, schema, options):
            raise NotStreamableError
        numbers = [table.number_sql(column) for column in loads]
        self._query = _RowQuery(table, _with_date_order(table, schema), options, numbers)

    def __iter__(self) -> Iterator[Rows]:
        """Yield the good rows.

        Raises:
            NotStreamableError: if the table must be read whole, which may show only after some blocks.
        """
        query = self._query
        for block in query.table.blocks(query.select_sql(), layers=query.layers):
            rows = query.good_rows(block)
            if query.not_numbers:
                raise NotStreamableError
            if len(rows.times):
                yield rows

    @property
    def skipped(self) -> int:
        """Number of rows that could not be read, after all blocks."""
        return self._query.skipped

    def bad(self) -> tuple[BadRow, ...]:
        """Return the first few rows that could not be read, after all blocks."""
        return self._query.bad()


class _RowQuery:
    """Query of the rows of a table, and what is wrong with those that it gave so far.

    Args:
        table: the table.
        schema: its schema.
        options: how it is read.
        numbers: SQL of the loads in its columns.
        usual: the first and last time of good rows; None if any time is good.
    """

    def __init__(
        self,
        table: Table,
        schema: TableSchema,
        options: ReadOptions,
        numbers: Sequence[str],
        usual: tuple[int, int] | None = None,
    ) -> None:
        self.table, self._schema, self._options, self._usual = table, schema, options, usual
        self._loads = load_columns(table, schema)
        times = [column for column in (schema.time, schema.clock) if column is not None]
        self._used = [*times, *self._loads, *(column for _, column in _text_columns(schema))]
        self._time = (
            timestamp_sql(_time_text(schema), schema.form, "time")
            if schema.clock is not None
            else table.timestamp_sql(schema.time, schema.form, "time")
        )
        loads = ", ".join(f"{number} AS load{index}" for index, number in enumerate(numbers))
        self.layers = (*self._time.layers, f"{self._time.ns} AS ns, {self._time.zoned} AS is_zoned, {loads}")
        self.not_numbers = self._rows = self._wrong_count = 0
        self._wrong: dict[int, str] = {}

    @property
    def skipped(self) -> int:
        """Number of rows that could not be read."""
        return self._wrong_count + self.table.rejected_count

    def bad(self) -> tuple[BadRow, ...]:
        """Return the first few rows that could not be read."""
        return bad_rows(self.table, self._used, self._wrong)

    def good_rows(self, fetched: Mapping[str, Any]) -> Rows:
        """Return the good rows among those that were fetched, and count the others."""
        schema = self._schema
        reasons = np.asarray(fetched["reason"])
        is_good = np.equal(reasons, _GOOD)
        for row in np.flatnonzero(~is_good)[: SHOWN_BAD_ROWS - len(self._wrong)].tolist():
            self._wrong[self._rows + row] = _REASONS[reasons[row]]
        if _HEADER in reasons:
            raise second_header(self.table)
        self._rows += len(reasons)
        self._wrong_count += int((~is_good).sum())
        self.not_numbers += int(np.equal(reasons, _TEXT).sum())
        stages, codes = schema.stages, None
        source_names = [self.table.columns[column] for column in schema.sources]
        sources = np.asarray(fetched["source"]).view(np.int64)[is_good] if schema.sources else None
        if schema.stage is not None:
            from entro_cli.readers.tables.long_stages import long_stages, split_labels  # most tables are wide

            kinds, units = (compress(fetched.get(role, ()), is_good) for role in ("kind", "unit"))
            names, labelled = split_labels(list(compress(fetched["stage"], is_good)), self._options)
            if labelled is not None:
                sources = labelled if sources is None else sources * 31 + labelled
                source_names.append(self.table.columns[schema.stage])
            stages, codes = long_stages(self.table.log.label, names, kinds, units, self._options)
        totals = np.asarray(fetched["is_total"], np.bool_)[is_good] if schema.sources else None
        return Rows(
            times=np.asarray(fetched["time"], dtype=np.int64)[is_good],
            zoned=np.asarray(fetched["zoned"], dtype=np.bool_)[is_good],
            values=np.stack([_good_loads(fetched[f"v{index}"], is_good) for index in range(len(self._loads))]),
            stages=stages,
            codes=codes,
            source_names=source_names,
            sources=sources,
            are_totals=totals if totals is not None and totals.any() and not totals.all() else None,
        )

    def select_sql(self) -> str:
        """Return SQL of the columns of the rows."""
        schema = self._schema
        select = [
            # Without NULLs, DuckDB returns plain arrays instead of masked ones.
            "coalesce(ns, 0) AS time",
            "coalesce(is_zoned, false) AS zoned",
            f"CAST({self._reason_sql()} AS TINYINT) AS reason",
            *(f"coalesce(load{index}, 'nan'::DOUBLE) AS v{index}" for index in range(len(self._loads))),
            *(f"coalesce(c{column}, '') AS {role}" for role, column in _text_columns(schema)),
        ]
        if schema.sources:
            names = ", ".join(f"coalesce(trim(c{column}), '')" for column in schema.sources)
            select.append(f"hash(concat_ws(chr(31), {names})) AS source")
            totals = (*TOTALS, "")  # SQL's ROLLUP leaves the name of a total empty
            are_totals = " OR ".join(f"lower(trim(coalesce(c{column}, ''))) IN {totals}" for column in schema.sources)
            select.append(f"{are_totals} AS is_total")
        return ", ".join(select)

    def _reason_sql(self) -> str:
        """Return SQL of why a row is bad, an index into `_REASONS`; an empty cell, NaN or N/A is a missing sample."""
        checks = [
            f"WHEN broken THEN {_BROKEN}",
            f"WHEN ns IS NULL AND {other_header_sql(self.table, self._used)} THEN {_HEADER}",
            f"WHEN ns IS NULL THEN {_TIME}",
        ]
        if self._schema.stage is not None:
            checks.append(f"WHEN trim(coalesce(c{self._schema.stage}, '')) = '' THEN {_STAGE}")
        for index, column in enumerate(self._loads):
            missing = rf"lower(trim(coalesce({self.table.text_sql(column)}, ''), ' \"' || chr(9))) IN {_MISSING}"
            checks.append(f"WHEN load{index} IS NULL AND NOT {missing} THEN {_TEXT}")
            checks.append(f"WHEN abs(load{index}) > {LARGEST_LOAD} AND NOT isnan(load{index}) THEN {_INFINITE}")
            checks.append(f"WHEN load{index} < 0 THEN {_NEGATIVE}")
        if self._usual is not None:
            checks.append(f"WHEN ns NOT BETWEEN {self._usual[0]} AND {self._usual[1]} THEN {_STRAY}")
        elif self._schema.stage is None:  # most rows pass a few comparisons, which are faster than all of these
            loads = (f"load{index} BETWEEN 0 AND {LARGEST_LOAD}" for index in range(len(self._loads)))
            checks.insert(0, f"WHEN {' AND '.join(['NOT broken', 'ns IS NOT NULL', *loads])} THEN {_GOOD}")
        return f"CASE {' '.join(checks)} ELSE {_GOOD} END"


def _fetch(
    table: Table,
    schema: TableSchema,
    options: ReadOptions,
    numbers: Sequence[str],
    usual: tuple[int, int] | None = None,
) -> Rows:
    """Return the rows of a table, given SQL of the loads in its columns and the first and last time of good rows."""
    query = _RowQuery(table, schema, options, numbers, usual)
    rows = query.good_rows(table.fetch(query.select_sql(), layers=query.layers))
    found = None if usual else _usual_times(rows.times)
    if found is not None:
        return _fetch(table, schema, options, numbers, found)
    return replace(rows, skipped=query.skipped, bad=query.bad(), not_numbers=query.not_numbers)


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
    return not any(table.has_decimal(column, ".") for column in load_columns(table, schema))


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
    columns = (("stage", schema.stage), ("kind", schema.kind), ("unit", schema.unit))
    return [(role, column) for role, column in columns if column is not None]


def _good_loads(column: Any, is_good: NDArray[np.bool_]) -> FloatArray:
    return np.asarray(column, dtype=np.float64)[is_good] + 0.0  # -0.0 becomes 0.0: equal loads have equal bits


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
