"""Rows -> series: sorted by time, each time once, whatever the order of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.readers.problems import Tally
from entro_cli.readers.tables.schema import StageColumn, printable_name
from entro_cli.timeseries.observations import BadRow, Series, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import Kind
from entro_engine.entropy import FloatArray

_NEXT_INTERVALS = 3
"""Intervals after which a source without a sample is over: deployments rename sources, and a scrape may fail."""

_ALIGNED = 0.75
"""Share of a source's interval that lies between two samples of any source if the sources are sampled together."""

_TOTAL_MARGIN = 0.02
"""Share by which a total may differ from the sum of its parts, which may be rounded or a moment older."""

_WORDS = {"sum": "summed", "mean": "averaged", "max": "reduced to the largest"}


class Rows(Struct, frozen=True):
    """Good rows of a table, in the order of the file, and what was wrong with the others.

    Attributes:
        times: nanoseconds, as `timestamp_sql` defines them or since the epoch, shape (rows,).
        zoned: whether the time named its zone, shape (rows,).
        values: shape (columns, rows) for a wide table, the columns of each stage after those of the one before;
            (1, rows) for a long one; NaN where missing.
        stages: the stages.
        codes: index of each row's stage in a long table, -1 for a stage that is not read, shape (rows,); else None.
        sources: hash of what each row is of, shape (rows,); None if nothing says that.
        are_totals: whether each row is of a source that is called a total, shape (rows,); None if none is.
        source_names: names of the columns that say what a row is of.
        skipped: number of rows that could not be read.
        bad: the first few of those, in the order of the file.
        not_numbers: number of rows skipped because a load is not a number.
    """

    times: TimeArray
    zoned: NDArray[np.bool_]
    values: FloatArray
    stages: Sequence[StageColumn]
    codes: NDArray[np.int64] | None = None
    sources: NDArray[np.int64] | None = None
    are_totals: NDArray[np.bool_] | None = None
    source_names: Sequence[str] = ()
    skipped: int = 0
    bad: tuple[BadRow, ...] = ()
    not_numbers: int = 0

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Rows:
        """Return some of the rows, in the order given."""
        by_row = {"times": self.times, "zoned": self.zoned, "codes": self.codes, "sources": self.sources}
        by_row["are_totals"] = self.are_totals
        taken: dict[str, Any] = {name: part[rows] for name, part in by_row.items() if part is not None}
        return replace(self, values=self.values[:, rows], **taken)


def series_of(rows: Rows, tally: Tally, aggregate: str | None = None) -> tuple[Series, ...]:
    """Return the series in the rows of a table.

    Args:
        rows: the rows, with times since the epoch.
        tally: receives the warnings.
        aggregate: how sources are combined, as in `ReadOptions`.

    Returns:
        One series per stage that has a sample. The order of the rows does not change a bit of it.
    """
    rows = rows if rows.are_totals is None else _without_totals(rows, rows.are_totals, tally)
    in_order = bool(np.all(rows.times[1:] > rows.times[:-1]))
    if not in_order:
        tally.count(ProblemKind.OUT_OF_ORDER, (rows.times[1:] < rows.times[:-1]).sum())
        keys = [part for part in (rows.sources, rows.codes) if part is not None]
        # The values are keys, too: rows of one time, averaged below, must be summed in one order to give the same bits.
        rows = _without_repeats(rows.take(np.lexsort([*rows.values[::-1], *keys, rows.times])), tally)
    column, series, averaged = 0, [], []
    for index, stage in enumerate(rows.stages):
        if rows.codes is None:
            part = replace(rows, values=rows.values[column : column + len(stage.columns)])
            column += len(stage.columns)
        else:
            part = rows.take(rows.codes == index)
        found, number = _series(stage, part, aggregate, in_order, tally)
        series.append(found)
        averaged.append(number)
    # A wide row counts once for all of its stages.
    tally.count(ProblemKind.AVERAGED, max(averaged) if rows.codes is None else sum(averaged))
    return tuple(found for found in series if len(found.times))


def _without_totals(rows: Rows, are_totals: NDArray[np.bool_], tally: Tally) -> Rows:
    """Return rows without the values of sources that are called totals and are the sum of the others, NaN instead."""
    values, left_out = rows.values.copy(), np.zeros(len(are_totals), np.bool_)
    for row in values:
        for code in [None] if rows.codes is None else np.unique(rows.codes).tolist():
            of_stage = np.ones(len(row), np.bool_) if code is None else rows.codes == code
            # A part of a log may begin or end between the rows of one time.
            times = np.intersect1d(rows.times[of_stage & are_totals], rows.times[of_stage & ~are_totals])
            compared = of_stage & np.isin(rows.times, times[1:-1]) if len(times) > 2 else of_stage
            totals, parts = (np.nansum(row[compared & which]) for which in (are_totals, ~are_totals))
            if abs(totals - parts) <= _TOTAL_MARGIN * parts:
                row[of_stage & are_totals] = np.nan
                left_out |= of_stage & are_totals
    tally.count(ProblemKind.TOTALS_LEFT_OUT, left_out.sum())
    return replace(rows, values=values)


def _without_repeats(rows: Rows, tally: Tally) -> Rows:
    """Return sorted rows without those that equal the previous row."""
    same = np.diff(rows.times) == 0
    for row in rows.values:
        same &= (row[1:] == row[:-1]) | (np.isnan(row[1:]) & np.isnan(row[:-1]))
    for key in (rows.sources, rows.codes):
        same &= True if key is None else key[1:] == key[:-1]
    tally.count(ProblemKind.REPEATED, same.sum())
    return rows.take(np.concatenate([[True], ~same]))


