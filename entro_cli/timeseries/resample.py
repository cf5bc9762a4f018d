"""Resampling: irregular samples onto a regular grid of steps, by rules that do not depend on the order of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import tzinfo

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from entro_cli.core.clock import NS, local_midnight, moment
from entro_cli.timeseries.bins import Bins, bins_of
from entro_cli.timeseries.join_sources import StageSources
from entro_cli.timeseries.observations import Series
from entro_cli.timeseries.steps import ARRAYS, LOAD_ARRAYS, Steps
from entro_engine import EntroError, Stage
from entro_engine.entropy import FloatArray

STEP_LADDER_NS = tuple(seconds * NS for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600))
"""Step lengths to choose from if the user names none."""

_LOCAL_FROM_NS = 1800 * NS
"""Step length from which steps begin at local midnight: an hour of the epoch is not a local hour in every zone."""

_MAX_STEPS = 100_000_000
_MAX_SPARSE_STEPS = 5_000_000
"""Up to here any number of steps may be empty. Above, more than 100 steps per sample point to a stray time."""


class SourceBins(Struct, frozen=True):
    """One source of a stage, ready for the grid.

    Attributes:
        bins: its bins, at least one.
        held_ns: how long a sample holds, nanoseconds: the source's interval if that is longer than a step, else 0. None
            for spans and events, which are known for their own time only: no hole between them is jitter.
    """

    bins: Bins
    held_ns: int | None


class ResampledStage(Struct, frozen=True):
    """One stage on the grid; arrays of shape (steps,), as in `Steps`."""

    loads: FloatArray
    peaks: FloatArray
    ends: FloatArray
    samples: NDArray[np.int64]
    measured: NDArray[np.bool_]
    ages: FloatArray
    waits: FloatArray


def default_step_ns(stages: Sequence[StageSources]) -> int:
    """Return the median sampling interval of the slowest source, rounded up to the ladder; 1 s if none is known."""
    return ladder_step_ns(max((stage.interval_ns or 0.0 for stage in stages), default=0.0))


def ladder_step_ns(interval: float) -> int:
    """Return the shortest step of the ladder that is no shorter than an interval, at most 1 h, both in nanoseconds."""
    return next((length for length in STEP_LADDER_NS if length >= interval), STEP_LADDER_NS[-1])


def to_steps(stages: Sequence[StageSources], zone: tzinfo, step_ns: int | None = None) -> Steps:
    """Resample the stages onto a regular grid.

    The load of a step is the mean of its samples, and parallel sources are summed. A sample of a source slower than the
    step holds for that source's interval. A single empty step between two with samples takes the load of the earlier.

    Args:
        stages: the stages and their sources, each with at least one sample.
        zone: the zone whose midnight counts, for steps of 30 min and more.
        step_ns: length of a step, nanoseconds; None to derive it from the slowest source.

    Raises:
        EntroError: if the samples span far more steps than there are samples, because a time is wrong.
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
                [
                    SourceBins(bins_of(part, origin, step), held_ns(part.held_interval_ns, step))
                    for part in stage.parallel
                ],
            )
            for stage in stages
        ],
        step,
    )


def grid_origin(first: int, step: int, zone: tzinfo) -> int:
    """Return the start of some step: the epoch, or for steps of 30 min and more the midnight before the first sample.

    Args:
        first: time of the first sample, nanoseconds since the epoch.
        step: length of a step, nanoseconds.
        zone: the zone whose midnight counts.
    """
    return local_midnight(first, zone) if step >= _LOCAL_FROM_NS else 0


def held_ns(interval: float | None, step: int) -> int | None:
    """Return how long a sample holds, nanoseconds, as in `SourceBins`.

    Args:
        interval: the usual time between samples, nanoseconds; None for spans and events.
        step: length of a step, nanoseconds.
    """
    if interval is None:
        return None
    return math.ceil(interval) if interval > step else 0


def fill_steps(stages: Sequence[tuple[Stage, Sequence[SourceBins]]], step: int) -> Steps:
    """Return bins as regular steps.

    Samples of slow sources are held, single gaps are bridged, and sources are summed.

    Args:
        stages: the stages and their sources, all on one grid. Some stages may have no source, but not all.
        step: length of a step, nanoseconds.
    """
    start = min(int(part.bins.starts[0]) for _, parts in stages for part in parts)
    count = (last_start(stages, start, step) - start) // step + 1
    bins = [sum_sources([to_grid(part, start, step, count) for part in parts], count) for _, parts in stages]
    is_known = any(part.waits.max(initial=-1.0) >= 0 for part in bins)
    names = ARRAYS if is_known else LOAD_ARRAYS
    arrays = {name: np.stack([getattr(part, name) for part in bins]) for name in names}
    return Steps(tuple(stage for stage, _ in stages), start, step, **arrays)


