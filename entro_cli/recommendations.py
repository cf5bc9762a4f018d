"""What to do about it: each recommendation with its number, the command that shows it, and the setting that does it."""

from __future__ import annotations

from entro_cli import numbers
from entro_cli.summary import Coordination, CoordinationRun, Recommendation


def recommendations(
    coordination: Coordination, stages: tuple[str, str] | None, command: str
) -> tuple[Recommendation, ...]:
    """What to do, the most useful first; nothing where nothing would have helped, or nobody can tell.

    Args:
        coordination: what it would have changed.
        stages: the names of the rate stage and of the queue stage; None for other pipelines.
        command: what shows the numbers, as a shell takes it.
    """
    measured, coordinated = coordination.measured, coordination.coordinated
    if stages is None or measured is None or coordinated is None or coordination.capacity is None:
        return ()
    if coordinated.violations >= measured.violations:
        return ()
    return (_hold(coordination.capacity, measured, coordinated, stages, command),)


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
            f"{numbers.quantity(measured.peak_queue)}."
        ),
        number=capacity,
        unit="req/s",
        field="coordination.capacity",
        command=command,
        setting=f"Scrapy, one domain: DOWNLOAD_DELAY = {1 / capacity:.3g}, RANDOMIZE_DOWNLOAD_DELAY = False",
    )
