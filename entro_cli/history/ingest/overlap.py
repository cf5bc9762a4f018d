"""Samples of one source from several logs: merging them, and the steps that they belong to."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from msgspec.structs import replace

from entro_cli.timeseries.joined_series import waiting_of_all
from entro_cli.timeseries.observations import Idle, Measure, Series, TimeArray

Grid = tuple[int, int]
"""The origin of the grid, at which a step begins, and the length of a step, nanoseconds."""


def since(begin: float, series: Iterable[Series]) -> tuple[Series, ...]:
    """Return the samples at `begin` (nanoseconds since the epoch) and later; spans are cut there."""
    return tuple(filter(_has_any, (_since(begin, one) for one in series)))


def _since(begin: float, series: Series) -> Series:
    if not len(series.times) or begin <= series.first_ns:
        return series  # not a copy: it may be larger than memory
    if series.begins is None:
        return series.take(slice(_place(series.times, begin), None))
    left = series.times > begin
    begins = np.maximum(series.begins[left], int(begin) if math.isfinite(begin) else series.begins[left])
    return replace(series.take(left), begins=begins)


def _place(times: TimeArray, moment: float) -> int:
    """Return the index of the first time at a moment or later, which may be infinite."""
    return int(np.searchsorted(times, int(moment))) if math.isfinite(moment) else len(times)


def _has_any(series: Series) -> bool:
    return len(series.times) > 0


def merge_samples(parts: Iterable[Series]) -> Series:
    """Merge the samples of one source from several logs: sorted, and once if several logs have them.

    Different samples at one time are averaged. Of events at one time the greatest number counts, because a log that
    begins or ends there may have only some of them. Of spans that overlap, the later one is cut at the end of the
    earlier one.
    """
    readings = [*parts]
    first = readings[0]
    if len(readings) == 1:
        return first
    times = np.concatenate([part.times for part in readings])
    values = np.concatenate([part.values for part in readings])
    if first.begins is not None:
        ends = [part for part in readings if len(part.times)] or readings[:1]
        begin, end = min(ends, key=lambda part: part.first_ns), max(ends, key=lambda part: int(part.times[-1]))
        begins = np.concatenate([_begins(part) for part in readings])
        first = replace(first, idle=Idle.joined(begin.idle, end.idle), waiting=waiting_of_all(readings))
        return _merge_spans(replace(first, begins=begins, times=times, values=values))
    if np.all(times[1:] > times[:-1]):  # most logs follow each other, in this order
        return replace(first, times=times, values=values)
    order = np.lexsort([values, times])
    times, values = times[order], values[order]
    new = (np.diff(times, prepend=times[:1] - 1) != 0) | (np.diff(values, prepend=values[:1]) != 0)
    times, values = times[new], values[new]
    firsts = np.flatnonzero(np.diff(times, prepend=times[:1] - 1))
    if len(firsts) < len(times) and first.measure is Measure.EVENTS:
        values = np.maximum.reduceat(values, firsts)
    elif len(firsts) < len(times):
        values = np.add.reduceat(values, firsts) / np.diff(firsts, append=len(times))
    return replace(first, times=times[firsts], values=values)


def _begins(part: Series) -> TimeArray:
    """Return the beginnings of spans; a sample among spans becomes a span of length 0, which has no effect."""
    return part.times if part.begins is None else part.begins


def _merge_spans(spans: Series) -> Series:
    begins = _begins(spans)
    # Of spans that differ only in the waits of their requests, the later reading knows longer ones, and counts.
    waits = [] if spans.waiting is None else [-spans.waiting[1]]
    order = np.lexsort([*waits, spans.values, spans.times, begins])
    spans, begins = spans.take(order), begins[order]
    begins = np.maximum(begins, np.concatenate([begins[:1], np.maximum.accumulate(spans.times)[:-1]]))
    return replace(spans, begins=begins).take(begins < spans.times)


def in_steps(series: Series, numbers: Iterable[int], grid: Grid) -> Series:
    """Return the samples that belong to some steps."""
    steps = np.unique(np.fromiter(numbers, np.int64))
    origin, step = grid
    if series.begins is None:
        begins, ends = (np.searchsorted(series.times, origin + (steps + more) * step) for more in (0, 1))
        counts = ends - begins
        return series.take(np.repeat(begins - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum()))
    first, last = (series.begins - origin) // step, (series.times - 1 - origin) // step
    inside = np.searchsorted(steps, last, side="right") > np.searchsorted(steps, first)
    if Idle.BETWEEN & series.idle and inside.any():  # what is known of the time up to the spans left out stays known
        idle = series.idle | Idle.BEFORE * int(not inside[0]) | Idle.AFTER * int(not inside[-1])
        series = replace(series, idle=Idle(idle))
    return series.take(inside)


def edge_steps(series: Series, grid: Grid) -> tuple[int, int]:
    """Return the first and the last step of a series, of which it may have only a part; it must have samples."""
    origin, step = grid
    last = int(series.times[-1]) - (series.begins is not None)  # a span excludes its end
    return (series.first_ns - origin) // step, (last - origin) // step
