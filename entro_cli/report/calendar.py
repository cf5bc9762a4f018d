"""The days of a long period as a calendar: a row a week, from Monday to Sunday."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from entro_cli.report.daily_report import Bucket, Summary

_SHORT = 7
"""A period of so many days or fewer is told by bars."""


class DayState(StrEnum):
    """How a day was, in the word that pages show."""

    OVER = "over the budget"
    CRITICAL = "Critical"
    CALM = "calm"
    NO_DATA = "no data"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True)
class CalendarDay:
    """A day of the calendar.

    Attributes:
        bucket: the day.
        state: how it was: over the budget in a step, else Critical in one, else calm; of a day without data whether
            all of it was maintenance.
        critical_share: Critical as a share of the observed steps; None without any.
    """

    bucket: Bucket
    state: DayState
    critical_share: float | None


Week = tuple[CalendarDay | None, ...]
"""Seven days, Monday first; None for those outside the period."""


def calendar_of(summary: Summary) -> tuple[Week, ...]:
    """The weeks of a period that is told by the day and longer than a week; none of any other."""
    buckets = summary.buckets
    if summary.period.parts != "day" or len(buckets) <= _SHORT:
        return ()
    cells: list[CalendarDay | None] = [None] * buckets[0].start.weekday()
    cells += [_day(bucket) for bucket in buckets]
    cells += [None] * (-len(cells) % 7)
    return tuple(tuple(cells[at : at + 7]) for at in range(0, len(cells), 7))


def _day(bucket: Bucket) -> CalendarDay:
    regimes = bucket.regimes
    observed = regimes.stable + regimes.stress + regimes.critical
    return CalendarDay(bucket, _state(bucket, observed), regimes.critical / observed if observed else None)


def _state(bucket: Bucket, observed: int) -> DayState:
    if not observed:
        return DayState.MAINTENANCE if bucket.excluded_steps == bucket.steps > 0 else DayState.NO_DATA
    if bucket.violations:
        return DayState.OVER
    return DayState.CRITICAL if bucket.regimes.critical else DayState.CALM
