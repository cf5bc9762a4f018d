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
MOST_COLUMNS = 8000  # side by side, in about 0.6 GB
Settings = dict[str, float]

GAINS = {
    "proportional": (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0),
    "integral": (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    "target": (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0),
}
LEAST = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 20.0, 24.0, 28.0)
PEERS: dict[type[Any], dict[str, Sequence[float]]] = {
    FixedRate: {"rate": np.arange(0.3, 1.55, 0.05)},
    InFlightWindow: {"limit": np.arange(0.5, 40.5, 0.5)},
    Aimd: {"timeout_s": (1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0), "backoff": (0.5, 0.7, 0.9), "least": LEAST},
    Gradient2: {
        "tolerance": (1.0, 1.5, 2.0),
        "smoothing": (0.02, 0.1, 0.2, 0.5),
        "queue": (0.1, 0.25, 0.5, 1.0, 2.0, 4.0),
        "least": LEAST,
    },
    Vegas: {
        "alpha": (0.25, 0.5, 1.0, 2.0),
        "beta": (0.5, 1.0, 2.0, 4.0),
        "probe": (5.0, 30.0, 100.0),
        "least": LEAST,
    },
    PiQueue: GAINS,
    PiSmith: GAINS,
    CodelGate: {
        "target_s": (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0),
        "interval_s": (1.0, 2.0, 3.0, 5.0, 10.0, 20.0),
    },
    Bbr: {
        "gain": (0.5, 0.75, 1.0, 1.25, 1.5, 2.0),
        "window": (5.0, 10.0, 20.0, 40.0, 100.0),
        "pacing": (1.0, 1.1, 1.25, 1.5, 2.0, 3.0),
        "extra": (0.0, 0.5, 1.0, 2.0, 3.0),
    },
    AutoThrottle: {
        "concurrency": (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0),
        "start_delay_s": (0.35, 0.5, 1.0, 2.0, 5.0),
    },
    Informed: {"target": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)},
}
FIXED_REFERENCE = "informed, q_0 = 2"
KINDS: dict[str, type[Any]] = {**{kind.name: kind for kind in PEERS}, FIXED_REFERENCE: Informed}


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
    """Return the settings with the least mean cost, of every so many of the grid."""
    grid = PEERS[KINDS[name]]
    settings = np.array(list(product(*grid.values())))[::every]
    loads = world.loads(seeds)
    costs: list[float] = []
    for some in np.array_split(settings, ceil(len(settings) * len(seeds) / MOST_COLUMNS)):
        demand, capacity = (np.tile(load, len(some)) for load in loads)
        values = dict(zip(grid, np.repeat(some, len(seeds), axis=0).T, strict=True))
        controller = world.controller(peer(name, values, capacity))
        trace = simulate_plant(demand, capacity, controller, world.believed(lag))
        costs += cost(trace).reshape(len(some), -1).mean(axis=1).tolist()
    return dict(zip(grid, settings[int(np.argmin(costs))].round(6).tolist(), strict=True))
