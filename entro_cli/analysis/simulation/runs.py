"""A scenario under several controllers, with noise or without: what is simulated, and the runs in bounded batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain

import numpy as np

from entro_cli.core.console import printable
from entro_cli.core.suggestions import did_you_mean
from entro_engine import (
    Controller,
    EntroError,
    Eq14,
    Plant,
    PlantFigures,
    PlantTrace,
    Run,
    Scenario,
    Simulation,
    StaticLimit,
    Uncontrolled,
    V9Controller,
    noisy_demand,
    plant_figures,
    replay_loads,
    simulate_plant,
)
from entro_engine.baselines import STATIC_LIMIT
from entro_engine.controller import ALPHA, BETA
from entro_engine.entropy import FloatArray
from entro_engine.errors import require

DEFAULT_BUDGET = 3.0
"""The published budget of two stages, nat."""

BATCH_VALUES = 1_000_000
"""How many steps times runs are simulated side by side: about 150 MB of arrays."""

_WORTH_OTHERS = 4
"""From so many portions of that size on it makes up for starting processes."""

MOST_STEPS = 10_000_000
"""The longest scenario, in steps: what the memory of a usual machine holds."""

LONGEST_S = 3e9
"""The longest scenario, s: one whose steps have dates."""

LARGEST = 1e9
"""The largest demand, capacity or starting queue: no sum over a scenario overflows."""


@dataclass(frozen=True)
class Noise:
    """Noise on the demand.

    Attributes:
        sigma: its relative size, 0..100.
        seed: the experiment: the same seed gives the same runs.
        runs: how many runs each controller has, at least 1.
    """

    sigma: float
    seed: int = 0
    runs: int = 100

    def __post_init__(self) -> None:
        require(0 <= self.sigma <= 100, "noise", self.sigma, "a number from 0 to 100")
        require(self.seed >= 0, "seed", self.seed, "a whole number of at least 0")
        require(self.runs >= 1, "runs", self.runs, "a whole number of at least 1")


@dataclass(frozen=True)
class SimulationParameters:
    """What is simulated.

    Attributes:
        scenario: demand and server.
        controllers: their names, keys of `CONTROLLERS`.
        budget: Psi_budget, nat.
        alpha: control authority of eq14 and v9, 0..1.
        beta: steepness of eq14 and v9, 1/nat.
        limit: of the static controller, req/s.
        lag: how many steps old what the controllers see is.
        noise: on the demand, or None.

    Raises:
        EntroError: when a controller is unknown or a number out of its domain.
    """

    scenario: Scenario
    controllers: tuple[str, ...] = ("uncontrolled", "static", "eq14", "v9")
    budget: float = DEFAULT_BUDGET
    alpha: float = ALPHA
    beta: float = BETA
    limit: float = STATIC_LIMIT
    lag: int = 1
    noise: Noise | None = None

    def __post_init__(self) -> None:
        for name in self.controllers:
            if name not in CONTROLLERS:
                raise EntroError(
                    f"there is no controller {name!r}",
                    where="--controller",
                    expected=", ".join(CONTROLLERS),
                    remedy=did_you_mean(name, CONTROLLERS),
                )
        _require_bounded(self.scenario)
        require(math.isfinite(self.budget) and self.budget > 0, "budget", self.budget, "nats above 0")
        Plant.of(self.scenario, self.lag)
        for name in CONTROLLERS:  # those that do not run too: a number out of its domain is never passed over
            self.controller(name)

    @property
    def plant(self) -> Plant:
        """The published plant with the scenario's server."""
        return Plant.of(self.scenario, self.lag)

    @property
    def runs(self) -> int:
        """How many runs each controller has."""
        return self.noise.runs if self.noise else 1

    def controller(self, name: str) -> Controller:
        """The controller of that name under these settings."""
        return CONTROLLERS[name](self)


def _require_bounded(scenario: Scenario) -> None:
    where = f"scenario {printable(scenario.name)}"
    require(scenario.steps <= MOST_STEPS, f"steps of {where}", scenario.steps, f"at most {MOST_STEPS}")
    numbers = {
        "demand": max(phase.demand for phase in scenario.phases),
        "capacity": scenario.capacity,
        "initial_queue": scenario.initial_queue,
    }
    for name, value in numbers.items():
        require(value <= LARGEST, f"{name} of {where}", value, f"at most {LARGEST:g}")
    require(scenario.step_s >= 1e-6, f"step_s of {where}", scenario.step_s, "at least a microsecond")
    length = scenario.steps * scenario.step_s
    require(length <= LONGEST_S, f"length of {where}", f"{length:g} s", f"at most {LONGEST_S:g} s")


CONTROLLERS: dict[str, Callable[[SimulationParameters], Controller]] = {
    "uncontrolled": lambda settings: Uncontrolled(),
    "static": lambda settings: StaticLimit(settings.limit),
    "eq14": lambda settings: Eq14(settings.budget, settings.alpha, settings.beta),
    "v9": lambda settings: V9Controller(settings.budget, settings.alpha, settings.beta),
}
"""The controllers by name, in the order they are shown."""


@dataclass(frozen=True)
class Batch:
    """Some runs of one controller, simulated side by side.

    Attributes:
        controller: its name.
        runs: their numbers.
        trace: what the plant did, arrays of shape (steps, runs).
        figures: what each run comes to.
    """

    controller: str
    runs: range
    trace: PlantTrace
    figures: PlantFigures


