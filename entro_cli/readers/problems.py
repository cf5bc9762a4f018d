"""Counts of what is out of the ordinary in a log, and rejected rows as they can be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from entro_cli.core.console import printable
from entro_cli.core.formatting import shortened
from entro_cli.timeseries.problems import Problem, ProblemKind

SHOWN_BAD_ROWS = 5
"""Number of rejected rows that are kept to be shown."""

_SHOWN_CHARACTERS = 80


class Tally:
    """Counts of what is out of the ordinary in one log, by kind and detail.

    Args:
        problems: warnings that are known already.
    """

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self._counts: dict[tuple[ProblemKind, tuple[str, ...]], int] = {
            (one.kind, one.detail): one.count for one in problems
        }

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The warnings, in the order in which they were first met."""
        return tuple(Problem(kind, count, detail) for (kind, detail), count in self._counts.items())

    def note(self, kind: ProblemKind, *detail: str) -> None:
        """Add a warning that counts nothing."""
        self._counts[kind, detail] = 0

    def count(self, kind: ProblemKind, number: int | np.integer[Any], *detail: str) -> None:
        """Add to the count of a warning; 0 adds no warning."""
        if number:
            self._counts[kind, detail] = self._counts.get((kind, detail), 0) + int(number)


def printable_row(text: str) -> str:
    """Return a row in one line without control characters, cut to 80 characters."""
    return shortened(printable(text.strip()), _SHOWN_CHARACTERS)


def masked(text: str) -> str:
    """Return a text with each letter and digit replaced by x, so that only its shape shows."""
    return re.sub(r"\w", "x", text)
