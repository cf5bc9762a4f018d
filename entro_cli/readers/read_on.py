"""Reading on: lines of a log behind those that were read before, in the same log or in the one that it continues."""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from entro_cli.core.files import line_count
from entro_cli.readers.continuation import Checkpoint, ends_of
from entro_cli.readers.inputs.log_file import LogFile, excerpt
from entro_cli.readers.reader import Overlap, Reading, ResumableReader
from entro_cli.readers.registry import detect_format, reader_named
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_engine import EntroError


def read_on(
    log: LogFile, begin: int, end: int, after: Checkpoint, options: ReadOptions
) -> tuple[Observations, Checkpoint, Overlap | None]:
    """Read some lines of a log behind others.

    Args:
        log: the plain file.
        begin: the first byte of the lines.
        end: the byte after them.
        after: where reading stopped before; an empty one at the beginning of a log. Its unfinished line is completed by
            the first of these lines.
        options: how they are read.

    Returns:
        The observations of these lines, bad rows with their lines in the log, where reading stopped, and what they
        change of what the lines before gave.

    Raises:
        EntroError: if they cannot be read.
    """
    state, lines = _from_text(after, log, options) if after.text else (after.state, after.unfinished)
    is_all = begin == 0 and end == log.path.stat().st_size and not lines
    part = log if is_all else excerpt(log, begin, end, lines)
    name = after.format or detect_format(part, options)
    reader, of_log = reader_named(name, options.formats), options.for_log(log.label)
    if isinstance(reader, ResumableReader):
        reading = reader.resume(part, of_log, state)
    else:
        reading = Reading(reader.read(part, of_log), b"")
    if is_all and log.path.stat().st_size != end:  # it has grown meanwhile, and the reader may have read too much
        return read_on(log, begin, end, after, options)
    before = line_count(log.path, begin) - lines.count(b"\n")
    rows = (replace(row, line=row.line + before) if row.line else row for row in reading.observations.bad_rows)
    found = replace(reading.observations, bad_rows=tuple(rows))
    return found, Checkpoint(name, reading.state, b"", dict(ends_of(found.series, after.ends))), reading.overlap


def _from_text(after: Checkpoint, log: LogFile, options: ReadOptions) -> tuple[bytes, bytes]:
    """Return the state of a reader, and lines to read again, for text that an earlier release stored instead."""
    reader = reader_named(after.format, options.formats)
    if not isinstance(reader, ResumableReader):
        return after.text, after.unfinished
    cut = after.text.rfind(b"\n") + 1  # whole lines stand for what was counted; behind them is an unfinished one
    state = b""
    with suppress(EntroError):
        state = reader.resume(excerpt(log, 0, 0, after.text[:cut]), replace(options, strict=False), b"").state
    return state, after.text[cut:] + after.unfinished
