"""The logs a user names as observations: each by itself, and those that go on from another as if both were one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from pathlib import Path

from entro_cli.core.clock import zone_of
from entro_cli.core.files import unfinished_from
from entro_cli.core.parallel import Executor, cores
from entro_cli.core.urls import is_url
from entro_cli.readers.continuation import EarlierLog, beyond, ends_of, predecessor_of, rotation_stem
from entro_cli.readers.inputs.log_file import STDIN, EmptyLogError, NoLogError, excerpt, label_of, place_of, plain_log
from entro_cli.readers.read_continued import Carried, read_behind
from entro_cli.readers.registry import accepts_header, checkpoint, header_of, read_log, reads_in_parts
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError

_WORTH_BYTES = 1 << 22
"""So much of logs takes about as long to read as a process to start."""

_LATE = 1 << 62
"""When a log begins that tells nothing by itself: behind every other."""


@dataclass(frozen=True)
class Named:
    """A log to be read by itself: plain data, so that any process can do it.

    Attributes:
        name: as `find_logs` gives it.
        was_named: whether the user named it.
        options: how it is read, but for the zone: not every zone can be sent to another process.
        zone: the name of the zone of stamps that name none; None for the machine's.
        input_format: the reader's name, when the user named one.
        has_others: whether it is one of several, so that another may go on from it.
    """

    name: str
    was_named: bool
    options: ReadOptions
    zone: str | None
    input_format: str | None
    has_others: bool


@dataclass
class _Read:
    """A log, and what was read of it.

    Attributes:
        name: as `find_logs` gives it.
        was_named: whether the user named it.
        observations: what it gave; None where it could not be read by itself.
        error: why it could not; None where it could.
        carry: what of it has to stand before a log that goes on from it.
        may_go_on: whether it may be the rest of another: it can be opened, and has not itself what its parts need
            before them.
        unfinished: whether its last line has no end.
        after: what it goes on from.
    """

    name: str
    was_named: bool
    observations: Observations | None = None
    error: EntroError | None = None
    carry: bytes = b""
    may_go_on: bool = False
    unfinished: bool = False
    after: Carried = field(default_factory=Carried)

    @property
    def first(self) -> int | None:
        """When its first sample is, nanoseconds since the epoch; None without one."""
        series = self.observations.series if self.observations else ()
        return min((int(part.times[0]) for part in series), default=None)

    @property
    def last(self) -> int | None:
        """When its last sample is, nanoseconds since the epoch; None without one."""
        series = self.observations.series if self.observations else ()
        return max((int(part.times[-1]) for part in series), default=None)

    @property
    def place(self) -> str:
        """Where it is."""
        return place_of(self.name)

    @property
    def reader(self) -> str:
        """The name of its reader; empty where it could not be read by itself."""
        return self.observations.format if self.observations else ""

    @property
    def rows_read(self) -> int:
        """How many rows of it were read."""
        return self.observations.rows_read if self.observations else 0

    @property
    def carried(self) -> Carried:
        """What it leaves to a log that goes on from it."""
        series = self.observations.series if self.observations else ()
        return Carried(self.carry, ends_of(series, self.after.ends), self.reader or self.after.format)


def read_logs(
    found: Mapping[str, bool], options: ReadOptions, zone: str | None, input_format: str | None, workers: Executor
) -> tuple[list[Observations], list[Problem]]:
    """What each log gave, and warnings about the files of a folder that were left out.

    Args:
        found: as `find_logs` gives them.
        options: how they are read.
        zone: the name of their zone, when the user named one.
        input_format: the reader's name, when the user named one.
        workers: who reads each of them by itself.

    Raises:
        EntroError: when one cannot be read, or there is no log.
    """
    if STDIN in found and len(found) > 1:
        raise EntroError("standard input can only be read alone", where="-", remedy="name files, or - and nothing else")
    plain, several = replace(options, zone=UTC), len(found) > 1
    named = [Named(name, was_named, plain, zone, input_format, several) for name, was_named in found.items()]
    logs = list(_enough(workers, found).map(_alone, named))
    ordered = _in_order(logs)
    for place, later in enumerate(ordered):
        _go_on(later, ordered[:place], options)
    left_out = []
    for log in logs:
        if log.error and (log.was_named or not isinstance(log.error, NoLogError)):
            raise log.error
        if log.error:
            left_out.append(Problem(ProblemKind.LEFT_OUT, detail=(str(log.error.where), log.error.found)))
    files = [log.observations for log in logs if log.observations]
    if not files:
        raise EntroError(
            f"there is no log among {len(found)} files",
            where=label_of(next(iter(found))).rpartition("/")[0] or ".",
            remedy="name another",
        )
    return files, left_out


def _enough(workers: Executor, names: Iterable[str]) -> Executor:
    """Those of the workers that are worth being started for some logs.

    Raises:
        EntroError: when a worker elsewhere could not find one of them.
    """
    if workers.cluster is not None:
        for name in names:
            if not is_url(name) and not Path(name).is_absolute():
                raise EntroError(
                    "a worker elsewhere cannot tell where it is",
                    where=label_of(name),
                    expected="with --cluster, a URL, or an absolute path that all workers see",
                )
    if workers.cluster is not None or workers.jobs is not None:
        return workers
    sizes = (Path(name).stat().st_size for name in names if Path(name).is_file())
    return Executor(min(cores(), max(sum(sizes) // _WORTH_BYTES, 1)))


def _alone(named: Named) -> _Read:
    """A log by itself; where there are others, why it cannot be read may be that it goes on from one of them."""
    read, others = _Read(named.name, named.was_named), named.has_others
    options = replace(named.options, zone=zone_of(named.zone))
    try:
        with plain_log(named.name) as log:
            read.may_go_on = True
            if others and not log.is_parquet:
                read.unfinished = unfinished_from(log.path) < log.path.stat().st_size
                read.carry = log.head
            read.observations = read_log(log, options, named.input_format)
            read.carry = checkpoint(log, read.reader) if others else b""
            read.may_go_on = not header_of(log, read.reader)
    except EntroError as error:
        read.error = error
    return read


def _in_order(logs: Sequence[_Read]) -> list[_Read]:
    """Logs in the order of their times; one that could not be read by itself behind the log it was named after."""
    ordered: list[tuple[float, int, _Read]] = []
    latest = float("-inf")
    for place, log in enumerate(logs):
        latest = latest if log.first is None else float(log.first)
        ordered.append((latest, place, log))
    return [log for _, _, log in sorted(ordered, key=lambda part: part[:2])]


def _go_on(later: _Read, others: Sequence[_Read], options: ReadOptions) -> None:
    """Read a log as what it goes on from leaves it, if it goes on from one."""
    before = _before(later, others) if later.may_go_on else None
    if before is None or (later.observations and not before.carried.text):
        return  # nor is it opened again, which would fetch one at a URL once more
    carried = before.carried
    with plain_log(later.name) as log:
        size = log.path.stat().st_size
        try:
            found = read_behind(log, 0, size, replace(carried, ends={}), options)
        except EntroError as error:
            if isinstance(error, EmptyLogError) and carried.format and not reads_in_parts(carried.format):
                later.observations, later.error = Observations(log.label, carried.format, (), 0), None
            elif not later.observations and later.unfinished:  # hardly a line, of which the next log may have the rest
                later.carry, later.after = excerpt(log, 0, size, carried.text).path.read_bytes(), carried
                before.error = None
            return
        carried_on = checkpoint(excerpt(log, 0, size, carried.text), found.format)
    whole = _without_last_line(before, found, options)
    if whole.rows_read + found.rows_read < before.rows_read + later.rows_read:
        return  # a last line without its end was whole all the same
    before.observations, before.error = whole, None
    later.observations = replace(found, series=beyond(found.series, before.carried.ends))  # a half line ends nowhere
    later.carry, later.error, later.after = carried_on, None, before.carried


def _before(later: _Read, others: Sequence[_Read]) -> _Read | None:
    """The log that another goes on from."""
    if later.observations:
        known = [other for other in others if other.observations]
        earlier = [EarlierLog(other.place, other.reader, other.last) for other in known]
        found = predecessor_of(later.place, later.reader, _LATE if later.first is None else later.first, earlier)
        return None if found is None else known[found]
    alike = [other for other in others if rotation_stem(other.place) == rotation_stem(later.place)] or others
    return next((other for other in reversed(alike) if _is_bare(other) or _fits(later, other)), None)


def _is_bare(log: _Read) -> bool:
    """Whether a log ends within a line, or behind its header: the rest is in the next one."""
    return log.unfinished or isinstance(log.error, EmptyLogError)


def _fits(later: _Read, other: _Read) -> bool:
    """Whether a log that cannot be read by itself may go on from another: under its header, or in text of its kind."""
    if not other.reader or not reads_in_parts(other.reader):
        return bool(other.reader and other.carry)
    with plain_log(later.name) as log:
        return accepts_header(log, other.reader, other.carry)


def _without_last_line(before: _Read, found: Observations, options: ReadOptions) -> Observations:
    """What a log gives but for a last line that has its end in the next one; of that, what the next one is read as."""
    if before.observations and not before.unfinished:
        return before.observations
    after = replace(before.after, format=found.format)
    try:
        with plain_log(before.name) as log:
            if end := unfinished_from(log.path):
                return read_behind(log, 0, end, after, options)
    except EntroError:  # it was nothing else
        pass
    return Observations(label_of(before.name), found.format, (), 0, zone=found.zone)
