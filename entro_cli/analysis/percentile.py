"""Exact percentiles of values that arrive in parts, without keeping them all."""

from __future__ import annotations

import math

import numpy as np

from entro_engine.entropy import FloatArray


class HighestValues:
    """The highest of some values, as many as a percentile of all of them needs.

    Args:
        most: the most values that there may be.
        percent: the percentile, 0..100.

    Attributes:
        count: number of all values.
    """

    def __init__(self, most: int, percent: float) -> None:
        self.count = 0
        self._share, self._values = percent / 100, np.empty(0)
        self._kept = math.ceil((1 - self._share) * most) + 2

    def add(self, values: FloatArray) -> None:
        """Add values, none of them NaN."""
        self.count += len(values)
        self._values = np.concatenate([self._values, values])
        if len(self._values) > 2 * self._kept:
            self._values = np.partition(self._values, -self._kept)[-self._kept :]

    def neighbours(self) -> tuple[float, float, float]:
        """Return the two values around the percentile, and its place between them, 0..1; of at least one value."""
        index = (self.count - 1) * self._share
        rank = math.floor(index)
        highest = np.sort(self._values)
        first = rank - (self.count - len(highest))
        return float(highest[first]), float(highest[min(first + 1, len(highest) - 1)]), index - rank
