"""Stats lines and starts of a vLLM server log, with the number of requests before each."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from entro_cli.core.clock import NS
from entro_cli.readers.access_log import AccessLines
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
from entro_cli.readers.text_lines import Block, line_starts
from entro_cli.readers.vllm.engines import Engine, EnginesState, EngineStats, ServerLine
from entro_cli.timeseries.observations import KV_CACHE_USAGE, PREEMPTIONS, TimeArray

_PROMPT_RATE, _ONLY_RATE = b"Avg prompt throughput: ", b"Throughput: "
"""All stats lines have the first, but those of 0.1 have the second."""
_BEFORE, _BEHIND = 400, 600
"""Bytes of a line that matter before and after its first rate. A line in which it comes later quotes a prompt."""

_CANDIDATE = re.compile(rb"Avg prompt throughput: |(?P<bare> ?(?<![a-z] )T)hroughput: ")
_RATE, _UP_TO_RATE = b"hroughput: ", len("Avg prompt t")
_SAYS = re.compile(
    rb"(?:(?P<total>\d+ Engines Aggregated)|(?P<engine>Engine \d+)|instance id: (?P<instance>[^,\s]+))[:,]? ?$"
)
_OTHERS = rb"(?: [^,]+,){0,8}?"
"""Fields of forks, and of later versions, between those that all lines have."""
_STATS = re.compile(
    rb"hroughput: (?P<first>\S+) tokens/s,(?:%b Avg generation throughput: (?P<generation>\S+) tokens/s,)?"
    rb"%b Running: (?P<running>\S+) reqs,%b (?P<name>Pending|Waiting): (?P<waiting>\S+) reqs" % ((_OTHERS,) * 3)
)
_PROCESS = re.compile(rb"\((?P<part>ApiServer_)?\w[\w.-]* pid=(?P<pid>\d+)\)")
_EDGE = re.compile(
    rb"(?P<start>Initializing an? (?:V1 )?LLM engine|vLLM API server version)|(?:Start|Finish)ed server process"
    rb"|\[shutdown\]|[Ss]hutting down|Application shutdown complete|EngineCore encountered a fatal error"
    rb"|EngineDeadError|(?:Engine core|Worker) proc \S+ died|is already dead, terminating"
)
_FULL = re.compile(rb"KV cache usage: (9\d(?:\.\d+)?|100(?:\.0+)?)%")
_PREEMPTIONS, _PREEMPTED = re.compile(rb", Preemptions: ([1-9]\d{,8}),"), b"total_num_cumulative_preemption="
_TOTAL = re.compile(rb"is preempted by .{,300}total_num_cumulative_preemption=(\d{1,9})")
"""V1 counts preemptions in its stats lines. V0 prints a line at every 50th, with their number so far."""
_STARTS = b"Initializing a", b"API server v"
_STOPS = b"server process", b"hutdown", b"hutting down", b"fatal err", b"DeadError", b" died", b"dead,"
"""Literals of lines with which a server starts or stops, in any version. Some of them have no timestamp."""
_REGULAR_NS = 12 * NS
"""The longest usual interval with its jitter, nanoseconds."""


class VllmState(ServerState):
    """The state of a vLLM server behind some lines of its log.

    Attributes:
        engines: its engines.
        requests: the number of requests that are in no span yet.
        is_resting: whether the last stats line is of an engine that runs nothing.
        is_near_full: whether it is of one whose KV cache is nearly full.
        preempted: the number of preemptions so far, in V0.
    """

    engines: EnginesState = msgspec.field(default_factory=EnginesState)
    requests: int = 0
    is_resting: bool = False
    is_near_full: bool = False
    preempted: int = 0


class VllmLines(ServerLines[VllmState]):
    """The new stats lines, starts and stops of a vLLM log.

    A key is an index of its engines. The numbers of a line are waiting, running, prompt and generation throughput.

    Attributes:
        requests: of each line, the number of requests before it.
        requests_in_all: the number of requests in lines that have their end, with those in no span yet.
    """

    WIDTH = 4

    def __init__(self, before: VllmState, is_first: bool) -> None:
        super().__init__(before, is_first)
        self.requests, self.requests_in_all, self._earlier = array("q"), before.requests, before.requests
        self._keys: dict[Engine, int] = {}
        self._full: re.Match[bytes] | None = None  # of the last stats line, whose signals follow once it is put
        self._preemptions: re.Match[bytes] | None = None
        self._access_lines = AccessLines()

    @property
    def rows(self) -> int:
        """Number of stats lines and requests."""
        return self.good + self.requests_in_all - self._earlier

    def find_in(self, block: Block) -> None:
        """Take stats lines, starts and stops, with the number of requests before each."""
        places, after = array("q"), 0
        newer = line_starts(block, _PROMPT_RATE)
        for begin in line_starts(block, _ONLY_RATE, end=newer[0] if newer else None) + newer:  # it may be updated
            stats = self.take(block, begin)
            if stats is None:
                continue
            # A search of all lines for starts and stops would take as long as everything else. Both need a gap.
            if _is_gap(self.stamps.last, stats[1]):
                places.extend(self._take_edges(block, after, begin))
            elif self.before.is_near_full:
                places.extend(self._take_edges(block, after, begin, ()))
            self.put(*stats)
            places.append(begin)
            self.before.is_resting = stats[2][1] == 0
            self.before.is_near_full = self._full is not None
            if self._full:
                self.signal(KV_CACHE_USAGE, float(self._full[1]) / 100)
            if self._preemptions:
                self.signal(PREEMPTIONS, float(self._preemptions[1]))
            after = begin + 1
        places.extend(self._take_edges(block, after, len(block.content)))
        *before, in_block = self._access_lines.count_before(block.content[: block.finished], places.tolist())
        self.requests.extend(self.requests_in_all + requests for requests in before)
        self.requests_in_all += in_block

    def _take_edges(
        self, block: Block, begin: int, end: int, literals: tuple[bytes, ...] | None = None
    ) -> Iterator[int]:
        """Take the lines between two stats lines with which a server starts or stops, and yield where they begin.

        Only behind a line of zeros does it matter when a server stops, and only behind one of a full cache are there
        preemptions.
        """
        if literals is None:
            literals = (*_STARTS, *_STOPS) if self.before.is_resting else _STARTS
        preempted = (_PREEMPTED,) if self.before.is_near_full else ()
        for place in line_starts(block, *literals, *preempted, begin=begin, end=end):
            line = without_colours(block.line(place)[0])
            found = _EDGE.search(line, 0, _BEFORE) or _TOTAL.search(line)
            if not found:
                continue
            stamp = timestamp_in(line[: min(found.start(), _BEFORE)]) or json_timestamp(line) or self.stamps.last
            if not stamp:
                continue
            if found.re is _TOTAL:
                self.put(EVENT, stamp)
                total, before = int(found[1]), self.before.preempted
                self.signal(PREEMPTIONS, total - before if total > before else 1)  # it was restarted
                self.before.preempted = total
            elif found["start"]:
                self.start(stamp)
            else:
                self.put(START, stamp)
            yield place

    def parse(self, line: bytes, is_whole: bool) -> Measured | None:
        """Read a stats line; see `ServerLines`."""
        candidate = _CANDIDATE.search(line, max(line.find(_RATE) - _UP_TO_RATE, 0), _BEFORE)
        # A bare "Throughput: " is of 0.1 only if the rest is like its stats line; other programs print it too.
        if not candidate or (
            candidate["bare"] == b"T" and b" tokens/s, R" not in line[candidate.end() : candidate.end() + 40]
        ):
            return None
        stats = _STATS.match(line, candidate.end() - len(_RATE), candidate.end() + _BEHIND)
        if not stats:
            raise UnreadableLineError("cut short, or not a stats line of a known version")
        first, generation = _throughput(stats["first"]), _throughput(stats["generation"])
        values = request_count(stats["waiting"]), request_count(stats["running"]), first, generation
        if stats["generation"] is None:  # 0.1 prints one throughput, of prompts and generation together
            values = (*values[:2], math.nan, math.nan)
        self._full, self._preemptions = _FULL.search(line, stats.end()), _PREEMPTIONS.search(line, stats.end())
        prefix = line[: candidate.start()]
        stamp = timestamp_in(prefix) or json_timestamp(line)
        if not stamp:
            raise UnreadableLineError("the time cannot be read")
        prefix = without_time(prefix)
        key = self._keys.setdefault(_engine(prefix, stats["name"]), len(self._keys))
        self.writers.add(key, prefix, stamp, values)
        return key, stamp, values

    def stats(self, times: TimeArray) -> EngineStats:
        """Return the samples and spans of the lines, given when they were printed, nanoseconds, shape (lines,)."""
        engines = [*self._keys]
        numbers = iter(self.values)
        of_lines = zip(self.keys, times.tolist(), self.requests, zip(*[numbers] * self.WIDTH, strict=True), strict=True)
        lines = (ServerLine(engines[key] if key >= 0 else None, *rest) for key, *rest in of_lines if key != EVENT)
        stats = EngineStats(lines, engines, self.before.engines)
        self.before.requests = self.requests_in_all - stats.counted
        return stats


def holds_stats(content: bytes) -> bool:
    """Return whether some bytes of a log hold a stats line of vLLM."""
    return _STATS.search(content) is not None


@lru_cache(maxsize=256)
def _engine(prefix: bytes, waiting: bytes) -> Engine:
    """Return the engine of a stats line, given the text before its message and what it calls waiting requests."""
    process, says = _PROCESS.search(prefix), _SAYS.search(prefix)
    total, engine, instance = says.group("total", "engine", "instance") if says else (None, None, None)
    return Engine(
        process=process["pid"] if process else b"",
        name=engine or instance or b"",
        is_total=total is not None,
        is_shared=bool(process and process["part"]),
        is_quiet=bool(total or engine),
        usual_ns=(10 if waiting == b"Waiting" else 5) * NS,
    )


def _is_gap(first: Stamp | None, second: Stamp | None) -> bool:
    """Return whether a server may have started between two stats lines: they are not regular."""
    return not first or not second or first[0] != second[0] or not 0 <= second[1] - first[1] <= _REGULAR_NS


def _throughput(text: bytes | None) -> float:
    """Return a throughput; NaN if the line has none."""
    try:
        number = float(text or b"nan")
    except ValueError as error:
        raise UnreadableLineError("not a number") from error
    if math.isinf(number):
        raise UnreadableLineError("infinite")
    if number < 0:
        raise UnreadableLineError("negative")
    return number
