"""The usual time between samples: the exact median, also of times in a mapped file that is larger than memory."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 20
"""Numbers that are looked at together, 8 MiB."""

_MAX_DIFFERENT = 1 << 20
"""Different intervals that are counted; a series with more of them is sorted as a whole."""


class Intervals:
    """Intervals between samples, by their lengths in nanoseconds."""

    def __init__(self) -> None:
        self.counts = Counter[int]()

    def add(self, times: NDArray[np.int64]) -> None:
        """Count the intervals between some times, which are sorted."""
        between = np.diff(times)
        if len(between) and (least := int(between.min())) == between.max():  # a regular log needs no sort
            self.counts[least] += len(between)
        elif len(between):
            values, counts = np.unique(between, return_counts=True)
            self.counts.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))

    @property
    def are_many(self) -> bool:
        """Whether there are too many different intervals to count them."""
        return len(self.counts) > _MAX_DIFFERENT

    @property
    def median(self) -> float:
        """The median, nanoseconds, as `numpy.median` computes it; 0 without intervals."""
        if not self.counts:
            return 0.0
        values = np.array(sorted(self.counts))
        ends = np.cumsum([self.counts[value] for value in values.tolist()])
        return float(values[np.searchsorted(ends, [(ends[-1] - 1) // 2, ends[-1] // 2], side="right")].mean())


def usual_interval(times: NDArray[np.int64]) -> float:
    """Return the median time between neighbouring samples, nanoseconds; at least two, sorted."""
    found = Intervals()
    for chunk in in_chunks(times, overlap=1):
        found.add(chunk)
        if found.are_many:
            return float(np.median(np.diff(times)))
    return found.median


def forget_pages(numbers: NDArray[Any]) -> None:
    """Give back the memory of an array in a mapped file, which is read again when it is needed; others stay."""
    base: Any = numbers
    while isinstance(base, np.ndarray):
        base = base.base
    file = base.obj if isinstance(base, memoryview) else base
    if isinstance(file, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        file.madvise(mmap.MADV_DONTNEED)


def in_chunks(numbers: NDArray[Any], overlap: int = 0) -> Iterator[NDArray[Any]]:
    """Yield an array in chunks, each with the first `overlap` numbers of the next one, with a few in memory at once."""
    for begin in range(0, max(len(numbers) - overlap, 0), _CHUNK):
        yield numbers[begin : begin + _CHUNK + overlap]
        forget_pages(numbers)
