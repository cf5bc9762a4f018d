"""A graph of stages: sources feed queues, and queues feed queues (chosen)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import chain

from entro_engine.entropy import DEFAULT_ACCEPTED_WAIT_S, Kind, Stage, full_loads_from
from entro_engine.errors import ParameterError, require
from entro_engine.plant import Plant

FAIRNESS = ("max-min", "proportional")
"""The ways to share out the cap of a queue: by weights up to what each wants, or in proportion to what each wants."""


@dataclass(frozen=True)
class GraphSource:
    """A stage that brings requests into the graph, and holds back in a frontier what it may not send.

    Attributes:
        name: unique in the graph.
        feeds: names of the queues that it sends to, at least one.
        weight: its claim on a queue that it shares with others, above 0; an edge from a queue has 1.
            Proportional shares do not use it.
    """

    name: str
    feeds: tuple[str, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        where = f"weight of stage {self.name}"
        require(math.isfinite(self.weight) and self.weight > 0, where, self.weight, "a number above 0")


@dataclass(frozen=True)
class GraphQueue:
    """A stage with a server and a queue before it.

    Attributes:
        name: unique in the graph.
        capacity: nominal rate of the server, req/s. The full loads of the stage follow from it.
        feeds: names of the queues that served requests go on to; without one they leave the graph.
    """

    name: str
    capacity: float
    feeds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"capacity of stage {self.name}"
        require(math.isfinite(self.capacity) and self.capacity > 0, where, self.capacity, "a rate above 0 req/s")

    def plant(self, step_s: float = 1.0, lag: int = 1) -> Plant:
        """Return the plant of this queue and its inflow, with full loads from the capacity and the accepted wait."""
        full = full_loads_from(self.capacity, DEFAULT_ACCEPTED_WAIT_S)
        return Plant(
            rate=Stage(self.name, Kind.RATE, full[Kind.RATE]),
            queue=Stage(self.name, Kind.QUEUE, full[Kind.QUEUE]),
            nominal_capacity=self.capacity,
            step_s=step_s,
            lag=lag,
        )


@dataclass(frozen=True)
class StageGraph:
    """Sources and queues, with the edges between them.

    Attributes:
        sources: at least one.
        queues: at least one, in any order.
        fairness: one of `FAIRNESS`.

    Raises:
        ParameterError: if names repeat, an edge leads nowhere, to a source or twice to one queue, a source feeds
            nothing, a queue is fed by nothing, or edges form a cycle.
    """

    sources: tuple[GraphSource, ...]
    queues: tuple[GraphQueue, ...]
    fairness: str = "max-min"

    def __post_init__(self) -> None:
        require(self.fairness in FAIRNESS, "fairness", self.fairness, " or ".join(FAIRNESS))
        require(len(self.sources) > 0, "sources", self.sources, "at least one")
        require(len(self.queues) > 0, "queues", self.queues, "at least one")
        names = [stage.name for stage in self.stages]
        require(len(set(names)) == len(names), "names of stages", names, "each name once")
        for stage in self.stages:
            self._require_edges(stage)
        for source in self.sources:
            if not source.feeds:
                raise ParameterError("has no feeds", where=f"stage {source.name}", expected="at least one queue")
        fed = set(chain.from_iterable(stage.feeds for stage in self.stages))
        for queue in self.queues:
            if queue.name not in fed:
                raise ParameterError(
                    "is fed by no stage", where=f"stage {queue.name}", expected="its name in the feeds of another stage"
                )
        _ = self.order  # raises for a cycle

    def _require_edges(self, stage: GraphSource | GraphQueue) -> None:
        where, queues = f"feeds of stage {stage.name}", {queue.name for queue in self.queues}
        for name in stage.feeds:
            if name not in queues:
                kind = "a source" if name in {source.name for source in self.sources} else "not a stage"
                raise ParameterError(f"{name} is {kind}", where=where, expected="names of queues")
        require(len(set(stage.feeds)) == len(stage.feeds), where, list(stage.feeds), "each queue once")

    @property
    def stages(self) -> tuple[GraphSource | GraphQueue, ...]:
        """All stages, sources first."""
        return (*self.sources, *self.queues)

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """The edges as pairs of places in `stages`, in the order of `stages` and their `feeds`."""
        places = {stage.name: place for place, stage in enumerate(self.stages)}
        return tuple((places[stage.name], places[name]) for stage in self.stages for name in stage.feeds)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The places of the queues in `stages`, each after all that feed it."""
        before: dict[int, list[int]] = {place: [] for place in range(len(self.stages))}
        for giver, taker in self.edges:
            before[taker].append(giver)
        try:
            ordered = tuple(TopologicalSorter(before).static_order())
        except CycleError as error:
            cycle = " feeds ".join(self.stages[place].name for place in error.args[1])
            raise ParameterError(f"form a cycle: {cycle}", where="stages", expected="a graph without cycles") from error
        return tuple(place for place in ordered if place >= len(self.sources))
