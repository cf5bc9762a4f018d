"""What is new in a log that was read on: which of its rows, and what of them is told, since some were read before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.timeseries.observations import BadRow, Observations, Series

_COUNTED = re.compile(r"(\d+) (row|time)s? (.*)")


def first_new_ns(now: Observations, again: Observations) -> int | None:
    """When the first sample was that was not read before, nanoseconds since the epoch; None without any.

    Args:
        now: what was read.
        again: what of it was read before.
    """
    before = {series.stage: series for series in again.series}
    firsts = (_first_new(series, before.get(series.stage)) for series in now.series)
    return min((first for first in firsts if first is not None), default=None)


def _first_new(series: Series, before: Series | None) -> int | None:
    if before is None:
        return int(series.times[0])
    at = np.minimum(np.searchsorted(before.times, series.times), len(before.times) - 1)
    new = (before.times[at] != series.times) | (before.values[at] != series.values)
    return int(series.times[new][0]) if new.any() else None


def whole_from_ns(again: Observations) -> int | None:
    """From when on a part of a log has all samples; None without any.

    Its first rows may be out of order, and of their first moment some may stand before the part.
    """
    if not again.series:
        return None
    times = np.concatenate([series.times for series in again.series])
    return max(int(np.median(times)), int(times.min()) + 1)


def bad_rows_in_file(log: LogFile, rows: Sequence[BadRow], begin: int, head: bytes) -> tuple[BadRow, ...]:
    """Bad rows of a part of a log with the lines they have in all of it.

    Args:
        log: all of it.
        rows: with their lines in the part, its head included.
        begin: where the part begins, bytes.
        head: what was put before it.
    """
    before = _lines(log, begin) - head.count(b"\n")
    return tuple(replace(row, line=row.line + before if row.line else 0) for row in rows)


def behind(log: LogFile, rows: Iterable[BadRow], offset: int) -> tuple[BadRow, ...]:
    """The bad rows that stand behind a place in a log."""
    told = _lines(log, offset)
    return tuple(row for row in rows if row.line > told)


def _lines(log: LogFile, end: int) -> int:
    """How many lines end before a place in a log."""
    count = 0
    with log.path.open("rb") as file:
        while end > 0 and (content := file.read(min(end, 1 << 20))):
            end -= len(content)
            count += content.count(b"\n")
    return count


def new_problems(now: Iterable[str], again: Iterable[str]) -> list[str]:
    """The problems of what was read but for those of what of it was read before."""
    before = dict(_counted(again))
    left = ((what, count, count - before.get(what, 0)) for what, count in _counted(now))
    return [_sentence(what, new) for what, count, new in left if new > 0 or (not count and what not in before)]


def all_problems(before: Iterable[str], new: Iterable[str]) -> list[str]:
    """The problems of a log: those known before and those that are new, each once, what is counted added up."""
    counts: dict[str, int] = {}
    for what, count in (*_counted(before), *_counted(new)):
        counts[what] = counts.get(what, 0) + count
    return [_sentence(what, count) for what, count in counts.items()]


def _counted(problems: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Problems without the number they begin with, and that number; 0 for those without."""
    for problem in problems:
        match = _COUNTED.fullmatch(problem)
        yield (f"{match[2]} {match[3]}", int(match[1])) if match else (problem, 0)


def _sentence(what: str, count: int) -> str:
    noun, _, rest = what.partition(" ")
    return f"{count} {noun if noun == 'row' and count == 1 else noun + 's'} {rest}" if count else what
