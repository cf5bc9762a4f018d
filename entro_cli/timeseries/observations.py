"""Observations: the content of one log, the only type that readers pass on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import tzinfo
from enum import IntFlag, StrEnum
from functools import cached_property

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.core.console import printable
from entro_cli.timeseries.intervals import usual_interval
from entro_cli.timeseries.problems import Problem
from entro_engine import EntroError, Kind, Stage
from entro_engine.entropy import FloatArray

TimeArray = NDArray[np.int64]
"""Nanoseconds since the epoch."""


class Measure(StrEnum):
    """The meaning of the values of a series."""

    SAMPLES = "samples"
    """Levels at single times."""
    SPANS = "spans"
    """Mean levels from one time to another, such as a rate from a counter or a queue between two changes."""
    EVENTS = "events"
    """Numbers of events at single times. There are no others from the first time to the last, so the rate is exact."""


KV_CACHE_USAGE, PREEMPTIONS, RESTARTS, FAILED = "kv_cache_usage", "preemptions", "restarts", "failed_"
"""Names of signals, and the beginning of the names of failed requests by class.

KV cache usage is a signal from 0.9 on: below it says nothing, and would take a row of the history per step.
"""


SIGNAL_SEPARATOR = "\x1f"
"""The unit separator of ASCII. Names of stages have no control characters, so that none is taken for a signal."""


def is_signal(stage: str) -> bool:
    """Return whether the name of a series is that of a signal: a hint at the cause of an incident, and no load."""
    return SIGNAL_SEPARATOR in stage


class Idle(IntFlag):
    """The times at which a level is known to be 0, though no span says so.

    It counts within a step of which spans cover a part. A step that they do not touch has no data.
    """

    UNKNOWN = 0
    BETWEEN = 1
    """Between two spans."""
    BEFORE = 2
    """Before the first span."""
    AFTER = 4
    """After the last span."""

    @classmethod
    def joined(cls, first: Idle, last: Idle) -> Idle:
        """Return that of two series of one source, from the one that begins first and from the one that ends last."""
        return (first & ~cls.AFTER) | (last & cls.AFTER)


class StageSpec(Struct, frozen=True):
    """A stage as the user described it, with `--stage NAME=COLUMN[:KIND[:FULL]]` or in entro.toml.

    Attributes:
        name: its name.
        column: the column of its loads; empty to recognise it by name.
        kind: the quantity that its load measures; None if not given.
        full: the load at which it is full; None if not given.
        feeds: names of the stages that it feeds; empty if not given.
    """

    name: str
    column: str = ""
    kind: Kind | None = None
    full: float | None = None
    feeds: tuple[str, ...] = ()

    def is_of(self, column: str, log: str) -> bool:
        """Return whether the user's text names a column of a log: COLUMN, or FILE:COLUMN with its path or bare name."""
        return self.column in {column, *(f"{name}:{column}" for name in _names_of(log))}


def coupled_stages(stages: Sequence[Stage], specs: Sequence[StageSpec]) -> list[tuple[int, Stage]]:
    """Return the stages of a pipeline, each with its index and what it feeds, in the order that couples them.

    That is the order in which the user described them, if there are more than two and all are described.

    Raises:
        EntroError: if one feeds a stage that is neither in the pipeline nor described.
    """
    described = [spec.name for spec in specs]
    known = {*described, *(stage.name for stage in stages)}
    feeds = {spec.name: spec.feeds for spec in specs}
    for name, targets in feeds.items():
        unknown = next((target for target in targets if target not in known or target == name), None)
        if unknown is not None:
            raise EntroError(
                f"no other stage is called {printable(unknown)}",
                where=f"stages.{printable(name)}.feeds",
                expected=f"another one of {', '.join(sorted(known))}",
            )
    indices = list(range(len(stages)))
    if len(stages) > 2 and all(stage.name in feeds for stage in stages):
        indices.sort(key=lambda index: described.index(stages[index].name))
    return [(index, dataclasses.replace(stages[index], feeds=feeds.get(stages[index].name, ()))) for index in indices]


