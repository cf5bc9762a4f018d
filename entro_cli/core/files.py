"""Writing files so that nobody ever finds half of one, and telling whether others have written theirs to the end."""

from __future__ import annotations

import fcntl
import glob
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from entro_cli.core.console import printable
from entro_engine import EntroError

_LOOKED_AT = 1 << 20
"""How many bytes are looked at together."""

_JUST_MADE_S = 0.2
"""A file so young may not be locked yet by the one who writes it."""


def write_whole(path: Path, content: str | bytes | Iterator[str]) -> None:
    """Write a file whole or not at all: beside its place, synced, then moved there.

    A place that is no regular file (a pipe, a device) is written to directly.

    Args:
        path: where to; missing folders above it are made.
        content: text (written as UTF-8), bytes, or text that comes in parts.

    Raises:
        EntroError: when it cannot be written; what was there before is then untouched.
    """
    parts = [content] if isinstance(content, str | bytes) else content
    data = (part.encode() if isinstance(part, str) else part for part in parts)
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                file.writelines(data)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, data)
    except OSError as error:
        raise unwritable(path, error) from error


def refuse_to_overwrite(path: Path, inputs: Iterable[str | Path]) -> None:
    """Refuse to write over what is read.

    Args:
        path: what is about to be written.
        inputs: the files that are read.

    Raises:
        EntroError: when it is one of them.
    """
    for source in inputs:
        if path.exists() and Path(source).exists() and path.samefile(source):
            raise EntroError(
                "is read here, and would be lost",
                where=printable(str(path)),
                remedy="write to another file",
            )


def unwritable(path: Path, error: OSError) -> EntroError:
    """The error to show when a place cannot be written to."""
    return EntroError(
        f"cannot be written: {error.strerror or error}",
        where=str(path),
        remedy="nothing was left half-written; choose another place or make room there",
    )


def sync_folder(folder: Path) -> None:
    """Make sure that what was moved into a folder stays there when the power fails."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(path: Path, data: Iterable[bytes]) -> None:
    target = path.resolve()  # a link stays a link
    _sweep(target)
    handle, name = tempfile.mkstemp(prefix=_prefix(target), dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.writelines(data)
            file.flush()
            os.fsync(file.fileno())
            Path(name).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
            Path(name).replace(target)
        sync_folder(target.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _prefix(target: Path) -> str:
    return f".{target.name[:100]}.entro-"


def _sweep(target: Path) -> None:
    """Take away what killed writers of the same file left; whoever lives holds a lock on theirs."""
    for path in target.parent.glob(f"{glob.escape(_prefix(target))}*"):
        with suppress(OSError), path.open("rb") as file:
            if time.time() - path.stat().st_mtime > _JUST_MADE_S:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def unfinished_from(path: Path) -> int:
    """Where the last line of a file begins that has no end yet; behind the file where every line has one."""
    size = path.stat().st_size
    end = last_line_end(path, size)
    with path.open("rb") as file:
        file.seek(max(end - 1, 0))
        return end if file.read(1) in {b"\n", b""} else 0


def last_line_end(path: Path, size: int) -> int:
    """Behind the last line feed of a file's first `size` bytes; `size` where there is none."""
    with path.open("rb") as file:
        after = size
        while after > 0:
            begin = max(after - _LOOKED_AT, 0)
            file.seek(begin)
            found = file.read(after - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            after = begin
    return size
