"""The `table` format: a time column and one column per stage (wide), or rows of time, stage and value (long)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from entro_cli.core.clock import NS
from entro_cli.core.console import printable
from entro_cli.core.files import connect_duckdb
from entro_cli.readers.inputs.log_file import LogFile, excerpt
from entro_cli.readers.problems import Tally, masked
from entro_cli.readers.reader import Reading
from entro_cli.readers.tables.bad_rows import check_bad_rows, no_rows
from entro_cli.readers.tables.column_names import has_number, is_number, meaning, names_time
from entro_cli.readers.tables.first_lines import first_rows, head_text, looks_like_json, sniff_csv, split_lines
from entro_cli.readers.tables.relations.csv_table import CsvHeaders
from entro_cli.readers.tables.relations.open_table import open_table
from entro_cli.readers.tables.relations.table import Table
from entro_cli.readers.tables.rows import fetch_rows
from entro_cli.readers.tables.schema import (
    DEFAULT_NAMES,
    StageColumn,
    TableSchema,
    find_schema,
    printable_name,
    printable_names,
)
from entro_cli.readers.tables.series import Rows, series_of
from entro_cli.readers.time_zones import to_utc
from entro_cli.readers.timestamps import EPOCH_SECONDS, timestamp_format
from entro_cli.timeseries.observations import BadRow, Observations, ReadOptions, Series
from entro_cli.timeseries.problems import ProblemKind


class TableReader(CsvHeaders):
    """Reads CSV, JSON lines and Parquet with loads over time."""

    name = "table"
    description = "CSV, TSV, JSON lines or Parquet: a time column and one column per stage, or time, stage and value"
    gives = "the stages that its columns name, each a rate, a queue or another load"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is a table, 0..1, from its content."""
        if log.is_parquet:
            return 0.9
        text = head_text(log)
        if looks_like_json(text):
            return 0.8
        if text.lstrip().startswith(("[{", "[[")):  # one JSON array, such as a saved answer of Prometheus
            return 0.0
        return _recognise_csv(text)

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read a table.

        Args:
            log: the plain file.
            options: how it is read.

        Raises:
            EntroError: if it has no rows, if its time or its stages are not clear, if only some of its times name a
                zone, or if most of its rows cannot be read.
        """
        with connect_duckdb() as connection:
            table = open_table(connection, log)
            schema = schema_of(table, options)
            rows = fetch_rows(table, schema, options)
            if not options.by and np.any(rows.times[1:] <= rows.times[:-1]):
                from entro_cli.readers.tables.cells import check_sources  # most tables have one row per time

                check_sources(table, schema)
        good = len(rows.times)
        bad = checked_bad_rows(table, good, rows.skipped, rows.bad, options)
        tally = Tally(table.problems)
        times, zone = to_utc(log.label, rows.times, rows.zoned, schema.form, options, tally, is_utc=schema.is_utc)
        rows = _without_steps_back(replace(rows, times=times), tally)
        series = series_of(rows, tally, options.aggregate)
        note_columns_not_read(table, schema, rows.stages, series, tally)
        return Observations(
            path=log.label,
            format=self.name,
            series=series,
            rows_read=good,
            rows_skipped=rows.skipped,
            bad_rows=bad,
            zone=zone,
            problems=tally.problems,
            columns=tuple(table.columns),
        )

    def resume(self, log: LogFile, options: ReadOptions, state: bytes) -> Reading:
        """Read the rows that follow others, whose header is the state; they need it if they have none."""
        part = excerpt(log, 0, log.path.stat().st_size, state) if self.accepts_header(log, state) else log
        found = self.read(part, options)
        lines = state.count(b"\n") if part is not log else 0
        bad = [row for row in found.bad_rows if not 0 < row.line <= lines]  # without the units in the header
        skipped = found.rows_skipped - len(found.bad_rows) + len(bad)
        rows = (replace(row, line=row.line - lines) if row.line else row for row in bad)
        return Reading(replace(found, rows_skipped=skipped, bad_rows=tuple(rows)), self.header_of(part))


def checked_bad_rows(
    table: Table, good: int, skipped: int, bad: Sequence[BadRow], options: ReadOptions
) -> tuple[BadRow, ...]:
    """Return the first bad rows of a table as they are shown.

    Raises:
        EntroError: if it has no good row, more bad rows than good ones, or any bad row with --strict.
    """
    shown = tuple(replace(row, text=masked(row.text)) if options.redact else row for row in bad)
    remedy = "the format is probably another, or --time and --stage name the wrong columns"
    check_bad_rows(table, good, skipped, shown, options, expected="a table of loads", remedy=remedy)
    return shown


def _without_steps_back(rows: Rows, tally: Tally) -> Rows:
    """Leave out rows whose times earlier rows have because the clock stepped back."""
    if not np.any(rows.times[1:] < rows.times[:-1]):
        return rows
    from entro_cli.readers.tables.clock_steps import rows_after_steps_back  # most tables are in order

    keys = [key for key in (rows.codes, rows.sources) if key is not None]
    groups = np.unique(np.stack(keys), axis=1, return_inverse=True)[1] if keys else np.zeros(len(rows.times), np.int64)
    is_doubtful, steps = rows_after_steps_back(rows.times, rows.values, groups)
    if steps:
        tally.count(ProblemKind.ROWS_AFTER_STEP_BACK, is_doubtful.sum(), f"{max(steps) / NS:,.0f}")
    return rows.take(~is_doubtful)


def _recognise_csv(text: str) -> float:
    delimiter, header_offset, header = sniff_csv(text)
    if len(header) < 2:
        # One word may be the header of one column. Read as a table, the log gets an error that names what is missing.
        return 0.1 if len(header) == 1 and header[0].strip().isidentifier() else 0.0
    rows = first_rows(split_lines(text)[header_offset:], delimiter, 50)[1:]
    if not rows:
        return 0.5
    full = sum(1 for row in rows if len(row) >= len(header))
    if not _have_numbers(rows):
        return 0.0
    is_certain = full == len(rows) and _has_dated_loads(header, list(zip(*rows, strict=False)))
    return 1.0 if is_certain else 0.7 * full / len(rows)


def _has_dated_loads(header: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Return whether a column holds dates and another is named like a rate or a queue and holds small numbers.

    Beside dates, small numbers are no times of requests. Beside offsets they may be: `queued` may be a moment, too.
    """
    named = list(zip(header, columns, strict=False))
    has_dates = any(names_time(name) and timestamp_format(cells, None) for name, cells in named)
    return has_dates and any(meaning(name) and all(map(_is_load, cells)) for name, cells in named)