def _names_of(log: str) -> set[str]:
    """Return the path and the bare name of a log, with and without the writer of its lines: `all.log (vllm-1)`."""
    whole = {log, log.rpartition(" (")[0] or log}
    return {*whole, *(name.rpartition("/")[2] for name in whole)}


class Declaration(Struct, frozen=True):
    """A format of text logs as the user described it in entro.toml.

    Attributes:
        name: its name.
        pattern: the regular expression that finds the lines to read; its named groups are what they hold.
        time_format: the format of times, as `strptime` takes it; empty for ISO 8601 and numbers since the epoch.
        unit: the unit of lengths of time whose group names none; empty for seconds.
        description: the kind of logs, in a few words.
        arrival: texts of the group `event` that mean that a request arrived.
        start: texts that mean that it was started.
        end: texts that mean that it ended.
    """

    name: str
    pattern: str = ""
    time_format: str = ""
    unit: str = ""
    description: str = ""
    arrival: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()


class ReadOptions(Struct, frozen=True):
    """Options of a reader.

    Attributes:
        stages: the described stages. All others are recognised by name.
        time_column: the column of the time, and maybe its unit, COLUMN[:UNIT]; None to recognise it.
        start_ns: start of offset times, nanoseconds since the epoch; None if the user gave no date.
        zone: the zone of timestamps that name none.
        zone_given: True if the user named the zone.
        year: the year of timestamps that name none; None for the year in which the file was last changed.
        strict: raise an error at the first bad row.
        redact: mask the content of rows wherever it is shown.
        formats: the formats that the user declared.
        decimal: the decimal mark of numbers in tables, a point or a comma; None to recognise it.
        by: the columns of tables that name the source of a row; empty to recognise them.
        aggregate: how sources of one time are combined, `sum`, `mean` or `max`; None for the sum of rates and queues
            and the mean of other loads.
    """

    zone: tzinfo
    stages: tuple[StageSpec, ...] = ()
    time_column: str | None = None
    start_ns: int | None = None
    zone_given: bool = False
    year: int | None = None
    strict: bool = False
    redact: bool = False
    formats: tuple[Declaration, ...] = ()
    decimal: str | None = None
    by: tuple[str, ...] = ()
    aggregate: str | None = None

    def stages_for(self, columns: Sequence[str]) -> tuple[StageSpec, ...]:
        """Return the stages whose column the user named, and those that are named like one of these columns."""
        return tuple(
            spec if spec.column else replace(spec, column=spec.name)
            for spec in self.stages
            if spec.column or spec.name in columns
        )

    def for_log(self, log: str) -> ReadOptions:
        """Return the options for one log: of its FILE:COLUMN only the column is left."""
        prefixes = tuple(f"{name}:" for name in _names_of(log))
        stages = tuple(
            replace(spec, column=spec.column.removeprefix(next(filter(spec.column.startswith, prefixes), "")))
            for spec in self.stages
        )
        return replace(self, stages=stages)

    def kind_of(self, stage: str) -> Kind | None:
        """Return the kind that the user gave for a stage whose column is recognised by name; None if not given."""
        return next((spec.kind for spec in self.stages if spec.name == stage and not spec.column), None)


