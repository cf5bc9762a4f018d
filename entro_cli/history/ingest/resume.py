"""Resuming of logs: find the stored state of a file, and read what is new in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from entro_cli.core.files import last_line_end
from entro_cli.core.remote_files import version
from entro_cli.core.urls import is_url
from entro_cli.history.ingest.match_known_logs import (
    MARGINS_BYTES,
    FileIdentity,
    add_identity,
    find_unchanged,
    identify_file,
    match_by_content,
    unread_range,
)
from entro_cli.history.ingest.read_tail import LogUpdate, ReadContext, read_new, read_tail, read_whole
from entro_cli.history.state import LogState
from entro_cli.readers.continuation import Checkpoint, EarlierLog, predecessor_of, stream_location
from entro_cli.readers.inputs.log_file import (
    HEAD_BYTES,
    STDIN,
    LogFile,
    NoLogError,
    excerpt,
    label_of,
    location_of,
    of_stream,
    plain_logs,
)
from entro_cli.readers.options import LoadOptions
from entro_cli.readers.registry import accepts_header, detect_format, header_of, is_resumable, read_log, reads_in_parts
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError

_LATE = 1 << 62
"""The beginning of a log that has no samples by itself: it may continue any other log."""
_ATTEMPTS = 3
"""Attempts to read a log that is rotated meanwhile."""


def options_fingerprint(options: LoadOptions) -> str:
    """Return the hash of the options that change what is read: with other options a log is another log."""
    stages = [(spec.name, spec.column, spec.kind) for spec in options.configured_stages]
    clocks = [*options.offset, *options.configured_offsets]
    # The hash is stored: another order, or a new entry without a value, would have every log read again.
    values: list[object] = [
        *options.stage,
        *stages,
        *clocks,
        options.time,
        options.start,
        options.tz,
        options.input_format,
    ]
    values += [] if options.year is None else [str(options.year)]
    values += options.formats
    values += [f"by={name}" for name in options.by]
    values += [] if options.aggregate is None else [f"aggregate={options.aggregate}"]
    values += [] if options.decimal is None else [f"decimal={options.decimal}"]
    return hashlib.blake2b(msgspec.json.encode(values), digest_size=16).hexdigest()


LogsAt = Callable[[str], Sequence[LogState]]
"""Returns the logs that were read before and may be the one at a place."""


def resume(name: str, logs_at: LogsAt, context: ReadContext) -> list[LogUpdate | LogState]:
    """Read what is new in the logs in a file, one for each writer that it names.

    A file is opened more than once. If it was rotated meanwhile, it is read again, because rows of another file might
    be taken for rows that were read. A file at a URL is fetched once.

    Args:
        name: as `find_logs` gives it.
        logs_at: gives the logs that were read before.
        context: how it is read.

    Returns:
        Of each log what was read, or its state if nothing is new in it.

    Raises:
        EntroError: if a log cannot be read, or none is of a known format.
    """
    options_hash = options_fingerprint(context.load_options)
    for _ in range(_ATTEMPTS):
        identity = _identify(name)
        same = [] if context.again else find_unchanged(logs_at(location_of(name)), identity, options_hash)
        if same:
            return [*same]
        found = _read_once(name, logs_at, options_hash, identity, context)
        if identity is None or is_url(name) or _is_still(Path(name), identity):
            for log in found:
                if isinstance(log, LogState):
                    log.seen = add_identity(log.seen, identity)
            return found
    raise EntroError("is rotated again and again while it is read", where=label_of(name), remedy="run it again")


def _identify(name: str) -> FileIdentity | None:
    """Return the identity of a file; None if it has none without being read, as standard input."""
    if is_url(name):
        return version(name)
    return None if name == STDIN else identify_file(Path(name))


def _is_still(path: Path, identity: FileIdentity) -> bool:
    """Return whether a file is the same inode and not shorter than before."""
    now = identify_file(path)
    return now is not None and now[:2] == identity[:2] and now[2] >= identity[2]


def _read_once(
    name: str, logs_at: LogsAt, options_hash: str, identity: FileIdentity | None, context: ReadContext
) -> list[LogUpdate | LogState]:
    found: list[LogUpdate | LogState] = []
    left_out: list[Problem] = []
    error: EntroError | None = None
    with plain_logs(name) as streams:
        for log in streams:
            place = stream_location(location_of(name), log.identity if len(streams) > 1 else ())
            try:
                # Replicas may be equal for a while. Releases before 0.8.0 stored no writer.
                known = dict(log.identity), {} if len(streams) == 1 else dict(log.identity)
                logs = [other for other in logs_at(place) if other.identity in known]
                update = _read_stream(log, place, logs, options_hash, identity, context)
                if len(streams) > 1 and isinstance(update, LogUpdate) and update.before is None:
                    update.log.pruned_ns = _stored_until(logs_at(""), location_of(name), context)
                found.append(update)
            except EntroError as unread:
                if len(streams) == 1 or context.read_options.strict:
                    raise
                error = unread
                left_out.append(Problem(ProblemKind.STREAM_LEFT_OUT, len(log.numbers), (log.label, unread.found)))
    if error and not found:
        raise error
    for update in found:
        if left_out and isinstance(update, LogUpdate):
            problems = (*update.observations.problems, *left_out)
            found[found.index(update)] = replace(update, observations=replace(update.observations, problems=problems))
            break
    return found


def _stored_until(logs: Sequence[LogState], place: str, context: ReadContext) -> int:
    """Return the end of the steps that an earlier release stored of a file with several writers as one log; else 0."""
    ends = [one.last for log in logs if place and log.place == place and not log.identity for one in log.series]
    origin, step = context.grid or (0, 1)
    return origin + ((max(ends) - origin) // step + 1) * step if ends and not context.again else 0


def _read_stream(
    plain: LogFile,
    place: str,
    logs: Sequence[LogState],
    options_hash: str,
    identity: FileIdentity | None,
    context: ReadContext,
) -> LogUpdate | LogState:
    header = _missing_header(plain, logs, options_hash)
    log = excerpt(plain, 0, plain.path.stat().st_size, header) if header else plain
    before = match_by_content(logs, log.path, options_hash, place)
    if before is not None and not context.again and log.path.stat().st_size == before.offset:
        return before
    after = _predecessor(log, before, logs, place, options_hash, context)
    found = _read_enough(log, before, after, context)
    state = msgspec.structs.replace(
        found.log,
        place=place,
        options=options_hash,
        identity=dict(log.identity),
        seen=add_identity(before.seen if before else [], identity),
        pruned_ns=before.pruned_ns if before and not context.again else 0,
    )
    lines = header.count(b"\n")
    bad_rows = tuple(replace(row, line=row.line - lines) if row.line else row for row in found.bad_rows)
    observations = of_stream(replace(found.observations, bad_rows=bad_rows), log)
    return replace(found, log=state, observations=observations, bad_rows=observations.bad_rows)


def _missing_header(log: LogFile, logs: Sequence[LogState], options_hash: str) -> bytes:
    """Return the header of the latest log that a log without a header fits; empty if it has one, or fits none."""
    headers = {other.header: other.format for other in reversed(logs) if other.options == options_hash and other.header}
    return next((header for header, format_ in headers.items() if accepts_header(log, format_, header)), b"")


def _predecessor(
    log: LogFile, before: LogState | None, logs: Sequence[LogState], place: str, options_hash: str, context: ReadContext
) -> Checkpoint:
    """Return where reading of the predecessor of a log stopped; only its format if it has none or needs none."""
    if before is not None:
        return before.after or Checkpoint(before.format)
    input_format = _format_of(log, context)
    others = [(other, other.checkpoint) for other in logs if other.options == options_hash and other.checkpoint]
    if reads_in_parts(input_format, context.read_options.formats) or not others:
        return Checkpoint(input_format)
    earlier = [EarlierLog(other.place, other.format, _last_ns(left)) for other, left in others]
    found = predecessor_of(place, input_format, _first_ns(log, input_format, context), earlier)
    return Checkpoint(input_format) if found is None else others[found][1]


def _first_ns(log: LogFile, input_format: str, context: ReadContext) -> int:
    """Return the time of the first sample of a log, nanoseconds since the epoch: in its head, if there is one."""
    lenient = replace(context.read_options, strict=False)
    size = log.path.stat().st_size
    head = size if log.is_parquet else last_line_end(log.path, min(HEAD_BYTES, size))
    for end in (head, size):
        with suppress(EntroError):
            series = read_log(excerpt(log, 0, end), lenient, input_format).series
            if series:
                return min(int(one.times[0]) for one in series)
    return _LATE


def _format_of(log: LogFile, context: ReadContext) -> str:
    """Return the format of a log; a last line that is cut may make it unknown, so that is left out then."""
    try:
        return detect_format(log, context.read_options, context.load_options.input_format)
    except NoLogError:
        end = last_line_end(log.path, log.path.stat().st_size)
        return detect_format(excerpt(log, 0, end), context.read_options, context.load_options.input_format)


def _last_ns(checkpoint: Checkpoint) -> int | None:
    return max((time for time, _ in checkpoint.ends.values()), default=None)


def _read_enough(log: LogFile, before: LogState | None, after: Checkpoint, context: ReadContext) -> LogUpdate:
    """Read so much of a log that the result is that of reading it whole."""
    if before is None or context.again or context.grid is None:
        return read_whole(log, before, after, context)
    if not reads_in_parts(before.format, context.read_options.formats):
        is_read_on = is_resumable(before.format, context.read_options.formats)
        found = read_new(log, before, context) if is_read_on else None
        return found or read_whole(log, before, after, context)
    for margin in MARGINS_BYTES:
        part = unread_range(log.path, before, margin, lines=not log.is_parquet)
        head = header_of(log, before.format)
        if part.begin <= len(head):
            break
        try:
            found = read_tail(log, part, before, head, context)
        except EntroError:  # a longer part may be readable
            continue
        if found is not None:
            return found
    return read_whole(log, before, after, context)
