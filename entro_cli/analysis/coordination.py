"""Steps -> what coordination would have changed: the same demand through the plant, with and without the controller."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

import numpy as np
from numpy.typing import NDArray

from entro_cli.analysis.calibration import (
    MeasuredCapacity,
    busy_steps,
    is_rate_queue_pair,
    measure_capacity,
    served_per_step,
    with_queue_before,
)
from entro_cli.analysis.results import Coordination, CoordinationRun, HeldHour, RegimeCounts
from entro_cli.core.clock import hours_of_week
from entro_cli.timeseries.steps import PART_STEPS, Steps, StepSource, in_parts
from entro_engine import Kind, Plant, Regime, RegimeParameters, Stage, entropy_proxy, psi_total
from entro_engine.entro_engine_v9 import REST, replay
from entro_engine.entropy import PUBLISHED_CAPACITY, REFERENCE_FULL_LOAD, FloatArray
from entro_engine.log_plant import LogPlantState, LogPlantTrace, run_log_plant

LARGEST_ERROR = 0.25
"""The uncontrolled run must be this close to the log; else the plant is no model of it."""

_BLOCK_S = 10.0
_NOTHING = 1e-9
_LEAST_CAPACITY = 1e-9
"""A server of less serves nothing, req/s: a request in thirty years."""
_PLANT_STEP_SHARE = 0.12
"""The plant's longest step, as a share of the accepted wait: a slower controller starves the server it protects."""


@dataclass(frozen=True)
class CoordinationParameters:
    """What a comparison is made with.

    Attributes:
        wait_s: the longest accepted wait, s.
        budget: Psi_budget, nat.
        alpha: control authority.
        beta: steepness, 1/nat.
        capacity: what the server serves, req/s; None to measure it.
        zone: by whose clock hours are told.
    """

    wait_s: float
    budget: float
    alpha: float
    beta: float
    capacity: float | None = None
    zone: tzinfo = UTC


def coordinate(steps: StepSource, terms: CoordinationParameters, initial_queue: float = 0.0) -> Coordination:
    """What the v9 controller would have changed in some steps.

    Args:
        steps: the period's, at least one.
        terms: what the comparison is made with.
        initial_queue: before the first step, requests.
    """
    if not is_rate_queue_pair(steps):
        return Coordination("it needs one rate stage that feeds one queue stage")
    if all(np.isnan(part.loads).any(axis=0).all() for part in in_parts(steps)):
        return Coordination("there is no step with data")
    if terms.capacity is None:
        capacity = measure_capacity(steps, initial_queue)
    else:
        capacity = MeasuredCapacity(terms.capacity, "as configured", False)
    if capacity.value < _LEAST_CAPACITY:
        return Coordination("the log does not tell what its server serves: what came in only filled the queue")
    return _compared(steps, terms, capacity, initial_queue)


