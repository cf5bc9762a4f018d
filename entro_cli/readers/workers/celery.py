"""The `celery` format: the log of a Celery worker, with the tasks that it receives and finishes."""

from __future__ import annotations

import msgspec
import numpy as np

from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.partial_timestamps import ClockState, LineTimestamps
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import choose_stages
from entro_cli.readers.reader import Reading
from entro_cli.readers.text_lines import BadLines
from entro_cli.readers.workers.celery_lines import WorkerLine, worker_line, worker_lines
from entro_cli.readers.workers.tasks import UNDECIDED, UNKNOWN, Tasks, TaskState, quantities
from entro_cli.timeseries.observations import Observations, ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind

_MOST_WORKERS = 1000
"""Workers that are known by name, so that a log cannot fill the memory with names."""


class CeleryReader:
    """Reads the logs of Celery workers."""

    name = "celery"
    description = "the log of a Celery worker: the tasks it receives and finishes"
    gives = "tasks received as a rate (scraper), tasks that wait or are in flight as a queue (llm)"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is Celery's, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        lines = [line for line in map(worker_line, log.head.splitlines()) if line]
        if any(line.is_of_task and line.stamp for line in lines):
            return 0.97
        return 0.7 if any(line.stamp and b"celery" in line.text.lower() for line in lines) else 0.0

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read a worker's log; see `resume`."""
        return self.resume(log, options, b"").observations

    def resume(self, log: LogFile, options: ReadOptions, state: bytes) -> Reading:
        """Read lines of a worker's log; see `ResumableReader`."""
        before = msgspec.json.decode(state, type=TaskState) if state else TaskState()
        found = _WorkerLog(log, before)
        tasks = found.tasks
        bad = found.bad.check(log, tasks.lines, options, "lines of tasks with their time")
        if not (tasks.lines or state):
            raise EmptyLogError(
                "no line is of a task",
                where=log.label,
                expected="lines such as `Task NAME[ID] received`",
                remedy="run the worker with --loglevel INFO",
            )
        tally = Tally()
        times, clock = found.times(log, options, tally)
        began = int(times.min()) if before.began is None else before.began
        parts, earlier = quantities(tasks, times, began, found.slots)
        tally.count(ProblemKind.TASKS_FROM_BEFORE, earlier)
        found.count_problems(tally)
        observations = Observations(
            path=log.label,
            format=self.name,
            series=choose_stages(parts, options),
            rows_read=tasks.lines,
            rows_skipped=found.bad.count,
            bad_rows=bad,
            zone=clock.words,
            problems=tally.problems,
            columns=tuple(part.name for part in parts if len(part.times)),
        )
        return Reading(observations, msgspec.json.encode(found.state(clock, began, times)))


class _WorkerLog:
    """The content of some lines of a worker's log, behind others.

    Attributes:
        tasks: its tasks.
        slots: the number of tasks that can run at once, each from some timestamp on.
        bad: the lines of tasks that cannot be read.
        shared: the number of starts of a worker beside others, whose tasks may be in flight.
    """

    def __init__(self, log: LogFile, before: TaskState) -> None:
        self.tasks, self.bad, self.shared = Tasks(before), BadLines(), 0
        self.slots = [(0, before.slots)] if before.slots > 0 else []
        self._before, self._slots, self._announced = before, before.slots, before.announced
        self._workers = dict(before.workers)
        self._stamps = LineTimestamps(before.clock)
        for line in worker_lines(log):
            if line.event == "slots":  # the banner has no timestamps
                self._announced = int(line.key)
            elif self._stamp(line):
                self._add(line)

    def _stamp(self, line: WorkerLine) -> bool:
        """Add the timestamp of a line; return False if it has none."""
        if line.stamp is None:
            if line.event:
                self.bad.add(line.offset, "the time cannot be read", line.text)
            return False
        self._stamps.add(line.stamp)
        self.tasks.stamp(line.stamp[1])
        return True

    def _add(self, line: WorkerLine) -> None:
        """Add an event at the last timestamp."""
        tasks = self.tasks
        if line.is_of_task:
            tasks.lines += 1
            if self._slots == UNDECIDED:
                self._slots = self._total() or UNKNOWN
                self.slots = [(0, self._slots)] if self._slots > 0 else []
        match line.event:
            case "received":
                tasks.arrive(line.key)
            case "retry":
                tasks.retry(line.key, line.length_ns)
            case "ended":
                tasks.end(line.key, line.length_ns or 0)
            case "terminated" if line.key in tasks.in_flight:
                tasks.end(line.key)
            case "lost":
                tasks.lose()
            case "ready":
                self._start(line.key.decode("utf-8", "replace"))
            case "shutdown" if len(self._workers) < 2:
                self._workers.clear()
                if line.key == b"Cold":
                    tasks.clear()

    def _start(self, worker: str) -> None:
        """Start a worker. What it had in flight is none of its tasks any more, but lines do not name their worker."""
        if self._workers.keys() <= {worker}:
            self.tasks.clear()
        else:
            self.shared += 1
        if len(self._workers) < _MOST_WORKERS:
            self._workers[worker] = self._announced
        if self._slots > 0 and self._total() > 0:
            self._slots = self._total()
            self.slots.append((self.tasks.now, self._slots))

    def _total(self) -> int:
        """Return the slots of all workers; 0 if some are not known."""
        slots = [*self._workers.values()] or [self._announced]
        return sum(slots) if min(slots) > 0 else 0

    def times(self, log: LogFile, options: ReadOptions, tally: Tally) -> tuple[TimeArray, ClockState]:
        """Return the timestamps as nanoseconds since the epoch, as tasks number them, and the clock behind them."""
        counted = Tally()
        times, clock = self._stamps.utc(log, options, counted)
        for one in counted.problems:
            # The processes of a worker write into one log, so that lines are milliseconds out of order.
            kind = ProblemKind.OUT_OF_ORDER if one.kind is ProblemKind.CLOCK_STEPS_BACK else one.kind
            tally.count(kind, one.count) if one.count else tally.note(kind, *one.detail)
        latest = [] if self._before.latest is None else [self._before.latest]
        return np.concatenate([np.array(latest, np.int64), times]), clock

    def count_problems(self, tally: Tally) -> None:
        """Count what is out of the ordinary about the tasks."""
        tasks = self.tasks
        tally.count(ProblemKind.TASKS_NOT_DONE, len(tasks.in_flight) - tasks.lost)
        tally.count(ProblemKind.RETRIES_GONE, tasks.gone)
        tally.count(ProblemKind.WORKERS_SHARE_LOG, self.shared)
        if not self.slots:
            tally.note(ProblemKind.SLOTS_UNKNOWN)

    def state(self, clock: ClockState, began: int, times: TimeArray) -> TaskState:
        """Return the state behind the last line."""
        tasks, latest = self.tasks, int(times.max())
        return TaskState(
            clock,
            began,
            latest,
            int(np.count_nonzero(times[np.array(tasks.arrived, np.int64)] == latest)),
            [*tasks.in_flight.items()],
            tasks.lost,
            self._slots,
            self._announced,
            self._workers,
        )
