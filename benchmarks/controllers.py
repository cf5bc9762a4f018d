"""The controllers of other projects, put into the plant of `entro_engine` to compare with its own (`arena.py`).

Each limits a rate, or what may be in flight. Nothing is dropped: what is held back waits in the frontier. They use
NumPy, so that a parameter is a number or an array with one entry per run, and settings run side by side. None sends
more than r_max. A round-trip is the wait and a service of 1 / c_max (0.83 s on the published plant); Gradient2 and
Vegas add the steps until it is seen.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from entro_engine.controller import ServedRate
from entro_engine.entropy import FloatArray
from entro_engine.plant import Controller, View

MOST_IN_FLIGHT = 200.0
"""The highest limit on requests in flight: the default of concurrency-limits."""


class OwnRequests:
    """The requests of a controller in the order in which they are served: first in, first out."""

    def __init__(self) -> None:
        self._sent: Any = None  # in all, to the end of each step; shape (steps, runs), and room for more
        self._steps = 0

    def wait(self, view: View, dt: float) -> FloatArray:
        """Add what was sent in the last step. Return how long the newest request waited that was seen served, s."""
        self._add(np.atleast_1d(view.last_sent) * dt)
        seen = max(self._steps - 1 - len(view.sent), 0)  # after a restart, what was sent before it is not known
        served = self._sent[seen] - np.atleast_1d(view.queue)
        behind = np.arange(served.size)
        while True:  # to the first step whose requests reach what was served; the tolerance is for rounding
            behind = behind[self._sent[self._oldest[behind], behind] < served[behind] - 1e-9]
            if not behind.size:
                return np.reshape((seen - self._oldest) * dt, np.shape(view.queue))
            self._oldest[behind] += 1

    def _add(self, sent: FloatArray) -> None:
        if self._sent is None:
            self._sent, self._oldest = np.zeros((64, sent.size)), np.zeros(sent.size, np.int64)
        elif self._steps == len(self._sent):
            self._sent = np.concatenate([self._sent, np.zeros_like(self._sent)])
        self._sent[self._steps] = self._sent[self._steps - 1] + sent if self._steps else sent
        self._steps += 1


class Peer(Controller):
    """A peer. `allowed` is its law; what it allows is kept from 0 to r_max."""

    def update(self, view: View) -> Any:
        return np.clip(self.allowed(view), 0.0, self.plant.most_per_s)

    @abstractmethod
    def allowed(self, view: View) -> Any:
        """Advance one step. Return the rate that may be sent in it, req/s; it may be negative."""

    def in_flight(self, view: View) -> Any:
        """Return what was sent and has not been seen served, requests."""
        return view.queue + sum(view.sent) * self.plant.step_s


@dataclass(eq=False)
class FixedRate(Peer):
    """A rate that is never exceeded: Scrapy's DOWNLOAD_DELAY, a token bucket."""

    rate: Any
    name = "static"

    def allowed(self, view: View) -> Any:
        return self.rate


@dataclass(eq=False)
class InFlightWindow(Peer):
    """A fixed limit on requests in flight: Netflix/concurrency-limits, FixedLimit.java."""

    limit: Any
    name = "window"

    def allowed(self, view: View) -> Any:
        return (self.limit - self.in_flight(view)) / self.plant.step_s


class MovingWindow(Peer):
    """A limit on requests in flight that moves with the round-trips. It starts at twice `min_limit`."""

    min_limit: Any

    def reset(self) -> None:
        self.limit = 2.0 * self.min_limit
        self._own = OwnRequests()

    def allowed(self, view: View) -> Any:
        in_flight = self.in_flight(view)
        rtt = self._own.wait(view, self.plant.step_s) + 1.0 / self.plant.nominal_capacity
        if view.served is not None:
            is_served, uses_half = view.served > 0, 2.0 * in_flight >= self.limit
            moved = self.moved(rtt, view.served * self.plant.step_s, is_served, uses_half)
            self.limit = np.where(is_served, np.clip(moved, self.min_limit, MOST_IN_FLIGHT), self.limit)
        return (self.limit - in_flight) / self.plant.step_s

    @abstractmethod
    def moved(self, rtt: Any, served: Any, is_served: Any, uses_half: Any) -> Any:
        """Return the new limit, after `served` requests with a round-trip of `rtt` (s) for the last of them."""

    @property
    def unseen_s(self) -> float:
        """Delay between the service of a request and the step that sees it, s."""
        return (self.plant.lag - 1) * self.plant.step_s


@dataclass(eq=False)
class Aimd(MovingWindow):
    """Additive increase, multiplicative decrease: Netflix/concurrency-limits, AIMDLimit.java.

    One more for each request that was served in time, while half the limit is used; a share less in a step with a
    round-trip over the timeout.
    """

    timeout_s: Any
    backoff: Any
    min_limit: Any
    name = "AIMD"

    def moved(self, rtt: Any, served: Any, is_served: Any, uses_half: Any) -> Any:
        grown = self.limit + np.where(uses_half, served, 0.0)
        return np.where(rtt > self.timeout_s, self.backoff * self.limit, grown)


@dataclass(eq=False)
class Gradient2(MovingWindow):
    """Gradient of a long mean of round-trips to the present one: Netflix/concurrency-limits, Gradient2Limit.java."""

    tolerance: Any
    smoothing: Any
    queue: Any
    min_limit: Any
    name = "Gradient2"

    def reset(self) -> None:
        super().reset()
        self._long: Any = 0.0  # until there is a round-trip

    def moved(self, rtt: Any, served: Any, is_served: Any, uses_half: Any) -> Any:
        rtt = rtt + self.unseen_s
        mean = np.where(self._long > 0, self._long + 2.0 / 601.0 * (rtt - self._long), rtt)
        mean = np.where(mean > 2.0 * rtt, 0.95 * mean, mean)
        self._long = np.where(is_served, mean, self._long)
        gradient = np.clip(self.tolerance * mean / rtt, 0.5, 1.0)
        moved = (1.0 - self.smoothing) * self.limit + self.smoothing * (gradient * self.limit + self.queue)
        return np.where(uses_half, moved, self.limit)


