"""Measure how well the time to budget warns of crossings of the budget, on a load that comes in bursts.

`python benchmarks/early_warning.py`, with the Python that entro is installed for. Requests arrive at a server of 1.2
req/s at random, 0.7 or 2.2 a second on average, without control. An alarm is a run of steps within the budget whose
time to budget is below 30 s. It is false if the budget is not crossed within 60 s of its begin. A crossing counts after
60 s within the budget, and is caught if there was an alarm in them; the lead is that of the first. Steps are quiet if
no crossing follows within 60 s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from entro_engine import LLM, SCRAPER, replay_loads
from entro_engine.early_warning import time_to_budget
from entro_engine.entropy import FloatArray

STEPS = 200_000
CAPACITY, CALM, BUSY = 1.2, 0.7, 2.2
CALM_LASTS, BUSY_LASTS = 400.0, 50.0  # on average, steps
ALARM_S, HORIZON = 30.0, 60
Bools = NDArray[np.bool_]


def bursty_loads(seed: int = 1) -> FloatArray:
    """Return the rates and the queues at the end of each step, shape (2, STEPS)."""
    draw = np.random.default_rng(seed)
    lengths = draw.exponential(np.tile([CALM_LASTS, BUSY_LASTS], STEPS // 200)).astype(np.int64) + 1
    mean = np.repeat(np.tile([CALM, BUSY], STEPS // 200), lengths)[:STEPS]
    rates = draw.poisson(mean).astype(np.float64)
    level = np.cumsum(rates - CAPACITY)
    return np.stack([rates, level - np.minimum(np.minimum.accumulate(level), 0.0)])


def coming(marks: Bools) -> Bools:
    """Mark the steps that one of the marks follows within the horizon."""
    places = np.flatnonzero(marks)
    following = np.searchsorted(places, np.arange(len(marks)))
    ahead = np.append(places, 1 << 60)[following] - np.arange(len(marks))
    return np.asarray(ahead <= HORIZON)


def main() -> None:
    """Print a row: crossings, caught, median lead, false alarms, quiet steps with an alarm."""
    run = replay_loads((SCRAPER, LLM), bursty_loads(), 1.0)
    tau = time_to_budget(np.arange(run.steps, dtype=np.float64), run.coupled_load, run.budget)
    over = run.violated
    first_over = over & ~np.append(False, over[:-1])
    recent = np.convolve(over, np.ones(HORIZON), "full")[: run.steps]  # steps over the budget in the last 60 s
    crossings = first_over & (np.append(0.0, recent[:-1]) == 0)
    alarm = (tau < ALARM_S) & ~over
    begins = np.flatnonzero(alarm & ~np.append(False, alarm[:-1]))
    before = np.maximum(np.flatnonzero(crossings)[:, np.newaxis] - np.arange(HORIZON, 0, -1), 0)
    warned = alarm[before]
    caught = warned.any(axis=1)
    leads = HORIZON - warned.argmax(axis=1)[caught]
    is_quiet = ~over & ~coming(first_over)
    print("| crossings | caught | median lead | false alarms | alarm in quiet steps |\n|---|---|---|---|---|")
    print(
        f"| {crossings.sum()} | {caught.mean():.1%} | {np.median(leads):.0f} s "
        f"| {1 - coming(first_over)[begins].mean():.0%} | {alarm[is_quiet].mean():.1%} |"
    )


if __name__ == "__main__":
    main()
