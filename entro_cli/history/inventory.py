"""What a history holds of a pipeline, in numbers: the days are counted where they lie, without reading them in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from entro_cli.analysis.results import Source
from entro_cli.core.clock import NS, moment
from entro_cli.history.day_files import DamagedDayError, DayCount, connect, count_day
from entro_cli.history.paths import DAY_NS, PipelinePaths, day_start_ns
from entro_cli.history.read import skipped_file_warning, unaltered_files
from entro_cli.history.state import State, load_state, state_from_days
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError, Kind


def take_inventory(place: PipelinePaths, zone: tzinfo) -> tuple[PipelineInventory, list[Problem]]:
    """A pipeline as a whole, and warnings about what of it could not be read.

    Args:
        place: the pipeline's.
        zone: what times are told in.
    """
    problems: list[Problem] = []
    try:
        state = load_state(place)
    except EntroError as error:
        state, problems = state_from_days(place), [Problem(ProblemKind.QUOTED, detail=(str(error),))]
    days = place.days()
    counts, damaged = _counts(place, None, None)
    size = sum(_size(path) for path in place.folder.rglob("*"))
    steps = sum(count.steps for count in counts.values())
    told = PipelineInventory(
        pipeline=place.name,
        history=place.shown,
        step_s=state.step_ns / NS,
        stages=tuple(stage.name for stage in stage_inventories(state)),
        first=moment(min(count.first_ns for count in counts.values()), zone) if counts else None,
        last=moment(max(count.last_ns for count in counts.values()), zone) if counts else None,
        days=len(days),
        steps=steps,
        size_bytes=size,
        bytes_per_step=size / steps if steps else None,
    )
    return told, problems + damaged


def stage_inventories(state: State) -> tuple[StageInventory, ...]:
    """The stages of a pipeline, rates first, and the sources that feed each, by name."""
    series = [one for log in state.logs for one in log.series]
    kinds = list(Kind)
    return tuple(
        StageInventory(name, seen.kind, seen.full, tuple(sorted({one.source for one in series if one.stage == name})))
        for name, seen in sorted(state.stages.items(), key=lambda item: (kinds.index(Kind(item[1].kind)), item[0]))
    )


def day_inventories(
    place: PipelinePaths, state: State, begin_ns: int | None, after_ns: int | None
) -> tuple[tuple[DayInventory, ...], list[Problem]]:
    """The days of a pipeline that a stretch of time touches, and warnings about those that could not be read.

    Args:
        place: the pipeline's.
        state: what is known of it.
        begin_ns: where the stretch begins, nanoseconds since the epoch; None for the first step.
        after_ns: where it ends; None for the last step.
    """
    counts, problems = _counts(place, begin_ns, after_ns)
    whole = DAY_NS / state.step_ns if state.step_ns else 1
    return tuple(
        DayInventory(
            day=path.parent.name.removeprefix("date="),
            steps=count.steps,
            coverage=min(count.steps / max(whole, 1), 1.0),
            samples=count.samples,
            size_bytes=_size(path),
        )
        for path, count in counts.items()
    ), problems


def _counts(
    place: PipelinePaths, begin_ns: int | None, after_ns: int | None
) -> tuple[dict[Path, DayCount], list[Problem]]:
    """Of each day file that a stretch of time touches what it holds, and warnings about those that cannot be read."""
    days = [
        day
        for day in place.days()
        if (begin_ns is None or day_start_ns(day) + DAY_NS > begin_ns)
        and (after_ns is None or day_start_ns(day) < after_ns)
    ]
    paths, problems = unaltered_files(place, days)
    counts: dict[Path, DayCount] = {}
    with connect() as connection:
        for path in paths:
            try:
                counts[path] = count_day(connection, path)
            except DamagedDayError as error:
                if path.exists():  # else it was removed meanwhile
                    problems.append(skipped_file_warning(error))
    return counts, problems


def _size(path: Path) -> int:
    """How large a file is, bytes; 0 for a folder and for what is gone."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0


@dataclass(frozen=True)
class PipelineInventory:
    """A pipeline in a history.

    Attributes:
        pipeline: its name.
        history: the folder it is in.
        step_s: length of its steps, s; 0 where nothing was ever stored.
        stages: their names.
        first: where its first step begins; None without any.
        last: where its last step begins.
        days: how many days of UTC there are.
        steps: how many steps there are with samples of any stage.
        size_bytes: of everything in its folder.
        bytes_per_step: the same for each step; None without any.
    """

    pipeline: str
    history: str
    step_s: float
    stages: tuple[str, ...]
    first: datetime | None
    last: datetime | None
    days: int
    steps: int
    size_bytes: int
    bytes_per_step: float | None


@dataclass(frozen=True)
class StageInventory:
    """A stage of a stored pipeline: the full load that was last given with its logs, and what feeds it."""

    name: str
    kind: str
    full: float | None
    sources: tuple[str, ...]


@dataclass(frozen=True)
class DayInventory:
    """A day of UTC: steps with samples of any stage, their share of the day (0..1), samples, the size of its file."""

    day: str
    steps: int
    coverage: float
    samples: int
    size_bytes: int


@dataclass(frozen=True)
class PipelineContents:
    """A pipeline in a history, day by day.

    Attributes:
        pipeline: its name.
        history: the folder it is in.
        step_s: length of its steps, s.
        stages: what is known of them.
        days: in order; those that cannot be read are left out.
        logs: what was read of each log that gave something, in the order they were first read.
    """

    pipeline: str
    history: str
    step_s: float
    stages: tuple[StageInventory, ...]
    days: tuple[DayInventory, ...]
    logs: tuple[Source, ...]


@dataclass(frozen=True)
class PruneResult:
    """What was removed of a pipeline: its days of UTC, and how large their files were."""

    pipeline: str
    history: str
    days: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True)
class Damage:
    """A damaged file, and what is wrong with it, in a clause."""

    path: str
    found: str


@dataclass(frozen=True)
class CheckResult:
    """What came of checking a pipeline: how many files were read, those that are damaged, and what else is there."""

    pipeline: str
    history: str
    files: int
    damaged: tuple[Damage, ...]
    notes: tuple[str, ...]
