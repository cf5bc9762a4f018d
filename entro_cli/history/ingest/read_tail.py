"""Reading of a log as a whole, or from some lines before what is new in it, with its new state."""

from __future__ import annotations

import math
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.core.clock import moment
from entro_cli.history.ingest.long_logs import read_long_log
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
from entro_cli.history.state import LogState, PackedSamples
from entro_cli.readers.continuation import Checkpoint, beyond
from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile, excerpt
from entro_cli.readers.options import LoadOptions, clock_shifts, shift_clock
from entro_cli.readers.read_on import read_on
from entro_cli.readers.reader import StaleStateError
from entro_cli.readers.registry import header_of, is_resumable, read_log, reads_in_parts
from entro_cli.timeseries.observations import BadRow, Idle, Observations, ReadOptions
from entro_engine import EntroError


class ReadContext(Struct, frozen=True):
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


class LogUpdate(Struct, frozen=True):
    """The content that was read of a log with something new in it.

    Attributes:
        log: its new state, without its series and edges.
        observations: of its whole lines: from its beginning, or from some lines before what is new.
        unfinished: of its last line, which has no end yet; None if there is none, or it cannot be read.
        begins: whether it was read from its beginning.
        before: its state before; None for a new log.
        continues: whether it was read from its checkpoint, so that the observations are only of new lines.
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
    continues: bool = False


def read_tail(log: LogFile, part: UnreadRange, before: LogState, head: bytes, context: ReadContext) -> LogUpdate | None:
    """Read a log from one of its lines on; return None if that is too late to find all that is new."""
    observations = _read_log(excerpt(log, part.begin, part.end, head), context, before.format)
    reread = _lenient(log, part.begin, before.offset, head, before.format, context)
    both = _from_whole_steps(observations, reread, whole_from_ns(reread), before, context)
    if both is None:
        return None
    observations, reread = both
    problems = new_problems(observations.problems, reread.problems)
    seen = _seen(log, part, observations)
    seen.rows_read += before.rows_read - reread.rows_read
    seen.rows_skipped += before.rows_skipped - reread.rows_skipped
    seen.store_problems(all_problems(before.known_problems(), problems))
    rows = bad_rows_in_file(log, observations.bad_rows, part.begin, head)
    new = replace(observations, problems=problems, bad_rows=rows)
    return replace(_found(log, part, new, seen, before, context), reread=reread)


def read_new(log: LogFile, before: LogState, context: ReadContext) -> LogUpdate | None:
    """Read the new lines of a log behind its checkpoint.

    Return None if they change what was given before it: its samples, or the zone of its clock.
    """
    whole = unread_range(log.path, None, 0, lines=True)
    if before.checkpoint is None or whole.size < before.offset:  # shorter: it was truncated meanwhile
        return None
    part = replace(whole, begin=before.offset, end=max(whole.end, before.offset))
    behind_last = replace(before.checkpoint, unfinished=b"")
    try:
        found, checkpoint, overlap = read_on(log, part.begin, part.end, behind_last, context.read_options)
    except StaleStateError:
        return None
    except EmptyLogError:  # only the last line, which has no end, is new
        nothing = Observations(log.label, before.format, (), 0, zone=before.zone)
        found, checkpoint, overlap = nothing, behind_last, None
    shifts = clock_shifts(context.load_options)
    observations, reread = shift_clock(found, shifts), None
    if observations.zone not in ("", before.zone):  # it has none without a time
        return None
    if overlap is not None:
        parts = (replace(found, series=since(overlap.begin, series)) for series in (found.series, overlap.series))
        observations, earlier = (shift_clock(one, shifts) for one in parts)
        begin = min((series.first_ns for series in earlier.series), default=None)
        both = _from_whole_steps(observations, earlier, begin, before, context) if observations.series else ()
        if both is None:
            return None
        observations, reread = both or (observations, None)
    elif _is_late(observations, before, context.grid or (0, 1)) or _ends_idle(observations, before, context):
        return None
    else:  # between the last span before and the first one now
        known = {one.stage for one in before.series}
        series = (
            replace(one, idle=one.idle | Idle.BEFORE) if Idle.BETWEEN & one.idle and one.stage in known else one
            for one in observations.series
        )
        observations = replace(observations, series=tuple(series))
    seen = _seen(log, part, observations, checkpoint)
    seen.after, seen.zone = before.after, before.zone
    seen.rows_read += before.rows_read
    seen.rows_skipped += before.rows_skipped
    seen.store_problems(all_problems(before.known_problems(), observations.problems))
    update = _found(log, part, observations, seen, before, context)
    return replace(update, continues=reread is None, reread=reread)


def _from_whole_steps(
    observations: Observations, reread: Observations, begin: int | None, before: LogState, context: ReadContext
) -> tuple[Observations, Observations] | None:
    """Return what was read from the first step on that it has whole; None if it changes an earlier one.

    Args:
        observations: of a part of a log.
        reread: the same without what is new.
        begin: the time from which on both have all samples, nanoseconds since the epoch; None without any.
        before: the state of the log before.
        context: how it is read.
    """
    origin, step = context.grid or (0, 1)
    whole_from = math.inf if begin is None else origin - (origin - begin) // step * step
    changed = [int(part.unpack().times[0]) for part in before.unfinished]  # it may have become another
    changed += filter(None, [first_new_ns(observations, reread)])
    if _begins_in_doubt(observations, context.read_options) or min(changed, default=math.inf) < whole_from:
        return None  # late rows, or a step that is longer than the part
    parts = [replace(one, series=since(whole_from, one.series)) for one in (observations, reread)]
    return parts[0], parts[1]


def _is_late(observations: Observations, before: LogState, grid: tuple[int, int]) -> bool:
    """Return whether a sample is of an earlier step than the last one that was read before, or a span overlaps it."""
    origin, step = grid
    last = {one.stage: one.last for one in before.series}
    return any(
        one.first_ns
        < (last[one.stage] if one.begins is not None else last[one.stage] - (last[one.stage] - origin) % step)
        for one in observations.series
        if one.stage in last
    )


def _ends_idle(observations: Observations, before: LogState, context: ReadContext) -> bool:
    """Return whether new spans show that the last step read before them ended idle, which was not known then."""
    origin, step = context.grid or (0, 1)
    ends = {one.stage: one.times[-1] for one in map(PackedSamples.unpack, before.edges) if not one.idle & Idle.AFTER}
    return any(
        (one.first_ns - origin) // step > (ends[one.stage] - 1 - origin) // step and (ends[one.stage] - origin) % step
        for one in observations.series
        if one.idle & Idle.BETWEEN and one.stage in ends
    )


def read_whole(log: LogFile, before: LogState | None, after: Checkpoint, context: ReadContext) -> LogUpdate:
    """Read a log from its beginning."""
    is_of_lines = is_resumable(after.format, context.read_options.formats) and not log.is_document
    in_lines = is_of_lines or reads_in_parts(after.format, context.read_options.formats)
    part = unread_range(log.path, None, 0, lines=in_lines and not log.is_parquet)
    observations, checkpoint = _whole_lines(log, part, after, context)
    seen = _seen(log, part, observations, checkpoint)
    seen.after = after if checkpoint and after.state else None
    if before is None or context.again:
        return replace(_found(log, part, observations, seen, None, context), before=before)
    problems = new_problems(observations.problems, before.known_problems())
    found = _found(log, part, replace(observations, problems=problems), seen, before, context)
    return replace(found, reread=_read_before(log, before, after, context))


def _read_before(log: LogFile, before: LogState, after: Checkpoint, context: ReadContext) -> Observations | None:
    """Read a log up to the resume position again; return None if that part cannot be read."""
    lenient = replace(context, read_options=replace(context.read_options, strict=False))
    try:
        return _read_behind(log, before.offset, after, lenient)[0]
    except EntroError:
        return None


def _read_behind(log: LogFile, end: int, after: Checkpoint, context: ReadContext) -> tuple[Observations, Checkpoint]:
    """Read a log up to a place, behind its predecessor."""
    found, checkpoint, _ = read_on(log, 0, end, after, context.read_options)
    later = replace(found, series=beyond(found.series, after.ends))
    return shift_clock(later, clock_shifts(context.load_options)), checkpoint


def _begins_in_doubt(observations: Observations, read: ReadOptions) -> bool:
    """Report whether a part of a log begins in an hour that the clock shows twice: only earlier lines show which."""
    first = min((int(series.times[0]) for series in observations.series), default=0)
    shown = moment(first, read.zone)
    return shown.utcoffset() != shown.replace(fold=1 - shown.fold).utcoffset()


def _whole_lines(
    log: LogFile, part: UnreadRange, after: Checkpoint, context: ReadContext
) -> tuple[Observations, Checkpoint | None]:
    """Read the whole lines of a log, which may grow meanwhile; without a checkpoint if its format needs none."""
    try:
        if not reads_in_parts(after.format, context.read_options.formats):
            return _read_behind(log, part.end, after, context)
        if part.end == part.size:
            observations = _read_log(log, context, after.format)
            if log.path.stat().st_size == part.size:
                return observations, None
        return _read_log(excerpt(log, 0, part.end), context, after.format), None
    except EmptyLogError:  # it may have but a first row that has no end yet
        with suppress(EntroError):
            found = _lenient(log, 0, part.size, b"", after.format, context)
            return replace(found, series=(), rows_read=0, rows_skipped=0, bad_rows=()), None
        raise


def _read_log(log: LogFile, context: ReadContext, reader: str | None) -> Observations:
    """Read a log, with the shift of its clock."""
    found = read_long_log(log, context.read_options, reader) or read_log(log, context.read_options, reader)
    return shift_clock(found, clock_shifts(context.load_options))


def _lenient(log: LogFile, begin: int, end: int, head: bytes, reader: str | None, context: ReadContext) -> Observations:
    """Read a part of a log, without an error for bad rows."""
    return _read_log(
        excerpt(log, begin, end, head),
        replace(context, read_options=replace(context.read_options, strict=False)),
        reader,
    )


def _seen(
    log: LogFile, part: UnreadRange, observations: Observations, checkpoint: Checkpoint | None = None
) -> LogState:
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
        checkpoint=checkpoint and _with_unfinished(checkpoint, log, part),
    )
    seen.store_problems(observations.problems)
    return seen


def _with_unfinished(checkpoint: Checkpoint, log: LogFile, part: UnreadRange) -> Checkpoint:
    """Return a checkpoint with the last line of its log, if that has no end, and without the values at its ends."""
    with log.path.open("rb") as file:
        file.seek(part.end)
        unfinished = file.read(part.size - part.end)
    ends = {stage: (time, 0.0) for stage, (time, _) in checkpoint.ends.items()}
    return replace(checkpoint, unfinished=unfinished, ends=ends)


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
        unfinished=_last_line(log, part, observations, seen, before, context) if part.end < part.size else None,
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
    if not reads_in_parts(before.format, context.read_options.formats):
        return behind(log, observations.bad_rows, before.offset)
    head = header_of(log, before.format)
    try:
        new = _lenient(log, before.offset, part.end, head, before.format, context)
    except EntroError:  # there is hardly a good row among what is new
        return behind(log, observations.bad_rows, before.offset)
    return bad_rows_in_file(log, new.bad_rows, before.offset, head)


def _last_line(
    log: LogFile, part: UnreadRange, whole: Observations, seen: LogState, before: LogState | None, context: ReadContext
) -> Observations | None:
    """Read a last line without an end; return None if it cannot be read.

    It may be cut within its time or its stage's name, so that it counts only where it goes on from the whole lines.
    """
    try:
        if seen.checkpoint is not None:
            lenient = replace(context.read_options, strict=False)
            behind_last = replace(seen.checkpoint, unfinished=b"")
            found = shift_clock(
                read_on(log, part.end, part.size, behind_last, lenient)[0], clock_shifts(context.load_options)
            )
        else:
            found = _lenient(log, part.end, part.size, header_of(log, whole.format), whole.format, context)
    except EntroError:
        return None
    if not whole.rows_read and before is None:
        return found
    last = {one.stage: one.last for one in (before.series if before else ())}
    last |= {one.stage: int(one.times[-1]) for one in whole.series}
    on = (one for one in found.series if one.stage in last and one.first_ns >= last[one.stage])
    return replace(found, series=tuple(on)) if found.zone in (whole.zone, "as written") else None
