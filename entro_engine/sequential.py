"""Loops that cannot be vectorised, since each step needs the one before: in plain Python, or compiled where that pays.

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
"""Runs a kernel on inputs, outputs to fill, the state before the first step and constants; gives the state after it."""

WORTH_COMPILING = 3_000_000
"""From so many steps on a compiled loop makes up for the time that it takes to load the compiler."""

WORTH_CALLING = 300_000
"""The same where the compiler has been loaded for something else: only the machine code has to be read then."""


def loop_for(steps: int, worth: int | None = None) -> Loop:
    """How to run kernels over so many steps in all: compiled where that pays and numba is there, else as they are."""
    least = WORTH_CALLING if "numba" in sys.modules else worth or WORTH_COMPILING
    return _compiled if steps >= least and find_spec("numba") else _plain


def _plain(
    kernel: Kernel,
    inputs: Sequence[NDArray[Any]],
    outputs: Sequence[NDArray[Any]],
    state: tuple[Any, ...],
    constants: tuple[float, ...],
) -> tuple[Any, ...]:
    read = [values.tolist() for values in inputs]  # lists are twice as quick as arrays, one by one
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
    """The same kernel, compiled; the optional extra `fast` brings the compiler.

    The machine code is kept beside the module where that can be written to, so that it is made once.
    """
    import numba  # noqa: PLC0415 - takes a third of a second, so only where it pays

    try:
        return cast(Kernel, numba.njit(cache=True, nogil=True)(kernel))
    except RuntimeError:  # there is no place to keep it
        return cast(Kernel, numba.njit(nogil=True)(kernel))
