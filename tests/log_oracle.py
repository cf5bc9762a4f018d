"""From samples to steps, incidents and the objective a second time, slow and plain, to compare the project with.

Like tests/oracle.py it shares no code with the project and uses the standard library only, times as whole nanoseconds
and shares as fractions. None is a step without data.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from fractions import Fraction
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo

NS = 10**9
LADDER_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
UTC = ZoneInfo("UTC")
WINDOWS = ((3600, 300, 14), (21600, 1800, 7), (86400, 7200, 2), (345600, 21600, 1))

Samples = Mapping[int, float]


def mean(numbers: Iterable[float]) -> float:
    """A mean that does not depend on the order of the numbers."""
    listed = list(numbers)
    return math.fsum(listed) / len(listed)


def samples_of(rows: Iterable[tuple[int, tuple[float | None, ...]]], column: int) -> dict[int, float]:
    """A column of a table by time: repeated rows count once, other values at one time are averaged."""
    at: dict[int, list[float]] = {}
    for time, values in set(rows):
        value = values[column]
        if value is not None:
            at.setdefault(time, []).append(value)
    return {time: mean(values) for time, values in at.items()}


def interval(samples: Samples) -> Fraction | None:
    """The median time between two samples, ns."""
    times = sorted(samples)
    gaps = [Fraction(after - before) for before, after in pairwise(times)]
    return Fraction(median(gaps)) if gaps else None


def default_step(intervals: Iterable[Fraction | None]) -> int:
    """The slowest source's interval, up to the next rung, s."""
    slowest = max((length for length in intervals if length is not None), default=Fraction(0))
    return next((rung for rung in LADDER_S if slowest <= rung * NS), LADDER_S[-1])


def origin(first: int, step: int, zone: tzinfo) -> int:
    """Where the grid is anchored, ns: the epoch, or from half an hour on the midnight before the log."""
    if step < 1800 * NS:
        return 0
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    midnight = (epoch + timedelta(seconds=first // NS)).astimezone(zone).replace(hour=0, minute=0, second=0)
    return round((midnight - epoch).total_seconds()) * NS


def held_for(samples: Samples, step: int) -> Fraction:
    """How long a sample of a source slower than the step holds, ns."""
    length = interval(samples)
    return length if length is not None and length > step else Fraction(0)


def fill(samples: Samples, start: int, step: int, count: int) -> list[float | None]:
    """A source's loads: means, and in empty steps what still holds when they begin."""
    inside: list[list[float]] = [[] for _ in range(count)]
    for time, value in samples.items():
        inside[(time - start) // step].append(value)
    loads: list[float | None] = [mean(values) if values else None for values in inside]
    times, hold = sorted(samples), held_for(samples, step)
    for index in range(count):
        begin = start + index * step
        before = bisect_right(times, begin)
        if loads[index] is None and before and begin < times[before - 1] + hold:
            loads[index] = samples[times[before - 1]]
    return loads


def bridged(loads: Sequence[float | None]) -> list[float | None]:
    """A single empty step between two filled ones takes the earlier one's load."""
    result = list(loads)
    for index in range(1, len(loads) - 1):
        before, here, after = loads[index - 1 : index + 2]
        if here is None and before is not None and after is not None:
            result[index] = before
    return result


def grid(
    stages: Sequence[Samples], step_s: float | None = None, zone: tzinfo = UTC
) -> tuple[int, int, list[list[float | None]], int]:
    """Start and step (ns), each stage's loads, None in all of them where one has none, and steps with own data."""
    step = round((step_s or default_step(map(interval, stages))) * NS)
    first, last = min(map(min, stages)), max(map(max, stages))
    start = origin(first, step, zone)
    start += (first - start) // step * step
    still_held = min(math.ceil(max(stage) + held_for(stage, step)) - 1 for stage in stages)
    count = (max(last, still_held) - start) // step + 1
    filled = [fill(stage, start, step, count) for stage in stages]
    own = sum(all(load is not None for load in loads) for loads in zip(*filled, strict=True))
    loads = [bridged(stage) for stage in filled]
    whole = [all(stage[index] is not None for stage in loads) for index in range(count)]
    return start, step, [[load if ok else None for load, ok in zip(stage, whole, strict=True)] for stage in loads], own


def incidents(psi: Sequence[Sequence[float | None]], budget: float) -> list[tuple[int, int, int, float, int]]:
    """(first step, step after the last, violations, excess in nat steps, index of the driver) of each."""
    totals = [
        None if any(p is None for p in parts) else math.fsum(p or 0.0 for p in parts)
        for parts in zip(*psi, strict=True)
    ]
    over = [index for index, total in enumerate(totals) if total is not None and total > budget]
    groups: list[list[int]] = []
    for index in over:
        if groups and index - groups[-1][-1] <= 2:
            groups[-1].append(index)
        else:
            groups.append([index])
    found = []
    for group in groups:
        steps = [index for index in range(group[0], group[-1] + 1) if totals[index] is not None]
        shares = [mean((stage[index] or 0.0) / (totals[index] or 1.0) for index in steps) for stage in psi]
        excess = math.fsum((totals[index] or 0.0) - budget for index in group)
        found.append((group[0], group[-1] + 1, len(group), excess, shares.index(max(shares))))
    return found


def ratio(count: Fraction | int, allowed: Fraction) -> float:
    """What is used of what is allowed: infinite when nothing is allowed and something was used."""
    if allowed == 0:
        return math.inf if count > 0 else 0.0
    return float(count / allowed)


def burn(violated: Sequence[bool | None], step_s: str, window_s: int, allowance: Fraction) -> float | None:
    """The burn rate over the last window; None for one shorter than a step, or with nothing observed in it."""
    width = window_s // Fraction(step_s)
    part = [flag for flag in violated[max(len(violated) - width, 0) :] if flag is not None] if width else []
    return ratio(Fraction(sum(part), len(part)), allowance) if part else None


def firing(violated: Sequence[bool | None], step_s: str, allowance: Fraction) -> list[int]:
    """The factors of the alerts that fire at the end."""
    pairs = [
        (burn(violated, step_s, long, allowance), burn(violated, step_s, short, allowance), factor)
        for long, short, factor in WINDOWS
    ]
    return [
        factor for long, short, factor in pairs if long is not None and short is not None and min(long, short) > factor
    ]
