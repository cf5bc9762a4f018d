"""Measure how often `entro tune` proposes a setting on an hour of a log, and what it saves in the hour after it.

`python benchmarks/tuning.py [SEEDS]`, with the Python that entro is installed for. The logs are those of the scenario
`arena` without control, with other sizes of the server and other demands, for SEEDS seeds (40) from 0 on. The first
hour is tuned on, with the defaults in force and a weight of 1. The last column is what the proposed settings save in
the second hour, of what they save in the first.
"""

from __future__ import annotations

import sys

import numpy as np

from entro_cli.analysis.coordination import CoordinationParameters
from entro_cli.analysis.tuning import tune
from entro_cli.timeseries.steps import Steps
from entro_engine import LLM, SCRAPER
from entro_engine.arena import Arena
from entro_engine.baselines import Uncontrolled
from entro_engine.simulator_v9 import simulate_plant

HOUR = 3600
TITLES = "server", "demand", "accepted wait", "cost", "tuning gain", "held-out gain", "proposals", "saved an hour later"
# How many times as large as in the arena, the demand of calm and busy times before that (req/s), accepted wait (s).
CASES = (
    (1.0, (0.7, 2.2), 8.0),
    (5.0, (0.7, 2.2), 8.0),
    (5.0, (0.7, 2.2), 2.0),
    (1.0, (0.2, 1.6), 2.0),
    (5.0, (0.2, 1.6), 8.0),
    (5.0, (0.2, 1.6), 2.0),
)


def two_hours(seed: int, size: float, demand_per_s: tuple[float, float]) -> Steps:
    """Return the log of a scraper and a server without control."""
    calm, busy, capacity, drift = (size * value for value in (*demand_per_s, 1.2, 0.02))
    arena = Arena("", 2 * HOUR, calm, busy, capacity=capacity, drift=drift, capacity_range=(0.8 * size, 1.5 * size))
    demand, served = (drawn[:, 0] for drawn in arena.draw([seed]))
    trace = simulate_plant(demand, served, Uncontrolled(), arena.plant())
    loads = np.array([trace.rate, trace.queue])
    return Steps((SCRAPER, LLM), 0, 10**9, loads, loads, loads, np.ones((2, 2 * HOUR), np.int64), loads >= 0)


def row(size: float, demand_per_s: tuple[float, float], wait_s: float, seeds: int) -> str:
    """Return a row of the table."""
    gains, saved, terms = [], [], CoordinationParameters(wait_s, 3.0)
    for log in (two_hours(seed, size, demand_per_s) for seed in range(seeds)):
        found = tune(log.part(0, HOUR), terms, 0.0, 1.0, 1)
        gains.append((found.present.cost if found.present else 0.0, found.tuning_gain, found.held_out_gain))
        if found.proposed:
            both = tune(log, terms, 0.0, 1.0, 1)  # its last three blocks are the second hour
            chosen = next(tried for tried in both.tried if tried.setting == found.proposed.setting)
            later = sum(both.present.block_costs[3:]) - sum(chosen.block_costs[3:]) if both.present else 0.0
            saved.append((6 * found.proposed.saved, later))
    means = " | ".join(f"{value:.1f}" for value in np.mean(gains, axis=0))
    here, later = np.mean(saved, axis=0) if saved else (0.0, 0.0)
    after = f"{later:.1f} of {here:.1f}" if saved else "-"
    demand = " or ".join(f"{size * value:g}" for value in demand_per_s)
    return f"| {1.2 * size:g} req/s | {demand} req/s | {wait_s:g} s | {means} | {len(saved)} of {seeds} | {after} |"


def main(seeds: int) -> None:
    """Print the table of docs/tuning.md."""
    print(f"| {' | '.join(TITLES)} |\n{'|---' * len(TITLES)}|")
    for case in CASES:
        print(row(*case, seeds), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
