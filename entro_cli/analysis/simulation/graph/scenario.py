"""Scenarios of graphs: the stages, the demand on sources, the capacity of queues. docs/scenarios.md has the format."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct

from entro_cli.analysis.simulation.parameters import MAX_LOAD, require_bounded
from entro_cli.analysis.simulation.scenario_parts import TomlTable, parse_stall, read_phases, read_wave
from entro_cli.core.suggestions import did_you_mean, one_of
from entro_engine import EntroError, GraphQueue, GraphSource, Phase, Scenario, StageGraph, Stall
from entro_engine.entropy import FloatArray
from entro_engine.errors import require

MAX_STAGES = 50
"""The most stages of a graph: more cannot be read in a drawing."""

MAX_VALUES = 4_000_000
"""The most steps times stages and edges: up to half a minute for each controller, and 500 MB."""

LEAST = 1e-6
"""The smallest weight and nominal capacity (req/s): what is divided by them stays finite."""

_KEYS = ("name", "step_s", "steps", "phases", "wave", "fairness", "stages")
_STAGE_KEYS = {
    "rate": ("kind", "feeds", "demand", "weight"),
    "queue": ("kind", "feeds", "capacity", "stalls", "capacity_at"),
}
_KEYS_OF_ONE_SERVER = {
    "capacity": "set the capacity of each queue",
    "stalls": "set the stalls of each queue",
    "initial_queue": "leave it out: a graph starts empty",
}
_KEYS_OF_DEMANDS = {"steps": "give every source a demand, or remove steps"}
_KEYS_OF_PHASES = {"phases": 'set the number of steps with "steps"', "wave": "leave it out"}


class CapacityChange(Struct, frozen=True):
    """A range of steps in which a queue has another capacity, req/s."""

    steps: Stall
    capacity: float


class GraphScenario(Struct, frozen=True):
    """A graph of stages, the demand on its sources and the capacity of its queues.

    Attributes:
        base: name, phases, wave and step. Its server is not used.
        graph: the stages.
        demands: constant demand of each source, req/s; None for that of the phases.
        changes: of each queue, when it has another capacity; of several at once the last counts.
    """

    base: Scenario
    graph: StageGraph
    demands: tuple[float | None, ...]
    changes: tuple[tuple[CapacityChange, ...], ...]

    def demand(self) -> FloatArray:
        """Return the requests that become known to each source, req/s, shape (sources, steps)."""
        of_phases = self.base.demand()
        return np.stack([of_phases if own is None else np.full(len(of_phases), own) for own in self.demands])

    def capacities(self) -> FloatArray:
        """Return the rate that each queue can serve, req/s, shape (queues, steps)."""
        nominal = [queue.capacity for queue in self.graph.queues]
        capacities = np.repeat(np.array(nominal)[:, None], self.base.steps, axis=1)
        for row, changes in zip(capacities, self.changes, strict=True):
            for change in changes:
                row[change.steps.first : change.steps.after] = change.capacity
        return capacities


def read_graph(document: Mapping[str, Any], where: str, default_name: str) -> GraphScenario:
    """Return the graph that a TOML document with `stages` describes.

    Args:
        document: the document.
        where: the file that it is from, for the messages.
        default_name: name of the scenario if the document has none.

    Raises:
        EntroError: if a key is unknown, missing, of another type or outside its domain, or if the stages do not form
            a graph.
    """
    for key, remedy in _KEYS_OF_ONE_SERVER.items():
        if key in document:
            raise EntroError("means nothing beside stages", where=f"{where}: {key}", remedy=remedy)
    table = TomlTable(document, where, _KEYS)
    stages = _stage_tables(table)
    sources, queues = (_of_kind(stages, kind, where) for kind in _STAGE_KEYS)
    fairness = table.text("fairness", "max-min")
    graph = StageGraph(
        tuple(GraphSource(name, _feeds(one, stages), _weight(one, fairness)) for name, one in sources.items()),
        tuple(GraphQueue(name, _bounded(one, "capacity", LEAST), _feeds(one, stages)) for name, one in queues.items()),
        fairness,
    )
    demands = tuple(_bounded(one, "demand") if "demand" in one.entries else None for one in sources.values())
    base = _base(table, default_name, None in demands)
    require_bounded(base)
    most = MAX_VALUES // (len(graph.stages) + len(graph.edges))
    require(base.steps <= most, "steps", base.steps, f"at most {most} with so many stages and edges")
    return GraphScenario(base, graph, demands, tuple(_changes(one, base.steps) for one in queues.values()))


def _base(table: TomlTable, default_name: str, has_phases: bool) -> Scenario:
    """Return name, phases, wave and step; phases without a demand if every source has its own."""
    reason = "a source takes its demand from phases" if has_phases else "every source has a demand of its own"
    for key, remedy in (_KEYS_OF_DEMANDS if has_phases else _KEYS_OF_PHASES).items():
        if key in table.entries:
            raise EntroError(f"means nothing: {reason}", where=f"{table.where}: {key}", remedy=remedy)
    if has_phases:
        phases = read_phases(table)
    else:
        steps = table.whole("steps")
        require(steps >= 1, "steps", steps, "a whole number of at least 1")
        phases = (Phase("all", steps, 0.0),)
    return Scenario(table.text("name", default_name), phases, read_wave(table), stalls=(), **table.numbers("step_s"))


def _stage_tables(table: TomlTable) -> dict[str, TomlTable]:
    """Return the tables of all stages by name, with their keys checked."""
    found: dict[str, TomlTable] = {}
    stages = table.get("stages", dict)
    require(len(stages) <= MAX_STAGES, "number of stages", len(stages), f"at most {MAX_STAGES}")
    for name, entries in stages.items():
        where = f"{table.where}: stages.{name}"
        if type(entries) is not dict or not name.strip():
            raise EntroError("is not a stage", where=where, expected="a table with a name, such as [stages.llm]")
        kind = entries.get("kind")
        if type(kind) is not str or kind not in _STAGE_KEYS:
            problem = f"kind is {reprlib.repr(kind)}" if kind else "has no kind"
            raise EntroError(problem, where=where, expected='kind = "rate" for a source, or "queue"')
        found[name] = TomlTable(entries, f"{where} ({kind})", _STAGE_KEYS[kind])
    return found


def _of_kind(stages: Mapping[str, TomlTable], kind: str, where: str) -> dict[str, TomlTable]:
    found = {name: stage for name, stage in stages.items() if stage.entries["kind"] == kind}
    if not found:
        raise EntroError(f"has no stage of kind {kind}", where=where, expected="at least one source and one queue")
    return found


def _feeds(stage: TomlTable, stages: Mapping[str, TomlTable]) -> tuple[str, ...]:
    """Return the names of the stages that a stage feeds, given as one text or an array."""
    others = [name for name, one in stages.items() if one is not stage and one.entries["kind"] == "queue"]
    single = type(stage.entries.get("feeds")) is str
    names = [stage.entries["feeds"]] if single else stage.array("feeds", str)
    for name in names:
        if name not in stages:
            raise EntroError(
                f"unknown stage {name!r}",
                where=f"{stage.where}: feeds",
                expected=one_of(others) if others else "another queue",
                remedy=did_you_mean(name, others),
            )
    return tuple(names)


def _bounded(stage: TomlTable, key: str, least: float = 0.0) -> float:
    """Return a required number from `least` to the largest load."""
    value = stage.number(key)
    if not least <= value <= MAX_LOAD:
        raise EntroError(f"is {value!r}", where=f"{stage.where}: {key}", expected=f"{least:g} to {MAX_LOAD:g}")
    return value


def _weight(stage: TomlTable, fairness: str) -> float:
    if "weight" not in stage.entries:
        return 1.0
    if fairness == "proportional":
        raise EntroError(
            'means nothing with fairness = "proportional"', where=f"{stage.where}: weight", remedy="leave it out"
        )
    return _bounded(stage, "weight", LEAST)


def _changes(stage: TomlTable, steps: int) -> tuple[CapacityChange, ...]:
    """Return when a queue has another capacity; stalls come last."""
    where = f"{stage.where}: capacity_at"
    ranges = stage.get("capacity_at", dict) if "capacity_at" in stage.entries else {}
    capacities = TomlTable(ranges, where, tuple(ranges))
    changes = [
        CapacityChange(parse_stall(text, where, "a range of steps"), _bounded(capacities, text)) for text in ranges
    ]
    stalls = [parse_stall(text, f"{stage.where}: stalls") for text in stage.array("stalls", str)]
    changes += [CapacityChange(stall, 0.0) for stall in stalls]
    for change in changes:
        if change.steps.after > steps:
            shown = f"{change.steps.first}:{change.steps.after}"
            raise EntroError(f"{shown} goes on beyond the end", where=stage.where, expected=f"steps from 0 to {steps}")
    return tuple(changes)
