"""Split of one correction between the stages (published Eq. 12-13)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from entro_engine.budget import psi_budget
from entro_engine.controller import ALPHA, BETA, ENTROEngineController
from entro_engine.errors import require


@dataclass(frozen=True)
class Allocation:
    """One stage's part of the correction.

    Attributes:
        allocated_u: the stage's correction, between -alpha and 0.
        rho: the stage's share of Psi_total, 0..1.
    """

    allocated_u: float
    rho: float


class ProportionalAllocator:
    """Splits one correction between the stages in proportion to their Psi.

    Args:
        alpha: control authority, 0..1.
        beta: steepness, 1/nat, at least 0.
        psi_budget: the budget, nat. None means gamma * N * Psi_c for the N stages passed to `allocate`.

    Raises:
        ParameterError: if a parameter is outside its domain.
    """

    def __init__(self, alpha: float = ALPHA, beta: float = BETA, psi_budget: float | None = None) -> None:
        self.alpha = alpha
        self.beta = beta
        self.psi_budget = psi_budget
        self._controller(1)  # checks the parameters now rather than at the first `allocate`

    def allocate(self, psi: Mapping[str, float]) -> dict[str, Allocation]:
        """Return the correction of every stage, by name, from their Psi (nat).

        Raises:
            ParameterError: if no stage is given, or a Psi is negative or not finite.
        """
        require(bool(psi), "psi", dict(psi), "at least one stage")
        for name, value in psi.items():
            require(math.isfinite(value) and value >= 0, f"psi of stage {name}", value, "a finite number of at least 0")
        controller = self._controller(len(psi))
        total = float(sum(psi.values()))
        signals = {name: controller.compute_control(value, total) for name, value in psi.items()}
        return {name: Allocation(allocated_u=signal.u, rho=signal.rho) for name, signal in signals.items()}

    def _controller(self, stages: int) -> ENTROEngineController:
        budget = psi_budget(stages) if self.psi_budget is None else self.psi_budget
        return ENTROEngineController(self.alpha, self.beta, budget)
