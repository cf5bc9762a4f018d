"""The plant: a scraper with an unbounded frontier that feeds an LLM queue, under a controller.

A controller limits the scraper's rate. No request is ever dropped: requests that are held back wait in the frontier.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from entro_engine.elementwise import ARRAY, SCALAR, Elementwise
from entro_engine.entro_engine_v9 import Regime, RegimeParameters, replay_runs
from entro_engine.entropy import FloatArray, entropy_proxy
from entro_engine.errors import require
from entro_engine.plant import Controller, Plant, View
from entro_engine.run import Run, replay_loads
from entro_engine.waits import fifo_waits
from entro_engine.workload import Scenario


@dataclass(frozen=True)
class PlantTrace:
    """The plant's result for each step: arrays of shape (steps,), or (steps, runs) for many runs.

    Attributes:
        demand: requests that became known, req/s.
        capacity: rate that the server could serve, req/s; of shape (steps,) where it is the same for all runs.
        rate: r, the rate that the scraper sent, req/s.
        queue: q at the end of the step, requests.
        frontier: requests held back at the end of the step.
        served: requests served in the step.
        step_s: length of a step, s.
    """

    demand: FloatArray
    capacity: FloatArray
    rate: FloatArray
    queue: FloatArray
    frontier: FloatArray
    served: FloatArray
    step_s: float


def simulate_plant(demand: FloatArray, capacity: FloatArray, controller: Controller, plant: Plant) -> PlantTrace:
    """Run the plant in a closed loop with a controller.

    Args:
        demand: req/s, shape (steps,) for one run or (steps, runs) for many side by side.
        capacity: req/s, shape (steps,), or the shape of the demand if it differs between runs.
        controller: the controller of the scraper; a fresh one is started from it.
        plant: everything else.

    Returns:
        The trace. At every step q_0 + demand so far = served so far + queue + frontier. A run alone and the same run
        among many agree to 1e-12 relative to max(1, q).

    Raises:
        ParameterError: if the shapes of demand and capacity differ, or one is negative or not finite.
    """
    require(demand.size > 0, "demand", demand.shape, "at least one step of at least one run")
    require(len(demand) == len(capacity), "capacity", len(capacity), f"{len(demand)} steps, as the demand has")
    require(capacity.ndim == 1 or capacity.shape == demand.shape, "capacity", capacity.shape, f"shape {demand.shape}")
    for name, values in (("demand", demand), ("capacity", capacity)):
        require(bool(np.all((values >= 0) & np.isfinite(values))), name, values, "finite rates of at least 0 req/s")
    runs = demand.shape[1:]
    loop = ClosedLoop(controller, plant, *runs)
    rate, queue, frontier, served = out = np.empty((4, *demand.shape))
    rows: Iterable[Any] = zip(_steps(demand), _steps(capacity), strict=True)
    for index, (demanded, can_serve) in enumerate(rows):
        for row, value in zip(out, loop.step(demanded, can_serve), strict=True):
            row[index] = value
    return PlantTrace(demand, capacity, rate, queue, frontier, served, plant.step_s)


def _steps(values: FloatArray) -> Iterable[Any]:
    """Return the values of each step: floats, which are faster than arrays of one entry, or rows."""
    return values.tolist() if values.ndim == 1 else values


class ClosedLoop:
    """The plant and its controller, step by step, for a server whose capacity depends on its queue.

    Args:
        controller: the controller of the scraper; a fresh one is started from it.
        plant: everything else.
        runs: number of runs side by side; without it the loop works on floats.

    Attributes:
        queue: q, requests.
        frontier: requests held back.
    """

    def __init__(self, controller: Controller, plant: Plant, *runs: int) -> None:
        self._ops: Elementwise = ARRAY if runs else SCALAR
        self._plant, self._controller = plant, controller.start(plant, self._ops)
        rest: Any = np.zeros(runs) if runs else 0.0
        self.queue, self.frontier = rest + plant.initial_queue, rest
        self._last_sent = rest
        # Before there is a step to see: an idle scraper and the initial queue.
        self._start = (rest, self.queue, None)
        self._past: list[tuple[Any, Any, Any]] = []  # rate, queue, served rate of the last `lag` steps, oldest first

    def step(self, demand: Any, capacity: Any) -> tuple[Any, Any, Any, Any]:
        """Advance one step under a demand and a capacity, req/s. Return rate, queue, frontier and requests served."""
        ops, dt = self._ops, self._plant.step_s
        available = demand + self.frontier / dt
        seen: tuple[Any, Any, Any] = self._start if len(self._past) < self._plant.lag else self._past.pop(0)
        sent = [rate for rate, _, _ in self._past]
        rate = ops.minimum(available, self._controller.update(View(*seen, sent, self._last_sent, available)))
        self.frontier = ops.maximum(self.frontier + (demand - rate) * dt, 0.0)
        # `maximum` guards against a rounding error below 0, here and for the queue.
        waiting = self.queue + rate * dt
        served = ops.minimum(waiting, capacity * dt)
        self.queue = ops.maximum(waiting - served, 0.0)
        self._past.append((rate, self.queue, served / dt))
        self._last_sent = rate
        return rate, self.queue, self.frontier, served


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
    plant = scenario.plant(lag)
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
        service_lost: what the server could have served besides in these steps, requests.
        p95_wait_s: 95th percentile of the wait from becoming known to being served, s. A request that is not served
            waits until the end at least.
        p95_queue_wait_s: the same from being sent to being served, s.
        served_within_wait_share: share of the requests that became known that were served within W of being sent.
        roughness: mean change of the rate from step to step, req/s.
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
    service_lost: FloatArray
    p95_wait_s: FloatArray
    p95_queue_wait_s: FloatArray
    served_within_wait_share: FloatArray
    roughness: FloatArray
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
    rate, queue, frontier, served, demand = (
        part.reshape(len(part), -1) for part in (trace.rate, trace.queue, trace.frontier, trace.served, trace.demand)
    )
    psi = entropy_proxy(rate, plant.rate) + entropy_proxy(queue, plant.queue)
    regimes = replay_runs(psi, RegimeParameters(budget))
    capacity = np.broadcast_to(trace.capacity.reshape(len(rate), -1) * plant.step_s, rate.shape)
    total, backlog = served.sum(axis=0), ((queue + frontier) * plant.step_s).sum(axis=0)
    # The tolerances keep rounding errors from counting as idle time or as a waiting request.
    starved = (served < capacity * (1 - 1e-9)) & (frontier > 1e-9)
    whole_waits = fifo_waits(demand * plant.step_s, served, plant.initial_queue, plant.step_s)
    queue_waits = [
        (waits.percentile(0.95), waits.served_within(plant.accepted_wait_s))
        for waits in fifo_waits(rate * plant.step_s, served, plant.initial_queue, plant.step_s)
    ]
    p95_queue_wait, within = np.array(queue_waits).T
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
        utilisation=_ratio(total, capacity.sum(axis=0)),
        starved_steps=starved.sum(axis=0).astype(float),
        service_lost=np.where(frontier > 1e-9, capacity - served, 0.0).sum(axis=0),
        p95_wait_s=np.array([waits.percentile(0.95) for waits in whole_waits]),
        p95_queue_wait_s=p95_queue_wait,
        served_within_wait_share=_ratio(within, plant.initial_queue + (demand * plant.step_s).sum(axis=0)),
        roughness=np.abs(np.diff(rate, axis=0)).mean(axis=0) if len(rate) > 1 else np.zeros(rate.shape[1]),
        stable=(regimes == Regime.STABLE).sum(axis=0).astype(float),
        stress=(regimes == Regime.STRESS).sum(axis=0).astype(float),
        critical=(regimes == Regime.CRITICAL).sum(axis=0).astype(float),
    )


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Return `part / whole`, NaN where the whole is 0."""
    ratio = np.full(part.shape, math.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio
