"""The errors of the project: what is wrong, where, what was expected, how to mend it."""

from __future__ import annotations


class EntroError(Exception):
    """Something the user can mend, told in one line.

    Attributes:
        found: what is wrong, in a clause without a full stop.
        where: the file, row, option or parameter it was found in; empty where there is none.
        expected: what would have been right; empty where `found` says it already.
        remedy: what the user can do about it; empty where nothing is to be done.
    """

    def __init__(self, found: str, *, where: str = "", expected: str = "", remedy: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.where = where
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        """The one line that is shown: `where: found; expected ...; remedy`."""
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
        value: what was given.
        expected: what would have been right, for the message.

    Raises:
        ParameterError: when `condition` is false.
    """
    if not condition:
        raise ParameterError(f"is {value!r}", where=name, expected=expected)
