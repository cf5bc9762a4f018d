"""Reading a scenario from a TOML file. docs/scenarios.md describes the format."""

from __future__ import annotations

import re
import reprlib
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from entro_cli.core.console import printable
from entro_cli.core.suggestions import did_you_mean
from entro_engine import SCENARIOS, EntroError, ParameterError, Phase, Scenario, Stall, Wave
from entro_engine.arena import Arena

_KEYS = ("name", "capacity", "step_s", "initial_queue", "phases", "wave", "stalls")
_STEPS = re.compile(r"([0-9]{1,18}):([0-9]{1,18})")

BUILT_IN = (*SCENARIOS, Arena().name)
"""The names of the scenarios that come with entro."""


def find_scenario(name: str) -> Scenario | Arena:
    """Return the built-in scenario of a name, or the scenario in a file.

    Args:
        name: name of a scenario, or path of a TOML file; `-` is standard input.

    Raises:
        EntroError: if neither exists, or the file is wrong.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    if name == Arena().name:
        return Arena()
    path = Path(name)
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
        content = path.read_bytes()
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


def parse_scenario(content: bytes, where: str, default_name: str) -> Scenario:
    """Return the scenario that a TOML document describes.

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
    table = _Table(document, where, _KEYS)
    try:
        return Scenario(
            name=table.text("name", default_name),
            phases=_phases(table),
            wave=_wave(table),
            stalls=tuple(parse_stall(stall, f"{where}: stalls") for stall in table.array("stalls", str)),
            **table.numbers("capacity", "step_s", "initial_queue"),
        )
    except ParameterError as error:  # a value outside its domain: add the file, which the library does not know
        raise EntroError(error.found, where=f"{where}: {error.where}", expected=error.expected) from error


def parse_stall(text: str, where: str) -> Stall:
    """Return FIRST:AFTER as a stall: its first step, and the step after its last.

    Args:
        text: the stall as the user wrote it.
        where: the option or file that it was written in, for the message.

    Raises:
        EntroError: if it does not have that form.
    """
    found = _first_and_after(text)
    if found is None:
        raise EntroError(
            f"{text!r} is not a stall",
            where=where,
            expected="FIRST:AFTER, its first step and the step after its last, such as 320:380",
        )
    return Stall(*found)


def parse_seeds(text: str) -> range:
    """Return FIRST:AFTER, the value of --seeds, as a range of seeds.

    Raises:
        EntroError: if it does not have that form.
    """
    found = _first_and_after(text)
    if found is None:
        raise EntroError(
            f"{text!r} is no range of seeds",
            where="--seeds",
            expected="FIRST:AFTER, the first seed and the one after the last, such as 5000:5060",
        )
    return range(*found)


def _first_and_after(text: str) -> tuple[int, int] | None:
    match = _STEPS.fullmatch(text.strip())
    return (int(match[1]), int(match[2])) if match and int(match[1]) < int(match[2]) else None


def _phases(table: _Table) -> tuple[Phase, ...]:
    phases = [
        _Table(entry, f"{table.where}: phase {number}", ("name", "steps", "demand"))
        for number, entry in enumerate(table.array("phases", dict), start=1)
    ]
    if not phases:
        raise EntroError("has no phases", where=table.where, expected="at least one [[phases]] with steps and demand")
    return tuple(
        Phase(phase.text("name", str(number)), phase.whole("steps"), phase.number("demand"))
        for number, phase in enumerate(phases, start=1)
    )


def _wave(table: _Table) -> Wave | None:
    if "wave" not in table.entries:
        return None
    wave = _Table(table.get("wave", dict), f"{table.where}: wave", ("amplitude", "period"))
    return Wave(wave.number("amplitude"), wave.number("period"))


class _Table:
    """A TOML table with known keys, whose values are checked for their type.

    Args:
        entries: the table.
        where: the file and the table's name in it, for the messages.
        known: the keys that it may have.
    """

    def __init__(self, entries: Mapping[str, Any], where: str, known: tuple[str, ...]) -> None:
        self.entries, self.where = entries, where
        for key in entries:
            if key not in known:
                raise EntroError(
                    f"unknown key {key!r}", where=where, expected=", ".join(known), remedy=did_you_mean(key, known)
                )

    def get(self, key: str, *types: type) -> Any:
        """Return the value of a required key, of one of the types. A bool does not count as a number."""
        if key not in self.entries:
            raise EntroError(f"has no {key}", where=self.where, expected=f"{key} = {_EXAMPLES[types[0]]}")
        value = self.entries[key]
        if type(value) not in types:
            raise EntroError(f"is {reprlib.repr(value)}", where=f"{self.where}: {key}", expected=_NAMES[types[0]])
        return value

    def text(self, key: str, default: str) -> str:
        """Return a non-empty text, or the default."""
        value: str = self.get(key, str) if key in self.entries else default
        if not value.strip():
            raise EntroError("is empty", where=f"{self.where}: {key}", expected="a name")
        return value

    def number(self, key: str) -> float:
        """Return a required number."""
        value = self.get(key, float, int)
        try:
            return float(value)
        except OverflowError as error:
            raise EntroError("is too large", where=f"{self.where}: {key}", expected="a number") from error

    def numbers(self, *keys: str) -> dict[str, float]:
        """Return those of the numbers that are present."""
        return {key: self.number(key) for key in keys if key in self.entries}

    def whole(self, key: str) -> int:
        """Return a required integer."""
        return int(self.get(key, int))

    def array(self, key: str, of: type) -> list[Any]:
        """Return an array of values of one type; empty if it is missing."""
        values = self.get(key, list) if key in self.entries else []
        for value in values:
            if type(value) is not of:
                raise EntroError(f"holds {reprlib.repr(value)}", where=f"{self.where}: {key}", expected=_NAMES[of])
        return list(values)


_NAMES = {
    float: "a number",
    int: "a whole number",
    str: "a text in quotes",
    dict: "a table",
    list: "an array; one of tables is written in double brackets, as in [[phases]]",
}
_EXAMPLE = 'capacity = 1.2, then [[phases]] with name = "crawl", steps = 300, demand = 1.7'
"""The least that a scenario needs."""

_EXAMPLES = {float: "1.1", int: "300", str: '"..."', dict: "{...}", list: "[...]"}
