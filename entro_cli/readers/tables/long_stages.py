"""Stages of a long table, which its rows name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.console import printable
from entro_cli.readers.tables.column_names import differ_by_source, meaning, tokens, without_labels
from entro_cli.readers.tables.schema import DEFAULT_NAMES, StageColumn, printable_name, stage_column, with_unit
from entro_cli.timeseries.observations import ReadOptions, StageSpec
from entro_engine import EntroError, Kind

_MAX_STAGES = 64
"""More names in a stage column are a sign that it does not name stages."""


def split_labels(names: Sequence[str], options: ReadOptions) -> tuple[Sequence[str], NDArray[np.int64] | None]:
    """Return the names in the stage column without labels that say of which source a row is, and its source.

    Args:
        names: cells of the stage column, such as `waiting{pod="a"}`, shape (rows,).
        options: how the table is read. Names that they have stay as they are.

    Returns:
        The names, and a number for each full name, shape (rows,); None if no name has such labels.
    """
    by_metric: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        by_metric.setdefault(without_labels(name), []).append(name)
    given = {spec.column for spec in options.stages}
    metrics = {
        name: metric
        for metric, group in by_metric.items()
        if given.isdisjoint(group) and differ_by_source(group)
        for name in group
    }
    if not metrics:
        return names, None
    places = {name: place for place, name in enumerate(metrics, 1)}
    sources = np.fromiter((places.get(name, 0) for name in names), np.int64, len(names))
    return [metrics.get(name, name) for name in names], sources


def long_stages(
    label: str,
    names: Sequence[str],
    kinds: Iterable[str],
    units: Iterable[str],
    options: ReadOptions,
) -> tuple[tuple[StageColumn, ...], NDArray[np.int64]]:
    """Return the stages named in the rows of a long table.

    Args:
        label: the file, for messages.
        names: cells of the stage column, shape (rows,).
        kinds: cells of the kind column; empty if there is none.
        units: cells of the unit column; empty if there is none.
        options: how it is read. If they name some of the stages, others of unknown meaning are left out.

    Returns:
        The stages, in an order that does not depend on that of the rows, and the index of each row's stage, -1 for one
        that is left out.

    Raises:
        EntroError: if there are too many, or if it is not clear what one measures.
    """
    found = sorted(set(names))
    if len(found) > _MAX_STAGES:
        raise EntroError(
            f"the stage column holds {len(found)} different names",
            where=label,
            expected=f"at most {_MAX_STAGES} stages",
            remedy="add --stage NAME=COLUMN:KIND for the columns that hold loads",
        )
    kinds_by_name: dict[str, set[str]] = {name: set() for name in found}
    for name, kind in set(zip(names, kinds, strict=False)):
        kinds_by_name[name].add(kind.strip().lower())
    specified = {spec.column for spec in options.stages_for(found)} & set(found)
    kept = [
        name
        for name in found
        if not specified or name in specified or meaning(name) or _default_name(name) or kinds_by_name[name] & set(Kind)
    ]
    codes = {name: kept.index(name) if name in kept else -1 for name in found}
    units_by_name: dict[str, set[str]] = {name: set() for name in kept}
    for name, unit in set(zip(names, units, strict=False)):
        if name in kept and unit.strip():
            units_by_name[name].add(unit)
    stages = tuple(
        with_unit(_long_stage(label, name, kinds_by_name[name] & set(Kind), options), units_by_name[name], label)
        for name in kept
    )
    return stages, np.fromiter((codes[name] for name in names), np.int64, len(names))


def _default_name(source: str) -> str | None:
    """Return the stage with the default name for `llm`, `llm_queue` and the like; None for other names."""
    defaults = {f"{name}{ending}": name for kind, name in DEFAULT_NAMES.items() for ending in ("", f"_{kind}")}
    return defaults.get("_".join(tokens(source)))


def _long_stage(label: str, source: str, kinds: set[str], options: ReadOptions) -> StageColumn:
    """Return a stage of a long table: by `--stage`, by the kind column, or by its name."""
    spec = next((spec for spec in options.stages_for([source]) if spec.column == source), None)
    if spec is None:
        if len(kinds) > 1:
            raise EntroError(
                f"stage {printable_name(source)} is a {' and a '.join(sorted(kinds))}", where=label, expected="one kind"
            )
        name = _default_name(source) or printable(source)
        spec = StageSpec(name, source, options.kind_of(name) or (Kind(next(iter(kinds))) if kinds else None))
    return stage_column(spec, source, label)
