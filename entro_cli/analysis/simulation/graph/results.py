"""The results of `entro simulate` for a graph: plain frozen structs, and how they are made."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from entro_cli.analysis.simulation.graph.runs import GraphParameters, GraphRun
from entro_cli.analysis.simulation.graph.scenario import GraphScenario
from entro_cli.analysis.simulation.results import (
    RegimeSteps,
    ScenarioFacts,
    SimulationDocument,
    describe_law,
    describe_phases,
)
from entro_cli.core.console import printable
from entro_cli.core.formatting import counted
from entro_engine import GraphQueue, GraphSource
from entro_engine.entropy import DEFAULT_ACCEPTED_WAIT_S, FloatArray

_MAX_CHANGES = 6


class SourceFigures(Struct, frozen=True):
    """The figures of a source. Requests; `mean_wait_s` is the wait in its frontier."""

    name: str
    kind: str
    feeds: tuple[str, ...]
    weight: float
    sent: float
    peak_frontier: float
    final_backlog: float
    mean_wait_s: float


class QueueFigures(Struct, frozen=True):
    """The figures of a queue with its inflow, named as those of a whole run; `mean_wait_s` is the wait in the queue."""

    name: str
    kind: str
    feeds: tuple[str, ...]
    capacity: float
    violations: int
    violation_share: float
    excess_nat_s: float
    peak_queue: float
    mean_queue: float
    peak_psi_total: float
    served: float
    final_backlog: float
    mean_wait_s: float
    utilisation: float
    regimes: RegimeSteps


class GraphRunFigures(Struct, frozen=True):
    """The figures of one controller.

    A step is a violation if any queue is over its budget. `served` requests left the graph. The wait is over all
    frontiers and queues. `peak_queue` is the longest queue of any stage, `peak_frontier` the most held back at once.
    `excess_nat_s` and `mean_queue` are sums over the queues, and `regimes` counts the worst of any queue. `utilisation`
    is that of all servers together. A step is starved if any server had time left while requests waited in a stage that
    feeds it.
    """

    controller: str
    violations: int
    violation_share: float
    peak_queue: float
    peak_psi_total: float
    served: float
    peak_frontier: float
    final_backlog: float
    mean_wait_s: float
    violations_per_1000: float
    excess_nat_s: float
    mean_queue: float
    utilisation: float
    starved_steps: int
    regimes: RegimeSteps
    stages: tuple[SourceFigures | QueueFigures, ...]


class GraphFacts(ScenarioFacts, frozen=True):
    """Name, number of steps, length of a step in seconds, and how caps are shared out."""

    fairness: str


def summarise_graph(parameters: GraphParameters, runs: Sequence[GraphRun]) -> SimulationDocument[GraphRunFigures]:
    """Return the document of a finished simulation of a graph."""
    base, fairness = parameters.scenario.base, parameters.scenario.graph.fairness
    facts = GraphFacts(base.name, base.steps, base.step_s, fairness)
    return SimulationDocument(facts, tuple(_figures(parameters, run) for run in runs))


def _figures(parameters: GraphParameters, run: GraphRun) -> GraphRunFigures:
    graph, figures, steps = parameters.scenario.graph, run.figures, parameters.scenario.base.steps
    possible = float(run.trace.capacity.sum()) * run.trace.step_s
    return GraphRunFigures(
        controller=run.controller,
        violations=figures.violations,
        violation_share=figures.violations / steps,
        peak_queue=float(figures.peak_queue.max()),
        peak_psi_total=float(figures.peak_psi_total.max()),
        served=figures.served,
        peak_frontier=float(run.trace.frontier.sum(axis=0).max()),
        final_backlog=figures.final_backlog,
        mean_wait_s=figures.mean_wait_s,
        violations_per_1000=1000 * figures.violations / steps,
        excess_nat_s=float(figures.excess_nat_s.sum()),
        mean_queue=float(figures.mean_queue.sum()),
        utilisation=float(figures.queue_served.sum() / possible) if possible > 0 else math.nan,
        starved_steps=figures.starved_steps,
        regimes=_regimes(figures.worst_regimes),
        stages=(
            *(_source(run, source, row) for row, source in enumerate(graph.sources)),
            *(_queue(run, queue, row) for row, queue in enumerate(graph.queues)),
        ),
    )


def _source(run: GraphRun, source: GraphSource, row: int) -> SourceFigures:
    figures, frontier = run.figures, run.trace.frontier[row]
    return SourceFigures(
        name=source.name,
        kind="rate",
        feeds=source.feeds,
        weight=source.weight,
        sent=float(figures.sent[row]),
        peak_frontier=float(figures.peak_frontier[row]),
        final_backlog=float(frontier[-1]),
        mean_wait_s=_wait(frontier, figures.sent[row], run.trace.step_s),
    )


def _queue(run: GraphRun, stage: GraphQueue, row: int) -> QueueFigures:
    figures, queue = run.figures, run.trace.queue[row]
    return QueueFigures(
        name=stage.name,
        kind="queue",
        feeds=stage.feeds,
        capacity=stage.capacity,
        violations=int(figures.queue_violations[row]),
        violation_share=int(figures.queue_violations[row]) / len(queue),
        excess_nat_s=float(figures.excess_nat_s[row]),
        peak_queue=float(figures.peak_queue[row]),
        mean_queue=float(figures.mean_queue[row]),
        peak_psi_total=float(figures.peak_psi_total[row]),
        served=float(figures.queue_served[row]),
        final_backlog=float(queue[-1]),
        mean_wait_s=_wait(queue, figures.queue_served[row], run.trace.step_s),
        utilisation=float(figures.utilisation[row]),
        regimes=_regimes(figures.regimes[row]),
    )


def _regimes(steps: NDArray[np.int64]) -> RegimeSteps:
    stable, stress, critical = steps.tolist()
    return RegimeSteps(stable, stress, critical, no_data=0)


def _wait(held: FloatArray, passed_on: float, step_s: float) -> float:
    """Return the mean wait by Little's law, s; NaN if nothing was passed on."""
    return float(held.sum()) * step_s / float(passed_on) if passed_on > 0 else math.nan


def describe_graph(parameters: GraphParameters) -> tuple[str, ...]:
    """Return a description of the simulation, one line each for graph, capacities, demand and controllers."""
    scenario = parameters.scenario
    graph, base = scenario.graph, scenario.base
    lines = (
        [
            f"{printable(base.name)}: {base.steps} steps of {base.step_s:g} s",
            f"{float(scenario.demand().sum()) * base.step_s:.3f} requests",
            f"{counted(len(graph.sources), 'source')}, {counted(len(graph.queues), 'queue')}",
        ],
        _changes(scenario),
        describe_phases(base) if None in scenario.demands else [],
        [
            f"budget {parameters.budget:g} nat for each queue",
            *describe_law(parameters),
            f"lag {parameters.lag}",
            f"accepted wait W {DEFAULT_ACCEPTED_WAIT_S:.3g} s",
            f"{graph.fairness} shares",
        ],
    )
    return tuple(", ".join(clauses) for clauses in lines if clauses)


def _changes(scenario: GraphScenario) -> list[str]:
    changes = [
        f"{printable(queue.name)} {change.capacity:g} req/s in steps {change.steps.first} to {change.steps.after - 1}"
        for queue, changes in zip(scenario.graph.queues, scenario.changes, strict=True)
        for change in changes
    ]
    rest = len(changes) - _MAX_CHANGES
    return [*changes[:_MAX_CHANGES], *([f"and {counted(rest, 'more change')}"] if rest > 0 else [])]
