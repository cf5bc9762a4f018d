"""Logs that go on where others end: which one a log goes on from, and what of it is not the other's already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from entro_cli.observations import Measure, Observations, Series


@dataclass(frozen=True)
class Earlier:
    """A log that others may go on from.

    Attributes:
        place: where it is; empty for standard input.
        format: the name of its reader.
        last: when its last sample was, nanoseconds since the epoch; None where it has none.
        carry: what of it has to stand before a log that goes on from it.
    """

    place: str
    format: str
    last: int | None
    carry: bytes


def stems(path: str) -> tuple[str, str]:
    """A log's place without what its rotations add behind its name, and without any number in its name."""
    folder, slash, name = path.rpartition("/")
    plain = re.sub(r"([._-]\d[\d._T-]*)?(\.(gz|zst))?$", "", name)
    return folder + slash + plain, folder + slash + re.sub(r"\d+", "", plain)


def goes_on_from(place: str, reader: str, first: int, others: Sequence[Earlier]) -> Earlier | None:
    """The log that another goes on from: the latest of those that end before it begins.

    Where several run beside each other, only one of the same name, rotations and numbers aside, is sure to be that.

    Args:
        place: where the log is.
        reader: the name of its reader.
        first: when its first sample is, nanoseconds since the epoch.
        others: the logs that were read, itself not among them.
    """
    alike = [other for other in others if other.format == reader and other.last is not None]
    for level in (0, 1):
        named = [other for other in alike if stems(other.place)[level] == stems(place)[level]]
        if named:
            alike = named
            break
    else:
        alike = alike if len({stems(other.place) for other in alike}) == 1 else []
    before = [other for other in alike if other.last is not None and other.last <= first]
    return max(before, key=lambda other: (other.last, other.place), default=None)


def beyond(series: Iterable[Series], earlier: Observations) -> tuple[Series, ...]:
    """What some series tell that those of an earlier log do not: what is behind the end of each stage there.

    Args:
        series: of a log that was read with what the earlier one carries before it.
        earlier: what the earlier one gave.
    """
    known = {part.stage: part for part in earlier.series}
    parts = (_beyond(part, known[part.stage]) if part.stage in known else part for part in series)
    return tuple(part for part in parts if len(part.times))


def _beyond(series: Series, known: Series) -> Series:
    end = int(known.times[-1])
    times, values, begins = series.times, series.values, series.begins
    if series.measure is Measure.EVENTS:  # of those at the end itself the log tells all, the earlier one perhaps some
        values = np.where(times == end, np.maximum(values - known.values[-1], 0.0), values)
    later = times >= end if series.measure is Measure.EVENTS else times > end
    cut = None if begins is None else np.maximum(begins, end)[later]
    return replace(series, times=times[later], values=values[later], begins=cut)
