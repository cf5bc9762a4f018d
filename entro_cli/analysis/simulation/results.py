"""The results of `entro simulate`: plain frozen structs, with units in the field names, and how they are made."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any, Generic, TypeVar

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from entro_cli.analysis.simulation.parameters import LawParameters, Noise, SimulationParameters
from entro_cli.core.console import printable
from entro_engine import PlantFigures, Scenario
from entro_engine.arena import Arena
from entro_engine.entropy import FloatArray

AnyFigures = TypeVar("AnyFigures")


class RegimeSteps(Struct, frozen=True):
    """Steps in each regime. With noise each is the median over the runs, so they need not add up."""

    stable: float
    stress: float
    critical: float
    no_data: float


class RunFigures(Struct, frozen=True):
    """The figures of one controller. With noise every figure is the median over its runs, in the arena the mean.

    `violation_share` is of all steps, 0..1. `excess_nat_s` is the sum of Delta * dt. Queues, `served`, `peak_frontier`
    and `final_backlog` (queue and frontier at the end) are requests. `mean_wait_s` is over frontier and queue, NaN if
    nothing was served. `utilisation` is 0..1, NaN if there was no capacity. `starved_steps` are those in which the
    server had time left while requests waited in the frontier. The rest is that of `PlantFigures`; `service_lost` is
    requests, `roughness` req/s per step, and `..._per_1000` is per 1000 steps.
    """

    controller: str
    violations: float
    violation_share: float
    excess_nat_s: float
    peak_queue: float
    mean_queue: float
    peak_psi_total: float
    served: float
    peak_frontier: float
    final_backlog: float
    mean_wait_s: float
    utilisation: float
    starved_steps: float
    regimes: RegimeSteps
    violations_per_1000: float
    service_lost: float
    service_lost_per_1000: float
    p95_wait_s: float
    p95_queue_wait_s: float
    served_within_wait_share: float
    roughness: float


class Spread(Struct, frozen=True):
    """A figure over many runs: the median and the range that holds 90 % of them. NaN if no run has the figure."""

    median: float
    p5: float
    p95: float


class NoisyRunFigures(RunFigures, frozen=True):
    """The figures of one controller over many runs. `range` has the spread of each figure and each regime by name."""

    range: dict[str, Spread]


class ScenarioFacts(Struct, frozen=True):
    """Name, number of steps, and length of a step in seconds."""

    name: str
    steps: int
    step_s: float


class ArenaSeeds(Struct, frozen=True):
    """The seeds of the arena's runs: the first, and the one after the last."""

    first: int
    after: int


class SimulationDocument(Struct, Generic[AnyFigures], frozen=True):
    """The document that `entro simulate --json` prints, with the noise or the seeds of the arena if there are any."""

    scenario: ScenarioFacts
    runs: tuple[AnyFigures, ...]
    noise: Noise | None = None
    seeds: ArenaSeeds | None = None

    def entries(self) -> dict[str, Any]:
        """Return what the document has."""
        return {name: part for name, part in asdict(self).items() if part is not None}


def summarise(parameters: SimulationParameters, figures: dict[str, PlantFigures]) -> SimulationDocument[RunFigures]:
    """Return the document of a finished simulation.

    Args:
        parameters: parameters of the simulation.
        figures: each controller's figures, over all its runs.
    """
    scenario = parameters.scenario
    facts = ScenarioFacts(scenario.name, scenario.steps, scenario.step_s)
    runs = tuple(_figures(name, figures[name], parameters) for name in parameters.controllers)
    seeds = ArenaSeeds(parameters.seeds.start, parameters.seeds.stop) if parameters.is_arena else None
    return SimulationDocument(facts, runs, None if seeds else parameters.noise, seeds)


_REGIMES = ("stable", "stress", "critical")
_MAX_PHASES = 6
_COUNTS = ("violations", "starved_steps", *_REGIMES)


def _figures(name: str, figures: PlantFigures, parameters: SimulationParameters) -> RunFigures:
    values = {field.name: getattr(figures, field.name) for field in fields(figures)}
    steps = parameters.scenario.steps
    values["violation_share"] = values["violations"] / steps
    for figure in ("violations", "service_lost"):
        values[f"{figure}_per_1000"] = 1000 * values[figure] / steps
    if parameters.noise is None and not parameters.is_arena:
        return RunFigures(controller=name, **_by_regime({key: _single(key, value) for key, value in values.items()}))
    spreads = {figure: _spread(over_runs) for figure, over_runs in values.items()}
    centres = {figure: spread.median for figure, spread in spreads.items()}
    if parameters.is_arena:
        centres = {figure: _mean(over_runs) for figure, over_runs in values.items()}
    return NoisyRunFigures(controller=name, **_by_regime(centres), range=spreads)


