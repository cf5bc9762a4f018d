"""Samples of one source from several readings, put together; and which of them have part in which steps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from entro_cli.timeseries.observations import Measure, Series, TimeArray

Grid = tuple[int, int]
"""Where a step begins and how long it is, nanoseconds."""


def since(begin: float, series: Iterable[Series]) -> tuple[Series, ...]:
    """What some series have at `begin` (nanoseconds since the epoch) and later; without those that have nothing."""
    return tuple(filter(_has_any, (_since(begin, one) for one in series)))


def _since(begin: float, series: Series) -> Series:
    if series.begins is None:
        return take(series, series.times >= begin)
    left = series.times > begin
    begins = np.maximum(series.begins[left], int(begin) if math.isfinite(begin) else series.begins[left])
    return replace(take(series, left), begins=begins)


def _has_any(series: Series) -> bool:
    return len(series.times) > 0


def take(series: Series, which: NDArray[np.bool_] | NDArray[np.int64]) -> Series:
    """Those of a series' samples that a mask or an index picks."""
    begins = None if series.begins is None else series.begins[which]
    return replace(series, times=series.times[which], values=series.values[which], begins=begins)


def merge_samples(parts: Iterable[Series]) -> Series:
    """One source's samples from several readings of it: sorted, what two of them have once.

    Of samples at one time the mean is taken. Of events at one time the most that a reading has: one that begins or ends
    there may have some of them only. Of spans that overlap the later one counts from where the earlier one ends.
    """
    several = [*parts]
    first = several[0]
    times = np.concatenate([part.times for part in several])
    values = np.concatenate([part.values for part in several])
    if first.begins is not None:
        return _joined_spans(first, np.concatenate([_begins(part) for part in several]), times, values)
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
    """Where spans begin; a sample among them is a span of no length, which counts nowhere."""
    return part.times if part.begins is None else part.begins


def _joined_spans(like: Series, begins: TimeArray, times: TimeArray, values: NDArray[np.float64]) -> Series:
    order = np.lexsort([values, times, begins])
    begins, times, values = begins[order], times[order], values[order]
    reached = np.maximum.accumulate(times)
    begins = np.maximum(begins, np.concatenate([begins[:1], reached[:-1]]))
    return take(replace(like, begins=begins, times=times, values=values), begins < times)


def step_numbers(series: Series, grid: Grid) -> tuple[TimeArray, TimeArray]:
    """The first and the last step that each sample has part in, as numbers from the grid's origin."""
    origin, step = grid
    if series.begins is None:
        numbers = (series.times - origin) // step
        return numbers, numbers
    return (series.begins - origin) // step, (series.times - 1 - origin) // step


def in_steps(series: Series, numbers: Iterable[int], grid: Grid) -> Series:
    """The samples that have part in one of some steps."""
    wanted = np.unique(np.fromiter(numbers, np.int64))
    first, last = step_numbers(series, grid)
    return take(series, np.searchsorted(wanted, last, side="right") > np.searchsorted(wanted, first))


def edge_steps(series: Series, grid: Grid) -> tuple[int, int]:
    """The first and the last step of a series that has samples: those that it may have in part."""
    first, last = step_numbers(series, grid)
    return int(first[0]), int(last[-1])
