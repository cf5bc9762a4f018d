"""The inventory of a history: how much is stored of each pipeline and day, counted without reading the values."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from datetime import date, datetime, tzinfo
from pathlib import Path

from msgspec import Struct

from entro_cli.analysis.results import Source
from entro_cli.core.clock import NS, moment
from entro_cli.history.day_files import DamagedDayError, DayCount, connect, count_days
from entro_cli.history.digests import Digests, read_digests, stored_days
from entro_cli.history.paths import DAY_NS, PipelinePaths, day_start_ns
from entro_cli.history.read import skipped_file_warning, unaltered_files
from entro_cli.history.state import State, load_state, state_from_days
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError, Kind

_BATCH_BYTES = 1 << 22
"""Size of the day files that are counted together: some 30 days of one-second steps, or as many as fit."""


def take_inventories(
    pipelines: Sequence[PipelinePaths], zone: tzinfo
) -> Iterator[tuple[PipelineInventory, list[Problem]]]:
    """Yield the inventory of each pipeline, with warnings about damaged files.

    Args:
        pipelines: the pipelines. Their files are counted together, which takes a fraction of the time.
        zone: the time zone of the yielded times.
    """
    listed = list(map(_digests_if_sound, pipelines))
    days = [stored_days(paths, known or {}) for paths, known in zip(pipelines, listed, strict=True)]
    counted = _count_days(pipelines, days, listed)
    for paths, known, (counts, damaged) in zip(pipelines, listed, counted, strict=True):
        yield _inventory_of(paths, known, counts, damaged, zone)


def _inventory_of(
    paths: PipelinePaths,
    listed: Digests | None,
    counts: dict[Path, DayCount],
    damaged: list[Problem],
    zone: tzinfo,
) -> tuple[PipelineInventory, list[Problem]]:
    problems: list[Problem] = []
    try:
        state = load_state(paths, listed)
    except EntroError as error:
        state, problems = state_from_days(paths), [Problem(ProblemKind.QUOTED, detail=(str(error),))]
    size = sum(_size(f"{folder}/{name}") for folder, _, names in os.walk(paths.folder) for name in names)
    steps = sum(count.steps for count in counts.values())
    inventory = PipelineInventory(
        pipeline=paths.name,
        history=paths.shown,
        step_s=state.step_ns / NS,
        stages=tuple(stage.name for stage in stage_inventories(state)),
        first=moment(min(count.first_ns for count in counts.values()), zone) if counts else None,
        last=moment(max(count.last_ns for count in counts.values()), zone) if counts else None,
        days=len(paths.days()),
        steps=steps,
        size_bytes=size,
        bytes_per_step=size / steps if steps else None,
    )
    return inventory, problems + damaged


def stage_inventories(state: State) -> tuple[StageInventory, ...]:
    """Return the stages of a pipeline with their sources, rates first, then by name."""
    parts = [part for log in state.logs for part in log.series]
    kinds = list(Kind)
    return tuple(
        StageInventory(
            name, stage.kind, stage.full, tuple(sorted({part.source for part in parts if part.stage == name}))
        )
        for name, stage in sorted(state.stages.items(), key=lambda item: (kinds.index(Kind(item[1].kind)), item[0]))
    )


def day_inventories(
    paths: PipelinePaths, state: State, begin_ns: int | None, after_ns: int | None
) -> tuple[tuple[DayInventory, ...], list[Problem]]:
    """Return the inventory of each day that a time range touches, and warnings about damaged files.

    Args:
        paths: the pipeline.
        state: its state.
        begin_ns: the start of the range, nanoseconds since the epoch; None for the first step.
        after_ns: the end of the range; None for the last step.
    """
    listed = read_digests(paths)
    days = [
        day
        for day in stored_days(paths, listed)
        if (begin_ns is None or day_start_ns(day) + DAY_NS > begin_ns)
        and (after_ns is None or day_start_ns(day) < after_ns)
    ]
    ((counts, problems),) = _count_days([paths], [days], [listed])
    steps_per_day = DAY_NS / state.step_ns if state.step_ns else 1
    return tuple(
        DayInventory(
            day=file.parent.name.removeprefix("date="),
            steps=count.steps,
            # With steps longer than a day, the single step of a day is all of it.
            coverage=min(count.steps / max(steps_per_day, 1), 1.0),
            samples=count.samples,
            size_bytes=_size(file),
        )
        for file, count in counts.items()
    ), problems


def _count_days(
    pipelines: Sequence[PipelinePaths], days: Sequence[Sequence[date]], listed: Sequence[Digests | None]
) -> list[tuple[dict[Path, DayCount], list[Problem]]]:
    """Count the content of the files of some days of each pipeline; warn of those that cannot be read."""
    unaltered = list(map(_unaltered, pipelines, days, listed))
    counts: dict[Path, DayCount] = {}
    damaged: dict[Path, DamagedDayError] = {}
    with connect() as connection:
        for some in _batches([file for files, _ in unaltered for file in files]):
            try:
                counts |= count_days(connection, some)
            except DamagedDayError:
                for file in some:  # one by one, to name the damaged ones
                    try:
                        counts |= count_days(connection, [file])
                    except DamagedDayError as error:
                        if file.exists():  # else a prune has just removed it: readers take no lock
                            damaged[file] = error
    return [
        (
            {file: counts[file] for file in files if file in counts},
            problems + [skipped_file_warning(damaged[file]) for file in files if file in damaged],
        )
        for files, problems in unaltered
    ]


def _unaltered(paths: PipelinePaths, days: Sequence[date], listed: Digests | None) -> tuple[list[Path], list[Problem]]:
    """Return the files of the days that are as they were written, with a warning for each of the others.

    All are returned if the hashes are lost, which `load_state` reports.
    """
    return (list(map(paths.day_file, days)), []) if listed is None else unaltered_files(paths, days, listed)


def _digests_if_sound(paths: PipelinePaths) -> Digests | None:
    try:
        return read_digests(paths)
    except EntroError:
        return None


def _batches(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield files in groups of some megabytes: of larger ones DuckDB would hold too many times at once."""
    group, size = [], 0
    for file in files:
        group.append(file)
        size += _size(file)
        if size > _BATCH_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _size(path: Path | str) -> int:
    """Return the size of a file in bytes; 0 for a folder, and for a file that was just removed."""
    try:
        found = Path(path).stat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


