"""Build the fleet: all pipelines over one period side by side, worst first."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from entro_cli.core.formatting import count, counted
from entro_cli.report.charts.sparkline import SparklineBar, sparkline
from entro_cli.report.daily_report import PeriodName, Summary
from entro_cli.report.verdict import LOST, Health, Verdict, has_low_coverage

SCHEMA = "entro/fleet/1"

GLANCE = 84
"""Number of bars in the small chart of a pipeline. In a week, a bar is two hours."""

# No data comes right after bad: a pipeline that stopped sending may be worse than one to watch.
_ORDER = (Health.BAD, Health.NO_DATA, Health.WATCH, Health.GOOD)
_WORDS = {Health.BAD: "bad", Health.NO_DATA: "without data", Health.WATCH: "to watch", Health.GOOD: "good"}


class Member(Struct, frozen=True):
    """One pipeline of a fleet. Its figures are those of its own report.

    Attributes:
        pipeline: name of the pipeline.
        report: path of its own page, relative to the fleet's page; empty without one.
        verdict: its health, and the sentence.
        violation_time_s: time over the budget, s.
        violation_share: violations as a share of observed steps; None without an observed step.
        consumed: used share of the error budget; None without an observed step.
        critical_share: Critical steps as a share of observed steps; None without an observed step.
        coverage: steps with measured data as a share of the steps that are not excluded.
        excess_nat_s: the coupled load above the budget, summed over time, nat s.
        incidents: number of incidents.
        budget: Psi_budget, nat.
        glance: 84 equal parts of the period, each with its highest coupled load and its worst regime.
        observed_time_s: time with data, s.
        critical_part: Critical steps as a share of the steps that are not excluded, as its report shows it; None
            without an observed step.
        is_sparse: whether so little was seen that its report says so.
        lost_days: days of the period (UTC) that its history has lost.
    """

    pipeline: str
    report: str
    verdict: Verdict
    violation_time_s: float
    violation_share: float | None
    consumed: float | None
    critical_share: float | None
    coverage: float
    excess_nat_s: float
    incidents: int
    budget: float
    glance: tuple[SparklineBar, ...]
    observed_time_s: float
    critical_part: float | None
    is_sparse: bool
    lost_days: tuple[str, ...] = ()


class Missing(Struct, frozen=True):
    """A pipeline without a report.

    Attributes:
        pipeline: name of the pipeline.
        reason: why its report could not be made.
    """

    pipeline: str
    reason: str


class Fleet(Struct, frozen=True):
    """All figures and sentences of the fleet's page.

    Attributes:
        schema: `entro/fleet/1`.
        period: the period of all reports.
        verdict: health of the worst pipeline, and the number of pipelines in each state.
        members: the pipelines by health (bad, no data, watch, good), then by the time over the budget and the time in
            Critical that were seen. Shares are not compared: those of a sliver of the period would lead.
        missing: the pipelines without a report.
    """

    schema: str
    period: PeriodName
    verdict: Verdict
    members: tuple[Member, ...]
    missing: tuple[Missing, ...]


def member_of(summary: Summary, report: str) -> Member:
    """Return a pipeline's entry in the fleet.

    Args:
        summary: its report.
        report: path of its own page; empty without one.
    """
    figures = summary.figures
    observed = figures.observed_steps
    return Member(
        pipeline=summary.pipeline,
        report=report,
        verdict=summary.verdict,
        violation_time_s=figures.violation_time_s,
        violation_share=figures.violations / observed if observed else None,
        consumed=figures.objective.consumed if observed else None,
        critical_share=figures.regimes.critical / observed if observed else None,
        coverage=figures.coverage,
        excess_nat_s=figures.excess_nat_s,
        incidents=len(figures.incidents),
        budget=figures.budget,
        glance=sparkline(summary, GLANCE, (summary.period.start, summary.period.end)),
        observed_time_s=observed * figures.step_s,
        critical_part=figures.regimes.critical / (figures.steps - figures.excluded_steps) if observed else None,
        is_sparse=has_low_coverage(figures, summary.usual_gap_s),
        lost_days=figures.lost_days,
    )


def fleet_of(period: PeriodName, members: Iterable[Member], missing: Iterable[Missing] = ()) -> Fleet:
    """Return the fleet, worst pipeline first.

    Args:
        period: the period of all reports.
        members: the pipelines with a report, in any order.
        missing: the pipelines without one. There is at least one pipeline in both together.
    """
    ordered = tuple(sorted(members, key=_badness))
    absent = tuple(sorted(missing, key=lambda pipeline: pipeline.pipeline))
    return Fleet(SCHEMA, period, _judge(ordered, absent), ordered, absent)


def _badness(member: Member) -> tuple[int, float, float, float, str]:
    critical_s = (member.critical_share or 0.0) * member.observed_time_s
    # Of equals, the one that was seen least comes first: it may hide the most.
    order = _ORDER.index(member.verdict.health)
    return order, -member.violation_time_s, -critical_s, member.coverage, member.pipeline


def _judge(members: tuple[Member, ...], missing: tuple[Missing, ...]) -> Verdict:
    health = members[0].verdict.health if members else Health.NO_DATA
    found = [member.verdict.health for member in members]
    counts = [f"{count(found.count(kind))} {_WORDS[kind]}" for kind in _ORDER if kind in found]
    counts += [f"{count(len(missing))} without a report"] if missing else []
    pipelines = counted(len(members) + len(missing), "pipeline")
    first = f" Look first at {members[0].pipeline}." if members and health is not Health.GOOD else ""
    losers = [member.pipeline for member in members if member.lost_days]
    lost = f"{LOST} days of {counted(len(losers), 'pipeline')}, such as {losers[0]}. " if losers else ""
    return Verdict(health, f"{lost}{pipelines}: {', '.join(counts)}.{first}")
