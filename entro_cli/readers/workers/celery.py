"""The `celery` format: the log of a Celery worker, with the tasks that it receives and finishes."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from entro_cli.core.clock import NS, nanoseconds
from entro_cli.core.files import unfinished_from
from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE, Quantity, choose_stages
from entro_cli.readers.text_lines import MARK, BadLines, blocks
from entro_cli.readers.time_zones import local_to_utc
from entro_cli.timeseries.observations import Measure, Observations, ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import Kind

_STAMP = rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}): [A-Z]{1,10}/[^\]\n]{1,100}\] "
_LINE = re.compile(rb"^(?:\xef\xbb\xbf|\x1b\[[0-9;]{0,8}m)*" + _STAMP + rb"([^\n]*)", re.MULTILINE)
_TASK = re.compile(
    rb"(?:(?P<got>Received task: )|Task |(?P<dropped>Discarding revoked task: ))"
    rb"[^\[\]\n]{1,300}\[(?P<id>[^\[\]\n]{1,200})\](?P<rest>.*)"
)
_RECEIVED = re.compile(rb"\s*received\s*$")
# A task that is retried or rejected is no longer in flight either: if it is delivered again, it is received again.
_DONE = re.compile(rb"\s*(?:succeeded in|raised|retry:|failed|ignored|rejected|revoked)")
_COLOUR = re.compile(rb"\x1b\[[0-9;]{0,8}m")


@dataclass
class _Tasks:
    """The tasks of a log. All times but `stamps` are indices into it.

    Attributes:
        stamps: the timestamps of all lines that have one, nanoseconds on the worker's clock.
        received: when tasks were received.
        done: when tasks were done that were received in the log.
        done_unseen: when tasks were done that were received before the log begins.
        in_flight: by the id of a task that is not done, when it was received.
        bad: the lines that cannot be read.
    """

    stamps: array[int] = field(default_factory=lambda: array("q"))
    received: array[int] = field(default_factory=lambda: array("q"))
    done: array[int] = field(default_factory=lambda: array("q"))
    done_unseen: array[int] = field(default_factory=lambda: array("q"))
    in_flight: dict[bytes, int] = field(default_factory=dict)
    bad: BadLines = field(default_factory=BadLines)

    def add(self, event: str, task: bytes) -> None:
        """Add an event of a task at the last timestamp."""
        now = len(self.stamps) - 1
        if event == "received":
            self.received.append(now)
            if task in self.in_flight:  # delivered once more: it is in flight once
                self.done.append(now)
            self.in_flight[task] = now
        elif self.in_flight.pop(task, None) is not None:
            self.done.append(now)
        else:
            self.done_unseen.append(now)


class CeleryReader:
    """Reads the logs of Celery workers."""

    name = "celery"
    description = "the log of a Celery worker: the tasks it receives and finishes"
    gives = "tasks received as a rate (scraper), tasks in flight as a queue (llm)"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is Celery's, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        messages = [_COLOUR.sub(b"", match[3]) for match in _LINE.finditer(log.head)]
        if any(_event_in(message) for message in messages):
            return 0.95
        return 0.7 if any(b"celery" in message.lower() for message in messages) else 0.0

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read a worker's log.

        Args:
            log: the plain file.
            options: how it is read.

        Raises:
            EntroError: if no line is of a task, or most of those that are cannot be read.
        """
        tasks = _find_tasks(log)
        good = len(tasks.received) + len(tasks.done) + len(tasks.done_unseen)
        bad = tasks.bad.check(log, good, options, "lines of tasks with their time")
        if not good:
            raise EmptyLogError(
                "no line is of a task",
                where=log.label,
                expected="lines such as `Task NAME[ID] received`",
                remedy="run the worker with --loglevel INFO",
            )
        tally = Tally()
        times = local_to_utc(np.array(tasks.stamps, np.int64), options.zone, tally)
        tally.count(ProblemKind.OUT_OF_ORDER, (np.diff(times) < 0).sum())
        tally.count(ProblemKind.TASKS_FROM_BEFORE, len(tasks.done_unseen))
        tally.count(ProblemKind.TASKS_NOT_DONE, len(tasks.in_flight))
        quantities = _quantities(tasks, times)
        return Observations(
            path=log.label,
            format=self.name,
            series=choose_stages(quantities, options),
            rows_read=good,
            rows_skipped=tasks.bad.count,
            bad_rows=bad,
            zone=f"{options.zone} ({'--tz' if options.zone_given else 'this machine'})",
            problems=tally.problems,
            columns=tuple(part.name for part in quantities if len(part.times)),
        )

    def checkpoint(self, log: LogFile) -> bytes:
        """Return the lines to put before the log that continues this one, so that both are read like one file.

        Args:
            log: the plain file.

        Returns:
            The tasks in flight, those received in the last moment, the last timestamp, and a last line without its end.
        """
        begin = unfinished_from(log.path)
        tasks = _find_tasks(log, begin)
        with log.path.open("rb") as file:
            file.seek(begin)
            rest = file.read()
        if not tasks.stamps:
            return rest
        latest = max(tasks.received, key=lambda at: tasks.stamps[at], default=-1)
        received_at = {at: task for task, at in tasks.in_flight.items()}
        lines = [
            _line(tasks.stamps[at], b"Task carried[" + task + b"] received") for at, task in sorted(received_at.items())
        ]
        moment = tasks.stamps[latest] if latest >= 0 else -1
        others = [at for at in tasks.received if tasks.stamps[at] == moment and at not in received_at]
        for at in others:  # done already; tasks received at one moment are counted together
            name = b"entro-%d" % at
            lines.append(_line(moment, b"Task carried[" + name + b"] received"))
            lines.append(_line(moment, b"Task carried[" + name + b"] succeeded in 0s: None"))
        lines.append(_line(max(tasks.stamps), MARK))
        return b"".join(line + b"\n" for line in lines) + rest


