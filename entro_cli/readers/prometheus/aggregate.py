"""Series of one metric, one an engine or an instance, as one: summed where all of them are there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.clock import NS
from entro_cli.core.console import printable
from entro_cli.readers.prometheus.response import PrometheusSeries
from entro_cli.readers.quantities import RATE_STAGE, Quantity
from entro_cli.timeseries.observations import Measure, TimeArray
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import Kind
from entro_engine.entropy import FloatArray


def sum_gauges(name: str, kind: Kind, series: Sequence[PrometheusSeries]) -> tuple[Quantity, list[Problem]]:
    """Gauges side by side as one, and what was out of the ordinary.

    An engine is there from its first sample to its last. A time within that at which it has none has no sum, for a part
    of the queue is no queue; before and after, the others are all there are.

    Args:
        name: the metric's.
        kind: what it measures.
        series: one an engine or an instance.
    """
    there = [part for part in series if len(part.times)]
    times = _all_times([part.times for part in there])
    total, holes = np.zeros(len(times)), np.zeros(len(times), np.bool_)
    for values in _sorted_values(there, times):
        holes |= np.isnan(values[1])
        total += np.where(np.isnan(values[0]), 0.0, values[0])
    problems = _sum_problems(name, len(there), int(holes.sum()))
    return Quantity(name, kind, times[~holes], total[~holes]), problems


def rate_of_counters(name: str, series: Sequence[PrometheusSeries]) -> tuple[Quantity, list[Problem]]:
    """Counters as one rate, per second over each interval between two samples, and what was odd.

    A counter that falls began again at 0. Where an engine has no sample between two of its own, its rate is spread over
    the whole of that time.

    Args:
        name: the metric's.
        series: one an engine or an instance.
    """
    there = [part for part in series if len(part.times) > 1]
    edges = _all_times([part.times for part in there])
    resets = sum(int((np.diff(part.values) < 0).sum()) for part in there)
    rates = np.zeros(max(len(edges) - 1, 0))
    covered = np.zeros(len(rates), np.bool_)
    for own in sorted((_rate(part, edges) for part in there), key=lambda own: own.tobytes()):
        covered |= ~np.isnan(own)
        rates += np.nan_to_num(own)
    problems = _sum_problems(name, len(there), 0)
    if resets:
        problems.append(Problem(ProblemKind.COUNTER_RESET, resets, (printable(name),)))
    times, begins = edges[1:][covered], edges[:-1][covered]
    quantity = Quantity(name, Kind.RATE, times, rates[covered], RATE_STAGE, measure=Measure.SPANS, begins=begins)
    return quantity, problems


def without_negative(quantity: Quantity) -> tuple[Quantity, list[Problem]]:
    """A quantity without its negative loads, and a warning about those."""
    fine = quantity.values >= 0
    if fine.all():
        return quantity, []
    kept = Quantity(quantity.name, quantity.kind, quantity.times[fine], quantity.values[fine], quantity.stage)
    return kept, [Problem(ProblemKind.NEGATIVE, int((~fine).sum()), (printable(quantity.name),))]


def _rate(part: PrometheusSeries, edges: TimeArray) -> FloatArray:
    """A counter's rate in each interval between two edges, per second; NaN where it is not there."""
    grown = np.diff(part.values)
    grown = np.where(grown < 0, part.values[1:], grown)
    rates = grown / (np.diff(part.times) / NS)
    place = np.searchsorted(part.times, edges[1:], side="left") - 1
    inside = (place >= 0) & (place < len(rates))
    return np.where(inside, rates[np.clip(place, 0, len(rates) - 1)], np.nan)


def _all_times(parts: Sequence[TimeArray]) -> TimeArray:
    return np.unique(np.concatenate([np.empty(0, np.int64), *parts]), sorted=True)


def _sorted_values(series: Sequence[PrometheusSeries], times: TimeArray) -> list[tuple[FloatArray, FloatArray]]:
    """Each series at all the times (NaN where it is not), and NaN where it should be there and is not.

    Ordered by content, so that the order of the series changes no bit of their sum.
    """
    found = []
    for part in series:
        values = np.full(len(times), np.nan)
        values[np.searchsorted(times, part.times)] = part.values
        alive: NDArray[np.bool_] = (times >= part.times[0]) & (times <= part.times[-1])
        found.append((values, np.where(alive, values, 0.0)))
    return sorted(found, key=lambda pair: pair[0].tobytes())


def _sum_problems(name: str, count: int, holes: int) -> list[Problem]:
    problems = [Problem(ProblemKind.SERIES_SUMMED, count, (printable(name),))] if count > 1 else []
    if holes:
        problems.append(Problem(ProblemKind.SUM_INCOMPLETE, holes, (printable(name),)))
    return problems
