"""Reading of a log after the context lines of its predecessor, as if both were one file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace

from entro_cli.readers.continuation import Ends, beyond
from entro_cli.readers.inputs.log_file import LogFile, excerpt
from entro_cli.readers.registry import read_log
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_engine import EntroError


@dataclass(frozen=True)
class Carried:
    """The lines that a predecessor leaves for a log.

    Attributes:
        text: the lines to put before it.
        ends: by stage, the end of the predecessor.
        format: the format; None if it is not known.
    """

    text: bytes = b""
    ends: Ends = field(default_factory=dict)
    format: str | None = None


def read_behind(log: LogFile, begin: int, end: int, carried: Carried, options: ReadOptions) -> Observations:
    """Read some lines of a log after those that its predecessor left.

    Args:
        log: the plain file.
        begin: the first byte of the lines.
        end: the byte after them.
        carried: of the predecessor; its rows are not counted again.
        options: how they are read.

    Raises:
        EntroError: if they cannot be read.
    """
    found = read_log(excerpt(log, begin, end, carried.text), options, carried.format)
    if not carried.text:
        return found
    new = _less(found, log, carried.text, options)
    return replace(new, series=beyond(found.series, carried.ends))


def _less(found: Observations, log: LogFile, text: bytes, options: ReadOptions) -> Observations:
    """Return what was read without the rows of the lines put before it, bad rows with their lines in the log."""
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.count(b"\n")
    bad_rows = (replace(row, line=row.line - lines) for row in found.bad_rows if row.line > lines)
    with suppress(EntroError):  # lines that are nothing by themselves
        carried = read_log(excerpt(log, 0, 0, whole), replace(options, strict=False), found.format)
        read, skipped = found.rows_read - carried.rows_read, found.rows_skipped - carried.rows_skipped
        found = replace(found, rows_read=max(read, 0), rows_skipped=max(skipped, 0))
    return replace(found, bad_rows=tuple(bad_rows))
