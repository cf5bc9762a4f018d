"""Steps -> what coordination would have changed: the same demand through the plant, with and without the controller."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo

import numpy as np
from numpy.typing import NDArray

from entro_cli.calibration import Capacity, busy_steps, coupled, measure_capacity, served_per_step
from entro_cli.steps import Steps
from entro_cli.summary import Coordination, CoordinationRun, HeldHour, RegimeCounts
from entro_cli.week_hours import hours_of_week
from entro_engine import Kind, Plant, Regime, RegimeParameters, Stage, entropy_proxy, psi_total
from entro_engine.entro_engine_v9 import REST, replay
from entro_engine.entropy import PUBLISHED_CAPACITY, REFERENCE_FULL_LOAD, FloatArray
from entro_engine.log_plant import LogPlantTrace, run_log_plant

LARGEST_ERROR = 0.25
"""The uncontrolled run must be this close to the log; else the plant is no model of it."""

_AT_ONCE = 1 << 18
_BLOCK_S = 10.0
_NOTHING = 1e-9
_LEAST_CAPACITY = 1e-9
"""A server of less serves nothing, req/s: a request in thirty years."""
_PLANT_STEP_SHARE = 0.12
"""The plant's longest step, as a share of the accepted wait: a slower controller starves the server it protects."""


@dataclass(frozen=True)
class Terms:
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


def coordinate(steps: Steps, terms: Terms, initial_queue: float = 0.0) -> Coordination:
    """What the v9 controller would have changed in some steps.

    Args:
        steps: the period's, at least one.
        terms: what the comparison is made with.
        initial_queue: before the first step, requests.
    """
    if not coupled(steps):
        return Coordination("it needs one rate stage that feeds one queue stage")
    covered = np.logical_not(np.isnan(steps.loads).any(axis=0))
    if not covered.any():
        return Coordination("there is no step with data")
    if terms.capacity is None:
        capacity = measure_capacity(steps, initial_queue)
    else:
        capacity = Capacity(terms.capacity, "as configured", False)
    if capacity.value < _LEAST_CAPACITY:
        return Coordination("the log does not tell what its server serves: what came in only filled the queue")
    return _compared(steps, terms, capacity, initial_queue, covered)


def _compared(
    steps: Steps, terms: Terms, capacity: Capacity, initial_queue: float, covered: NDArray[np.bool_]
) -> Coordination:
    stages = _stages(steps, capacity.value, terms.wait_s)
    parts = max(math.ceil(steps.step_s / (_PLANT_STEP_SHARE * terms.wait_s) - 1e-9), 1)
    plant = Plant(*stages, capacity.value, steps.step_s / parts, initial_queue)
    demand = np.where(covered, steps.loads[0], 0.0)
    possible = block_capacity(steps, capacity.value, initial_queue)
    free = run_log_plant(demand, possible, plant, parts, terms.budget, None)
    queue = steps.ends[1]
    error = _share(np.abs(free.queue - queue)[covered].sum(), queue[covered].sum())
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
    view = _View(stages, steps, covered, terms.budget)
    uncontrolled = view.simulated(free)
    del free  # both courses at once would be the most memory that a long log needs
    held = run_log_plant(demand, possible, plant, parts, terms.budget, (terms.alpha, terms.beta))
    holding = covered & (held.frontier > _NOTHING)
    return replace(
        told,
        measured=view.measured(served_per_step(steps, initial_queue)),
        uncontrolled=uncontrolled,
        coordinated=view.simulated(held),
        held_rate=float(held.rate[holding].max()) if holding.any() else None,
        held_hours=_held_hours(steps, holding, terms.zone),
    )


def _stages(steps: Steps, capacity: float, wait_s: float) -> tuple[Stage, Stage]:
    """Both stages, full at what was set, else at what follows from the capacity and the wait (section 1)."""
    rate, queue = steps.stages
    fulls = capacity * REFERENCE_FULL_LOAD[Kind.RATE] / PUBLISHED_CAPACITY, capacity * wait_s
    own = (
        stage if stage.full is not None else replace(stage, full=full)
        for stage, full in zip((rate, queue), fulls, strict=True)
    )
    first, second = own
    return first, second


