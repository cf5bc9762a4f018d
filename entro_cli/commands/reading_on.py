"""Logs read on from where they were last read to: files, what is known of them, the readers, wired together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from entro_cli.commands.loading import LoadOptions
from entro_cli.history.recognise import FilePlace, Unread, file_place, known, marks, unchanged, unread, with_place
from entro_cli.history.state import LogSeen
from entro_cli.inputs import STDIN, LogFile, excerpt, plain_log
from entro_cli.observations import Observations, ReadOptions
from entro_cli.readers.detect import preamble, read_log
from entro_cli.summary import BadRow
from entro_engine import EntroError


@dataclass(frozen=True)
class ReadOn:
    """What was read of a log that holds something new.

    Attributes:
        log: what is known of it now, its series and edges aside.
        observations: of its whole lines: from its beginning, or from some lines before what is new.
        unfinished: of its last line, which has no end yet; None without one, or where nothing can be made of it.
        begins: whether it was read from its beginning.
        before: what was known of it; None when it is new.
        bad_rows: the first few new rows that could not be read.
        rows: how many new rows were understood.
        skipped: how many were not.
    """

    log: LogSeen
    observations: Observations
    unfinished: Observations | None
    begins: bool
    before: LogSeen | None
    bad_rows: tuple[BadRow, ...]
    rows: int
    skipped: int


def options_mark(options: LoadOptions) -> str:
    """The hash of how logs are read: one that was read otherwise has to be read again."""
    described = [(spec.name, spec.column, spec.kind) for spec in options.described]
    clocks = [*options.offset, *options.clocks]
    told = [*options.stage, *described, *clocks, options.time, options.start, options.tz, options.input_format]
    return hashlib.blake2b(msgspec.json.encode(told), digest_size=16).hexdigest()


def read_on(
    name: str, logs: Sequence[LogSeen], read: ReadOptions, options: LoadOptions, again: bool
) -> ReadOn | LogSeen:
    """Read what is new in a log.

    Args:
        name: as `find_logs` gives it.
        logs: those that were read before.
        read: how it is read.
        options: the same as the user wrote it.
        again: read it from its beginning, whatever was read of it before.

    Returns:
        What was read, or what is known of the log where nothing is new in it.

    Raises:
        EntroError: when it cannot be read.
    """
    mark = options_mark(options)
    place = None if name == STDIN else file_place(Path(name))
    same = None if again else unchanged(logs, place, mark)
    if same is not None:
        return same
    with plain_log(name) as log:
        before = known(logs, log.path, mark)
        part = unread(log.path, None if again else before, whole=log.is_parquet)
        if before is not None and not again and part.size == before.offset:
            before.seen = with_place(before.seen, place)
            return before
        found = _read(log, part, before, name, place, read, options)
    if before is not None and not again:
        found.log.pruned_ns = before.pruned_ns
    return found


def _read(
    log: LogFile,
    part: Unread,
    before: LogSeen | None,
    name: str,
    place: FilePlace | None,
    read: ReadOptions,
    options: LoadOptions,
) -> ReadOn:
    reader = before.format if before is not None else options.input_format
    head = preamble(log, reader) if reader else b""
    begin = part.begin if part.begin > len(head) else 0
    observations = _whole_lines(log, begin, part, head, read, reader)
    unfinished = _last_line(log, part, read, observations.format) if part.end < part.size else None
    head_hash, head_bytes, tail = marks(log.path, part.end)
    rows, skipped, bad_rows = observations.rows_read, observations.rows_skipped, observations.bad_rows
    goes_on = before if begin else None
    if goes_on is not None:
        again = _rows_again(log, begin, goes_on, head, read)
        rows, skipped = rows - again[0], skipped - again[1]
        bad_rows = _in_file(log, bad_rows, begin, goes_on.offset, head)
    seen = LogSeen(
        path=log.label,
        place="" if name == STDIN else str(Path(name).absolute()),
        head=head_hash,
        head_bytes=head_bytes,
        offset=part.end,
        tail=tail,
        options=options_mark(options),
        seen=with_place(before.seen if before else [], place),
        format=observations.format,
        rows_read=rows + (goes_on.rows_read if goes_on else 0),
        rows_skipped=skipped + (goes_on.rows_skipped if goes_on else 0),
        problems=list(dict.fromkeys([*(goes_on.problems if goes_on else []), *observations.problems])),
        zone=observations.zone,
    )
    return ReadOn(seen, observations, unfinished, begin == 0, before, bad_rows, rows, skipped)


def _whole_lines(
    log: LogFile, begin: int, part: Unread, head: bytes, read: ReadOptions, reader: str | None
) -> Observations:
    """The observations in the whole lines of a part of a log, which may grow meanwhile."""
    if begin == 0 and part.end == part.size:
        observations = read_log(log, read, reader)
        if log.path.stat().st_size == part.size:
            return observations
    return read_log(excerpt(log, begin, part.end, head if begin else b""), read, reader)


def _last_line(log: LogFile, part: Unread, read: ReadOptions, reader: str) -> Observations | None:
    """What a line without an end gives, if anything can be made of it."""
    try:
        return read_log(excerpt(log, part.end, part.size, preamble(log, reader)), replace(read, strict=False), reader)
    except EntroError:
        return None


def _rows_again(log: LogFile, begin: int, before: LogSeen, head: bytes, read: ReadOptions) -> tuple[int, int]:
    """How many good and bad rows were read again."""
    try:
        lines = excerpt(log, begin, before.offset, head)
        observations = read_log(lines, replace(read, strict=False), before.format)
    except EntroError:
        return 0, 0
    return observations.rows_read, observations.rows_skipped


def _in_file(log: LogFile, rows: Sequence[BadRow], begin: int, known_to: int, head: bytes) -> tuple[BadRow, ...]:
    """Bad rows with the lines they have in the whole file, but for those that were told of before."""
    if not rows:
        return ()
    with log.path.open("rb") as file:
        before = file.read(begin).count(b"\n") - head.count(b"\n")
        told = before + head.count(b"\n") + file.read(known_to - begin).count(b"\n")
    shifted = (replace(row, line=row.line + before if row.line else 0) for row in rows)
    return tuple(row for row in shifted if row.line > told)
