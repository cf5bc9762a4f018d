"""The tasks of a worker's log: their arrivals, how many are in flight, and how many of those wait for a slot."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

import msgspec
import numpy as np

from entro_cli.core.clock import NS
from entro_cli.readers.partial_timestamps import ClockState
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE
from entro_cli.timeseries.observations import Measure, Series, TimeArray
from entro_engine import Kind
from entro_engine.entropy import FloatArray

_PATIENCE_NS = 60 * NS
"""A task that has not come back so long after its retry was due waits in the broker, or another worker has it."""

UNKNOWN, UNDECIDED = -1, -2
"""Numbers of slots: not known, and not known before the first task."""

_NOT_WAITING, _NO_END = 0, np.iinfo(np.int64).max


class TaskState(msgspec.Struct):
    """The state of a worker behind some lines of its log.

    Attributes:
        clock: the clock behind the last timestamp.
        began, latest: the earliest and the latest timestamp, nanoseconds since the epoch; None before the first.
        arrived: the number of tasks that arrived at the latest timestamp.
        in_flight: the ids of the tasks that are not done, with the time at which their retry is due, nanoseconds on the
            log's clock; 0 if they do not wait for one.
        lost: how many of these ended without a line that names them.
        dropped: the ids of the tasks that were in flight when the worker last started: they may be delivered again.
        slots: the number of tasks that can run at once; -1 if it is not known, -2 before the first task.
        announced: the slots that the last banner names.
        workers: the slots of the workers that are up, by name.
    """

    clock: ClockState = msgspec.field(default_factory=ClockState)
    began: int | None = None
    latest: int | None = None
    arrived: int = 0
    in_flight: list[tuple[bytes, int]] = []
    lost: int = 0
    dropped: list[bytes] = []
    slots: int = UNDECIDED
    announced: int = UNKNOWN
    workers: dict[str, int] = {}


class Tasks:
    """The tasks of some lines of a log. Events are at the last timestamp, and kept as its index.

    Attributes:
        now: the index of the last timestamp; 0 is the latest one of the lines before, if there are any.
        arrived: when tasks arrived.
        in_flight_before: the number of tasks that were in flight before.
        ended: when tasks ended whose arrival has no line.
        lengths: how long they ran, nanoseconds; 0 if that is not known.
        changed: when the number of tasks in flight changed.
        changes: by how many.
        in_flight, dropped: the ids of the tasks that are not done, as in `TaskState`.
        lost: how many of these ended without a line that names them.
        gone: how many did not come back for their retry.
        lines: the number of lines of tasks.
    """

    def __init__(self, before: TaskState) -> None:
        self.now = -1 if before.latest is None else 0
        self._moment = 0
        self.arrived = array("q", [self.now] * before.arrived)
        self.ended, self.lengths, self.changed, self.changes = (array("q") for _ in range(4))
        self.in_flight, self.dropped = dict(before.in_flight), {*before.dropped}
        self.lost = before.lost
        self.in_flight_before = len(self.in_flight) - self.lost
        self.gone = self.lines = 0
        self._retries = [(due, task) for task, due in before.in_flight if due not in (_NOT_WAITING, _NO_END)]
        heapify(self._retries)

    def stamp(self, moment: int) -> None:
        """Add the timestamp of a line, nanoseconds on the log's clock."""
        self.now += 1
        self._moment = moment
        while self._retries and self._retries[0][0] + _PATIENCE_NS < moment:
            due, task = heappop(self._retries)
            if self.in_flight.get(task) == due:
                self.gone += 1
                self._remove(task)

    def take(self, moments: Sequence[int], tasks: Iterable[bytes], ends: Iterable[bytes]) -> None:
        """Add lines of tasks.

        Args:
            moments: their timestamps, nanoseconds on the log's clock.
            tasks: the ids of the tasks.
            ends: empty for a task that arrives; for one that ends how long it ran, in seconds, or else OK.
        """
        self.lines += len(moments)
        for moment, task, end in zip(moments, tasks, ends, strict=True):
            self.stamp(moment)
            if not end:
                self.arrive(task)
            elif task in self.in_flight:
                self._remove(task)
            else:
                self.end(task, 0 if end == b"OK" else round(float(end) * NS))

    def arrive(self, task: bytes) -> None:
        """Add an arrival. A task that is in flight was delivered once more, or came back for its retry."""
        known = self.in_flight.get(task)
        self.in_flight[task] = _NOT_WAITING
        if known is None:
            if task not in self.dropped:
                self.arrived.append(self.now)
            self._change(1)
        elif known == _NOT_WAITING and self.lost:
            self.lost -= 1
            self._change(1)

    def end(self, task: bytes, length_ns: int = 0) -> None:
        """Add the end of a task; one whose arrival has no line ran in the process that sent it, so long."""
        if task in self.in_flight:
            self._remove(task)
        else:
            self.ended.append(self.now)
            self.lengths.append(length_ns)

    def retry(self, task: bytes, pause_ns: int | None) -> None:
        """Let a task wait for its retry; None if the line does not say how long."""
        if task not in self.in_flight:
            self.arrive(task)
        due = _NO_END if pause_ns is None else self._moment + pause_ns
        self.in_flight[task] = due
        if pause_ns is not None:
            heappush(self._retries, (due, task))

    def lose(self) -> None:
        """Add the end of some task in flight."""
        if len(self.in_flight) > self.lost:
            self.lost += 1
            self._change(-1)

    def clear(self) -> None:
        """End all tasks in flight."""
        self._change(self.lost - len(self.in_flight))
        self.dropped = {*self.in_flight} or self.dropped
        self.in_flight.clear()
        self.lost = 0

    def _remove(self, task: bytes) -> None:
        del self.in_flight[task]
        if self.lost > len(self.in_flight):
            self.lost -= 1
        else:
            self._change(-1)

    def _change(self, number: int) -> None:
        self.changed.append(self.now)
        self.changes.append(number)


