"""What was read of logs, each series told which source it is of and what is to be known of its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from entro_cli.core.console import printable
from entro_cli.history.ingest.merge import SourcedLog, name_source, source_by_name
from entro_cli.history.ingest.overlap import since
from entro_cli.history.ingest.read_tail import LogUpdate
from entro_cli.history.state import SeriesState, State
from entro_cli.timeseries.join_sources import source_groups
from entro_cli.timeseries.observations import Measure, Observations, Series
from entro_cli.timeseries.problems import Problem, ProblemKind


def assign_sources(parts: Sequence[LogUpdate], state: State, source: str | None) -> list[SourcedLog]:
    """What was read, each series told which source it is of.

    Args:
        parts: what was read of each log.
        state: what is known of the pipeline.
        source: what the source of all of them is called; None to find out.
    """
    by_path = {part.observations.path: part for part in parts}
    used: dict[str, set[str]] = {}
    readings = []
    joined = source_groups([part.observations for part in parts])
    groups = [group for one in joined for group in _by_source(one, by_path, state)]
    lone = [[part.observations] for part in parts if not part.observations.series]
    for group in sorted(groups + lone, key=lambda group: all(by_path[file.path].before is None for file in group)):
        members = [by_path[file.path] for file in group]
        stages = {series.stage for part in members for series in (*part.observations.series, *_unfinished(part))}
        taken = set().union(*(used.get(stage, set()) for stage in stages))
        before = next(filter(None, map(_stored_source, members)), None)
        if any(series.is_additive for part in members for series in part.observations.series):
            taken |= {one.source for log in state.logs for one in log.series}
        name = before or source or name_source([part.log for part in members], state.logs, taken)
        for stage in stages:
            used.setdefault(stage, set()).add(name)
        readings += [_reading(part, name) for part in members]
    return readings


def _by_source(
    group: Sequence[Observations], by_path: Mapping[str, LogUpdate], state: State
) -> list[list[Observations]]:
    """The files of a group by the source they are known to be of; those that are new go with the first.

    Sources side by side may be alike for as long as what is new, and still are two. Logs that add up are a source each:
    none of them has all that there was of a time.
    """
    if any(series.is_additive for file in group for series in file.series):
        return [[file] for file in group]
    known = {file.path: _known_source(by_path[file.path], state) for file in group}
    names = [*dict.fromkeys(name for name in known.values() if name is not None)]
    if not names:
        return [[*group]]
    return [[file for file in group if (known[file.path] or names[0]) == name] for name in names]


def _known_source(part: LogUpdate, state: State) -> str | None:
    return _stored_source(part) or source_by_name(part.log.place, state.logs)


def _stored_source(part: LogUpdate) -> str | None:
    """The source that a log was stored as when it was last read; None for one that is new."""
    return next((one.source for one in part.before.series), None) if part.before is not None else None


def kept_source_problems(readings: Sequence[SourcedLog], source: str | None) -> list[Problem]:
    """Return a warning for every log that keeps the source it was stored as, though --source names another."""
    kept = {reading.log.path: set(reading.sources.values()) - {source} for reading in readings}
    return [
        Problem(ProblemKind.SOURCE_KEPT, detail=(path, printable(name)))
        for path, names in kept.items()
        for name in sorted(names if source else ())
    ]


def _again(part: LogUpdate) -> tuple[Series, ...]:
    return part.again.series if part.again else ()


def _unfinished(part: LogUpdate) -> tuple[Series, ...]:
    return part.unfinished.series if part.unfinished else ()


def _reading(part: LogUpdate, source: str) -> SourcedLog:
    known = {} if part.begins or part.before is None else {one.stage: one for one in part.before.series}
    every = {series.stage: series for series in (*_unfinished(part), *part.observations.series)}
    seen = known | {stage: _seen(series, source, known.get(stage)) for stage, series in every.items()}
    return SourcedLog(
        log=msgspec.structs.replace(part.log, series=list(seen.values())),
        series=since(part.log.pruned_ns, part.observations.series),
        unfinished=since(part.log.pruned_ns, _unfinished(part)),
        begins=part.begins,
        before=part.before,
        sources=dict.fromkeys(every, source),
        again=since(part.log.pruned_ns, (one for one in _again(part) if one.stage in every)),
    )


def _seen(series: Series, source: str, before: SeriesState | None) -> SeriesState:
    """What a log gave of a stage, with what it gave before."""
    now = SeriesState(
        stage=series.stage,
        kind=str(series.kind),
        source=source,
        interval_ns=series.interval_ns if series.measure is Measure.SAMPLES else None,  # others do not hold beyond it
        samples=len(series.times),
        first=int(series.times[0]),
        last=int(series.times[-1]),
        is_fallback=series.is_fallback,
    )
    if before is None:
        return now
    more = int(np.count_nonzero(series.times > before.last))
    longer = before if now.interval_ns is None or before.samples > now.samples else now
    return msgspec.structs.replace(
        now,
        interval_ns=longer.interval_ns,
        samples=before.samples + more,
        first=min(now.first, before.first),
        last=max(now.last, before.last),
    )
