"""Stats lines and starts of a vLLM server log, with the number of requests before each."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from entro_cli.core.clock import NS
from entro_cli.readers.access_log import AccessLines
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.partial_timestamps import Stamp, json_timestamp, timestamp_in
from entro_cli.readers.server_lines import START, LineFinder, ServerLines, UnreadableLineError, request_count
from entro_cli.readers.text_lines import Block, line_starts

_RATE, _RUNNING, _RESTS = b"hroughput: ", b" Running: ", b" Running: 0 reqs,"
"""Literals that all stats lines have, from 0.1 on, and those of an engine that runs nothing."""
_BEFORE, _BEHIND = 400, 600
"""Bytes of a line that matter before and after its first rate. A line in which it comes later quotes a prompt."""

_SAYS = rb"(?:(?P<total>\d+ Engines Aggregated)|(?P<engine>Engine \d+)|instance id: (?P<instance>[^,\s]+))?"
_CANDIDATE = re.compile(_SAYS + rb"[:,]? ?(?:Avg prompt t|(?<![a-z] )T)hroughput: ")
_OTHERS = rb"(?: [^,]+,){0,8}?"
"""Fields of forks, and of later versions, between those that all lines have."""
_STATS = re.compile(
    rb"hroughput: (?P<first>\S+) tokens/s,(?:%b Avg generation throughput: (?P<generation>\S+) tokens/s,)?"
    rb"%b Running: (?P<running>\S+) reqs,%b (?P<name>Pending|Waiting): (?P<waiting>\S+) reqs" % ((_OTHERS,) * 3)
)
_PROCESS = re.compile(rb"\((?P<part>ApiServer_)?\w[\w.-]* pid=(?P<pid>\d+)\)")
_EDGE = re.compile(
    rb"Initializing an? (?:V1 )?LLM engine|vLLM API server version|(?:Start|Finish)ed server process|\[shutdown\]"
    rb"|[Ss]hutting down|Application shutdown complete|EngineCore encountered a fatal error|EngineDeadError"
    rb"|(?:Engine core|Worker) proc \S+ died|is already dead, terminating"
)
_STARTS = b"Initializing a", b"API server v"
_STOPS = b"server process", b"hutdown", b"hutting down", b"fatal err", b"DeadError", b" died", b"dead,"
"""Literals of lines with which a server starts or stops, in any version. Some of them have no timestamp."""
_REGULAR_NS, _STAMP = 12 * NS, 120
"""The longest usual interval with its jitter, nanoseconds, and the bytes of a line within which its timestamp ends."""


@dataclass(frozen=True)
class Engine:
    """The engine of a stats line.

    Attributes:
        process: the process of the server, if the lines name it.
        name: its name within the process; empty if it is the only one.
        is_total: whether the line sums up all engines of the process.
        is_shared: whether other processes print lines of the same engine: one of several API servers.
        is_quiet: whether such an engine prints nothing while it is idle: from 0.8.5 on, all that name the engine.
        usual_ns: the interval at which it prints unless configured otherwise, nanoseconds: V1 10 s, V0 5 s.
    """

    process: bytes
    name: bytes
    is_total: bool
    is_shared: bool
    is_quiet: bool
    usual_ns: int


@dataclass
class VllmLines(ServerLines):
    """The new stats lines and starts of a vLLM log.

    Attributes:
        engines: those that lines are of, with those of earlier lines; a key is an index into it.
        requests: of each line, the number of requests before it.
        values: of each line four numbers: waiting, running, prompt and generation throughput; NaN if it has none.
        requests_in_all: the number of requests in lines that have their end.
        is_resting: whether the last stats line is of an engine that runs nothing.
    """

    engines: list[Engine] = field(default_factory=list)
    requests: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    requests_in_all: int = 0
    is_resting: bool = False


def find_lines(log: LogFile, found: VllmLines) -> VllmLines:
    """Find the lines of a log that matter, in one pass without a loop over the others.

    Args:
        log: the plain file.
        found: receives the lines; it has the clock, the engines and the requests of the lines before.

    Raises:
        EntroError: if the file cannot be read.
    """
    return _Finder(found).find(log)


def holds_stats(content: bytes) -> bool:
    """Return whether some bytes of a log hold a stats line of vLLM."""
    match = _CANDIDATE.search(content)
    while match:
        if _STATS.match(content, match.end() - len(_RATE)):
            return True
        match = _CANDIDATE.search(content, match.end())
    return False


class _Finder(LineFinder[VllmLines]):
    """One pass over a log of vLLM."""

    def __init__(self, found: VllmLines) -> None:
        super().__init__(found)
        self._keys = {engine: key for key, engine in enumerate(found.engines)}
        self._access_lines = AccessLines()
        self._requests = 0  # before the line that is being read

    def find_in(self, block: Block) -> None:
        """Take stats lines and starts, with the number of requests before each."""
        stats = line_starts(block, _RATE)
        starts = sorted({*stats, *self._edges(block, stats)})
        *before, in_block = self._access_lines.count_before(block.content[: block.finished], starts)
        for begin, requests in zip(starts, before, strict=True):
            self._requests = self.found.requests_in_all + requests
            self.take(block, begin)
        self.found.requests_in_all += in_block

    def _edges(self, block: Block, lines: list[int]) -> Iterator[int]:
        """Yield where lines begin with which a server starts, or with which it stops while it is idle.

        A search of all lines for all of them would take as long as everything else. Both need a gap between stats
        lines, and only behind a line of zeros does it matter when a server stops.

        Args:
            block: whole lines.
            lines: where those begin that may be stats lines.
        """
        content = block.content
        stamp_at = cache(lambda place: timestamp_in(content[place : place + _STAMP]))
        for line, after in pairwise([-1, *lines, len(content)]):
            begin = content.find(b"\n", line) + 1 or after if line >= 0 else 0
            running = content.find(_RUNNING, line, begin) if line >= 0 else -1
            if running >= 0:
                self.found.is_resting = content.startswith(_RESTS, running)
            if begin == after:  # no other line between them
                continue
            if _is_gap(stamp_at(line) if line >= 0 else self.found.stamps.last, stamp_at(after)):
                literals = (*_STARTS, *_STOPS) if self.found.is_resting else _STARTS
                yield from line_starts(block, *literals, begin=begin, end=after)

    def parse(self, line: bytes, is_whole: bool) -> None:
        """Read a stats line or a start; see `LineFinder`."""
        candidate = _CANDIDATE.search(line, 0, _BEFORE)
        if not candidate:
            self._parse_edge(line)
            return
        # A bare "Throughput: " is of version 0.1 only if the rest is like its stats line; other programs print it too.
        if candidate[0][:1] == b"T" and b" tokens/s, R" not in line[candidate.end() : candidate.end() + 40]:
            return
        stats = _STATS.match(line, candidate.end() - len(_RATE), candidate.end() + _BEHIND)
        if not stats:
            raise UnreadableLineError("cut short, or not a stats line of a known version")
        first, generation = _throughput(stats["first"]), _throughput(stats["generation"])
        values = request_count(stats["waiting"]), request_count(stats["running"]), first, generation
        if stats["generation"] is None:  # 0.1 prints one throughput, of prompts and generation together
            values = (*values[:2], math.nan, math.nan)
        prefix = line[: candidate.start()]
        stamp = timestamp_in(prefix) or json_timestamp(line)
        if not stamp:
            raise UnreadableLineError("the time cannot be read")
        key = self._key(prefix, candidate, stats)
        self.found.writers.add(key, prefix, stamp, values)
        self.put(key, stamp, values)

    def _parse_edge(self, line: bytes) -> None:
        edge = _EDGE.search(line, 0, _BEFORE)
        stamp = edge and (timestamp_in(line[: edge.start()]) or json_timestamp(line) or self.found.stamps.last)
        if stamp:
            self.put(START, stamp)

    def _key(self, prefix: bytes, candidate: re.Match[bytes], stats: re.Match[bytes]) -> int:
        process = _PROCESS.search(prefix)
        engine = Engine(
            process=process["pid"] if process else b"",
            name=candidate["engine"] or candidate["instance"] or b"",
            is_total=candidate["total"] is not None,
            is_shared=bool(process and process["part"]),
            is_quiet=bool(candidate["total"] or candidate["engine"]),
            usual_ns=(10 if stats["name"] == b"Waiting" else 5) * NS,
        )
        if engine not in self._keys:
            self._keys[engine] = len(self._keys)
            self.found.engines.append(engine)
        return self._keys[engine]

    def put(self, key: int, stamp: Stamp, values: tuple[float, ...] = (math.nan,) * 4) -> None:
        """Add a line with its four numbers and the requests before it."""
        super().put(key, stamp)
        self.found.requests.append(self._requests)
        self.found.values.extend(values)


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
