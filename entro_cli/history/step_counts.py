"""The numbers of steps that were ever stored, and of those over the budget: counters that never fall."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from entro_cli.analysis.replay import replay_from, step_range
from entro_cli.analysis.results import StepCounts
from entro_cli.config import Settings
from entro_cli.core.clock import NS
from entro_cli.core.console import printable, worked_off
from entro_cli.core.files import read_regular, write_whole
from entro_cli.core.json_document import sealed, unsealed
from entro_cli.history.digests import Digests, read_digests
from entro_cli.history.paths import DAY_NS, PipelinePaths, day_start_ns
from entro_cli.history.read import judged_steps, load_stored_state, read_bins
from entro_cli.history.state import State
from entro_cli.history.transaction import task_lock
from entro_engine import EntroError

_LOOK_BACK_NS = 3600 * NS
"""Chosen: a sample from so long before midnight may still hold for the first steps of a day."""


class _CountedDay(msgspec.Struct):
    """The counts of a day, and the hashes of its file when it was counted."""

    hashes: list[str]
    observed: int
    violating: int


class _Counts(msgspec.Struct):
    """The counts of a pipeline by day, also of days that were removed since."""

    version: Literal[1] = 1
    days: dict[str, _CountedDay] = {}


def count_steps(paths: PipelinePaths, settings: Settings) -> StepCounts | None:
    """Count the steps of the days that changed since they were counted, and return all counts; None without any.

    A day is judged by the settings of now. Its counts do not fall if it is judged anew, and stay if it is removed.

    Args:
        paths: the pipeline, in a working copy that may be written.
        settings: its settings.

    Raises:
        EntroError: if the counts cannot be read or written.
    """
    if not paths.metadata_dir.is_dir():
        return None
    with task_lock(paths, "counts", wait=True):
        counts, listed = _load(paths), read_digests(paths)
        if changed := [day for day in paths.days() if not _is_counted(counts, day, listed)]:
            state = load_stored_state(paths)
            for day in worked_off(changed, len(changed), f"counting steps of {printable(paths.name)}", "day"):
                _add(counts, day, listed, _count_day(paths, state, settings, day))
            write_whole(paths.step_counts, sealed(msgspec.to_builtins(counts)))
    days = counts.days.values()
    return StepCounts(sum(day.observed for day in days), sum(day.violating for day in days)) if days else None


def _load(paths: PipelinePaths) -> _Counts:
    try:
        return msgspec.convert(unsealed(read_regular(paths.step_counts)), _Counts)
    except FileNotFoundError:
        return _Counts()
    except (OSError, ValueError) as error:
        where, remedy = printable(str(paths.step_counts)), "move it away: the days that are stored are counted again"
        raise EntroError("the file cannot be used", where=where, remedy=remedy) from error


def _is_counted(counts: _Counts, day: date, listed: Digests) -> bool:
    known = counts.days.get(day.isoformat())
    return known is not None and known.hashes == listed.get(day.isoformat())


def _count_day(paths: PipelinePaths, state: State, settings: Settings, day: date) -> StepCounts:
    begin_ns = day_start_ns(day)
    bins = read_bins(paths, state, begin_ns - _LOOK_BACK_NS, begin_ns + DAY_NS).bins
    steps, _ = judged_steps(state, bins, settings, begin_ns)
    run = replay_from(steps, settings.budget, 0).part(*step_range(steps, begin_ns, begin_ns + DAY_NS))
    return StepCounts(int(run.observed.sum()), int(run.violated.sum()))


def _add(counts: _Counts, day: date, listed: Digests, found: StepCounts) -> None:
    name = day.isoformat()
    known = counts.days.get(name, _CountedDay([], 0, 0))
    observed, violating = max(known.observed, found.observed), max(known.violating, found.violating)
    counts.days[name] = _CountedDay(listed.get(name, []), observed, violating)
