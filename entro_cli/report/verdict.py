"""The verdict of a report: the health of the period, and a sentence that says where to look first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct

from entro_cli.analysis.incident_details import DetailedIncident
from entro_cli.analysis.results import Figures
from entro_cli.core.formatting import counted, duration, requests, share, shortened
from entro_cli.report.periods import Period, PeriodKind

LOW_COVERAGE = 0.9
"""Below this coverage the verdict warns of missing data. The value is a choice, not a measurement."""

NO_DATA = "No data"
"""First words of the sentence if the period has no data at all, or none at its end. The JUnit report tests for them."""

LOST = "The history has lost"
"""First words of the sentence if days of the history cannot be used."""

LARGE_SHARE = 0.25
"""A state that lasts this share of the observed time is named first. The value is a choice, not a measurement."""

_MOST_NAMED = 3


class Health(StrEnum):
    """The overall state of a period."""

    GOOD = "good"
    WATCH = "watch"
    BAD = "bad"
    NO_DATA = "no data"


class Verdict(Struct, frozen=True):
    """The verdict on a period, for a reader in a hurry.

    Attributes:
        health: `bad` if there were more violations than the objective allows; `watch` if a step was over the budget or
            Critical, an alert fired, the pipeline was silent or its coverage is low; `no data` without an observed
            step; else `good`.
        sentence: the state of the period and where to look first. Lost days of the history come before that, then a
            silence at the end of the period.
    """

    health: Health
    sentence: str


class Silence(Struct, frozen=True):
    """A time in which the pipeline should have had data, and had none.

    Attributes:
        start: the end of the last step with data before it.
        end: the begin of the next step with data, or the end of the period.
        length_s: its length without maintenance, s.
        is_ongoing: whether it lasts until the end of the period.
    """

    start: datetime
    end: datetime
    length_s: float
    is_ongoing: bool


def has_low_coverage(figures: Figures, usual_gap_s: float | None) -> bool:
    """Return whether too many steps have no data. In a pipeline with usual gaps between its runs, gaps are normal."""
    return figures.coverage < LOW_COVERAGE and (usual_gap_s or 0.0) <= figures.step_s


def judge(
    period: Period,
    figures: Figures,
    worst: DetailedIncident | None,
    silences: Sequence[Silence] = (),
    usual_gap_s: float | None = None,
    until_ns: int | None = None,
) -> Verdict:
    """Return the verdict on a period.

    Args:
        period: the period.
        figures: the figures of its steps.
        worst: its worst incident, None without any.
        silences: its silences, in order.
        usual_gap_s: the usual time between the begins of two runs, s; a step if the pipeline runs continuously, None
            if it is not known.
        until_ns: the time up to which there should be data, ns since the epoch; None for the end of the period.
    """
    found = _judge(period, figures, worst, silences, usual_gap_s, until_ns)
    if not figures.lost_days:
        return found
    health = Health.WATCH if found.health is Health.GOOD else found.health
    return Verdict(health, f"{_lost(figures.lost_days)} {found.sentence}")


def _lost(days: Sequence[str]) -> str:
    """Return the sentence on days that cannot be used."""
    named = [f"{day:%a} {day.day} {day:%b}" for day in map(date.fromisoformat, days[:_MOST_NAMED])]
    more = f" and {counted(len(days) - _MOST_NAMED, 'more day')}" if len(days) > _MOST_NAMED else ""
    return f"{LOST} {', '.join(named)}{more} (UTC): the figures are incomplete. Run entro history repair."


def _judge(
    period: Period,
    figures: Figures,
    worst: DetailedIncident | None,
    silences: Sequence[Silence],
    usual_gap_s: float | None,
    until_ns: int | None,
) -> Verdict:
    is_over = until_ns is None or until_ns >= period.end_ns
    if not figures.observed_steps and figures.steps == figures.excluded_steps > 0:
        return Verdict(Health.NO_DATA, f"All of this {period.kind} is excluded as maintenance.")
    if not figures.observed_steps and not silences and usual_gap_s is not None:
        return Verdict(Health.NO_DATA, f"This {period.kind} lies in a usual gap of the pipeline, without data.")
    if not figures.observed_steps:
        return Verdict(
            Health.NO_DATA,
            f"{NO_DATA} for this {period.kind}: check that the pipeline ran and that entro reads its logs.",
        )
    is_low = is_over and has_low_coverage(figures, usual_gap_s)
    parts = [
        *_silences(period, silences, is_over, usual_gap_s if (usual_gap_s or 0.0) > figures.step_s else None),
        _load(period, figures, worst),
        f"Data for only {share(figures.coverage)} of the {period.kind}." if is_low else "",
    ]
    return Verdict(_health(figures, is_low or bool(silences)), " ".join(part for part in parts if part))


def _health(figures: Figures, misses_data: bool) -> Health:
    objective = figures.objective
    if figures.violations > objective.allowed_steps:
        return Health.BAD
    if figures.regimes.critical or figures.violations or objective.alerts or misses_data:
        return Health.WATCH
    return Health.GOOD


def _silences(period: Period, silences: Sequence[Silence], is_over: bool, usual_gap_s: float | None) -> Iterator[str]:
    """Yield the sentences on silences: on the one at the end, on earlier ones, and on the usual gap between runs."""
    for silence in silences:
        if silence.is_ongoing:
            last = f"{duration(silence.length_s)}{f' of the {period.kind}' if is_over else ''}"
            yield (
                f"{NO_DATA} since {_time(period, silence.start)}, for the last {last}: "
                "check that the pipeline is running and that its logs arrive."
            )
    ended = [silence for silence in silences if not silence.is_ongoing]
    spans = [f"{_time(period, one.start)} until {_time(period, one.end)} ({duration(one.length_s)})" for one in ended]
    if spans:
        more = f", and {counted(len(spans) - _MOST_NAMED, 'more time')}" if len(spans) > _MOST_NAMED else ""
        yield f"Silent from {', from '.join(spans[:_MOST_NAMED])}{more}."
    if silences and usual_gap_s is not None:
        yield f"A run usually begins every {duration(usual_gap_s)}."


def _load(period: Period, figures: Figures, worst: DetailedIncident | None) -> str:
    """Return the sentences on the load: the largest fact first, then how much of the error budget was used."""
    critical = figures.regimes.critical / figures.observed_steps
    length = duration(figures.regimes.critical * figures.step_s)
    time = f"Critical for {share(critical)} of the observed time ({length})"
    late = figures.late_share or 0.0
    waits = f"Requests waited too long in {share(late)} of the steps. " if late >= LARGE_SHARE else ""
    if worst is None:
        state = f"{time}, but never over the budget" if critical else "Never Critical, and never over the budget"
        return f"{waits}{state}{_most_waiting(figures)}."
    lead = f"{time}. " if critical >= LARGE_SHARE else ""
    return (
        f"{lead}{waits}{_time(period, worst.start)}, {duration(worst.duration_s)}: {worst.sentence}. "
        f"Over the budget for {duration(figures.violation_time_s)} in {counted(len(figures.incidents), 'incident')}, "
        f"{_objective(figures)}."
    )


def _most_waiting(figures: Figures) -> str:
    """Return the longest queue in words; empty without a queue."""
    queues = [stage for stage in figures.stages if stage.longest_wait_s is not None]
    longest = max(queues, key=lambda stage: stage.longest_wait_s or 0.0, default=None)
    if longest is None:
        return ""
    if not longest.peak_load:
        return ": no request waited"
    waiting = f"{requests(longest.peak_load)} waiting at {shortened(longest.name)}"
    return f": at most {waiting}, up to {duration(longest.longest_wait_s or 0.0)} wait"


def _objective(figures: Figures) -> str:
    """Return how much of the allowed violations was used."""
    objective = figures.objective
    target = f"{100 * objective.target:g}%"
    if not objective.allowed_steps:
        return f"where the {target} objective allows none"
    used = figures.violations / objective.allowed_steps
    amount = f"{used:.1f} times" if used > 1 else f"{share(used)} of"
    return f"{amount} what the {target} objective allows"


def _time(period: Period, when: datetime) -> str:
    """Return the time of day in a daily report, with the date in a longer one."""
    # The end of a day is the midnight of the next one: without its date, 00:00 would read as the day's beginning.
    if period.kind is PeriodKind.DAY and period.start <= when < period.end:
        return f"{when:%H:%M}"
    return f"{when:%a} {when.day} {when:%b} {when:%H:%M}"
