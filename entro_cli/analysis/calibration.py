"""Steps -> capacity and full loads: what a log itself says of its server, and whether the defaults can fit it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entro_cli.analysis.percentile import percentile
from entro_cli.analysis.results import Calibration, FullLoad
from entro_cli.core.clock import moment
from entro_cli.timeseries.steps import Steps, StepSource, in_parts
from entro_engine import EntroError, Kind, Run, Stage, psi_budget
from entro_engine.entropy import DEFAULT_ACCEPTED_WAIT_S, PUBLISHED_CAPACITY, REFERENCE_FULL_LOAD, FloatArray

_WINDOW_S = 60.0
_MIN_WINDOW_STEPS = 5
_FAR_OVER_FULL = 5.0
_MOST_OF_THE_TIME = 0.5
_SAME_SIZE = 0.2


@dataclass(frozen=True)
class MeasuredCapacity:
    """What the server of a log can serve.

    Attributes:
        value: req/s.
        evidence: how it was found, in words.
        is_guess: whether the log never kept the server busy for long enough to tell.
    """

    value: float
    evidence: str
    is_guess: bool


def is_rate_queue_pair(steps: StepSource) -> bool:
    """Whether the pipeline is one rate stage that feeds one queue stage."""
    return [stage.kind for stage in steps.stages] == [Kind.RATE, Kind.QUEUE]


def with_queue_before(
    steps: StepSource, initial_queue: float = 0.0, size: int | None = None
) -> Iterator[tuple[Steps, float]]:
    """Steps of a rate stage that feeds a queue stage in parts, each with the queue before it, requests.

    Args:
        steps: of a pipeline for which `is_rate_queue_pair` holds.
        initial_queue: before the first step, requests.
        size: how many steps a part has, those that are looked at together without it.
    """
    for part in in_parts(steps, size=size):
        yield part, initial_queue
        initial_queue = float(part.ends[1][-1])


def queue_before(steps: Steps, initial_queue: float = 0.0) -> FloatArray:
    """The queue before each step of a rate stage that feeds a queue stage, requests, shape (steps,).

    Args:
        steps: of a pipeline for which `is_rate_queue_pair` holds.
        initial_queue: before the first step, requests.
    """
    return np.concatenate([[initial_queue], steps.ends[1][:-1]])


def served_per_step(steps: Steps, initial_queue: float = 0.0) -> FloatArray:
    """Requests served in each step of a rate stage that feeds a queue stage, by conservation, shape (steps,).

    served_t = r_t dt - (q_t - q_{t-1}), q at the end of the steps. NaN in steps without data and in those after one.

    Args:
        steps: of a pipeline for which `is_rate_queue_pair` holds.
        initial_queue: before the first step, requests.
    """
    rate, queue = steps.loads[0], steps.ends[1]
    before = queue_before(steps, initial_queue)
    return np.asarray(rate * steps.step_s - (queue - before), dtype=np.float64)


def busy_steps(steps: Steps, served: FloatArray, initial_queue: float = 0.0) -> NDArray[np.bool_]:
    """The steps that are counted and have a queue at their beginning or their end, shape (steps,).

    Args:
        steps: of a pipeline for which `is_rate_queue_pair` holds.
        served: what was served in each of them, as `served_per_step` has it.
        initial_queue: before the first step, requests.
    """
    waiting = (queue_before(steps, initial_queue) > 0) | (steps.ends[1] > 0)
    return np.asarray(waiting & ~np.isnan(served), dtype=np.bool_)


def measure_capacity(steps: StepSource, initial_queue: float = 0.0) -> MeasuredCapacity:
    """The capacity of the server behind a queue stage that a rate stage feeds.

    The 95th percentile of the mean served rate over sliding windows of a minute (at least five steps) in which the
    server was busy throughout: short windows overstate what it can hold.

    Args:
        steps: of a pipeline for which `is_rate_queue_pair` holds.
        initial_queue: before the first step, requests.
    """
    windows = _BusyWindows(steps, initial_queue)
    found = percentile(windows.means, 95)
    if found is not None:
        length = f"{windows.length * steps.step_s:g} s"
        return MeasuredCapacity(found, f"95th percentile over {windows.count} busy windows of {length}", False)
    if windows.busy:
        return MeasuredCapacity(
            windows.served / windows.busy, f"mean over {windows.busy} busy steps, no window of them", True
        )
    rate = percentile(lambda: (part.loads[0][~np.isnan(part.loads[0])] for part in in_parts(steps)), 99)
    return MeasuredCapacity(rate or 0.0, "99th percentile of the arrival rate, the server was never busy", True)


@dataclass
class _BusyWindows:
    """The windows of steps in which the server was busy throughout.

    Attributes:
        steps: of a pipeline for which `is_rate_queue_pair` holds.
        initial_queue: before the first step, requests.
        count: how many there are, once `means` has given all; so are the next two.
        busy: how many steps the server was busy in.
        served: the sum of the rates served in those, req/s.
    """

    steps: StepSource
    initial_queue: float
    count: int = 0
    busy: int = 0
    served: float = 0.0

    @property
    def length(self) -> int:
        """Of a window, steps."""
        return max(math.ceil(_WINDOW_S / self.steps.step_s), _MIN_WINDOW_STEPS)

    def means(self) -> Iterator[FloatArray]:
        """The mean rate served in each of them, req/s, some at a time."""
        self.count, self.busy, self.served = 0, 0, 0.0
        served, idle = np.empty(0), np.empty(0, np.bool_)
        for part, before in with_queue_before(self.steps, self.initial_queue):
            rate = served_per_step(part, before) / part.step_s
            busy = busy_steps(part, rate, before)
            self.busy += int(busy.sum())
            self.served += float(rate[busy].sum())
            served, idle = np.concatenate([served, rate]), np.concatenate([idle, ~busy])
            whole = _sums(idle.astype(np.int64), self.length) == 0
            means = _sums(served, self.length)[whole] / self.length
            self.count += len(means)
            yield means
            served, idle = served[len(whole) :], idle[len(whole) :]


def _sums(values: NDArray[Any], length: int) -> NDArray[Any]:
    """The sum over each window of so many values, shape (values - length + 1,); none where there are too few."""
    count = max(len(values) - length + 1, 0)
    total = values[:count].copy()
    for ahead in range(1, length):
        total += values[ahead : ahead + count]
    return total


def calibration_of(steps: StepSource, wait_s: float, gamma: float, zone: tzinfo) -> Calibration:
    """What a log says of its server, with the evidence for it.

    Args:
        steps: the log's.
        wait_s: the longest accepted wait, s.
        gamma: the share of the critical entropy that is the budget.
        zone: what times are told in.

    Raises:
        EntroError: when it is no rate stage that feeds a queue stage, or does not tell what its server serves.
    """
    if not is_rate_queue_pair(steps):
        kinds = ", ".join(f"{stage.name} ({stage.kind})" for stage in steps.stages)
        raise EntroError(
            f"the stages are {kinds}",
            expected="one rate stage that feeds one queue stage",
            remedy="name them with --stage NAME=COLUMN:KIND, or add the log that has the other one",
        )
    if all(np.isnan(part.loads).any(axis=0).all() for part in in_parts(steps)):
        raise EntroError(
            "no step has data of both stages",
            expected="logs that overlap, and not only in maintenance windows",
            remedy="name other logs, or another --tz or --offset; `exclude` in entro.toml says what is left out",
        )
    found = measure_capacity(steps)
    if not found.value > 0:
        raise EntroError(
            "the log does not tell what its server serves: what came in only filled the queue",
            expected="a log in which requests were served",
        )
    rate, queue = steps.stages
    fulls = (found.value * REFERENCE_FULL_LOAD[Kind.RATE] / PUBLISHED_CAPACITY, found.value * wait_s)
    is_default = math.isclose(wait_s, DEFAULT_ACCEPTED_WAIT_S)
    return Calibration(
        start=moment(steps.start_ns, zone),
        end=moment(steps.start_ns + steps.count * steps.step_ns, zone),
        step_s=steps.step_s,
        capacity=found.value,
        evidence=found.evidence,
        is_guess=found.is_guess,
        wait_s=wait_s,
        wait_evidence="the published default, q_max / c_max" if is_default else "as asked for",
        stages=(
            FullLoad(rate.name, str(rate.kind), fulls[0], "req/s", "capacity x 3.0 / 1.2"),
            FullLoad(queue.name, str(queue.kind), fulls[1], "requests", "capacity x longest accepted wait"),
        ),
        gamma=gamma,
        budget=psi_budget(len(steps.stages), gamma),
    )


@dataclass
class LoadAccumulator:
    """How a log's loads stand to the full loads it was replayed on, counted from the parts of a Run.

    Attributes:
        stages: the stages, on those full loads; none before there is a part.
        observed: how many steps have data.
        violated: how many of them are over the budget.
        far: by stage, in how many of them it is far over full.
    """

    stages: tuple[Stage, ...] = ()
    observed: int = 0
    violated: int = 0
    far: dict[str, int] = field(default_factory=dict)

    def counted(self, runs: Iterable[Run]) -> Iterator[Run]:
        """The parts of a run as they come, each counted on its way."""
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
    """What to say when the published full loads cannot fit a log, and which ones to set; None when they can.

    They cannot when a stage without a full load of its own is far over its default for most of the time, or the budget
    is broken for most of it, unless the server is of the size that the defaults are for: then the load is too much.

    Args:
        steps: the log's.
        loads: what was counted in their replay on the full loads in question.
        columns: where each stage's samples stood, as `--stage` names it.
        wait_s: the longest accepted wait, s.
    """
    if not loads.observed or all(stage.full is not None for stage in loads.stages):
        return None
    far = [stage for stage in loads.stages if stage.full is None and 2 * loads.far[stage.name] > loads.observed]
    if (not far and loads.violated <= _MOST_OF_THE_TIME * loads.observed) or _is_of_default_size(steps):
        return None
    if far:
        times = {stage.name: (_median_load(steps, stage.name) or 0.0) / stage.full_load for stage in far}
        reason = " and ".join(f"{name} over {often:,.0f} times full" for name, often in times.items())
        reason = f"at the default full loads half the time has {reason}"
    else:
        reason = "at the default full loads the budget is broken most of the time"
    return f"{reason}: they do not fit this log; {_advice(steps, columns, wait_s)}"


def _median_load(steps: StepSource, name: str) -> float | None:
    """The median load of a stage over the steps with data of all of them; None without any."""
    index = [stage.name for stage in steps.stages].index(name)
    return percentile(lambda: (part.loads[index][~np.isnan(part.loads).any(axis=0)] for part in in_parts(steps)), 50)


def _is_of_default_size(steps: StepSource) -> bool:
    """Whether the server of a log serves about what the published one does: then it is the load that is too much."""
    return is_rate_queue_pair(steps) and math.isclose(
        measure_capacity(steps).value, PUBLISHED_CAPACITY, rel_tol=_SAME_SIZE
    )


def _advice(steps: StepSource, columns: Mapping[str, str], wait: float) -> str:
    """Which full loads to set, and how they were come to."""
    rate_per_capacity = REFERENCE_FULL_LOAD[Kind.RATE] / PUBLISHED_CAPACITY
    capacity = measure_capacity(steps) if is_rate_queue_pair(steps) else None
    if capacity and capacity.value > 0:  # a log that only fills its queue does not tell what its server serves
        guess = ", a guess" if capacity.is_guess else ""
        rate, queue = steps.stages
        return (
            f"its server holds {capacity.value:.4g} req/s ({capacity.evidence}{guess}), so with an accepted wait of "
            f"{wait:.3g} s add {_option(rate, columns, f'{capacity.value * rate_per_capacity:.4g}')} "
            f"{_option(queue, columns, f'{capacity.value * wait:.4g}')}"
        )
    kinds = {
        Kind.RATE: f"capacity (req/s) x {rate_per_capacity:g} for a rate",
        Kind.QUEUE: f"capacity (req/s) x the longest wait you accept (s; {wait:.3g} now) for a queue",
        Kind.GENERIC: "the load at which the stage is full for another",
    }
    rules = ", ".join(kinds[kind] for kind in dict.fromkeys(stage.kind for stage in steps.stages))
    options = " ".join(_option(stage, columns, "FULL") for stage in steps.stages)
    return f"set the full load of each stage: {rules}: {options}"


def _option(stage: Stage, columns: Mapping[str, str], full: str) -> str:
    """The option that gives a stage a full load, as a shell takes it."""
    return f"--stage {shlex.quote(f'{stage.name}={columns[stage.name]}:{stage.kind}:{full}')}"
