"""The common part of the logs of all workers: tasks at timestamps of any kind, read line by line."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.partial_timestamps import ClockState, LineTimestamps, Stamp
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import QUEUE_STAGE, choose_stages
from entro_cli.readers.reader import Reading
from entro_cli.readers.text_lines import BadLines
from entro_cli.readers.workers.tasks import Tasks, TaskState, quantities
from entro_cli.timeseries.observations import Observations, ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind


class TaskLog:
    """The content of some lines of a worker's log, behind others.

    Attributes:
        queue: the stage of the tasks that wait or are in flight; empty if they are a stage only when it is named.
        before: the state behind the lines before.
        tasks: the tasks.
        slots: the number of tasks that can run at once, each from some timestamp on; empty if it is not known.
        bad: the lines of tasks that cannot be read.
    """

    queue = QUEUE_STAGE

    def __init__(self, before: TaskState) -> None:
        self.before, self.tasks, self.bad = before, Tasks(before), BadLines()
        self.slots: list[tuple[int, int]] = []
        self._stamps = LineTimestamps(before.clock)

    def stamp(self, stamp: Stamp | None, offset: int, line: bytes, is_needed: bool) -> bool:
        """Add the timestamp of a line; return False if it has none, which makes it a bad one if it is needed."""
        if stamp is None:
            if is_needed:
                self.bad.add(offset, "the time cannot be read", line)
            return False
        self._stamps.add(stamp)
        self.tasks.stamp(stamp[1])
        return True

    def times(self, log: LogFile, options: ReadOptions, tally: Tally) -> tuple[TimeArray, ClockState]:
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

    def state(self, clock: ClockState, began: int, times: TimeArray) -> TaskState:
        """Return the state behind the last line."""
        tasks, latest = self.tasks, int(times.max())
        # A task without a line of its arrival and without a length arrived when it ended.
        starts = times[np.array(tasks.ended, np.int64)] - np.array(tasks.lengths, np.int64)
        moments = np.concatenate([times[np.array(tasks.arrived, np.int64)], starts])
        arrived = int(np.count_nonzero(moments == latest))
        return TaskState(clock, began, latest, arrived, [*tasks.in_flight.items()], tasks.lost, sorted(tasks.dropped))


def read_tasks(
    name: str,
    example: str,
    find: Callable[[LogFile, TaskState], TaskLog],
    log: LogFile,
    options: ReadOptions,
    state: bytes,
) -> Reading:
    """Read lines of a worker's log; see `ResumableReader`.

    Args:
        name: of the reader.
        example: a line of a task.
        find: reads the lines behind others.
        log: the lines.
        options: how they are read.
        state: what the lines before them left.
    """
    before = msgspec.json.decode(state, type=TaskState) if state else TaskState()
    found = find(log, before)
    bad = found.bad.check(log, found.tasks.lines, options, "lines of tasks with their time")
    if not (found.tasks.lines or state):
        raise EmptyLogError(
            "no line is of a task",
            where=log.label,
            expected=f"lines such as `{example}`",
            remedy="run the worker with --loglevel INFO",
        )
    tally = Tally()
    times, clock = found.times(log, options, tally)
    began = int(times.min()) if before.began is None else before.began
    parts, earlier = quantities(found.tasks, times, began, found.slots, found.queue)
    tally.count(ProblemKind.TASKS_FROM_BEFORE, earlier)
    found.count_problems(tally)
    observations = Observations(
        path=log.label,
        format=name,
        series=choose_stages(parts, options),
        rows_read=found.tasks.lines,
        rows_skipped=found.bad.count,
        bad_rows=bad,
        zone=clock.words,
        problems=tally.problems,
        columns=tuple(part.column for part in parts if len(part.times)),
    )
    return Reading(observations, msgspec.json.encode(found.state(clock, began, times)))
