"""Reading a scenario from a TOML file. docs/scenarios.md describes the format."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from entro_cli.analysis.simulation.graph.scenario import GraphScenario, read_graph
from entro_cli.analysis.simulation.scenario_parts import (
    TomlTable,
    first_and_after,
    parse_stall,
    read_phases,
    read_wave,
)
from entro_cli.core.console import printable
from entro_cli.core.files import open_input
from entro_cli.core.suggestions import did_you_mean
from entro_engine import SCENARIOS, EntroError, ParameterError, Scenario
from entro_engine.arena import Arena

_KEYS = ("name", "capacity", "step_s", "initial_queue", "phases", "wave", "stalls", "stages")
_EXAMPLE = 'capacity = 1.2, then [[phases]] with name = "crawl", steps = 300, demand = 1.7'
"""The least that a scenario needs."""

GRAPHS = ("chain", "shared", "shared-weighted", "shared-proportional", "split")
"""The names of the graphs that come with entro, each in a file of the folder `scenarios`."""

BUILT_IN = (*SCENARIOS, Arena().name, *GRAPHS)
"""The names of the scenarios that come with entro."""


def find_scenario(name: str) -> Scenario | Arena | GraphScenario:
    """Return the built-in scenario of a name, or the scenario or graph in a file.

    Args:
        name: name of a scenario, or path of a TOML file; `-` is standard input.

    Raises:
        EntroError: if neither exists, or the file is wrong.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    if name == Arena().name:
        return Arena()
    path = Path(__file__).with_name("scenarios") / f"{name}.toml" if name in GRAPHS else Path(name)
    if name == "-":
        return parse_scenario(sys.stdin.buffer.read(), "standard input", "stdin")
    if path.suffix.lower() != ".toml" and not path.exists():
        raise EntroError(
            f"unknown scenario {name!r}",
            where="--scenario",
            expected=f"{', '.join(BUILT_IN)} or the path of a .toml file",
            remedy=did_you_mean(name, BUILT_IN),
        )
    try:
        with open_input(path) as file:
            content = file.read()
    except OSError as error:
        raise EntroError(f"cannot be read: {error.strerror or error}", where=name) from error
    return parse_scenario(content, name, path.stem)


def changed_scenario(scenario: Scenario | Arena, capacity: float | None, stalls: Sequence[str]) -> Scenario | Arena:
    """Return a scenario with the changes that options of the command line make.

    Args:
        scenario: the scenario.
        capacity: the value of --capacity, requests per second; None to keep the scenario's.
        stalls: the values of --stall, which are added to those of the scenario.

    Raises:
        EntroError: when a stall cannot be read, or ends after the scenario, or the scenario draws its own.
    """
    if isinstance(scenario, Arena):
        if capacity is not None or stalls:
            raise EntroError(
                "draws the capacity and the stalls of its server from each seed",
                where="scenario arena",
                remedy="leave --capacity and --stall out, or take another scenario",
            )
        return scenario
    added = tuple(parse_stall(stall, "--stall") for stall in stalls)
    for stall in added:
        if stall.after > scenario.steps:
            raise EntroError(
                f"{stall.first}:{stall.after} goes on beyond the end",
                where="--stall",
                expected=f"steps from 0 to {scenario.steps}, as scenario {printable(scenario.name)} has",
            )
    capacity = scenario.capacity if capacity is None else capacity
    return replace(scenario, capacity=capacity, stalls=scenario.stalls + added)


def parse_scenario(content: bytes, where: str, default_name: str) -> Scenario | GraphScenario:
    """Return the scenario that a TOML document describes, or the graph if it has `stages`.

    Args:
        content: the document, UTF-8.
        where: the file that it is from, for the messages.
        default_name: name of the scenario if the document has none.

    Raises:
        EntroError: if it is not TOML, or a key is unknown, missing, of another type or outside its domain.
    """
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise EntroError(f"is not TOML: {error}", where=where, expected=f"TOML such as {_EXAMPLE}") from error
    read = read_graph if "stages" in document else _read_scenario
    try:
        return read(document, where, default_name)
    except ParameterError as error:  # a value outside its domain: add the file, which the library does not know
        raise EntroError(error.found, where=f"{where}: {error.where}", expected=error.expected) from error


def _read_scenario(document: dict[str, Any], where: str, default_name: str) -> Scenario:
    table = TomlTable(document, where, _KEYS)
    return Scenario(
        name=table.text("name", default_name),
        phases=read_phases(table),
        wave=read_wave(table),
        stalls=tuple(parse_stall(stall, f"{where}: stalls") for stall in table.array("stalls", str)),
        **table.numbers("capacity", "step_s", "initial_queue"),
    )


def parse_seeds(text: str) -> range:
    """Return FIRST:AFTER, the value of --seeds, as a range of seeds.

    Raises:
        EntroError: if it does not have that form.
    """
    found = first_and_after(text)
    if found is None:
        raise EntroError(
            f"{text!r} is not a range of seeds",
            where="--seeds",
            expected="FIRST:AFTER, the first seed and the one after the last, AFTER above FIRST, such as 5000:5060",
        )
    return range(*found)
