"""Loops that cannot be vectorised because each step needs the previous one, in plain Python or compiled by numba.

A kernel is a function of four tuples: arrays to read, arrays to fill, the state before the first step, and constants.
It returns the state after the last step. numba compiles the very function that also runs without it, so both give the
same bits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, cast

from numpy.typing import NDArray

Kernel = Callable[..., tuple[Any, ...]]

Loop = Callable[
    [Kernel, Sequence[NDArray[Any]], Sequence[NDArray[Any]], tuple[Any, ...], tuple[float, ...]], tuple[Any, ...]
]
"""Runs a kernel on inputs, outputs to fill, a state and constants, and returns the state after the last step."""

WORTH_COMPILING = 3_000_000
"""Steps from which a compiled loop saves more time than loading the compiler takes."""

WORTH_CALLING = 300_000
"""The same if numba is loaded already: then only the machine code has to be loaded."""


def loop_for(steps: int, worth: int | None = None) -> Loop:
    """Return the way to run kernels over `steps` steps in all: compiled if numba is installed and it pays off.

    Args:
        steps: number of steps of all parts together.
        worth: the number of steps from which compiling pays off; `WORTH_COMPILING` by default.
    """
    # Looking for numba without importing it: the import itself is what must pay off.
    least = WORTH_CALLING if "numba" in sys.modules else worth or WORTH_COMPILING
    return _compiled if steps >= least and find_spec("numba") else _plain


def _plain(
    kernel: Kernel,
    inputs: Sequence[NDArray[Any]],
    outputs: Sequence[NDArray[Any]],
    state: tuple[Any, ...],
    constants: tuple[float, ...],
) -> tuple[Any, ...]:
    read = [values.tolist() for values in inputs]  # item access is twice as fast in lists as in arrays
    filled: list[list[Any]] = [[0] * len(read[0]) for _ in outputs]
    state = kernel(tuple(read), tuple(filled), state, constants)
    for out, values in zip(outputs, filled, strict=True):
        out[:] = values
    return state


def _compiled(
    kernel: Kernel,
    inputs: Sequence[NDArray[Any]],
    outputs: Sequence[NDArray[Any]],
    state: tuple[Any, ...],
    constants: tuple[float, ...],
) -> tuple[Any, ...]:
    return compiled(kernel)(tuple(inputs), tuple(outputs), state, constants)


@cache
def compiled(kernel: Kernel) -> Kernel:
    """Return the kernel compiled by numba, which the optional extra `fast` installs.

    numba caches the machine code beside the module if that folder is writable, so that it compiles only once.
    """
    import numba  # noqa: PLC0415 - takes a third of a second, so only if it pays off

    try:
        return cast(Kernel, numba.njit(cache=True, nogil=True)(kernel))
    except RuntimeError:  # numba finds no writable folder for its cache
        return cast(Kernel, numba.njit(nogil=True)(kernel))
