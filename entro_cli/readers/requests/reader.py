"""The `events` format: a row a request, when it came, and when it started and finished or how long it took."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC

import duckdb
import numpy as np

from entro_cli.readers.inputs.log_file import HEAD_BYTES, LogFile, excerpt
from entro_cli.readers.problems import Tally, masked
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE, Quantity, choose_stages
from entro_cli.readers.requests.columns import RequestColumns, Role, looks_like_requests, request_columns
from entro_cli.readers.requests.table import CLOCK_COLUMN, NEVER, Requests, fetch_requests
from entro_cli.readers.tables import reader as tables
from entro_cli.readers.tables.bad_rows import check_bad_rows, no_rows
from entro_cli.readers.tables.duckdb_table import connect, head_text, looks_like_json, open_table
from entro_cli.readers.tables.schema import printable_name
from entro_cli.timeseries.observations import Measure, Observations, ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError, Kind

NAME = "events"
DESCRIPTION = "a row a request: an arrival, and a start, a finish or a duration"
GIVES = "requests as a rate (scraper), those that wait as a queue (llm); in_system and running by name"
IN_PARTS = False
"""Who waits tells only who has read from the beginning."""

_CLOCK = re.compile(rf'(?:# |\{{")({re.escape(CLOCK_COLUMN)})(?:": | )(-?\d{{1,18}})\}}?\s*$', re.MULTILINE | re.ASCII)


def recognise(log: LogFile) -> float:
    """How sure it is that a log has a row a request, 0..1, from its content."""
    if head_text(log).lstrip().startswith(("[{", "[[")):  # JSON, but not a row a line
        return 0.0
    try:
        with connect(log.spool.parent) as connection:
            table = open_table(connection, log)
    except (EntroError, duckdb.Error):
        return 0.0
    return 0.95 if table.sample and looks_like_requests(table.columns, table.sample) else 0.0


def header_of(log: LogFile) -> bytes:
    """What stands before the rows, and is needed to read any of them; see `table`."""
    return tables.header_of(log)


def accepts_header(log: LogFile, header: bytes) -> bool:
    """Whether a log without a header of its own goes on under another's; see `table`."""
    return tables.accepts_header(log, header)


def checkpoint(log: LogFile) -> bytes:
    """What makes the log that goes on where this one ends read as if both were one.

    Args:
        log: the plain file.

    Returns:
        How far a second clock is behind that of the arrivals, the header of a CSV, and the unfinished last line.
    """
    if log.is_parquet:
        return b""
    clock = _clock_line(log)
    header = b"".join(line for line in header_of(log).splitlines(keepends=True) if not _CLOCK.match(_text(line)))
    return clock + header + _unfinished(log)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").strip()


def _unfinished(log: LogFile) -> bytes:
    """The last line, where it has no end."""
    with log.path.open("rb") as file:
        end = file.seek(0, 2)
        tail = b""
        while end and b"\n" not in tail:
            begin = max(end - HEAD_BYTES, 0)
            file.seek(begin)
            tail, end = file.read(end - begin) + tail, begin
    return tail[tail.rfind(b"\n") + 1 :]


def _clock_line(log: LogFile) -> bytes:
    """The line that tells how far the second clock of a log is behind the first; nothing where there is one clock."""
    told = _recorded_clock_ns(log)
    if told is None:
        with connect(log.spool.parent) as connection:
            table = open_table(connection, excerpt(log, 0, HEAD_BYTES))
            plain = ReadOptions(UTC, zone_given=True)
            try:
                columns = request_columns(log.label, table.columns, table.sample, plain)
                told = fetch_requests(connection, table, columns, plain, Tally()).clock_ns
            except EntroError:
                return b""
    if told is None:
        return b""
    line = json.dumps({CLOCK_COLUMN: told}) if looks_like_json(head_text(log)) else f"# {CLOCK_COLUMN} {told}"
    return line.encode() + b"\n"


def _recorded_clock_ns(log: LogFile) -> int | None:
    """The same, nanoseconds, as `checkpoint` wrote it before a log."""
    found = _CLOCK.match(head_text(log))
    return int(found[2]) if found else None