@dataclass(eq=False)
class Vegas(MovingWindow):
    """Few requests in the queue, by the least round-trip: Netflix/concurrency-limits, VegasLimit.java."""

    alpha: Any
    beta: Any
    probe: Any
    min_limit: Any
    name = "Vegas"

    def reset(self) -> None:
        super().reset()
        self._shortest: Any = np.inf
        self._count: Any = 0.0

    def moved(self, rtt: Any, served: Any, is_served: Any, uses_half: Any) -> Any:
        rtt = rtt + self.unseen_s
        count = self._count + served
        is_due = is_served & (count >= self.probe * self.limit)
        is_new = is_due | (is_served & (rtt < self._shortest))
        self._count = np.where(is_due, 0.0, count)
        self._shortest = np.where(is_new, rtt, self._shortest)
        queued = self.limit * (1.0 - self._shortest / rtt)
        step = np.where(queued < self.alpha, 1.0, np.where(queued > self.beta, -1.0, 0.0))
        return self.limit + np.where(uses_half & ~is_new, step, 0.0)


@dataclass(eq=False)
class PiQueue(Peer):
    """A textbook PI controller of the queue; PIE (RFC 8033) is its form in routers.

    The integral is bounded, and kept while nothing waits upstream and the queue is short, so that it does not wind up.
    """

    proportional: Any
    integral: Any
    target: Any
    name = "PI"

    def reset(self) -> None:
        self._sum: Any = 0.0
        self._available: Any = 0.0

    def allowed(self, view: View) -> Any:
        error = self.queue(view) - self.target
        frontier = self._available - view.last_sent
        self._available = view.available
        is_kept = (frontier <= 1e-9) & (error <= 0)
        grown = np.clip(self._sum + error * self.plant.step_s, -30.0, 30.0)
        self._sum = np.where(is_kept, self._sum, grown)
        return self.plant.nominal_capacity - self.proportional * error - self.integral * self._sum

    def queue(self, view: View) -> Any:
        return view.queue


class PiSmith(PiQueue):
    """The PI controller behind a Smith predictor (O. J. M. Smith, 1957): it acts on the queue predicted for now."""

    name = "PI + Smith"

    def reset(self) -> None:
        super().reset()
        self._rate = ServedRate(self.plant.nominal_capacity)

    def queue(self, view: View) -> Any:
        if view.served is not None:
            self._rate.observe(self.ops, view.queue, view.served)
        queue = view.queue
        for rate in view.sent:
            queue = np.maximum(queue + (rate - self._rate.value) * self.plant.step_s, 0.0)
        return queue


@dataclass(eq=False)
class CodelGate(Peer):
    """CoDel (RFC 8289; facebook/folly, executors/Codel.cpp) as a gate in front of the queue.

    It closes if the least wait of an interval is over the target, and opens with the first wait under it.
    """

    target_s: Any
    interval_s: Any
    name = "CoDel gate"

    def reset(self) -> None:
        self._rate = ServedRate(self.plant.nominal_capacity)
        self._over_s: Any = 0.0
        self._is_closed: Any = False

    def allowed(self, view: View) -> Any:
        if view.served is not None:
            self._rate.observe(self.ops, view.queue, view.served)
        wait = view.queue / np.maximum(self._rate.value, 1e-9)
        self._over_s = np.where(wait > self.target_s, self._over_s + self.plant.step_s, 0.0)
        self._is_closed = (self._is_closed & (wait >= self.target_s)) | (self._over_s >= self.interval_s)
        return np.where(self._is_closed, 0.0, self.plant.most_per_s)


@dataclass(eq=False)
class Bbr(Peer):
    """Bottleneck bandwidth times round-trip: Linux, net/ipv4/tcp_bbr.c, without its phases.

    The bandwidth is the largest served rate of a window of steps, at first the nominal capacity.
    """

    gain: Any
    window: Any
    pacing: Any
    extra: Any
    name = "BBR"

    def reset(self) -> None:
        self._recent = deque([self.plant.nominal_capacity], int(np.max(self.window)))

    def allowed(self, view: View) -> Any:
        if view.served is not None:
            self._recent.append(view.served)
        bandwidth: Any = 0.05  # req/s
        for age, served in enumerate(reversed(self._recent)):
            bandwidth = np.where(age < self.window, np.maximum(bandwidth, served), bandwidth)
        round_trip = (self.plant.lag - 1) * self.plant.step_s + 1.0 / self.plant.nominal_capacity
        free = self.gain * bandwidth * round_trip + self.extra - self.in_flight(view)
        return np.minimum(self.pacing * bandwidth, free / self.plant.step_s)


@dataclass(eq=False)
class AutoThrottle(Peer):
    """A delay between requests that follows their latency: Scrapy, scrapy/extensions/throttle.py."""

    concurrency: Any
    start_delay_s: Any
    name = "AutoThrottle"

    def reset(self) -> None:
        self._delay: Any = self.start_delay_s
        self._own = OwnRequests()

    def allowed(self, view: View) -> Any:
        latency = self._own.wait(view, self.plant.step_s) + 1.0 / self.plant.nominal_capacity
        if view.served is not None:
            target = latency / self.concurrency
            moved = np.minimum(np.maximum(target, (self._delay + target) / 2.0), 60.0)
            self._delay = np.where(view.served > 0, moved, self._delay)
        return 1.0 / self._delay
