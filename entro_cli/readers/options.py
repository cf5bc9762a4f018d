"""Options of the readers: from what a user wrote to what a reader gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path

from entro_cli.core.clock import clock_shift, moment_ns, zone_of
from entro_cli.core.console import printable
from entro_cli.timeseries.observations import Observations, ReadOptions, StageSpec
from entro_engine import EntroError, Kind


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


def read_options(options: LoadOptions) -> tuple[tzinfo, ReadOptions]:
    """The zone that times are told in, and what readers are told.

    Raises:
        EntroError: when an option cannot be read.
    """
    zone = zone_of(options.tz)
    read = ReadOptions(
        zone=zone,
        stages=_with_described(parse_stage_options(options), options.described),
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


def parse_stage_options(options: LoadOptions) -> tuple[StageSpec, ...]:
    """The stages of the command line.

    Raises:
        EntroError: when one cannot be read.
    """
    specs = tuple(_stage_spec(text) for text in options.stage)
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise EntroError(f"stage {printable(name)} is given twice", where="--stage", expected="each stage once")
    return specs


def _with_described(asked: tuple[StageSpec, ...], described: Sequence[StageSpec]) -> tuple[StageSpec, ...]:
    """The stages asked for, what they leave open filled in; then those described of other names and columns."""
    kinds = {spec.name: spec.kind for spec in described}
    names, columns = {spec.name for spec in asked}, {spec.column for spec in asked}
    others = (spec for spec in described if spec.name not in names and spec.column not in columns)
    return (*(replace(spec, kind=spec.kind or kinds.get(spec.name)) for spec in asked), *others)


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
            f"{printable(text)!r} is no stage",
            where="--stage",
            expected="NAME=COLUMN[:KIND[:FULL]], KIND rate, queue or generic",
        )
    return StageSpec(printable(name.strip()), column, kind, full)


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise EntroError(
            f"{text!r} is no full load",
            where=f"--stage {printable(option)}",
            expected="a number above 0",
        ) from error


def shift_clock(file: Observations, shifts: Mapping[str, int]) -> Observations:
    """A file's observations, its clock moved."""
    shift = shifts.get(file.path, shifts.get(Path(file.path).name, 0))
    if not shift:
        return file
    return replace(file, series=tuple(replace(series, times=series.times + shift) for series in file.series))


def check_options_used(files: Sequence[Observations], options: LoadOptions) -> None:
    """Refuse options that name what is not there."""
    found = {(series.stage, series.column) for file in files for series in file.series}
    columns = dict.fromkeys(printable(column)[:40] for file in files for column in file.columns)
    for spec in parse_stage_options(options):
        if (spec.name, spec.column) not in found:
            raise EntroError(
                f"no log has samples of {printable(spec.column)}",
                where=f"--stage {spec.name}",
                expected=f"a column with numbers, of {', '.join([*columns][:20])}",
            )
    known = {name for file in files for name in (file.path, Path(file.path).name)}
    for name, _ in (clock_shift(text, "--offset") for text in options.offset):
        if name not in known:
            raise EntroError(
                f"no log is called {printable(name)}",
                where="--offset",
                expected=", ".join(sorted(known)),
            )
    if not found:
        raise EntroError("there is no sample in it, only rows with empty cells", where=files[0].path, expected="loads")
