"""The controllers of the published sister systems ENTRO-CORE and ENTRO-AI, as baselines.

Their laws are published (packages entro-core 0.1.0 and entro-ai 2.0.0). What they act on in this plant is chosen here.
"""

from __future__ import annotations

from typing import Any

from entro_engine.plant import Controller, View

_PUBLISHED_QUEUE = 10.0
"""The queue that the published laws take as full, requests."""


class CoreController(Controller):
    """ENTRO-CORE (DOI 10.5281/zenodo.19431029): a single-system controller, here on the server's queue.

    u = clip(0.5 / (1 + e^-(n - 1.4)) + 0.3 tanh(x') + 0.2 tanh(x''), 0, 1) with n = 2 (1 - 1/(1 + x/10)); the action
    1 - e^-5u holds back that share of r_max.
    """

    name = "core"

    def reset(self) -> None:
        """Forget the queue: its differences are 0 until they are known."""
        self._queue: Any = None
        self._change: Any = None

    def update(self, view: View) -> Any:
        """Advance one step. Return the cap, req/s."""
        ops = self.ops
        queue = view.queue * (_PUBLISHED_QUEUE / self.plant.queue.full_load)
        change: Any = 0.0
        acceleration: Any = 0.0
        if view.served is not None:
            if self._queue is not None:
                change = self._clipped(queue - self._queue)
                if self._change is not None:
                    acceleration = self._clipped(change - self._change)
                self._change = change
            self._queue = queue
        level = 2.0 * (1.0 - 1.0 / (1.0 + queue / _PUBLISHED_QUEUE))
        strength = 0.5 / (1.0 + ops.exp(1.4 - level)) + 0.3 * ops.tanh(change) + 0.2 * ops.tanh(acceleration)
        return self.plant.most_per_s * ops.exp(-5.0 * ops.minimum(ops.maximum(strength, 0.0), 1.0))

    def _clipped(self, change: Any) -> Any:
        return self.ops.minimum(self.ops.maximum(change, -10.0), 10.0)


class AiController(Controller):
    """ENTRO-AI (DOI 10.5281/zenodo.19284086): throttling by levels of the server's Psi, with a slow release."""

    name = "ai"
    _LEVELS = (1.5, 1.7, 1.85, 2.0)  # nat: levels 1 to 4 begin here
    _RELEASE_BELOW = 1.3  # nat
    _RELEASE_S = 120.0  # of calm in all, until a level is left

    def reset(self) -> None:
        """Begin at level 0."""
        self._level: Any = 0
        self._calm_s: Any = 0.0

    def update(self, view: View) -> Any:
        """Advance one step. Return the cap, req/s."""
        where, most = self.ops.where, self.plant.most_per_s
        psi = self.ops.log1p(view.queue * self.plant.queue.scale)
        seen: Any = sum(where(psi >= begin, 1, 0) for begin in self._LEVELS)
        rises = seen >= self._level
        level, calm_s = where(rises, seen, self._level), where(rises & (seen > 0), 0.0, self._calm_s)
        calm_s = calm_s + where((psi < self._RELEASE_BELOW) & (level > 0), self.plant.step_s, 0.0)
        released = calm_s >= self._RELEASE_S
        self._level, self._calm_s = where(released, 0, level), where(released, 0.0, calm_s)
        caps = (most, 0.6 * most, 0.39 * most, 0.8 * self.plant.nominal_capacity, 0.0)
        least: Any = most
        for number, cap in enumerate(caps):
            least = where(self._level == number, cap, least)
        return least + (most - least) * self._calm_s / self._RELEASE_S
