"""Cells: the steps of one source of one stage that hold samples, what the grid makes of them and the history keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from entro_cli.observations import TimeArray
from entro_engine.entropy import FloatArray


@dataclass(frozen=True)
class Cells:
    """The steps with samples of one source of one stage, in the order of time; arrays of shape (cells,).

    Attributes:
        starts: where each step begins, nanoseconds since the epoch, each once.
        loads: the mean of the samples in it, in the stage's unit.
        peaks: the largest of them.
        ends: the last of them.
        samples: how many there were, at least 1.
        last: when the last of them was, nanoseconds since the epoch.
    """

    starts: TimeArray
    loads: FloatArray
    peaks: FloatArray
    ends: FloatArray
    samples: NDArray[np.int64]
    last: TimeArray

    def __len__(self) -> int:
        """How many there are."""
        return len(self.starts)

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Cells:
        """Those that an index or a mask picks."""
        return Cells(**{field.name: getattr(self, field.name)[which] for field in fields(self)})

    def between(self, begin: int, after: int) -> Cells:
        """Those whose step begins at `begin` (nanoseconds since the epoch) or later, and before `after`."""
        first, end = np.searchsorted(self.starts, [begin, after]).tolist()
        return self.take(slice(first, end))


def cells_of(times: TimeArray, values: FloatArray, origin: int, step_ns: int) -> Cells:
    """One source's samples as cells.

    Args:
        times: of the samples, nanoseconds since the epoch, sorted, each once, shape (samples,).
        values: loads in the stage's unit, shape (samples,).
        origin: where a step begins, nanoseconds since the epoch; the others begin whole steps from it.
        step_ns: length of a step, nanoseconds.
    """
    index = (times - origin) // step_ns
    firsts = np.flatnonzero(np.diff(index, prepend=index[:1] - 1))
    sizes = np.diff(firsts, append=len(index))
    if not len(firsts):
        return EMPTY
    return Cells(
        origin + index[firsts] * step_ns,
        np.add.reduceat(values, firsts) / sizes,
        np.maximum.reduceat(values, firsts),
        values[firsts + sizes - 1],
        sizes,
        times[firsts + sizes - 1],
    )


def merge_cells(parts: Sequence[Cells]) -> Cells:
    """One source's cells from several readings of it: of a step the cell with more samples, of equals the greater one.

    What comes out does not depend on the order of the readings, and reading one twice changes nothing.
    """
    every = {field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Cells)}
    order = np.lexsort([every[name] for name in ("last", "ends", "peaks", "loads", "samples", "starts")])
    starts = every["starts"][order]
    best = order[np.diff(starts, append=starts[-1:] + 1) != 0]
    return Cells(**{name: values[best] for name, values in every.items()})


EMPTY = Cells(*(np.empty(0, kind) for kind in (np.int64, float, float, float, np.int64, np.int64)))
"""No cells."""