def read(log: LogFile, options: ReadOptions) -> Observations:
    """The observations in a table of requests.

    Args:
        log: the plain file.
        options: what the user said.

    Raises:
        EntroError: when it has no rows, no plain arrival, mixes stamps with and without a zone, or most of its rows
            cannot be read.
    """
    with connect(log.spool.parent) as connection:
        table = open_table(connection, log)
        if not table.sample:
            raise no_rows(table)
        tally = Tally()
        columns = request_columns(log.label, table.columns, table.sample, options)
        requests = fetch_requests(connection, table, columns, options, tally, _recorded_clock_ns(log))
    if options.redact:
        requests = replace(requests, bad=tuple(replace(row, text=masked(row.text)) for row in requests.bad))
    check_bad_rows(
        table,
        len(requests.arrivals),
        requests.skipped,
        requests.bad,
        options,
        expected="a row a request",
        remedy="the format is probably another, or --time names the wrong column",
    )
    _count_problems(columns, requests, tally)
    quantities = request_quantities(requests)
    return Observations(
        path=log.label,
        format=NAME,
        series=choose_stages(quantities, options),
        rows_read=len(requests.arrivals),
        rows_skipped=requests.skipped,
        bad_rows=requests.bad,
        zone=requests.zone,
        problems=(*table.problems, *columns.notes, *tally.problems),
        columns=tuple(part.name for part in quantities),
    )


def request_quantities(requests: Requests) -> tuple[Quantity, ...]:
    """What requests tell: `requests`, and of `waiting`, `in_system` and `running` what their stamps allow.

    Where no request says when it started, those not finished are the queue.

    Args:
        requests: at least one.
    """
    last = _last_ns(requests)
    times, counts = np.unique(requests.arrivals, return_counts=True)
    if last > times[-1]:  # nobody came any more up to there
        times, counts = np.append(times, last), np.append(counts, 0)
    arrivals = Quantity(
        "requests", Kind.RATE, times, counts.astype(np.float64), RATE_STAGE, Measure.EVENTS, is_additive=True
    )
    never = np.full(len(requests.arrivals), NEVER)
    starts, finishes = (never if part is None else part for part in (requests.starts, requests.finishes))
    found = [arrivals]
    if requests.starts is not None:
        begins, ends = requests.queued, np.minimum(starts, finishes)
        found.append(_level("waiting", Kind.QUEUE, QUEUE_STAGE, begins, ends, last))
    if requests.finishes is not None:
        stage = "" if requests.starts is not None else QUEUE_STAGE
        found.append(_level("in_system", Kind.QUEUE, stage, requests.queued, finishes, last))
    if requests.starts is not None and requests.finishes is not None:
        ran = starts != NEVER
        if ran.any():
            found.append(_level("running", Kind.GENERIC, "", starts[ran], finishes[ran], last))
    return tuple(found)


def _last_ns(requests: Requests) -> int:
    """The last moment that a log of requests tells of."""
    parts = [requests.arrivals, requests.queued, requests.starts, requests.finishes]
    known = [part[part != NEVER] for part in parts if part is not None]
    return max(int(part.max()) for part in known if len(part))


def _level(name: str, kind: Kind, stage: str, begins: TimeArray, ends: TimeArray, last: int) -> Quantity:
    """How many of some spans of time there are at each moment: one value from each change to the next.

    Args:
        name: what it is called.
        kind: what it measures.
        stage: the stage it is; empty for none.
        begins: nanoseconds since the epoch, shape (requests,).
        ends: likewise; `NEVER` for what goes on up to `last`.
        last: the end of the log.
    """
    came, gone = np.sort(begins), np.sort(np.minimum(ends, last))
    moments = np.sort(np.concatenate([came, gone, [last]]))
    changes = moments[np.diff(moments, prepend=moments[0] - 1) > 0]  # np.unique hashes: a hundred times slower
    counts = np.searchsorted(came, changes[:-1], side="right") - np.searchsorted(gone, changes[:-1], side="right")
    values = counts.astype(np.float64)
    return Quantity(name, kind, changes[1:], values, stage, Measure.SPANS, changes[:-1], is_additive=True)


def _count_problems(columns: RequestColumns, requests: Requests, tally: Tally) -> None:
    """Count what is out of the ordinary about the requests."""
    for part, word in ((requests.starts, "start"), (requests.finishes, "finish")):
        if part is not None:
            tally.count(ProblemKind.REQUESTS_OPEN, (part == NEVER).sum(), str(len(requests.arrivals)), word)
    if requests.starts is None and requests.finishes is None:
        tally.note(ProblemKind.ONLY_ARRIVALS)
    if requests.clock_ns is not None:
        tally.note(ProblemKind.TWO_CLOCKS, printable_name(columns.by_role[Role.ARRIVAL].name))
