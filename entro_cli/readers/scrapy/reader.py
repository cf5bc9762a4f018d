"""The `scrapy` format: the log of a spider, with its logstats lines, responses and closing stats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from entro_cli.core.clock import NS
from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import RATE_STAGE
from entro_cli.readers.scrapy.lines import COUNTS, ScrapyLines, ScrapyState, holds_scrapy_lines
from entro_cli.readers.scrapy.spiders import SpiderLine, SpiderRun, Spiders, crawl_rates, in_order
from entro_cli.readers.text_lines import LineReader
from entro_cli.readers.time_zones import local_to_utc
from entro_cli.timeseries.observations import Idle, Measure, ReadOptions, Series, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import Kind


class ScrapyReader(LineReader[ScrapyLines]):
    """Reads the logs of Scrapy spiders.

    Rates are computed from counts and timestamps. The pages per minute that a logstats line prints are the pages since
    the line before, however long ago that was.
    """

    name = "scrapy"
    description = "the log of a Scrapy spider: its logstats lines, responses and closing stats"
    gives = "pages as a rate (scraper); items, responses and frontier by name"
    good_lines = "logstats lines with a time such as 2026-04-06 12:00:00, which LOG_FORMAT and LOG_DATEFORMAT set"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is Scrapy's, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        if holds_scrapy_lines(log.head):
            return 0.97
        if b" [scrapy." in log.head or b" [scrapy] " in log.head:
            return 0.8
        return 0.6 if COUNTS.search(log.head) else 0.0

    def find(self, log: LogFile, options: ReadOptions, state: bytes) -> ScrapyLines:
        """Find the lines of a log that matter, behind those that left a state."""
        before = msgspec.json.decode(state, type=ScrapyState) if state else ScrapyState()
        named = any(spec.column == "responses" for spec in options.stages)
        return ScrapyLines(before, is_first=not state).find(log, named)

    def quantities(self, found: ScrapyLines, log: LogFile, options: ReadOptions, tally: Tally) -> Sequence[Series]:
        """Return the rates and the frontier; see `LineReader`."""
        if found.is_first and not found.good:
            raise EmptyLogError(
                "no line counts what was crawled",
                where=log.label,
                expected="lines such as `INFO: Crawled 44 pages (at 44 pages/min)`",
                remedy="enable the extension LogStats, and set LOG_LEVEL to INFO or DEBUG",
            )
        state = found.before
        found.date(log, options, tally)
        spiders = Spiders(state.runs, state.killed, state.overlapping, tally)
        for point in in_order(found.points):
            spiders.add(point)
        clock = _Clock(spiders.runs, state, options, tally)
        quantities = _quantities(found, spiders, clock)
        tally.count(ProblemKind.RUNS_OVERLAP, spiders.overlapping)
        # The last one may still be running.
        tally.count(ProblemKind.RUNS_NOT_CLOSED, max(spiders.killed + len(spiders.running) - 1, 0))
        found.zone = clock.words() if state.clock.last is None else state.clock.words
        state.runs = [run.stop() for run in spiders.running]
        state.offsets, state.has_zones = clock.offsets, clock.has_zones
        state.killed, state.overlapping = spiders.killed, spiders.overlapping
        return quantities


class _Clock:
    """The conversion of the timestamps of runs to UTC: by the zone the user named, else by their closing stats.

    Closing stats have the time of the end in UTC, so they show the offset of the log's clock. Timestamps with a zone
    take precedence over both.

    Attributes:
        offsets, has_zones: as in `ScrapyState`.

    Args:
        runs: in their order; one without an offset takes that of the run before, or of the first one that has one.
        before: the state behind the lines before.
        options: how the log is read.
        tally: counts what is out of the ordinary.
    """

    def __init__(self, runs: Sequence[SpiderRun], before: ScrapyState, options: ReadOptions, tally: Tally) -> None:
        self.options, self.tally, self._runs = options, tally, runs
        self.has_zones = before.has_zones or any(point.shift is not None for run in runs for point in run.points)
        self.offsets = [*before.offsets]
        known = [run.shift for run in runs if run.shift is not None]
        last = self.offsets[-1] if self.offsets else (known[0] if known else None)
        self._shifts: list[int | None] = []
        for run in runs:
            last = last if run.shift is None else run.shift
            self._shifts.append(last if self.has_zones or not options.zone_given else None)
            if self._shifts[-1] is not None and self.offsets[-1:] != self._shifts[-1:]:
                self.offsets.append(self._shifts[-1])

    def points(self) -> Iterator[tuple[SpiderRun, TimeArray]]:
        """Yield the runs, each with the times of its points, nanoseconds since the epoch."""
        for run, shift in zip(self._runs, self._shifts, strict=True):
            yield run, self._utc([point.wall for point in run.points], shift, known=int(run.is_resumed))

    def dumps(self) -> Iterator[tuple[SpiderLine, int]]:
        """Yield the lines with stats, each with its time."""
        for run, shift in zip(self._runs, self._shifts, strict=True):
            times = self._utc([dump.wall for dump in run.dumps], shift, known=len(run.dumps))
            yield from zip(run.dumps, times.tolist(), strict=True)

    def responses(self, lines: ScrapyLines) -> TimeArray:
        """Return the timestamps of responses, each converted by the clock of the run that it is in."""
        begins = [run.points[0].offset for run in self._runs]
        shifts = [shift for shift in self._shifts if shift is not None]
        if len(shifts) < len(self._runs) or not begins or not len(lines.fetched):
            return self._utc(lines.fetched, self.offsets[-1] if self.offsets and not begins else None)
        place = np.maximum(np.searchsorted(begins, lines.places, side="right") - 1, 0)
        return np.asarray(lines.fetched - np.array(shifts, np.int64)[place], dtype=np.int64)

    def _utc(self, walls: Sequence[int] | TimeArray, shift: int | None, known: int = 0) -> TimeArray:
        times = np.asarray(walls, np.int64)
        return local_to_utc(times, self.options.zone, self.tally, known) if shift is None else times - shift

    def words(self) -> str:
        """Return how times were read, in words."""
        if not self.offsets:
            how = "--tz" if self.options.zone_given else "this machine"
            return f"{self.options.zone} ({how})"
        shown = ", later ".join(map(_offset, self.offsets[:3])) + (", ..." if len(self.offsets) > 3 else "")
        return f"as written, {shown}" if self.has_zones else f"from its closing stats: {shown}"


def _offset(shift: int) -> str:
    """Return the offset of a clock from UTC, in words."""
    minutes = shift // (60 * NS)
    if not minutes:
        return "UTC"
    sign, rest = ("+" if minutes > 0 else "-"), divmod(abs(minutes), 60)
    return f"UTC{sign}{rest[0]}" + (f":{rest[1]:02}" if rest[1] else "")


def _quantities(lines: ScrapyLines, spiders: Spiders, clock: _Clock) -> list[Series]:
    """Return all quantities of the log; responses are a stage only if no line counts pages."""
    points = [*clock.points()]
    idle = _idle(spiders, points)
    begins, ends, rates = crawl_rates(points, "pages")
    quantities = [Series("", Kind.RATE, ends, rates, None, "pages", Measure.SPANS, begins, idle=idle)]
    begins, ends, rates = crawl_rates(points, "items")
    quantities.append(Series("", Kind.RATE, ends, rates, None, "items", Measure.SPANS, begins, idle=idle))
    fetched = clock.responses(lines)
    state = lines.before
    if state.latest and len(fetched):  # those of one moment are one event
        fetched = np.concatenate([np.full(state.latest[1], state.latest[0]), fetched])
    moments, counts = np.unique(fetched, return_counts=True)
    if len(moments):
        state.latest = int(moments[-1]), int(counts[-1])
    values = counts.astype(np.float64)
    quantities.append(Series("", Kind.RATE, moments, values, None, "responses", Measure.EVENTS))
    default = 2 if state.latest and not state.counted else 0
    quantities[default] = msgspec.structs.replace(quantities[default], stage=RATE_STAGE)
    return [*quantities, _frontier(clock)]


def _idle(spiders: Spiders, points: Sequence[tuple[SpiderRun, TimeArray]]) -> Idle:
    """Return when no spider runs: between two runs, before the first one if it begins here, and after the last."""
    idle = Idle.BETWEEN
    first = min(points, key=lambda part: int(part[1][0]), default=None)
    if first and not first[0].is_resumed and first[0].points[0].pages == 0:
        idle |= Idle.BEFORE
    return idle if spiders.running else idle | Idle.AFTER


def _frontier(clock: _Clock) -> Series:
    """Return the number of requests that wait in the scheduler of a spider, from stats that have it."""
    found: dict[int, float] = {}
    for dump, time in clock.dumps():
        stats = dump.stats or {}
        if "scheduler/enqueued" in stats:
            found[time] = max(stats["scheduler/enqueued"] - stats.get("scheduler/dequeued", 0.0), 0.0)
    times = np.array(sorted(found), dtype=np.int64)
    values = np.array([found[time] for time in times.tolist()], dtype=np.float64)
    return Series("", Kind.QUEUE, times, values, column="frontier")
