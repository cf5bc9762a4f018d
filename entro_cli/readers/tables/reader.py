"""The `table` format: a time column and a column a stage (wide), or rows of time, stage and value (long)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from entro_cli.core.console import printable
from entro_cli.core.files import unfinished_from
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import Tally, masked
from entro_cli.readers.tables.bad_rows import check_share, no_rows
from entro_cli.readers.tables.column_names import is_number
from entro_cli.readers.tables.duckdb_table import (
    Table,
    connect,
    head_text,
    lines_of,
    looks_like_json,
    open_table,
    records,
    sniff_delimiter,
)
from entro_cli.readers.tables.rows import fetch_rows
from entro_cli.readers.tables.schema import StageColumn, TableSchema, find_schema, named
from entro_cli.readers.tables.series import series_of
from entro_cli.readers.time_zones import to_utc
from entro_cli.readers.timestamps import timestamp_format
from entro_cli.timeseries.observations import Observations, ReadOptions, Series
from entro_cli.timeseries.problems import ProblemKind

NAME = "table"
DESCRIPTION = "CSV, TSV, JSON lines or Parquet: a time column and a column a stage, or time, stage and value"
GIVES = "the stages that its columns name; a rate, a queue or another load each"

IN_PARTS = True


def recognise(log: LogFile) -> float:
    """How sure it is that a log is a table, 0..1, from its content."""
    if log.is_parquet:
        return 0.9
    text = head_text(log)
    if looks_like_json(text):
        return 0.8
    if text.lstrip().startswith(("[{", "[[")):  # JSON, but not a row a line
        return 0.0
    delimiter, before, header = sniff_delimiter(text)
    if len(header) < 2:
        return 0.1 if len(header) == 1 and header[0].strip().isidentifier() else 0.0
    rows = records(lines_of(text)[before:], delimiter, 50)[1:]
    if not rows:
        return 0.5
    alike = sum(1 for row in rows if len(row) >= len(header))
    return 0.7 * alike / len(rows) if _holds_numbers(rows) else 0.0


def _holds_numbers(rows: Sequence[Sequence[str]]) -> bool:
    """Whether most rows have a cell that is a number (or empty): the lines of other logs have delimiters too."""
    with_number = sum(1 for row in rows if any(is_number(cell) for cell in row))
    return 2 * with_number > len(rows)


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
        layout = schema_of(table, options)
        rows = fetch_rows(connection, table, layout, options)
    bad = tuple(replace(row, text=masked(row.text)) for row in rows.bad) if options.redact else rows.bad
    good = len(rows.times)
    check_share(
        table,
        good,
        rows.skipped,
        bad,
        options,
        expected="a table of loads",
        remedy="the format is probably another, or --time and --stage name the wrong columns",
    )
    tally = Tally(table.problems)
    times, zone = to_utc(log.label, rows.times, rows.zoned, layout.form, options, tally)
    series = series_of(times, rows.values, rows.stages, rows.codes, tally)
    note_columns_not_read(layout, rows.stages, series, tally)
    return Observations(
        path=log.label,
        format=NAME,
        series=series,
        rows_read=good,
        rows_skipped=rows.skipped,
        bad_rows=bad,
        zone=zone,
        problems=tally.problems,
        columns=tuple(table.columns),
    )


def schema_of(table: Table, options: ReadOptions) -> TableSchema:
    """The layout of a table.

    Raises:
        EntroError: when it has no rows, or its time or stages are not plain.
    """
    if not table.sample:
        raise no_rows(table)
    return find_schema(table.log.label, table.columns, table.sample, options)


def note_columns_not_read(
    layout: TableSchema, stages: Sequence[StageColumn], series: Sequence[Series], tally: Tally
) -> None:
    """Warn of columns that became no series.

    Args:
        layout: of the table.
        stages: those that were to be read.
        series: what was read.
        tally: receives the warnings.
    """
    sampled = {part.stage for part in series}
    for stage in (stage for stage in stages if stage.name not in sampled):
        tally.note(ProblemKind.NO_NUMBERS, printable(stage.source))
    if layout.passed_over:
        only, others = stages[0], ", ".join(named(name) for name in layout.passed_over[:10])
        tally.note(ProblemKind.COLUMNS_NOT_READ, named(only.source), str(only.kind), others)


def header_of(log: LogFile) -> bytes:
    """What stands before the rows, and is needed to read any of them: the header of a CSV."""
    text = head_text(log)
    if log.is_parquet or looks_like_json(text):
        return b""
    _, before, _ = sniff_delimiter(text)
    return b"".join(log.head.splitlines(keepends=True)[: before + 1])


def checkpoint(log: LogFile) -> bytes:
    """The header, and a last line that has no end yet."""
    if log.is_parquet:
        return b""
    begin = unfinished_from(log.path)
    with log.path.open("rb") as file:
        file.seek(begin)
        return (header_of(log) if begin else b"") + file.read()


def accepts_header(log: LogFile, header: bytes) -> bool:
    """Whether a log without a header of its own goes on under another's: its first line is a row of such a table.

    Args:
        log: the plain file.
        header: what stood before the rows of the other.
    """
    text = head_text(log)
    delimiter, _, names = sniff_delimiter(header.decode("utf-8", "replace"))
    if log.is_parquet or looks_like_json(text) or len(names) < 2:
        return False
    cells = next(iter(records(lines_of(text.lstrip("\r\n"))[:1], delimiter, 1)), [])
    return len(cells) == len(names) and all(is_number(cell) or timestamp_format([cell], None) for cell in cells)
