"""Bins: the steps of one source of one stage that hold samples, what the grid makes of them and the history keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.clock import NS
from entro_cli.timeseries.observations import Measure, Series, TimeArray
from entro_engine.entropy import FloatArray


@dataclass(frozen=True)
class Bins:
    """The steps with samples of one source of one stage, in the order of time; arrays of shape (bins,).

    Attributes:
        starts: where each step begins, nanoseconds since the epoch, each once.
        loads: the mean of the samples in it, in the stage's unit.
        peaks: the largest of them.
        ends: the last of them.
        samples: how many there were, at least 1.
        last: when the last of them was, nanoseconds since the epoch.
    """

    starts: TimeArray
    loads: FloatArray
    peaks: FloatArray
    ends: FloatArray
    samples: NDArray[np.int64]
    last: TimeArray

    def __len__(self) -> int:
        """How many there are."""
        return len(self.starts)

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Bins:
        """Those that an index or a mask picks."""
        return Bins(**{field.name: getattr(self, field.name)[which] for field in fields(self)})

    def between(self, begin: int, after: int) -> Bins:
        """Those whose step begins at `begin` (nanoseconds since the epoch) or later, and before `after`."""
        first, end = np.searchsorted(self.starts, [begin, after]).tolist()
        return self.take(slice(first, end))


def bins_of(series: Series, origin: int, step_ns: int) -> Bins:
    """One source's samples as bins.

    Of samples a step has the mean, of spans the mean over the time in it that they cover, of events their number over
    the step's length; every step between the first event and the last is one, with events or without.

    Args:
        series: sorted, each time once.
        origin: where a step begins, nanoseconds since the epoch; the others begin whole steps from it.
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
    firsts = np.flatnonzero(np.diff(index, prepend=index[:1] - 1))
    if len(firsts) == len(index):  # a sample a step is its mean and its largest
        ones = np.ones(len(index), dtype=np.int64)
        return Bins(origin + index * step_ns, values, values, values, ones, times)
    sizes = np.diff(firsts, append=len(index))
    return Bins(
        origin + index[firsts] * step_ns,
        np.add.reduceat(values, firsts) / sizes,
        np.maximum.reduceat(values, firsts),
        values[firsts + sizes - 1],
        sizes,
        times[firsts + sizes - 1],
    )


def _of_events(times: TimeArray, counts: FloatArray, origin: int, step_ns: int) -> Bins:
    index = (times - origin) // step_ns
    at = index - index[0]
    starts = origin + np.arange(index[0], index[-1] + 1) * step_ns
    happened = np.bincount(at, weights=counts)
    rates = happened / (step_ns / NS)
    last = starts.copy()
    last[at] = times  # sorted: the last one stays
    return Bins(starts, rates, rates, rates, np.maximum(happened, 1).astype(np.int64), last)


def _of_spans(series: Series, begins: TimeArray, origin: int, step_ns: int) -> Bins:
    ends, values = series.times, series.values
    first, last = (begins - origin) // step_ns, (ends - 1 - origin) // step_ns
    sizes = last - first + 1  # of each span, in how many steps it is
    span = np.repeat(np.arange(len(values)), sizes)
    index = first[span] + np.arange(len(span)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    starts = origin + index * step_ns
    covered = (np.minimum(ends[span], starts + step_ns) - np.maximum(begins[span], starts)).astype(np.float64)
    loads, firsts = values[span], np.flatnonzero(np.diff(index, prepend=index[:1] - 1))
    in_step = np.diff(firsts, append=len(index))
    time = np.add.reduceat(covered, firsts)
    if series.is_additive:  # where its spans do not reach there is nothing
        time = np.full(len(firsts), float(step_ns))
    alone = (in_step == 1) & (covered[firsts] == time)  # not rounded where there is nothing to average
    means = np.where(alone, loads[firsts], np.add.reduceat(loads * covered, firsts) / time)
    return Bins(
        starts[firsts],
        means,
        np.maximum.reduceat(loads, firsts),
        loads[firsts + in_step - 1],
        in_step,
        np.minimum(ends[span], starts + step_ns)[firsts + in_step - 1] - 1,
    )


def merge_bins(parts: Sequence[Bins]) -> Bins:
    """One source's bins from several readings of it: of a step the cell with more samples, of equals the greater one.

    What comes out does not depend on the order of the readings, and reading one twice changes nothing.
    """
    every = {field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Bins)}
    order = np.lexsort([every[name] for name in ("last", "ends", "peaks", "loads", "samples", "starts")])
    starts = every["starts"][order]
    best = order[np.diff(starts, append=starts[-1:] + 1) != 0]
    return Bins(**{name: values[best] for name, values in every.items()})


EMPTY = Bins(*(np.empty(0, kind) for kind in (np.int64, float, float, float, np.int64, np.int64)))
"""No bins."""
