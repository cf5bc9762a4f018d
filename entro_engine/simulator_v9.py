"""The plant: a scraper with an unbounded frontier that feeds an LLM queue, under a controller.

A controller moves a cap on the scraper's rate. The cap is the measured rate of the server, plus some headroom, minus
the corrections of both stages. A queue has no valve, so its correction acts on the stage that feeds it. No request is
ever dropped: requests that are held back wait in the frontier.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from entro_engine.controller import Controller
from entro_engine.elementwise import ARRAY, SCALAR, Elementwise
from entro_engine.entro_engine_v9 import Regime, RegimeParameters, replay_runs
from entro_engine.entropy import LLM, PUBLISHED_CAPACITY, SCRAPER, FloatArray, Stage, entropy_proxy
from entro_engine.errors import require
from entro_engine.run import Run, replay_loads
from entro_engine.workload import Scenario

HEADROOM = 0.1
"""Chosen: the share by which the cap may exceed the served rate."""

SMOOTHING = 0.4
"""Chosen: the share of a new served rate that enters its estimate, per step."""

PROBE = 0.01
"""Chosen: the lowest cap, as a share of r_max. It keeps a trickle going to a dead server, so its return is noticed."""


@dataclass(frozen=True)
class Plant:
    """Everything that is simulated besides demand and capacity.

    Attributes:
        rate: the scraper's stage; its full load is r_max, req/s.
        queue: the server's stage.
        nominal_capacity: c_max, the assumed served rate before one was seen, req/s.
        step_s: dt, s.
        initial_queue: q_0, requests.
        lag: age of what the controller sees, in steps, at least 1.

    Raises:
        ParameterError: if a value is outside its domain.
    """

    rate: Stage = SCRAPER
    queue: Stage = LLM
    nominal_capacity: float = PUBLISHED_CAPACITY
    step_s: float = 1.0
    initial_queue: float = 0.0
    lag: int = 1

    def __post_init__(self) -> None:
        require(self.lag >= 1, "lag", self.lag, "a whole number of steps of at least 1")
        require(math.isfinite(self.step_s) and self.step_s > 0, "step_s", self.step_s, "seconds above 0")
        for name, value, unit in (
            ("nominal_capacity", self.nominal_capacity, "req/s"),
            ("initial_queue", self.initial_queue, "requests"),
        ):
            require(math.isfinite(value) and value >= 0, name, value, f"at least 0 {unit}")

    @classmethod
    def of(cls, scenario: Scenario, lag: int = 1) -> Plant:
        """Return the published plant with a scenario's server and step."""
        return cls(
            nominal_capacity=scenario.capacity,
            step_s=scenario.step_s,
            initial_queue=scenario.initial_queue,
            lag=lag,
        )


@dataclass(frozen=True)
class PlantTrace:
    """The plant's result for each step: arrays of shape (steps,), or (steps, runs) for many runs.

    Attributes:
        demand: requests that became known, req/s.
        capacity: rate that the server could serve, req/s, always of shape (steps,).
        rate: r, the rate that the scraper sent, req/s.
        queue: q at the end of the step, requests.
        frontier: requests held back at the end of the step.
        served: requests served in the step.
        u_rate: the correction of the scraper's stage, -alpha..0.
        u_queue: the correction of the server's stage, -alpha..0.
        step_s: length of a step, s.
    """

    demand: FloatArray
    capacity: FloatArray
    rate: FloatArray
    queue: FloatArray
    frontier: FloatArray
    served: FloatArray
    u_rate: FloatArray
    u_queue: FloatArray
    step_s: float


