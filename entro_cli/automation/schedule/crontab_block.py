"""The one block of a crontab that is entro's: bytes in, bytes out, and no byte outside of the block is changed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

from entro_cli.automation.schedule.job import is_name
from entro_engine import EntroError

_BEGIN, _END = b"# >>> entro >>>", b"# <<< entro <<<"
_NOTE = b" written by entro schedule; entro schedule remove --all takes it away"
# What has to be put back with the block, written into its first line: nothing else remembers it.
_NO_CRONTAB, _NO_NEWLINE = b" (there was no crontab)", b" (no newline was before it)"

_MARK = re.compile(rb"^(# >>> entro >>>|# <<< entro <<<)[^\n]*(?:\n|\Z)", re.MULTILINE)
_LINE = re.compile(rb"[^#\r\n][^\r\n]*")
_BY_HAND = "mend it with crontab -e"


@dataclass(frozen=True)
class _Parts:
    """A crontab around its block; `head` is the block's first line, empty when there is no block."""

    before: bytes
    head: bytes
    entries: dict[str, bytes]
    after: bytes

    @property
    def block(self) -> bytes:
        lines = b"".join(b"# %b\n%b\n" % (name.encode(), line) for name, line in self.entries.items())
        return self.head + lines + _END + b"\n" if self.head else b""


def entries(crontab: bytes | None) -> dict[str, bytes]:
    """The lines in the block, without their newlines, by the names of their jobs.

    Args:
        crontab: its content; None when there is none.

    Raises:
        EntroError: when the block is not as it was written.
    """
    return _parts(crontab).entries


def block(crontab: bytes | None) -> bytes:
    """The whole block, empty when there is none."""
    return _parts(crontab).block


def with_entry(crontab: bytes | None, name: str, line: bytes) -> bytes:
    """The crontab with a job's line in its block, instead of the one it had.

    Args:
        crontab: its content; None when there is none.
        name: the job's.
        line: without a newline.

    Raises:
        EntroError: when the block is not as it was written.
    """
    parts = _parts(crontab)
    if not parts.head:
        unfinished = bool(parts.before) and not parts.before.endswith(b"\n")
        flag = _NO_CRONTAB if crontab is None else _NO_NEWLINE if unfinished else b""
        before = parts.before + (b"\n" if unfinished else b"")
        parts = replace(parts, before=before, head=_BEGIN + _NOTE + flag + b"\n")
    parts = replace(parts, entries=parts.entries | {name: line})
    return parts.before + parts.block + parts.after


def without_entries(crontab: bytes | None, names: set[str]) -> bytes | None:
    """The crontab without some jobs; without the block when no job is left, and then as if there had never been one.

    Args:
        crontab: its content; None when there is none.
        names: of the jobs; those that are not there do no harm.

    Returns:
        Its content, None when there is to be none.

    Raises:
        EntroError: when the block is not as it was written.
    """
    parts = _parts(crontab)
    if not parts.head:
        return crontab
    left = {name: line for name, line in parts.entries.items() if name not in names}
    if left:
        return parts.before + replace(parts, entries=left).block + parts.after
    if parts.after:  # somebody went on below the block
        return parts.before + parts.after
    if not parts.before and _NO_CRONTAB in parts.head:
        return None
    return parts.before.removesuffix(b"\n") if _NO_NEWLINE in parts.head else parts.before


def _parts(crontab: bytes | None) -> _Parts:
    content = crontab or b""
    marks = list(_MARK.finditer(content))
    if not marks:
        return _Parts(content, b"", {}, b"")
    if [mark[1] for mark in marks] != [_BEGIN, _END]:
        raise EntroError(
            "the block of entro is not one that begins and ends",
            where="crontab, line " + ", ".join(str(_line_number(content, mark.start())) for mark in marks),
            expected=f"one line {_BEGIN.decode()} and below it one line {_END.decode()}",
            remedy=f"{_BY_HAND}; nothing was changed",
        )
    begin, end = marks
    inside = content[begin.end() : end.start()]
    found = _entries(inside, _line_number(content, begin.end()))
    return _Parts(content[: begin.start()], begin[0], found, content[end.end() :])


def _entries(inside: bytes, first: int) -> dict[str, bytes]:
    """The jobs between the block's first line and its last one; `first` is the number of the line they begin in."""
    lines = inside.split(b"\n")[:-1]
    found: dict[str, bytes] = {}
    for at in range(0, len(lines), 2):
        name = os.fsdecode(lines[at].removeprefix(b"# "))
        line = b"".join(lines[at + 1 : at + 2])
        named = lines[at].startswith(b"# ") and is_name(name) and name not in found
        if not named or not _LINE.fullmatch(line):
            raise EntroError(
                "is not as entro wrote it",
                where=f"crontab, line {first + at}",
                expected="a comment with a job's name and a line with its command, for each job once",
                remedy=f"{_BY_HAND}, or delete the whole block there; nothing was changed",
            )
        found[name] = line
    return found


def _line_number(content: bytes, at: int) -> int:
    return content.count(b"\n", 0, at) + 1
