"""Steps per second of the v9 engine: compiled by numba, without it, and beside NumPy's cumulative sum.

`python benchmarks/kernel.py [STEPS [ROUNDS]]` prints JSON: for each the number of steps and the seconds of each
round, run in turn, after one round that does not count.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from entro_engine import sequential
from entro_engine.entro_engine_v9 import RegimeTrace, replay

PLAIN_PART = 10
"""Without numba a tenth of the steps is enough to measure."""

STATES = ("regime", "energy", "memory", "effective_load", "stress_threshold", "critical_threshold", "stability")

Loads = NDArray[np.float64]


def replayed(psi: Loads, compiled: bool) -> RegimeTrace:
    """Replay a series, compiled or not."""
    sequential.WORTH_COMPILING = sequential.WORTH_CALLING = 1 if compiled else len(psi) + 1
    return replay(psi)[0]


def timed(call: Callable[[Loads], object], psi: Loads) -> float:
    """Time of a call, s."""
    begin = time.perf_counter()
    call(psi)
    return time.perf_counter() - begin


def same(psi: Loads) -> bool:
    """Whether plain and compiled loops give the same bits."""
    plain, compiled = (replayed(psi, compiled) for compiled in (False, True))
    return all(getattr(plain, name).tobytes() == getattr(compiled, name).tobytes() for name in STATES)


def main() -> None:
    """Measure and print."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    draw = np.random.default_rng(0)
    psi = np.clip(2.2 + 0.8 * np.sin(np.arange(steps) / 5000) + 0.5 * draw.standard_normal(steps), 0, None)
    variants: dict[str, tuple[Callable[[Loads], object], Loads]] = {
        "numpy.cumsum": (np.cumsum, psi),
        "without numba": (lambda some: replayed(some, compiled=False), psi[: max(steps // PLAIN_PART, 1)]),
    }
    if find_spec("numba"):
        assert same(psi[:100_000]), "numba gives other bits"
        variants["with numba"] = (lambda some: replayed(some, compiled=True), psi)
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, (call, some) in variants.items():
            seconds[name].append(timed(call, some))
    print(
        json.dumps({name: {"steps": len(variants[name][1]), "seconds": taken[1:]} for name, taken in seconds.items()})
    )


if __name__ == "__main__":
    main()
