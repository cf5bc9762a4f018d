"""Recognition of logs by their content, and the range of a log that has to be read."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from entro_cli.core.files import last_line_end
from entro_cli.history.digests import hash_of
from entro_cli.history.state import LogState

_HEAD_BYTES = _TAIL_BYTES = 4096
MARGINS_BYTES = (1 << 14, 1 << 18, 1 << 22, 1 << 26)
"""Bytes before the resume position that are read again, because rows may be out of order there or in an hour that the
clock shows twice. If one margin is too small the next is tried, and then the whole log is read."""

_MOST_IDENTITIES = 4
"""Identities kept of one log, which may be found as several files, such as copies."""

FileIdentity = tuple[int, int, int, int]
"""Device, inode, size and time of change (ns) of a file. While they are the same, so is its content."""


class UnreadRange(msgspec.Struct, frozen=True):
    """The range of a log to read; offsets in bytes of its decompressed content.

    Attributes:
        begin: where reading begins, at the beginning of a line; 0 for a log that is read whole.
        end: the end of its last whole line; a JSON object is one without a line feed, too.
        size: its size; from `end` to there is a line without an end.
    """

    begin: int
    end: int
    size: int


def identify_file(path: Path) -> FileIdentity | None:
    """Return the identity of a file; None if it is not a regular file."""
    try:
        status = path.stat()
    except OSError:  # it may be rotated right now
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def find_unchanged(logs: Sequence[LogState], identity: FileIdentity | None, options_hash: str) -> list[LogState]:
    """Return the logs in the file that had this identity when it was last read with the same options.

    This only saves a look into the file. `match_by_content` decides in all other cases.
    """
    return [log for log in logs if identity is not None and identity in log.seen and log.options == options_hash]


def match_by_content(logs: Sequence[LogState], path: Path, options_hash: str, place: str) -> LogState | None:
    """Return the log that a file begins with and that was read with the same options, if there is one.

    Logs of two sources may be equal for a while. A log that was last found at the same place comes first, then the one
    of which most was read.

    Args:
        logs: those that were read before.
        path: the decompressed content.
        options_hash: the hash of the options that it is read with now.
        place: the absolute path or URL of the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        for log in sorted(logs, key=lambda log: (log.place != place, -log.offset)):
            if not 0 < log.offset <= size or log.options != options_hash:
                continue
            file.seek(0)
            if hash_of(file.read(log.head_bytes)) == log.head and _hash_of_tail(path, log.offset) == log.tail:
                return log
    return None


def unread_range(path: Path, log: LogState | None, margin: int, lines: bool) -> UnreadRange:
    """Return the range of a file to read.

    Args:
        path: the decompressed content.
        log: the log to resume; None to read it whole.
        margin: bytes before the resume position that are read again.
        lines: whether it consists of lines; else it can only be read whole.
    """
    size = path.stat().st_size
    end = last_line_end(path, size) if lines else size
    if _is_json_object(path, end, size):  # only a line feed is missing
        end = size
    if not lines or log is None:
        return UnreadRange(0, end, size)
    return UnreadRange(_next_line_begin(path, max(log.offset - margin, 0)), end, size)


def _is_json_object(path: Path, begin: int, end: int) -> bool:
    """Return whether a part of a file is a whole JSON object."""
    with path.open("rb") as file:
        file.seek(begin)
        content = file.read(end - begin)
    try:
        return content.startswith(b"{") and isinstance(msgspec.json.decode(content), dict)
    except (msgspec.DecodeError, RecursionError):
        return False


def fingerprint(path: Path, offset: int, distinct: int) -> tuple[str, int, str]:
    """Return the hash of the head of a log, the length of that head, and the hash of its tail.

    Args:
        path: the decompressed content.
        offset: the end of the last whole line that was read.
        distinct: bytes that distinguish it from other logs. It is more than `offset` if only a header was read, which
            many logs share.
    """
    head_bytes = min(_HEAD_BYTES, distinct)
    with path.open("rb") as file:
        return hash_of(file.read(head_bytes)), head_bytes, _hash_of_tail(path, offset)


def add_identity(identities: list[FileIdentity], identity: FileIdentity | None) -> list[FileIdentity]:
    """Return the latest identities of a log with one more as the last; it replaces an older one of the same inode."""
    if identity is None:
        return identities
    return [*(known for known in identities if known[:2] != identity[:2]), identity][-_MOST_IDENTITIES:]


def _next_line_begin(path: Path, offset: int) -> int:
    """Return the beginning of the first line that begins at `offset` or after it."""
    if offset == 0:
        return 0
    with path.open("rb") as file:
        file.seek(offset - 1)
        return offset - 1 + len(file.readline())


def _hash_of_tail(path: Path, offset: int) -> str:
    begin = max(offset - _TAIL_BYTES, 0)
    with path.open("rb") as file:
        file.seek(begin)
        return hash_of(file.read(offset - begin))
