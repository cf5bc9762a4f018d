"""Meaning of the names of columns: a time, a rate, a queue, or unknown."""

from __future__ import annotations

import re
from dataclasses import dataclass

from entro_engine import Kind

TIME_NAMES = frozenset({"time", "timestamp", "ts", "date", "datetime", "t"})
"""Names of time columns, without units."""

_TIME_UNITS = frozenset({"ms", "s", "sec", "seconds", "us", "ns", "utc", "unix", "epoch"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RATES = _words("rate rps qps rpm")
_COUNTED = _words(
    "request requests req reqs page pages url urls query queries call calls job jobs task tasks item items message "
    "messages fetch fetches crawled arrivals"
)
_NO_RATE = _words(  # rates of something other than requests over time
    "hit cache error errors fail failure success drop sample sampling frame bit accept acceptance heart learning miss "
    "loss win tax token tokens byte bytes burn"
)
_QUEUES = _words("queue queued waiting pending backlog")
_NO_QUEUE = _words(  # columns about a queue that do not count requests
    "ts at timestamp stamp since time latency seconds sec s ms us duration age bytes capacity max limit id name "
    "percent pct"
)
_PER = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "day": 86400}


@dataclass(frozen=True)
class Meaning:
    """Meaning of a column's name: the kind of load, and the divisor that converts its values to loads per second."""

    kind: Kind
    divisor: float = 1.0


def tokens(name: str) -> list[str]:
    """Return the words of a column's name in lower case: `scraperRate`, `scraper-rate` and `Scraper Rate` are equal."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def meaning(name: str) -> Meaning | None:
    """Return the meaning of a column's name; None if it is unknown."""
    words = tokens(name)
    divisor, base = _without_unit(words)
    if not base:
        return None
    if base[-1] in _RATES and not _NO_RATE & set(base):
        return Meaning(Kind.RATE, 60.0 if base[-1] == "rpm" else divisor or 1.0)
    if divisor is not None and base[-1] in _COUNTED:
        return Meaning(Kind.RATE, divisor)
    if divisor is None and _QUEUES & set(words) and not _NO_QUEUE & set(words):
        return Meaning(Kind.QUEUE)
    return None


def _without_unit(words: list[str]) -> tuple[float | None, list[str]]:
    """Return the divisor for a name's ending `per <unit>`, and the words before it; None and all words without one."""
    if len(words) >= 2 and words[-2] == "per" and words[-1] in _PER:
        return float(_PER[words[-1]]), words[:-2]
    return None, words


def is_number(cell: str) -> bool:
    """Return whether a cell is a number or empty."""
    try:
        float(cell.strip(' "\t\r') or 0)
    except ValueError:
        return False
    return True


def names_time(name: str) -> bool:
    """Return whether a column has the name of a time column, with or without a unit."""
    words = tokens(name)
    while len(words) > 1 and words[-1] in _TIME_UNITS:
        words.pop()
    return len(words) == 1 and words[0] in TIME_NAMES


def offset_unit_ns(name: str) -> int:
    """Return the unit of a column of offsets, nanoseconds: milliseconds if its name has `ms`, else seconds."""
    return 1_000_000 if "ms" in tokens(name) else 1_000_000_000
