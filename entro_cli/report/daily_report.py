"""The report of a day, a week or a month: everything it says, as a Summary, from a Run.

The templates get this Summary, `--format json` prints it, and the tests compare it; a renderer computes nothing but how
things look.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from entro_cli.analysis.figures import FigureAccumulator, regimes_of
from entro_cli.analysis.incidents import Incident
from entro_cli.analysis.results import (
    BurnAlert,
    Coordination,
    Figures,
    MaintenanceSpan,
    Recommendation,
    RegimeCounts,
    Source,
)
from entro_cli.core.clock import moment, nanoseconds
from entro_cli.report.glossary import GLOSSARY, Term
from entro_cli.report.periods import Period, Span
from entro_cli.report.timeline import Timeline, timeline_of
from entro_cli.report.verdict import Verdict, judge
from entro_cli.report.week_map import Weekday, week_map
from entro_cli.timeseries.maintenance import NONE, Maintenance
from entro_cli.timeseries.steps import StepSource
from entro_engine import RegimeParameters, Run, __version__
from entro_engine.entro_engine_v9 import ENERGY_WEIGHT, LAMBDA_ENERGY, LAMBDA_MEMORY

SCHEMA = "entro/report/1"

MOST_LISTED = 20
"""How many incidents and alerts a report lists, so that it does not grow with the log."""

_SEVERITIES = ("page", "ticket")


@dataclass(frozen=True)
class PeriodName:
    """The period of a report.

    Attributes:
        kind: `day`, `week`, `month` or `range`.
        label: `2026-04-06`, `2026-W15`, `2026-04` or `2026-04-06_2026-04-08`.
        title: the same for people.
        start: the midnight it begins with.
        end: the midnight after it.
        length_s: how long it lasts, s; a day is an hour shorter or longer where the clock is changed.
        parts: what `buckets` are: hour, day or month.
        zone: the zone its midnights are in.
    """

    kind: str
    label: str
    title: str
    start: datetime
    end: datetime
    length_s: float
    parts: str
    zone: str


@dataclass(frozen=True)
class Bucket:
    """An hour of a day, or a day of a week or a month.

    Attributes:
        label: `09:00` or `Mon 6`.
        start: where it begins.
        end: where it ends.
        steps: how many steps begin in it, with data or without.
        excluded_steps: how many of them are left out as maintenance.
        regimes: steps in each regime; those outside the log are among those without data.
        violations: steps over the budget.
        coverage: steps with data of their own, as a share of those that are not left out; 0 without such steps.
        peak_psi_total: nat; None without data.
    """

    label: str
    start: datetime
    end: datetime
    steps: int
    excluded_steps: int
    regimes: RegimeCounts
    violations: int
    coverage: float
    peak_psi_total: float | None


@dataclass(frozen=True)
class Parameter:
    """A parameter of the regime engine.

    Attributes:
        name: as docs/engine.md has it.
        value: in its unit.
        unit: nat, per step, or none.
        meaning: what it does.
    """

    name: str
    value: float
    unit: str
    meaning: str


@dataclass(frozen=True)
class Recommendations:
    """What coordination would have changed, and what to do about it."""

    coordination: Coordination
    recommendations: tuple[Recommendation, ...]


NO_ADVICE = Recommendations(Coordination("nobody asked"), ())
"""Of a report on a Run that is of no log."""


@dataclass(frozen=True)
class ReportContext:
    """Whose period it is, and what of it is not judged.

    Attributes:
        pipeline: whose it is.
        maintenance: what is left out; the runs have no data there.
    """

    pipeline: str
    maintenance: Maintenance = NONE


@dataclass(frozen=True)
class Provenance:
    """How the report was made.

    Attributes:
        sources: what each file gave.
        rows_read: rows read, of all files.
        rows_skipped: rows that could not be read, of all files.
        log_start: where the log's first step in the period begins; None where the log has none in it.
        log_end: where its last one ends.
        log_share: the part of the period's steps that lie within the log, whether they have data or not.
        step_s: length of a step, s.
        budget: Psi_budget, nat.
        parameters: of the regime engine.
        version: of entro.
    """

    sources: tuple[Source, ...]
    rows_read: int
    rows_skipped: int
    log_start: datetime | None
    log_end: datetime | None
    log_share: float
    step_s: float
    budget: float
    parameters: tuple[Parameter, ...]
    version: str


@dataclass(frozen=True)
class Summary:
    """Everything a report says.

    Attributes:
        schema: `entro/report/1`.
        pipeline: its name.
        period: which period it is about.
        verdict: overall health, and a sentence a person can act on.
        notes: what else should be known before believing the figures.
        maintenance: what of the period is left out, in order.
        figures: of the period. All its steps count, those outside the log as without data: `coverage` is the share of
            steps with data of their own. The burn rates up to the end are up to the last step of the log.
        previous_figures: of the previous period; None where the log has no data in it.
        buckets: the hours of a day, the days of a week or a month.
        week: the week by its hours, with the Critical share of each; none where the period is no longer than two weeks.
        course: the period step by step, thinned, no extreme lost.
        incidents: the 20 worst, by excess, the worst first; `figures.incidents` has all, by time.
        alerts: the first 20, by severity, then by time; `figures.objective.alerts` has all.
        coordination: what it would have changed: the period's demand in the plant, without and with the v9 controller.
        recommendations: what to do, each with its number, the command that shows it, and the setting that does it.
        made: from which logs, how, with what parameters.
        glossary: the words used.
    """

    schema: str
    pipeline: str
    period: PeriodName
    verdict: Verdict
    notes: tuple[str, ...]
    maintenance: tuple[MaintenanceSpan, ...]
    figures: Figures
    previous_figures: Figures | None
    buckets: tuple[Bucket, ...]
    week: tuple[Weekday, ...]
    course: Timeline
    incidents: tuple[Incident, ...]
    alerts: tuple[BurnAlert, ...]
    coordination: Coordination
    recommendations: tuple[Recommendation, ...]
    made: Provenance
    glossary: tuple[Term, ...]


def summarise(
    run: Run,
    figures: Figures,
    previous: Figures,
    period: Period,
    sources: tuple[Source, ...],
    terms: ReportContext,
    notes: tuple[str, ...] = (),
    advice: Recommendations = NO_ADVICE,
) -> Summary:
    """What a report on a period says.

    Args:
        run: the log's steps in the period: all of them, some, or none.
        figures: of the period.
        previous: of the previous one, as its own report has them.
        period: what is reported on; times are told in its zone.
        sources: the files the run was made from.
        terms: whose it is, and what is left out.
        notes: sentences about the log that a reader should know.
        advice: what coordination would have changed, and what to do about it.
    """
    maintenance = terms.maintenance
    incidents = figures.incidents.worst(MOST_LISTED)
    alerts = sorted(figures.objective.alerts, key=lambda alert: (_SEVERITIES.index(alert.severity), alert.start))
    return Summary(
        schema=SCHEMA,
        pipeline=terms.pipeline,
        period=name_of(period),
        verdict=judge(period, figures, incidents[0] if incidents else None, _last_data(run, period), maintenance),
        notes=notes,
        maintenance=_maintained(period, maintenance),
        figures=figures,
        previous_figures=previous if previous.observed_steps else None,
        buckets=tuple(_bucket(run, span, maintenance) for span in period.spans),
        week=week_map(run, period.zone, period.length_s),
        course=timeline_of(run, period.zone),
        incidents=incidents,
        alerts=tuple(alerts[:MOST_LISTED]),
        coordination=advice.coordination,
        recommendations=advice.recommendations,
        made=_made(run, period, sources, figures),
        glossary=GLOSSARY,
    )


def _steps_in(run: Run, start_ns: int, end_ns: int) -> tuple[int, int]:
    """The run's steps that begin in a span: the first, and the one after the last."""
    first, after = (min(max(step, 0), run.steps) for step in _grid_steps(run, start_ns, end_ns))
    return first, after


