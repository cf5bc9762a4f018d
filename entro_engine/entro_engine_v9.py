"""The v9 regime engine, which classifies each step as Stable, Stress or Critical, and the controller built on it.

The engine keeps two states. The *energy field* E is a leaky integral of the load above the stress level: sustained
pressure charges it, rest discharges it. The *stress memory* M in 0..1 records how stressed the recent steps were. It
lowers both thresholds, so that leaving a regime takes a lower load than entering it.

`replay` defines the behaviour, for a whole series: a loop over the values that depend on the previous step, and array
operations for the rest. `advance` does one step of one series, and `advance_runs` one step of many series side by side.
All three give the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entro_engine.controller import ALPHA, BETA, HEADROOM, SMOOTHING, corrections
from entro_engine.elementwise import SCALAR
from entro_engine.entropy import FloatArray
from entro_engine.errors import require, require_cap, require_gains
from entro_engine.plant import CorrectingController
from entro_engine.sequential import Loop, loop_for

LAMBDA_ENERGY = 0.92
"""Published: the share of the energy that remains after a step."""

LAMBDA_MEMORY = 0.82
"""Published: the share of the stress memory that remains after a step."""

STABILITY_RANGE = (0.05, 1.0)
"""Published: the range that stability is clipped to."""

ENERGY_WEIGHT = 0.25
"""Chosen: the share of the energy that counts as load."""

GUARD = 0.5
"""Chosen: the guard of the controller, as a share of the way from the stress to the critical threshold."""

_BATCH_STEPS = 1 << 15
"""Steps per batch: as many as fit into a processor's cache."""


class Regime(IntEnum):
    """The regime of a step. `RegimeTrace.regime` holds these codes."""

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
    """The levels of the engine, which all follow from the budget.

    Attributes:
        budget: Psi_budget, nat, above 0.

    Raises:
        ParameterError: if the budget is not a finite number above 0.
    """

    budget: float = 3.0

    def __post_init__(self) -> None:
        require(math.isfinite(self.budget) and self.budget > 0, "psi_budget", self.budget, "a number above 0")

    @property
    def energy_bound(self) -> float:
        """Published: the energy stays within plus and minus this bound, nat (2.0 at budget 3.0)."""
        return (2.0 / 3.0) * self.budget

    @property
    def critical_level(self) -> float:
        """Published: theta_C, nat (2.35 at budget 3.0)."""
        return (2.35 / 3.0) * self.budget

    @property
    def stress_level(self) -> float:
        """Chosen: theta_S, half the budget, nat."""
        return 0.5 * self.budget

    @property
    def hysteresis(self) -> float:
        """Chosen: h, the amount by which a full stress memory lowers both thresholds, nat."""
        return (0.25 / 3.0) * self.budget


@dataclass(frozen=True)
class RegimeState:
    """The state that the engine carries from one step to the next.

    Attributes:
        energy: E, nat.
        memory: M, 0..1.
        regime: the regime of the previous step. A step without data leaves Stable here.
    """

    energy: float = 0.0
    memory: float = 0.0
    regime: Regime = Regime.STABLE


REST = RegimeState()
"""The state before the first step of every series."""


