"""The `predictive` controller (chosen): v9 for observations that are several steps old.

What was sent since the newest observation is known without delay, so the controller predicts the queue that the server
has by now, and bounds what may be on its way to the server. With observations of the previous step it is v9.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from entro_engine.controller import ServedRate
from entro_engine.entro_engine_v9 import RegimeParameters, V9Controller
from entro_engine.plant import View

SLOW_SMOOTHING = 0.1
"""Chosen: the share of a new served rate that enters its slow estimate, per step."""

MAX_GAIN = 0.8
"""Chosen: the largest share that a served rate over many steps has in the fast estimate."""


class PredictiveController(V9Controller):
    """v9 on the load that is predicted for now.

    The arguments are those of `V9Controller`. A program of its own clock calls `observe` when there is something new,
    and `cap_now` at each step; the plant calls `update`.

    Attributes:
        usual_rate: w_hat, the slow estimate of the served rate, which a stall does not change.
        predicted: Psi of both stages as predicted for now, nat.
    """

    name = "predictive"

    def reset(self) -> None:
        """Put the regime engine to rest, and assume the nominal capacity and the initial queue."""
        super().reset()
        self.usual_rate = ServedRate(self.plant.nominal_capacity, SLOW_SMOOTHING)
        self.predicted: tuple[Any, Any] = (0.0, 0.0)
        self._queue: Any = self.plant.initial_queue
        levels = RegimeParameters(self.psi_budget)
        # The guard at rest, nat: how far the bound lets the load rise.
        self._guard = levels.stress_level + self.guard * (levels.critical_level - levels.stress_level)

    def update(self, view: View) -> Any:
        """Advance one step. Return the cap, req/s."""
        if view.served is not None:
            self.observe(view.queue, view.served)
        return self.cap_now(view.sent, view.last_sent, self.plant.lag)

    def observe(self, queue: Any, served: Any, steps: int = 1) -> None:
        """Take in an observation of the server.

        Args:
            queue: requests waiting at its time.
            served: mean rate served since the observation before, req/s.
            steps: the number of steps between the two.
        """
        self._queue = queue
        fast = min(1.0 - (1.0 - self.smoothing) ** steps, MAX_GAIN) if steps > 1 else self.smoothing
        self.served_rate.observe(self.ops, queue, served, fast)
        before, slow = self.usual_rate.value, 1.0 - (1.0 - SLOW_SMOOTHING) ** steps
        self.usual_rate.observe(self.ops, queue, served, slow)
        stalled = (queue > 0) & (served <= 1e-9)  # a stall, rounding aside, does not show what the server can serve
        self.usual_rate.value = self.ops.where(stalled, before, self.usual_rate.value)

    def cap_now(self, sent: Sequence[Any], last_sent: Any, lag: int, bounded: bool = False) -> Any:
        """Advance one step. Return the cap on what may be sent in it, req/s.

        Args:
            sent: the rates sent in the steps after the observation, oldest first, req/s; `lag` - 1 of them, or fewer
                at the start.
            last_sent: the rate sent in the previous step, req/s.
            lag: age of the newest observation, in steps, at least 1.
            bounded: bound what may be on its way to the server at a lag of one step, too.
        """
        ops, dt = self.ops, self.plant.step_s
        queue = self._queue
        for rate in sent:
            queue = ops.maximum(queue + (rate - self.served_rate.value) * dt, 0.0)
        self.predicted = self.psi(last_sent, queue)
        cap = self.cap(self.predicted)
        if lag > 1 or bounded:
            cap = ops.minimum(cap, ops.maximum(self._free_places(sent, lag) / dt, self.plant.probe_per_s))
        return cap

    def _free_places(self, sent: Sequence[Any], lag: int) -> Any:
        """Return how many requests may still be sent before the next observation, requests."""
        usual, dt = self.usual_rate.value, self.plant.step_s
        rest = self._guard - self.ops.log1p(usual * self.plant.rate.scale)
        allowed_queue = (self.ops.exp(rest) - 1.0) / self.plant.queue.scale
        return usual * lag * dt + allowed_queue - (self._queue + sum(sent) * dt)