def _compared(
    steps: StepSource, terms: CoordinationParameters, capacity: MeasuredCapacity, initial_queue: float
) -> Coordination:
    stages = _stages(steps, capacity.value, terms.wait_s)
    parts = max(math.ceil(steps.step_s / (_PLANT_STEP_SHARE * terms.wait_s) - 1e-9), 1)
    plant = Plant(*stages, capacity.value, steps.step_s / parts, initial_queue)
    courses = _RunComparison(steps, plant, parts, terms)
    blocks = _block_steps(steps.step_s)
    for part, before in with_queue_before(steps, initial_queue, PART_STEPS // blocks * blocks or blocks):
        courses.add(part, before)
    error = courses.error
    told = Coordination(
        withheld=None,
        capacity=capacity.value,
        capacity_evidence=capacity.evidence,
        capacity_is_guess=capacity.is_guess,
        accepted_wait_s=terms.wait_s,
        full_rate=stages[0].full_load,
        full_queue=stages[1].full_load,
        plant_step_s=plant.step_s,
        model_error=error,
    )
    if error > LARGEST_ERROR:
        far = f"is {error:.0%} off the measured one" if math.isfinite(error) else "is no model of a queue that is empty"
        return replace(told, withheld=f"the plant's queue {far}, more than {LARGEST_ERROR:.0%}")
    return replace(
        told,
        measured=courses.measured.run(),
        uncontrolled=courses.uncontrolled.run(),
        coordinated=courses.coordinated.run(),
        held_rate=courses.held_rate,
        held_hours=courses.held_hours,
    )


def _stages(steps: StepSource, capacity: float, wait_s: float) -> tuple[Stage, Stage]:
    """Both stages, full at what was set, else at what follows from the capacity and the wait (section 1)."""
    rate, queue = steps.stages
    fulls = capacity * REFERENCE_FULL_LOAD[Kind.RATE] / PUBLISHED_CAPACITY, capacity * wait_s
    own = (
        stage if stage.full is not None else replace(stage, full=full)
        for stage, full in zip((rate, queue), fulls, strict=True)
    )
    first, second = own
    return first, second


def _block_steps(step_s: float) -> int:
    """How many steps a block has over which it is told what the server could serve."""
    return max(math.ceil(_BLOCK_S / step_s), 1)


def block_capacity(steps: Steps, capacity: float, initial_queue: float = 0.0) -> FloatArray:
    """What the server could serve in each step, req/s, shape (steps,): what it served, over blocks of ten seconds.

    In a block without a busy step it could have served the capacity, or more where more came.

    Args:
        steps: of one rate stage that feeds one queue stage; from where a block begins.
        capacity: of the log, req/s.
        initial_queue: before the first step, requests.
    """
    served = served_per_step(steps, initial_queue) / steps.step_s
    counted, busy = ~np.isnan(served), busy_steps(steps, served, initial_queue)
    block = np.arange(steps.count) // _block_steps(steps.step_s)
    total = np.bincount(block, weights=np.where(counted, served, 0.0))
    number = np.bincount(block, weights=counted)
    means = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
    is_busy = np.bincount(block, weights=busy) > 0
    rate = np.where(np.isnan(steps.loads).any(axis=0), 0.0, steps.loads[0])
    found = np.where(is_busy[block], np.maximum(means, 0.0)[block], np.maximum(capacity, rate))
    return np.asarray(np.where(np.isnan(steps.loads).any(axis=0), capacity, found), dtype=np.float64)


class _RunComparison:
    """The courses of the same demand, side by side, counted part by part.

    Args:
        steps: the log's, all of them.
        plant: what runs without and with the controller.
        parts: how many of its steps one of the log has.
        terms: what the comparison is made with.
    """

    def __init__(self, steps: StepSource, plant: Plant, parts: int, terms: CoordinationParameters) -> None:
        self._plant, self._terms = plant, terms
        self._sizes = plant, parts, terms.budget
        self._of = steps.count
        self._free: LogPlantState | None = None
        self._held: LogPlantState | None = None
        self.measured, self.uncontrolled, self.coordinated = (
            _RunAccumulator((plant.rate, plant.queue), terms.budget, steps) for _ in range(3)
        )
        self._far = self._queued = 0.0
        self._hours = np.zeros(24, np.int64)
        self.held_rate: float | None = None

    def add(self, steps: Steps, initial_queue: float) -> None:
        """Run the next part, and count it."""
        covered = np.logical_not(np.isnan(steps.loads).any(axis=0))
        demand = np.where(covered, steps.loads[0], 0.0)
        possible = block_capacity(steps, self._plant.nominal_capacity, initial_queue)
        free = run_log_plant(demand, possible, *self._sizes, None, self._free, self._of)
        gains = self._terms.alpha, self._terms.beta
        held = run_log_plant(demand, possible, *self._sizes, gains, self._held, self._of)
        self._free, self._held = free.final, held.final
        queue = steps.ends[1]
        self._far += float(np.abs(free.queue - queue)[covered].sum())
        self._queued += float(queue[covered].sum())
        self.measured.add_measured(steps, covered, served_per_step(steps, initial_queue))
        self.uncontrolled.add(free, covered)
        self.coordinated.add(held, covered)
        self._hold(steps, covered & (held.frontier > _NOTHING), held.rate)

    def _hold(self, steps: Steps, holding: NDArray[np.bool_], rate: FloatArray) -> None:
        """Count the steps that ended with something held back."""
        if holding.any():
            times_ns = steps.start_ns + steps.step_ns * np.flatnonzero(holding).astype(np.int64)
            self._hours += np.bincount(hours_of_week(times_ns, self._terms.zone) % 24, minlength=24)
            self.held_rate = max(self.held_rate or 0.0, float(rate[holding].max()))

    @property
    def error(self) -> float:
        """How far the queue of the uncontrolled run is from the measured one, as a share of that."""
        return _share(self._far, self._queued)

    @property
    def held_hours(self) -> tuple[HeldHour, ...]:
        """The hours of the day in which something was held back."""
        step_s = self.measured.step_s
        return tuple(HeldHour(hour, count * step_s) for hour, count in enumerate(self._hours.tolist()) if count)


class _RunAccumulator:
    """One course, counted on the log's steps, where they have data.

    Args:
        stages: both, full at what it is counted at.
        budget: Psi_budget, nat.
        steps: the log's, all of them.
    """

    def __init__(self, stages: tuple[Stage, Stage], budget: float, steps: StepSource) -> None:
        self._stages, self._budget, self._of = stages, budget, steps.count
        self.step_s = steps.step_s
        self._state, self._regimes = REST, np.zeros(len(Regime), np.int64)
        self._violations = 0
        self._excess = self._waited = self._served = self._left = 0.0
        self._peak_queue = self._peak_psi = self._peak_frontier = 0.0

    def add_measured(self, steps: Steps, covered: NDArray[np.bool_], served: FloatArray) -> None:
        """Count a part of the log's own course."""
        queue = steps.ends[1]
        self._waited += float(queue[covered].sum() * self.step_s)
        self._served += float(served[~np.isnan(served)].sum())
        self._left = float(queue[covered][-1]) if covered.any() else self._left
        self._count(steps.loads[0], queue, covered)

    def add(self, trace: LogPlantTrace, covered: NDArray[np.bool_]) -> None:
        """Count a part of a course in the plant."""
        self._waited += float(trace.waited.sum())
        self._served += float(trace.served.sum())
        self._left = float(trace.queue[-1] + trace.frontier[-1])
        self._peak_frontier = max(self._peak_frontier, float(trace.frontier.max()))
        self._count(trace.rate, trace.queue, covered)

    def _count(self, rate: FloatArray, queue: FloatArray, covered: NDArray[np.bool_]) -> None:
        loads = (rate, queue) if covered.all() else (np.where(covered, load, math.nan) for load in (rate, queue))
        psi = psi_total(entropy_proxy(load, stage) for load, stage in zip(loads, self._stages, strict=True))
        trace, self._state = replay(psi, self._state, RegimeParameters(self._budget), self._of)
        self._regimes += np.bincount(trace.regime - int(Regime.NO_DATA), minlength=len(Regime))
        self._violations += int((psi > self._budget).sum())
        self._excess += float(np.maximum(np.nan_to_num(psi) - self._budget, 0.0).sum())
        self._peak_queue = max(self._peak_queue, float(queue[covered].max(initial=0.0)))
        self._peak_psi = max(self._peak_psi, float(psi[covered].max(initial=0.0)))

    def run(self) -> CoordinationRun:
        """What it comes to."""
        no_data, stable, stress, critical = self._regimes.tolist()
        return CoordinationRun(
            violations=self._violations,
            excess_nat_s=self._excess * self.step_s,
            peak_queue=self._peak_queue,
            peak_psi_total=self._peak_psi,
            peak_frontier=self._peak_frontier,
            mean_wait_s=self._waited / self._served if self._served > 0 else None,
            unserved=self._left,
            regimes=RegimeCounts(stable, stress, critical, no_data),
        )


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0 if part <= 0 else math.inf
