"""Resampling of a log that arrives in blocks, into steps on disk that equal those of the whole log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import numpy as np
from msgspec.structs import replace

from entro_cli.timeseries.bins import EMPTY, bins_of, join_bins
from entro_cli.timeseries.intervals import Intervals
from entro_cli.timeseries.observations import NotStreamableError, Series
from entro_cli.timeseries.resample import SourceBins, grid_origin, ladder_step_ns, spans_too_much, to_grid
from entro_cli.timeseries.steps import LOAD_ARRAYS, Steps
from entro_cli.timeseries.steps_on_disk import StoredSteps
from entro_engine import Stage

MAX_GAP_STEPS = 1 << 22
"""Steps that are made at once. A log with a longer gap is resampled as a whole."""


def begin_steps(series: Sequence[Series], step_ns: int, zone: tzinfo) -> tuple[int, StoredSteps]:
    """Return the origin of a grid, nanoseconds since the epoch, and no steps yet from the first sample on.

    Args:
        series: the first series of each stage.
        step_ns: length of a step, nanoseconds.
        zone: the zone whose midnight counts, for steps of 30 min and more.
    """
    first_ns = min(part.first_ns for part in series)
    origin_ns = grid_origin(first_ns, step_ns, zone)
    start_ns = origin_ns + (first_ns - origin_ns) // step_ns * step_ns
    return origin_ns, StoredSteps(tuple(Stage(part.stage, part.kind, part.full) for part in series), start_ns, step_ns)


class StreamResampler:
    """Resampler of one source of some stages, whose samples arrive in blocks, in the order of their times.

    Args:
        zone: the zone whose midnight counts, for steps of 30 min and more.
        step_ns: length of a step, nanoseconds; None to derive it from the slowest stage.
    """

    def __init__(self, zone: tzinfo, step_ns: int | None = None) -> None:
        self._zone, self._requested_step_ns = zone, step_ns
        self._stages: dict[str, _StageBuffer] = {}
        self._origin_ns = self._samples = 0
        self._steps: StoredSteps | None = None

    def add(self, series: Sequence[Series]) -> None:
        """Add the next block: one series per stage that has a sample in it.

        Raises:
            NotStreamableError: if a stage begins later than others, or there is a long gap.
            EntroError: if the disk is full.
        """
        if not series:
            return
        steps = self._steps or self._begin(series)
        if any(part.stage not in self._stages for part in series):
            raise NotStreamableError
        self._samples += sum(len(part.times) for part in series)
        last_ns = max(int(part.times[-1]) for part in series)
        # The step of the last sample may go on in the next block: only the steps before this seam are complete.
        seam_ns = steps.start_ns + (last_ns - steps.start_ns) // steps.step_ns * steps.step_ns
        by_stage = {part.stage: part for part in series}
        for name, stage in self._stages.items():
            stage.add(by_stage.get(name), seam_ns, self._origin_ns, steps.step_ns)
        # Hold one complete step back: if it is empty, the next one decides if it is bridged.
        self._store(steps, seam_ns - steps.step_ns, seam_ns)

    def finish(self) -> tuple[Series, ...]:
        """Return the first and the last sample of each stage, after the last block.

        Raises:
            NotStreamableError: if all samples together give another step than the first block, if a sample holds for
                longer than a step, or if there is no sample.
            EntroError: if the disk is full.
        """
        steps = self.steps
        slowest = max(stage.intervals.median for stage in self._stages.values())
        if slowest > steps.step_ns or (self._requested_step_ns is None and ladder_step_ns(slowest) != steps.step_ns):
            raise NotStreamableError
        last_ns = max(stage.last_ns for stage in self._stages.values())
        after_ns = steps.start_ns + ((last_ns - steps.start_ns) // steps.step_ns + 1) * steps.step_ns
        for stage in self._stages.values():
            stage.add(None, after_ns, self._origin_ns, steps.step_ns)
        self._store(steps, after_ns, after_ns)
        return tuple(stage.edges for stage in self._stages.values())

    @property
    def steps(self) -> StoredSteps:
        """All steps, once it has finished.

        Raises:
            NotStreamableError: if there is no sample.
        """
        if self._steps is None:
            raise NotStreamableError
        return self._steps

    def _begin(self, series: Sequence[Series]) -> StoredSteps:
        """Derive the grid from the first block."""
        self._stages = {part.stage: _StageBuffer(part) for part in series}
        step_ns = self._requested_step_ns or ladder_step_ns(max(part.interval_ns or 0.0 for part in series))
        self._origin_ns, self._steps = begin_steps(series, step_ns, self._zone)
        return self._steps

    def _store(self, steps: StoredSteps, after_ns: int, known_ns: int) -> None:
        """Store the complete steps that begin before `after_ns`. All samples before `known_ns` are known."""
        begin_ns, step_ns = steps.start_ns + steps.count * steps.step_ns, steps.step_ns
        count = (after_ns - begin_ns) // step_ns
        if count <= 0:
            return
        if count > MAX_GAP_STEPS or spans_too_much(steps.count + count, self._samples):
            raise NotStreamableError
        # An empty step is bridged only if both neighbours have data, so resample one step more on each side.
        from_ns = max(begin_ns - step_ns, steps.start_ns)
        before = (begin_ns - from_ns) // step_ns
        cut, width = slice(before, before + count), (known_ns - from_ns) // step_ns
        filled = [
            to_grid(SourceBins(stage.bins.between(from_ns, known_ns), 0), from_ns, step_ns, width)
            for stage in self._stages.values()
        ]
        arrays = {name: np.stack([getattr(part, name)[cut] for part in filled]) for name in LOAD_ARRAYS}
        steps.append(Steps(steps.stages, begin_ns, step_ns, **arrays))
        for stage in self._stages.values():
            stage.bins = stage.bins.take(slice(int(np.searchsorted(stage.bins.starts, after_ns - step_ns)), None))


class _StageBuffer:
    """The samples and bins of a stage that are not stored yet.

    Args:
        series: its first samples, which `add` takes in.

    Attributes:
        bins: the last bins: those that are not stored, and one before them.
        intervals: the intervals between its samples.
    """

    def __init__(self, series: Series) -> None:
        self._first = series.take(slice(0, 1))
        self._last = self._rest = series.take(slice(0, 0))
        self.intervals = Intervals()
        self.bins = EMPTY

    def add(self, series: Series | None, seam_ns: int, origin_ns: int, step_ns: int) -> None:
        """Add the next samples, if any. All steps before the seam are complete then."""
        if series is not None:
            self.intervals.add(np.concatenate([self._last.times, series.times]))
            if self.intervals.are_many:
                raise NotStreamableError
            self._last = series.take(slice(-1, None))
            self._rest = _joined(self._rest, series)
        done = int(np.searchsorted(self._rest.times, seam_ns))
        self.bins = join_bins([self.bins, bins_of(self._rest.take(slice(0, done)), origin_ns, step_ns)])
        self._rest = self._rest.take(slice(done, None))

    @property
    def last_ns(self) -> int:
        """Time of the last sample, nanoseconds since the epoch."""
        return int(self._last.times[-1])

    @property
    def edges(self) -> Series:
        """The first and the last sample, or the only one."""
        return _joined(self._first, self._last) if self._last.times[0] > self._first.times[0] else self._first


def _joined(first: Series, second: Series) -> Series:
    if not len(first.times):
        return second
    times = np.concatenate([first.times, second.times])
    return replace(first, times=times, values=np.concatenate([first.values, second.values]))
