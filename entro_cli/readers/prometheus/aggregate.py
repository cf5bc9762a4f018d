"""Sums of the series of one metric, one per engine or instance, at times when all of them have a sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec.structs import replace

from entro_cli.core.clock import NS
from entro_cli.core.console import printable
from entro_cli.readers.prometheus.series import MetricSeries
from entro_cli.readers.quantities import RATE_STAGE
from entro_cli.readers.tables.series import combine_sources
from entro_cli.timeseries.observations import Measure, Series, TimeArray
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import Kind
from entro_engine.entropy import FloatArray

_LEAST_SAMPLED = 0.9
"""Chosen: the share of the intervals of a counter at whose ends the gauges must have samples."""

_OVER_INTERVALS = 3
"""Intervals without a sample after which a series is over, as a source of a table is."""


def sum_gauges(name: str, kind: Kind, series: Sequence[MetricSeries]) -> tuple[Series, list[Problem]]:
    """Sum the series of a gauge, with warnings about them.

    An engine exists from its first sample to its last, without the holes of more than three of its intervals. A time
    at which it exists and has no sample has no sum, because a part of a queue is not the queue. Engines that are
    sampled in turn never have a sample at one time: each holds its sample until its next one.

    Args:
        name: the name of the metric.
        kind: the quantity that it measures.
        series: one per engine or instance.
    """
    present = _sorted(part for part in series if len(part.times))
    times = _all_times([part.times for part in present])
    total, incomplete = np.zeros(len(times)), np.zeros(len(times), np.bool_)
    for part in present:
        at = np.searchsorted(times, part.times)
        total[at] += part.values
        follows = np.searchsorted(part.times, times, side="right")
        lacks = (follows > 0) & (follows < len(part.times))
        lacks[at] = False
        holes = np.diff(part.times, append=0) <= _OVER_INTERVALS * interval_of(part, present)
        incomplete |= lacks & holes[follows - 1]
    if 2 * incomplete.sum() > len(times):  # sampled in turn
        codes = np.repeat(np.arange(len(present)), [len(part.times) for part in present])
        moments = np.concatenate([part.times for part in present])
        summed = combine_sources(moments, np.concatenate([part.values for part in present]), codes, "sum")
        return Series("", kind, *summed, column=name), _sum_problems(name, len(present), 0)
    problems = _sum_problems(name, len(present), int(incomplete.sum()))
    return Series("", kind, times[~incomplete], total[~incomplete], column=name), problems


def interval_of(part: MetricSeries, series: Sequence[MetricSeries]) -> float:
    """Return the usual time between two samples of a series, nanoseconds; the longest of all series if it has one."""
    if len(part.times) > 1:
        return float(np.median(np.diff(part.times)))
    return max((float(np.median(np.diff(one.times))) for one in series if len(one.times) > 1), default=0.0)


def rate_of_counters(name: str, series: Sequence[MetricSeries]) -> tuple[Series, list[Problem]]:
    """Sum the rates of the series of a counter, per second between two samples, with warnings about them.

    A counter that falls was reset to 0. Its rate is constant between two of its samples, also where other series have
    samples in between.

    Args:
        name: the name of the metric.
        series: one per engine or instance.
    """
    present = _sorted(part for part in series if len(part.times) > 1)
    edges = _all_times([part.times for part in present])
    resets = sum(int((np.diff(part.values) < 0).sum()) for part in present)
    total = np.zeros(max(len(edges) - 1, 0))
    covered = np.zeros(len(total), np.bool_)
    for rates in (_rate(part, edges) for part in present):
        covered |= ~np.isnan(rates)
        total += np.nan_to_num(rates)
    problems = _sum_problems(name, len(present), 0)
    if not present and any(len(part.times) for part in series):
        problems.append(Problem(ProblemKind.RATE_NEEDS_TWO, detail=(printable(name),)))
    if resets:
        problems.append(Problem(ProblemKind.COUNTER_RESET, resets, (printable(name),)))
    times, begins = edges[1:][covered], edges[:-1][covered]
    rate = Series(RATE_STAGE, Kind.RATE, times, total[covered], None, name, Measure.SPANS, begins)
    return rate, problems


def arrivals(done: Series, in_system: Sequence[Series], are_known: bool | None) -> Series | None:
    """Return the rate at which requests arrive, from the rate at which they are done.

    Args:
        done: the rate of a counter.
        in_system: gauges that add up to the requests in the system.
        are_known: whether arrivals were known in earlier lines of the log; None if there are none.

    Returns:
        What is done, plus the growth of what is in the system; not below 0, as requests may end uncounted. None if the
        gauges were not sampled when the counter was.
    """
    begins = done.times if done.begins is None else done.begins
    growth, sampled = np.zeros(len(done.times)), np.ones(len(done.times), np.bool_)
    for gauge in in_system:
        sampled &= np.isin(done.times, gauge.times) & np.isin(begins, gauge.times)
        places = np.searchsorted(gauge.times, np.stack((begins, done.times))).clip(max=max(len(gauge.times) - 1, 0))
        growth += np.diff(gauge.values[places], axis=0)[0] if len(gauge.times) else 0.0
    if not (are_known if are_known is not None else sampled.any() and sampled.mean() >= _LEAST_SAMPLED):
        return None
    values = np.maximum(done.values + growth / ((done.times - begins) / NS), 0.0)
    return replace(done, times=done.times[sampled], values=values[sampled], begins=begins[sampled])


def without_negative(quantity: Series) -> tuple[Series, list[Problem]]:
    """Return a quantity without its negative loads, and a warning about those."""
    valid = quantity.values >= 0
    if valid.all():
        return quantity, []
    kept = replace(quantity, times=quantity.times[valid], values=quantity.values[valid])
    return kept, [Problem(ProblemKind.NEGATIVE, int((~valid).sum()), (printable(quantity.column),))]


def _rate(part: MetricSeries, edges: TimeArray) -> FloatArray:
    """Return a counter's rate in each interval between two edges, per second; NaN outside its samples."""
    growth = np.diff(part.values)
    growth = np.where(growth < 0, part.values[1:], growth)
    rates = growth / (np.diff(part.times) / NS)
    place = np.searchsorted(part.times, edges[1:], side="left") - 1
    inside = (place >= 0) & (place < len(rates))
    return np.where(inside, rates[np.clip(place, 0, len(rates) - 1)], np.nan)


def _sorted(series: Iterable[MetricSeries]) -> list[MetricSeries]:
    """Return series by their labels, so that their order in a log changes no bit of their sum."""
    return sorted(series, key=lambda part: sorted(part.labels.items()))


def _all_times(parts: Sequence[TimeArray]) -> TimeArray:
    return np.unique(np.concatenate([np.empty(0, np.int64), *parts]), sorted=True)


def _sum_problems(name: str, count: int, holes: int) -> list[Problem]:
    problems = [Problem(ProblemKind.SERIES_SUMMED, count, (printable(name),))] if count > 1 else []
    if holes:
        problems.append(Problem(ProblemKind.SUM_INCOMPLETE, holes, (printable(name),)))
    return problems
