"""Schema of a table: the columns of the time and of the stages, by the options, then by their names."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from entro_cli.core.console import printable
from entro_cli.readers.problems import masked
from entro_cli.readers.tables.column_names import (
    Meaning,
    differ_by_source,
    has_number,
    has_rate_unit,
    meaning,
    names_source,
    names_time,
    offset_unit_ns,
    qualified_kind,
    tokens,
    without_labels,
)
from entro_cli.readers.timestamps import (
    TIME_UNITS,
    TimestampFormat,
    are_clocks,
    are_days,
    given_format,
    timestamp_format,
)
from entro_cli.timeseries.observations import ReadOptions, StageSpec
from entro_engine import EntroError, Kind

DEFAULT_NAMES = {Kind.RATE: "scraper", Kind.QUEUE: "llm"}
"""Names of the stages that the user did not name."""


LARGEST_LOAD = 1e100
"""Loads above this are rejected as infinite."""

_STAGE_COLUMNS = frozenset({"stage", "metric", "series", "name"})
_VALUE_COLUMNS = frozenset({"value", "load"})
_SHOWN_NAME = 40
_PLUS = re.compile(r'\+(?=(?:[^"]*"[^"]*")*[^"]*$)')
"""A plus sign outside quotes."""


@dataclass(frozen=True)
class StageColumn:
    """A stage and the source of its loads.

    Attributes:
        name: name of the stage.
        kind: the quantity that its load measures.
        full: the full load that the user gave, per second for a rate; None if not given.
        source: the column of a wide table, or the name in the stage column of a long one.
        divisor: divisor that converts its values to loads per second.
        parts: the columns of a wide table that add up to it, if there are several; empty otherwise.
    """

    name: str
    kind: Kind
    full: float | None
    source: str
    divisor: float = 1.0
    parts: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a wide table that hold its loads."""
        return self.parts or (self.source,)


@dataclass(frozen=True)
class TableSchema:
    """Roles of a table's columns, which are given by index.

    Attributes:
        time: the time column.
        form: format of its times.
        clock: the column of the times of day, if they are not in the time column; None otherwise.
        stages: the stages of a wide table; those of a long one are found in its rows.
        stage: the stage column of a long table; None for a wide one.
        value: the value column of a long table; None for a wide one.
        kind: the kind column of a long table; None if it has none.
        sources: columns that name what a row is of, such as an instance: rows of one time that differ in them add up.
        unread_columns: names of the other columns of numbers if only one stage was recognised, for a warning.
        qualified: by kind that has no stage, the columns that have its word in their names and another that says
            that they measure something else, for a warning.
    """

    time: int
    form: TimestampFormat
    clock: int | None = None
    stages: tuple[StageColumn, ...] = ()
    stage: int | None = None
    value: int | None = None
    kind: int | None = None
    sources: tuple[int, ...] = ()
    unread_columns: tuple[str, ...] = ()
    qualified: tuple[tuple[Kind, tuple[str, ...]], ...] = ()


def find_schema(
    label: str, columns: Sequence[str], sample: Sequence[Sequence[str]], options: ReadOptions
) -> TableSchema:
    """Return the schema of a table.

    Args:
        label: the file, for messages.
        columns: names of its columns.
        sample: cells of its first rows.
        options: how it is read.

    Raises:
        EntroError: if the time or the stages are not clear; it shows the columns and the option to add.
    """
    time, form, clock = _time_columns(label, columns, sample, options)
    sources = _source_columns(columns, sample, options)
    long = _long_columns(columns, options)
    if long is not None:
        return TableSchema(time, form, clock, stage=long[0], value=long[1], kind=long[2], sources=sources)
    not_loads = {columns[index] for index in (time, *sources)}
    stages = _wide_stages(label, columns, sample, not_loads, options)
    used = [name for stage in stages for name in stage.columns]
    twice = next((name for name in used if columns.count(name) > 1), None)
    if twice is not None:
        raise EntroError(
            f"two columns are called {printable_name(twice)}", where=label, expected="columns with different names"
        )
    is_single = len(stages) == 1 and not options.stages
    return TableSchema(
        time,
        form,
        clock,
        stages,
        sources=sources,
        unread_columns=_unread_columns(columns, sample, {*not_loads, *used}) if is_single else (),
        qualified=_qualified_columns(columns, {stage.kind for stage in stages}, {*not_loads, *used}),
    )


