"""Logs that continue others: the predecessor of a log, and the part of a log that its predecessor has not given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from entro_cli.core.clock import NS
from entro_cli.core.files import rotation_stem
from entro_cli.timeseries.observations import Measure, Series

Ends = Mapping[str, tuple[int, float]]
"""By stage, the time of its last sample (nanoseconds since the epoch), and the value of that."""


class Checkpoint(Struct, frozen=True):
    """The place where reading of a log stopped, for the rest of it or for the log that continues it.

    Attributes:
        format: the format of the log; empty if it is not known.
        state: the state of its reader behind its last whole line.
        unfinished: its last line, if that has no end.
        ends: the end of each stage, on the log's own clock.
        text: lines to put before the next ones instead of a state, as releases up to 0.7.0 stored it.
    """

    format: str = ""
    state: bytes = b""
    unfinished: bytes = b""
    ends: dict[str, tuple[int, float]] = field(default_factory=dict)
    text: bytes = b""


_STAMP_NS = NS
"""Many tools write whole seconds, so lines of one second may begin in the log before."""


class EarlierLog(Struct, frozen=True):
    """A log that others may continue: its place, its format, and the time of its last sample (ns), if any."""

    place: str
    format: str
    last: int | None


def stream_location(place: str, identity: Sequence[tuple[str, str]]) -> str:
    """Return the place of the lines of one writer in a log: its own folder, so that rotations keep their names."""
    return place and "".join(f"{value}|" for _, value in identity) + place


def predecessor_of(place: str, reader: str, first: int, others: Sequence[EarlierLog]) -> int | None:
    """Return the index of the predecessor of a log: the latest log that ends before it begins; None if there is none.

    Of parallel logs only one of the same name, rotation suffixes and numbers aside, is sure to be it.

    Args:
        place: the absolute path or URL of the log; empty for standard input.
        reader: its format.
        first: the time of its first sample, nanoseconds since the epoch.
        others: the other logs that were read.
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
    """Return the end and the last value of each stage: those of the series, or else those before."""
    return {**before, **{part.stage: (int(part.times[-1]), float(part.values[-1])) for part in series}}


def beyond(series: Iterable[Series], ends: Ends) -> tuple[Series, ...]:
    """Return the part of series after the end of the earlier log.

    Args:
        series: of a log that was read with the context lines of an earlier one before it.
        ends: of the earlier one.
    """
    parts = (_beyond(part, *ends[part.stage]) if part.stage in ends else part for part in series)
    return tuple(part for part in parts if len(part.times))


def _beyond(series: Series, end: int, counted: float) -> Series:
    times, values, begins = series.times, series.values, series.begins
    if series.is_additive:  # its events before the end are others than those of the earlier log
        return series
    if series.measure is Measure.EVENTS:  # of those at the end itself the log has all, the earlier one had some
        values = np.where(times == end, np.maximum(values - counted, 0.0), values)
    later = times >= end if series.measure is Measure.EVENTS else times > end
    cut = None if begins is None else np.maximum(begins, end)[later]
    return replace(replace(series, values=values).take(later), begins=cut)
