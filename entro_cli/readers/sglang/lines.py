"""Batch lines, starts and requests of an SGLang server log."""

from __future__ import annotations

import math
import re
from functools import lru_cache

import msgspec

from entro_cli.readers.access_log import find_requests
from entro_cli.readers.partial_timestamps import Stamp, json_timestamp, timestamp_in
from entro_cli.readers.server_lines import (
    EVENT,
    START,
    Measured,
    ServerLines,
    ServerState,
    UnreadableLineError,
    request_count,
    without_colours,
    without_time,
)
from entro_cli.readers.text_lines import Block, equal_runs, line_starts
from entro_cli.timeseries.observations import KV_CACHE_USAGE, PREEMPTIONS

REQUESTS = -3
"""Key of requests: access lines of one timestamp that follow one another are one entry."""

_BATCH, _START, _RETRACTED = b"batch", b"server_args=ServerArgs(", b"#retracted_reqs"
_BEFORE, _STAMP = 200, 48
"""Bytes of a line within which its message begins, and within which its timestamp ends."""
_SAME = 24
"""Bytes in which access lines have to be equal to be of one timestamp."""

_MESSAGE = re.compile(rb"(?:Decode|Prefill) batch(?= ?[.,(#\[])|(?P<json>\{.{0,150}?\"(?:decode|prefill)[._]batch\")")
"""The beginning of a message, or of an object with the same numbers."""
_RANK = re.compile(rb' DP(\d+)|"dp_rank": ?(\d+)')
_COPY = re.compile(rb' (?:TP|PP|EP|ATTN_TP|MOE_EP)\d+|"(?:tp|pp|ep)_rank": ?\d+')
_COUNT = rb": ?(-?[^\s,)}]+)(?=[\s,.)}]|$)"
_COUNTS = {
    False: (re.compile(b"#queue-req" + _COUNT), re.compile(b"#running-req" + _COUNT)),
    True: (re.compile(b'"num_queue_reqs?"' + _COUNT), re.compile(b'"num_running_reqs?"' + _COUNT)),
}
"""The numbers of queued and of running requests in text, and in the fields of JSON."""
_USAGE = re.compile(rb'usage"?: ?(0\.9\d*|1\.\d+)')
"""Used tokens as a share of those that fit, where that is high; some models have several pools of them."""
_RETRACTIONS = re.compile(rb"(?:pool is full\. Retract|out of memory happened).{,60}#retracted_reqs: (\d{1,9})\b")
_MODE = re.compile(rb"disaggregation_mode='(prefill|decode)'")
_NODE = re.compile(rb"#(?:(?P<prefill>(?:un)?bootstrap(?:ped)?|transferring|inflight)|transfer)-req:")
"""Text of a line from a node of a server whose prefill and decode are disaggregated: where it starts, and of others."""
_BEFORE_QUEUE = re.compile(rb"#(?:(?:un)?bootstrap(?:ped)?|prealloc)-req: (\d{1,9})\b")


class RanksState(msgspec.Struct):
    """The ranks of a server behind some lines.

    Attributes:
        live: by rank, the waiting and running requests of its last line.
        open: likewise of the last timestamp, while lines of other ranks may still have it.
        open_at: that timestamp, nanoseconds.
        stamp: the timestamp of the last sample, nanoseconds.
        of_stamp: the number of samples with that timestamp before the last.
    """

    live: dict[int, tuple[float, float]] = {}
    open: dict[int, tuple[float, float]] = {}
    open_at: int = -1
    stamp: int = -1
    of_stamp: int = 0


class SglangState(ServerState):
    """The state of an SGLang server behind some lines of its log.

    Attributes:
        copies: by rank, the first of its copies: that one is read.
        ranks: its ranks.
        last_requests: the timestamp of the last request, nanoseconds, and the number of requests that have it.
        is_prefill, is_decode: whether lines are of a prefill node, or a decode node, of a disaggregated server.
    """

    copies: dict[int, bytes] = msgspec.field(default_factory=dict)
    ranks: RanksState = msgspec.field(default_factory=RanksState)
    last_requests: tuple[int, int] = (-1, 0)
    is_prefill: bool = False
    is_decode: bool = False


