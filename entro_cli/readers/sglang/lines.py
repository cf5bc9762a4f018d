"""The lines of an SGLang server log that tell something: batches of its schedulers, starts, requests, with stamps."""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from entro_cli.readers.access_log import has_access_lines, request_places
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.partial_timestamps import LineTimestamps, PartialTimestampFormat, Stamp, timestamp_in
from entro_cli.readers.text_lines import MARK, BadLines, Block, blocks, is_mark, line_starts

START, CARRIED, REQUESTS = -1, -2, -3
"""Keys of lines that are no rank's: a server starts; all before is carried from another log; requests of one stamp."""

_BATCH, _START = b" batch", b"server_args=ServerArgs("
_BEFORE, _STAMP = 200, 48
"""How many bytes of a line stand before its message at the most, and before the end of its stamp."""
_SAME = 24
"""Access lines that are alike this far have one stamp."""

_COLOUR = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_MESSAGE = re.compile(rb"(?:Decode|Prefill) batch(?= ?[.,(#])")
_RANK = re.compile(rb" DP(\d+)")
_COPY = re.compile(rb" ((?:(?:TP|PP|EP|ATTN_TP|MOE_EP)\d+ ?)+)")
_RUNNING, _QUEUED = (re.compile(rb"#%s-req: (-?[^\s,)]+)(?=[\s,.)]|$)" % name) for name in (b"running", b"queue"))


@dataclass
class SglangLines:
    """What the lines of a log tell, in the order of the log.

    Attributes:
        keys: the data-parallel rank of a batch line, or START, CARRIED or REQUESTS.
        stamps: when.
        offsets: where in the log the line begins; of requests the first of them.
        waiting, running: of a batch line; NaN of others.
        requests: how many access lines of one stamp, one after the other; 0 of others.
        unstamped: how many requests are in lines without a stamp.
        access_logged: whether requests are logged at all.
        bad: the batch lines that could not be read.
        unfinished: the last line where it has no end yet.
    """

    keys: array[int] = field(default_factory=lambda: array("i"))
    stamps: LineTimestamps = field(default_factory=LineTimestamps)
    offsets: array[int] = field(default_factory=lambda: array("q"))
    waiting: array[float] = field(default_factory=lambda: array("d"))
    running: array[float] = field(default_factory=lambda: array("d"))
    requests: array[int] = field(default_factory=lambda: array("q"))
    unstamped: int = 0
    access_logged: bool = False
    bad: BadLines = field(default_factory=BadLines)
    unfinished: bytes = b""

    @property
    def batches(self) -> int:
        """How many batch lines were read."""
        return sum(1 for key in self.keys if key >= 0)


class _UnreadableError(ValueError):
    """A batch line that cannot be read; its text says why."""


def find_lines(log: LogFile, only_whole: bool = False) -> SglangLines:
    """Everything of a log that tells something, in one pass, without a loop over the other lines.

    Args:
        log: the plain file.
        only_whole: leave out a last line that has no end yet, even if it tells all that is needed of it.

    Raises:
        EntroError: when it cannot be read.
    """
    return _Finder(only_whole).find(log)


def holds_batches(content: bytes) -> bool:
    """Whether some bytes of a log hold a batch line of SGLang."""
    return any(
        _QUEUED.search(content, match.end(), match.end() + 600)
        or _RUNNING.search(content, match.end(), match.end() + 200)
        for match in _MESSAGE.finditer(content)
    )


