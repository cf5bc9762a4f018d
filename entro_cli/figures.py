"""Run -> Figures: the counts, incidents and the objective of a run of steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entro_cli.clock import moment
from entro_cli.objective import measure_objective
from entro_cli.summary import Figures, Incident, RegimeCounts, StageFigures
from entro_engine import Regime, Run
from entro_engine.early_warning import time_to_budget
from entro_engine.entropy import FloatArray


def measure(run: Run, first: int, after: int, target: float, zone: tzinfo) -> Figures:
    """What the steps `first` up to but not including `after` of a run come to.

    Args:
        run: with the steps before, so that burn windows and the early warning can look back.
        first: the first step counted.
        after: the step after the last one counted.
        target: the objective, a share of observed steps, 0..1.
        zone: what times are told in.
    """
    part = run.part(first, after)
    observed = part.observed
    tau = time_to_budget(run.times_ns / 1e9, run.psi_total, run.budget)
    return Figures(
        start=moment(part.start_ns, zone),
        end=moment(part.end_ns, zone),
        step_s=run.step_s,
        steps=part.steps,
        observed_steps=int(observed.sum()),
        coverage=float(part.own.sum()) / part.steps if part.steps else 0.0,
        budget=run.budget,
        stages=_stages(part),
        regimes=_regimes(part),
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


def _regimes(run: Run) -> RegimeCounts:
    count = {regime: int((run.trace.regime == regime).sum()) for regime in Regime}
    return RegimeCounts(
        stable=count[Regime.STABLE],
        stress=count[Regime.STRESS],
        critical=count[Regime.CRITICAL],
        no_data=count[Regime.NO_DATA],
    )


def spans_of_violation(violated: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where incidents begin, and the steps after their last: single steps between two violating ones are bridged."""
    steps = np.flatnonzero(violated)
    begins = np.flatnonzero(np.diff(steps, prepend=-3) > 2)
    return steps[begins], np.append(steps[begins[1:] - 1], steps[-1:]) + 1


def _incidents(run: Run, tau: FloatArray, has_before: bool, zone: tzinfo) -> tuple[Incident, ...]:
    """The incidents of `run`; `tau` has the step before its first one too, where there is one."""
    before = tau if has_before else np.concatenate([[math.nan], tau])
    first, after = spans_of_violation(run.violated)
    if not len(first):
        return ()
    names = [stage.name for stage in run.stages]
    rho = np.stack([_within(np.add, share, first, after) for share in run.rho])
    columns = zip(
        (run.start_ns + first * run.step_ns).tolist(),
        (run.start_ns + after * run.step_ns).tolist(),
        ((after - first) * run.step_s).tolist(),
        _within(np.add, run.violated.astype(np.int64), first, after).tolist(),
        _within(np.maximum, run.psi_total, first, after).tolist(),
        (_within(np.add, run.delta, first, after) * run.step_s).tolist(),
        rho.argmax(axis=0).tolist(),
        before[first].tolist(),
        strict=True,
    )
    return tuple(
        Incident(
            start=moment(begin, zone),
            end=moment(end, zone),
            duration_s=duration,
            violations=violations,
            peak_psi_total=peak,
            excess_nat_s=excess,
            driver=names[driver],
            time_to_budget_s=tau_s if math.isfinite(tau_s) else None,
        )
        for begin, end, duration, violations, peak, excess, driver, tau_s in columns
    )


def _within(
    combine: np.ufunc, values: NDArray[Any], first: NDArray[np.int64], after: NDArray[np.int64]
) -> NDArray[Any]:
    """Values combined over each span from a first index up to but not including another; 0 stands in for NaN."""
    padded = np.append(np.nan_to_num(values), 0)  # a span may end with the last value
    return np.asarray(combine.reduceat(padded, np.stack([first, after], axis=1).ravel())[::2])
