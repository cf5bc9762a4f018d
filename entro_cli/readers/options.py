"""Options of the readers: from the text of a command line or of entro.toml to what readers take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.core.clock import clock_shift, log_time_ns, zone_of
from entro_cli.core.console import printable
from entro_cli.readers.inputs.log_file import stream_suffix
from entro_cli.timeseries.observations import Declaration, Observations, ReadOptions, Series, StageSpec
from entro_engine import EntroError, Kind

_DECIMAL_MARKS = {"point": ".", "comma": ","}


class LoadOptions(Struct, frozen=True):
    """Options for reading logs, as the user wrote them.

    Attributes:
        stage: stages of the command line; some log must have them.
        time: the column of the time.
        start: the start of offset times.
        year: the year of timestamps that have none.
        tz: the zone of timestamps that name none, and of times in the output.
        step: the length of a step.
        input_format: the format of the logs.
        by: the columns of tables that name the source of a row; some log must have each.
        aggregate: how sources of one time are combined: `sum`, `mean` or `max`.
        decimal: the decimal mark of tables, `point` or `comma`.
        offset: the shifts of logs' clocks, of the command line; the logs must be among those read.
        strict: raise an error at the first bad row.
        redact: mask the text of bad rows.
        configured_stages: stages of entro.toml, for logs that have them.
        configured_offsets: the shifts of logs' clocks, of entro.toml; for logs that are read.
        formats: the formats that entro.toml declares.
        full_of: returns the full load of a stage, given its name and kind, if the command line has none.
    """

    stage: Sequence[str] = ()
    time: str | None = None
    start: str | None = None
    year: int | None = None
    tz: str | None = None
    step: str | None = None
    input_format: str | None = None
    by: Sequence[str] = ()
    aggregate: str | None = None
    decimal: str | None = None
    offset: Sequence[str] = ()
    strict: bool = False
    redact: bool = False
    configured_stages: Sequence[StageSpec] = ()
    configured_offsets: Sequence[str] = ()
    formats: tuple[Declaration, ...] = ()
    full_of: Callable[[str, Kind], float | None] = lambda name, kind: None


def read_options(options: LoadOptions) -> tuple[tzinfo, ReadOptions]:
    """Return the zone of times in the output, and the options of the readers.

    Raises:
        EntroError: if an option cannot be read.
    """
    zone = zone_of(options.tz)
    read = ReadOptions(
        zone=zone,
        stages=_with_configured(parse_stage_options(options), options.configured_stages),
        time_column=options.time,
        start_ns=None if options.start is None else log_time_ns(options.start, zone, "--start"),
        zone_given=options.tz is not None,
        year=options.year,
        strict=options.strict,
        redact=options.redact,
        formats=options.formats,
        by=tuple(options.by),
        aggregate=options.aggregate,
        decimal=None if options.decimal is None else _DECIMAL_MARKS[options.decimal],
    )
    return zone, read


def clock_shifts(options: LoadOptions) -> dict[str, int]:
    """Return by file the shift of its clock, nanoseconds.

    Raises:
        EntroError: if an offset cannot be read.
    """
    configured = dict(clock_shift(text, "offset") for text in options.configured_offsets)
    return configured | dict(clock_shift(text, "--offset") for text in options.offset)


def parse_stage_options(options: LoadOptions) -> tuple[StageSpec, ...]:
    """Return the stages of the command line.

    Raises:
        EntroError: if one cannot be read, or a name is given twice.
    """
    specs = tuple(_stage_spec(text) for text in options.stage)
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise EntroError(f"stage {printable(name)} is given twice", where="--stage", expected="each stage once")
    return specs


def _with_configured(given: tuple[StageSpec, ...], configured: Sequence[StageSpec]) -> tuple[StageSpec, ...]:
    """Return the stages of the command line, completed by entro.toml, then its stages of other columns."""
    known = {spec.name: spec for spec in configured}
    names, columns = {spec.name for spec in given}, {spec.column for spec in given}
    others = (spec for spec in configured if spec.name not in names and spec.column not in columns)
    same = ((spec, known.get(spec.name, spec)) for spec in given)
    return (*(replace(spec, kind=spec.kind or other.kind, feeds=other.feeds) for spec, other in same), *others)


def _stage_spec(text: str) -> StageSpec:
    """Parse NAME=COLUMN[:KIND[:FULL]]; the column may have colons itself, as metrics of vLLM do."""
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
            f"{printable(text)!r} is not a stage",
            where="--stage",
            expected="NAME=COLUMN[:KIND[:FULL]], KIND rate, queue or generic",
        )
    return StageSpec(printable(name.strip()), column, kind, full)


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise EntroError(
            f"{text!r} is not a full load",
            where=f"--stage {printable(option)}",
            expected="a number above 0",
        ) from error


def shift_clock(file: Observations, shifts: Mapping[str, int]) -> Observations:
    """Return a file's observations with its clock shifted, by its path or its bare name."""
    shift = next((shifts[name] for name in _names_of(file) if name in shifts), 0)
    if not shift:
        return file
    return replace(file, series=tuple(_shifted(series, shift) for series in file.series))


def _shifted(series: Series, shift: int) -> Series:
    begins = None if series.begins is None else series.begins + shift
    return replace(series, times=series.times + shift, begins=begins)


def _names_of(file: Observations) -> tuple[str, ...]:
    """Return the names by which --offset may name a file: its path or its bare name, with or without the writer."""
    bare = file.path.removesuffix(stream_suffix(file.identity))
    return file.path, bare, Path(file.path).name, Path(bare).name


def check_options_used(files: Sequence[Observations], options: LoadOptions) -> None:
    """Check that logs have the stages of the command line, and that its offsets name logs.

    Raises:
        EntroError: if an option names what no log has, or the logs have no sample at all.
    """
    columns = dict.fromkeys(printable(column)[:40] for file in files for column in file.columns)
    specs = parse_stage_options(options)
    for spec in specs:
        if not any(file.has_stage(spec) for file in files):
            raise EntroError(
                f"no log has samples of {printable(spec.column)}",
                where=f"--stage {spec.name}",
                expected=f"one of the columns {', '.join([*columns][:20])}",
            )
    _check_shared_columns(files, specs)
    for name in options.by:
        if files and all(name not in file.columns for file in files):
            raise EntroError(
                f"no log has a column {printable(name)}",
                where="--by",
                expected=f"one of the columns {', '.join([*columns][:20])}",
            )
    known = {name for file in files for name in _names_of(file)}
    for name, _ in (clock_shift(text, "--offset") for text in options.offset):
        if name not in known:
            raise EntroError(
                f"no log is called {printable(name)}",
                where="--offset",
                expected=", ".join(sorted(known)),
            )
    if not any(file.series for file in files):
        raise EntroError("has no sample, only rows with empty cells", where=files[0].path, expected="loads")


def _check_shared_columns(files: Sequence[Observations], specs: Sequence[StageSpec]) -> None:
    """Check that two stages are not one column of several logs: each would be the sum of all of them.

    Raises:
        EntroError: if they are.
    """
    for column in {spec.column for spec in specs}:
        names = [spec.name for spec in specs if spec.column == column]
        logs = [file.path for file in files if column in file.columns]
        if len(names) > 1 and len(logs) > 1:
            raise EntroError(
                f"{' and '.join(names)} are both the column {printable(column)} of {len(logs)} logs",
                where="--stage",
                expected="a column of one log for each",
                remedy=f"name the log: --stage {names[0]}={Path(logs[0]).name}:{printable(column)}",
            )
