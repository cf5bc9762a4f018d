"""The `scrapy` format: the log of a spider, with its logstats lines, responses and closing stats."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np

from entro_cli.core.clock import NS
from entro_cli.core.files import unfinished_from
from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import RATE_STAGE, Quantity, choose_stages
from entro_cli.readers.scrapy.lines import ScrapyLines, find_lines, holds_scrapy_lines
from entro_cli.readers.scrapy.spiders import SpiderRun, crawl_rates, split_runs
from entro_cli.readers.text_lines import lines_at
from entro_cli.readers.time_zones import local_to_utc
from entro_cli.timeseries.observations import Measure, Observations, ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import Kind


class ScrapyReader:
    """Reads the logs of Scrapy spiders."""

    name = "scrapy"
    description = "the log of a Scrapy spider: its logstats lines, responses and closing stats"
    gives = "pages as a rate (scraper); items, responses and frontier by name"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is Scrapy's, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        if holds_scrapy_lines(log.head):
            return 0.95
        return 0.8 if b" [scrapy." in log.head or b" [scrapy] " in log.head else 0.0

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read the log of a spider.

        Rates are computed from counts and timestamps. The pages per minute that a logstats line prints are the pages
        since the line before, however long ago that was.

        Args:
            log: the plain file.
            options: how it is read.

        Raises:
            EntroError: if no line counts pages, or most of those that should cannot be read.
        """
        lines = find_lines(log, any(spec.column == "responses" for spec in options.stages))
        good = len(lines.points) + lines.responses
        bad = lines.bad.check(log, good, options, "logstats lines")
        if not good:
            raise EmptyLogError(
                "no line counts what was crawled",
                where=log.label,
                expected="lines such as `INFO: Crawled 44 pages (at 44 pages/min)`",
                remedy="enable the extension LogStats, and set LOG_LEVEL to INFO or DEBUG",
            )
        tally = Tally()
        runs = split_runs(lines.points)
        clock = _Clock(runs, options, tally)
        times = [clock.utc(run, np.array([point.wall for point in run.points], np.int64)) for run in runs]
        quantities = _quantities(lines, runs, times, clock)
        _count_problems(runs, times, tally)
        columns = [part.name if len(part.times) else "" for part in quantities]
        columns += ["responses"] if lines.responses and "responses" not in columns else []
        return Observations(
            path=log.label,
            format=self.name,
            series=choose_stages(quantities, options),
            rows_read=good,
            rows_skipped=lines.bad.count,
            bad_rows=bad,
            zone=clock.words(),
            problems=tally.problems,
            columns=tuple(name for name in columns if name),
        )

    def checkpoint(self, log: LogFile) -> bytes:
        """Return the lines to put before the log that continues this one, so that both are read like one file.

        Args:
            log: the plain file.

        Returns:
            The last line of every spider that still runs, the responses of the last moment, and a last line or dump
            without its end.
        """
        lines = find_lines(log)
        end = min(lines.whole, unfinished_from(log.path))
        runs = split_runs([point for point in lines.points if point.offset < end])
        texts = lines_at(log, sorted(run.last.offset for run in runs if not run.is_closed))
        whole = lines.places < end
        if whole.any():
            last = whole & (lines.fetched == lines.fetched[whole][-1])
            texts += [line[:200] for line in lines_at(log, lines.places[last].tolist())]
        with log.path.open("rb") as file:
            file.seek(end)
            return b"".join(text + b"\n" for text in texts) + file.read()


