"""Select the rows and warnings of a resumed log that earlier ingests have not stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec.structs import replace

from entro_cli.core.files import line_count
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.timeseries.observations import BadRow, Observations, Series, TimeArray
from entro_cli.timeseries.problems import Problem


def first_new_ns(now: Observations, reread: Observations) -> int | None:
    """Return the time of the first sample that was not read before, nanoseconds since the epoch; None without any.

    Args:
        now: what was read.
        reread: the part of it that was read before.
    """
    before = {series.stage: series for series in reread.series}
    firsts = (_first_new(series, before.get(series.stage)) for series in now.series)
    return min((first for first in firsts if first is not None), default=None)


def _first_new(series: Series, before: Series | None) -> int | None:
    if before is None:
        return series.first_ns
    if series.begins is not None and before.begins is not None:
        return _first_new_level(series, series.begins, before, before.begins)
    at = np.minimum(np.searchsorted(before.times, series.times), len(before.times) - 1)
    new = (before.times[at] != series.times) | (before.values[at] != series.values)
    return int(series.times[new][0]) if new.any() else None


def _first_new_level(now: Series, begins: TimeArray, before: Series, earlier: TimeArray) -> int | None:
    """Return the time from which on spans are others than those before, which begin like them."""
    number = min(len(now.times), len(before.times))
    same = (begins[:number] == earlier[:number]) & (now.values[:number] == before.values[:number])
    other = np.flatnonzero(~same | (now.times[:number] != before.times[:number]))
    if len(other):
        first = int(other[0])
        part = (now.times, before.times) if same[first] else (begins, earlier)
        return int(min(times[first] for times in part))
    return int(begins[number]) if len(now.times) > number else None


def whole_from_ns(reread: Observations) -> int | None:
    """Return the time from which on a part of a log has all samples; None without any.

    Its first rows may be out of order, and of their first moment some may stand before the part.
    """
    if not reread.series:
        return None
    times = np.concatenate([series.times for series in reread.series])
    return max(int(np.median(times)), int(times.min()) + 1)


def bad_rows_in_file(log: LogFile, rows: Sequence[BadRow], begin: int, head: bytes) -> tuple[BadRow, ...]:
    """Return the bad rows of a part of a log with their line numbers in the whole log.

    Args:
        log: all of it.
        rows: with their lines in the part, its head included.
        begin: where the part begins, bytes.
        head: what was put before it.
    """
    before = line_count(log.path, begin) - head.count(b"\n")
    return tuple(replace(row, line=row.line + before if row.line else 0) for row in rows)


def behind(log: LogFile, rows: Iterable[BadRow], offset: int) -> tuple[BadRow, ...]:
    """Return the bad rows behind an offset in a log."""
    before = line_count(log.path, offset)
    return tuple(row for row in rows if row.line > before)


def new_problems(now: Sequence[Problem], before: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems of what was read, less those of the part that was read before."""
    earlier = list(before)
    counts = {(one.kind, one.detail): one.count for one in earlier if one.kind.is_additive}
    known = set(map(str, earlier))
    more = (one.count - counts.get((one.kind, one.detail), 0) for one in now)
    new = (replace(one, count=count) if one.kind.is_additive else one for one, count in zip(now, more, strict=True))
    return tuple(one for one in new if (one.count > 0 if one.kind.is_additive else str(one) not in known))


def all_problems(before: Iterable[Problem], new: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems known before and those that are new, each once, the counts of additive ones added."""
    found: dict[object, Problem] = {}
    for one in (*before, *new):
        key = (one.kind, one.detail) if one.kind.is_additive else str(one)
        count = found[key].count + one.count if one.kind.is_additive and key in found else one.count
        found[key] = replace(one, count=count)
    return tuple(found.values())
