"""Pages of metrics in the text format of Prometheus or OpenMetrics, saved one after another in a file."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from entro_cli.core.console import printable
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.partial_timestamps import ClockState, LineTimestamps
from entro_cli.readers.problems import Tally
from entro_cli.readers.prometheus.page_times import page_time, since_epoch_ns
from entro_cli.readers.prometheus.response import PrometheusSeries, series_of
from entro_cli.readers.text_lines import BadLines, blocks
from entro_cli.timeseries.observations import ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError
from entro_engine.entropy import FloatArray

SAMPLE = re.compile(
    rb'[ \t]*(?=[a-zA-Z_:{])((?:[a-zA-Z_:][\w:]*)?(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?)'
    rb"[ \t]+([+-]?(?:[\d.]+(?:[eE][+-]?\d+)?|[Nn]a[Nn]|[Ii]nf\w*))"
    rb"(?:[ \t]+([\d.]+(?:[eE][+-]?\d+)?))?[ \t]*(?:#.*)?\r?"
)
"""A line with a sample: name and labels, value, time; an exemplar may follow."""

_METADATA = re.compile(rb"# (?:HELP|UNIT|EOF|(?P<type>TYPE))\b(?: +(?P<name>\S+) +(?P<word>\w+))?")
_HEADER = re.compile(rb"[<>*\s]*(?:HTTP/\d|[\w-]+:(?:\s|$))")
_PARTS = ("_total", "_count", "_sum", "_bucket")
"""Ends of the names of samples, behind the name of their metric."""

_LONGEST_BYTES = 1 << 13
"""Length of a name with its labels; the work for parsing one grows with the square of it."""

_SAVE = "while sleep 10; do date -u +'# %FT%TZ'; curl -s URL; done >> pages.txt"


class _Series(NamedTuple):
    name: str
    labels: dict[str, str]


class Pages:
    """The samples of some metrics in the pages of a file.

    Args:
        is_wanted: whether the samples of a metric are kept.
    """

    def __init__(self, is_wanted: Callable[[str], bool]) -> None:
        self.names: dict[str, None] = {}
        self.bad, self.rows = BadLines(), 0
        self._is_wanted = is_wanted
        self._types: dict[str, str] = {}
        self._known: dict[bytes, int | None] = {}  # the texts of all series, with the index of those that are kept
        self._series: list[_Series] = []
        self._times = LineTimestamps(ClockState())
        self._page = 0  # the number of times so far
        self._metadata: set[bytes] = set()
        self._places, self._pages, self._stamps, self._values = array("q"), array("q"), array("q"), array("d")

    def read(self, log: LogFile) -> None:
        """Read all lines of a log."""
        for block in blocks(log):
            offset = block.offset
            for line in block.content.split(b"\n"):
                self._line(line, offset)
                offset += len(line) + 1

    def series(self, log: LogFile, options: ReadOptions, tally: Tally) -> tuple[list[PrometheusSeries], str]:
        """Return the series, and how their times were read, in words.

        Args:
            log: the log.
            options: how it is read.
            tally: receives the warnings.

        Raises:
            EntroError: if no sample has a time, or a series has several samples between two times.
        """
        places, pages, times = (np.array(part, np.int64) for part in (self._places, self._pages, self._stamps))
        values, from_page, words = np.array(self._values), times == 0, "epoch seconds"
        if from_page.any():
            moments, clock = self._times.utc(log, options, tally)
            words = clock.words
            times[from_page] = _page_times(pages[from_page], moments)
            self._check_pages(places[from_page], pages[from_page], times[from_page], log)
        self._check_times(places, times, values, log)
        tally.count(ProblemKind.BEFORE_FIRST_TIME, int((times == 0).sum()))
        found = []
        for index, (name, labels) in enumerate(self._series):
            chosen = (places == index) & (times > 0)
            found.append(
                series_of(
                    {"__name__": name, **labels}, times[chosen], values[chosen], is_counter=self._is_counter(name)
                )
            )
        return found, words

    def _line(self, line: bytes, offset: int) -> None:
        if line.startswith(b"#"):
            if line not in self._metadata:
                self._comment(line)
        elif (match := SAMPLE.fullmatch(line)) and match[1]:
            self._sample(match, line, offset)
        elif line.strip() and not self._is_time(line) and not _HEADER.match(line) and re.search(rb"\w", line):
            self.bad.add(offset, "neither a sample nor a comment", line)

    def _comment(self, line: bytes) -> None:
        metadata = _METADATA.match(line)
        if metadata is None:
            self._is_time(line)
            return
        self._metadata.add(line)
        if metadata["type"] and metadata["name"]:
            self._types[metadata["name"].decode("utf-8", "replace").strip('"')] = metadata["word"].decode()

    def _is_time(self, line: bytes) -> bool:
        """Begin a page if a line has a time, and return whether it has one."""
        stamp = page_time(line[:200].decode("utf-8", "replace"))
        if stamp is not None:
            self._times.add(stamp)
            self._page += 1
        return stamp is not None

    def _sample(self, match: re.Match[bytes], line: bytes, offset: int) -> None:
        try:
            if match[1] not in self._known:
                self._known[match[1]] = self._index(match[1])
            place = self._known[match[1]]
            self.rows += 1
            if place is None:
                return
            value, stamp = float(match[2]), since_epoch_ns(match[3].decode("ascii", "replace")) if match[3] else 0
        except (ValueError, OverflowError, StopIteration):
            self.bad.add(offset, "not a sample", line)
            return
        self._places.append(place)
        self._pages.append(self._page)
        self._stamps.append(min(stamp, 1 << 62))
        self._values.append(value)

    def _index(self, text: bytes) -> int | None:
        """Return the index of a new series; None if it is not wanted.

        Raises:
            ValueError: if the text is not a name with labels, or too long.
        """
        from prometheus_client.parser import text_string_to_metric_families

        if len(text) > _LONGEST_BYTES:
            raise ValueError("too long")
        parsed = next(iter(text_string_to_metric_families(f"{text.decode('utf-8', 'replace')} 0"))).samples[0]
        self.names[parsed.name] = None
        if not self._is_wanted(parsed.name):
            return None
        self._series.append(_Series(parsed.name, dict(parsed.labels)))
        return len(self._series) - 1

    def _is_counter(self, name: str) -> bool | None:
        """Return whether the type of a metric is that of a counter; None if it has no type."""
        family = next((name.removesuffix(part) for part in _PARTS if name.removesuffix(part) in self._types), name)
        kind = self._types.get(name) or self._types.get(family)
        return None if kind in {None, "untyped", "unknown"} else kind in {"counter", "histogram", "summary"}

    def _check_times(self, places: TimeArray, times: TimeArray, values: FloatArray, log: LogFile) -> None:
        """Refuse series that differ at one time, such as those of two servers."""
        order = np.lexsort((values, times, places))
        same = (np.diff(places[order]) == 0) & (np.diff(times[order]) == 0) & (times[order][1:] > 0)
        differ = same & (np.diff(values[order]) != 0)  # a NaN differs from nothing
        if differ.any():
            raise self._several(int(places[order][1:][differ][0]), "values at one time", log)

    def _several(self, place: int, words: str, log: LogFile) -> EntroError:
        return EntroError(
            f"a series of {printable(self._series[place].name)} has several {words}",
            where=log.label,
            expected="one page of one server at each time",
            remedy="write the time before each page, and the pages of each server to a separate file",
        )

    def _check_pages(self, places: TimeArray, pages: TimeArray, times: TimeArray, log: LogFile) -> None:
        repeated = len(np.unique(np.column_stack((places, pages)), axis=0)) < len(places)
        if not times.any():
            raise EntroError(
                "the pages have no times" if repeated else "is one page without a time: a rate needs a second reading",
                where=log.label,
                expected="a line with the time before each page, or times behind the values",
                remedy=f"name a folder of such pages of one server, or save the page with its time: {_SAVE}",
            )
        if repeated:
            raise self._several(int(places[0]), "samples between two times", log)


def _page_times(pages: TimeArray, moments: TimeArray) -> TimeArray:
    """Return the times of samples, given the number of times before each; 0 where there is none."""
    if not len(moments):
        return np.zeros(len(pages), np.int64)
    if pages.min() == 0 and pages.max() < len(moments):  # each time is behind its page
        return moments[pages]
    return np.where(pages > 0, moments[pages - 1], 0)
