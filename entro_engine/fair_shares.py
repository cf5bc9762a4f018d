"""Weighted max-min fair shares of one cap (chosen)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


def max_min_shares(wants: Sequence[float], weights: Sequence[float], total: float) -> list[float]:
    """Return give_i = min(want_i, weight_i x), with x so that the shares sum to `total` or all wants are met.

    Args:
        wants: what each would take, of at least 0, in any unit.
        weights: one per want, above 0.
        total: what there is, of at least 0, in the same unit.
    """
    shares = [0.0] * len(wants)
    # Those who want least for their weight are met first. What they leave raises the level of the others.
    order = sorted(range(len(wants)), key=lambda index: wants[index] / weights[index])
    weights_left = list(accumulate(weights[index] for index in reversed(order)))[::-1]
    left = total
    for index, weight in zip(order, weights_left, strict=True):
        shares[index] = min(wants[index], left * (weights[index] / weight))
        left = max(left - shares[index], 0.0)
    return shares
