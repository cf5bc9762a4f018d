"""Early warning: how long until the budget is reached if the load goes on as it does (from ENTROPIA)."""

from __future__ import annotations

import math

import numpy as np

from entro_engine.entropy import FloatArray

WINDOW_STEPS = 10
"""How many observed steps the slope is fitted to."""

LEAST_STEPS = 3
"""How many it needs at least."""

_AT_ONCE = 1 << 16
"""How many windows are worked on at once, so that a long log does not need ten times its own memory."""


def time_to_budget(times_s: FloatArray, psi_total: FloatArray, budget: float) -> FloatArray:
    """The time to budget, tau = (budget - Psi_total) / slope, in seconds (ENTROPIA, DOI 10.5281/zenodo.19416737).

    The slope is the least-squares slope of Psi_total over the last 10 observed steps and their times.

    Args:
        times_s: shape (steps,), s, increasing.
        psi_total: shape (steps,), nat; NaN without data.
        budget: nat.

    Returns:
        tau, shape (steps,): 0 at the budget and over it, infinite where Psi_total does not grow or fewer than 3 steps
        were observed so far, NaN without data.
    """
    tau = np.full(psi_total.shape, math.nan)
    observed = ~np.isnan(psi_total)
    seen = psi_total[observed]
    slope = _slopes(times_s[observed], seen)
    growing = slope > 0
    ahead = np.divide(budget - seen, slope, out=np.full(seen.shape, math.inf), where=growing)
    tau[observed] = np.where(seen >= budget, 0.0, ahead)
    return tau


def _slopes(times_s: FloatArray, values: FloatArray) -> FloatArray:
    """The least-squares slope at each point over it and up to nine before it, unit/s; NaN before the third."""
    slopes = np.full(values.shape, math.nan)
    for count in range(LEAST_STEPS, min(WINDOW_STEPS, len(values) + 1)):  # the first points have fewer before them
        slopes[count - 1] = _full_slopes(times_s[:count], values[:count], count)[0]
    whole = max(len(values) - WINDOW_STEPS + 1, 0)
    for first in range(0, whole, _AT_ONCE):
        after = min(first + _AT_ONCE, whole) + WINDOW_STEPS - 1
        slopes[first + WINDOW_STEPS - 1 : after] = _full_slopes(times_s[first:after], values[first:after], WINDOW_STEPS)
    return slopes


def _full_slopes(times_s: FloatArray, values: FloatArray, count: int) -> FloatArray:
    """The slope over each window of `count` points, unit/s."""
    windows = np.lib.stride_tricks.sliding_window_view(np.stack([times_s, values]), count, axis=1)
    # From the window's first point on: the slope of a flat stretch is exactly 0, at an epoch's large times too.
    ahead = windows - windows[..., :1]
    time, value = ahead - ahead.mean(axis=2, keepdims=True)
    return np.asarray((time * value).sum(axis=1) / (time * time).sum(axis=1))
