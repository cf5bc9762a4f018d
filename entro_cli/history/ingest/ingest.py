"""Add the new rows of logs to a history: for `ingest`, `analyze --save` and `schedule run`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, tzinfo

import numpy as np
from msgspec import Struct, field

from entro_cli.analysis.calibration import learn_capacity, shows_capacity
from entro_cli.analysis.results import IngestedLog, IngestSummary
from entro_cli.core import formatting
from entro_cli.core.clock import NS, duration_ns
from entro_cli.core.console import printable, worked_off
from entro_cli.history.day_files import BinsByKey, connect, merge_days, read_days, same_bins, split_by_day
from entro_cli.history.digests import read_digests, stored_days
from entro_cli.history.ingest.assign_sources import assign_sources, kept_source_problems
from entro_cli.history.ingest.find_new import LogScanner, find_logs_leniently
from entro_cli.history.ingest.merge import (
    SourcedLog,
    all_samples,
    determines_step,
    new_bins,
    retracted_bins,
    update_logs,
    without_retracted,
)
from entro_cli.history.ingest.new_bins import NewBins
from entro_cli.history.ingest.new_steps import new_steps
from entro_cli.history.ingest.overlap import merge_samples
from entro_cli.history.ingest.read_tail import LogUpdate
from entro_cli.history.ingest.rebuilt_sources import rebuilt_sources
from entro_cli.history.paths import DAY_NS, PipelinePaths, day_start_ns, utc_day
from entro_cli.history.read import steps_of
from entro_cli.history.state import VERSION, StageState, State, encode_state, load_state
from entro_cli.history.transaction import Staging, refuse_altered, staging, write_lock
from entro_cli.readers.options import LoadOptions, parse_stage_options, read_options
from entro_cli.timeseries.bins import EMPTY, Bins
from entro_cli.timeseries.observations import is_signal
from entro_cli.timeseries.problems import Problem, ProblemKind, sentences
from entro_cli.timeseries.resample import check_span, grid_origin, ladder_step_ns
from entro_engine import EntroError, Kind, Stage


class IngestOptions(Struct, frozen=True):
    """Options for storing logs.

    Attributes:
        paths: the paths of the pipeline.
        again: read logs from their beginning, whatever was read of them before.
        source: the source of new logs; None to determine it.
        oldest_ns: days that end before it are removed, nanoseconds since the epoch; None to keep all.
        learns: learn the full loads, unless they are learned.
    """

    paths: PipelinePaths
    again: bool = False
    source: str | None = None
    oldest_ns: int | None = None
    learns: bool = True

    @property
    def first_day(self) -> date:
        """The first day (UTC) that is kept."""
        return date.min if self.oldest_ns is None else utc_day(self.oldest_ns)


class IngestResult(Struct):
    """The result of storing logs.

    Attributes:
        step_s: the length of the pipeline's steps, s; 0 if nothing was ever stored.
        statuses: by log, what was done with it, in words.
        updates: what was read of logs with something new.
        days: the days that changed.
        removed: the number of days that were too old to be kept.
        problems: what was out of the ordinary about the logs together.
        failures: the errors of logs that cannot be read.
    """

    step_s: float = 0.0
    statuses: dict[str, str] = field(default_factory=dict)
    updates: list[LogUpdate] = field(default_factory=list)
    days: tuple[date, ...] = ()
    removed: int = 0
    problems: list[Problem] = field(default_factory=list)
    failures: list[EntroError] = field(default_factory=list)

    def summary(self) -> IngestSummary:
        """Return the summary for the terminal and the JSON document."""
        logs = tuple(
            IngestedLog(
                path=update.log.path,
                taken=self.statuses[update.log.path],
                format=update.log.format,
                stages=tuple(series.stage for series in update.observations.stages),
                rows_read=update.rows,
                rows_skipped=update.skipped,
                problems=sentences(update.observations.problems),
            )
            for update in self.updates
        )
        read = {log.path for log in logs}
        others = tuple(IngestedLog(path, status) for path, status in self.statuses.items() if path not in read)
        return IngestSummary(self.step_s, logs + others, tuple(day.isoformat() for day in self.days), self.removed)


def oldest_ns(retention_s: float | None, now_ns: int) -> int | None:
    """Return the beginning of the time whose steps are kept, nanoseconds since the epoch; None to keep all."""
    return None if retention_s is None else now_ns - round(retention_s * NS)


def ingest(names: Sequence[str], load_options: LoadOptions, options: IngestOptions) -> IngestResult:
    """Read what is new in some logs and add it to the history of a pipeline.

    A log that cannot be read does not prevent the others from being stored.

    Args:
        names: files, folders, patterns, URLs, `-` for standard input.
        load_options: how they are read.
        options: how they are stored.

    Raises:
        EntroError: if nothing can be stored: no file exists, the history cannot be written, or the step or the kind of
            a stage is not that of the history.
    """
    zone, read = read_options(load_options)
    step_ns = None if load_options.step is None else duration_ns(load_options.step, "--step")
    found, failures = find_logs_leniently(names)
    result = IngestResult(failures=failures)
    with write_lock(options.paths), staging(options.paths) as staged:
        listed, state = read_digests(options.paths), load_state(options.paths)
        _check_step(state, step_ns, options.paths)
        before = encode_state(state)
        scanner = LogScanner(state, read, load_options, options.again, options.source).read(found)
        result.updates, result.statuses = scanner.updates, scanner.statuses
        result.failures += scanner.failures
        if result.updates:
            _add(result, state, options, step_ns, zone, staged)
        for spec in parse_stage_options(load_options):
            if spec.full is not None and spec.name in state.stages:
                state.stages[spec.name].full = spec.full
        expired = [day for day in stored_days(options.paths, listed) if day < options.first_day]
        result.removed = len(expired)
        for day in expired:
            staged.add(day, {}, state.grid)
        # Without a change nothing is written, not even the state: an unchanged log costs one look.
        if (staged.days or encode_state(state) != before) and staged.commit(state):
            result.problems.append(Problem(ProblemKind.HISTORY_UPGRADED, detail=(str(VERSION), "state.v1.json")))
        result.step_s = state.step_ns / NS
        result.days = tuple(sorted(staged.days))
    return result


def _check_step(state: State, step_ns: int | None, paths: PipelinePaths) -> None:
    if step_ns is not None and state.step_is_known and step_ns != state.step_ns:
        raise EntroError(
            f"the history of {printable(paths.name)} has steps of {formatting.duration(state.step_ns / NS)}",
            where="--step",
            expected="the same step, or none",
            remedy="store another step with another --pipeline or --history",
        )


def _add(
    result: IngestResult, state: State, options: IngestOptions, step_ns: int | None, zone: tzinfo, staged: Staging
) -> None:
    """Put what was read into the state, and stage the days that change."""
    rebuilt = rebuilt_sources(result.updates, state, options.paths) if state.rebuilt else {}
    logs, problems = assign_sources(result.updates, state, options.source, rebuilt)
    result.problems += problems + kept_source_problems(logs, options.source)
    add_stages(logs, state, f"the history of {printable(options.paths.name)}")
    was_known = state.step_is_known
    if not was_known:
        determine_step(logs, state, step_ns, zone)
    for log in logs:
        check_span((*log.series, *log.unfinished), state.step_ns, zone)
    # While the step is not fixed, all samples are in the state, and all days are made of them anew.
    new = new_bins(state, logs) if was_known else NewBins.of(state.grid, all_samples(state, logs), {})
    stages = [Stage(name, Kind(stage.kind)) for name, stage in sorted(state.stages.items())]
    learns = options.learns and state.learns and state.learned is None and shows_capacity(stages)
    learned_from: list[BinsByKey] = []
    for day, content in _changed_days(options, new, state, logs, result, was_known):
        staged.add(day, content if day >= options.first_day else {}, state.grid)
        if learns and was_known:
            learned_from.append(content)
    for log in logs:
        update_logs(state, log)
    known = {(part.stage, part.source) for log in state.logs for part in log.series}
    state.rebuilt = [part for part in state.rebuilt if (part.stage, part.source) not in known]
    if learns and state.step_is_known and (learned_from or not was_known):
        bins = merge_days(*learned_from)
        state.learn(learn_capacity(steps_of(state, bins, stages) if was_known else new_steps(state, new, stages)))


def add_stages(logs: Sequence[SourcedLog], state: State, elsewhere: str) -> None:
    """Put the stages of logs into the state.

    Args:
        logs: what was read.
        state: the state of their pipeline.
        elsewhere: where else the stages are, in words.

    Raises:
        EntroError: if a stage is of another kind than it was.
    """
    for series in (series for log in logs for series in (*log.series, *log.unfinished)):
        if is_signal(series.stage):
            continue
        known = state.stages.setdefault(series.stage, StageState(str(series.kind)))
        if known.kind != series.kind:
            raise EntroError(
                f"stage {series.stage} is a {series.kind} here, and a {known.kind} in {elsewhere}",
                expected="one kind",
                remedy=f"name the column with --stage {series.stage}=COLUMN:{known.kind}, or use another --pipeline",
            )


def determine_step(logs: Sequence[SourcedLog], state: State, step_ns: int | None, zone: tzinfo) -> None:
    """Set the step that --step gives, or that the samples of all logs so far suggest; fix it if they are enough."""
    parts = [merge_samples(series) for key, series in all_samples(state, logs).items() if not is_signal(key.stage)]
    state.step_ns = step_ns or ladder_step_ns(max((series.interval_ns or 0.0 for series in parts), default=0.0))
    first = min((series.first_ns for series in parts), default=0)
    state.origin_ns = grid_origin(first, state.step_ns, zone) % state.step_ns
    state.step_is_known = step_ns is not None or determines_step(len(series.times) for series in parts)


def _changed_days(
    options: IngestOptions,
    new: NewBins,
    state: State,
    logs: Sequence[SourcedLog],
    result: IngestResult,
    is_added: bool,
) -> Iterator[tuple[date, BinsByKey]]:
    """Yield the days whose bins differ from what is stored, with their bins.

    Args:
        options: how they are stored.
        new: bins of what was read.
        state: the state, in which these logs are still as they were before.
        logs: what was read.
        result: receives the problem of steps that were stored with other loads.
        is_added: whether they are added to what is stored, and do not replace it.
    """
    removed = split_by_day(retracted_bins(state, logs)) if is_added else {}
    paths, on_disk = options.paths, set(options.paths.days())
    edges, listed = _edges(logs, state), read_digests(paths)
    days = {utc_day(begin) for begin in new.days()} | set(removed if is_added else stored_days(paths, listed))
    differing = 0
    with connect() as connection:
        for day in worked_off(sorted(days), len(days), "storing", "day"):
            begin = day_start_ns(day)
            fresh = new.between(begin, begin + DAY_NS)
            if not is_added:
                yield day, fresh
                continue
            # The logs of a day that was lost are read again to bring it back. New rows alone would hide the loss.
            if day in on_disk or not options.again:
                refuse_altered(paths, day, listed)
            stored = read_days(connection, [paths.day_file(day)]) if day in on_disk else {}
            left = without_retracted(stored, removed.get(day, {}))
            merged = merge_days(left, fresh)
            unseen = without_retracted(fresh, removed.get(day, {}))  # rows that are read again are not new
            differing += sum(_count_differing(left.get(key, EMPTY), bins, edges) for key, bins in unseen.items())
            if not same_bins(stored, merged):
                yield day, {key: bins for key, bins in merged.items() if len(bins)}
    if differing:
        result.problems.append(Problem(ProblemKind.STEPS_DIFFER, differing))


def _edges(logs: Sequence[SourcedLog], state: State) -> set[int]:
    """Return the beginnings of the first and the last step of each series that was read."""
    origin, step = state.grid
    times = (int(series.times[at]) for log in logs for series in log.series for at in (0, -1))
    return {origin + (time - origin) // step * step for time in times}


def _count_differing(stored: Bins, new: Bins, edges: set[int]) -> int:
    """Return the number of steps that both have with different loads."""
    starts, first, second = np.intersect1d(stored.starts, new.starts, assume_unique=True, return_indices=True)
    other = stored.loads[first] != new.loads[second]
    return int((other & ~np.isin(starts, list(edges))).sum())
