"""Simulation of a scenario under several controllers, with or without noise, in batches of bounded size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain

import numpy as np

from entro_cli.core.console import printable, working
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
"""Published: the budget of two stages, nat."""

BATCH_VALUES = 1_000_000
"""Steps times runs that are simulated side by side: about 150 MB of arrays."""

_MIN_PORTIONS = 4
"""Number of portions from which starting processes pays off."""

MAX_STEPS = 10_000_000
"""Longest scenario, in steps: it fits into the memory of an ordinary machine."""

MAX_LENGTH_S = 3e9
"""Longest scenario, s: its steps have dates."""

MAX_LOAD = 1e9
"""Largest demand, capacity or initial queue: no sum over a scenario overflows."""


@dataclass(frozen=True)
class Noise:
    """Noise on the demand.

    Attributes:
        sigma: its relative size, 0..100.
        seed: seed of the experiment. The same seed gives the same runs.
        runs: number of runs of each controller, at least 1.
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
    """Parameters of a simulation.

    Attributes:
        scenario: demand and server.
        controllers: their names, keys of `CONTROLLERS`.
        budget: Psi_budget, nat.
        alpha: control authority of eq14 and v9, 0..1.
        beta: steepness of eq14 and v9, 1/nat.
        limit: limit of the static controller, req/s.
        lag: age of what the controllers see, in steps.
        noise: noise on the demand, or None.

    Raises:
        EntroError: if a controller is unknown, or a number is outside its domain.
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
                    f"unknown controller {name!r}",
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
        """Number of runs of each controller."""
        return self.noise.runs if self.noise else 1

    def controller(self, name: str) -> Controller:
        """Return the controller of a name, with these parameters."""
        return CONTROLLERS[name](self)


def _require_bounded(scenario: Scenario) -> None:
    where = f"scenario {printable(scenario.name)}"
    require(scenario.steps <= MAX_STEPS, f"steps of {where}", scenario.steps, f"at most {MAX_STEPS}")
    numbers = {
        "demand": max(phase.demand for phase in scenario.phases),
        "capacity": scenario.capacity,
        "initial_queue": scenario.initial_queue,
    }
    for name, value in numbers.items():
        require(value <= MAX_LOAD, f"{name} of {where}", value, f"at most {MAX_LOAD:g}")
    require(scenario.step_s >= 1e-6, f"step_s of {where}", scenario.step_s, "at least a microsecond")
    length = scenario.steps * scenario.step_s
    require(length <= MAX_LENGTH_S, f"length of {where}", f"{length:g} s", f"at most {MAX_LENGTH_S:g} s")


CONTROLLERS: dict[str, Callable[[SimulationParameters], Controller]] = {
    "uncontrolled": lambda parameters: Uncontrolled(),
    "static": lambda parameters: StaticLimit(parameters.limit),
    "eq14": lambda parameters: Eq14(parameters.budget, parameters.alpha, parameters.beta),
    "v9": lambda parameters: V9Controller(parameters.budget, parameters.alpha, parameters.beta),
}
"""The controllers by name, in the order in which they are shown."""


@dataclass(frozen=True)
class Batch:
    """Runs of one controller, simulated side by side.

    Attributes:
        controller: name of the controller.
        runs: their numbers.
        trace: the plant's trace, arrays of shape (steps, runs).
        figures: figures of each run.
    """

    controller: str
    runs: range
    trace: PlantTrace
    figures: PlantFigures


def batches(parameters: SimulationParameters, max_values: int = BATCH_VALUES) -> Iterator[Batch]:
    """Yield every run of every controller, in batches of bounded size. The controllers of one batch get the same noise.

    Args:
        parameters: parameters of the simulation.
        max_values: the most steps times runs in one batch, which has two runs at least.

    Yields:
        The batches, first runs first, and for the same runs the controllers in their order.
    """
    if parameters.noise is None:
        for name in parameters.controllers:
            yield _deterministic(parameters, name)
        return
    for portion in _portions(parameters, parameters.noise, max_values):
        # A generator: only one batch of arrays is in memory at a time.
        yield from portion.batches()


@dataclass(frozen=True)
class Portion:
    """Some runs of every controller, with the same noise for each.

    Attributes:
        parameters: parameters of the simulation.
        noise: their noise.
        runs: numbers of the runs.
    """

    parameters: SimulationParameters
    noise: Noise
    runs: range

    def batches(self) -> Iterator[Batch]:
        """Yield the runs of each controller, side by side."""
        demand = self.parameters.scenario.demand()
        noisy = noisy_demand(demand, self.noise.sigma, self.noise.seed, _at_least_two(self.runs))
        for name in self.parameters.controllers:
            yield _side_by_side(self.parameters, name, self.runs, noisy)


def _portions(parameters: SimulationParameters, noise: Noise, max_values: int) -> list[Portion]:
    size = max(max_values // parameters.scenario.steps, 2)
    firsts = range(0, parameters.runs, size)
    return [Portion(parameters, noise, range(first, min(first + size, parameters.runs))) for first in firsts]


_Figures = list[tuple[str, PlantFigures]]
"""Name and figures of each controller, for some runs."""

PortionMap = Callable[[Callable[[Portion], _Figures], list[Portion]], Iterator[_Figures]]
"""Applies a function to portions and yields the results in order, such as `Executor.map`."""


def simulate_all(
    parameters: SimulationParameters, *watchers: Callable[[Batch], None], map_portions: PortionMap | None = None
) -> dict[str, PlantFigures]:
    """Simulate every run of every controller.

    Args:
        parameters: parameters of the simulation.
        watchers: functions that are called with every batch.
        map_portions: runs portions in parallel, if there are no watchers. By default they run one after another.

    Returns:
        The figures of each controller's runs, by its name. They do not depend on `map_portions`.
    """
    portions = _portions(parameters, parameters.noise, BATCH_VALUES) if parameters.noise else []
    found: Iterable[_Figures]
    if map_portions is None or watchers or len(portions) < _MIN_PORTIONS:
        with working("simulating", parameters.runs * len(parameters.controllers), "run") as work:
            found = [_watched(batches(parameters), (*watchers, lambda batch: work.add(len(batch.runs))))]
    else:
        found = map_portions(_figures_of, portions)
    parts: dict[str, list[PlantFigures]] = {name: [] for name in parameters.controllers}
    for name, figures in chain.from_iterable(found):
        parts[name].append(figures)
    return {name: PlantFigures.joined(figures) for name, figures in parts.items()}


def _figures_of(portion: Portion) -> _Figures:
    return _watched(portion.batches(), ())


def _watched(finished: Iterable[Batch], watchers: Sequence[Callable[[Batch], None]]) -> _Figures:
    """Return the figures of batches, after passing each to the watchers. Each batch is released before the next."""
    found = []
    for batch in finished:
        for watch in watchers:
            watch(batch)
        found.append((batch.controller, batch.figures))
    return found


def _at_least_two(runs: range) -> range:
    """Return at least two runs: NumPy sums a single column in another order, which would change the last bits."""
    return range(runs.start, max(runs.stop, runs.start + 2))


def _deterministic(parameters: SimulationParameters, name: str) -> Batch:
    scenario, plant = parameters.scenario, parameters.plant
    trace = simulate_plant(scenario.demand(), scenario.capacities(), parameters.controller(name), plant)
    return Batch(name, range(1), _columns(trace, 1), plant_figures(trace, plant, parameters.budget))


def _side_by_side(parameters: SimulationParameters, name: str, runs: range, demand: FloatArray) -> Batch:
    plant = parameters.plant
    trace = simulate_plant(demand, parameters.scenario.capacities(), parameters.controller(name), plant)
    figures = plant_figures(trace, plant, parameters.budget)
    first_runs = {field.name: getattr(figures, field.name)[: len(runs)] for field in fields(figures)}
    return Batch(name, runs, _columns(trace, len(runs)), PlantFigures(**first_runs))


_PER_RUN = ("demand", "rate", "queue", "frontier", "served", "u_rate", "u_queue")


def _columns(trace: PlantTrace, count: int) -> PlantTrace:
    """Return the first runs of a trace, as arrays of shape (steps, count)."""
    steps = len(trace.capacity)
    return replace(trace, **{name: getattr(trace, name).reshape(steps, -1)[:, :count] for name in _PER_RUN})


def run_of(batch: Batch, column: int, parameters: SimulationParameters, start_ns: int = 0) -> Simulation:
    """Return one run of a batch, replayed through the regime engine.

    Args:
        batch: the batch.
        column: index of the run in the batch.
        parameters: parameters of the simulation.
        start_ns: start of its first step, nanoseconds since the epoch.
    """
    plant = parameters.plant
    trace = replace(batch.trace, **{name: getattr(batch.trace, name)[:, column] for name in _PER_RUN})
    loads = np.stack([trace.rate, trace.queue])
    run: Run = replay_loads((plant.rate, plant.queue), loads, plant.step_s, parameters.budget, start_ns)
    return Simulation(batch.controller, run, trace)


class FirstRuns:
    """Watcher that keeps the first run of every controller, for the charts of a page.

    Args:
        parameters: parameters of the simulation.
    """

    def __init__(self, parameters: SimulationParameters) -> None:
        self.parameters = parameters
        self.kept: list[Simulation] = []

    def __call__(self, batch: Batch) -> None:
        """Keep the first run of a batch, if it is the controller's first."""
        if batch.runs.start == 0:
            self.kept.append(run_of(batch, 0, self.parameters))
