"""The controllers the engine is compared with: nothing at all, a fixed limit, and Eq. 14 at the budget."""

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
    """Nothing holds the scraper back."""

    name: str = "uncontrolled"
    limit: float = math.inf
    caps: bool = False

    def start(self, ops: Elementwise) -> Controller:
        """Itself: it has no state."""
        return self

    def update(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """No correction."""
        return 0.0, 0.0


@dataclass(frozen=True)
class StaticLimit:
    """The scraper never goes over one fixed rate.

    Attributes:
        limit: that rate, req/s, above 0.
    """

    limit: float = STATIC_LIMIT
    name: str = "static"
    caps: bool = False

    def __post_init__(self) -> None:
        require(math.isfinite(self.limit) and self.limit > 0, "limit", self.limit, "a rate above 0 req/s")

    def start(self, ops: Elementwise) -> Controller:
        """Itself: it has no state."""
        return self

    def update(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """No correction."""
        return 0.0, 0.0


@dataclass(frozen=True)
class Eq14:
    """The published law, with Delta measured from the budget itself.

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
        """A copy that computes with `ops`."""
        return Eq14(self.psi_budget, self.alpha, self.beta, ops=ops)

    def update(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """Both corrections, from the Psi it sees."""
        delta = self.ops.maximum(psi_rate + psi_queue - self.psi_budget, 0.0)
        return corrections(self.ops, self.alpha, self.beta, delta, (psi_rate, psi_queue))
