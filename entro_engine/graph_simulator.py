"""The plant of a graph of stages, with a v9 engine for every queue.

The engine of a queue sees the queue and its inflow, and moves a cap on what may flow in. Where more is wanted than the
cap, the cap is shared out. No request is ever dropped: what may not flow on waits in the stage before, up to the
frontiers of the sources. One source and one queue are the plant of `simulator_v9`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entro_engine.entro_engine_v9 import Regime, RegimeParameters, replay_runs
from entro_engine.entropy import FloatArray, entropy_proxy
from entro_engine.errors import require
from entro_engine.fair_shares import max_min_shares
from entro_engine.graph import StageGraph
from entro_engine.plant import Controller, Plant, View

EMPTY = 1e-9
"""Chosen: up to so many requests, or this share of those served, a queue counts as empty. A stage that splits what it
passes on leaves a rounding error behind, which would otherwise decide how the served rate is estimated."""


@dataclass(frozen=True)
class GraphTrace:
    """The graph's result for each step; arrays of shape (sources, steps), (queues, steps) or (edges, steps).

    Attributes:
        capacity: rate that each queue could serve, req/s.
        sent: rate that each source sent, req/s.
        frontier: requests that each source holds back at the end of the step.
        inflow: rate at which requests flowed into each queue, req/s.
        queue: each queue at the end of the step, requests.
        served: requests that each queue passed on in the step; those of a queue that feeds none left the graph.
        flow: rate along each edge, req/s, in the order of `StageGraph.edges`.
        step_s: length of a step, s.
    """

    capacity: FloatArray
    sent: FloatArray
    frontier: FloatArray
    inflow: FloatArray
    queue: FloatArray
    served: FloatArray
    flow: FloatArray
    step_s: float


def simulate_graph(
    graph: StageGraph,
    demand: FloatArray,
    capacity: FloatArray,
    controller: Controller,
    lag: int = 1,
    step_s: float = 1.0,
) -> GraphTrace:
    """Run a graph of stages, which starts empty.

    Args:
        graph: the stages.
        demand: requests that become known to each source, req/s, shape (sources, steps).
        capacity: rate that each queue can serve, req/s, shape (queues, steps).
        controller: each queue gets a fresh one that is started from it, and takes its inflow for the rate.
        lag: age of what the controllers see, in steps, at least 1.
        step_s: dt, s.

    Returns:
        The trace. At every step, what a stage holds is what came in so far minus what went out.

    Raises:
        ParameterError: if a shape does not fit the graph, a rate is negative or not finite, or the lag or the step is
            outside its domain.
    """
    steps, sources, queues = demand.shape[-1], len(graph.sources), len(graph.queues)
    for name, values, rows in (("demand", demand, sources), ("capacity", capacity, queues)):
        require(values.shape == (rows, steps), f"shape of {name}", values.shape, f"({rows}, {steps})")
        require(bool(np.all((values >= 0) & np.isfinite(values))), name, values, "finite rates of at least 0 req/s")
    loop = _Loop(graph, controller, lag, step_s)
    out = np.empty((steps, 2 * sources + 3 * queues + len(graph.edges)))
    for row, demanded, can_serve in zip(out, demand.T.tolist(), capacity.T.tolist(), strict=True):
        loop.step(demanded, can_serve)
        row[:] = [*loop.sent, *loop.frontier, *loop.inflow, *loop.queue, *loop.served, *loop.flow]
    ends = np.cumsum([sources, sources, queues, queues, queues])
    sent, frontier, inflow, queue, served, flow = np.split(np.ascontiguousarray(out.T), ends)
    return GraphTrace(capacity, sent, frontier, inflow, queue, served, flow, step_s)


class _Inlet:
    """The cap on what may flow into one queue, and the controller that moves it."""

    def __init__(self, controller: Controller, plant: Plant) -> None:
        self.controller, self.lag, self.step_s = controller.start(plant), plant.lag, plant.step_s
        self.past: deque[tuple[float, float, float]] = deque()  # inflow, queue, served of the last `lag` steps

    def cap(self) -> float:
        """Return the cap of this step, req/s, from what is seen `lag` steps ago."""
        inflow, queue, served = 0.0, 0.0, None
        last_sent = self.past[-1][0] if self.past else 0.0
        if len(self.past) == self.lag:
            inflow, queue, requests = self.past.popleft()
            served = requests / self.step_s
            queue = queue if queue > EMPTY * max(1.0, requests) else 0.0
        sent = [rate for rate, _, _ in self.past]
        cap: float = self.controller.update(View(inflow, queue, served, sent, last_sent, math.inf))
        return cap


class _Loop:
    """The state of the graph between steps, in lists by source, queue and edge. `step` is the law."""

    def __init__(self, graph: StageGraph, controller: Controller, lag: int, step_s: float) -> None:
        sources, queues, edges = len(graph.sources), len(graph.queues), graph.edges
        stages = range(sources + queues)
        self.graph, self.step_s = graph, step_s
        self.inlets = [_Inlet(controller, queue.plant(step_s, lag)) for queue in graph.queues]
        self.out = [[edge for edge, (giver, _) in enumerate(edges) if giver == stage] for stage in stages]
        self.into = [[edge for edge, (_, taker) in enumerate(edges) if taker == stage] for stage in stages]
        weights = [*(source.weight for source in graph.sources), *(1.0 for _ in graph.queues)]
        self.weights = [[weights[edges[edge][0]] for edge in into] for into in self.into]
        self.caps = [math.inf] * queues
        self.sent, self.frontier = [0.0] * sources, [0.0] * sources
        self.inflow, self.queue, self.served = [0.0] * queues, [0.0] * queues, [0.0] * queues
        self.want, self.flow = [0.0] * len(edges), [0.0] * len(edges)

    def step(self, demand: Sequence[float], capacity: Sequence[float]) -> None:
        """Advance one step, from the demand of each source and the capacity of each queue, req/s."""
        dt, sources = self.step_s, len(self.graph.sources)
        self.caps = [inlet.cap() for inlet in self.inlets]
        for source, demanded in enumerate(demand):
            self._split(source, demanded + self.frontier[source] / dt)
        for place in self.graph.order:
            queue = place - sources
            self._take(place, self.caps[queue])
            self.inflow[queue] = sum(self.flow[edge] for edge in self.into[place])
            self._split(place, min(self.queue[queue] / dt + self.inflow[queue], capacity[queue]))
        for source, demanded in enumerate(demand):
            self.sent[source] = sum(self.flow[edge] for edge in self.out[source])
            # `max` guards against a rounding error below 0, here and for the queues.
            self.frontier[source] = max(self.frontier[source] + (demanded - self.sent[source]) * dt, 0.0)
        for queue, can_serve in enumerate(capacity):
            self._serve(queue, can_serve)

    def _split(self, place: int, want: float) -> None:
        """Split what a stage wants to pass on over its edges, in proportion to the caps there; without caps evenly."""
        edges = self.out[place]
        parts = [self.caps[self.graph.edges[edge][1] - len(self.graph.sources)] for edge in edges]
        parts = [1.0] * len(edges) if math.inf in parts else parts
        for edge, part in zip(edges, parts, strict=True):
            self.want[edge] = want * (part / sum(parts))

    def _take(self, place: int, cap: float) -> None:
        """Share a queue's cap out among its edges, unless it meets all that they want."""
        edges = self.into[place]
        wants = [self.want[edge] for edge in edges]
        total = sum(wants)
        if total > cap and self.graph.fairness == "max-min":
            wants = max_min_shares(wants, self.weights[place], cap)
        elif total > cap:
            wants = [want * (cap / total) for want in wants]
        for edge, want in zip(edges, wants, strict=True):
            self.flow[edge] = want

    def _serve(self, queue: int, can_serve: float) -> None:
        """Pass on what was taken from the queue, or what its server can serve if it feeds none."""
        dt, edges = self.step_s, self.out[len(self.graph.sources) + queue]
        waiting = self.queue[queue] + self.inflow[queue] * dt
        taken = sum(self.flow[edge] for edge in edges) if edges else can_serve
        self.served[queue] = min(waiting, min(can_serve, taken) * dt)
        self.queue[queue] = max(waiting - self.served[queue], 0.0)
        self.inlets[queue].past.append((self.inflow[queue], self.queue[queue], self.served[queue]))


