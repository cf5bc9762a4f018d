"""The lines of a Scrapy log that tell something: how much was crawled, when a spider begins and ends, its stats."""

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
_LONGEST_DUMP = 1 << 18
_FETCHED = b"DEBUG: Crawled ("
_WORDS = tuple(int.from_bytes(_FETCHED[at : at + 8], "little") for at in (0, 8))
_LENGTH = 19
"""Of a stamp, bytes."""


@dataclass(frozen=True)
class SpiderLine:
    """A line that tells something.

    Attributes:
        offset: where in the log it begins.
        wall: its stamp, nanoseconds on its own clock.
        shift: how far that clock is before UTC, nanoseconds; None where the stamp does not say.
        pages: how many were crawled; -1 in a line that does not tell.
        items: how many were scraped.
        stats: what a spider told at its end or on the way; None in other lines.
        is_end: whether it told them at its end.
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
    """What a log has of such lines.

    Attributes:
        points: in their order.
        responses: how many lines of responses there are.
        fetched: their stamps, nanoseconds on the log's clock, shape (responses,); none where nobody needs them.
        places: where in the log those lines begin, likewise.
        bad: the lines that could not be read.
        whole: where the last dump of stats begins that has no end; else the log's length.
    """

    points: list[SpiderLine] = field(default_factory=list)
    responses: int = 0
    fetched: TimeArray = field(default_factory=lambda: np.empty(0, np.int64))
    places: TimeArray = field(default_factory=lambda: np.empty(0, np.int64))
    bad: BadLines = field(default_factory=BadLines)
    whole: int = 0


def holds_scrapy_lines(head: bytes) -> bool:
    """Whether a log has lines as only Scrapy writes them."""
    return any(pattern.search(head) for pattern in (_LOGSTATS, _OPENED, _DUMP))


def find_lines(log: LogFile, responses: bool = False) -> ScrapyLines:
    """The lines of a log that tell something.

    Args:
        log: the plain file.
        responses: whether the stamps of responses are needed, also where lines of logstats count the pages.
    """
    found = _find(log, responses)
    counted = any(point.pages >= 0 for point in found.points)
    return _find(log, responses=True) if found.responses and not (responses or counted) else found


def _find(log: LogFile, responses: bool) -> ScrapyLines:
    found = ScrapyLines()
    stamps, places = [], []
    for block in blocks(log):
        for begin in line_starts(block, *_LITERALS):
            point = _point(log, block.offset + begin, block.line(begin)[0].rstrip(b"\r"), found)
            if point is not None:
                found.points.append(point)
        found.responses += block.content.count(_FETCHED)
        if responses:
            at, walls = _responses(block)
            stamps.append(walls)
            places.append(at + block.offset)
        found.whole = max(found.whole, block.offset + len(block.content))
    if stamps:
        found.fetched, found.places = np.concatenate(stamps), np.concatenate(places)
    if found.points and found.points[-1].stats is not None and not _is_closed(log, found.points[-1].offset):
        found.whole = found.points.pop().offset
    return found


def _point(log: LogFile, offset: int, line: bytes, found: ScrapyLines) -> SpiderLine | None:
    if match := _LOGSTATS.search(line):
        return SpiderLine(offset, *_stamp(match), pages=int(match[3]), items=int(match[4]))
    if match := _OPENED.search(line):
        return SpiderLine(offset, *_stamp(match), pages=0, items=0)
    if match := _DUMP.search(line):
        return SpiderLine(offset, *_stamp(match), stats=_stats(_dump(log, offset)), is_end=True)
    if (match := _PERIODIC.search(line)) and (stats := _periodic(match[3])):
        return SpiderLine(offset, *_stamp(match), stats=stats)
    if b"Crawled " in line and b" pages/min" in line:
        found.bad.add(offset, "not a line of logstats", line)
    return None


def _stamp(match: re.Match[bytes]) -> tuple[int, int | None]:
    """The time a line begins with, nanoseconds on its own clock, and how far that is before UTC."""
    try:
        when = datetime.strptime(match[1].decode(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:  # such as the 30th of February
        return 0, None
    zone = match[2]
    shift = None if zone is None else int(zone[:1] + b"1") * (int(zone[1:3]) * 60 + int(zone[3:])) * 60 * NS
    return nanoseconds(when), shift


def _dump(log: LogFile, offset: int) -> bytes:
    """The stats that follow a line."""
    with log.path.open("rb") as file:
        file.seek(offset)
        content = file.read(_LONGEST_DUMP)
    end = re.search(rb"\}[ \t\r]*(?:\n|$)", content)
    return content[: end.end()] if end else content


def _is_closed(log: LogFile, offset: int) -> bool:
    return b"}" in _dump(log, offset)


def _stats(text: bytes) -> dict[str, float]:
    """The numbers of a dump, which is a literal of Python, and its times in seconds since the epoch; nothing is run."""
    stats = {key.decode("utf-8", "replace"): float(value) for key, value in _NUMBER.findall(text)}
    for key, parts in _TIME.findall(text):
        try:
            numbers = [int(part) for part in parts.split(b",") if part.strip()]
            stats[key.decode()] = nanoseconds(datetime(*numbers[:7], tzinfo=UTC)) / NS  # type: ignore[arg-type, misc]
        except (ValueError, TypeError):
            continue
    return stats


def _periodic(text: bytes) -> dict[str, float]:
    """The numbers that Scrapy tells on the way, as JSON."""
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    stats = told.get("stats", told) if isinstance(told, dict) else {}
    pairs = stats.items() if isinstance(stats, dict) else ()
    return {str(key): float(value) for key, value in pairs if type(value) in {int, float}}


def _responses(block: Block) -> tuple[TimeArray, TimeArray]:
    """Where the lines of responses begin in a block, and their stamps; without a loop over lines."""
    content = block.content
    if _FETCHED not in content:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    padded = content + bytes(16)
    words = np.ndarray((len(padded) - 7,), np.dtype("<u8"), padded, 0, (1,))
    at = np.flatnonzero((words[: len(content)] == _WORDS[0]) & (words[8 : len(content) + 8] == _WORDS[1]))
    codes = np.frombuffer(padded, np.uint8)
    ends = np.flatnonzero(codes[: len(content)] == ord("\n"))
    lines = np.searchsorted(ends, at)
    starts = np.where(lines > 0, ends[np.maximum(lines - 1, 0)] + 1 if len(ends) else 0, 0)
    starts = starts[at - starts > _LENGTH]
    walls, fine = _walls(codes[starts[:, None] + np.arange(_LENGTH)])
    return starts[fine], walls[fine]


def _walls(texts: NDArray[np.uint8]) -> tuple[TimeArray, NDArray[np.bool_]]:
    """Stamps as nanoseconds on the clock they show, shape (lines, 19) of bytes; and which of them are stamps."""
    digits = texts.astype(np.int64) - ord("0")
    at = [index for index, char in enumerate("0000-00-00 00:00:00") if char == "0"]
    fine = np.all((digits[:, at] >= 0) & (digits[:, at] <= 9), axis=1)

    def number(*places: int) -> TimeArray:
        value = np.zeros(len(digits), np.int64)
        for place in places:
            value = 10 * value + digits[:, place]
        return value

    month, day = number(5, 6), number(8, 9)
    fine &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = (number(0, 1, 2, 3) - 1970) * 12 + np.where(fine, month, 1) - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1
    seconds = days * 86400 + number(11, 12) * 3600 + number(14, 15) * 60 + number(17, 18)
    return np.where(fine, seconds, 0) * NS, fine
