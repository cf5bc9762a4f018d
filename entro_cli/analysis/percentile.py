"""Exact percentiles of more values than fit into memory, found by iterating over them several times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from entro_engine.entropy import FloatArray

HELD = 1 << 23
"""Values that are held in memory, 64 MiB."""

_BINS = 1 << 12

Parts = Callable[[], Iterator[FloatArray]]
"""Returns an iterator over the values, in parts. Every call gives the same values."""


def percentile(parts: Parts, percent: float, held: int = HELD) -> float | None:
    """Return a percentile with linear interpolation, equal to `numpy.percentile` of all values at once.

    Args:
        parts: the values, none of them NaN.
        percent: 0..100.
        held: number of values that may be in memory at once.

    Returns:
        The percentile, in the unit of the values; None if there are no values.
    """
    kept = np.empty(held)  # the system provides memory only for the pages that are filled
    count, low, high = 0, math.inf, -math.inf
    for values in parts():
        if not len(values):
            continue
        if count + len(values) <= len(kept):
            kept[count : count + len(values)] = values
        else:  # too many: only count them and find their range
            kept = np.empty(0)
        count, low, high = count + len(values), min(low, float(values.min())), max(high, float(values.max()))
    if not count:
        return None
    if len(kept):
        return float(np.percentile(kept[:count], percent, overwrite_input=True))
    index = (count - 1) * (percent / 100)
    rank = math.floor(index)
    return float(np.quantile(_neighbours(parts, rank, count, (low, high), held), index - rank))


def _neighbours(parts: Parts, rank: int, count: int, between: tuple[float, float], held: int) -> list[float]:
    """Return the value of a rank and the next one, among all values between two limits. The last value is its own next.

    Each pass counts the values in bins and narrows the range to the bin of the rank, until the rest fits into memory.
    """
    (low, high), before, within = between, 0, count
    while within > held and low < high:
        edges = np.linspace(low, high, _BINS + 1)
        counts = np.zeros(_BINS, np.int64)
        for values in parts():
            inside = values[(values >= low) & (values <= high)]
            counts += np.bincount(np.searchsorted(edges[1:-1], inside, side="right"), minlength=_BINS)
        ends = before + np.cumsum(counts)
        index = int(np.searchsorted(ends, rank, side="right"))
        before, within = int(ends[index] - counts[index]), int(counts[index])
        # The last bin includes its upper edge, as the range does. All others end just below the next.
        if index < _BINS - 1:
            high = float(np.nextafter(edges[index + 1], -math.inf))
        low = float(edges[index])
    found: list[FloatArray] = []
    above = math.inf  # the smallest value above the range, which follows the last one in it
    for values in parts():
        above = min(above, float(values[values > high].min(initial=math.inf)))
        if low < high:
            found.append(values[(values >= low) & (values <= high)])
    ranked = np.sort(np.concatenate(found)) if found else np.broadcast_to(low, within)
    pair = [float(value) for value in ranked[rank - before : rank - before + 2]]
    return pair if len(pair) > 1 else [pair[0], above if math.isfinite(above) else pair[0]]
