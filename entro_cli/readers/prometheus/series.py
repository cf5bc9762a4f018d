"""Series of metrics: their samples in a log, and what is kept of them for the rest of it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import numpy as np

from entro_cli.timeseries.observations import TimeArray
from entro_engine import EntroError
from entro_engine.entropy import FloatArray


class MetricSeries(msgspec.Struct, frozen=True):
    """One series of a metric.

    Attributes:
        labels: its labels; the metric's name is `__name__`, if it has one.
        times: nanoseconds since the epoch, sorted, each once, shape (samples,).
        values: finite numbers, shape (samples,).
        is_counter: whether it only grows, by its type; None if its source gives no type.
        place: its index among the series of the log.
    """

    labels: Mapping[str, str]
    times: TimeArray
    values: FloatArray
    is_counter: bool | None = None
    place: int = 0

    @property
    def name(self) -> str:
        """The metric's name; empty for an expression."""
        return self.labels.get("__name__", "")


class KeptSeries(msgspec.Struct):
    """The last samples of a series behind some lines of a log.

    Attributes:
        labels, is_counter: as in `MetricSeries`.
        times: nanoseconds since the epoch.
        values: the numbers at these times.
    """

    labels: dict[str, str]
    is_counter: bool | None
    times: list[int]
    values: list[float]


class MetricSamples:
    """The samples of a log, by series.

    Args:
        kept: the series behind the lines that were read before.

    Attributes:
        not_finite: the number of samples that are NaN or infinite, which are left out; set by `series`.
        is_first: whether no lines were read before.
        malformed: the number of entries that are not samples.
        last: the last value of each series, by its index.
        new: the number of samples that were not kept; set by `series`.
    """

    def __init__(self, kept: Iterable[KeptSeries] = ()) -> None:
        self.not_finite = self.malformed = self.new = 0
        self.last: dict[int, float] = {}
        self._places: dict[tuple[tuple[str, str], ...], int] = {}
        self._types: list[bool | None] = []
        self._of, self._times, self._values = array("q"), array("q"), array("d")
        for part in kept:
            self.extend(self.place(part.labels, part.is_counter), part.times, part.values)
        self._kept = len(self._of)
        self.is_first = not self._kept

    def place(self, labels: Mapping[str, str], is_counter: bool | None = None) -> int:
        """Return the index of a series, which may be a new one."""
        place = self._places.setdefault(tuple(sorted(labels.items())), len(self._types))
        if place == len(self._types):
            self._types.append(is_counter)
        return place

    def extend(self, place: int, times: Sequence[int], values: Sequence[float]) -> None:
        """Add samples of a series, with their times in nanoseconds since the epoch."""
        self._of.extend([place] * len(times))
        self._times.extend(times)
        self._values.extend(values)
        if values:
            self.last[place] = values[-1]

    def labels(self, place: int) -> dict[str, str]:
        """Return the labels of a series."""
        return dict([*self._places][place])

    def series(self, clash: Callable[[Mapping[str, str]], EntroError]) -> list[MetricSeries]:
        """Return all series, also those without a sample.

        Args:
            clash: makes the error for a series, given its labels, that has two values at one time.

        Raises:
            EntroError: if there is such a series.
        """
        of, times, values = np.array(self._of, np.int64), np.array(self._times, np.int64), np.array(self._values)
        finite = np.isfinite(values)
        self.not_finite = int((~finite).sum())
        order = np.lexsort((values[finite], times[finite], of[finite]))
        of, times, values = of[finite][order], times[finite][order], values[finite][order]
        is_new = (np.diff(of, prepend=-1) != 0) | (np.diff(times, prepend=-1) != 0)
        differ = ~is_new & (np.diff(values, prepend=0) != 0)
        if differ.any():
            raise clash(self.labels(int(of[differ][0])))
        of, times, values = of[is_new], times[is_new], values[is_new]
        self.new = len(of) - self._kept
        ends = np.searchsorted(of, np.arange(len(self._types) + 1))
        return [
            MetricSeries(dict(labels), times[begin:end], values[begin:end], self._types[place], place)
            for place, (labels, begin, end) in enumerate(zip(self._places, ends[:-1], ends[1:], strict=True))
        ]


def keep(series: Sequence[MetricSeries], until: int) -> list[KeptSeries]:
    """Return of each series the samples after a time, and two before it, which show its interval."""
    first = (max(int(np.searchsorted(part.times, until, side="right")) - 2, 0) for part in series)
    return [
        KeptSeries(dict(part.labels), part.is_counter, part.times[begin:].tolist(), part.values[begin:].tolist())
        for part, begin in zip(series, first, strict=True)
    ]
