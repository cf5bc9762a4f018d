"""Scenarios: the demand on the pipeline and the capacity of the server, over time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from entro_engine.entropy import PUBLISHED_CAPACITY, FloatArray
from entro_engine.errors import require
from entro_engine.plant import Plant


@dataclass(frozen=True)
class Phase:
    """Consecutive steps with one demand.

    Attributes:
        name: the name in tables and charts.
        steps: number of steps, at least 1.
        demand: requests that become known, req/s.
    """

    name: str
    steps: int
    demand: float

    def __post_init__(self) -> None:
        where = f"phase {self.name}"
        require(self.steps >= 1, f"steps of {where}", self.steps, "a whole number of at least 1")
        require(
            math.isfinite(self.demand) and self.demand >= 0,
            f"demand of {where}",
            self.demand,
            "at least 0 req/s",
        )


@dataclass(frozen=True)
class Wave:
    """A slow sine factor of the demand: 1 + amplitude * sin(2 pi t / period), with t the index of the step.

    Attributes:
        amplitude: 0..1.
        period: steps, above 0.
    """

    amplitude: float
    period: float

    def __post_init__(self) -> None:
        require(0 <= self.amplitude <= 1, "wave amplitude", self.amplitude, "a number from 0 to 1")
        require(math.isfinite(self.period) and self.period > 0, "wave period", self.period, "steps above 0")


@dataclass(frozen=True)
class Stall:
    """A range of steps in which the server serves nothing.

    Attributes:
        first: its first step, counted from 0.
        after: the step after its last.
    """

    first: int
    after: int

    def __post_init__(self) -> None:
        require(
            0 <= self.first < self.after,
            "stall",
            f"{self.first}:{self.after}",
            "FIRST:AFTER, 0 <= FIRST < AFTER",
        )


@dataclass(frozen=True)
class Scenario:
    """A demand and a server.

    Attributes:
        name: the name in tables and files.
        phases: consecutive phases, at least one.
        wave: a factor of the demand, or None.
        capacity: rate that the server serves, req/s.
        stalls: ranges in which it serves nothing.
        step_s: length of a step, s.
        initial_queue: requests waiting at the start.
    """

    name: str
    phases: tuple[Phase, ...]
    wave: Wave | None = None
    capacity: float = PUBLISHED_CAPACITY
    stalls: tuple[Stall, ...] = ()
    step_s: float = 1.0
    initial_queue: float = 0.0

    def __post_init__(self) -> None:
        require(len(self.phases) > 0, "phases", list(self.phases), "at least one")
        require(
            math.isfinite(self.capacity) and self.capacity > 0,
            "capacity",
            self.capacity,
            "a rate above 0 req/s",
        )
        require(math.isfinite(self.step_s) and self.step_s > 0, "step_s", self.step_s, "seconds above 0")
        require(
            math.isfinite(self.initial_queue) and self.initial_queue >= 0,
            "initial_queue",
            self.initial_queue,
            ">= 0",
        )
        for stall in self.stalls:
            where = f"stall {stall.first}:{stall.after}"
            require(stall.after <= self.steps, where, f"beyond step {self.steps}", f"steps from 0 to {self.steps}")

    def plant(self, lag: int = 1) -> Plant:
        """Return the published plant with the scenario's server and step."""
        return Plant(nominal_capacity=self.capacity, step_s=self.step_s, initial_queue=self.initial_queue, lag=lag)

    @property
    def steps(self) -> int:
        """Number of steps of all phases together."""
        return sum(phase.steps for phase in self.phases)

    def demand(self) -> FloatArray:
        """Return the requests that become known at each step, req/s, shape (steps,)."""
        flat = np.repeat([phase.demand for phase in self.phases], [phase.steps for phase in self.phases])
        if self.wave is None:
            return flat
        angle = 2 * math.pi * np.arange(self.steps) / self.wave.period
        return np.asarray(flat * (1 + self.wave.amplitude * np.sin(angle)), dtype=np.float64)

    def capacities(self) -> FloatArray:
        """Return the rate that the server can serve at each step, req/s, shape (steps,): 0 while it is stalled."""
        capacity = np.full(self.steps, self.capacity)
        for stall in self.stalls:
            capacity[stall.first : stall.after] = 0.0
        return capacity


def noisy_demand(demand: FloatArray, sigma: float, seed: int, runs: range) -> FloatArray:
    """Return the demand with multiplicative noise, demand_t * max(0, 1 + sigma * z_t), z_t standard normal.

    Args:
        demand: req/s, shape (steps,).
        sigma: relative size of the noise, at least 0.
        seed: seed of the experiment. Together with a run's number it fixes the noise of that run.
        runs: the numbers of the runs to make.

    Returns:
        req/s, shape (steps, runs).

    Raises:
        ParameterError: if sigma or the seed is negative.
    """
    require(math.isfinite(sigma) and sigma >= 0, "noise", sigma, "a number of at least 0")
    require(seed >= 0, "seed", seed, "a whole number of at least 0")
    # One generator per run: its noise does not depend on which other runs are made.
    noise = np.stack([np.random.default_rng((seed, run)).standard_normal(len(demand)) for run in runs], axis=1)
    return demand[:, None] * np.maximum(0.0, 1.0 + sigma * noise)


THREE_PHASE = Scenario(
    "three-phase", (Phase("warm-up", 300, 1.1), Phase("surge", 52, 2.885), Phase("recovery", 648, 0.903))
)
"""Calibrated to the published uncontrolled run: 312 violations, peak queue 87.6."""

V9_REFERENCE = Scenario(
    "v9-reference",
    (Phase("warm-up", 24, 1.1), Phase("surge", 20, 2.0), Phase("recovery", 36, 0.7)),
    wave=Wave(0.25, 40),
)
"""Calibrated to the published regime counts of the v9 engine: 24/19/37 of 80 steps."""

SCENARIOS = {scenario.name: scenario for scenario in (THREE_PHASE, V9_REFERENCE)}
"""The built-in scenarios, by name."""
