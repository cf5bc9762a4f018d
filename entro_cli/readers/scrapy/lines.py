"""Lines of a Scrapy log: the counts of a spider, its start, the stats it dumps, and its responses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.clock import NS, nanoseconds
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.text_lines import BadLines, Block, blocks, line_starts
from entro_cli.timeseries.observations import TimeArray

_STAMP = rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)([+-]\d{4})? \[[^\]\n]{0,200}\] "
_LOGSTATS = re.compile(_STAMP + rb"INFO: Crawled (\d{1,15}) pages \(at -?\d+ pages/min\), scraped (\d{1,15}) items \(")
_OPENED = re.compile(_STAMP + rb"(?:INFO|DEBUG): Spider opened")
_DUMP = re.compile(_STAMP + rb"INFO: Dumping (?:Scrapy|spider) stats:")
_PERIODIC = re.compile(_STAMP + rb"INFO: (\{.*\})\s*$")
_NUMBER = re.compile(rb"'([^'\n]{1,200})': (-?\d{1,18}(?:\.\d+)?)[,}]")
_TIME = re.compile(rb"'(start_time|finish_time)': datetime\.datetime\(([\d, ]{5,60})")
_LITERALS = b"pages (at ", b"Spider opened", b" stats:", b"periodic_log] INFO: {"
"""One of these is in every line that matters."""
_LONGEST_DUMP_BYTES = 1 << 18
_FETCHED = b"DEBUG: Crawled ("
"""In every line of a response; 16 bytes, which are compared as two words."""
_FETCHED_WORDS = tuple(int.from_bytes(_FETCHED[at : at + 8], "little") for at in (0, 8))
_STAMP_BYTES = 19


@dataclass(frozen=True)
class SpiderLine:
    """A line with the counts or the stats of a spider.

    Attributes:
        offset: where in the log it begins.
        wall: its timestamp, nanoseconds on the log's clock.
        shift: the offset of that clock from UTC, nanoseconds; None if the timestamp has no zone.
        pages: the number of pages crawled so far; -1 if the line has none.
        items: the number of items scraped so far; -1 if the line has none.
        stats: the numbers of dumped stats; None in other lines.
        is_end: whether these are the closing stats.
    """

    offset: int
    wall: int
    shift: int | None
    pages: int = -1
    items: int = -1
    stats: Mapping[str, float] | None = None
    is_end: bool = False


@dataclass
class ScrapyLines:
    """The lines of a log that matter.

    Attributes:
        points: the lines with counts or stats, in their order.
        responses: the number of lines of responses.
        fetched: their timestamps, nanoseconds on the log's clock, shape (responses,); empty if they are not needed.
        places: where in the log those lines begin, likewise.
        bad: the lines that cannot be read.
        whole: the beginning of a last dump of stats that has no end yet; else the length of the log.
    """

    points: list[SpiderLine] = field(default_factory=list)
    responses: int = 0
    fetched: TimeArray = field(default_factory=lambda: np.empty(0, np.int64))
    places: TimeArray = field(default_factory=lambda: np.empty(0, np.int64))
    bad: BadLines = field(default_factory=BadLines)
    whole: int = 0


def holds_scrapy_lines(head: bytes) -> bool:
    """Return whether some bytes of a log hold a line that only Scrapy writes."""
    return any(pattern.search(head) for pattern in (_LOGSTATS, _OPENED, _DUMP))


def find_lines(log: LogFile, responses: bool = False) -> ScrapyLines:
    """Find the lines of a log that matter.

    The timestamps of responses are collected only if no other line counts pages, because that takes a second pass.

    Args:
        log: the plain file.
        responses: collect the timestamps of responses in any case.
    """
    found = _find(log, responses)
    counted = any(point.pages >= 0 for point in found.points)
    return _find(log, responses=True) if found.responses and not (responses or counted) else found


def _find(log: LogFile, responses: bool) -> ScrapyLines:
    found = ScrapyLines()
    stamps, places = [], []
    for block in blocks(log):
        for begin in line_starts(block, *_LITERALS):
            point = _spider_line(log, block.offset + begin, block.line(begin)[0].rstrip(b"\r"), found)
            if point is not None:
                found.points.append(point)
        found.responses += block.content.count(_FETCHED)
        if responses:
            starts, walls = _responses(block)
            stamps.append(walls)
            places.append(starts + block.offset)
        found.whole = max(found.whole, block.offset + len(block.content))
    if stamps:
        found.fetched, found.places = np.concatenate(stamps), np.concatenate(places)
    if found.points and found.points[-1].stats is not None and not _is_closed(log, found.points[-1].offset):
        found.whole = found.points.pop().offset
    return found


def _spider_line(log: LogFile, offset: int, line: bytes, found: ScrapyLines) -> SpiderLine | None:
    if match := _LOGSTATS.search(line):
        return SpiderLine(offset, *_stamp(match), pages=int(match[3]), items=int(match[4]))
    if match := _OPENED.search(line):
        return SpiderLine(offset, *_stamp(match), pages=0, items=0)
    if match := _DUMP.search(line):
        return SpiderLine(offset, *_stamp(match), stats=_stats(_dump(log, offset)), is_end=True)
    if (match := _PERIODIC.search(line)) and (stats := _periodic(match[3])):
        return SpiderLine(offset, *_stamp(match), stats=stats)
    if b"Crawled " in line and b" pages/min" in line:
        found.bad.add(offset, "not a logstats line", line)
    return None


def _stamp(match: re.Match[bytes]) -> tuple[int, int | None]:
    """Return the time at the beginning of a line, nanoseconds on its own clock, and that clock's offset from UTC."""
    try:
        when = datetime.strptime(match[1].decode(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:  # such as the 30th of February
        return 0, None
    zone = match[2]
    shift = None if zone is None else int(zone[:1] + b"1") * (int(zone[1:3]) * 60 + int(zone[3:])) * 60 * NS
    return nanoseconds(when), shift


def _dump(log: LogFile, offset: int) -> bytes:
    """Return the stats that follow a line: a Python dictionary over several lines."""
    with log.path.open("rb") as file:
        file.seek(offset)
        content = file.read(_LONGEST_DUMP_BYTES)
    end = re.search(rb"\}[ \t\r]*(?:\n|$)", content)
    return content[: end.end()] if end else content


def _is_closed(log: LogFile, offset: int) -> bool:
    return b"}" in _dump(log, offset)


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


def _responses(block: Block) -> tuple[TimeArray, TimeArray]:
    """Return where the lines of responses begin in a block, and their timestamps, without a loop over lines."""
    content = block.content
    if _FETCHED not in content:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    padded = content + bytes(16)
    # Overlapping words: element i holds the eight bytes from place i on.
    words = np.ndarray((len(padded) - 7,), np.dtype("<u8"), padded, 0, (1,))
    at = np.flatnonzero(
        (words[: len(content)] == _FETCHED_WORDS[0]) & (words[8 : len(content) + 8] == _FETCHED_WORDS[1])
    )
    codes = np.frombuffer(padded, np.uint8)
    ends = np.flatnonzero(codes[: len(content)] == ord("\n"))
    lines = np.searchsorted(ends, at)
    starts = np.where(lines > 0, ends[np.maximum(lines - 1, 0)] + 1 if len(ends) else 0, 0)
    starts = starts[at - starts > _STAMP_BYTES]
    walls, valid = _parse_stamps(codes[starts[:, None] + np.arange(_STAMP_BYTES)])
    return starts[valid], walls[valid]


def _parse_stamps(texts: NDArray[np.uint8]) -> tuple[TimeArray, NDArray[np.bool_]]:
    """Parse timestamps such as 2026-04-06 12:00:00, many at once.

    Args:
        texts: their bytes, shape (lines, 19).

    Returns:
        Nanoseconds on the clock they show, and whether each is valid, both of shape (lines,).
    """
    digits = texts.astype(np.int64) - ord("0")
    at = [index for index, char in enumerate("0000-00-00 00:00:00") if char == "0"]
    valid = np.all((digits[:, at] >= 0) & (digits[:, at] <= 9), axis=1)

    def number(*places: int) -> TimeArray:
        value = np.zeros(len(digits), np.int64)
        for place in places:
            value = 10 * value + digits[:, place]
        return value

    month, day = number(5, 6), number(8, 9)
    valid &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = (number(0, 1, 2, 3) - 1970) * 12 + np.where(valid, month, 1) - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1
    seconds = days * 86400 + number(11, 12) * 3600 + number(14, 15) * 60 + number(17, 18)
    return np.where(valid, seconds, 0) * NS, valid
