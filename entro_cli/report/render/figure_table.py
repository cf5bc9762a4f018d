"""The figures of a report as rows of text, and what coordination would have changed."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from entro_cli.analysis.coordination import LEAST_BUSY_SHARE
from entro_cli.analysis.results import Coordination, CoordinationRun, Figures, FullLoads, StageFigures
from entro_cli.core import formatting
from entro_engine import Kind
from entro_engine.log_plant import DEFAULT_CONTROL

_TRENDS = {"worse": ("better", "worse"), "better": ("worse", "better"), "neither": ("", "")}
"""By what a rise of a figure means: what a fall is, and what a rise is."""

_LOAD_UNITS = {"rate": "req/s", "queue": "requests"}


class FigureRow(Struct, frozen=True):
    """One figure.

    Attributes:
        label: its name.
        value: the figure of this period.
        beside: the same figure in another unit, such as a number of steps; empty without one.
        previous: the figure of the previous period.
        change: the difference.
        trend: `better` or `worse`; empty if the figure did not change, or if neither is true of it.
    """

    label: str
    value: str
    beside: str
    previous: str
    change: str
    trend: str = ""


class FigureGroup(Struct, frozen=True):
    """A titled group of figures."""

    title: str
    rows: tuple[FigureRow, ...]


class _Figure(Struct, frozen=True):
    """The definition of a row: how to read the figure, how to format it and its change, and what a rise means."""

    label: str
    value: Callable[[Figures], float | None]
    form: Callable[[float], str]
    change_form: Callable[[float], str] | None = None
    beside: Callable[[Figures], str] = lambda _: ""
    rise: str = "worse"

    def row(self, now: Figures, before: Figures | None) -> FigureRow:
        value, previous = self.value(now), self.value(before) if before else None
        change = formatting.change(self.change_form or self.form, value, previous)
        return FigureRow(
            label=self.label,
            value=formatting.optional(self.form, value),
            beside=self.beside(now),
            previous=formatting.optional(self.form, previous),
            change=change,
            trend=_TRENDS[self.rise][change[0] == "+"] if change[0] in "+-" and change != formatting.NONE else "",
        )


def figure_table(now: Figures, before: Figures | None) -> tuple[FigureGroup, ...]:
    """Return all figures of a report in groups.

    Args:
        now: figures of this period.
        before: figures of the previous period. None without any: the rows then have dashes, which renderers leave out.
    """
    groups = {
        "Budget": (
            *_BUDGET,
            *([_BY_REQUESTS] if now.objective.requests is not None else []),
            *([_LATE] if now.late_share is not None else []),
        ),
        "Regimes": (*_REGIMES, *([_LEFT_OUT] if _has_excluded(now) or (before and _has_excluded(before)) else [])),
        "Load": (*_loads(now), *(figure for index in range(len(now.stages)) for figure in _stage(now, index))),
        "Engine": _ENGINE,
    }
    return tuple(
        FigureGroup(title, tuple(figure.row(now, before) for figure in rows)) for title, rows in groups.items()
    )


def headline(now: Figures, before: Figures | None) -> tuple[FigureRow, ...]:
    """Return the four key figures: those of the queue with the longest wait where there is one."""
    waits = [stage.longest_wait_s for stage in now.stages]
    known = [wait for wait in waits if wait is not None]
    load = _queue(waits.index(max(known))) if known else (_OBJECTIVE, _COVERAGE)
    return tuple(figure.row(now, before) for figure in (_OVER, *load, _TIME_CRITICAL))


def _has_excluded(figures: Figures) -> bool:
    return figures.excluded_steps > 0


def _expected_steps(figures: Figures) -> int:
    """Return the number of steps that are not excluded as maintenance."""
    return figures.steps - figures.excluded_steps


def _share_of_observed(part: float, figures: Figures) -> float | None:
    """Return a number of steps as a share of the observed steps; None without an observed step."""
    return part / figures.observed_steps if figures.observed_steps else None


def _share_text(part: float, figures: Figures) -> str:
    return formatting.optional(formatting.share, _share_of_observed(part, figures))


def _steps(number: int) -> str:
    return formatting.counted(number, "step")


def _regime(label: str, steps: Callable[[Figures], int], rise: str = "worse") -> _Figure:
    """Return the row of a regime: its share of all steps that are not excluded. With `No data` they add up to 100 %."""
    return _Figure(
        label,
        lambda figures: steps(figures) / _expected_steps(figures) if figures.observed_steps or steps(figures) else None,
        formatting.share,
        formatting.points,
        lambda figures: _steps(steps(figures)),
        rise,
    )


_OVER = _Figure(
    "Time over budget",
    lambda figures: figures.violation_time_s,
    formatting.duration,
    beside=lambda figures: _steps(figures.violations),
)
_OBJECTIVE = _Figure(
    "Error budget used",
    lambda figures: figures.objective.consumed,
    formatting.share,
    formatting.points,
    lambda figures: f"objective {100 * figures.objective.target:g}%",
)
_CRITICAL = _regime("Critical", lambda figures: figures.regimes.critical)
_TIME_CRITICAL = _Figure(
    "Time Critical",
    lambda figures: figures.regimes.critical * figures.step_s,
    formatting.duration,
    beside=lambda figures: f"{_share_text(figures.regimes.critical, figures)} of observed time",
)
_COVERAGE = _Figure(
    "Coverage",
    lambda figures: figures.coverage,
    formatting.share,
    formatting.points,
    lambda figures: f"of {_steps(_expected_steps(figures))}",
    "better",
)

_BUDGET = (
    _OVER,
    _Figure(
        "Violations, share",
        lambda figures: _share_of_observed(figures.violations, figures),
        formatting.share,
        formatting.points,
    ),
    _Figure("Incidents", lambda figures: len(figures.incidents), formatting.count),
    _Figure("Excess (nat s)", lambda figures: figures.excess_nat_s, formatting.quantity),
    _OBJECTIVE,
    _Figure("Burn rate", lambda figures: figures.objective.burn_rate, formatting.quantity),
)
_BY_REQUESTS = _Figure(
    "Used, by requests",
    lambda figures: figures.objective.consumed_by_requests,
    formatting.share,
    formatting.points,
    lambda figures: f"{formatting.optional(formatting.quantity, figures.objective.requests_over)} requests over",
)
_LATE = _Figure("Late steps", lambda figures: figures.late_share, formatting.share, formatting.points)
_REGIMES = (
    _regime("Stable", lambda figures: figures.regimes.stable, "better"),
    _regime("Stress", lambda figures: figures.regimes.stress),
    _CRITICAL,
    _regime("No data", lambda figures: figures.regimes.no_data),
    _COVERAGE,
    _Figure("Transitions", lambda figures: figures.transitions, formatting.count, rise="neither"),
)
_LEFT_OUT = _Figure(
    "Excluded as maintenance",
    lambda figures: figures.excluded_steps * figures.step_s,
    formatting.duration,
    beside=lambda figures: _steps(figures.excluded_steps),
    rise="neither",
)
_PSI_TOTAL = (
    _Figure("Psi_total, mean (nat)", lambda figures: figures.mean_psi_total, formatting.nats, rise="neither"),
    _Figure("Psi_total, peak (nat)", lambda figures: figures.peak_psi_total, formatting.nats),
)


def _loads(now: Figures) -> tuple[_Figure, ...]:
    """Return the rows of the load that is judged, after those of Psi_total where it is another."""
    title = formatting.load_name(len(now.stages))
    return (
        *(_PSI_TOTAL if len(now.stages) != 2 else ()),
        _Figure(f"{title}, mean (nat)", lambda figures: figures.mean_coupled_load, formatting.nats, rise="neither"),
        _Figure(
            f"{title}, peak (nat)",
            lambda figures: figures.peak_coupled_load,
            formatting.nats,
            beside=lambda figures: f"budget {formatting.nats(figures.budget)}",
        ),
    )


_ENGINE = (
    _Figure("Stability, mean", lambda figures: figures.stability_mean, formatting.nats, rise="better"),
    _Figure("Stability, lowest", lambda figures: figures.stability_min, formatting.nats, rise="better"),
    _Figure("Energy, mean (nat)", lambda figures: figures.energy_mean, formatting.nats),
    _Figure("Energy, highest (nat)", lambda figures: figures.energy_max, formatting.nats),
    _Figure("Memory, mean", lambda figures: figures.memory_mean, formatting.nats),
    _Figure("Memory, highest", lambda figures: figures.memory_max, formatting.nats),
)


def _queue(index: int) -> tuple[_Figure, ...]:
    """Return the key figures of a queue."""
    return (
        _Figure(
            "Longest wait",
            lambda figures: figures.stages[index].longest_wait_s,
            formatting.duration,
            beside=lambda figures: (
                f"95% of the time up to {formatting.optional(formatting.duration, figures.stages[index].wait_95_s)}"
            ),
        ),
        _Figure(
            "Most requests waiting",
            lambda figures: figures.stages[index].peak_load,
            formatting.quantity,
            beside=lambda figures: (
                f"{formatting.shortened(figures.stages[index].name)} is full at "
                f"{formatting.quantity(figures.stages[index].full)}"
            ),
        ),
    )


def _stage(now: Figures, index: int) -> tuple[_Figure, ...]:
    """Return the rows of a stage: its loads and its share of Psi_total."""
    stage = now.stages[index]
    loads = _LOAD_UNITS.get(stage.kind, "load")
    rise = "worse" if stage.kind == Kind.QUEUE else "neither"  # a higher rate is more work done

    def of_stage(read: Callable[[StageFigures], float | None]) -> Callable[[Figures], float | None]:
        return lambda figures: read(figures.stages[index])

    waits = (
        _Figure(f"{stage.name}, longest wait", of_stage(lambda stage: stage.longest_wait_s), formatting.duration),
        _Figure(f"{stage.name}, wait, 95th pct", of_stage(lambda stage: stage.wait_95_s), formatting.duration),
    )
    return (
        _Figure(f"{stage.name}, mean {loads}", of_stage(lambda stage: stage.mean_load), formatting.quantity, rise=rise),
        _Figure(f"{stage.name}, peak {loads}", of_stage(lambda stage: stage.peak_load), formatting.quantity, rise=rise),
        _Figure(
            f"{stage.name}, share of Psi",
            of_stage(lambda stage: stage.mean_share),
            formatting.share,
            formatting.points,
            rise="neither",
        ),
        *(waits if stage.kind == Kind.QUEUE else ()),
    )


class CoordinationRow(Struct, frozen=True):
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


_COMPARED: tuple[tuple[str, Callable[[CoordinationRun], str]], ...] = (
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
    return tuple(CoordinationRow(label, *(form(run) for run in known)) for label, form in _COMPARED)


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


def _tuned(coordination: Coordination) -> str:
    """Return the controller's parameters in a sentence; empty for the defaults."""
    headroom, gain, guard = found = coordination.headroom, coordination.gain, coordination.guard
    if found in {DEFAULT_CONTROL[2:], (None, None, None)}:
        return ""
    return f" The controller has headroom {headroom:g}, gain {gain:g} and guard {guard:g}."


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
        f"The simulated queue is {error} off the measured one.{idle}{_tuned(coordination)}"
    )
