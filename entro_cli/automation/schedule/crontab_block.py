"""The block of entro in a crontab: bytes in, bytes out, and no byte outside of the block is changed.

Libraries for crontabs parse the whole table and write it anew, which changes the spacing of other people's lines.
"""

from __future__ import annotations

import os
import re

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.automation.schedule.job import is_name
from entro_engine import EntroError

_BEGIN, _END = b"# >>> entro >>>", b"# <<< entro <<<"
# Written into crontabs: the words must stay as they are.
_NOTE = b" written by entro schedule; entro schedule remove --all takes it away"
# Flags in the block's first line, the only place that remembers how to restore the crontab when the last job goes.
_NO_CRONTAB, _NO_NEWLINE = b" (there was no crontab)", b" (no newline was before it)"

_MARK = re.compile(rb"^(# >>> entro >>>|# <<< entro <<<)[^\n]*(?:\n|\Z)", re.MULTILINE)
_LINE = re.compile(rb"[^#\r\n][^\r\n]*")
_REMEDY = "repair it with crontab -e"


class _Parts(Struct, frozen=True):
    """A crontab in parts; `head` is the first line of the block, empty without a block."""

    before: bytes
    head: bytes
    entries: dict[str, bytes]
    after: bytes

    @property
    def block(self) -> bytes:
        lines = b"".join(b"# %b\n%b\n" % (name.encode(), line) for name, line in self.entries.items())
        return self.head + lines + _END + b"\n" if self.head else b""


def entries(crontab: bytes | None) -> dict[str, bytes]:
    """Return the lines in the block, without newlines, by the names of their jobs.

    Args:
        crontab: the content; None without a crontab.

    Raises:
        EntroError: if the block is damaged.
    """
    return _parts(crontab).entries


def block(crontab: bytes | None) -> bytes:
    """Return the whole block; empty without one."""
    return _parts(crontab).block


def with_entry(crontab: bytes | None, name: str, line: bytes) -> bytes:
    """Return the crontab with the line of a job added to its block or replaced there.

    Args:
        crontab: the content; None without a crontab.
        name: the job's name.
        line: the line, without a newline.

    Raises:
        EntroError: if the block is damaged.
    """
    parts = _parts(crontab)
    if not parts.head:
        # The block must begin on a line of its own, and removing it must take away the newline that was added for that.
        unfinished = bool(parts.before) and not parts.before.endswith(b"\n")
        flag = _NO_CRONTAB if crontab is None else _NO_NEWLINE if unfinished else b""
        before = parts.before + (b"\n" if unfinished else b"")
        parts = replace(parts, before=before, head=_BEGIN + _NOTE + flag + b"\n")
    parts = replace(parts, entries=parts.entries | {name: line})
    return parts.before + parts.block + parts.after


def without_entries(crontab: bytes | None, names: set[str]) -> bytes | None:
    """Return the crontab without some jobs. With the last job the block goes, and the crontab is as it was before.

    Args:
        crontab: the content; None without a crontab.
        names: the names of the jobs; unknown ones are ignored.

    Returns:
        The content; None if the crontab is to be deleted.

    Raises:
        EntroError: if the block is damaged.
    """
    parts = _parts(crontab)
    if not parts.head:
        return crontab
    left = {name: line for name, line in parts.entries.items() if name not in names}
    if left:
        return parts.before + replace(parts, entries=left).block + parts.after
    if parts.after:  # a user added lines below the block: the newline before it stays
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
            "the block of entro is incomplete or there are several",
            where="crontab, line " + ", ".join(str(_line_number(content, mark.start())) for mark in marks),
            expected=f"one line {_BEGIN.decode()}, followed by one line {_END.decode()}",
            remedy=f"{_REMEDY}; nothing was changed",
        )
    begin, end = marks
    inside = content[begin.end() : end.start()]
    found = _entries(inside, _line_number(content, begin.end()))
    return _Parts(content[: begin.start()], begin[0], found, content[end.end() :])


def _entries(inside: bytes, first: int) -> dict[str, bytes]:
    """Parse the lines between the first and the last line of the block; `first` is the number of their first line."""
    lines = inside.split(b"\n")[:-1]
    found: dict[str, bytes] = {}
    for index in range(0, len(lines), 2):
        name = os.fsdecode(lines[index].removeprefix(b"# "))
        line = b"".join(lines[index + 1 : index + 2])  # empty if the block ends after a name
        is_new_name = lines[index].startswith(b"# ") and is_name(name) and name not in found
        if not is_new_name or not _LINE.fullmatch(line):
            raise EntroError(
                "is not in the form that entro writes",
                where=f"crontab, line {first + index}",
                expected="a comment with the job's name, then its command, once per job",
                remedy=f"{_REMEDY}, or delete the whole block there; nothing was changed",
            )
        found[name] = line
    return found


def _line_number(content: bytes, offset: int) -> int:
    return content.count(b"\n", 0, offset) + 1
