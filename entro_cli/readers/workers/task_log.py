"""The common part of the logs of all workers: tasks at timestamps of any kind, read line by line."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from operator import add
from typing import ClassVar

import msgspec
import numpy as np

from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.partial_timestamps import ClockState, LineTimestamps, Stamp, whole_stamps
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import QUEUE_STAGE
from entro_cli.readers.text_lines import Block, LineLog, LineReader, usual_lines
from entro_cli.readers.workers.tasks import Tasks, TaskState, quantities
from entro_cli.timeseries.observations import ReadOptions, Series, TimeArray
from entro_cli.timeseries.problems import ProblemKind

_GROUPS = "time", "thousandths", "zone", "task", "end"


class TaskLog(LineLog):
    """The content of some lines of a worker's log, behind others.

    Attributes:
        queue: the stage of the tasks that wait or are in flight; empty if they are a stage only when it is named.
        before: the state behind the lines before.
        tasks: the tasks.
        slots: the number of tasks that can run at once, each from some timestamp on; empty if it is not known.
        usual: whole lines of tasks in usual forms, which say the same when they are read one by one. Their groups:
            the time, its thousandths of a second, its zone, the id of the task, and the end as `Tasks.take` wants it.
    """

    queue = QUEUE_STAGE
    usual: ClassVar[tuple[re.Pattern[bytes], ...]]

    def __init__(self, log: LogFile, before: TaskState) -> None:
        super().__init__()
        self.before, self.tasks, self._after = before, Tasks(before), before
        self.slots: list[tuple[int, int]] = []
        self._stamps = LineTimestamps(before.clock)

    @property
    def rows(self) -> int:
        """Number of lines of tasks."""
        return self.tasks.lines

    good = rows

    def state(self) -> bytes:
        """Return the state behind the last line."""
        return msgspec.json.encode(self._after)

    def stamp(self, stamp: Stamp | None, offset: int, line: bytes, is_needed: bool) -> bool:
        """Add the timestamp of a line; return False if it has none, which makes it a bad one if it is needed."""
        if stamp is None:
            if is_needed:
                self.bad.add(offset, "the time cannot be read", line)
            return False
        self._stamps.add(stamp)
        self.tasks.stamp(stamp[1])
        return True

    def other_parts(self, block: Block) -> Iterator[tuple[int, int]]:
        """Take the lines of a block that are of a usual form, and yield where the others begin and end, in order."""
        for begin, end, lines in usual_lines(block, self.usual, _GROUPS):
            times, thousandths, zones, tasks, ends = lines or [[]] * len(_GROUPS)
            stamps = whole_stamps([*map(add, times, zones)], thousandths)
            if stamps:
                self.note_task(stamps[1][0])
                self._stamps.extend(*stamps)
                self.tasks.take(stamps[1], tasks, ends)
            else:
                yield begin, end

    @abstractmethod
    def note_task(self, moment: int) -> None:
        """Note that lines of tasks follow, the first at a time, nanoseconds on the log's clock."""

    def quantities(self, log: LogFile, options: ReadOptions, tally: Tally) -> list[Series]:
        """Return the quantities, and count what is out of the ordinary."""
        times, clock = self._times(log, options, tally)
        self.zone = clock.words
        began = int(times.min()) if self.before.began is None else self.before.began
        found, earlier = quantities(self.tasks, times, began, self.slots, self.queue)
        tally.count(ProblemKind.TASKS_FROM_BEFORE, earlier)
        self.count_problems(tally)
        self._after = self.state_behind(clock, began, times)
        return found

    def _times(self, log: LogFile, options: ReadOptions, tally: Tally) -> tuple[TimeArray, ClockState]:
        """Return the timestamps as nanoseconds since the epoch, as tasks number them, and the clock behind them."""
        counted = Tally()
        times, clock = self._stamps.utc(log, options, counted)
        for one in counted.problems:
            # The processes of a worker write into one log, so that lines are milliseconds out of order.
            kind = ProblemKind.OUT_OF_ORDER if one.kind is ProblemKind.CLOCK_STEPS_BACK else one.kind
            tally.count(kind, one.count) if one.count else tally.note(kind, *one.detail)
        latest = [] if self.before.latest is None else [self.before.latest]
        return np.concatenate([np.array(latest, np.int64), times]), clock

    def count_problems(self, tally: Tally) -> None:
        """Count what is out of the ordinary about the tasks."""
        tally.count(ProblemKind.TASKS_NOT_DONE, len(self.tasks.in_flight) - self.tasks.lost)
        tally.count(ProblemKind.RETRIES_GONE, self.tasks.gone)

    def state_behind(self, clock: ClockState, began: int, times: TimeArray) -> TaskState:
        """Return the state behind the last line."""
        tasks, latest = self.tasks, int(times.max())
        # A task without a line of its arrival and without a length arrived when it ended.
        starts = times[np.array(tasks.ended, np.int64)] - np.array(tasks.lengths, np.int64)
        moments = np.concatenate([times[np.array(tasks.arrived, np.int64)], starts])
        arrived = int(np.count_nonzero(moments == latest))
        return TaskState(clock, began, latest, arrived, [*tasks.in_flight.items()], tasks.lost, sorted(tasks.dropped))


class TaskReader(LineReader[TaskLog]):
    """Reads the log of a worker.

    Attributes:
        example: a line of a task.
        log_type: reads the lines behind others.
    """

    good_lines = "lines of tasks with their time"
    example: ClassVar[str]
    log_type: ClassVar[type[TaskLog]]

    def find(self, log: LogFile, options: ReadOptions, state: bytes) -> TaskLog:
        """Find the lines of a log that matter, behind those that left a state."""
        return self.log_type(log, msgspec.json.decode(state, type=TaskState) if state else TaskState())

    def quantities(self, found: TaskLog, log: LogFile, options: ReadOptions, tally: Tally) -> Sequence[Series]:
        """Return the arrivals and the number in flight; see `LineReader`."""
        if not found.rows and found.before.began is None:
            raise EmptyLogError(
                "no line is of a task",
                where=log.label,
                expected=f"lines such as `{self.example}`",
                remedy="run the worker with --loglevel INFO",
            )
        return found.quantities(log, options, tally)
