"""Worlds of `arena.py` that differ from the arena in one thing each, and controllers that see or remember less."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np
from controllers import Peer

from entro_engine import LLM, SCRAPER, Controller, Plant, PredictiveController
from entro_engine.arena import Arena
from entro_engine.elementwise import SCALAR, Elementwise
from entro_engine.entropy import FloatArray
from entro_engine.plant import View

AS_IS = Arena()


@dataclass(frozen=True)
class World:
    """The arena, or a change of it.

    Attributes:
        about: the change, in a line.
        arena: the world that is drawn.
        group: requests arrive in groups of this size; their mean rate is that of the arena.
        service_noise: standard deviation of a factor on the capacity of each step.
        dips: the capacity is halved in every second stretch of this many steps; 0: never.
        capacity_factor: the nominal capacity that controllers are given, as a share of the true one.
        full_factor: the full loads that they are given, as a share of the true ones.
        every: steps between two samples of the server.
        restarts: steps between two restarts of the controller, which loses its state; 0: none.
    """

    about: str
    arena: Arena = AS_IS
    group: int = 1
    service_noise: float = 0.0
    dips: int = 0
    capacity_factor: float = 1.0
    full_factor: float = 1.0
    every: int = 1
    restarts: int = 0

    @lru_cache(maxsize=4)  # noqa: B019 - a world lives as long as the program
    def loads(self, seeds: range) -> tuple[FloatArray, FloatArray]:
        """Return demand and capacity (req/s), both of shape (steps, runs)."""
        shares = {name: getattr(self.arena, name) / self.group for name in ("calm_demand", "busy_demand")}
        demand, capacity = replace(self.arena, **shares).draw(seeds)
        if self.service_noise:
            noise = [np.random.default_rng(seed).normal(1.0, self.service_noise, len(capacity)) for seed in seeds]
            capacity = capacity * np.maximum(np.transpose(noise), 0.0)
        if self.dips:
            is_dip = np.arange(len(capacity)) // self.dips % 2 == 1
            capacity = np.where(is_dip[:, np.newaxis], 0.5 * capacity, capacity)
        return demand * self.group, capacity

    def believed(self, lag: int) -> Plant:
        """Return the plant as controllers are given it."""
        rate, queue = (replace(stage, full=self.full_factor * stage.full_load) for stage in (SCRAPER, LLM))
        nominal = self.capacity_factor * self.arena.capacity
        return replace(self.arena.plant(lag), nominal_capacity=nominal, rate=rate, queue=queue)

    def controller(self, inner: Controller) -> Controller:
        """Return a controller as it is in this world. The informed reference knows all, and stays as it is."""
        if not isinstance(inner, Informed):
            inner = Sampled(inner, self.every) if self.every > 1 else inner
            inner = Restarted(inner, self.restarts) if self.restarts else inner
        return inner


ARENA = World("the arena as it is")
WORLDS = (
    ARENA,
    World("the server never stalls", Arena(stalls=0.0)),
    World("requests arrive in groups of five, at the same mean rate", group=5),
    World("the capacity of each step is multiplied by a normal number of mean 1 and deviation 0.5", service_noise=0.5),
    World(
        "the capacity drifts five times as fast, within 0.4 to 2.4 req/s", Arena(drift=0.1, capacity_range=(0.4, 2.4))
    ),
    World("the capacity is halved in every second stretch of 100 steps", dips=100),
    World("the controller restarts every 50 steps and has lost its state", restarts=50),
    World("controllers are given half of the capacity", capacity_factor=0.5),
    World("controllers are given twice the capacity", capacity_factor=2.0),
    World("controllers are given half of the full loads", full_factor=0.5),
    World("controllers are given twice the full loads", full_factor=2.0),
    World("controllers see a sample every 5 steps", every=5),
    World("controllers see a sample every 15 steps", every=15),
)


@dataclass(eq=False)
class Informed(Peer):
    """A reference that knows its world: it sends so that the queue is `target` when what it sends arrives.

    It learns of a stall as late as the others do, and sends nothing while it sees one.

    Attributes:
        capacity: of each step, req/s, shape (steps,) or (steps, runs).
        target: q_0, requests.
    """

    capacity: FloatArray
    target: Any = 2.0
    name = "informed reference"

    def reset(self) -> None:
        self._step = 0
        self._queue: Any = self.plant.initial_queue
        self._working: Any = self.plant.nominal_capacity

    def allowed(self, view: View) -> Any:
        step, dt = self._step, self.plant.step_s
        if step:
            self._queue = np.maximum(self._queue + (view.last_sent - self.capacity[step - 1]) * dt, 0.0)
        now = self.capacity[step]
        self._working = np.where(now > 0, now, self._working)
        missing = np.where(now > 0, (self.target - self._queue) / dt, 0.0)
        sees_stall = step >= self.plant.lag and self.capacity[step - self.plant.lag] <= 0
        self._step += 1
        return np.where(sees_stall, 0.0, self._working + missing)


class Wrapper(Controller):
    """A controller that passes a view on to another one."""

    def __init__(self, inner: Controller, every: int) -> None:
        self.inner, self.every = inner, every

    def start(self, plant: Plant, ops: Elementwise = SCALAR) -> Self:
        fresh = super().start(plant, ops)
        fresh.inner = self.inner.start(plant, ops)
        return fresh

    def reset(self) -> None:
        self._step = -1


class Restarted(Wrapper):
    """A controller that loses its state every few steps."""

    def update(self, view: View) -> Any:
        self._step += 1
        if self._step % self.every == 0:
            self.inner.reset()
        return self.inner.update(view)


class Sampled(Wrapper):
    """A controller that sees the server every few steps. Between two samples it knows only what was sent since.

    It is given the oldest age of a sample as its lag; `predictive` goes by the age of each.
    """

    def start(self, plant: Plant, ops: Elementwise = SCALAR) -> Self:
        fresh = super().start(plant, ops)
        fresh.inner = self.inner.start(replace(plant, lag=plant.lag + self.every - 1), ops)
        return fresh

    def reset(self) -> None:
        super().reset()
        self._served: list[FloatArray] = []  # in each step since the last sample, req/s

    def update(self, view: View) -> Any:
        self._step += 1
        self._served += [] if view.served is None else [view.served]
        age = self._step % self.every
        if age:
            self._sent.append(view.last_sent)
        else:
            served = np.mean(self._served, axis=0) if self._served else None
            self._sample, self._sent, self._served = replace(view, served=served), list(view.sent), []
        held = replace(self._sample, sent=self._sent, last_sent=view.last_sent, available=view.available)
        if not isinstance(self.inner, PredictiveController):
            return self.inner.update(held)
        if not age and held.served is not None:
            self.inner.observe(held.queue, held.served, self.every)
        return self.inner.cap_now(held.sent, held.last_sent, self.plant.lag + age)
