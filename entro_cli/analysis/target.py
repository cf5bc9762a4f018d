"""The objective a user sets: the share of observed steps that should be within the budget."""

from __future__ import annotations

import math

from entro_engine import EntroError

DEFAULT_TARGET = 0.99
"""The share of observed steps that should be within the budget, unless the user says otherwise."""


def parse_target(text: str, where: str = "--objective") -> float:
    """An objective as the user wrote it, 99% or 0.99, as a share.

    Args:
        text: what the user wrote.
        where: the option or key it was written for, for the message.

    Raises:
        EntroError: when it is neither.
    """
    try:
        target = round(float(text.removesuffix("%")) / 100, 12) if text.endswith("%") else float(text)
    except ValueError:
        target = math.nan
    if not 0 <= target <= 1:
        raise EntroError(f"{text!r} is no objective", where=where, expected="a share such as 99% or 0.99")
    return target