def last_start(stages: Sequence[tuple[Stage, Sequence[SourceBins]]], start: int, step: int) -> int:
    """Return the start of the last step: that of the last sample, or later while each stage has a sample that holds."""
    last = max(int(part.bins.starts[-1]) for _, parts in stages for part in parts)
    # A step needs data of every stage, so a stage without sources lets no sample hold beyond the last one.
    held = min(
        max((int(part.bins.last[-1]) + max((part.held_ns or 0) - 1, 0) for part in parts), default=last)
        for _, parts in stages
    )
    return max(last, start + (held - start) // step * step)


def check_span(series: Sequence[Series], step: int, zone: tzinfo) -> None:
    """Check that the samples do not span far more steps than there are samples.

    Raises:
        EntroError: if they do, because a time is probably wrong.
    """
    if not series:
        return
    samples = sum(len(part.times) for part in series)
    first, last = min(part.first_ns for part in series), max(int(part.times[-1]) for part in series)
    count = (last - first) // step + 1
    if not spans_too_much(count, samples):
        return
    times = np.sort(np.concatenate([part.times for part in series]))
    after = int(np.argmax(np.diff(times))) + 1  # the longest gap shows the stray time on one side
    raise EntroError(
        f"{samples:,} samples span {count:,} steps of {step / NS:g} s: no sample between "
        f"{moment(int(times[after - 1]), zone).isoformat()} and {moment(int(times[after]), zone).isoformat()}",
        expected=f"at most {_MAX_STEPS:,} steps, most of them with data",
        remedy="a time is probably wrong: remove that row, or use a longer --step",
    )


def spans_too_much(count: int, samples: int) -> bool:
    """Return True if there are far more steps than samples."""
    return count > _MAX_SPARSE_STEPS and (count > _MAX_STEPS or count > 100 * samples)


def to_grid(part: SourceBins, start: int, step: int, count: int) -> ResampledStage:
    """Put the bins of one source onto the grid.

    Args:
        part: the source, its bins within the steps.
        start: start of the first step, nanoseconds since the epoch.
        step: length of a step, nanoseconds.
        count: number of steps.
    """
    bins = part.bins
    if len(bins) == count:  # most logs have a sample in every step: no copies then
        measured = np.ones(count, np.bool_)
        return ResampledStage(bins.loads, bins.peaks, bins.ends, bins.samples, measured, bins.ages, bins.waits)
    index = (bins.starts - start) // step
    loads, peaks, ends = (np.full(count, math.nan) for _ in range(3))
    ages, waits = (np.full(count, -1.0) for _ in range(2))
    filled = ResampledStage(loads, peaks, ends, np.zeros(count, np.int64), np.zeros(count, np.bool_), ages, waits)
    ages[index], waits[index] = bins.ages, bins.waits
    loads[index], peaks[index], ends[index] = bins.loads, bins.peaks, bins.ends
    filled.samples[index] = bins.samples
    filled.measured[index] = True
    if part.held_ns:
        _hold(filled, part.bins, part.held_ns, start, step)
    if part.held_ns is not None:
        _bridge(filled)
    return filled


def _hold(filled: ResampledStage, bins: Bins, held_ns: int, start: int, step: int) -> None:
    """Let each sample of a source slower than the step hold in the steps that begin within its interval."""
    empty = np.flatnonzero(~filled.measured)
    begins = start + empty * step
    latest = np.searchsorted(bins.starts, begins, side="right") - 1
    holds = (latest >= 0) & (begins < bins.last[latest] + held_ns)
    for values in (filled.loads, filled.peaks, filled.ends):
        values[empty[holds]] = bins.ends[latest[holds]]
    filled.measured[empty[holds]] = True


def _bridge(filled: ResampledStage) -> None:
    """Fill each single empty step between two measured ones with the earlier load, and its end with the earlier end."""
    alone = np.flatnonzero(~filled.measured[1:-1] & filled.measured[:-2] & filled.measured[2:]) + 1
    filled.loads[alone] = filled.peaks[alone] = filled.loads[alone - 1]
    filled.ends[alone] = filled.ends[alone - 1]


def sum_sources(sources: Sequence[ResampledStage], count: int) -> ResampledStage:
    """Return the sum of parallel sources. It does not depend on the order of the sources.

    A source counts from its first step with data to its last. A gap of one source in between is a gap of the sum.
    """
    if not sources:
        nothing, unknown = np.full(count, math.nan), np.broadcast_to(-1.0, count)
        no_samples, no_data = np.zeros(count, np.int64), np.zeros(count, np.bool_)
        return ResampledStage(nothing, nothing, nothing, no_samples, no_data, unknown, unknown)
    if len(sources) == 1:
        return sources[0]
    inside = [_within_span(source) for source in sources]
    covered = np.any(inside, axis=0)
    measured = covered & np.all([source.measured | ~mask for source, mask in zip(sources, inside, strict=True)], axis=0)

    def total(parts: list[FloatArray]) -> FloatArray:
        # Sorting fixes the order of the additions, and with it the last bit of the sum.
        stacked = np.sort(
            np.stack([np.where(mask, part, 0.0) for part, mask in zip(parts, inside, strict=True)]), axis=0
        )
        return np.where(covered, stacked.sum(axis=0), math.nan)

    def longest(parts: list[FloatArray]) -> FloatArray:
        stacked = np.stack([np.where(mask, part, 0.0) for part, mask in zip(parts, inside, strict=True)])
        return np.where((stacked < 0).any(axis=0), -1.0, stacked.max(axis=0))

    return ResampledStage(
        total([source.loads for source in sources]),
        total([source.peaks for source in sources]),
        total([source.ends for source in sources]),
        np.sum([source.samples for source in sources], axis=0),
        measured,
        longest([source.ages for source in sources]),
        longest([source.waits for source in sources]),
    )


def _within_span(source: ResampledStage) -> NDArray[np.bool_]:
    """Return a mask of the steps from a source's first with data to its last."""
    filled = np.flatnonzero(~np.isnan(source.loads))
    mask = np.zeros(len(source.loads), np.bool_)
    mask[filled[0] : filled[-1] + 1] = True
    return mask
