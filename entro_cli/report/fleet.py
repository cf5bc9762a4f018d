"""The fleet: every pipeline over one period, the worst first, each at a glance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from entro_cli.core.formatting import count, counted
from entro_cli.report.charts.sparkline import Column, columns
from entro_cli.report.daily_report import PeriodName, Summary
from entro_cli.report.verdict import Health, Verdict

SCHEMA = "entro/fleet/1"

GLANCE = 84
"""Parts that a period is cut into to be seen at a glance: two hours each of a week."""

_ORDER = (Health.BAD, Health.NO_DATA, Health.WATCH, Health.GOOD)
_WORDS = {Health.BAD: "bad", Health.NO_DATA: "without data", Health.WATCH: "to watch", Health.GOOD: "good"}


@dataclass(frozen=True)
class Member:
    """One pipeline of a fleet, as its own report has it.

    Attributes:
        pipeline: its name.
        report: where its own page is, seen from the fleet's page; empty where there is none.
        verdict: its health, and the sentence.
        violation_time_s: time over the budget, s.
        violation_share: violations as a share of observed steps; None without any.
        consumed: the used part of what the objective allows; None without an observed step.
        critical_share: Critical as a share of observed steps; None without any.
        coverage: steps with data of their own, as a share of those that are not left out.
        excess_nat_s: how far and how long it was over the budget, nat s.
        incidents: how many there were.
        budget: Psi_budget, nat.
        glance: 84 equal parts of the period, each with its highest Psi_total and its worst regime.
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
    glance: tuple[Column, ...]


@dataclass(frozen=True)
class Missing:
    """A pipeline that could not be reported on.

    Attributes:
        pipeline: its name.
        reason: why.
    """

    pipeline: str
    reason: str


@dataclass(frozen=True)
class Fleet:
    """Everything the page of a fleet says.

    Attributes:
        schema: `entro/fleet/1`.
        period: which period it is about.
        verdict: the health of the worst pipeline, and how many are how.
        members: the pipelines: bad ones first, then those without data, to watch and good; among them by what they
            used of their objectives.
        missing: those that could not be reported on.
    """

    schema: str
    period: PeriodName
    verdict: Verdict
    members: tuple[Member, ...]
    missing: tuple[Missing, ...]


def member_of(summary: Summary, report: str) -> Member:
    """A pipeline at a glance.

    Args:
        summary: its report.
        report: where its own page is; empty where there is none.
    """
    figures = summary.figures
    seen = figures.observed_steps
    return Member(
        pipeline=summary.pipeline,
        report=report,
        verdict=summary.verdict,
        violation_time_s=figures.violation_time_s,
        violation_share=figures.violations / seen if seen else None,
        consumed=figures.objective.consumed,
        critical_share=figures.regimes.critical / seen if seen else None,
        coverage=figures.coverage,
        excess_nat_s=figures.excess_nat_s,
        incidents=len(figures.incidents),
        budget=figures.budget,
        glance=columns(summary, GLANCE, (summary.period.start, summary.period.end)),
    )


def fleet_of(period: PeriodName, members: Iterable[Member], missing: Iterable[Missing] = ()) -> Fleet:
    """The fleet of some pipelines, the worst first.

    Args:
        period: the one they were all reported on.
        members: at least one of them or of the missing.
        missing: those that could not be reported on.
    """
    ordered = tuple(sorted(members, key=_badness))
    left = tuple(sorted(missing, key=lambda one: one.pipeline))
    return Fleet(SCHEMA, period, _judge(ordered, left), ordered, left)


def _badness(member: Member) -> tuple[int, float, float, str]:
    order = _ORDER.index(member.verdict.health)
    return order, -(member.consumed or 0.0), -(member.critical_share or 0.0), member.pipeline


def _judge(members: tuple[Member, ...], missing: tuple[Missing, ...]) -> Verdict:
    health = members[0].verdict.health if members else Health.NO_DATA
    found = [member.verdict.health for member in members]
    counts = [f"{count(found.count(kind))} {_WORDS[kind]}" for kind in _ORDER if kind in found]
    counts += [f"{count(len(missing))} without a report"] if missing else []
    pipelines = counted(len(members) + len(missing), "pipeline")
    first = f" Look first at {members[0].pipeline}." if members and health is not Health.GOOD else ""
    return Verdict(health, f"{pipelines}: {', '.join(counts)}.{first}")
