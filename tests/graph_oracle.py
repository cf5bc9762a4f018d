"""A second implementation of the graph of stages, slow and plain, that the library is compared with.

It is written from the equations: each quantity of a step is a function of the others, asked for by name, so there is no
order of the stages in it. It shares no code with the library (tests/test_architecture.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache

from tests.oracle import Engine, clip, corrections, over, psi

ACCEPTED_WAIT = 10 / 1.2


def water_level(wants: dict[str, float], weights: dict[str, float], total: float) -> dict[str, float]:
    """Weighted max-min shares: raise the level until the total is used up, leaving out whoever has enough."""
    given: dict[str, float] = {}
    while len(given) < len(wants):
        short = {name: want for name, want in wants.items() if name not in given}
        level = (total - math.fsum(given.values())) / math.fsum(weights[name] for name in short)
        content = {name: want for name, want in short.items() if want <= weights[name] * level}
        given |= content or {name: weights[name] * level for name in short}
    return given


@dataclass
class Graph:
    """The graph between steps; the lists grow by one dictionary by name of stage or edge a step.

    Attributes:
        feeds: the stages that each stage feeds.
        weights: weight of each source.
        capacities: nominal capacity of each queue, req/s.
        controlled: whether every queue has its engine; otherwise nothing is capped.
        fairness: max-min or proportional.
    """

    feeds: dict[str, list[str]]
    weights: dict[str, float]
    capacities: dict[str, float]
    controlled: bool = True
    fairness: str = "max-min"
    budget: float = 3.0
    alpha: float = 0.5
    beta: float = 2.0
    lag: int = 1
    dt: float = 1.0
    inflow: list[dict[str, float]] = field(default_factory=list)
    queue: list[dict[str, float]] = field(default_factory=list)
    frontier: list[dict[str, float]] = field(default_factory=list)
    served: list[dict[str, float]] = field(default_factory=list)
    sent: list[dict[str, float]] = field(default_factory=list)
    flow: list[dict[tuple[str, str], float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engines = {name: Engine(self.budget) for name in self.capacities}
        self.estimates = dict(self.capacities)

    def psis(self, name: str, step: int) -> tuple[float, float]:
        """Psi of the inflow and of the queue of one stage."""
        full_rate, full_queue = 2.5 * self.capacities[name], self.capacities[name] * ACCEPTED_WAIT
        return psi(self.inflow[step][name], "rate", full_rate), psi(self.queue[step][name], "queue", full_queue)

    def cap(self, name: str, now: int) -> float:
        """The most that may flow into a queue in the present step."""
        if not self.controlled:
            return math.inf
        pair = (0.0, 0.0)
        if now >= self.lag:
            seen = now - self.lag
            pair = self.psis(name, seen)
            speed = self.served[seen][name] / self.dt
            if self.queue[seen][name] > 1e-9 * max(1, self.served[seen][name]):  # what rounding leaves is no queue
                self.estimates[name] += 0.4 * (speed - self.estimates[name])
            else:
                self.estimates[name] = max(self.estimates[name], speed)
        found = self.engines[name].step(sum(pair))
        assert found.stress_threshold is not None
        assert found.critical_threshold is not None
        guard = (found.stress_threshold + found.critical_threshold) / 2
        u_in, u_queue = corrections(pair, over(sum(pair), guard), self.alpha, self.beta)
        full_rate = 2.5 * self.capacities[name]
        return clip(self.estimates[name] * (1.1 + u_in + u_queue), 0.01 * full_rate, full_rate)

    def step(self, demand: dict[str, float], capacity: dict[str, float]) -> None:
        """Take one step with the demand of each source and the momentary capacity of each queue."""
        now = len(self.queue)
        caps = {name: self.cap(name, now) for name in self.capacities}
        queues = self.queue[-1] if now else dict.fromkeys(self.capacities, 0.0)
        frontiers = self.frontier[-1] if now else dict.fromkeys(self.weights, 0.0)

        @cache
        def want(stage: str) -> float:
            if stage in self.weights:
                return demand[stage] + frontiers[stage] / self.dt
            return min(queues[stage] / self.dt + inflow(stage), capacity[stage])

        def wanted(giver: str, taker: str) -> float:
            others = self.feeds[giver]
            if not self.controlled:
                return want(giver) / len(others)
            return want(giver) * caps[taker] / math.fsum(caps[other] for other in others)

        @cache
        def gifts(taker: str) -> dict[str, float]:
            wants = {giver: wanted(giver, taker) for giver, takers in self.feeds.items() if taker in takers}
            total = math.fsum(wants.values())
            if total <= caps[taker]:
                return wants
            if self.fairness == "proportional":
                return {giver: one * caps[taker] / total for giver, one in wants.items()}
            return water_level(wants, {giver: self.weights.get(giver, 1.0) for giver in wants}, caps[taker])

        @cache
        def inflow(taker: str) -> float:
            return math.fsum(gifts(taker).values())

        def gone(giver: str) -> float:
            return math.fsum(gifts(taker)[giver] for taker in self.feeds[giver])

        def served(stage: str) -> float:
            limits = [queues[stage] + inflow(stage) * self.dt, capacity[stage] * self.dt]
            return min([*limits, gone(stage) * self.dt] if self.feeds[stage] else limits)

        self.inflow.append({name: inflow(name) for name in self.capacities})
        self.served.append({name: served(name) for name in self.capacities})
        self.sent.append({name: gone(name) for name in self.weights})
        self.flow.append({(giver, taker): gifts(taker)[giver] for giver in self.feeds for taker in self.feeds[giver]})
        self.queue.append(
            {name: max(0.0, queues[name] + inflow(name) * self.dt - served(name)) for name in self.capacities}
        )
        self.frontier.append(
            {name: max(0.0, frontiers[name] + (demand[name] - gone(name)) * self.dt) for name in self.weights}
        )

    def violations(self) -> tuple[int, dict[str, int]]:
        """Steps in which any queue is over the budget, and those of each."""
        steps = range(len(self.queue))
        found = {name: [sum(self.psis(name, step)) > self.budget for step in steps] for name in self.capacities}
        return sum(map(any, zip(*found.values(), strict=True))), {name: sum(one) for name, one in found.items()}

    def figures(self) -> dict[str, float]:
        """The figures of the run, named as the library names them."""
        held = [math.fsum(one.values()) for rows in (self.queue, self.frontier) for one in rows]
        served = math.fsum(one[name] for one in self.served for name in self.capacities if not self.feeds[name])
        return {
            "served": served,
            "final_backlog": math.fsum([*self.queue[-1].values(), *self.frontier[-1].values()]),
            "mean_wait_s": math.fsum(held) * self.dt / served if served > 0 else math.nan,
        }
