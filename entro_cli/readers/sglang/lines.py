"""Batch lines, starts and requests of an SGLang server log."""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from entro_cli.readers.access_log import find_requests
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.partial_timestamps import Stamp, json_timestamp, timestamp_in
from entro_cli.readers.server_lines import (
    START,
    LineFinder,
    ServerLines,
    UnreadableLineError,
    request_count,
    without_colours,
)
from entro_cli.readers.text_lines import Block, line_starts

REQUESTS = -3
"""Key of requests: access lines of one timestamp that follow one another are one entry."""

_BATCH, _START = b"batch", b"server_args=ServerArgs("
_BEFORE, _STAMP = 200, 48
"""Bytes of a line within which its message begins, and within which its timestamp ends."""
_SAME = 24
"""Bytes in which access lines have to be equal to be of one timestamp."""

_MESSAGE = re.compile(rb"(?:Decode|Prefill) batch(?= ?[.,(#\[])|(?P<json>\{.{0,150}?\"(?:decode|prefill)[._]batch\")")
"""The beginning of a message, or of an object with the same numbers."""
_RANK = re.compile(rb' DP(\d+)|"dp_rank": ?(\d+)')
_COPY = re.compile(rb' (?:TP|PP|EP|ATTN_TP|MOE_EP)\d+|"(?:tp|pp|ep)_rank": ?\d+')
_RUNNING, _QUEUED = (
    re.compile(rb'(?:#%b-req|"num_%b_reqs?"): ?(-?[^\s,)}]+)(?=[\s,.)}]|$)' % (name, name))
    for name in (b"running", b"queue")
)
_NODE = re.compile(
    rb"disaggregation_mode='(?P<mode>prefill|decode)'|#(?P<prefill>(?:un)?bootstrap(?:ped)?|transferring|inflight)-req:"
    rb"|#transfer-req:|pre-allocated usage:"
)
"""Text of a line from a node of a server whose prefill and decode are disaggregated."""
_BEFORE_QUEUE = re.compile(rb"#(?:(?:un)?bootstrap(?:ped)?|prealloc)-req: (\d{1,9})\b")


@dataclass
class SglangLines(ServerLines):
    """The new batch lines, starts and requests of an SGLang log; a key is a data-parallel rank.

    Attributes:
        copies: by rank, the first of its copies: that one is read.
        waiting, running: of a batch line; NaN of others.
        requests: of an entry with the key REQUESTS, the number of access lines; 0 of others.
        unstamped: the number of requests in lines without a timestamp.
        is_prefill, is_decode: whether lines are of a prefill node, or a decode node, of a disaggregated server.
        left_out: the number of lines of a decode node beside those of a prefill node.
        before_queue: the most requests that wait for the other node, and are not in the queue yet.
    """

    copies: dict[int, bytes] = field(default_factory=dict)
    waiting: array[float] = field(default_factory=lambda: array("d"))
    running: array[float] = field(default_factory=lambda: array("d"))
    requests: array[int] = field(default_factory=lambda: array("q"))
    unstamped: int = 0
    is_prefill: bool = False
    is_decode: bool = False
    left_out: int = 0
    before_queue: int = 0


def find_lines(log: LogFile, found: SglangLines) -> SglangLines:
    """Find the lines of a log that matter, in one pass without a loop over the others.

    Args:
        log: the plain file.
        found: receives the lines; it has the clock and the copies of the lines before.

    Raises:
        EntroError: if the file cannot be read.
    """
    return _Finder(found).find(log)


def holds_batches(content: bytes) -> bool:
    """Return whether some bytes of a log hold a batch line of SGLang."""
    return any(
        _QUEUED.search(content, match.end(), match.end() + 600)
        or _RUNNING.search(content, match.end(), match.end() + 200)
        for match in _MESSAGE.finditer(content)
    )


