"""Plain CSVs read block by block, so that memory does not limit their length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.tables.duckdb_table import csv_table, head_text, looks_like_json
from entro_cli.readers.tables.fast_csv import NotPlainError, plain_blocks
from entro_cli.readers.tables.reader import TableReader, note_columns_not_read, schema_of
from entro_cli.readers.tables.rows import STRAY_NS, has_open_mark, load_columns
from entro_cli.readers.tables.series import Rows, series_of
from entro_cli.readers.time_zones import to_utc
from entro_cli.timeseries.observations import Observations, ReadOptions, Series
from entro_cli.timeseries.problems import Problem


class CsvStream:
    """Stream of the series in a wide, plain CSV whose rows are in order, each time once.

    Args:
        log: the plain file.
        options: how it is read.

    Raises:
        NotPlainError: if it is another table.
        EntroError: if its time or its stages are not clear.
    """

    def __init__(self, log: LogFile, options: ReadOptions) -> None:
        if log.is_parquet or looks_like_json(head_text(log)):
            raise NotPlainError
        options = options.for_log(log.label)
        self._log, self._options = log, options
        self._table = csv_table(log)
        self._schema = schema_of(self._table, options)
        if has_open_mark(self._table, self._schema, options):
            raise NotPlainError
        self._rows = 0
        self._zone = ""
        self._problems: tuple[Problem, ...] = ()

    def blocks(self) -> Iterator[tuple[Series, ...]]:
        """Yield the series of the next rows, one per stage that has a sample in them.

        Raises:
            NotPlainError: if the file must be read whole, which may show only after some blocks.
            EntroError: if some times name a zone and others do not.
        """
        last_ns = None
        for rows in plain_blocks(self._table, self._schema, load_columns(self._table, self._schema)):
            series, last_ns = self._block_series(rows, last_ns)
            yield series

    def _block_series(self, rows: Rows, last_ns: int | None) -> tuple[tuple[Series, ...], int]:
        """Return the series of a block, and the time of its last row, nanoseconds since the epoch.

        Args:
            rows: the block.
            last_ns: time of the last row before it; None for the first block.
        """
        form, tally = self._schema.form, Tally()
        times, zone = to_utc(self._log.label, rows.times, rows.zoned, form, self._options, tally)
        if self._rows == 0:
            self._zone, self._problems = zone, tally.problems
        # An hour that the clock showed twice or skipped can be resolved only with all rows around it.
        has_clock_change = tally.problems and not form.is_offset
        is_stray = int(times[-1]) - int(times[0] if last_ns is None else last_ns) > STRAY_NS
        if is_stray or has_clock_change or zone != self._zone or (last_ns is not None and times[0] <= last_ns):
            raise NotPlainError
        before = tally.problems
        series = series_of(replace(rows, times=times), tally)
        if tally.problems != before:  # rows out of order, or two at one time
            raise NotPlainError
        self._rows += len(times)
        return series, int(times[-1])

    def observations(self, series: tuple[Series, ...]) -> Observations:
        """Return the content of the file, after all blocks were read.

        Args:
            series: the series of all stages that have samples; it need not hold all of these.
        """
        left_out = Tally()
        note_columns_not_read(self._schema, self._schema.stages, series, left_out)
        return Observations(
            path=self._log.label,
            format=TableReader.name,
            series=series,
            rows_read=self._rows,
            zone=self._zone,
            problems=(*self._problems, *left_out.problems),
            columns=tuple(self._table.columns),
        )
