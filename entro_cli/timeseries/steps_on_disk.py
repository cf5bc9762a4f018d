"""Steps in a file of their own, so that a log may be longer than the memory is large."""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from tempfile import TemporaryFile
from typing import TypeVar
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from entro_cli.timeseries.steps import Steps
from entro_engine import EntroError, Stage

_Number = TypeVar("_Number", bound=np.generic)

_FLOAT_BYTES = 8
_FIELDS = ("loads", "peaks", "ends", "samples", "measured")


@dataclass(frozen=True)
class _Segment:
    """Steps that were appended together.

    Attributes:
        first: the first of them.
        count: how many they are.
        offset: where they are in the file.
        is_plain: whether each step of each stage has one sample, which is then all there is to be known.
    """

    first: int
    count: int
    offset: int
    is_plain: bool


class AnonymousFile:
    """A file without a name, which is gone when nobody has it any more."""

    def __init__(self) -> None:
        with TemporaryFile() as file:
            self._handle = os.dup(file.fileno())
        finalize(self, os.close, self._handle)

    def write(self, data: bytes, offset: int) -> int:
        """Write all of some bytes at a place; how many they are."""
        done = 0
        while done < len(data):
            done += os.pwrite(self._handle, memoryview(data)[done:], offset + done)
        return done

    def read(self, size: int, offset: int) -> bytes:
        """So many bytes from a place."""
        return os.pread(self._handle, size, offset)


@dataclass
class StoredSteps:
    """A pipeline's grid on disk: steps are appended, then read in parts, by several threads at once if need be.

    The file has no name, and is gone with the process.

    Attributes:
        stages: the N stages.
        start_ns: where the first step begins, nanoseconds since the epoch.
        step_ns: length of a step, nanoseconds.
        count: how many steps there are.
    """

    stages: tuple[Stage, ...]
    start_ns: int
    step_ns: int
    count: int = 0
    _kept: list[_Segment] = field(default_factory=list)
    _size: int = 0
    _rows: tuple[int, ...] = ()
    _file: AnonymousFile = field(default_factory=AnonymousFile)

    def __post_init__(self) -> None:
        """Each stage stands in its own row, at first."""
        self._rows = self._rows or tuple(range(len(self.stages)))

    @property
    def step_s(self) -> float:
        """Length of a step, s."""
        return self.step_ns / 1e9

    def of(self, stages: tuple[Stage, ...]) -> StoredSteps:
        """The same steps, the stages in another order, or full at other loads."""
        names = [stage.name for stage in self.stages]
        return replace(self, stages=stages, _rows=tuple(self._rows[names.index(stage.name)] for stage in stages))

    def append(self, steps: Steps) -> None:
        """Store the steps that follow.

        Raises:
            EntroError: when there is no room for them.
        """
        is_plain = bool(steps.measured.all() and (steps.samples == 1).all() and (steps.peaks == steps.loads).all())
        is_plain = is_plain and bool((steps.ends == steps.loads).all())
        arrays = [getattr(steps, name) for name in (_FIELDS[:1] if is_plain else _FIELDS)]
        self._kept.append(_Segment(self.count, steps.count, self._size, is_plain))
        try:
            for array in arrays:
                self._size += self._file.write(np.ascontiguousarray(array).tobytes(), self._size)
        except OSError as error:
            raise EntroError(
                f"there is no room for the steps of a long log: {error.strerror or error}",
                where="the temporary folder",
                remedy="set TMPDIR to a folder on a disk that has some",
            ) from error
        self.count += steps.count

    def part(self, first: int, after: int) -> Steps:
        """The steps from `first` up to but not including `after`."""
        place = max(bisect_right(self._kept, first, key=lambda kept: kept.first) - 1, 0)
        found = []
        while place < len(self._kept) and self._kept[place].first < after:
            kept = self._kept[place]
            found.append(self._read(kept, max(first - kept.first, 0), min(after - kept.first, kept.count)))
            place += 1
        start_ns = self.start_ns + first * self.step_ns
        if len(found) == 1:
            return replace(found[0], start_ns=start_ns)
        if not found:
            nothing = np.empty((len(self.stages), 0))
            counts, marks = nothing.astype(np.int64), nothing.astype(np.bool_)
            return Steps(self.stages, start_ns, self.step_ns, nothing, nothing, nothing, counts, marks)
        joined = {name: np.concatenate([getattr(part, name) for part in found], axis=1) for name in _FIELDS}
        return Steps(self.stages, start_ns, self.step_ns, **joined)

    def _read(self, kept: _Segment, begin: int, end: int) -> Steps:
        """Some of the steps that were appended together, counted from the first of those."""
        if kept.is_plain:
            loads = self._array(kept, kept.offset, begin, end, np.float64)
            ones, measured = np.ones(loads.shape, np.int64), np.ones(loads.shape, np.bool_)
            return Steps(self.stages, 0, self.step_ns, loads, loads, loads, ones, measured)
        size = len(self.stages) * kept.count * _FLOAT_BYTES
        places = [kept.offset + number * size for number in range(len(_FIELDS))]
        loads, peaks, ends = (self._array(kept, place, begin, end, np.float64) for place in places[:3])
        samples = self._array(kept, places[3], begin, end, np.int64)
        measured = self._array(kept, places[4], begin, end, np.bool_)
        return Steps(self.stages, 0, self.step_ns, loads, peaks, ends, samples, measured)

    def _array(self, kept: _Segment, offset: int, begin: int, end: int, kind: type[_Number]) -> NDArray[_Number]:
        """Some columns of an array of shape (N, kept.count) that stands at an offset."""
        size = np.dtype(kind).itemsize
        rows = [self._file.read((end - begin) * size, offset + (row * kept.count + begin) * size) for row in self._rows]
        return np.frombuffer(b"".join(rows), kind).reshape(len(self.stages), end - begin)
