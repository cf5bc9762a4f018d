"""Lines of a log read with those before them that another log carried over, as if both were one file."""

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
    """What a log goes on from.

    Attributes:
        text: the lines to be put before it.
        ends: by stage, where what is known already ends.
        format: the name of the reader; None where nobody knows.
    """

    text: bytes = b""
    ends: Ends = field(default_factory=dict)
    format: str | None = None


def read_behind(log: LogFile, begin: int, end: int, carried: Carried, options: ReadOptions) -> Observations:
    """What some lines of a log tell that was not known before.

    Args:
        log: the plain file.
        begin: the first byte of the lines.
        end: the byte behind them.
        carried: what they go on from; its own rows are not counted again.
        options: how they are read.

    Raises:
        EntroError: when they cannot be read.
    """
    found = read_log(excerpt(log, begin, end, carried.text), options, carried.format)
    if not carried.text:
        return found
    told = _less(found, log, carried.text, options)
    return replace(told, series=beyond(found.series, carried.ends))


def _less(found: Observations, log: LogFile, text: bytes, options: ReadOptions) -> Observations:
    """What was read but for the rows put before it, bad rows with the lines they have without those."""
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.count(b"\n")
    bad_rows = (replace(row, line=row.line - lines) for row in found.bad_rows if row.line > lines)
    with suppress(EntroError):  # lines that are nothing by themselves
        carried = read_log(excerpt(log, 0, 0, whole), replace(options, strict=False), found.format)
        read, skipped = found.rows_read - carried.rows_read, found.rows_skipped - carried.rows_skipped
        found = replace(found, rows_read=max(read, 0), rows_skipped=max(skipped, 0))
    return replace(found, bad_rows=tuple(bad_rows))
