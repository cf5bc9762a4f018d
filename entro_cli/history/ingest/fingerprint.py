"""Which log a file is, and from where it has to be read: by what it holds, whatever it is called now."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from entro_cli.core.files import last_line_end
from entro_cli.history.state import LogState

_HEAD_BYTES = _TAIL_BYTES = 4096
MARGINS_BYTES = (1 << 18, 1 << 22, 1 << 26)
"""How much of what was read is read again: rows may be out of order there, or in an hour the clock shows twice.
Where the first is not enough the next is taken, and at last all of it."""

_PLACES_KEPT = 4

FileIdentity = tuple[int, int, int, int]
"""Device, inode, size and time of change (ns) of a file: while they stay, so does what it holds."""


@dataclass(frozen=True)
class UnreadRange:
    """What of a log is to be read; offsets in bytes of what it holds unpacked.

    Attributes:
        begin: where reading begins, at the beginning of a line; 0 for a log that is read whole.
        end: behind its last whole line.
        size: of all of it; what is behind `end` is a line that has no end yet.
    """

    begin: int
    end: int
    size: int


def identify_file(path: Path) -> FileIdentity | None:
    """Where a file is on its disk; None for what is no regular file."""
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def find_unchanged(logs: Sequence[LogState], place: FileIdentity | None, options: str) -> LogState | None:
    """The log that a file was when it was last read the same way, where nothing has happened to it since."""
    return next((log for log in logs if place is not None and place in log.seen and log.options == options), None)


def match_by_content(logs: Sequence[LogState], path: Path, options: str, place: str) -> LogState | None:
    """The log that begins as a file does and was read the same way.

    Logs of two sources may hold the same for a while: one that was in the file's place comes before the others, of
    those the one of which most was read.

    Args:
        logs: those that were read.
        path: the plain content.
        options: the hash of how it is read now.
        place: where the file is, absolute.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        for log in sorted(logs, key=lambda log: (log.place != place, -log.offset)):
            if not 0 < log.offset <= size or log.options != options:
                continue
            file.seek(0)
            if _hash(file.read(log.head_bytes)) == log.head and _tail(path, log.offset) == log.tail:
                return log
    return None


def unread_range(path: Path, log: LogState | None, margin: int, lines: bool) -> UnreadRange:
    """What of a file is to be read.

    Args:
        path: the plain content.
        log: which log it is, where it is to be read on.
        margin: how much of what was read is read again, bytes.
        lines: whether it is lines; else it can only be read whole.
    """
    size = path.stat().st_size
    end = last_line_end(path, size) if lines else size
    if not lines or log is None:
        return UnreadRange(0, end, size)
    return UnreadRange(_line_begin(path, max(log.offset - margin, 0)), end, size)


def fingerprint(path: Path, offset: int, told_by: int) -> tuple[str, int, str]:
    """What a log is recognised by: the hash of its head, how long that is, the hash of its tail.

    Args:
        path: the plain content.
        offset: behind the last whole line that was read.
        told_by: how much of it tells it from others: more than that where only a header stands before `offset`.
    """
    head_bytes = min(_HEAD_BYTES, told_by)
    with path.open("rb") as file:
        return _hash(file.read(head_bytes)), head_bytes, _tail(path, offset)


def add_identity(places: list[FileIdentity], place: FileIdentity | None) -> list[FileIdentity]:
    """The latest files a log was found as, this one the last."""
    if place is None:
        return places
    return [*(known for known in places if known[:2] != place[:2]), place][-_PLACES_KEPT:]


def _line_begin(path: Path, offset: int) -> int:
    """The beginning of the first line that begins at `offset` or behind it."""
    if offset == 0:
        return 0
    with path.open("rb") as file:
        file.seek(offset - 1)
        return offset - 1 + len(file.readline())


def _tail(path: Path, offset: int) -> str:
    begin = max(offset - _TAIL_BYTES, 0)
    with path.open("rb") as file:
        file.seek(begin)
        return _hash(file.read(offset - begin))


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
