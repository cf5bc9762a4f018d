"""Parameters of a simulation: scenario, controllers, and what is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from entro_cli.core.console import printable
from entro_cli.core.suggestions import did_you_mean
from entro_engine import (
    AiController,
    Controller,
    CoreController,
    EntroError,
    Eq14,
    Plant,
    PredictiveController,
    Scenario,
    StaticLimit,
    Uncontrolled,
    V9Controller,
    noisy_demand,
)
from entro_engine.arena import Arena
from entro_engine.baselines import STATIC_LIMIT
from entro_engine.controller import ALPHA, BETA, HEADROOM, SMOOTHING
from entro_engine.entro_engine_v9 import GUARD
from entro_engine.entropy import FloatArray
from entro_engine.errors import require

DEFAULT_CONTROLLERS = ("uncontrolled", "static", "eq14", "v9")
"""The controllers of a simulation that names none."""

JUDGED_SEEDS = range(5000, 5060)
"""Chosen: the seeds of the arena that controllers are judged on."""

DEFAULT_BUDGET = 3.0
"""Published: the budget of two stages, nat."""

MAX_STEPS = 10_000_000
"""Longest scenario, in steps: it fits into the memory of an ordinary machine."""

MAX_LENGTH_S = 3e9
"""Longest scenario, s: its steps have dates."""

MAX_LOAD = 1e9
"""Largest demand, capacity or initial queue: no sum over a scenario overflows."""

MAX_RUNS = 1_000_000
"""The most runs of a controller: 19 figures of each are kept, 150 MB."""


class Noise(Struct, frozen=True):
    """Noise on the demand.

    Attributes:
        sigma: its relative size, 0..100.
        seed: seed of the experiment. The same seed gives the same runs.
        runs: number of runs of each controller, 1..`MAX_RUNS`.
    """

    sigma: float
    seed: int = 0
    runs: int = 100

    def __post_init__(self) -> None:
        require(0 <= self.sigma <= 100, "noise", self.sigma, "a number from 0 to 100")
        require(self.seed >= 0, "seed", self.seed, "a whole number of at least 0")
        require(1 <= self.runs <= MAX_RUNS, "runs", self.runs, f"a whole number from 1 to {MAX_RUNS:,}")


class LawParameters(Struct, frozen=True, kw_only=True):
    """Parameters of the controllers eq14, v9 and predictive.

    Attributes:
        budget: Psi_budget, nat.
        alpha: control authority, 0..1.
        beta: steepness, 1/nat.
        headroom: the share by which the cap may exceed the served rate.
        smoothing: the share of a new served rate that enters its estimate, per step; the key `gain` of entro.toml.
        guard: where v9 and predictive begin to correct, from 0, where Stress begins, to 1, where Critical does.
        lag: age of what the controllers see, in steps.
    """

    budget: float = DEFAULT_BUDGET
    alpha: float = ALPHA
    beta: float = BETA
    headroom: float = HEADROOM
    smoothing: float = SMOOTHING
    guard: float = GUARD
    lag: int = 1

    @property
    def tuned(self) -> dict[str, float]:
        """Those of headroom, gain and guard that are not the default, by their keys in entro.toml."""
        ours = {"headroom": self.headroom, "gain": self.smoothing, "guard": self.guard}
        default = {"headroom": HEADROOM, "gain": SMOOTHING, "guard": GUARD}
        return {key: value for key, value in ours.items() if value != default[key]}

    def v9(self, kind: type[V9Controller] = V9Controller) -> V9Controller:
        """Return the v9 controller with these parameters, or one that is derived from it."""
        return kind(self.budget, self.alpha, self.beta, self.guard, self.headroom, self.smoothing)


class SimulationParameters(LawParameters, frozen=True):
    """Parameters of a simulation.

    Attributes:
        scenario: demand and server.
        controllers: their names, keys of `CONTROLLERS`.
        limit: limit of the static controller, req/s.
        noise: noise on the demand, or None.
        seeds: the seeds of the arena's runs, at most `MAX_RUNS` one after the other; not used by other scenarios.

    Raises:
        EntroError: if a controller is unknown, or a number is outside its domain.
    """

    scenario: Scenario | Arena
    controllers: tuple[str, ...] = DEFAULT_CONTROLLERS
    limit: float = STATIC_LIMIT
    noise: Noise | None = None
    seeds: range = JUDGED_SEEDS

    def __post_init__(self) -> None:
        for name in self.controllers:
            if name not in CONTROLLERS:
                raise EntroError(
                    f"unknown controller {name!r}",
                    where="--controller",
                    expected=", ".join((*CONTROLLERS, FAMILY)),
                    remedy=did_you_mean(name, (*CONTROLLERS, FAMILY)),
                )
        if isinstance(self.scenario, Scenario):
            require_bounded(self.scenario)
        _require_seeds(self.seeds)
        require(math.isfinite(self.budget) and self.budget > 0, "budget", self.budget, "nats above 0")
        self.scenario.plant(self.lag)
        for name in CONTROLLERS:  # those that do not run too: a number out of its domain is never passed over
            self.controller(name)

    @property
    def plant(self) -> Plant:
        """The published plant with the scenario's server."""
        return self.scenario.plant(self.lag)

    @property
    def run_numbers(self) -> range:
        """The number of each run of a controller; in the arena it is the run's seed."""
        return self.seeds if self.is_arena else range(self.noise.runs if self.noise else 1)

    @property
    def warning(self) -> str:
        """A warning if controllers may not send as much as the server serves; empty if they may."""
        most, capacity = self.plant.most_per_s, self.scenario.capacity
        if capacity <= most:
            return ""
        return (
            f"controllers send at most {most:g} req/s, the published r_max, so that they cannot use a server of "
            f"{capacity:g} req/s; describe it as [stages.NAME], whose full loads follow from its capacity"
        )

    @property
    def is_arena(self) -> bool:
        """True if demand and capacity are drawn from seeds."""
        return isinstance(self.scenario, Arena)

    def loads(self, runs: range) -> tuple[FloatArray, FloatArray]:
        """Return demand and capacity (req/s) of some runs, of shape (steps, runs) where they are drawn."""
        if isinstance(self.scenario, Arena):
            return self.scenario.draw(runs)
        demand, capacity = self.scenario.demand(), self.scenario.capacities()
        if self.noise is None:
            return demand, capacity
        return noisy_demand(demand, self.noise.sigma, self.noise.seed, runs), capacity

    def controller(self, name: str) -> Controller:
        """Return the controller of a name, with these parameters."""
        return CONTROLLERS[name](self)


