"""The lines of a vLLM server log that tell something: stats lines, starts, and how many requests came before each."""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, field

from entro_cli.core.clock import NS
from entro_cli.readers.access_log import AccessLines, has_access_lines
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.partial_timestamps import LineTimestamps, PartialTimestampFormat, timestamp_in
from entro_cli.readers.text_lines import MARK, BadLines, Block, blocks, is_mark, line_starts

START, CARRIED = -1, -2
"""Keys of lines that are no engine's: a server starts; all before it is carried from another log."""

_RATE, _START = b"hroughput: ", b"Initializing a"
"""What all stats lines have, those of 0.1 on, and all starts; literals, since they are found several times as fast."""
_BEFORE, _BEHIND = 400, 600
"""How many bytes of a line before and behind its first rate matter; a longer one quotes a prompt."""

_COLOUR = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_SAYS = rb"(?:(?P<total>\d+ Engines Aggregated)|(?P<engine>Engine \d+)|instance id: (?P<instance>[^,\s]+))?"
_CANDIDATE = re.compile(_SAYS + rb"[:,]? ?(?:Avg prompt t|(?<![a-z] )T)hroughput: ")
_STATS = re.compile(
    rb"hroughput: (?P<first>\S+) tokens/s,(?: Avg generation throughput: (?P<generation>\S+) tokens/s,)?"
    rb" Running: (?P<running>\S+) reqs,(?: [^,]+,){0,8}? (?P<name>Pending|Waiting): (?P<waiting>\S+) reqs"
)
_PROCESS = re.compile(rb"\(\w[\w.-]* pid=(\d+)\)")
_JSON_TIME = re.compile(rb'"(?:time|timestamp|asctime|ts)": ?"([^"]+)"')
_STARTS = re.compile(rb"Initializing an? (?:V1 )?LLM engine")


@dataclass(frozen=True)
class Engine:
    """Whose a stats line is.

    Attributes:
        process: the server's process, where the lines name it.
        name: of the engine in it; empty where it is the only one.
        is_total: whether the line is of all engines of the process.
        is_quiet: whether such an engine prints nothing while it is idle: from 0.8.5 on, all that name the engine.
        usual_ns: how often a line is printed unless somebody changed it, nanoseconds.
    """

    process: bytes
    name: bytes
    is_total: bool
    is_quiet: bool
    usual_ns: int


@dataclass
class VllmLines:
    """What the lines of a log tell, in the order of the log: one entry a stats line or start.

    Attributes:
        engines: whose lines there are.
        keys: which of them each line is of, or START or CARRIED.
        stamps: when.
        offsets: where in the log the line begins.
        requests: how many requests came before it.
        values: waiting, running, prompt and generation throughput, four numbers a line; NaN where it has none.
        requests_in_all: how many came in all, in lines that have their end.
        access_logged: whether requests are logged at all.
        bad: the stats lines that could not be read.
        unfinished: the last line where it has no end yet.
    """

    engines: list[Engine] = field(default_factory=list)
    keys: array[int] = field(default_factory=lambda: array("i"))
    stamps: LineTimestamps = field(default_factory=LineTimestamps)
    offsets: array[int] = field(default_factory=lambda: array("q"))
    requests: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    requests_in_all: int = 0
    access_logged: bool = False
    bad: BadLines = field(default_factory=BadLines)
    unfinished: bytes = b""

    @property
    def stats_lines(self) -> int:
        """How many stats lines were read."""
        return sum(1 for key in self.keys if key >= 0)


class _UnreadableError(ValueError):
    """A stats line that cannot be read; its text says why."""


def find_lines(log: LogFile, only_whole: bool = False) -> VllmLines:
    """Everything of a log that tells something, in one pass, without a loop over the other lines.

    Args:
        log: the plain file.
        only_whole: leave out a last line that has no end yet, even if it tells all that is needed of it.

    Raises:
        EntroError: when it cannot be read.
    """
    return _Finder(only_whole).find(log)


def holds_stats(content: bytes) -> bool:
    """Whether some bytes of a log hold a stats line of vLLM."""
    match = _CANDIDATE.search(content)
    while match:
        if _STATS.match(content, match.end() - len(_RATE)):
            return True
        match = _CANDIDATE.search(content, match.end())
    return False


