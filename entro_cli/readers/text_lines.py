"""Text logs as bytes: blocks of whole lines, the lines of them that cannot be read, and the part that readers share."""

from __future__ import annotations

import ctypes
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Generic, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from entro_cli.readers.inputs.log_file import LogFile, reading
from entro_cli.readers.problems import SHOWN_BAD_ROWS, Tally, masked, printable_row
from entro_cli.readers.quantities import choose_stages
from entro_cli.readers.reader import Reading
from entro_cli.timeseries.observations import BadRow, Observations, ReadOptions, Series
from entro_engine import EntroError

_BLOCK_BYTES = 1 << 19
"""So much stays in the processor's cache while it is searched several times. 128 KiB and 1 MiB take longer."""

_LONGEST_LINE_BYTES = 1 << 26
"""A longer line is taken in pieces, so that a file without line ends does not fill the memory."""

_KEPT_BYTES = 400
"""Bytes of a bad line that are kept: enough for the 80 characters that are shown, whatever their encoding."""


_NEAR_BYTES = 200
"""In a log whose every line matters, the next one is not worth a call of the C library."""

_SHORT_BYTES = 1 << 12
"""Searching so little costs less than a function around it."""

_SAMPLE_BYTES = 1 << 12
"""Bytes of a block that show whether most of its lines are of a usual form."""

_memmem = getattr(ctypes.CDLL(None), "memmem", None) if os.name == "posix" else None
if _memmem:
    _memmem.restype = ctypes.c_void_p
    _memmem.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t


class Block(Struct, frozen=True):
    """Some whole lines of a log.

    Attributes:
        content: their bytes.
        offset: where in the log they begin.
        finished: number of bytes in lines that have their end: all of them, except in the last block.
    """

    content: bytes
    offset: int
    finished: int

    def line(self, begin: int) -> tuple[bytes, bool]:
        """Return the line that begins at a place of the block, without its line feed, and whether it has one."""
        end = self.content.find(b"\n", begin)
        return self.content[begin : end if end >= 0 else None], end >= 0


def blocks(log: LogFile, size: int = _BLOCK_BYTES) -> Iterator[Block]:
    """Yield a log in blocks of whole lines; only the last line of the last block may lack its end.

    Args:
        log: the plain file.
        size: bytes to read at once; the line in which they end is completed.

    Raises:
        EntroError: if the file cannot be read.
    """
    offset = 0
    try:
        with log.path.open("rb") as file, reading(log) as work:
            while content := file.read(size) + file.readline(_LONGEST_LINE_BYTES):
                finished = len(content) if content.endswith(b"\n") else content.rfind(b"\n") + 1
                yield Block(content, offset, finished)
                offset += len(content)
                work.done = offset
    except OSError as error:
        raise EntroError(f"cannot be read: {error.strerror or error}", where=log.label) from error


def line_starts(block: Block, *literals: bytes, begin: int = 0, end: int | None = None) -> list[int]:
    """Return where the lines of a block, or of a part of it, begin that hold one of some literals, in order.

    Literals are searched in whole blocks, many times as fast as a regular expression that is tried on every line.
    """
    content, starts = block.content, set()
    end = len(content) if end is None else min(end, len(content))
    find = content.find if end - begin < _SHORT_BYTES else partial(_find, content)
    for literal in literals:
        place = find(literal, begin, end)
        while place >= 0:
            starts.add(content.rfind(b"\n", 0, place) + 1)
            line_end = content.find(b"\n", place)
            place = find(literal, line_end, end) if line_end >= 0 else -1
    return sorted(starts)


def usual_lines(
    block: Block, forms: Sequence[re.Pattern[bytes]], names: Sequence[str]
) -> Iterator[tuple[int, int, list[list[bytes]]]]:
    """Yield the parts of a block: where each begins and ends, and the groups of its lines; none for other lines.

    In a log whose every line matters, splitting it takes a fraction of the time of a search for each line. In a block
    that begins with other lines it would take longer, so that such a block is one part.

    Args:
        block: the block.
        forms: each matches whole lines of a usual form, line feed included, as its first group.
        names: the groups to return, each with an entry per line.
    """
    content = block.content
    count = content.count(b"\n", 0, _SAMPLE_BYTES)
    usual = next((form for form in forms if 2 * len(form.findall(content, 0, _SAMPLE_BYTES)) > count), None)
    if not usual:
        yield 0, len(content), []
        return
    parts, width = usual.split(content), usual.groups + 1
    columns = [parts[usual.groupindex[name] :: width] for name in names]
    first = begin = end = 0
    for index, (other, line) in enumerate(zip(parts[::width], [*parts[1::width], b""], strict=True)):
        if other or not line:
            if index > first:
                yield begin, end, [column[first:index] for column in columns]
            if other:
                yield end, end + len(other), []
            first, begin = index, end + len(other)
        end += len(other) + len(line)


def _find(content: bytes, literal: bytes, begin: int, end: int) -> int:
    """Return what `bytes.find` returns. The C library's search is two to four times as fast."""
    near = content.find(literal, begin, end if _memmem is None else min(begin + _NEAR_BYTES, end))
    if near >= 0 or _memmem is None or begin + _NEAR_BYTES >= end:
        return near
    address = ctypes.cast(ctypes.c_char_p(content), ctypes.c_void_p).value or 0
    found = _memmem(address + begin, end - begin, literal, len(literal))
    return found - address if found else -1


