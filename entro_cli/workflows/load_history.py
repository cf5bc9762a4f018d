"""From the history to Steps: what `report` and `history export` do first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np

from entro_cli.analysis.results import Source
from entro_cli.config import Settings
from entro_cli.core.clock import moment
from entro_cli.history.day_files import BinsByKey
from entro_cli.history.paths import PipelinePaths, day_start_ns
from entro_cli.history.read import load_stored_state, read_bins
from entro_cli.history.state import LogState, State
from entro_cli.timeseries.problems import Problem, sentences
from entro_cli.timeseries.resample import SourceBins, fill_steps, held_ns
from entro_cli.timeseries.steps import Steps
from entro_engine import EntroError, Kind, Stage


@dataclass(frozen=True)
class HistorySlice:
    """A stretch of a pipeline's history.

    Attributes:
        steps: its steps; none where nothing is stored of it.
        sources: the logs that gave something of it.
        problems: what of it could not be read.
    """

    steps: Steps
    sources: tuple[Source, ...]
    problems: tuple[Problem, ...]


def load_history(
    place: PipelinePaths, settings: Settings, zone: tzinfo, begin_ns: int | None = None, after_ns: int | None = None
) -> HistorySlice:
    """The steps of a stretch of time, each stage full at what is in force, else at what was given with its logs.

    Args:
        place: the pipeline's.
        settings: in force for it.
        zone: what times are told in.
        begin_ns: where the stretch begins, nanoseconds since the epoch; None for the first step.
        after_ns: where it ends; None for the last step.

    Raises:
        EntroError: when nothing is stored of the pipeline.
    """
    state = load_stored_state(place)
    stored = read_bins(place, state, begin_ns, after_ns)
    sources = sources_of(state, zone, begin_ns, after_ns)
    return HistorySlice(_steps(state, stored.bins, settings, begin_ns), sources, stored.problems)


def sources_of(state: State, zone: tzinfo, begin_ns: int | None, after_ns: int | None) -> tuple[Source, ...]:
    """The logs that gave something of a stretch of time, in the order they were first read.

    Args:
        state: what is known of their pipeline.
        zone: what times are told in.
        begin_ns: where the stretch begins, nanoseconds since the epoch; None for the first step.
        after_ns: where it ends; None for the last step.
    """
    return tuple(_source(log, zone) for log in state.logs if _overlaps(log, begin_ns, after_ns))


def last_data_ns(place: PipelinePaths, settings: Settings, before_ns: int | None = None) -> int | None:
    """Where the last stored step with data of all stages begins, nanoseconds since the epoch; None without any.

    Args:
        place: the pipeline's.
        settings: in force for it.
        before_ns: steps from there on do not count; None to count all.

    Raises:
        EntroError: when nothing is stored of the pipeline.
    """
    state = load_stored_state(place)
    for day in reversed(place.days()):
        begin = day_start_ns(day)
        if before_ns is None or begin < before_ns:
            steps = _steps(state, read_bins(place, state, begin, before_ns).bins, settings, begin)
            observed = np.flatnonzero(~np.isnan(steps.loads).any(axis=0))
            if len(observed):
                return steps.start_ns + int(observed[-1]) * steps.step_ns
    return None


def _steps(state: State, day: BinsByKey, settings: Settings, begin_ns: int | None) -> Steps:
    intervals, left_out = state.intervals_ns(), state.redundant_fallbacks()
    day = {key: cells for key, cells in day.items() if key not in left_out}
    stages = [
        (
            _stage(state, settings, name),
            [
                SourceBins(cells, held_ns(intervals.get(key), state.step_ns))
                for key, cells in sorted(day.items())
                if key.stage == name
            ],
        )
        for name in sorted(state.stages, key=lambda name: (list(Kind).index(Kind(state.stages[name].kind)), name))
    ]
    if day:
        return fill_steps(stages, state.step_ns)
    nothing = np.empty((len(stages), 0))
    start = state.origin_ns + -((state.origin_ns - (begin_ns or 0)) // state.step_ns) * state.step_ns
    whole = tuple(stage for stage, _ in stages)
    counts, marks = nothing.astype(np.int64), nothing.astype(np.bool_)
    return Steps(whole, start, state.step_ns, nothing, nothing, nothing, counts, marks)


def _stage(state: State, settings: Settings, name: str) -> Stage:
    known = state.stages[name]
    kind = Kind(known.kind)
    full = settings.full_of(name, kind)
    return Stage(name, kind, known.full if full is None else full)


def check_stages(place: PipelinePaths, asked: Sequence[str]) -> None:
    """Refuse stages of the command line that the history does not have.

    Raises:
        EntroError: when there is one.
    """
    known = load_stored_state(place).stages
    for name in asked:
        if name not in known:
            raise EntroError(
                "the history has no such stage", where=f"--stage {name}", expected=f"one of {', '.join(known)}"
            )


def _overlaps(log: LogState, begin_ns: int | None, after_ns: int | None) -> bool:
    return any(
        (after_ns is None or one.first < after_ns) and (begin_ns is None or one.last >= begin_ns) for one in log.series
    )


def _source(log: LogState, zone: tzinfo) -> Source:
    return Source(
        path=log.path,
        format=log.format,
        stages=tuple(one.stage for one in log.series),
        rows_read=log.rows_read,
        rows_skipped=log.rows_skipped,
        start=moment(min(one.first for one in log.series), zone) if log.series else None,
        end=moment(max(one.last for one in log.series), zone) if log.series else None,
        zone=log.zone,
        taken_as="stored",
        problems=sentences(log.known_problems()),
        bad_rows=(),
    )
