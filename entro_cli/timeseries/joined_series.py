"""A source's series of one stage, in pieces that follow one another, and how a later log's series goes with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from entro_cli.timeseries.observations import Measure, Series, TimeArray
from entro_engine.entropy import FloatArray

_PROBES = 64
"""How many samples, spread over all, are looked at first: series that differ do so in most places."""


class Relation(Enum):
    """How a later series goes with a source; the value says it of the log in words, empty where it is no part of it."""

    ADDS = "adds to a source"
    COPY = "a copy of a source, in part"
    CONTINUED = "continues a source"
    PARALLEL = ""


@dataclass
class JoinedSeries:
    """A source's series of one stage; pieces, so that a thousand logs are not copied a thousand times.

    Attributes:
        pieces: the samples of each are later than those of the piece before; all else is as in the first.
        is_sum: whether series came on top of others, so that levels are told without a break, and once each.
    """

    pieces: list[Series]
    is_sum: bool = False

    def relation(self, later: Series) -> Relation:
        """How a series goes with this one, that of a log which does not begin before those in here."""
        end = int(self.pieces[-1].times[-1])
        adds_up = self.pieces[0].is_additive and later.is_additive
        if not adds_up and (later.first_ns > end or (later.measure is not Measure.SAMPLES and later.first_ns == end)):
            return Relation.CONTINUED
        last = self._last_from(int(later.times[0]))
        if adds_up:
            return Relation.COPY if _holds(last, later) else Relation.ADDS
        low, high = int(max(self.pieces[0].times[0], later.times[0])), min(end, int(later.times[-1]))
        first, second = _between(last, low, high), _between(later, low, high)
        some = len(first.times) and len(second.times)
        return Relation.COPY if some and (_holds(second, first) or _holds(first, second)) else Relation.PARALLEL

    def join(self, later: Series, adds: bool) -> None:
        """Take a series in.

        Args:
            later: that of a log which does not begin before those in here.
            adds: whether it comes on top of what is here.
        """
        if adds:
            self.pieces = self.pieces if self.is_sum else [_added([self.series])]
            self.is_sum = True
            self._change_from(later.first_ns, later, lambda first, second: _added([first, second]))
        elif later.times[0] > self.pieces[-1].times[-1]:
            like_first = replace(self.pieces[0], times=later.times, values=later.values, begins=later.begins)
            self.pieces.append(like_first)
        else:
            self._change_from(int(later.times[0]), later, _together)

    @property
    def series(self) -> Series:
        """All of it as one."""
        if len(self.pieces) > 1:
            self.pieces = [_in_a_row(self.pieces)]
        return self.pieces[0]

    def _last_from(self, moment: int) -> Series:
        """The last piece, made to reach back to the last sample before a moment, nanoseconds since the epoch."""
        place = len(self.pieces) - 1
        while place and int(self.pieces[place].times[0]) > moment:
            place -= 1
        self.pieces[place:] = [_in_a_row(self.pieces[place:])]
        return self.pieces[-1]

    def _change_from(self, moment: int, later: Series, change: Callable[[Series, Series], Series]) -> None:
        """Take a series in that changes nothing before a moment but how long the last level lasts."""
        last = self._last_from(moment)
        place = max(int(np.searchsorted(last.times, moment, side="right")) - 1, 0)
        before = [_part(last, 0, place)] if place else []
        self.pieces[-1:] = [*before, change(_part(last, place, None), later)]


def _part(series: Series, begin: int, end: int | None) -> Series:
    part = slice(begin, end)
    begins = None if series.begins is None else series.begins[part]
    return replace(series, times=series.times[part], values=series.values[part], begins=begins)


def _between(series: Series, low: int, high: int) -> Series:
    first, after = np.searchsorted(series.times, [low, high + 1]).tolist()
    return _part(series, first, after)


def _holds(all_of: Series, some: Series) -> bool:
    """Whether every sample of one series is one of another, too."""
    thin = slice(None, None, max(len(some.times) // _PROBES, 1))
    return all(_has(all_of, some.times[part], some.values[part]) for part in (thin, slice(None)))


def _has(series: Series, times: TimeArray, values: FloatArray) -> bool:
    places = np.minimum(np.searchsorted(series.times, times), len(series.times) - 1)
    return np.array_equal(series.times[places], times) and np.array_equal(series.values[places], values)


def _in_a_row(pieces: list[Series]) -> Series:
    """Series that follow one another as one."""
    if len(pieces) == 1:
        return pieces[0]
    times, values = (np.concatenate(parts) for parts in zip(*((one.times, one.values) for one in pieces), strict=True))
    begins = [piece.begins for piece in pieces if piece.begins is not None]
    whole = np.concatenate(begins) if len(begins) == len(pieces) else None
    return replace(pieces[0], times=times, values=values, begins=whole)


def _together(first: Series, second: Series) -> Series:
    """Both series' samples by time, those that both have once; events where one ends and the other begins add up."""
    times, places = np.unique(np.concatenate([first.times, second.times]), return_index=True)
    values = np.concatenate([first.values, second.values])[places]
    if first.measure is Measure.EVENTS and not first.is_additive and first.times[-1] == second.times[0]:
        values[np.searchsorted(times, second.times[0])] += second.values[0]
    begins = None
    if first.begins is not None and second.begins is not None:
        begins = np.concatenate([first.begins, second.begins])[places]
    return replace(first, times=times, values=values, begins=begins)


def _added(parts: Sequence[Series]) -> Series:
    """What some tell, one on top of the other: events at one time are as many as all have, levels are summed."""
    begins, ends = [part.begins for part in parts if part.begins is not None], [part.times for part in parts]
    if len(begins) < len(parts):
        times, places = np.unique(np.concatenate(ends), return_inverse=True)
        values = np.bincount(places, np.concatenate([part.values for part in parts])).astype(np.float64)
        return replace(parts[0], times=times, values=values)
    edges = np.unique(np.concatenate([*begins, *ends]))
    levels = np.sum([_level_at(part, edges[:-1]) for part in parts], axis=0)
    changes = np.flatnonzero(np.diff(levels, prepend=np.nan) != 0)
    return replace(
        parts[0], begins=edges[changes], times=np.append(edges[changes[1:]], edges[-1]), values=levels[changes]
    )


def _level_at(series: Series, moments: TimeArray) -> FloatArray:
    """The level of spans from some moments on; 0 where there is none."""
    begins = series.times if series.begins is None else series.begins
    place = np.searchsorted(begins, moments, side="right") - 1
    inside = (place >= 0) & (moments < series.times[np.maximum(place, 0)])
    return np.where(inside, series.values[np.maximum(place, 0)], 0.0)
