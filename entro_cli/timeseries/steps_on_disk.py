"""Steps and samples in temporary files, for logs that do not fit into memory."""

from __future__ import annotations

import mmap
import os
from bisect import bisect_right
from tempfile import TemporaryFile
from typing import Any
from weakref import finalize

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.core.files import no_temporary_space
from entro_cli.timeseries.observations import Observations
from entro_cli.timeseries.steps import LOAD_ARRAYS, Steps
from entro_engine import Stage

_DTYPES = {"samples": np.int64, "measured": np.bool_}
"""Types of the arrays that are not float64."""


class _Segment(Struct, frozen=True):
    """Steps that were appended together.

    Attributes:
        first: the first of them.
        count: number of steps.
        offset: their offset in the file.
        names: the arrays that are stored, in this order: only the loads if each step of each stage has one sample.
    """

    first: int
    count: int
    offset: int
    names: tuple[str, ...]


class AnonymousFile:
    """A temporary file without a name, which the system removes once it is closed."""

    def __init__(self) -> None:
        # pread and pwrite on a descriptor take an offset, so several threads may read at once.
        with TemporaryFile() as file:
            self._handle = os.dup(file.fileno())  # outlives `file`, which the context closes
        finalize(self, os.close, self._handle)

    def write(self, data: bytes, offset: int) -> int:
        """Write all bytes at an offset, and return their number."""
        done = 0
        while done < len(data):
            done += os.pwrite(self._handle, memoryview(data)[done:], offset + done)
        return done

    def read(self, size: int, offset: int) -> bytes:
        """Read bytes at an offset."""
        return os.pread(self._handle, size, offset)

    def mapped(self) -> mmap.mmap:
        """Return the content, of which the system keeps in memory what is looked at."""
        return mmap.mmap(self._handle, 0, access=mmap.ACCESS_READ)


class NumberFile:
    """Numbers in an anonymous file, which are appended and then mapped as one array."""

    def __init__(self) -> None:
        self._file, self._size, self._kind = AnonymousFile(), 0, np.dtype(np.float64)

    def append(self, numbers: NDArray[Any]) -> None:
        """Append numbers of the same kind as all others.

        Raises:
            EntroError: if the disk is full.
        """
        self._kind = numbers.dtype
        try:
            self._size += self._file.write(numbers.tobytes(), self._size)
        except OSError as error:
            raise no_temporary_space(error) from error

    def mapped(self) -> NDArray[Any]:
        """Return all numbers, at least one, as a mapped array."""
        return np.frombuffer(self._file.mapped(), self._kind)


class StoredSteps(Struct):
    """A pipeline's steps on disk: appended once, then read in parts, also by several threads at once.

    Attributes:
        stages: the N stages.
        start_ns: start of the first step, nanoseconds since the epoch.
        step_ns: length of a step, nanoseconds.
        count: number of steps.
    """

    stages: tuple[Stage, ...]
    start_ns: int
    step_ns: int
    count: int = 0
    _segments: list[_Segment] = field(default_factory=list)
    _size: int = 0
    _rows: tuple[int, ...] = ()
    _file: AnonymousFile = field(default_factory=AnonymousFile)

    def __post_init__(self) -> None:
        """Map each stage to its own row, unless `of` has mapped them in another order."""
        self._rows = self._rows or tuple(range(len(self.stages)))

    @property
    def step_s(self) -> float:
        """Length of a step, s."""
        return self.step_ns / 1e9

    def of(self, stages: tuple[Stage, ...]) -> StoredSteps:
        """Return the same steps with the stages in another order, or with other full loads."""
        names = [stage.name for stage in self.stages]
        return replace(self, stages=stages, _rows=tuple(self._rows[names.index(stage.name)] for stage in stages))

    def append(self, steps: Steps) -> None:
        """Store the next steps.

        Raises:
            EntroError: if the disk is full.
        """
        is_plain = bool(steps.measured.all() and (steps.samples == 1).all() and (steps.peaks == steps.loads).all())
        is_plain = is_plain and bool((steps.ends == steps.loads).all())
        names = LOAD_ARRAYS[:1] if is_plain and steps.waits is None else tuple(steps.arrays())
        self._segments.append(_Segment(self.count, steps.count, self._size, names))
        try:
            for name in names:
                self._size += self._file.write(np.ascontiguousarray(getattr(steps, name)).tobytes(), self._size)
        except OSError as error:
            raise no_temporary_space(error) from error
        self.count += steps.count

    def part(self, first: int, after: int) -> Steps:
        """Return the steps from `first` up to but not including `after`."""
        index = max(bisect_right(self._segments, first, key=lambda segment: segment.first) - 1, 0)
        parts = []
        while index < len(self._segments) and self._segments[index].first < after:
            segment = self._segments[index]
            begin, end = max(first - segment.first, 0), min(after - segment.first, segment.count)
            parts.append(self._read(segment, begin, end))
            index += 1
        start_ns = self.start_ns + first * self.step_ns
        if len(parts) == 1:
            return replace(parts[0], start_ns=start_ns)
        if not parts:
            empty = np.empty((len(self.stages), 0))
            counts, masks = empty.astype(np.int64), empty.astype(np.bool_)
            return Steps(self.stages, start_ns, self.step_ns, empty, empty, empty, counts, masks)
        joined = {name: np.concatenate([part.arrays()[name] for part in parts], axis=1) for name in parts[0].arrays()}
        return Steps(self.stages, start_ns, self.step_ns, **joined)

    def _read(self, segment: _Segment, begin: int, end: int) -> Steps:
        """Read steps of a segment, counted from its first."""
        arrays, offset = {}, segment.offset
        for name in segment.names:
            kind = np.dtype(_DTYPES.get(name, np.float64))
            arrays[name] = self._array(segment, offset, begin, end, kind)
            offset += len(self.stages) * segment.count * kind.itemsize
        if len(arrays) == 1:
            loads = arrays["loads"]
            ones, measured = np.ones(loads.shape, np.int64), np.ones(loads.shape, np.bool_)
            arrays |= {"peaks": loads, "ends": loads, "samples": ones, "measured": measured}
        return Steps(self.stages, 0, self.step_ns, **arrays)

    def _array(self, segment: _Segment, offset: int, begin: int, end: int, kind: np.dtype[Any]) -> NDArray[Any]:
        """Read columns of the array of shape (N, segment.count) at an offset."""
        rows = [
            self._file.read((end - begin) * kind.itemsize, offset + (row * segment.count + begin) * kind.itemsize)
            for row in self._rows
        ]
        return np.frombuffer(b"".join(rows), kind).reshape(len(self.stages), end - begin)


class StreamedLog(Struct, frozen=True):
    """A log that was resampled while it was read, so that its samples were never in memory at once.

    Attributes:
        observations: the file's observations, with only the first and the last sample of each stage.
        steps: the steps.
    """

    observations: Observations
    steps: StoredSteps
