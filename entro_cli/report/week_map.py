"""The map of the week: the load of each of its 168 hours over a whole period, and how often it was Critical."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

import numpy as np
from msgspec import Struct

from entro_cli.core.clock import hours_of_week
from entro_engine import Kind, Regime, Run

SHORTEST_S = 14 * 86400.0
"""A map needs a longer period: in two weeks, an hour of the week occurs only twice and shows no pattern."""

LEVELS = (0.05, 0.25, 0.5)
"""Lower bounds of the map's levels 2, 3 and 4, as shares; level 1 is anything above 0. The values are a choice."""

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class HourOfWeek(Struct, frozen=True):
    """An hour of the week, with all steps of the period that begin in it.

    Attributes:
        hour: 0..23, in the period's time zone. An hour that clocks show twice counts as one.
        observed_steps: steps with data.
        critical_steps: steps in Critical.
        critical_share: Critical steps as a share of observed steps; None without an observed step.
        level: the share as a level: 0 (never), 1 (below 5 %), 2 (below 25 %), 3 (below half), 4 (half or more).
        mean_load: mean load of the map's stage, in its unit; None without an observed step.
    """

    hour: int
    observed_steps: int
    critical_steps: int
    critical_share: float | None
    level: int
    mean_load: float | None


class Weekday(Struct, frozen=True):
    """A day of the week by its hours.

    Attributes:
        name: `Mon` to `Sun`.
        hours: its 24 hours.
        worst: the hour with the largest Critical share, the first of equal ones; None if no step was Critical.
    """

    name: str
    hours: tuple[HourOfWeek, ...]
    worst: HourOfWeek | None


def mapped_stage(run: Run) -> int:
    """Return the stage whose load the map shows: the queue that adds most to Psi_total, or such a rate without one."""
    queues = [index for index, stage in enumerate(run.stages) if stage.kind is Kind.QUEUE]
    return max(queues or range(len(run.stages)), key=lambda index: float(np.nansum(run.psi[index])))


def week_map(run: Run, zone: tzinfo, stage: int) -> tuple[Weekday, ...]:
    """Return the map of the week.

    Args:
        run: the steps of the period, and no others.
        zone: the time zone of the hours.
        stage: the stage whose load is shown.

    Returns:
        Seven days, Monday first.
    """
    hours = hours_of_week(run.times_ns, zone)  # 0 for Monday 00:00 to 167 for Sunday 23:00
    is_observed = run.observed
    observed = np.bincount(hours[is_observed], minlength=168)
    critical = np.bincount(hours[run.trace.regime == Regime.CRITICAL], minlength=168)
    loads = np.bincount(hours[is_observed], run.loads[stage, is_observed], minlength=168) / np.maximum(observed, 1)
    days = zip(*(counts.reshape(7, 24).tolist() for counts in (observed, critical, loads)), strict=True)
    return tuple(_weekday(name, *counts) for name, counts in zip(WEEKDAYS, days, strict=True))


def _weekday(name: str, observed: list[int], critical: list[int], loads: list[float]) -> Weekday:
    hours = tuple(_hours(observed, critical, loads))
    worst = max(hours, key=lambda hour: hour.critical_share or 0.0)
    return Weekday(name, hours, worst if worst.critical_steps else None)


def _hours(observed: list[int], critical: list[int], loads: list[float]) -> Iterator[HourOfWeek]:
    for hour, (steps, critical_steps, load) in enumerate(zip(observed, critical, loads, strict=True)):
        share = critical_steps / steps if steps else None
        yield HourOfWeek(hour, steps, critical_steps, share, _level(share or 0.0), load if steps else None)


def _level(share: float) -> int:
    return 0 if share == 0 else 1 + sum(share >= edge for edge in LEVELS)
