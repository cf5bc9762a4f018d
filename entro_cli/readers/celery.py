"""The `celery` format: the log of a Celery worker: tasks as they are received, and as they are done."""

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
from entro_cli.readers.timestamps import local_to_utc
from entro_cli.timeseries.observations import Measure, Observations, ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import Kind

NAME = "celery"
DESCRIPTION = "the log of a Celery worker: its tasks, as they are received and as they are done"
GIVES = "tasks received as a rate (scraper), tasks in flight as a queue (llm)"
IN_PARTS = False

_STAMP = rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}): [A-Z]{1,10}/[^\]\n]{1,100}\] "
_LINE = re.compile(rb"^(?:\xef\xbb\xbf|\x1b\[[0-9;]{0,8}m)*" + _STAMP + rb"([^\n]*)", re.MULTILINE)
_TASK = re.compile(
    rb"(?:(?P<got>Received task: )|Task |(?P<dropped>Discarding revoked task: ))"
    rb"[^\[\]\n]{1,300}\[(?P<id>[^\[\]\n]{1,200})\](?P<rest>.*)"
)
_RECEIVED = re.compile(rb"\s*received\s*$")
_DONE = re.compile(rb"\s*(?:succeeded in|raised|retry:|failed|ignored|rejected|revoked)")
_NOISE = re.compile(rb"\x1b\[[0-9;]{0,8}m")


@dataclass
class _Tasks:
    """The tasks of a log; times in nanoseconds on the worker's clock.

    Attributes:
        stamps: of every line that has one.
        received: as indices of stamps.
        done: of tasks that were received in the log, as indices.
        before: when tasks were done that were received before the log begins, as indices.
        going: by its id, when a task was received that is not done, as an index.
        bad: the lines that could not be read.
    """

    stamps: array[int] = field(default_factory=lambda: array("q"))
    received: array[int] = field(default_factory=lambda: array("q"))
    done: array[int] = field(default_factory=lambda: array("q"))
    before: array[int] = field(default_factory=lambda: array("q"))
    going: dict[bytes, int] = field(default_factory=dict)
    bad: BadLines = field(default_factory=BadLines)

    def take(self, what: str, task: bytes) -> None:
        """Count one line of a task, whose stamp is the last."""
        here = len(self.stamps) - 1
        if what == "received":
            again = task in self.going
            self.received.append(here)
            if again:  # delivered once more: it is in flight once
                self.done.append(here)
            self.going[task] = here
        elif self.going.pop(task, None) is not None:
            self.done.append(here)
        else:
            self.before.append(here)


def recognise(log: LogFile) -> float:
    """How sure it is that a log is Celery's, 0..1, from its content."""
    if log.is_parquet:
        return 0.0
    lines = [_NOISE.sub(b"", match[3]) for match in _LINE.finditer(log.head)]
    if any(_what(line) for line in lines):
        return 0.95
    return 0.7 if any(b"celery@" in line or b"celery" in line.lower() for line in lines) else 0.0


def read(log: LogFile, options: ReadOptions) -> Observations:
    """The observations in a worker's log.

    Args:
        log: the plain file.
        options: what the user said.

    Raises:
        EntroError: when no line tells of a task, or most of those that do cannot be read.
    """
    tasks = _find(log)
    good = len(tasks.received) + len(tasks.done) + len(tasks.before)
    bad = tasks.bad.check(log, good, options, "lines of tasks with their time")
    if not good:
        raise EmptyLogError(
            "no line of it tells of a task",
            where=log.label,
            expected="lines such as `Task NAME[ID] received`",
            remedy="the worker must log at the level INFO",
        )
    tally = Tally()
    local = local_to_utc(np.array(tasks.stamps, np.int64), options.zone)
    tally.clock(local)
    tally.count(ProblemKind.OUT_OF_ORDER, (np.diff(local.times) < 0).sum())
    tally.count(ProblemKind.TASKS_FROM_BEFORE, len(tasks.before))
    tally.count(ProblemKind.TASKS_NOT_DONE, len(tasks.going))
    quantities = _quantities(tasks, local.times)
    return Observations(
        path=log.label,
        format=NAME,
        series=choose_stages(quantities, options),
        rows_read=good,
        rows_skipped=tasks.bad.count,
        bad_rows=bad,
        zone=f"{options.zone} ({'--tz' if options.zone_given else 'this machine'})",
        problems=tally.problems,
        columns=tuple(part.name for part in quantities if len(part.times)),
    )