class _Finder(LineFinder[SglangLines]):
    """One pass over a log of SGLang."""

    LONGEST = 1 << 15

    def find_in(self, block: Block) -> None:
        """Take batch lines and starts, and between them runs of requests."""
        lines = dict.fromkeys(line_starts(block, _BATCH, _START), 0)
        runs = _runs(block, find_requests(block.content))
        for begin, requests in sorted((lines | runs).items()):
            if requests:
                self._take_requests(block, begin, requests)
            else:
                self.take(block, begin)

    def _take_requests(self, block: Block, begin: int, requests: int) -> None:
        """Add a run of requests with the timestamp of its first line, which ends before the quoted request."""
        stamp = timestamp_in(without_colours(block.content[begin : begin + _STAMP]).partition(b'"')[0])
        if stamp:
            self.put(REQUESTS, stamp, requests=requests)
        else:
            self.found.unstamped += requests

    def parse(self, line: bytes, is_whole: bool) -> None:
        """Read a batch line or a start; see `LineFinder`."""
        message = _MESSAGE.search(line, 0, _BEFORE)
        if not message:
            start = line.find(_START, 0, _BEFORE)
            if start >= 0 and (stamp := timestamp_in(line[: min(start, _STAMP)])):
                self.put(START, stamp)
                self._is_left_out(line, stamp)
            return
        key = self._key(line if message["json"] else line[: message.start()])
        if key is None:
            return
        queued, running = (part.search(line, message.start()) for part in (_QUEUED, _RUNNING))
        if not queued:
            raise UnreadableLineError("cut short: no #queue-req")
        if not is_whole and queued.end() == len(line):  # more digits may come
            return
        stamp = timestamp_in(line[: min(message.start(), _STAMP)]) or json_timestamp(line)
        if not stamp:
            raise UnreadableLineError("the time cannot be read")
        if self._is_left_out(line, stamp):
            return
        if before_queue := _BEFORE_QUEUE.search(line, message.start()):
            self.found.before_queue = max(self.found.before_queue, int(before_queue[1]))
        stamped_at = line.rfind(b"[", 0, message.start())
        self.found.writers.add(key, line[: stamped_at if stamped_at >= 0 else message.start()])
        self.put(key, stamp, request_count(queued[1]), request_count(running[1]) if running else math.nan)

    def _key(self, prefix: bytes) -> int | None:
        """Return the data-parallel rank of a line; None for a copy that another parallel rank of it prints."""
        rank = _RANK.search(prefix)
        key = min(int(rank[rank.lastindex or 0]), 1 << 20) if rank else 0
        name = b"".join(_COPY.findall(prefix))
        return key if self.found.copies.setdefault(key, name) == name else None

    def _is_left_out(self, line: bytes, stamp: Stamp) -> bool:
        """Return whether a line is of a decode node beside a prefill node: a request is at both, and counts once."""
        node = _NODE.search(line)
        if not node:
            return False
        if is_prefill := bool(node["prefill"] or node["mode"] == b"prefill"):
            if self.found.is_decode and not self.found.is_prefill:
                self.put(START, stamp)  # from here on, only the lines of the prefill node count
            self.found.is_prefill = True
        else:
            self.found.is_decode = True
            self.found.left_out += self.found.is_prefill
        return not is_prefill and self.found.is_prefill

    def put(
        self, key: int, stamp: Stamp, waiting: float = math.nan, running: float = math.nan, requests: int = 0
    ) -> None:
        """Add a line with the numbers it has."""
        super().put(key, stamp)
        self.found.waiting.append(waiting)
        self.found.running.append(running)
        self.found.requests.append(requests)


def _runs(block: Block, places: NDArray[np.int64]) -> dict[int, int]:
    """Return the runs of requests of one timestamp in a block: where each begins, and its length.

    Args:
        block: whole lines.
        places: where requests are in it.
    """
    places = places[places < block.finished]
    if not len(places):
        return {}
    codes = np.frombuffer(block.content + bytes(_SAME), np.uint8)
    begins = np.concatenate([[0], np.flatnonzero(codes[: len(block.content)] == ord("\n")) + 1])
    lines = begins[np.searchsorted(begins, places, side="right") - 1]
    stamps = codes[lines[:, None] + np.arange(_SAME)]
    firsts = np.flatnonzero(np.concatenate([[True], np.any(stamps[1:] != stamps[:-1], axis=1)]))
    return dict(zip(lines[firsts].tolist(), np.diff(firsts, append=len(lines)).tolist(), strict=True))
