"""The figures of a run of steps, accumulated from its parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import tzinfo

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from entro_cli.analysis.error_budget import ErrorBudgetAccumulator
from entro_cli.analysis.find_incidents import IncidentFinder
from entro_cli.analysis.results import Figures, RegimeCounts, StageFigures
from entro_cli.core.clock import moment
from entro_cli.timeseries.maintenance import NONE, Maintenance
from entro_cli.timeseries.steps import PART_STEPS
from entro_engine import Kind, Regime, Run, Stage
from entro_engine.entropy import DEFAULT_ACCEPTED_WAIT_S, FloatArray


def measure(
    run: Run,
    first: int,
    after: int,
    target: float,
    zone: tzinfo,
    maintenance: Maintenance = NONE,
    wait_s: float = DEFAULT_ACCEPTED_WAIT_S,
) -> Figures:
    """Return the figures of the steps from `first` up to but not including `after` of a run.

    Args:
        run: the run, including earlier steps, which burn windows and the early warning look back on.
        first: the first step that counts.
        after: the step after the last one that counts.
        target: the objective, a share of observed steps, 0..1.
        zone: the zone of the times in the result.
        maintenance: the maintenance windows. The run has no data in them.
        wait_s: the longest accepted wait, s.
    """
    span = run.start_ns + first * run.step_ns, run.step_ns, after - first
    accumulator = FigureAccumulator(run.stages, run.budget, target, zone, after - first, wait_s)
    accumulator.count(parts_of(run, first, after), span[0])
    return accumulator.figures(span, maintenance.count_steps(*span))


def parts_of(run: Run, first: int, after: int) -> Iterator[Run]:
    """Yield the steps of a run before `after` in parts. One part begins with `first`, so that no part crosses it."""
    for begin, end in ((0, first), (first, after)):
        for start in range(begin, end, PART_STEPS):
            yield run.part(start, min(start + PART_STEPS, end))


class HighestValues:
    """The highest of some values, as many as an exact percentile of all of them needs, though they arrive in parts.

    Args:
        most: the most values that there may be.
        percent: the percentile, 0..100.

    Attributes:
        count: number of all values.
    """

    def __init__(self, most: int, percent: float) -> None:
        self.count = 0
        self._share, self._values = percent / 100, np.empty(0)
        self._kept = math.ceil((1 - self._share) * most) + 2

    def add(self, values: FloatArray) -> None:
        """Add values, none of them NaN."""
        self.count += len(values)
        self._values = np.concatenate([self._values, values])
        if len(self._values) > 2 * self._kept:
            self._values = np.partition(self._values, -self._kept)[-self._kept :]

    def neighbours(self) -> tuple[float, float, float]:
        """Return the two values around the percentile, and its place between them, 0..1; of at least one value."""
        index = (self.count - 1) * self._share
        rank = math.floor(index)
        highest = np.sort(self._values)
        first = rank - (self.count - len(highest))
        return float(highest[first]), float(highest[min(first + 1, len(highest) - 1)]), index - rank


class _RunningStats(Struct):
    """Count, sum, minimum and maximum of values that arrive in parts."""

    count: int = 0
    total: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf

    def add(self, values: FloatArray) -> None:
        """Add values."""
        if len(values):
            self.count += len(values)
            self.total += float(values.sum())
            self.minimum, self.maximum = min(self.minimum, float(values.min())), max(self.maximum, float(values.max()))

    def known(self, value: float) -> float | None:
        """Return a value if there were any values, else None."""
        return value if self.count else None

    @property
    def mean(self) -> float | None:
        """The mean; None without values."""
        return self.total / self.count if self.count else None


class _StageStats(Struct):
    waits: HighestValues
    load: _RunningStats = field(default_factory=_RunningStats)
    peak: _RunningStats = field(default_factory=_RunningStats)
    share: _RunningStats = field(default_factory=_RunningStats)
    wait: _RunningStats = field(default_factory=_RunningStats)
    are_exact: bool = True  # whether single requests are known in every step


class FigureAccumulator:
    """Accumulator of the figures of a run, from its parts in the order of their times.

    Args:
        stages: stages of the run.
        budget: the budget of the coupled load, nat.
        target: the objective, a share of observed steps, 0..1.
        zone: the zone of the times in the result.
        steps: number of steps that may count, at most.
        wait_s: the longest accepted wait, s.

    Raises:
        ParameterError: if the target is outside 0..1.
    """

    def __init__(
        self,
        stages: tuple[Stage, ...],
        budget: float,
        target: float,
        zone: tzinfo,
        steps: int,
        wait_s: float = DEFAULT_ACCEPTED_WAIT_S,
    ) -> None:
        self._wait_s, self._late = wait_s, 0
        self._stages, self._budget, self._zone = stages, budget, zone
        self._start_ns: int | None = None  # start of the first part that counts
        self._measured = self._violations = self._transitions = 0
        self._excess = 0.0
        self._regimes = np.zeros(len(Regime), np.int64)
        self._last_regime = np.empty(0, np.int8)
        self._psi, self._load, self._stability, self._energy, self._memory = (_RunningStats() for _ in range(5))
        self._loads = [_StageStats(HighestValues(steps, 95)) for _ in stages]
        self._incidents = IncidentFinder(stages, budget)
        self._error_budget = ErrorBudgetAccumulator(target, zone)

    def count(self, runs: Iterable[Run], from_ns: int) -> None:
        """Count all parts of a run that begin at a time or later.

        Burn windows and the early warning look back on the earlier parts.

        Args:
            runs: the parts, in the order of their times.
            from_ns: nanoseconds since the epoch.
        """
        for run in runs:
            if run.start_ns < from_ns:
                self._incidents.add_earlier(run)
                self._error_budget.add_earlier(run)
            else:
                self._start_ns = run.start_ns if self._start_ns is None else self._start_ns
                self._add(run)

    def _add(self, run: Run) -> None:
        observed, violated, delta, evidence = run.observed, run.violated, run.delta, run.driver_evidence
        selection = slice(None) if observed.all() else observed  # a slice copies nothing, a mask does
        trace = run.trace
        self._measured += int(run.own.sum())
        self._violations += int(violated.sum())
        self._excess += float(delta.sum())
        self._regimes += np.bincount(trace.regime - int(Regime.NO_DATA), minlength=len(Regime))
        regimes = np.concatenate([self._last_regime, trace.regime[selection]])  # from the previous part's last step on
        self._transitions += int(np.count_nonzero(np.diff(regimes)))
        self._last_regime = regimes[-1:]
        self._psi.add(run.psi_total[selection])
        self._load.add(run.coupled_load[selection])
        self._stability.add(trace.stability[selection])
        self._energy.add(trace.energy[selection])
        self._memory.add(trace.memory[selection])
        for accumulator, load, peak, share in zip(
            self._loads, run.loads, run.peaks, evidence[: len(self._stages)], strict=True
        ):
            accumulator.load.add(load[selection])
            accumulator.peak.add(peak[selection])
            accumulator.share.add(share[selection])
        self._add_waits(run, selection)
        self._incidents.add(run, violated, delta, evidence)
        self._error_budget.add(run, violated, observed)

    def _add_waits(self, run: Run, selection: slice | NDArray[np.bool_]) -> None:
        """Add the wait at the end of each observed step, and count the late ones.

        Where single requests are known, a step is late if one that waits in it waits too long in all, sooner or later.
        Elsewhere it is late if the estimated wait at its end is too long.
        """
        late = np.zeros(run.steps, np.bool_)
        for index, (accumulator, wait) in enumerate(zip(self._loads, end_waits(run, self._wait_s), strict=True)):
            if wait is not None:
                accumulator.wait.add(wait[selection])
                accumulator.waits.add(wait[selection])
                accumulator.are_exact &= run.ages is not None and bool((run.ages[index, selection] >= 0).all())
                late |= _known_or(wait, run.waits, index) > self._wait_s
        self._late += int(late[selection].sum())

    def figures(self, span: tuple[int, int, int], excluded: int) -> Figures:
        """Return the figures of all parts.

        Args:
            span: start of the first step (nanoseconds since the epoch), length of a step (nanoseconds) and number of
                steps. Steps that no part had count as steps without data.
            excluded: number of steps that are left out as maintenance.
        """
        start_ns, step_ns, steps = span
        step_s, counted = step_ns / 1e9, steps - excluded
        has_queue = any(stage.kind is Kind.QUEUE for stage in self._stages)
        return Figures(
            start=moment(start_ns, self._zone),
            end=moment(start_ns + steps * step_ns, self._zone),
            step_s=step_s,
            steps=steps,
            observed_steps=self._psi.count,
            excluded_steps=excluded,
            coverage=float(self._measured) / counted if counted else 0.0,
            budget=self._budget,
            stages=tuple(map(_stage_figures, self._stages, self._loads)),
            regimes=_counts(self._regimes, counted),
            violations=self._violations,
            violation_time_s=float(self._violations) * step_s,
            excess_nat_s=self._excess * step_s,
            peak_psi_total=self._psi.known(self._psi.maximum),
            mean_psi_total=self._psi.mean,
            peak_coupled_load=self._load.known(self._load.maximum),
            mean_coupled_load=self._load.mean,
            stability_mean=self._stability.mean,
            stability_min=self._stability.known(self._stability.minimum),
            energy_mean=self._energy.mean,
            energy_max=self._energy.known(self._energy.maximum),
            memory_mean=self._memory.mean,
            memory_max=self._memory.known(self._memory.maximum),
            transitions=self._transitions,
            time_to_budget_s=self._incidents.time_to_budget_s if self._psi.count else None,
            late_share=self._late / self._psi.count if self._psi.count and has_queue else None,
            incidents=self._incidents.incidents(self._start_ns or start_ns, step_ns, self._zone),
            objective=self._error_budget.error_budget(step_s),
        )


def end_waits(run: Run, wait_s: float) -> list[FloatArray | None]:
    """Return the wait at the end of each step for each stage that is a queue, s, shape (steps,).

    Where single requests are known, it is the time that the oldest one in the queue has waited. Elsewhere it is
    estimated by Little's law as the queue over the capacity; a full queue is the capacity times the accepted wait.

    Args:
        run: the run.
        wait_s: the longest accepted wait, s.

    Returns:
        One entry per stage; None for stages that are no queue. NaN without data.
    """
    return [
        _known_or(ends * (wait_s / stage.full_load), run.ages, index) if stage.kind is Kind.QUEUE else None
        for index, (stage, ends) in enumerate(zip(run.stages, run.ends, strict=True))
    ]


def whole_waits(run: Run, wait_s: float) -> list[FloatArray | None]:
    """Return what `end_waits` does, but the longest wait in all of those that wait in a step, where it is known."""
    return [
        None if wait is None else _known_or(wait, run.waits, index) for index, wait in enumerate(end_waits(run, wait_s))
    ]


def _known_or(estimated: FloatArray, known: FloatArray | None, stage: int) -> FloatArray:
    """Return what is known of single requests in a stage, and an estimate elsewhere; NaN where the estimate is."""
    if known is None:
        return estimated
    return np.where((known[stage] >= 0) & ~np.isnan(estimated), known[stage], estimated)


def _stage_figures(stage: Stage, accumulator: _StageStats) -> StageFigures:
    return StageFigures(
        name=stage.name,
        kind=str(stage.kind),
        full=stage.full_load,
        mean_load=accumulator.load.mean,
        peak_load=accumulator.peak.known(accumulator.peak.maximum),
        mean_share=accumulator.share.mean,
        longest_wait_s=accumulator.wait.known(accumulator.wait.maximum),
        wait_95_s=_percentile_95(accumulator.waits),
        waits_are_exact=accumulator.are_exact if accumulator.wait.count else None,
    )


def _percentile_95(waits: HighestValues) -> float | None:
    if not waits.count:
        return None
    low, high, place = waits.neighbours()
    return float(np.interp(place, [0.0, 1.0], [low, high]))


def regimes_of(run: Run, steps: int) -> RegimeCounts:
    """Return the regimes of a period of `steps` steps, of which `run` has those with data."""
    return _counts(np.bincount(run.trace.regime - int(Regime.NO_DATA), minlength=len(Regime)), steps)


def _counts(regimes: NDArray[np.int64], steps: int) -> RegimeCounts:
    """Return the regimes of `steps` steps, from the number of steps with each code, without data first."""
    stable, stress, critical = regimes[1:].tolist()
    return RegimeCounts(stable, stress, critical, no_data=steps - stable - stress - critical)
