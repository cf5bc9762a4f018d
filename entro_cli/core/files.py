"""Files: written whole or not at all, unfinished lines in files of others, and folders that ship with the package."""

from __future__ import annotations

import atexit
import errno
import fcntl
import glob
import os
import re
import select
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from entro_cli.core.console import DONE, printable
from entro_engine import EntroError

if TYPE_CHECKING:
    import duckdb  # takes a tenth of a short command, and text logs do without

_BLOCK_BYTES = 1 << 20
"""Bytes per read."""

PIPE_TIMEOUT_S = 3.0
"""Chosen: so long a pipe waits for the program at its other end to open it."""

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
            with _open_special(path) as file:
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
    for source in map(Path, inputs):
        # A log that is waited for may not be there yet.
        if _resolved(path) == _resolved(source) or (path.exists() and source.exists() and path.samefile(source)):
            raise EntroError(
                "is an input file, and would be overwritten",
                where=printable(str(path)),
                remedy="write to another file",
            )


def _open_special(path: Path) -> BinaryIO:
    """Open a pipe or a device to write. A pipe without a reader would wait for ever."""
    until = time.monotonic() + PIPE_TIMEOUT_S
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > until:
                raise OSError(errno.ENXIO, "nobody reads from this pipe", str(path)) from error
            time.sleep(0.05)
        else:
            os.set_blocking(handle, True)
            return os.fdopen(handle, "wb")


def open_input(path: str | Path) -> BinaryIO:
    """Open a file to read it as bytes, `open` for a file that may be a pipe.

    Raises:
        OSError: if it cannot be opened, if it is a folder or a device, or a pipe into which nobody writes.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # opening a pipe would wait for its writer
    try:
        kind = os.fstat(handle).st_mode
        if stat.S_ISFIFO(kind):
            _wait_for_writer(handle)
        elif not stat.S_ISREG(kind) and not os.isatty(handle) and not os.path.samefile(path, os.devnull):  # noqa: PTH121
            code = errno.EISDIR if stat.S_ISDIR(kind) else errno.ENODEV
            raise OSError(code, "this is a device" if code == errno.ENODEV else os.strerror(code), str(path))
        os.set_blocking(handle, True)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def open_nonblocking(path: str, flags: int) -> int:
    """Open a file without waiting for a writer if it is a pipe: an opener for `open`."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _wait_for_writer(handle: int) -> None:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    if poll.poll(PIPE_TIMEOUT_S * 1000):
        return
    with suppress(BlockingIOError):  # somebody is about to write
        if not os.read(handle, 1):
            raise OSError(errno.ENXIO, "nobody writes into this pipe")
        raise OSError(errno.EAGAIN, "the pipe was opened late: run it again")


def read_regular(path: Path) -> bytes:
    """Return the content of a file that only entro writes. A pipe or a device in its place is an error at once.

    Raises:
        OSError: if it cannot be read, or is not a regular file.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return path.read_bytes()


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a new temporary folder, as a context.

    Raises:
        EntroError: if there is no writable place for it.
    """
    try:
        return tempfile.TemporaryDirectory(prefix="entro-")
    except OSError as error:
        raise EntroError("there is no writable folder for temporary files", remedy="name one with TMPDIR") from error


@cache
def _database(threads: int, _process: int) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB: once per process, since that takes longer than reading a day.

    A forked process opens its own: in the copy that it has of this one, without its threads, reading a long CSV hangs.
    """
    import duckdb

    config = {
        # By default DuckDB downloads an extension that a query needs.
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        # It would keep the content of files in memory, for as long as the process runs.
        "enable_external_file_cache": "false",
    }
    if threads:
        config["threads"] = str(threads)
    else:
        config["temp_directory"] = _folder_of_database(_process)
    return duckdb.connect(config={**config})


@cache
def _folder_of_database(_process: int) -> str:
    """Make the folder for what does not fit into memory: once per process, however often its DuckDB is opened."""
    folder = temporary_folder()
    atexit.register(folder.cleanup)
    return folder.name


def connect_duckdb(threads: int = 0) -> duckdb.DuckDBPyConnection:
    """Return a connection to the in-memory DuckDB of this process, in UTC, without progress bar and network access.

    Args:
        threads: how many it uses; 0 for one per core, and a temporary folder for what does not fit into memory.
    """
    connection = _database(threads, os.getpid()).cursor()
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection


def close_duckdb() -> None:
    """Close the DuckDB of this process, which keeps memory of what it has read. The next connection opens another."""
    _database.cache_clear()


def sql_string(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def quoted_name(name: str) -> str:
    """Return the name of a column as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def duckdb_os_error(message: str) -> OSError | None:
    """Return the error of the system in a message of DuckDB, which quotes it as JSON; None without one."""
    found = re.search(r'"errno":"(\d+)"', message)
    codes = [int(found[1])] if found else [code for code in _OF_DISKS if os.strerror(code) in message]
    return OSError(codes[0], os.strerror(codes[0])) if codes else None


_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EIO)


def unwritable(path: Path, error: OSError) -> EntroError:
    """Return the error to raise if a file or folder cannot be written to."""
    is_forbidden = error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}
    return EntroError(
        f"cannot be written: {error.strerror or error}",
        where=printable(str(path)),
        remedy="nothing was left half-written; write to another folder, or "
        + ("run it as a user who may write there" if is_forbidden else "free space there"),
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
    _refuse_planted_link(path)
    target = _resolved(path)  # replace the file that a link points to, not the link
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


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))  # `Path.resolve` fails if links lead in a circle


def _refuse_planted_link(path: Path) -> None:
    """Refuse a link of another user in a folder such as /tmp, as Linux does where a file is opened to write."""
    if path.is_symlink():
        folder, shared = path.parent.stat(), stat.S_ISVTX | stat.S_IWOTH
        if folder.st_mode & shared == shared and path.lstat().st_uid not in {os.geteuid(), folder.st_uid}:
            raise PermissionError(errno.EACCES, "it is a link of another user", str(path))


def _prefix(target: Path) -> str:
    # A file name may have 255 bytes at most, and mkstemp adds its own part.
    return f".{target.name[:100]}.entro-"


def _remove_leftovers(target: Path) -> None:
    """Remove the temporary files of killed writers. A live writer holds a lock on its own."""
    for path in target.parent.glob(f"{glob.escape(_prefix(target))}*"):
        with suppress(OSError), open(path, "rb", opener=open_nonblocking) as file:
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
