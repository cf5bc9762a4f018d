"""The rows of a table as arrays, and those that could not be read, with the lines they stand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from entro_cli.readers.problems import SHOWN_BAD_ROWS
from entro_cli.readers.tables.bad_rows import NOT_A_ROW, bad_rows, unread_sql
from entro_cli.readers.tables.duckdb_table import Table
from entro_cli.readers.tables.fast_csv import PlainLayout, read_plain_csv
from entro_cli.readers.tables.schema import LARGEST_LOAD, StageColumn, TableSchema, long_stages
from entro_cli.readers.timestamps import timestamp_sql
from entro_cli.timeseries.observations import BadRow, ReadOptions, TimeArray
from entro_engine.entropy import FloatArray

_FINE, _BROKEN, _TIME, _STAGE, _TEXT, _INFINITE, _NEGATIVE = range(7)
_REASONS = (
    "",
    NOT_A_ROW,
    "the time cannot be read",
    "no stage is named",
    "not a number",
    "infinite",
    "negative",
)


@dataclass(frozen=True)
class Rows:
    """The good rows of a table, in the order of the file, and what was wrong with the others.

    Attributes:
        times: nanoseconds, as `stamp_sql` gives them, shape (rows,).
        zoned: whether the time named its zone, shape (rows,).
        values: shape (stages, rows) of a wide table, (1, rows) of a long one; NaN where missing.
        stages: the stages.
        codes: of a long table, which stage each row is of, -1 for one that was not asked for, shape (rows,).
        skipped: how many rows could not be read.
        bad: the first few of those, in the order of the file.
    """

    times: TimeArray
    zoned: NDArray[np.bool_]
    values: FloatArray
    stages: tuple[StageColumn, ...]
    codes: NDArray[np.int64] | None
    skipped: int
    bad: tuple[BadRow, ...]


def fetch_rows(connection: duckdb.DuckDBPyConnection, table: Table, layout: TableSchema, options: ReadOptions) -> Rows:
    """The rows of a table.

    Args:
        connection: where the table was opened.
        table: the table.
        layout: what its columns are.
        options: what the user said.

    Raises:
        EntroError: when the file cannot be read as a table, or nothing says what a stage of a long one measures.
    """
    columns = _load_columns(table, layout)
    plain_layout = layout_of_plain_csv(table, layout)
    plain = read_plain_csv(table.path, plain_layout) if plain_layout else None
    if plain is not None:
        return Rows(plain.times, plain.zoned, plain.values, layout.stages, None, 0, ())
    numbers = [_number_sql(f"c{column}") for column in columns]
    stamp, zoned = timestamp_sql(f"c{layout.time}", layout.form)
    reason = _reason_sql(layout, stamp, [f"c{column}" for column in columns], numbers)
    select = [
        f"coalesce({stamp}, 0) AS stamp",
        f"coalesce({zoned}, false) AS zoned",
        f"CAST({reason} AS TINYINT) AS reason",
        *(f"coalesce({number}, 'nan'::DOUBLE) AS v{index}" for index, number in enumerate(numbers)),
        *(f"coalesce(c{column}, '') AS {name}" for name, column in _names(layout)),
    ]
    got = table.fetch(connection, ", ".join(select))
    fine = np.equal(np.asarray(got["reason"]), _FINE)
    bad = table.rejects if fine.all() else _bad_rows(connection, table, layout, reason)
    stages, codes = layout.stages, None
    if layout.stage is not None:
        kinds = compress(got["kind"], fine) if layout.kind is not None else None
        stages, codes = long_stages(table.log.label, list(compress(got["stage"], fine)), kinds, options)
    return Rows(
        times=np.asarray(got["stamp"], dtype=np.int64)[fine],
        zoned=np.asarray(got["zoned"], dtype=np.bool_)[fine],
        values=np.stack([_loads(got[f"v{index}"], fine) for index in range(len(numbers))]),
        stages=stages,
        codes=codes,
        skipped=int((~fine).sum()) + table.rejected,
        bad=tuple(sorted(bad, key=lambda row: row.line)[:SHOWN_BAD_ROWS]),
    )


def layout_of_plain_csv(table: Table, layout: TableSchema) -> PlainLayout | None:
    """Return the layout of a wide CSV that may be plain; None for any other table."""
    head = table.log.head.removesuffix(b"\r")  # the head may end between the two characters of a line end
    returns, lines = head.count(b"\r\n"), head.count(b"\n")
    loads = _load_columns(table, layout)
    is_wide = table.shape == "csv" and layout.stage is None and layout.time not in loads
    if not is_wide or head.count(b"\r") != returns or returns not in {0, lines}:
        return None
    return PlainLayout(
        table.before, table.delimiter, len(table.columns), layout.time, layout.form, loads, has_returns=returns > 0
    )


def _load_columns(table: Table, layout: TableSchema) -> list[int]:
    return [table.columns.index(stage.source) for stage in layout.stages] if layout.value is None else [layout.value]


def _names(layout: TableSchema) -> list[tuple[str, int]]:
    """The columns of a long table that name things."""
    named = (("stage", layout.stage), ("kind", layout.kind))
    return [(name, column) for name, column in named if column is not None]


def _loads(column: Any, fine: NDArray[np.bool_]) -> FloatArray:
    return np.asarray(column, dtype=np.float64)[fine] + 0.0  # -0.0 is 0.0


def _number_sql(cell: str) -> str:
    """A cell as a number, NULL where it is none; quotes round it do not matter where the file is read without them."""
    return rf"coalesce(TRY_CAST({cell} AS DOUBLE), TRY_CAST(trim({cell}, ' \"' || chr(9)) AS DOUBLE))"


def _reason_sql(layout: TableSchema, stamp: str, cells: Sequence[str], numbers: Sequence[str]) -> str:
    """Why a row is bad, as an index into `_REASONS`; an empty cell or NaN is a missing sample, not a bad row."""
    missing = [rf"lower(trim(coalesce({cell}, ''), ' \"' || chr(9))) IN ('', 'nan', 'null')" for cell in cells]
    checks = [f"WHEN broken THEN {_BROKEN}", f"WHEN ({stamp}) IS NULL THEN {_TIME}"]
    if layout.stage is not None:
        checks.append(f"WHEN trim(coalesce(c{layout.stage}, '')) = '' THEN {_STAGE}")
    for gone, number in zip(missing, numbers, strict=True):
        checks.append(f"WHEN {number} IS NULL AND NOT {gone} THEN {_TEXT}")
        checks.append(f"WHEN abs({number}) > {LARGEST_LOAD} AND NOT isnan({number}) THEN {_INFINITE}")
        checks.append(f"WHEN {number} < 0 THEN {_NEGATIVE}")
    return f"CASE {' '.join(checks)} ELSE {_FINE} END"


def _bad_rows(connection: duckdb.DuckDBPyConnection, table: Table, layout: TableSchema, reason: str) -> list[BadRow]:
    """The first few rows that could not be read, both those that DuckDB refused and those that hold no loads."""
    rejected, rejects = table.rejected, table.rejects
    used = [layout.time, *_load_columns(table, layout), *(column for _, column in _names(layout))]
    got = table.fetch(
        connection,
        f"CAST({reason} AS TINYINT) AS reason, {unread_sql(used)}",
        f"WHERE {reason} <> {_FINE} LIMIT {SHOWN_BAD_ROWS}",
    )
    table.rejected, table.rejects = rejected, rejects  # a fetch that ends early has not seen them all
    return [*bad_rows(table, used, got, [_REASONS[code] for code in got["reason"].tolist()]), *rejects]
