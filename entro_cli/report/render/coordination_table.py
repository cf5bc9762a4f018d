"""The effect of coordination as rows of text, and the full loads that it and everything else is counted with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from entro_cli.analysis.coordination import LEAST_BUSY_SHARE
from entro_cli.analysis.results import Coordination, CoordinationRun, FullLoads
from entro_cli.core import formatting


@dataclass(frozen=True)
class CoordinationRow:
    """One figure of the three courses: measured, simulated without a controller, and with the v9 controller."""

    label: str
    measured: str
    uncontrolled: str
    coordinated: str


def _wait(run: CoordinationRun) -> str:
    """Return the mean wait, marked as a lower bound if requests are left at the end."""
    if run.mean_wait_s is None:
        return formatting.NONE
    # A fluid model leaves fractions of a request: below half of one, nothing is left.
    return (">= " if run.unserved > 0.5 else "") + formatting.duration(round(run.mean_wait_s, 1))


_FIGURES: tuple[tuple[str, Callable[[CoordinationRun], str]], ...] = (
    ("Steps over the budget", lambda run: formatting.count(run.violations)),
    ("Excess, nat s", lambda run: formatting.quantity(run.excess_nat_s)),
    ("Longest queue", lambda run: formatting.quantity(run.peak_queue)),
    ("Most held back", lambda run: formatting.quantity(run.peak_frontier)),
    ("Mean wait", _wait),
    ("Unserved at the end", lambda run: formatting.quantity(run.unserved)),
)


def coordination_rows(coordination: Coordination) -> tuple[CoordinationRow, ...]:
    """Return the rows; none if there is no comparison."""
    runs = (coordination.measured, coordination.uncontrolled, coordination.coordinated)
    known = [run for run in runs if run is not None]
    if len(known) < len(runs):
        return ()
    return tuple(CoordinationRow(label, *(form(run) for run in known)) for label, form in _FIGURES)


_MARKS = {
    "thin": ", on thin evidence",
    "at least": ", at least, as no queue ever formed",
    "usual rate": ": the log is compared with its own usual rate, as no server is known",
}


def full_load_terms(full_loads: FullLoads) -> str:
    """Return the origin of the full loads, in a sentence."""
    if full_loads.origin == "set":
        return "Full loads: as set by the user."
    if full_loads.capacity is None:
        return "Full loads: the published ones, which may not fit this log."
    return (
        f"Full loads: learned from {formatting.quantity(full_loads.capacity)} req/s ({full_loads.evidence}"
        f"{_MARKS.get(full_loads.mark, '')}) and an accepted wait of {full_loads.wait_s:.3g} s."
    )


def coordination_terms(coordination: Coordination) -> str:
    """Return the assumptions of the comparison, in sentences; empty if there is no comparison."""
    if coordination.capacity is None or coordination.accepted_wait_s is None:
        return ""
    guess = ", a guess" if coordination.capacity_is_guess else ""
    full_rate, full_queue = coordination.full_rate or 0.0, coordination.full_queue or 0.0
    error = formatting.optional(formatting.share, coordination.model_error)
    busy = coordination.busy_share
    idle = (
        f" Waits are not compared, as the server was busy in {formatting.share(busy)} of the steps only."
        if busy is not None and busy < LEAST_BUSY_SHARE
        else ""
    )
    return (
        f"Simulated server: {formatting.quantity(coordination.capacity)} req/s "
        f"({coordination.capacity_evidence}{guess}), accepted wait {coordination.accepted_wait_s:.3g} s, "
        f"full at {formatting.quantity(full_rate)} req/s and {formatting.quantity(full_queue)} requests. "
        f"The simulated queue is {error} off the measured one.{idle}"
    )
