"""Tables of requests read block by block, so that memory does not limit their length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import reduce

from entro_cli.core.files import connect_duckdb
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import SHOWN_BAD_ROWS, Tally
from entro_cli.readers.requests.cells import GOOD, CellQuery, Cells
from entro_cli.readers.requests.levels import QUANTITIES, LastRequests, Requests, request_quantities, select_last
from entro_cli.readers.requests.reader import (
    EventsReader,
    check_rows,
    columns_of,
    count_open,
    request_stages,
    shown_rows,
)
from entro_cli.readers.requests.sample import RequestColumns
from entro_cli.readers.requests.table import FoundRequests, RowCounts, check_lengths, note_order, requests_of
from entro_cli.readers.tables.relations.open_table import open_table
from entro_cli.timeseries.observations import NotStreamableError, Observations, ReadOptions, Series, is_signal
from entro_cli.timeseries.resample_windows import WindowResampler
from entro_cli.timeseries.steps_on_disk import StreamedLog
from entro_engine import EntroError

_MOST_KEPT = 1 << 20
"""Requests that are kept because others may overlap them. A log with more of them is read whole."""


class RequestStream:
    """Stream of the requests of a table whose rows are nearly in the order of their times.

    After each block, the steps that later rows cannot change are complete (`select_last`). The requests that reach
    beyond these steps are kept, and make the next steps together with the next block.

    Args:
        log: the plain file.
        options: how it is read.
        step_ns: length of a step, nanoseconds; None for the default.
    """

    def __init__(self, log: LogFile, options: ReadOptions, step_ns: int | None) -> None:
        self._log, self._options = log, options.for_log(log.label)
        self._grid = WindowResampler(options.zone, step_ns)
        self._kept: Requests | None = None
        self._last: LastRequests | None = None
        self._found: FoundRequests | None = None
        self._counts, self._open = RowCounts(), Counter[int]()
        self._failed: list[Requests] = []
        self._wrong: dict[int, int] = {}
        self._rows = self._good = self._skipped = 0
        self._names: tuple[str, ...] = ()
        self._wanted: Collection[str] = QUANTITIES

    def resample(self) -> StreamedLog:
        """Put all requests onto the grid.

        Raises:
            NotStreamableError: if the table must be read whole, which may show only after some blocks.
            EntroError: if its columns are not clear, or most of its rows cannot be read.
        """
        log, options, tally = self._log, self._options, Tally()
        with connect_duckdb() as connection:
            table = open_table(connection, log)
            columns = columns_of(table, options, tally)
            query = CellQuery(table, columns, options)
            for cells in query.blocks():
                self._add(cells, columns, tally)
            if self._kept is None or self._found is None:
                raise NotStreamableError
            series, steps = self._grid.finish(self._stages(self._kept, columns), self._rows)
            self._skipped += table.rejected_count
            bad = shown_rows(query.bad(self._wrong), 0, options)
            if self._skipped:
                check_rows(table, self._good, self._skipped, bad, options)
        self._counts.add_to(tally)
        count_open((self._open[0], self._open[1]), columns, self._good, self._found.clock_ns, tally)
        failed = reduce(Requests.followed_by, self._failed)
        signals = [part for part in request_stages(failed, (), columns, options) if is_signal(part.stage)]
        observations = Observations(
            path=log.label,
            format=EventsReader.name,
            series=(*series, *signals),
            rows_read=self._good,
            rows_skipped=self._skipped,
            bad_rows=bad,
            zone=self._found.zone,
            problems=(*table.problems, *tally.problems),
            columns=self._names,
        )
        return StreamedLog(observations, steps)

    def _add(self, cells: Cells, columns: RequestColumns, tally: Tally) -> None:
        """Add the next rows, and store the steps that are complete."""
        before = self._found
        warnings = Tally() if before else tally
        found = requests_of(self._log.label, cells, self._options, before.clock_ns if before else None, warnings)
        self._wrong |= {self._rows + row: why for row, why in cells.wrong(SHOWN_BAD_ROWS - len(self._wrong)).items()}
        self._rows += len(cells.reasons)
        self._skipped += int((cells.reasons > GOOD).sum())
        self._counts += found.counts
        requests = found.requests
        if not len(requests):
            return
        # An hour that the clock showed twice or skipped can be resolved only with all rows around it.
        if found.has_clock_change or (before and (before.zones, before.clock_ns) != (found.zones, found.clock_ns)):
            raise NotStreamableError
        if before is None:
            self._check_lengths(columns, requests)
            note_order(columns, requests, tally)
        self._found, self._good = found, self._good + len(requests)
        self._open.update(dict(enumerate(requests.unfinished)))
        self._failed.append(requests.where(requests.failures >= 0))
        self._store(requests, columns)

    def _check_lengths(self, columns: RequestColumns, requests: Requests) -> None:
        try:
            check_lengths(self._log.label, columns, requests)
        except EntroError as error:  # the whole log may be longer than its requests
            raise NotStreamableError from error

    def _store(self, requests: Requests, columns: RequestColumns) -> None:
        if self._kept is not None and int(requests.times[:2].min()) < self._grid.stored_ns:
            raise NotStreamableError  # it would change a step that is stored
        whole = requests if self._kept is None else self._kept.followed_by(requests)
        _, begin, late_ns = select_last(whole, self._last)
        self._last = LastRequests(begin, late_ns, b"", whole.has_starts, whole.has_finishes)
        self._grid.add(self._stages(whole, columns), begin, self._rows)
        self._kept = whole.where(whole.ends >= self._grid.stored_ns)
        if len(self._kept) > _MOST_KEPT:
            raise NotStreamableError

    def _stages(self, requests: Requests, columns: RequestColumns) -> tuple[Series, ...]:
        quantities = request_quantities(requests, not columns.stamps_are_ends, self._wanted)
        found = request_stages(requests, quantities, columns, self._options)
        stages = tuple(part for part in found if not is_signal(part.stage))
        if not self._names:
            self._names, self._wanted = tuple(part.column for part in quantities), {part.column for part in stages}
            is_all = len(quantities) == len(QUANTITIES) or not (requests.has_starts and requests.has_finishes)
            if not is_all or any(not len(part.times) for part in quantities):  # more rows may have more of them
                raise NotStreamableError
        return stages
