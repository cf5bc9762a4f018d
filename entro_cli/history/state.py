"""What a history knows of a pipeline besides its steps: the grid, the stages, and how far each log was read."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from entro_cli.core.console import printable
from entro_cli.history.day_files import DamagedDayError, SampleKey, connect, read_grid, read_keys
from entro_cli.history.paths import PipelinePaths
from entro_cli.timeseries.observations import Measure, Series, TimeArray
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError, Kind

VERSION = 1
"""Of the folder's layout and of everything in it."""

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""By version, what makes a state of it one of the next; the next write keeps it. There is one version so far."""


class PackedSamples(msgspec.Struct):
    """Some samples of one source of one stage, packed: the raw ones of a step that a log may have in part."""

    stage: str
    times: bytes
    values: bytes
    kind: str = Kind.GENERIC.value
    measure: str = Measure.SAMPLES.value
    begins: bytes = b""

    @classmethod
    def pack(cls, series: Series) -> PackedSamples:
        """Pack a series: times in nanoseconds since the epoch, loads in the stage's unit."""
        begins = b"" if series.begins is None else _pack_times(series.begins)
        values = zlib.compress(series.values.astype("<f8").tobytes())
        measure = series.measure.value
        return cls(series.stage, _pack_times(series.times), values, series.kind.value, measure, begins)

    def unpack(self) -> Series:
        """The series again, without its full load and column."""
        times, values = _unpack_times(self.times), np.frombuffer(zlib.decompress(self.values), "<f8").astype(np.float64)
        begins = _unpack_times(self.begins) if self.begins else None
        return Series(self.stage, Kind(self.kind), times, values, measure=Measure(self.measure), begins=begins)


def _pack_times(times: TimeArray) -> bytes:
    return zlib.compress(times.astype("<i8").tobytes())


def _unpack_times(packed: bytes) -> TimeArray:
    return np.frombuffer(zlib.decompress(packed), "<i8").astype(np.int64)


class SeriesState(msgspec.Struct, rename={"is_fallback": "stands_in"}):
    """What a log gave of one stage: which source it is of, its usual interval (ns), samples, first and last (ns).

    One that stands in counts only where no other source tells the stage.
    """

    stage: str
    kind: str
    source: str
    interval_ns: float | None
    samples: int
    first: int
    last: int
    is_fallback: bool = False


class LogState(msgspec.Struct, kw_only=True):
    """A log, and how far it was read.

    Attributes:
        path: as it was last called, safe to show.
        place: where it was, absolute.
        head: the hash of its first `head_bytes` bytes, unpacked.
        head_bytes: how many those are.
        offset: how much of it was read, in whole lines, bytes unpacked.
        tail: the hash of the bytes before `offset`.
        options: the hash of how it was read.
        header: what stands before its rows, or, where it has no header, before those of the log it goes on from.
        seen: device, inode, size and time of change (ns) of the files it was found as, the latest last; of a URL 0, a
            number for it, the size, a number for what the server marks it with.
        format: what it was read as.
        series: what it gave.
        rows_read: rows that were understood.
        rows_skipped: rows that were not.
        problems: what was out of the ordinary, as stored sentences; `known_problems` reads them.
        zone: how its times were read, in words.
        edges: the samples of its first and its last step.
        unfinished: those of its last line, which had no end yet.
        pruned_ns: steps that begin before it were removed since it was read, nanoseconds since the epoch.
        carried: what the log that it goes on from carries before it.
        carried_ends: by stage, where that log ends (ns, on the log's own clock), and its last value.
        carry: what of it has to stand before a log that goes on from it.
        ends: by stage, where it ends itself, likewise.
    """

    path: str
    place: str
    head: str
    head_bytes: int
    offset: int
    tail: str
    options: str
    format: str
    header: bytes = b""
    seen: list[tuple[int, int, int, int]] = []
    series: list[SeriesState] = []
    rows_read: int = 0
    rows_skipped: int = 0
    problems: list[str] = []
    zone: str = ""
    edges: list[PackedSamples] = []
    unfinished: list[PackedSamples] = []
    pruned_ns: int = 0
    carried: bytes = b""
    carried_ends: dict[str, tuple[int, float]] = {}
    carry: bytes = b""
    ends: dict[str, tuple[int, float]] = {}

    def known_problems(self) -> tuple[Problem, ...]:
        """Return what was out of the ordinary in the log so far."""
        return tuple(map(_stored_problem, self.problems))

    def store_problems(self, problems: Iterable[Problem]) -> None:
        """Put problems in the form in which they are stored."""
        self.problems = list(map(_stored_sentence, problems))


_STORED_WORDS = {
    ProblemKind.OUT_OF_ORDER: "rows out of order: sorted",
    ProblemKind.REPEATED: "rows repeated exactly: counted once",
    ProblemKind.AVERAGED: "rows with other values at the same time: averaged",
    ProblemKind.HOUR_TWICE_BY_ORDER: "times in an hour the clock showed twice were told apart by their order",
    ProblemKind.HOUR_TWICE_AS_FIRST: "times in an hour the clock showed twice were taken as the first showing",
    ProblemKind.HOUR_SKIPPED: "times in an hour the clock skipped were moved past it",
    ProblemKind.CLOCK_BACK_IN_RUN: "times the clock stepped back within a run: those lines count at the next one",
}
"""By additive kind, the words that follow its count in a stored history.

These are part of the stored form, as versions 0.6.0 and later read and write it, and no messages: do not reword them.
"""
_STORED_KINDS = {words: kind for kind, words in _STORED_WORDS.items()}


