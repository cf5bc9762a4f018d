"""Lines of a Scrapy log: the counts of a spider, its start, the stats it dumps, and its responses."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Self

import msgspec
import numpy as np
from msgspec.structs import replace

from entro_cli.core.clock import NS, nanoseconds
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.partial_timestamps import (
    ClockState,
    LineTimestamps,
    PartialTimestampFormat,
    Stamp,
    json_timestamp,
    timestamp_in,
)
from entro_cli.readers.problems import Tally
from entro_cli.readers.scrapy.spiders import SpiderLine, SpiderRun
from entro_cli.readers.text_lines import LineLog, blocks, equal_runs, line_starts
from entro_cli.timeseries.observations import ReadOptions, TimeArray

_STAMP = rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)([+-]\d{4})? \[[^\]\n]{0,200}\] "
COUNTS = re.compile(rb"Crawled (?P<pages>\d{1,15}) pages \(at -?\d+ pages/min\), scraped (?P<items>\d{1,15}) items \(")
"""The message of a logstats line."""
_MESSAGE = rb"(?:%b|(?P<opened>Spider opened)|(?P<dump>Dumping (?:Scrapy|spider) stats:))" % COUNTS.pattern
_STANDARD = re.compile(_STAMP + rb"(?:INFO|DEBUG): (?:" + _MESSAGE + rb"|(?P<periodic>\{.*\})\s*$)")
_OTHER = re.compile(_MESSAGE)
"""The same in a log of another format: text with another prefix, or JSON."""
_IS_STANDARD = re.compile(_STAMP)
_DUMP = re.compile(rb"Dumping (?:Scrapy|spider) stats:")
_NUMBER = re.compile(rb"'([^'\n]{1,200})': (-?\d{1,18}(?:\.\d+)?)[,}]")
_TIME = re.compile(rb"'(start_time|finish_time)': datetime\.datetime\(([\d, ]{5,60})")
_LITERALS = b"pages (at ", b"Spider opened", b" stats:", b"periodic_log] INFO: {"
"""One of these is in every line that matters."""
_LOOKED_AT = 1 << 12
"""Bytes of a line in another format that are searched for a message."""
_LONGEST_DUMP_BYTES = 1 << 18
_FETCHED = b"DEBUG: Crawled ("
"""In every line of a response."""
_FETCHED_LINE = re.compile(re.escape(_FETCHED))
_STAMP_BYTES = 19


class ScrapyState(msgspec.Struct):
    """The state of a log behind some of its lines.

    Attributes:
        clock: the clock behind timestamps without a date or year.
        runs: the runs that go on.
        offsets: the offsets of the log's clock from UTC so far, nanoseconds, without repeats.
        has_zones: whether timestamps name their zone.
        counted: whether a line has counted pages.
        killed, overlapping: as in `Spiders`.
        dump: a dump of stats that has no end yet.
        latest: the time of the last responses, nanoseconds since the epoch, and their number.
    """

    clock: ClockState = msgspec.field(default_factory=ClockState)
    runs: list[SpiderRun] = []
    offsets: list[int] = []
    has_zones: bool = False
    counted: bool = False
    killed: int = 0
    overlapping: int = 0
    dump: bytes = b""
    latest: tuple[int, int] | None = None


class ScrapyLines(LineLog):
    """The lines of a log that matter, behind others.

    Attributes:
        before: the state behind the lines before, which becomes that behind these lines.
        is_first: whether there are no lines before.
        points: the lines with counts or stats, in their order.
        responses: the number of lines of responses.
        fetched: their timestamps, nanoseconds on the log's clock, shape (responses,); empty if they are not needed.
        places: where in the log those lines begin, likewise.
    """

    def __init__(self, before: ScrapyState, is_first: bool) -> None:
        super().__init__()
        self.before, self.is_first = before, is_first
        self.points: list[SpiderLine] = []
        self.responses = 0
        self.fetched: TimeArray = np.empty(0, np.int64)
        self.places: TimeArray = np.empty(0, np.int64)
        self._undated: list[SpiderLine] = []
        self._stamps = LineTimestamps(before.clock)

    @property
    def good(self) -> int:
        """Number of lines with counts, stats or a response."""
        return len(self.points) + self.responses

    rows = good

    def state(self) -> bytes:
        """Return the state behind the lines."""
        return msgspec.json.encode(self.before)

    def find(self, log: LogFile, responses: bool) -> Self:
        """Go through a log.

        The timestamps of responses are collected only if no other line counts pages, because that takes a second pass.

        Args:
            log: the plain file.
            responses: collect the timestamps of responses in any case.
        """
        if self.before.dump:
            dump, self.before.dump = self.before.dump, b""
            self._take(0, dump + _dump(log, 0))
        for block in blocks(log):
            for begin in line_starts(block, *_LITERALS):
                line, at = block.line(begin)[0].rstrip(b"\r"), block.offset + begin
                self._take(at, _dump(log, at) if _DUMP.search(line) else line)
            self.responses += block.content.count(_FETCHED)
        # `Spider opened` counts nothing, and closing stats have the pages of a whole run.
        self.before.counted = self.before.counted or any(p.pages >= 0 and not p.is_start for p in self.points)
        if self.responses and (responses or not self.before.counted):
            self._find_responses(log)
        if self.responses and not len(self.fetched):
            self.unread = ("responses",)
        return self

    def _take(self, offset: int, text: bytes) -> None:
        """Add a line, with the lines of its dump if it has one."""
        line = text.partition(b"\n")[0]
        match = _STANDARD.search(line) or (None if _IS_STANDARD.match(line) else _find_other(line))
        if match is None:
            if b"Crawled " in line and b" pages/min" in line:
                self.bad.add(offset, "not a logstats line", line)
            return
        stamp, shift = _stamp(match) if match.re is _STANDARD else _any_stamp(line, match.start())
        if stamp is None:
            self.bad.add(offset, "the time cannot be read", line)
        elif match["dump"] and b"}" not in text:
            self.before.dump = text if len(text) < _LONGEST_DUMP_BYTES else b""
        elif point := _point(match, text, SpiderLine(offset, stamp[1], shift)):
            self.points.append(point)
            if stamp[0] in (PartialTimestampFormat.YEARLESS, PartialTimestampFormat.DAYLESS):
                self._stamps.add(stamp)
                self._undated.append(point)

    def _find_responses(self, log: LogFile) -> None:
        """Collect the timestamps of responses, one for all that follow one another at one second."""
        found = []
        for block in blocks(log):
            places = np.array([match.start() for match in _FETCHED_LINE.finditer(block.content)], np.int64)
            for begin, responses in equal_runs(block.content, places, _STAMP_BYTES).items():
                stamp = timestamp_in(block.content[begin : begin + _STAMP_BYTES])
                if stamp and stamp[0] is PartialTimestampFormat.LOCAL:
                    found.append((stamp[1], block.offset + begin, responses))
        walls, places, counts = np.array(found, np.int64).reshape(-1, 3).T
        self.fetched, self.places = np.repeat(walls, counts), np.repeat(places, counts)

    def date(self, log: LogFile, options: ReadOptions, tally: Tally) -> None:
        """Date the points without a date or year, as of a clock in UTC."""
        times, self.before.clock = self._stamps.utc(log, options, tally)
        for point, time in zip(self._undated, times.tolist(), strict=True):
            point.wall, point.shift = time, 0


def holds_scrapy_lines(head: bytes) -> bool:
    """Return whether some bytes of a log hold a line that only Scrapy writes."""
    if any(match["periodic"] is None for match in _STANDARD.finditer(head)):
        return True
    others = ((line, _find_other(line)) for line in head.splitlines())
    return any(match is not None and _any_stamp(line, match.start())[0] is not None for line, match in others)


def _point(match: re.Match[bytes], text: bytes, stamped: SpiderLine) -> SpiderLine | None:
    """Return a line with what its message says; None if that is nothing."""
    if match["pages"]:
        return replace(stamped, pages=int(match["pages"]), items=int(match["items"]))
    if match["opened"]:
        return replace(stamped, pages=0, items=0, is_start=True)
    if match["dump"]:
        return replace(stamped, stats=_stats(text), is_end=True)
    stats = _periodic(match["periodic"])
    return replace(stamped, stats=stats) if stats else None


def _find_other(line: bytes) -> re.Match[bytes] | None:
    return _OTHER.search(line, 0, _LOOKED_AT)


def _stamp(match: re.Match[bytes]) -> tuple[Stamp | None, int | None]:
    """Return the time at the beginning of a line, nanoseconds on its own clock, and that clock's offset from UTC."""
    stamp, zone = timestamp_in(match[1]), match[2]
    return stamp, None if zone is None else int(zone[:1] + b"1") * (int(zone[1:3]) * 60 + int(zone[3:])) * 60 * NS


