"""Percentiles of more values than the memory holds: exact, by looking at them several times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from entro_engine.entropy import FloatArray

HELD = 1 << 23
"""So many values are held in memory, 64 MiB of them."""

_BINS = 1 << 12

Parts = Callable[[], Iterator[FloatArray]]
"""Gives the values, some at a time, the same ones each time it is asked."""


def percentile(parts: Parts, percent: float, held: int = HELD) -> float | None:
    """A percentile of values that come in parts, with linear interpolation: that of `numpy.percentile` of all of them.

    Args:
        parts: the values, none of them NaN.
        percent: 0..100.
        held: how many values may be in memory at once.

    Returns:
        The percentile, in the unit of the values; None of none.
    """
    kept = np.empty(held)  # takes memory only where it is filled
    count, low, high = 0, math.inf, -math.inf
    for values in parts():
        if not len(values):
            continue
        if count + len(values) <= len(kept):
            kept[count : count + len(values)] = values
        else:
            kept = np.empty(0)
        count, low, high = count + len(values), min(low, float(values.min())), max(high, float(values.max()))
    if not count:
        return None
    if len(kept):
        return float(np.percentile(kept[:count], percent, overwrite_input=True))
    place = (count - 1) * (percent / 100)
    rank = math.floor(place)
    return float(np.quantile(_neighbours(parts, rank, count, (low, high), held), place - rank))


def _neighbours(parts: Parts, rank: int, count: int, between: tuple[float, float], held: int) -> list[float]:
    """The value of a rank and the next one, of so many values between two; the last one twice."""
    (low, high), before, within = between, 0, count
    while within > held and low < high:
        edges = np.linspace(low, high, _BINS + 1)
        counts = np.zeros(_BINS, np.int64)
        for values in parts():
            inside = values[(values >= low) & (values <= high)]
            counts += np.bincount(np.searchsorted(edges[1:-1], inside, side="right"), minlength=_BINS)
        ends = before + np.cumsum(counts)
        place = int(np.searchsorted(ends, rank, side="right"))
        before, within = int(ends[place] - counts[place]), int(counts[place])
        if place < _BINS - 1:
            high = float(np.nextafter(edges[place + 1], -math.inf))
        low = float(edges[place])
    found: list[FloatArray] = []
    above = math.inf
    for values in parts():
        above = min(above, float(values[values > high].min(initial=math.inf)))
        if low < high:
            found.append(values[(values >= low) & (values <= high)])
    ranked = np.sort(np.concatenate(found)) if found else np.broadcast_to(low, within)
    pair = [float(value) for value in ranked[rank - before : rank - before + 2]]
    return pair if len(pair) > 1 else [pair[0], above if math.isfinite(above) else pair[0]]
