"""The state of a pipeline in a history: everything but the steps (the grid, the stages, how far each log was read)."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace

from entro_cli.analysis.calibration import MeasuredCapacity
from entro_cli.core.console import printable
from entro_cli.core.files import read_regular, write_whole
from entro_cli.history.day_files import DamagedDayError, SampleKey, connect, count_samples, read_grid
from entro_cli.history.digests import MISSING, REPAIR, Digests, forbidden, read_compared, read_digests
from entro_cli.history.migrate_state import migrate_state
from entro_cli.history.paths import PipelinePaths
from entro_cli.readers.continuation import Checkpoint
from entro_cli.timeseries.observations import Idle, Measure, Series, TimeArray
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError, Kind

VERSION = 2
"""The version of a history's layout and of the files in it.

The structs below are stored as JSON: rename a field only with msgspec's `rename`, or histories of earlier releases lose
it silently, because unknown fields are ignored.
"""


class PackedSamples(msgspec.Struct):
    """Raw samples of one source of one stage, compressed: those of a step of which a log may have only a part."""

    stage: str
    times: bytes
    values: bytes
    kind: str = Kind.GENERIC.value
    measure: str = Measure.SAMPLES.value
    begins: bytes = b""
    idle: int = 0
    waiting: bytes = b""

    @classmethod
    def pack(cls, series: Series) -> PackedSamples:
        """Compress a series: times in nanoseconds since the epoch, loads in the stage's unit."""
        begins = b"" if series.begins is None else _pack_times(series.begins)
        values = zlib.compress(series.values.astype("<f8").tobytes())
        waiting = b"" if series.waiting is None else _pack_times(series.waiting)
        measure, kind, idle = series.measure.value, series.kind.value, int(series.idle)
        return cls(series.stage, _pack_times(series.times), values, kind, measure, begins, idle, waiting)

    def unpack(self) -> Series:
        """Return the series again, without its full load and column."""
        times, values = _unpack_times(self.times), np.frombuffer(zlib.decompress(self.values), "<f8").astype(np.float64)
        begins = _unpack_times(self.begins) if self.begins else None
        series = Series(self.stage, Kind(self.kind), times, values, measure=Measure(self.measure), begins=begins)
        waiting = _unpack_times(self.waiting).reshape(2, -1) if self.waiting else None
        return replace(series, idle=Idle(self.idle), waiting=waiting)


def _pack_times(times: TimeArray) -> bytes:
    # Explicitly little-endian, as the values are: the same bytes on every machine.
    return zlib.compress(times.astype("<i8").tobytes())


def _unpack_times(packed: bytes) -> TimeArray:
    return np.frombuffer(zlib.decompress(packed), "<i8").astype(np.int64)


StoredProblem = tuple[str, int, tuple[str, ...]]
"""The kind, the count and the details of a warning."""


class SeriesState(msgspec.Struct, rename={"is_fallback": "stands_in"}):
    """The part of a log that belongs to one stage.

    Attributes:
        stage: the stage.
        kind: the kind of its load.
        source: the source that the log belongs to.
        interval_ns: the usual time between two samples, nanoseconds; None if there are too few samples.
        samples: the number of samples.
        first: the time of the first sample, nanoseconds since the epoch.
        last: the time of the last one.
        is_fallback: whether the source is used only if no other source has the stage.
        is_additive: whether it has each request, so that it is the better one of two fallbacks.
    """

    stage: str
    kind: str
    source: str
    interval_ns: float | None
    samples: int
    first: int
    last: int
    is_fallback: bool = False
    is_additive: bool = False

    @property
    def rank(self) -> int:
        """The rank of the source, as that of `Series`."""
        return self.is_fallback * (2 - self.is_additive)


