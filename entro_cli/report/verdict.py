"""The verdict of a report: the health of the period, and a sentence that says where to look first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from entro_cli.analysis.incidents import Incident
from entro_cli.analysis.results import Figures
from entro_cli.core.clock import NS, nanoseconds
from entro_cli.core.formatting import count, counted, duration, share
from entro_cli.report.periods import Period, PeriodKind
from entro_cli.timeseries.maintenance import NONE, Maintenance

LOW_COVERAGE = 0.9
"""Below this coverage the verdict warns of missing data. The value is a choice, not a measurement."""

NO_DATA = "No data"
"""First words of the sentence if the period has no data at all, or none at its end. The JUnit report tests for them."""

# A period ends silent only if more than five minutes, and more than two steps, at its end have no data.
_QUIET_S = 300.0
_QUIET_STEPS = 2
_LONGEST_NAME = 40


class Health(StrEnum):
    """The overall state of a period."""

    GOOD = "good"
    WATCH = "watch"
    BAD = "bad"
    NO_DATA = "no data"


@dataclass(frozen=True)
class Verdict:
    """The verdict on a period, for a reader in a hurry.

    Attributes:
        health: `bad` if there were more violations than the objective allows; `watch` if a step was over the budget or
            Critical, an alert fired, the period ends without data or its coverage is below 90 %; `no data` without an
            observed step; else `good`.
        sentence: the state of the period and where to look first. If the period ends without data, it says so first.
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
    """Return the verdict on a period.

    Args:
        period: the period.
        figures: the figures of its steps.
        worst: its worst incident, None without any.
        last_data: end of its last step with data, None without any.
        maintenance: the excluded times, in which no data is expected.
    """
    if last_data is None and figures.steps == figures.excluded_steps > 0:
        return Verdict(Health.NO_DATA, f"All of this {period.kind} is excluded as maintenance.")
    if last_data is None:
        return Verdict(
            Health.NO_DATA,
            f"{NO_DATA} for this {period.kind}: check that the pipeline ran and that entro reads its logs.",
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
        f"{NO_DATA} since {_time(period, last_data)}, for the last {duration(silent_s)} of the {period.kind}: "
        "check that the pipeline is running and that its logs arrive."
    )


def _load(period: Period, figures: Figures, worst: Incident | None) -> str:
    """Return the sentence on the load: how long it was over the budget, and where to look first."""
    if worst is None:
        critical = figures.regimes.critical
        if critical:
            time = duration(critical * figures.step_s)
            return f"Within the budget throughout, but Critical for {time}: there is little room for more load."
        return f"Within the budget in every observed step ({count(figures.observed_steps)}): nothing to do."
    incidents = len(figures.incidents)
    which = "the incident" if incidents == 1 else "the worst incident"
    return (
        f"Over the budget for {duration(figures.violation_time_s)} in {counted(incidents, 'incident')}, "
        f"{_objective(figures)}. Look first at {_shortened(worst.driver)}, the driver of {which} "
        f"({_time(period, worst.start)}, {duration(worst.duration_s)}, "
        f"up to {worst.peak_coupled_load / figures.budget:.1f} times the budget)."
    )


def _objective(figures: Figures) -> str:
    """Return how much of the allowed violations was used."""
    objective = figures.objective
    target = f"{100 * objective.target:g}%"
    if not objective.allowed_steps:
        return f"where the {target} objective allows none"
    used = figures.violations / objective.allowed_steps
    amount = f"{used:.1f} times" if used > 1 else f"{share(used)} of"
    return f"{amount} what the {target} objective allows"


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def _time(period: Period, when: datetime) -> str:
    """Return the time of day in a daily report, with the date in a longer one."""
    # The end of a day is the midnight of the next one: without its date, 00:00 would read as the day's beginning.
    if period.kind is PeriodKind.DAY and when < period.end:
        return f"{when:%H:%M}"
    return f"{when:%a} {when.day} {when:%b} {when:%H:%M}"
