"""The shared entropy budget (published Eq. 9-11)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from entro_engine.errors import require

GAMMA = 0.75
"""Published: the share of the pipeline's critical entropy that all stages together may use."""

PSI_CRITICAL = 2.0
"""Published: Psi_c, the critical entropy of one stage, in nats."""


def psi_budget(stages: int, gamma: float = GAMMA, psi_critical: float = PSI_CRITICAL) -> float:
    """Return the budget of a pipeline, gamma * N * Psi_c, in nats (published Eq. 10): 3.0 for two stages.

    Args:
        stages: N, at least 1.
        gamma: the share that may be used, above 0.
        psi_critical: Psi_c, the critical entropy of one stage, in nats, above 0.

    Raises:
        ParameterError: if an argument is outside its domain.
    """
    require(stages >= 1, "number of stages", stages, "at least 1")
    require(math.isfinite(gamma) and gamma > 0, "gamma", gamma, "a number above 0")
    require(math.isfinite(psi_critical) and psi_critical > 0, "Psi_c", psi_critical, "a number above 0")
    return gamma * stages * psi_critical


@dataclass(frozen=True)
class BudgetStatus:
    """One Psi_total, compared with the budget.

    Attributes:
        violation: Delta = max(0, Psi_total - budget), nat.
        remaining: max(0, budget - Psi_total), nat.
        is_violated: True if Psi_total is above the budget. A Psi_total equal to the budget is within it.
    """

    violation: float
    remaining: float
    is_violated: bool


class EntropyBudget:
    """A budget (published Eq. 10-11) that counts how often it was checked and how often it was violated.

    Attributes:
        psi_budget: the budget, nat.
        checks: number of calls of `check`.
        violations: number of those that found a violation.

    Raises:
        ParameterError: if the budget is not a finite number above 0.
    """

    def __init__(self, psi_budget: float) -> None:
        require(math.isfinite(psi_budget) and psi_budget > 0, "psi_budget", psi_budget, "a number above 0")
        self.psi_budget = psi_budget
        self.checks = 0
        self.violations = 0

    def check(self, psi_total: float) -> BudgetStatus:
        """Compare one Psi_total (nat) with the budget, and count it.

        Raises:
            ParameterError: if Psi_total is negative or not finite.
        """
        require(
            math.isfinite(psi_total) and psi_total >= 0,
            "psi_total",
            psi_total,
            "a finite number of at least 0",
        )
        status = BudgetStatus(
            violation=max(0.0, psi_total - self.psi_budget),
            remaining=max(0.0, self.psi_budget - psi_total),
            is_violated=psi_total > self.psi_budget,
        )
        self.checks += 1
        self.violations += status.is_violated
        return status