class _Finder:
    """One pass over a log."""

    def __init__(self, only_whole: bool) -> None:
        self.only_whole = only_whole
        self.found = VllmLines()
        self.known: dict[Engine, int] = {}
        self.last = (PartialTimestampFormat.ZONED, 0)

    def find(self, log: LogFile) -> VllmLines:
        found = self.found
        requests = AccessLines()
        for block in blocks(log):
            found.access_logged = found.access_logged or has_access_lines(block.content)
            literals = (_RATE, _START, MARK) if block.offset == 0 else (_RATE, _START)
            lines = sorted({begin for literal in literals for begin in line_starts(block, literal)})
            *before, whole = requests.before(block.content[: block.finished], lines)
            for begin, number in zip(lines, before, strict=True):
                self._line(block, begin, found.requests_in_all + number)
            found.requests_in_all += whole
            if block.finished < len(block.content):
                found.unfinished = block.content[block.finished :]
        return found

    def _line(self, block: Block, begin: int, requests: int) -> None:
        """One line that has one of the literals."""
        end = block.content.find(b"\n", begin)
        whole = block.content[begin : end if end >= 0 else len(block.content)]
        offset = block.offset + begin
        if end < 0 and self.only_whole:
            return
        if is_mark(whole):
            self._put(CARRIED, self.last, offset, requests, (math.nan,) * 4)
            return
        line = _COLOUR.sub(b"", whole) if b"\x1b" in whole else whole
        start = _STARTS.search(line, 0, _BEFORE)
        if start:
            stamp = timestamp_in(line[: start.start()])
            if stamp:
                self._put(START, stamp, offset, requests, (math.nan,) * 4)
            return
        says = _CANDIDATE.search(line, 0, _BEFORE)
        if not says or (says[0][:1] == b"T" and b" tokens/s, R" not in line[says.end() : says.end() + 40]):
            return
        try:
            self._stats(line, says, offset, requests)
        except _UnreadableError as error:
            if end >= 0:  # a line without its end may still be written
                self.found.bad.add(offset, str(error), line)

    def _stats(self, line: bytes, says: re.Match[bytes], offset: int, requests: int) -> None:
        stats = _STATS.match(line, says.end() - len(_RATE), says.end() + _BEHIND)
        if not stats:
            raise _UnreadableError("cut short, or no stats line of a known version")
        first, generation = _number(stats["first"]), _number(stats["generation"])
        values = (_count(stats["waiting"]), _count(stats["running"]), first, generation)
        if stats["generation"] is None:  # 0.1: one throughput of both
            values = (*values[:2], math.nan, math.nan)
        prefix = line[: says.start()]
        stamp = timestamp_in(prefix) or _json_stamp(line)
        if not stamp:
            raise _UnreadableError("the time cannot be read")
        self._put(self._key(prefix, says, stats), stamp, offset, requests, values)

    def _key(self, prefix: bytes, says: re.Match[bytes], stats: re.Match[bytes]) -> int:
        process = _PROCESS.search(prefix)
        engine = Engine(
            process=process[1] if process else b"",
            name=says["engine"] or says["instance"] or b"",
            is_total=says["total"] is not None,
            is_quiet=bool(says["total"] or says["engine"]),
            usual_ns=(10 if stats["name"] == b"Waiting" else 5) * NS,
        )
        if engine not in self.known:
            self.known[engine] = len(self.known)
            self.found.engines.append(engine)
        return self.known[engine]

    def _put(
        self, key: int, stamp: tuple[PartialTimestampFormat, int], offset: int, requests: int, values: tuple[float, ...]
    ) -> None:
        found = self.found
        found.keys.append(key)
        found.stamps.add(stamp)
        found.offsets.append(offset)
        found.requests.append(requests)
        found.values.extend(values)
        self.last = stamp


def _json_stamp(line: bytes) -> tuple[PartialTimestampFormat, int] | None:
    """The stamp of a line in JSON that comes behind its message."""
    match = _JSON_TIME.search(line)
    return timestamp_in(match[1]) if match else None


def _number(text: bytes | None) -> float:
    """A throughput; NaN where the line has none."""
    try:
        number = float(text or b"nan")
    except ValueError as error:
        raise _UnreadableError("not a number") from error
    if math.isinf(number):
        raise _UnreadableError("infinite")
    if number < 0:
        raise _UnreadableError("negative")
    return number


def _count(text: bytes) -> float:
    if not text.isdigit() or len(text) > 12:
        _number(text)
        raise _UnreadableError("not a number of requests")
    return float(text)
