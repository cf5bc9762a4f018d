"""The plant of a log: the measured demand and server, with and without the v9 controller.

The law is that of `simulator_v9` for a lag of one step. It is written as one loop that numba can compile, because a
report runs the plant over millions of steps. Both forms agree to 1e-12 relative to max(1, q).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from entro_engine.controller import ALPHA, BETA, HEADROOM, PROBE, SMOOTHING
from entro_engine.entro_engine_v9 import (
    ENERGY_WEIGHT,
    GUARD,
    LAMBDA_ENERGY,
    LAMBDA_MEMORY,
    RegimeParameters,
    levels,
)
from entro_engine.entropy import FloatArray
from entro_engine.errors import require, require_cap, require_gains
from entro_engine.plant import Plant
from entro_engine.sequential import loop_for

_FORGOTTEN = 1e-30
"""A stress memory below this counts as 0. It would otherwise decay for ever, and the plant would never be at rest."""

_FORGETTING = 400
"""Steps after which the energy and the memory depend on what was before them by less than 1e-14: 0.92 to this power."""

_NOTHING = 1e-9
"""A frontier of at most so many requests counts as empty: rounding leaves a rest."""

_WORTH_COMPILING = 300_000
"""Steps from which compiling pays off. A plant step takes ten times as long as a step of the regime engine."""


class ControlParameters(NamedTuple):
    """The parameters of the v9 controller and of its cap.

    Attributes:
        alpha: control authority, 0..1.
        beta: steepness, 1/nat.
        headroom: the share by which the cap may exceed the served rate, above 0 and below alpha.
        smoothing: the share of a new served rate that enters its estimate, per step of the plant, above 0, at most 1.
        guard: where the guard lies between the thresholds of the regime engine, 0..1.
    """

    alpha: float = ALPHA
    beta: float = BETA
    headroom: float = HEADROOM
    smoothing: float = SMOOTHING
    guard: float = GUARD


DEFAULT_CONTROL = ControlParameters()


class LogPlantState(NamedTuple):
    """The state that the plant carries from one step to the next.

    Attributes:
        queue: q, requests.
        frontier: requests held back.
        speed: s_hat, the estimate of the rate that the server serves, req/s.
        seen_rate: the rate that the controller sees, req/s.
        seen_queue: the queue that it sees, requests.
        seen_served: the requests served in the step that it sees; below 0 before the first step.
        energy: E of its regime engine, nat.
        memory: M of its regime engine, 0..1.
        regime: regime code of its regime engine.
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
    """The plant's result for each step of a log; arrays of shape (steps,).

    Attributes:
        rate: mean rate that the scraper sent, req/s.
        queue: q at the end of the step, requests.
        frontier: requests held back at the end of the step.
        served: requests served in the step.
        waited: integral of queue and frontier over the step, request s.
        lost: service lost, requests: what the server could have served besides, while requests were held back.
        final: the plant's state after the last step, for the next part.
    """

    rate: FloatArray
    queue: FloatArray
    frontier: FloatArray
    served: FloatArray
    waited: FloatArray
    lost: FloatArray
    final: LogPlantState


