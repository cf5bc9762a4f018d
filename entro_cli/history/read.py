"""What is stored of a pipeline, read back for a stretch of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from entro_cli.core.console import printable
from entro_cli.core.suggestions import did_you_mean
from entro_cli.history.day_files import BinsByKey, DamagedDayError, connect, read_days
from entro_cli.history.paths import DAY_NS, PipelinePaths, day_start_ns, stored_pipelines
from entro_cli.history.state import State, load_state
from entro_cli.history.transaction import read_digests, refuse_altered
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError


@dataclass(frozen=True)
class StoredBins:
    """The stored cells of a stretch of time.

    Attributes:
        state: what is known of the pipeline.
        day: the cells, by stage and source.
        problems: the day files that could not be read.
    """

    state: State
    day: BinsByKey
    problems: tuple[Problem, ...]


def load_stored_state(place: PipelinePaths) -> State:
    """What is known of a pipeline that is there.

    Raises:
        EntroError: when nothing is stored of it; it names the pipelines there are.
    """
    state = load_state(place)
    if not state.step_ns or not place.days():
        raise nothing_stored_error(place)
    return state


def nothing_stored_error(place: PipelinePaths, names_others: bool = True) -> EntroError:
    """The error to show where nothing is stored of a pipeline.

    Args:
        place: the pipeline's.
        names_others: name those that are stored, which may be more in a moment where several are being stored.
    """
    names = [other.name for other in stored_pipelines(place.history) if other.days()] if names_others else []
    there = ", ".join(printable(name) for name in names[:10])
    return EntroError(
        f"nothing is stored of pipeline {printable(place.name)}",
        where=printable(place.shown),
        expected=f"one of {there}" if names else "a history",
        remedy=did_you_mean(place.name, names) if names else "`entro ingest LOGS` fills it; --history names another",
    )


def read_bins(
    place: PipelinePaths, state: State, begin_ns: int | None = None, after_ns: int | None = None
) -> StoredBins:
    """The cells of the steps that begin in a stretch of time.

    A day file that is damaged is left out, and told.

    Args:
        place: the pipeline's.
        state: what is known of it.
        begin_ns: where the stretch begins, nanoseconds since the epoch; None for the first step.
        after_ns: where it ends; None for the last step.
    """
    begin = begin_ns if begin_ns is not None else -(1 << 62)
    after = after_ns if after_ns is not None else 1 << 62
    days = [day for day in place.days() if begin - DAY_NS < day_start_ns(day) < after]
    content, problems = _readable(place, days)
    cut = {key: cells.between(begin, after) for key, cells in content.items()}
    return StoredBins(state, {key: cells for key, cells in cut.items() if len(cells)}, problems)


def _readable(place: PipelinePaths, days: Sequence[date]) -> tuple[BinsByKey, tuple[Problem, ...]]:
    """The cells of some days, and warnings about those that cannot be read."""
    paths, problems = unaltered_files(place, days)
    with connect() as connection:
        while True:
            try:
                return read_days(connection, paths), tuple(problems)
            except DamagedDayError as error:
                paths.remove(error.path)
                if error.path.exists():  # else it was removed meanwhile
                    problems.append(skipped_file_warning(error))


def unaltered_files(place: PipelinePaths, days: Sequence[date]) -> tuple[list[Path], list[Problem]]:
    """The files of some days that are as they were written, as far as that is known, and warnings about the others."""
    listed = read_digests(place)
    paths: list[Path] = []
    problems: list[Problem] = []
    for day in days:
        try:
            refuse_altered(place, day, listed)
            paths.append(place.day_file(day))
        except DamagedDayError as error:
            problems.append(skipped_file_warning(error))
    return paths, problems


def skipped_file_warning(error: DamagedDayError) -> Problem:
    """Return the warning about a day file that is not read."""
    return Problem(ProblemKind.LEFT_OUT, detail=(str(error.where), error.found))
