"""The `events` format: one row per request, with its arrival, and its start and finish or lengths of time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from entro_cli.core.files import connect_duckdb
from entro_cli.readers.inputs.log_file import HEAD_BYTES, LogFile, excerpt
from entro_cli.readers.problems import Tally, masked
from entro_cli.readers.quantities import RATE_STAGE, choose_stages, with_owner
from entro_cli.readers.reader import Overlap, Reading, StaleStateError
from entro_cli.readers.requests.columns import looks_like_requests, request_columns
from entro_cli.readers.requests.levels import LastRequests, Requests, request_quantities, request_signals
from entro_cli.readers.requests.names import Role, indices_for
from entro_cli.readers.requests.sample import RequestColumns, RequestSample
from entro_cli.readers.requests.table import check_lengths, fetch_requests, note_order
from entro_cli.readers.tables.bad_rows import check_bad_rows, no_rows
from entro_cli.readers.tables.first_lines import SAMPLE_ROWS, head_text
from entro_cli.readers.tables.relations.csv_table import CsvHeaders
from entro_cli.readers.tables.relations.open_table import first_rows_of, open_table
from entro_cli.readers.tables.relations.table import Table
from entro_cli.readers.tables.schema import printable_name, printable_names
from entro_cli.timeseries.observations import BadRow, Observations, ReadOptions, Series
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError


class RequestState(msgspec.Struct):
    """The state of a table of requests behind some rows.

    Attributes:
        columns: its columns.
        header: the header of a CSV.
        is_settled: whether more rows cannot change the columns.
        rows: the number of requests.
        skipped: the number of rows that could not be read.
        clock_ns: lag of a second clock behind that of the arrivals, nanoseconds; None if there is one clock.
        last: the last requests.
    """

    columns: RequestColumns
    header: bytes
    is_settled: bool
    rows: int
    skipped: int
    clock_ns: int | None
    last: LastRequests | None = None


class EventsReader(CsvHeaders):
    """Reads tables with one row per request."""

    name = "events"
    description = "one row per request: its arrival, and a start, a finish or a duration"
    gives = "requests as a rate (scraper), waiting requests as a queue (llm); in_system and running by name"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log has one row per request, 0..1, from its content."""
        if head_text(log).lstrip().startswith(("[{", "[[")):  # one JSON array
            return 0.0
        try:
            table = first_rows_of(log)
        except EntroError:
            return 0.0
        if not table.sample or not looks_like_requests(table.columns, table.sample):
            return 0.0
        if len(table.sample) == 1 and any(cell.startswith(("[[", "[{")) for cell in table.sample[0]):
            return 0.0  # a document, such as the answer of a store of metrics: its start and end are those of a query
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
        return self.resume(log, options, b"").observations

    def resume(self, log: LogFile, options: ReadOptions, state: bytes, of_events: bool = False) -> Reading:
        """Read the rows that follow others, which may be in the log before.

        Args:
            log: the plain file.
            options: how it is read.
            state: what the rows before left.
            of_events: whether the requests that went on where the rows before ended come first, once more.

        Raises:
            StaleStateError: if the rows before must be read again.
            EntroError: as in `read`.
        """
        known = msgspec.msgpack.decode(state, type=RequestState) if state else None
        if log.begin and not (known and known.is_settled):
            raise StaleStateError("its first rows are not enough to go on", where=log.label)
        before = known if log.begin else None  # requests of another log count there
        header = known.header if known and (before or not self.recognise(log)) else b""
        tally = Tally()
        with connect_duckdb() as connection:
            table = open_table(connection, _with_header(log, header))
            columns = known.columns if known and (before or header) else columns_of(table, options, tally)
            found = fetch_requests(table, columns, options, tally, known.clock_ns if known else None)
        if before is None:
            check_lengths(log.label, columns, found.requests)
            note_order(columns, found.requests, tally)
        kept, again = _last_before(before, of_events)
        whole = kept.followed_by(found.requests) if kept else found.requests
        rows = len(found.requests) - again
        now = RequestState(
            columns,
            before.header if before else header or self.header_of(log),
            _is_settled(table, before, whole, of_events),
            rows + (before.rows if before else 0),
            found.skipped + (before.skipped if before else 0),
            found.clock_ns,
        )
        found = replace(found, bad=shown_rows(found.bad, header.count(b"\n"), options))
        if found.skipped or not now.rows:
            check_rows(table, now.rows, now.skipped, found.bad, options)
        now.last = LastRequests.of(whole, before.last if before else None)
        count_open(whole.unfinished, columns, now.rows, now.clock_ns, tally)
        quantities = request_quantities(whole, has_own_queue=not columns.stamps_are_ends)
        observations = Observations(
            path=log.label,
            format=self.name,
            series=request_stages(whole, quantities, columns, options) if len(found.requests) else (),
            rows_read=rows,
            rows_skipped=found.skipped,
            bad_rows=found.bad,
            zone=found.zone if len(found.requests) else "",
            problems=(*table.problems, *tally.problems),
            columns=tuple(part.column for part in quantities),
        )
        return Reading(observations, msgspec.msgpack.encode(now), _overlap(before, options))


