"""The coordinator: from what the server shows and what clients have sent, the cap for the next second."""

from __future__ import annotations

import dataclasses
from collections import deque
from statistics import median

import msgspec
from msgspec.structs import replace

from entro_cli.core.clock import NS
from entro_cli.live.clients import ClientRegistry
from entro_cli.live.observe import Observation
from entro_engine import LLM, SCRAPER, Kind, Plant, PredictiveController, Regime, RegimeState, Stage
from entro_engine.entropy import PUBLISHED_CAPACITY, full_loads_from
from entro_engine.log_plant import DEFAULT_CONTROL, ControlParameters

LIVE_CONTROL = DEFAULT_CONTROL._replace(guard=0.0)
"""Chosen for a live server: the guard lies where Stress begins, with about a second of work waiting. More would have
to wait through a stall."""
_MAX_LAG = 60
"""Chosen: the age of an observation from which on it counts as no older, steps."""
_PATIENCE_S = 10.0
"""Chosen: the shortest time of sending without an observation after which only the probe rate is allowed, s."""
_PATIENCE_FAILING_S = 3.0
"""Chosen: the same while the server does not answer, s."""
_PATIENCE_INTERVALS = 3
"""Chosen: the same, in usual intervals between observations."""
_LONGEST_PATIENCE_S = 60.0
_MISFIT_SHARE, _MISFIT_AFTER_S = 0.4, 60.0
"""Chosen: the deviation of the served rate from the given capacity that is reported, and the time before that, s."""


class Server(msgspec.Struct, frozen=True):
    """The server whose queue is protected.

    Attributes:
        capacity: c, req/s; None to learn it.
        wait_s: W, the longest accepted wait, s.
        budget: the budget of both stages, nat.
        control: the parameters of the controller.
    """

    capacity: float | None
    wait_s: float
    budget: float
    control: ControlParameters = LIVE_CONTROL

    def stages(self, capacity: float) -> tuple[Stage, Stage]:
        """Return both stages with the full loads that follow from a capacity."""
        full = full_loads_from(capacity, self.wait_s)
        return dataclasses.replace(SCRAPER, full=full[Kind.RATE]), dataclasses.replace(LLM, full=full[Kind.QUEUE])


class CoordinatorState(msgspec.Struct, frozen=True):
    """The state of a coordinator that outlives it, as it is stored.

    Attributes:
        version: of this form.
        saved_ns: when it was stored, ns since the epoch.
        served_rate: the fast estimate of what the server serves, req/s.
        usual_rate: the slow estimate, req/s.
        energy: E of the regime engine, nat.
        memory: M of the regime engine.
        regime: its regime.
        observed_steps: counter.
        violating_steps: counter.
        clients: the weights of the clients, by id.
    """

    version: int
    saved_ns: int
    served_rate: float
    usual_rate: float
    energy: float
    memory: float
    regime: Regime
    observed_steps: int
    violating_steps: int
    clients: dict[str, float]


