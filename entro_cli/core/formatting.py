"""Numbers as people read them, in plain ASCII, one format for each kind of figure; and text that is safe to show."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping

from entro_cli.core.urls import masked

NONE = "-"
"""Placeholder for a missing figure."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))

_LONG_S = 1000 * 86400
"""From this duration on, s, hours do not matter, and a queue divided by a small rate may give any number of days."""


def count(value: float) -> str:
    """Return a whole number: 43,200."""
    return f"{value:,.0f}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 step`, `1,440 steps`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def failures(by_class: Mapping[str, int]) -> str:
    """Return a number of failed requests, with their classes: `4 requests failed (429: 3, 5xx: 1)`."""
    classes = ", ".join(f"{name}: {count(number)}" for name, number in sorted(by_class.items()))
    return f"{counted(sum(by_class.values()), 'request')} failed ({classes})"


def share(value: float) -> str:
    """Return a share as a percentage: 7.1%. The result is 0% or 100% only if the share is exactly that."""
    if math.isinf(value):
        return "unlimited"
    if value in (0, 1) or value >= 10:
        return f"{100 * value:,.0f}%"
    if 0 < value < 0.0005:
        return "<0.1%"
    if 0.9995 <= value < 1:
        return ">99.9%"
    return f"{100 * value:,.1f}%"


def nats(value: float) -> str:
    """Return Psi, a threshold or the energy, in nats: 3.004."""
    return f"{value:.3f}"


def quantity(value: float) -> str:
    """Return a load or another quantity of any size, to three digits: 8.24, 885, 2,538."""
    size = abs(value)
    if 0 < size < 0.0005:
        return f"{value:.1e}"
    if 1e9 <= size < math.inf:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:,.0f}" if size >= 99.95 else f"{value:.3g}"


def requests(number: float) -> str:
    """Return a number of requests with the noun: `1 request`, `0.5 requests`, `2,538 requests`."""
    shown = quantity(number)
    return f"{shown} request{'' if shown == '1' else 's'}"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: 2 h 5 min."""
    if math.isinf(seconds):
        return "never"
    if 0 < seconds < 9.95 and not float(seconds).is_integer():
        return f"{seconds:.1f} s"
    if seconds >= _LONG_S:
        return f"{quantity(seconds / 86400)} d"
    unit = next((size for size, _ in _UNITS if seconds >= size), 1)
    smaller = unit if unit == 1 else _UNITS[[size for size, _ in _UNITS].index(unit) + 1][0]
    rest, words = round(seconds / smaller) * smaller, []
    for size, name in _UNITS:
        whole, rest = divmod(rest, size)
        if whole:
            words.append(f"{whole} {name}")
    return " ".join(words[:2]) or "0 s"


def points(value: float) -> str:
    """Return a difference of two shares in percentage points: 1.2 pp."""
    return f"{100 * value:,.1f} pp"


def optional(formatter: Callable[[float], str], value: float | None) -> str:
    """Format a figure that may be missing."""
    return NONE if value is None else formatter(value)


def change(formatter: Callable[[float], str], now: float | None, before: float | None) -> str:
    """Return the change of a figure: `+12 min`, `-0.3 pp`, or `=` if both print the same.

    Args:
        formatter: the format of such figures.
        now: the figure of this period.
        before: the figure of the previous period.
    """
    if now is None or before is None or not (math.isfinite(now) and math.isfinite(before)):
        return NONE
    if formatter(now) == formatter(before):
        return "="
    return f"{'+' if now > before else '-'}{formatter(abs(now - before))}"


def shortened(text: str, longest: int = 40) -> str:
    """Return text, such as a stage's name in a sentence, of at most `longest` characters, with dots for the rest."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def load_name(stages: int, in_sentence: bool = False) -> str:
    """Return the name of the load that a pipeline is judged by: of two stages, the coupled load is Psi_total itself."""
    return "Psi_total" if stages == 2 else "coupled load" if in_sentence else "Coupled load"


def printable(text: str) -> str:
    r"""Return text that is safe to show anywhere.

    Control and other unprintable characters become escapes, such as \x1b, and URLs lose their secrets.
    """
    text = masked(text)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1].replace("\\u00", "\\x") for char in text)
