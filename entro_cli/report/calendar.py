"""The calendar of a long period: one row per week, Monday to Sunday."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from entro_cli.report.daily_report import Bucket, Summary

_SHORT = 7  # a period of at most so many days is shown as bars


class DayState(StrEnum):
    """The state of a day, as reports print it."""

    OVER = "over the budget"
    CRITICAL = "Critical"
    CALM = "calm"
    NO_DATA = "no data"
    MAINTENANCE = "maintenance"


class CalendarDay(Struct, frozen=True):
    """A day of the calendar.

    Attributes:
        bucket: figures of the day.
        state: over the budget in any step, else Critical in any step, else calm. Without data: maintenance if all of
            the day is excluded, else no data.
        critical_share: Critical steps as a share of the steps that are not excluded; None without an observed step.
    """

    bucket: Bucket
    state: DayState
    critical_share: float | None


Week = tuple[CalendarDay | None, ...]
"""Seven days, Monday first; None for a day outside the period."""


def calendar_of(summary: Summary) -> tuple[Week, ...]:
    """Return the weeks of a period that is divided into days and longer than a week; empty for any other period."""
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
    share = regimes.critical / (bucket.steps - bucket.excluded_steps) if observed else None
    return CalendarDay(bucket, _state(bucket, observed), share)


def _state(bucket: Bucket, observed: int) -> DayState:
    if not observed:
        return DayState.MAINTENANCE if bucket.excluded_steps == bucket.steps > 0 else DayState.NO_DATA
    if bucket.violations:
        return DayState.OVER
    return DayState.CRITICAL if bucket.regimes.critical else DayState.CALM
