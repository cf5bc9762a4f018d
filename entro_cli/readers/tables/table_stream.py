"""Tables read block by block, so that memory does not limit their length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec.structs import replace

from entro_cli.core.files import connect_duckdb
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.tables.reader import TableReader, checked_bad_rows, note_columns_not_read, schema_of
from entro_cli.readers.tables.relations.open_table import open_table
from entro_cli.readers.tables.rows import STRAY_NS, RowBlocks
from entro_cli.readers.tables.schema import TableSchema
from entro_cli.readers.tables.series import Rows, series_of
from entro_cli.readers.time_zones import to_utc
from entro_cli.timeseries.observations import NotStreamableError, Observations, ReadOptions, Series
from entro_cli.timeseries.problems import Problem
from entro_cli.timeseries.resample_stream import StreamResampler
from entro_cli.timeseries.steps_on_disk import StreamedLog

WORTH_BYTES = 1 << 22
"""Size of a file from which less memory makes up for importing Arrow."""


class SeriesSink(Protocol):
    """A receiver of the series of a log, block by block."""

    def add(self, series: Sequence[Series]) -> None:
        """Add the next block: one series per stage that has a sample in it."""

    def finish(self) -> tuple[Series, ...]:
        """Return the series of all stages after the last block; they need not hold all samples."""
        ...


class TableStream:
    """Stream of the series in a wide table whose rows are in the order of their times, each time once.

    Args:
        log: the plain file.
        options: how it is read.
        step_ns: length of a step, nanoseconds; None to derive it from the slowest stage.
    """

    def __init__(self, log: LogFile, options: ReadOptions, step_ns: int | None) -> None:
        self._log, self._options = log, options.for_log(log.label)
        self._resampler = StreamResampler(options.zone, step_ns)
        self._rows = 0
        self._last_ns: int | None = None
        self._zone = ""
        self._problems: tuple[Problem, ...] = ()

    def resample(self) -> StreamedLog:
        """Put all rows onto the grid, as `read` does."""
        observations = self.read(self._resampler)
        return StreamedLog(observations, self._resampler.steps)

    def read(self, sink: SeriesSink) -> Observations:
        """Read all rows, and return what is left of them in the sink.

        Args:
            sink: receives the series.

        Raises:
            NotStreamableError: if the table must be read whole, which may show only after some blocks.
            EntroError: if its time or its stages are not clear, or most of its rows cannot be read.
        """
        with connect_duckdb() as connection:
            table = open_table(connection, self._log)
            schema = schema_of(table, self._options)
            blocks = RowBlocks(table, schema, self._options)
            for rows in blocks:
                sink.add(self._series(rows, schema))
            series = sink.finish()
            bad = checked_bad_rows(table, self._rows, blocks.skipped, blocks.bad(), self._options)
        tally = Tally(self._problems)
        note_columns_not_read(table, schema, schema.stages, series, tally)
        return Observations(
            path=self._log.label,
            format=TableReader.name,
            series=series,
            rows_read=self._rows,
            rows_skipped=blocks.skipped,
            bad_rows=bad,
            zone=self._zone,
            problems=tally.problems,
            columns=tuple(table.columns),
        )

    def _series(self, rows: Rows, schema: TableSchema) -> tuple[Series, ...]:
        """Return the series in a block, one per stage that has a sample in it."""
        form, tally = schema.form, Tally()
        times, zone = to_utc(self._log.label, rows.times, rows.zoned, form, self._options, tally, is_utc=schema.is_utc)
        if self._last_ns is None:
            self._zone, self._problems, self._last_ns = zone, tally.problems, int(times[0]) - 1
        # An hour that the clock showed twice or skipped can be resolved only with all rows around it.
        has_clock_change = tally.problems and not form.is_offset
        is_stray = int(times[-1]) - self._last_ns > STRAY_NS
        if is_stray or has_clock_change or zone != self._zone or times[0] <= self._last_ns:
            raise NotStreamableError
        before = tally.problems
        series = series_of(replace(rows, times=times), tally)
        if tally.problems != before:  # rows out of order, or two at one time
            raise NotStreamableError
        self._rows += len(times)
        self._last_ns = int(times[-1])
        return series