class LogState(msgspec.Struct, kw_only=True):
    """A log, and how far it was read.

    A log is recognised by the hashes of its content, never by its name: rotation renames it.

    Attributes:
        path: its last name, safe to show.
        place: its last absolute path or URL.
        head: the hash of its first `head_bytes` bytes, decompressed.
        head_bytes: the number of bytes in `head`.
        offset: the number of bytes that were read, in whole lines, decompressed.
        tail: the hash of the bytes before `offset`.
        options: the hash of the options it was read with.
        header: the header of its rows; for a log without one, the header of its predecessor.
        seen: device, inode, size and time of change (ns) of the files it was found as, the latest last. For a URL: 0,
            a number for the URL, the size, a number for the server's version mark.
        format: the format it was read as.
        series: its part in each stage.
        rows_read: the number of rows that were read.
        rows_skipped: the number of rows that were rejected.
        problems: the warnings about it: the kind, the count and the details of each.
        zone: the interpretation of its times, in words.
        edges: the samples of its first and its last step, which other logs may have in part.
        unfinished: the samples of its last line, if that had no line feed yet.
        pruned_ns: the end of the steps that were pruned since it was read, nanoseconds since the epoch.
        identity: who wrote its lines, if its file names that.
        after: where reading of its predecessor stopped; None if it has none.
        checkpoint: where reading of this log stopped; None if its format needs none.
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
    problems: list[StoredProblem] = []
    zone: str = ""
    edges: list[PackedSamples] = []
    unfinished: list[PackedSamples] = []
    pruned_ns: int = 0
    identity: dict[str, str] = {}
    after: Checkpoint | None = None
    checkpoint: Checkpoint | None = None

    def known_problems(self) -> tuple[Problem, ...]:
        """Return the warnings about the log so far."""
        return tuple(Problem(ProblemKind[name], count, detail) for name, count, detail in self.problems)

    def store_problems(self, problems: Iterable[Problem]) -> None:
        """Set the warnings about the log; those about where it ended are of no use once it has grown."""
        self.problems = [(one.kind.name, one.count, one.detail) for one in problems if not one.kind.is_of_the_end]


class StageState(msgspec.Struct):
    """A stage: the kind of its load, and the full load of the last ingest that named one."""

    kind: str
    full: float | None = None


class LearnedCapacity(msgspec.Struct):
    """The capacity that full loads follow from, as it was learned when logs were stored (`MeasuredCapacity`)."""

    value: float
    evidence: str
    is_guess: bool = False
    mark: str = ""


class State(msgspec.Struct, kw_only=True):
    """Everything in a pipeline's history but the steps.

    Attributes:
        version: the version of the layout.
        step_ns: the length of a step, nanoseconds; 0 before the first ingest.
        origin_ns: the start of any step, nanoseconds since the epoch.
        step_is_known: whether the step is fixed; false while there are too few samples to determine it.
        stages: the stages by name.
        logs: the logs that were read, in the order in which they were first read.
        learns: whether full loads are learned. Histories of before 0.9.0 keep those that they had.
        learned: what was learned; None as long as the evidence was thin.
        rebuilt: for a state that was made from day files, the sources in them of which no log was read since.
    """

    version: int = VERSION
    step_ns: int = 0
    origin_ns: int = 0
    step_is_known: bool = False
    stages: dict[str, StageState] = {}
    logs: list[LogState] = []
    learns: bool = False
    learned: LearnedCapacity | None = None
    rebuilt: list[SeriesState] = []

    def learned_capacity(self) -> MeasuredCapacity | None:
        """Return the capacity that was learned; None if none was."""
        return MeasuredCapacity(**msgspec.structs.asdict(self.learned)) if self.learned else None

    def learn(self, found: MeasuredCapacity | None) -> None:
        """Keep a capacity that was learned, unless its evidence is thin."""
        if found and not found.is_thin:
            self.learned = LearnedCapacity(found.value, found.evidence, found.is_guess, found.mark)

    @property
    def grid(self) -> tuple[int, int]:
        """The start of any step, and the length of a step, nanoseconds."""
        return self.origin_ns, self.step_ns

    def redundant_fallbacks(self) -> set[SampleKey]:
        """Return the sources of stages that another source measures better: they are not used."""
        ranks: dict[SampleKey, int] = {}
        best: dict[str, int] = {}
        for part in (part for log in self.logs for part in log.series):
            key, rank = SampleKey(part.stage, Kind(part.kind), part.source), part.rank
            ranks[key] = min(ranks.get(key, rank), rank)
            best[part.stage] = min(best.get(part.stage, rank), rank)
        return {key for key, rank in ranks.items() if rank > best[key.stage]}

    def intervals_ns(self) -> dict[SampleKey, float]:
        """Return the usual time between two samples of each source: the median over its logs, weighted by samples."""
        intervals: dict[SampleKey, list[tuple[float, int]]] = {}
        parts = [*self.rebuilt, *(part for log in self.logs for part in log.series)]
        for part in (part for part in parts if part.interval_ns is not None):
            key = SampleKey(part.stage, Kind(part.kind), part.source)
            intervals.setdefault(key, []).append((part.interval_ns or 0.0, part.samples))
        return {key: _weighted_median(parts) for key, parts in intervals.items()}


def _weighted_median(parts: list[tuple[float, int]]) -> float:
    parts = sorted(parts)
    half = sum(weight for _, weight in parts) / 2
    reached = 0
    for value, weight in parts:
        reached += weight
        if reached >= half:
            return value
    return parts[-1][0]


def load_state(paths: PipelinePaths, listed: Digests | None = None) -> State:
    """Load the state of a pipeline; an empty one if the pipeline was never stored.

    If the file is missing, its copy is used.

    Args:
        paths: the pipeline.
        listed: the digests, read a moment ago; None to read them.

    Raises:
        EntroError: when the file is damaged, or of a newer version, or when both are missing.
    """
    listed = read_digests(paths) if listed is None else listed
    if not listed:
        return State(learns=True)
    for path in (paths.state, paths.state_copy):
        with suppress(FileNotFoundError):
            return _read_state(path, paths, listed)
    if paths.committed.exists():  # the first log is being stored
        return State(learns=True)
    with suppress(FileNotFoundError):  # moved to its place meanwhile
        return _read_state(paths.state, paths, listed)
    raise EntroError(MISSING, where=printable(str(paths.state)), remedy=REPAIR)


def _read_state(path: Path, paths: PipelinePaths, listed: Digests) -> State:
    """Read the state from a file.

    Raises:
        EntroError: when it is damaged, or of a newer version.
        FileNotFoundError: when there is none.
    """
    try:
        content, flaw = read_compared(path, paths.state.name, paths, listed)
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise forbidden(path, error) from error
    except OSError as error:
        found = f"cannot be read: {error.strerror or error}"
        raise EntroError(found, where=printable(str(path)), remedy=REPAIR) from error
    return decode_state(content, path, flaw)


class NewerStateError(EntroError):
    """A state that a newer release wrote."""


def decode_state(content: bytes, path: Path, flaw: str = "") -> State:
    """Return the state in the content of a file.

    Args:
        content: the content.
        path: the file, for messages.
        flaw: the flaw that was found in it; it matters only in a state of a known version.

    Raises:
        EntroError: when it is damaged, or of a newer version.
    """
    try:
        raw = msgspec.json.decode(content)
        version = raw["version"]
        if version > VERSION:
            raise _too_new(version, path)
        # A changed number could still be a possible one: the steps would be read at another time, without a word.
        if flaw:
            raise ValueError(flaw)
        if version == 1:
            raw = migrate_state(raw)
        return _validated(msgspec.convert(raw, State))
    except (msgspec.MsgspecError, zlib.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise EntroError(
            f"the file is damaged: {printable(str(error))}", where=printable(str(path)), remedy=REPAIR
        ) from error


def _validated(state: State) -> State:
    """Return the same state after decoding its samples and kinds: damage is an error here, not at first use."""
    for part in (part for log in state.logs for part in (*log.edges, *log.unfinished)):
        series = part.unpack()
        if not 0 < len(series.times) == len(series.values) or len(series.times) != len(_begins(series)):
            raise ValueError("samples whose times and values differ in number")
    for stage in state.stages.values():
        Kind(stage.kind)  # raises ValueError
    for log in state.logs:
        log.known_problems()  # raises KeyError
    return state


def _begins(series: Series) -> TimeArray:
    return series.times if series.begins is None else series.begins


def _too_new(version: int, path: Path) -> NewerStateError:
    return NewerStateError(
        f"the history has version {version}",
        where=printable(str(path)),
        expected=f"version {VERSION} or older",
        remedy="use the release of entro that wrote it, or a newer one",
    )


def state_from_days(paths: PipelinePaths) -> State:
    """Return the grid, the stages and the sources according to the day files of a pipeline, without logs.

    Damaged files are skipped. Of several grids, that of most files is taken.
    """
    grids: Counter[tuple[int, int]] = Counter()
    parts: dict[SampleKey, SeriesState] = {}
    with connect() as connection:
        for path in map(paths.day_file, paths.days()):
            with suppress(DamagedDayError):
                grid, series = read_grid(connection, path), count_samples(connection, path)
                grids[grid] += 1
                for key, counts in series.items():
                    part = SeriesState(key.stage, str(key.kind), key.source, *counts)
                    parts[key] = _joined(parts.get(key, part), part)
    if not grids:
        return State(learns=True)
    origin_ns, step_ns = grids.most_common(1)[0][0]
    stages = {part.stage: StageState(part.kind) for part in parts.values()}
    return State(
        step_ns=step_ns, origin_ns=origin_ns, step_is_known=True, stages=stages, learns=True, rebuilt=[*parts.values()]
    )


def _joined(first: SeriesState, second: SeriesState) -> SeriesState:
    """Return the parts that two days have of one source as one."""
    longer = max(first, second, key=lambda part: part.samples)
    begin, end = min(first.first, second.first), max(first.last, second.last)
    return msgspec.structs.replace(longer, first=begin, last=end)


def back_up_old_state(paths: PipelinePaths) -> bool:
    """Keep a copy of a state of an older version, which is about to be replaced; return whether it is one."""
    try:
        content = read_regular(paths.state)
        version = msgspec.json.decode(content)["version"]
    except (OSError, msgspec.MsgspecError, KeyError, TypeError, RecursionError):
        return False
    if not isinstance(version, int) or version >= VERSION:
        return False
    copy = paths.state.with_name(f"state.v{version}.json")
    if not copy.exists():
        write_whole(copy, content)
    return True


def encode_state(state: State) -> bytes:
    """Encode the state as it is stored: indented JSON."""
    return msgspec.json.format(msgspec.json.encode(state), indent=1)
