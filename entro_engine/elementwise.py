"""The few operations a law needs, on floats and on arrays: so that a law is written once and runs on both.

Both forms take log1p and tanh from NumPy, since Python's `math` differs from it in the last bit.
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
        minimum: the smaller of two.
        maximum: the larger of two.
        where: the second argument where the first is true, else the third.
        log1p: log(1 + x).
        tanh: hyperbolic tangent.
    """

    minimum: Callable[[Any, Any], Any]
    maximum: Callable[[Any, Any], Any]
    where: Callable[[Any, Any, Any], Any]
    log1p: Callable[[Any], Any]
    tanh: Callable[[Any], Any]


def _choose(condition: bool, yes: float, no: float) -> float:
    return yes if condition else no


def _on_float(function: Callable[[float], Any]) -> Callable[[float], float]:
    """A NumPy function on a plain float, giving one: the last bit is then the same as on an array."""
    return lambda x: float(function(x))


SCALAR = Elementwise(min, max, _choose, _on_float(np.log1p), _on_float(np.tanh))
"""One run: plain floats, quick step by step."""

ARRAY = Elementwise(np.minimum, np.maximum, np.where, np.log1p, np.tanh)
"""Many runs side by side: an array with an entry a run."""
