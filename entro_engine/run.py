"""Run: the result of each step, from a log or from a simulation alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from entro_engine.budget import coupled_load, driver_evidence, psi_budget
from entro_engine.entro_engine_v9 import REST, Regime, RegimeParameters, RegimeState, RegimeTrace, replay
from entro_engine.entropy import FloatArray, Stage, entropy_proxy, psi_total, shares
from entro_engine.errors import require


@dataclass(frozen=True)
class Run:
    """A pipeline's steps, replayed through the regime engine.

    Attributes:
        stages: the N stages.
        budget: the budget of the coupled load, nat.
        step_s: length of a step, s.
        start_ns: start of the first step, nanoseconds since the epoch.
        loads: shape (N, steps), each stage's load in its unit; NaN without data.
        peaks: shape (N, steps), the largest sample in each step, in the stage's unit; NaN without data.
        ends: shape (N, steps), the last sample in each step, in the stage's unit; NaN without data.
        own: shape (steps,), True if a step has data of its own, not carried over from the previous step.
        psi: shape (N, steps), Psi of each stage, nat.
        psi_total: shape (steps,), nat; NaN where a stage has no data.
        coupled_load: shape (steps,), nat, the load that is judged: Psi_total for two stages; NaN as Psi_total is.
        trace: the engine's result for each step, arrays of shape (steps,).
        final: the engine's state after the last step, for the next part.
        ages: shape (N, steps), how long the oldest request that waits at the end of the step has waited, s; negative
            where single requests are not known, None if that is everywhere.
        waits: shape (N, steps), the longest that any request that waits in the step waits in all, s; likewise.
    """

    stages: tuple[Stage, ...]
    budget: float
    step_s: float
    start_ns: int
    loads: FloatArray
    peaks: FloatArray
    ends: FloatArray
    own: NDArray[np.bool_]
    psi: FloatArray
    psi_total: FloatArray
    coupled_load: FloatArray
    trace: RegimeTrace
    final: RegimeState
    ages: FloatArray | None = None
    waits: FloatArray | None = None

    @property
    def steps(self) -> int:
        """Number of steps, with or without data."""
        return len(self.psi_total)

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Mask of the steps with data, shape (steps,)."""
        return np.not_equal(self.trace.regime, Regime.NO_DATA)

    @property
    def violated(self) -> NDArray[np.bool_]:
        """Mask of the steps over the budget, shape (steps,). A step at the budget is within it."""
        return self.coupled_load > self.budget

    @property
    def delta(self) -> FloatArray:
        """Delta = max(0, P - budget), nat, shape (steps,); 0 without data (published Eq. 11, with P for Psi_total)."""
        return np.maximum(np.nan_to_num(self.coupled_load) - self.budget, 0.0)

    @property
    def rho(self) -> FloatArray:
        """Each stage's share of Psi_total, shape (N, steps) (published Eq. 12)."""
        return shares(self.psi, self.psi_total)

    @property
    def driver_evidence(self) -> FloatArray:
        """The numbers whose sums over an incident name its driver, shape (rows, steps); the first N rows are rho."""
        return driver_evidence(self.stages, self.psi, self.psi_total, self.budget)

    @property
    def step_ns(self) -> int:
        """Length of a step in nanoseconds."""
        return round(self.step_s * 1e9)

    @property
    def times_ns(self) -> NDArray[np.int64]:
        """Start of each step, nanoseconds since the epoch, shape (steps,)."""
        return self.start_ns + self.step_ns * np.arange(self.steps, dtype=np.int64)

    @property
    def end_ns(self) -> int:
        """End of the last step, nanoseconds since the epoch."""
        return self.start_ns + self.step_ns * self.steps

    def part(self, first: int, after: int) -> Run:
        """Return the steps from `first` up to but not including `after`, as they were replayed."""
        cut = slice(first, after)
        return replace(
            self,
            start_ns=self.start_ns + self.step_ns * first,
            loads=self.loads[:, cut],
            peaks=self.peaks[:, cut],
            ends=self.ends[:, cut],
            own=self.own[cut],
            psi=self.psi[:, cut],
            psi_total=self.psi_total[cut],
            coupled_load=self.coupled_load[cut],
            trace=self.trace.part(first, after),
            ages=None if self.ages is None else self.ages[:, cut],
            waits=None if self.waits is None else self.waits[:, cut],
        )


def replay_loads(
    stages: tuple[Stage, ...],
    loads: FloatArray,
    step_s: float,
    budget: float | None = None,
    start_ns: int = 0,
    rest_before: int = 0,
    state: RegimeState = REST,
    of: int = 0,
) -> Run:
    """Replay the stages' loads into a Run, or the next part of them.

    Args:
        stages: the N stages, at least one.
        loads: shape (N, steps), each in its stage's unit; NaN where a stage has no data (the step then has none).
        step_s: length of a step, s, above 0.
        budget: the budget, nat; that of two stages, 2 gamma Psi_c, by default.
        start_ns: start of the first step, nanoseconds since the epoch.
        rest_before: a step before which the engine is put to rest again, so that later steps do not depend on earlier
            ones.
        state: the engine's state after the previous part.
        of: number of steps of all parts together, which decides if compiling pays off. The default is this part alone.

    Returns:
        The Run, with every step marked as its own data. Use `dataclasses.replace` to set other peaks, ends or marks.

    Raises:
        ParameterError: if a load is negative or infinite, or the shapes do not fit.
    """
    require(len(stages) > 0, "stages", stages, "at least one")
    require(loads.ndim == 2 and len(loads) == len(stages), "loads", loads.shape, f"shape ({len(stages)}, steps)")
    require(step_s > 0, "step_s", step_s, "a number above 0")
    limit = psi_budget(2) if budget is None else budget
    psi = np.stack([entropy_proxy(load, stage) for stage, load in zip(stages, loads, strict=True)])
    total = psi_total(psi)
    judged = coupled_load(stages, psi, total)
    parameters = RegimeParameters(limit)
    trace, final = replay(judged[rest_before:], REST if rest_before else state, parameters, of)
    # The steps before the rest are replayed on their own, so that their state does not reach the later ones.
    if rest_before:
        earlier, _ = replay(judged[:rest_before], state, parameters, of)
        trace = earlier.followed_by(trace)
    with_data = trace.regime != Regime.NO_DATA
    return Run(stages, limit, step_s, start_ns, loads, loads, loads, with_data, psi, total, judged, trace, final)
