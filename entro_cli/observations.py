"""Observations: what a reader makes of a file, and all that the rooms behind the readers know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from entro_cli.summary import BadRow
from entro_engine import Kind
from entro_engine.entropy import FloatArray

TimeArray = NDArray[np.int64]
"""Nanoseconds since the epoch."""


@dataclass(frozen=True)
class StageSpec:
    """A stage as the user described it, with `--stage NAME=COLUMN[:KIND[:FULL]]` or in entro.toml.

    Attributes:
        name: what it is called.
        column: what holds its loads; empty where the user left that to be recognised by name.
        kind: what its load measures; None where nobody said.
        full: the load at which it is full; None where nobody said.
    """

    name: str
    column: str = ""
    kind: Kind | None = None
    full: float | None = None


@dataclass(frozen=True)
class ReadOptions:
    """What a reader is told besides the file.

    Attributes:
        stages: the stages described; the rest is recognised by name.
        time_column: the column that holds the time; None to recognise it.
        start_ns: where offsets count from, nanoseconds since the epoch; None when the user gave no date.
        zone: the zone of stamps that name none.
        zone_given: whether the user named it.
        strict: make the first bad row an error.
        redact: mask what rows hold wherever it would be shown.
    """

    zone: tzinfo
    stages: tuple[StageSpec, ...] = ()
    time_column: str | None = None
    start_ns: int | None = None
    zone_given: bool = False
    strict: bool = False
    redact: bool = False

    def placed(self, columns: Sequence[str]) -> tuple[StageSpec, ...]:
        """The stages whose column was named, and those that are called like one of these columns."""
        named = (
            spec if spec.column else replace(spec, column=spec.name)
            for spec in self.stages
            if spec.column or spec.name in columns
        )
        return tuple(named)

    def kind_of(self, stage: str) -> Kind | None:
        """What was said to be the kind of a stage whose column is recognised by name."""
        return next((spec.kind for spec in self.stages if spec.name == stage and not spec.column), None)


@dataclass(frozen=True)
class Series:
    """One stage's samples in one file: sorted by time, each time once.

    Attributes:
        stage: its name.
        kind: what its load measures.
        times: nanoseconds since the epoch, shape (samples,).
        values: loads in the stage's unit, shape (samples,).
        full: the full load the user gave, in that unit; None for the kind's own.
        column: what held it in the file.
    """

    stage: str
    kind: Kind
    times: TimeArray
    values: FloatArray
    full: float | None = None
    column: str = ""

    @cached_property
    def interval_ns(self) -> float | None:
        """The median time between two samples; None with fewer than two."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else None


@dataclass(frozen=True)
class Observations:
    """What one file gave.

    Attributes:
        path: the file as the user named it, safe to show.
        format: the reader's name.
        series: one a stage.
        columns: what it has, used or not.
        rows_read: rows that were understood, repeated ones too.
        rows_skipped: rows that were not.
        bad_rows: the first few of those.
        zone: how its times were read, in words.
        problems: what was out of the ordinary, in sentences.
    """

    path: str
    format: str
    series: tuple[Series, ...]
    rows_read: int
    rows_skipped: int = 0
    bad_rows: tuple[BadRow, ...] = ()
    zone: str = ""
    problems: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
