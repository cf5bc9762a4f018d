"""Reading the stored steps of a pipeline for a time range."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from entro_cli.analysis.calibration import full_loads_of
from entro_cli.analysis.results import FullLoads
from entro_cli.config import Settings
from entro_cli.core.console import printable
from entro_cli.core.suggestions import did_you_mean, one_of
from entro_cli.history.day_files import BinsByKey, DamagedDayError, connect, read_days
from entro_cli.history.digests import Digests, read_digests, stored_days
from entro_cli.history.paths import DAY_NS, PipelinePaths, day_start_ns, stored_pipelines
from entro_cli.history.state import State, load_state
from entro_cli.history.transaction import refuse_altered
from entro_cli.timeseries.observations import coupled_stages
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_cli.timeseries.resample import SourceBins, fill_steps, held_ns
from entro_cli.timeseries.steps import Steps
from entro_engine import EntroError, Kind, Stage


class StoredBins(Struct, frozen=True):
    """The stored bins of a time range.

    Attributes:
        state: the state of the pipeline.
        bins: the bins, by stage and source.
        problems: warnings about the day files that were skipped.
    """

    state: State
    bins: BinsByKey
    problems: tuple[Problem, ...]


def load_stored_state(paths: PipelinePaths) -> State:
    """Load the state of a pipeline that must have stored steps.

    Raises:
        EntroError: when nothing is stored of the pipeline; the error names the pipelines of the history.
    """
    state = load_state(paths)
    if not state.step_ns or not stored_days(paths, read_digests(paths)):
        raise nothing_stored_error(paths)
    return state


def nothing_stored_error(paths: PipelinePaths, names_others: bool = True) -> EntroError:
    """Return the error for a pipeline of which nothing is stored.

    Args:
        paths: the pipeline.
        names_others: name the pipelines that are stored. Parallel workers switch this off: what they find depends on
            which of them is first.
    """
    others = [other.name for other in stored_pipelines(paths.history) if other.days()] if names_others else []
    return EntroError(
        f"nothing is stored of pipeline {printable(paths.name)}",
        where=printable(paths.shown),
        expected=one_of([printable(name) for name in others]) if others else "a history",
        remedy=did_you_mean(paths.name, others) if others else "`entro ingest LOGS` fills it; --history names another",
    )


def read_bins(
    paths: PipelinePaths, state: State, begin_ns: int | None = None, after_ns: int | None = None
) -> StoredBins:
    """Read the bins of the steps that begin in a time range.

    Damaged day files are skipped, with a warning in `problems`.

    Args:
        paths: the pipeline.
        state: its state.
        begin_ns: the start of the range, nanoseconds since the epoch; None for the first step.
        after_ns: the end of the range; None for the last step.
    """
    begin = begin_ns if begin_ns is not None else -(1 << 62)
    after = after_ns if after_ns is not None else 1 << 62
    listed = read_digests(paths)
    days = [day for day in stored_days(paths, listed) if begin - DAY_NS < day_start_ns(day) < after]
    content, problems = _readable(paths, days, listed)
    cut = {key: bins.between(begin, after) for key, bins in content.items()}
    return StoredBins(state, {key: bins for key, bins in cut.items() if len(bins)}, problems)


def steps_of(state: State, bins: BinsByKey, stages: Sequence[Stage], begin_ns: int | None = None) -> Steps:
    """Return stored bins as steps.

    Args:
        state: the state of the pipeline.
        bins: the bins of some time.
        stages: the stages of the pipeline, in the order of the steps.
        begin_ns: the begin of the time, nanoseconds since the epoch, where empty steps start; None for any.
    """
    intervals, left_out = state.intervals_ns(), state.redundant_fallbacks()
    bins = {key: part for key, part in bins.items() if key not in left_out}
    sources = [
        (
            stage,
            [
                SourceBins(part, held_ns(intervals.get(key), state.step_ns))
                for key, part in sorted(bins.items())
                if key.stage == stage.name
            ],
        )
        for stage in stages
    ]
    if any(parts for _, parts in sources):
        return fill_steps(sources, state.step_ns)
    # No steps, at the first step's boundary from `begin_ns` on: the report of a time without data is a report, too.
    empty = np.empty((len(stages), 0))
    start = state.origin_ns + -((state.origin_ns - (begin_ns or 0)) // state.step_ns) * state.step_ns
    samples, measured = empty.astype(np.int64), empty.astype(np.bool_)
    return Steps(tuple(stages), start, state.step_ns, empty, empty, empty, samples, measured)


def coupled_steps(state: State, bins: BinsByKey, settings: Settings, begin_ns: int | None) -> Steps:
    """Return stored bins as the steps of all stages, coupled and with the full loads of the settings.

    Args:
        state: the state of the pipeline.
        bins: the bins of some time.
        settings: the pipeline's settings.
        begin_ns: the begin of the time, as for `steps_of`.
    """
    # In the order of `load_logs`, so that a report is the same from logs and from the history.
    names = sorted(state.stages, key=lambda name: (list(Kind).index(Kind(state.stages[name].kind)), name))
    coupled = coupled_stages([_stage(state, settings, name) for name in names], settings.stages)
    return steps_of(state, bins, [stage for _, stage in coupled], begin_ns)


def judged_steps(state: State, bins: BinsByKey, settings: Settings, begin_ns: int | None) -> tuple[Steps, FullLoads]:
    """Return stored bins as steps, with maintenance as steps without data, and the origin of the full loads.

    The full load of each stage is that of the settings, else the one that was stored with its logs. Else it follows
    from the capacity that was learned when logs were stored, or from these steps as long as none was.

    Args:
        state: the state of the pipeline.
        bins: the bins of some time.
        settings: the pipeline's settings.
        begin_ns: the begin of the time, as for `steps_of`.
    """
    steps = settings.maintenance().apply(coupled_steps(state, bins, settings, begin_ns))
    learns = state.learns and settings.full_loads == "learned"
    stages, origin = full_loads_of(steps, settings.wait_s, state.learned_capacity(), learns)
    return replace(steps, stages=stages), origin


def _stage(state: State, settings: Settings, name: str) -> Stage:
    stored = state.stages[name]
    kind = Kind(stored.kind)
    full = settings.full_of(name, kind)
    return Stage(name, kind, stored.full if full is None else full)


def _readable(paths: PipelinePaths, days: Sequence[date], listed: Digests) -> tuple[BinsByKey, tuple[Problem, ...]]:
    """Read the bins of the days that can be read, and return them with a warning for each of the others."""
    files, problems = unaltered_files(paths, days, listed)
    with connect() as connection:
        while True:
            try:
                return read_days(connection, files), tuple(problems)
            except DamagedDayError as error:
                files.remove(error.path)
                if error.path.exists():  # else a prune has just removed it: readers take no lock
                    problems.append(skipped_file_warning(error))


def unaltered_files(paths: PipelinePaths, days: Sequence[date], listed: Digests) -> tuple[list[Path], list[Problem]]:
    """Return the day files that are as they were written, and a warning for each of the others.

    Args:
        paths: the pipeline.
        days: the days.
        listed: the digests, read a moment ago.
    """
    files: list[Path] = []
    problems: list[Problem] = []
    for day in days:
        try:
            refuse_altered(paths, day, listed)
            files.append(paths.day_file(day))
        except DamagedDayError as error:
            problems.append(skipped_file_warning(error))
    return files, problems


def skipped_file_warning(error: DamagedDayError) -> Problem:
    """Return the warning about a day file that is skipped."""
    return Problem(ProblemKind.DAY_LOST, detail=(str(error.where), error.found, error.path.parent.name[5:]))


def lost_days(problems: Sequence[Problem]) -> tuple[date, ...]:
    """Return the days that warnings about skipped day files are about, in order."""
    return tuple(sorted(date.fromisoformat(one.detail[2]) for one in problems if one.kind is ProblemKind.DAY_LOST))
