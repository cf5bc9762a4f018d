"""The runs of spiders in a Scrapy log: their lines, the offset of their clock from UTC, and their rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
from msgspec.structs import replace

from entro_cli.core.clock import NS
from entro_cli.readers.problems import Tally
from entro_cli.timeseries.observations import TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine.entropy import FloatArray

_USUAL_NS = 60 * NS
"""The interval of logstats lines unless LOGSTATS_INTERVAL sets another."""

_SILENT_NS = 86400 * NS
"""A run without a line for so long was killed: its lines are not waited for any more."""

_LATE = 10
"""So many lines may be between a line and its place by time."""
_QUARTER_NS = 900 * NS
"""The offset of a zone from UTC is a multiple of a quarter of an hour."""
_SLACK_NS = 300 * NS
"""The closing stats are printed within this time of the end that they name."""

_COLLAPSED = 0.1
"""Part of its best rate below which a spider's rate has collapsed."""
_ENOUGH_PAGES = 10
"""Pages of the best interval from which on a low rate is no accident."""


class SpiderLine(msgspec.Struct):
    """A line with the counts or the stats of a spider.

    Attributes:
        offset: where in the log it begins; -1 if it was read before.
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
    stats: dict[str, float] | None = None
    is_start: bool = False
    is_end: bool = False


class SpiderRun(msgspec.Struct):
    """One run of a spider.

    Attributes:
        points: its lines with counts, by time; the first is its start, or its last line among those read before.
        began: the timestamp of its first line, nanoseconds on the log's clock.
        is_resumed: whether its first point was read before.
        is_fresh: whether its only line with counts is its start.
        dumps: its lines with stats, in between and at its end.
        shift: the offset of the log's clock from UTC, nanoseconds; None if it is not known.
        overlaps: whether it overlaps with a run that began before it.
        best: its highest rate so far, pages/s.
        earlier: its last line that was read before and has an earlier timestamp than the first point, if there is one.
    """

    points: list[SpiderLine]
    began: int
    shift: int | None
    is_resumed: bool = False
    is_fresh: bool = True
    dumps: list[SpiderLine] = []
    overlaps: bool = False
    best: float = 0.0
    earlier: SpiderLine | None = None

    @property
    def last(self) -> SpiderLine:
        """Its last line with counts."""
        return self.points[-1]

    def stop(self) -> SpiderRun:
        """Return the run as it goes on behind its last line, where reading stopped."""
        past = next((point for point in reversed(self.points) if point.wall < self.last.wall), self.earlier)
        last = replace(self.last, offset=-1)
        earlier = past and replace(past, offset=-1)
        return replace(self, points=[last], is_resumed=True, dumps=[], earlier=earlier)


class Spiders:
    """The runs in some lines of a log, behind others.

    The lines do not name their spider. A counter only goes up, so a lower count begins another run. If several runs go
    on in parallel, a line belongs to the one whose next line is due.

    Attributes:
        runs: those with lines here, in the order they began.
        running: those of them that are not closed.
        killed: the number of runs so far that were never closed and are not waited for any more.
        overlapping: the number of runs so far that overlap with one that began before them.
        tally: counts what is out of the ordinary.
    """

    def __init__(self, before: Iterable[SpiderRun], killed: int, overlapping: int, tally: Tally) -> None:
        self.runs = [*before]
        self.running = [*self.runs]
        self.killed, self.overlapping, self.tally = killed, overlapping, tally

    def add(self, point: SpiderLine) -> None:
        """Add the next line."""
        silent = [run for run in self.running if point.wall - run.last.wall > _SILENT_NS]
        self.killed += len(silent)
        self.running = [run for run in self.running if run not in silent]
        if point.stats is not None:
            self._add_stats(point, point.stats)
        elif run := self._run_of(point):
            self._count(run, point)
            run.shift = point.shift if point.shift is not None else run.shift
        else:
            self.runs.append(SpiderRun([point], point.wall, point.shift))
            self.running.append(self.runs[-1])

    def _run_of(self, point: SpiderLine) -> SpiderRun | None:
        """Return the run that a line with counts continues; None if it begins one."""
        if point.is_start:  # the first logstats line may come before, in the same second
            same = (run for run in self.running if run.is_fresh and run.last.wall == point.wall)
            return next((run for run in same if not run.last.is_start), None)
        if point.pages == 0:
            # The first logstats line comes with "Spider opened", or soon after. An idle spider repeats a count of 0.
            waits = {id(run): point.wall - run.last.wall for run in self.running if run.last.pages == 0}
            opened = [run for run in self.running if run.is_fresh and run.last.is_start]
            fits = [run for run in opened if 0 <= waits.get(id(run), -1) <= 2 * _USUAL_NS]
            fits = fits or [run for run in self.running if abs(waits.get(id(run), 0) - _USUAL_NS) <= 2 * NS]
            return min(fits, key=lambda run: waits[id(run)], default=None)
        fits = [run for run in self.running if run.last.pages <= point.pages and run.last.items <= point.items]
        return min(fits, key=lambda run: (abs(point.wall - run.last.wall - _USUAL_NS), -run.last.pages), default=None)

    def _count(self, run: SpiderRun, point: SpiderLine) -> None:
        """Add a line with counts to its run."""
        wall, pages = run.last.wall, run.last.pages
        self.tally.count(ProblemKind.CLOCK_BACK_IN_RUN, int(point.wall < wall))
        if point.wall - wall >= _USUAL_NS // 2 and not point.is_end:
            rate = (point.pages - pages) * NS / (point.wall - wall)
            is_known = run.best * _USUAL_NS / NS >= _ENOUGH_PAGES
            self.tally.count(ProblemKind.RATE_COLLAPSED, int(is_known and rate < _COLLAPSED * run.best))
            run.best = max(run.best, rate)
        run.is_fresh = False
        if run.is_resumed and len(run.points) == 1 and run.earlier and point.wall == wall:
            run.points.insert(0, run.earlier)  # of one time the last line counts, so that what was given before changes
        run.points.append(point)
        place = self.running.index(run)
        pairs = [(older, run) for older in self.running[:place]] + [(run, other) for other in self.running[place + 1 :]]
        for older, younger in pairs:
            if not younger.overlaps and older.last.wall > younger.began:
                younger.overlaps = True
                self.overlapping += 1

    def _add_stats(self, point: SpiderLine, stats: Mapping[str, float]) -> None:
        """Add a line with stats to its run; closing stats also hold the last counts.

        Of the runs that fit by their pages it is the one whose start is nearest to that by the stats.
        """
        pages = stats.get("response_received_count", 0.0)
        elapsed = stats.get("elapsed_time_seconds", 0.0)
        fits = [run for run in self.running if run.last.pages <= pages] or self.running
        if not fits:
            return
        run = min(fits, key=lambda run: abs(run.began / NS - (point.wall / NS - elapsed)))
        run.dumps.append(point)
        if not point.is_end:
            return
        run.shift = _shift_of_end(point) if run.shift is None else run.shift
        self.tally.count(ProblemKind.TOO_MANY_REQUESTS, int(stats.get("downloader/response_status_count/429", 0)))
        self.tally.count(ProblemKind.REQUESTS_RETRIED, int(stats.get("retry/count", 0)))
        # A run may end within the second in which it began.
        wall = point.wall if point.wall > run.began else run.began + max(round(elapsed * NS), NS // 1000)
        if pages >= run.last.pages:
            items = max(int(stats.get("item_scraped_count", run.last.items)), run.last.items)
            self._count(run, SpiderLine(point.offset, wall, point.shift, int(pages), items, is_end=True))
        self.running.remove(run)


def in_order(points: Iterable[SpiderLine]) -> list[SpiderLine]:
    """Return lines with those put right that came a few intervals late, by their times and by their counts."""
    ordered: list[SpiderLine] = []
    for point in points:
        place = len(ordered)
        while place > max(len(ordered) - _LATE, 0) and _is_before(point, ordered[place - 1]):
            place -= 1
        ordered.insert(place, point)
    return ordered


def _is_before(point: SpiderLine, other: SpiderLine) -> bool:
    return 0 < other.wall - point.wall <= 3 * _USUAL_NS and 0 <= point.pages < other.pages


def _shift_of_end(point: SpiderLine) -> int | None:
    """Return the offset of the log's clock from UTC: the timestamp of closing stats less the end that they name."""
    ended = (point.stats or {}).get("finish_time")
    if ended is None:
        return None
    off = point.wall - round(ended * NS)
    shift = round(off / _QUARTER_NS) * _QUARTER_NS
    return shift if abs(off - shift) <= _SLACK_NS else None