@dataclass(frozen=True)
class GraphFigures:
    """The figures of a run; arrays have one entry per queue or per source.

    Attributes:
        violations: steps in which any queue is over its budget.
        queue_violations: steps in which each queue is over its budget.
        excess_nat_s: sum of Delta * dt of each queue, nat s.
        peak_psi_total: largest Psi_total of each queue and its inflow, nat.
        peak_queue: the longest that each queue was, requests.
        mean_queue: the mean of each queue, requests.
        regimes: steps of each queue in Stable, Stress and Critical, shape (queues, 3).
        worst_regimes: steps whose worst regime of any queue is Stable, Stress and Critical, shape (3,).
        queue_served: requests that each queue passed on.
        utilisation: served / capacity of each queue; NaN if there was no capacity.
        starved_steps: steps in which any queue had time left while requests waited in a stage that feeds it.
        sent: requests that each source sent.
        peak_frontier: the most requests that each source held back at once.
        served: requests that left the graph.
        final_backlog: requests in queues and frontiers at the end.
        mean_wait_s: over frontiers and queues, by Little's law, s; NaN if nothing was served.
    """

    violations: int
    queue_violations: NDArray[np.int64]
    excess_nat_s: FloatArray
    peak_psi_total: FloatArray
    peak_queue: FloatArray
    mean_queue: FloatArray
    regimes: NDArray[np.int64]
    worst_regimes: NDArray[np.int64]
    queue_served: FloatArray
    utilisation: FloatArray
    starved_steps: int
    sent: FloatArray
    peak_frontier: FloatArray
    served: float
    final_backlog: float
    mean_wait_s: float


