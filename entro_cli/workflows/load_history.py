"""Load steps from the history, the first part of `report` and `history export`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, tzinfo
from typing import Generic, TypeVar

import numpy as np
from msgspec import Struct

from entro_cli.analysis.gaps import Activity, activity_of, times_with_data
from entro_cli.analysis.results import FullLoads, Source
from entro_cli.config import Settings
from entro_cli.core.clock import moment
from entro_cli.history.digests import read_digests, stored_days
from entro_cli.history.paths import DAY_NS, PipelinePaths, day_start_ns
from entro_cli.history.read import coupled_steps, judged_steps, load_stored_state, lost_days, read_bins
from entro_cli.history.state import LogState, State
from entro_cli.timeseries.bins import Signal, signals_of
from entro_cli.timeseries.observations import is_signal
from entro_cli.timeseries.problems import Problem, ProblemKind, failures, sentences
from entro_cli.timeseries.steps import Steps, StepSource
from entro_engine import EntroError, Kind

_READ_NS = 7 * DAY_NS
"""Time of which the steps are in memory at once while only those with data are looked for."""


Steps_co = TypeVar("Steps_co", bound=StepSource, covariant=True)


class JudgedSteps(Struct, Generic[Steps_co], frozen=True):
    """Steps with their full loads, from logs or the history, for analyses and reports.

    Attributes:
        steps: the steps, with maintenance windows as steps without data; empty if nothing is stored for the time.
        sources: a summary of each log that has samples in the time.
        full_loads: the origin of the full loads.
        problems: warnings about days that could not be read.
        logs: the files that were read; empty for data from the history.
        activity: the times with data, up to the end of the period; None for those of the steps.
        signals: hints at the causes of incidents.
        lost_days: the days (UTC) of that time that the history has lost.
    """

    steps: Steps_co
    sources: tuple[Source, ...]
    full_loads: FullLoads
    problems: tuple[Problem, ...] = ()
    logs: tuple[str, ...] = ()
    activity: Activity | None = None
    signals: tuple[Signal, ...] = ()
    lost_days: tuple[date, ...] = ()


def load_history(
    paths: PipelinePaths, settings: Settings, zone: tzinfo, begin_ns: int | None = None, after_ns: int | None = None
) -> JudgedSteps[Steps]:
    """Load the steps of a time range, with full loads as `judged_steps` has them.

    Args:
        paths: the pipeline's files.
        settings: the pipeline's settings.
        zone: the time zone of output.
        begin_ns: the begin of the range, ns since the epoch; None for the first step.
        after_ns: its end; None for the last step.

    Raises:
        EntroError: if nothing is stored of the pipeline.
    """
    state = load_stored_state(paths)
    stored = read_bins(paths, state, begin_ns, after_ns)
    sources = stored_sources(state, zone, begin_ns, after_ns)
    steps, origin = judged_steps(state, stored.bins, settings, begin_ns)
    signals = signals_of((key.stage, part) for key, part in stored.bins.items())
    problems = (*stored.problems, *([Problem(ProblemKind.STATE_REBUILT)] if state.rebuilt else ()))
    return JudgedSteps(steps, sources, origin, problems, signals=signals, lost_days=lost_days(stored.problems))


def stored_sources(state: State, zone: tzinfo, begin_ns: int | None, after_ns: int | None) -> tuple[Source, ...]:
    """Return the logs that have samples in a time range, in the order they were first read.

    Args:
        state: the state of the pipeline's history.
        zone: the time zone of output.
        begin_ns: the begin of the range, ns since the epoch; None for the first step.
        after_ns: its end; None for the last step.
    """
    has_client = any(Kind(part.kind) is Kind.RATE and not part.is_fallback for log in state.logs for part in log.series)
    return tuple(_source(log, zone, has_client) for log in state.logs if _overlaps(log, begin_ns, after_ns))


def last_data_ns(paths: PipelinePaths, settings: Settings, before_ns: int | None = None) -> int | None:
    """Return the begin of the last stored step that has data of all stages, ns since the epoch; None without one.

    If a later day cannot be used, its begin is returned, so that the report is about that day and names it.

    Args:
        paths: the pipeline's files.
        settings: the pipeline's settings.
        before_ns: ignore steps from this time on, ns since the epoch; None to count all.

    Raises:
        EntroError: if nothing is stored of the pipeline.
    """
    state = load_stored_state(paths)
    for day in reversed(stored_days(paths, read_digests(paths))):
        begin = day_start_ns(day)
        if before_ns is None or begin < before_ns:
            stored = read_bins(paths, state, begin, before_ns)
            if stored.problems:
                return begin
            steps = coupled_steps(state, stored.bins, settings, begin)
            observed = np.flatnonzero(~np.isnan(steps.loads).any(axis=0))
            if len(observed):
                return steps.start_ns + int(observed[-1]) * steps.step_ns
    return None


def load_activity(
    paths: PipelinePaths, settings: Settings, begin_ns: int, after_ns: int, loaded: StepSource | None = None
) -> Activity:
    """Load the times at which a pipeline had data.

    Args:
        paths: the pipeline's files.
        settings: the pipeline's settings.
        begin_ns: the begin of the range, ns since the epoch.
        after_ns: its end.
        loaded: the last steps before the end as `load_history` returns them, which are not read again.

    Raises:
        EntroError: if nothing is stored of the pipeline.
    """
    state = load_stored_state(paths)
    known = np.empty(0, np.int64) if loaded is None else times_with_data(loaded)
    unread_after = after_ns if loaded is None else min(loaded.start_ns, after_ns)
    days = [day_start_ns(day) for day in paths.days()] or [begin_ns]
    times = [
        times_with_data(settings.maintenance().apply(coupled_steps(state, bins, settings, begin)))
        for begin in range(max(begin_ns, days[0]), min(unread_after, days[-1] + DAY_NS), _READ_NS)
        if (bins := read_bins(paths, state, begin, min(begin + _READ_NS, unread_after)).bins)
    ]
    return activity_of(np.concatenate([*times, known[known >= begin_ns]]), state.step_ns)


def check_stages(paths: PipelinePaths, names: Sequence[str]) -> None:
    """Refuse stages of the command line that the history does not have.

    Raises:
        EntroError: if there is one.
    """
    known = load_stored_state(paths).stages
    for name in names:
        if name not in known:
            raise EntroError(
                "the history has no such stage", where=f"--stage {name}", expected=f"one of {', '.join(known)}"
            )


def _overlaps(log: LogState, begin_ns: int | None, after_ns: int | None) -> bool:
    return any(
        (after_ns is None or series.first < after_ns) and (begin_ns is None or series.last >= begin_ns)
        for series in log.series
    )


def _source(log: LogState, zone: tzinfo, has_client: bool) -> Source:
    stages = [series for series in log.series if not is_signal(series.stage)]
    return Source(
        path=log.path,
        format=log.format,
        stages=tuple(series.stage for series in stages),
        rows_read=log.rows_read,
        rows_skipped=log.rows_skipped,
        start=moment(min(series.first for series in stages), zone) if stages else None,
        end=moment(max(series.last for series in stages), zone) if stages else None,
        zone=log.zone,
        taken_as="stored",
        problems=sentences(log.known_problems(), has_client),
        bad_rows=(),
        identity=log.identity,
        failed=failures(log.known_problems()),
    )
