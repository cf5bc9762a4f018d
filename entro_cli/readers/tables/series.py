"""Rows -> series: sorted by time, each time once, whatever the order of the rows."""

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
    """Return the series in the rows of a table.

    Args:
        times: nanoseconds since the epoch, shape (rows,), in the order of the file.
        values: shape (stages, rows) if each row has all stages, or (1, rows) if each has one; NaN where missing.
        stages: the stages.
        codes: index of each row's stage, shape (rows,); None if each row has all stages.
        tally: receives the warnings.

    Returns:
        One series per stage that has a sample. The order of the rows does not change a bit of it.
    """
    in_order = bool(np.all(times[1:] > times[:-1]))
    if not in_order:
        tally.count(ProblemKind.OUT_OF_ORDER, (times[1:] < times[:-1]).sum())
        # The values are keys, too: rows of one time, averaged below, must be summed in one order to give the same bits.
        keys = [*values[::-1], times] if codes is None else [values[0], codes, times]
        order = np.lexsort(keys)
        times, values = times[order], values[:, order]
        codes = None if codes is None else codes[order]
        times, values, codes = _without_repeats(times, values, codes, tally)
    parts = [
        (stage, times, values[index]) if codes is None else (stage, times[codes == index], values[0][codes == index])
        for index, stage in enumerate(stages)
    ]
    found = [_series(stage, at, loads, in_order) for stage, at, loads in parts]
    averaged = [rows for _, rows in found]
    number = max(averaged) if codes is None else sum(averaged)  # a wide row counts once for all of its stages
    tally.count(ProblemKind.AVERAGED, number)
    return tuple(series for series, _ in found if len(series.times))


def _without_repeats(
    times: TimeArray, values: FloatArray, codes: NDArray[np.int64] | None, tally: Tally
) -> tuple[TimeArray, FloatArray, NDArray[np.int64] | None]:
    """Return sorted rows without those that equal the previous row."""
    same = np.diff(times) == 0
    for row in values:
        same &= (row[1:] == row[:-1]) | (np.isnan(row[1:]) & np.isnan(row[:-1]))
    if codes is not None:
        same &= np.diff(codes) == 0
    tally.count(ProblemKind.REPEATED, same.sum())
    keep = np.concatenate([[True], ~same])
    return times[keep], values[:, keep], None if codes is None else codes[keep]


def _series(stage: StageColumn, times: TimeArray, values: FloatArray, are_distinct: bool) -> tuple[Series, int]:
    """Return the samples of one stage, and how many values were averaged because they have one time.

    Args:
        stage: the stage.
        times: sorted, shape (rows,).
        values: NaN where missing, shape (rows,).
        are_distinct: whether no two times are equal.
    """
    averaged = 0
    is_known = ~np.isnan(values)
    if not is_known.all():
        times, values = times[is_known], values[is_known]
    firsts = None if are_distinct else np.flatnonzero(np.diff(times, prepend=times[:1] - 1))
    if firsts is not None and len(firsts) < len(times):
        order = np.lexsort([values, times])
        counts = np.diff(firsts, append=len(times))
        averaged = int(counts[counts > 1].sum())
        values = np.add.reduceat(values[order], firsts) / counts
        times = times[firsts]
    values = values if stage.divisor == 1.0 else values / stage.divisor
    return Series(stage.name, stage.kind, times, values, stage.full, stage.source), averaged
