"""The plant of a log: the demand and the server that were measured, with and without the v9 controller.

The law is that of `simulator_v9`, for a lag of one step, in a form that is quick over millions of steps: one loop that
can be compiled. Both forms agree to 1e-12 relative to max(1, q).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from entro_engine.controller import ALPHA, BETA
from entro_engine.entro_engine_v9 import (
    ENERGY_WEIGHT,
    LAMBDA_ENERGY,
    LAMBDA_MEMORY,
    RegimeParameters,
    levels,
)
from entro_engine.entropy import FloatArray
from entro_engine.errors import require
from entro_engine.sequential import loop_for
from entro_engine.simulator_v9 import HEADROOM, PROBE, SMOOTHING, Plant

_FORGOTTEN = 1e-30
"""A stress memory below this is none."""

_WORTH_COMPILING = 300_000
"""A plant step takes ten times as long as one of the regime engine."""


class LogPlantState(NamedTuple):
    """What the plant carries from one step to the next.

    Attributes:
        queue: q, requests.
        frontier: held back, requests.
        speed: s_hat, what the server is measured to serve, req/s.
        seen_rate: the rate that the controller sees, req/s.
        seen_queue: the queue that it sees, requests.
        seen_served: what it sees to have been served, requests; below 0 before there is a step to be seen.
        energy: of its regime engine, nat.
        memory: of its regime engine, 0..1.
        regime: of its regime engine, a code of `Regime`.
    """

    queue: float
    frontier: float
    speed: float
    seen_rate: float
    seen_queue: float
    seen_served: float
    energy: float
    memory: float
    regime: int


@dataclass(frozen=True)
class LogPlantTrace:
    """What the plant did in each step of a log; arrays of shape (steps,).

    Attributes:
        rate: the mean of what the scraper sent, req/s.
        queue: q at the end of the step, requests.
        frontier: held back at the end of the step, requests.
        served: in the step, requests.
        waited: the integral of queue and frontier over the step, request s.
        final: the plant's state after the last step, for the next part.
    """

    rate: FloatArray
    queue: FloatArray
    frontier: FloatArray
    served: FloatArray
    waited: FloatArray
    final: LogPlantState


def run_log_plant(
    demand: FloatArray,
    capacity: FloatArray,
    plant: Plant,
    parts: int,
    budget: float,
    gains: tuple[float, float] | None = (ALPHA, BETA),
    state: LogPlantState | None = None,
    of: int = 0,
) -> LogPlantTrace:
    """Run the plant on a log's demand and capacity, held within each of its steps, or on the next part of them.

    Args:
        demand: req/s, shape (steps,).
        capacity: req/s, shape (steps,).
        plant: everything else; its step is a step of the plant, its lag 1.
        parts: how many plant steps a log step has.
        budget: Psi_budget that the controller's engine works with, nat.
        gains: alpha and beta of the v9 controller; None for no controller.
        state: where the part before left the plant; None at the beginning.
        of: how many steps all parts have, so that they are compiled where that pays for all; this part's without it.

    Returns:
        The trace. Any cut into parts gives the same bits.

    Raises:
        ParameterError: when demand and capacity are not of one length, or one is negative or not finite, or the lag is
            not 1.
    """
    require(plant.lag == 1, "lag", plant.lag, "1")
    require(len(demand) == len(capacity), "capacity", len(capacity), f"{len(demand)} steps, as the demand has")
    for name, values in (("demand", demand), ("capacity", capacity)):
        require(bool(np.all((values >= 0) & np.isfinite(values))), name, values, "finite rates of at least 0 req/s")
    rate, queue, frontier, served, waited = outputs = tuple(np.empty((5, len(demand))))
    kernel = _uncontrolled if gains is None else _controlled
    before = state or LogPlantState(
        plant.initial_queue, 0.0, plant.nominal_capacity, 0.0, plant.initial_queue, -1.0, 0.0, 0.0, 0
    )
    sizes = (plant.step_s, plant.rate.full_load, plant.rate.scale, plant.queue.scale)
    constants = (parts, *sizes, *(gains or (0.0, 0.0)), *levels(RegimeParameters(budget)))
    loop = loop_for(max(len(demand), of) * parts, _WORTH_COMPILING)
    after = loop(kernel, (demand, capacity), outputs, tuple(before), constants)
    return LogPlantTrace(rate, queue, frontier, served, waited, LogPlantState(*after))


def _uncontrolled(inputs: Any, outputs: Any, state: Any, constants: Any) -> Any:
    demand, capacity = inputs
    rates, queues, frontiers, served, waited = outputs
    queue = state[0]
    parts, dt = constants[:2]
    for index in range(len(demand)):
        arriving, possible = demand[index] * dt, capacity[index] * dt
        done = waiting = 0.0
        if arriving == 0.0 and queue == 0.0:  # logs have long holes
            rates[index] = queues[index] = frontiers[index] = served[index] = waited[index] = 0.0
            continue
        for _ in range(parts):
            present = queue + arriving
            gone = present if present < possible else possible
            queue = present - gone
            done += gone
            waiting += queue * dt
        rates[index] = demand[index]
        queues[index] = queue
        frontiers[index] = 0.0
        served[index] = done
        waited[index] = waiting
    return (queue, *state[1:])


def _controlled(inputs: Any, outputs: Any, state: Any, constants: Any) -> Any:  # noqa: PLR0915 - compiled as one
    demand, capacity = inputs
    rates, queues, frontiers, served, waited = outputs
    queue, frontier, speed, seen_rate, seen_queue, seen_served, energy, memory, regime = state
    parts, dt, ceiling, rate_scale, queue_scale, alpha, beta, budget, stress_level, critical_level = constants[:10]
    hysteresis, bound = constants[10:]
    settled = False  # whether a step without demand changes nothing any more: logs have long holes
    for index in range(len(demand)):
        asked, possible = demand[index], capacity[index] * dt
        sent = done = waiting = 0.0
        if settled and asked == 0.0:
            rates[index] = queues[index] = frontiers[index] = served[index] = waited[index] = 0.0
            continue
        energy_before, memory_before = energy, memory
        for _ in range(parts):
            # what is seen is the step before: Psi, and the rate served, while the server had something to do
            if seen_served >= 0.0:
                seen_speed = seen_served / dt
                if seen_queue > 0.0:
                    speed = speed + SMOOTHING * (seen_speed - speed)
                elif seen_speed > speed:
                    speed = seen_speed
            psi = math.log1p(seen_rate * rate_scale) + math.log1p(seen_queue * queue_scale)
            # the controller's own regime engine, and the guard inside its Stress band
            memory = LAMBDA_MEMORY * memory + (1.0 - LAMBDA_MEMORY) * (0.5 * regime)
            memory = 0.0 if memory < _FORGOTTEN else memory
            energy = LAMBDA_ENERGY * energy + (1.0 - LAMBDA_ENERGY) * (psi - stress_level)
            energy = -bound if energy < -bound else bound if energy > bound else energy
            stress, critical = stress_level - hysteresis * memory, critical_level - hysteresis * memory
            load = psi + ENERGY_WEIGHT * energy
            regime = 2 if psi > budget or load >= critical else 1 if load >= stress else 0
            excess = psi - (stress + 0.5 * (critical - stress))
            correction = -alpha * math.tanh(beta * excess) if excess > 0.0 else 0.0
            # the cap, the scraper, the frontier, the server
            cap = speed * (1.0 + HEADROOM + correction)
            cap = ceiling if cap > ceiling else PROBE * ceiling if cap < PROBE * ceiling else cap
            rate = asked + frontier / dt
            rate = cap if rate > cap else rate
            frontier = frontier + (asked - rate) * dt
            frontier = 0.0 if frontier < 0.0 else frontier
            present = queue + rate * dt
            gone = present if present < possible else possible
            queue = present - gone
            seen_rate, seen_queue, seen_served = rate, queue, gone
            sent += rate
            done += gone
            waiting += (queue + frontier) * dt
        rates[index] = sent / parts
        queues[index] = queue
        frontiers[index] = frontier
        served[index] = done
        waited[index] = waiting
        at_rest = asked == 0.0 and queue == 0.0 and frontier == 0.0
        settled = at_rest and energy == energy_before and memory == memory_before
    return queue, frontier, speed, seen_rate, seen_queue, seen_served, energy, memory, regime
