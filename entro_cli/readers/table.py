"""The `table` format: a time column and a column a stage (wide), or rows of time, stage and value (long)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from entro_cli.inputs import LogFile
from entro_cli.observations import Observations, ReadOptions, TimeArray
from entro_cli.readers.layout import Layout, StageColumn, find_layout, long_stage
from entro_cli.readers.samples import Tally, series_of
from entro_cli.readers.stamps import local_to_utc, stamp_sql
from entro_cli.readers.tabular import (
    SHOWN_BAD_ROWS,
    Table,
    connect,
    first_line,
    head_text,
    looks_like_json,
    open_table,
    shortened,
    sniff_delimiter,
    text_rows,
)
from entro_cli.summary import BadRow
from entro_cli.terminal import visible
from entro_engine import EntroError
from entro_engine.entropy import FloatArray

NAME = "table"
DESCRIPTION = "CSV, TSV, JSON lines or Parquet: a time column and a column a stage, or time, stage and value"

_MOST_STAGES = 64
_FINE, _BROKEN, _TIME, _TEXT, _INFINITE, _NEGATIVE = range(6)
_REASONS = ("", "not a row of the table", "the time cannot be read", "not a number", "infinite", "negative")


def recognise(log: LogFile) -> float:
    """How sure it is that a log is a table, 0..1, from its content."""
    if log.is_parquet:
        return 1.0
    text = head_text(log)
    if looks_like_json(text):
        return 0.8
    delimiter, before, header = sniff_delimiter(text)
    rows = [line for line in text.splitlines()[before + 1 : before + 50] if line.strip()]
    if len(header) < 2:
        return 0.1 if len(header) == 1 and header[0].strip().isidentifier() else 0.0
    alike = sum(1 for row in rows if row.count(delimiter) >= len(header) - 1)
    return 0.7 * alike / len(rows) if rows else 0.5


def read(log: LogFile, options: ReadOptions) -> Observations:
    """The observations in a table.

    Args:
        log: the plain file.
        options: what the user said.

    Raises:
        EntroError: when it has no rows, no plain time or stages, mixes stamps with and without a zone, or most of its
            rows cannot be read.
    """
    with connect(log.spool.parent) as connection:
        table = open_table(connection, log)
        layout = find_layout(log.label, table.columns, table.sample, options) if table.sample else None
        if layout is None:
            raise _no_rows(table)
        rows = _fetch(connection, table, layout, options)
        bad = _bad_rows(connection, table, rows)
    good = np.equal(rows.reason, _FINE)
    skipped = int((~good).sum()) + table.rejected
    _check_share(table, int(good.sum()), skipped, bad, options)
    tally = Tally(problems=list(table.problems))
    times, zone = _utc(rows.times[good], rows.zoned[good], table, layout, options, tally)
    return Observations(
        path=log.label,
        format=NAME,
        series=series_of(
            times, rows.values[:, good], rows.stages, None if rows.codes is None else rows.codes[good], tally
        ),
        rows_read=int(good.sum()),
        rows_skipped=skipped,
        bad_rows=bad,
        zone=zone,
        problems=tuple(tally.sentences()),
    )


@dataclass(frozen=True)
class _Rows:
    """The rows of a table as arrays, in the order of the file.

    Attributes:
        times: nanoseconds, as `stamp_sql` gives them, shape (rows,).
        zoned: whether the time named its zone, shape (rows,).
        values: shape (stages, rows) of a wide table, (1, rows) of a long one; NaN where missing.
        reason: index into `_REASONS`, shape (rows,).
        stages: the stages.
        codes: of a long table, which stage each row is of, shape (rows,).
        used: the columns that were read, by index.
        select: the SQL that gave it.
    """

    times: TimeArray
    zoned: NDArray[np.bool_]
    values: FloatArray
    reason: NDArray[np.int8]
    stages: tuple[StageColumn, ...]
    codes: NDArray[np.int64] | None
    used: tuple[int, ...]
    reason_sql: str


def _fetch(connection: duckdb.DuckDBPyConnection, table: Table, layout: Layout, options: ReadOptions) -> _Rows:
    columns = [table.columns.index(stage.source) for stage in layout.stages] if layout.value is None else [layout.value]
    stamp, zoned = stamp_sql(f"c{layout.time}", layout.form)
    numbers = [_number_sql(f"c{column}") for column in columns]
    reason = _reason_sql(stamp, [f"c{column}" for column in columns], numbers)
    select = [
        f"coalesce({stamp}, 0) AS stamp",
        f"coalesce({zoned}, false) AS zoned",
        f"CAST({reason} AS TINYINT) AS reason",
        *(f"coalesce({number}, 'nan'::DOUBLE) AS v{index}" for index, number in enumerate(numbers)),
    ]
    if layout.stage is not None:
        select.append(f"coalesce(c{layout.stage}, '') AS stage")
        select.append(f"coalesce(c{layout.kind}, '') AS kind" if layout.kind is not None else "'' AS kind")
    got = table.fetch(connection, ", ".join(select))
    values = np.stack([np.asarray(got[f"v{index}"], dtype=np.float64) for index in range(len(numbers))]) + 0.0
    stages, codes = layout.stages, None
    if layout.stage is not None:
        stages, codes = _long_stages(table, got, options)
    used = (layout.time, *columns, *(() if layout.stage is None else (layout.stage,)))
    times, marks = np.asarray(got["stamp"], dtype=np.int64), np.asarray(got["zoned"], dtype=np.bool_)
    return _Rows(times, marks, values, np.asarray(got["reason"], dtype=np.int8), stages, codes, used, reason)


def _number_sql(cell: str) -> str:
    return rf"TRY_CAST(trim({cell}, ' \"' || chr(9)) AS DOUBLE)"


def _reason_sql(stamp: str, cells: Sequence[str], numbers: Sequence[str]) -> str:
    """Why a row is bad, as an index into `_REASONS`; an empty cell or NaN is a missing sample, not a bad row."""
    missing = [rf"lower(trim(coalesce({cell}, ''), ' \"' || chr(9))) IN ('', 'nan', 'null')" for cell in cells]
    checks = [f"WHEN broken THEN {_BROKEN}", f"WHEN ({stamp}) IS NULL THEN {_TIME}"]
    for gone, number in zip(missing, numbers, strict=True):
        checks.append(f"WHEN NOT {gone} AND {number} IS NULL THEN {_TEXT}")
        checks.append(f"WHEN isinf({number}) THEN {_INFINITE}")
        checks.append(f"WHEN {number} < 0 THEN {_NEGATIVE}")
    return f"CASE {' '.join(checks)} ELSE {_FINE} END"


def _long_stages(
    table: Table, got: dict[str, Any], options: ReadOptions
) -> tuple[tuple[StageColumn, ...], NDArray[np.int64]]:
    """The stages named in the rows of a long table, and each row's."""
    keys, codes = np.unique(np.asarray(got["stage"], dtype=object).astype(str), return_inverse=True)
    kinds = np.asarray(got["kind"], dtype=object).astype(str)
    if len(keys) > _MOST_STAGES:
        raise EntroError(
            f"the stage column holds {len(keys)} different names",
            where=table.log.label,
            expected=f"at most {_MOST_STAGES} stages",
            remedy="add --stage NAME=COLUMN:KIND for the columns that hold loads",
        )
    stages = [
        long_stage(table.log.label, str(key), str(kinds[codes == index][0]), options) for index, key in enumerate(keys)
    ]
    return tuple(stages), codes.astype(np.int64)


