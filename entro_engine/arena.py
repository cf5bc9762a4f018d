"""The scenario `arena` (chosen): a demand in bursts and a server that drifts and stalls, drawn from a seed.

Every implementation that draws from Python's `random.Random(seed)` in this order meets the same requests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

import numpy as np

from entro_engine.entropy import PUBLISHED_CAPACITY, FloatArray
from entro_engine.plant import Plant


@dataclass(frozen=True)
class Arena:
    """The world that is drawn; each number is chosen.

    Attributes:
        name: the name in tables and files.
        steps: number of steps of 1 s.
        calm_demand: mean of the demand's Poisson law in calm times, req/s.
        busy_demand: the same in busy times.
        becomes_busy: probability of a change from calm to busy, per step.
        becomes_calm: probability of a change from busy to calm, per step.
        capacity: rate that the server serves at the start, req/s.
        drift: standard deviation of the capacity's change per step, req/s.
        capacity_range: the range that the capacity stays in, req/s.
        stalls: probability that a stall begins, per step.
        stall_steps: shortest and longest stall, steps.
    """

    name: str = "arena"
    steps: int = 1000
    calm_demand: float = 0.7
    busy_demand: float = 2.2
    becomes_busy: float = 0.02
    becomes_calm: float = 0.03
    capacity: float = PUBLISHED_CAPACITY
    drift: float = 0.02
    capacity_range: tuple[float, float] = (0.8, 1.5)
    stalls: float = 0.003
    stall_steps: tuple[int, int] = (10, 60)
    step_s = 1.0

    def plant(self, lag: int = 1) -> Plant:
        """Return the published plant with the arena's server."""
        return Plant(nominal_capacity=self.capacity, lag=lag)

    def draw(self, seeds: Iterable[int]) -> tuple[FloatArray, FloatArray]:
        """Return demand and capacity (req/s) of the runs of some seeds, both of shape (steps, runs)."""
        drawn = np.array([list(self._steps(seed)) for seed in seeds])
        return np.ascontiguousarray(drawn[:, :, 0].T), np.ascontiguousarray(drawn[:, :, 1].T)

    def _steps(self, seed: int) -> Iterable[tuple[int, float]]:
        draw = Random(seed)  # noqa: S311 - a simulation keeps no secret
        capacity, is_busy, stalled = self.capacity, False, 0
        for _ in range(self.steps):
            if draw.random() < (self.becomes_calm if is_busy else self.becomes_busy):
                is_busy = not is_busy
            demand = _poisson(draw, self.busy_demand if is_busy else self.calm_demand)
            if stalled > 0:
                stalled -= 1
            elif draw.random() < self.stalls:
                stalled = draw.randint(*self.stall_steps)
            low, high = self.capacity_range
            capacity = min(max(capacity + draw.gauss(0.0, self.drift), low), high)
            yield demand, 0.0 if stalled > 0 else capacity


def _poisson(draw: Random, mean: float) -> int:
    """Return a number of the Poisson law, by multiplication of uniform numbers (Knuth)."""
    least, count, product = math.exp(-mean), 0, draw.random()
    while product > least:
        count += 1
        product *= draw.random()
    return count
