"""Read the logs that a user named: each by itself, and the parts of a rotated log as if they were one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from entro_cli.core.clock import zone_of
from entro_cli.core.files import rotation_stem, unfinished_from
from entro_cli.core.parallel import Executor, cores
from entro_cli.core.urls import is_url
from entro_cli.readers.continuation import (
    Checkpoint,
    EarlierLog,
    beyond,
    ends_of,
    predecessor_of,
    stream_location,
)
from entro_cli.readers.inputs.log_file import (
    STDIN,
    EmptyLogError,
    LogFile,
    NoLogError,
    label_of,
    location_of,
    of_stream,
    plain_log,
    plain_logs,
    refuse_special,
)
from entro_cli.readers.inputs.wrappings import Identity
from entro_cli.readers.read_on import read_on
from entro_cli.readers.registry import accepts_header, header_of, is_resumable, read_log, reads_in_parts
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError

_WORTH_BYTES = 1 << 22
"""Reading this much takes about as long as starting a process."""

_LAST_NS = 1 << 62
"""The assumed start of a log without a sample: after all others."""


class NamedLog(Struct, frozen=True):
    """A log to read by itself, as plain data, so that any process can do it.

    Attributes:
        name: as `find_logs` returns it.
        was_named: whether the user named it, rather than its folder.
        options: how it is read, with UTC in place of the zone: not every zone object can be pickled.
        zone: the name of the zone of timestamps without one; None for the machine's.
        input_format: the reader's name, if the user gave one.
        has_others: whether it is one of several, so that another may continue it.
    """

    name: str
    was_named: bool
    options: ReadOptions
    zone: str | None
    input_format: str | None
    has_others: bool


class _Read(Struct):
    """A log and the result of reading it.

    Attributes:
        name: as `find_logs` returns it.
        was_named: whether the user named it, rather than its folder.
        identity: the writer of its lines, if its file has the lines of several.
        label: its name in messages.
        lines: the number of its lines, if its file has others, too; else 0.
        observations: its observations; None if it could not be read by itself.
        error: the reason; None if it could be read.
        checkpoint: where reading of it stopped, for a log that continues it; of one that could not be read, its text.
        may_continue: whether it may continue another log: it can be opened and has no header of its own.
        is_unfinished: whether its last line has no end.
        after: where reading of the log that it continues stopped.
    """

    name: str
    was_named: bool
    identity: Identity = ()
    label: str = ""
    lines: int = 0
    observations: Observations | None = None
    error: EntroError | None = None
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    may_continue: bool = False
    is_unfinished: bool = False
    after: Checkpoint = field(default_factory=Checkpoint)

    @property
    def first(self) -> int | None:
        """The time of its first sample, ns since the epoch; None without one."""
        series = self.observations.series if self.observations else ()
        return min((int(part.times[0]) for part in series), default=None)

    @property
    def last(self) -> int | None:
        """The time of its last sample, ns since the epoch; None without one."""
        series = self.observations.series if self.observations else ()
        return max((int(part.times[-1]) for part in series), default=None)

    @property
    def place(self) -> str:
        """Its absolute path, or its URL without secrets, with the writer of its lines; empty for standard input."""
        return stream_location(location_of(self.name), self.identity)

    @property
    def reader(self) -> str:
        """The name of its reader; empty if it could not be read by itself."""
        return self.observations.format if self.observations else ""

    @property
    def rows_read(self) -> int:
        """The number of rows that were read."""
        return self.observations.rows_read if self.observations else 0


def read_logs(
    found: Mapping[str, bool], options: ReadOptions, zone: str | None, input_format: str | None, executor: Executor
) -> tuple[list[Observations], list[Problem]]:
    """Read each log.

    Args:
        found: as `find_logs` returns them.
        options: how they are read.
        zone: the name of their time zone, if the user gave one.
        input_format: the reader's name, if the user gave one.
        executor: reads each of them in a task.

    Returns:
        The observations of each log, and a problem for each file of a folder that was left out.

    Raises:
        EntroError: if a log cannot be read, or there is none.
    """
    if STDIN in found and len(found) > 1:
        raise EntroError(
            "standard input cannot be read together with other logs", where="-", remedy="name either files or -"
        )
    plain, several = replace(options, zone=UTC), len(found) > 1
    named = [NamedLog(name, was_named, plain, zone, input_format, several) for name, was_named in found.items()]
    is_alone = not several and executor.cluster is None
    parts = map(_read_alone, named) if is_alone else _sized(executor, found).map(_read_alone, named, "log")
    logs = [log for streams in parts for log in streams]
    ordered = _in_order(logs)
    for index, later in enumerate(ordered):
        _read_as_continuation(later, ordered[:index], options)
    left_out = [problem for log in logs if (problem := _left_out(log, logs, options.strict))]
    files = [log.observations for log in logs if log.observations]
    if not files:
        raise EntroError(
            f"none of the {len(found)} files is a log",
            where=label_of(next(iter(found))).rpartition("/")[0] or ".",
            remedy="name another",
        )
    return files, left_out


def _sized(executor: Executor, names: Iterable[str]) -> Executor:
    """Return an executor with as many processes as are worth starting for some logs.

    Raises:
        EntroError: if a worker of a cluster could not find one of them.
    """
    if executor.cluster is not None:
        for name in names:
            if not is_url(name) and not Path(name).is_absolute():
                raise EntroError(
                    "a relative path means nothing to a worker of the cluster",
                    where=label_of(name),
                    expected="with --cluster, a URL or an absolute path that all workers can read",
                )
    if executor.cluster is not None or executor.jobs is not None:
        return executor
    sizes = (Path(name).stat().st_size for name in names if Path(name).is_file())
    return Executor(min(cores(), max(sum(sizes) // _WORTH_BYTES, 1)))


def _left_out(log: _Read, logs: Sequence[_Read], strict: bool) -> Problem | None:
    """Return the problem of a file of a folder that is no log, or of the lines of a writer that cannot be read.

    Raises:
        EntroError: if the log cannot be left out.
    """
    if log.error is None:
        return None
    is_part = log.lines > 0 and any(other.name == log.name and other.observations for other in logs)
    if is_part and not strict:
        return Problem(ProblemKind.STREAM_LEFT_OUT, log.lines, (log.label, log.error.found))
    if log.was_named or not isinstance(log.error, NoLogError):
        raise log.error
    return Problem(ProblemKind.LEFT_OUT, detail=(str(log.error.where), log.error.found))


def _read_alone(named: NamedLog) -> list[_Read]:
    """Read the logs in a file, one for each writer, each by itself."""
    try:
        if not named.was_named:
            refuse_special(named.name)
        with plain_logs(named.name) as streams:
            return [_read_stream(log, named, len(streams) > 1) for log in streams]
    except EntroError as error:
        return [_Read(named.name, named.was_named, error=error)]


def _read_stream(log: LogFile, named: NamedLog, is_part: bool) -> _Read:
    """Read a log by itself. It may fail only because it continues another one, so the error is kept, not raised."""
    read = _Read(named.name, named.was_named, log.identity if is_part else (), log.label, len(log.numbers))
    options = replace(named.options, zone=zone_of(named.zone))
    try:
        read.may_continue = True
        if named.has_others and not log.is_parquet:
            read.is_unfinished = unfinished_from(log.path) < log.path.stat().st_size
            read.checkpoint = Checkpoint(unfinished=log.head)
        if named.has_others:
            start = Checkpoint(named.input_format or "")
            read.observations, read.checkpoint = _read_to_end(log, start, options)
        else:
            read.observations = of_stream(read_log(log, options, named.input_format), log)
        read.may_continue = not header_of(log, read.reader)
    except EntroError as error:
        read.error = error
    return read


def _in_order(logs: Sequence[_Read]) -> list[_Read]:
    """Sort logs by time. One that could not be read by itself stays behind the log that was named before it."""
    ordered: list[tuple[float, int, _Read]] = []
    latest = float("-inf")
    for index, log in enumerate(logs):
        latest = latest if log.first is None else float(log.first)
        ordered.append((latest, index, log))
    return [log for _, _, log in sorted(ordered, key=lambda part: part[:2])]


def _read_as_continuation(later: _Read, others: Sequence[_Read], options: ReadOptions) -> None:
    """Read a log again from the end of the log that it continues, if it continues one."""
    before = _predecessor(later, others) if later.may_continue else None
    if before is None or (later.observations and not (before.checkpoint.state or before.checkpoint.unfinished)):
        return  # before it is opened: that would fetch a log at a URL once more
    left = before.checkpoint
    with plain_log(later.name, later.identity) as log:
        try:
            found, checkpoint = _read_to_end(log, left, options)
        except EntroError as error:
            if isinstance(error, EmptyLogError) and left.format and not reads_in_parts(left.format):
                later.observations, later.error = (
                    Observations(log.label, left.format, (), 0, identity=log.identity),
                    None,
                )
            elif not later.observations and later.is_unfinished:  # part of a line, which the next log may complete
                later.checkpoint = replace(left, unfinished=left.unfinished + log.path.read_bytes())
                later.after, before.error = left, None
            return
    whole = _without_last_line(before, found, options)
    if whole.rows_read + found.rows_read < before.rows_read + later.rows_read:
        return  # the last line was complete, although it has no line feed
    before.observations, before.error = whole, None
    ends = ends_of(whole.series, before.after.ends)  # the unfinished line is no longer a sample of that log
    later.observations = replace(found, series=beyond(found.series, ends))
    later.checkpoint = replace(checkpoint, ends=dict(ends_of(later.observations.series, ends)))
    later.error, later.after = None, left


def _read_to_end(log: LogFile, after: Checkpoint, options: ReadOptions) -> tuple[Observations, Checkpoint]:
    """Read a log behind its predecessor, and return where reading of its whole lines stopped."""
    size = log.path.stat().st_size
    found, checkpoint, _ = read_on(log, 0, size, after, options)
    found = of_stream(found, log)
    in_lines = is_resumable(found.format, options.formats) and not log.is_parquet
    end = unfinished_from(log.path) if in_lines else size
    if end == size:
        return found, checkpoint
    with log.path.open("rb") as file:
        file.seek(end)
        unfinished = file.read()
    if end == 0:
        return found, replace(after, format=found.format, unfinished=after.unfinished + unfinished)
    checkpoint = read_on(log, 0, end, after, options)[1]
    return found, replace(checkpoint, unfinished=unfinished)


def _predecessor(later: _Read, others: Sequence[_Read]) -> _Read | None:
    """Return the log that another one continues; None without one."""
    if later.observations:
        known = [other for other in others if other.observations]
        earlier = [EarlierLog(other.place, other.reader, other.last) for other in known]
        found = predecessor_of(later.place, later.reader, _LAST_NS if later.first is None else later.first, earlier)
        return None if found is None else known[found]
    related = [other for other in others if rotation_stem(other.place) == rotation_stem(later.place)] or others
    return next((other for other in reversed(related) if _is_cut_off(other) or _fits(later, other)), None)


def _is_cut_off(log: _Read) -> bool:
    """Return whether a log ends within a line or behind its header, so that the rest is in the next one."""
    return log.is_unfinished or isinstance(log.error, EmptyLogError)


def _fits(later: _Read, other: _Read) -> bool:
    """Return whether a log that cannot be read by itself fits under another's header, or has text of its format."""
    if not other.reader or not reads_in_parts(other.reader):
        return bool(other.reader and other.checkpoint.state)
    with plain_log(later.name, later.identity) as log:
        return accepts_header(log, other.reader, other.checkpoint.state)


def _without_last_line(before: _Read, found: Observations, options: ReadOptions) -> Observations:
    """Return the observations of a log without its last line, whose end is in the next log."""
    if before.observations and not before.is_unfinished:
        return before.observations
    if before.observations is None and before.checkpoint.unfinished:
        # It could not be read by itself, so that all of it was read with the next log.
        return Observations(before.label, found.format, (), 0, zone=found.zone)
    after = replace(before.after, format=found.format)
    try:
        with plain_log(before.name, before.identity) as log:
            if end := unfinished_from(log.path):
                whole = of_stream(read_on(log, 0, end, after, options)[0], log)
                return replace(whole, series=beyond(whole.series, after.ends))
    except EntroError:  # the last line was all there was
        pass
    return Observations(before.label, found.format, (), 0, zone=found.zone)