def _line(stamp: int, text: bytes) -> bytes:
    when = datetime.fromtimestamp(stamp // NS, UTC)
    return f"[{when:%Y-%m-%d %H:%M:%S},{stamp % NS // 1_000_000:03d}: INFO/MainProcess] ".encode() + text


def _find_tasks(log: LogFile, end: int | None = None) -> _Tasks:
    """Find the tasks of a log, in its first `end` bytes if that is given."""
    tasks = _Tasks()
    for offset, match in _stamped_lines(log, end):
        try:
            second = datetime.strptime(match[1].decode(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            tasks.bad.add(offset, "the time cannot be read", match[0])
            continue
        tasks.stamps.append(nanoseconds(second) + int(match[2]) * 1_000_000)
        if event := _event_in(_COLOUR.sub(b"", match[3])):
            tasks.add(*event)
    return tasks


def _stamped_lines(log: LogFile, end: int | None) -> Iterator[tuple[int, re.Match[bytes]]]:
    """Yield the lines that begin with a timestamp, with their offsets; a result of a task may go over several lines."""
    for block in blocks(log):
        content = block.content if end is None else block.content[: max(end - block.offset, 0)]
        for match in _LINE.finditer(content):
            yield block.offset + match.start(), match


def _event_in(message: bytes) -> tuple[str, bytes] | None:
    """Return the event in a message, `received` or `done`, and the id of its task; None if it is of no task."""
    match = _TASK.match(message)
    if not match:
        return None
    if match["got"] or _RECEIVED.match(match["rest"]):
        return "received", match["id"]
    return ("done", match["id"]) if match["dropped"] or _DONE.match(match["rest"]) else None


def _quantities(tasks: _Tasks, times: TimeArray) -> list[Quantity]:
    """Return the tasks received, and the number of tasks in flight from one change to the next."""
    received, done, unseen = (
        times[np.array(part, np.int64)] for part in (tasks.received, tasks.done, tasks.done_unseen)
    )
    begin, end = int(times.min()), int(times.max())
    # Events cover the time from the first to the last one, so the edges of the log are events too, of no tasks.
    moments, numbers = np.unique(np.concatenate([received, [begin, end]]), return_counts=True)
    counts = numbers.astype(np.float64)
    for edge in (begin, end):
        counts[np.searchsorted(moments, edge)] -= 1
    changes = np.concatenate([np.full(len(unseen), begin), received, done, unseen, [begin, end]])
    steps = np.concatenate([np.ones(len(unseen) + len(received)), -np.ones(len(done) + len(unseen)), [0, 0]])
    edges, places = np.unique(changes, return_inverse=True)
    levels = np.cumsum(np.bincount(places, weights=steps)).astype(np.float64)
    return [
        Quantity("requests", Kind.RATE, moments, counts, RATE_STAGE, Measure.EVENTS),
        Quantity("in_flight", Kind.QUEUE, edges[1:], levels[:-1], QUEUE_STAGE, Measure.SPANS, edges[:-1]),
    ]
