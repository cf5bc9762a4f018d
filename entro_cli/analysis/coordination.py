"""Coordination: simulation of a log's demand in the plant, with and without the controller."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from datetime import UTC, tzinfo

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.analysis.calibration import (
    MeasuredCapacity,
    busy_steps,
    is_rate_queue_pair,
    measure_capacity,
    served_per_step,
    with_queue_before,
)
from entro_cli.analysis.results import Coordination, CoordinationRun, Figures, HeldHour, RegimeCounts
from entro_cli.core.clock import hours_of_week
from entro_cli.timeseries.steps import PART_STEPS, Steps, StepSource, in_parts
from entro_engine import Plant, Regime, RegimeParameters, Stage, entropy_proxy, psi_total
from entro_engine.entro_engine_v9 import REST, replay
from entro_engine.entropy import FloatArray, full_loads_from
from entro_engine.log_plant import DEFAULT_CONTROL, ControlParameters, LogPlantState, LogPlantTrace, run_log_plant

LARGEST_ERROR = 0.25
"""Largest deviation of the uncontrolled run's queue from the log's. Above it, the plant is not a model of the log."""

_BLOCK_S = 10.0
"""Length of the blocks over which the served rate is averaged, s."""

_NOTHING = 1e-9
"""A frontier of at most so many requests counts as empty: rounding leaves a rest."""

_LEAST_CAPACITY = 1e-9
"""Lowest capacity of a server that counts as serving anything, req/s: one request in thirty years."""

LEAST_BUSY_SHARE = 0.25
"""Smallest share of busy steps for which waits are compared. The plant starts no burst at once, as free slots do."""

_PLANT_STEP_SHARE = 0.12
"""Longest step of the plant, as a share of the accepted wait. A slower controller starves the server it protects."""


class CoordinationParameters(Struct, frozen=True):
    """Parameters of the comparison.

    Attributes:
        wait_s: the longest accepted wait, s.
        budget: Psi_budget, nat.
        control: parameters of the controller.
        capacity: rate that the server can serve, with its evidence; None to measure it.
        zone: the zone of the hours of the day.
    """

    wait_s: float
    budget: float
    control: ControlParameters = DEFAULT_CONTROL
    capacity: MeasuredCapacity | None = None
    zone: tzinfo = UTC


def coordinate(steps: StepSource, parameters: CoordinationParameters, initial_queue: float = 0.0) -> Coordination:
    """Return the simulated effect of the v9 controller on some steps.

    Args:
        steps: steps of the period, at least one.
        parameters: parameters of the comparison.
        initial_queue: queue before the first step, requests.
    """
    if not is_rate_queue_pair(steps):
        return Coordination("it needs one rate stage that feeds one queue stage")
    if all(np.isnan(part.loads).any(axis=0).all() for part in in_parts(steps)):
        return Coordination("no step has data")
    capacity = parameters.capacity or measure_capacity(steps, initial_queue)
    if capacity.value < _LEAST_CAPACITY:
        return Coordination("the log does not show the server's capacity: requests only filled the queue")
    return _compare(steps, parameters, capacity, initial_queue)


def with_measured_counts(coordination: Coordination, figures: Figures) -> Coordination:
    """Return a comparison whose measured counts are those of the figures beside it.

    The plant knows the queue at the end of a step only, and the log its mean. Counted twice, a page would show two
    numbers of violations.
    """
    if coordination.measured is None:
        return coordination
    measured = replace(
        coordination.measured,
        violations=figures.violations,
        excess_nat_s=figures.excess_nat_s,
        peak_psi_total=figures.peak_psi_total or 0.0,
        regimes=figures.regimes,
    )
    return replace(coordination, measured=measured)


def _compare(
    steps: StepSource, parameters: CoordinationParameters, capacity: MeasuredCapacity, initial_queue: float
) -> Coordination:
    plant, parts = plant_of(steps, capacity.value, parameters.wait_s, initial_queue)
    comparison = _RunComparison(steps, plant, parts, parameters)
    for part, before in plant_parts(steps, initial_queue):
        comparison.add(part, before)
    error, busy_share = comparison.error, comparison.busy_share
    result = Coordination(
        withheld=None,
        capacity=capacity.value,
        capacity_evidence=capacity.evidence,
        capacity_is_guess=capacity.is_guess,
        accepted_wait_s=parameters.wait_s,
        full_rate=plant.rate.full_load,
        full_queue=plant.queue.full_load,
        plant_step_s=plant.step_s,
        headroom=parameters.control.headroom,
        gain=parameters.control.smoothing,
        guard=parameters.control.guard,
        model_error=error,
        busy_share=busy_share,
    )
    if error > LARGEST_ERROR:
        reason = "fills while the measured one is empty"
        if math.isfinite(error):
            reason = f"is {error:.0%} off the measured one, more than {LARGEST_ERROR:.0%}"
        return replace(result, withheld=f"the plant's queue {reason}")
    knows_waits = busy_share >= LEAST_BUSY_SHARE
    return replace(
        result,
        measured=comparison.measured.run(knows_waits),
        uncontrolled=comparison.uncontrolled.run(knows_waits),
        coordinated=comparison.coordinated.run(knows_waits),
        held_rate=comparison.held_rate,
        held_hours=comparison.held_hours,
    )


def _stages(steps: StepSource, capacity: float, wait_s: float) -> tuple[Stage, Stage]:
    """Return both stages with their full loads: those that were set, else those that capacity and wait give."""
    fulls = full_loads_from(capacity, wait_s)
    rate, queue = (
        stage if stage.full is not None else dataclasses.replace(stage, full=fulls[stage.kind])
        for stage in steps.stages
    )
    return rate, queue


def plant_of(steps: StepSource, capacity: float, wait_s: float, initial_queue: float) -> tuple[Plant, int]:
    """Return the plant of a log, and the number of its steps in a step of the log.

    Args:
        steps: steps of one rate stage that feeds one queue stage.
        capacity: capacity of the log's server, req/s.
        wait_s: the longest accepted wait, s.
        initial_queue: queue before the first step, requests.
    """
    # As few plant steps as the accepted wait allows. The margin absorbs rounding.
    parts = max(math.ceil(steps.step_s / (_PLANT_STEP_SHARE * wait_s) - 1e-9), 1)
    return Plant(*_stages(steps, capacity, wait_s), capacity, steps.step_s / parts, initial_queue), parts


def plant_parts(steps: StepSource, initial_queue: float) -> Iterator[tuple[Steps, float]]:
    """Yield steps in parts for the plant, each with the queue before its first step, requests."""
    blocks = _block_steps(steps.step_s)
    # A part must hold whole blocks, or the averages would depend on where the parts are cut.
    return with_queue_before(steps, initial_queue, PART_STEPS // blocks * blocks or blocks)


def plant_inputs(
    steps: Steps, capacity: float, initial_queue: float
) -> tuple[NDArray[np.bool_], FloatArray, FloatArray]:
    """Return which steps have data, the demand and the capacity of each step, req/s; all of shape (steps,).

    Steps without data have no demand in the plant, and no run counts them.

    Args:
        steps: a part, as `plant_parts` yields it.
        capacity: capacity of the log's server, req/s.
        initial_queue: queue before the first step, requests.
    """
    covered = np.logical_not(np.isnan(steps.loads).any(axis=0))
    return covered, np.where(covered, steps.loads[0], 0.0), block_capacity(steps, capacity, initial_queue)


def _block_steps(step_s: float) -> int:
    """Return the number of steps in a block over which the served rate is averaged."""
    return max(math.ceil(_BLOCK_S / step_s), 1)


def block_capacity(steps: Steps, capacity: float, initial_queue: float = 0.0) -> FloatArray:
    """Return the rate that the server could serve in each step, req/s, shape (steps,).

    In a busy step it is the mean rate that the server served in the busy steps of its block of ten seconds. In other
    steps it is the capacity, or the arrival rate where that is higher: what an idle server was given is no capacity.

    Args:
        steps: steps of one rate stage that feeds one queue stage, beginning with a block.
        capacity: capacity of the log's server, req/s.
        initial_queue: queue before the first step, requests.
    """
    served = served_per_step(steps, initial_queue) / steps.step_s
    busy = busy_steps(steps, served, initial_queue)
    block = np.arange(steps.count) // _block_steps(steps.step_s)
    total = np.bincount(block, weights=np.where(busy, served, 0.0))
    number = np.bincount(block, weights=busy)
    means = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
    rate = np.where(np.isnan(steps.loads).any(axis=0), 0.0, steps.loads[0])
    # Served requests follow from the queue, so a mean may be negative where the log is inconsistent.
    found = np.where(busy, np.maximum(means, 0.0)[block], np.maximum(capacity, rate))
    return np.asarray(np.where(np.isnan(steps.loads).any(axis=0), capacity, found), dtype=np.float64)


class _RunComparison:
    """The log and both runs of its demand in the plant, accumulated part by part.

    Args:
        steps: all steps of the log.
        plant: the plant, for the runs without and with the controller.
        parts: number of plant steps per step of the log.
        parameters: parameters of the comparison.
    """

    def __init__(self, steps: StepSource, plant: Plant, parts: int, parameters: CoordinationParameters) -> None:
        self._plant, self._parameters = plant, parameters
        self._plant_arguments = plant, parts, parameters.budget
        self._total_steps = steps.count
        self._uncontrolled_state: LogPlantState | None = None
        self._controlled_state: LogPlantState | None = None
        self.measured, self.uncontrolled, self.coordinated = (
            _RunAccumulator((plant.rate, plant.queue), parameters.budget, steps) for _ in range(3)
        )
        self._deviation = self._measured_queue = 0.0
        self._busy = self._observed = 0
        self._hours = np.zeros(24, np.int64)
        self.held_rate: float | None = None

    def add(self, steps: Steps, initial_queue: float) -> None:
        """Run the next part through the plant, and count it."""
        covered, demand, possible = plant_inputs(steps, self._plant.nominal_capacity, initial_queue)
        served = served_per_step(steps, initial_queue)
        self._busy += int(busy_steps(steps, served, initial_queue).sum())
        self._observed += int(covered.sum())
        inputs = demand, possible, *self._plant_arguments
        uncontrolled = run_log_plant(*inputs, None, self._uncontrolled_state, self._total_steps)
        controlled = run_log_plant(*inputs, self._parameters.control, self._controlled_state, self._total_steps)
        self._uncontrolled_state, self._controlled_state = uncontrolled.final, controlled.final
        queue = steps.ends[1]
        self._deviation += float(np.abs(uncontrolled.queue - queue)[covered].sum())
        self._measured_queue += float(queue[covered].sum())
        self.measured.add_measured(steps, covered, served)
        self.uncontrolled.add(uncontrolled, covered)
        self.coordinated.add(controlled, covered)
        self._hold(steps, covered & (controlled.frontier > _NOTHING), controlled.rate)

    def _hold(self, steps: Steps, holding: NDArray[np.bool_], rate: FloatArray) -> None:
        """Count the steps that end with requests held back."""
        if holding.any():
            times_ns = steps.start_ns + steps.step_ns * np.flatnonzero(holding).astype(np.int64)
            self._hours += np.bincount(hours_of_week(times_ns, self._parameters.zone) % 24, minlength=24)
            self.held_rate = max(self.held_rate or 0.0, float(rate[holding].max()))

    @property
    def error(self) -> float:
        """Deviation of the uncontrolled run's queue from the measured one, as a share of the latter."""
        return _share(self._deviation, self._measured_queue)

    @property
    def busy_share(self) -> float:
        """Share of the observed steps in which the server was busy."""
        return _share(self._busy, self._observed)

    @property
    def held_hours(self) -> tuple[HeldHour, ...]:
        """The hours of the day in which requests were held back."""
        step_s = self.measured.step_s
        return tuple(HeldHour(hour, count * step_s) for hour, count in enumerate(self._hours.tolist()) if count)