def checkpoint(log: LogFile) -> bytes:
    """The lines of a log that, put before the log that goes on where it ends, make that read as if both were one.

    Args:
        log: the plain file.

    Returns:
        The tasks in flight, those received in the last moment, the last stamp, and a last line without its end.
    """
    begin = unfinished_from(log.path)
    tasks = _find(log, begin)
    with log.path.open("rb") as file:
        file.seek(begin)
        rest = file.read()
    if not tasks.stamps:
        return rest
    latest = max(tasks.received, key=lambda at: tasks.stamps[at], default=-1)
    standing = {at: task for task, at in tasks.going.items()}
    lines = [_line(tasks.stamps[at], b"Task carried[" + task + b"] received") for at, task in sorted(standing.items())]
    moment = tasks.stamps[latest] if latest >= 0 else -1
    others = [at for at in tasks.received if tasks.stamps[at] == moment and at not in standing]
    for at in others:  # done already; what was received in one moment is counted together
        told = b"entro-%d" % at
        lines.append(_line(moment, b"Task carried[" + told + b"] received"))
        lines.append(_line(moment, b"Task carried[" + told + b"] succeeded in 0s: None"))
    lines.append(_line(max(tasks.stamps), MARK))
    return b"".join(line + b"\n" for line in lines) + rest


def _line(stamp: int, text: bytes) -> bytes:
    when = datetime.fromtimestamp(stamp // NS, UTC)
    return f"[{when:%Y-%m-%d %H:%M:%S},{stamp % NS // 1_000_000:03d}: INFO/MainProcess] ".encode() + text


def _find(log: LogFile, until: int | None = None) -> _Tasks:
    """The tasks of a log, up to a place in it."""
    tasks = _Tasks()
    for offset, match in _lines(log, until):
        try:
            second = datetime.strptime(match[1].decode(), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            tasks.bad.add(offset, "the time cannot be read", match[0])
            continue
        tasks.stamps.append(nanoseconds(second) + int(match[2]) * 1_000_000)
        if told := _what(_NOISE.sub(b"", match[3])):
            tasks.take(*told)
    return tasks


def _lines(log: LogFile, until: int | None) -> Iterator[tuple[int, re.Match[bytes]]]:
    for block in blocks(log):
        content = block.content if until is None else block.content[: max(until - block.offset, 0)]
        for match in _LINE.finditer(content):
            yield block.offset + match.start(), match


def _what(text: bytes) -> tuple[str, bytes] | None:
    """What became of which task, as a message tells; None where it tells of none."""
    match = _TASK.match(text)
    if not match:
        return None
    if match["got"] or _RECEIVED.match(match["rest"]):
        return "received", match["id"]
    return ("done", match["id"]) if match["dropped"] or _DONE.match(match["rest"]) else None


def _quantities(tasks: _Tasks, times: TimeArray) -> list[Quantity]:
    """Requests as they came, and how many were in flight from one change to the next."""
    received, done, before = (times[np.array(part, np.int64)] for part in (tasks.received, tasks.done, tasks.before))
    begin, end = int(times.min()), int(times.max())
    moments, numbers = np.unique(np.concatenate([received, [begin, end]]), return_counts=True)
    counts = numbers.astype(np.float64)
    for edge in (begin, end):  # they were only counted so that the log is known to begin and to end there
        counts[np.searchsorted(moments, edge)] -= 1
    changes = np.concatenate([np.full(len(before), begin), received, done, before, [begin, end]])
    steps = np.concatenate([np.ones(len(before) + len(received)), -np.ones(len(done) + len(before)), [0, 0]])
    edges, places = np.unique(changes, return_inverse=True)
    levels = np.cumsum(np.bincount(places, weights=steps)).astype(np.float64)
    return [
        Quantity("requests", Kind.RATE, moments, counts, RATE_STAGE, Measure.EVENTS),
        Quantity("in_flight", Kind.QUEUE, edges[1:], levels[:-1], QUEUE_STAGE, Measure.SPANS, edges[:-1]),
    ]