def _is_load(cell: str) -> bool:
    return is_number(cell) and float(cell.strip(' "\t\r') or 0) < EPOCH_SECONDS[0]


def _have_numbers(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether most rows have a cell that is a number or empty: other logs contain delimiters, too."""
    with_number = sum(1 for row in rows if any(has_number(cell) for cell in row))
    return 2 * with_number > len(rows)


def schema_of(table: Table, options: ReadOptions) -> TableSchema:
    """Return the schema of a table.

    Raises:
        EntroError: if it has no rows, or if its time or its stages are not clear.
    """
    if not table.sample:
        raise no_rows(table)
    return find_schema(table.log.label, table.columns, table.sample, options)


def note_columns_not_read(
    table: Table, schema: TableSchema, stages: Sequence[StageColumn], series: Sequence[Series], tally: Tally
) -> None:
    """Warn of columns that became no series.

    Args:
        table: the table.
        schema: schema of the table.
        stages: the stages that were to be read.
        series: the series that were read.
        tally: receives the warnings.
    """
    sampled = {part.stage for part in series}
    for stage in (stage for stage in stages if stage.name not in sampled):
        tally.note(ProblemKind.NO_NUMBERS, printable(stage.source))
    if schema.unread_columns:
        only, others = stages[0], ", ".join(printable_name(name) for name in schema.unread_columns[:10])
        tally.note(ProblemKind.COLUMNS_NOT_READ, printable_name(only.source), str(only.kind), others)
    if schema.unitless:
        tally.note(ProblemKind.UNITLESS_RATE, printable_names(schema.unitless))
    late = [name for name in table.late_columns() if meaning(name) is not None]
    if late:
        tally.note(ProblemKind.LATE_COLUMNS, printable_names(late))
    for kind, names in schema.qualified:
        tally.note(ProblemKind.QUALIFIED, str(kind), printable_names(names), DEFAULT_NAMES[kind])
