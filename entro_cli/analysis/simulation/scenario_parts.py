"""The parts that all scenario files have: tables with known keys, phases, a wave, ranges of steps."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from typing import Any

from entro_cli.core.suggestions import did_you_mean
from entro_engine import EntroError, Phase, Stall, Wave

_STEPS = re.compile(r"([0-9]{1,18}):([0-9]{1,18})")


def parse_stall(text: str, where: str, what: str = "a stall") -> Stall:
    """Return FIRST:AFTER as a stall: its first step, and the step after its last.

    Args:
        text: the stall as the user wrote it.
        where: the option or file that it was written in, for the message.
        what: what such a range is there, for the message.

    Raises:
        EntroError: if it does not have that form.
    """
    found = first_and_after(text)
    if found is None:
        raise EntroError(
            f"{text!r} is not {what}",
            where=where,
            expected="FIRST:AFTER, its first step and the step after its last, AFTER above FIRST, such as 320:380",
        )
    return Stall(*found)


def first_and_after(text: str) -> tuple[int, int] | None:
    """Return FIRST:AFTER as two whole numbers, the first below the second; None if it is something else."""
    match = _STEPS.fullmatch(text.strip())
    return (int(match[1]), int(match[2])) if match and int(match[1]) < int(match[2]) else None


def read_phases(table: TomlTable) -> tuple[Phase, ...]:
    """Return the phases of a scenario, at least one."""
    phases = [
        TomlTable(entry, f"{table.where}: phase {number}", ("name", "steps", "demand"))
        for number, entry in enumerate(table.array("phases", dict), start=1)
    ]
    if not phases:
        raise EntroError("has no phases", where=table.where, expected="at least one [[phases]] with steps and demand")
    return tuple(
        Phase(phase.text("name", str(number)), phase.whole("steps"), phase.number("demand"))
        for number, phase in enumerate(phases, start=1)
    )


def read_wave(table: TomlTable) -> Wave | None:
    """Return the wave of a scenario, if it has one."""
    if "wave" not in table.entries:
        return None
    wave = TomlTable(table.get("wave", dict), f"{table.where}: wave", ("amplitude", "period"))
    return Wave(wave.number("amplitude"), wave.number("period"))


class TomlTable:
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
            raise EntroError(f"has no {key}", where=self.where, expected=f"one, such as {key} = {_EXAMPLES[types[0]]}")
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
_EXAMPLES = {float: "1.1", int: "300", str: '"..."', dict: "{...}", list: "[...]"}