def _by_regime(flat: dict[str, float]) -> dict[str, Any]:
    """Return figures by name, with the steps in each regime combined as `regimes`."""
    regimes = RegimeSteps(**{regime: flat[regime] for regime in _REGIMES}, no_data=0)
    return {name: value for name, value in flat.items() if name not in _REGIMES} | {"regimes": regimes}


def _single(name: str, values: FloatArray) -> float:
    """Return the figure of a single run, as an integer if it is a count."""
    return int(values[0]) if name in _COUNTS else float(values[0])


def _mean(over_runs: FloatArray) -> float:
    """Return the mean over the runs that have the figure, NaN if none has it."""
    known = over_runs[~np.isnan(over_runs)]
    return float(known.mean()) if len(known) else math.nan


def _spread(over_runs: FloatArray) -> Spread:
    """Return the spread over the runs that have the figure."""
    known = over_runs[~np.isnan(over_runs)]
    if not len(known):
        return Spread(math.nan, math.nan, math.nan)
    median, low, high = np.quantile(known, [0.5, 0.05, 0.95]).tolist()
    return Spread(median, low, high)


def describe(parameters: SimulationParameters, has_ranges: bool = True) -> tuple[str, ...]:
    """Return a description of the simulation, one line each for scenario, phases, controllers and noise.

    Args:
        parameters: parameters of the simulation.
        has_ranges: whether the table below it shows the ranges of figures over runs.
    """
    scenario = parameters.scenario
    demand = [_arena(scenario)] if isinstance(scenario, Arena) else [_scenario(scenario), describe_phases(scenario)]
    lines = (*demand, _laws(parameters), _drawn(parameters, has_ranges))
    return tuple(", ".join(clauses) for clauses in lines if clauses)


def _arena(arena: Arena) -> list[str]:
    shortest, longest = arena.stall_steps
    return [
        f"{arena.name}: {arena.steps} steps of {arena.step_s:g} s",
        f"demand {arena.calm_demand:g} req/s with bursts of {arena.busy_demand:g}",
        f"capacity about {arena.capacity:g} req/s with stalls of {shortest} to {longest} s",
    ]


def _scenario(scenario: Scenario) -> list[str]:
    requests = float(scenario.demand().sum()) * scenario.step_s
    steps = "step" if scenario.steps == 1 else "steps"
    return [
        f"{printable(scenario.name)}: {scenario.steps} {steps} of {scenario.step_s:g} s",
        f"{requests:.3f} requests",
        f"capacity {scenario.capacity:g} req/s",
        *(f"stalled in steps {stall.first} to {stall.after - 1}" for stall in scenario.stalls),
    ]


def describe_phases(scenario: Scenario) -> list[str]:
    """Return the clauses on the phases and the wave."""
    shown, rest, wave = scenario.phases[:_MAX_PHASES], len(scenario.phases) - _MAX_PHASES, scenario.wave
    phases = [f"{printable(phase.name)} {phase.steps} at {phase.demand:g}" for phase in shown]
    return [
        f"steps at req/s: {phases[0]}",
        *phases[1:],
        *([f"and {rest} more phase{'s' if rest > 1 else ''}"] if rest > 0 else []),
        *([f"in a wave of +-{100 * wave.amplitude:g} % every {wave.period:g} steps"] if wave else []),
    ]


def describe_law(law: LawParameters) -> list[str]:
    """Return the clauses on alpha and beta, and on what else is not the default."""
    return [f"{name} {value:g}" for name, value in {"alpha": law.alpha, "beta": law.beta, **law.tuned}.items()]


def _laws(parameters: SimulationParameters) -> list[str]:
    clauses = [f"budget {parameters.budget:g} nat"]
    if {"eq14", "v9", "predictive"} & set(parameters.controllers):
        clauses += describe_law(parameters)
    if set(parameters.controllers) - {"uncontrolled", "static"}:
        clauses.append(f"lag {parameters.lag}")
    clauses.append(f"accepted wait W {parameters.plant.accepted_wait_s:.3g} s")
    if "static" in parameters.controllers:
        clauses.append(f"static limit {parameters.limit:g} req/s")
    return clauses


def _drawn(parameters: SimulationParameters, has_ranges: bool) -> list[str]:
    noise, seeds = parameters.noise, parameters.seeds
    if parameters.is_arena:
        return [f"seeds {seeds.start} to {seeds.stop - 1}: mean over {len(seeds)} runs"]
    if noise is None:
        return []
    shown = "median, and 5-95 % range below it" if has_ranges and noise.sigma > 0 else "median"
    runs = "1 run" if noise.runs == 1 else f"{noise.runs} runs: {shown}"
    return [f"noise {noise.sigma:g}", f"seed {noise.seed}", runs]
