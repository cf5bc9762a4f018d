"""Text logs as bytes: blocks of whole lines, and the lines of them that could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import SHOWN_BAD_ROWS, masked, printable_row
from entro_cli.timeseries.observations import BadRow, ReadOptions
from entro_engine import EntroError

_BLOCK = 1 << 20
_LONGEST = 1 << 26
"""A line longer than this is taken in pieces: it is none of a log."""


@dataclass(frozen=True)
class Block:
    """Some whole lines of a log.

    Attributes:
        content: their bytes.
        offset: where in the log they begin.
        finished: how many of the bytes are of lines that have their end: all but in the last block.
    """

    content: bytes
    offset: int
    finished: int


def blocks(log: LogFile, size: int = _BLOCK) -> Iterator[Block]:
    """A log in blocks of whole lines; only the last line of the last block may have no end.

    Args:
        log: the plain file.
        size: how much is read at once, bytes.

    Raises:
        EntroError: when it cannot be read.
    """
    offset = 0
    try:
        with log.path.open("rb") as file:
            while content := file.read(size) + file.readline(_LONGEST):
                finished = len(content) if content.endswith(b"\n") else content.rfind(b"\n") + 1
                yield Block(content, offset, finished)
                offset += len(content)
    except OSError as error:
        raise EntroError(f"cannot be read: {error.strerror or error}", where=log.label) from error


def line_starts(block: Block, literal: bytes) -> Iterator[int]:
    """Where the lines of a block begin that have a literal."""
    content, place = block.content, block.content.find(literal)
    while place >= 0:
        yield content.rfind(b"\n", 0, place) + 1
        end = content.find(b"\n", place)
        place = content.find(literal, end) if end >= 0 else -1


def lines_at(log: LogFile, offsets: list[int], longest: int = 4096) -> list[bytes]:
    """The lines that begin at some places of a log, without their ends, cut to a length in bytes."""
    with log.path.open("rb") as file:
        found = []
        for offset in offsets:
            file.seek(offset)
            found.append(file.readline(longest).rstrip(b"\r\n"))
    return found


class BadLines:
    """The lines of a log that could not be read: how many, and the first few."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[tuple[int, str, bytes]] = []

    def add(self, offset: int, reason: str, line: bytes) -> None:
        """Count one.

        Args:
            offset: where in the log it begins.
            reason: what is wrong with it.
            line: its bytes.
        """
        self.count += 1
        if len(self._kept) < SHOWN_BAD_ROWS:
            self._kept.append((offset, reason, line[:400]))

    def rows(self, log: LogFile, redact: bool) -> tuple[BadRow, ...]:
        """The first few, with the lines they stand on, counted by line feeds."""
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
        """The first few, where the log may be read all the same.

        Args:
            log: the log.
            good: how many lines could be read.
            options: what the user said.
            expected: what there should be, for the message.

        Raises:
            EntroError: when there are more of them than of the others, or any under --strict.
        """
        bad = self.rows(log, options.redact)
        if not bad:
            return bad
        first = str(bad[0])
        if options.strict:
            raise EntroError(first, where=log.label, expected="good lines only, with --strict")
        if self.count > good:
            raise EntroError(
                f"{self.count} of {self.count + good} lines cannot be read ({first})",
                where=log.label,
                expected=expected,
                remedy="they may be cut, or the format is another: --input-format names it",
            )
        return bad


MARK = b"entro: carried up to here"
"""The line up to which lines tell how things stood, and nothing that would be counted once more."""


def carried(before: Iterable[bytes], behind: Iterable[bytes], unfinished: bytes) -> bytes:
    """The lines of one log to put before the next.

    Args:
        before: how things stood, lines without ends.
        behind: what was not counted yet, lines without ends.
        unfinished: the last line, where it has no end yet.
    """
    return b"".join(line + b"\n" for line in (*before, MARK, *behind)) + unfinished


def is_mark(line: bytes) -> bool:
    """Whether a line is that one."""
    return line.rstrip(b"\r") == MARK
