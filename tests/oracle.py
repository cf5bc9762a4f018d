"""A second implementation of the engine, slow and plain, that the library is compared with.

It was written from the definition of the quantities alone, by someone who had not seen the library (the coupled load
excepted, whose author is the same), and it shares no code with it: it imports nothing of `entro_engine` or `entro_cli`
(tests/test_architecture.py holds it to that), uses the standard library only, and works on plain lists, where None is a
step without data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

FULL_REFERENCE = {"rate": 3.0, "queue": 10.0, "generic": math.exp(2.0) - 1.0}

SEVERITY = {"stable": 0.0, "stress": 0.5, "critical": 1.0}


# Proxies, the budget, the control law


def psi(load: float, kind: str, full: float | None = None) -> float:
    """Entropy proxy (nat) of one stage; `full` rescales the load so that a full stage always reads the same."""
    reference = FULL_REFERENCE[kind]
    if full is None or full == reference:
        return math.log1p(load)
    return math.log1p(load * reference / full)


def over(psi_total: float, level: float) -> float:
    """How far psi_total lies above a level; never negative."""
    return max(0.0, psi_total - level)


def shares(psis: Sequence[float]) -> list[float]:
    """The part of every stage in the total; all zero when the total is zero."""
    total = math.fsum(psis)
    return [p / total if total > 0.0 else 0.0 for p in psis]


def corrections(psis: Sequence[float], delta: float, alpha: float = 0.5, beta: float = 2.0) -> list[float]:
    """One correction per stage, zero or negative, for an overshoot `delta`."""
    return [-alpha * rho * math.tanh(beta * delta) for rho in shares(psis)]


# The coupled load


def coupled_load(stages: Sequence[tuple[str, str]], feeds: dict[str, list[str]], loads: Sequence[float]) -> float:
    """The load (nat) that one step of a pipeline is judged by, against the budget of two stages.

    Args:
        stages: name and kind of each stage; every full load is the published one.
        feeds: the stages that a stage feeds, by name; empty if nobody said so.
        loads: load of each stage.
    """
    psis = [psi(load, kind) for (_, kind), load in zip(stages, loads, strict=True)]
    if len(stages) == 2:
        return psis[0] + psis[1]
    if len(stages) == 1:
        return psis[0] + math.log(2.2) if stages[0][1] == "queue" else 2 * psis[0]
    sums = [math.fsum(psis) * 2 / len(stages)]
    for upstream, downstream in edges(stages, feeds):
        together = [psis[i] for i in upstream]
        feeding = together[0] if len(together) == 1 else math.log1p(math.fsum(math.expm1(p) for p in together))
        sums.append(feeding + psis[downstream])
    return max(sums)


def edges(stages: Sequence[tuple[str, str]], feeds: dict[str, list[str]]) -> list[tuple[list[int], int]]:
    """The stages that feed others, by index; rates that feed one queue together as one entry."""
    names = [name for name, _ in stages]
    kinds = [kind for _, kind in stages]
    if any(feeds.values()):
        links = [(names.index(one), names.index(other)) for one in feeds for other in feeds[one]]
    else:
        order = [i for i in range(len(stages)) if kinds[i] != "generic"]
        links = []
        for at, this in enumerate(order[1:], start=1):
            before = at - 1
            if kinds[this] == "queue" and kinds[order[before]] == "rate":
                while before >= 0 and kinds[order[before]] == "rate":
                    links.append((order[before], this))
                    before -= 1
            elif not (kinds[this] == "rate" == kinds[order[before]] and "queue" in [kinds[i] for i in order[at:]]):
                links.append((order[before], this))
    found: list[tuple[list[int], int]] = []
    for target in range(len(stages)):
        sources = [one for one, other in links if other == target]
        rates = [i for i in sources if kinds[target] == "queue" and kinds[i] == "rate"]
        found += [(rates, target)] if rates else []
        found += [([i], target) for i in sources if i not in rates]
    return found


# The regime engine


class Step(NamedTuple):
    """What the regime engine says of one step; the thresholds and what follows them are None without data."""

    regime: str
    energy: float
    memory: float
    stress_threshold: float | None
    critical_threshold: float | None
    effective_load: float | None
    stability: float | None


def clip(x: float, low: float, high: float) -> float:
    """x held inside [low, high]."""
    return max(low, min(high, x))


class Engine:
    """The regime engine; keeps energy, memory and the regime of the step before."""

    LAMBDA_E = 0.92
    LAMBDA_M = 0.82
    ENERGY_WEIGHT = 0.25

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.energy_bound = (2.0 / 3.0) * budget
        self.theta_s = 0.5 * budget
        self.theta_c = (2.35 / 3.0) * budget
        self.width = (0.25 / 3.0) * budget
        self.energy = 0.0
        self.memory = 0.0
        self.previous = "stable"

    def step(self, psi_total: float | None) -> Step:
        """Take one step; None is a step without data."""
        if psi_total is None:
            return self._relax()
        self.memory = self.LAMBDA_M * self.memory + (1.0 - self.LAMBDA_M) * SEVERITY[self.previous]
        charged = self.LAMBDA_E * self.energy + (1.0 - self.LAMBDA_E) * (psi_total - self.theta_s)
        self.energy = clip(charged, -self.energy_bound, self.energy_bound)
        t_s = self.theta_s - self.width * self.memory
        t_c = self.theta_c - self.width * self.memory
        load = psi_total + self.ENERGY_WEIGHT * self.energy
        if psi_total > self.budget or load >= t_c:
            self.previous = "critical"
        elif load >= t_s:
            self.previous = "stress"
        else:
            self.previous = "stable"
        stability = clip(1.0 - (load - t_s) / (self.budget - t_s), 0.05, 1.0)
        return Step(self.previous, self.energy, self.memory, t_s, t_c, load, stability)

    def _relax(self) -> Step:
        """A hole: both states decay, nothing else is defined, and the regime starts again from Stable."""
        self.memory = self.LAMBDA_M * self.memory
        self.energy = self.LAMBDA_E * self.energy
        self.previous = "stable"
        return Step("no data", self.energy, self.memory, None, None, None, None)


def replay(psi_total: Sequence[float | None], budget: float) -> list[Step]:
    """A whole series through a fresh engine."""
    engine = Engine(budget)
    return [engine.step(p) for p in psi_total]


# Early warning


def slope(times: Sequence[Fraction], values: Sequence[float]) -> Fraction:
    """Least-squares slope, formed exactly from the given floats (so a flat series has slope exactly 0)."""
    exact = [Fraction(v) for v in values]
    time_mean = sum(times) / len(times)
    value_mean = sum(exact) / len(exact)
    products = sum((t - time_mean) * (v - value_mean) for t, v in zip(times, exact, strict=True))
    return Fraction(products) / sum((t - time_mean) ** 2 for t in times)


def time_to_budget(psi_total: Sequence[float | None], budget: float, step_s: float) -> list[float | None]:
    """Seconds until the budget is met, by step; None on a step without data.

    The line is fitted to the last twenty steps that have data, this one included, at their own times, however old.
    Fewer than three of them give infinity below the budget; from the budget on it is 0 in any case.
    """
    result: list[float | None] = []
    seen: list[tuple[Fraction, float]] = []
    for i, p in enumerate(psi_total):
        if p is None:
            result.append(None)
            continue
        seen = [*seen, (i * Fraction(step_s), p)][-20:]
        rise = slope([t for t, _ in seen], [v for _, v in seen]) if len(seen) >= 3 else Fraction(0)
        if p >= budget:
            result.append(0.0)
        elif rise <= 0:
            result.append(math.inf)
        else:
            result.append(_as_float((Fraction(budget) - Fraction(p)) / rise))
    return result


def _as_float(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


# The plant


def demand(scenario: str) -> list[float]:
    """Demand (req/s) of a built-in scenario, one number a step, without noise."""
    if scenario == "three-phase":
        return [1.1] * 300 + [2.885] * 52 + [0.903] * 648
    flat = [1.1] * 24 + [2.0] * 20 + [0.7] * 36
    return [d * (1.0 + 0.25 * math.sin(2.0 * math.pi * t / 40.0)) for t, d in enumerate(flat)]


class Seen(NamedTuple):
    """What a controller sees of one step; `served` is None of the start, before any step."""

    psi_rate: float
    psi_queue: float
    queue: float
    served: float | None


@dataclass
class Pipeline:
    """The plant and one controller, step by step; the lists grow by one entry a step.

    Attributes:
        controller: uncontrolled, static, eq14 or v9.
        lag: how many steps old what the controller sees is.
        limit: of the static controller, req/s.
        alpha: control authority.
        beta: steepness, 1/nat.
        budget: nat.
        dt: length of a step, s.
        r_max: the most the cap allows, req/s.
        c_max: the served rate that is assumed before one was seen, req/s.
        q0: the starting queue, requests.
        full_rate: full load of the scraper's stage, req/s; None for the published one.
        full_queue: full load of the server's stage, requests; None for the published one.
    """

    controller: str
    lag: int = 1
    limit: float = 1.5
    alpha: float = 0.5
    beta: float = 2.0
    budget: float = 3.0
    dt: float = 1.0
    r_max: float = 3.0
    c_max: float = 1.2
    q0: float = 0.0
    full_rate: float | None = None
    full_queue: float | None = None
    rate: list[float] = field(default_factory=list)
    queue: list[float] = field(default_factory=list)
    frontier: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)
    psi_total: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = Seen(0.0, psi(self.q0, "queue", self.full_queue), self.q0, None)
        self.history: list[Seen] = []
        self.engine = Engine(self.budget)
        self.estimate = self.c_max
        self.waiting, self.held_back = self.q0, 0.0

    def run(self, demands: Sequence[float], capacities: Sequence[float]) -> Pipeline:
        """All steps; returns itself."""
        for demand_now, capacity_now in zip(demands, capacities, strict=True):
            self._step(demand_now, capacity_now)
        return self

    def _step(self, asked: float, can_serve: float) -> None:
        """In step t the controller sees the end of step t - lag, and the start while there is none."""
        seen = self.history[-self.lag] if len(self.history) >= self.lag else self.start
        cap = self._cap(seen) if self.controller in ("eq14", "v9") else math.inf
        limit = self.limit if self.controller == "static" else math.inf

        rate = min(asked + self.held_back / self.dt, cap, limit)
        self.held_back = max(0.0, self.held_back + (asked - rate) * self.dt)
        served = min(self.waiting + rate * self.dt, can_serve * self.dt)
        self.waiting = max(0.0, self.waiting + rate * self.dt - served)

        psi_rate, psi_queue = psi(rate, "rate", self.full_rate), psi(self.waiting, "queue", self.full_queue)
        self.history.append(Seen(psi_rate, psi_queue, self.waiting, served))
        self.rate.append(rate)
        self.queue.append(self.waiting)
        self.frontier.append(self.held_back)
        self.served.append(served)
        self.psi_total.append(psi_rate + psi_queue)

    def _cap(self, seen: Seen) -> float:
        total = seen.psi_rate + seen.psi_queue
        level = self.budget
        if self.controller == "v9":
            step = self.engine.step(total)
            assert step.stress_threshold is not None
            assert step.critical_threshold is not None
            level = step.stress_threshold + 0.5 * (step.critical_threshold - step.stress_threshold)
        u_s, u_l = corrections([seen.psi_rate, seen.psi_queue], over(total, level), self.alpha, self.beta)
        self._follow(seen)
        return clip(self.estimate * (1.0 + 0.1 + u_s + u_l), 0.01 * self.r_max, self.r_max)

    def _follow(self, seen: Seen) -> None:
        """The estimate of the served rate; it stays as it is while no step has been seen."""
        if seen.served is None:
            return
        served_rate = seen.served / self.dt
        if seen.queue > 0.0:
            self.estimate += 0.4 * (served_rate - self.estimate)
        else:
            self.estimate = max(self.estimate, served_rate)

    def figures(self) -> dict[str, float]:
        """What the run comes to, named as the library names it."""
        served = math.fsum(self.served)
        backlog = math.fsum(self.queue) + math.fsum(self.frontier)
        regimes = [step.regime for step in replay(self.psi_total, self.budget)]
        return {
            "violations": sum(p > self.budget for p in self.psi_total),
            "excess_nat_s": math.fsum(over(p, self.budget) * self.dt for p in self.psi_total),
            "peak_queue": max(self.queue),
            "mean_queue": math.fsum(self.queue) / len(self.queue),
            "peak_psi_total": max(self.psi_total),
            "served": served,
            "peak_frontier": max(self.frontier),
            "final_backlog": self.queue[-1] + self.frontier[-1],
            "mean_wait_s": backlog * self.dt / served if served > 0.0 else math.nan,
            **{name: regimes.count(name) for name in SEVERITY},
        }
