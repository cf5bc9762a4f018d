"""Simulation of a graph of stages, without control and with a v9 engine for every queue."""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct

from entro_cli.analysis.simulation.graph.scenario import GraphScenario
from entro_cli.analysis.simulation.parameters import FAMILY, LawParameters
from entro_cli.core.console import worked_off
from entro_cli.core.suggestions import did_you_mean
from entro_engine import (
    Controller,
    EntroError,
    GraphFigures,
    GraphTrace,
    Plant,
    Uncontrolled,
    graph_figures,
    simulate_graph,
)
from entro_engine.errors import require


class GraphParameters(LawParameters, frozen=True):
    """Parameters of a simulation of a graph; the budget is that of each queue with its inflow.

    Attributes:
        scenario: the graph, its demand and its capacities.
        controllers: their names, keys of `GRAPH_CONTROLLERS`.

    Raises:
        EntroError: if a controller does not run on a graph, or a number is outside its domain.
    """

    scenario: GraphScenario
    controllers: tuple[str, ...] = ("uncontrolled", "v9")

    def __post_init__(self) -> None:
        for name in self.controllers:
            if name not in GRAPH_CONTROLLERS:
                raise EntroError(
                    f"{name!r} does not run on a graph of stages",
                    where="--controller",
                    expected=", ".join((*GRAPH_CONTROLLERS, FAMILY)),
                    remedy=did_you_mean(name, (*GRAPH_CONTROLLERS, FAMILY)),
                )
        require(math.isfinite(self.budget) and self.budget > 0, "budget", self.budget, "nats above 0")
        Plant(lag=self.lag)  # checks the lag
        self.controller("v9")  # a number out of its domain is never passed over

    def controller(self, name: str) -> Controller:
        """Return the controller of a name, with these parameters."""
        return GRAPH_CONTROLLERS[name](self)


GRAPH_CONTROLLERS: dict[str, Callable[[GraphParameters], Controller]] = {
    "uncontrolled": lambda parameters: Uncontrolled(),
    "v9": lambda law: law.v9(),
}
"""The controllers that run on a graph, by name, in the order in which they are shown."""


class GraphRun(Struct, frozen=True):
    """One run of a graph: the controller's name, the trace and its figures."""

    controller: str
    trace: GraphTrace
    figures: GraphFigures


def run_graph(parameters: GraphParameters) -> tuple[GraphRun, ...]:
    """Simulate a graph under each controller."""
    controllers = worked_off(parameters.controllers, len(parameters.controllers), "simulating", "run")
    return tuple(_run(parameters, name) for name in controllers)


def _run(parameters: GraphParameters, name: str) -> GraphRun:
    scenario, controller = parameters.scenario, parameters.controller(name)
    loads = scenario.demand(), scenario.capacities()
    trace = simulate_graph(scenario.graph, *loads, controller, parameters.lag, scenario.base.step_s)
    return GraphRun(name, trace, graph_figures(scenario.graph, trace, parameters.budget))
