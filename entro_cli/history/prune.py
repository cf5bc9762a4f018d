"""Removing old days, so that the logs they came from do not bring them back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from entro_cli.history.day_files import DamagedDayError, connect, read_days
from entro_cli.history.ingest.overlap import since
from entro_cli.history.inventory import PruneResult
from entro_cli.history.paths import DAY_NS, PipelinePaths, day_start_ns
from entro_cli.history.state import PackedSamples, State, load_state
from entro_cli.history.transaction import commit, remove_empty_folders, write_lock


def prune(place: PipelinePaths, cut: date, dry_run: bool = False) -> PruneResult:
    """Remove the days of UTC before a date; the step stays what it was, also where no day is left.

    Args:
        place: the pipeline's.
        cut: the first day that is kept.
        dry_run: only tell what would be removed.

    Raises:
        EntroError: when it cannot be written to, or its state is damaged.
    """
    if dry_run or not (_days_before(place, cut) or place.committed.is_dir()):
        return _result(place, _days_before(place, cut))
    with write_lock(place):
        days = _days_before(place, cut)
        told = _result(place, days)
        if days:
            state = load_state(place)
            _cut_logs(state, _end_ns(place, days[-1], state))
            commit(place, {day: {} for day in days}, state)
            remove_empty_folders(place)
    return told


def _days_before(place: PipelinePaths, cut: date) -> list[date]:
    return [day for day in place.days() if day < cut]


def _result(place: PipelinePaths, days: Sequence[date]) -> PruneResult:
    size = sum(place.day_file(day).stat().st_size for day in days)
    return PruneResult(place.name, place.shown, tuple(day.isoformat() for day in days), size)


def _end_ns(place: PipelinePaths, day: date, state: State) -> int:
    """Where the last stored step of a day ends; where it cannot be read, the day itself."""
    try:
        with connect() as connection:
            content = read_days(connection, [place.day_file(day)])
        return max(int(cells.starts[-1]) for cells in content.values()) + state.step_ns
    except (DamagedDayError, ValueError):
        return day_start_ns(day) + DAY_NS


def _cut_logs(state: State, begin_ns: int) -> None:
    """Let every log know that what it has before a moment was removed; the step is fixed from now on."""
    state.step_is_known = True
    for log in state.logs:
        log.pruned_ns = max(log.pruned_ns, begin_ns)
        log.edges, log.unfinished = _since(begin_ns, log.edges), _since(begin_ns, log.unfinished)


def _since(begin_ns: int, parts: Sequence[PackedSamples]) -> list[PackedSamples]:
    """What is left of some samples from a moment on."""
    return [PackedSamples.pack(series) for series in since(begin_ns, (part.unpack() for part in parts))]
