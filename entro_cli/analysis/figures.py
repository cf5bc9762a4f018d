"""Run -> Figures: the counts, incidents and the objective of a run of steps, which may come in parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo

import numpy as np
from numpy.typing import NDArray

from entro_cli.analysis.error_budget import ErrorBudgetAccumulator
from entro_cli.analysis.find_incidents import IncidentFinder
from entro_cli.analysis.results import Figures, RegimeCounts, StageFigures
from entro_cli.core.clock import moment
from entro_cli.timeseries.maintenance import NONE, Maintenance
from entro_cli.timeseries.steps import PART_STEPS
from entro_engine import Regime, Run, Stage
from entro_engine.entropy import FloatArray


def measure(run: Run, first: int, after: int, target: float, zone: tzinfo, maintenance: Maintenance = NONE) -> Figures:
    """What the steps `first` up to but not including `after` of a run come to.

    Args:
        run: with the steps before, so that burn windows and the early warning can look back.
        first: the first step counted.
        after: the step after the last one counted.
        target: the objective, a share of observed steps, 0..1.
        zone: what times are told in.
        maintenance: what is left out; the run has no data there.
    """
    span = run.start_ns + first * run.step_ns, run.step_ns, after - first
    tally = FigureAccumulator(run.stages, run.budget, target, zone)
    tally.count(parts_of(run, first, after), span[0])
    return tally.figures(span, maintenance.count_steps(*span))


def parts_of(run: Run, first: int, after: int) -> Iterator[Run]:
    """The steps of a run up to but not including `after`, in parts of which one begins with `first`."""
    for begin, end in ((0, first), (first, after)):
        for at in range(begin, end, PART_STEPS):
            yield run.part(at, min(at + PART_STEPS, end))


@dataclass
class _RunningStats:
    """Values that come some at a time: how many, their sum, the least and the greatest."""

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf

    def add(self, values: FloatArray) -> None:
        """Take some more in."""
        if len(values):
            self.count += len(values)
            self.total += float(values.sum())
            self.least, self.most = min(self.least, float(values.min())), max(self.most, float(values.max()))

    def known(self, value: float) -> float | None:
        """A value that means something only where there is one."""
        return value if self.count else None

    @property
    def mean(self) -> float | None:
        """Their mean; None of none."""
        return self.total / self.count if self.count else None


@dataclass
class _StageStats:
    load: _RunningStats = field(default_factory=_RunningStats)
    peak: _RunningStats = field(default_factory=_RunningStats)
    share: _RunningStats = field(default_factory=_RunningStats)


class FigureAccumulator:
    """What a run comes to, counted from its parts in the order of their times.

    Args:
        stages: of the run.
        budget: Psi_budget, nat.
        target: the objective, a share of observed steps, 0..1.
        zone: what times are told in.

    Raises:
        ParameterError: when the target is outside 0..1.
    """

    def __init__(self, stages: tuple[Stage, ...], budget: float, target: float, zone: tzinfo) -> None:
        self._stages, self._budget, self._zone = stages, budget, zone
        self._start_ns: int | None = None  # where the first part begins that is counted
        self._own = self._violations = self._transitions = 0
        self._excess = 0.0
        self._regimes = np.zeros(len(Regime), np.int64)
        self._last_regime = np.empty(0, np.int8)
        self._psi, self._stability, self._energy, self._memory = (_RunningStats() for _ in range(4))
        self._loads = [_StageStats() for _ in stages]
        self._incidents = IncidentFinder(stages, budget)
        self._objective = ErrorBudgetAccumulator(target, zone)

    def count(self, runs: Iterable[Run], from_ns: int) -> None:
        """Count all parts of a run that begin at a moment or later.

        Burn windows and the early warning look back on those before.

        Args:
            runs: the parts, in the order of their times.
            from_ns: nanoseconds since the epoch.
        """
        for run in runs:
            if run.start_ns < from_ns:
                self._incidents.add_earlier(run)
                self._objective.add_earlier(run)
            else:
                self._start_ns = run.start_ns if self._start_ns is None else self._start_ns
                self._add(run)

    def _add(self, run: Run) -> None:
        observed, violated, delta, shares = run.observed, run.violated, run.delta, run.rho
        which = slice(None) if observed.all() else observed  # nothing is copied where there is nothing to leave out
        trace = run.trace
        self._own += int(run.own.sum())
        self._violations += int(violated.sum())
        self._excess += float(delta.sum())
        self._regimes += np.bincount(trace.regime - int(Regime.NO_DATA), minlength=len(Regime))
        seen = np.concatenate([self._last_regime, trace.regime[which]])
        self._transitions += int(np.count_nonzero(np.diff(seen)))
        self._last_regime = seen[-1:]
        self._psi.add(run.psi_total[which])
        self._stability.add(trace.stability[which])
        self._energy.add(trace.energy[which])
        self._memory.add(trace.memory[which])
        for tally, load, peak, share in zip(self._loads, run.loads, run.peaks, shares, strict=True):
            tally.load.add(load[which])
            tally.peak.add(peak[which])
            tally.share.add(share[which])
        self._incidents.add(run, violated, delta, shares)
        self._objective.add(run, violated, observed)

    def figures(self, span: tuple[int, int, int], excluded: int) -> Figures:
        """What all of it comes to.

        Args:
            span: where the first step begins (nanoseconds since the epoch), the length of a step (nanoseconds), and how
                many steps there are; those that no part was of are without data.
            excluded: how many of them are left out as maintenance.
        """
        start_ns, step_ns, steps = span
        step_s, awaited = step_ns / 1e9, steps - excluded
        return Figures(
            start=moment(start_ns, self._zone),
            end=moment(start_ns + steps * step_ns, self._zone),
            step_s=step_s,
            steps=steps,
            observed_steps=self._psi.count,
            excluded_steps=excluded,
            coverage=float(self._own) / awaited if awaited else 0.0,
            budget=self._budget,
            stages=tuple(map(_stage_figures, self._stages, self._loads)),
            regimes=_counts(self._regimes, awaited),
            violations=self._violations,
            violation_time_s=float(self._violations) * step_s,
            excess_nat_s=self._excess * step_s,
            peak_psi_total=self._psi.known(self._psi.most),
            mean_psi_total=self._psi.mean,
            stability_mean=self._stability.mean,
            stability_min=self._stability.known(self._stability.least),
            energy_mean=self._energy.mean,
            energy_max=self._energy.known(self._energy.most),
            memory_mean=self._memory.mean,
            memory_max=self._memory.known(self._memory.most),
            transitions=self._transitions,
            time_to_budget_s=self._incidents.time_to_budget_s if self._psi.count else None,
            incidents=self._incidents.incidents(self._start_ns or start_ns, step_ns, self._zone),
            objective=self._objective.objective(step_s),
        )


def _stage_figures(stage: Stage, tally: _StageStats) -> StageFigures:
    return StageFigures(
        name=stage.name,
        kind=str(stage.kind),
        full=stage.full_load,
        mean_load=tally.load.mean,
        peak_load=tally.peak.known(tally.peak.most),
        mean_share=tally.share.mean,
    )


def regimes_of(run: Run, steps: int) -> RegimeCounts:
    """The regimes of a run that is the part with data of so many steps; the others are without."""
    return _counts(np.bincount(run.trace.regime - int(Regime.NO_DATA), minlength=len(Regime)), steps)


def _counts(regimes: NDArray[np.int64], steps: int) -> RegimeCounts:
    """How many steps of so many are in each regime, from how often each code was there, those without data first."""
    stable, stress, critical = regimes[1:].tolist()
    return RegimeCounts(stable, stress, critical, no_data=steps - stable - stress - critical)
