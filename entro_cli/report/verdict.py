"""The verdict: overall health, and a sentence a person can act on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from entro_cli.analysis.incidents import Incident
from entro_cli.analysis.results import Figures
from entro_cli.core.clock import NS, nanoseconds
from entro_cli.core.formatting import count, duration, share
from entro_cli.report.periods import Period, PeriodKind
from entro_cli.timeseries.maintenance import NONE, Maintenance

LOW_COVERAGE = 0.9
"""Chosen: with less of the period covered than this, the verdict says so."""

_QUIET_S = 300.0
_QUIET_STEPS = 2
_LONGEST_NAME = 40


class Health(StrEnum):
    """How the period was."""

    GOOD = "good"
    WATCH = "watch"
    BAD = "bad"
    NO_DATA = "no data"


@dataclass(frozen=True)
class Verdict:
    """What a reader in a hurry reads.

    Attributes:
        health: `bad` when more of the budget's objective was used than there is; `watch` when a step was Critical, an
            alert fired, the period ends without data or less than 90 % of it is covered; `no data` without a step
            observed; else `good`.
        sentence: what was, and where to look first; that the period ends without data, if it does, comes first.
    """

    health: Health
    sentence: str


def judge(
    period: Period,
    figures: Figures,
    worst: Incident | None,
    last_data: datetime | None,
    maintenance: Maintenance = NONE,
) -> Verdict:
    """The verdict on a period.

    Args:
        period: the period.
        figures: what its steps come to.
        worst: its worst incident, None without any.
        last_data: where its last step with data ends, None without any.
        maintenance: what is left out, in which no data is missed.
    """
    if last_data is None and figures.steps == figures.excluded_steps > 0:
        return Verdict(Health.NO_DATA, f"All of this {period.kind} is left out as maintenance.")
    if last_data is None:
        return Verdict(
            Health.NO_DATA,
            f"No data for this {period.kind}: check that the pipeline ran, and that its logs are the ones read here.",
        )
    last_ns = nanoseconds(last_data)
    silent_s = (period.end_ns - last_ns - maintenance.length_ns(last_ns, period.end_ns)) / NS
    ends_silent = silent_s > max(_QUIET_S, _QUIET_STEPS * figures.step_s)
    parts = [
        _silence(period, last_data, silent_s) if ends_silent else "",
        _load(period, figures, worst),
        f"Data for only {share(figures.coverage)} of the {period.kind}." if figures.coverage < LOW_COVERAGE else "",
    ]
    return Verdict(_health(figures, ends_silent), " ".join(part for part in parts if part))


def _health(figures: Figures, ends_silent: bool) -> Health:
    objective = figures.objective
    if figures.violations > objective.allowed_steps:
        return Health.BAD
    strained = figures.regimes.critical or figures.violations or objective.alerts
    if strained or ends_silent or figures.coverage < LOW_COVERAGE:
        return Health.WATCH
    return Health.GOOD


def _silence(period: Period, last_data: datetime, silent_s: float) -> str:
    return (
        f"Nothing since {_when(period, last_data)}, the last {duration(silent_s)} of the {period.kind}: "
        "check that the pipeline runs and its logs arrive."
    )


def _load(period: Period, figures: Figures, worst: Incident | None) -> str:
    """What the load did to the budget, and where to look first."""
    if worst is None:
        critical = figures.regimes.critical
        if critical:
            time = duration(critical * figures.step_s)
            return f"Within the budget throughout, but Critical for {time}: there is little room for more load."
        return f"Within the budget in every observed step ({count(figures.observed_steps)}): nothing to do."
    number = len(figures.incidents)
    incidents = "1 incident" if number == 1 else f"{count(number)} incidents"
    which = "it" if number == 1 else "the worst"
    return (
        f"Over the budget for {duration(figures.violation_time_s)} in {incidents}, {_objective(figures)}; "
        f"look first at {_name(worst.driver)}, which drove {which} ({_when(period, worst.start)}, "
        f"{duration(worst.duration_s)}, up to {worst.peak_psi_total / figures.budget:.1f} times the budget)."
    )


def _objective(figures: Figures) -> str:
    """How much of what the objective allows was used."""
    objective = figures.objective
    target = f"{100 * objective.target:g}%"
    if not objective.allowed_steps:
        return f"where the {target} objective allows none"
    used = figures.violations / objective.allowed_steps
    how = f"{used:.1f} times" if used > 1 else f"{share(used)} of"
    return f"{how} what the {target} objective allows"


def _name(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def _when(period: Period, when: datetime) -> str:
    """A moment as the period's readers need it: the time of a day, and the day too of a longer one."""
    if period.kind is PeriodKind.DAY and when < period.end:
        return f"{when:%H:%M}"
    return f"{when:%a} {when.day} {when:%b} {when:%H:%M}"
