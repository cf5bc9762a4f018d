"""Reading of a log as a whole, or from some lines before what is new in it, with its new state."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace

from entro_cli.core.clock import moment
from entro_cli.history.ingest.match_known_logs import UnreadRange, fingerprint, unread_range
from entro_cli.history.ingest.new_rows import (
    all_problems,
    bad_rows_in_file,
    behind,
    first_new_ns,
    new_problems,
    whole_from_ns,
)
from entro_cli.history.ingest.overlap import since
from entro_cli.history.state import LogState
from entro_cli.readers.continuation import ends_of
from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile, excerpt
from entro_cli.readers.options import LoadOptions, clock_shifts, shift_clock
from entro_cli.readers.read_continued import Carried, read_behind
from entro_cli.readers.registry import checkpoint, header_of, read_log, reads_in_parts
from entro_cli.timeseries.observations import BadRow, Observations, ReadOptions
from entro_engine import EntroError


@dataclass(frozen=True)
class ReadContext:
    """Context of reading logs.

    Attributes:
        read_options: the options of the readers.
        load_options: the same as the user wrote them.
        again: read logs from their beginning, whatever was read of them before.
        grid: the origin of the grid and the length of a step, nanoseconds; None while the step is not fixed.
    """

    read_options: ReadOptions
    load_options: LoadOptions
    again: bool
    grid: tuple[int, int] | None


@dataclass(frozen=True)
class LogUpdate:
    """The content that was read of a log with something new in it.

    Attributes:
        log: its new state, without its series and edges.
        observations: of its whole lines: from its beginning, or from some lines before what is new.
        unfinished: of its last line, which has no end yet; None if there is none, or it cannot be read.
        begins: whether it was read from its beginning.
        before: its state before; None for a new log.
        reread: of lines that were read before and are read again; None if there are none.
        bad_rows: the first few new rows that cannot be read.
        rows: the number of new rows that were read.
        skipped: the number of new rows that were not.
    """

    log: LogState
    observations: Observations
    unfinished: Observations | None
    begins: bool
    before: LogState | None
    reread: Observations | None
    bad_rows: tuple[BadRow, ...]
    rows: int
    skipped: int


def read_tail(log: LogFile, part: UnreadRange, before: LogState, head: bytes, context: ReadContext) -> LogUpdate | None:
    """Read a log from one of its lines on; return None if that is too late to find all that is new."""
    observations = _read_log(excerpt(log, part.begin, part.end, head), context, before.format)
    reread = _lenient(log, part.begin, before.offset, head, before.format, context)
    whole_from = _whole_from(reread, context.grid or (0, 1))
    changed = [int(part.unpack().times[0]) for part in before.unfinished]  # it may have become another
    changed += filter(None, [first_new_ns(observations, reread)])
    if _begins_in_doubt(observations, context.read_options) or min(changed, default=math.inf) < whole_from:
        return None  # late rows, or a step that is longer than the part
    observations, reread = (replace(one, series=since(whole_from, one.series)) for one in (observations, reread))
    problems = new_problems(observations.problems, reread.problems)
    seen = _seen(log, part, observations)
    seen.rows_read += before.rows_read - reread.rows_read
    seen.rows_skipped += before.rows_skipped - reread.rows_skipped
    seen.store_problems(all_problems(before.known_problems(), problems))
    rows = bad_rows_in_file(log, observations.bad_rows, part.begin, head)
    new = replace(observations, problems=problems, bad_rows=rows)
    return replace(_found(log, part, new, seen, before, context), reread=reread)


def read_whole(log: LogFile, before: LogState | None, carried: Carried, context: ReadContext) -> LogUpdate:
    """Read a log from its beginning."""
    in_parts = reads_in_parts(carried.format or "")
    part = unread_range(log.path, None, 0, lines=in_parts and not log.is_parquet)
    observations = _whole_lines(log, part, carried, context)
    seen = _seen(log, part, observations)
    if not in_parts:
        _carry_on(seen, log, part, carried, observations, context)
    if before is None or context.again:
        return replace(_found(log, part, observations, seen, None, context), before=before)
    problems = new_problems(observations.problems, before.known_problems())
    found = _found(log, part, replace(observations, problems=problems), seen, before, context)
    return replace(found, reread=_read_before(log, before, carried, context))


def _carry_on(
    seen: LogState, log: LogFile, part: UnreadRange, carried: Carried, observations: Observations, context: ReadContext
) -> None:
    """Put into the state of a log what its predecessor left for it, and what it leaves for its successor."""
    back = {path: -shift for path, shift in clock_shifts(context.load_options).items()}
    seen.carried, seen.carried_ends = carried.text, dict(carried.ends)
    seen.carry = checkpoint(excerpt(log, 0, part.end, carried.text), observations.format)
    seen.ends = {stage: (time, 0.0) for stage, (time, _) in ends_of(shift_clock(observations, back).series, {}).items()}
    seen.ends = {**carried.ends, **seen.ends}


def _read_before(log: LogFile, before: LogState, carried: Carried, context: ReadContext) -> Observations | None:
    """Read a log up to the resume position again; return None if that part cannot be read."""
    lenient = replace(context.read_options, strict=False)
    try:
        return shift_clock(read_behind(log, 0, before.offset, carried, lenient), clock_shifts(context.load_options))
    except EntroError:
        return None


def _begins_in_doubt(observations: Observations, read: ReadOptions) -> bool:
    """Report whether a part of a log begins in an hour that the clock shows twice: only earlier lines show which."""
    first = min((int(series.times[0]) for series in observations.series), default=0)
    shown = moment(first, read.zone)
    return shown.utcoffset() != shown.replace(fold=1 - shown.fold).utcoffset()


def _whole_from(reread: Observations, grid: tuple[int, int]) -> float:
    """Return the beginning of the first step that a part has whole, nanoseconds since the epoch; infinite for none."""
    origin, step = grid
    middle = whole_from_ns(reread)
    return math.inf if middle is None else origin - (origin - middle) // step * step


def _whole_lines(log: LogFile, part: UnreadRange, carried: Carried, context: ReadContext) -> Observations:
    """Read the whole lines of a log, which may grow meanwhile."""
    if part.end == part.size and not carried.text:
        observations = _read_log(log, context, carried.format)
        if log.path.stat().st_size == part.size:
            return observations
    try:
        return shift_clock(
            read_behind(log, 0, part.end, carried, context.read_options), clock_shifts(context.load_options)
        )
    except EmptyLogError:  # it may have but a first row that has no end yet
        with suppress(EntroError):
            found = _lenient(log, 0, part.size, b"", carried.format, context)
            return replace(found, series=(), rows_read=0, rows_skipped=0, bad_rows=())
        raise


def _read_log(log: LogFile, context: ReadContext, reader: str | None) -> Observations:
    """Read a log, with the shift of its clock."""
    return shift_clock(read_log(log, context.read_options, reader), clock_shifts(context.load_options))


def _lenient(log: LogFile, begin: int, end: int, head: bytes, reader: str | None, context: ReadContext) -> Observations:
    """Read a part of a log, without an error for bad rows."""
    return _read_log(
        excerpt(log, begin, end, head),
        replace(context, read_options=replace(context.read_options, strict=False)),
        reader,
    )


def _seen(log: LogFile, part: UnreadRange, observations: Observations) -> LogState:
    """Return the new state of a log, without its place and options, which the caller sets."""
    is_bare = not observations.rows_read + observations.rows_skipped
    head, head_bytes, tail = fingerprint(log.path, part.end, part.size if is_bare else part.end)
    seen = LogState(
        path=log.label,
        place="",
        head=head,
        head_bytes=head_bytes,
        offset=part.end,
        tail=tail,
        options="",
        header=header_of(log, observations.format),
        format=observations.format,
        rows_read=observations.rows_read,
        rows_skipped=observations.rows_skipped,
        zone=observations.zone,
    )
    seen.store_problems(observations.problems)
    return seen


def _found(
    log: LogFile,
    part: UnreadRange,
    observations: Observations,
    seen: LogState,
    before: LogState | None,
    context: ReadContext,
) -> LogUpdate:
    """Return what was read, with the number of its new rows."""
    skipped = seen.rows_skipped - (before.rows_skipped if before else 0)
    return LogUpdate(
        log=seen,
        observations=observations,
        unfinished=_last_line(log, part, observations, before, context) if part.end < part.size else None,
        begins=part.begin == 0,
        before=before,
        reread=None,
        bad_rows=_new_bad_rows(log, part, observations, before, context) if skipped > 0 else (),
        rows=max(seen.rows_read - (before.rows_read if before else 0), 0),
        skipped=max(skipped, 0),
    )


def _new_bad_rows(
    log: LogFile, part: UnreadRange, observations: Observations, before: LogState | None, context: ReadContext
) -> tuple[BadRow, ...]:
    """Return the first few bad rows that were not reported before, with their lines in the whole log."""
    if before is None or log.is_parquet:
        return observations.bad_rows
    if not reads_in_parts(before.format):
        return behind(log, observations.bad_rows, before.offset)
    head = header_of(log, before.format)
    try:
        new = _lenient(log, before.offset, part.end, head, before.format, context)
    except EntroError:  # there is hardly a good row among what is new
        return behind(log, observations.bad_rows, before.offset)
    return bad_rows_in_file(log, new.bad_rows, before.offset, head)


def _last_line(
    log: LogFile, part: UnreadRange, whole: Observations, before: LogState | None, context: ReadContext
) -> Observations | None:
    """Read a last line without an end; return None if it cannot be read.

    It may be cut within its time or its stage's name, so that it counts only where it goes on from the whole lines.
    """
    try:
        found = _lenient(log, part.end, part.size, header_of(log, whole.format), whole.format, context)
    except EntroError:
        return None
    if not whole.rows_read and before is None:
        return found
    last = {one.stage: one.last for one in (before.series if before else ())}
    last |= {one.stage: int(one.times[-1]) for one in whole.series}
    on = (one for one in found.series if one.stage in last and int(one.times[0]) >= last[one.stage])
    return replace(found, series=tuple(on)) if found.zone in (whole.zone, "as written") else None
