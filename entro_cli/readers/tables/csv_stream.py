"""A plain CSV that is read block by block, since it may be more than the memory holds."""

from __future__ import annotations

from collections.abc import Iterator

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.tables import reader as table
from entro_cli.readers.tables.duckdb_table import csv_table, head_text, looks_like_json
from entro_cli.readers.tables.fast_csv import NotPlainError, PlainRows, plain_blocks
from entro_cli.readers.tables.rows import layout_of_plain_csv
from entro_cli.readers.tables.series import series_of
from entro_cli.readers.time_zones import to_utc
from entro_cli.timeseries.observations import Observations, ReadOptions, Series
from entro_cli.timeseries.problems import Problem


class CsvStream:
    """A wide CSV whose rows are plain, each later than the one before, and need no look at others to be understood.

    Args:
        log: the plain file.
        options: what the user said.

    Raises:
        NotPlainError: when it is another table.
        EntroError: when its time or its stages are not plain.
    """

    def __init__(self, log: LogFile, options: ReadOptions) -> None:
        if log.is_parquet or looks_like_json(head_text(log)):
            raise NotPlainError
        self._log, self._options = log, options
        self._table = csv_table(log)
        self._layout = table.schema_of(self._table, options)
        plain_layout = layout_of_plain_csv(self._table, self._layout)
        if plain_layout is None:
            raise NotPlainError
        self._plain_layout = plain_layout
        self._rows = 0
        self._zone = ""
        self._problems: tuple[Problem, ...] = ()

    def blocks(self) -> Iterator[tuple[Series, ...]]:
        """The series of the next rows, one a stage that has a sample in them.

        Raises:
            NotPlainError: when the rows are not what they must be, which may show behind some blocks.
            EntroError: when some times name a zone and others do not.
        """
        last = None
        for rows in plain_blocks(self._table.path, self._plain_layout):
            series, last = self._understood(rows, last)
            yield series

    def _understood(self, rows: PlainRows, last: int | None) -> tuple[tuple[Series, ...], int]:
        """The series of some rows, and when the last of them is, nanoseconds since the epoch."""
        form, tally = self._layout.form, Tally()
        times, zone = to_utc(self._log.label, rows.times, rows.zoned, form, self._options, tally)
        if self._rows == 0:
            self._zone, self._problems = zone, tally.problems
        by_the_clock = tally.problems and not form.is_offset  # an hour that the clock showed twice or skipped
        if by_the_clock or zone != self._zone or (last is not None and times[0] <= last):
            raise NotPlainError
        before = tally.problems
        series = series_of(times, rows.values, self._layout.stages, None, tally)
        if tally.problems != before:  # rows that had to be sorted, or two at one time
            raise NotPlainError
        self._rows += len(times)
        return series, int(times[-1])

    def observations(self, series: tuple[Series, ...]) -> Observations:
        """What the file gave, once all blocks were read.

        Args:
            series: what stands for the samples of each stage that has one.
        """
        left_out = Tally()
        table.note_columns_not_read(self._layout, self._layout.stages, series, left_out)
        return Observations(
            path=self._log.label,
            format=table.NAME,
            series=series,
            rows_read=self._rows,
            zone=self._zone,
            problems=(*self._problems, *left_out.problems),
            columns=tuple(self._table.columns),
        )
