"""What a mistyped name was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A remedy for a message: the known name that is nearest to a mistyped one, else empty."""
    close = closest_name(name, known)
    return f"did you mean {close}?" if close else ""


def closest_name(name: str, known: Iterable[str], alike: float = 0.5) -> str | None:
    """The known name that is nearest to another one.

    Args:
        name: the other one, in any case.
        known: in lower case.
        alike: how alike they must be, 0..1.

    Returns:
        It, or None where none is so much alike.
    """
    close = get_close_matches(name.lower(), list(known), n=1, cutoff=alike)
    return close[0] if close else None
