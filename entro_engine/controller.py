"""The published control law (Eq. 12-14), and the estimate of the served rate that it acts on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from entro_engine.elementwise import Elementwise
from entro_engine.errors import require, require_gains

ALPHA = 0.5
"""Published: the control authority. The strongest correction takes half of the served rate away."""

BETA = 2.0
"""Published: the steepness of the correction, 1/nat."""

HEADROOM = 0.1
"""Chosen: the share by which the cap may exceed the served rate."""

SMOOTHING = 0.4
"""Chosen: the share of a new served rate that enters its estimate, per step."""

PROBE = 0.01
"""Chosen: the lowest cap, as a share of r_max. It keeps a trickle going to a dead server, so its return is noticed."""


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


class ServedRate:
    """s_hat, the estimate of the rate that a server can serve.

    Args:
        start: the assumed rate before one was seen, req/s.
        smoothing: the share of a new served rate that enters the estimate, per step.

    Attributes:
        value: the estimate, req/s.
    """

    def __init__(self, start: Any, smoothing: float = SMOOTHING) -> None:
        self.value = start
        self.smoothing = smoothing

    def observe(self, ops: Elementwise, queue: Any, served: Any, smoothing: float | None = None) -> None:
        """Take in a step.

        Args:
            ops: operations on floats or on arrays.
            queue: the server's queue at its end, requests.
            served: mean rate served in it, req/s.
            smoothing: the share of this rate, if it is the mean of several steps.
        """
        share = self.smoothing if smoothing is None else smoothing
        smoothed = self.value + share * (served - self.value)
        # An idle server shows only that its capacity is at least what it served.
        self.value = ops.where(queue > 0, smoothed, ops.maximum(self.value, served))


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