def _with_header(log: LogFile, header: bytes) -> LogFile:
    """Return a part of a log as a table like the whole log: with its header, and recognised by its first rows."""
    part = excerpt(log, 0, log.path.stat().st_size, header) if header else log
    return replace(part, head=log.whole_head) if log.begin and not log.is_parquet else part


def columns_of(table: Table, options: ReadOptions, tally: Tally) -> RequestColumns:
    """Return the columns of a table that nothing is known of."""
    if not table.sample:
        raise no_rows(table)
    columns, notes = request_columns(table.log.label, table.columns, table.sample, options)
    for note in notes:
        tally.note(note.kind, *note.detail)
    missing = [role for role in (Role.START, Role.WAIT) if not columns.has_starts]
    missing += [role for role in (Role.FINISH, Role.DURATION, Role.SERVICE) if not columns.has_finishes]
    late = [name for name in table.late_columns() if any(indices_for(role, [name]) for role in missing)]
    if late:
        tally.note(ProblemKind.LATE_COLUMNS, printable_names(late))
    return columns


def _last_before(before: RequestState | None, of_events: bool) -> tuple[Requests | None, int]:
    """Return the last requests before, and the number of those that are left out, as they come again."""
    if before is None or before.last is None:
        return None, 0
    kept = before.last.unpack()
    return (kept.where(~kept.open), int(kept.open.sum())) if of_events else (kept, 0)


def _is_settled(table: Table, before: RequestState | None, requests: Requests, of_events: bool) -> bool:
    """Return whether no more rows change the columns: these follow from the first rows, and the first part of a file.

    Ends of the first requests may come later; before, there may be no column of them.
    """
    is_whole_sample = len(table.sample) >= SAMPLE_ROWS or table.log.path.stat().st_size >= HEAD_BYTES
    return before is not None or (is_whole_sample and (requests.has_finishes or not of_events))


def shown_rows(bad: Sequence[BadRow], lines_before: int, options: ReadOptions) -> tuple[BadRow, ...]:
    """Return bad rows with their lines in a part that follows a header, and masked if that is asked for."""
    lines = (replace(row, line=row.line - lines_before) if row.line else row for row in bad)
    return tuple(replace(row, text=masked(row.text)) if options.redact else row for row in lines)


def check_rows(table: Table, good: int, skipped: int, bad: Sequence[BadRow], options: ReadOptions) -> None:
    """Check that most rows could be read, or with --strict all."""
    expected, remedy = "one row per request", "the format is probably another, or --time names the wrong column"
    check_bad_rows(table, good, skipped, bad, options, expected=expected, remedy=remedy)


def _overlap(before: RequestState | None, options: ReadOptions) -> Overlap | None:
    """Return what the last requests before gave, if there are any."""
    if before is None or before.last is None:
        return None
    last = before.last.unpack()
    quantities = request_quantities(last, has_own_queue=not before.columns.stamps_are_ends)
    return Overlap(request_stages(last, quantities, before.columns, options), before.last.begin)


def request_stages(
    requests: Requests, quantities: Sequence[Series], columns: RequestColumns, options: ReadOptions
) -> tuple[Series, ...]:
    """Return the stages among the quantities of requests, and their signals."""
    signals = with_owner(request_signals(requests), options, ("requests",), RATE_STAGE)
    found = (*choose_stages(quantities, options), *signals)
    return tuple(replace(one, is_fallback=columns.is_of_server) for one in found)


def count_open(
    unfinished: tuple[int, int], columns: RequestColumns, rows: int, clock_ns: int | None, tally: Tally
) -> None:
    """Add the warnings about requests, of which so many have no start and no finish where the log has those."""
    for number, word in zip(unfinished, ("start", "finish"), strict=True):
        tally.count(ProblemKind.REQUESTS_OPEN, number, str(rows), word)
    if not (columns.has_starts or columns.has_finishes):
        is_answered = columns.status is not None or columns.access is not None
        tally.note(ProblemKind.ONLY_ENDS if is_answered else ProblemKind.ONLY_ARRIVALS)
    if clock_ns is not None:
        tally.note(ProblemKind.TWO_CLOCKS, printable_name(columns.stamp.name))