class PipelineInventory(Struct, frozen=True):
    """The inventory of a pipeline.

    Attributes:
        pipeline: its name.
        history: the folder or URL of the history.
        step_s: the length of its steps, s; 0 if nothing was ever stored.
        stages: the names of its stages.
        first: the start of its first step; None without steps.
        last: the start of its last step; None without steps.
        days: the number of stored days (UTC).
        steps: the number of steps with samples of any stage.
        size_bytes: the size of all files in its folder.
        bytes_per_step: the size per step; None without steps.
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


class StageInventory(Struct, frozen=True):
    """A stage of a stored pipeline: its kind, the full load of the last ingest that named one, its sources."""

    name: str
    kind: str
    full: float | None
    sources: tuple[str, ...]


class DayInventory(Struct, frozen=True):
    """A stored day (UTC): steps with samples of any stage, their share of the day (0..1), samples, file size."""

    day: str
    steps: int
    coverage: float
    samples: int
    size_bytes: int


class PipelineContents(Struct, frozen=True):
    """The inventory of a pipeline by day.

    Attributes:
        pipeline: its name.
        history: the folder or URL of the history.
        step_s: the length of its steps, s.
        stages: its stages.
        days: its days in order, without those that cannot be read.
        logs: the logs with samples in the shown time, in the order in which they were first read.
    """

    pipeline: str
    history: str
    step_s: float
    stages: tuple[StageInventory, ...]
    days: tuple[DayInventory, ...]
    logs: tuple[Source, ...]


class PruneResult(Struct, frozen=True):
    """The pruned days (UTC) of a pipeline, and the size of their files."""

    pipeline: str
    history: str
    days: tuple[str, ...]
    size_bytes: int


class Damage(Struct, frozen=True):
    """A damaged file, and what is wrong with it, as a clause."""

    path: str
    found: str


class CheckResult(Struct, frozen=True):
    """The result of checking a pipeline: the number of files read, the damaged ones, and notes about other files."""

    pipeline: str
    history: str
    files: int
    damaged: tuple[Damage, ...]
    notes: tuple[str, ...]
