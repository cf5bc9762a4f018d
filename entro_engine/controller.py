"""The published control law (Eq. 14), and the protocol that every controller of the plant implements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from entro_engine.elementwise import Elementwise
from entro_engine.errors import require

ALPHA = 0.5
"""Published: the control authority. The strongest correction takes half of the served rate away."""

BETA = 2.0
"""Published: the steepness of the correction, 1/nat."""


def require_gains(alpha: float, beta: float) -> None:
    """Check both gains of the control law.

    Raises:
        ParameterError: if alpha is outside 0..1 or beta is negative.
    """
    require(0 <= alpha <= 1, "alpha", alpha, "a number from 0 to 1")
    require(math.isfinite(beta) and beta >= 0, "beta", beta, "a number of at least 0")


@dataclass(frozen=True)
class ControlSignal:
    """The correction of one stage.

    Attributes:
        u: the correction, between -alpha and 0.
        rho: the stage's share of Psi_total, 0..1.
        delta: Delta, the excess of Psi_total over the budget, nat.
    """

    u: float
    rho: float
    delta: float


class ENTROEngineController:
    """The published law for one stage: u = -alpha * rho * tanh(beta * Delta) (Eq. 14).

    Args:
        alpha: control authority, 0..1.
        beta: steepness, 1/nat, at least 0.
        psi_budget: the budget, nat, above 0.

    Raises:
        ParameterError: if a parameter is outside its domain.
    """

    def __init__(self, alpha: float = ALPHA, beta: float = BETA, psi_budget: float = 3.0) -> None:
        require_gains(alpha, beta)
        require(math.isfinite(psi_budget) and psi_budget > 0, "psi_budget", psi_budget, "a number above 0")
        self.alpha = alpha
        self.beta = beta
        self.psi_budget = psi_budget

    def compute_control(self, psi_i: float, psi_total: float) -> ControlSignal:
        """Return the correction of one stage.

        Args:
            psi_i: Psi of the stage, nat.
            psi_total: Psi of all stages together, nat.

        Raises:
            ParameterError: if one is negative or not finite, or if `psi_i` is larger than `psi_total`.
        """
        require(
            math.isfinite(psi_total) and psi_total >= 0,
            "psi_total",
            psi_total,
            "a finite number of at least 0",
        )
        require(
            0 <= psi_i <= psi_total * (1 + 1e-12),  # allows for rounding of the total
            "psi_i",
            psi_i,
            f"from 0 to psi_total, which is {psi_total!r}",
        )
        delta = max(0.0, psi_total - self.psi_budget)
        rho = min(psi_i / psi_total, 1.0) if psi_total > 0 else 0.0
        return ControlSignal(u=-self.alpha * rho * math.tanh(self.beta * delta), rho=rho, delta=delta)


class Controller(Protocol):
    """The protocol of a controller, which steers the plant's scraper.

    The plant calls `update` once per step, in order, so a controller may keep state. `start` returns a fresh one for
    each simulation. The same code serves one run (floats) and many at once (arrays with one entry per run).

    Attributes:
        name: the name in tables and files.
        limit: a fixed limit on the scraper's rate, req/s, or infinity.
        caps: True if the corrections move a cap on the rate.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - documented above, like the next two
    @property
    def limit(self) -> float: ...  # noqa: D102
    @property
    def caps(self) -> bool: ...  # noqa: D102

    def start(self, ops: Elementwise) -> Controller:
        """Return a fresh controller for one simulation, which computes with `ops`."""
        ...

    def update(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """Return the corrections (u_s, u_l) of both stages, from their Psi (nat)."""
        ...


def corrections(ops: Elementwise, alpha: float, beta: float, delta: Any, psi: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return both stages' u = -alpha * rho * tanh(beta * Delta) (published Eq. 12-14), for one run or many.

    Args:
        ops: operations on floats or on arrays.
        alpha: control authority, 0..1.
        beta: steepness, 1/nat.
        delta: the excess of Psi_total over the level that the controller defends, nat.
        psi: Psi of the two stages, nat.

    Returns:
        The two corrections; both are 0 where Psi_total is 0.
    """
    total = psi[0] + psi[1]
    # With a total of 0 both numerators are 0, so dividing by 1 makes both corrections 0.
    nonzero_total = ops.where(total > 0, total, 1.0)
    strength = -alpha * ops.tanh(beta * delta)
    # Compute the share first: it is at most 1, so rounding cannot push a correction past -alpha.
    return strength * (psi[0] / nonzero_total), strength * (psi[1] / nonzero_total)
