"""The few operations that the laws need, on floats and on arrays, so that each law is written once and runs on both.

Both forms take log1p, tanh and exp from NumPy, because Python's `math` differs from NumPy in the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Elementwise:
    """One set of elementwise operations.

    Attributes:
        minimum: the smaller of two values.
        maximum: the larger of two values.
        where: the second argument where the first is true, else the third.
        log1p: log(1 + x).
        tanh: hyperbolic tangent.
        exp: e^x.
    """

    minimum: Callable[[Any, Any], Any]
    maximum: Callable[[Any, Any], Any]
    where: Callable[[Any, Any, Any], Any]
    log1p: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    exp: Callable[[Any], Any]


def _choose(condition: bool, yes: float, no: float) -> float:
    return yes if condition else no


def _on_float(function: Callable[[float], Any]) -> Callable[[float], float]:
    """Turn a NumPy function into one that takes and returns a plain float, with the same last bit as on an array."""
    return lambda x: float(function(x))


SCALAR = Elementwise(min, max, _choose, _on_float(np.log1p), _on_float(np.tanh), _on_float(np.exp))
"""For one run: plain floats, which are faster than arrays of one entry."""

ARRAY = Elementwise(np.minimum, np.maximum, np.where, np.log1p, np.tanh, np.exp)
"""For many runs side by side: arrays with one entry per run."""
