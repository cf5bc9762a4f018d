"""The figures of a report as rows of text: this period's, the previous one's beside it, and the change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from entro_cli.analysis.results import Figures, StageFigures
from entro_cli.core import formatting

_LOAD_UNITS = {"rate": "req/s", "queue": "requests"}


@dataclass(frozen=True)
class FigureRow:
    """One figure. `beside` says the same in another unit (a time, a number of steps), empty where there is none."""

    label: str
    value: str
    beside: str
    previous: str
    change: str


@dataclass(frozen=True)
class FigureGroup:
    """Figures that belong together."""

    title: str
    rows: tuple[FigureRow, ...]


@dataclass(frozen=True)
class _Figure:
    """How a figure is found and written; a difference is written like the figure unless told otherwise."""

    label: str
    value: Callable[[Figures], float | None]
    say: Callable[[float], str]
    difference: Callable[[float], str] | None = None
    beside: Callable[[Figures], str] = lambda _: ""

    def row(self, now: Figures, before: Figures | None) -> FigureRow:
        value, previous = self.value(now), self.value(before) if before else None
        return FigureRow(
            label=self.label,
            value=formatting.optional(self.say, value),
            beside=self.beside(now),
            previous=formatting.optional(self.say, previous),
            change=formatting.change(self.difference or self.say, value, previous),
        )


def figure_table(now: Figures, before: Figures | None) -> tuple[FigureGroup, ...]:
    """Every figure of a report, in groups.

    Args:
        now: this period's.
        before: the previous period's, None where there are none: then a dash stands in their place.
    """
    groups = {
        "Budget": _BUDGET,
        "Regimes": (*_REGIMES, *([_LEFT_OUT] if _has_excluded(now) or (before and _has_excluded(before)) else [])),
        "Load": (*_LOAD, *(figure for index in range(len(now.stages)) for figure in _stage(now, index))),
        "Engine": _ENGINE,
    }
    return tuple(
        FigureGroup(title, tuple(figure.row(now, before) for figure in rows)) for title, rows in groups.items()
    )


def headline(now: Figures, before: Figures | None) -> tuple[FigureRow, ...]:
    """The four figures to read first."""
    return tuple(figure.row(now, before) for figure in _HEADLINE)


def _has_excluded(figures: Figures) -> bool:
    return figures.excluded_steps > 0


def _expected_steps(figures: Figures) -> int:
    """The steps that are not left out as maintenance."""
    return figures.steps - figures.excluded_steps


def _share_of_observed(part: float, figures: Figures) -> float | None:
    """A number of steps as a share of the observed ones."""
    return part / figures.observed_steps if figures.observed_steps else None


def _steps(number: int) -> str:
    return formatting.counted(number, "step")


def _regime(label: str, steps: Callable[[Figures], int]) -> _Figure:
    return _Figure(
        label,
        lambda figures: _share_of_observed(steps(figures), figures),
        formatting.share,
        formatting.points,
        lambda figures: _steps(steps(figures)),
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
_COVERAGE = _Figure(
    "Coverage",
    lambda figures: figures.coverage,
    formatting.share,
    formatting.points,
    lambda figures: f"of {_steps(_expected_steps(figures))}",
)
_HEADLINE = (_OVER, _OBJECTIVE, _CRITICAL, _COVERAGE)

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
_REGIMES = (
    _regime("Stable", lambda figures: figures.regimes.stable),
    _regime("Stress", lambda figures: figures.regimes.stress),
    _CRITICAL,
    _Figure(
        "No data",
        lambda figures: figures.regimes.no_data / _expected_steps(figures) if _expected_steps(figures) else None,
        formatting.share,
        formatting.points,
        lambda figures: _steps(figures.regimes.no_data),
    ),
    _COVERAGE,
    _Figure("Transitions", lambda figures: figures.transitions, formatting.count),
)
_LEFT_OUT = _Figure(
    "Excluded as maintenance",
    lambda figures: figures.excluded_steps * figures.step_s,
    formatting.duration,
    beside=lambda figures: _steps(figures.excluded_steps),
)
_LOAD = (
    _Figure("Psi_total, mean (nat)", lambda figures: figures.mean_psi_total, formatting.nats),
    _Figure(
        "Psi_total, peak (nat)",
        lambda figures: figures.peak_psi_total,
        formatting.nats,
        beside=lambda figures: f"budget {formatting.nats(figures.budget)}",
    ),
)
_ENGINE = (
    _Figure("Stability, mean", lambda figures: figures.stability_mean, formatting.nats),
    _Figure("Stability, lowest", lambda figures: figures.stability_min, formatting.nats),
    _Figure("Energy, mean (nat)", lambda figures: figures.energy_mean, formatting.nats),
    _Figure("Energy, highest (nat)", lambda figures: figures.energy_max, formatting.nats),
    _Figure("Memory, mean", lambda figures: figures.memory_mean, formatting.nats),
    _Figure("Memory, highest", lambda figures: figures.memory_max, formatting.nats),
)


def _stage(now: Figures, index: int) -> tuple[_Figure, ...]:
    """A stage's load and its part in Psi_total."""
    stage = now.stages[index]
    unit = _LOAD_UNITS.get(stage.kind)
    loads = f"{unit}" if unit else "load"

    def of(read: Callable[[StageFigures], float | None]) -> Callable[[Figures], float | None]:
        return lambda figures: read(figures.stages[index])

    return (
        _Figure(f"{stage.name}, mean {loads}", of(lambda stage: stage.mean_load), formatting.quantity),
        _Figure(f"{stage.name}, peak {loads}", of(lambda stage: stage.peak_load), formatting.quantity),
        _Figure(f"{stage.name}, share of Psi", of(lambda stage: stage.mean_share), formatting.share, formatting.points),
    )
