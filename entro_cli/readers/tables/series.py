"""Rows to series: sorted by time, each time once, whatever order the rows came in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from entro_cli.readers.problems import Tally
from entro_cli.readers.tables.schema import StageColumn
from entro_cli.timeseries.observations import Series, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine.entropy import FloatArray


def series_of(
    times: TimeArray,
    values: FloatArray,
    stages: Sequence[StageColumn],
    codes: NDArray[np.int64] | None,
    tally: Tally,
) -> tuple[Series, ...]:
    """The series in a table's rows.

    Args:
        times: nanoseconds since the epoch, shape (rows,), in the order of the file.
        values: shape (stages, rows) with a row for all stages, or (1, rows) with a row for one; NaN where missing.
        stages: what they measure.
        codes: which stage each row is of, shape (rows,); None when every row has all of them.
        tally: counts what is out of the ordinary.

    Returns:
        One series a stage that has a sample. The order of the rows changes no bit of it.
    """
    in_order = bool(np.all(times[1:] > times[:-1]))
    if not in_order:
        tally.count(ProblemKind.OUT_OF_ORDER, (times[1:] < times[:-1]).sum())
        keys = [*values[::-1], times] if codes is None else [values[0], codes, times]
        order = np.lexsort(keys)
        times, values = times[order], values[:, order]
        codes = None if codes is None else codes[order]
        times, values, codes = _once(times, values, codes, tally)
    parts = [
        (stage, times, values[index]) if codes is None else (stage, times[codes == index], values[0][codes == index])
        for index, stage in enumerate(stages)
    ]
    made = [_series(stage, at, loads, in_order) for stage, at, loads in parts]
    averaged = [rows for _, rows in made]
    number = max(averaged) if codes is None else sum(averaged)  # a wide row is one row, whatever it holds
    tally.count(ProblemKind.AVERAGED, number)
    return tuple(series for series, _ in made if len(series.times))


def _once(
    times: TimeArray, values: FloatArray, codes: NDArray[np.int64] | None, tally: Tally
) -> tuple[TimeArray, FloatArray, NDArray[np.int64] | None]:
    """Sorted rows without those that repeat the one before exactly."""
    same = np.diff(times) == 0
    for row in values:
        same &= (row[1:] == row[:-1]) | (np.isnan(row[1:]) & np.isnan(row[:-1]))
    if codes is not None:
        same &= np.diff(codes) == 0
    tally.count(ProblemKind.REPEATED, same.sum())
    keep = np.concatenate([[True], ~same])
    return times[keep], values[:, keep], None if codes is None else codes[keep]


def _series(stage: StageColumn, times: TimeArray, values: FloatArray, alone: bool) -> tuple[Series, int]:
    """One stage's samples, different values at one time averaged, and how many were; `times` are sorted.

    `alone` says that no two rows have one time.
    """
    averaged = 0
    there = ~np.isnan(values)
    if not there.all():
        times, values = times[there], values[there]
    firsts = None if alone else np.flatnonzero(np.diff(times, prepend=times[:1] - 1))
    if firsts is not None and len(firsts) < len(times):
        order = np.lexsort([values, times])
        counts = np.diff(firsts, append=len(times))
        averaged = int(counts[counts > 1].sum())
        values = np.add.reduceat(values[order], firsts) / counts
        times = times[firsts]
    values = values if stage.divisor == 1.0 else values / stage.divisor
    return Series(stage.name, stage.kind, times, values, stage.full, stage.source), averaged