def run_log_plant(
    demand: FloatArray,
    capacity: FloatArray,
    plant: Plant,
    parts: int,
    budget: float,
    control: ControlParameters | None = DEFAULT_CONTROL,
    state: LogPlantState | None = None,
    of: int = 0,
) -> LogPlantTrace:
    """Run the plant on a log's demand and capacity, or on the next part of them.

    Demand and capacity are constant within a step of the log, which has `parts` steps of the plant.

    Args:
        demand: req/s, shape (steps,).
        capacity: req/s, shape (steps,).
        plant: everything else. Its step is a step of the plant, and its lag must be 1.
        parts: number of plant steps per log step.
        budget: Psi_budget of the controller's regime engine, nat.
        control: the parameters of the v9 controller; None for no controller.
        state: the plant's state after the previous part; None at the beginning.
        of: number of steps of all parts together, which decides if compiling pays off. The default is this part alone.

    Returns:
        The trace. Any cut into parts gives the same bits.

    Raises:
        ParameterError: if the lengths of demand and capacity differ, one is negative or not finite, or the lag is not
            1.
    """
    require(plant.lag == 1, "lag", plant.lag, "1")
    if control is not None:
        require_gains(control.alpha, control.beta)
        require_cap(control.headroom, control.smoothing)
        require(0 <= control.guard <= 1, "guard", control.guard, "a number from 0 to 1")
    require(len(demand) == len(capacity), "capacity", len(capacity), f"{len(demand)} steps, as the demand has")
    for name, values in (("demand", demand), ("capacity", capacity)):
        require(bool(np.all((values >= 0) & np.isfinite(values))), name, values, "finite rates of at least 0 req/s")
    rate, queue, frontier, served, waited, lost = outputs = tuple(np.empty((6, len(demand))))
    kernel = _uncontrolled if control is None else _controlled
    # Before the first step the server counts as serving its nominal capacity, and there is no step to see (-1).
    before = state or LogPlantState(
        plant.initial_queue, 0.0, plant.nominal_capacity, 0.0, plant.initial_queue, -1.0, 0.0, 0.0, 0
    )
    sizes = (plant.step_s, plant.rate.full_load, plant.rate.scale, plant.queue.scale)
    constants = (parts, *sizes, *(control or DEFAULT_CONTROL), *levels(RegimeParameters(budget)))
    loop = loop_for(max(len(demand), of) * parts, _WORTH_COMPILING)
    after = loop(kernel, (demand, capacity), outputs, tuple(before), constants)
    return LogPlantTrace(rate, queue, frontier, served, waited, lost, LogPlantState(*after))


def _uncontrolled(inputs: Any, outputs: Any, state: Any, constants: Any) -> Any:
    demand, capacity = inputs
    rates, queues, frontiers, served, waited, lost = outputs
    # Without a controller only the queue matters. The rest of the state is passed through.
    queue = state[0]
    parts, dt = constants[:2]
    for index in range(len(demand)):
        arriving, possible = demand[index] * dt, capacity[index] * dt
        done = waiting = 0.0
        if arriving == 0.0 and queue == 0.0:  # a shortcut for long gaps in a log
            rates[index] = queues[index] = frontiers[index] = served[index] = waited[index] = lost[index] = 0.0
            continue
        for _ in range(parts):
            present = queue + arriving
            gone = present if present < possible else possible
            queue = present - gone
            done += gone
            waiting += queue * dt
        rates[index] = demand[index]
        queues[index] = queue
        frontiers[index] = lost[index] = 0.0
        served[index] = done
        waited[index] = waiting
    return (queue, *state[1:])


