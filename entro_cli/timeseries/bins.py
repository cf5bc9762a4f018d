"""Bins: the steps of one source of one stage that have samples. The history stores bins, and resampling fills gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from entro_cli.core.clock import NS
from entro_cli.timeseries.observations import (
    KV_CACHE_USAGE,
    SIGNAL_SEPARATOR,
    Idle,
    Measure,
    Series,
    TimeArray,
    is_signal,
)
from entro_engine.entropy import FloatArray


class Bins(Struct, frozen=True):
    """The steps with samples of one source of one stage, in the order of time; arrays of shape (bins,).

    Attributes:
        starts: start of each step, nanoseconds since the epoch, without repeats.
        loads: the mean of the samples in the step, in the stage's unit.
        peaks: the largest of them.
        ends: the last of them.
        samples: number of samples, at least 1.
        last: time of the last sample, nanoseconds since the epoch.
        ages: of a queue whose requests are known one by one, how long the oldest request that waits at the end of the
            step has waited, s; 0 where none waits. -1 where single requests are not known.
        waits: the longest that any request that waits in the step waits in all, s; likewise.
    """

    starts: TimeArray
    loads: FloatArray
    peaks: FloatArray
    ends: FloatArray
    samples: NDArray[np.int64]
    last: TimeArray
    ages: FloatArray
    waits: FloatArray

    def __len__(self) -> int:
        """Return the number of bins."""
        return len(self.starts)

    def take(self, selection: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Bins:
        """Return the bins that an index or a mask selects."""
        return Bins(**{name: getattr(self, name)[selection] for name in self.__struct_fields__})

    def between(self, begin: int, after: int) -> Bins:
        """Return the bins whose step begins at `begin` (nanoseconds since the epoch) or later, and before `after`."""
        first, end = np.searchsorted(self.starts, [begin, after]).tolist()
        return self.take(slice(first, end))


def bins_of(series: Series, origin: int, step_ns: int) -> Bins:
    """Return the samples of one source as bins.

    The load of a step is the mean of its samples. For spans it is the mean over the time that they cover. For events it
    is their number over the length of the step, and every step between the first and the last event has a bin.

    Args:
        series: sorted, each time once.
        origin: start of some step, nanoseconds since the epoch. The others begin whole steps away from it.
        step_ns: length of a step, nanoseconds.
    """
    if not len(series.times):
        return EMPTY
    if series.begins is not None:
        return _of_spans(series, series.begins, origin, step_ns)
    of = _of_events if series.measure is Measure.EVENTS else _of_samples
    return of(series.times, series.values, origin, step_ns)


def _of_samples(times: TimeArray, values: FloatArray, origin: int, step_ns: int) -> Bins:
    index = (times - origin) // step_ns
    # Indices where a new step begins. reduceat() then reduces the samples of each step.
    firsts = np.flatnonzero(np.diff(index, prepend=index[:1] - 1))
    if len(firsts) == len(index):  # with one sample per step, mean, peak and end are the sample: copy nothing
        ones = np.ones(len(index), dtype=np.int64)
        return Bins(origin + index * step_ns, values, values, values, ones, times, *_unknown(len(index)))
    sizes = np.diff(firsts, append=len(index))
    return Bins(
        origin + index[firsts] * step_ns,
        np.add.reduceat(values, firsts) / sizes,
        np.maximum.reduceat(values, firsts),
        values[firsts + sizes - 1],
        sizes,
        times[firsts + sizes - 1],
        *_unknown(len(firsts)),
    )


def _unknown(count: int) -> tuple[FloatArray, FloatArray]:
    """Return the ages and waits of bins whose single requests are not known."""
    return (np.broadcast_to(-1.0, count),) * 2


def _of_events(times: TimeArray, counts: FloatArray, origin: int, step_ns: int) -> Bins:
    index = (times - origin) // step_ns
    step_of = index - index[0]
    starts = origin + np.arange(index[0], index[-1] + 1) * step_ns
    happened = np.bincount(step_of, weights=counts)
    rates = happened / (step_ns / NS)
    last = starts.copy()
    last[step_of] = times  # of several times in one step, the last assignment wins
    # A step without events counts as one sample: it is known that none happened.
    samples = np.maximum(happened, 1).astype(np.int64)
    return Bins(starts, rates, rates, rates, samples, last, *_unknown(len(starts)))


def _of_spans(series: Series, begins: TimeArray, origin: int, step_ns: int) -> Bins:
    ends, values = series.times, series.values
    # A span excludes its end: one that ends where a step begins does not reach into that step.
    first, last = (begins - origin) // step_ns, (ends - 1 - origin) // step_ns
    sizes = last - first + 1  # number of steps that each span touches
    # One entry per pair of span and step: `span` is the span's index, `index` the step's.
    span, index = ranges(first, sizes)
    starts = origin + index * step_ns
    until = np.minimum(ends[span], starts + step_ns)
    covered = (until - np.maximum(begins[span], starts)).astype(np.float64)
    loads, firsts = values[span], np.flatnonzero(np.diff(index, prepend=index[:1] - 1))
    in_step = np.diff(firsts, append=len(index))
    time = np.add.reduceat(covered, firsts)
    if series.is_additive:  # time that its spans do not cover is a level of 0, not a gap
        time = np.full(len(firsts), float(step_ns))
    elif series.idle:
        time = _known_time(series, time, starts[firsts], step_ns)
    alone = (in_step == 1) & (covered[firsts] == time)  # one span covers the step: its level needs no rounding
    means = np.where(alone, loads[firsts], np.add.reduceat(loads * covered, firsts) / time)
    lasts = firsts + in_step - 1
    until = until[lasts]
    is_idle = np.repeat([bool(Idle.BETWEEN & series.idle), bool(Idle.AFTER & series.idle)], [len(firsts) - 1, 1])
    final = np.where(is_idle & (until < starts[lasts] + step_ns), 0.0, loads[lasts])
    ages, waits = _unknown(len(firsts))
    if series.waiting is not None:
        age, whole = series.waiting
        ages = np.where(final > 0, age[span[lasts]] - (ends[span[lasts]] - until), 0) / NS
        waits = np.maximum.reduceat(whole[span], firsts) / NS
    peaks = np.maximum.reduceat(loads, firsts)
    # The last sample is of the last moment before the end.
    return Bins(starts[firsts], means, peaks, final, in_step, until - 1, ages, waits)


def ranges(firsts: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all numbers of some ranges, one range behind the other, after the index of the range of each number."""
    index = np.repeat(np.arange(len(sizes)), sizes)
    return index, np.arange(len(index)) + (firsts + sizes - np.cumsum(sizes))[index]


