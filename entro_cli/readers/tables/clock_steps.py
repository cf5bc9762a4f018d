"""Steps back of the clock that wrote a table: the rows until it passes its former time have times that are taken."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from entro_cli.timeseries.observations import TimeArray
from entro_engine.entropy import FloatArray

_LEAST_ROWS = 5
"""Rows behind the clock's former time that show a step of it; fewer are rows out of order."""

_MOST_STEPS = 24
"""A table with more runs of rows behind others was not written in the order of its clock."""


def rows_after_steps_back(
    times: TimeArray, values: FloatArray, groups: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], list[int]]:
    """Return the rows whose times earlier rows have since a clock stepped back, and by how much it did each time, ns.

    A step shows as a run of rows at the usual interval that goes over times of earlier rows. A run that begins where
    the log begins may be another source, and one with the same values is a copy: both are left alone.

    Args:
        times: nanoseconds since the epoch, shape (rows,), in the order of the file.
        values: shape (columns, rows).
        groups: number of the source and stage of each row, shape (rows,).
    """
    doubtful, steps = np.zeros(len(times), np.bool_), []
    for rows in _rows_of_groups(groups):
        own = times[rows]
        between = np.diff(own)
        if not (between < 0).any() or not (between > 0).any():
            continue
        interval = int(np.median(between[between > 0]))
        runs = [run for run in _runs_behind(own) if _goes_on(own[run], interval)]
        for run in runs if len(runs) <= _MOST_STEPS else []:
            covered = _covered(own, values[:, rows], run, interval)
            if covered.any() and abs(int(own[run.start]) - int(own[0])) > 1.5 * interval:
                doubtful[rows[run][covered]] = True
                steps.append(int(own[run.start - 1] - own[run.start]))
    return doubtful, steps


def _rows_of_groups(groups: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the indexes of the rows of each group, in the order of the file."""
    order = np.argsort(groups, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _runs_behind(times: TimeArray) -> list[slice]:
    """Return the runs of rows with times not after the latest one so far."""
    behind = np.concatenate([[False], times[1:] <= np.maximum.accumulate(times)[:-1], [False]])
    edges = np.flatnonzero(np.diff(behind, prepend=False)).tolist()
    return [slice(first, after) for first, after in zip(edges[::2], edges[1::2], strict=True)]


def _goes_on(times: TimeArray, interval: int) -> bool:
    between = np.diff(times)
    return len(times) >= _LEAST_ROWS and between.min() > 0 and interval / 2 < np.median(between) < interval * 2


def _covered(times: TimeArray, values: FloatArray, run: slice, interval: int) -> NDArray[np.bool_]:
    """Return the rows of a run whose times lie between those of earlier rows less than an interval away.

    Returns:
        No row if fewer than half of them do, or if these have the values of the earlier rows.
    """
    order = np.argsort(times[: run.start], kind="stable")
    earlier = times[: run.start][order]
    after = np.minimum(np.searchsorted(earlier, times[run]), len(earlier) - 1)
    before = np.maximum(np.searchsorted(earlier, times[run], side="right") - 1, 0)
    apart = np.maximum(np.abs(earlier[after] - times[run]), np.abs(times[run] - earlier[before]))
    covered = np.asarray(apart <= interval)
    is_copy = np.all(values[:, order[after]] == values[:, run], axis=0) & (earlier[after] == times[run])
    return covered if 2 * covered.sum() >= len(covered) and not is_copy.all() else np.zeros_like(covered)