def _controlled(inputs: Any, outputs: Any, state: Any, constants: Any) -> Any:  # noqa: PLR0912, PLR0915 - compiled as one
    demand, capacity = inputs
    rates, queues, frontiers, served, waited, lost = outputs
    queue, frontier, speed, seen_rate, seen_queue, seen_served, energy, memory, regime = state
    parts, dt, ceiling, rate_scale, queue_scale, alpha, beta, headroom, smoothing, guard = constants[:10]
    budget, stress_level, critical_level, hysteresis, bound = constants[10:]
    cap = 0.0
    older = newer = ((-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1), (0.0, 0.0, 0.0, 0, cap))  # what it was asked and answered
    # Of the last two sub-steps: the frontier before it, the rate, what that added to it, the queue, the served.
    first = second = (0.0, 0.0, 0.0, 0.0, 0.0)
    settled = False  # True once a step without demand changes nothing: a shortcut for long gaps in a log
    for index in range(len(demand)):
        demanded, possible = demand[index], capacity[index] * dt
        sent = done = waiting = idle = 0.0
        if settled and demanded == 0.0:
            rates[index] = queues[index] = frontiers[index] = served[index] = waited[index] = lost[index] = 0.0
            continue
        energy_before, memory_before = energy, memory
        awake = 0  # the first sub-step in which the controller is asked
        for part in range(parts):
            asked = (seen_rate, seen_queue, seen_served, speed, energy, memory, regime)
            if part < awake:
                pass
            elif asked == older[0]:  # it soon does the same in every step, or in every second one
                # What is held back changes by at most twice its drift in a sub-step, as the sum is rounded.
                least = frontier + 2.0 * (parts - part) * min(first[2], second[2], 0.0)
                capped = first[1] == older[1][4] and second[1] == newer[1][4]
                capped = capped and demanded + max(least, 0.0) / dt >= max(first[1], second[1])
                if part >= awake + 2 and (parts - part) % 2 == 0 and (capped or frontier == first[0]):
                    # All but what is held back is as it was two sub-steps before. What is held back is so, too, or the
                    # caps hold to the end. So the others send, queue and serve what these two did, in turn.
                    for _ in range(parts - part):
                        _, rate, drift, left, gone = first
                        frontier = frontier + drift
                        frontier = 0.0 if frontier < 0.0 else frontier
                        sent += rate
                        done += gone
                        waiting += (left + frontier) * dt
                        if frontier > _NOTHING:
                            idle += possible - gone
                        first, second = second, first
                    break
                speed, energy, memory, regime, cap = older[1]
                older, newer = newer, older
            else:
                # The controller sees the previous step. A server with a queue shows its speed. An idle one shows only
                # that it is at least as fast as what it served.
                if seen_served >= 0.0:
                    seen_speed = seen_served / dt
                    if seen_queue > 0.0:
                        speed = speed + smoothing * (seen_speed - speed)
                    elif seen_speed > speed:
                        speed = seen_speed
                psi = math.log1p(seen_rate * rate_scale) + math.log1p(seen_queue * queue_scale)
                # One step of the controller's regime engine, as in `advance`, and the guard inside its Stress band.
                memory = LAMBDA_MEMORY * memory + (1.0 - LAMBDA_MEMORY) * (0.5 * regime)
                memory = 0.0 if memory < _FORGOTTEN else memory
                energy = LAMBDA_ENERGY * energy + (1.0 - LAMBDA_ENERGY) * (psi - stress_level)
                energy = -bound if energy < -bound else bound if energy > bound else energy
                stress, critical = stress_level - hysteresis * memory, critical_level - hysteresis * memory
                load = psi + ENERGY_WEIGHT * energy
                regime = 2 if psi > budget or load >= critical else 1 if load >= stress else 0
                excess = psi - (stress + guard * (critical - stress))
                correction = -alpha * math.tanh(beta * excess) if excess > 0.0 else 0.0
                cap = speed * (1.0 + headroom + correction)
                cap = ceiling if cap > ceiling else PROBE * ceiling if cap < PROBE * ceiling else cap
                older, newer = newer, (asked, (speed, energy, memory, regime, cap))
                if part == _FORGETTING and seen_rate == demanded and frontier == 0.0 and speed == asked[3]:
                    # From here on the queue only grows or only shrinks. If the lowest cap at its longest lets all
                    # requests pass, the controller changes nothing, and its state is that of the last sub-steps.
                    longest = queue + max(demanded * dt - possible, 0.0) * parts
                    psi = math.log1p(demanded * rate_scale) + math.log1p(longest * queue_scale)
                    excess = psi - (stress_level - hysteresis + guard * (critical_level - stress_level))
                    least = speed * (1.0 + headroom - alpha * math.tanh(beta * max(excess, 0.0)))
                    if demanded <= min(least, cap):
                        awake = parts - _FORGETTING
            # The scraper, the frontier and the server.
            held = frontier
            rate = demanded + frontier / dt if frontier > 0.0 else demanded
            rate = cap if rate > cap else rate
            drift = (demanded - rate) * dt
            frontier = frontier + drift
            frontier = 0.0 if frontier < 0.0 else frontier
            present = queue + rate * dt
            gone = present if present < possible else possible
            queue = present - gone
            seen_rate, seen_queue, seen_served = rate, queue, gone
            first, second = second, (held, rate, drift, queue, gone)
            sent += rate
            done += gone
            waiting += (queue + frontier) * dt
            if frontier > _NOTHING:
                idle += possible - gone
        rates[index] = sent / parts
        queues[index] = queue
        frontiers[index] = frontier
        served[index] = done
        waited[index] = waiting
        lost[index] = idle
        # At rest, and so it was in what the controller saw: after a steady load its state may stay for one step more.
        at_rest = demanded == 0.0 and queue == 0.0 and frontier == 0.0 and asked[0] == 0.0 and asked[1] == 0.0
        settled = at_rest and energy == energy_before and memory == memory_before and regime == asked[6]
    return queue, frontier, speed, seen_rate, seen_queue, seen_served, energy, memory, regime
