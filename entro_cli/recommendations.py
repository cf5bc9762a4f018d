"""What to do about it: each recommendation with its number, the command that shows it, and the setting that does it."""

from __future__ import annotations

from entro_cli import numbers
from entro_cli.summary import Coordination, CoordinationRun, Recommendation

_LONGER = 1.5
"""Chosen: how much longer requests may wait all in all, before holding them back is not recommended any more."""


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
    return (_hold(coordination.capacity, measured, coordinated, stages, command),)


def _costs_more(coordination: Coordination) -> bool:
    """Whether requests would have waited far longer all in all: then the plant is no reason to hold anything back."""
    measured, coordinated = coordination.measured, coordination.coordinated
    if measured is None or coordinated is None or measured.mean_wait_s is None or coordinated.mean_wait_s is None:
        return True
    return coordinated.mean_wait_s > _LONGER * measured.mean_wait_s


def _hold(
    capacity: float, measured: CoordinationRun, coordinated: CoordinationRun, stages: tuple[str, str], command: str
) -> Recommendation:
    """Hold the rate to what the server serves."""
    rate, queue = stages
    avoided = f"{numbers.count(measured.violations - coordinated.violations)} of {numbers.count(measured.violations)}"
    return Recommendation(
        sentence=(
            f"Hold {rate} to what {queue} serves, {numbers.quantity(capacity)} req/s, as long as requests wait there: "
            f"{avoided} steps over the budget would not have been, "
            f"with at most {numbers.quantity(coordinated.peak_queue)} requests waiting in {queue} instead of "
            f"{numbers.quantity(measured.peak_queue)}. All in all a request would have waited "
            f"{numbers.optional(numbers.duration, coordinated.mean_wait_s)} instead of "
            f"{numbers.optional(numbers.duration, measured.mean_wait_s)}."
        ),
        number=capacity,
        unit="req/s",
        field="coordination.capacity",
        command=command,
        setting=f"Scrapy, one domain: DOWNLOAD_DELAY = {1 / capacity:.3g}, RANDOMIZE_DOWNLOAD_DELAY = False",
    )