def _no_rows(table: Table) -> EntroError:
    names = ", ".join(visible(name) for name in table.columns[:20])
    return EntroError(
        "has a header but no rows that fit it",
        where=table.log.label,
        expected=f"rows of {len(table.columns)} cells ({names})",
    )


def _bad_rows(connection: duckdb.DuckDBPyConnection, table: Table, rows: _Rows) -> tuple[BadRow, ...]:
    """The first few rows that could not be read, in the order of the file, with their lines."""
    rejected = list(table.rejects)
    if not np.any(rows.reason != _FINE):
        return tuple(rejected)
    cells = ", ".join(f"coalesce(c{column}, '') AS u{index}" for index, column in enumerate(rows.used))
    count, held = table.rejected, table.rejects
    select = f"CAST({rows.reason_sql} AS TINYINT) AS reason, coalesce(line, 0) AS line, {cells}"
    got = table.fetch(connection, select)
    table.rejected, table.rejects = count, held
    first = np.flatnonzero(np.asarray(got["reason"]) != _FINE)[:SHOWN_BAD_ROWS]
    wanted = [
        (
            int(got["reason"][row]),
            int(got["line"][row]),
            [str(got[f"u{index}"][row]) for index in range(len(rows.used))],
        )
        for row in first.tolist()
    ]
    found = _with_lines(table, rows.used, wanted)
    return tuple(sorted([*found, *rejected], key=lambda row: row.line)[:SHOWN_BAD_ROWS])


