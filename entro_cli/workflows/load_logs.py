"""From the logs a user names to Steps: what `analyze` and `report` do first; those rooms are wired together here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path

import numpy as np

from entro_cli.analysis.results import BadRow, Source
from entro_cli.core.clock import clock_shift, duration_ns, moment, moment_ns, zone_of
from entro_cli.core.console import Terminal, visible
from entro_cli.core.parallel import Workers
from entro_cli.readers.inputs.log_file import find_logs
from entro_cli.timeseries.join_sources import join_sources
from entro_cli.timeseries.observations import Observations, ReadOptions, StageSpec
from entro_cli.timeseries.resample import to_steps
from entro_cli.timeseries.steps import StepSource, in_parts
from entro_cli.workflows.long_logs import read_long
from entro_cli.workflows.read_logs import read_logs
from entro_engine import EntroError, Kind

_LONELY, _LEAST_HOLE = 0.9, 1000
"""A hole is told of from this share of the log and this many steps on."""


@dataclass(frozen=True)
class LoadOptions:
    """How to read logs, as the user said it.

    Attributes:
        stage: stages of the command line; the logs must have them.
        time: the column that holds the time.
        start: when offsets count from.
        year: of stamps that name none.
        tz: the zone of stamps that name none, and of what is shown.
        step: the length of a step.
        input_format: the format of the logs.
        offset: how far the clocks of logs are moved, by the command line; the logs must be among those read.
        strict: make the first bad row an error.
        redact: mask the text of bad rows.
        described: stages of the configuration, for logs that have them.
        clocks: how far the clocks of logs are moved, by the configuration; for those of them that are read.
        full_of: the full load of a stage of a name and kind that has none of the command line.
    """

    stage: Sequence[str] = ()
    time: str | None = None
    start: str | None = None
    year: int | None = None
    tz: str | None = None
    step: str | None = None
    input_format: str | None = None
    offset: Sequence[str] = ()
    strict: bool = False
    redact: bool = False
    described: Sequence[StageSpec] = ()
    clocks: Sequence[str] = ()
    full_of: Callable[[str, Kind], float | None] = lambda name, kind: None


@dataclass(frozen=True)
class Loaded:
    """Logs on the grid.

    Attributes:
        steps: all of them.
        sources: what each file gave.
        zone: what times are told in.
        paths: the files that were read.
        columns: where each stage's samples stood, as `--stage` names it.
        notes: what is out of the ordinary about all of them, in sentences.
    """

    steps: StepSource
    sources: tuple[Source, ...]
    zone: tzinfo
    paths: tuple[str, ...]
    columns: dict[str, str]
    notes: tuple[str, ...] = ()


def load(
    names: Sequence[str], options: LoadOptions, asked: Sequence[Observations] = (), workers: Workers | None = None
) -> Loaded:
    """Read logs and put them onto the grid.

    Args:
        names: files, folders, patterns, `-` for standard input; at least one where nothing was asked.
        options: how to read them.
        asked: what servers answered.
        workers: who reads each log by itself; None for as many processes as are worth it.

    Raises:
        EntroError: when something cannot be read, or an option does not fit the logs.
    """
    zone, read = read_options(options)
    step_ns = None if options.step is None else duration_ns(options.step, "--step")
    found = find_logs(names)
    shifts = clock_shifts(options)
    workers = workers or Workers()
    is_here = not asked and not shifts and workers.cluster is None
    long = read_long([*found], read, options.input_format, step_ns) if is_here else None
    files = [] if long is None else [long.observations]
    notes: list[str] = []
    if long is None and (found or not asked):
        files, notes = read_logs(found, read, options.tz, options.input_format, workers)
    files += asked
    check_used(files, options)
    files = [_with_full(shifted(file, shifts), options.full_of) for file in files]
    notes += _not_found(files, read.stages)
    stages, taken = join_sources(files)
    sources = tuple(_source(file, taken.get(file.path, ""), zone) for file in files)
    steps = to_steps(stages, zone, step_ns) if long is None else long.steps.of(tuple(one.stage for one in stages))
    columns = {series.stage: visible(series.column) for file in files for series in file.series}
    return Loaded(steps, sources, zone, tuple(found), columns, (*notes, *_lonely(steps, zone)))


def read_options(options: LoadOptions) -> tuple[tzinfo, ReadOptions]:
    """The zone that times are told in, and what readers are told.

    Raises:
        EntroError: when an option cannot be read.
    """
    zone = zone_of(options.tz)
    read = ReadOptions(
        zone=zone,
        stages=_with_described(asked_stages(options), options.described),
        time_column=options.time,
        start_ns=None if options.start is None else moment_ns(options.start, zone, "--start"),
        zone_given=options.tz is not None,
        year=options.year,
        strict=options.strict,
        redact=options.redact,
    )
    return zone, read


def clock_shifts(options: LoadOptions) -> dict[str, int]:
    """By file, how far its clock is moved, nanoseconds.

    Raises:
        EntroError: when an offset cannot be read.
    """
    described = dict(clock_shift(text, "offset") for text in options.clocks)
    return described | dict(clock_shift(text, "--offset") for text in options.offset)


def _lonely(steps: StepSource, zone: tzinfo) -> list[str]:
    """A sentence on a hole that is nearly all of the log: one wrong date makes such a hole."""
    longest, after, last = 0, 0, np.empty(0, np.int64)
    for part in in_parts(steps):
        first = (part.start_ns - steps.start_ns) // steps.step_ns
        filled = np.concatenate([last, first + np.flatnonzero(part.samples.any(axis=0))])
        gaps = np.diff(filled)
        if len(gaps) and gaps.max() > longest:
            longest, after = int(gaps.max()), int(filled[gaps.argmax() + 1])
        last = filled[-1:]
    if not longest or longest < max(_LONELY * steps.count, _LEAST_HOLE):
        return []
    edges = (moment(steps.start_ns + at * steps.step_ns, zone).isoformat() for at in (after - longest, after))
    return [f"nothing between {' and '.join(edges)}, {longest / steps.count:.0%} of the time: is a date wrong?"]


def tell_problems(loaded: Loaded, terminal: Terminal) -> None:
    """Warn of everything out of the ordinary in the logs, bad rows with their lines."""
    for note in loaded.notes:
        terminal.warn(note)
    for source in loaded.sources:
        for problem in source.problems:
            terminal.warn(f"{source.path}: {problem}")
        tell_bad_rows(source.path, source.rows_read, source.rows_skipped, source.bad_rows, terminal)


def tell_bad_rows(path: str, read: int, skipped: int, bad_rows: Sequence[BadRow], terminal: Terminal) -> None:
    """Warn of the rows of a log that could not be read, the first few with their lines."""
    if skipped:
        terminal.warn(f"{path}: {skipped:,} of {skipped + read:,} rows could not be read and were skipped")
    for row in bad_rows:
        line = f"line {row.line}: " if row.line else ""
        terminal.warn(f"{path}: {line}{row.reason}: {row.text}")
    more = skipped - len(bad_rows)
    if bad_rows and more > 0:
        terminal.warn(f"{path}: and {more:,} more")


def asked_stages(options: LoadOptions) -> tuple[StageSpec, ...]:
    """The stages of the command line.

    Raises:
        EntroError: when one cannot be read.
    """
    specs = tuple(_stage_spec(text) for text in options.stage)
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise EntroError(f"stage {visible(name)} is given twice", where="--stage", expected="each stage once")
    return specs


def _with_described(asked: tuple[StageSpec, ...], described: Sequence[StageSpec]) -> tuple[StageSpec, ...]:
    """The stages asked for, what they leave open filled in; then those described of other names and columns."""
    kinds = {spec.name: spec.kind for spec in described}
    names, columns = {spec.name for spec in asked}, {spec.column for spec in asked}
    others = (spec for spec in described if spec.name not in names and spec.column not in columns)
    return (*(replace(spec, kind=spec.kind or kinds.get(spec.name)) for spec in asked), *others)


def _with_full(file: Observations, full_of: Callable[[str, Kind], float | None]) -> Observations:
    """A file whose series without a full load have the one they are to have."""
    series = (
        part if part.full is not None else replace(part, full=full_of(part.stage, part.kind)) for part in file.series
    )
    return replace(file, series=tuple(series))


def _not_found(files: Sequence[Observations], specs: Sequence[StageSpec]) -> list[str]:
    """A sentence on every stage that was described with a column no log has."""
    found = {(series.stage, series.column) for file in files for series in file.series}
    return [
        f"no log has samples of {visible(spec.column)}, the column of the stage {spec.name}"
        for spec in specs
        if spec.column and (spec.name, spec.column) not in found
    ]


def _stage_spec(text: str) -> StageSpec:
    """NAME=COLUMN[:KIND[:FULL]]; the column may hold colons itself."""
    name, equals, rest = text.partition("=")
    parts = rest.rsplit(":", 2)
    kinds = set(Kind)
    full: float | None = None
    kind: Kind | None = None
    if len(parts) == 3 and parts[1] in kinds:
        column, kind, full = parts[0], Kind(parts[1]), _number(parts[2], text)
    elif len(parts) > 1 and parts[-1] in kinds:
        column, kind = rest.rpartition(":")[0], Kind(parts[-1])
    else:
        column = rest
    if not (equals and name.strip() and column):
        raise EntroError(
            f"{visible(text)!r} is no stage",
            where="--stage",
            expected="NAME=COLUMN[:KIND[:FULL]], KIND rate, queue or generic",
        )
    return StageSpec(visible(name.strip()), column, kind, full)


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise EntroError(
            f"{text!r} is no full load", where=f"--stage {visible(option)}", expected="a number above 0"
        ) from error


def shifted(file: Observations, shifts: Mapping[str, int]) -> Observations:
    """A file's observations, its clock moved."""
    shift = shifts.get(file.path, shifts.get(Path(file.path).name, 0))
    if not shift:
        return file
    return replace(file, series=tuple(replace(series, times=series.times + shift) for series in file.series))


