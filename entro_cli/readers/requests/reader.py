"""The `events` format: one row per request, with its arrival, and its start and finish or lengths of time."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC

import duckdb
import numpy as np

from entro_cli.readers.inputs.log_file import HEAD_BYTES, LogFile, excerpt
from entro_cli.readers.problems import Tally, masked
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE, choose_stages
from entro_cli.readers.requests.cells import CLOCK_COLUMN
from entro_cli.readers.requests.columns import looks_like_requests, request_columns
from entro_cli.readers.requests.sample import RequestColumns, RequestSample
from entro_cli.readers.requests.table import NEVER, Requests, fetch_requests
from entro_cli.readers.tables.bad_rows import check_bad_rows, no_rows
from entro_cli.readers.tables.duckdb_table import connect, head_text, looks_like_json, open_table
from entro_cli.readers.tables.reader import TableReader
from entro_cli.readers.tables.schema import printable_name
from entro_cli.timeseries.observations import Measure, Observations, ReadOptions, Series, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError, Kind

_CLOCK = re.compile(rf'(?:# |\{{")({re.escape(CLOCK_COLUMN)})(?:": | )(-?\d{{1,18}})\}}?\s*$', re.MULTILINE | re.ASCII)


class EventsReader:
    """Reads tables with one row per request."""

    name = "events"
    description = "one row per request: its arrival, and a start, a finish or a duration"
    gives = "requests as a rate (scraper), waiting requests as a queue (llm); in_system and running by name"
    _table = TableReader()

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log has one row per request, 0..1, from its content."""
        if head_text(log).lstrip().startswith(("[{", "[[")):  # one JSON array
            return 0.0
        try:
            with connect(log.spool.parent) as connection:
                table = open_table(connection, log)
        except (EntroError, duckdb.Error):
            return 0.0
        if not table.sample or not looks_like_requests(table.columns, table.sample):
            return 0.0
        # Servers that write JSON, such as vLLM, have access lines among others that say more.
        return 0.95 if RequestSample(table.columns, table.sample).access is None else 0.85

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read a table of requests.

        Args:
            log: the plain file.
            options: how it is read.

        Raises:
            EntroError: if it has no rows, if the arrival is not clear, if only some of its times name a zone, or if
                most of its rows cannot be read.
        """
        with connect(log.spool.parent) as connection:
            table = open_table(connection, log)
            if not table.sample:
                raise no_rows(table)
            tally = Tally()
            columns = request_columns(log.label, table.columns, table.sample, options)
            requests = fetch_requests(table, columns, options, tally, _recorded_clock_ns(log))
        if options.redact:
            requests = replace(requests, bad=tuple(replace(row, text=masked(row.text)) for row in requests.bad))
        check_bad_rows(
            table,
            len(requests.arrivals),
            requests.skipped,
            requests.bad,
            options,
            expected="one row per request",
            remedy="the format is probably another, or --time names the wrong column",
        )
        _count_problems(columns, requests, tally)
        quantities = request_quantities(requests, has_own_queue=not columns.stamps_are_ends)
        return Observations(
            path=log.label,
            format=self.name,
            series=choose_stages(quantities, options),
            rows_read=len(requests.arrivals),
            rows_skipped=requests.skipped,
            bad_rows=requests.bad,
            zone=requests.zone,
            problems=(*table.problems, *columns.notes, *tally.problems),
            columns=tuple(part.column for part in quantities),
        )

    def checkpoint(self, log: LogFile) -> bytes:
        """Return text that, put before the next part of the log, makes both read as one.

        Args:
            log: the plain file.

        Returns:
            The lag of a second clock, the header of a CSV, and the unfinished last line.
        """
        if log.is_parquet:
            return b""
        clock = _clock_line(log)
        header = b"".join(
            line for line in self.header_of(log).splitlines(keepends=True) if not _CLOCK.match(_text(line))
        )
        return clock + header + _unfinished(log)

    def header_of(self, log: LogFile) -> bytes:
        """Return the header of a CSV, as the `table` format does."""
        return self._table.header_of(log)

    def accepts_header(self, log: LogFile, header: bytes) -> bool:
        """Return whether a log without a header continues another, as the `table` format does."""
        return self._table.accepts_header(log, header)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").strip()


def _unfinished(log: LogFile) -> bytes:
    """Return the last line, if it is unfinished."""
    with log.path.open("rb") as file:
        end = file.seek(0, 2)
        tail = b""
        while end and b"\n" not in tail:
            begin = max(end - HEAD_BYTES, 0)
            file.seek(begin)
            tail, end = file.read(end - begin) + tail, begin
    return tail[tail.rfind(b"\n") + 1 :]


def _clock_line(log: LogFile) -> bytes:
    """Return the line that records the lag of a log's second clock; nothing if it has one clock."""
    clock_ns = _recorded_clock_ns(log)
    if clock_ns is None:
        with connect(log.spool.parent) as connection:
            table = open_table(connection, excerpt(log, 0, HEAD_BYTES))
            plain = ReadOptions(UTC, zone_given=True)
            try:
                columns = request_columns(log.label, table.columns, table.sample, plain)
                clock_ns = fetch_requests(table, columns, plain, Tally()).clock_ns
            except EntroError:
                return b""
    if clock_ns is None:
        return b""
    line = json.dumps({CLOCK_COLUMN: clock_ns}) if looks_like_json(head_text(log)) else f"# {CLOCK_COLUMN} {clock_ns}"
    return line.encode() + b"\n"


