"""Which columns of a table are the time and the stages: by what the user said, then by their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.console import printable
from entro_cli.readers.problems import masked
from entro_cli.readers.tables.column_names import Meaning, is_number, meaning, names_time, offset_unit_ns, tokens
from entro_cli.readers.timestamps import TimestampFormat, timestamp_format
from entro_cli.timeseries.observations import ReadOptions, StageSpec
from entro_engine import EntroError, Kind

DEFAULT_NAMES = {Kind.RATE: "scraper", Kind.QUEUE: "llm"}
"""What the stages are called when nobody named them."""

LARGEST_LOAD = 1e100
"""Loads above this are rejected as infinite."""

_STAGE_COLUMNS = frozenset({"stage", "metric", "series", "name"})
_VALUE_COLUMNS = frozenset({"value", "load"})
_MOST_STAGES = 64
_SHOWN_NAME = 40


@dataclass(frozen=True)
class StageColumn:
    """A stage and where its loads are.

    Attributes:
        name: the stage.
        kind: what its load measures.
        full: the full load the user gave, per second for a rate.
        source: the column of a wide table, or what stands in the stage column of a long one.
        divisor: what its values are divided by to be per second.
    """

    name: str
    kind: Kind
    full: float | None
    source: str
    divisor: float = 1.0


@dataclass(frozen=True)
class TableSchema:
    """How a table is laid out; columns by their index.

    Attributes:
        time: the time column.
        form: the form of its times.
        stages: of a wide table; of a long one they are found in its rows.
        stage: the stage column of a long table, None for a wide one.
        value: the value column of a long table.
        kind: the kind column of a long table, where it has one.
        passed_over: columns of numbers that became no stage, where only one stage was recognised.
    """

    time: int
    form: TimestampFormat
    stages: tuple[StageColumn, ...] = ()
    stage: int | None = None
    value: int | None = None
    kind: int | None = None
    passed_over: tuple[str, ...] = ()


def find_schema(
    label: str, columns: Sequence[str], sample: Sequence[Sequence[str]], options: ReadOptions
) -> TableSchema:
    """The layout of a table.

    Args:
        label: the file, for messages.
        columns: the names of its columns.
        sample: the cells of its first rows.
        options: what the user said.

    Raises:
        EntroError: when the time or the stages are not plain; it shows the columns and the option to add.
    """
    time, form = _time(label, columns, sample, options)
    long = _long(columns, options)
    if long is not None:
        return TableSchema(time, form, stage=long[0], value=long[1], kind=long[2])
    stages = _stages(label, columns, time, options)
    twice = next((stage.source for stage in stages if columns.count(stage.source) > 1), None)
    if twice is not None:
        raise EntroError(
            f"two columns are called {named(twice)}", where=label, expected="columns with names of their own"
        )
    lone = len(stages) == 1 and not options.stages
    return TableSchema(
        time, form, stages=stages, passed_over=_passed_over(columns, sample, time, stages) if lone else ()
    )


def _passed_over(
    columns: Sequence[str], sample: Sequence[Sequence[str]], time: int, stages: Sequence[StageColumn]
) -> tuple[str, ...]:
    """The columns that hold numbers and are neither the time nor a stage."""
    taken = {columns[time], *(stage.source for stage in stages)}
    return tuple(
        name
        for index, name in enumerate(columns)
        if name not in taken
        and all(is_number(row[index]) for row in sample)
        and any(row[index].strip() for row in sample)
    )


def named(name: str) -> str:
    """A column's or a stage's name as it can be shown in a sentence."""
    text = printable(name) or "(no name)"
    return text if len(text) <= _SHOWN_NAME else text[: _SHOWN_NAME - 3] + "..."


def listed(names: Sequence[str]) -> str:
    """Columns' names as they can be shown in a sentence, the first 20."""
    shown = ", ".join(named(name) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _time(
    label: str, columns: Sequence[str], sample: Sequence[Sequence[str]], options: ReadOptions
) -> tuple[int, TimestampFormat]:
    if options.time_column is not None:
        candidates = [index for index, name in enumerate(columns) if name == options.time_column]
    else:
        candidates = [index for index, name in enumerate(columns) if names_time(name)] or [
            index for index in range(len(columns)) if timestamp_format([row[index] for row in sample], None)
        ]
    if len(candidates) != 1:
        raise _no_single_time(label, columns, candidates, options)
    index = candidates[0]
    form = timestamp_format([row[index] for row in sample], offset_unit_ns(columns[index]))
    if form is None:
        shown = next((named(row[index]) for row in sample if row[index].strip()), "")
        shown = masked(shown) if options.redact else shown
        raise EntroError(
            f"the column {named(columns[index])} does not hold times but {shown or 'nothing'}",
            where=label,
            expected="ISO 8601, seconds since the epoch (or ms, us, ns), or an offset in seconds",
            remedy=f"name another with --time; the columns are {listed(columns)}",
        )
    return index, form


def _no_single_time(label: str, columns: Sequence[str], candidates: list[int], options: ReadOptions) -> EntroError:
    if options.time_column is not None:
        found = f"no column is called {named(options.time_column)}" if not candidates else "two columns have that name"
    elif candidates:
        found = f"{len(candidates)} columns may be the time: {listed([columns[index] for index in candidates])}"
    else:
        found = "no column is a time"
    example = columns[candidates[0]] if candidates else "COLUMN"
    return EntroError(
        found,
        where=label,
        expected="one called time, timestamp, ts, date, datetime or t",
        remedy=f"add --time {named(example)}; the columns are {listed(columns)}",
    )


def _long(columns: Sequence[str], options: ReadOptions) -> tuple[int, int, int | None] | None:
    """The stage, value and kind columns of a long table; None when it is a wide one."""
    names = [name.strip().lower() for name in columns]
    stage = [index for index, name in enumerate(names) if name in _STAGE_COLUMNS]
    value = [index for index, name in enumerate(names) if name in _VALUE_COLUMNS]
    if len(stage) != 1 or len(value) != 1 or any(spec.column in columns for spec in options.stages_for(())):
        return None
    return stage[0], value[0], names.index("kind") if "kind" in names else None


def _stages(label: str, columns: Sequence[str], time: int, options: ReadOptions) -> tuple[StageColumn, ...]:
    """The stages of a wide table: those asked for, then those of other kinds that are recognised by name."""
    specs = options.stages_for([name for index, name in enumerate(columns) if index != time])
    asked = [stage_of(spec, spec.column, label) for spec in specs if spec.column in columns]
    taken = {spec.column for spec in specs}
    found = [
        (name, known)
        for index, name in enumerate(columns)
        if index != time and name not in taken and (known := meaning(name)) is not None
    ]
    covered = {stage.kind for stage in asked} | {spec.kind for spec in specs}
    recognised = [
        stage
        for kind in (Kind.RATE, Kind.QUEUE)
        if kind not in covered
        for stage in _recognised(label, columns, kind, [part for part in found if part[1].kind == kind], options)
    ]
    if not asked and not recognised:
        raise _no_stage(label, columns, time, [spec.column for spec in specs])
    return tuple(asked + recognised)


def _recognised(
    label: str, columns: Sequence[str], kind: Kind, found: list[tuple[str, Meaning]], options: ReadOptions
) -> list[StageColumn]:
    """The one column of that kind, as a stage; none where there is none."""
    if len(found) > 1:
        names = [name for name, _ in found]
        raise EntroError(
            f"{len(found)} columns may be the {kind}: {listed(names)}",
            where=label,
            expected="one",
            remedy=f"add --stage {DEFAULT_NAMES[kind]}={named(names[0])} or another; the columns are {listed(columns)}",
        )
    taken = any(spec.name == DEFAULT_NAMES[kind] for spec in options.stages_for(columns))
    said = (None if taken else options.kind_of(DEFAULT_NAMES[kind])) or kind
    return [
        StageColumn(
            printable(name) if taken else DEFAULT_NAMES[kind],
            said,
            None,
            name,
            known.divisor if said == kind else 1.0,
        )
        for name, known in found
    ]


def _no_stage(label: str, columns: Sequence[str], time: int, asked: Sequence[str]) -> EntroError:
    others = [name for index, name in enumerate(columns) if index != time]
    example = named(others[0]) if len(others) == 1 else "COLUMN"
    known = f"no column is called {' or '.join(map(named, asked))}, and none" if asked else "no column"
    return EntroError(
        f"{known} says that it is {'another' if asked else 'a'} rate or {'' if asked else 'a '}queue",
        where=label,
        expected="names such as scraper_rate, requests_per_min, llm_queue or waiting",
        remedy=f"add --stage NAME=COLUMN:KIND, for example --stage llm={example}:queue; "
        f"the columns are {listed(columns)}",
    )


def stage_of(spec: StageSpec, source: str, label: str) -> StageColumn:
    """The stage that a user asked for, its kind taken from the column's name or the stage's where they gave none.

    Raises:
        EntroError: when neither name says what it is.
    """
    known = meaning(source)
    default = next((kind for kind, name in DEFAULT_NAMES.items() if name == spec.name), None)
    kind = spec.kind or (known.kind if known else None) or (meaning(spec.name) or Meaning(default or Kind.GENERIC)).kind
    if spec.kind is None and known is None and default is None and meaning(spec.name) is None:
        raise EntroError(
            f"nothing says what the column {named(source)} measures",
            where=label,
            expected="a rate, a queue or a generic load",
            remedy=f"add the kind: --stage {named(spec.name)}={named(source)}:queue",
        )
    divisor = known.divisor if known is not None and known.kind == kind else 1.0
    return StageColumn(spec.name, kind, spec.full, source, divisor)


def long_stages(
    label: str, names: Sequence[str], kinds: Iterable[str] | None, options: ReadOptions
) -> tuple[tuple[StageColumn, ...], NDArray[np.int64]]:
    """The stages named in the rows of a long table.

    Args:
        label: the file, for messages.
        names: what stands in the stage column, shape (rows,).
        kinds: what stands in the kind column; None where there is none.
        options: what the user said. Where they asked for some of the stages, those that nothing is known of are left.

    Returns:
        The stages, in an order that does not depend on that of the rows, and which one each row is of, -1 for none.

    Raises:
        EntroError: when there are too many, or nothing says what one measures.
    """
    found = sorted(set(names))
    if len(found) > _MOST_STAGES:
        raise EntroError(
            f"the stage column holds {len(found)} different names",
            where=label,
            expected=f"at most {_MOST_STAGES} stages",
            remedy="add --stage NAME=COLUMN:KIND for the columns that hold loads",
        )
    of_name: dict[str, set[str]] = {name: set() for name in found}
    for name, kind in set(zip(names, kinds or (), strict=False)):
        of_name[name].add(kind.strip().lower())
    asked = {spec.column for spec in options.stages_for(found)} & set(found)
    wanted = [
        name
        for name in found
        if not asked or name in asked or meaning(name) or _default_name(name) or of_name[name] & set(Kind)
    ]
    codes = {name: wanted.index(name) if name in wanted else -1 for name in found}
    stages = tuple(_long_stage(label, name, of_name[name] & set(Kind), options) for name in wanted)
    return stages, np.fromiter((codes[name] for name in names), np.int64, len(names))


def _default_name(source: str) -> str | None:
    """The stage that `llm`, `llm_queue` and the like stand for; None for another name."""
    defaults = {f"{name}{ending}": name for of, name in DEFAULT_NAMES.items() for ending in ("", f"_{of}")}
    return defaults.get("_".join(tokens(source)))


def _long_stage(label: str, source: str, kinds: set[str], options: ReadOptions) -> StageColumn:
    """A stage of a long table: by `--stage`, by its kind column, or by its name."""
    spec = next((spec for spec in options.stages_for([source]) if spec.column == source), None)
    if spec is None:
        if len(kinds) > 1:
            raise EntroError(
                f"stage {named(source)} is a {' and a '.join(sorted(kinds))}", where=label, expected="one kind"
            )
        name = _default_name(source) or printable(source)
        spec = StageSpec(name, source, options.kind_of(name) or (Kind(next(iter(kinds))) if kinds else None))
    return stage_of(spec, source, label)
