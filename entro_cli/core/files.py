"""Files: written whole or not at all, unfinished lines in files of others, and folders that ship with the package."""

from __future__ import annotations

import fcntl
import glob
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from entro_cli.core.console import DONE, printable
from entro_engine import EntroError

_BLOCK_BYTES = 1 << 20
"""Bytes per read."""

_GRACE_S = 0.2
"""A temporary file younger than this may exist without its lock: its writer creates it first and locks it then."""


def write_whole(path: Path, content: str | bytes | Iterator[str], is_durable: bool = True) -> None:
    """Write a file completely or not at all: write a temporary file beside it, sync that, then move it into place.

    A path that is not a regular file (a pipe, a device) is written to directly.

    Args:
        path: the file. Missing folders above it are created.
        content: text (written as UTF-8), bytes, or an iterator over pieces of text.
        is_durable: wait for the disk; not worth it for what is written again every second.

    Raises:
        EntroError: if it cannot be written. The previous content is then untouched.
    """
    parts = [content] if isinstance(content, str | bytes) else content
    data = (part.encode() if isinstance(part, str) else part for part in parts)
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                file.writelines(data)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, data, is_durable)
    except OSError as error:
        raise unwritable(path, error) from error
    if not path.parent.name.startswith("_"):  # the metadata of a history means nothing to users
        done = f"wrote {printable(str(path))}"
        DONE.extend([done] * (done not in DONE))  # `watch` writes one file again and again


def refuse_to_overwrite(path: Path, inputs: Iterable[str | Path]) -> None:
    """Refuse to write over an input file.

    Args:
        path: the file that is about to be written.
        inputs: the files that are read.

    Raises:
        EntroError: if `path` is one of the inputs.
    """
    for source in inputs:
        if path.exists() and Path(source).exists() and path.samefile(source):
            raise EntroError(
                "is an input file, and would be overwritten",
                where=printable(str(path)),
                remedy="write to another file",
            )


def unwritable(path: Path, error: OSError) -> EntroError:
    """Return the error to raise if a file or folder cannot be written to."""
    return EntroError(
        f"cannot be written: {error.strerror or error}",
        where=str(path),
        remedy="nothing was left half-written; write to another folder, or free space there",
    )


def no_temporary_space(error: OSError) -> EntroError:
    """Return the error to raise if the temporary folder cannot hold the steps of a log."""
    return EntroError(
        f"the steps of a long log cannot be written: {error.strerror or error}",
        where="the temporary folder",
        remedy="set TMPDIR to a folder on a disk with free space",
    )


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that files that were moved into it survive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(path: Path, data: Iterable[bytes], is_durable: bool) -> None:
    target = path.resolve()  # replace the file that a link points to, not the link
    _remove_leftovers(target)
    handle, name = tempfile.mkstemp(prefix=_prefix(target), dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # shows other writers that this file is in use
            file.writelines(data)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())  # before the move, or a power failure could leave an empty file under the name
            # mkstemp creates files that only their owner can read. Give this one the mode of an ordinary file.
            Path(name).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
            Path(name).replace(target)
        if is_durable:
            sync_folder(target.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _prefix(target: Path) -> str:
    # A file name may have 255 bytes at most, and mkstemp adds its own part.
    return f".{target.name[:100]}.entro-"


def _remove_leftovers(target: Path) -> None:
    """Remove the temporary files of killed writers. A live writer holds a lock on its own."""
    for path in target.parent.glob(f"{glob.escape(_prefix(target))}*"):
        with suppress(OSError), path.open("rb") as file:
            if time.time() - path.stat().st_mtime > _GRACE_S:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _umask() -> int:
    # The mask can be read only by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def unfinished_from(path: Path) -> int:
    """Return the offset of the last line if that line has no end yet, else the size of the file."""
    size = path.stat().st_size
    end = last_line_end(path, size)
    with path.open("rb") as file:
        file.seek(max(end - 1, 0))
        return end if file.read(1) in {b"\n", b""} else 0


def last_line_end(path: Path, size: int) -> int:
    """Return the offset after the last line feed in the first `size` bytes of a file; `size` if there is none."""
    with path.open("rb") as file:
        after = size
        while after > 0:
            begin = max(after - _BLOCK_BYTES, 0)
            file.seek(begin)
            found = file.read(after - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            after = begin
    return size


def rotation_stem(path: str) -> tuple[str, str]:
    """Return the place of a log without rotation suffixes, and that without any number in its name."""
    folder, slash, name = path.rpartition("/")
    plain = re.sub(r"([._-]\d[\d._T-]*)?(\.(gz|zst))?$", "", name)
    return folder + slash + plain, folder + slash + re.sub(r"\d+", "", plain)


def line_count(path: Path, end: int) -> int:
    """Return the number of lines that end before an offset in a file, counted by line feeds."""
    count = 0
    with path.open("rb") as file:
        while end > 0 and (content := file.read(min(end, _BLOCK_BYTES))):
            end -= len(content)
            count += content.count(b"\n")
    return count


@cache
def bundled(name: str) -> Path:
    """Return a bundled folder.

    A wheel has it beside the package's modules, an editable install at the top of the repository.

    Args:
        name: `templates` or `sample_logs`.

    Raises:
        EntroError: if it is in neither place.
    """
    # The folder of entro_cli, relative to this module: adapt it if the module moves.
    package = Path(__file__).parents[1]
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise EntroError(
        f"the folder {name} of the package is missing",
        where=str(package),
        remedy="reinstall entro-cli",
    )