def quantities(
    tasks: Tasks, times: TimeArray, began: int, slots: Sequence[tuple[int, int]], queue: str = QUEUE_STAGE
) -> tuple[list[Series], int]:
    """Return the arrivals, the number of tasks in flight from one change to the next, and how many of them wait.

    Args:
        tasks: the tasks.
        times: the timestamps, nanoseconds since the epoch, as they are numbered.
        began: the beginning of the log, nanoseconds since the epoch.
        slots: the number of tasks that can run at once, each from some timestamp on; empty if it is not known.
        queue: the stage of those that wait, or of all in flight if the slots are not known; empty for none: the
            arrivals are starts then.

    Returns:
        The quantities, and the number of tasks that arrived before the log began.
    """
    arrived, changed, ended = (times[np.array(part, np.int64)] for part in (tasks.arrived, tasks.changed, tasks.ended))
    starts = ended - np.array(tasks.lengths, np.int64)
    is_earlier = starts < began
    starts = np.maximum(starts, began)
    begin, end = int(times.min()), int(times.max())
    # Events cover the time from the first to the last one, so the edges of the log are events too, of no tasks.
    new = np.concatenate([arrived, np.maximum(starts[~is_earlier], begin)])
    moments, numbers = np.unique(np.concatenate([new, [begin, end]]), return_counts=True)
    counts = numbers.astype(np.float64)
    for edge in (begin, end):
        counts[np.searchsorted(moments, edge)] -= 1
    from_slots = np.maximum.accumulate(times[np.array([place for place, _ in slots], np.int64)])
    edges, places = np.unique(
        np.concatenate([[begin], changed, starts, ended, from_slots, [begin, end]]), return_inverse=True
    )
    one = np.ones(len(ended))
    steps = np.concatenate([[tasks.in_flight_before], np.array(tasks.changes), one, -one, np.zeros(len(slots) + 2)])
    # Where the clock was set back, a task may end before it arrived.
    levels = np.maximum(np.cumsum(np.bincount(places, weights=steps)), 0.0)

    def spans(name: str, stage: str, values: FloatArray) -> Series:
        return Series(stage, Kind.QUEUE, edges[1:], values[:-1], None, name, Measure.SPANS, edges[:-1])

    name = "requests" if queue else "starts"
    found = [
        Series(RATE_STAGE, Kind.RATE, moments, counts, None, name, Measure.EVENTS, is_fallback=not queue),
        spans("in_flight", "" if slots else queue, levels),
    ]
    if slots:
        running = np.array([number for _, number in slots])
        place = np.maximum(np.searchsorted(from_slots, edges, side="right") - 1, 0)
        found.append(spans("waiting", queue, np.maximum(levels - running[place], 0)))
    return found, int(is_earlier.sum())
