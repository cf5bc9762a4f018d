"""The `worker` format: logs of RQ, Dramatiq and Sidekiq, with the jobs that their workers start and end."""

from __future__ import annotations

import re

from entro_cli.core.clock import NS
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.partial_timestamps import json_timestamp, timestamp_in
from entro_cli.readers.problems import Tally
from entro_cli.readers.text_lines import Block, blocks, line_starts
from entro_cli.readers.workers.task_log import TaskLog, TaskReader
from entro_cli.readers.workers.tasks import TaskState
from entro_cli.timeseries.problems import ProblemKind

_LOOKED_AT = 1 << 12
"""Bytes of a line that are looked at."""
_SLACK_NS = NS // 100
"""Timestamps and durations are rounded; a job that seems to begin so little before the log began in it."""
_COLOUR = re.compile(rb"\x1b\[[0-9;]{0,8}m")
_SECONDS = rb"(?P<seconds>\d{1,9}(?:\.\d{1,9})?)"
_UUID = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MESSAGES = (
    # Sidekiq 6 and later (8 with the level first), up to 5, and its JSON
    ("start", rb"(?:jid=|JID-)(?P<job>\w{1,100})(?: .{0,300})?: start\s*$"),
    ("end", rb"(?:jid=|JID-)(?P<job>\w{1,100}) (?:.{0,300} )?elapsed=" + _SECONDS + rb"(?: INFO)?: (?:done|fail)\s*$"),
    ("end", rb"(?:jid=|JID-)(?P<job>\w{1,100}) (?:.{0,300} )?INFO: (?:done|fail): " + _SECONDS + rb" sec\s*$"),
    ("start", rb'"msg": ?"start", ?"ctx": ?\{[^}\n]*"jid": ?"(?P<job>\w{1,100})"'),
    ("end", rb'"msg": ?"(?:done|fail)", ?"ctx": ?\{[^}\n]*"jid": ?"(?P<job>\w{1,100})"(?:[^}\n]*"elapsed": ?"?'
     + _SECONDS + rb")?"),
    ("boot", rb"Booting Sidekiq (?P<job>\d)"),
    # Dramatiq
    ("start", rb"Received message .{1,2000} with id '(?P<job>[\w-]{1,100})'"),
    ("unnamed end", rb"(?P<job>Completed) after (?P<milliseconds>\d{1,12}(?:\.\d{1,9})?)ms\."),
    ("unnamed end", rb"(?P<job>Failed) to process message "),
    ("boot", rb"(?P<job>Dramatiq) '[^'\n]{1,40}' is booting up"),
    # RQ
    ("end", rb": Job OK \((?P<job>[\w.:@-]{1,200})\)\s*$"),
    ("end", rb"[Jj]ob (?P<job>[\w.:@-]{1,200})\]?: exception raised while executing"),
    ("lost", rb"(?P<job>[Ww]ork-horse) terminated unexpectedly"),
    ("start", rb"^(?=.* \((?P<job>" + _UUID + rb")\)\s*$).{0,300}?(?P<queue>(?<![^\s\]])[\w.@-]{1,100}: \S)"),
)  # fmt: skip
"""Events with the messages that report them, in the order in which they are tried."""
_PATTERNS = tuple((event, re.compile(pattern)) for event, pattern in _MESSAGES)
_USUAL = (
    re.compile(
        rb"^((?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(?P<thousandths>\d{3})(?P<zone>Z) pid=\d{1,10} "
        rb"tid=\w{1,30} class=[\w:]{1,200} jid=(?P<task>\w{1,100}) "
        rb"(?:INFO: start|elapsed=(?P<end>\d{1,9}(?:\.\d{1,9})?) INFO: (?:done|fail))\r?\n)",
        re.MULTILINE,
    ),
    re.compile(
        rb"^((?P<time>\d\d:\d\d:\d\d)(?P<thousandths>)(?P<zone>) [\w.@-]{1,100}: (?:Job (?P<end>OK)"
        rb"|[\w.]{1,100}\([^\n\x1b \"]{0,100}(?:(?<=,) [^\n\x1b \"]{0,100}){0,30}\)(?= \(" + _UUID + rb"\)\r?\n)) "
        rb"\((?P<task>[\w.:@-]{1,200})\)\r?\n(?:\d\d:\d\d:\d\d Result is kept for \d{1,9} seconds\r?\n)*)",
        re.MULTILINE,
    ),
)
"""Most lines of a busy worker of Sidekiq and of RQ. They are read at once, and as `_MESSAGES` has them."""
_LITERALS = (
    *(b"jid=", b"JID-", b'"jid"', b"Booting Sidekiq"),
    *(b"Received message ", b"Completed after ", b"Failed to process ", b"booting up"),
    *(b")\n", b")\r\n", b"Job OK (", b"exception raised while executing", b"ork-horse terminated"),
)
"""One of these is in every line that matters."""


