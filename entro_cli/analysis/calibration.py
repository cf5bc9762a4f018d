"""Calibration: the capacity and the full loads that a log shows, and a check if the published ones can fit it."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.analysis.figures import HighestValues
from entro_cli.analysis.results import Calibration, Figures, FullLoad, FullLoads, Source
from entro_cli.core.clock import moment
from entro_cli.core.formatting import counted, failures
from entro_cli.timeseries.steps import Steps, StepSource, in_parts, stage_view
from entro_engine import EntroError, Kind, Stage, psi_budget
from entro_engine.entropy import (
    DEFAULT_ACCEPTED_WAIT_S,
    PUBLISHED_CAPACITY,
    FloatArray,
    full_loads_from,
)

_WINDOW_S = 60.0
_MIN_WINDOW_STEPS = 5
_GOOD_WINDOWS = 20
"""With fewer windows the evidence is thin."""

_MOST_ABOVE = 1.1
"""Chosen: the mean served rate above which a learned capacity is too small, as a multiple of it."""

_MOST_FAILED = 0.05
"""Chosen: the share of requests that may fail before a learned capacity is doubted."""

_SAME_SIZE = 0.2
"""A server whose capacity is within this share of the published one has the size of the published full loads."""


class MeasuredCapacity(Struct, frozen=True):
    """The capacity of a log's server.

    Attributes:
        value: req/s.
        evidence: how it was measured, in words.
        is_guess: True if the log never kept the server busy for long enough to measure it.
        mark: a reservation about the evidence: `thin`, `at least`, `usual rate`; empty without one.
        is_thin: True if the evidence is too thin to be kept.
    """

    value: float
    evidence: str
    is_guess: bool
    mark: str = ""
    is_thin: bool = False


def is_rate_queue_pair(steps: StepSource) -> bool:
    """Return True if the pipeline is one rate stage that feeds one queue stage."""
    return [stage.kind for stage in steps.stages] == [Kind.RATE, Kind.QUEUE]


def with_queue_before(
    steps: StepSource, initial_queue: float = 0.0, size: int | None = None
) -> Iterator[tuple[Steps, float]]:
    """Yield steps in parts, each with the queue before its first step, requests.

    Args:
        steps: steps of a pipeline for which `is_rate_queue_pair` is true.
        initial_queue: queue before the first step, requests.
        size: steps per part, `PART_STEPS` by default.
    """
    for part in in_parts(steps, size=size):
        yield part, initial_queue
        initial_queue = float(part.ends[1][-1])


def queue_before(steps: Steps, initial_queue: float = 0.0) -> FloatArray:
    """Return the queue before each step, requests, shape (steps,).

    Args:
        steps: steps of a pipeline for which `is_rate_queue_pair` is true.
        initial_queue: queue before the first step, requests.
    """
    return np.concatenate([[initial_queue], steps.ends[1][:-1]])


def served_per_step(steps: Steps, initial_queue: float = 0.0) -> FloatArray:
    """Return the requests served in each step, by conservation, shape (steps,).

    served_t = r_t dt - (q_t - q_{t-1}), with q at the end of the steps. NaN in steps without data and in the steps
    after them.

    Args:
        steps: steps of a pipeline for which `is_rate_queue_pair` is true.
        initial_queue: queue before the first step, requests.
    """
    rate, queue = steps.loads[0], steps.ends[1]
    before = queue_before(steps, initial_queue)
    return np.asarray(rate * steps.step_s - (queue - before), dtype=np.float64)


def busy_steps(steps: Steps, served: FloatArray, initial_queue: float = 0.0) -> NDArray[np.bool_]:
    """Return a mask of the steps in which the server is known to be busy, shape (steps,).

    These steps have a queue at their beginning or end, and a known number of served requests.

    Args:
        steps: steps of a pipeline for which `is_rate_queue_pair` is true.
        served: the requests served in each step, as `served_per_step` returns them.
        initial_queue: queue before the first step, requests.
    """
    waiting = (queue_before(steps, initial_queue) > 0) | (steps.ends[1] > 0)
    return np.asarray(waiting & ~np.isnan(served), dtype=np.bool_)


def measure_capacity(
    steps: StepSource, initial_queue: float = 0.0, windows: _Windows | None = None
) -> MeasuredCapacity:
    """Measure the capacity of the server behind a queue stage that a rate stage feeds.

    It is the 95th percentile of the mean served rate over sliding windows of a minute (at least five steps) in which
    the server was busy throughout. Shorter windows would overstate the rate that the server can sustain.

    Args:
        steps: steps of a pipeline for which `is_rate_queue_pair` is true.
        initial_queue: queue before the first step, requests.
        windows: gets the counts of the busy windows of these steps.
    """
    windows = windows or _Windows(steps, initial_queue)
    capacity = windows.percentile(95)
    if capacity is not None:
        length = f"{windows.length * steps.step_s:g} s"
        return MeasuredCapacity(
            capacity, f"95th percentile over {counted(windows.count, 'busy window')} of {length}", False
        )
    if windows.known:
        evidence = f"mean over {counted(windows.known, 'busy step')}, as no window is busy"
        return MeasuredCapacity(windows.total / windows.known, evidence, True)
    rates = (part.loads[0][~np.isnan(part.loads[0])] for part in in_parts(steps))
    rate = _percentile(rates, 99, steps.count)
    return MeasuredCapacity(rate or 0.0, "99th percentile of the arrival rate, as the server was never busy", True)


def shows_capacity(stages: Iterable[Stage]) -> bool:
    """Return whether a capacity can be learned of a pipeline with these stages: one rate, and at most one queue."""
    kinds = [stage.kind for stage in stages]
    return kinds.count(Kind.RATE) == 1 and kinds.count(Kind.QUEUE) <= 1


def learn_capacity(steps: StepSource) -> MeasuredCapacity | None:
    """Learn the capacity that the full loads of a pipeline follow from, rounded to three significant digits.

    With one rate and one queue it is the measured capacity, or, if a queue never formed, at least the largest mean rate
    over a minute. With one rate alone it is the usual rate: the 95th percentile of the mean rates over a minute.

    Args:
        steps: steps of the pipeline.

    Returns:
        The capacity; None for other pipelines, and if the log shows none.
    """
    if not shows_capacity(steps.stages):
        return None
    kinds = [stage.kind for stage in steps.stages]
    named = [kinds.index(kind) for kind in (Kind.RATE, Kind.QUEUE) if kind in kinds]
    found = _learned(stage_view(steps, tuple(steps.stages[index] for index in named), named))
    value = float(f"{found.value:.3g}") if found else 0.0
    return replace(found, value=value) if found and value > 0 else None


def _learned(steps: StepSource) -> MeasuredCapacity | None:
    """Learn from one rate, or from one rate that feeds one queue."""
    is_pair = is_rate_queue_pair(steps)
    if is_pair:
        windows = _Windows(steps, 0.0)
        measured = measure_capacity(steps, windows=windows)
        if windows.known:
            is_thin = windows.count < _GOOD_WINDOWS
            return replace(measured, mark="thin" if is_thin else "", is_thin=is_thin)
    rates = _Windows(steps)
    value = rates.percentile(100 if is_pair else 95)
    if value is None:
        return None
    number = f"{counted(rates.count, 'window')} of {rates.length * steps.step_s:g} s"
    is_thin = rates.count < _GOOD_WINDOWS
    if is_pair:
        evidence = f"highest mean rate of {number}, in which no queue formed"
        return MeasuredCapacity(value, evidence, True, "at least", is_thin)
    return MeasuredCapacity(value, f"95th percentile of the mean rates of {number}", True, "usual rate", is_thin)


class _Windows(Struct):
    """The sliding windows of known rates, and the mean rates in them.

    Attributes:
        steps: steps of a pipeline whose first stage is a rate.
        initial_queue: queue before the first step, requests, for the rates served while the server was busy; None for
            the rates of the first stage.
        count: number of windows. This and the next two are known once a percentile is computed.
        known: number of steps with a known rate.
        total: sum of the rates in those, req/s.
    """

    steps: StepSource
    initial_queue: float | None = None
    count: int = 0
    known: int = 0
    total: float = 0.0

    @property
    def length(self) -> int:
        """Length of a window, steps."""
        return max(math.ceil(_WINDOW_S / self.steps.step_s), _MIN_WINDOW_STEPS)

    def percentile(self, percent: float) -> float | None:
        """Return a percentile of the mean rates in the windows, req/s; None without a window."""
        return _percentile(self._means(), percent, self.steps.count)

    def _means(self) -> Iterator[FloatArray]:
        """Yield the mean rate in each window, req/s, some windows at a time."""
        rates, unknown = np.empty(0), np.empty(0, np.bool_)
        for rate, is_known in self._rates():
            self.known += int(is_known.sum())
            self.total += float(rate[is_known].sum())
            rates, unknown = np.concatenate([rates, rate]), np.concatenate([unknown, ~is_known])
            is_whole = _sums(unknown.astype(np.int64), self.length) == 0
            means = _sums(rates, self.length)[is_whole] / self.length
            self.count += len(means)
            yield means
            rates, unknown = rates[len(is_whole) :], unknown[len(is_whole) :]  # windows reach into the next part

    def _rates(self) -> Iterator[tuple[FloatArray, NDArray[np.bool_]]]:
        """Yield the rate of each step, req/s, and a mask of those that are known, part by part."""
        if self.initial_queue is None:
            for part in in_parts(self.steps):
                yield part.loads[0], np.logical_not(np.isnan(part.loads).any(axis=0))
            return
        for part, before in with_queue_before(self.steps, self.initial_queue):
            rate = served_per_step(part, before) / part.step_s
            yield rate, busy_steps(part, rate, before)


def _percentile(parts: Iterable[FloatArray], percent: float, most: int) -> float | None:
    """Return what `numpy.percentile` returns for all values at once; None without values."""
    highest = HighestValues(most, percent)
    for values in parts:
        highest.add(values)
    if not highest.count:
        return None
    low, high, place = highest.neighbours()
    return float(np.quantile([low, high], place))


def _sums(values: NDArray[Any], length: int) -> NDArray[Any]:
    """Return the sum over each window of `length` values, shape (values - length + 1,); empty if there are too few."""
    count = max(len(values) - length + 1, 0)
    # Adding shifted copies rounds like each window on its own. Differences of a running sum would not.
    total = values[:count].copy()
    for ahead in range(1, length):
        total += values[ahead : ahead + count]
    return total


def calibration_of(steps: StepSource, wait_s: float, gamma: float, zone: tzinfo) -> Calibration:
    """Return the capacity and the full loads of a log's server, with the evidence for them.

    Args:
        steps: steps of the log.
        wait_s: the longest accepted wait, s.
        gamma: the share of the critical entropy that is the budget.
        zone: the zone of the times in the result.

    Raises:
        EntroError: if the log is not one rate stage that feeds one queue stage, or does not show the server's capacity.
    """
    if not is_rate_queue_pair(steps):
        kinds = ", ".join(f"{stage.name} ({stage.kind})" for stage in steps.stages)
        raise EntroError(
            f"the stages are {kinds}",
            expected="one rate stage that feeds one queue stage",
            remedy="name them with --stage NAME=COLUMN:KIND, or add the log that has the other stage",
        )
    if all(np.isnan(part.loads).any(axis=0).all() for part in in_parts(steps)):
        raise EntroError(
            "no step has data of both stages",
            expected="logs that overlap outside of maintenance windows",
            remedy="name other logs, set --tz or --offset, or check `exclude` in entro.toml",
        )
    capacity = learn_capacity(steps)
    if capacity is None:
        raise EntroError(
            "the log does not show the server's capacity: it is short, or requests only filled the queue",
            expected="a log of some minutes in which requests were served",
        )
    rate, queue = steps.stages
    fulls = full_loads_from(capacity.value, wait_s)
    is_default = math.isclose(wait_s, DEFAULT_ACCEPTED_WAIT_S)
    return Calibration(
        start=moment(steps.start_ns, zone),
        end=moment(steps.start_ns + steps.count * steps.step_ns, zone),
        step_s=steps.step_s,
        capacity=capacity.value,
        evidence=capacity.evidence,
        is_guess=capacity.is_guess,
        mark=capacity.mark,
        is_thin=capacity.is_thin,
        wait_s=wait_s,
        wait_evidence="the published default, q_max / c_max" if is_default else "as asked for",
        stages=(
            FullLoad(rate.name, str(rate.kind), fulls[rate.kind], "req/s", "capacity x 3.0 / 1.2"),
            FullLoad(queue.name, str(queue.kind), fulls[queue.kind], "requests", "capacity x longest accepted wait"),
        ),
        gamma=gamma,
        budget=psi_budget(len(steps.stages), gamma),
    )


def full_loads_of(
    steps: StepSource, wait_s: float, capacity: MeasuredCapacity | None, learns: bool = True
) -> tuple[tuple[Stage, ...], FullLoads]:
    """Return the stages of a pipeline with their full loads, and the origin of those that were not set.

    Args:
        steps: steps of the pipeline. A stage whose full load was set keeps it.
        wait_s: the longest accepted wait, s.
        capacity: what was learned earlier; None to learn it from these steps.
        learns: whether full loads may be learned. If not, the published ones are used.
    """
    if all(stage.full is not None or stage.kind is Kind.GENERIC for stage in steps.stages):
        return steps.stages, FullLoads("set", wait_s)
    found = (capacity or learn_capacity(steps)) if learns else None
    if found is None:
        return steps.stages, FullLoads("published", wait_s)
    fulls = full_loads_from(found.value, wait_s)
    stages = tuple(
        stage if stage.full is not None else dataclasses.replace(stage, full=fulls.get(stage.kind))
        for stage in steps.stages
    )
    return stages, FullLoads("learned", wait_s, found.value, found.evidence, found.mark, found.is_guess)


def misfit_warning(steps: StepSource, figures: Figures, full_loads: FullLoads, sources: Sequence[Source]) -> str | None:
    """Return a warning if the full loads cannot fit a log; None if they can, or the user has set them.

    The published ones cannot if the budget is violated most of the time, unless the server has the size that they are
    for: then the load is too high. Learned ones cannot if the server served more on average than the capacity, or if
    many requests failed.

    Args:
        steps: steps of the log.
        figures: the figures of a period of it.
        full_loads: the origin of the full loads.
        sources: the files of the log.
    """
    if full_loads.origin == "learned":
        return _too_small_capacity(figures, full_loads) or _too_large_capacity(sources, full_loads)
    if full_loads.origin != "published" or 2 * figures.violations <= figures.observed_steps:
        return None
    if is_rate_queue_pair(steps) and math.isclose(
        measure_capacity(steps).value, PUBLISHED_CAPACITY, rel_tol=_SAME_SIZE
    ):
        return None
    return (
        "the published full loads do not fit this log: the budget is violated most of the time; set them with --stage "
        "NAME=COLUMN:KIND:FULL, or measure them with `entro calibrate` if the log has a rate and a queue"
    )


def _too_large_capacity(sources: Sequence[Source], full_loads: FullLoads) -> str | None:
    """Return a warning if many requests failed: steps do not know them, so the capacity counts them as served."""
    failed = sum((Counter(source.failed) for source in sources), Counter[str]())
    rows = sum(source.rows_read for source in sources if source.failed)
    if full_loads.capacity is None or failed.total() <= _MOST_FAILED * rows:
        return None
    return (
        f"{failures(failed)}, and count as served: the learned capacity of {full_loads.capacity:g} req/s may be too "
        "high; set `capacity` in entro.toml"
    )


def _too_small_capacity(figures: Figures, full_loads: FullLoads) -> str | None:
    """Return a warning if the log served more than the learned capacity, as where it was busy only in stalls."""
    by_kind = {stage.kind: stage for stage in figures.stages}
    rate, queue, capacity = by_kind.get(Kind.RATE), by_kind.get(Kind.QUEUE), full_loads.capacity
    if len(figures.stages) != 2 or rate is None or queue is None or capacity is None or not figures.observed_steps:
        return None
    # What was sent and is not in the queue any more was served.
    in_queue = (queue.peak_load or 0.0) / (figures.observed_steps * figures.step_s)
    served = (rate.mean_load or 0.0) - in_queue
    if served <= _MOST_ABOVE * capacity:
        return None
    return (
        f"the learned capacity of {capacity:g} req/s ({full_loads.evidence}) cannot be right: the server served "
        f"{served:.3g} req/s on average; set `capacity` in entro.toml, or use --full-loads published"
    )
