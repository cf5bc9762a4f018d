"""Build the Summary of a period from a Run: every figure and sentence of its report.

Templates receive the Summary, `--format json` prints it, and tests compare it. Renderers only decide on the looks: a
figure that a renderer computed itself would be missing from the JSON document.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.analysis.figures import FigureAccumulator, regimes_of
from entro_cli.analysis.gaps import Activity, activity_of
from entro_cli.analysis.incident_details import DetailedIncident, detailed, incident_steps
from entro_cli.analysis.results import (
    BurnAlert,
    Coordination,
    Figures,
    FullLoads,
    MaintenanceSpan,
    Recommendation,
    RegimeCounts,
    Source,
)
from entro_cli.core.clock import NS, moment, nanoseconds
from entro_cli.report.glossary import GLOSSARY, Term
from entro_cli.report.periods import Period, Span
from entro_cli.report.timeline import Timeline, timeline_of
from entro_cli.report.verdict import Silence, Verdict, judge
from entro_cli.report.week_map import SHORTEST_S, Weekday, mapped_stage, week_map
from entro_cli.timeseries.maintenance import NONE, Maintenance
from entro_cli.timeseries.steps import StepSource
from entro_engine import RegimeParameters, Run, __version__
from entro_engine.entro_engine_v9 import ENERGY_WEIGHT, LAMBDA_ENERGY, LAMBDA_MEMORY
from entro_engine.entropy import DEFAULT_ACCEPTED_WAIT_S

SCHEMA = "entro/report/1"

MOST_LISTED = 20
"""The most incidents and alerts that a report lists, so that its size does not grow with the log."""

_SEVERITIES = ("page", "ticket")


class PeriodName(Struct, frozen=True):
    """The period of a report.

    Attributes:
        kind: `day`, `week`, `month` or `range`.
        label: `2026-04-06`, `2026-W15`, `2026-04` or `2026-04-06_2026-04-08`.
        title: the label in words, such as `Week 15, 6 to 12 April 2026`.
        start: the midnight at its beginning.
        end: the midnight at its end.
        length_s: duration, s. The day of a clock change is an hour shorter or longer.
        parts: the unit of `buckets`: hour, day or month.
        zone: the time zone of its midnights.
    """

    kind: str
    label: str
    title: str
    start: datetime
    end: datetime
    length_s: float
    parts: str
    zone: str


class Bucket(Struct, frozen=True):
    """Figures of one part of the period: an hour of a day, or a day of a week or month.

    Attributes:
        label: `09:00` or `Mon 6`.
        start: beginning of the part.
        end: end of the part.
        steps: number of steps that begin in it, with or without data.
        excluded_steps: number of those that are excluded as maintenance.
        regimes: steps in each regime. Steps outside the log count as without data.
        violations: steps over the budget.
        coverage: steps with measured data as a share of the steps that are not excluded; 0 without such steps.
        peak_psi_total: highest Psi_total, nat; None without data.
        peak_coupled_load: highest coupled load, nat; None without data.
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
    peak_coupled_load: float | None


class Parameter(Struct, frozen=True):
    """A parameter of the regime engine.

    Attributes:
        name: the symbol, as in docs/engine.md.
        value: value, in its unit.
        unit: `nat`, `per step`, or empty.
        meaning: its effect, in words.
    """

    name: str
    value: float
    unit: str
    meaning: str


Advice = tuple[Coordination, tuple[Recommendation, ...]]
"""The effect that coordination would have had, and the recommendations that follow from it."""

_NO_ADVICE: Advice = (Coordination("it was not requested"), ())
_AS_SET = FullLoads("set", DEFAULT_ACCEPTED_WAIT_S)


class ReportContext(Struct, frozen=True):
    """The pipeline of a report, the origin of its full loads, and its excluded times.

    Attributes:
        pipeline: name of the pipeline.
        maintenance: the excluded times; the Run has no data in them.
        full_loads: the origin of the full loads.
        activity: the times with data in the period and the weeks before; None for those of the Run.
        until_ns: the time up to which there should be data, ns since the epoch: now, if the period goes on; None for
            the end of the period.
    """

    pipeline: str
    maintenance: Maintenance = NONE
    full_loads: FullLoads = _AS_SET
    activity: Activity | None = None
    until_ns: int | None = None