def _source_columns(columns: Sequence[str], sample: Sequence[Sequence[str]], options: ReadOptions) -> tuple[int, ...]:
    """Return the columns that name what a row is of: those that the user named, or those of such names.

    A column called `queue` is a load, unless its cells begin with letters.
    """
    if options.by:
        return tuple(index for index, name in enumerate(columns) if name in options.by)
    return tuple(
        index
        for index, name in enumerate(columns)
        if names_source(name) and (meaning(name) is None or are_words([row[index] for row in sample]))
    )


def are_words(cells: Sequence[str]) -> bool:
    """Return whether the cells of a column begin with letters."""
    texts = [text for cell in cells if (text := cell.strip().lower()) not in {"", "nan", "null"}]
    return bool(texts) and all(text[0].isalpha() for text in texts)


def _qualified_columns(
    columns: Sequence[str], found: Collection[Kind], used: Collection[str] = ()
) -> tuple[tuple[Kind, tuple[str, ...]], ...]:
    """Return by kind that was not found the columns whose names have its word and a qualifier, such as `retry_rate`."""
    kinds = [kind for kind in DEFAULT_NAMES if kind not in found]
    named = [(kind, tuple(name for name in columns if qualified_kind(name) == kind)) for kind in kinds]
    return tuple((kind, names) for kind, names in named if names and not set(names) & {*used})


def _unread_columns(columns: Sequence[str], sample: Sequence[Sequence[str]], used: Collection[str]) -> tuple[str, ...]:
    """Return the columns that hold numbers and are not used for anything."""
    return tuple(
        name
        for index, name in enumerate(columns)
        if name not in used
        and qualified_kind(name) is None
        and all(has_number(row[index]) for row in sample)
        and any(row[index].strip() for row in sample)
    )


def printable_name(name: str) -> str:
    """Return the name of a column or stage as messages show it."""
    text = printable(name) or "(no name)"
    return text if len(text) <= _SHOWN_NAME else text[: _SHOWN_NAME - 3] + "..."


