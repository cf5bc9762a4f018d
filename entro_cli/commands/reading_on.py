"""Logs read on from where they were last read to: files, what is known of them, the readers, wired together."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from entro_cli.clock import moment
from entro_cli.commands.loading import LoadOptions, clock_shifts, shifted
from entro_cli.commands.new_rows import (
    all_problems,
    bad_rows_in_file,
    behind,
    first_new_ns,
    new_problems,
    whole_from_ns,
)
from entro_cli.history.joining import since
from entro_cli.history.recognise import (
    MARGINS_BYTES,
    FilePlace,
    Unread,
    file_place,
    known,
    marks,
    unchanged,
    unread,
    with_place,
)
from entro_cli.history.state import LogSeen
from entro_cli.inputs import STDIN, EmptyLogError, LogFile, excerpt, plain_log
from entro_cli.observations import Observations, ReadOptions
from entro_cli.readers.detect import goes_on_under, preamble, read_log
from entro_cli.summary import BadRow
from entro_cli.terminal import visible
from entro_engine import EntroError

_LOOKS = 3
"""How often a log is read that is rotated meanwhile."""


@dataclass(frozen=True)
class How:
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
class ReadOn:
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

    log: LogSeen
    observations: Observations
    unfinished: Observations | None
    begins: bool
    before: LogSeen | None
    again: Observations | None
    bad_rows: tuple[BadRow, ...]
    rows: int
    skipped: int


def options_mark(options: LoadOptions) -> str:
    """The hash of how logs are read: one that was read otherwise has to be read again."""
    described = [(spec.name, spec.column, spec.kind) for spec in options.described]
    clocks = [*options.offset, *options.clocks]
    told = [*options.stage, *described, *clocks, options.time, options.start, options.tz, options.input_format]
    return hashlib.blake2b(msgspec.json.encode(told), digest_size=16).hexdigest()


def read_on(name: str, logs: Sequence[LogSeen], how: How) -> ReadOn | LogSeen:
    """Read what is new in a log.

    A log is opened more than once, so one that was rotated meanwhile is read again: what would be taken for read else
    might be another's.

    Args:
        name: as `find_logs` gives it.
        logs: those that were read before.
        how: how it is read.

    Returns:
        What was read, or what is known of the log where nothing is new in it.

    Raises:
        EntroError: when it cannot be read.
    """
    mark = options_mark(how.options)
    for _ in range(_LOOKS):
        place = None if name == STDIN else file_place(Path(name))
        same = None if how.again else unchanged(logs, place, mark)
        if same is not None:
            return same
        found = _read_once(name, logs, mark, place, how)
        if place is None or _is_still(Path(name), place):
            if isinstance(found, LogSeen):
                found.seen = with_place(found.seen, place)
            return found
    raise EntroError("is rotated again and again while it is read", where=visible(name), remedy="run it again")


def _is_still(path: Path, place: FilePlace) -> bool:
    """Whether a file is the one it was, and no shorter."""
    now = file_place(path)
    return now is not None and now[:2] == place[:2] and now[2] >= place[2]


def _read_once(name: str, logs: Sequence[LogSeen], mark: str, place: FilePlace | None, how: How) -> ReadOn | LogSeen:
    absolute = "" if name == STDIN else str(Path(name).absolute())
    with plain_log(name) as plain:
        header = _missing_header(plain, logs, mark)
        log = excerpt(plain, 0, plain.path.stat().st_size, header) if header else plain
        before = known(logs, log.path, mark, absolute)
        if before is not None and not how.again and log.path.stat().st_size == before.offset:
            return before
        found = _read_enough(log, before, how)
    seen = msgspec.structs.replace(
        found.log,
        place=absolute,
        options=mark,
        seen=with_place(before.seen if before else [], place),
        pruned_ns=before.pruned_ns if before and not how.again else 0,
    )
    lines = header.count(b"\n")
    bad_rows = tuple(replace(row, line=row.line - lines) if row.line else row for row in found.bad_rows)
    return replace(found, log=seen, bad_rows=bad_rows)


def _missing_header(log: LogFile, logs: Sequence[LogSeen], mark: str) -> bytes:
    """The header of the latest log that a log without one goes on from; empty where it has one, or none fits."""
    headers = {other.header: other.format for other in reversed(logs) if other.options == mark and other.header}
    return next((header for header, reader in headers.items() if goes_on_under(log, reader, header)), b"")


def _read_enough(log: LogFile, before: LogSeen | None, how: How) -> ReadOn:
    """Read a log from so far before what is new that it comes out as in one reading."""
    if before is None or how.again or how.grid is None:
        return _read_whole(log, before, how)
    for margin in MARGINS_BYTES:
        part = unread(log.path, before, margin, lines=not log.is_parquet)
        head = preamble(log, before.format)
        if part.begin <= len(head):
            break
        try:
            found = _read_part(log, part, before, head, how)
        except EntroError:  # what a part cannot tell, more of the log may
            continue
        if found is not None:
            return found
    return _read_whole(log, before, how)


def _read_part(log: LogFile, part: Unread, before: LogSeen, head: bytes, how: How) -> ReadOn | None:
    """A log from a line in it on; None where that is too late to tell all that is new."""
    observations = _read_log(excerpt(log, part.begin, part.end, head), how, before.format)
    again = _lenient(log, part.begin, before.offset, head, before.format, how)
    whole_from = _whole_from(again, how.grid or (0, 1))
    first_new = first_new_ns(observations, again)
    if _begins_in_doubt(observations, how.reading) or (first_new is not None and first_new < whole_from):
        return None  # late rows, or a step that is longer than the part
    observations, again = (replace(one, series=since(whole_from, one.series)) for one in (observations, again))
    told = new_problems(observations.problems, again.problems)
    seen = _seen(log, part, observations)
    seen.rows_read += before.rows_read - again.rows_read
    seen.rows_skipped += before.rows_skipped - again.rows_skipped
    seen.problems = all_problems(before.problems, told)
    rows = bad_rows_in_file(log, observations.bad_rows, part.begin, head)
    told_of = replace(observations, problems=tuple(told), bad_rows=rows)
    return replace(_found(log, part, told_of, seen, before, how), again=again)


def _read_whole(log: LogFile, before: LogSeen | None, how: How) -> ReadOn:
    """A log from its beginning."""
    part = unread(log.path, None, 0, lines=not log.is_parquet)
    observations = _whole_lines(log, part, how, before.format if before else how.options.input_format)
    seen = _seen(log, part, observations)
    if before is None or how.again:
        return replace(_found(log, part, observations, seen, None, how), before=before)
    told = new_problems(observations.problems, before.problems)
    found = _found(log, part, replace(observations, problems=tuple(told)), seen, before, how)
    return replace(found, again=_read_before(log, before, how))


def _read_before(log: LogFile, before: LogSeen, how: How) -> Observations | None:
    """What a log gave when it was last read, if anything can be made of it."""
    try:
        return _lenient(log, 0, before.offset, b"", before.format, how)
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


def _whole_lines(log: LogFile, part: Unread, how: How, reader: str | None) -> Observations:
    """The observations in the whole lines of a log, which may grow meanwhile."""
    if part.end == part.size:
        observations = _read_log(log, how, reader)
        if log.path.stat().st_size == part.size:
            return observations
    try:
        return _read_log(excerpt(log, 0, part.end), how, reader)
    except EmptyLogError:  # it may have but a first row that has no end yet
        with suppress(EntroError):
            found = _lenient(log, 0, part.size, b"", reader, how)
            return replace(found, series=(), rows_read=0, rows_skipped=0, bad_rows=())
        raise


def _read_log(log: LogFile, how: How, reader: str | None) -> Observations:
    """The observations in a log, its clock moved as the user said."""
    return shifted(read_log(log, how.reading, reader), clock_shifts(how.options))


def _lenient(log: LogFile, begin: int, end: int, head: bytes, reader: str | None, how: How) -> Observations:
    """The observations in a part of a log, bad rows or not."""
    return _read_log(excerpt(log, begin, end, head), replace(how, reading=replace(how.reading, strict=False)), reader)


def _seen(log: LogFile, part: Unread, observations: Observations) -> LogSeen:
    """What is to be known of a log from now on, as far as what was read tells; the caller says where it is."""
    is_bare = not observations.rows_read + observations.rows_skipped
    head, head_bytes, tail = marks(log.path, part.end, part.size if is_bare else part.end)
    return LogSeen(
        path=log.label,
        place="",
        head=head,
        head_bytes=head_bytes,
        offset=part.end,
        tail=tail,
        options="",
        header=preamble(log, observations.format),
        format=observations.format,
        rows_read=observations.rows_read,
        rows_skipped=observations.rows_skipped,
        problems=list(observations.problems),
        zone=observations.zone,
    )


def _found(
    log: LogFile, part: Unread, observations: Observations, seen: LogSeen, before: LogSeen | None, how: How
) -> ReadOn:
    """What was read, its new rows counted."""
    skipped = seen.rows_skipped - (before.rows_skipped if before else 0)
    return ReadOn(
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
    log: LogFile, part: Unread, observations: Observations, before: LogSeen | None, how: How
) -> tuple[BadRow, ...]:
    """The first few bad rows that were not told of before, with their lines in the whole log."""
    if before is None or log.is_parquet:
        return observations.bad_rows
    head = preamble(log, before.format)
    try:
        new = _lenient(log, before.offset, part.end, head, before.format, how)
    except EntroError:  # there is hardly a good row among what is new
        return behind(log, observations.bad_rows, before.offset)
    return bad_rows_in_file(log, new.bad_rows, before.offset, head)


def _last_line(
    log: LogFile, part: Unread, whole: Observations, before: LogSeen | None, how: How
) -> Observations | None:
    """What a line without an end gives, if anything can be made of it.

    It may be cut within its time or its stage's name, so that it counts only where it goes on from the whole lines.
    """
    try:
        found = _lenient(log, part.end, part.size, preamble(log, whole.format), whole.format, how)
    except EntroError:
        return None
    if not whole.rows_read and before is None:
        return found
    last = {one.stage: one.last for one in (before.series if before else ())}
    last |= {one.stage: int(one.times[-1]) for one in whole.series}
    on = (one for one in found.series if one.stage in last and int(one.times[0]) >= last[one.stage])
    return replace(found, series=tuple(on)) if found.zone in (whole.zone, "as written") else None
