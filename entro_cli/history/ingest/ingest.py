"""From the logs a user names into the history: what `ingest`, `analyze --save` and `schedule run` do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, tzinfo

import numpy as np

from entro_cli.analysis.results import IngestedLog, IngestSummary
from entro_cli.core import formatting
from entro_cli.core.clock import NS, duration_ns
from entro_cli.core.console import printable
from entro_cli.history.day_files import BinsByKey, connect, merge_days, read_days, same_bins, split_by_day
from entro_cli.history.ingest.assign_sources import assign_sources, kept_source_problems
from entro_cli.history.ingest.find_new import LogScanner, find_logs_leniently
from entro_cli.history.ingest.merge import (
    SourcedLog,
    determines_step,
    kept_bins,
    kept_samples,
    new_bins,
    retracted_bins,
    update_logs,
    without_retracted,
)
from entro_cli.history.ingest.read_tail import LogUpdate
from entro_cli.history.paths import PipelinePaths, utc_day
from entro_cli.history.state import StageState, State, encode_state, load_state
from entro_cli.history.transaction import commit, read_digests, refuse_altered, write_lock
from entro_cli.readers.options import LoadOptions, parse_stage_options, read_options
from entro_cli.timeseries.bins import EMPTY, Bins
from entro_cli.timeseries.problems import Problem, ProblemKind, sentences
from entro_cli.timeseries.resample import check_span, grid_origin, ladder_step_ns
from entro_engine import EntroError


@dataclass(frozen=True)
class IngestOptions:
    """How logs are stored.

    Attributes:
        place: the pipeline's.
        again: read logs from their beginning, whatever was read of them before.
        source: what their source is called, where it runs beside others; None to find out.
        oldest_ns: days that end before this moment are not kept, nanoseconds since the epoch; None to keep all.
    """

    place: PipelinePaths
    again: bool = False
    source: str | None = None
    oldest_ns: int | None = None


@dataclass
class IngestResult:
    """What came of storing logs.

    Attributes:
        step_s: length of the pipeline's steps, s; 0 where nothing was ever stored.
        logs: by log, what was done with it, in words.
        parts: what was read.
        days: the days that changed.
        removed: how many days were too old to be kept.
        problems: what was out of the ordinary about the logs together.
        failures: why logs could not be read.
    """

    step_s: float = 0.0
    logs: dict[str, str] = field(default_factory=dict)
    parts: list[LogUpdate] = field(default_factory=list)
    days: tuple[date, ...] = ()
    removed: int = 0
    problems: list[Problem] = field(default_factory=list)
    failures: list[EntroError] = field(default_factory=list)

    def summary(self) -> IngestSummary:
        """What is said of it."""
        logs = tuple(
            IngestedLog(
                path=part.log.path,
                taken=self.logs[part.log.path],
                format=part.log.format,
                stages=tuple(series.stage for series in part.observations.series),
                rows_read=part.rows,
                rows_skipped=part.skipped,
                problems=sentences(part.observations.problems),
            )
            for part in self.parts
        )
        read = {log.path for log in logs}
        others = tuple(IngestedLog(path, taken) for path, taken in self.logs.items() if path not in read)
        return IngestSummary(self.step_s, logs + others, tuple(day.isoformat() for day in self.days), self.removed)


def oldest_ns(retention_s: float | None, now_ns: int) -> int | None:
    """From when on steps are kept, nanoseconds since the epoch; None where they are kept for ever."""
    return None if retention_s is None else now_ns - round(retention_s * NS)


def ingest(names: Sequence[str], options: LoadOptions, how: IngestOptions) -> IngestResult:
    """Read what is new in some logs and add it to a pipeline's history.

    A log that cannot be read does not keep the others from being stored.

    Args:
        names: files, folders, patterns, `-` for standard input.
        options: how they are read.
        how: how they are stored.

    Raises:
        EntroError: when nothing can be stored: there is no such file, the place cannot be written to, the step or a
            stage is another than the history's.
    """
    zone, read = read_options(options)
    step_ns = None if options.step is None else duration_ns(options.step, "--step")
    found, failures = find_logs_leniently(names)
    stored = IngestResult(failures=failures)
    with write_lock(how.place):
        state = load_state(how.place)
        _check_step(state, step_ns, how.place)
        before = encode_state(state)
        gathered = LogScanner(state, read, options, how.again, how.source).read(found)
        stored.parts, stored.logs = gathered.parts, gathered.taken
        stored.failures += gathered.failures
        days = _add(stored, state, how, step_ns, zone) if stored.parts else {}
        for spec in parse_stage_options(options):
            if spec.full is not None and spec.name in state.stages:
                state.stages[spec.name].full = spec.full
        days |= _too_old(how, days, stored)
        if days or encode_state(state) != before:
            commit(how.place, days, state)
        stored.step_s = state.step_ns / NS
        stored.days = tuple(sorted(days))
    return stored


def _check_step(state: State, step_ns: int | None, place: PipelinePaths) -> None:
    if step_ns is not None and state.step_is_known and step_ns != state.step_ns:
        raise EntroError(
            f"the history of {printable(place.name)} has steps of {formatting.duration(state.step_ns / NS)}",
            where="--step",
            expected="the same step, or none",
            remedy="another step needs another --pipeline or --history",
        )


def _add(
    stored: IngestResult, state: State, how: IngestOptions, step_ns: int | None, zone: tzinfo
) -> dict[date, BinsByKey]:
    """Put what was read into the state; the days that change."""
    readings = assign_sources(stored.parts, state, how.source)
    stored.problems += kept_source_problems(readings, how.source)
    _take_stages(readings, state, how.place)
    was_known = state.step_is_known
    if not was_known:
        _take_step(readings, state, step_ns, zone)
    for reading in readings:
        check_span((*reading.series, *reading.unfinished), state.step_ns, zone)
    if was_known:
        new, gone = new_bins(state, readings), retracted_bins(state, readings)
        days = _changed(how.place, new, gone, _edges(readings, state), stored)
    else:
        days = _made_anew(how.place, kept_bins(state, readings))
    for reading in readings:
        update_logs(state, reading)
    return days


def _take_stages(readings: Sequence[SourcedLog], state: State, place: PipelinePaths) -> None:
    """The stages of what was read into the state.

    Raises:
        EntroError: when a stage is of another kind than it was.
    """
    history = f"the history of {printable(place.name)}"
    for series in (series for reading in readings for series in (*reading.series, *reading.unfinished)):
        known = state.stages.setdefault(series.stage, StageState(str(series.kind)))
        if known.kind != series.kind:
            raise EntroError(
                f"stage {series.stage} is a {series.kind} here, and a {known.kind} in {history}",
                expected="one kind",
                remedy=f"name the column with --stage {series.stage}=COLUMN:{known.kind}, or use another --pipeline",
            )


def _take_step(readings: Sequence[SourcedLog], state: State, step_ns: int | None, zone: tzinfo) -> None:
    """The step that the samples of all logs so far tell, or the one that was asked for."""
    samples = kept_samples(state, readings)
    intervals = [series.interval_ns or 0.0 for series in samples.values()]
    state.step_ns = step_ns or ladder_step_ns(max(intervals, default=0.0))
    first = min(series.first_ns for series in samples.values())
    state.origin_ns = grid_origin(first, state.step_ns, zone) % state.step_ns
    state.step_is_known = step_ns is not None or determines_step(len(series.times) for series in samples.values())


def _made_anew(place: PipelinePaths, content: BinsByKey) -> dict[date, BinsByKey]:
    """All days, made of these cells and no others: while the step is not fixed, all samples are kept aside."""
    return {day: {} for day in place.days()} | split_by_day(content)


def _changed(
    place: PipelinePaths, new: BinsByKey, gone: BinsByKey, edges: set[int], stored: IngestResult
) -> dict[date, BinsByKey]:
    """The days that are other than they are stored.

    Args:
        place: the pipeline's.
        new: cells to add.
        gone: cells to withdraw.
        edges: where the first and the last steps of what was read begin; a log may have them in part.
        stored: receives the problem of steps that were stored with other loads.
    """
    added, taken = split_by_day(new), split_by_day(gone)
    there = set(place.days())
    days: dict[date, BinsByKey] = {}
    differing = 0
    listed = read_digests(place)
    with connect() as connection:
        for day in sorted(added.keys() | taken.keys()):
            refuse_altered(place, day, listed)
            old = read_days(connection, [place.day_file(day)]) if day in there else {}
            fresh, left = added.get(day, {}), without_retracted(old, taken.get(day, {}))
            merged = merge_days(left, fresh)
            new_to_it = without_retracted(
                fresh, taken.get(day, {})
            )  # what was read before, and again, says nothing new
            differing += sum(_differing(left.get(key, EMPTY), cells, edges) for key, cells in new_to_it.items())
            if not same_bins(old, merged):
                days[day] = {key: cells for key, cells in merged.items() if len(cells)}
    if differing:
        stored.problems.append(Problem(ProblemKind.STEPS_DIFFER, differing))
    return days


def _edges(readings: Sequence[SourcedLog], state: State) -> set[int]:
    origin, step = state.grid
    times = (int(series.times[at]) for reading in readings for series in reading.series for at in (0, -1))
    return {origin + (time - origin) // step * step for time in times}


def _differing(old: Bins, new: Bins, edges: set[int]) -> int:
    """How many steps both have, with other loads."""
    starts, first, second = np.intersect1d(old.starts, new.starts, assume_unique=True, return_indices=True)
    other = old.loads[first] != new.loads[second]
    return int((other & ~np.isin(starts, list(edges))).sum())


def _too_old(how: IngestOptions, days: Mapping[date, BinsByKey], stored: IngestResult) -> dict[date, BinsByKey]:
    """The days that are too old to be kept, without cells."""
    if how.oldest_ns is None:
        return {}
    stored_days = set(how.place.days())
    old = [day for day in stored_days | days.keys() if day < utc_day(how.oldest_ns)]
    stored.removed = len(stored_days.intersection(old))
    return {day: {} for day in old}
