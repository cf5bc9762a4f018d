"""Lines of a Scrapy log: the counts of a spider, its start, the stats it dumps, and its responses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

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
from entro_cli.readers.text_lines import BadLines, Block, blocks, line_starts
from entro_cli.timeseries.observations import ReadOptions, TimeArray

_STAMP = rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)([+-]\d{4})? \[[^\]\n]{0,200}\] "
_MESSAGE = (
    rb"(?:Crawled (?P<pages>\d{1,15}) pages \(at -?\d+ pages/min\), scraped (?P<items>\d{1,15}) items \("
    rb"|(?P<opened>Spider opened)|(?P<dump>Dumping (?:Scrapy|spider) stats:))"
)
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
        is_start: whether the spider begins here.
        is_end: whether these are the closing stats.
    """

    offset: int
    wall: int
    shift: int | None
    pages: int = -1
    items: int = -1
    stats: Mapping[str, float] | None = None
    is_start: bool = False
    is_end: bool = False


@dataclass
class ScrapyLines:
    """The lines of a log that matter.

    Attributes:
        clock: the timestamps without a date or year.
        undated: the indices of the points that have these.
        points: the lines with counts or stats, in their order.
        responses: the number of lines of responses.
        fetched: their timestamps, nanoseconds on the log's clock, shape (responses,); empty if they are not needed.
        places: where in the log those lines begin, likewise.
        bad: the lines that cannot be read.
        dump: a last dump of stats that has no end yet.
    """

    clock: LineTimestamps
    undated: list[int] = field(default_factory=list)
    points: list[SpiderLine] = field(default_factory=list)
    responses: int = 0
    fetched: TimeArray = field(default_factory=lambda: np.empty(0, np.int64))
    places: TimeArray = field(default_factory=lambda: np.empty(0, np.int64))
    bad: BadLines = field(default_factory=BadLines)
    dump: bytes = b""

    def date(self, log: LogFile, options: ReadOptions, tally: Tally) -> ClockState:
        """Date the points without a date or year, as of a clock in UTC, and return the clock behind them."""
        times, clock = self.clock.utc(log, options, tally)
        for index, time in zip(self.undated, times.tolist(), strict=True):
            self.points[index] = replace(self.points[index], wall=time, shift=0)
        return clock


def holds_scrapy_lines(head: bytes) -> bool:
    """Return whether some bytes of a log hold a line that only Scrapy writes."""
    if any(match["periodic"] is None for match in _STANDARD.finditer(head)):
        return True
    others = ((line, _find_other(line)) for line in head.splitlines())
    return any(match is not None and _any_stamp(line, match.start())[0] is not None for line, match in others)


def find_lines(
    log: LogFile, before: ClockState, responses: bool, dump: bytes = b"", counted: bool = False
) -> ScrapyLines:
    """Find the lines of a log that matter.

    The timestamps of responses are collected only if no other line counts pages, because that takes a second pass.

    Args:
        log: the plain file.
        before: the clock behind the lines before, for timestamps without a date or year.
        responses: collect the timestamps of responses in any case.
        dump: the beginning of a dump of stats that goes on here.
        counted: whether a line before has counted pages.
    """
    found = _find(log, before, responses, dump)
    counted = counted or any(point.pages >= 0 for point in found.points)
    return _find(log, before, True, dump) if found.responses and not (responses or counted) else found


def _find(log: LogFile, before: ClockState, responses: bool, dump: bytes) -> ScrapyLines:
    found = ScrapyLines(LineTimestamps(before))
    stamps, places = [], []
    if dump:
        _take(0, dump + _dump(log, 0), found)
    for block in blocks(log):
        for begin in line_starts(block, *_LITERALS):
            line = block.line(begin)[0].rstrip(b"\r")
            _take(block.offset + begin, _dump(log, block.offset + begin) if _DUMP.search(line) else line, found)
        found.responses += block.content.count(_FETCHED)
        if responses:
            starts, walls = _responses(block)
            stamps.append(walls)
            places.append(starts + block.offset)
    if stamps:
        found.fetched, found.places = np.concatenate(stamps), np.concatenate(places)
    return found


def _take(offset: int, text: bytes, found: ScrapyLines) -> None:
    """Add a line, with the lines of its dump if it has one."""
    line = text.partition(b"\n")[0]
    match = _STANDARD.search(line) or (None if _IS_STANDARD.match(line) else _find_other(line))
    if match is None:
        if b"Crawled " in line and b" pages/min" in line:
            found.bad.add(offset, "not a logstats line", line)
        return
    stamp, shift = _stamp(match) if match.re is _STANDARD else _any_stamp(line, match.start())
    if stamp is None:
        found.bad.add(offset, "the time cannot be read", line)
    elif match["dump"] and b"}" not in text:
        found.dump = text if len(text) < _LONGEST_DUMP_BYTES else b""
    elif point := _point(match, text, SpiderLine(offset, stamp[1], shift)):
        if stamp[0] in (PartialTimestampFormat.YEARLESS, PartialTimestampFormat.DAYLESS):
            found.clock.add(stamp)
            found.undated.append(len(found.points))
        found.points.append(point)


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