def block_capacity(steps: Steps, capacity: float, initial_queue: float = 0.0) -> FloatArray:
    """What the server could serve in each step, req/s, shape (steps,): what it served, over blocks of ten seconds.

    In a block without a busy step it could have served the capacity, or more where more came.

    Args:
        steps: of one rate stage that feeds one queue stage.
        capacity: of the log, req/s.
        initial_queue: before the first step, requests.
    """
    served = served_per_step(steps, initial_queue) / steps.step_s
    counted, busy = ~np.isnan(served), busy_steps(steps, served, initial_queue)
    size = max(math.ceil(_BLOCK_S / steps.step_s), 1)
    block = np.arange(steps.count) // size
    total = np.bincount(block, weights=np.where(counted, served, 0.0))
    number = np.bincount(block, weights=counted)
    means = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
    is_busy = np.bincount(block, weights=busy) > 0
    rate = np.where(np.isnan(steps.loads).any(axis=0), 0.0, steps.loads[0])
    found = np.where(is_busy[block], np.maximum(means, 0.0)[block], np.maximum(capacity, rate))
    return np.asarray(np.where(np.isnan(steps.loads).any(axis=0), capacity, found), dtype=np.float64)


@dataclass(frozen=True)
class _View:
    """How courses are counted: on the log's steps, where they have data."""

    stages: tuple[Stage, Stage]
    steps: Steps
    covered: NDArray[np.bool_]
    budget: float

    def measured(self, served: FloatArray) -> CoordinationRun:
        """The log's own course."""
        queue = self.steps.ends[1]
        waited = float(queue[self.covered].sum() * self.steps.step_s)
        total = float(served[~np.isnan(served)].sum())
        left = float(queue[self.covered][-1])
        return self._run(self.steps.loads[0], queue, np.zeros(len(queue)), waited, total, left)

    def simulated(self, trace: LogPlantTrace) -> CoordinationRun:
        """A course in the plant."""
        left = float(trace.queue[-1] + trace.frontier[-1])
        waited, served = float(trace.waited.sum()), float(trace.served.sum())
        return self._run(trace.rate, trace.queue, trace.frontier, waited, served, left)

    def _run(
        self, rate: FloatArray, queue: FloatArray, frontier: FloatArray, waited: float, served: float, left: float
    ) -> CoordinationRun:
        psi = psi_total(
            entropy_proxy(np.where(self.covered, load, math.nan), stage)
            for load, stage in zip((rate, queue), self.stages, strict=True)
        )
        over = np.maximum(np.nan_to_num(psi) - self.budget, 0.0)
        return CoordinationRun(
            violations=int((psi > self.budget).sum()),
            excess_nat_s=float(over.sum() * self.steps.step_s),
            peak_queue=float(queue[self.covered].max()),
            peak_psi_total=float(psi[self.covered].max()),
            peak_frontier=float(frontier.max()),
            mean_wait_s=waited / served if served > 0 else None,
            unserved=left,
            regimes=_regimes(psi, self.budget),
        )


def _regimes(psi: FloatArray, budget: float) -> RegimeCounts:
    """How many steps have which regime, some of them at a time: only their numbers are wanted."""
    state, count = REST, np.zeros(len(Regime), np.int64)
    for begin in range(0, len(psi), _AT_ONCE):
        trace, state = replay(psi[begin : begin + _AT_ONCE], state, RegimeParameters(budget), of=len(psi))
        count += np.bincount(trace.regime - int(Regime.NO_DATA), minlength=len(Regime))
    no_data, stable, stress, critical = count.tolist()
    return RegimeCounts(stable, stress, critical, no_data)


def _held_hours(steps: Steps, holding: NDArray[np.bool_], zone: tzinfo) -> tuple[HeldHour, ...]:
    """The hours of the day that the steps lie in which ended with something held back."""
    times_ns = steps.start_ns + steps.step_ns * np.flatnonzero(holding).astype(np.int64)
    counts = np.bincount(hours_of_week(times_ns, zone) % 24, minlength=24).tolist()
    return tuple(HeldHour(hour, count * steps.step_s) for hour, count in enumerate(counts) if count)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else 0.0 if part <= 0 else math.inf
