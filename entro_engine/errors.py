"""The errors of the project, and the checks of parameters that raise them.

Each error states what is wrong, where, what was expected and how to fix it.
"""

from __future__ import annotations

import math


class EntroError(Exception):
    """An error that the user can fix, shown on one line.

    Attributes:
        found: what is wrong, a clause without a full stop.
        where: the file, row, option or parameter with the error, or empty.
        expected: what would have been right, or empty if `found` says it already.
        remedy: what the user can do about it, or empty.
    """

    def __init__(self, found: str, *, where: str = "", expected: str = "", remedy: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.where = where
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the line to show: `where: found; expected ...; remedy`."""
        head = f"{self.where}: {self.found}" if self.where else self.found
        expected = f"expected {self.expected}" if self.expected else ""
        return "; ".join(part for part in (head, expected, self.remedy) if part)


class ParameterError(EntroError, ValueError):
    """A parameter outside its domain (a negative load, a budget of zero, ...)."""


def require(condition: bool, name: str, value: object, expected: str) -> None:
    """Raise `ParameterError` unless `condition` holds.

    Args:
        condition: what must be true of the parameter.
        name: the parameter, as its caller writes it.
        value: the value that was passed.
        expected: what would have been right, for the message.

    Raises:
        ParameterError: if `condition` is false.
    """
    if not condition:
        raise ParameterError(f"is {value!r}", where=name, expected=expected)


def require_gains(alpha: float, beta: float) -> None:
    """Check both gains of the control law.

    Raises:
        ParameterError: if alpha is outside 0..1 or beta is negative.
    """
    require(0 <= alpha <= 1, "alpha", alpha, "a number from 0 to 1")
    require(math.isfinite(beta) and beta >= 0, "beta", beta, "a number of at least 0")


def require_cap(headroom: float, smoothing: float) -> None:
    """Check the parameters of the cap.

    Raises:
        ParameterError: if the headroom is negative, or the smoothing is not above 0 and at most 1.
    """
    require(math.isfinite(headroom) and headroom >= 0, "headroom", headroom, "a number of at least 0")
    require(0 < smoothing <= 1, "smoothing", smoothing, "a number above 0, at most 1")