def simulate_plant(demand: FloatArray, capacity: FloatArray, controller: Controller, plant: Plant) -> PlantTrace:
    """Run the plant in a closed loop with a controller.

    Args:
        demand: req/s, shape (steps,) for one run or (steps, runs) for many side by side.
        capacity: req/s, shape (steps,).
        controller: the controller of the scraper; a fresh one is started from it.
        plant: everything else.

    Returns:
        The trace. At every step q_0 + demand so far = served so far + queue + frontier. A run alone and the same run
        among many agree to 1e-12 relative to max(1, q).

    Raises:
        ParameterError: if the lengths of demand and capacity differ, or one is negative or not finite.
    """
    require(len(demand) == len(capacity), "capacity", len(capacity), f"{len(demand)} steps, as the demand has")
    for name, values in (("demand", demand), ("capacity", capacity)):
        require(bool(np.all((values >= 0) & np.isfinite(values))), name, values, "finite rates of at least 0 req/s")
    ops = SCALAR if demand.ndim == 1 else ARRAY
    loop = _Loop(ops, controller.start(ops), plant, demand.shape[1:])
    out = np.empty((6, *demand.shape))
    demands = demand.tolist() if ops is SCALAR else demand
    for index, (demanded, can_serve) in enumerate(zip(demands, capacity.tolist(), strict=True)):
        for row, value in zip(out, loop.step(index, demanded, can_serve), strict=True):
            row[index] = value
    rate, queue, frontier, served, u_rate, u_queue = out
    return PlantTrace(demand, capacity, rate, queue, frontier, served, u_rate, u_queue, plant.step_s)


class _Loop:
    """The state of the closed loop between steps. `step` is the law."""

    def __init__(self, ops: Elementwise, controller: Controller, plant: Plant, shape: tuple[int, ...]) -> None:
        start = plant.initial_queue if ops is SCALAR else np.full(shape, plant.initial_queue)
        rest = 0.0 if ops is SCALAR else np.zeros(shape)
        self.ops, self.controller, self.plant = ops, controller, plant
        self.queue, self.frontier = start, rest
        self.served_rate = rest + plant.nominal_capacity
        # What the controller sees before there is a step to see: an idle scraper and the initial queue.
        self.unseen = (rest, ops.log1p(start * plant.queue.scale))
        self.past: list[tuple[Any, Any, Any]] = []  # rate, queue, served of the last `lag` steps, oldest first

    def step(self, index: int, demand: Any, capacity: float) -> tuple[Any, ...]:
        """Advance one step. Return rate, queue, frontier, served and the two corrections."""
        ops, dt = self.ops, self.plant.step_s
        u_rate, u_queue = self.controller.update(*self._see())
        rate = ops.minimum(demand + self.frontier / dt, self.controller.limit)
        if self.controller.caps:
            rate = ops.minimum(rate, self._cap(u_rate, u_queue))
        self.frontier = ops.maximum(self.frontier + (demand - rate) * dt, 0.0)
        # `maximum` guards against a rounding error below 0, here and for the queue.
        waiting = self.queue + rate * dt
        served = ops.minimum(waiting, capacity * dt)
        self.queue = ops.maximum(waiting - served, 0.0)
        self.past.append((rate, self.queue, served))
        return rate, self.queue, self.frontier, served, u_rate, u_queue

    def _see(self) -> tuple[Any, Any]:
        """Return Psi of both stages `lag` steps ago, and update the estimate of the served rate with that step."""
        if len(self.past) < self.plant.lag:
            return self.unseen
        rate, queue, served = self.past.pop(0)
        ops, speed = self.ops, served / self.plant.step_s
        smoothed = self.served_rate + SMOOTHING * (speed - self.served_rate)
        # An idle server shows only that its capacity is at least what it served.
        self.served_rate = ops.where(queue > 0, smoothed, ops.maximum(self.served_rate, speed))
        return ops.log1p(rate * self.plant.rate.scale), ops.log1p(queue * self.plant.queue.scale)

    def _cap(self, u_rate: Any, u_queue: Any) -> Any:
        ceiling = self.plant.rate.full_load
        cap = self.served_rate * (1 + HEADROOM + u_rate + u_queue)
        return self.ops.minimum(self.ops.maximum(cap, PROBE * ceiling), ceiling)


@dataclass(frozen=True)
class Simulation:
    """One run under one controller: the pipeline's Run and the plant's trace.

    Attributes:
        controller: the controller's name.
        run: loads (rate, queue), Psi and regimes.
        plant: demand, capacity, frontier, served and corrections.
    """

    controller: str
    run: Run
    plant: PlantTrace


