"""Logs read on from where they were last read to: files, what is known of them, the readers, wired together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from entro_cli.commands.loading import LoadOptions
from entro_cli.history.recognise import Unread, file_place, known, marks, unchanged, unread, with_place
from entro_cli.history.state import LogSeen
from entro_cli.inputs import STDIN, LogFile, excerpt, plain_log
from entro_cli.observations import Observations, ReadOptions
from entro_cli.readers.detect import goes_on_under, preamble, read_log
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
        header = _header(log, before, logs, mark, options.input_format)
        found = _read(log, part, header, before, read, options, again)
        found.log.place = "" if name == STDIN else str(Path(name).absolute())
        found.log.seen = with_place(before.seen if before else [], place)
    if before is not None and not again:
        found.log.pruned_ns = before.pruned_ns
    return found


@dataclass(frozen=True)
class _Header:
    """What stands before the rows of a log, and whether the log has it itself; unknown and empty before it is read."""

    text: bytes
    is_own: bool = True


def _header(log: LogFile, before: LogSeen | None, logs: Sequence[LogSeen], mark: str, reader: str | None) -> _Header:
    """The header of a log: its own, or that of the latest log of the kind that it goes on from, where it has none."""
    if before is not None:
        return _Header(before.header if before.is_headless else preamble(log, before.format), not before.is_headless)
    for other in reversed(logs):
        if other.options == mark and other.header and goes_on_under(log, other.format, other.header):
            return _Header(other.header, is_own=False)
    return _Header(preamble(log, reader) if reader else b"")


def _read(
    log: LogFile,
    part: Unread,
    header: _Header,
    before: LogSeen | None,
    read: ReadOptions,
    options: LoadOptions,
    again: bool,
) -> ReadOn:
    reader = before.format if before is not None else options.input_format
    begin = part.begin if part.begin > len(header.text) else 0
    observations = _whole_lines(log, begin, part, header, read, reader)
    header = header if header.text else _Header(preamble(log, observations.format))
    unfinished = _last_line(log, part, header, read, observations.format) if part.end < part.size else None
    head_hash, head_bytes, tail = marks(log.path, part.end)
    rows, skipped, bad_rows = observations.rows_read, observations.rows_skipped, observations.bad_rows
    goes_on = None if again else before
    if goes_on is not None:
        known_rows = _rows_again(log, begin, goes_on, header, read)
        rows, skipped = max(rows - known_rows[0], 0), max(skipped - known_rows[1], 0)
    if bad_rows:
        put_before = header.text if begin or not header.is_own else b""
        bad_rows = _in_file(log, bad_rows, begin, goes_on.offset if goes_on else 0, put_before)
    seen = LogSeen(
        path=log.label,
        place="",
        header=header.text,
        is_headless=not header.is_own,
        head=head_hash,
        head_bytes=head_bytes,
        offset=part.end,
        tail=tail,
        options=options_mark(options),
        format=observations.format,
        rows_read=rows + (goes_on.rows_read if goes_on else 0),
        rows_skipped=skipped + (goes_on.rows_skipped if goes_on else 0),
        problems=list(dict.fromkeys([*(goes_on.problems if goes_on else []), *observations.problems])),
        zone=observations.zone,
    )
    return ReadOn(seen, observations, unfinished, begin == 0, before, bad_rows, rows, skipped)


def _whole_lines(
    log: LogFile, begin: int, part: Unread, header: _Header, read: ReadOptions, reader: str | None
) -> Observations:
    """The observations in the whole lines of a part of a log, which may grow meanwhile."""
    has_header = begin == 0 and header.is_own
    if has_header and part.end == part.size:
        observations = read_log(log, read, reader)
        if log.path.stat().st_size == part.size:
            return observations
    return read_log(excerpt(log, begin, part.end, b"" if has_header else header.text), read, reader)


def _last_line(log: LogFile, part: Unread, header: _Header, read: ReadOptions, reader: str) -> Observations | None:
    """What a line without an end gives, if anything can be made of it."""
    try:
        return read_log(excerpt(log, part.end, part.size, header.text), replace(read, strict=False), reader)
    except EntroError:
        return None


def _rows_again(log: LogFile, begin: int, before: LogSeen, header: _Header, read: ReadOptions) -> tuple[int, int]:
    """How many good and bad rows were read again."""
    if begin == 0:
        return before.rows_read, before.rows_skipped
    try:
        lines = excerpt(log, begin, before.offset, header.text)
        observations = read_log(lines, replace(read, strict=False), before.format)
    except EntroError:
        return 0, 0
    return observations.rows_read, observations.rows_skipped


def _in_file(log: LogFile, rows: Sequence[BadRow], begin: int, known_to: int, put_before: bytes) -> tuple[BadRow, ...]:
    """Bad rows with the lines they have in the whole file, but for those that were told of before."""
    with log.path.open("rb") as file:
        lines = file.read(begin).count(b"\n")
        told = lines + file.read(max(known_to - begin, 0)).count(b"\n")
    before = lines - put_before.count(b"\n")
    shifted = (replace(row, line=row.line + before if row.line else 0) for row in rows)
    return tuple(row for row in shifted if row.line > told or not row.line)
