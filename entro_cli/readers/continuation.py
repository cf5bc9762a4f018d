"""Logs that go on where others end: which one a log goes on from, and what of it is not the other's already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from entro_cli.core.clock import NS
from entro_cli.timeseries.observations import Measure, Series

Ends = Mapping[str, tuple[int, float]]
"""By stage, when its last sample was (nanoseconds since the epoch), and the value of that."""


_STAMP_NS = NS
"""Many tools write whole seconds: what is of one may begin in the log before."""


@dataclass(frozen=True)
class EarlierLog:
    """A log that others may go on from: where it is, its reader's name, and when its last sample was (ns), if any."""

    place: str
    format: str
    last: int | None


def rotation_stem(path: str) -> tuple[str, str]:
    """A log's place without what its rotations add behind its name, and without any number in its name."""
    folder, slash, name = path.rpartition("/")
    plain = re.sub(r"([._-]\d[\d._T-]*)?(\.(gz|zst))?$", "", name)
    return folder + slash + plain, folder + slash + re.sub(r"\d+", "", plain)


def predecessor_of(place: str, reader: str, first: int, others: Sequence[EarlierLog]) -> int | None:
    """Which log another goes on from, as an index: the latest of those that end before it begins; None where none does.

    Where several run beside each other, only one of the same name, rotations and numbers aside, is sure to be that.

    Args:
        place: where the log is; empty for standard input.
        reader: the name of its reader.
        first: when its first sample is, nanoseconds since the epoch.
        others: the logs that were read, itself not among them.
    """
    alike = [index for index, other in enumerate(others) if other.format == reader and other.last is not None]
    same = (
        [index for index in alike if rotation_stem(others[index].place)[level] == rotation_stem(place)[level]]
        for level in (0, 1)
    )
    one = alike if len({rotation_stem(others[index].place) for index in alike}) == 1 else []
    chosen = next(filter(None, same), one)
    ends = [(others[index].last or 0, index) for index in chosen if (others[index].last or 0) <= first + _STAMP_NS]
    return max(ends)[1] if ends else None


def ends_of(series: Iterable[Series], before: Ends) -> Ends:
    """Where what is known of each stage ends, once some series are known too, and what their last value is."""
    return {**before, **{part.stage: (int(part.times[-1]), float(part.values[-1])) for part in series}}


def beyond(series: Iterable[Series], ends: Ends) -> tuple[Series, ...]:
    """What some series tell that is not known yet: what is behind the end of what is known of their stages.

    Args:
        series: of a log that was read with what an earlier one carries before it.
        ends: where the earlier one ends.
    """
    parts = (_beyond(part, *ends[part.stage]) if part.stage in ends else part for part in series)
    return tuple(part for part in parts if len(part.times))


def _beyond(series: Series, end: int, told: float) -> Series:
    times, values, begins = series.times, series.values, series.begins
    if series.is_additive:  # what it tells of before comes on top of what is known
        return series
    if series.measure is Measure.EVENTS:  # of those at the end itself the log tells all, the earlier one told some
        values = np.where(times == end, np.maximum(values - told, 0.0), values)
    later = times >= end if series.measure is Measure.EVENTS else times > end
    cut = None if begins is None else np.maximum(begins, end)[later]
    return replace(series, times=times[later], values=values[later], begins=cut)