class Provenance(Struct, frozen=True):
    """The logs and parameters behind a report.

    Attributes:
        sources: the log files and what was read from each.
        rows_read: rows read from all files.
        rows_skipped: rows of all files that could not be read.
        failed: number of requests of all files that failed by class, such as {"429": 3, "5xx": 1}.
        log_start: start of the log's first step in the period; None if the log has no step in it.
        log_end: end of the log's last step in the period; None if the log has no step in it.
        log_share: share of the period's steps that lie within the log, with or without data.
        step_s: length of a step, s.
        budget: the budget, nat.
        full_loads: the origin of the full loads.
        parameters: parameters of the regime engine.
        version: version of entro.
    """

    sources: tuple[Source, ...]
    rows_read: int
    rows_skipped: int
    failed: dict[str, int]
    log_start: datetime | None
    log_end: datetime | None
    log_share: float
    step_s: float
    budget: float
    full_loads: FullLoads
    parameters: tuple[Parameter, ...]
    version: str


class Summary(Struct, frozen=True):
    """All figures and sentences of a report.

    Attributes:
        schema: `entro/report/1`.
        pipeline: name of the pipeline.
        period: the period of the report.
        verdict: overall health, and a sentence a person can act on.
        usual_gap_s: the usual time between the begins of two runs of the pipeline, s. It is a step if the pipeline runs
            continuously, and None if too little data is known.
        silences: the last 20 silences that reach into the period, in order. They may have begun before it.
        notes: caveats to know before relying on the figures, in sentences.
        maintenance: the excluded times of the period, in order.
        figures: figures of the period. Steps outside the log count as steps without data. Burn rates up to the end of
            the period end with the last step of the log.
        previous_figures: figures of the previous period; None if the log has no data in it.
        buckets: the parts of the period: hours of a day, days of a week or month.
        week: load and Critical share of each hour of the week; empty if the period is not longer than two weeks.
        week_stage: name of the stage whose load it is, the queue that adds most to Psi_total if there is one.
        course: the timeline: the steps of the period, thinned to at most 2000 points with all extremes kept, and the
            worst incidents in full.
        incidents: the 20 worst incidents by excess, the worst first, with the loads of their stages;
            `figures.incidents` has all, by time.
        alerts: the first 20 alerts by severity, then by time; `figures.objective.alerts` has all.
        coordination: simulation of the period's demand, without a controller and with the v9 controller.
        recommendations: actions, each with its number, the command that shows it, and the setting to change.
        made: the logs and parameters behind the report.
        glossary: explanation of the terms.
    """

    schema: str
    pipeline: str
    period: PeriodName
    verdict: Verdict
    usual_gap_s: float | None
    silences: tuple[Silence, ...]
    notes: tuple[str, ...]
    maintenance: tuple[MaintenanceSpan, ...]
    figures: Figures
    previous_figures: Figures | None
    buckets: tuple[Bucket, ...]
    week: tuple[Weekday, ...]
    week_stage: str
    course: Timeline
    incidents: tuple[DetailedIncident, ...]
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
    context: ReportContext,
    notes: tuple[str, ...] = (),
    advice: Advice | None = None,
) -> Summary:
    """Return the Summary of a period.

    Args:
        run: the log's steps in the period; they may cover all of it, a part, or nothing.
        figures: figures of the period.
        previous: figures of the previous period, equal to those in its own report.
        period: the period; its zone is used for all times.
        sources: the files that the run was made from.
        context: the pipeline and the excluded times.
        notes: caveats about the log, in sentences.
        advice: the effect of coordination, and the recommendations; None if they were not requested.
    """
    coordination, recommended = advice or _NO_ADVICE
    maintenance = context.maintenance
    wait_s = context.full_loads.wait_s
    incidents = detailed(run, figures.incidents.worst(MOST_LISTED), wait_s)
    activity = context.activity or activity_of(run.times_ns[run.observed], run.step_ns)
    usual_gap_s = None if activity.usual_gap_ns is None else activity.usual_gap_ns / NS
    until_ns = period.end_ns if context.until_ns is None else context.until_ns
    silences = _silences(activity, period, until_ns, maintenance)
    stage = mapped_stage(run)
    alerts = sorted(figures.objective.alerts, key=lambda alert: (_SEVERITIES.index(alert.severity), alert.start))
    return Summary(
        schema=SCHEMA,
        pipeline=context.pipeline,
        period=name_of(period),
        verdict=judge(period, figures, incidents[0] if incidents else None, silences, usual_gap_s, until_ns),
        usual_gap_s=usual_gap_s,
        silences=silences[-MOST_LISTED:],
        notes=notes,
        maintenance=_excluded_times(period, maintenance),
        figures=figures,
        previous_figures=previous if previous.observed_steps else None,
        buckets=tuple(_bucket(run, span, maintenance) for span in period.spans),
        week=week_map(run, period.zone, stage) if period.length_s > SHORTEST_S else (),
        week_stage=run.stages[stage].name,
        course=timeline_of(run, period.zone, [incident_steps(run, each) for each in incidents], wait_s),
        incidents=incidents,
        alerts=tuple(alerts[:MOST_LISTED]),
        coordination=coordination,
        recommendations=recommended,
        made=_provenance(run, period, sources, figures, context.full_loads),
        glossary=GLOSSARY,
    )