def _known_time(series: Series, covered: FloatArray, starts: TimeArray, step_ns: int) -> FloatArray:
    """Return for each step how long its level is known: while a span covers it, or while it is known to be 0."""
    begins = series.times if series.begins is None else series.begins
    before = np.maximum(begins[0] - starts, 0)
    after = np.maximum(starts + step_ns - series.times[-1], 0)
    between = step_ns - before - after - covered
    known: FloatArray = covered + sum(
        part
        for flag, part in ((Idle.BETWEEN, between), (Idle.BEFORE, before), (Idle.AFTER, after))
        if flag & series.idle
    )
    return known


def join_bins(parts: Sequence[Bins]) -> Bins:
    """Return bins of one source one after the other."""
    return Bins(*(np.concatenate([getattr(part, name) for part in parts]) for name in Bins.__struct_fields__))


def merge_bins(parts: Sequence[Bins]) -> Bins:
    """Merge bins of one source from several readings of its log.

    Each step keeps the bin with the most samples. Between bins with equally many, the order of their values decides. So
    the order of the readings does not matter, and reading a log twice changes nothing. Between equal loads the longer
    waits count: of requests that still waited when the log was read first, a later reading knows more.
    """
    if len(parts) == 1:
        return parts[0]
    every = join_bins(parts)
    names = ("ages", "waits", "last", "ends", "peaks", "loads", "samples", "starts")
    order = np.lexsort([getattr(every, name) for name in names])
    starts = every.starts[order]
    best = order[np.diff(starts, append=starts[-1:] + 1) != 0]
    return every.take(best)


EMPTY = Bins(*(np.empty(0, kind) for kind in (np.int64, float, float, float, np.int64, np.int64, float, float)))
"""No bins."""


class Signal(Struct, frozen=True):
    """A signal on the grid of the steps, in the order of time.

    Attributes:
        stage: the stage that it is about.
        name: its name.
        starts: starts of the steps that have it, nanoseconds since the epoch, without repeats.
        values: of each, the highest KV cache usage, 0..1, or a number of events.
    """

    stage: str
    name: str
    starts: TimeArray
    values: FloatArray


def signals_of(parts: Iterable[tuple[str, Bins]]) -> tuple[Signal, ...]:
    """Return the signals among the bins of sources, given with the names of their series."""
    by_stage: dict[str, list[Bins]] = {}
    for stage, bins in parts:
        if is_signal(stage) and len(bins):
            by_stage.setdefault(stage, []).append(bins)
    return tuple(_signal(stage, by_stage[stage]) for stage in sorted(by_stage))


def _signal(whole: str, parts: Sequence[Bins]) -> Signal:
    stage, _, name = whole.partition(SIGNAL_SEPARATOR)
    is_level = name == KV_CACHE_USAGE
    every = np.concatenate([part.starts for part in parts])
    values = np.concatenate([part.peaks if is_level else part.loads * part.samples for part in parts])
    starts, places = np.unique(every, return_inverse=True)
    found = np.zeros(len(starts))
    (np.maximum if is_level else np.add).at(found, places, values)
    return Signal(stage, name, starts, found if is_level else np.rint(found))
