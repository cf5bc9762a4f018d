"""New bins as steps, for learning the full loads from a log that may be longer than memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from entro_cli.core.clock import NS
from entro_cli.history.day_files import SampleKey
from entro_cli.history.ingest.new_bins import NewBins
from entro_cli.history.read import steps_of
from entro_cli.history.state import State
from entro_cli.timeseries.resample import SourceBins, held_ns, last_start, sum_sources, to_grid
from entro_cli.timeseries.steps import LOAD_ARRAYS, Steps, StepSource
from entro_engine import Stage


def new_steps(state: State, new: NewBins, stages: Sequence[Stage]) -> StepSource:
    """Return new bins as steps, with all logs in the state; they are the steps of a pipeline without other bins."""
    used = {*new.samples, *new.whole} - state.redundant_fallbacks()
    sources = {key.stage: key for key in used if key.stage in state.stages}
    are_alone = len(sources) == sum(key.stage in state.stages for key in used)
    # Parallel sources are summed from the first step to the last, so all steps are needed at once.
    if not sources or not are_alone or not new.samples.keys() >= {*sources.values()}:
        return steps_of(state, new.all(), stages)
    return _NewSteps(state, new, tuple(stages), sources)


class _NewSteps:
    """Steps of which each stage has at most one source, as `steps_of` gives them; a `StepSource`."""

    def __init__(self, state: State, new: NewBins, stages: tuple[Stage, ...], keys: Mapping[str, SampleKey]) -> None:
        self.stages, self.step_ns, self._new = stages, state.step_ns, new
        intervals = state.intervals_ns()
        self._keys = [keys.get(stage.name) for stage in stages]
        self._held = held = {key: held_ns(intervals.get(key), self.step_ns) for key in keys.values()}
        edges = [[] if key is None else [SourceBins(new.last(key), held[key])] for key in self._keys]
        self.start_ns = min(new.first_ns(key) for key in self._keys if key is not None)
        last_ns = last_start([*zip(stages, edges, strict=True)], self.start_ns, self.step_ns)
        self.count = (last_ns - self.start_ns) // self.step_ns + 1
        # So many steps before a part decide about its first one: a sample that holds, and a gap that is bridged.
        self._before = math.ceil(max(one or 0 for one in held.values()) / self.step_ns) + 2

    @property
    def step_s(self) -> float:
        """Length of a step, s."""
        return self.step_ns / NS

    def part(self, first: int, after: int) -> Steps:
        """Return the steps from `first` up to but not including `after`."""
        begin, end = max(first - self._before, 0), min(after + 2, self.count)
        begin_ns = self.start_ns + begin * self.step_ns
        found = self._new.between(begin_ns, self.start_ns + end * self.step_ns)
        sources = [
            [SourceBins(found[key], self._held[key])] if key is not None and key in found else [] for key in self._keys
        ]
        rows = [
            sum_sources([to_grid(one, begin_ns, self.step_ns, end - begin) for one in parts], end - begin)
            for parts in sources
        ]
        arrays = {
            name: np.stack([getattr(row, name)[first - begin : after - begin] for row in rows]) for name in LOAD_ARRAYS
        }
        return Steps(self.stages, self.start_ns + first * self.step_ns, self.step_ns, **arrays)