def _require_seeds(seeds: object) -> None:
    """Check that seeds are one after the other, and not too many.

    Raises:
        ParameterError: if they are not.
    """
    is_good = isinstance(seeds, range) and seeds.step == 1 and 0 <= seeds.start < seeds.stop <= seeds.start + MAX_RUNS
    require(is_good, "seeds", seeds, f"a range of 1 to {MAX_RUNS:,} seeds of at least 0, with a step of 1")


def require_bounded(scenario: Scenario) -> None:
    """Check that a scenario fits into memory, and that no sum over it overflows.

    Raises:
        ParameterError: if a number of it is too large.
    """
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
    "eq14": lambda law: Eq14(law.budget, law.alpha, law.beta, law.headroom, law.smoothing),
    "v9": lambda law: law.v9(),
    "predictive": lambda law: law.v9(PredictiveController),
    "core": lambda parameters: CoreController(),
    "ai": lambda parameters: AiController(),
}
"""The controllers by name, in the order in which they are shown."""

FAMILY = "family"
"""The name that stands for all that run on a scenario."""


def controllers_named(names: Sequence[str], known: Collection[str] = CONTROLLERS.keys()) -> tuple[str, ...]:
    """Return the controllers of some names, each once; `family` stands for all that are known."""
    return tuple(dict.fromkeys(one for name in names for one in (known if name == FAMILY else (name,))))


def random_parameters(options: Mapping[str, Any], scenario: Scenario | Arena) -> dict[str, Any]:
    """Return what a simulation draws, as `SimulationParameters` takes it.

    Args:
        options: those of noise, seed, runs and seeds that were given, by name.
        scenario: the scenario. Only the arena has seeds, and only the others have noise.

    Raises:
        EntroError: if an option means nothing here.
    """
    if isinstance(scenario, Arena):
        for name in sorted({"noise", "seed", "runs"} & set(options)):
            raise EntroError(
                "means nothing in the arena, which draws each run from a seed of its own",
                where=f"--{name}",
                remedy="use --seeds FIRST:AFTER",
            )
        return dict(options)
    if "seeds" in options:
        raise EntroError("means nothing outside of the arena", where="--seeds", remedy="use --noise, --seed and --runs")
    if "noise" in options:
        sigma, rest = options["noise"], {name: value for name, value in options.items() if name != "noise"}
        return {"noise": Noise(sigma, **rest)}
    for name in sorted(options):
        raise EntroError(
            "means nothing without noise: every run would be the same",
            where=f"--{name}",
            remedy="add --noise SIGMA, as in --noise 0.2",
        )
    return {}
