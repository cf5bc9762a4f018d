"""Simulation of a scenario under several controllers, one run or many, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import chain
from typing import Any

import numpy as np
from msgspec import Struct

from entro_cli.analysis.simulation.parameters import SimulationParameters
from entro_cli.core.console import working
from entro_engine import PlantFigures, PlantTrace, Run, Simulation, plant_figures, replay_loads, simulate_plant
from entro_engine.entropy import FloatArray

BATCH_VALUES = 1_000_000
"""Steps times runs that are simulated side by side: about 150 MB of arrays."""

_MIN_PORTIONS = 4
"""Number of portions from which starting processes pays off."""


class Batch(Struct, frozen=True):
    """Runs of one controller, simulated side by side.

    Attributes:
        controller: name of the controller.
        runs: their numbers.
        trace: the plant's trace, all arrays of shape (steps, runs).
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
    for portion in _portions(parameters, max_values):
        # A generator: only one batch of arrays is in memory at a time.
        yield from portion.batches()


class Portion(Struct, frozen=True):
    """Some runs of every controller, with the same demand and capacity for each.

    Attributes:
        parameters: parameters of the simulation.
        runs: numbers of the runs.
    """

    parameters: SimulationParameters
    runs: range

    def batches(self) -> Iterator[Batch]:
        """Yield the runs of each controller, side by side."""
        demand, capacity = self.parameters.loads(_at_least_two(self.runs))
        for name in self.parameters.controllers:
            yield _side_by_side(self.parameters, name, self.runs, demand, capacity)


def _portions(parameters: SimulationParameters, max_values: int) -> list[Portion]:
    size = max(max_values // parameters.scenario.steps, 2)
    numbers = parameters.run_numbers
    return [Portion(parameters, numbers[first : first + size]) for first in range(0, len(numbers), size)]


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
    portions = _portions(parameters, BATCH_VALUES)
    found: Iterable[_Figures]
    if map_portions is None or watchers or len(portions) < _MIN_PORTIONS:
        with working("simulating", len(parameters.run_numbers) * len(parameters.controllers), "run") as work:
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


def _side_by_side(
    parameters: SimulationParameters, name: str, runs: range, demand: FloatArray, capacity: FloatArray
) -> Batch:
    plant = parameters.plant
    trace = simulate_plant(demand, capacity, parameters.controller(name), plant)
    figures = plant_figures(trace, plant, parameters.budget)
    first_runs = {field.name: getattr(figures, field.name)[: len(runs)] for field in fields(figures)}
    return Batch(name, runs, _columns(trace, len(runs)), PlantFigures(**first_runs))


def _columns(trace: PlantTrace, count: int) -> PlantTrace:
    """Return the first runs of a trace, as arrays of shape (steps, count)."""
    steps = len(trace.capacity)
    shape = (steps, trace.demand.reshape(steps, -1).shape[1])
    arrays: dict[str, Any] = {
        name: np.broadcast_to(getattr(trace, name).reshape(steps, -1), shape)[:, :count] for name in _SERIES
    }
    return replace(trace, **arrays)


_SERIES = ("demand", "capacity", "rate", "queue", "frontier", "served")


def run_of(batch: Batch, column: int, parameters: SimulationParameters) -> Simulation:
    """Return one run of a batch, replayed through the regime engine.

    Args:
        batch: the batch.
        column: index of the run in the batch.
        parameters: parameters of the simulation.
    """
    plant = parameters.plant
    trace = replace(batch.trace, **{name: getattr(batch.trace, name)[:, column] for name in _SERIES})
    loads = np.stack([trace.rate, trace.queue])
    run: Run = replay_loads((plant.rate, plant.queue), loads, plant.step_s, parameters.budget)
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
        if batch.runs.start == self.parameters.run_numbers.start:
            self.kept.append(run_of(batch, 0, self.parameters))
