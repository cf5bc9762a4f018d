"""Blocks of series -> Steps on disk: the grid of a log that comes block by block, equal to that of the log at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import tzinfo

import numpy as np
from numpy.typing import NDArray

from entro_cli.timeseries.bins import EMPTY, Bins, bins_of
from entro_cli.timeseries.observations import Series
from entro_cli.timeseries.resample import SourceBins, grid_origin, ladder_step_ns, on_grid, spans_too_much
from entro_cli.timeseries.steps import Steps
from entro_cli.timeseries.steps_on_disk import StoredSteps
from entro_engine import Stage

_MOST_INTERVALS = 1 << 20
_LONGEST_HOLE = 1 << 22
"""Steps; more are not made at once: a log with such a hole is looked at whole."""


class NotInBlocksError(Exception):
    """The grid of a log cannot be told without a look at all of it."""


class StreamResampler:
    """The grid of one source of some stages whose samples come block by block, in the order of their times.

    Args:
        zone: where midnight is, for steps of 30 min and more.
        step_ns: length of a step, nanoseconds; by the slowest stage when None.
    """

    def __init__(self, zone: tzinfo, step_ns: int | None = None) -> None:
        self._zone, self._asked = zone, step_ns
        self._stages: dict[str, _StageBuffer] = {}
        self._origin_ns = self._samples = 0
        self._steps: StoredSteps | None = None

    def add(self, series: Sequence[Series]) -> None:
        """Take in the next block: a series a stage that has a sample in it.

        Raises:
            NotInBlocksError: when a stage has its first sample here and others had theirs before, or there is a long
                hole.
            EntroError: when there is no room for the steps.
        """
        if not series:
            return
        steps = self._steps or self._begun(series)
        if any(part.stage not in self._stages for part in series):
            raise NotInBlocksError
        self._samples += sum(len(part.times) for part in series)
        last_ns = max(int(part.times[-1]) for part in series)
        seam_ns = steps.start_ns + (last_ns - steps.start_ns) // steps.step_ns * steps.step_ns
        there = {part.stage: part for part in series}
        for name, stage in self._stages.items():
            stage.add(there.get(name), seam_ns, self._origin_ns, steps.step_ns)
        self._store(steps, seam_ns - steps.step_ns, seam_ns)

    def finish(self) -> tuple[tuple[Series, ...], StoredSteps]:
        """The first and the last sample of each stage, and all steps, once all blocks were taken in.

        Raises:
            NotInBlocksError: when the step would be another one by all samples than by the first, a sample holds for
                longer than a step, or there is no sample.
            EntroError: when there is no room for the steps.
        """
        steps = self._steps
        if steps is None:
            raise NotInBlocksError
        slowest = max(stage.interval_ns for stage in self._stages.values())
        if slowest > steps.step_ns or (self._asked is None and ladder_step_ns(slowest) != steps.step_ns):
            raise NotInBlocksError
        for stage in self._stages.values():
            stage.end(self._origin_ns, steps.step_ns)
        last_ns = max(stage.last_ns for stage in self._stages.values())
        after_ns = steps.start_ns + ((last_ns - steps.start_ns) // steps.step_ns + 1) * steps.step_ns
        self._store(steps, after_ns, after_ns)
        return tuple(stage.edges for stage in self._stages.values()), steps

    def _begun(self, series: Sequence[Series]) -> StoredSteps:
        """The grid as the first block tells it."""
        self._stages = {part.stage: _StageBuffer(part) for part in series}
        step_ns = self._asked or ladder_step_ns(max(part.interval_ns or 0.0 for part in series))
        first_ns = min(part.first_ns for part in series)
        self._origin_ns = grid_origin(first_ns, step_ns, self._zone)
        start_ns = self._origin_ns + (first_ns - self._origin_ns) // step_ns * step_ns
        self._steps = StoredSteps(tuple(Stage(part.stage, part.kind, part.full) for part in series), start_ns, step_ns)
        return self._steps

    def _store(self, steps: StoredSteps, after_ns: int, known_ns: int) -> None:
        """Store the steps that begin before a moment; of which stages have samples is known up to a later one."""
        begin_ns, step_ns = steps.start_ns + steps.count * steps.step_ns, steps.step_ns
        count = (after_ns - begin_ns) // step_ns
        if count <= 0:
            return
        if count > _LONGEST_HOLE or spans_too_much(steps.count + count, self._samples):
            raise NotInBlocksError
        # The step before and the one behind tell whether an empty step stands alone.
        low_ns = max(begin_ns - step_ns, steps.start_ns)
        before = (begin_ns - low_ns) // step_ns
        cut, wide = slice(before, before + count), (known_ns - low_ns) // step_ns
        filled = [
            on_grid(SourceBins(stage.bins.between(low_ns, known_ns), 0), low_ns, step_ns, wide)
            for stage in self._stages.values()
        ]
        names = ("loads", "peaks", "ends", "samples", "measured")
        arrays = {name: np.stack([getattr(part, name)[cut] for part in filled]) for name in names}
        steps.append(Steps(steps.stages, begin_ns, step_ns, **arrays))
        for stage in self._stages.values():
            stage.bins = stage.bins.take(slice(int(np.searchsorted(stage.bins.starts, after_ns - step_ns)), None))


class _StageBuffer:
    """What is known of a stage and not stored yet.

    Args:
        series: its first samples; they are taken in by `add`.

    Attributes:
        bins: its last steps with samples, those that are not stored and one before them.
    """

    def __init__(self, series: Series) -> None:
        self._first = _part(series, 0, 1)
        self._last = self._rest = _part(series, 0, 0)
        self._intervals = Counter[int]()
        self.bins = EMPTY

    def add(self, series: Series | None, seam_ns: int, origin_ns: int, step_ns: int) -> None:
        """Take in the next samples, if there are some; the steps before a seam are over then."""
        if series is not None:
            self._count(np.diff(np.concatenate([self._last.times, series.times])))
            self._last = _part(series, -1, None)
            self._rest = _joined(self._rest, series)
        done = int(np.searchsorted(self._rest.times, seam_ns))
        self._take(_part(self._rest, 0, done), origin_ns, step_ns)
        self._rest = _part(self._rest, done, None)

    def end(self, origin_ns: int, step_ns: int) -> None:
        """All samples are there."""
        self._take(self._rest, origin_ns, step_ns)

    def _take(self, series: Series, origin_ns: int, step_ns: int) -> None:
        more = bins_of(series, origin_ns, step_ns)
        if len(more):
            names = [one.name for one in fields(Bins)]
            parts = [self.bins, more] if len(self.bins) else [more]
            self.bins = Bins(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def _count(self, between: NDArray[np.int64]) -> None:
        """Count how often each time was between two samples."""
        if len(between) and (least := int(between.min())) == between.max():
            self._intervals[least] += len(between)
        elif len(between):
            values, counts = np.unique(between, return_counts=True)
            self._intervals.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        if len(self._intervals) > _MOST_INTERVALS:
            raise NotInBlocksError

    @property
    def last_ns(self) -> int:
        """When its last sample was, nanoseconds since the epoch."""
        return int(self._last.times[-1])

    @property
    def interval_ns(self) -> float:
        """The median time between two samples, nanoseconds; 0 of a single one."""
        if not self._intervals:
            return 0.0
        values = np.array(sorted(self._intervals))
        ends = np.cumsum([self._intervals[value] for value in values.tolist()])
        return float(values[np.searchsorted(ends, [(ends[-1] - 1) // 2, ends[-1] // 2], side="right")].mean())

    @property
    def edges(self) -> Series:
        """Its first and its last sample, or its only one."""
        return _joined(self._first, self._last) if self._last.times[0] > self._first.times[0] else self._first


def _part(series: Series, begin: int, end: int | None) -> Series:
    return replace(series, times=series.times[begin:end], values=series.values[begin:end])


def _joined(first: Series, second: Series) -> Series:
    if not len(first.times):
        return second
    times = np.concatenate([first.times, second.times])
    return replace(first, times=times, values=np.concatenate([first.values, second.values]))