class Series(Struct, frozen=True, dict=True):
    """One stage's samples in one file, sorted by time, with each time once.

    Attributes:
        stage: name of the stage; of a signal, the stage and the name of the signal around a `SIGNAL_SEPARATOR`.
        kind: the quantity that its load measures.
        times: nanoseconds since the epoch, shape (samples,); the ends of spans.
        values: loads in the stage's unit, or numbers of events, shape (samples,). Events have a 0 where only the
            beginning or the end of the log is known.
        full: the full load that the user gave, in that unit; None for the kind's own.
        column: the column in the file.
        measure: the meaning of the values.
        begins: the begins of spans, nanoseconds since the epoch, shape (samples,). Each is before its end and not
            before the previous end. None for other measures.
        is_fallback: True if it is used only if no other log has the stage, such as a server's count of its requests.
        is_additive: True if logs of this kind add up exactly, such as logs with one row per request. Where additive
            spans leave a gap, the level is 0 rather than unknown.
        known_interval_ns: the usual time between samples where the times do not show it, as those of several processes
            that print one after the other, nanoseconds; None to take it from the times.
        summed: the number of sources whose values were summed, such as instances in one table.
        idle: the times at which the level of spans is known to be 0.
        waiting: for spans of a queue whose requests are known one by one, nanoseconds, shape (2, samples): how long the
            oldest request in it has waited at the end of the span, and the longest that any in it waits in all; 0
            where none waits. None where single requests are not known.
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
    known_interval_ns: float | None = None
    summed: int = 1
    idle: Idle = Idle.UNKNOWN
    waiting: TimeArray | None = None

    def take(self, selection: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Series:
        """Return the samples that an index or a mask selects."""
        return replace(
            self,
            times=self.times[selection],
            values=self.values[selection],
            begins=None if self.begins is None else self.begins[selection],
            waiting=None if self.waiting is None else self.waiting[:, selection],
        )

    @property
    def rank(self) -> int:
        """Rank among the sources of its stage, of which the lowest are used: each request is better than counts."""
        return self.is_fallback * (2 - self.is_additive)

    @property
    def first_ns(self) -> int:
        """Time of the first sample, or begin of the first span, nanoseconds since the epoch."""
        return int(self.times[0] if self.begins is None else self.begins[0])

    @cached_property
    def interval_ns(self) -> float | None:
        """Usual time between samples, nanoseconds; None if unknown, as for events, and for levels between changes."""
        if self.known_interval_ns is not None:
            return self.known_interval_ns
        if self.begins is not None:
            return float(np.median(self.times - self.begins)) if self.kind is Kind.RATE else None
        if self.measure is Measure.EVENTS or len(self.times) < 2:
            return None
        return usual_interval(self.times)

    @property
    def held_interval_ns(self) -> float | None:
        """The same of samples, which hold until the next one; None for spans and events."""
        return self.interval_ns if self.measure is Measure.SAMPLES else None


class Observations(Struct, frozen=True):
    """The content of one log.

    Attributes:
        path: the file as the user named it, safe to show; with the writer of the lines if the file has several.
        format: name of the reader.
        series: one per stage.
        columns: all columns, used or not.
        identity: who wrote the lines, if the file names it: names and values.
        rows_read: number of rows that were understood, repeated ones included.
        rows_skipped: number of other rows.
        bad_rows: the first few of those.
        zone: how the times were read, in words.
        problems: warnings.
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
    identity: tuple[tuple[str, str], ...] = ()

    @property
    def stages(self) -> tuple[Series, ...]:
        """The series that are loads of a stage, and no signals."""
        return tuple(part for part in self.series if not is_signal(part.stage))

    def has_stage(self, spec: StageSpec) -> bool:
        """Return whether the log has samples of a stage that the user described with its column."""
        return any(part.stage == spec.name and spec.is_of(part.column, self.path) for part in self.series)


class NotStreamableError(Exception):
    """A log must be read whole: something that is derived from it depends on all of its samples."""


class BadRow(Struct, frozen=True):
    """A row that could not be read.

    Attributes:
        line: number of its line, counted by line feeds; 0 if unknown.
        reason: what is wrong with it.
        text: the row, shortened.
    """

    line: int
    reason: str
    text: str

    def __str__(self) -> str:
        """Return the row as a message shows it."""
        return f"line {self.line}: {self.reason}: {self.text}" if self.line else f"{self.reason}: {self.text}"