def _event_in(line: bytes) -> tuple[str, re.Match[bytes]] | None:
    """Return the event of a line, and the match of its message; None if it has none."""
    found = ((event, pattern.search(line, 0, _LOOKED_AT)) for event, pattern in _PATTERNS)
    return next(((event, match) for event, match in found if match), None)


class _JobLog(TaskLog):
    """The content of some lines of a worker's log, behind others."""

    queue = ""
    usual = _USUAL

    def __init__(self, log: LogFile, before: TaskState) -> None:
        super().__init__(log, before)
        self._first: int | None = None  # the first timestamp, if the log begins here
        for block in blocks(log):
            for begin, end in self.other_parts(block):
                for place in line_starts(block, *_LITERALS, begin=begin, end=end):
                    self._take(block.line(place)[0], block.offset + place)

    def _take(self, line: bytes, offset: int) -> None:
        """Add a line, which begins at a place of the log."""
        line = _COLOUR.sub(b"", line) if b"\x1b" in line else line
        if found := _event_in(line):
            message = found[1].start("queue" if "queue" in found[1].re.groupindex else 0)
            stamp = timestamp_in(line[:message]) or json_timestamp(line)
            if self.stamp(stamp, offset, line, is_needed=True) and stamp:
                self.note_task(stamp[1])
                self._add(found[0], found[1], stamp[1])

    def note_task(self, moment: int) -> None:
        """Keep the first timestamp, if the log begins here."""
        self._first = moment if self._first is None and self.before.began is None else self._first

    def _add(self, event: str, match: re.Match[bytes], moment: int) -> None:
        """Add an event at the last timestamp, nanoseconds on the log's clock."""
        tasks, groups, job = self.tasks, match.groupdict(), match["job"]
        length = round((float(groups.get("seconds") or 0) + float(groups.get("milliseconds") or 0) / 1000) * NS)
        tasks.lines += 1
        if event == "boot":
            tasks.clear()
        elif event == "lost":
            tasks.lose()
        elif event == "start":
            tasks.arrive(job)
        elif event == "end":
            tasks.end(job, length)
        else:  # Dramatiq does not name the message that it completes: it is one of those in flight
            is_earlier = self._first is not None and moment - length < self._first - _SLACK_NS
            tasks.end(b"" if is_earlier else next(iter(tasks.in_flight), b""), length)

    def count_problems(self, tally: Tally) -> None:
        """Count what is out of the ordinary about the jobs."""
        super().count_problems(tally)
        tally.note(ProblemKind.STARTS_ONLY)


class WorkerReader(TaskReader):
    """Reads the logs of RQ, Dramatiq and Sidekiq workers."""

    name = "worker"
    description = "the log of an RQ, Dramatiq or Sidekiq worker: the jobs it starts and ends"
    gives = "jobs started as a rate (scraper); jobs in flight by name"
    example = "default: Job OK (ID)"
    log_type = _JobLog

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is such a worker's, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        head = Block(log.head + b"\n", 0, len(log.head))
        lines = (head.line(begin)[0] for begin in line_starts(head, *_LITERALS))
        events = {found[0].split()[-1] for line in lines if (found := _event_in(_COLOUR.sub(b"", line)))}
        return 0.96 if {"start", "end"} <= events else 0.6 if events & {"start", "end"} else 0.0
