"""Suggestions for mistyped names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches

_SIMILARITY = 0.75
"""Two swapped letters of a four-letter name give exactly this ratio. At 0.5, `budget` suggested `beta`."""

_SIMILARITY_OF_SHORT = 0.66
"""The same for names of up to three letters: one wrong letter of `llm` gives two thirds."""

_LISTED = 3


def did_you_mean(name: str, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """Return the remedy for a mistyped name, such as `did you mean gamma?`; empty if no known name is close.

    Args:
        name: the mistyped name, in any case.
        known: the valid names.
        aliases: other names that users try, in lower case, with the valid name of each.
    """
    known = list(known)
    alias = (aliases or {}).get(name.lower())
    close = alias if alias in known else closest_name(name, known)
    return f"did you mean {close}?" if close else ""


def closest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is within about one typing error of another; None if there is none.

    Args:
        name: the other name, in any case.
        known: the valid names.
    """
    folded = {each.lower(): each for each in known}
    similarity = _SIMILARITY if len(name) > 3 else _SIMILARITY_OF_SHORT
    close = get_close_matches(name.lower(), folded, n=1, cutoff=similarity)
    return folded[close[0]] if close else None


def one_of(names: Collection[str]) -> str:
    """Return what a message expects if only some names are valid: `one of a, b, c and 7 more`."""
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return f"one of {', '.join(list(names)[:_LISTED])}{more}"
