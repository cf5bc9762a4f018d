"""Lines of a Celery worker's log that matter, whatever their format: text with any prefix, or JSON."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from msgspec import Struct

from entro_cli.core.clock import NS
from entro_cli.readers.partial_timestamps import Stamp, json_timestamp, timestamp_in
from entro_cli.readers.text_lines import Block, line_starts

_STANDARD = re.compile(
    rb"^(?:\xef\xbb\xbf|\x1b\[[0-9;]{0,8}m)*\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}: [A-Z]{1,10}/[^\]\n]{1,100}\] ",
    re.MULTILINE,
)
_NAME = rb"[^\[\]\n]{1,300}\["
_ID = rb"[^\[\]\n]{1,200})\]"
_MESSAGE = re.compile(
    rb"Task (?!handler )" + _NAME + rb"(?P<task>" + _ID + rb"\s*"
    rb"(?P<event>received|succeeded|retry|reject|raised|failed|ignored|revoked|INTERNAL ERROR)\b"
    rb"|Received task: " + _NAME + rb"(?P<received>" + _ID +
    rb"|(?:Discarding revoked task: |Hard time limit \([^()\n]{1,20}\) exceeded for )" + _NAME + rb"(?P<ended>" + _ID +
    rb"|Terminating (?P<terminated>[^\s()]{1,200}) \("
    rb"|Task handler raised error: (?P<lost>(?![^\n]{0,40}(?:TimeLimitExceeded|Terminated)))"
    rb"|(?P<ready>[^\s\"@]{1,100}@[^\s\"]{1,200}) (?:ready|has started)\."
    rb"|worker: (?P<shutdown>Warm|Cold|Soft) shutdown"
    rb"|\.> concurrency: +(?P<slots>\d{1,6}) \("
)  # fmt: skip
USUAL = (
    re.compile(
        rb"^(\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(?P<thousandths>\d{3})(?P<zone>): "
        rb"[A-Z]{1,10}/[^\] \n\x1b]{1,100}\] Task (?!handler )[^\[\]\n\x1b]{1,300}\[(?P<task>[^\[\]\n\x1b]{1,200})\] "
        rb"(?:received\r?\n|succeeded in (?P<end>\d{1,9}\.\d{1,30})s: [^\n]*\n))",
        re.MULTILINE,
    ),
)
"""Most lines of a busy worker. They are read at once, and as `worker_line` reads them."""
LITERALS = (
    *(b"Task ", b"Received task: ", b"revoked task: ", b"ime limit (", b"Terminating "),
    *(b" ready.", b" has started.", b" shutdown", b"> concurrency: "),
)
"""One of these is in every line that matters."""
_SECONDS = re.compile(rb"(?: in|: Retry in) (\d{1,9}(?:\.\d{1,30})?(?:e-\d{1,3})?)s")
_REQUEUED = re.compile(rb"[^\n]{0,20}requeue=True")
_COLOUR = re.compile(rb"\x1b\[[0-9;]{0,8}m")
BLOCK_BYTES = 1 << 17
"""The edges of blocks show the time at which a retry is overdue, so that other sizes give other times."""
_LOOKED_AT = 1 << 14
"""Bytes of a line that are searched for a message."""


class WorkerLine(Struct, frozen=True):
    """A line of a worker.

    Attributes:
        offset: where in the log it begins.
        text: its bytes, without its end, as far as they are looked at.
        stamp: its timestamp; None if it has none that is valid.
        event: `received`, `ended`, `retry`, `terminated` or `lost` for a task, `ready`, `shutdown` or `slots` for the
            worker; empty in another line.
        key: the id of the task, the name of the worker, the kind of shutdown, or the number of slots.
        length_ns: how long the task ran, or will wait for its retry, nanoseconds; None if the line does not say.
    """

    offset: int
    text: bytes
    stamp: Stamp | None
    event: str = ""
    key: bytes = b""
    length_ns: int | None = None

    @property
    def is_of_task(self) -> bool:
        """True if the line names a task, so that it must have a time."""
        return self.event in {"received", "ended", "retry"}


def worker_lines(block: Block, begin: int, end: int, edges: Collection[int]) -> Iterator[WorkerLine]:
    """Yield the lines that matter in a part of a block, and those of its edges."""
    inside = (edge for edge in edges if begin <= edge < end)
    for place in sorted({*line_starts(block, *LITERALS, begin=begin, end=end), *inside}):
        if found := worker_line(block.line(place)[0], block.offset + place):
            yield found


def standard_edges(content: bytes) -> Iterator[int]:
    """Yield where the first and the last line with a standard timestamp begin: they show how far a log goes."""
    first = _STANDARD.search(content)
    if first:
        yield first.start()
        begin = content.rfind(b"\n", 0, -1) + 1
        while not _STANDARD.match(content, begin):
            begin = content.rfind(b"\n", 0, begin - 1) + 1
        yield begin


def worker_line(line: bytes, offset: int = 0) -> WorkerLine | None:
    """Return a line that matters, or one with a standard timestamp; None for any other."""
    if b"\x1b" in line:
        line = _COLOUR.sub(b"", line)
    # Text that a program logs in its task may look like a message of the worker.
    standard = _STANDARD.match(line)
    found = _MESSAGE.match(line, standard.end()) if standard else _MESSAGE.search(line, 0, _LOOKED_AT)
    if not (found or standard):
        return None
    message = found.start() if found else line.find(b"] ")
    stamp = timestamp_in(line[:message]) or json_timestamp(line)
    if not found:
        return WorkerLine(offset, line, stamp)
    event = found.lastgroup or ""
    if event != "event":
        return WorkerLine(offset, line, stamp, event, found[event])
    word, rest = found["event"], found.end()
    seconds = _SECONDS.match(line, rest)
    length = round(float(seconds[1]) * NS) if seconds else None
    event = "received" if word == b"received" else "ended"
    if word == b"retry" or (word == b"reject" and _REQUEUED.match(line, rest)):
        event = "retry"
    return WorkerLine(offset, line, stamp, event, found["task"], length)
