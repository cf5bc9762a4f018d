"""Controllers to compare the engine with: no control, a fixed limit, and Eq. 14 at the budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from entro_engine.controller import ALPHA, BETA, Controller, corrections, require_gains
from entro_engine.elementwise import SCALAR, Elementwise
from entro_engine.errors import require

STATIC_LIMIT = 1.5
"""The limit of the published static baseline, req/s."""


@dataclass(frozen=True)
class Uncontrolled:
    """No control: the scraper sends all it has."""

    name: str = "uncontrolled"
    limit: float = math.inf
    caps: bool = False

    def start(self, ops: Elementwise) -> Controller:
        """Return the controller itself, as it has no state."""
        return self

    def update(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """Return no correction."""
        return 0.0, 0.0


@dataclass(frozen=True)
class StaticLimit:
    """A scraper that never exceeds one fixed rate.

    Attributes:
        limit: the rate, req/s, above 0.
    """

    limit: float = STATIC_LIMIT
    name: str = "static"
    caps: bool = False

    def __post_init__(self) -> None:
        require(math.isfinite(self.limit) and self.limit > 0, "limit", self.limit, "a rate above 0 req/s")

    def start(self, ops: Elementwise) -> Controller:
        """Return the controller itself, as it has no state."""
        return self

    def update(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """Return no correction: `limit` alone holds the rate."""
        return 0.0, 0.0


@dataclass(frozen=True)
class Eq14:
    """The published law (Eq. 14), with Delta measured from the budget itself.

    Attributes:
        psi_budget: the budget, nat.
        alpha: control authority, 0..1.
        beta: steepness, 1/nat.
    """

    psi_budget: float = 3.0
    alpha: float = ALPHA
    beta: float = BETA
    name: str = "eq14"
    limit: float = math.inf
    caps: bool = True
    ops: Elementwise = field(default=SCALAR, repr=False)

    def __post_init__(self) -> None:
        require_gains(self.alpha, self.beta)
        require(
            math.isfinite(self.psi_budget) and self.psi_budget > 0, "psi_budget", self.psi_budget, "a number above 0"
        )

    def start(self, ops: Elementwise) -> Controller:
        """Return a copy that computes with `ops`."""
        return Eq14(self.psi_budget, self.alpha, self.beta, ops=ops)

    def update(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """Return both corrections, from the Psi (nat) of both stages."""
        delta = self.ops.maximum(psi_rate + psi_queue - self.psi_budget, 0.0)
        return corrections(self.ops, self.alpha, self.beta, delta, (psi_rate, psi_queue))
