"""Observations: what a reader makes of a file, and all that the rooms behind the readers know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from entro_cli.timeseries.problems import Problem
from entro_engine import Kind
from entro_engine.entropy import FloatArray

TimeArray = NDArray[np.int64]
"""Nanoseconds since the epoch."""


class Measure(StrEnum):
    """What the values of a series say of their times."""

    SAMPLES = "samples"
    """What was so at a time."""
    SPANS = "spans"
    """What was so, on average, from one time to another: a rate that was counted, a queue between two changes."""
    EVENTS = "events"
    """How many happened at a time, and none at others between the first and the last: a rate, exactly."""


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
        year: of stamps that name none; None for that in which the file was last changed.
        strict: make the first bad row an error.
        redact: mask what rows hold wherever it would be shown.
    """

    zone: tzinfo
    stages: tuple[StageSpec, ...] = ()
    time_column: str | None = None
    start_ns: int | None = None
    zone_given: bool = False
    year: int | None = None
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
        times: nanoseconds since the epoch, shape (samples,); of spans where they end.
        values: loads in the stage's unit, shape (samples,); of events how many there were, 0 where only the log is
            known to begin or to end.
        full: the full load the user gave, in that unit; None for the kind's own.
        column: what held it in the file.
        measure: what the values say of their times.
        begins: of spans where they begin, nanoseconds since the epoch, each before its end and not before the end of
            the one before, shape (samples,); None for others.
        is_fallback: whether it is taken only where no other log has the stage: a server's count of what it was sent.
        is_additive: whether other logs of its kind add to it exactly, at the same time too: a row a request.
            Where its spans do not reach there is nothing, rather than nothing known.
    """

    stage: str
    kind: Kind
    times: TimeArray
    values: FloatArray
    full: float | None = None
    column: str = ""
    measure: Measure = Measure.SAMPLES
    begins: TimeArray | None = None
    is_fallback: bool = False
    is_additive: bool = False

    @property
    def first_ns(self) -> int:
        """When the first sample is, or the first span begins, nanoseconds since the epoch."""
        return int(self.times[0] if self.begins is None else self.begins[0])

    @cached_property
    def interval_ns(self) -> float | None:
        """The usual time that a sample is of; None where nothing tells it: of events, of levels between changes."""
        if self.begins is not None:
            return float(np.median(self.times - self.begins)) if self.kind is Kind.RATE else None
        if self.measure is Measure.EVENTS or len(self.times) < 2:
            return None
        between = np.diff(self.times)
        least = between.min()
        return float(least if least == between.max() else np.median(between))


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
        problems: what was out of the ordinary.
    """

    path: str
    format: str
    series: tuple[Series, ...]
    rows_read: int
    rows_skipped: int = 0
    bad_rows: tuple[BadRow, ...] = ()
    zone: str = ""
    problems: tuple[Problem, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class BadRow:
    """A row that could not be read.

    Attributes:
        line: where it stands, counted by line feeds; 0 where that is not known.
        reason: what is wrong with it.
        text: what it is, shortened.
    """

    line: int
    reason: str
    text: str

    def __str__(self) -> str:
        """Return the row as a message shows it."""
        return f"line {self.line}: {self.reason}: {self.text}" if self.line else f"{self.reason}: {self.text}"
