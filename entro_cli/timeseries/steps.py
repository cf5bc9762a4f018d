"""Steps: a pipeline on its regular grid, what the history keeps and the engine replays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from entro_engine import Stage
from entro_engine.entropy import FloatArray

if TYPE_CHECKING:
    import pandas as pd

PART_STEPS = 1 << 16
"""How many steps are looked at together: so many that calls do not count, so few that a processor holds them itself."""


class StepSource(Protocol):
    """A pipeline's regular grid, which may be longer than the memory is large: a part of it is `Steps`.

    Attributes:
        stages: the N stages.
        start_ns: where the first step begins, nanoseconds since the epoch.
        step_ns: length of a step, nanoseconds.
        count: how many steps there are, with data or without.
        step_s: length of a step, s.
    """

    @property
    def stages(self) -> tuple[Stage, ...]: ...  # noqa: D102 - told above, like the others
    @property
    def start_ns(self) -> int: ...  # noqa: D102
    @property
    def step_ns(self) -> int: ...  # noqa: D102
    @property
    def count(self) -> int: ...  # noqa: D102
    @property
    def step_s(self) -> float: ...  # noqa: D102

    def part(self, first: int, after: int) -> Steps:
        """The steps from `first` up to but not including `after`."""
        ...


def in_parts(steps: StepSource, first: int = 0, after: int | None = None, size: int | None = None) -> Iterator[Steps]:
    """Some steps in parts that follow one another.

    Args:
        steps: the pipeline's.
        first: the first of them.
        after: the step behind the last; None for all there are.
        size: how many steps a part has, those that are looked at together without it; the last one may have fewer.
    """
    end, length = steps.count if after is None else after, size or PART_STEPS
    for begin in range(first, end, length):
        yield steps.part(begin, min(begin + length, end))


@dataclass(frozen=True)
class StepView:
    """Another look at a pipeline's steps, a `StepSource` itself once it says what `part` is.

    Attributes:
        whole: the steps that are looked at.
    """

    whole: StepSource

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The N stages."""
        return self.whole.stages

    @property
    def start_ns(self) -> int:
        """Where the first step begins, nanoseconds since the epoch."""
        return self.whole.start_ns

    @property
    def step_ns(self) -> int:
        """Length of a step, nanoseconds."""
        return self.whole.step_ns

    @property
    def count(self) -> int:
        """How many steps there are, with data or without."""
        return self.whole.count

    @property
    def step_s(self) -> float:
        """Length of a step, s."""
        return self.whole.step_s


@dataclass(frozen=True)
class StepRange(StepView):
    """The steps from `first` up to but not including `after`."""

    first: int
    after: int

    @property
    def start_ns(self) -> int:
        """Where the first of them begins, nanoseconds since the epoch."""
        return self.whole.start_ns + self.first * self.whole.step_ns

    @property
    def count(self) -> int:
        """How many they are."""
        return self.after - self.first

    def part(self, first: int, after: int) -> Steps:
        """Some of them, counted from the first."""
        return self.whole.part(self.first + first, self.first + after)


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
        measured: shape (N, steps), True where the stage has data of its own in the step, not carried over.
    """

    stages: tuple[Stage, ...]
    start_ns: int
    step_ns: int
    loads: FloatArray
    peaks: FloatArray
    ends: FloatArray
    samples: NDArray[np.int64]
    measured: NDArray[np.bool_]

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
        names = ("loads", "peaks", "ends", "samples", "measured")
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
