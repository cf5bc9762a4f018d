"""Steps: a pipeline on its regular grid. Resampling and the history make steps, and the regime engine replays them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_engine import Stage
from entro_engine.entropy import FloatArray

PART_STEPS = 1 << 16
"""Steps per part. This many fit into a processor's cache, and are enough that the cost of the calls does not matter."""


LOAD_ARRAYS = ("loads", "peaks", "ends", "samples", "measured")
"""The arrays that all `Steps` have."""

ARRAYS = (*LOAD_ARRAYS, "ages", "waits")
"""The arrays of `Steps`, with those of single requests."""


class StepSource(Protocol):
    """A pipeline's steps, which may not fit into memory. A part of them is `Steps`.

    Attributes:
        stages: the N stages.
        start_ns: start of the first step, nanoseconds since the epoch.
        step_ns: length of a step, nanoseconds.
        count: number of steps, with or without data.
        step_s: length of a step, s.
    """

    @property
    def stages(self) -> tuple[Stage, ...]: ...  # noqa: D102 - documented above, like the others
    @property
    def start_ns(self) -> int: ...  # noqa: D102
    @property
    def step_ns(self) -> int: ...  # noqa: D102
    @property
    def count(self) -> int: ...  # noqa: D102
    @property
    def step_s(self) -> float: ...  # noqa: D102

    def part(self, first: int, after: int) -> Steps:
        """Return the steps from `first` up to but not including `after`."""
        ...


def in_parts(steps: StepSource, first: int = 0, after: int | None = None, size: int | None = None) -> Iterator[Steps]:
    """Yield steps as consecutive parts.

    Args:
        steps: steps of a pipeline.
        first: the first step.
        after: the step after the last; None for all.
        size: steps per part, `PART_STEPS` by default. The last part may have fewer.
    """
    end, length = steps.count if after is None else after, size or PART_STEPS
    for begin in range(first, end, length):
        yield steps.part(begin, min(begin + length, end))


class StepView(Struct, frozen=True):
    """A view of a pipeline's steps, which is a `StepSource`.

    Attributes:
        stages: the N stages.
        start_ns: start of the first step, nanoseconds since the epoch.
        step_ns: length of a step, nanoseconds.
        count: number of steps, with or without data.
        read: returns the steps from one up to but not including another, both counted from the first of this view.
    """

    stages: tuple[Stage, ...]
    start_ns: int
    step_ns: int
    count: int
    read: Callable[[int, int], Steps]

    @property
    def step_s(self) -> float:
        """Length of a step, s."""
        return self.step_ns / 1e9

    def part(self, first: int, after: int) -> Steps:
        """Return the steps from `first` up to but not including `after`."""
        return self.read(first, after)


def view_of(steps: StepSource, read: Callable[[int, int], Steps]) -> StepView:
    """Return a view of as many steps, which are read in another way."""
    return StepView(steps.stages, steps.start_ns, steps.step_ns, steps.count, read)


def range_view(steps: StepSource, first: int, after: int) -> StepView:
    """Return a view of the steps from `first` up to but not including `after`."""
    whole = view_of(steps, lambda begin, end: steps.part(first + begin, first + end))
    return replace(whole, start_ns=steps.start_ns + first * steps.step_ns, count=after - first)


def stage_view(steps: StepSource, stages: tuple[Stage, ...], rows: Sequence[int] | None = None) -> StepView:
    """Return a view of some stages of a pipeline, maybe with other full loads.

    Args:
        steps: the steps.
        stages: the stages.
        rows: the index of each in the steps; None if they are all stages in their order.
    """

    def read(first: int, after: int) -> Steps:
        part = steps.part(first, after)
        is_whole = rows is None or [*rows] == list(range(len(part.stages)))  # no copies then
        arrays = {} if is_whole else {name: array[rows] for name, array in part.arrays().items()}
        return replace(part, stages=stages, **arrays)

    return replace(view_of(steps, read), stages=stages)


class Steps(Struct, frozen=True):
    """Steps in memory, arrays with one entry per step.

    Attributes:
        stages: the N stages.
        start_ns: start of the first step, nanoseconds since the epoch.
        step_ns: length of a step, nanoseconds.
        loads: shape (N, steps), the mean of the samples in the step, in the stage's unit; NaN without data.
        peaks: shape (N, steps), the largest of them; NaN without data.
        ends: shape (N, steps), the last of them; NaN without data.
        samples: shape (N, steps), number of samples; 0 where an earlier sample holds or a gap is bridged.
        measured: shape (N, steps), False where there is no data or a gap is bridged.
        ages: shape (N, steps), of a queue whose requests are known one by one, how long the oldest request that waits
            at the end of the step has waited, s; 0 where none waits. -1 where single requests are not known; None if
            that is everywhere.
        waits: shape (N, steps), the longest that any request that waits in the step waits in all, s; likewise.
    """

    stages: tuple[Stage, ...]
    start_ns: int
    step_ns: int
    loads: FloatArray
    peaks: FloatArray
    ends: FloatArray
    samples: NDArray[np.int64]
    measured: NDArray[np.bool_]
    ages: FloatArray | None = None
    waits: FloatArray | None = None

    @property
    def count(self) -> int:
        """Number of steps, with or without data."""
        return int(self.loads.shape[1])

    @property
    def step_s(self) -> float:
        """Length of a step, s."""
        return self.step_ns / 1e9

    def arrays(self) -> dict[str, Any]:
        """Return the arrays that are known, by name."""
        return {name: array for name in ARRAYS if (array := getattr(self, name)) is not None}

    def part(self, first: int, after: int) -> Steps:
        """Return the steps from `first` up to but not including `after`, as views."""
        cut = slice(first, after)
        arrays = {name: array[:, cut] for name, array in self.arrays().items()}
        return replace(self, start_ns=self.start_ns + first * self.step_ns, **arrays)
