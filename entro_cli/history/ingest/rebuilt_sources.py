"""Sources of logs that are read again after the state was lost: found by what the day files have of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from entro_cli.history.day_files import BinsByKey, SampleKey, connect, read_days, split_by_day
from entro_cli.history.ingest.read_tail import LogUpdate
from entro_cli.history.paths import PipelinePaths
from entro_cli.history.state import State
from entro_cli.timeseries.bins import Bins, bins_of
from entro_cli.timeseries.observations import is_signal

_LEAST_SHARE = 0.5
"""Chosen: a log is of a source if so much of what both have is equal; first and last steps may be of several logs."""


def rebuilt_sources(updates: Sequence[LogUpdate], state: State, paths: PipelinePaths) -> dict[str, str]:
    """Return the source of each log that was stored before the state was lost, by the path of the log.

    Args:
        updates: what was read of each log.
        state: the state of the pipeline.
        paths: the paths of the pipeline.

    Raises:
        DamagedDayError: when a day file cannot be read.
    """
    found = {}
    for update in updates:
        read = {
            SampleKey(series.stage, series.kind, ""): bins_of(series, *state.grid)
            for series in update.observations.series
            if not is_signal(series.stage) and len(series.times)
        }
        source = _source_of(read, state, paths)
        if update.before is None and source is not None:
            found[update.observations.path] = source
    return found


def _source_of(read: BinsByKey, state: State, paths: PipelinePaths) -> str | None:
    """Return the source that has the same loads at the same times."""
    equal: dict[str, int] = {}
    shared: dict[str, int] = {}
    days = set(paths.days())
    with connect() as connection:
        for day, parts in split_by_day(read).items():
            stored = read_days(connection, [paths.day_file(day)]) if day in days else {}
            for source in _sources(state):
                for key, bins in parts.items():
                    both, same = _compare(bins, stored.get(key._replace(source=source)))
                    shared[source] = shared.get(source, 0) + both
                    equal[source] = equal.get(source, 0) + same
    best = max(equal, key=lambda source: equal[source], default="")
    return best if best and equal[best] and equal[best] >= _LEAST_SHARE * shared[best] else None


def _sources(state: State) -> Iterable[str]:
    return dict.fromkeys(part.source for part in state.rebuilt)


def _compare(bins: Bins, stored: Bins | None) -> tuple[int, int]:
    """Return the number of steps that both have, and of those with equal loads."""
    if stored is None:
        return 0, 0
    starts, first, second = np.intersect1d(bins.starts, stored.starts, assume_unique=True, return_indices=True)
    return len(starts), int((bins.loads[first] == stored.loads[second]).sum())