class _Finder:
    """One pass over a log."""

    def __init__(self, only_whole: bool) -> None:
        self.only_whole = only_whole
        self.found = SglangLines()
        self.copies: dict[int, bytes] = {}  # of each rank the first of its copies
        self.last: Stamp = (PartialTimestampFormat.ZONED, 0)

    def find(self, log: LogFile) -> SglangLines:
        for block in blocks(log):
            places = request_places(block.content)
            self.found.access_logged = self.found.access_logged or has_access_lines(block.content)
            marks = [*line_starts(block, MARK)]
            lines = {begin: 0 for literal in (_BATCH, _START) for begin in line_starts(block, literal)}
            lines |= dict.fromkeys(marks, 0)
            for begin, requests in sorted((lines | _runs(block, places, marks)).items()):
                if requests:
                    self._requests(block, begin, requests)
                else:
                    self._line(block, begin)
            if block.finished < len(block.content):
                self.found.unfinished = block.content[block.finished :]
        return self.found

    def _requests(self, block: Block, begin: int, requests: int) -> None:
        stamp = timestamp_in(_COLOUR.sub(b"", block.content[begin : begin + _STAMP]).partition(b'"')[0])
        if stamp:
            self._put(REQUESTS, stamp, block.offset + begin, requests=requests)
        else:
            self.found.unstamped += requests

    def _line(self, block: Block, begin: int) -> None:
        """One line that has one of the literals."""
        end = block.content.find(b"\n", begin)
        whole = block.content[begin : end if end >= 0 else len(block.content)]
        offset = block.offset + begin
        if end < 0 and self.only_whole:
            return
        if is_mark(whole):
            self._put(CARRIED, self.last, offset)
            return
        line = _COLOUR.sub(b"", whole[:2000]) if b"\x1b" in whole[:2000] else whole[:2000]
        message = _MESSAGE.search(line, 0, _BEFORE)
        start = line.find(_START, 0, _BEFORE)
        if not message:
            if start >= 0 and (stamp := timestamp_in(line[: min(start, _STAMP)])):
                self._put(START, stamp, offset)
            return
        try:
            self._batch(line, message, offset, is_whole=end >= 0)
        except _UnreadableError as error:
            if end >= 0:  # a line without its end may still be written
                self.found.bad.add(offset, str(error), line)

    def _batch(self, line: bytes, message: re.Match[bytes], offset: int, is_whole: bool) -> None:
        prefix = line[: message.start()]
        rank = _RANK.search(prefix)
        key = min(int(rank[1]), 1 << 20) if rank else 0
        copy = _COPY.search(prefix)
        if self.copies.setdefault(key, copy[1].strip() if copy else b"") != (copy[1].strip() if copy else b""):
            return
        queued, running = _QUEUED.search(line, message.end()), _RUNNING.search(line, message.end())
        if not queued:
            raise _UnreadableError("cut short: no #queue-req")
        if not is_whole and queued.end() == len(line):  # more digits may come
            return
        stamp = timestamp_in(prefix[:_STAMP])
        if not stamp:
            raise _UnreadableError("the time cannot be read")
        self._put(key, stamp, offset, _count(queued[1]), _count(running[1]) if running else math.nan)

    def _put(
        self,
        key: int,
        stamp: Stamp,
        offset: int,
        waiting: float = math.nan,
        running: float = math.nan,
        requests: int = 0,
    ) -> None:
        found = self.found
        found.keys.append(key)
        found.stamps.add(stamp)
        found.offsets.append(offset)
        found.waiting.append(waiting)
        found.running.append(running)
        found.requests.append(requests)
        self.last = stamp


def _count(text: bytes) -> float:
    if text[:1] == b"-" and text[1:].isdigit():
        raise _UnreadableError("negative")
    if not text.isdigit() or len(text) > 12:
        raise _UnreadableError("not a number of requests")
    return float(text)


def _runs(block: Block, places: NDArray[np.int64], marks: list[int]) -> dict[int, int]:
    """Where access lines of one stamp begin that follow one another, and how many they are.

    Args:
        block: some lines.
        places: where in them requests are.
        marks: where in them a line begins that parts what is before from what is behind.
    """
    places = places[places < block.finished]
    if not len(places):
        return {}
    codes = np.frombuffer(block.content + bytes(_SAME), np.uint8)
    begins = np.concatenate([[0], np.flatnonzero(codes[: len(block.content)] == ord("\n")) + 1])
    at = begins[np.searchsorted(begins, places, side="right") - 1]
    stamps = codes[at[:, None] + np.arange(_SAME)]
    parted = np.diff(np.searchsorted(np.array(marks, dtype=np.int64), at)) != 0
    firsts = np.flatnonzero(np.concatenate([[True], np.any(stamps[1:] != stamps[:-1], axis=1) | parted]))
    return dict(zip(at[firsts].tolist(), np.diff(firsts, append=len(at)).tolist(), strict=True))
