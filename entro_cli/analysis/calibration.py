"""Calibration: the capacity and the full loads that a log shows, and a check if the default full loads can fit it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entro_cli.analysis.percentile import percentile
from entro_cli.analysis.results import Calibration, FullLoad, FullLoads
from entro_cli.core.clock import moment
from entro_cli.core.formatting import counted
from entro_cli.timeseries.steps import StageView, Steps, StepSource, in_parts
from entro_engine import EntroError, Kind, Run, Stage, psi_budget
from entro_engine.entropy import (
    DEFAULT_ACCEPTED_WAIT_S,
    PUBLISHED_CAPACITY,
    REFERENCE_FULL_LOAD,
    FloatArray,
    full_loads_from,
)

_WINDOW_S = 60.0
_MIN_WINDOW_STEPS = 5
_GOOD_WINDOWS = 20
"""With fewer windows the evidence is thin."""

_FAR_OVER_FULL = 5.0
"""A load of so many times the full load is far over full."""

_MOST_OF_THE_TIME = 0.5
_SAME_SIZE = 0.2
"""A server whose capacity is within this share of the published one is of the size that the defaults are for."""


@dataclass(frozen=True)
class MeasuredCapacity:
    """The capacity of a log's server.

    Attributes:
        value: req/s.
        evidence: how it was measured, in words.
        is_guess: True if the log never kept the server busy for long enough to measure it.
        mark: a reservation about the evidence: `thin`, `at least`, `usual rate`; empty without one.
        is_thin: True if the evidence is too thin to be kept.
    """

    value: float
    evidence: str
    is_guess: bool
    mark: str = ""
    is_thin: bool = False


def is_rate_queue_pair(steps: StepSource) -> bool:
    """Return True if the pipeline is one rate stage that feeds one queue stage."""
    return [stage.kind for stage in steps.stages] == [Kind.RATE, Kind.QUEUE]


def with_queue_before(
    steps: StepSource, initial_queue: float = 0.0, size: int | None = None
) -> Iterator[tuple[Steps, float]]:
    """Yield steps in parts, each with the queue before its first step, requests.

    Args:
        steps: steps of a pipeline for which `is_rate_queue_pair` is true.
        initial_queue: queue before the first step, requests.
        size: steps per part, `PART_STEPS` by default.
    """
    for part in in_parts(steps, size=size):
        yield part, initial_queue
        initial_queue = float(part.ends[1][-1])


def queue_before(steps: Steps, initial_queue: float = 0.0) -> FloatArray:
    """Return the queue before each step, requests, shape (steps,).

    Args:
        steps: steps of a pipeline for which `is_rate_queue_pair` is true.
        initial_queue: queue before the first step, requests.
    """
    return np.concatenate([[initial_queue], steps.ends[1][:-1]])


def served_per_step(steps: Steps, initial_queue: float = 0.0) -> FloatArray:
    """Return the requests served in each step, by conservation, shape (steps,).

    served_t = r_t dt - (q_t - q_{t-1}), with q at the end of the steps. NaN in steps without data and in the steps
    after them.

    Args:
        steps: steps of a pipeline for which `is_rate_queue_pair` is true.
        initial_queue: queue before the first step, requests.
    """
    rate, queue = steps.loads[0], steps.ends[1]
    before = queue_before(steps, initial_queue)
    return np.asarray(rate * steps.step_s - (queue - before), dtype=np.float64)


def busy_steps(steps: Steps, served: FloatArray, initial_queue: float = 0.0) -> NDArray[np.bool_]:
    """Return a mask of the steps in which the server is known to be busy, shape (steps,).

    These steps have a queue at their beginning or end, and a known number of served requests.

    Args:
        steps: steps of a pipeline for which `is_rate_queue_pair` is true.
        served: the requests served in each step, as `served_per_step` returns them.
        initial_queue: queue before the first step, requests.
    """
    waiting = (queue_before(steps, initial_queue) > 0) | (steps.ends[1] > 0)
    return np.asarray(waiting & ~np.isnan(served), dtype=np.bool_)


def measure_capacity(
    steps: StepSource, initial_queue: float = 0.0, windows: _Windows | None = None
) -> MeasuredCapacity:
    """Measure the capacity of the server behind a queue stage that a rate stage feeds.

    It is the 95th percentile of the mean served rate over sliding windows of a minute (at least five steps) in which
    the server was busy throughout. Shorter windows would overstate the rate that the server can sustain.

    Args:
        steps: steps of a pipeline for which `is_rate_queue_pair` is true.
        initial_queue: queue before the first step, requests.
        windows: gets the counts of the busy windows of these steps.
    """
    windows = windows or _Windows(steps, initial_queue)
    capacity = percentile(windows.means, 95)
    if capacity is not None:
        length = f"{windows.length * steps.step_s:g} s"
        return MeasuredCapacity(
            capacity, f"95th percentile over {counted(windows.count, 'busy window')} of {length}", False
        )
    if windows.known:
        evidence = f"mean over {counted(windows.known, 'busy step')}, as no window is busy"
        return MeasuredCapacity(windows.total / windows.known, evidence, True)
    rate = percentile(lambda: (part.loads[0][~np.isnan(part.loads[0])] for part in in_parts(steps)), 99)
    return MeasuredCapacity(rate or 0.0, "99th percentile of the arrival rate, as the server was never busy", True)


def learn_capacity(steps: StepSource) -> MeasuredCapacity | None:
    """Learn the capacity that the full loads of a pipeline follow from, rounded to three significant digits.

    With one rate and one queue it is the measured capacity, or, if a queue never formed, at least the largest mean rate
    over a minute. With one rate alone it is the usual rate: the 95th percentile of the mean rates over a minute.

    Args:
        steps: steps of the pipeline.

    Returns:
        The capacity; None for other pipelines, and if the log shows none.
    """
    kinds = [stage.kind for stage in steps.stages]
    if kinds.count(Kind.RATE) != 1 or kinds.count(Kind.QUEUE) > 1:
        return None
    named = [kinds.index(kind) for kind in (Kind.RATE, Kind.QUEUE) if kind in kinds]
    found = _learned(StageView(steps, tuple(steps.stages[index] for index in named), tuple(named)))
    value = float(f"{found.value:.3g}") if found else 0.0
    return replace(found, value=value) if found and value > 0 else None


def _learned(steps: StepSource) -> MeasuredCapacity | None:
    """Learn from one rate, or from one rate that feeds one queue."""
    is_pair = is_rate_queue_pair(steps)
    if is_pair:
        windows = _Windows(steps, 0.0)
        measured = measure_capacity(steps, windows=windows)
        if windows.known:
            is_thin = windows.count < _GOOD_WINDOWS
            return replace(measured, mark="thin" if is_thin else "", is_thin=is_thin)
    rates = _Windows(steps)
    value = percentile(rates.means, 100 if is_pair else 95)
    if value is None:
        return None
    number = f"{counted(rates.count, 'window')} of {rates.length * steps.step_s:g} s"
    is_thin = rates.count < _GOOD_WINDOWS
    if is_pair:
        evidence = f"highest mean rate of {number}, in which no queue formed"
        return MeasuredCapacity(value, evidence, True, "at least", is_thin)
    return MeasuredCapacity(value, f"95th percentile of the mean rates of {number}", True, "usual rate", is_thin)


@dataclass
class _Windows:
    """The sliding windows of known rates, and the mean rates in them.

    Attributes:
        steps: steps of a pipeline whose first stage is a rate.
        initial_queue: queue before the first step, requests, for the rates served while the server was busy; None for
            the rates of the first stage.
        count: number of windows. This and the next two are complete once `means` is exhausted.
        known: number of steps with a known rate.
        total: sum of the rates in those, req/s.
    """

    steps: StepSource
    initial_queue: float | None = None
    count: int = 0
    known: int = 0
    total: float = 0.0

    @property
    def length(self) -> int:
        """Length of a window, steps."""
        return max(math.ceil(_WINDOW_S / self.steps.step_s), _MIN_WINDOW_STEPS)

    def means(self) -> Iterator[FloatArray]:
        """Yield the mean rate in each window, req/s, some windows at a time."""
        self.count, self.known, self.total = 0, 0, 0.0  # `percentile` may iterate several times
        rates, unknown = np.empty(0), np.empty(0, np.bool_)
        for rate, is_known in self._rates():
            self.known += int(is_known.sum())
            self.total += float(rate[is_known].sum())
            rates, unknown = np.concatenate([rates, rate]), np.concatenate([unknown, ~is_known])
            is_whole = _sums(unknown.astype(np.int64), self.length) == 0
            means = _sums(rates, self.length)[is_whole] / self.length
            self.count += len(means)
            yield means
            rates, unknown = rates[len(is_whole) :], unknown[len(is_whole) :]  # windows reach into the next part

    def _rates(self) -> Iterator[tuple[FloatArray, NDArray[np.bool_]]]:
        """Yield the rate of each step, req/s, and a mask of those that are known, part by part."""
        if self.initial_queue is None:
            for part in in_parts(self.steps):
                yield part.loads[0], ~np.isnan(part.loads).any(axis=0)
            return
        for part, before in with_queue_before(self.steps, self.initial_queue):
            rate = served_per_step(part, before) / part.step_s
            yield rate, busy_steps(part, rate, before)


def _sums(values: NDArray[Any], length: int) -> NDArray[Any]:
    """Return the sum over each window of `length` values, shape (values - length + 1,); empty if there are too few."""
    count = max(len(values) - length + 1, 0)
    # Adding shifted copies rounds like each window on its own. Differences of a running sum would not.
    total = values[:count].copy()
    for ahead in range(1, length):
        total += values[ahead : ahead + count]
    return total


def calibration_of(steps: StepSource, wait_s: float, gamma: float, zone: tzinfo) -> Calibration:
    """Return the capacity and the full loads of a log's server, with the evidence for them.

    Args:
        steps: steps of the log.
        wait_s: the longest accepted wait, s.
        gamma: the share of the critical entropy that is the budget.
        zone: the zone of the times in the result.

    Raises:
        EntroError: if the log is not one rate stage that feeds one queue stage, or does not show the server's capacity.
    """
    if not is_rate_queue_pair(steps):
        kinds = ", ".join(f"{stage.name} ({stage.kind})" for stage in steps.stages)
        raise EntroError(
            f"the stages are {kinds}",
            expected="one rate stage that feeds one queue stage",
            remedy="name them with --stage NAME=COLUMN:KIND, or add the log that has the other stage",
        )
    if all(np.isnan(part.loads).any(axis=0).all() for part in in_parts(steps)):
        raise EntroError(
            "no step has data of both stages",
            expected="logs that overlap outside of maintenance windows",
            remedy="name other logs, set --tz or --offset, or check `exclude` in entro.toml",
        )
    capacity = learn_capacity(steps)
    if capacity is None:
        raise EntroError(
            "the log does not show the server's capacity: it is short, or requests only filled the queue",
            expected="a log of some minutes in which requests were served",
        )
    rate, queue = steps.stages
    fulls = full_loads_from(capacity.value, wait_s)
    is_default = math.isclose(wait_s, DEFAULT_ACCEPTED_WAIT_S)
    return Calibration(
        start=moment(steps.start_ns, zone),
        end=moment(steps.start_ns + steps.count * steps.step_ns, zone),
        step_s=steps.step_s,
        capacity=capacity.value,
        evidence=capacity.evidence,
        is_guess=capacity.is_guess,
        mark=capacity.mark,
        is_thin=capacity.is_thin,
        wait_s=wait_s,
        wait_evidence="the published default, q_max / c_max" if is_default else "as asked for",
        stages=(
            FullLoad(rate.name, str(rate.kind), fulls[rate.kind], "req/s", "capacity x 3.0 / 1.2"),
            FullLoad(queue.name, str(queue.kind), fulls[queue.kind], "requests", "capacity x longest accepted wait"),
        ),
        gamma=gamma,
        budget=psi_budget(len(steps.stages), gamma),
    )


def full_loads_of(
    steps: StepSource, wait_s: float, capacity: MeasuredCapacity | None, learns: bool = True
) -> tuple[tuple[Stage, ...], FullLoads]:
    """Return the stages of a pipeline with their full loads, and the origin of those that were not set.

    Args:
        steps: steps of the pipeline. A stage whose full load was set keeps it.
        wait_s: the longest accepted wait, s.
        capacity: what was learned earlier; None to learn it from these steps.
        learns: whether full loads may be learned. If not, the published ones are used.
    """
    if all(stage.full is not None or stage.kind is Kind.GENERIC for stage in steps.stages):
        return steps.stages, FullLoads("set", wait_s)
    found = (capacity or learn_capacity(steps)) if learns else None
    if found is None:
        return steps.stages, FullLoads("published", wait_s)
    fulls = full_loads_from(found.value, wait_s)
    stages = tuple(
        stage if stage.full is not None else replace(stage, full=fulls.get(stage.kind)) for stage in steps.stages
    )
    return stages, FullLoads("learned", wait_s, found.value, found.evidence, found.mark, found.is_guess)


@dataclass
class LoadAccumulator:
    """Counts of how a log's loads compare with the full loads of its replay, from the parts of a Run.

    Attributes:
        stages: the stages with those full loads; empty before the first part.
        observed: number of steps with data.
        violated: number of those over the budget.
        far: by stage, number of steps in which its load is far over full.
    """

    stages: tuple[Stage, ...] = ()
    observed: int = 0
    violated: int = 0
    far: dict[str, int] = field(default_factory=dict)

    def counted(self, runs: Iterable[Run]) -> Iterator[Run]:
        """Yield the parts of a run unchanged, counting each on its way."""
        for run in runs:
            self.add(run)
            yield run

    def add(self, run: Run) -> None:
        """Count a part of a run."""
        self.stages = run.stages
        self.observed += int(run.observed.sum())
        self.violated += int(run.violated.sum())
        for stage, load in zip(run.stages, run.loads, strict=True):
            over = int(np.count_nonzero(load > _FAR_OVER_FULL * stage.full_load))
            self.far[stage.name] = self.far.get(stage.name, 0) + over


def misfit_advice(
    steps: StepSource, loads: LoadAccumulator, columns: Mapping[str, str], wait_s: float = DEFAULT_ACCEPTED_WAIT_S
) -> str | None:
    """Return the full loads to set if the default ones cannot fit a log, as advice; None if they can.

    They cannot fit if a stage with its default full load is far over it most of the time, or if the budget is violated
    most of the time. If the server has the size that the defaults are for, they fit, and the load is too high.

    Args:
        steps: steps of the log.
        loads: counts of their replay.
        columns: the column of each stage, as `--stage` names it.
        wait_s: the longest accepted wait, s.
    """
    if not loads.observed or all(stage.full is not None for stage in loads.stages):
        return None
    far = [stage for stage in loads.stages if stage.full is None and 2 * loads.far[stage.name] > loads.observed]
    if (not far and loads.violated <= _MOST_OF_THE_TIME * loads.observed) or _is_of_default_size(steps):
        return None
    if far:
        ratios = {stage.name: (_median_load(steps, stage.name) or 0.0) / stage.full_load for stage in far}
        reason = " and ".join(f"{name} is over {ratio:,.0f} times full" for name, ratio in ratios.items())
        reason = f"{reason} half of the time"
    else:
        reason = "the budget is violated most of the time"
    return f"the default full loads do not fit this log: {reason}; {_advice(steps, columns, wait_s)}"


def _median_load(steps: StepSource, name: str) -> float | None:
    """Return the median load of a stage over the steps with data of all stages; None if there are none."""
    index = [stage.name for stage in steps.stages].index(name)
    return percentile(lambda: (part.loads[index][~np.isnan(part.loads).any(axis=0)] for part in in_parts(steps)), 50)


def _is_of_default_size(steps: StepSource) -> bool:
    """Return True if the server has about the published capacity. A violated budget then means too much load."""
    return is_rate_queue_pair(steps) and math.isclose(
        measure_capacity(steps).value, PUBLISHED_CAPACITY, rel_tol=_SAME_SIZE
    )


def _advice(steps: StepSource, columns: Mapping[str, str], wait: float) -> str:
    """Return advice on the full loads to set, with their evidence."""
    rate_per_capacity = REFERENCE_FULL_LOAD[Kind.RATE] / PUBLISHED_CAPACITY
    capacity = measure_capacity(steps) if is_rate_queue_pair(steps) else None
    if capacity and capacity.value > 0:  # 0 if the log only fills its queue, which does not show the capacity
        guess = ", a guess" if capacity.is_guess else ""
        rate, queue = steps.stages
        return (
            f"its server sustains {capacity.value:.4g} req/s ({capacity.evidence}{guess}), so for an accepted wait of "
            f"{wait:.3g} s add {_option(rate, columns, f'{capacity.value * rate_per_capacity:.4g}')} "
            f"{_option(queue, columns, f'{capacity.value * wait:.4g}')}"
        )
    kinds = {
        Kind.RATE: f"capacity (req/s) x {rate_per_capacity:g} for a rate",
        Kind.QUEUE: f"capacity (req/s) x the longest wait you accept ({wait:.3g} s now) for a queue",
        Kind.GENERIC: "the load at which the stage is full for any other",
    }
    rules = ", ".join(kinds[kind] for kind in dict.fromkeys(stage.kind for stage in steps.stages))
    options = " ".join(_option(stage, columns, "FULL") for stage in steps.stages)
    return f"set the full load of each stage: {rules}: {options}"


def _option(stage: Stage, columns: Mapping[str, str], full: str) -> str:
    """Return the option that sets the full load of a stage, quoted for a shell."""
    return f"--stage {shlex.quote(f'{stage.name}={columns[stage.name]}:{stage.kind}:{full}')}"
