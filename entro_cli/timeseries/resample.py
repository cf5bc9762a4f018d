"""Series -> Steps: irregular samples onto a regular grid, by rules that the order of rows cannot change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.clock import NS, local_midnight, moment
from entro_cli.timeseries.bins import Bins, bins_of
from entro_cli.timeseries.join_sources import StageSources
from entro_cli.timeseries.observations import Measure, Series
from entro_cli.timeseries.steps import Steps
from entro_engine import EntroError, Stage
from entro_engine.entropy import FloatArray

STEP_LADDER_NS = tuple(seconds * NS for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600))
"""The lengths a step takes on its own."""

_LOCAL_FROM_NS = 1800 * NS
_MOST_STEPS = 100_000_000
_MOST_EMPTY_STEPS = 5_000_000


@dataclass(frozen=True)
class SourceBins:
    """One source of a stage, ready for the grid.

    Attributes:
        bins: its steps with samples, at least one.
        held_ns: how long a sample holds, nanoseconds: the source's interval where it is slower than the step, else 0.
    """

    bins: Bins
    held_ns: int


@dataclass(frozen=True)
class ResampledStage:
    """One stage on the grid; arrays of shape (steps,), as in `Steps`."""

    loads: FloatArray
    peaks: FloatArray
    ends: FloatArray
    samples: NDArray[np.int64]
    measured: NDArray[np.bool_]


def default_step_ns(stages: Sequence[StageSources]) -> int:
    """The median sampling interval of the slowest source, rounded up to the ladder; 1 s where none is known."""
    return ladder_step_ns(max((stage.interval_ns or 0.0 for stage in stages), default=0.0))


def ladder_step_ns(interval: float) -> int:
    """The shortest step of the ladder that is no shorter than an interval, both in nanoseconds; at most an hour."""
    return next((length for length in STEP_LADDER_NS if length >= interval), STEP_LADDER_NS[-1])


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
    first = min(part.first_ns for part in series)
    origin = grid_origin(first, step, zone)
    check_span(series, step, zone)
    return fill_steps(
        [
            (
                stage.stage,
                [SourceBins(bins_of(part, origin, step), _held_ns(part, step)) for part in stage.parallel],
            )
            for stage in stages
        ],
        step,
    )


def grid_origin(first: int, step: int, zone: tzinfo) -> int:
    """Where a step begins: the epoch, for steps of 30 min and more the local midnight before the first sample.

    Args:
        first: when that was, nanoseconds since the epoch.
        step: length of a step, nanoseconds.
        zone: where midnight is.
    """
    return local_midnight(first, zone) if step >= _LOCAL_FROM_NS else 0


def _held_ns(series: Series, step: int) -> int:
    """The same of a series: what is no sample is known for its own time, and does not hold beyond it."""
    return held_ns(series.interval_ns, step) if series.measure is Measure.SAMPLES else 0


def held_ns(interval: float | None, step: int) -> int:
    """How long a sample of a source slower than the step holds, nanoseconds; 0 for other sources."""
    return math.ceil(interval) if interval is not None and interval > step else 0


def fill_steps(stages: Sequence[tuple[Stage, Sequence[SourceBins]]], step: int) -> Steps:
    """The stages' bins as regular steps: what still holds is held, single holes are bridged, sources summed.

    Args:
        stages: the stages and their sources, all on one grid; a stage may have none, but not all of them.
        step: length of a step, nanoseconds.
    """
    start = min(int(part.bins.starts[0]) for _, parts in stages for part in parts)
    count = (_last_start(stages, start, step) - start) // step + 1
    bins = [_sum([on_grid(part, start, step, count) for part in parts], count) for _, parts in stages]
    return Steps(
        tuple(stage for stage, _ in stages),
        start,
        step,
        np.stack([part.loads for part in bins]),
        np.stack([part.peaks for part in bins]),
        np.stack([part.ends for part in bins]),
        np.stack([part.samples for part in bins]),
        np.stack([part.measured for part in bins]),
    )


def _last_start(stages: Sequence[tuple[Stage, Sequence[SourceBins]]], start: int, step: int) -> int:
    """Where the last step begins: that of the last sample, or one for as long as every stage's sample still holds."""
    last = max(int(part.bins.starts[-1]) for _, parts in stages for part in parts)
    held = min(
        max((int(part.bins.last[-1]) + max(part.held_ns - 1, 0) for part in parts), default=last) for _, parts in stages
    )
    return max(last, start + (held - start) // step * step)


def check_span(series: Sequence[Series], step: int, zone: tzinfo) -> None:
    """Refuse samples that span far more steps than there are samples.

    Raises:
        EntroError: when they do: a time is probably wrong.
    """
    if not series:
        return
    samples = sum(len(part.times) for part in series)
    first, last = min(part.first_ns for part in series), max(int(part.times[-1]) for part in series)
    count = (last - first) // step + 1
    if not spans_too_much(count, samples):
        return
    times = np.sort(np.concatenate([part.times for part in series]))
    after = int(np.argmax(np.diff(times))) + 1
    raise EntroError(
        f"{samples:,} samples span {count:,} steps of {step / NS:g} s: nothing between "
        f"{moment(int(times[after - 1]), zone).isoformat()} and {moment(int(times[after]), zone).isoformat()}",
        expected=f"at most {_MOST_STEPS:,} steps, most with data",
        remedy="a time is probably wrong: take that row out, or use a longer --step",
    )


def spans_too_much(count: int, samples: int) -> bool:
    """Whether so many steps are far more than there are samples."""
    return count > _MOST_EMPTY_STEPS and (count > _MOST_STEPS or count > 100 * samples)


def on_grid(part: SourceBins, start: int, step: int, count: int) -> ResampledStage:
    """One source's bins on the grid.

    Args:
        part: the source, its bins within the steps.
        start: where the first step begins, nanoseconds since the epoch.
        step: length of a step, nanoseconds.
        count: how many steps there are.
    """
    bins = part.bins
    if len(bins) == count:  # a sample in every step, as most logs have it
        measured = np.ones(count, np.bool_)
        return ResampledStage(bins.loads, bins.peaks, bins.ends, bins.samples, measured)
    index = (bins.starts - start) // step
    loads, peaks, ends = (np.full(count, math.nan) for _ in range(3))
    filled = ResampledStage(loads, peaks, ends, np.zeros(count, np.int64), np.zeros(count, np.bool_))
    loads[index], peaks[index], ends[index] = bins.loads, bins.peaks, bins.ends
    filled.samples[index] = bins.samples
    filled.measured[index] = True
    if part.held_ns:
        _hold(filled, part, start, step)
    _bridge(filled)
    return filled


def _hold(filled: ResampledStage, part: SourceBins, start: int, step: int) -> None:
    """Let each sample of a source slower than the step hold in the steps that begin within its interval."""
    empty = np.flatnonzero(~filled.measured)
    begins = start + empty * step
    latest = np.searchsorted(part.bins.starts, begins, side="right") - 1
    holds = (latest >= 0) & (begins < part.bins.last[latest] + part.held_ns)
    for values in (filled.loads, filled.peaks, filled.ends):
        values[empty[holds]] = part.bins.ends[latest[holds]]
    filled.measured[empty[holds]] = True


def _bridge(filled: ResampledStage) -> None:
    """Carry the load over a single empty step between two with data; a queue ends it as it ended the one before."""
    alone = np.flatnonzero(~filled.measured[1:-1] & filled.measured[:-2] & filled.measured[2:]) + 1
    filled.loads[alone] = filled.peaks[alone] = filled.loads[alone - 1]
    filled.ends[alone] = filled.ends[alone - 1]


def _sum(sources: Sequence[ResampledStage], count: int) -> ResampledStage:
    """Sources side by side as one: summed, in an order that does not depend on theirs.

    A source counts from its first step with data to its last; a hole within them is a hole of the sum.
    """
    if not sources:
        nothing = np.full(count, math.nan)
        return ResampledStage(nothing, nothing, nothing, np.zeros(count, np.int64), np.zeros(count, np.bool_))
    if len(sources) == 1:
        return sources[0]
    inside = [_within_span(source) for source in sources]
    covered = np.any(inside, axis=0)
    measured = covered & np.all([source.measured | ~mask for source, mask in zip(sources, inside, strict=True)], axis=0)

    def total(parts: list[FloatArray]) -> FloatArray:
        stacked = np.sort(
            np.stack([np.where(mask, part, 0.0) for part, mask in zip(parts, inside, strict=True)]), axis=0
        )
        return np.where(covered, stacked.sum(axis=0), math.nan)

    return ResampledStage(
        total([source.loads for source in sources]),
        total([source.peaks for source in sources]),
        total([source.ends for source in sources]),
        np.sum([source.samples for source in sources], axis=0),
        measured,
    )


def _within_span(source: ResampledStage) -> NDArray[np.bool_]:
    """The steps from a source's first with data to its last."""
    filled = np.flatnonzero(~np.isnan(source.loads))
    mask = np.zeros(len(source.loads), np.bool_)
    mask[filled[0] : filled[-1] + 1] = True
    return mask
