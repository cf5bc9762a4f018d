"""Logs read on from where they were last read to: files, what is known of them, the readers, wired together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from entro_cli.core.files import last_line_end
from entro_cli.core.remote_files import version
from entro_cli.core.urls import is_url
from entro_cli.history.ingest.fingerprint import (
    MARGINS_BYTES,
    FileIdentity,
    add_identity,
    find_unchanged,
    identify_file,
    match_by_content,
    unread_range,
)
from entro_cli.history.ingest.read_tail import LogUpdate, ReadContext, read_tail, read_whole
from entro_cli.history.state import LogState
from entro_cli.readers.continuation import EarlierLog, predecessor_of
from entro_cli.readers.inputs.log_file import STDIN, LogFile, NoLogError, excerpt, label_of, place_of, plain_log
from entro_cli.readers.options import LoadOptions
from entro_cli.readers.read_continued import Carried
from entro_cli.readers.registry import accepts_header, detect_format, header_of, read_log, reads_in_parts
from entro_engine import EntroError

_LATE = 1 << 62
_LOOKS = 3
"""How often a log is read that is rotated meanwhile."""


def options_fingerprint(options: LoadOptions) -> str:
    """The hash of how logs are read: one that was read otherwise has to be read again."""
    stages = [(spec.name, spec.column, spec.kind) for spec in options.configured_stages]
    clocks = [*options.offset, *options.configured_offsets]
    told = [*options.stage, *stages, *clocks, options.time, options.start, options.tz, options.input_format]
    told += [] if options.year is None else [str(options.year)]
    return hashlib.blake2b(msgspec.json.encode(told), digest_size=16).hexdigest()


def resume(name: str, logs: Sequence[LogState], how: ReadContext) -> LogUpdate | LogState:
    """Read what is new in a log.

    A log is opened more than once, so one that was rotated meanwhile is read again: what would be taken for read else
    might be another's. One at a URL is fetched once.

    Args:
        name: as `find_logs` gives it.
        logs: those that were read before.
        how: how it is read.

    Returns:
        What was read, or what is known of the log where nothing is new in it.

    Raises:
        EntroError: when it cannot be read.
    """
    mark = options_fingerprint(how.options)
    for _ in range(_LOOKS):
        place = _seen_as(name)
        same = None if how.again else find_unchanged(logs, place, mark)
        if same is not None:
            return same
        found = _read_once(name, logs, mark, place, how)
        if place is None or is_url(name) or _is_still(Path(name), place):
            if isinstance(found, LogState):
                found.seen = add_identity(found.seen, place)
            return found
    raise EntroError("is rotated again and again while it is read", where=label_of(name), remedy="run it again")


def _seen_as(name: str) -> FileIdentity | None:
    """What stays while a log does; None where that cannot be told without reading it."""
    if is_url(name):
        return version(name)
    return None if name == STDIN else identify_file(Path(name))


def _is_still(path: Path, place: FileIdentity) -> bool:
    """Whether a file is the one it was, and no shorter."""
    now = identify_file(path)
    return now is not None and now[:2] == place[:2] and now[2] >= place[2]


def _read_once(
    name: str, logs: Sequence[LogState], mark: str, place: FileIdentity | None, how: ReadContext
) -> LogUpdate | LogState:
    absolute = place_of(name)
    with plain_log(name) as plain:
        header = _missing_header(plain, logs, mark)
        log = excerpt(plain, 0, plain.path.stat().st_size, header) if header else plain
        before = match_by_content(logs, log.path, mark, absolute)
        if before is not None and not how.again and log.path.stat().st_size == before.offset:
            return before
        carried = _carried(log, before, logs, absolute, mark, how)
        found = _read_enough(log, before, carried, how)
    seen = msgspec.structs.replace(
        found.log,
        place=absolute,
        options=mark,
        seen=add_identity(before.seen if before else [], place),
        pruned_ns=before.pruned_ns if before and not how.again else 0,
    )
    lines = header.count(b"\n")
    bad_rows = tuple(replace(row, line=row.line - lines) if row.line else row for row in found.bad_rows)
    return replace(found, log=seen, bad_rows=bad_rows)


def _missing_header(log: LogFile, logs: Sequence[LogState], mark: str) -> bytes:
    """The header of the latest log that a log without one goes on from; empty where it has one, or none fits."""
    headers = {other.header: other.format for other in reversed(logs) if other.options == mark and other.header}
    return next((header for header, reader in headers.items() if accepts_header(log, reader, header)), b"")


def _carried(
    log: LogFile, before: LogState | None, logs: Sequence[LogState], place: str, mark: str, how: ReadContext
) -> Carried:
    """What a log goes on from, where it is of a format whose lines need those before them."""
    if before is not None:
        return Carried(before.carried, before.carried_ends, before.format)
    reader = _reader(log, how)
    others = [other for other in logs if other.options == mark and other.carry]
    if reads_in_parts(reader) or not others:
        return Carried(format=reader)
    series = read_log(log, how.reading, reader).series
    first = min((int(one.times[0]) for one in series), default=_LATE)  # what tells nothing alone may behind another
    earlier = [EarlierLog(other.place, other.format, _last(other)) for other in others]
    found = predecessor_of(place, reader, first, earlier)
    return Carried(format=reader) if found is None else Carried(others[found].carry, others[found].ends, reader)


def _reader(log: LogFile, how: ReadContext) -> str:
    """The name of a log's reader, whatever its last line is cut to."""
    try:
        return detect_format(log, how.reading, how.options.input_format)
    except NoLogError:
        end = last_line_end(log.path, log.path.stat().st_size)
        return detect_format(excerpt(log, 0, end), how.reading, how.options.input_format)


def _last(log: LogState) -> int | None:
    return max((time for time, _ in log.ends.values()), default=None)


def _read_enough(log: LogFile, before: LogState | None, carried: Carried, how: ReadContext) -> LogUpdate:
    """Read a log from so far before what is new that it comes out as in one reading."""
    if before is None or how.again or how.grid is None or not reads_in_parts(before.format):
        return read_whole(log, before, carried, how)
    for margin in MARGINS_BYTES:
        part = unread_range(log.path, before, margin, lines=not log.is_parquet)
        head = header_of(log, before.format)
        if part.begin <= len(head):
            break
        try:
            found = read_tail(log, part, before, head, how)
        except EntroError:  # what a part cannot tell, more of the log may
            continue
        if found is not None:
            return found
    return read_whole(log, before, carried, how)
