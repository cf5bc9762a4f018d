"""Lines that DuckDB would leave out uncounted: too long, or not text. They are read, or counted as bad rows."""

from __future__ import annotations

from pathlib import Path

from entro_cli.core.formatting import count

MAX_LINE = 1 << 24
"""Longest line that DuckDB reads, bytes. Its default is 2 MB."""

MAX_LINE_BYTES = MAX_LINE - 64
"""Longest line that is read, bytes: a little less than the limit that DuckDB gets."""

_BLOCK_BYTES = 1 << 20


def countable_lines(path: Path, spool: Path, is_json: bool) -> Path:
    """Return a file in which no line vanishes: the same one, or a copy with as many lines.

    Args:
        path: the plain file.
        spool: the copy to write.
        is_json: whether it has JSON lines, which are read as cells of one column.

    Raises:
        OSError: if it cannot be read, or the disk is full.
    """
    if not _loses_lines(path, is_json):
        return path
    copy = spool.with_suffix(".counted")
    with path.open("rb") as file, copy.open("wb") as out:
        while line := file.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                size = len(line)
                while not line.endswith(b"\n") and (line := file.readline(_BLOCK_BYTES)):
                    size += len(line)
                # It is counted as a row without the cells of the others, and shown.
                line = f"this line has {count(size).replace(',', ' ')} bytes\n".encode()
            out.write(_as_text(line) if is_json else line)
    return copy


def _loses_lines(path: Path, is_json: bool) -> bool:
    with path.open("rb") as file:
        while content := file.read(_BLOCK_BYTES) + file.readline(MAX_LINE_BYTES + 1):
            if len(content) > MAX_LINE_BYTES or (is_json and _as_text(content) != content):
                return True
    return False


def _as_text(content: bytes) -> bytes:
    """Return content as UTF-8 without the character that would end a cell."""
    if not content.isascii():
        content = content.decode("utf-8", "replace").encode()
    return content.replace(b"\x1f", b" ")
