"""Steps: a pipeline on its regular grid, what the history keeps and the engine replays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from entro_engine import Stage
from entro_engine.entropy import FloatArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Steps:
    """The grid: an entry a step.

    Attributes:
        stages: the N stages.
        start_ns: where the first step begins, nanoseconds since the epoch.
        step_ns: length of a step, nanoseconds.
        loads: shape (N, steps), the mean of the samples in the step, in the stage's unit; NaN without data.
        peaks: shape (N, steps), the largest of them; NaN without data.
        ends: shape (N, steps), the last of them; NaN without data.
        samples: shape (N, steps), how many there were; 0 where a sample of before still holds, or was carried over.
        own: shape (N, steps), whether the stage has data of its own in the step, not carried over from the one before.
    """

    stages: tuple[Stage, ...]
    start_ns: int
    step_ns: int
    loads: FloatArray
    peaks: FloatArray
    ends: FloatArray
    samples: NDArray[np.int64]
    own: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """How many steps there are, with data or without."""
        return int(self.loads.shape[1])

    @property
    def step_s(self) -> float:
        """Length of a step, s."""
        return self.step_ns / 1e9

    def part(self, first: int, after: int) -> Steps:
        """The steps from `first` up to but not including `after`."""
        cut = slice(first, after)
        names = ("loads", "peaks", "ends", "samples", "own")
        arrays = {name: getattr(self, name)[:, cut] for name in names}
        return replace(self, start_ns=self.start_ns + first * self.step_ns, **arrays)

    def to_frame(self) -> pd.DataFrame:
        """The steps as a pandas frame: index `time` (UTC), columns load_, peak_, end_ and samples_ a stage."""
        import pandas as pd

        times = pd.to_datetime(self.start_ns + self.step_ns * np.arange(self.count), utc=True)
        columns = {
            f"{what}_{stage.name}": values[index]
            for index, stage in enumerate(self.stages)
            for what, values in (
                ("load", self.loads),
                ("peak", self.peaks),
                ("end", self.ends),
                ("samples", self.samples),
            )
        }
        return pd.DataFrame(columns, index=pd.Index(times, name="time"))