def _recorded_clock_ns(log: LogFile) -> int | None:
    """Return the lag that a checkpoint put before a log, nanoseconds; None if there is none."""
    found = _CLOCK.match(head_text(log))
    return int(found[2]) if found else None


def request_quantities(requests: Requests, has_own_queue: bool = True) -> tuple[Series, ...]:
    """Return the quantity `requests`, and `waiting`, `in_system` and `running` as far as they are known.

    The requests that are not finished are the queue without starts, or where the log does not show all who wait.

    Args:
        requests: the requests, at least one.
        has_own_queue: whether requests wait nowhere else than before their start.
    """
    last = _last_ns(requests)
    times, counts = np.unique(requests.arrivals, return_counts=True)
    if last > times[-1]:  # no request arrived after its last one, up to the end of the log
        times, counts = np.append(times, last), np.append(counts, 0)
    values = counts.astype(np.float64)
    arrivals = Series(RATE_STAGE, Kind.RATE, times, values, None, "requests", Measure.EVENTS, is_additive=True)
    never = np.full(len(requests.arrivals), NEVER)
    starts, finishes = (never if part is None else part for part in (requests.starts, requests.finishes))
    found = [arrivals]
    if requests.starts is not None:
        begins, ends = requests.queued, np.minimum(starts, finishes)
        found.append(_level("waiting", Kind.QUEUE, QUEUE_STAGE if has_own_queue else "", begins, ends, last))
    if requests.finishes is not None:
        stage = "" if requests.starts is not None and has_own_queue else QUEUE_STAGE
        found.append(_level("in_system", Kind.QUEUE, stage, requests.queued, finishes, last))
    if requests.starts is not None and requests.finishes is not None:
        started = starts != NEVER
        if started.any():
            found.append(_level("running", Kind.GENERIC, "", starts[started], finishes[started], last))
    return tuple(found)


def _last_ns(requests: Requests) -> int:
    """Return the latest time in a log of requests, nanoseconds since the epoch."""
    parts = [requests.arrivals, requests.queued, requests.starts, requests.finishes]
    known = [part[part != NEVER] for part in parts if part is not None]
    return max(int(part.max()) for part in known if len(part))


def _level(name: str, kind: Kind, stage: str, begins: TimeArray, ends: TimeArray, last: int) -> Series:
    """Return the number of requests in some state over time, one value from each change to the next.

    Args:
        name: name of the quantity.
        kind: what it measures.
        stage: the stage that it is by default; empty for none.
        begins: begin of the state, nanoseconds since the epoch, shape (requests,).
        ends: end of the state, likewise; `NEVER` if it lasts until the log ends.
        last: the end of the log.
    """
    begins, ends = np.sort(begins), np.sort(np.minimum(ends, last))
    times = np.sort(np.concatenate([begins, ends, [last]]))
    changes = times[np.diff(times, prepend=times[0] - 1) > 0]  # np.unique hashes: a hundred times slower
    counts = np.searchsorted(begins, changes[:-1], side="right") - np.searchsorted(ends, changes[:-1], side="right")
    values = counts.astype(np.float64)
    return Series(stage, kind, changes[1:], values, None, name, Measure.SPANS, changes[:-1], is_additive=True)


def _count_problems(columns: RequestColumns, requests: Requests, tally: Tally) -> None:
    """Add the warnings about the requests."""
    for part, word in ((requests.starts, "start"), (requests.finishes, "finish")):
        if part is not None:
            tally.count(ProblemKind.REQUESTS_OPEN, (part == NEVER).sum(), str(len(requests.arrivals)), word)
    if requests.starts is None and requests.finishes is None:
        is_answered = columns.status is not None or columns.access is not None
        tally.note(ProblemKind.ONLY_ENDS if is_answered else ProblemKind.ONLY_ARRIVALS)
    if requests.clock_ns is not None:
        tally.note(ProblemKind.TWO_CLOCKS, printable_name(columns.stamp.name))
