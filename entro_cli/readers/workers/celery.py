"""The `celery` format: the log of a Celery worker, with the tasks that it receives and finishes."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import numpy as np

from entro_cli.core.clock import nanoseconds
from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE, Quantity, choose_stages
from entro_cli.readers.reader import Reading
from entro_cli.readers.text_lines import BadLines, blocks
from entro_cli.readers.time_zones import clock_set_back, local_to_utc
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


class CeleryState(msgspec.Struct):
    """The state of a worker behind some lines of its log.

    Attributes:
        context: the last timestamp, behind those of a clock that was set back in the last two hours; nanoseconds on the
            worker's clock.
        received: the number of tasks received at the last timestamp.
        in_flight: the ids of the tasks that are not done.
    """

    context: list[int] = []
    received: int = 0
    in_flight: list[bytes] = []


class _Tasks:
    """The tasks of a log.

    Attributes:
        stamps: the timestamps of all lines that have one, nanoseconds on the worker's clock; those of the lines before
            come first.
        begin: the index of the last of those; 0 if the log begins here.
        received: when tasks were received, as indices into the timestamps.
        done: when tasks were done that were received in the log, likewise.
        done_unseen: when tasks were done that were received before the log begins, likewise.
        received_before, in_flight_before: the number of these at the last timestamp before.
        in_flight: the ids of the tasks that are not done.
        bad: the lines that cannot be read.
    """

    def __init__(self, state: CeleryState) -> None:
        self.stamps = array("q", state.context)
        self.begin = max(len(self.stamps) - 1, 0)
        self.received = array("q", [self.begin] * state.received)
        self.done, self.done_unseen = array("q"), array("q")
        self.received_before, self.in_flight_before = state.received, len(state.in_flight)
        self.in_flight = dict.fromkeys(state.in_flight)
        self.bad = BadLines()

    def add(self, event: str, task: bytes) -> None:
        """Add an event of a task at the last timestamp."""
        now = len(self.stamps) - 1
        if event == "received":
            self.received.append(now)
            if task in self.in_flight:  # delivered once more: it is in flight once
                self.done.append(now)
            self.in_flight[task] = None
        elif task in self.in_flight:
            del self.in_flight[task]
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
        """Read a worker's log; see `resume`."""
        return self.resume(log, options, b"").observations

    def resume(self, log: LogFile, options: ReadOptions, state: bytes) -> Reading:
        """Read lines of a worker's log; see `ResumableReader`."""
        before = msgspec.json.decode(state, type=CeleryState) if state else CeleryState()
        tasks = _find_tasks(log, before)
        good = len(tasks.received) - before.received + len(tasks.done) + len(tasks.done_unseen)
        bad = tasks.bad.check(log, good, options, "lines of tasks with their time")
        if not (good or state):
            raise EmptyLogError(
                "no line is of a task",
                where=log.label,
                expected="lines such as `Task NAME[ID] received`",
                remedy="run the worker with --loglevel INFO",
            )
        tally = Tally()
        known = len(before.context)
        times = local_to_utc(np.array(tasks.stamps, np.int64), options.zone, tally, known)
        tally.count(ProblemKind.OUT_OF_ORDER, (np.diff(times) < 0).sum())
        tally.count(ProblemKind.TASKS_FROM_BEFORE, len(tasks.done_unseen))
        tally.count(ProblemKind.TASKS_NOT_DONE, len(tasks.in_flight))
        quantities = _quantities(tasks, times[tasks.begin :])
        observations = Observations(
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
        return Reading(observations, msgspec.json.encode(_state_of(tasks)))


def _state_of(tasks: _Tasks) -> CeleryState:
    """Return the state behind the last line."""
    stamps = np.array(tasks.stamps, np.int64)
    latest = int(stamps.max())
    received = int(np.count_nonzero(stamps[np.array(tasks.received, np.int64)] == latest))
    return CeleryState([*clock_set_back(stamps), latest], received, [*tasks.in_flight])


def _find_tasks(log: LogFile, before: CeleryState) -> _Tasks:
    """Find the tasks in some lines of a log, behind others."""
    tasks = _Tasks(before)
    for offset, match in _stamped_lines(log):
        try:
            second = datetime.strptime(match[1].decode(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            tasks.bad.add(offset, "the time cannot be read", match[0])
            continue
        tasks.stamps.append(nanoseconds(second) + int(match[2]) * 1_000_000)
        if event := _event_in(_COLOUR.sub(b"", match[3])):
            tasks.add(*event)
    return tasks


def _stamped_lines(log: LogFile) -> Iterator[tuple[int, re.Match[bytes]]]:
    """Yield the lines that begin with a timestamp, with their offsets; a result of a task may go over several lines."""
    for block in blocks(log):
        for match in _LINE.finditer(block.content):
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
    """Return the tasks received, and the number of tasks in flight from one change to the next.

    Args:
        tasks: the tasks.
        times: the timestamps from the last one of the lines before on, nanoseconds since the epoch.
    """
    received, done, unseen = (
        times[np.array(part, np.int64) - tasks.begin] for part in (tasks.received, tasks.done, tasks.done_unseen)
    )
    begin, end = int(times.min()), int(times.max())
    # Events cover the time from the first to the last one, so the edges of the log are events too, of no tasks.
    moments, numbers = np.unique(np.concatenate([received, [begin, end]]), return_counts=True)
    counts = numbers.astype(np.float64)
    for edge in (begin, end):
        counts[np.searchsorted(moments, edge)] -= 1
    new = received[tasks.received_before :]
    at_begin = np.full(tasks.in_flight_before + len(unseen), begin)
    changes = np.concatenate([at_begin, new, done, unseen, [begin, end]])
    steps = np.concatenate([np.ones(len(at_begin) + len(new)), -np.ones(len(done) + len(unseen)), [0, 0]])
    edges, places = np.unique(changes, return_inverse=True)
    levels = np.cumsum(np.bincount(places, weights=steps)).astype(np.float64)
    return [
        Quantity("requests", Kind.RATE, moments, counts, RATE_STAGE, Measure.EVENTS),
        Quantity("in_flight", Kind.QUEUE, edges[1:], levels[:-1], QUEUE_STAGE, Measure.SPANS, edges[:-1]),
    ]
