"""Reading on: lines of a log behind those that were read before, in the same log or in the one that it continues."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from entro_cli.core.files import line_count
from entro_cli.readers.continuation import Checkpoint, ends_of
from entro_cli.readers.inputs.log_file import LogFile, excerpt
from entro_cli.readers.reader import ContinuingReader, Reader, Reading, ResumableReader
from entro_cli.readers.registry import detect_format, reader_named
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_engine import EntroError


def read_on(
    log: LogFile, begin: int, end: int, after: Checkpoint, options: ReadOptions
) -> tuple[Observations, Checkpoint]:
    """Read some lines of a log behind others.

    Args:
        log: the plain file.
        begin: the first byte of the lines.
        end: the byte after them.
        after: where reading stopped before; an empty one at the beginning of a log. Its unfinished line is completed by
            the first of these lines.
        options: how they are read.

    Returns:
        The observations of these lines, bad rows with their lines in the log, and where reading stopped.

    Raises:
        EntroError: if they cannot be read.
    """
    state, lines = _from_text(after, log, options) if after.text else (after.state, after.unfinished)
    is_all = begin == 0 and end == log.path.stat().st_size and not lines
    part = log if is_all else excerpt(log, begin, end, lines)
    name = after.format or detect_format(part, options)
    reading = _resume(reader_named(name, options.formats), part, options, state)
    before = line_count(log.path, begin) - lines.count(b"\n")
    rows = (replace(row, line=row.line + before) if row.line else row for row in reading.observations.bad_rows)
    found = replace(reading.observations, bad_rows=tuple(rows))
    return found, Checkpoint(name, reading.state, b"", dict(ends_of(found.series, after.ends)))


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


def _resume(reader: Reader, log: LogFile, options: ReadOptions, state: bytes) -> Reading:
    options = options.for_log(log.label)
    if isinstance(reader, ResumableReader):
        return reader.resume(log, options, state)
    if not isinstance(reader, ContinuingReader):
        return Reading(reader.read(log, options), b"")
    # The state of these readers is text to put before the next lines.
    whole = excerpt(log, 0, log.path.stat().st_size, state) if state else log
    found = reader.read(whole, options)
    return Reading(_less(found, reader, log, state, options) if state else found, reader.checkpoint(whole))


def _less(found: Observations, reader: Reader, log: LogFile, text: bytes, options: ReadOptions) -> Observations:
    """Return what was read without the rows of the lines put before it, bad rows with their lines in the log."""
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.count(b"\n")
    bad_rows = (replace(row, line=row.line - lines) for row in found.bad_rows if row.line > lines)
    with suppress(EntroError):  # lines that are nothing by themselves
        before = reader.read(excerpt(log, 0, 0, whole), replace(options, strict=False))
        read, skipped = found.rows_read - before.rows_read, found.rows_skipped - before.rows_skipped
        found = replace(found, rows_read=max(read, 0), rows_skipped=max(skipped, 0))
    return replace(found, bad_rows=tuple(bad_rows))
