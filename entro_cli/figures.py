"""Run -> Figures: the counts, incidents and the objective of a run of steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entro_cli.clock import moment
from entro_cli.maintenance import NONE, Maintenance
from entro_cli.objective import measure_objective
from entro_cli.summary import Figures, Incident, RegimeCounts, StageFigures
from entro_engine import Regime, Run
from entro_engine.early_warning import time_to_budget
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
    part = run.part(first, after)
    observed = part.observed
    excluded = int(maintenance.steps(part.start_ns, part.step_ns, part.steps).sum())
    awaited = part.steps - excluded
    tau = time_to_budget(run.times_ns / 1e9, run.psi_total, run.budget)
    return Figures(
        start=moment(part.start_ns, zone),
        end=moment(part.end_ns, zone),
        step_s=run.step_s,
        steps=part.steps,
        observed_steps=int(observed.sum()),
        excluded_steps=excluded,
        coverage=float(part.own.sum()) / awaited if awaited else 0.0,
        budget=run.budget,
        stages=_stages(part),
        regimes=regimes_of(part, awaited),
        violations=int(part.violated.sum()),
        violation_time_s=float(part.violated.sum()) * run.step_s,
        excess_nat_s=float(part.delta.sum()) * run.step_s,
        peak_psi_total=_of(np.max, part.psi_total[observed]),
        mean_psi_total=_of(np.mean, part.psi_total[observed]),
        stability_mean=_of(np.mean, part.trace.stability[observed]),
        stability_min=_of(np.min, part.trace.stability[observed]),
        energy_mean=_of(np.mean, part.trace.energy[observed]),
        energy_max=_of(np.max, part.trace.energy[observed]),
        memory_mean=_of(np.mean, part.trace.memory[observed]),
        memory_max=_of(np.max, part.trace.memory[observed]),
        transitions=int(np.count_nonzero(np.diff(part.trace.regime[observed]))),
        time_to_budget_s=_last_finite(tau[first:after]),
        incidents=_incidents(part, tau[max(first - 1, 0) : after], first > 0, zone),
        objective=measure_objective(run, first, after, target, zone),
    )


def _of(statistic: Callable[[FloatArray], Any], values: FloatArray) -> float | None:
    """A statistic of the values, None of nothing."""
    return float(statistic(values)) if len(values) else None


def _last_finite(tau: FloatArray) -> float | None:
    """The time to budget at the last observed step; None where the budget is not being approached."""
    known = tau[~np.isnan(tau)]
    return float(known[-1]) if len(known) and math.isfinite(known[-1]) else None


def _stages(run: Run) -> tuple[StageFigures, ...]:
    observed = run.observed
    return tuple(
        StageFigures(
            name=stage.name,
            kind=str(stage.kind),
            full=stage.full_load,
            mean_load=_of(np.mean, load[observed]),
            peak_load=_of(np.max, peak[observed]),
            mean_share=_of(np.mean, share[observed]),
        )
        for stage, load, peak, share in zip(run.stages, run.loads, run.peaks, run.rho, strict=True)
    )


def regimes_of(run: Run, steps: int) -> RegimeCounts:
    """The regimes of a run that is the part with data of so many steps; the others are without."""
    stable, stress, critical = (
        int(np.count_nonzero(run.trace.regime == regime)) for regime in (Regime.STABLE, Regime.STRESS, Regime.CRITICAL)
    )
    return RegimeCounts(stable, stress, critical, no_data=steps - stable - stress - critical)


def spans_of_violation(violated: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The incidents: their first steps, and the steps after their last; a single step between two is bridged."""
    steps = np.flatnonzero(violated)
    if not len(steps):
        return steps, steps
    cuts = np.flatnonzero(np.diff(steps) > 2)
    return steps[np.append(0, cuts + 1)], steps[np.append(cuts, -1)] + 1


def _incidents(run: Run, tau: FloatArray, has_before: bool, zone: tzinfo) -> tuple[Incident, ...]:
    """The incidents of `run`; `tau` has the step before its first one too, where there is one."""
    firsts, afters = spans_of_violation(run.violated)
    if not len(firsts):
        return ()
    before = tau if has_before else np.concatenate([[math.nan], tau])
    within = _Within(firsts, afters)
    parts = within.each(np.add, run.rho)
    columns = (
        firsts.tolist(),
        afters.tolist(),
        within.each(np.add, run.violated.astype(np.int64)).tolist(),
        within.each(np.maximum, run.psi_total).tolist(),
        (within.each(np.add, run.delta) * run.step_s).tolist(),
        parts.argmax(axis=0).tolist(),
        before[firsts].tolist(),
    )
    return tuple(
        Incident(
            start=moment(run.start_ns + first * run.step_ns, zone),
            end=moment(run.start_ns + after * run.step_ns, zone),
            duration_s=(after - first) * run.step_s,
            violations=violations,
            peak_psi_total=peak,
            excess_nat_s=excess,
            driver=run.stages[driver].name,
            time_to_budget_s=ahead if math.isfinite(ahead) else None,
        )
        for first, after, violations, peak, excess, driver, ahead in zip(*columns, strict=True)
    )


@dataclass(frozen=True)
class _Within:
    """Incidents, all at once: a long log has many. `firsts` are their first steps, `afters` those after their last."""

    firsts: NDArray[np.int64]
    afters: NDArray[np.int64]

    def each(self, reduce: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        """What the values of each incident's steps come to; those without data are none. Of the last axis."""
        edges = np.stack([self.firsts, self.afters], axis=1).ravel()
        padded = np.zeros((*values.shape[:-1], values.shape[-1] + 1), values.dtype)  # an edge behind the last step
        padded[..., :-1] = np.nan_to_num(values)
        return reduce.reduceat(padded, edges, axis=-1)[..., ::2]
