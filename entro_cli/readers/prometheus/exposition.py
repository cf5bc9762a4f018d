"""Pages of metrics in the text format of Prometheus or OpenMetrics, saved one after another in a file."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec
import numpy as np

from entro_cli.core.console import printable
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.partial_timestamps import ClockState, LineTimestamps
from entro_cli.readers.problems import Tally
from entro_cli.readers.prometheus.page_times import page_time, since_epoch_ns
from entro_cli.readers.prometheus.series import MetricSamples
from entro_cli.readers.text_lines import BadLines, blocks
from entro_cli.timeseries.observations import ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError

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


class PagesState(msgspec.Struct):
    """Pages of metrics behind some lines.

    Attributes:
        clock: the clock of the times between them.
        are_times_behind: whether each time is behind its page; None while there is no time.
        open: the samples that wait for a time behind them: index of the series, value.
    """

    clock: ClockState = msgspec.field(default_factory=ClockState)
    are_times_behind: bool | None = None
    open: list[tuple[int, float]] = []


class Pages:
    """The metrics in the pages of a file.

    Args:
        samples: receives the samples, when `finish` is called.
        is_wanted: returns whether the samples of a metric are kept, given its name.
        before: the pages behind the lines that were read before.
    """

    def __init__(self, samples: MetricSamples, is_wanted: Callable[[str], bool], before: PagesState) -> None:
        self.names: dict[str, None] = {}
        self.bad, self.rows = BadLines(), 0
        self._samples, self._is_wanted, self._before = samples, is_wanted, before
        self._types: dict[str, str] = {}
        self._known: dict[bytes, int | None] = {}  # the texts of all series, with the index of those that are kept
        self._times = LineTimestamps(before.clock)
        self._page = 0  # the number of times so far
        self._first_pages = [0, 0]  # samples in the first pages
        self._metadata: set[bytes] = set()
        self._places, self._pages, self._stamps, self._values = array("q"), array("q"), array("q"), array("d")
        for place, value in before.open:
            self._add(place, 0, value)

    def read(self, log: LogFile) -> None:
        """Read all lines of a log."""
        for block in blocks(log):
            offset = block.offset
            for line in block.content.split(b"\n"):
                self._line(line, offset)
                offset += len(line) + 1

    def finish(self, log: LogFile, options: ReadOptions, tally: Tally) -> PagesState:
        """Add the samples with their times, and return the pages behind the lines.

        Args:
            log: the log.
            options: how it is read.
            tally: receives the warnings.

        Raises:
            EntroError: if no sample has a time, or a series has several samples between two times.
        """
        places, pages, times = (np.array(part, np.int64) for part in (self._places, self._pages, self._stamps))
        moments, clock = self._times.utc(log, options, tally)
        after = PagesState(clock, self._before.are_times_behind)
        if after.are_times_behind is None and len(moments) and len(pages):
            # A first page without a time before it is whole, unless the log lost its beginning.
            after.are_times_behind = 0 < self._first_pages[0] >= self._first_pages[1]
        from_page = times == 0
        if from_page.any():
            ahead = self._before.clock.utc or 0
            moments = np.append(moments, -1) if after.are_times_behind else np.append(ahead, moments)
            times[from_page] = moments[pages[from_page]]
            self._check_pages(places[from_page], pages[from_page], times[from_page], log)
            tally.count(ProblemKind.BEFORE_FIRST_TIME, int((times == 0).sum()))
        for place, time, value in zip(places.tolist(), times.tolist(), self._values, strict=True):
            if time > 0:
                self._samples.extend(place, [time], [value])
            elif time < 0:
                after.open.append((place, value))
        return after

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
                self._known[match[1]] = self._place(match[1])
            place = self._known[match[1]]
            self.rows += 1
            if self._page < 2:
                self._first_pages[self._page] += 1
            if place is not None:
                stamp = since_epoch_ns(match[3].decode("ascii", "replace")) if match[3] else 0
                self._add(place, min(stamp, 1 << 62), float(match[2]))
        except (ValueError, OverflowError, StopIteration):
            self.bad.add(offset, "not a sample", line)

    def _add(self, place: int, stamp: int, value: float) -> None:
        self._places.append(place)
        self._pages.append(self._page)
        self._stamps.append(stamp)
        self._values.append(value)

    def _place(self, text: bytes) -> int | None:
        """Return the index of a series; None if it is not wanted.

        Raises:
            ValueError: if the text is not a name with labels, or too long.
        """
        if len(text) > _LONGEST_BYTES:
            raise ValueError("too long")
        name, labels = _name_and_labels(text)
        self.names[name] = None
        if not self._is_wanted(name):
            return None
        return self._samples.place({"__name__": name, **labels}, self._is_counter(name))

    def _is_counter(self, name: str) -> bool | None:
        """Return whether the type of a metric is that of a counter; None if it has no type."""
        family = next((name.removesuffix(part) for part in _PARTS if name.removesuffix(part) in self._types), name)
        kind = self._types.get(name) or self._types.get(family)
        return None if kind in {None, "untyped", "unknown"} else kind in {"counter", "histogram", "summary"}

    def _check_pages(self, places: TimeArray, pages: TimeArray, times: TimeArray, log: LogFile) -> None:
        """Refuse pages without times, and several pages between two times."""
        seen, counts = np.unique(np.column_stack((places, pages)), axis=0, return_counts=True)
        repeated = seen[counts > 1]
        if not times.any():
            raise EntroError(
                "the pages have no times"
                if len(repeated)
                else "is one page without a time: a rate needs a second reading",
                where=log.label,
                expected="a line with the time before each page, or times behind the values",
                remedy=f"name a folder of such pages of one server, or save the page with its time: {_SAVE}",
            )
        if len(repeated):
            raise several_values(self._samples.labels(int(repeated[0][0])), log.label, "samples between two times")


@lru_cache(maxsize=1024)  # pages that are followed repeat them every second
def _name_and_labels(text: bytes) -> tuple[str, Mapping[str, str]]:
    """Return the name of a metric and the labels of one of its series.

    Raises:
        ValueError: if the text is not a name with labels.
    """
    from prometheus_client.parser import text_string_to_metric_families

    parsed = next(iter(text_string_to_metric_families(f"{text.decode('utf-8', 'replace')} 0"))).samples[0]
    return parsed.name, parsed.labels


def several_values(labels: Mapping[str, str], where: str, words: str = "values at one time") -> EntroError:
    """Return the error for a series that has several values where it can have one, such as those of two servers."""
    return EntroError(
        f"a series of {printable(labels.get('__name__', ''))} has several {words}",
        where=where,
        expected="one page of one server at each time",
        remedy="write the time before each page, and the pages of each server to a separate file",
    )
