"""A log read whole, or from some lines before what is new in it: what it gives, and what is to be known of it then."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace

from entro_cli.core.clock import moment
from entro_cli.history.ingest.fingerprint import UnreadRange, fingerprint, unread_range
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
    """How logs are read on.

    Attributes:
        reading: what their readers are told.
        options: the same as the user wrote it.
        again: read them from their beginning, whatever was read of them before.
        grid: where a step begins and how long it is, nanoseconds; None while the step is not fixed.
    """

    reading: ReadOptions
    options: LoadOptions
    again: bool
    grid: tuple[int, int] | None


@dataclass(frozen=True)
class LogUpdate:
    """What was read of a log that holds something new.

    Attributes:
        log: what is known of it now, its series and edges aside.
        observations: of its whole lines: from its beginning, or from some lines before what is new.
        unfinished: of its last line, which has no end yet; None without one, or where nothing can be made of it.
        begins: whether it was read from its beginning.
        before: what was known of it; None when it is new.
        again: what of it was read before, of lines that are read again; None where none are.
        bad_rows: the first few new rows that could not be read.
        rows: how many new rows were understood.
        skipped: how many were not.
    """

    log: LogState
    observations: Observations
    unfinished: Observations | None
    begins: bool
    before: LogState | None
    again: Observations | None
    bad_rows: tuple[BadRow, ...]
    rows: int
    skipped: int


def read_tail(log: LogFile, part: UnreadRange, before: LogState, head: bytes, how: ReadContext) -> LogUpdate | None:
    """A log from a line in it on; None where that is too late to tell all that is new."""
    observations = _read_log(excerpt(log, part.begin, part.end, head), how, before.format)
    again = _lenient(log, part.begin, before.offset, head, before.format, how)
    whole_from = _whole_from(again, how.grid or (0, 1))
    changed = [int(part.unpack().times[0]) for part in before.unfinished]  # it may have become another
    changed += filter(None, [first_new_ns(observations, again)])
    if _begins_in_doubt(observations, how.reading) or min(changed, default=math.inf) < whole_from:
        return None  # late rows, or a step that is longer than the part
    observations, again = (replace(one, series=since(whole_from, one.series)) for one in (observations, again))
    problems = new_problems(observations.problems, again.problems)
    seen = _seen(log, part, observations)
    seen.rows_read += before.rows_read - again.rows_read
    seen.rows_skipped += before.rows_skipped - again.rows_skipped
    seen.store_problems(all_problems(before.known_problems(), problems))
    rows = bad_rows_in_file(log, observations.bad_rows, part.begin, head)
    new = replace(observations, problems=problems, bad_rows=rows)
    return replace(_found(log, part, new, seen, before, how), again=again)


def read_whole(log: LogFile, before: LogState | None, carried: Carried, how: ReadContext) -> LogUpdate:
    """A log from its beginning."""
    in_parts = reads_in_parts(carried.format or "")
    part = unread_range(log.path, None, 0, lines=in_parts and not log.is_parquet)
    observations = _whole_lines(log, part, carried, how)
    seen = _seen(log, part, observations)
    if not in_parts:
        _carry_on(seen, log, part, carried, observations, how)
    if before is None or how.again:
        return replace(_found(log, part, observations, seen, None, how), before=before)
    problems = new_problems(observations.problems, before.known_problems())
    found = _found(log, part, replace(observations, problems=problems), seen, before, how)
    return replace(found, again=_read_before(log, before, carried, how))


def _carry_on(
    seen: LogState, log: LogFile, part: UnreadRange, carried: Carried, observations: Observations, how: ReadContext
) -> None:
    """Note what a log goes on from, and what it leaves to one that goes on from it."""
    back = {path: -shift for path, shift in clock_shifts(how.options).items()}
    seen.carried, seen.carried_ends = carried.text, dict(carried.ends)
    seen.carry = checkpoint(excerpt(log, 0, part.end, carried.text), observations.format)
    seen.ends = {stage: (time, 0.0) for stage, (time, _) in ends_of(shift_clock(observations, back).series, {}).items()}
    seen.ends = {**carried.ends, **seen.ends}


def _read_before(log: LogFile, before: LogState, carried: Carried, how: ReadContext) -> Observations | None:
    """What a log gave when it was last read, if anything can be made of it."""
    lenient = replace(how.reading, strict=False)
    try:
        return shift_clock(read_behind(log, 0, before.offset, carried, lenient), clock_shifts(how.options))
    except EntroError:
        return None


def _begins_in_doubt(observations: Observations, read: ReadOptions) -> bool:
    """Whether a part of a log begins in an hour that the clock shows twice: only what is before it tells which."""
    first = min((int(series.times[0]) for series in observations.series), default=0)
    shown = moment(first, read.zone)
    return shown.utcoffset() != shown.replace(fold=1 - shown.fold).utcoffset()


def _whole_from(again: Observations, grid: tuple[int, int]) -> float:
    """Where the first step begins that a part of a log has whole, nanoseconds since the epoch; infinite without any."""
    origin, step = grid
    middle = whole_from_ns(again)
    return math.inf if middle is None else origin - (origin - middle) // step * step


def _whole_lines(log: LogFile, part: UnreadRange, carried: Carried, how: ReadContext) -> Observations:
    """The observations in the whole lines of a log, which may grow meanwhile."""
    if part.end == part.size and not carried.text:
        observations = _read_log(log, how, carried.format)
        if log.path.stat().st_size == part.size:
            return observations
    try:
        return shift_clock(read_behind(log, 0, part.end, carried, how.reading), clock_shifts(how.options))
    except EmptyLogError:  # it may have but a first row that has no end yet
        with suppress(EntroError):
            found = _lenient(log, 0, part.size, b"", carried.format, how)
            return replace(found, series=(), rows_read=0, rows_skipped=0, bad_rows=())
        raise


def _read_log(log: LogFile, how: ReadContext, reader: str | None) -> Observations:
    """The observations in a log, its clock moved as the user said."""
    return shift_clock(read_log(log, how.reading, reader), clock_shifts(how.options))


def _lenient(log: LogFile, begin: int, end: int, head: bytes, reader: str | None, how: ReadContext) -> Observations:
    """The observations in a part of a log, bad rows or not."""
    return _read_log(excerpt(log, begin, end, head), replace(how, reading=replace(how.reading, strict=False)), reader)


def _seen(log: LogFile, part: UnreadRange, observations: Observations) -> LogState:
    """What is to be known of a log from now on, as far as what was read tells; the caller says where it is."""
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
    how: ReadContext,
) -> LogUpdate:
    """What was read, its new rows counted."""
    skipped = seen.rows_skipped - (before.rows_skipped if before else 0)
    return LogUpdate(
        log=seen,
        observations=observations,
        unfinished=_last_line(log, part, observations, before, how) if part.end < part.size else None,
        begins=part.begin == 0,
        before=before,
        again=None,
        bad_rows=_new_bad_rows(log, part, observations, before, how) if skipped > 0 else (),
        rows=max(seen.rows_read - (before.rows_read if before else 0), 0),
        skipped=max(skipped, 0),
    )


def _new_bad_rows(
    log: LogFile, part: UnreadRange, observations: Observations, before: LogState | None, how: ReadContext
) -> tuple[BadRow, ...]:
    """The first few bad rows that were not told of before, with their lines in the whole log."""
    if before is None or log.is_parquet:
        return observations.bad_rows
    if not reads_in_parts(before.format):
        return behind(log, observations.bad_rows, before.offset)
    head = header_of(log, before.format)
    try:
        new = _lenient(log, before.offset, part.end, head, before.format, how)
    except EntroError:  # there is hardly a good row among what is new
        return behind(log, observations.bad_rows, before.offset)
    return bad_rows_in_file(log, new.bad_rows, before.offset, head)


def _last_line(
    log: LogFile, part: UnreadRange, whole: Observations, before: LogState | None, how: ReadContext
) -> Observations | None:
    """What a line without an end gives, if anything can be made of it.

    It may be cut within its time or its stage's name, so that it counts only where it goes on from the whole lines.
    """
    try:
        found = _lenient(log, part.end, part.size, header_of(log, whole.format), whole.format, how)
    except EntroError:
        return None
    if not whole.rows_read and before is None:
        return found
    last = {one.stage: one.last for one in (before.series if before else ())}
    last |= {one.stage: int(one.times[-1]) for one in whole.series}
    on = (one for one in found.series if one.stage in last and int(one.times[0]) >= last[one.stage])
    return replace(found, series=tuple(on)) if found.zone in (whole.zone, "as written") else None