def _stored_sentence(problem: Problem) -> str:
    if problem.kind not in _STORED_WORDS:
        return str(problem)
    words = _STORED_WORDS[problem.kind]
    return f"{problem.count} {words.replace('rows', 'row', 1) if problem.count == 1 else words}"


def _stored_problem(sentence: str) -> Problem:
    """Return the problem in a stored sentence; one whose count is of no use is kept as it was written."""
    count, _, words = sentence.partition(" ")
    kind = _STORED_KINDS.get(words if count != "1" else words.replace("row ", "rows ", 1))
    return Problem(kind, int(count)) if kind else Problem(ProblemKind.QUOTED, detail=(sentence,))


class StageState(msgspec.Struct):
    """A stage: what its load measures, and the full load that was last given with its logs."""

    kind: str
    full: float | None = None


class State(msgspec.Struct, kw_only=True):
    """Everything about a pipeline's history but the steps.

    Attributes:
        version: of the layout.
        step_ns: length of a step, nanoseconds.
        origin_ns: where a step begins, nanoseconds since the epoch.
        step_is_known: whether the step is fixed; not while there were too few samples to tell it.
        stages: by name.
        logs: the logs that were read, in the order they were first read.
    """

    version: int = VERSION
    step_ns: int = 0
    origin_ns: int = 0
    step_is_known: bool = False
    stages: dict[str, StageState] = {}
    logs: list[LogState] = []

    @property
    def grid(self) -> tuple[int, int]:
        """Where a step begins and how long it is, nanoseconds."""
        return self.origin_ns, self.step_ns

    def redundant_fallbacks(self) -> set[SampleKey]:
        """The sources that only stand in for a stage which another source tells itself."""
        parts = [part for log in self.logs for part in log.series]
        told = {SampleKey(part.stage, Kind(part.kind), part.source) for part in parts if not part.is_fallback}
        standing = {SampleKey(part.stage, Kind(part.kind), part.source) for part in parts if part.is_fallback} - told
        stages = {key.stage for key in told}
        return {key for key in standing if key.stage in stages}

    def intervals_ns(self) -> dict[SampleKey, float]:
        """The usual time between two samples of each source, the median over its logs, weighed by their samples."""
        told: dict[SampleKey, list[tuple[float, int]]] = {}
        for part in (part for log in self.logs for part in log.series if part.interval_ns is not None):
            key = SampleKey(part.stage, Kind(part.kind), part.source)
            told.setdefault(key, []).append((part.interval_ns or 0.0, part.samples))
        return {key: _weighted_median(parts) for key, parts in told.items()}


def _weighted_median(parts: list[tuple[float, int]]) -> float:
    parts = sorted(parts)
    half = sum(weight for _, weight in parts) / 2
    reached = 0
    for value, weight in parts:
        reached += weight
        if reached >= half:
            return value
    return parts[-1][0]


def load_state(place: PipelinePaths) -> State:
    """What is known of a pipeline; nothing yet when it was never written.

    Where the file is gone but steps are there, they tell the grid and the stages themselves.

    Raises:
        EntroError: when it is damaged, or of a version this one does not know.
    """
    try:
        content = place.state.read_bytes()
    except FileNotFoundError:
        return state_from_days(place)
    except OSError as error:
        raise EntroError(f"cannot be read: {error.strerror or error}", where=printable(str(place.state))) from error
    try:
        raw = msgspec.json.decode(content)
        version = raw["version"]
        for older in range(version, VERSION):
            raw = MIGRATIONS[older](raw)
        if version > VERSION:
            raise _too_new(version, place.state)
        return _validated(msgspec.convert(raw, State))
    except (msgspec.MsgspecError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise EntroError(
            f"the file is damaged: {printable(str(error))}",
            where=printable(str(place.state)),
            remedy="move it away: the steps stay, and logs are then read again from their beginning",
        ) from error


def _validated(state: State) -> State:
    """The same state; what is wrong in it is an error now, not where it is first needed."""
    for part in (part for log in state.logs for part in (*log.edges, *log.unfinished)):
        series = part.unpack()
        if not 0 < len(series.times) == len(series.values) or len(series.times) != len(_begins(series)):
            raise ValueError("samples that do not fit together")
    for kind in (seen.kind for seen in state.stages.values()):
        Kind(kind)
    return state


def _begins(series: Series) -> TimeArray:
    return series.times if series.begins is None else series.begins


def _too_new(version: int, path: Path) -> EntroError:
    return EntroError(
        f"the history is of version {version}",
        where=printable(str(path)),
        expected=f"version {VERSION} or older",
        remedy="use the entro that wrote it, or a newer one",
    )


def state_from_days(place: PipelinePaths) -> State:
    """What the day files of a pipeline tell themselves: the grid and the stages; nothing of logs.

    One that is damaged tells nothing.
    """
    state = State()
    stages: dict[str, StageState] = {}
    with connect() as connection:
        for path in map(place.day_file, reversed(place.days())):
            with suppress(DamagedDayError):
                grid, keys = read_grid(connection, path), read_keys(connection, path)
                if not state.step_is_known:
                    state = State(step_ns=grid[1], origin_ns=grid[0], step_is_known=True, stages=stages)
                for key in keys:
                    stages.setdefault(key.stage, StageState(str(key.kind)))
    return state


def encode_state(state: State) -> bytes:
    """The state as it is written: JSON, a log a line."""
    return msgspec.json.format(msgspec.json.encode(state), indent=1)