def simulate(scenario: Scenario, controller: Controller, budget: float = 3.0, lag: int = 1) -> Simulation:
    """Simulate a scenario under a controller, without noise.

    Args:
        scenario: demand and server.
        controller: the controller of the scraper.
        budget: Psi_budget of the regime engine, nat.
        lag: age of what the controller sees, in steps.

    Raises:
        ParameterError: if the lag or the budget is outside its domain.
    """
    plant = Plant.of(scenario, lag)
    trace = simulate_plant(scenario.demand(), scenario.capacities(), controller, plant)
    loads = np.stack([trace.rate, trace.queue])
    return Simulation(controller.name, replay_loads((plant.rate, plant.queue), loads, plant.step_s, budget), trace)


@dataclass(frozen=True)
class PlantFigures:
    """The figures of each run; arrays with one entry per run (of length 1 for a single run).

    Attributes:
        violations: steps over the budget.
        excess_nat_s: sum of Delta * dt, nat s.
        peak_queue: the longest queue, requests.
        mean_queue: the mean queue, requests.
        peak_psi_total: nat.
        served: requests.
        peak_frontier: the most requests held back at once.
        final_backlog: queue and frontier at the end, requests.
        mean_wait_s: over frontier and queue, by Little's law, s; NaN if nothing was served.
        utilisation: served / capacity; NaN if there was no capacity.
        starved_steps: steps in which the server had time left while requests waited in the frontier.
        stable: steps in the regime Stable.
        stress: steps in the regime Stress.
        critical: steps in the regime Critical.
    """

    violations: FloatArray
    excess_nat_s: FloatArray
    peak_queue: FloatArray
    mean_queue: FloatArray
    peak_psi_total: FloatArray
    served: FloatArray
    peak_frontier: FloatArray
    final_backlog: FloatArray
    mean_wait_s: FloatArray
    utilisation: FloatArray
    starved_steps: FloatArray
    stable: FloatArray
    stress: FloatArray
    critical: FloatArray

    @classmethod
    def joined(cls, parts: list[PlantFigures]) -> PlantFigures:
        """Return the figures of several batches of runs as one."""
        return cls(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)}
        )


def plant_figures(trace: PlantTrace, plant: Plant, budget: float) -> PlantFigures:
    """Return the figures of each run of a trace.

    Args:
        trace: shape (steps,) or (steps, runs).
        plant: the plant that made it.
        budget: Psi_budget, nat.
    """
    rate, queue, frontier, served = (
        part.reshape(len(part), -1) for part in (trace.rate, trace.queue, trace.frontier, trace.served)
    )
    psi = entropy_proxy(rate, plant.rate) + entropy_proxy(queue, plant.queue)
    regimes = replay_runs(psi, RegimeParameters(budget))
    capacity = trace.capacity[:, None] * plant.step_s
    total, possible = served.sum(axis=0), np.full(rate.shape[1], capacity.sum())
    backlog = ((queue + frontier) * plant.step_s).sum(axis=0)
    return PlantFigures(
        violations=(psi > budget).sum(axis=0).astype(float),
        excess_nat_s=(np.maximum(psi - budget, 0.0) * plant.step_s).sum(axis=0),
        peak_queue=queue.max(axis=0),
        mean_queue=queue.mean(axis=0),
        peak_psi_total=psi.max(axis=0),
        served=total,
        peak_frontier=frontier.max(axis=0),
        final_backlog=queue[-1] + frontier[-1],
        mean_wait_s=_ratio(backlog, total),
        utilisation=_ratio(total, possible),
        # The tolerances keep rounding errors from counting as idle time or as a waiting request.
        starved_steps=((served < capacity * (1 - 1e-9)) & (frontier > 1e-9)).sum(axis=0).astype(float),
        stable=(regimes == Regime.STABLE).sum(axis=0).astype(float),
        stress=(regimes == Regime.STRESS).sum(axis=0).astype(float),
        critical=(regimes == Regime.CRITICAL).sum(axis=0).astype(float),
    )


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return `part / whole`, NaN where the whole is 0."""
    ratio = np.full(part.shape, math.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