def crawl_rates(points: Sequence[tuple[SpiderRun, TimeArray]], name: str) -> tuple[TimeArray, TimeArray, FloatArray]:
    """Return the rates of all runs between their lines; the rates of runs that overlap are added.

    Args:
        points: the runs, each with the times of its points, nanoseconds since the epoch.
        name: `pages` or `items`.

    Returns:
        The beginnings and ends of spans, nanoseconds since the epoch, and their rates, 1/s; each of shape (spans,).
    """
    runs = [_rates(run, at, name) for run, at in points]
    runs = [(times, rates) for times, rates in runs if len(rates)]
    edges = np.unique(np.concatenate([np.empty(0, np.int64), *(times for times, _ in runs)]))
    total, covered = np.zeros(len(edges)), np.zeros(len(edges), np.bool_)
    for times, rates in runs:  # all spans are cut where one of them begins or ends
        places = np.searchsorted(edges, times)
        total[places[0] : places[-1]] += np.repeat(rates, np.diff(places))
        covered[places[0] : places[-1]] = True
    begins = np.flatnonzero(covered)  # never the last edge, where a span ends
    return edges[begins], edges[begins + 1], total[begins]


def _rates(run: SpiderRun, times: TimeArray, name: str) -> tuple[TimeArray, FloatArray]:
    """Return the times of a run's lines, and the rates between them; lines of one time are one."""
    counts = np.array([getattr(point, name) for point in run.points], dtype=np.int64)
    ahead = times == np.maximum.accumulate(times)  # while a clock that was set back catches up, nothing is known
    times, counts = times[ahead], counts[ahead]
    moments = np.flatnonzero(np.diff(times, append=times[-1:] + 1) > 0)  # the last line of each time
    times, counts = times[moments], np.maximum.accumulate(counts[moments])  # a rate is never negative
    return times, np.diff(counts) / (np.diff(times) / NS)
