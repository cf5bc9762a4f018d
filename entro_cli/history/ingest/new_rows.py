"""Select the rows and warnings of a resumed log that earlier ingests have not stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from entro_cli.core.files import line_count
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.timeseries.observations import BadRow, Observations, Series
from entro_cli.timeseries.problems import Problem, ProblemKind


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
        return int(series.times[0])
    at = np.minimum(np.searchsorted(before.times, series.times), len(before.times) - 1)
    new = (before.times[at] != series.times) | (before.values[at] != series.values)
    return int(series.times[new][0]) if new.any() else None


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


def new_problems(now: Iterable[Problem], before: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems of what was read, less those of the part that was read before."""
    earlier = list(before)
    counts, known = {one.kind: one.count for one in earlier if one.kind.is_additive}, set(map(str, earlier))
    new = (replace(one, count=one.count - counts.get(one.kind, 0)) if one.kind.is_additive else one for one in now)
    return tuple(one for one in new if (one.count > 0 if one.kind.is_additive else str(one) not in known))


def all_problems(before: Iterable[Problem], new: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems known before and those that are new, each once, the counts of additive ones added."""
    found: dict[ProblemKind | str, Problem] = {}
    for one in (*before, *new):
        key = one.kind if one.kind.is_additive else str(one)
        count = found[key].count + one.count if one.kind.is_additive and key in found else one.count
        found[key] = replace(one, count=count)
    return tuple(found.values())