class _RunAccumulator:
    """Accumulator of one run, over those steps of the log that have data.

    Args:
        stages: both stages, with the full loads that the run is counted at.
        budget: Psi_budget, nat.
        steps: all steps of the log.
    """

    def __init__(self, stages: tuple[Stage, Stage], budget: float, steps: StepSource) -> None:
        self._stages, self._budget, self._total_steps = stages, budget, steps.count
        self.step_s = steps.step_s
        self._state, self._regimes = REST, np.zeros(len(Regime), np.int64)
        self._violations = 0
        self._excess = self._waited = self._served = self._left = 0.0
        self._peak_queue = self._peak_psi = self._peak_frontier = 0.0

    def add_measured(self, steps: Steps, covered: NDArray[np.bool_], served: FloatArray) -> None:
        """Add a part of the log itself."""
        queue = steps.ends[1]
        self._waited += float(queue[covered].sum() * self.step_s)
        self._served += float(served[~np.isnan(served)].sum())
        self._left = float(queue[covered][-1]) if covered.any() else self._left
        self._count(steps.loads[0], queue, covered)

    def add(self, trace: LogPlantTrace, covered: NDArray[np.bool_]) -> None:
        """Add a part of a run in the plant."""
        self._waited += float(trace.waited.sum())
        self._served += float(trace.served.sum())
        self._left = float(trace.queue[-1] + trace.frontier[-1])
        self._peak_frontier = max(self._peak_frontier, float(trace.frontier.max()))
        self._count(trace.rate, trace.queue, covered)

    def _count(self, rate: FloatArray, queue: FloatArray, covered: NDArray[np.bool_]) -> None:
        loads = (rate, queue) if covered.all() else (np.where(covered, load, math.nan) for load in (rate, queue))
        psi = psi_total(entropy_proxy(load, stage) for load, stage in zip(loads, self._stages, strict=True))
        trace, self._state = replay(psi, self._state, RegimeParameters(self._budget), self._total_steps)
        self._regimes += np.bincount(trace.regime - int(Regime.NO_DATA), minlength=len(Regime))
        self._violations += int((psi > self._budget).sum())
        self._excess += float(np.maximum(np.nan_to_num(psi) - self._budget, 0.0).sum())
        self._peak_queue = max(self._peak_queue, float(queue[covered].max(initial=0.0)))
        self._peak_psi = max(self._peak_psi, float(psi[covered].max(initial=0.0)))

    def run(self, knows_waits: bool) -> CoordinationRun:
        """Return the figures of the run, with the wait only if it can be compared."""
        no_data, stable, stress, critical = self._regimes.tolist()
        return CoordinationRun(
            violations=self._violations,
            excess_nat_s=self._excess * self.step_s,
            peak_queue=self._peak_queue,
            peak_psi_total=self._peak_psi,
            peak_frontier=self._peak_frontier,
            mean_wait_s=self._waited / self._served if knows_waits and self._served > 0 else None,
            unserved=self._left,
            regimes=RegimeCounts(stable, stress, critical, no_data),
        )


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0 if part <= 0 else math.inf
