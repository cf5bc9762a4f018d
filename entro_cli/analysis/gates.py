"""Gates: conditions on the numbers of a document, such as violations>10 or coverage<90%."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from entro_cli.core.suggestions import did_you_mean
from entro_engine import EntroError

_GATE = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(<=|>=|==|!=|<|>)\s*([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*(%?)\s*")
_COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
LOST_DAYS = "lost_days>0"
"""A gate that is tried wherever others are."""

_STEP_COUNTS = frozenset({"violations", "stable", "stress", "critical"})
"""Numbers that a percent sign turns into a share of the observed steps."""


class FailedGate(Struct, frozen=True):
    """A gate whose condition is true, and the number that made it true.

    Attributes:
        gate: as the user wrote it, such as `violations>10`.
        actual: the number, with a percent sign if the gate has one.
    """

    gate: str
    actual: str

    def __str__(self) -> str:
        return f"{self.gate} (actual {self.actual})"


def failed_gates(gates: Sequence[str], document: Mapping[str, Any]) -> list[FailedGate]:
    """Return the gates whose conditions are true, and LOST_DAYS if days of the history are lost.

    A number is named by its path (`objective.burn_rate`) or, if that is unique, by its last name. With a percent sign,
    a count of steps is a share of the observed steps, and any other number a share of one.

    Args:
        gates: the gates as the user wrote them.
        document: a JSON document with `observed_steps`.

    Raises:
        EntroError: if a gate cannot be parsed, or names no number of the document.
    """
    numbers = dict(_numbers("", document))
    failed = []
    for gate in gates:
        name, compare, limit, percent = _parse(gate)
        value = _value(name, gate, numbers)
        if percent:
            is_count = name.rpartition(".")[2] in _STEP_COUNTS
            observed = float(document.get("observed_steps") or 0)
            value = 100 * value / observed if is_count and observed else 0.0 if is_count else 100 * value
        if _COMPARE[compare](value, limit):
            failed.append(FailedGate(gate.strip(), f"{value:.6g}{'%' if percent else ''}"))
    lost = document.get("lost_days")
    if gates and lost:  # what is lost may be what the gates are about
        failed.append(FailedGate(LOST_DAYS, str(len(lost))))
    return failed


def check_gates(gates: list[str], where: str = "--fail-on") -> None:
    """Refuse a gate that cannot be parsed, before any work is done.

    Args:
        gates: the gates as the user wrote them.
        where: the option or key that they were written for, for the message.

    Raises:
        EntroError: if a gate cannot be parsed.
    """
    for gate in gates:
        _parse(gate, where)


def _parse(gate: str, where: str = "--fail-on") -> tuple[str, str, float, bool]:
    match = _GATE.fullmatch(gate)
    if not match:
        raise EntroError(
            f"{gate!r} is not a gate", where=where, expected="NAME>NUMBER, such as violations>10 or critical>5%"
        )
    return match[1], match[2], float(match[3]), bool(match[4])


def _value(name: str, gate: str, numbers: Mapping[str, float]) -> float:
    matches = [name] if name in numbers else [path for path in numbers if path.rpartition(".")[2] == name]
    depth = min((path.count(".") for path in matches), default=0)
    paths = [path for path in matches if path.count(".") == depth]  # regimes.critical, not coordination.*.critical
    if len(paths) == 1:
        return numbers[paths[0]]
    where = f"--fail-on {gate}"
    if paths:
        raise EntroError(f"several numbers are named {name}", where=where, expected=f"one of {', '.join(paths)}")
    # A figure without data is null in the document, and so is not among its numbers.
    raise EntroError(
        f"no number is named {name}, or this log has none",
        where=where,
        expected="a number of the JSON document, such as violations, coverage or objective.burn_rate",
        remedy=did_you_mean(name, (path.rpartition(".")[2] for path in numbers)),
    )


def _numbers(prefix: str, value: object) -> list[tuple[str, float]]:
    """Return every number of a document by its path. A list counts as its length."""
    if isinstance(value, Mapping):
        return [
            pair for key, part in value.items() for pair in _numbers(f"{prefix}.{key}" if prefix else str(key), part)
        ]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [(prefix, float(len(value)))]
    if isinstance(value, bool):
        return []
    if isinstance(value, int | float):
        return [(prefix, float(value))]
    return [(prefix, float(value))] if isinstance(value, str) and value.lstrip("-") == "Infinity" else []