def graph_figures(graph: StageGraph, trace: GraphTrace, budget: float) -> GraphFigures:
    """Return the figures of a run.

    Args:
        graph: the graph.
        trace: its trace.
        budget: Psi_budget of every queue with its inflow, nat.
    """
    psi = _psi_of_queues(graph, trace)
    regimes = replay_runs(psi.T, RegimeParameters(budget))
    codes = (Regime.STABLE, Regime.STRESS, Regime.CRITICAL)
    per_queue, possible = trace.served.sum(axis=1), trace.capacity.sum(axis=1) * trace.step_s
    served = float(sum(per_queue[place] for place, queue in enumerate(graph.queues) if not queue.feeds))
    backlog = trace.queue.sum(axis=0) + trace.frontier.sum(axis=0)
    return GraphFigures(
        violations=int((psi > budget).any(axis=0).sum()),
        queue_violations=(psi > budget).sum(axis=1),
        excess_nat_s=(np.maximum(psi - budget, 0.0) * trace.step_s).sum(axis=1),
        peak_psi_total=psi.max(axis=1),
        peak_queue=trace.queue.max(axis=1),
        mean_queue=trace.queue.mean(axis=1),
        regimes=np.stack([(regimes == code).sum(axis=0) for code in codes], 1),
        worst_regimes=np.array([(regimes.max(axis=1) == code).sum() for code in codes]),
        queue_served=per_queue,
        utilisation=np.divide(per_queue, possible, out=np.full(len(possible), math.nan), where=possible > 0),
        starved_steps=int(_starved(graph, trace).sum()),
        sent=trace.sent.sum(axis=1) * trace.step_s,
        peak_frontier=trace.frontier.max(axis=1),
        served=served,
        final_backlog=float(backlog[-1]),
        mean_wait_s=float(backlog.sum()) * trace.step_s / served if served > 0 else math.nan,
    )


def _starved(graph: StageGraph, trace: GraphTrace) -> NDArray[np.bool_]:
    """Return a mask of the steps in which a queue idled while requests waited upstream, shape (steps,)."""
    held = np.concatenate([trace.frontier, trace.queue])
    upstream = np.zeros_like(trace.queue)
    for feeder, fed in graph.edges:
        upstream[fed - len(graph.sources)] += held[feeder]
    # The tolerances keep rounding errors from counting as idle time or as a waiting request.
    idle = trace.served < trace.capacity * trace.step_s * (1 - 1e-9)
    return np.asarray((idle & (upstream > 1e-9)).any(axis=0))


def _psi_of_queues(graph: StageGraph, trace: GraphTrace) -> FloatArray:
    """Return Psi_total of each queue and its inflow, nat, shape (queues, steps)."""
    rows = zip([queue.plant() for queue in graph.queues], trace.inflow, trace.queue, strict=True)
    return np.stack(
        [entropy_proxy(inflow, plant.rate) + entropy_proxy(queue, plant.queue) for plant, inflow, queue in rows]
    )
