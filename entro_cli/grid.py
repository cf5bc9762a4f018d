"""Series -> Steps: irregular samples onto a regular grid, by rules that the order of rows cannot change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np
from numpy.typing import NDArray

from entro_cli.clock import NS, local_midnight, moment
from entro_cli.observations import Series
from entro_cli.sources import StageSources
from entro_cli.steps import Steps
from entro_engine import EntroError
from entro_engine.entropy import FloatArray

STEP_LADDER_NS = tuple(seconds * NS for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600))
"""The lengths a step takes on its own."""

_LOCAL_FROM_NS = 1800 * NS
_MOST_STEPS = 100_000_000
_MOST_EMPTY_STEPS = 5_000_000


@dataclass(frozen=True)
class _Cells:
    """One stage on the grid; arrays of shape (steps,), as in `Steps`."""

    loads: FloatArray
    peaks: FloatArray
    ends: FloatArray
    samples: NDArray[np.int64]
    own: NDArray[np.bool_]


def default_step_ns(stages: Sequence[StageSources]) -> int:
    """The median sampling interval of the slowest source, rounded up to the ladder; 1 s where none is known."""
    slowest = max((stage.interval_ns or 0 for stage in stages), default=0)
    return next((length for length in STEP_LADDER_NS if length >= slowest), STEP_LADDER_NS[-1])


def to_steps(stages: Sequence[StageSources], zone: tzinfo, step_ns: int | None = None) -> Steps:
    """The stages' samples on a regular grid.

    A step's load is the mean of its samples; parallel sources are summed. A sample of a source slower than the step
    holds for that source's interval. A single empty step between two with data takes the earlier one's load.

    Args:
        stages: the stages and their sources, each with at least one sample.
        zone: where midnight is, for steps of 30 min and more.
        step_ns: length of a step, nanoseconds; by the slowest source when None.

    Raises:
        EntroError: when the samples span far more steps than there are samples: a stray time.
    """
    step = step_ns or default_step_ns(stages)
    series = [part for stage in stages for part in stage.parallel]
    first = min(int(part.times[0]) for part in series)
    origin = local_midnight(first, zone) if step >= _LOCAL_FROM_NS else 0
    begin = (first - origin) // step
    after = _after_last(stages, origin, step)
    _check_count(after - begin, series, step, zone)
    start = origin + begin * step
    cells = [_sum([_on_grid(part, start, step, after - begin) for part in stage.parallel]) for stage in stages]
    return Steps(
        tuple(stage.stage for stage in stages),
        start,
        step,
        np.stack([part.loads for part in cells]),
        np.stack([part.peaks for part in cells]),
        np.stack([part.ends for part in cells]),
        np.stack([part.samples for part in cells]),
        np.stack([part.own for part in cells]),
    )


def _held_ns(series: Series, step: int) -> int:
    """How long a sample of a source slower than the step holds, nanoseconds; 0 for other sources."""
    interval = series.interval_ns or 0.0
    return math.ceil(interval) if interval > step else 0


def _after_last(stages: Sequence[StageSources], origin: int, step: int) -> int:
    """The step after the last: that of the last sample, or further on for as long as every stage's still holds."""
    last = max(int(part.times[-1]) for stage in stages for part in stage.parallel)
    held = min(
        max(int(part.times[-1]) + max(_held_ns(part, step) - 1, 0) for part in stage.parallel) for stage in stages
    )
    return (max(last, held) - origin) // step + 1


def _check_count(count: int, series: Sequence[Series], step: int, zone: tzinfo) -> None:
    samples = sum(len(part.times) for part in series)
    if count <= _MOST_EMPTY_STEPS or (count <= _MOST_STEPS and count <= 100 * samples):
        return
    times = np.sort(np.concatenate([part.times for part in series]))
    after = int(np.argmax(np.diff(times))) + 1
    raise EntroError(
        f"{samples:,} samples span {count:,} steps of {step / NS:g} s: nothing between "
        f"{moment(int(times[after - 1]), zone).isoformat()} and {moment(int(times[after]), zone).isoformat()}",
        expected=f"at most {_MOST_STEPS:,} steps, most with data",
        remedy="a time is probably wrong: take that row out, or use a longer --step",
    )


def _on_grid(series: Series, start: int, step: int, count: int) -> _Cells:
    """One source's samples on the grid."""
    index = (series.times - start) // step
    firsts = np.flatnonzero(np.diff(index, prepend=-1))
    filled = index[firsts]
    sizes = np.diff(firsts, append=len(index))
    loads, peaks, ends = (np.full(count, math.nan) for _ in range(3))
    cells = _Cells(loads, peaks, ends, np.zeros(count, np.int64), np.zeros(count, np.bool_))
    cells.loads[filled] = np.add.reduceat(series.values, firsts) / sizes
    cells.peaks[filled] = np.maximum.reduceat(series.values, firsts)
    cells.ends[filled] = series.values[firsts + sizes - 1]
    cells.samples[filled] = sizes
    cells.own[filled] = True
    _hold(cells, series, start, step)
    _bridge(cells)
    return cells


def _hold(cells: _Cells, series: Series, start: int, step: int) -> None:
    """Let each sample of a source slower than the step hold in the steps that begin within its interval."""
    held = _held_ns(series, step)
    if not held:
        return
    empty = np.flatnonzero(~cells.own)
    begins = start + empty * step
    latest = np.searchsorted(series.times, begins, side="right") - 1
    holds = (latest >= 0) & (begins < series.times[latest] + held)
    for part in (cells.loads, cells.peaks, cells.ends):
        part[empty[holds]] = series.values[latest[holds]]
    cells.own[empty[holds]] = True


def _bridge(cells: _Cells) -> None:
    """Carry the load over a single empty step between two with data; a queue ends it as it ended the one before."""
    alone = np.flatnonzero(~cells.own[1:-1] & cells.own[:-2] & cells.own[2:]) + 1
    cells.loads[alone] = cells.peaks[alone] = cells.loads[alone - 1]
    cells.ends[alone] = cells.ends[alone - 1]


def _sum(sources: Sequence[_Cells]) -> _Cells:
    """Sources side by side as one: summed, in an order that does not depend on theirs.

    A source counts from its first step with data to its last; a hole within them is a hole of the sum.
    """
    if len(sources) == 1:
        return sources[0]
    inside = [_within_span(source) for source in sources]
    covered = np.any(inside, axis=0)
    own = covered & np.all([source.own | ~mask for source, mask in zip(sources, inside, strict=True)], axis=0)

    def total(parts: list[FloatArray]) -> FloatArray:
        stacked = np.sort(
            np.stack([np.where(mask, part, 0.0) for part, mask in zip(parts, inside, strict=True)]), axis=0
        )
        return np.where(covered, stacked.sum(axis=0), math.nan)

    return _Cells(
        total([source.loads for source in sources]),
        total([source.peaks for source in sources]),
        total([source.ends for source in sources]),
        np.sum([source.samples for source in sources], axis=0),
        own,
    )


def _within_span(source: _Cells) -> NDArray[np.bool_]:
    """The steps from a source's first with data to its last."""
    filled = np.flatnonzero(~np.isnan(source.loads))
    mask = np.zeros(len(source.loads), np.bool_)
    mask[filled[0] : filled[-1] + 1] = True
    return mask