def check_used(files: Sequence[Observations], options: LoadOptions) -> None:
    """Refuse options that name what is not there."""
    found = {(series.stage, series.column) for file in files for series in file.series}
    columns = dict.fromkeys(visible(column)[:40] for file in files for column in file.columns)
    for spec in asked_stages(options):
        if (spec.name, spec.column) not in found:
            raise EntroError(
                f"no log has samples of {visible(spec.column)}",
                where=f"--stage {spec.name}",
                expected=f"a column with numbers, of {', '.join([*columns][:20])}",
            )
    known = {name for file in files for name in (file.path, Path(file.path).name)}
    for name, _ in (clock_shift(text, "--offset") for text in options.offset):
        if name not in known:
            raise EntroError(f"no log is called {visible(name)}", where="--offset", expected=", ".join(sorted(known)))
    if not found:
        raise EntroError("there is no sample in it, only rows with empty cells", where=files[0].path, expected="loads")


def _source(file: Observations, taken_as: str, zone: tzinfo) -> Source:
    times = [edge for series in file.series for edge in (series.first_ns, int(series.times[-1]))]
    return Source(
        path=file.path,
        format=file.format,
        stages=tuple(series.stage for series in file.series),
        rows_read=file.rows_read,
        rows_skipped=file.rows_skipped,
        start=moment(min(times), zone) if times else None,
        end=moment(max(times), zone) if times else None,
        zone=file.zone,
        taken_as=taken_as,
        problems=file.problems,
        bad_rows=file.bad_rows,
    )
