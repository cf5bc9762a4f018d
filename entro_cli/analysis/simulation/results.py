"""What `entro simulate` says of the runs: plain frozen dataclasses, units in the field names, and how they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from entro_cli.analysis.simulation.runs import Noise, SimulationParameters
from entro_cli.core.console import printable
from entro_engine import PlantFigures, Scenario
from entro_engine.entropy import FloatArray


@dataclass(frozen=True)
class RegimeSteps:
    """Steps in each regime; with noise each is the median over the runs, so they need not add up."""

    stable: float
    stress: float
    critical: float
    no_data: float


@dataclass(frozen=True)
class RunFigures:
    """What one controller made of the scenario; with noise every figure is the median over its runs.

    `violation_share` is of all steps, 0..1; `excess_nat_s` the sum of Delta * dt; queues, `served`, `peak_frontier` and
    `final_backlog` (queue and frontier at the end) are requests. `mean_wait_s` is over frontier and queue, NaN where
    nothing was served; `utilisation` is 0..1, NaN where there was no capacity. `starved_steps` are those in which the
    server had time left while requests waited in the frontier.
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


@dataclass(frozen=True)
class Spread:
    """A figure over many runs: the median and the range that holds 90 % of them. NaN where no run has the figure."""

    median: float
    p5: float
    p95: float


@dataclass(frozen=True)
class NoisyRunFigures(RunFigures):
    """The same over many runs; `range` has the spread of each figure by its name, a regime's by the regime's."""

    range: dict[str, Spread]


@dataclass(frozen=True)
class ScenarioFacts:
    """Which scenario, how many steps, and their length in seconds."""

    name: str
    steps: int
    step_s: float


@dataclass(frozen=True)
class SimulationDocument:
    """What `entro simulate --json` prints."""

    schema: str
    scenario: ScenarioFacts
    runs: tuple[RunFigures, ...]


@dataclass(frozen=True)
class NoisySimulationDocument(SimulationDocument):
    """The same with noise: what noise there was."""

    noise: Noise


def summarise(settings: SimulationParameters, figures: dict[str, PlantFigures]) -> SimulationDocument:
    """The document of a finished simulation.

    Args:
        settings: what was simulated.
        figures: each controller's figures, over all its runs.
    """
    scenario = settings.scenario
    facts = ScenarioFacts(scenario.name, scenario.steps, scenario.step_s)
    noisy = settings.noise is not None
    runs = tuple(_figures(name, figures[name], scenario.steps, noisy) for name in settings.controllers)
    if settings.noise is None:
        return SimulationDocument("entro/simulation/1", facts, runs)
    return NoisySimulationDocument("entro/simulation/1", facts, runs, settings.noise)


_REGIMES = ("stable", "stress", "critical")
_MOST_PHASES = 6
_COUNTS = ("violations", "starved_steps", *_REGIMES)


def _figures(name: str, figures: PlantFigures, steps: int, noisy: bool) -> RunFigures:
    values = {field.name: getattr(figures, field.name) for field in fields(figures)}
    values["violation_share"] = values["violations"] / steps
    if not noisy:
        return RunFigures(controller=name, **_by_regime({key: _alone(key, one) for key, one in values.items()}))
    spreads = {figure: _spread(over_runs) for figure, over_runs in values.items()}
    medians = {figure: spread.median for figure, spread in spreads.items()}
    return NoisyRunFigures(controller=name, **_by_regime(medians), range=spreads)


def _by_regime(flat: dict[str, float]) -> dict[str, Any]:
    """Figures by name, the steps in each regime put together as `regimes`."""
    regimes = RegimeSteps(**{regime: flat[regime] for regime in _REGIMES}, no_data=0)
    return {name: value for name, value in flat.items() if name not in _REGIMES} | {"regimes": regimes}


def _alone(name: str, values: FloatArray) -> float:
    """The figure of a single run; a count is a whole number."""
    return int(values[0]) if name in _COUNTS else float(values[0])


def _spread(over_runs: FloatArray) -> Spread:
    """The spread over the runs that have the figure."""
    known = over_runs[~np.isnan(over_runs)]
    if not len(known):
        return Spread(math.nan, math.nan, math.nan)
    median, low, high = np.quantile(known, [0.5, 0.05, 0.95]).tolist()
    return Spread(median, low, high)


def describe(settings: SimulationParameters) -> tuple[str, ...]:
    """What was simulated, in a few clauses a line: the scenario, the settings, the noise."""
    lines = (_scenario(settings), _phases(settings.scenario), _laws(settings), _noise(settings))
    return tuple(", ".join(clauses) for clauses in lines if clauses)


def _scenario(settings: SimulationParameters) -> list[str]:
    scenario = settings.scenario
    requests = float(scenario.demand().sum()) * scenario.step_s
    return [
        f"{printable(scenario.name)}: {scenario.steps} steps of {scenario.step_s:g} s",
        f"{requests:.3f} requests",
        f"capacity {scenario.capacity:g} req/s",
        *(f"stalled in steps {stall.first} to {stall.after - 1}" for stall in scenario.stalls),
    ]


def _phases(scenario: Scenario) -> list[str]:
    shown, more, wave = scenario.phases[:_MOST_PHASES], len(scenario.phases) - _MOST_PHASES, scenario.wave
    phases = [f"{printable(phase.name)} {phase.steps} at {phase.demand:g}" for phase in shown]
    return [
        f"steps at req/s: {phases[0]}",
        *phases[1:],
        *([f"and {more} phases more"] if more > 0 else []),
        *([f"in a wave of +-{100 * wave.amplitude:g} % every {wave.period:g} steps"] if wave else []),
    ]


def _laws(settings: SimulationParameters) -> list[str]:
    clauses = [f"budget {settings.budget:g} nat"]
    if {"eq14", "v9"} & set(settings.controllers):
        clauses += [f"alpha {settings.alpha:g}", f"beta {settings.beta:g}", f"lag {settings.lag}"]
    if "static" in settings.controllers:
        clauses.append(f"static limit {settings.limit:g} req/s")
    return clauses


def _noise(settings: SimulationParameters) -> list[str]:
    noise = settings.noise
    if noise is None:
        return []
    runs = "1 run" if noise.runs == 1 else f"{noise.runs} runs: median, and 5-95 % range below it"
    return [f"noise {noise.sigma:g}", f"seed {noise.seed}", runs]