class _Clock:
    """The conversion of the timestamps of runs to UTC: by the zone the user named, else by their closing stats.

    Closing stats have the time of the end in UTC, so they show the offset of the log's clock. Timestamps with a zone
    take precedence over both.

    Args:
        runs: in their order; one without an offset takes that of the run before, or of the first one that has one.
        options: how the log is read.
        tally: counts what is out of the ordinary.
    """

    def __init__(self, runs: Sequence[SpiderRun], options: ReadOptions, tally: Tally) -> None:
        self.options, self.tally = options, tally
        self.shifts: dict[int, int] = {}
        known = {index: run.shift for index, run in enumerate(runs) if run.shift is not None}
        self.has_zones = any(point.shift is not None for run in runs for point in run.points)
        if known and (self.has_zones or not options.zone_given):
            indices = np.array(sorted(known))
            for index, run in enumerate(runs):
                place = int(np.searchsorted(indices, index, side="right"))
                self.shifts[id(run)] = known[int(indices[max(place - 1, 0)])]
        self.runs = runs

    def utc(self, run: SpiderRun, walls: TimeArray) -> TimeArray:
        """Return timestamps of a run as nanoseconds since the epoch."""
        if id(run) in self.shifts:
            return walls - self.shifts[id(run)]
        return self.local(walls)

    def local(self, walls: TimeArray) -> TimeArray:
        """Return timestamps of runs without a known offset as nanoseconds since the epoch."""
        return local_to_utc(walls, self.options.zone, self.tally)

    def responses(self, lines: ScrapyLines) -> TimeArray:
        """Return the timestamps of responses, each converted by the clock of the run that it is in."""
        begins = np.array([run.points[0].offset for run in self.runs], np.int64)
        if not self.shifts or not len(begins):
            return self.local(lines.fetched) if len(lines.fetched) else lines.fetched
        shifts = np.array([self.shifts[id(run)] for run in self.runs], np.int64)
        place = np.maximum(np.searchsorted(begins, lines.places, side="right") - 1, 0)
        return np.asarray(lines.fetched - shifts[place], dtype=np.int64)

    def words(self) -> str:
        """Return how times were read, in words."""
        if not self.shifts:
            how = "--tz" if self.options.zone_given else "this machine"
            return f"{self.options.zone} ({how})"
        offsets = [offset for offset, _ in groupby(self.shifts[id(run)] for run in self.runs)]
        shown = ", later ".join(map(_offset, offsets[:3])) + (", ..." if len(offsets) > 3 else "")
        return f"as written, {shown}" if self.has_zones else f"from its closing stats: {shown}"


def _offset(shift: int) -> str:
    """Return the offset of a clock from UTC, in words."""
    minutes = shift // (60 * NS)
    if not minutes:
        return "UTC"
    sign, rest = ("+" if minutes > 0 else "-"), divmod(abs(minutes), 60)
    return f"UTC{sign}{rest[0]}" + (f":{rest[1]:02}" if rest[1] else "")


def _quantities(
    lines: ScrapyLines, runs: Sequence[SpiderRun], times: Sequence[TimeArray], clock: _Clock
) -> list[Quantity]:
    """Return all quantities of the log; responses are a stage only if no line counts pages."""
    begins, ends, rates = crawl_rates(runs, times, "pages")
    quantities = [Quantity("pages", Kind.RATE, ends, rates, RATE_STAGE, Measure.SPANS, begins)]
    begins, ends, rates = crawl_rates(runs, times, "items")
    quantities.append(Quantity("items", Kind.RATE, ends, rates, "", Measure.SPANS, begins))
    moments, counts = np.unique(clock.responses(lines), return_counts=True)
    stage = "" if len(quantities[0].times) else RATE_STAGE
    quantities.append(Quantity("responses", Kind.RATE, moments, counts.astype(np.float64), stage, Measure.EVENTS))
    return [*quantities, _frontier(runs, clock)]


def _frontier(runs: Sequence[SpiderRun], clock: _Clock) -> Quantity:
    """Return the number of requests that wait in the scheduler of a spider, from stats that have it."""
    found: dict[int, float] = {}
    for run in runs:
        for dump in run.dumps:
            stats = dump.stats or {}
            if "scheduler/enqueued" in stats:
                waiting = stats["scheduler/enqueued"] - stats.get("scheduler/dequeued", 0.0)
                found[int(clock.utc(run, np.array([dump.wall]))[0])] = max(waiting, 0.0)
    times = np.array(sorted(found), dtype=np.int64)
    return Quantity("frontier", Kind.QUEUE, times, np.array([found[time] for time in times.tolist()], dtype=np.float64))


def _count_problems(runs: Sequence[SpiderRun], times: Sequence[TimeArray], tally: Tally) -> None:
    """Count what is out of the ordinary about the runs."""
    spans = sorted((int(at[0]), int(at[-1])) for at in times if len(at) > 1)
    tally.count(ProblemKind.RUNS_OVERLAP, sum(begin < end for (_, end), (begin, _) in pairwise(spans)))
    not_closed = sum(not run.is_closed for run in runs)
    tally.count(ProblemKind.RUNS_NOT_CLOSED, max(not_closed - 1, 0))  # the last one may still be running
    tally.count(ProblemKind.CLOCK_BACK_IN_RUN, sum((np.diff(at) < 0).sum() for at in times))
