"""Controllers to compare the engine with: no control, a fixed limit, and Eq. 14 at the budget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from entro_engine.controller import ALPHA, BETA, HEADROOM, SMOOTHING, corrections
from entro_engine.errors import require, require_cap, require_gains
from entro_engine.plant import Controller, CorrectingController, View

STATIC_LIMIT = 1.5
"""The limit of the published static baseline, req/s."""


class Uncontrolled(Controller):
    """No control: the scraper sends all it has."""

    name = "uncontrolled"

    def update(self, view: View) -> float:
        """Return no limit."""
        return math.inf


@dataclass
class StaticLimit(Controller):
    """A scraper that never exceeds one fixed rate.

    Attributes:
        limit: the rate, req/s, above 0.
    """

    limit: float = STATIC_LIMIT
    name = "static"

    def __post_init__(self) -> None:
        require(math.isfinite(self.limit) and self.limit > 0, "limit", self.limit, "a rate above 0 req/s")

    def update(self, view: View) -> float:
        """Return the limit, req/s."""
        return self.limit


@dataclass
class Eq14(CorrectingController):
    """The published law (Eq. 14), with Delta measured from the budget itself.

    Attributes:
        psi_budget: the budget, nat.
        alpha: control authority, 0..1.
        beta: steepness, 1/nat.
    """

    psi_budget: float = 3.0
    alpha: float = ALPHA
    beta: float = BETA
    headroom: float = HEADROOM
    smoothing: float = SMOOTHING
    name = "eq14"

    def __post_init__(self) -> None:
        require_gains(self.alpha, self.beta)
        require_cap(self.headroom, self.smoothing)
        require(
            math.isfinite(self.psi_budget) and self.psi_budget > 0, "psi_budget", self.psi_budget, "a number above 0"
        )

    def corrections(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """Return both corrections, from the Psi (nat) of both stages."""
        delta = self.ops.maximum(psi_rate + psi_queue - self.psi_budget, 0.0)
        return corrections(self.ops, self.alpha, self.beta, delta, (psi_rate, psi_queue))
