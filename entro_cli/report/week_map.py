"""The week by its hours: in which of them, over a whole period, the steps were Critical."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from entro_cli.core.clock import hours_of_week
from entro_engine import Regime, Run

LEAST_S = 14 * 86400.0
"""A period has to be longer: with one or two weeks an hour of the week is one or two hours, and says nothing of it."""

LEVELS = (0.05, 0.25, 0.5)
"""Chosen: where the levels of a map begin, as shares; the first is above 0, the second from 5 % on."""

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class HourOfWeek:
    """An hour of the week: all steps of the period that begin in it.

    Attributes:
        hour: 0..23, of the period's zone; an hour that the clock shows twice is one.
        observed_steps: steps with data.
        critical_steps: those of them in Critical.
        critical_share: Critical as a share of observed steps; None without any.
        level: the share as 0 (never), 1 (less than 5 %), 2 (less than 25 %), 3 (less than half), 4 (half or more).
    """

    hour: int
    observed_steps: int
    critical_steps: int
    critical_share: float | None
    level: int


@dataclass(frozen=True)
class Weekday:
    """A day of the week, hour by hour.

    Attributes:
        name: `Mon` to `Sun`.
        hours: its 24 hours.
        worst: the hour with the largest Critical share, the first of equals; None where no step was Critical.
    """

    name: str
    hours: tuple[HourOfWeek, ...]
    worst: HourOfWeek | None


def week_map(run: Run, zone: tzinfo, length_s: float) -> tuple[Weekday, ...]:
    """The week by its hours.

    Args:
        run: the steps of the period, and no others.
        zone: whose hours count.
        length_s: of the period, s.

    Returns:
        Seven days, Monday first; none where the period is not longer than two weeks.
    """
    if length_s <= LEAST_S:
        return ()
    cells = hours_of_week(run.times_ns, zone)
    observed = np.bincount(cells[run.observed], minlength=168).reshape(7, 24).tolist()
    critical = np.bincount(cells[run.trace.regime == Regime.CRITICAL], minlength=168).reshape(7, 24).tolist()
    return tuple(_weekday(name, *counts) for name, *counts in zip(WEEKDAYS, observed, critical, strict=True))


def _weekday(name: str, observed: list[int], critical: list[int]) -> Weekday:
    hours = tuple(_hours(observed, critical))
    worst = max(hours, key=lambda hour: hour.critical_share or 0.0)
    return Weekday(name, hours, worst if worst.critical_steps else None)


def _hours(observed: list[int], critical: list[int]) -> Iterator[HourOfWeek]:
    for hour, (seen, bad) in enumerate(zip(observed, critical, strict=True)):
        share = bad / seen if seen else None
        yield HourOfWeek(hour, seen, bad, share, _level(share or 0.0))


def _level(share: float) -> int:
    return 0 if share == 0 else 1 + sum(share >= edge for edge in LEVELS)