def _grid_steps(run: Run | StepSource, start_ns: int, end_ns: int) -> tuple[int, int]:
    """The same if the run went on before its start and after its end: numbers below 0 and above its steps."""
    return tuple(-((run.start_ns - ns) // run.step_ns) for ns in (start_ns, end_ns))  # type: ignore[return-value]


def period_figures(
    tally: FigureAccumulator, grid: Run | StepSource, period: Period, maintenance: Maintenance
) -> Figures:
    """The figures of all steps of a period; those outside the log are steps without data.

    Args:
        tally: what was counted of the log's steps in it.
        grid: where the log's steps begin.
        period: whose steps are told of.
        maintenance: what is left out.
    """
    first, after = _grid_steps(grid, period.start_ns, period.end_ns)
    span = grid.start_ns + first * grid.step_ns, grid.step_ns, after - first
    return replace(tally.figures(span, maintenance.count_steps(*span)), start=period.start, end=period.end)


def _excluded(run: Run, first: int, after: int, maintenance: Maintenance) -> int:
    """How many steps are left out, of a stretch that may go beyond the run."""
    return maintenance.count_steps(run.start_ns + first * run.step_ns, run.step_ns, max(after - first, 0))


def _maintained(period: Period, maintenance: Maintenance) -> tuple[MaintenanceSpan, ...]:
    gaps = maintenance.gaps(period.start_ns, period.end_ns)
    return tuple(MaintenanceSpan(*(moment(ns, period.zone) for ns in gap)) for gap in gaps)


def _bucket(run: Run, span: Span, maintenance: Maintenance) -> Bucket:
    edges = nanoseconds(span.start), nanoseconds(span.end)
    first, after = _grid_steps(run, *edges)
    part = run.part(*_steps_in(run, *edges))
    seen = part.psi_total[part.observed]
    excluded = _excluded(run, first, after, maintenance)
    awaited = after - first - excluded
    return Bucket(
        label=span.label,
        start=span.start,
        end=span.end,
        steps=after - first,
        excluded_steps=excluded,
        regimes=regimes_of(part, awaited),
        violations=int(part.violated.sum()),
        coverage=float(part.own.sum()) / awaited if awaited > 0 else 0.0,
        peak_psi_total=float(seen.max()) if len(seen) else None,
    )


def _last_data(part: Run, period: Period) -> datetime | None:
    """Where the last step with data ends; None without any."""
    seen = np.flatnonzero(part.observed)
    return moment(part.start_ns + (int(seen[-1]) + 1) * part.step_ns, period.zone) if len(seen) else None


def name_of(period: Period) -> PeriodName:
    """What a report says of the period it is about."""
    return PeriodName(
        kind=str(period.kind),
        label=period.label,
        title=period.title,
        start=period.start,
        end=period.end,
        length_s=period.length_s,
        parts=period.parts,
        zone=str(period.zone),
    )


def _made(part: Run, period: Period, sources: tuple[Source, ...], figures: Figures) -> Provenance:
    return Provenance(
        sources=sources,
        rows_read=sum(source.rows_read for source in sources),
        rows_skipped=sum(source.rows_skipped for source in sources),
        log_start=moment(part.start_ns, period.zone) if part.steps else None,
        log_end=moment(part.end_ns, period.zone) if part.steps else None,
        log_share=part.steps / figures.steps if figures.steps else 0.0,
        step_s=part.step_s,
        budget=part.budget,
        parameters=_parameters(RegimeParameters(part.budget)),
        version=__version__,
    )


def _parameters(levels: RegimeParameters) -> tuple[Parameter, ...]:
    return (
        Parameter("lambda_E", LAMBDA_ENERGY, "per step", "what is left of the energy after a step"),
        Parameter("lambda_M", LAMBDA_MEMORY, "per step", "what is left of the stress memory after a step"),
        Parameter("w", ENERGY_WEIGHT, "", "how much of the energy counts as load"),
        Parameter("theta_S", levels.stress_level, "nat", "from this effective load on: Stress"),
        Parameter("theta_C", levels.critical_level, "nat", "from this effective load on: Critical"),
        Parameter("h", levels.hysteresis, "nat", "how far a full memory lowers both"),
        Parameter("energy bound", levels.energy_bound, "nat", "the energy stays within plus and minus this"),
    )
