"""The `predictive` controller (chosen): v9 for observations that are several steps old.

What was sent since the newest observation is known without delay, so the controller predicts the queue that the server
has by now, and bounds what may be on its way to the server. With observations of the previous step it is v9.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from entro_engine.controller import ALPHA, BETA
from entro_engine.entro_engine_v9 import GUARD, Regime, RegimeParameters, RegimeState, V9Controller
from entro_engine.entropy import Stage
from entro_engine.errors import require
from entro_engine.simulator_v9 import HEADROOM, PROBE, SMOOTHING

SLOW_SMOOTHING = 0.1
"""Chosen: the share of a new served rate that enters its slow estimate, per step."""

MAX_GAIN = 0.8
"""Chosen: the largest share that a served rate over many steps has in the fast estimate."""


class PredictiveController:
    """The cap on what is sent to one queue.

    Args:
        rate: the stage of what is sent; its full load is r_max, req/s.
        queue: the server's stage.
        nominal_capacity: the assumed served rate before one was seen, req/s, above 0.
        step_s: dt, the time between two calls of `cap`, s.
        budget: Psi_budget of the two stages, nat.
        alpha: control authority, 0..1.
        beta: steepness, 1/nat.
        guard: where the guard lies between the thresholds of the regime engine, 0..1.

    Attributes:
        served_rate: s_hat, the fast estimate of what the server serves, req/s.
        usual_rate: w_hat, the slow estimate, which a stall does not change, req/s.
        psi: Psi of both stages as predicted for now, nat.

    Raises:
        ParameterError: if a parameter is outside its domain.
    """

    def __init__(
        self,
        rate: Stage,
        queue: Stage,
        nominal_capacity: float,
        step_s: float = 1.0,
        budget: float = 3.0,
        alpha: float = ALPHA,
        beta: float = BETA,
        guard: float = GUARD,
    ) -> None:
        for name, value in (("nominal_capacity", nominal_capacity), ("step_s", step_s)):
            require(math.isfinite(value) and value > 0, name, value, "a number above 0")
        self.rate, self.queue, self.step_s = rate, queue, step_s
        self.served_rate = self.usual_rate = nominal_capacity
        self.psi = (0.0, 0.0)
        self._engine = V9Controller(budget, alpha, beta, guard)
        self._seen_queue = 0.0
        # The guard at rest, nat: how far the bound lets the load rise.
        levels = RegimeParameters(budget)
        self._guard = levels.stress_level + guard * (levels.critical_level - levels.stress_level)

    def observe(self, queue: float, served: float, steps: int = 1) -> None:
        """Take in an observation of the server.

        Args:
            queue: requests waiting at its time.
            served: mean rate served since the observation before, req/s.
            steps: the number of steps between the two.
        """
        self._seen_queue = queue
        if queue > 0:
            gain = min(1.0 - (1.0 - SMOOTHING) ** steps, MAX_GAIN) if steps > 1 else SMOOTHING
            self.served_rate += gain * (served - self.served_rate)
            if served > 1e-9:  # a stall, rounding aside, does not show what the server can serve
                self.usual_rate += (1.0 - (1.0 - SLOW_SMOOTHING) ** steps) * (served - self.usual_rate)
        else:
            # An idle server shows only that its capacity is at least what it served.
            self.served_rate = max(self.served_rate, served)
            self.usual_rate = max(self.usual_rate, served)

    def cap(self, sent: Sequence[float], last_sent: float, lag: int = 1, bounded: bool = False) -> float:
        """Advance one step. Return the cap on what may be sent in it, req/s.

        Args:
            sent: the rates sent in the steps after the observation, oldest first, req/s; `lag` - 1 of them, or fewer
                at the start.
            last_sent: the rate sent in the previous step, req/s.
            lag: age of the newest observation, in steps, at least 1.
            bounded: bound what may be on its way to the server at a lag of one step, too.
        """
        predicted = self._seen_queue
        for rate in sent:
            predicted = max(0.0, predicted + (rate - self.served_rate) * self.step_s)
        self.psi = self.entropy_proxies(last_sent, predicted)
        u_rate, u_queue = self._engine.update(*self.psi)
        ceiling = self.rate.full_load
        cap: float = min(max(self.served_rate * (1 + HEADROOM + u_rate + u_queue), self.probe), ceiling)
        if lag > 1 or bounded:
            cap = min(cap, max(self.probe, self._free_places(sent, lag) / self.step_s))
        return cap

    def entropy_proxies(self, rate: float, queue: float) -> tuple[float, float]:
        """Return Psi of both stages, nat, under a rate (req/s) and a queue (requests)."""
        log1p = self._engine.ops.log1p
        return log1p(rate * self.rate.scale), log1p(queue * self.queue.scale)

    @property
    def probe(self) -> float:
        """The lowest cap, req/s: a trickle that shows when the server is back."""
        return PROBE * self.rate.full_load

    @property
    def state(self) -> RegimeState:
        """The state of the controller's regime engine, which judges the predicted load."""
        engine = self._engine
        return RegimeState(engine._energy, engine._memory, Regime(engine._regime))

    @state.setter
    def state(self, state: RegimeState) -> None:
        self._engine._energy, self._engine._memory = state.energy, state.memory
        self._engine._regime = int(state.regime)

    def _free_places(self, sent: Sequence[float], lag: int) -> float:
        """Return how many requests may still be sent before the next observation, requests."""
        rest = self._guard - math.log1p(self.usual_rate * self.rate.scale)
        allowed_queue = math.expm1(rest) / self.queue.scale
        served_meanwhile = self.usual_rate * lag * self.step_s
        return served_meanwhile + allowed_queue - (self._seen_queue + sum(sent) * self.step_s)
