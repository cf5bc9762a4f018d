"""The pass over a log of an LLM server that finds the lines that matter; vLLM and SGLang fill in their formats."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from array import array
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from entro_cli.readers.access_log import has_access_lines
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.partial_timestamps import ClockState, LineTimestamps, Stamp
from entro_cli.readers.text_lines import BadLines, Block, blocks

START = -1
"""Key of lines that are of no engine or rank: a server starts, or it stops."""

_COLOUR = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")


@dataclass
class ServerLines:
    """The new lines of a server's log that matter, in the order of the log; each array has an entry per line.

    Attributes:
        stamps: their timestamps.
        keys: the engine or rank that a line is of, 0 or more; or START, or another key below 0.
        access_logged: whether the log has access lines at all.
        bad: the lines that should have matched and could not be read.
    """

    stamps: LineTimestamps = field(default_factory=lambda: LineTimestamps(ClockState()))
    keys: array[int] = field(default_factory=lambda: array("i"))
    access_logged: bool = False
    bad: BadLines = field(default_factory=BadLines)

    @property
    def measured(self) -> int:
        """Number of lines of engines or ranks."""
        return sum(1 for key in self.keys if key >= 0)


class UnreadableLineError(ValueError):
    """A line that should be of an engine or rank and cannot be read; its text says why."""


FoundLines = TypeVar("FoundLines", bound=ServerLines)


class LineFinder(ABC, Generic[FoundLines]):
    """One pass over a log, block by block.

    Subclasses find the candidates in a block by literals (`find_in`), hand each to `take`, and parse it (`parse`).

    Args:
        found: receives the lines.
    """

    LONGEST: ClassVar[int | None] = None
    """Bytes of a line that are looked at; None for all."""

    def __init__(self, found: FoundLines) -> None:
        self.found = found

    def find(self, log: LogFile) -> FoundLines:
        """Go through a log.

        Raises:
            EntroError: if the file cannot be read.
        """
        for block in blocks(log):
            self.found.access_logged = self.found.access_logged or has_access_lines(block.content)
            self.find_in(block)
        return self.found

    @abstractmethod
    def find_in(self, block: Block) -> None:
        """Take the lines of a block that matter, in order."""

    @abstractmethod
    def parse(self, line: bytes, is_whole: bool) -> None:
        """Read a candidate, without colours, and `put` it if it matters.

        Args:
            line: its bytes, without its end.
            is_whole: whether it has its end.

        Raises:
            UnreadableLineError: if it should be of an engine or rank and cannot be read.
        """

    def take(self, block: Block, begin: int) -> None:
        """Read one candidate, which begins at a place of a block."""
        line, is_whole = block.line(begin)
        line = without_colours(line[: self.LONGEST])
        try:
            self.parse(line, is_whole)
        except UnreadableLineError as error:
            if is_whole:  # a line without its end may still be written
                self.found.bad.add(block.offset + begin, str(error), line)

    def put(self, key: int, stamp: Stamp) -> None:
        """Add a line; subclasses add what it says."""
        self.found.keys.append(key)
        self.found.stamps.add(stamp)


def without_colours(line: bytes) -> bytes:
    """Return a line without the escape sequences that colour it on a terminal."""
    return _COLOUR.sub(b"", line) if b"\x1b" in line else line


def request_count(text: bytes) -> float:
    """Return a number of requests.

    Raises:
        UnreadableLineError: if it is none.
    """
    if text.isdigit() and len(text) <= 12:
        return float(text)
    raise UnreadableLineError("negative" if re.fullmatch(rb"-\d+", text) else "not a number of requests")
