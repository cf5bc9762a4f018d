"""Joined series: one source's samples of one stage from several logs, and the relation of a later log to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import reduce
from operator import and_

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.timeseries.observations import Idle, Measure, Series, TimeArray
from entro_engine.entropy import FloatArray

_PROBES = 64
"""Samples that are compared first, spread evenly. Series that differ nearly always differ in one of them."""


_TELLING_CHANGES = 10
"""Chosen: changes between the samples that two logs have in common, from which on they are hardly of two programs."""


class Relation(Enum):
    """The relation of a later series to a source.

    The value describes the log in JSON documents (`taken_as`); it is empty if the log is not part of the source.
    """

    ADDS = "adds to a source"
    COPY = "a copy of a source, in part"
    CONTINUED = "continues a source"
    PARALLEL = ""


class JoinedSeries(Struct):
    """One source's series of one stage.

    The samples are kept in pieces and joined once: joining at each log would copy a thousand logs a thousand times.

    Attributes:
        pieces: consecutive pieces, each with later samples than the one before. All else is as in the first.
        is_sum: True once additive series were summed. The first piece then has its levels as adjacent spans.
    """

    pieces: list[Series]
    is_sum: bool = False

    def relation(self, later: Series) -> Relation:
        """Return the relation of another series, from a log that does not begin before the logs of this one."""
        end = int(self.pieces[-1].times[-1])
        is_additive = self.pieces[0].is_additive and later.is_additive
        # Spans and events may touch: one log may end with a span, or with events, at the time the next begins.
        if not is_additive and (
            later.first_ns > end or (later.measure is not Measure.SAMPLES and later.first_ns == end)
        ):
            return Relation.CONTINUED
        if is_additive:
            return Relation.COPY if _contains(self._last_from(int(later.times[0])), later) else Relation.ADDS
        return Relation.PARALLEL if self._in_common(later) is None else Relation.COPY

    def shows_course(self, later: Series) -> bool:
        """Return whether another series has the same samples, and these, or the times between events, change often."""
        common = self._in_common(later)
        if common is None:
            return False
        changes = np.diff(np.diff(common.times) if common.measure is Measure.EVENTS else common.values)
        return int(np.count_nonzero(changes)) >= _TELLING_CHANGES

    def overlaps_with(self, copy: Series) -> bool:
        """Return whether a copy begins and ends later, and shares one sample or many that change often.

        Exports of one day after the other may both have the sample of midnight.
        """
        first, end = self.pieces[0].first_ns, int(self.pieces[-1].times[-1])
        if copy.first_ns <= first or copy.times[-1] <= end:
            return False
        return copy.first_ns == end or self.shows_course(copy)

    def _in_common(self, later: Series) -> Series | None:
        """Return the samples that both have, where both have data; None if each lacks one of the other there."""
        last = self._last_from(int(later.times[0]))
        low = int(max(self.pieces[0].times[0], later.times[0]))
        high = int(min(self.pieces[-1].times[-1], later.times[-1]))
        if later.is_additive:  # of the moments at which a log begins and ends, it may have only some of the requests
            filled = [one.times[one.values != 0] for one in (last, later)]
            low, high = low + 1, min([high, *(int(times[-1]) for times in filled if len(times))]) - 1
        first, second = _between(last, low, high), _between(later, low, high)
        if not len(first.times) or not len(second.times):
            return None
        # A copy has the same samples, though one of the two may lack some.
        if _contains(second, first):
            return first
        return second if _contains(first, second) else None

    def join(self, later: Series, adds: bool) -> None:
        """Add a series.

        Args:
            later: a series of a log that does not begin before the logs of this one.
            adds: True to sum it with the samples so far.
        """
        if adds:
            self.pieces = self.pieces if self.is_sum else [_summed([self.series])]
            self.is_sum = True
            self._change_from(later.first_ns, later, lambda first, second: _summed([first, second]))
        elif later.times[0] > self.pieces[-1].times[-1]:
            like_first = replace(
                self.pieces[0],
                times=later.times,
                values=later.values,
                begins=later.begins,
                idle=later.idle,
                waiting=later.waiting,
            )
            self.pieces.append(like_first)
        else:
            self._change_from(int(later.times[0]), later, _merged)

    @property
    def series(self) -> Series:
        """The whole series in one piece."""
        if len(self.pieces) > 1:
            self.pieces = [_concatenated(self.pieces)]
        return self.pieces[0]

    def _last_from(self, moment: int) -> Series:
        """Join the last pieces so that the last one begins at or before a moment (ns since the epoch). Return it."""
        place = len(self.pieces) - 1
        while place and int(self.pieces[place].times[0]) > moment:
            place -= 1
        self.pieces[place:] = [_concatenated(self.pieces[place:])]
        return self.pieces[-1]

    def _change_from(self, moment: int, later: Series, change: Callable[[Series, Series], Series]) -> None:
        """Change the samples from a moment on, and the last sample before it, whose span may reach further."""
        last = self._last_from(moment)
        place = max(int(np.searchsorted(last.times, moment, side="right")) - 1, 0)
        before = [last.take(slice(0, place))] if place else []
        self.pieces[-1:] = [*before, change(last.take(slice(place, None)), later)]


def _between(series: Series, low: int, high: int) -> Series:
    first, after = np.searchsorted(series.times, [low, high + 1]).tolist()
    return series.take(slice(first, after))


def _contains(series: Series, part: Series) -> bool:
    """Return True if every sample of one series is also one of the other."""
    probes = slice(None, None, max(len(part.times) // _PROBES, 1))
    return all(_contains_samples(series, part.times[some], part.values[some]) for some in (probes, slice(None)))


def _contains_samples(series: Series, times: TimeArray, values: FloatArray) -> bool:
    places = np.minimum(np.searchsorted(series.times, times), len(series.times) - 1)
    return np.array_equal(series.times[places], times) and np.array_equal(series.values[places], values)


def _concatenated(pieces: list[Series]) -> Series:
    """Return consecutive series as one."""
    if len(pieces) == 1:
        return pieces[0]
    times, values = (
        np.concatenate(parts) for parts in zip(*((piece.times, piece.values) for piece in pieces), strict=True)
    )
    begins = [piece.begins for piece in pieces if piece.begins is not None]
    whole = np.concatenate(begins) if len(begins) == len(pieces) else None
    idle = Idle.joined(pieces[0].idle, pieces[-1].idle)
    return replace(pieces[0], times=times, values=values, begins=whole, idle=idle, waiting=waiting_of_all(pieces))


def waiting_of_all(pieces: Sequence[Series]) -> TimeArray | None:
    """Return the waiting requests of several series, one after the other; None if one does not know its own."""
    known = [piece.waiting for piece in pieces if piece.waiting is not None]
    return np.concatenate(known, axis=1) if len(known) == len(pieces) else None


def _merged(first: Series, second: Series) -> Series:
    """Return the samples of both series by time, those that both have once.

    Where events of one series end at the time at which those of the other begin, their counts add up.
    """
    # unique() returns the first index of each time, so samples of the first series win.
    times, places = np.unique(np.concatenate([first.times, second.times]), return_index=True)
    values = np.concatenate([first.values, second.values])[places]
    if first.measure is Measure.EVENTS and not first.is_additive and first.times[-1] == second.times[0]:
        values[np.searchsorted(times, second.times[0])] += second.values[0]
    begins = None
    if first.begins is not None and second.begins is not None:
        begins = np.concatenate([first.begins, second.begins])[places]
    waiting = waiting_of_all([first, second])
    return replace(
        first,
        times=times,
        values=values,
        begins=begins,
        idle=Idle.joined(first.idle, max(first, second, key=lambda one: int(one.times[-1])).idle),
        waiting=None if waiting is None else waiting[:, places],
    )


def _summed(parts: Sequence[Series]) -> Series:
    """Return the sum of additive series: counts of events at one time add up, levels are summed."""
    begins, ends = [part.begins for part in parts if part.begins is not None], [part.times for part in parts]
    if len(begins) < len(parts):
        times, places = np.unique(np.concatenate(ends), return_inverse=True)
        values = np.bincount(places, np.concatenate([part.values for part in parts])).astype(np.float64)
        return replace(parts[0], times=times, values=values)
    # Between two neighbouring edges nothing changes. Equal neighbours become one span.
    edges = np.unique(np.concatenate([*begins, *ends]))
    levels = np.sum([_level_at(part, edges[:-1]) for part in parts], axis=0)
    is_new = np.diff(levels, prepend=np.nan) != 0
    known = [_waiting_at(part, part.waiting, edges) for part in parts if part.waiting is not None]
    waiting = np.max(known, axis=0) if len(known) == len(parts) else None
    if waiting is not None:
        arrivals = np.where(levels > 0, edges[1:] - waiting[0], 0)  # of the oldest request
        is_new |= (np.diff([arrivals, waiting[1]], prepend=-1) != 0).any(axis=0)
    first = np.flatnonzero(is_new)
    last = np.append(first[1:], len(levels)) - 1
    return replace(
        parts[0],
        begins=edges[first],
        times=edges[last + 1],
        values=levels[first],
        idle=reduce(and_, (part.idle for part in parts)),
        waiting=None if waiting is None else waiting[:, last],
    )


def _level_at(series: Series, moments: TimeArray) -> FloatArray:
    """Return the level of spans from each moment on; 0 where there is no span."""
    span, is_inside = _spans_at(series, moments)
    return np.where(is_inside, series.values[span], 0.0)


def _waiting_at(series: Series, waiting: TimeArray, edges: TimeArray) -> TimeArray:
    """Return the waiting requests of spans between neighbouring edges, among which are all of its own."""
    span, is_inside = _spans_at(series, edges[:-1])
    age, whole = waiting[:, span]
    return np.where(is_inside & (series.values[span] > 0), [age - (series.times[span] - edges[1:]), whole], 0)


def _spans_at(series: Series, moments: TimeArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the index of the last span that begins at each moment or before, and whether it still goes on there."""
    begins = series.times if series.begins is None else series.begins
    place = np.searchsorted(begins, moments, side="right") - 1
    span = np.maximum(place, 0)
    return span, (place >= 0) & (moments < series.times[span])
