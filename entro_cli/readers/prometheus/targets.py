"""Targets that were scraped twice, by two Prometheus servers or two jobs, of which one series counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from entro_cli.core.console import printable
from entro_cli.readers.prometheus.series import MetricSeries
from entro_cli.timeseries.observations import TimeArray
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine.entropy import FloatArray

_OF_PROMETHEUS = frozenset({"prometheus", "prometheus_replica", "__replica__"})
"""Labels that name the Prometheus server which scraped a target."""

_RANKS = frozenset({"tp_rank", "pp_rank", "moe_ep_rank"})
"""Labels of SGLang's parts of one model, which may all report its queue."""

_OF_SCRAPE = _OF_PROMETHEUS | _RANKS | {"job", "replica", "endpoint", "service"}
"""Labels that also differ between two scrapes of one target, but not only between those."""

_RAY = "ray_"
"""One address of Ray has the metrics of all replicas on its machine."""

_ADDRESSES = ("instance", "pod")
"""Labels that name the target itself."""

_LEAST_CORRELATION = 0.9
"""Chosen: two scrapes of a server are seconds apart, and still agree far better than two servers do."""


def once_per_target(
    name: str, series: Sequence[MetricSeries], scrapes: dict[int, int]
) -> tuple[list[MetricSeries], list[Problem]]:
    """Return the series of a metric without further scrapes of the same target, and a warning about those.

    Args:
        name: the name of the metric.
        series: its series, each with other labels.
        scrapes: by series, the one whose target it scrapes, which may be itself; those that are new are added.
    """
    by_address: dict[object, list[MetricSeries]] = {}

    def rank(part: MetricSeries) -> tuple[bool, int, list[tuple[str, str]]]:
        return scrapes.get(part.place, part.place) != part.place, -len(part.times), sorted(part.labels.items())

    for part in sorted(series, key=rank):
        found, known = by_address.setdefault(_address(part), []), scrapes.get(part.place)
        are_same = (
            _agree(other, part) and _is_same(other, part) if known is None else other.place == known for other in found
        )
        twin = next((at for at, is_same in enumerate(are_same) if is_same), len(found))
        found[twin:] = [_joined(found[twin], part) if twin < len(found) else part, *found[twin + 1 :]]
        if len(part.times):
            scrapes[part.place] = found[twin].place
    once = [part for parts in by_address.values() for part in parts]
    repeated = len(series) - len(once)
    return once, [Problem(ProblemKind.SCRAPED_TWICE, repeated, (printable(name),))] if repeated else []


def _address(part: MetricSeries) -> object:
    """Return the address of the target of a series, or else its labels without those of the scrape."""
    address = next((part.labels[label] for label in _ADDRESSES if part.labels.get(label)), None)
    if address is not None and not part.name.startswith(_RAY):
        return address
    # Without an address, a job may be a server.
    return frozenset((label, value) for label, value in part.labels.items() if label not in _OF_PROMETHEUS | _RANKS)


def _agree(one: MetricSeries, other: MetricSeries) -> bool:
    """Return whether the labels of two scrapes of one address agree. One of them may know more: the pod, its node."""
    shared = (one.labels.keys() & other.labels.keys()) - _OF_SCRAPE
    return all(one.labels[label] == other.labels[label] for label in shared)


def _is_same(one: MetricSeries, other: MetricSeries) -> bool:
    """Return whether two series of one target are equal, or differ by no more than they change between scrapes."""
    if len(other.times) < 2:
        return len(other.times) == 1 and (other.times[0], other.values[0]) in zip(one.times, one.values, strict=True)
    near = _nearest(one.times, other.times)
    close = abs(one.times[near] - other.times) <= np.median(np.diff(one.times))
    mine, others = one.values[near][close], other.values[close]
    if not len(others):
        return False
    if np.array_equal(mine, others):
        return True
    changes = min(_mean_change(one.values), _mean_change(other.values))
    if min(np.ptp(mine), np.ptp(others)) == 0 or float(np.mean(abs(mine - others))) > changes:
        return False
    return bool(np.corrcoef(mine, others)[0, 1] >= _LEAST_CORRELATION)


def _mean_change(values: FloatArray) -> float:
    return float(np.mean(abs(np.diff(values))))


def _joined(one: MetricSeries, other: MetricSeries) -> MetricSeries:
    """Return a series with the samples of another scrape where it lacks some."""
    if len(one.times) < 2:
        return one
    # Between two samples the nearest one is at most half an interval away, and scrapes jitter.
    missing = abs(one.times[_nearest(one.times, other.times)] - other.times) > np.median(np.diff(one.times)) * 3 / 4
    times = np.concatenate([one.times, other.times[missing]])
    order = np.argsort(times, kind="stable")
    return replace(one, times=times[order], values=np.concatenate([one.values, other.values[missing]])[order])


def _nearest(times: TimeArray, wanted: TimeArray) -> TimeArray:
    """Return for each wanted time the index of the nearest of some sorted times."""
    nearest: TimeArray = np.rint(np.interp(wanted - times[0], times - times[0], np.arange(len(times)))).astype(np.int64)
    return nearest