def _with_lines(table: Table, used: Sequence[int], wanted: list[tuple[int, int, list[str]]]) -> list[BadRow]:
    """Bad rows with the lines they stand on, found by their cells, in the order of the file."""
    if table.shape == "parquet":
        return [BadRow(line, _REASONS[reason], shortened(", ".join(cells))) for reason, line, cells in wanted]
    found: list[BadRow] = []
    lines = text_rows(table)
    for reason, _, cells in wanted:
        here = next((row for row in lines if _is_row(row[1], row[2], cells if reason != _BROKEN else None, used)), None)
        if here is not None:
            found.append(BadRow(here[0], _REASONS[reason], shortened(here[2])))
    return found


def _is_row(candidate: list[str], text: str, cells: list[str] | None, used: Sequence[int]) -> bool:
    """Whether a row of the file has these cells in the columns used; None means a line that is no row at all."""
    if cells is None:
        return not candidate and bool(text.strip())
    return len(candidate) > max(used) and [candidate[index] for index in used] == cells


def _check_share(table: Table, good: int, skipped: int, bad: tuple[BadRow, ...], options: ReadOptions) -> None:
    """Refuse a table with no good row, with more bad rows than good ones, or with any bad row under --strict."""
    label = table.log.label
    first = f"line {bad[0].line}: {bad[0].reason}: {bad[0].text}" if bad else ""
    if not good and not skipped:
        raise _no_rows(table)
    if skipped and options.strict:
        raise EntroError(first, where=label, expected="good rows only, with --strict")
    if skipped > good:
        looks = "" if table.shape == "parquet" else f"; the file begins with: {first_line(head_text(table.log))}"
        raise EntroError(
            f"{skipped} of {good + skipped} rows cannot be read ({first}){looks}",
            where=label,
            expected="a table of loads",
            remedy="the format is probably another, or --time and --stage name the wrong columns",
        )


def _utc(
    times: TimeArray, zoned: NDArray[np.bool_], table: Table, layout: Layout, options: ReadOptions, tally: Tally
) -> tuple[TimeArray, str]:
    """The times as nanoseconds since the epoch, and how they were read, in words."""
    if layout.form.is_offset:
        if options.start_ns is None:
            tally.problems.append("times are offsets and no --start was given: the dates shown are not real")
        return times + (
            options.start_ns or 0
        ), "offsets from --start" if options.start_ns is not None else "offsets, no date"
    if layout.form.unit_ns:
        return times, layout.form.name
    if zoned.all():
        return times, "as written"
    if zoned.any() and not options.zone_given:
        raise EntroError(
            f"{int((~zoned).sum())} of {len(zoned)} times name no zone while the others do",
            where=table.log.label,
            expected="one way of writing times",
            remedy="name the zone of those with --tz",
        )
    naive = ~zoned
    local = local_to_utc(times[naive], options.zone)
    times = times.copy()
    times[naive] = local.times
    tally.clock(local)
    return times, f"{options.zone} ({'--tz' if options.zone_given else 'this machine'})"
