"""The v9 regime engine: from Psi_total, step by step, to Stable, Stress or Critical; and the controller built on it.

It keeps two states. The *energy field* E is a leaky integral of the load above the stress level: sustained pressure
charges it, rest discharges it. The *stress memory* M in 0..1 says how stressed the recent steps were; it lowers both
thresholds, so that leaving a regime takes a lower load than entering it.

`replay` holds the whole meaning, for a series: a loop over what each step needs of the one before, and whole arrays for
the rest. `advance` is one step of it, `advance_runs` one step of many series side by side: equal to it bit by bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entro_engine.controller import ALPHA, BETA, Controller, corrections, require_gains
from entro_engine.elementwise import SCALAR, Elementwise
from entro_engine.entropy import FloatArray
from entro_engine.errors import require
from entro_engine.sequential import Loop, loop_for

LAMBDA_ENERGY = 0.92
"""Published: what is left of the energy after a step."""

LAMBDA_MEMORY = 0.82
"""Published: what is left of the stress memory after a step."""

STABILITY_RANGE = (0.05, 1.0)
"""Published: the range stability is clipped to."""

ENERGY_WEIGHT = 0.25
"""Chosen: how much of the energy counts as load."""

_STEPS_AT_ONCE = 1 << 15
"""How many steps are replayed together: as many as fit into a processor's own memory."""