@dataclass(frozen=True)
class RegimeTrace:
    """The engine's result for each step; arrays with one entry per step.

    Attributes:
        regime: codes of `Regime`, int8.
        energy: E after the step, nat.
        memory: M after the step, 0..1.
        effective_load: L = Psi_total + w E, nat; NaN without data.
        parameters: the levels of the replay. Thresholds and stability follow from them and are computed on demand.
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
        """Stability, 0.05..1; NaN without data. It is 1 up to the stress threshold and falls to 0.05 at the budget."""
        over = self.effective_load - self.stress_threshold
        return np.clip(1.0 - over / (self.parameters.budget - self.stress_threshold), *STABILITY_RANGE)

    @property
    def _lowered(self) -> FloatArray:
        """Distance of the thresholds below their levels, nat."""
        return np.where(np.isnan(self.effective_load), np.nan, self.parameters.hysteresis * self.memory)

    def part(self, first: int, after: int) -> RegimeTrace:
        """Return a view of the steps from `first` up to but not including `after`."""
        cut = slice(first, after)
        return RegimeTrace(
            self.regime[cut], self.energy[cut], self.memory[cut], self.effective_load[cut], self.parameters
        )

    def followed_by(self, later: RegimeTrace) -> RegimeTrace:
        """Return these steps followed by those of a trace with the same levels."""
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
    """Advance one series by one step with data, without the stability.

    Args:
        psi_total: Psi_total of the step, nat.
        energy: E before the step, nat.
        memory: M before the step.
        previous: code of the regime before the step.
        levels: budget, theta_S, theta_C, h and the energy bound, nat, as `levels` returns them.

    Returns:
        The regime code, E, M, t_S and t_C after the step.
    """
    # `_states` must give the same bits, so the order of the operations matters here.
    budget, stress_level, critical_level, hysteresis, bound = levels
    memory = LAMBDA_MEMORY * memory + (1.0 - LAMBDA_MEMORY) * (0.5 * previous)  # 0, 0.5 or 1 by the previous regime
    energy = LAMBDA_ENERGY * energy + (1.0 - LAMBDA_ENERGY) * (psi_total - stress_level)
    energy = -bound if energy < -bound else bound if energy > bound else energy
    stress = stress_level - hysteresis * memory
    critical = critical_level - hysteresis * memory
    load = psi_total + ENERGY_WEIGHT * energy
    return 2 if psi_total > budget or load >= critical else 1 if load >= stress else 0, energy, memory, stress, critical


def advance_runs(psi_total: FloatArray, energy: FloatArray, memory: FloatArray, previous: Any, levels: _Levels) -> Any:
    """Advance many series by one step with data: `advance` on arrays with one entry per series.

    Returns:
        The regime codes, E, M, t_S and t_C, arrays of the shape of `psi_total`.
    """
    budget, stress_level, critical_level, hysteresis, bound = levels
    memory = LAMBDA_MEMORY * memory + (1.0 - LAMBDA_MEMORY) * (0.5 * previous)
    energy = LAMBDA_ENERGY * energy + (1.0 - LAMBDA_ENERGY) * (psi_total - stress_level)
    energy = np.minimum(np.maximum(energy, -bound), bound)
    stress = stress_level - hysteresis * memory
    critical = critical_level - hysteresis * memory
    load = psi_total + ENERGY_WEIGHT * energy
    is_critical = (psi_total > budget) | (load >= critical)
    regime = np.maximum((load >= stress).view(np.int8), 2 * is_critical.view(np.int8))  # the codes of `Regime`
    return regime, energy, memory, stress, critical


def levels(parameters: RegimeParameters) -> _Levels:
    """Return the levels as the kernels take them: budget, theta_S, theta_C, h and the energy bound, nat."""
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
    """Replay one step, for callers that learn their load step by step.

    Args:
        psi_total: nat; None if the step has no data.
        state: the state after the previous step.
        parameters: the levels; those of the published budget of 3.0 by default.

    Returns:
        The trace of this one step, and the state to pass to the next.

    Raises:
        ParameterError: if Psi_total is negative or infinite.
    """
    return replay([math.nan if psi_total is None else psi_total], state, parameters)


def replay(
    psi_total: ArrayLike, state: RegimeState = REST, parameters: RegimeParameters | None = None, of: int = 0
) -> tuple[RegimeTrace, RegimeState]:
    """Replay a whole series, or the next part of one.

    Args:
        psi_total: shape (steps,), nat; NaN where a step has no data.
        state: the state after the previous part.
        parameters: the levels; those of the published budget of 3.0 by default.
        of: number of steps of all parts together, which decides if compiling pays off. The default: only this part.

    Returns:
        The trace, arrays of shape (steps,), and the state to pass to the next part. Any cut into parts gives the same
        bits.

    Raises:
        ParameterError: if a Psi_total is negative or infinite.
    """
    psi = np.asarray(psi_total, dtype=np.float64)
    least, most = np.fmin.reduce(psi, initial=0.0), np.fmax.reduce(psi, initial=0.0)  # both skip NaN
    require(least >= 0.0 and most < math.inf, "psi_total", psi_total, "finite numbers of at least 0")
    parameters = parameters or RegimeParameters()
    loop = loop_for(max(len(psi), of))
    energy, memory, load = np.empty((3, len(psi)))
    trace = RegimeTrace(np.empty(len(psi), np.int8), energy, memory, load, parameters)
    for first in range(0, len(psi), _BATCH_STEPS):
        after = first + _BATCH_STEPS
        state = _replay_part(psi[first:after], state, loop, trace.part(first, after))
    return trace, state


def _replay_part(psi: FloatArray, state: RegimeState, loop: Loop, out: RegimeTrace) -> RegimeState:
    """Replay some steps of a series into `out`, and return the state after them."""
    scale = levels(out.parameters)
    pressure = (1.0 - LAMBDA_ENERGY) * (psi - out.parameters.stress_level)
    pressure[np.isnan(psi)] = -0.0  # without data E only decays: adding -0.0 changes no bit
    before = (state.energy, state.memory, int(state.regime))
    outputs = (out.regime, out.energy, out.memory, out.effective_load)
    energy, memory, regime = loop(_states, (psi, pressure), outputs, before, scale)
    return RegimeState(energy, memory, Regime(max(regime, 0)))  # NO_DATA leaves Stable, as `RegimeState` says


def _states(inputs: Any, outputs: Any, before: tuple[float, float, int], scale: _Levels) -> tuple[float, float, int]:
    """Fill in regime, E, M and L of each step, from Psi_total and from the amount that it adds to the energy.

    This is a kernel for `sequential`: plain loops over local names, so that numba compiles the same source.
    """
    (psi_total, pressure), (regimes, energies, memories, loads) = inputs, outputs
    energy, memory, regime = before
    budget, stress_level, critical_level, hysteresis, bound = scale
    least, energy_kept, memory_kept, energy_weight = -bound, LAMBDA_ENERGY, LAMBDA_MEMORY, ENERGY_WEIGHT
    # What each previous regime adds to the memory, as in `advance`.
    gain_stress, gain_critical = (1.0 - LAMBDA_MEMORY) * 0.5, (1.0 - LAMBDA_MEMORY) * 1.0
    gain = gain_critical if regime == 2 else gain_stress if regime == 1 else 0.0
    for index in range(len(psi_total)):
        psi = psi_total[index]
        energy = energy_kept * energy + pressure[index]
        if energy > bound:
            energy = bound
        elif energy < least:
            energy = least
        load = psi + energy_weight * energy
        memory = memory_kept * memory
        if load == load:  # noqa: PLR0124 - not NaN, so there is data; faster than isnan
            memory = memory + gain
            lowered = hysteresis * memory
            if load >= critical_level - lowered or psi > budget:
                regime, gain = 2, gain_critical
            elif load >= stress_level - lowered:
                regime, gain = 1, gain_stress
            else:
                regime, gain = 0, 0.0
        else:
            regime, gain = -1, 0.0
        regimes[index] = regime
        energies[index] = energy
        memories[index] = memory
        loads[index] = load
    return energy, memory, regime


def replay_runs(psi_total: FloatArray, parameters: RegimeParameters) -> NDArray[np.int8]:
    """Return the regimes of many series with data at every step, all starting from rest.

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
class V9Controller(CorrectingController):
    """The ENTRO-ENGINE controller: Eq. 14 with Delta measured from a guard level inside the Stress band.

    The controller steps a regime engine on the Psi_total that it sees. The guard lies between the two thresholds of
    that step, so the correction acts before the budget is reached.

    Attributes:
        psi_budget: the budget, nat.
        alpha: control authority, 0..1.
        beta: steepness, 1/nat.
        guard: where the guard lies between the two thresholds, 0..1.
        headroom: the share by which the cap may exceed the served rate.
        smoothing: the share of a new served rate that enters its estimate, per step.
    """

    psi_budget: float = 3.0
    alpha: float = ALPHA
    beta: float = BETA
    guard: float = GUARD
    headroom: float = HEADROOM
    smoothing: float = SMOOTHING
    name = "v9"

    def __post_init__(self) -> None:
        require_gains(self.alpha, self.beta)
        require_cap(self.headroom, self.smoothing)
        require(0 <= self.guard <= 1, "guard", self.guard, "a number from 0 to 1")
        self._levels = levels(RegimeParameters(self.psi_budget))
        self.reset()

    def reset(self) -> None:
        """Put the regime engine to rest, and assume the nominal capacity."""
        super().reset()
        self._energy: Any = 0.0
        self._memory: Any = 0.0
        self._regime: Any = 0

    def corrections(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """Step the regime engine on the Psi (nat) of both stages. Return both corrections."""
        total = psi_rate + psi_queue
        kernel = advance if self.ops is SCALAR else advance_runs
        after = kernel(total, self._energy, self._memory, self._regime, self._levels)
        self._regime, self._energy, self._memory, stress, critical = after[:5]
        guard = stress + self.guard * (critical - stress)
        delta = self.ops.maximum(total - guard, 0.0)
        return corrections(self.ops, self.alpha, self.beta, delta, (psi_rate, psi_queue))

    @property
    def state(self) -> RegimeState:
        """The state of the controller's regime engine, for one run."""
        return RegimeState(self._energy, self._memory, Regime(self._regime))

    @state.setter
    def state(self, state: RegimeState) -> None:
        self._energy, self._memory, self._regime = state.energy, state.memory, int(state.regime)