def _series(
    stage: StageColumn, rows: Rows, aggregate: str | None, are_distinct: bool, tally: Tally
) -> tuple[Series, int]:
    """Return the samples of one stage, and how many values were averaged because they have one time.

    Args:
        stage: the stage.
        rows: its rows, sorted by time, with only its columns.
        aggregate: how sources are combined.
        are_distinct: whether no two times are equal.
        tally: receives a warning if several sources were combined.
    """
    times, values, codes = rows.times, rows.values[0], rows.sources
    if len(rows.values) > 1 or codes is not None:
        times, values, codes = _by_source(rows)
    is_known = ~np.isnan(values)
    if not is_known.all():
        times, values, codes = times[is_known], values[is_known], None if codes is None else codes[is_known]
    averaged, summed = 0, 1
    count = 1 if codes is None else len(np.unique(codes))
    starts = None if are_distinct and count == 1 else _changes(times, codes)
    if starts is not None and len(starts) < len(times):
        order = np.lexsort([values, times] if codes is None else [values, times, codes])
        counts = np.diff(starts, append=len(times))
        averaged = int(counts[counts > 1].sum())
        values = np.add.reduceat(values[order], starts) / counts
        times, codes = times[starts], None if codes is None else codes[starts]
    if codes is not None and count > 1:
        how = aggregate or ("mean" if stage.kind is Kind.GENERIC else "sum")
        names = ", ".join(map(printable_name, rows.source_names)) or "column"
        tally.count(ProblemKind.SOURCES_COMBINED, count, printable_name(stage.source), names, _WORDS[how])
        times, values = combine_sources(times, values, codes, how)
        summed = count if how == "sum" else 1
    values = values if stage.divisor == 1.0 else values / stage.divisor
    return Series(stage.name, stage.kind, times, values, stage.full, stage.source, summed=summed), averaged


def _by_source(rows: Rows) -> tuple[TimeArray, FloatArray, NDArray[np.int64]]:
    """Return the samples of all columns one below the other, sorted by source, then by time, with codes of sources."""
    columns, count = rows.values.shape
    codes = np.zeros(count, np.int64) if rows.sources is None else np.unique(rows.sources, return_inverse=True)[1]
    codes = (codes[None, :] * columns + np.arange(columns)[:, None]).ravel()
    times, values = np.tile(rows.times, columns), rows.values.ravel()
    order = np.lexsort([values, times, codes])
    return times[order], values[order], codes[order]


def _changes(times: TimeArray, codes: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the indexes of sorted samples that differ from the sample before in time or source."""
    is_new = np.diff(times, prepend=times[:1] - 1) != 0
    return np.flatnonzero(is_new if codes is None else is_new | (np.diff(codes, prepend=-1) != 0))


def combine_sources(
    times: TimeArray, values: FloatArray, codes: NDArray[np.int64], how: str
) -> tuple[TimeArray, FloatArray]:
    """Return the sum, mean or maximum of sources at each time at which one of them has a sample.

    A source holds its sample until its next one, if that is at most three of its intervals later, else for less than
    one interval. Times of sources that are sampled in turn are rounded down to their usual interval.

    Args:
        times: nanoseconds since the epoch, sorted within each source, shape (samples,).
        values: shape (samples,).
        codes: source of each sample, sorted, shape (samples,).
        how: `sum`, `mean` or `max`.
    """
    intervals = _intervals(times, codes)
    edges = np.unique(times)
    length = int(np.median(intervals[intervals > 0])) if (intervals > 0).any() else 0
    if len(edges) > 1 and np.median(np.diff(edges)) < _ALIGNED * length:
        # Sources that are sampled in turn have a sample per interval each, and so has their sum.
        return combine_sources(*_rounded(times, values, codes, length), how)
    is_next = np.append(codes[1:] == codes[:-1], False)
    following = np.append(times[1:], times[-1:])
    ends = np.where(is_next & (following - times <= _NEXT_INTERVALS * intervals), following, times + intervals)
    first = np.searchsorted(edges, times)
    counts = np.maximum(np.searchsorted(edges, ends) - first, 1)
    held = np.repeat(np.arange(len(times)), counts)
    places = first[held] + np.arange(len(held)) - np.repeat(np.cumsum(counts) - counts, counts)
    order = np.lexsort([values[held], places])
    loads, starts = values[held][order], np.flatnonzero(np.diff(places[order], prepend=-1))
    if how == "max":
        return edges, np.maximum.reduceat(loads, starts)
    total = np.add.reduceat(loads, starts)
    return edges, total / np.diff(starts, append=len(loads)) if how == "mean" else total


def _rounded(
    times: TimeArray, values: FloatArray, codes: NDArray[np.int64], length: int
) -> tuple[TimeArray, FloatArray, NDArray[np.int64]]:
    """Return samples with their times rounded down to a grid, one per source and time: the mean of those that meet."""
    times = times - times % length
    starts = _changes(times, codes)
    return times[starts], np.add.reduceat(values, starts) / np.diff(starts, append=len(times)), codes[starts]


def _intervals(times: TimeArray, codes: NDArray[np.int64]) -> TimeArray:
    """Return the usual time between two samples of the source of each sample, nanoseconds; 0 if it has one sample."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    parts = np.split(times, starts[1:])
    usual = [int(np.median(np.diff(part))) if len(part) > 1 else 0 for part in parts]
    return np.repeat(np.array(usual, np.int64), [len(part) for part in parts])
