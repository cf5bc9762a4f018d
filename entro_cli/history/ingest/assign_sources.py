"""Assignment of logs to sources: each series that was read gets the source that it belongs to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from entro_cli.core.console import printable
from entro_cli.history.ingest.merge import SourcedLog, name_source, source_by_name
from entro_cli.history.ingest.overlap import since
from entro_cli.history.ingest.read_tail import LogUpdate
from entro_cli.history.state import SeriesState, State
from entro_cli.timeseries.join_sources import source_groups
from entro_cli.timeseries.observations import Observations, Series
from entro_cli.timeseries.problems import Problem, ProblemKind

_NONE: Mapping[str, str] = {}


def assign_sources(
    updates: Sequence[LogUpdate], state: State, source: str | None, rebuilt: Mapping[str, str] = _NONE
) -> tuple[list[SourcedLog], list[Problem]]:
    """Assign logs to sources, with warnings about these.

    Logs that were read before keep their source. Their groups come first, so that a new source takes another name.

    Args:
        updates: what was read of each log.
        state: the state of the pipeline.
        source: the source of new logs; None to determine it.
        rebuilt: the sources of logs that were stored before the state was lost, by path.
    """
    by_path = {update.observations.path: update for update in updates}
    used: dict[str, set[str]] = {}  # by stage, the sources of this ingest
    sourced = []
    joined, problems = source_groups([update.observations for update in updates])
    groups = [part for group in joined for part in _by_source(group, by_path, state, rebuilt)]
    empty = [[update.observations] for update in updates if not update.observations.series]
    for group in sorted(groups + empty, key=lambda group: all(by_path[file.path].before is None for file in group)):
        members = [by_path[file.path] for file in group]
        stages = {series.stage for update in members for series in (*update.observations.series, *_unfinished(update))}
        taken = set().union(*(used.get(stage, set()) for stage in stages))
        before = next(filter(None, map(_stored_source, members)), None)
        if any(series.is_additive for update in members for series in update.observations.series):
            taken |= {series.source for log in state.logs for series in log.series}
        again = next((rebuilt[file.path] for file in group if file.path in rebuilt), None)
        name = before or source or again or name_source([update.log for update in members], state.logs, taken)
        for stage in stages:
            used.setdefault(stage, set()).add(name)
        sourced += [_sourced(update, name) for update in members]
    return sourced, problems


def _by_source(
    group: Sequence[Observations], by_path: Mapping[str, LogUpdate], state: State, rebuilt: Mapping[str, str]
) -> list[list[Observations]]:
    """Split the files of a group by the source that they are known to belong to; new files go with the first.

    Parallel sources may be equal in all rows that are new, and still be two. Additive logs are one source each, because
    each of them has only some of the events of a time.
    """
    if any(series.is_additive for file in group for series in file.series):
        return [[file] for file in group]
    known = {file.path: _known_source(by_path[file.path], state) or rebuilt.get(file.path) for file in group}
    names = [*dict.fromkeys(name for name in known.values() if name is not None)]
    if not names:
        return [[*group]]
    return [[file for file in group if (known[file.path] or names[0]) == name] for name in names]


def _known_source(update: LogUpdate, state: State) -> str | None:
    return _stored_source(update) or source_by_name(update.log.place, state.logs)


def _stored_source(update: LogUpdate) -> str | None:
    """Return the source that a log was stored as before; None for a new log."""
    return next((series.source for series in update.before.series), None) if update.before is not None else None


def kept_source_problems(logs: Sequence[SourcedLog], source: str | None) -> list[Problem]:
    """Return a warning for every log that keeps the source it was stored as, though --source names another."""
    kept = {log.log.path: set(log.sources.values()) - {source} for log in logs}
    return [
        Problem(ProblemKind.SOURCE_KEPT, detail=(path, printable(name)))
        for path, names in kept.items()
        for name in sorted(names if source else ())
    ]


def _reread(update: LogUpdate) -> tuple[Series, ...]:
    return update.reread.series if update.reread else ()


def _unfinished(update: LogUpdate) -> tuple[Series, ...]:
    return update.unfinished.series if update.unfinished else ()


def _sourced(update: LogUpdate, source: str) -> SourcedLog:
    before = None if update.begins else update.before
    known = {part.stage: part for part in (before.series if before else ())}
    series = {part.stage: part for part in (*_unfinished(update), *update.observations.series)}
    # 0 for a log of which nothing was pruned, which may be of before 1970
    kept_from = update.log.pruned_ns or -math.inf
    states = known | {stage: _series_state(part, source, known.get(stage)) for stage, part in series.items()}
    return SourcedLog(
        log=msgspec.structs.replace(update.log, series=list(states.values())),
        # Steps that were pruned since the log was read last do not come back.
        series=since(kept_from, update.observations.series),
        unfinished=since(kept_from, _unfinished(update)),
        begins=update.begins,
        continues=update.continues,
        before=update.before,
        sources=dict.fromkeys(series, source),
        reread=since(kept_from, (part for part in _reread(update) if part.stage in series)),
    )


def _series_state(series: Series, source: str, before: SeriesState | None) -> SeriesState:
    """Return the state of a log's stage, with what was stored of it before."""
    now = SeriesState(
        stage=series.stage,
        kind=str(series.kind),
        source=source,
        interval_ns=series.held_interval_ns,
        samples=len(series.times),
        first=int(series.times[0]),
        last=int(series.times[-1]),
        is_fallback=series.is_fallback,
        is_additive=series.is_additive,
    )
    if before is None:
        return now
    new_samples = len(series.times) - int(np.searchsorted(series.times, before.last, side="right"))
    longer = before if now.interval_ns is None or before.samples > now.samples else now
    return msgspec.structs.replace(
        now,
        interval_ns=longer.interval_ns,  # of the longest part that was read at once
        samples=before.samples + new_samples,
        first=min(now.first, before.first),
        last=max(now.last, before.last),
    )