def equal_runs(content: bytes, places: NDArray[np.int64], width: int) -> dict[int, int]:
    """Return runs of lines that begin with the same bytes: where each begins, and its length.

    Args:
        content: whole lines.
        places: a place in each of some lines, sorted.
        width: the number of bytes to compare.
    """
    if not len(places):
        return {}
    codes = np.frombuffer(content + bytes(width), np.uint8)
    begins = np.concatenate([[0], np.flatnonzero(codes[: len(content)] == ord("\n")) + 1])
    lines = begins[np.searchsorted(begins, places, side="right") - 1]
    texts = codes[lines[:, None] + np.arange(width)]
    firsts = np.flatnonzero(np.concatenate([[True], np.any(texts[1:] != texts[:-1], axis=1)]))
    return dict(zip(lines[firsts].tolist(), np.diff(firsts, append=len(lines)).tolist(), strict=True))


class BadLines:
    """The lines of a log that cannot be read: their number, and the first few of them."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[tuple[int, str, bytes]] = []

    def add(self, offset: int, reason: str, line: bytes) -> None:
        """Count a line.

        Args:
            offset: where in the log it begins.
            reason: what is wrong with it.
            line: its bytes.
        """
        self.count += 1
        if len(self._kept) < SHOWN_BAD_ROWS:
            self._kept.append((offset, reason, line[:_KEPT_BYTES]))

    def rows(self, log: LogFile, redact: bool) -> tuple[BadRow, ...]:
        """Return the first few with their line numbers, counted by line feeds.

        The numbers are counted here, in a second look at the file, because few logs have a bad line.
        """
        rows, passed, number = [], 0, 1
        with log.path.open("rb") as file:
            for offset, reason, line in self._kept:
                while passed < offset and (content := file.read(min(offset - passed, 1 << 20))):
                    passed += len(content)
                    number += content.count(b"\n")
                text = printable_row(line.decode("utf-8", "replace"))
                rows.append(BadRow(number, reason, masked(text) if redact else text))
        return tuple(rows)

    def check(self, log: LogFile, good: int, options: ReadOptions, expected: str) -> tuple[BadRow, ...]:
        """Return the first few if there are not too many of them.

        Args:
            log: the log.
            good: number of lines that were read.
            options: how the log is read.
            expected: what its lines should be, for the message.

        Raises:
            EntroError: if there are more bad lines than good ones, or any with --strict.
        """
        bad = self.rows(log, options.redact)
        if not bad:
            return bad
        if options.strict:
            raise EntroError(str(bad[0]), where=log.label, expected="good lines only, with --strict")
        if self.count > good:
            raise EntroError(
                f"{self.count} of {self.count + good} lines cannot be read ({bad[0]})",
                where=log.label,
                expected=expected,
                remedy="the lines may be cut, or the log is of another format: name it with --input-format",
            )
        return bad


class LineLog(ABC):
    """The content of some lines of a log, behind others.

    Attributes:
        bad: the lines that cannot be read.
        zone: how timestamps were read, in words, once they have times.
        unread: the columns of quantities that were not read, because others hold the same.
    """

    def __init__(self) -> None:
        self.bad = BadLines()
        self.zone = ""
        self.unread: tuple[str, ...] = ()

    @property
    @abstractmethod
    def good(self) -> int:
        """Number of lines that were read and are of the kind that bad ones should be of."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Number of all lines that were read."""

    @abstractmethod
    def state(self) -> bytes:
        """Return the state of the reader behind the lines, once they have times."""


FoundLines = TypeVar("FoundLines", bound=LineLog)


class LineReader(ABC, Generic[FoundLines]):
    """A reader of a format that is written line by line."""

    name: str
    good_lines: ClassVar[str]
    """The lines that it reads, in words, for messages."""

    @abstractmethod
    def find(self, log: LogFile, options: ReadOptions, state: bytes) -> FoundLines:
        """Find the lines of a log that matter, behind those that left a state."""

    @abstractmethod
    def quantities(self, found: FoundLines, log: LogFile, options: ReadOptions, tally: Tally) -> Sequence[Series]:
        """Return the quantities of these lines, and count what is out of the ordinary.

        Raises:
            EmptyLogError: if a log has no sample so far.
            EntroError: if the lines cannot be used.
        """

    def signals(self, found: FoundLines, options: ReadOptions) -> Sequence[Series]:
        """Return the signals of these lines, once `quantities` has dated them."""
        return ()

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read a log; see `resume`."""
        return self.resume(log, options, b"").observations

    def resume(self, log: LogFile, options: ReadOptions, state: bytes) -> Reading:
        """Read lines of a log; see `ResumableReader`."""
        found = self.find(log, options, state)
        bad = found.bad.check(log, found.good, options, self.good_lines)
        tally = Tally()
        quantities = self.quantities(found, log, options, tally)
        observations = Observations(
            path=log.label,
            format=self.name,
            series=(*choose_stages(quantities, options), *self.signals(found, options)),
            rows_read=found.rows,
            rows_skipped=found.bad.count,
            bad_rows=bad,
            zone=found.zone,
            problems=tally.problems,
            columns=(*(part.column for part in quantities if len(part.times)), *found.unread),
        )
        return Reading(observations, found.state())