def _any_stamp(line: bytes, message: int) -> tuple[Stamp | None, int | None]:
    """Return the same for a line in another format, cut to seconds, which are all that Scrapy's own format has.

    A timestamp that names its zone is of a clock in UTC.
    """
    stamp = timestamp_in(line[:message]) or json_timestamp(line)
    if stamp is None:
        return None, None
    return (stamp[0], stamp[1] - stamp[1] % NS), 0 if stamp[0] is PartialTimestampFormat.ZONED else None


def _dump(log: LogFile, offset: int) -> bytes:
    """Return the stats that follow a line: a Python dictionary over several lines."""
    with log.path.open("rb") as file:
        file.seek(offset)
        content = file.read(_LONGEST_DUMP_BYTES)
    end = re.search(rb"\}[ \t\r]*(?:\n|$)", content)
    return content[: end.end()] if end else content


def _stats(text: bytes) -> dict[str, float]:
    """Return the numbers of a dump, and its times in seconds since the epoch.

    A dump is a literal of Python. It is searched, not evaluated: a log is not trusted.
    """
    stats = {key.decode("utf-8", "replace"): float(value) for key, value in _NUMBER.findall(text)}
    for key, parts in _TIME.findall(text):
        try:
            numbers = [int(part) for part in parts.split(b",") if part.strip()]
            stats[key.decode()] = nanoseconds(datetime(*numbers[:7], tzinfo=UTC)) / NS  # type: ignore[arg-type, misc]
        except (ValueError, TypeError):
            continue
    return stats


def _periodic(text: bytes) -> dict[str, float]:
    """Return the numbers of stats that the extension periodic_log prints as JSON."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    stats = document.get("stats", document) if isinstance(document, dict) else {}
    pairs = stats.items() if isinstance(stats, dict) else ()
    return {str(key): float(value) for key, value in pairs if type(value) in {int, float}}