def batches(settings: SimulationParameters, cells: int = BATCH_VALUES) -> Iterator[Batch]:
    """Every run of every controller, in batches of bounded size; the controllers of one batch get the same noise.

    Args:
        settings: what is simulated.
        cells: the most steps times runs in one batch (two runs at least).

    Yields:
        The batches: first runs first, the controllers in their order for each.
    """
    if settings.noise is None:
        for name in settings.controllers:
            yield _deterministic(settings, name)
        return
    for portion in _portions(settings, settings.noise, cells):
        yield from portion.batches()


@dataclass(frozen=True)
class Portion:
    """Some runs of every controller, with the same noise for each.

    Attributes:
        settings: what is simulated.
        noise: of the settings.
        runs: their numbers.
    """

    settings: SimulationParameters
    noise: Noise
    runs: range

    def batches(self) -> Iterator[Batch]:
        """The runs of each controller, side by side."""
        demand = self.settings.scenario.demand()
        noisy = noisy_demand(demand, self.noise.sigma, self.noise.seed, _at_least_two(self.runs))
        for name in self.settings.controllers:
            yield _side_by_side(self.settings, name, self.runs, noisy)


def _portions(settings: SimulationParameters, noise: Noise, cells: int) -> list[Portion]:
    size = max(cells // settings.scenario.steps, 2)
    firsts = range(0, settings.runs, size)
    return [Portion(settings, noise, range(first, min(first + size, settings.runs))) for first in firsts]


_Figures = list[tuple[str, PlantFigures]]
"""Of some runs: the name of each controller, and what they come to under it."""

PortionMap = Callable[[Callable[[Portion], _Figures], list[Portion]], Iterator[_Figures]]
"""Does some work for each of several portions, in their order."""


def simulate_all(
    settings: SimulationParameters, *watchers: Callable[[Batch], None], map_portions: PortionMap | None = None
) -> dict[str, PlantFigures]:
    """Simulate every run of every controller.

    Args:
        settings: what is simulated.
        watchers: shown every batch before it is let go.
        map_portions: what does many portions that nobody watches; one after another without it.

    Returns:
        The figures of each controller's runs, by its name: the same ones, whoever does them.
    """
    portions = _portions(settings, settings.noise, BATCH_VALUES) if settings.noise else []
    found: Iterable[_Figures]
    if map_portions is None or watchers or len(portions) < _WORTH_OTHERS:
        found = [_watched(batches(settings), watchers)]
    else:
        found = map_portions(_figures_of, portions)
    parts: dict[str, list[PlantFigures]] = {name: [] for name in settings.controllers}
    for name, figures in chain.from_iterable(found):
        parts[name].append(figures)
    return {name: PlantFigures.joined(figures) for name, figures in parts.items()}


def _figures_of(portion: Portion) -> _Figures:
    return _watched(portion.batches(), ())


def _watched(shown: Iterable[Batch], watchers: Sequence[Callable[[Batch], None]]) -> _Figures:
    """What batches come to, each shown to whoever watches before it is let go."""
    found = []
    for batch in shown:
        for watch in watchers:
            watch(batch)
        found.append((batch.controller, batch.figures))
    return found


def _at_least_two(runs: range) -> range:
    """NumPy sums a single column in another order than several, so a run is never simulated alone."""
    return range(runs.start, max(runs.stop, runs.start + 2))


def _deterministic(settings: SimulationParameters, name: str) -> Batch:
    scenario, plant = settings.scenario, settings.plant
    trace = simulate_plant(scenario.demand(), scenario.capacities(), settings.controller(name), plant)
    return Batch(name, range(1), _columns(trace, 1), plant_figures(trace, plant, settings.budget))


def _side_by_side(settings: SimulationParameters, name: str, runs: range, demand: FloatArray) -> Batch:
    plant = settings.plant
    trace = simulate_plant(demand, settings.scenario.capacities(), settings.controller(name), plant)
    figures = plant_figures(trace, plant, settings.budget)
    wanted = {field.name: getattr(figures, field.name)[: len(runs)] for field in fields(figures)}
    return Batch(name, runs, _columns(trace, len(runs)), PlantFigures(**wanted))


_PER_RUN = ("demand", "rate", "queue", "frontier", "served", "u_rate", "u_queue")


def _columns(trace: PlantTrace, count: int) -> PlantTrace:
    """The first runs of a trace, as arrays of shape (steps, count)."""
    steps = len(trace.capacity)
    return replace(trace, **{name: getattr(trace, name).reshape(steps, -1)[:, :count] for name in _PER_RUN})


def run_of(batch: Batch, column: int, settings: SimulationParameters, start_ns: int = 0) -> Simulation:
    """One run of a batch, replayed through the regime engine.

    Args:
        batch: the runs.
        column: which of them, counted from the batch's first.
        settings: what the batch was made with.
        start_ns: where its first step begins, nanoseconds since the epoch.
    """
    plant = settings.plant
    trace = replace(batch.trace, **{name: getattr(batch.trace, name)[:, column] for name in _PER_RUN})
    loads = np.stack([trace.rate, trace.queue])
    run: Run = replay_loads((plant.rate, plant.queue), loads, plant.step_s, settings.budget, start_ns)
    return Simulation(batch.controller, run, trace)


class FirstRuns:
    """Keeps the first run of every controller it is shown: what a page draws.

    Args:
        settings: what is simulated.
    """

    def __init__(self, settings: SimulationParameters) -> None:
        self.settings = settings
        self.kept: list[Simulation] = []

    def __call__(self, batch: Batch) -> None:
        """Keep the first run of a batch, if it is the controller's first."""
        if batch.runs.start == 0:
            self.kept.append(run_of(batch, 0, self.settings))