def _steps_in(run: Run, start_ns: int, end_ns: int) -> tuple[int, int]:
    """Return the range of the run's steps that begin in a span: the first, and the one after the last."""
    first, after = (min(max(step, 0), run.steps) for step in _grid_steps(run, start_ns, end_ns))
    return first, after


def _grid_steps(run: Run | StepSource, start_ns: int, end_ns: int) -> tuple[int, int]:
    """Return that range as if the run extended over all time: numbers may be negative or beyond its last step."""
    # Integer division rounded up: a step belongs to the span in which it begins.
    return tuple(-((run.start_ns - ns) // run.step_ns) for ns in (start_ns, end_ns))  # type: ignore[return-value]


def period_figures(
    accumulated: FigureAccumulator, grid: Run | StepSource, period: Period, maintenance: Maintenance
) -> Figures:
    """Return the figures of all steps of a period. Steps outside the log count as steps without data.

    Args:
        accumulated: the figures accumulated over the log's steps in the period.
        grid: the log's step grid, which is extended over the period.
        period: the period.
        maintenance: the excluded times.
    """
    first, after = _grid_steps(grid, period.start_ns, period.end_ns)
    span = grid.start_ns + first * grid.step_ns, grid.step_ns, after - first
    return replace(accumulated.figures(span, maintenance.count_steps(*span)), start=period.start, end=period.end)


def _excluded(run: Run, first: int, after: int, maintenance: Maintenance) -> int:
    """Return the number of excluded steps in a range that may extend beyond the run."""
    return maintenance.count_steps(run.start_ns + first * run.step_ns, run.step_ns, max(after - first, 0))


def _excluded_times(period: Period, maintenance: Maintenance) -> tuple[MaintenanceSpan, ...]:
    gaps = maintenance.gaps(period.start_ns, period.end_ns)
    return tuple(MaintenanceSpan(*(moment(ns, period.zone) for ns in gap)) for gap in gaps)


def _bucket(run: Run, span: Span, maintenance: Maintenance) -> Bucket:
    edges = nanoseconds(span.start), nanoseconds(span.end)
    first, after = _grid_steps(run, *edges)
    part = run.part(*_steps_in(run, *edges))
    observed = part.observed
    excluded = _excluded(run, first, after, maintenance)
    expected = after - first - excluded
    return Bucket(
        label=span.label,
        start=span.start,
        end=span.end,
        steps=after - first,
        excluded_steps=excluded,
        regimes=regimes_of(part, expected),
        violations=int(part.violated.sum()),
        coverage=float(part.own.sum()) / expected if expected > 0 else 0.0,
        peak_psi_total=float(part.psi_total[observed].max()) if observed.any() else None,
        peak_coupled_load=float(part.coupled_load[observed].max()) if observed.any() else None,
    )


def _silences(activity: Activity, period: Period, until_ns: int, maintenance: Maintenance) -> tuple[Silence, ...]:
    """Return the silences that reach into a period, as they are known at some time."""
    return tuple(
        Silence(
            moment(gap.start_ns, period.zone),
            moment(gap.end_ns, period.zone),
            (gap.end_ns - gap.start_ns - maintenance.length_ns(*gap)) / NS,
            gap.end_ns == until_ns,
        )
        for gap in activity.silences(until_ns, maintenance)
        if gap.end_ns > period.start_ns
    )


def name_of(period: Period) -> PeriodName:
    """Return the period as a report names it."""
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


def _provenance(
    part: Run, period: Period, sources: tuple[Source, ...], figures: Figures, full_loads: FullLoads
) -> Provenance:
    return Provenance(
        sources=sources,
        rows_read=sum(source.rows_read for source in sources),
        rows_skipped=sum(source.rows_skipped for source in sources),
        failed=dict(sum((Counter(source.failed) for source in sources), Counter())),
        log_start=moment(part.start_ns, period.zone) if part.steps else None,
        log_end=moment(part.end_ns, period.zone) if part.steps else None,
        log_share=part.steps / figures.steps if figures.steps else 0.0,
        step_s=part.step_s,
        budget=part.budget,
        full_loads=full_loads,
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