def printable_names(names: Sequence[str]) -> str:
    """Return the names of columns as messages show them, at most 20."""
    shown = ", ".join(printable_name(name) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def given_time(columns: Sequence[str], option: str | None) -> tuple[str | None, str]:
    """Return the column and the unit that `--time COLUMN[:UNIT]` names; a column of the whole text comes first."""
    name, _, unit = (option or "").rpartition(":")
    is_split = option is not None and option not in columns and name and unit in TIME_UNITS
    return (name, unit) if is_split else (option, "")


def _time_columns(
    label: str, columns: Sequence[str], sample: Sequence[Sequence[str]], options: ReadOptions
) -> tuple[int, TimestampFormat, int | None]:
    """Return the column of the time, its format, and the column of the times of day if they are in another."""
    named, unit = given_time(columns, options.time_column)
    cells = [[row[index] for row in sample] for index in range(len(columns))]
    if named is not None:
        candidates = [index for index, name in enumerate(columns) if name == named]
    else:
        candidates = [index for index, name in enumerate(columns) if names_time(name)] or [
            index for index in range(len(columns)) if timestamp_format(cells[index], None)
        ]
    pair = _day_and_clock(candidates, cells)
    if pair is not None:
        joined = [f"{day} {clock}" for day, clock in zip(cells[pair[0]], cells[pair[1]], strict=True)]
        form = given_format(joined, unit) if unit else timestamp_format(joined, None)
        if form is not None:
            return pair[0], form, pair[1]
    if len(candidates) != 1:
        raise _no_single_time(label, columns, candidates, options)
    index = candidates[0]
    name, found = columns[index], cells[index]
    form = given_format(found, unit) if unit else timestamp_format(found, offset_unit_ns(name), "date" in tokens(name))
    if form is None:
        shown = next((printable_name(row[index]) for row in sample if row[index].strip()), "")
        shown = masked(shown) if options.redact else shown
        raise EntroError(
            f"the column {printable_name(columns[index])} does not hold times but {shown or 'nothing'}",
            where=label,
            expected="ISO 8601, seconds since the epoch (or ms, us, ns), or an offset in seconds",
            remedy=f"name another with --time; the columns are {printable_names(columns)}",
        )
    return index, form, None


def _day_and_clock(candidates: Sequence[int], cells: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """Return the only column of dates and the only column of times of day, if the time can only be in these two."""
    days = [index for index in candidates if are_days(cells[index])]
    clocks = [index for index in candidates if are_clocks(cells[index])]
    if len(days) + len(clocks) != len(candidates):
        return None
    days = days or [index for index in range(len(cells)) if are_days(cells[index])]
    # Without a name that says so, times of day belong to the dates only if several rows are of one day.
    if not clocks and days and len(set(cells[days[0]])) < len(cells[days[0]]):
        clocks = [index for index in range(len(cells)) if are_clocks(cells[index])]
    return (days[0], clocks[0]) if len(days) == len(clocks) == 1 else None


def _no_single_time(label: str, columns: Sequence[str], candidates: list[int], options: ReadOptions) -> EntroError:
    named, _ = given_time(columns, options.time_column)
    if named is not None:
        found = f"no column is called {printable_name(named)}" if not candidates else "two columns have that name"
    elif candidates:
        found = (
            f"{len(candidates)} columns may be the time: {printable_names([columns[index] for index in candidates])}"
        )
    else:
        found = "no column is a time"
    example = columns[candidates[0]] if candidates else "COLUMN"
    return EntroError(
        found,
        where=label,
        expected="one called time, timestamp, ts, date, datetime or t",
        remedy=f"add --time {printable_name(example)}; the columns are {printable_names(columns)}",
    )


def _long_columns(columns: Sequence[str], options: ReadOptions) -> tuple[int, int, int | None] | None:
    """Return the stage, value and kind columns of a long table; None for a wide one."""
    names = [name.strip().lower() for name in columns]
    stage = [index for index, name in enumerate(names) if name in _STAGE_COLUMNS]
    value = [index for index, name in enumerate(names) if name in _VALUE_COLUMNS]
    # A stage whose column is named, `--stage llm=value:queue`, makes the table a wide one.
    if len(stage) != 1 or len(value) != 1 or any(column_parts(spec.column, columns) for spec in options.stages_for(())):
        return None
    return stage[0], value[0], names.index("kind") if "kind" in names else None


def column_parts(text: str, columns: Collection[str]) -> tuple[str, ...]:
    """Return the columns that a text names: one, or several as A+B; empty if there are no such columns.

    Args:
        text: the text. Names with a plus sign are quoted, unless the whole text is the name of a column.
        columns: names of the columns of a table.
    """
    if text in columns:
        return (text,)
    parts = [part if part in columns else part.removeprefix('"').removesuffix('"') for part in _PLUS.split(text)]
    return tuple(parts) if all(part in columns for part in parts) else ()


def _wide_stages(
    label: str,
    columns: Sequence[str],
    sample: Sequence[Sequence[str]],
    not_loads: Collection[str],
    options: ReadOptions,
) -> tuple[StageColumn, ...]:
    """Return the stages of a wide table: those that the user named, then others of other kinds, recognised by name."""
    specs = options.stages_for([name for name in columns if name not in not_loads])
    parts = {spec.column: column_parts(spec.column, columns) for spec in specs}
    specified = [_wide_stage(spec, parts[spec.column], label) for spec in specs if parts[spec.column]]
    used = {*not_loads, *(name for names in parts.values() for name in names)}
    candidates = [
        (name, known)
        for index, name in enumerate(columns)
        if name not in used and (known := _meaning(name, [row[index] for row in sample])) is not None
    ]
    # A stage that the user named takes the place of the recognised one of its kind.
    specified_kinds = {stage.kind for stage in specified} | {spec.kind for spec in specs}
    recognised = [
        stage
        for kind in (Kind.RATE, Kind.QUEUE)
        if kind not in specified_kinds
        for stage in _recognised_stages(
            label, columns, kind, [part for part in candidates if part[1].kind == kind], options
        )
    ]
    if not specified and not recognised:
        raise _no_stage(label, columns, not_loads, [spec.column for spec in specs])
    return tuple(specified + recognised)


def _meaning(name: str, cells: Sequence[str]) -> Meaning | None:
    """Return the meaning of a column's name; cells such as 1.63 req/s add a unit that it lacks."""
    known = meaning(name)
    return meaning(f"{name} per s") if known is None and any(map(has_rate_unit, cells)) else known


def _wide_stage(spec: StageSpec, parts: tuple[str, ...], label: str) -> StageColumn:
    """Return a stage that the user named, given its columns.

    Raises:
        EntroError: if nothing says what it measures, or its columns have different units.
    """
    found = [stage_column(spec, name, label) for name in parts]
    if len({stage.divisor for stage in found}) > 1:
        raise EntroError(
            f"the columns {printable_names(parts)} have different units",
            where=label,
            expected="columns of one unit to add",
            remedy="convert one of them",
        )
    return replace(found[0], source=spec.column, parts=parts if len(parts) > 1 or parts[0] != spec.column else ())


def _recognised_stages(
    label: str, columns: Sequence[str], kind: Kind, candidates: list[tuple[str, Meaning]], options: ReadOptions
) -> list[StageColumn]:
    """Return the only column of a kind, or the columns of its sources, as a stage; an empty list if there is none.

    Raises:
        EntroError: if there are several that are no sources of one metric.
    """
    names = [name for name, _ in candidates]
    are_sources = len(candidates) > 1 and differ_by_source(names)
    if len(candidates) > 1 and not are_sources:
        raise EntroError(
            f"{len(candidates)} columns may be the {kind}: {printable_names(names)}",
            where=label,
            expected="one",
            remedy=f"add --stage {DEFAULT_NAMES[kind]}={printable_name(names[0])} or another, or A+B to add two; "
            f"the columns are {printable_names(columns)}",
        )
    default = DEFAULT_NAMES[kind]
    is_taken = any(spec.name == default for spec in options.stages_for(columns))
    given = (None if is_taken else options.kind_of(default)) or kind
    return [
        StageColumn(
            printable(name) if is_taken else default,
            given,
            None,
            without_labels(name) if are_sources else name,
            known.divisor if given == kind else 1.0,
            tuple(names) if are_sources else (),
        )
        for name, known in candidates[:1]
    ]


def _no_stage(label: str, columns: Sequence[str], not_loads: Collection[str], specified: Sequence[str]) -> EntroError:
    others = [name for name in columns if name not in not_loads]
    example = printable_name(others[0]) if len(others) == 1 else "COLUMN"
    missing = " or ".join(map(printable_name, specified))
    qualified = [name for _, names in _qualified_columns(others, ()) for name in names]
    found = (
        f"no column is called {missing}, and none is recognised as another rate or queue"
        if specified
        else "no column is recognised as a rate or a queue"
    )
    return EntroError(
        f"{found} ({printable_names(qualified)}: by name something else)" if qualified else found,
        where=label,
        expected="names such as scraper_rate, requests_per_min, llm_queue or waiting",
        remedy=f"add --stage NAME=COLUMN:KIND, for example --stage llm={example}:queue; "
        f"the columns are {printable_names(columns)}",
    )


def stage_column(spec: StageSpec, source: str, label: str) -> StageColumn:
    """Return a stage that the user named. Without a kind, it has that of the column's name or the stage's.

    Raises:
        EntroError: if neither name has a known meaning.
    """
    known = meaning(source)
    default = next((kind for kind, name in DEFAULT_NAMES.items() if name == spec.name), None)
    kind = spec.kind or (known.kind if known else None) or (meaning(spec.name) or Meaning(default or Kind.GENERIC)).kind
    if spec.kind is None and known is None and default is None and meaning(spec.name) is None:
        raise EntroError(
            f"nothing says what the column {printable_name(source)} measures",
            where=label,
            expected="a rate, a queue or a generic load",
            remedy=f"add the kind: --stage {printable_name(spec.name)}={printable_name(source)}:queue",
        )
    divisor = known.divisor if known is not None and known.kind == kind else 1.0
    return StageColumn(spec.name, kind, spec.full, source, divisor)
