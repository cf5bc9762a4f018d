"""The pass over a log of an LLM server that finds the lines that matter; vLLM and SGLang fill in their formats."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from array import array
from collections.abc import Sequence
from typing import ClassVar, Generic, Self, TypeVar

import msgspec
import numpy as np

from entro_cli.readers.access_log import has_access_lines
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.partial_timestamps import BEFORE_COLON, ClockState, LineTimestamps, Stamp
from entro_cli.readers.problems import Tally, masked, printable_row
from entro_cli.readers.text_lines import Block, LineLog, blocks
from entro_cli.timeseries.observations import (
    RESTARTS,
    ReadOptions,
    Series,
    TimeArray,
)
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError, Kind

START, EVENT = -1, -2
"""Keys of lines that are of no engine or rank: a server starts, or it stops; and something else happens to it."""

_TIME = re.compile(rb"(?<![\d.])(?:(?:\d{4}[-/])?\d\d[-/]\d\d[T ])?\d\d:\d\d[\d:.,]*(?:Z|[+-]\d\d:?\d\d)?")
"""A time of day, maybe with its date, which differs from line to line whoever writes it."""
_MOST_PREFIXES = 64
"""So many prefixes are remembered: those with a counter in them are no writers."""
_FEWEST, _PART = 3, 10
"""So many lines of another writer, and more than one in so many, are no accident."""
_COMMON = 20
"""Bytes that are shown before the first difference of two prefixes."""

_COLOUR = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")


class Writers:
    """The prefixes of the lines of each engine or rank, which alternate if several servers write into one log."""

    def __init__(self) -> None:
        self._changes = self._differing = 0
        self._alternating: tuple[bytes, bytes] | None = None
        self._last: dict[int, tuple[bytes, Stamp | None, tuple[float, ...]]] = {}
        self._seen: set[tuple[int, bytes]] = set()

    def add(self, key: int, prefix: bytes, stamp: Stamp | None = None, values: tuple[float, ...] = ()) -> None:
        """Add a line.

        Args:
            key: its engine or rank.
            prefix: the text before its message, without the time.
            stamp: its timestamp, if one server prints only one line with it.
            values: its numbers.
        """
        last = self._last.get(key)
        self._last[key] = prefix, stamp, values
        alternates = last is not None and prefix != last[0] and (key, prefix) in self._seen
        if last and (alternates or (stamp is not None and stamp == last[1])):
            self._changes, self._differing = self._changes + 1, self._differing + (alternates or values != last[2])
            self._alternating = (last[0], prefix) if alternates else self._alternating
        elif len(self._seen) < _MOST_PREFIXES:
            self._seen.add((key, prefix))

    def check(self, log: LogFile, lines: int, options: ReadOptions, tally: Tally, is_first: bool) -> None:
        """Warn if some lines seem to be of several servers.

        Args:
            log: the log.
            lines: the number of lines of engines or ranks.
            options: how the log is read.
            tally: receives the warning.
            is_first: whether the lines are the first of the log; an error later would stop a history.

        Raises:
            EntroError: if many of its first lines are.
        """
        if self._differing < _FEWEST:  # a logger that prints each line twice is no second server
            return
        shown = self._shown(options)
        if is_first and _PART * self._changes > lines:
            raise EntroError(
                f"several servers seem to write into this log: {self._changes} of {lines} lines {shown}",
                where=log.label,
                expected="the lines of one server, or writers named as by docker compose, kubectl or stern",
                remedy="split the log by server, or name the pods with kubectl logs --prefix",
            )
        tally.note(ProblemKind.SERVERS_MIXED, shown)

    def _shown(self, options: ReadOptions) -> str:
        if not self._alternating:
            return "have the time of the line before, with other numbers"
        pairs = zip(*self._alternating, strict=False)
        begin = max(next((place for place, (one, other) in enumerate(pairs) if one != other), 0) - _COMMON, 0)
        texts = [printable_row(text[begin:].decode("utf-8", "replace")) for text in self._alternating]
        first, second = map(masked, texts) if options.redact else texts
        return f"change between the prefixes {first!r} and {second!r}"


class UnreadableLineError(ValueError):
    """A line that should be of an engine or rank and cannot be read; its text says why."""


class ServerState(msgspec.Struct):
    """The state of a server behind some lines of its log.

    Attributes:
        clock: its clock.
        access_logged: whether the log has access lines at all.
        is_up: whether an engine has printed a line since the server was started last.
        signals: by name, the time of the last signal, nanoseconds since the epoch, and how many before it have that.
    """

    clock: ClockState = msgspec.field(default_factory=ClockState)
    access_logged: bool = False
    is_up: bool = False
    signals: dict[str, tuple[int, int]] = {}


Measured = tuple[int, Stamp, tuple[float, ...]]
"""The key of a line of an engine or rank, its timestamp, and its numbers."""

FoundState = TypeVar("FoundState", bound=ServerState)


class ServerLines(LineLog, Generic[FoundState]):
    """The new lines of a server's log that matter, in the order of the log; each array has an entry per line.

    Subclasses find the candidates in a block by literals (`find_in`), hand each to `take`, and parse it (`parse`).

    Attributes:
        before: the state behind the lines before, which becomes that behind these lines.
        is_first: whether there are no lines before.
        stamps: their timestamps.
        keys: the engine or rank that a line is of, 0 or more; or START, or another key below 0.
        values: the numbers of each line, WIDTH of them, NaN where it has none.
        writers: the prefixes of the lines of engines or ranks.
    """

    WIDTH: ClassVar[int]

    LONGEST: ClassVar[int | None] = None
    """Bytes of a line that are looked at; None for all."""

    def __init__(self, before: FoundState, is_first: bool) -> None:
        super().__init__()
        self.before, self.is_first = before, is_first
        self.stamps, self.keys, self.values = LineTimestamps(before.clock), array("i"), array("d")
        self.writers = Writers()
        self._signals: dict[str, list[tuple[int, float]]] = {}
        self._times, self._started = np.empty(0, np.int64), 0

    def find(self, log: LogFile) -> Self:
        """Go through a log, block by block, without a loop over lines that do not matter.

        Raises:
            EntroError: if the file cannot be read.
        """
        for block in blocks(log):
            self.before.access_logged = self.before.access_logged or has_access_lines(block.content)
            self.find_in(block)
        return self

    @property
    def good(self) -> int:
        """Number of lines of engines or ranks."""
        return sum(1 for key in self.keys if key >= 0)

    @abstractmethod
    def find_in(self, block: Block) -> None:
        """Take the lines of a block that matter, in order."""

    @abstractmethod
    def parse(self, line: bytes, is_whole: bool) -> Measured | None:
        """Return what a candidate says; None if it is of no engine or rank.

        Args:
            line: its bytes, without its end and without colours.
            is_whole: whether it has its end.

        Raises:
            UnreadableLineError: if it should be of an engine or rank and cannot be read.
        """

    def take(self, block: Block, begin: int) -> Measured | None:
        """Read a candidate, which begins at a place of a block; see `parse`."""
        line, is_whole = block.line(begin)
        line = without_colours(line[: self.LONGEST])
        try:
            return self.parse(line, is_whole)
        except UnreadableLineError as error:
            if is_whole:  # a line without its end may still be written
                self.bad.add(block.offset + begin, str(error), line)
        return None

    def put(self, key: int, stamp: Stamp, values: Sequence[float] = ()) -> None:
        """Add a line."""
        self.keys.append(key)
        self.stamps.add(stamp)
        self.values.extend(values or (math.nan,) * self.WIDTH)

    def signal(self, name: str, value: float = 1.0) -> None:
        """Add a signal of the last line that was put."""
        self._signals.setdefault(name, []).append((len(self.keys) - 1, value))

    def start(self, stamp: Stamp) -> None:
        """Add a line with which a server starts, which may print several."""
        self._note_up()
        self.put(START, stamp)
        if self.before.is_up:
            self.signal(RESTARTS)
        self.before.is_up, self._started = False, len(self.keys)

    def _note_up(self) -> None:
        self.before.is_up = self.before.is_up or any(key >= 0 for key in self.keys[self._started :])

    def signals(self) -> list[Series]:
        """Return the signals, once the lines are dated; see `with_owner`.

        Those of one timestamp are a nanosecond apart, so that a log cut in two loses none of them.
        """
        found = []
        for name, signals in self._signals.items():
            last, number = self.before.signals.get(name, (-1, 0))
            at = []
            for time in self._times[[line for line, _ in signals]].tolist():
                last, number = time, number + 1 if time == last else 0
                at.append(last + number)
            self.before.signals[name] = (last, number)
            times, places = np.unique(np.array(at, np.int64), return_index=True)
            values = np.array([value for _, value in signals])[places]
            found.append(Series("", Kind.GENERIC, times, values, column=name))
        return found

    def date(self, log: LogFile, options: ReadOptions, tally: Tally) -> TimeArray:
        """Return when the lines were printed, nanoseconds, shape (lines,).

        Raises:
            EntroError: if they seem to be of several servers, or a timestamp is of no day of its year.
        """
        self.writers.check(log, self.good, options, tally, self.is_first)
        self._times, self.before.clock = self.stamps.utc(log, options, tally)
        self.zone = self.before.clock.words
        return self._times

    def state(self) -> bytes:
        """Return the state behind the lines."""
        self._note_up()
        return msgspec.msgpack.encode(self.before)


def without_time(prefix: bytes) -> bytes:
    """Return the text before a message without times of day."""
    begin = max(prefix.find(b":") - BEFORE_COLON, 0)
    return prefix[:begin] + _TIME.sub(b"", prefix[begin:])


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
