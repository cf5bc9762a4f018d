"""The map of the week: how often each of its 168 hours was Critical over a whole period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from entro_cli.core.clock import hours_of_week
from entro_engine import Regime, Run

SHORTEST_S = 14 * 86400.0
"""A map needs a longer period: in two weeks, an hour of the week occurs only twice and shows no pattern."""

LEVELS = (0.05, 0.25, 0.5)
"""Lower bounds of the map's levels 2, 3 and 4, as shares; level 1 is anything above 0. The values are a choice."""

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class HourOfWeek:
    """An hour of the week, with all steps of the period that begin in it.

    Attributes:
        hour: 0..23, in the period's time zone. An hour that clocks show twice counts as one.
        observed_steps: steps with data.
        critical_steps: steps in Critical.
        critical_share: Critical steps as a share of observed steps; None without an observed step.
        level: the share as a level: 0 (never), 1 (below 5 %), 2 (below 25 %), 3 (below half), 4 (half or more).
    """

    hour: int
    observed_steps: int
    critical_steps: int
    critical_share: float | None
    level: int


@dataclass(frozen=True)
class Weekday:
    """A day of the week by its hours.

    Attributes:
        name: `Mon` to `Sun`.
        hours: its 24 hours.
        worst: the hour with the largest Critical share, the first of equal ones; None if no step was Critical.
    """

    name: str
    hours: tuple[HourOfWeek, ...]
    worst: HourOfWeek | None


def week_map(run: Run, zone: tzinfo) -> tuple[Weekday, ...]:
    """Return the map of the week.

    Args:
        run: the steps of the period, and no others.
        zone: the time zone of the hours.

    Returns:
        Seven days, Monday first.
    """
    hours = hours_of_week(run.times_ns, zone)  # 0 for Monday 00:00 to 167 for Sunday 23:00
    observed = np.bincount(hours[run.observed], minlength=168).reshape(7, 24).tolist()
    critical = np.bincount(hours[run.trace.regime == Regime.CRITICAL], minlength=168).reshape(7, 24).tolist()
    return tuple(_weekday(name, *counts) for name, *counts in zip(WEEKDAYS, observed, critical, strict=True))


def _weekday(name: str, observed: list[int], critical: list[int]) -> Weekday:
    hours = tuple(_hours(observed, critical))
    worst = max(hours, key=lambda hour: hour.critical_share or 0.0)
    return Weekday(name, hours, worst if worst.critical_steps else None)


def _hours(observed: list[int], critical: list[int]) -> Iterator[HourOfWeek]:
    for hour, (steps, critical_steps) in enumerate(zip(observed, critical, strict=True)):
        share = critical_steps / steps if steps else None
        yield HourOfWeek(hour, steps, critical_steps, share, _level(share or 0.0))


def _level(share: float) -> int:
    return 0 if share == 0 else 1 + sum(share >= edge for edge in LEVELS)
