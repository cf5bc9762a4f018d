"""The waits of requests that are served in the order in which they came."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entro_engine.entropy import FloatArray


@dataclass(frozen=True)
class Waits:
    """The waits of one run.

    Attributes:
        amounts: requests, one entry per group with one wait.
        waits_s: the wait of each group, s; for those not served, until the end of the run.
        is_served: whether the group was served.
    """

    amounts: FloatArray
    waits_s: FloatArray
    is_served: NDArray[np.bool_]

    def percentile(self, share: float) -> float:
        """Return the wait that this share (0..1) of the requests does not exceed, s; NaN without requests."""
        order = np.argsort(self.waits_s)
        reached = np.cumsum(self.amounts[order])
        if not len(reached) or reached[-1] <= 0:
            return math.nan
        index = np.searchsorted(reached, share * reached[-1])
        return float(self.waits_s[order][min(index, len(order) - 1)])

    def served_within(self, wait_s: float) -> float:
        """Return how many requests were served within a wait (s)."""
        return float(self.amounts[(self.waits_s <= wait_s) & self.is_served].sum())


def fifo_waits(arrived: FloatArray, served: FloatArray, initial: float, step_s: float) -> Iterator[Waits]:
    """Yield the waits of each run.

    Arrivals and service are spread evenly over their step. A group is what lies between two bends of the cumulative
    curves, and its wait is that of its middle, the horizontal distance between the curves (as in fluid queueing).

    Args:
        arrived: requests per step, shape (steps, runs).
        served: requests per step, shape (steps, runs).
        initial: requests at the start.
        step_s: length of a step, s.
    """
    times = step_s * np.arange(len(arrived) + 1)
    # Each run is a row, so that its curves lie together in memory. What is there at the start came at time 0.
    came = np.cumsum(np.pad(arrived.T, ((0, 0), (2, 0))), axis=1)
    came[:, 1:] += initial
    gone = np.cumsum(np.pad(served.T, ((0, 0), (1, 0))), axis=1)
    arrival_times = np.concatenate([[0.0], times])
    for curve, done in zip(came, gone, strict=True):
        bends = np.unique(np.concatenate([curve, done]))
        bends = bends[bends <= curve[-1]]
        middle, amounts = (bends[1:] + bends[:-1]) / 2, np.diff(bends)
        is_served = middle < done[-1]
        departure = np.where(is_served, np.interp(middle, done, times), times[-1])
        yield Waits(amounts, np.maximum(departure - np.interp(middle, curve, arrival_times), 0.0), is_served)
