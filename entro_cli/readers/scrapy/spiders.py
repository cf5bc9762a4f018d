"""The runs of spiders in a Scrapy log: their lines, the offset of their clock from UTC, and their rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from entro_cli.core.clock import NS
from entro_cli.readers.scrapy.lines import SpiderLine
from entro_cli.timeseries.observations import TimeArray
from entro_engine.entropy import FloatArray

_USUAL_NS = 60 * NS
"""The interval of logstats lines unless LOGSTATS_INTERVAL sets another."""

_QUARTER_NS = 900 * NS
"""The offset of a zone from UTC is a multiple of a quarter of an hour."""
_SLACK_NS = 300 * NS
"""The closing stats are printed within this time of the end that they name."""


@dataclass
class SpiderRun:
    """One run of a spider.

    Attributes:
        points: its lines with counts, by time; the first is its start, or its first line in the log.
        dumps: its lines with stats, in between and at its end.
        shift: the offset of the log's clock from UTC, nanoseconds; None if it is not known.
        is_closed: whether its closing stats are in the log.
    """

    points: list[SpiderLine] = field(default_factory=list)
    dumps: list[SpiderLine] = field(default_factory=list)
    shift: int | None = None
    is_closed: bool = False

    @property
    def last(self) -> SpiderLine:
        """Its last line with counts."""
        return self.points[-1]


def split_runs(points: Sequence[SpiderLine]) -> list[SpiderRun]:
    """Split lines by the run that they belong to, the runs in the order they began.

    The lines do not name their spider. A counter only goes up, so a lower count begins another run. If several runs go
    on in parallel, a line belongs to the one whose next line is due.

    Args:
        points: in the order of the log.
    """
    runs: list[SpiderRun] = []
    for point in points:
        running = [run for run in runs if not run.is_closed]
        if point.stats is not None:
            _add_stats(point, running)
        else:
            _add_counts(point, running, runs)
    return runs


def _add_counts(point: SpiderLine, running: list[SpiderRun], runs: list[SpiderRun]) -> None:
    """Add a line with counts to its run, or begin one with it."""
    if point.pages == 0:
        # "Spider opened" and the first logstats line come in the same second; an idle spider repeats a count of 0.
        begun = [run for run in running if len(run.points) == 1 and run.last.pages == 0 and run.last.wall == point.wall]
        idle = [run for run in running if run.last.pages == 0 and abs(point.wall - run.last.wall - _USUAL_NS) <= 2 * NS]
        fits = begun or idle
    else:
        fits = [run for run in running if run.last.pages <= point.pages and run.last.items <= point.items]
    if not fits:
        runs.append(SpiderRun([point], shift=point.shift))
        return
    best = min(fits, key=lambda run: (abs(point.wall - run.last.wall - _USUAL_NS), -run.last.pages))
    best.points.append(point)
    best.shift = point.shift if point.shift is not None else best.shift


def _add_stats(point: SpiderLine, running: list[SpiderRun]) -> None:
    """Add a line with stats to its run; closing stats also hold the last counts.

    Of the runs that fit by their pages it is the one whose start is nearest to that by the stats.
    """
    stats = point.stats or {}
    pages = stats.get("response_received_count", -1.0)
    began = point.wall / NS - stats.get("elapsed_time_seconds", 0.0)
    fits = [run for run in running if run.last.pages <= pages] or running
    if not fits:
        return
    run = min(fits, key=lambda run: abs(run.points[0].wall / NS - began))
    run.dumps.append(point)
    if not point.is_end:
        return
    run.is_closed = True
    if pages >= run.last.pages:
        items = max(int(stats.get("item_scraped_count", run.last.items)), run.last.items)
        run.points.append(SpiderLine(point.offset, point.wall, point.shift, int(pages), items))
    run.shift = _shift_of_end(point) if run.shift is None else run.shift


def _shift_of_end(point: SpiderLine) -> int | None:
    """Return the offset of the log's clock from UTC: the timestamp of closing stats less the end that they name."""
    ended = (point.stats or {}).get("finish_time")
    if ended is None:
        return None
    off = point.wall - round(ended * NS)
    shift = round(off / _QUARTER_NS) * _QUARTER_NS
    return shift if abs(off - shift) <= _SLACK_NS else None


def crawl_rates(
    runs: Sequence[SpiderRun], times: Sequence[TimeArray], name: str
) -> tuple[TimeArray, TimeArray, FloatArray]:
    """Return the rates of all runs between their lines; the rates of runs that overlap are added.

    Args:
        runs: of the log.
        times: of each run's points, nanoseconds since the epoch.
        name: `pages` or `items`.

    Returns:
        The beginnings and ends of spans, nanoseconds since the epoch, and their rates, 1/s; each of shape (spans,).
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
    return _add_spans(parts)


def _spans(run: SpiderRun, times: TimeArray, name: str) -> tuple[TimeArray, TimeArray, FloatArray]:
    """Return the spans of one run; lines of one time are one."""
    counts = np.array([getattr(point, name) for point in run.points], dtype=np.int64)
    moments = np.flatnonzero(np.diff(times, append=times[-1:] + 1) > 0)  # the last line of each time
    times, counts = times[moments], np.maximum.accumulate(counts[moments])  # a rate is never negative
    return times[:-1], times[1:], np.diff(counts) / (np.diff(times) / NS)


def _add_spans(parts: Sequence[tuple[TimeArray, TimeArray, FloatArray]]) -> tuple[TimeArray, TimeArray, FloatArray]:
    """Add spans that overlap: all are cut where one of them begins or ends."""
    edges = np.unique(np.concatenate([edge for begins, ends, _ in parts for edge in (begins, ends)]))
    total, covered = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1, np.bool_)
    for begins, ends, rates in parts:
        index = np.searchsorted(begins, edges[:-1], side="right") - 1
        inside = (index >= 0) & (edges[:-1] < ends[np.maximum(index, 0)])
        total[inside] += rates[index[inside]]
        covered |= inside
    return edges[:-1][covered], edges[1:][covered], total[covered]
