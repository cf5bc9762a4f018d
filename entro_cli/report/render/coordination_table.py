"""What coordination would have changed, as rows of text: the courses beside each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from entro_cli.analysis.results import Coordination, CoordinationRun
from entro_cli.core import formatting


@dataclass(frozen=True)
class CoordinationRow:
    """One figure of the three courses: as measured, in the plant without a controller, and with the v9 controller."""

    label: str
    measured: str
    uncontrolled: str
    coordinated: str


def _wait(run: CoordinationRun) -> str:
    """The mean wait; with something left at the end it is a lower bound."""
    if run.mean_wait_s is None:
        return formatting.NONE
    return ("at least " if run.unserved > 0.5 else "") + formatting.duration(round(run.mean_wait_s, 1))


_FIGURES: tuple[tuple[str, Callable[[CoordinationRun], str]], ...] = (
    ("Steps over the budget", lambda run: formatting.count(run.violations)),
    ("Excess, nat s", lambda run: formatting.quantity(run.excess_nat_s)),
    ("Longest queue", lambda run: formatting.quantity(run.peak_queue)),
    ("Most held back before it", lambda run: formatting.quantity(run.peak_frontier)),
    ("Mean wait, all in all", _wait),
    ("Left at the end", lambda run: formatting.quantity(run.unserved)),
)


def coordination_rows(coordination: Coordination) -> tuple[CoordinationRow, ...]:
    """The rows; none where there is no comparison."""
    runs = (coordination.measured, coordination.uncontrolled, coordination.coordinated)
    known = [run for run in runs if run is not None]
    if len(known) < len(runs):
        return ()
    return tuple(CoordinationRow(label, *(say(run) for run in known)) for label, say in _FIGURES)


def coordination_terms(coordination: Coordination) -> str:
    """What the comparison was made with, in a sentence; empty where there is none."""
    if coordination.capacity is None or coordination.accepted_wait_s is None:
        return ""
    guess = ", a guess" if coordination.capacity_is_guess else ""
    fulls = (coordination.full_rate or 0.0, coordination.full_queue or 0.0)
    off = formatting.optional(formatting.share, coordination.model_error)
    return (
        f"A server of {formatting.quantity(coordination.capacity)} req/s ({coordination.capacity_evidence}{guess}), an "
        f"accepted wait of {coordination.accepted_wait_s:.3g} s; full at {formatting.quantity(fulls[0])} req/s and "
        f"{formatting.quantity(fulls[1])} requests; the plant's queue is {off} off the measured one."
    )
