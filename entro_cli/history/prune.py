"""Pruning: remove old days, and record this for each log, so that a later ingest does not bring them back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from entro_cli.history.day_files import DamagedDayError, connect, read_days
from entro_cli.history.digests import read_digests, stored_days
from entro_cli.history.ingest.overlap import since
from entro_cli.history.inventory import PruneResult
from entro_cli.history.paths import DAY_NS, PipelinePaths, day_start_ns
from entro_cli.history.state import PackedSamples, State, load_state
from entro_cli.history.transaction import commit, refuse_altered, remove_empty_folders, write_lock


def prune(paths: PipelinePaths, cut: date, dry_run: bool = False) -> PruneResult:
    """Remove the days of UTC before a date. The pipeline keeps its step, even if no day is left.

    Args:
        paths: the pipeline.
        cut: the first day that is kept.
        dry_run: only report what would be removed.

    Raises:
        EntroError: when the history cannot be written to, or its state is damaged.
    """
    # With a commit that is only half applied, the days on disk are not yet those that are stored.
    if dry_run or not (_days_before(paths, cut) or paths.committed.is_dir()):
        return _result(paths, _days_before(paths, cut))
    with write_lock(paths):
        days = _days_before(paths, cut)
        result = _result(paths, days)
        if days:
            state = load_state(paths)
            _cut_logs(state, _end_ns(paths, days[-1], state))
            commit(paths, days, state)
            remove_empty_folders(paths)
    return result


def _days_before(paths: PipelinePaths, cut: date) -> list[date]:
    return [day for day in stored_days(paths, read_digests(paths)) if day < cut]


def _result(paths: PipelinePaths, days: Sequence[date]) -> PruneResult:
    size = sum(path.stat().st_size for path in map(paths.day_file, days) if path.exists())
    return PruneResult(paths.name, paths.shown, tuple(day.isoformat() for day in days), size)


def _end_ns(paths: PipelinePaths, day: date, state: State) -> int:
    """Return the end of the last stored step of a day; the end of the day if its file is damaged.

    Not always the end of the day: what a log gives later for the rest of it was not removed, and is kept.
    """
    try:
        refuse_altered(paths, day, read_digests(paths))
        with connect() as connection:
            content = read_days(connection, [paths.day_file(day)])
        return max(int(bins.starts[-1]) for bins in content.values()) + state.step_ns
    except (DamagedDayError, ValueError):  # ValueError: max() of a file without rows
        return day_start_ns(day) + DAY_NS


def _cut_logs(state: State, begin_ns: int) -> None:
    """Record in every log that its steps before a moment are pruned, and fix the step."""
    state.step_is_known = True  # else the next ingest would make all days anew from samples that are gone
    for log in state.logs:
        log.pruned_ns = max(log.pruned_ns, begin_ns)
        log.edges, log.unfinished = _since(begin_ns, log.edges), _since(begin_ns, log.unfinished)


def _since(begin_ns: int, parts: Sequence[PackedSamples]) -> list[PackedSamples]:
    """Return the samples from a moment on."""
    return [PackedSamples.pack(series) for series in since(begin_ns, (part.unpack() for part in parts))]
