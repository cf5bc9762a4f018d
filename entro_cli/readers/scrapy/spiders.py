"""The runs of spiders in a Scrapy log: which lines are of which, how their clock goes, what they crawled meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from entro_cli.core.clock import NS
from entro_cli.readers.scrapy.lines import SpiderLine
from entro_cli.timeseries.observations import TimeArray
from entro_engine.entropy import FloatArray

_USUAL_NS = 60 * NS
"""How often a spider tells what it has crawled, unless it was told otherwise."""

_QUARTER_NS = 900 * NS
_SLACK_NS = 300 * NS
"""A clock is off UTC by whole quarters of an hour; a spider tells its end within a few minutes of it."""


@dataclass
class SpiderRun:
    """One run of a spider.

    Attributes:
        points: what it had crawled, by time; the first is where it was begun, or first heard of.
        dumps: the stats it told on the way and at its end.
        shift: how far the log's clock was before UTC, nanoseconds; None where it did not tell.
        is_over: whether it told its end.
    """

    points: list[SpiderLine] = field(default_factory=list)
    dumps: list[SpiderLine] = field(default_factory=list)
    shift: int | None = None
    is_over: bool = False

    @property
    def last(self) -> SpiderLine:
        """Its last point."""
        return self.points[-1]


def split_runs(points: Sequence[SpiderLine]) -> list[SpiderRun]:
    """The runs that some lines are of, in the order they began.

    A counter only goes up: where it is lower than before, another run has begun; where several go on beside each other,
    a line is of the one whose next line is due.

    Args:
        points: in the order of the log.
    """
    runs: list[SpiderRun] = []
    for point in points:
        going = [run for run in runs if not run.is_over]
        if point.stats is not None:
            _dump(point, going)
        else:
            _advance(point, going, runs)
    return runs


def _advance(point: SpiderLine, going: list[SpiderRun], runs: list[SpiderRun]) -> None:
    """Put a line to the run that it is of, or begin one with it."""
    if point.pages == 0:
        begun = [run for run in going if len(run.points) == 1 and run.last.pages == 0 and run.last.wall == point.wall]
        idle = [run for run in going if run.last.pages == 0 and abs(point.wall - run.last.wall - _USUAL_NS) <= 2 * NS]
        fits = begun or idle
    else:
        fits = [run for run in going if run.last.pages <= point.pages and run.last.items <= point.items]
    if not fits:
        runs.append(SpiderRun([point], shift=point.shift))
        return
    best = min(fits, key=lambda run: (abs(point.wall - run.last.wall - _USUAL_NS), -run.last.pages))
    best.points.append(point)
    best.shift = point.shift if point.shift is not None else best.shift


def _dump(point: SpiderLine, going: list[SpiderRun]) -> None:
    """Put what a spider told of itself to its run, and its last pages with it."""
    stats = point.stats or {}
    pages = stats.get("response_received_count", -1.0)
    began = point.wall / NS - stats.get("elapsed_time_seconds", 0.0)
    fits = [run for run in going if run.last.pages <= pages] or going
    if not fits:
        return
    run = min(fits, key=lambda run: abs(run.points[0].wall / NS - began))
    run.dumps.append(point)
    if not point.is_end:
        return
    run.is_over = True
    if pages >= run.last.pages:
        items = max(int(stats.get("item_scraped_count", run.last.items)), run.last.items)
        run.points.append(SpiderLine(point.offset, point.wall, point.shift, int(pages), items))
    run.shift = _told_shift(point) if run.shift is None else run.shift


def _told_shift(point: SpiderLine) -> int | None:
    """How far the log's clock is before UTC, from the time that a spider ended at and the stamp of that line."""
    ended = (point.stats or {}).get("finish_time")
    if ended is None:
        return None
    off = point.wall - round(ended * NS)
    shift = round(off / _QUARTER_NS) * _QUARTER_NS
    return shift if abs(off - shift) <= _SLACK_NS else None


def crawl_rates(
    runs: Sequence[SpiderRun], times: Sequence[TimeArray], name: str
) -> tuple[TimeArray, TimeArray, FloatArray]:
    """What all runs crawled, as rates between their lines; where runs overlap the rates are added.

    Args:
        runs: of the log.
        times: of each run's points, nanoseconds since the epoch.
        name: `pages` or `items`.

    Returns:
        Where each span begins and ends, nanoseconds since the epoch, and its rate, 1/s.
    """
    parts = [_spans(run, at, name) for run, at in zip(runs, times, strict=True)]
    parts = [part for part in parts if len(part[0])]
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    begins, ends, rates = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort([ends, begins])
    begins, ends, rates = begins[order], ends[order], rates[order]
    if np.all(begins[1:] >= ends[:-1]):
        return begins, ends, rates
    return _added(parts)


def _spans(run: SpiderRun, times: TimeArray, name: str) -> tuple[TimeArray, TimeArray, FloatArray]:
    """Of one run; lines of one time are one."""
    counts = np.array([getattr(point, name) for point in run.points], dtype=np.int64)
    moments = np.flatnonzero(np.diff(times, append=times[-1:] + 1) > 0)  # the last line of each time
    times, counts = times[moments], np.maximum.accumulate(counts[moments])
    return times[:-1], times[1:], np.diff(counts) / (np.diff(times) / NS)


def _added(parts: Sequence[tuple[TimeArray, TimeArray, FloatArray]]) -> tuple[TimeArray, TimeArray, FloatArray]:
    """Spans that overlap, cut where one of them begins or ends, and added."""
    edges = np.unique(np.concatenate([edge for begins, ends, _ in parts for edge in (begins, ends)]))
    total, covered = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1, np.bool_)
    for begins, ends, rates in parts:
        index = np.searchsorted(begins, edges[:-1], side="right") - 1
        inside = (index >= 0) & (edges[:-1] < ends[np.maximum(index, 0)])
        total[inside] += rates[index[inside]]
        covered |= inside
    return edges[:-1][covered], edges[1:][covered], total[covered]