class SglangLines(ServerLines[SglangState]):
    """The new batch lines, starts and requests of an SGLang log.

    A key is a data-parallel rank. The numbers of a batch line are waiting and running requests. That of an entry with
    the key REQUESTS is the number of access lines.

    Attributes:
        unstamped: the number of requests in lines without a timestamp.
        left_out: the number of lines of a decode node beside those of a prefill node.
        before_queue: the most requests that wait for the other node, and are not in the queue yet.
    """

    WIDTH, LONGEST = 2, 1 << 15

    def __init__(self, before: SglangState, is_first: bool) -> None:
        super().__init__(before, is_first)
        self.unstamped = self.left_out = self.before_queue = self._requests = 0
        self._usages: list[bytes] = []  # of the last batch line, whose signal follows once it is put

    @property
    def rows(self) -> int:
        """Number of batch lines and requests."""
        return self.good + self._requests

    def find_in(self, block: Block) -> None:
        """Take batch lines and starts, and between them runs of requests."""
        lines = dict.fromkeys(line_starts(block, _BATCH, _START, _RETRACTED), 0)
        requests = find_requests(block.content)
        runs = equal_runs(block.content, requests[requests < block.finished], _SAME)
        for begin, length in sorted((lines | runs).items()):
            if length:
                self._take_requests(block, begin, length)
            elif batch := self.take(block, begin):
                self.put(*batch)
                if self._usages:
                    self.signal(KV_CACHE_USAGE, min(max(map(float, self._usages)), 1.0))

    def _take_requests(self, block: Block, begin: int, requests: int) -> None:
        """Add a run of requests with the timestamp of its first line, which ends before the quoted request."""
        stamp = timestamp_in(without_colours(block.content[begin : begin + _STAMP]).partition(b'"')[0])
        if stamp:
            self.put(REQUESTS, stamp, (requests, math.nan))
            self._requests += requests
        else:
            self.unstamped += requests

    def parse(self, line: bytes, is_whole: bool) -> Measured | None:
        """Read a batch line or a start; see `ServerLines`."""
        message = _MESSAGE.search(line, 0, _BEFORE)
        if not message:
            self._take_event(line)
            return None
        begin = message.start()
        prefix = without_time(line[:begin])
        key, copy = _rank(line if message["json"] else prefix)
        if self.before.copies.setdefault(key, copy) != copy:
            return None
        queued, running = (part.search(line, begin) for part in _COUNTS[bool(message["json"])])
        if not queued:
            raise UnreadableLineError("cut short: no #queue-req")
        if not is_whole and queued.end() == len(line):  # more digits may come
            return None
        stamp = timestamp_in(line[: min(begin, _STAMP)]) or json_timestamp(line)
        if not stamp:
            raise UnreadableLineError("the time cannot be read")
        self._usages = _USAGE.findall(line, begin)
        node = _NODE.search(line, begin)
        if (node or b"pre-allocated usage:" in line) and self._is_left_out(bool(node and node["prefill"]), stamp):
            return None
        if node and (before_queue := _BEFORE_QUEUE.search(line, begin)):
            self.before_queue = max(self.before_queue, int(before_queue[1]))
        writer, bracket, _ = prefix.rpartition(b"[")  # of the timestamp and the ranks
        self.writers.add(key, writer if bracket else prefix)
        return key, stamp, (request_count(queued[1]), request_count(running[1]) if running else math.nan)

    def _take_event(self, line: bytes) -> None:
        """Take a line with which the server starts, or retracts requests because its KV cache is full."""
        start, retracted = line.find(_START, 0, _BEFORE), _RETRACTIONS.search(line, 0, _BEFORE)
        begin = retracted.start() if retracted else start
        stamp = timestamp_in(line[: min(begin, _STAMP)]) if begin >= 0 else None
        if not stamp:
            return
        if retracted:
            key, copy = _rank(without_time(line[:begin]))
            if self.before.copies.get(key, copy) == copy:
                self.put(EVENT, stamp)
                self.signal(PREEMPTIONS, float(retracted[1]))
            return
        self.start(stamp)
        if mode := _MODE.search(line):
            self._is_left_out(mode[1] == b"prefill", stamp)

    def _is_left_out(self, is_prefill: bool, stamp: Stamp) -> bool:
        """Return whether a line is of a decode node beside a prefill node: a request is at both, and counts once."""
        state = self.before
        if is_prefill:
            if state.is_decode and not state.is_prefill:
                self.put(START, stamp)  # from here on, only the lines of the prefill node count
            state.is_prefill = True
        else:
            state.is_decode = True
            self.left_out += state.is_prefill
        return not is_prefill and state.is_prefill


def holds_batches(content: bytes) -> bool:
    """Return whether some bytes of a log hold a batch line of SGLang."""
    return any(
        part.search(content, match.end(), match.end() + reach)
        for match in _MESSAGE.finditer(content)
        for part, reach in zip(_COUNTS[bool(match["json"])], (600, 200), strict=True)
    )


@lru_cache(maxsize=256)
def _rank(prefix: bytes) -> tuple[int, bytes]:
    """Return the data-parallel rank of a line, and the other ranks that it names, in which copies of it differ."""
    rank = _RANK.search(prefix)
    return min(int(rank[rank.lastindex or 0]), 1 << 20) if rank else 0, b"".join(_COPY.findall(prefix))
