"""The peers of `arena.py` and the grids of their settings, tuned for violations + service lost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import ceil
from typing import Any

import numpy as np
from arena_worlds import Informed, World
from controllers import (
    Aimd,
    AutoThrottle,
    Bbr,
    CodelGate,
    FixedRate,
    Gradient2,
    InFlightWindow,
    PiQueue,
    PiSmith,
    Vegas,
)

from entro_engine import LLM, SCRAPER, Controller, entropy_proxy
from entro_engine.entropy import FloatArray
from entro_engine.simulator_v9 import PlantTrace, simulate_plant

BUDGET = 3.0
TUNING_SEEDS = range(1000, 1040)
FIRST_SEEDS = 5
SMALL_GRID = 100
MOST_COLUMNS = 8000  # side by side, in about 0.6 GB
Settings = dict[str, float]

GAINS = {
    "proportional": (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0),
    "integral": (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    "target": (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0),
}
# With the best sizes of a window, and half of them: a limit that never moves stays at twice its minimum.
MIN_LIMITS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 3.75, 5.5, 6.5, 7.5, 9.5, 11.0, 13.0, 15.0, 17.0, 19.0, 22.0, 26.0, 30.0)
PEERS: dict[type[Any], dict[str, Sequence[float]]] = {
    FixedRate: {"rate": np.arange(0.3, 1.55, 0.05)},
    InFlightWindow: {"limit": np.arange(0.5, 40.5, 0.5)},
    Aimd: {
        "timeout_s": (0.0, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0),
        "backoff": (0.5, 0.7, 0.9, 0.95, 0.99),  # the project allows 0.5 to 1
        "min_limit": MIN_LIMITS,
    },
    Gradient2: {
        "tolerance": (0.0, 0.5, 0.8, 1.0, 1.5, 2.0),
        "smoothing": (0.0, 0.02, 0.1, 0.3, 1.0),
        "queue": (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0),
        "min_limit": MIN_LIMITS,
    },
    Vegas: {
        "alpha": (0.0, 0.25, 0.5, 1.0, 2.0),
        "beta": (0.0, 0.5, 1.0, 2.0, 4.0),
        "probe": (0.0, 5.0, 30.0, 100.0, 1e9),
        "min_limit": MIN_LIMITS,
    },
    PiQueue: GAINS,
    PiSmith: GAINS,
    CodelGate: {
        "target_s": (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 25.0, 30.0, 40.0),
        "interval_s": (1.0, 2.0, 3.0, 5.0, 10.0, 20.0),
    },
    Bbr: {
        "gain": (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0),
        "window": (1.0, 5.0, 10.0, 20.0, 40.0, 100.0),
        "pacing": (0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0),
        "extra": (0.0, 0.5, 1.0, 2.0, 3.0, 5.0),
    },
    AutoThrottle: {
        "concurrency": (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0),
        "start_delay_s": (0.35, 0.5, 1.0, 2.0, 5.0),
    },
    Informed: {"target": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)},
}
UNTUNED_REFERENCE = "informed, q_0 = 2"
KINDS: dict[str, type[Any]] = {**{kind.name: kind for kind in PEERS}, UNTUNED_REFERENCE: Informed}


def peer(name: str, settings: dict[str, Any], capacity: FloatArray) -> Controller:
    """Return a peer; the informed reference gets the capacity, too."""
    kind = KINDS[name]
    controller: Controller = kind(capacity, **settings) if kind is Informed else kind(**settings)
    return controller


def cost(trace: PlantTrace) -> FloatArray:
    """Return violations + service lost of each run."""
    psi = entropy_proxy(trace.rate, SCRAPER) + entropy_proxy(trace.queue, LLM)
    lost = np.where(trace.frontier > 1e-9, trace.capacity - trace.served, 0.0)
    return ((psi > BUDGET) + lost).sum(axis=0)


def best_settings(name: str, world: World, lag: int, seeds: range, every: int) -> Settings:
    """Return the settings with the least mean cost, of every so many of the grid.

    Only the best tenth of a large grid on the first seeds meets all of them.
    """
    grid = PEERS[KINDS[name]]
    settings = np.array(list(product(*grid.values())))[::every]
    for some in (seeds[:FIRST_SEEDS], seeds):
        best = np.argsort(mean_costs(name, settings, world, lag, some), kind="stable")
        settings = settings[best[: max(len(best) // 10, SMALL_GRID)]]
    return dict(zip(grid, settings[0].round(6).tolist(), strict=True))


def mean_costs(name: str, settings: FloatArray, world: World, lag: int, seeds: range) -> FloatArray:
    """Return the mean cost of each row of settings over the seeds."""
    loads = world.loads(seeds)
    costs: list[FloatArray] = []
    for some in np.array_split(settings, ceil(len(settings) * len(seeds) / MOST_COLUMNS)):
        demand, capacity = (np.tile(load, len(some)) for load in loads)
        values = dict(zip(PEERS[KINDS[name]], np.repeat(some, len(seeds), axis=0).T, strict=True))
        controller = world.controller(peer(name, values, capacity))
        trace = simulate_plant(demand, capacity, controller, world.believed(lag))
        costs.append(cost(trace).reshape(len(some), -1).mean(axis=1))
    return np.concatenate(costs)
