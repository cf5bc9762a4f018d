"""Counts of what was done so far, such as pages, that become rates."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from entro_cli.core.clock import NS
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import RATE_STAGE
from entro_cli.timeseries.observations import Measure, Observations, ReadOptions, Series, StageSpec
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError, Kind

COUNT = "count"
"""The group that holds a count."""

Sample = tuple[int, float]
"""A time, nanoseconds since the epoch, and a count."""


def with_count_as_stage(options: ReadOptions) -> ReadOptions:
    """Return options by which the counts are read, as the stage of rates unless the user named another."""
    named = [spec for spec in options.stages if spec.column == COUNT] or [StageSpec(RATE_STAGE, COUNT)]
    others = [spec for spec in options.stages if spec not in named]
    return replace(options, stages=(*others, *(replace(spec, kind=Kind.GENERIC) for spec in named)))


def with_rates(found: Observations, last: Sample | None = None) -> Observations:
    """Return observations with the rate between two counts in place of the counts.

    Args:
        found: the counts.
        last: the last count before them.

    Raises:
        EntroError: if there are not two counts, one after the other.
    """
    tally = Tally(found.problems)
    series = tuple(_rate(part, found, last, tally) if part.column == COUNT else part for part in found.series)
    return replace(found, series=tuple(one for one in series if len(one.times)), problems=tally.problems)


def last_count(found: Observations) -> Sample | None:
    """Return the last of some counts."""
    return next(((int(part.times[-1]), float(part.values[-1])) for part in found.series if part.column == COUNT), None)


def _rate(series: Series, found: Observations, last: Sample | None, tally: Tally) -> Series:
    """Return the rate of a counter. Where it falls, another run began, and how much it did since is not known."""
    if last and last[0] < series.times[0]:
        times, values = np.insert(series.times, 0, last[0]), np.insert(series.values, 0, last[1])
        series = replace(series, times=times, values=values)
    done = np.diff(series.values)
    grows = done >= 0
    if not (grows.any() or last):
        raise EntroError(
            f"{len(series.times)} count of what was done: a rate needs two", where=found.path, expected="more lines"
        )
    tally.count(ProblemKind.COUNTER_FELL, (~grows).sum())
    begins, ends = series.times[:-1][grows], series.times[1:][grows]
    rates = done[grows] / ((ends - begins) / NS)
    return replace(series, kind=Kind.RATE, measure=Measure.SPANS, begins=begins, times=ends, values=rates)
