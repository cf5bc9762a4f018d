"""Early warning: the time until the budget is reached if the load keeps growing as it does (from ENTROPIA)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from entro_engine.entropy import FloatArray

WINDOW_STEPS = 20
"""Number of observed steps in the least-squares fit."""

LEAST_STEPS = 3
"""Fewest observed steps that give a slope."""

_BATCH_WINDOWS = 1 << 16
"""Windows per batch. A window holds 20 values: without batches a long log would need 20 times its own memory."""


def time_to_budget(
    times_s: FloatArray, load: FloatArray, budget: float, at: NDArray[np.int64] | None = None
) -> FloatArray:
    """Return the time to budget, tau = (budget - P) / slope, s (ENTROPIA, DOI 10.5281/zenodo.19416737).

    The slope is the least-squares slope of the coupled load P over the last 20 observed steps, at their actual times.

    Args:
        times_s: shape (steps,), s, increasing.
        load: P, shape (steps,), nat; NaN without data.
        budget: nat.
        at: indices of the steps to compute, shape (selected,); None for all.

    Returns:
        tau, shape (selected,) or (steps,): 0 at or over the budget, infinite if P does not grow or fewer than 3
        steps were observed so far, NaN without data.
    """
    selected = np.arange(len(load)) if at is None else at
    tau = np.full(selected.shape, math.nan)
    is_observed = ~np.isnan(load)
    observed = np.flatnonzero(is_observed)
    has_data = is_observed[selected]
    now = load[selected[has_data]]
    slope = _slopes(times_s[observed], load[observed], np.searchsorted(observed, selected[has_data]))
    # A slope that is NaN (too few steps) or not positive leaves the forecast at infinity.
    forecast = np.divide(budget - now, slope, out=np.full(now.shape, math.inf), where=slope > 0)
    tau[has_data] = np.where(now >= budget, 0.0, forecast)
    return tau


def _slopes(times_s: FloatArray, values: FloatArray, at: NDArray[np.int64]) -> FloatArray:
    """Return the slope at the points `at`, each over the point and up to 19 before it, unit/s.

    The first two points have too few before them: their slope is NaN.
    """
    slopes = np.full(at.shape, math.nan)
    # The first points have shorter windows, one length each. All others have windows of one length.
    for count in range(LEAST_STEPS, WINDOW_STEPS):
        if len(short := np.flatnonzero(at == count - 1)):
            slopes[short] = _slope(times_s[np.newaxis, :count], values[np.newaxis, :count])
    full = np.flatnonzero(at >= WINDOW_STEPS - 1)
    for begin in range(0, len(full), _BATCH_WINDOWS):
        batch = full[begin : begin + _BATCH_WINDOWS]
        window = at[batch, np.newaxis] + np.arange(1 - WINDOW_STEPS, 1)
        slopes[batch] = _slope(times_s[window], values[window])
    return slopes


def _slope(times_s: FloatArray, values: FloatArray) -> FloatArray:
    """Return the least-squares slope of each row of points, unit/s."""
    # Measured from the row's first point, a flat row has a slope of exactly 0, even at the large times of an epoch.
    time, value = times_s - times_s[:, :1], values - values[:, :1]
    time, value = time - time.mean(axis=1, keepdims=True), value - value.mean(axis=1, keepdims=True)
    return np.asarray((time * value).sum(axis=1) / (time * time).sum(axis=1))
