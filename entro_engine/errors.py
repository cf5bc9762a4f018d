"""The errors of the project. Each states what is wrong, where, what was expected and how to fix it."""

from __future__ import annotations


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
