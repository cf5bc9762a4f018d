"""The plant's parameters, what a controller sees of it, and the base of every controller.

A controller limits the rate that the scraper may send. Each controller is a small class with one `update`, on floats
for one run and on arrays for many runs side by side.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from entro_engine.controller import HEADROOM, PROBE, SMOOTHING, ServedRate
from entro_engine.elementwise import SCALAR, Elementwise
from entro_engine.entropy import LLM, PUBLISHED_CAPACITY, SCRAPER, Stage
from entro_engine.errors import require


@dataclass(frozen=True)
class Plant:
    """Everything that is simulated besides demand and capacity.

    Attributes:
        rate: the scraper's stage; its full load is r_max, req/s.
        queue: the server's stage.
        nominal_capacity: c_max, the assumed served rate before one was seen, req/s.
        step_s: dt, s.
        initial_queue: q_0, requests.
        lag: age of what the controller sees, in steps, at least 1.

    Raises:
        ParameterError: if a value is outside its domain.
    """

    rate: Stage = SCRAPER
    queue: Stage = LLM
    nominal_capacity: float = PUBLISHED_CAPACITY
    step_s: float = 1.0
    initial_queue: float = 0.0
    lag: int = 1

    def __post_init__(self) -> None:
        is_whole = isinstance(self.lag, int | np.integer)
        require(is_whole and self.lag >= 1, "lag", self.lag, "a whole number of steps of at least 1")
        require(math.isfinite(self.step_s) and self.step_s > 0, "step_s", self.step_s, "seconds above 0")
        for name, value, unit in (
            ("nominal_capacity", self.nominal_capacity, "req/s"),
            ("initial_queue", self.initial_queue, "requests"),
        ):
            require(math.isfinite(value) and value >= 0, name, value, f"at least 0 {unit}")

    @property
    def most_per_s(self) -> float:
        """r_max, the highest rate that a controller allows, req/s."""
        return self.rate.full_load

    @property
    def probe_per_s(self) -> float:
        """The lowest cap, req/s: a trickle that shows when a dead server is back."""
        return PROBE * self.rate.full_load

    @property
    def accepted_wait_s(self) -> float:
        """W, the wait in a full queue that is served at the nominal capacity, s."""
        return self.queue.full_load / self.nominal_capacity if self.nominal_capacity else math.inf


@dataclass(slots=True)
class View:
    """A controller's knowledge at the beginning of a step: floats, or arrays with one entry per run.

    The newest step that it sees is `lag` steps old. Before there is one, the scraper counts as idle.

    Attributes:
        rate: rate sent in the step that it sees, req/s.
        queue: the server's queue at the end of that step, requests; the initial queue before there is one.
        served: mean rate served in that step, req/s; None before there is one.
        sent: the rates sent in the steps after it, oldest first, req/s; known without delay.
        last_sent: the rate sent in the previous step, req/s.
        available: the rate that could be sent now, demand + frontier / dt, req/s.
    """

    rate: Any
    queue: Any
    served: Any
    sent: Sequence[Any]
    last_sent: Any
    available: Any


class Controller(ABC):
    """A controller of the plant's scraper.

    The plant calls `update` once per step, in order, so a controller may keep state.

    Attributes:
        name: the name in tables and files.
        plant: the plant that it controls; the published one until `start`.
        ops: operations on floats or on arrays.
    """

    name: str
    plant: Plant = Plant()
    ops: Elementwise = SCALAR

    def start(self, plant: Plant, ops: Elementwise = SCALAR) -> Self:
        """Return a fresh controller for one simulation of a plant, which computes with `ops`."""
        fresh = copy(self)
        fresh.plant, fresh.ops = plant, ops
        fresh.reset()
        return fresh

    def reset(self) -> None:  # noqa: B027 - a controller without state has nothing to do
        """Set the state at the beginning of a simulation."""

    @abstractmethod
    def update(self, view: View) -> Any:
        """Advance one step. Return the highest rate that may be sent in it, req/s."""


class CorrectingController(Controller):
    """A controller whose cap is the served rate, plus some headroom, minus the corrections of both stages.

    cap = clip(s_hat (1 + headroom + u_s + u_l), 0.01 r_max, r_max). A queue has no valve, so its correction acts on the
    stage that feeds it (chosen).

    Attributes:
        headroom: the share by which the cap may exceed the served rate.
        smoothing: the share of a new served rate that enters its estimate, per step.
        served_rate: s_hat.
    """

    headroom: float = HEADROOM
    smoothing: float = SMOOTHING
    served_rate: ServedRate

    def reset(self) -> None:
        """Assume that the server serves its nominal capacity."""
        self.served_rate = ServedRate(self.plant.nominal_capacity, self.smoothing)

    def update(self, view: View) -> Any:
        """Advance one step. Return the cap, req/s."""
        if view.served is not None:
            self.served_rate.observe(self.ops, view.queue, view.served)
        return self.cap(self.psi(view.rate, view.queue))

    def cap(self, psi: tuple[Any, Any]) -> Any:
        """Return the cap (req/s) under the Psi (nat) of both stages."""
        u_rate, u_queue = self.corrections(*psi)
        cap = self.served_rate.value * (1 + self.headroom + u_rate + u_queue)
        return self.ops.minimum(self.ops.maximum(cap, self.plant.probe_per_s), self.plant.most_per_s)

    def psi(self, rate: Any, queue: Any) -> tuple[Any, Any]:
        """Return Psi of both stages, nat, under a rate (req/s) and a queue (requests)."""
        log1p = self.ops.log1p
        return log1p(rate * self.plant.rate.scale), log1p(queue * self.plant.queue.scale)

    @abstractmethod
    def corrections(self, psi_rate: Any, psi_queue: Any) -> tuple[Any, Any]:
        """Return the corrections (u_s, u_l) of both stages, from their Psi (nat)."""
