"""What the columns of a table are, by their names: a time, a rate, a queue, or nothing that is known."""

from __future__ import annotations

import re
from dataclasses import dataclass

from entro_engine import Kind

TIME_NAMES = frozenset({"time", "timestamp", "ts", "date", "datetime", "t"})
"""What a time column is called, before any unit."""

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
    """What a column's name says: the kind of load, and what its values are divided by to be per second."""

    kind: Kind
    divisor: float = 1.0


def tokens(name: str) -> list[str]:
    """The words of a column's name, in lower case: `scraperRate`, `scraper-rate` and `Scraper Rate` are alike."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def meaning(name: str) -> Meaning | None:
    """What a column of loads is by its name; None when the name does not say."""
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
    """A name's `per <unit>` ending as a divisor to per second, and the words before it."""
    if len(words) >= 2 and words[-2] == "per" and words[-1] in _PER:
        return float(_PER[words[-1]]), words[:-2]
    return None, words


def is_number(cell: str) -> bool:
    """Whether a cell is a number, or empty."""
    try:
        float(cell.strip(' "\t\r') or 0)
    except ValueError:
        return False
    return True


def names_time(name: str) -> bool:
    """Whether a column is called what time columns are called, with a unit or without."""
    words = tokens(name)
    while len(words) > 1 and words[-1] in _TIME_UNITS:
        words.pop()
    return len(words) == 1 and words[0] in TIME_NAMES


def offset_unit_ns(name: str) -> int:
    """What one unit of an offset column is in nanoseconds: milliseconds when its name says so, else seconds."""
    return 1_000_000 if "ms" in tokens(name) else 1_000_000_000
