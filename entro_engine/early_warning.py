"""Early warning: how long until the budget is reached if the load goes on as it does (from ENTROPIA)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from entro_engine.entropy import FloatArray

WINDOW_STEPS = 10
"""How many observed steps the slope is fitted to."""

LEAST_STEPS = 3
"""How many it needs at least."""

_AT_ONCE = 1 << 16
"""How many windows are worked on at once, so that a long log does not need ten times its own memory."""


def time_to_budget(
    times_s: FloatArray, psi_total: FloatArray, budget: float, at: NDArray[np.int64] | None = None
) -> FloatArray:
    """The time to budget, tau = (budget - Psi_total) / slope, in seconds (ENTROPIA, DOI 10.5281/zenodo.19416737).

    The slope is the least-squares slope of Psi_total over the last 10 observed steps and their times.

    Args:
        times_s: shape (steps,), s, increasing.
        psi_total: shape (steps,), nat; NaN without data.
        budget: nat.
        at: which steps are asked for, their indices, shape (asked,); None for all.

    Returns:
        tau, shape (asked,) or (steps,): 0 at the budget and over it, infinite where Psi_total does not grow or fewer
        than 3 steps were observed so far, NaN without data.
    """
    asked = np.arange(len(psi_total)) if at is None else at
    tau = np.full(asked.shape, math.nan)
    observed = ~np.isnan(psi_total)
    seen = np.flatnonzero(observed)
    has_data = observed[asked]
    now = psi_total[asked[has_data]]
    slope = _slopes(times_s[seen], psi_total[seen], np.searchsorted(seen, asked[has_data]))
    ahead = np.divide(budget - now, slope, out=np.full(now.shape, math.inf), where=slope > 0)
    tau[has_data] = np.where(now >= budget, 0.0, ahead)
    return tau


def _slopes(times_s: FloatArray, values: FloatArray, at: NDArray[np.int64]) -> FloatArray:
    """The least-squares slope at some points over each and up to nine before it, unit/s; NaN before the third."""
    slopes = np.full(at.shape, math.nan)
    for count in range(LEAST_STEPS, WINDOW_STEPS):  # the first points have fewer before them
        if len(some := np.flatnonzero(at == count - 1)):
            slopes[some] = _slope(times_s[np.newaxis, :count], values[np.newaxis, :count])
    whole = np.flatnonzero(at >= WINDOW_STEPS - 1)
    for begin in range(0, len(whole), _AT_ONCE):
        some = whole[begin : begin + _AT_ONCE]
        window = at[some, np.newaxis] + np.arange(1 - WINDOW_STEPS, 1)
        slopes[some] = _slope(times_s[window], values[window])
    return slopes


def _slope(times_s: FloatArray, values: FloatArray) -> FloatArray:
    """The slope over each row of points, unit/s."""
    # From the row's first point on: the slope of a flat stretch is exactly 0, at an epoch's large times too.
    time, value = times_s - times_s[:, :1], values - values[:, :1]
    time, value = time - time.mean(axis=1, keepdims=True), value - value.mean(axis=1, keepdims=True)
    return np.asarray((time * value).sum(axis=1) / (time * time).sum(axis=1))
