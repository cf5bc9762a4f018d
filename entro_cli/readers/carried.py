"""What is put before a log that goes on where another ends: lines of the other that say how things stood at its end."""

from __future__ import annotations

from collections.abc import Iterable

MARK = b"entro: carried up to here"
"""The line up to which lines tell how things stood, and nothing that would be counted once more."""


def carried(before: Iterable[bytes], behind: Iterable[bytes], unfinished: bytes) -> bytes:
    """The lines of one log to put before the next.

    Args:
        before: how things stood, lines without ends.
        behind: what was not counted yet, lines without ends.
        unfinished: the last line, where it has no end yet.
    """
    return b"".join(line + b"\n" for line in (*before, MARK, *behind)) + unfinished


def is_mark(line: bytes) -> bool:
    """Whether a line is that one."""
    return line.rstrip(b"\r") == MARK