class Coordinator:
    """The state of the coordination of one server. It reads no clock: every time is an argument.

    Args:
        server: the server.
        clients: the clients that share the cap.
        step: the number of the first step, counted from the epoch.
        step_s: length of a step, s.

    Attributes:
        cap_per_s: what all clients together may send, req/s.
        observation: the newest observation; None before there is one.
        is_blind: whether there is no observation that is new enough.
        observed_steps: the number of steps that observations cover.
        violating_steps: those of them over the budget.
    """

    def __init__(self, server: Server, clients: ClientRegistry, step: int, step_s: float = 1.0) -> None:
        self.server, self.clients, self.step_s = server, clients, step_s
        capacity = server.capacity or PUBLISHED_CAPACITY
        law = PredictiveController(server.budget, **server.control._asdict())
        self._controller = law.start(Plant(*server.stages(capacity), capacity, step_s))
        self.cap_per_s = self.probe_per_s
        self.observation: Observation | None = None
        self.is_blind = False
        self.observed_steps = self.violating_steps = 0
        self._observed_until = step - 1
        self._step = step
        self._sent: deque[float] = deque(maxlen=_MAX_LAG)  # req/s in each past step, the last one last
        self._unseen_from: int | None = None  # the first step with something sent since the newest observation
        self._intervals: deque[int] = deque([1], maxlen=5)  # between the last observations, steps

    @property
    def probe_per_s(self) -> float:
        """The lowest cap, req/s, which holds while nothing is known of the server."""
        return self._controller.plant.probe_per_s

    @property
    def capacity(self) -> float:
        """The capacity that the full loads follow from, as given or as learned so far, req/s."""
        return self.server.capacity or self._controller.usual_rate.value

    @property
    def misfit(self) -> float | None:
        """The served rate if it is far from the capacity that was given, req/s; else None."""
        given, served = self.server.capacity, self._controller.usual_rate.value
        is_known = self.observed_steps * self.step_s >= _MISFIT_AFTER_S
        return served if given and is_known and abs(served - given) > _MISFIT_SHARE * given else None

    @property
    def served_per_s(self) -> float:
        """The estimate of what the server serves, req/s."""
        return float(self._controller.served_rate.value)

    @property
    def coupled_load(self) -> float:
        """The load of both stages, predicted for now, nat."""
        return float(sum(self._controller.predicted))

    @property
    def regime(self) -> Regime:
        """The regime that the controller is in."""
        return Regime.NO_DATA if self.observation is None or self.is_blind else self._controller.state.regime

    @property
    def observed_until(self) -> int:
        """The number of the step of the newest observation; any before there is one."""
        return self._observed_until if self.observation else -1

    @property
    def lag(self) -> int:
        """Age of the newest observation in steps, at least 1."""
        return min(max(self._step - self._observed_until, 1), _MAX_LAG)

    def age_s(self, now_ns: int) -> float | None:
        """Return the age of the newest sample, s, counted from the begin of its step; None before there is one."""
        if self.observation is None:
            return None
        return max(now_ns / NS - self.observation.step * self.step_s, 0.0)

    def is_due(self, now_ns: int) -> bool:
        """Return whether a step has begun for which there is no cap yet."""
        return now_ns / NS // self.step_s > self._step

    def next_tick_s(self, now_ns: int) -> float:
        """Return the time until the next step begins, s."""
        return self.step_s - now_ns / NS % self.step_s

    def share_out(self) -> None:
        """Share the present cap among the present clients."""
        self.clients.share_out(self.cap_per_s)

    def tick(self, step: int, observation: Observation | None, now_s: float, is_failing: bool = False) -> None:
        """Advance to a step: share out the cap for it.

        Args:
            step: its number, counted from the epoch.
            observation: what was seen since the last one; None for nothing new.
            now_s: the time of the clients' clock, s.
            is_failing: whether the source of observations has just failed.
        """
        passed = max(step - self._step, 1)
        sent = self.clients.take_sent() / (passed * self.step_s)
        # Clients report when they fetch the cap, at the begin of a step. The newest step is not reported yet.
        if self._sent:
            self._sent[-1] = sent
        self._sent.extend([min(sent, self.cap_per_s)] * min(passed, _MAX_LAG))
        if step < self._step:  # the clock was set back: what was seen is as old as it was
            self._set_back(self._step - step)
        self._step = step
        if observation is not None:
            self._observe(observation)
        elif sent > 0 and self._unseen_from is None:
            self._unseen_from = step - passed
        lag = self.lag
        since = list(self._sent)[1 - lag :] if lag > 1 else []
        cap = self._controller.cap_now(since, self._last_sent(), lag, bounded=True)
        self.is_blind = self._is_blind(is_failing)
        self.cap_per_s = self.probe_per_s if self.is_blind else cap
        self.clients.expire(now_s)
        self.clients.share_out(self.cap_per_s, passed * self.step_s)

    def _set_back(self, steps: int) -> None:
        self._observed_until -= steps
        if self.observation is not None:
            self.observation = replace(self.observation, step=self.observation.step - steps)
        if self._unseen_from is not None:
            self._unseen_from -= steps

    def _observe(self, seen: Observation) -> None:
        steps = max(seen.step - self._observed_until, 1)
        arrived = seen.arrived
        if arrived is None:  # nothing measures the rate, so it is what the clients sent
            before_now = max(self._step - seen.step - 1, 0)
            sent = list(self._sent)
            arrived = sum(sent[max(len(sent) - before_now - steps, 0) : len(sent) - before_now]) * self.step_s
        # The first one does not show what was served. If it is of an empty queue, a stall before a restart is over.
        served = (self._controller.served_rate if seen.queue else self._controller.usual_rate).value
        if self.observation is not None:
            served = max(arrived - (seen.queue - self.observation.queue), 0.0) / (steps * self.step_s)
            # A queue that is lost, as when the server is started again, was not served: without a bound, the rates
            # that follow from it would let everything through for many steps.
            served = min(served, self._controller.plant.rate.full_load)
            self._intervals.append(steps)
            self._count(arrived / (steps * self.step_s), seen.queue, steps)
        self._controller.observe(seen.queue, served, steps)
        if self.server.capacity is None:
            self._take_full_loads(self._controller.usual_rate.value)
        self.observation = replace(seen, arrived=arrived / (steps * self.step_s))
        self._observed_until, self._unseen_from = seen.step, None

    def _take_full_loads(self, capacity: float) -> None:
        """Use the full loads that follow from a learned capacity, req/s."""
        rate, queue = self.server.stages(capacity)
        self._controller.plant = dataclasses.replace(self._controller.plant, rate=rate, queue=queue)

    def _count(self, rate: float, queue: float, steps: int) -> None:
        load = sum(self._controller.psi(rate, queue))
        self.observed_steps += steps
        self.violating_steps += steps if load > self.server.budget else 0

    def _last_sent(self) -> float:
        """Return the rate of the previous step: what the clients report, or what was measured if there are none."""
        if len(self.clients) or self.observation is None or self.observation.arrived is None:
            return self._sent[-1]
        return self.observation.arrived

    def _is_blind(self, is_failing: bool) -> bool:
        """Return whether requests have been sent for long without an observation, or nothing can be observed."""
        if is_failing and self._step - self._observed_until > _PATIENCE_FAILING_S / self.step_s:
            return True
        unseen_from = self._unseen_from if len(self.clients) else self._observed_until
        usual_s = median(self._intervals) * self.step_s
        patience_s = min(max(_PATIENCE_S, _PATIENCE_INTERVALS * usual_s), _LONGEST_PATIENCE_S)
        return unseen_from is not None and (self._step - unseen_from) * self.step_s > patience_s

    def state(self, now_ns: int) -> CoordinatorState:
        """Return what a restarted coordinator goes on from."""
        engine = self._controller.state
        return CoordinatorState(
            version=1,
            saved_ns=now_ns,
            served_rate=self._controller.served_rate.value,
            usual_rate=self._controller.usual_rate.value,
            energy=engine.energy,
            memory=engine.memory,
            regime=engine.regime,
            observed_steps=self.observed_steps,
            violating_steps=self.violating_steps,
            clients=self.clients.weights(),
        )

    def restore(self, state: CoordinatorState, now_s: float) -> None:
        """Go on from the state of an earlier run."""
        self._controller.served_rate.value = state.served_rate
        self._controller.usual_rate.value = state.usual_rate
        self._controller.state = RegimeState(state.energy, state.memory, state.regime)
        self.observed_steps, self.violating_steps = state.observed_steps, state.violating_steps
        if self.server.capacity is None:
            self._take_full_loads(state.usual_rate)
        self.clients.restore(state.clients, now_s)
