"""The state of a running pipeline: how its newest steps are judged, and what led there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.analysis.figures import FigureAccumulator, end_waits
from entro_cli.analysis.incident_details import DetailedIncident, causes_of, detailed, incident_steps, known_capacity
from entro_cli.analysis.incidents import Incident
from entro_cli.analysis.replay import Replay, replay_from
from entro_cli.analysis.results import Figures, FullLoads
from entro_cli.config import Settings
from entro_cli.core.clock import NS, moment, zone_of
from entro_cli.timeseries.bins import Signal
from entro_cli.timeseries.join_sources import StageSpan
from entro_cli.timeseries.steps import StepSource
from entro_engine import Regime, Run
from entro_engine.budget import drivers
from entro_engine.entropy import FloatArray

RECENT_S = 900.0
"""The recent time that is shown, s; of long steps it is at least 60 steps."""

_LEAST_STEPS = 60
_MOST_INCIDENTS = 10


class StageStatus(Struct, frozen=True):
    """The newest load of a stage.

    Attributes:
        name: its name.
        kind: rate, queue or generic.
        load: its load in the last step with data, req/s of a rate, requests of a queue.
        full: the load at which it is full, in the same unit.
        time: the time of its newest sample.
        interval_s: the usual time between two samples, s; None if there are too few.
        age_s: the age of its newest sample, s.
    """

    name: str
    kind: str
    load: float
    full: float
    time: datetime
    interval_s: float | None
    age_s: float = 0.0


class Status(Struct, frozen=True):
    """The state of a pipeline. The figures are those of `analyze` on the same steps.

    Attributes:
        pipeline: its name.
        regime: stable, stress or critical: that of the last step with data. If this is too long ago, no data.
        since: the start of the first step that has been in this regime since; without data, the time of the last data.
        last_regime: the regime of the last step with data.
        last_since: the start of the first step that has been in that regime since.
        time: the time of the newest sample of the stage that is behind the others.
        coupled_load: in the last step with data, nat.
        budget: of the coupled load, nat.
        stages: the stages in the same step.
        capacity_per_s: the rate that the server can serve, req/s; None if it is not known.
        wait_s: the longest wait at the end of that step, s; None without a queue.
        accepted_wait_s: the longest accepted wait, s.
        time_to_budget_s: time until the budget is reached at the slope of the last steps, s; None if the load does not
            grow.
        driver: the stage that drives the load: of the incident, if there is one, else of that step; None without load.
        start: the start of the first step.
        step_s: length of a step, s.
        steps: number of steps.
        observed_steps: number of steps with data.
        violations: number of steps over the budget.
        violation_time_s: their time, s.
        excess_nat_s: integral of the load over the budget, nat s.
        peak_coupled_load: the highest coupled load, nat.
        incident_count: number of incidents.
        incidents: the last ones, the newest first.
        age_s: the age at `time`, s.
    """

    pipeline: str
    regime: str
    since: datetime
    last_regime: str
    last_since: datetime
    time: datetime
    coupled_load: float
    budget: float
    stages: tuple[StageStatus, ...]
    capacity_per_s: float | None
    wait_s: float | None
    accepted_wait_s: float
    time_to_budget_s: float | None
    driver: str | None
    start: datetime
    step_s: float
    steps: int
    observed_steps: int
    violations: int
    violation_time_s: float
    excess_nat_s: float
    peak_coupled_load: float
    incident_count: int
    incidents: tuple[DetailedIncident, ...]
    age_s: float = 0.0


class RecentSteps(Struct, frozen=True):
    """The newest steps, arrays of shape (steps,), NaN without data.

    Attributes:
        regimes: the regime of each, as `Regime`.
        loads: the loads of the stages, shape (N, steps), each in its unit.
        coupled_load: nat.
        step_s: length of a step, s.
    """

    regimes: NDArray[np.int8]
    loads: FloatArray
    coupled_load: FloatArray
    step_s: float


def status_of(
    steps: StepSource,
    full_loads: FullLoads,
    settings: Settings,
    budget: float,
    spans: Sequence[StageSpan],
    signals: Sequence[Signal] = (),
) -> tuple[Status, RecentSteps] | None:
    """Return the state of a pipeline as of its data, and its newest steps; None if no step has data of all stages.

    Args:
        steps: all steps, with their full loads and without data in maintenance windows.
        full_loads: the origin of the full loads.
        settings: the settings of the pipeline.
        budget: Psi_budget, nat.
        spans: the time range of each stage.
        signals: hints at the causes of incidents.
    """
    zone = zone_of(settings.zone)
    figures, regimes = _replayed(steps, settings, budget)
    observed = np.flatnonzero(regimes != Regime.NO_DATA)
    if not len(observed):
        return None
    last = int(observed[-1])
    first = min(max(steps.count - max(_LEAST_STEPS, round(RECENT_S / steps.step_s)), 0), last)
    recent = replay_from(steps.part(first, steps.count), budget, 0)  # the loads need no steps before
    now = recent.part(last - first, last - first + 1)
    changes = np.flatnonzero(np.diff(regimes[observed]))
    first_of_regime = int(observed[changes[-1] + 1 if len(changes) else 0])
    regime = Regime(int(regimes[last])).label
    since = moment(steps.start_ns + first_of_regime * steps.step_ns, zone)
    stages = _stages(now, spans, zone)
    waits = [float(wait[0]) for wait in end_waits(now, settings.wait_s) if wait is not None]
    incidents = figures.incidents[-_MOST_INCIDENTS:][::-1]
    status = Status(
        pipeline=settings.pipeline,
        regime=regime,
        since=since,
        last_regime=regime,
        last_since=since,
        time=min(stage.time for stage in stages),
        coupled_load=float(now.coupled_load[0]),
        stages=stages,
        capacity_per_s=known_capacity(figures.stages, full_loads),
        wait_s=max(waits, default=None),
        accepted_wait_s=settings.wait_s,
        driver=_driver(now, steps, incidents),
        incident_count=len(figures.incidents),
        incidents=tuple(_detailed(incident, steps, settings, budget, signals) for incident in incidents),
        **{name: getattr(figures, name) for name in _FIGURES},
    )
    return status, RecentSteps(regimes[first:], recent.loads, recent.coupled_load, steps.step_s)


_FIGURES = (
    *("start", "step_s", "steps", "observed_steps", "budget", "violations", "violation_time_s", "excess_nat_s"),
    *("peak_coupled_load", "time_to_budget_s"),
)


def _stages(now: Run, spans: Sequence[StageSpan], zone: tzinfo) -> tuple[StageStatus, ...]:
    """Return the stages in a step."""
    span_of = {span.stage: span for span in spans}
    return tuple(
        StageStatus(
            name=stage.name,
            kind=str(stage.kind),
            load=float(load),
            full=stage.full_load,
            time=moment(span_of[stage.name].end, zone),
            interval_s=None if (interval := span_of[stage.name].interval_ns) is None else interval / NS,
        )
        for stage, load in zip(now.stages, now.loads[:, 0], strict=True)
    )


def _replayed(steps: StepSource, settings: Settings, budget: float) -> tuple[Figures, NDArray[np.int8]]:
    """Return the figures of steps, and the regime of each, shape (steps,)."""
    regimes = []

    def runs() -> Iterator[Run]:
        for run in Replay(steps, budget, 0, steps.count).runs():
            regimes.append(run.trace.regime)
            yield run

    zone = zone_of(settings.zone)
    accumulator = FigureAccumulator(steps.stages, budget, settings.objective, zone, steps.count, settings.wait_s)
    accumulator.count(runs(), steps.start_ns)
    figures = accumulator.figures((steps.start_ns, steps.step_ns, steps.count), 0)
    return figures, np.concatenate(regimes)


def _driver(now: Run, steps: StepSource, incidents: Sequence[Incident]) -> str | None:
    """Return the stage that drives the load: of the last incident if it has the step `now`, else of that step."""
    at = (now.start_ns - steps.start_ns) // steps.step_ns
    if incidents and at < incident_steps(steps, incidents[0])[1]:
        return incidents[0].driver
    return now.stages[int(drivers(now.stages, now.driver_evidence)[0])].name if now.coupled_load[0] else None


def _detailed(
    incident: Incident, steps: StepSource, settings: Settings, budget: float, signals: Sequence[Signal]
) -> DetailedIncident:
    """Return an incident with its details and its causes."""
    first, after = incident_steps(steps, incident)
    run = replay_from(steps.part(max(first - 1, 0), after), budget, 0)
    explained = replace(incident, causes=causes_of(steps, signals, incident))
    return detailed(run, [explained], settings.wait_s)[0]
