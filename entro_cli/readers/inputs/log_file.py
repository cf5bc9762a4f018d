"""The logs a user names: found, fetched, unpacked and made plain before any reader sees them."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkstemp

from entro_cli.core import remote_files
from entro_cli.core.console import printable
from entro_cli.core.urls import is_url, shown_url
from entro_cli.readers.inputs.decompress import decompress
from entro_cli.readers.inputs.unwrap import unwrap
from entro_engine import EntroError

HEAD_BYTES = 1 << 16
"""How much of a file is looked at to recognise it."""

_MAX_LAYERS = 3
"""How often a log is unpacked: there are files that unpack to themselves."""

STDIN = "-"
"""What stands for standard input on the command line."""

PARQUET_MAGIC = b"PAR1"
_ARCHIVES = {b"PK\x03\x04": "a zip archive", b"BZh": "a bzip2 file", b"\xfd7zXZ\x00": "an xz file", b"%PDF": "a PDF"}


@dataclass(frozen=True)
class LogFile:
    """A log made plain: not packed, not standard input, UTF-8 or nearly.

    Attributes:
        label: what the user called it, safe to show.
        path: where its plain content is, under a plain name: a reader's library must not take a pattern, a suffix or
            a `key=value` folder in the user's name for more than a name.
        head: its first 64 KiB.
        spool: where a reader may put a mended copy; gone with the context that opened the log.
        changed_s: when the file was last changed, seconds since the epoch.
        begins: the first 64 KiB of the log that it is a part of; empty for one that is whole.
    """

    label: str
    path: Path
    head: bytes
    spool: Path
    changed_s: float = 0.0
    whole_head: bytes = b""

    @property
    def is_parquet(self) -> bool:
        """Whether its content says it is Parquet."""
        return self.head.startswith(PARQUET_MAGIC)


class NoLogError(EntroError):
    """A file that is no log of any known format; in a folder it is left out."""


class EmptyLogError(NoLogError):
    """A log in which nothing is, or nothing yet but its header."""


def find_logs(names: Iterable[str]) -> dict[str, bool]:
    """Files, folders and patterns, of URLs too, as files, each once, `-` for standard input.

    Args:
        names: as the user wrote them.

    Returns:
        By file, whether the user named it; a folder's files, which they did not name, may be something else than logs.

    Raises:
        EntroError: when one names nothing, or a folder has no file in it.
    """
    found: dict[str, bool] = {}
    for name in names:
        try:
            matches = remote_files.find(name) if is_url(name) else _find(name)
        except OSError as error:
            raise EntroError(f"cannot be read: {error.strerror or error}", where=label_of(name)) from error
        for path, was_named in matches.items():
            found[path] = found.get(path, False) or was_named
    return found


def label_of(name: str) -> str:
    """What a log is called in messages, safe to show.

    Args:
        name: as `find_logs` gives it.
    """
    if is_url(name):
        return remote_files.label(name)
    return "standard input" if name == STDIN else printable(name)


def location_of(name: str) -> str:
    """Where a log is: an absolute path, or a URL without its secrets; empty for standard input.

    Args:
        name: as `find_logs` gives it.
    """
    if is_url(name):
        return shown_url(name)
    return "" if name == STDIN else str(Path(name).absolute())


def _find(name: str) -> dict[str, bool]:
    """What a name on this machine stands for, as `find_logs` gives it."""
    if Path(name).is_dir():
        return dict.fromkeys(_files_in(name), False)
    return dict.fromkeys(_matches(name), True)


def _files_in(folder: str) -> list[str]:
    inside = sorted(str(part) for part in Path(folder).iterdir() if part.is_file() and not part.name.startswith("."))
    if not inside:
        raise EntroError(
            "the folder has no file in it",
            where=printable(folder),
            expected="logs",
            remedy="name another",
        )
    return inside


def _matches(name: str) -> list[str]:
    if name == STDIN or Path(name).exists():
        return [name]
    matches = sorted(part for part in glob.glob(name, recursive=True) if Path(part).is_file())  # noqa: PTH207 - absolute too
    if not matches:
        raise EntroError(
            "there is no such file",
            where=printable(name),
            expected="a log, a folder of logs, a pattern or - for standard input",
        )
    return matches


@contextmanager
def plain_log(name: str) -> Iterator[LogFile]:
    """A log, unpacked where it is packed, for as long as the context lasts.

    Args:
        name: as `find_logs` gives it.

    Raises:
        EntroError: when it cannot be read, is empty, binary, truncated, or there is no room to unpack it.
    """
    with _scratch() as folder:
        yield _plain(name, Path(folder) / "0.log")


def excerpt(log: LogFile, begin: int, end: int, before: bytes = b"") -> LogFile:
    """A part of a log as a log of its own, for as long as the log's context lasts.

    Args:
        log: the plain log.
        begin: the part's first byte.
        end: the byte behind its last one.
        before: what is put before it: the header of a table.

    Raises:
        EntroError: when there is nothing in it, or no room for it.
    """
    try:
        handle, name = mkstemp(suffix=".log", dir=log.spool.parent)
        place = Path(name)
        with log.path.open("rb") as file, os.fdopen(handle, "wb") as out:
            out.write(before)
            file.seek(begin)
            left = end - begin
            while left > 0 and (content := file.read(min(left, 1 << 20))):
                left -= out.write(content)
        head = _head(place)
    except OSError as error:
        raise EntroError(f"cannot be read: {error.strerror or error}", where=log.label) from error
    _check(head, log.label)
    return LogFile(log.label, place, head, place.with_suffix(".mended"), log.changed_s, log.whole_head or log.head)


def _scratch() -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(prefix="entro-")
    except OSError as error:
        raise EntroError(
            "there is no folder for temporary files that can be written to", remedy="name one with TMPDIR"
        ) from error


def _plain(name: str, spool: Path) -> LogFile:
    label = label_of(name)
    plain = spool.with_suffix(".plain")
    try:
        changed_s = _spool(name, spool)
        for _ in range(_MAX_LAYERS):
            if not decompress(spool, _head(spool), plain, label):
                break
            plain.replace(spool)
        head = _head(spool)
        if unwrap(spool, head, plain):
            plain.replace(spool)
            head = _head(spool)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise EntroError(
                f"there is no room to unpack it in {printable(str(spool.parent))}",
                where=label,
                remedy="make room there, or name another place with TMPDIR",
            ) from error
        raise EntroError(f"cannot be read: {error.strerror or error}", where=label) from error
    _check(head, label)
    return LogFile(label, spool, head, spool.with_suffix(".mended"), changed_s)


def _spool(name: str, spool: Path) -> float:
    """Make `spool` the log: a link to a file, a copy of what is elsewhere or can be read only once.

    Returns:
        When the log was last changed, seconds since the epoch.
    """
    source = Path(name)
    if is_url(name):
        remote_files.fetch(name, spool)
        return spool.stat().st_mtime
    if name != STDIN and source.is_file():
        with source.open("rb"):  # told here when it may not be read
            spool.symlink_to(source.resolve())
        return source.stat().st_mtime
    if name == STDIN and sys.stdin is None:
        raise EntroError("standard input is closed", where="-", remedy="name a file, or pipe the log in")
    with nullcontext(sys.stdin.buffer) if name == STDIN else source.open("rb") as file, spool.open("wb") as out:
        shutil.copyfileobj(file, out)
    return spool.stat().st_mtime


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _check(head: bytes, label: str) -> None:
    """Refuse what no reader can make anything of."""
    if not head.strip():
        raise EmptyLogError("the file is empty", where=label, expected="a log with at least one row")
    for magic, what in _ARCHIVES.items():
        if head.startswith(magic):
            raise NoLogError(
                f"this is {what}",
                where=label,
                expected="a log, plain or packed with gzip or zstd",
                remedy="unpack it first",
            )
    if b"\0" in head and not head.startswith(PARQUET_MAGIC):
        raise NoLogError(
            "this is a binary file",
            where=label,
            expected="a text log or Parquet; `entro analyze --help` tells what is read",
        )
