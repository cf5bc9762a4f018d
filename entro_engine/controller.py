"""The published control law (Eq. 14) and the protocol of everything that can steer the plant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from entro_engine.elementwise import Elementwise
from entro_engine.errors import require

ALPHA = 0.5
"""The published control authority: the strongest correction takes half the served rate away."""

BETA = 2.0
"""The published steepness of the correction, 1/nat."""


def require_gains(alpha: float, beta: float) -> None:
    """Check the two gains of the control law.

    Raises:
        ParameterError: when alpha is outside 0..1 or beta is negative.
    """
    require(0 <= alpha <= 1, "alpha", alpha, "a number from 0 to 1")
    require(math.isfinite(beta) and beta >= 0, "beta", beta, "a number of at least 0")


@dataclass(frozen=True)
class ControlSignal:
    """The correction of one stage.

    Attributes:
        u: the correction, between -alpha and 0.
        rho: the stage's share of Psi_total, 0..1.
        delta: how far Psi_total is over the budget, nat.
    """

    u: float
    rho: float
    delta: float


class ENTROEngineController:
    """u = -alpha * rho * tanh(beta * Delta), stage by stage (published Eq. 14).

    Args:
        alpha: control authority, 0..1.
        beta: steepness, 1/nat, at least 0.
        psi_budget: the budget, nat, above 0.

    Raises:
        ParameterError: when one of them is out of its domain.
    """

    def __init__(self, alpha: float = ALPHA, beta: float = BETA, psi_budget: float = 3.0) -> None:
        require_gains(alpha, beta)
        require(math.isfinite(psi_budget) and psi_budget > 0, "psi_budget", psi_budget, "a number above 0")
        self.alpha = alpha
        self.beta = beta
        self.psi_budget = psi_budget

    def compute_control(self, psi_i: float, psi_total: float) -> ControlSignal:
        """The correction of the stage whose Psi is `psi_i` (nat) when the stages together have `psi_total` (nat).

        Raises:
            ParameterError: when one is negative or not finite, or the part is larger than the whole.
        """
        require(
            math.isfinite(psi_total) and psi_total >= 0,
            "psi_total",
            psi_total,
            "a finite number of at least 0",
        )
        require(
            0 <= psi_i <= psi_total * (1 + 1e-12),
            "psi_i",
            psi_i,
            f"from 0 to psi_total, which is {psi_total!r}",
        )
        delta = max(0.0, psi_total - self.psi_budget)
        rho = min(psi_i / psi_total, 1.0) if psi_total > 0 else 0.0
        return ControlSignal(u=-self.alpha * rho * math.tanh(self.beta * delta), rho=rho, delta=delta)


class Controller(Protocol):
    """What steers the plant's scraper.

    It is asked once a step, in order, and may keep a state between the steps: `start` makes a fresh one for each
    simulation. The same object serves one run (floats) and many at once (an array with an entry a run).

    Attributes:
        name: what it is called in tables and files.
        limit: a fixed limit on the scraper's rate, req/s; infinite for none.
        caps: whether the corrections move a cap on the rate at all.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - told above, like the two below
    @property
    def limit(self) -> float: ...  # noqa: D102
    @property
    def caps(self) -> bool: ...  # noqa: D102

    def start(self, ops: Elementwise) -> Controller:
        """A fresh controller for one simulation, computing with `ops`."""
        ...

    def update(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """The corrections (u_s, u_l) of the two stages, from the Psi (nat) that it sees."""
        ...


def corrections(ops: Elementwise, alpha: float, beta: float, delta: Any, psi: tuple[Any, Any]) -> tuple[Any, Any]:
    """Both stages' u = -alpha * rho * tanh(beta * Delta) (published Eq. 12-14), for one run or many.

    Args:
        ops: floats or arrays.
        alpha: control authority, 0..1.
        beta: steepness, 1/nat.
        delta: how far Psi_total is over the level the controller defends, nat.
        psi: Psi of the two stages, nat.

    Returns:
        The two corrections; both 0 where Psi_total is 0.
    """
    total = psi[0] + psi[1]
    whole = ops.where(total > 0, total, 1.0)
    strength = -alpha * ops.tanh(beta * delta)
    # The share first: it is at most 1, so rounding cannot carry a correction past -alpha.
    return strength * (psi[0] / whole), strength * (psi[1] / whole)
