"""Schema of a table: the columns of the time and of the stages, by the options, then by their names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.core.clock import NS
from entro_cli.core.console import printable
from entro_cli.readers.problems import masked
from entro_cli.readers.tables.column_names import (
    TOTALS,
    Meaning,
    counts,
    differ_by_source,
    has_number,
    has_rate_unit,
    in_unit,
    may_be_load,
    meaning,
    names_source,
    names_time,
    names_utc,
    names_zone,
    offset_unit_ns,
    qualified_kind,
    rate_divisor,
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
UNIT_COLUMNS = frozenset({"unit", "units", "uom"})
_SHOWN_NAME = 60
_ZONE = re.compile(r"(?:Z|[+-]\d\d:?\d\d|[A-Z]{3,5}|\))\s*$")
"""The end of a time that names its zone."""

_PLUS = re.compile(r'\+(?=(?:[^"]*"[^"]*")*[^"]*$)')
"""A plus sign outside quotes."""


class StageColumn(Struct, frozen=True):
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


class TableSchema(Struct, frozen=True):
    """Roles of a table's columns, which are given by index.

    Attributes:
        time: the time column.
        form: format of its times.
        clock: the column of the times of day, if they are not in the time column; None otherwise.
        stages: the stages of a wide table; those of a long one are found in its rows.
        stage: the stage column of a long table; None for a wide one.
        value: the value column of a long table; None for a wide one.
        kind: the kind column of a long table; None if it has none.
        unit: the unit column of a long table; None if it has none.
        sources: columns that name what a row is of, such as an instance: rows of one time that differ in them add up.
        is_utc: whether the time column is called that of times in UTC.
        unread_columns: names of the other columns of numbers if only one stage was recognised, for a warning.
        qualified: by kind that has no stage, the columns that have its word in their names and another that says
            that they measure something else, for a warning.
        unitless: columns of rates that are named like counts and name no unit, for a warning.
    """

    time: int
    form: TimestampFormat
    clock: int | None = None
    stages: tuple[StageColumn, ...] = ()
    stage: int | None = None
    value: int | None = None
    kind: int | None = None
    unit: int | None = None
    sources: tuple[int, ...] = ()
    is_utc: bool = False
    unread_columns: tuple[str, ...] = ()
    qualified: tuple[tuple[Kind, tuple[str, ...]], ...] = ()
    unitless: tuple[str, ...] = ()


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
    return _Columns(label, columns, sample, options).schema()


class _Columns:
    """The columns of a table, of which each gets its role; its arguments are those of `find_schema`."""

    def __init__(
        self, label: str, columns: Sequence[str], sample: Sequence[Sequence[str]], options: ReadOptions
    ) -> None:
        self._label, self._names, self._options = label, columns, options
        self._cells = [[row[index] for row in sample] for index in range(len(columns))]
        self._shown = f"the columns are {printable_names(columns)}"

    def schema(self) -> TableSchema:
        """Return the schema; see `find_schema`."""
        time, form, clock = self._time()
        long = self._long()
        sources = self._sources({time, clock, *(long or ())})
        is_utc = names_utc(self._names[time if clock is None else clock])
        if not (is_utc or form.unit_ns or self._options.zone_given):
            self._check_zone(time if clock is None else clock)
        if long is not None:
            stage, value, kind, unit = long
            return TableSchema(time, form, clock, (), stage, value, kind, unit, sources, is_utc)
        not_loads = {self._names[index] for index in (time, *sources)}
        # A first row without a time is a second line of the header, with units.
        has_units = clock is None and timestamp_format(self._cells[time][:1], NS) is None
        named = self._stages(not_loads)
        units = [self._units_of(stage, has_units) for stage in named]
        stages = tuple(with_unit(stage, found, self._label) for stage, found in zip(named, units, strict=True))
        used = [name for stage in stages for name in stage.columns]
        twice = next((name for name in used if self._names.count(name) > 1), None)
        if twice is not None:
            raise self._unclear(f"two columns are called {printable_name(twice)}", "columns with different names")
        is_single = len(stages) == 1 and not self._options.stages
        return TableSchema(
            time,
            form,
            clock,
            stages,
            sources=sources,
            is_utc=is_utc,
            unread_columns=self._unread({*not_loads, *used}) if is_single else (),
            qualified=_qualified_columns(self._names, {stage.kind for stage in stages}, {*not_loads, *used}),
            unitless=tuple(self._unitless([stage for stage, found in zip(stages, units, strict=True) if not found])),
        )

    def _unclear(self, found: str, expected: str, remedy: str = "") -> EntroError:
        return EntroError(found, where=self._label, expected=expected, remedy=remedy)

    def _time(self) -> tuple[int, TimestampFormat, int | None]:
        """Return the column of the time, its format, and the column of the times of day if they are in another."""
        named, unit = given_time(self._names, self._options.time_column)
        if named is not None:
            candidates = [index for index, name in enumerate(self._names) if name == named]
        else:
            candidates = [index for index, name in enumerate(self._names) if names_time(name)] or [
                index for index, cells in enumerate(self._cells) if timestamp_format(cells, None)
            ]
        pair = self._day_and_clock(candidates)
        if pair is not None:
            joined = [f"{day} {clock}" for day, clock in zip(*(self._cells[index] for index in pair), strict=True)]
            form = given_format(joined, unit) if unit else timestamp_format(joined, None)
            if form is not None:
                return pair[0], form, pair[1]
        if len(candidates) != 1:
            raise self._no_single_time(candidates)
        name, cells = self._names[candidates[0]], self._cells[candidates[0]]
        if unit:
            return candidates[0], given_format(cells, unit), None
        form = timestamp_format(cells, offset_unit_ns(name), "date" in tokens(name))
        if form is None:
            shown = next((printable_name(cell) for cell in cells if cell.strip()), "nothing")
            raise self._unclear(
                f"the column {printable_name(name)} does not hold times but "
                f"{masked(shown) if self._options.redact else shown}",
                "ISO 8601, seconds since the epoch (or ms, us, ns), or an offset in seconds",
                f"name another with --time; {self._shown}",
            )
        return candidates[0], form, None

    def _check_zone(self, time: int) -> None:
        """Check that no column names the zone of times that do not name it themselves.

        Raises:
            EntroError: if one does.
        """
        named = [name for index, name in enumerate(self._names) if names_zone(name, index == time)]
        if named and not any(map(_ZONE.search, self._cells[time])):
            raise self._unclear(
                f"the times name no zone, but the column {printable_name(named[0])} does",
                "times with their zones, such as 2026-04-06T12:00:00+02:00",
                "add --tz with that zone, such as --tz Europe/Berlin",
            )

    def _day_and_clock(self, candidates: Sequence[int]) -> tuple[int, int] | None:
        """Return the only column of dates and the only column of times of day, if the time can only be in these."""
        days = [index for index in candidates if are_days(self._cells[index])]
        clocks = [index for index in candidates if are_clocks(self._cells[index])]
        if len(days) + len(clocks) != len(candidates):
            return None
        days = days or [index for index, cells in enumerate(self._cells) if are_days(cells)]
        # Without a name that says so, times of day belong to the dates only if several rows are of one day.
        if not clocks and days and len(set(self._cells[days[0]])) < len(self._cells[days[0]]):
            clocks = [index for index, cells in enumerate(self._cells) if are_clocks(cells)]
        return (days[0], clocks[0]) if len(days) == len(clocks) == 1 else None

    def _no_single_time(self, candidates: Sequence[int]) -> EntroError:
        named, _ = given_time(self._names, self._options.time_column)
        names = [self._names[index] for index in candidates]
        if named is not None:
            found = "two columns have that name" if names else f"no column is called {printable_name(named)}"
        else:
            found = f"{len(names)} columns may be the time: {printable_names(names)}" if names else ""
        return self._unclear(
            found or "no column is a time",
            "one called time, timestamp, ts, date, datetime or t",
            f"add --time {printable_name(names[0] if names else 'COLUMN')}; {self._shown}",
        )

    def _sources(self, others: Collection[int | None]) -> tuple[int, ...]:
        """Return the columns that name what a row is of: those that the user named, or those of such names.

        A column called `queue` is a load, unless its cells begin with letters. One with a total names its parts, too.

        Args:
            others: columns with another role.
        """
        if self._options.by:
            return tuple(index for index, name in enumerate(self._names) if name in self._options.by)
        return tuple(
            index
            for index, (name, cells) in enumerate(zip(self._names, self._cells, strict=True))
            if (names_source(name) and (meaning(name) is None or are_words(cells)))
            or (index not in others and any(cell.strip().lower() in TOTALS for cell in cells))
        )

    def _units_of(self, stage: StageColumn, has_units: bool) -> set[str]:
        """Return the units that a column beside a stage names, such as `rate_unit`, or the first row."""
        words = [word for word in tokens(stage.columns[0]) if word != "value"]
        beside = (cells for name, cells in zip(self._names, self._cells, strict=True) if is_unit_of(name, words))
        cells = next(beside, self._cells[self._names.index(stage.columns[0])][:has_units])
        return {cell for cell in cells if cell.strip()}

    def _unitless(self, stages: Sequence[StageColumn]) -> Iterator[str]:
        """Yield the columns of rates that are named like counts, if neither their names nor their cells have a unit."""
        for name in (name for stage in stages if stage.kind is Kind.RATE for name in stage.columns if counts(name)):
            if rate_divisor(name) is None and not any(map(has_rate_unit, self._cells[self._names.index(name)])):
                yield name

    def _long(self) -> tuple[int, int, int | None, int | None] | None:
        """Return the stage, value, kind and unit columns of a long table; None for a wide one."""
        names = [name.strip().lower() for name in self._names]
        stage = [index for index, name in enumerate(names) if name in _STAGE_COLUMNS]
        value = [index for index, name in enumerate(names) if name in _VALUE_COLUMNS]
        # A stage whose column is named, `--stage llm=value:queue`, makes the table a wide one.
        is_wide = any(column_parts(spec.column, self._names) for spec in self._options.stages_for(()))
        if len(stage) != 1 or len(value) != 1 or is_wide:
            return None
        unit = next((index for index, name in enumerate(names) if name in UNIT_COLUMNS), None)
        return stage[0], value[0], names.index("kind") if "kind" in names else None, unit

    def _unread(self, used: Collection[str]) -> tuple[str, ...]:
        """Return the columns that hold numbers and are not used for anything."""
        return tuple(
            name
            for name, cells in zip(self._names, self._cells, strict=True)
            if name not in used and qualified_kind(name) is None
            if all(map(has_number, cells)) and any(cell.strip() for cell in cells)
        )

    def _stages(self, not_loads: Collection[str]) -> tuple[StageColumn, ...]:
        """Return the stages of a wide table: those that the user named, then others of other kinds, by name."""
        specs = self._options.stages_for([name for name in self._names if name not in not_loads])
        parts = {spec.column: column_parts(spec.column, self._names) for spec in specs}
        specified = [self._specified(spec, parts[spec.column]) for spec in specs if parts[spec.column]]
        used = {*not_loads, *(name for names in parts.values() for name in names)}
        candidates = [
            (name, known)
            for name, cells in zip(self._names, self._cells, strict=True)
            if name not in used and (known := _meaning(name, cells)) is not None
        ]
        # A stage that the user named takes the place of the recognised one of its kind.
        kinds = {stage.kind for stage in specified} | {spec.kind for spec in specs}
        recognised = [
            self._recognised(kind, named)
            for kind in (Kind.RATE, Kind.QUEUE)
            if kind not in kinds and (named := [part for part in candidates if part[1].kind == kind])
        ]
        if not specified and not recognised:
            raise self._no_stage(not_loads, [spec.column for spec in specs])
        return tuple(specified + recognised)

    def _specified(self, spec: StageSpec, parts: tuple[str, ...]) -> StageColumn:
        """Return a stage that the user named, given its columns.

        Raises:
            EntroError: if nothing says what it measures, or its columns have different units.
        """
        found = [stage_column(spec, name, self._label) for name in parts]
        if len({stage.divisor for stage in found}) > 1:
            units = f"the columns {printable_names(parts)} have different units"
            raise self._unclear(units, "columns of one unit to add", "convert one of them")
        return replace(found[0], source=spec.column, parts=parts if len(parts) > 1 or parts[0] != spec.column else ())

    def _recognised(self, kind: Kind, candidates: Sequence[tuple[str, Meaning]]) -> StageColumn:
        """Return the only column of a kind, or the columns of its sources, as a stage.

        Raises:
            EntroError: if there are several that are no sources of one metric.
        """
        names, default = [name for name, _ in candidates], DEFAULT_NAMES[kind]
        are_sources = len(names) > 1 and differ_by_source(names)
        if len(names) > 1 and not are_sources:
            raise self._unclear(
                f"{len(names)} columns may be the {kind}: {printable_names(names)}",
                "one",
                f"add --stage {default}={printable_name(names[0])} or another, or A+B to add two; {self._shown}",
            )
        is_taken = any(spec.name == default for spec in self._options.stages_for(self._names))
        given = (None if is_taken else self._options.kind_of(default)) or kind
        return StageColumn(
            printable(names[0]) if is_taken else default,
            given,
            None,
            without_labels(names[0]) if are_sources else names[0],
            candidates[0][1].divisor if given == kind else 1.0,
            tuple(names) if are_sources else (),
        )

    def _no_stage(self, not_loads: Collection[str], specified: Sequence[str]) -> EntroError:
        others = [name for name in self._names if name not in not_loads]
        example = printable_name(others[0]) if len(others) == 1 and may_be_load(others[0]) else "COLUMN"
        missing = " or ".join(map(printable_name, specified))
        qualified = [name for _, names in _qualified_columns(others, ()) for name in names]
        found = (
            f"no column is called {missing}, and none is recognised as another rate or queue"
            if specified
            else "no column is recognised as a rate or a queue"
        )
        return self._unclear(
            f"{found} ({printable_names(qualified)}: by name something else)" if qualified else found,
            "names such as scraper_rate, requests_per_min, llm_queue or waiting",
            f"add --stage NAME=COLUMN:KIND, for example --stage llm={example}:queue; {self._shown}",
        )


def is_unit_of(name: str, words: Sequence[str]) -> bool:
    """Return whether a column names the unit of another, given the words of that one: `rate_unit`, `rate.unit`."""
    return tokens(name)[:-1] == words and not UNIT_COLUMNS.isdisjoint(tokens(name)[-1:])


def with_unit(stage: StageColumn, units: Collection[str], label: str) -> StageColumn:
    """Return a stage of which the log names the units; more than one is an error, and so is one that no load has."""
    known = Meaning(stage.kind, stage.divisor)
    found = {in_unit(known, unit) for unit in units} or {known}
    only = found.pop() if len(found) == 1 else None
    if only is None:
        raise EntroError(
            f"{printable_name(stage.source)} is in {' and '.join(map(printable_name, sorted(units)))}",
            where=label,
            expected="a number of requests, or requests per time, in one unit",
            remedy="convert it, or name another column with --stage",
        )
    return replace(stage, divisor=only.divisor)


def are_words(cells: Sequence[str]) -> bool:
    """Return whether the cells of a column begin with letters, or are paths."""
    texts = [text for cell in cells if (text := cell.strip().lower()) not in {"", "nan", "null"}]
    return bool(texts) and all(text[0].isalpha() or text[0] == "/" for text in texts)


def _qualified_columns(
    columns: Sequence[str], found: Collection[Kind], used: Collection[str] = ()
) -> tuple[tuple[Kind, tuple[str, ...]], ...]:
    """Return by kind that was not found the columns whose names have its word and a qualifier, such as `retry_rate`."""
    kinds = [kind for kind in DEFAULT_NAMES if kind not in found]
    named = [(kind, tuple(name for name in columns if qualified_kind(name) == kind)) for kind in kinds]
    return tuple((kind, names) for kind, names in named if names and not set(names) & {*used})


def printable_name(name: str) -> str:
    """Return the name of a column or stage as messages show it."""
    text = printable(name) or "(no name)"  # names of one metric differ at their ends
    return text if len(text) <= _SHOWN_NAME else f"{text[: _SHOWN_NAME // 2]}...{text[3 - _SHOWN_NAME // 2 :]}"


def printable_names(names: Sequence[str]) -> str:
    """Return the names of columns as messages show them, at most 20."""
    shown = ", ".join(map(printable_name, names[:20]))
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def given_time(columns: Sequence[str], option: str | None) -> tuple[str | None, str]:
    """Return the column and the unit that `--time COLUMN[:UNIT]` names; a column of the whole text comes first."""
    name, _, unit = (option or "").rpartition(":")
    is_split = option is not None and option not in columns and name and unit in TIME_UNITS
    return (name, unit) if is_split else (option, "")


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


def _meaning(name: str, cells: Sequence[str]) -> Meaning | None:
    """Return the meaning of a column's name; cells such as 1.63 req/s add a unit that it lacks."""
    known = meaning(name)
    return meaning(f"{name} per s") if known is None and any(map(has_rate_unit, cells)) else known


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
    divisor = (rate_divisor(source) or 1.0) if kind is Kind.RATE else 1.0
    return StageColumn(spec.name, kind, spec.full, source, divisor)
