"""The `celery` format: the log of a Celery worker, with the tasks that it receives and finishes."""

from __future__ import annotations

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.partial_timestamps import ClockState
from entro_cli.readers.problems import Tally
from entro_cli.readers.text_lines import blocks
from entro_cli.readers.workers.celery_lines import (
    BLOCK_BYTES,
    LITERALS,
    USUAL,
    WorkerLine,
    standard_edges,
    worker_line,
    worker_lines,
)
from entro_cli.readers.workers.task_log import TaskLog, TaskReader
from entro_cli.readers.workers.tasks import UNDECIDED, UNKNOWN, TaskState
from entro_cli.timeseries.observations import TimeArray
from entro_cli.timeseries.problems import ProblemKind

_MOST_WORKERS = 1000
"""Workers that are known by name, so that a log cannot fill the memory with names."""


class _CeleryLog(TaskLog):
    """The content of some lines of a worker's log, behind others."""

    usual = USUAL

    def __init__(self, log: LogFile, before: TaskState) -> None:
        super().__init__(log, before)
        self.slots = [(0, before.slots)] if before.slots > 0 else []
        self._slots, self._announced, self._workers = before.slots, before.announced, dict(before.workers)
        self._shared = 0  # starts of a worker beside others, whose tasks may be in flight
        for block in blocks(log, BLOCK_BYTES):
            edges = [*standard_edges(block.content)]
            for begin, end in self.other_parts(block):
                for line in worker_lines(block, begin, end, edges):
                    if line.event == "slots":  # the banner has no timestamps
                        self._announced = int(line.key)
                    elif self.stamp(line.stamp, line.offset, line.text, bool(line.event)):
                        self._add(line)

    def note_task(self, moment: int) -> None:
        """Take what the banner announced before the first line of a task."""
        if self._slots == UNDECIDED:
            self._slots = self._total() or UNKNOWN
            self.slots = [(0, self._slots)] if self._slots > 0 else []

    def _add(self, line: WorkerLine) -> None:
        """Add an event at the last timestamp."""
        tasks = self.tasks
        if line.is_of_task:
            tasks.lines += 1
            self.note_task(tasks.now)
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
            self._shared += 1
        if len(self._workers) < _MOST_WORKERS:
            self._workers[worker] = self._announced
        if self._slots > 0 and self._total() > 0:
            self._slots = self._total()
            self.slots.append((self.tasks.now, self._slots))

    def _total(self) -> int:
        """Return the slots of all workers; 0 if some are not known."""
        slots = [*self._workers.values()] or [self._announced]
        return sum(slots) if min(slots) > 0 else 0

    def count_problems(self, tally: Tally) -> None:
        """Count what is out of the ordinary about the tasks."""
        super().count_problems(tally)
        tally.count(ProblemKind.WORKERS_SHARE_LOG, self._shared)
        if not self.slots:
            tally.note(ProblemKind.SLOTS_UNKNOWN)

    def state_behind(self, clock: ClockState, began: int, times: TimeArray) -> TaskState:
        """Return the state behind the last line."""
        state = super().state_behind(clock, began, times)
        state.slots, state.announced, state.workers = self._slots, self._announced, self._workers
        return state


class CeleryReader(TaskReader):
    """Reads the logs of Celery workers."""

    name = "celery"
    description = "the log of a Celery worker: the tasks it receives and finishes"
    gives = "tasks received as a rate (scraper), tasks that wait or are in flight as a queue (llm)"
    example = "Task NAME[ID] received"
    log_type = _CeleryLog

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is Celery's, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        if b"celery" not in log.head.lower() and not any(literal in log.head for literal in LITERALS):
            return 0.0  # without a look at each line
        lines = [line for line in map(worker_line, log.head.splitlines()) if line]
        if any(line.is_of_task and line.stamp for line in lines):
            return 0.97
        return 0.7 if any(line.stamp and b"celery" in line.text.lower() for line in lines) else 0.0