class Regime(IntEnum):
    """How a step is. The codes are what `Run.regime` holds."""

    NO_DATA = -1
    STABLE = 0
    STRESS = 1
    CRITICAL = 2

    @property
    def label(self) -> str:
        """The word that files and pages show."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class RegimeParameters:
    """The engine's levels for one budget.

    Attributes:
        budget: Psi_budget, nat, above 0.

    Raises:
        ParameterError: when the budget is not a finite number above 0.
    """

    budget: float = 3.0

    def __post_init__(self) -> None:
        require(math.isfinite(self.budget) and self.budget > 0, "psi_budget", self.budget, "a number above 0")

    @property
    def energy_bound(self) -> float:
        """Published: the energy stays within plus and minus this, nat (2.0 at budget 3.0)."""
        return (2.0 / 3.0) * self.budget

    @property
    def critical_level(self) -> float:
        """Published: theta_C, nat (2.35 at budget 3.0)."""
        return (2.35 / 3.0) * self.budget

    @property
    def stress_level(self) -> float:
        """Chosen: theta_S, nat; half the budget."""
        return 0.5 * self.budget

    @property
    def hysteresis(self) -> float:
        """Chosen: h, nat; how far a full stress memory lowers both thresholds."""
        return (0.25 / 3.0) * self.budget


@dataclass(frozen=True)
class RegimeState:
    """What the engine carries from one step to the next.

    Attributes:
        energy: E, nat.
        memory: M, 0..1.
        regime: the regime of the step before; a step without data leaves Stable here.
    """

    energy: float = 0.0
    memory: float = 0.0
    regime: Regime = Regime.STABLE


REST = RegimeState()
"""Where every series starts."""


@dataclass(frozen=True)
class RegimeTrace:
    """What the engine says of each step; arrays with an entry a step.

    Attributes:
        regime: codes of `Regime`, int8.
        energy: E after the step, nat.
        memory: M after the step, 0..1.
        effective_load: L = Psi_total + w E, nat; NaN without data.
        parameters: the levels that they were replayed with; the rest is computed from them when it is asked for.
    """

    regime: NDArray[np.int8]
    energy: FloatArray
    memory: FloatArray
    effective_load: FloatArray
    parameters: RegimeParameters

    @cached_property
    def stress_threshold(self) -> FloatArray:
        """t_S, nat; NaN without data."""
        return self.parameters.stress_level - self._lowered

    @cached_property
    def critical_threshold(self) -> FloatArray:
        """t_C, nat; NaN without data."""
        return self.parameters.critical_level - self._lowered

    @cached_property
    def stability(self) -> FloatArray:
        """0.05..1; NaN without data."""
        over = self.effective_load - self.stress_threshold
        return np.clip(1.0 - over / (self.parameters.budget - self.stress_threshold), *STABILITY_RANGE)

    @property
    def _lowered(self) -> FloatArray:
        """How far the thresholds are below their levels, nat."""
        return np.where(np.isnan(self.effective_load), np.nan, self.parameters.hysteresis * self.memory)

    def part(self, first: int, after: int) -> RegimeTrace:
        """The steps from `first` up to but not including `after`: a view of them."""
        cut = slice(first, after)
        return RegimeTrace(
            self.regime[cut], self.energy[cut], self.memory[cut], self.effective_load[cut], self.parameters
        )

    def followed_by(self, later: RegimeTrace) -> RegimeTrace:
        """These steps, and those of a trace of the same levels behind them."""
        return RegimeTrace(
            np.concatenate((self.regime, later.regime)),
            np.concatenate((self.energy, later.energy)),
            np.concatenate((self.memory, later.memory)),
            np.concatenate((self.effective_load, later.effective_load)),
            self.parameters,
        )


_Levels = tuple[float, float, float, float, float]


def advance(
    psi_total: float, energy: float, memory: float, previous: int, levels: _Levels
) -> tuple[int, float, float, float, float]:
    """One step of one series with data, without the stability.

    Args:
        psi_total: what the step was loaded with, nat.
        energy: E before the step, nat.
        memory: M before the step.
        previous: code of the regime before the step.
        levels: budget, theta_S, theta_C, h and the energy bound, nat, as `levels` gives them.

    Returns:
        regime code, E, M, t_S and t_C.
    """
    budget, stress_level, critical_level, hysteresis, bound = levels
    memory = LAMBDA_MEMORY * memory + (1.0 - LAMBDA_MEMORY) * (0.5 * previous)
    energy = LAMBDA_ENERGY * energy + (1.0 - LAMBDA_ENERGY) * (psi_total - stress_level)
    energy = -bound if energy < -bound else bound if energy > bound else energy
    stress = stress_level - hysteresis * memory
    critical = critical_level - hysteresis * memory
    load = psi_total + ENERGY_WEIGHT * energy
    return 2 if psi_total > budget or load >= critical else 1 if load >= stress else 0, energy, memory, stress, critical


def advance_runs(psi_total: FloatArray, energy: FloatArray, memory: FloatArray, previous: Any, levels: _Levels) -> Any:
    """One step of many series with data: `advance` on arrays with an entry a series.

    Returns:
        regime codes, E, M, t_S and t_C, arrays of the shape of `psi_total`.
    """
    budget, stress_level, critical_level, hysteresis, bound = levels
    memory = LAMBDA_MEMORY * memory + (1.0 - LAMBDA_MEMORY) * (0.5 * previous)
    energy = LAMBDA_ENERGY * energy + (1.0 - LAMBDA_ENERGY) * (psi_total - stress_level)
    energy = np.minimum(np.maximum(energy, -bound), bound)
    stress = stress_level - hysteresis * memory
    critical = critical_level - hysteresis * memory
    load = psi_total + ENERGY_WEIGHT * energy
    is_critical = (psi_total > budget) | (load >= critical)
    regime = np.maximum((load >= stress).view(np.int8), 2 * is_critical.view(np.int8))
    return regime, energy, memory, stress, critical


def levels(parameters: RegimeParameters) -> _Levels:
    """The levels as the kernels take them: budget, theta_S, theta_C, h, energy bound, nat."""
    return (
        parameters.budget,
        parameters.stress_level,
        parameters.critical_level,
        parameters.hysteresis,
        parameters.energy_bound,
    )


def step(
    psi_total: float | None, state: RegimeState = REST, parameters: RegimeParameters | None = None
) -> tuple[RegimeTrace, RegimeState]:
    """One step: `replay` of a series of one, for callers that learn their load step by step.

    Args:
        psi_total: nat; None where the step has no data.
        state: where the step before left the engine.
        parameters: the levels; the published budget of 3.0 without them.

    Returns:
        The trace of this one step, and the state to give to the next.

    Raises:
        ParameterError: when Psi_total is negative or infinite.
    """
    return replay([math.nan if psi_total is None else psi_total], state, parameters)


def replay(
    psi_total: ArrayLike, state: RegimeState = REST, parameters: RegimeParameters | None = None, of: int = 0
) -> tuple[RegimeTrace, RegimeState]:
    """The whole series, or the next part of it.

    Args:
        psi_total: shape (steps,), nat; NaN where a step has no data.
        state: where the part before left the engine.
        parameters: the levels; the published budget of 3.0 without them.
        of: how many steps all parts have, so that they are compiled where that pays for all; this part's without it.

    Returns:
        The trace, arrays of shape (steps,), and the state to give to the next part. Any cut into parts gives the
        same bits.

    Raises:
        ParameterError: when a Psi_total is negative or infinite.
    """
    psi = np.asarray(psi_total, dtype=np.float64)
    least, most = np.fmin.reduce(psi, initial=0.0), np.fmax.reduce(psi, initial=0.0)  # NaN is passed over
    require(least >= 0.0 and most < math.inf, "psi_total", psi_total, "finite numbers of at least 0")
    parameters = parameters or RegimeParameters()
    loop = loop_for(max(len(psi), of))
    energy, memory, load = np.empty((3, len(psi)))
    trace = RegimeTrace(np.empty(len(psi), np.int8), energy, memory, load, parameters)
    for first in range(0, len(psi), _STEPS_AT_ONCE):
        after = first + _STEPS_AT_ONCE
        state = _replay_part(psi[first:after], state, loop, trace.part(first, after))
    return trace, state


def _replay_part(psi: FloatArray, state: RegimeState, loop: Loop, out: RegimeTrace) -> RegimeState:
    """Some steps of a series, into `out`; the state behind them."""
    scale = levels(out.parameters)
    pressure = (1.0 - LAMBDA_ENERGY) * (psi - out.parameters.stress_level)
    pressure[np.isnan(psi)] = -0.0  # adding it changes no bit
    before = (state.energy, state.memory, int(state.regime))
    outputs = (out.regime, out.energy, out.memory, out.effective_load)
    energy, memory, regime = loop(_states, (psi, pressure), outputs, before, scale)
    return RegimeState(energy, memory, Regime(max(regime, 0)))


def _states(inputs: Any, outputs: Any, before: tuple[float, float, int], scale: _Levels) -> tuple[float, float, int]:
    """The regime, E, M and L of each step, from Psi_total and from what it adds to the energy."""
    (psi_total, pressure), (regimes, energies, memories, loads) = inputs, outputs
    energy, memory, regime = before
    budget, stress_level, critical_level, hysteresis, bound = scale
    least, energy_kept, memory_kept, energy_weight = -bound, LAMBDA_ENERGY, LAMBDA_MEMORY, ENERGY_WEIGHT
    taken_up_stress, taken_up_critical = (1.0 - LAMBDA_MEMORY) * 0.5, (1.0 - LAMBDA_MEMORY) * 1.0
    taken_up = taken_up_critical if regime == 2 else taken_up_stress if regime == 1 else 0.0
    for index in range(len(psi_total)):
        psi = psi_total[index]
        energy = energy_kept * energy + pressure[index]
        if energy > bound:
            energy = bound
        elif energy < least:
            energy = least
        load = psi + energy_weight * energy
        memory = memory_kept * memory
        if load == load:  # noqa: PLR0124 - not NaN: there is data; quicker than isnan
            memory = memory + taken_up
            lowered = hysteresis * memory
            if load >= critical_level - lowered or psi > budget:
                regime, taken_up = 2, taken_up_critical
            elif load >= stress_level - lowered:
                regime, taken_up = 1, taken_up_stress
            else:
                regime, taken_up = 0, 0.0
        else:
            regime, taken_up = -1, 0.0
        regimes[index] = regime
        energies[index] = energy
        memories[index] = memory
        loads[index] = load
    return energy, memory, regime


def replay_runs(psi_total: FloatArray, parameters: RegimeParameters) -> NDArray[np.int8]:
    """The regimes of many series with data at every step, all from rest.

    Args:
        psi_total: shape (steps, runs), nat.
        parameters: the levels.

    Returns:
        Codes of `Regime`, the same shape.
    """
    scale = levels(parameters)
    energy = np.zeros(psi_total.shape[1])
    memory = np.zeros(psi_total.shape[1])
    regimes = np.zeros(psi_total.shape, dtype=np.int8)
    previous = np.zeros(psi_total.shape[1], dtype=np.int8)
    for index, row in enumerate(psi_total):
        previous, energy, memory, _, _ = advance_runs(row, energy, memory, previous, scale)
        regimes[index] = previous
    return regimes


@dataclass
class V9Controller:
    """The ENTRO-ENGINE controller: Eq. 14 with Delta measured from a guard inside the Stress band.

    Its own regime engine is stepped on the Psi_total it sees; the guard is halfway between that step's two thresholds,
    so the correction acts before the budget is reached.

    Attributes:
        psi_budget: the budget, nat.
        alpha: control authority, 0..1.
        beta: steepness, 1/nat.
    """

    psi_budget: float = 3.0
    alpha: float = ALPHA
    beta: float = BETA
    name: str = "v9"
    limit: float = math.inf
    caps: bool = True
    ops: Elementwise = field(default=SCALAR, repr=False)
    _energy: Any = field(default=0.0, repr=False)
    _memory: Any = field(default=0.0, repr=False)
    _regime: Any = field(default=0, repr=False)

    def __post_init__(self) -> None:
        require_gains(self.alpha, self.beta)
        self._levels = levels(RegimeParameters(self.psi_budget))

    def start(self, ops: Elementwise) -> Controller:
        """A copy at rest that computes with `ops`."""
        return V9Controller(self.psi_budget, self.alpha, self.beta, ops=ops)

    def update(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """Both corrections, from the Psi it sees."""
        total = psi_rate + psi_queue
        kernel = advance if self.ops is SCALAR else advance_runs
        seen = kernel(total, self._energy, self._memory, self._regime, self._levels)
        self._regime, self._energy, self._memory, stress, critical = seen[:5]
        guard = stress + 0.5 * (critical - stress)
        delta = self.ops.maximum(total - guard, 0.0)
        return corrections(self.ops, self.alpha, self.beta, delta, (psi_rate, psi_queue))
