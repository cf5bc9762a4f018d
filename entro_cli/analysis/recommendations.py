"""What to do about it: each recommendation with its number, the command that shows it, and the setting that does it."""

from __future__ import annotations

from collections.abc import Sequence

from entro_cli.analysis.results import Coordination, CoordinationRun, HeldHour, Recommendation
from entro_cli.core import formatting

_MAX_WAIT_RATIO = 1.5
"""Chosen: how much longer requests may wait all in all, before holding them back is not recommended any more."""

_MIN_HOUR_SHARE = 0.02
"""Chosen: hours with less than this share of the time in which something was held back are not named."""

_MAX_NAMED_HOURS = 18
"""Chosen: where more are to be named, it was at all hours."""


def recommendations(
    coordination: Coordination, stages: tuple[str, str] | None, command: str
) -> tuple[Recommendation, ...]:
    """What to do, the most useful first; nothing where nothing would have helped, or at too high a price.

    A capacity that is a guess is no reason for anything.

    Args:
        coordination: what it would have changed.
        stages: the names of the rate stage and of the queue stage; None for other pipelines.
        command: what shows the numbers, as a shell takes it.
    """
    measured, coordinated = coordination.measured, coordination.coordinated
    if stages is None or measured is None or coordinated is None or coordination.capacity is None:
        return ()
    if coordinated.violations >= measured.violations or coordination.capacity_is_guess or _costs_more(coordination):
        return ()
    when = hours_in_words(coordination.held_hours)
    return (_hold(coordination.capacity, measured, coordinated, stages, when, command),)


def _costs_more(coordination: Coordination) -> bool:
    """Whether requests would have waited far longer all in all: then the plant is no reason to hold anything back."""
    measured, coordinated = coordination.measured, coordination.coordinated
    if measured is None or coordinated is None or measured.mean_wait_s is None or coordinated.mean_wait_s is None:
        return True
    return coordinated.mean_wait_s > _MAX_WAIT_RATIO * measured.mean_wait_s


def hours_in_words(held: Sequence[HeldHour]) -> str:
    """When something was held back, as the end of a clause: `, from 09:00 to 11:00 and from 14:00 to 15:00`.

    Args:
        held: the hours of the day in which it was, in their order.
    """
    total = sum(hour.held_s for hour in held)
    named = {hour.hour for hour in held if hour.held_s >= _MIN_HOUR_SHARE * total}
    if not named:
        return ""
    if len(named) > _MAX_NAMED_HOURS:
        return ", at all hours of the day"
    begins = [hour for hour in sorted(named) if (hour - 1) % 24 not in named]
    spans = [f"from {begin:02}:00 to {_end(begin, named):02}:00" for begin in begins]
    mostly = "mostly " if len(named) < len(held) else ""
    return f", {mostly}{', '.join(spans[:-1])}{' and ' if len(spans) > 1 else ''}{spans[-1]}"


def _end(begin: int, named: set[int]) -> int:
    """Where the hours from one on end, 24 for midnight."""
    end = begin + 1
    while end % 24 in named:
        end += 1
    return end if end <= 24 else end - 24


def _hold(
    capacity: float,
    measured: CoordinationRun,
    coordinated: CoordinationRun,
    stages: tuple[str, str],
    when: str,
    command: str,
) -> Recommendation:
    """Hold the rate to what the server serves."""
    rate, queue = stages
    avoided = (
        f"{formatting.count(measured.violations - coordinated.violations)} of {formatting.count(measured.violations)}"
    )
    return Recommendation(
        sentence=(
            f"Hold {rate} to what {queue} serves, {formatting.quantity(capacity)} req/s, as long as requests wait "
            f"there{when}: {avoided} steps over the budget would not have been, "
            f"with at most {formatting.quantity(coordinated.peak_queue)} requests waiting in {queue} instead of "
            f"{formatting.quantity(measured.peak_queue)}. All in all a request would have waited "
            f"{formatting.optional(formatting.duration, coordinated.mean_wait_s)} instead of "
            f"{formatting.optional(formatting.duration, measured.mean_wait_s)}."
        ),
        number=capacity,
        unit="req/s",
        field="coordination.capacity",
        command=command,
        setting=f"Scrapy, one domain: DOWNLOAD_DELAY = {1 / capacity:.3g}, RANDOMIZE_DOWNLOAD_DELAY = False",
    )
