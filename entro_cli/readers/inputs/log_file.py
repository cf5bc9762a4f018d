"""Logs that a user names: found, fetched, decompressed and unwrapped before any reader sees them."""

from __future__ import annotations

import errno
import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from tempfile import mkstemp

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.core import remote_files
from entro_cli.core.console import Work, printable, working
from entro_cli.core.files import open_input, temporary_folder
from entro_cli.core.urls import is_url, shown_url
from entro_cli.readers.inputs.decompress import copy_within_room, decompress
from entro_cli.readers.inputs.page_folder import are_pages, join_pages
from entro_cli.readers.inputs.streams import Stream, split_streams
from entro_cli.readers.inputs.wrappings import Identity, wrapping_of
from entro_cli.timeseries.observations import Observations
from entro_engine import EntroError

HEAD_BYTES = 1 << 16
"""Bytes of a file from which its format is recognised."""

_MAX_LAYERS = 3
"""Number of times that a log is decompressed: some files decompress to themselves."""

_MAX_FOLDER_DEPTH = 10
"""Levels of folders in a folder of logs; scrapyd has three."""

STDIN = "-"
"""Name of standard input on the command line."""

PARQUET_MAGIC = b"PAR1"
_ARCHIVES = {b"PK\x03\x04": "a zip archive", b"BZh": "a bzip2 file", b"\xfd7zXZ\x00": "an xz file", b"%PDF": "a PDF"}

_TIME = re.compile(rb"(?:(?:\d{4}-)?\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?|\b1\d{9}(?:\d{3})?(?:\.\d{1,9})?\b")
_LINES_IN_ORDER, _LINE_BYTES = 200, 300
"""So many lines, and so many bytes of each, show the order of a log."""

_EXPORTS = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*"
    rb'(?:\[\s*\{|\{\s*"(?:MetricDataResults|Label|Datapoints|events)"|#(?:group|datatype|default),|Full label,'
    rb'|(?:[\w."@ -]{1,40},){1,30}"?@?(?:line|message|content|body|log|_raw)"?[,\r\n])',
    re.IGNORECASE,
)
"""Beginnings of documents that hold a table or the lines of a log."""


class LogFile(Struct, frozen=True):
    """A plain log: a file, not compressed, in UTF-8 or nearly.

    Attributes:
        label: name that the user gave it, safe to show.
        path: file with its plain content. Its name is ours: DuckDB would give a meaning to a pattern, a suffix or a
            `key=value` folder in the user's name.
        head: its first 64 KiB.
        spool: path at which a reader may put a mended copy; deleted with the context that opened the log.
        changed_s: time at which the file was last changed, seconds since the epoch.
        whole_head: for an excerpt, the first 64 KiB of the whole log; empty for other logs.
        identity: who wrote the lines, if the log names it.
        numbers: of each line, its number in the file, if that has the lines of several writers; else empty.
        begin: for an excerpt, the offset of its first byte in the whole log.
    """

    label: str
    path: Path
    head: bytes
    spool: Path
    changed_s: float = 0.0
    whole_head: bytes = b""
    identity: Identity = ()
    numbers: Sequence[int] = ()
    begin: int = 0

    @property
    def is_parquet(self) -> bool:
        """True if its content is Parquet."""
        return self.head.startswith(PARQUET_MAGIC)

    @property
    def is_document(self) -> bool:
        """True if it is one JSON document rather than lines, as servers answer: of several lines, or without an end."""
        first, end, _ = self.head.partition(b"\n")
        if not self.head.startswith(b"{") or end:
            return self.head.startswith(b"{") and not first.rstrip().endswith(b"}")
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"}"


class NoLogError(EntroError):
    """A file is not a log of any known format. In a folder it is left out."""


class EmptyLogError(NoLogError):
    """A log is empty, or has only a header so far."""


def find_logs(names: Iterable[str]) -> dict[str, bool]:
    """Return the files that files, folders, patterns and URLs name, each once; `-` is standard input.

    A folder of pages of metrics is one log, which has its name.

    Args:
        names: as the user wrote them.

    Returns:
        By file, whether the user named it. The files of a folder were not named and may be something else than logs.

    Raises:
        EntroError: if one of them names nothing, or a folder contains no files.
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
    """Return the name of a log in messages, safe to show.

    Args:
        name: as `find_logs` returns it.
    """
    if is_url(name):
        return remote_files.label(name)
    return "standard input" if name == STDIN else printable(name)


def location_of(name: str) -> str:
    """Return the absolute path of a log, or its URL without secrets; empty for standard input.

    Args:
        name: as `find_logs` returns it.
    """
    if is_url(name):
        return shown_url(name)
    # A name of other bytes than UTF-8 cannot be stored as it is.
    return "" if name == STDIN else str(Path(name).absolute()).encode("utf-8", "backslashreplace").decode()


def _find(name: str) -> dict[str, bool]:
    """Return the files that a name on this machine refers to, as `find_logs` does."""
    if Path(name).is_dir():
        files, others = _files_in(name)
        return {name: True} if are_pages(files) else dict.fromkeys([*files, *others], False)
    return dict.fromkeys(_matches(name), True)


def _files_in(folder: str) -> tuple[list[str], list[str]]:
    """Return the files in a folder and the folders in it, as scrapyd has them, and what else is there, in order.

    Hidden ones are left out, and so are stored histories, which were made from logs. Links to folders are not followed.
    """
    files: list[str] = []
    others: list[str] = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        depth = len(Path(parent).relative_to(folder).parts)
        folders[:] = [
            name for name in folders if not name.startswith((".", "pipeline=")) and depth + 1 < _MAX_FOLDER_DEPTH
        ]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            (files if path.is_file() else others).append(str(path))
    files.sort()
    if not files:
        raise EntroError(
            "the folder contains no files", where=printable(folder), expected="logs", remedy="name another"
        )
    return files, others


def refuse_special(name: str) -> None:
    """Refuse what is no file in a folder of logs. A pipe that the user names is read.

    Args:
        name: as `find_logs` returns it, for a file that the user did not name.

    Raises:
        NoLogError: for a pipe, a socket, a device, or a link that leads nowhere.
    """
    if not is_url(name) and not Path(name).is_file():
        raise NoLogError("this is not a regular file", where=printable(name), expected="a log")


def _raise(error: OSError) -> None:
    raise error


def _matches(name: str) -> list[str]:
    if name == STDIN or Path(name).exists():  # a file whose name has brackets is not a pattern
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
def plain_log(name: str, identity: Identity = ()) -> Iterator[LogFile]:
    """Open a log as a plain file, which exists as long as the context.

    Args:
        name: as `find_logs` returns it.
        identity: the writer whose lines are wanted; without one, those of the first writer.

    Raises:
        EntroError: if it cannot be read, if it is empty, binary or truncated, or if there is no room to decompress it.
    """
    with temporary_folder() as folder, working(f"reading {label_of(name)}"):
        yield _plain(name, Path(folder) / "0.log", identity or None)[0]


@contextmanager
def plain_logs(name: str) -> Iterator[list[LogFile]]:
    """Open a log as plain files, one for each writer that it names; they exist as long as the context.

    Args:
        name: as `find_logs` returns it.

    Raises:
        EntroError: as for `plain_log`.
    """
    with temporary_folder() as folder, working(f"reading {label_of(name)}"):
        yield _plain(name, Path(folder) / "0.log")


def reading(log: LogFile) -> AbstractContextManager[Work]:
    """Report the reading of a plain log as work, in bytes."""
    return working(f"reading {log.label}", log.path.stat().st_size, "B")


def excerpt(log: LogFile, begin: int, end: int, before: bytes = b"") -> LogFile:
    """Return a part of a log as a plain log, which exists as long as the log's context.

    Args:
        log: the plain log.
        begin: offset of its first byte.
        end: offset after its last byte.
        before: text put before it, such as the header of a table.

    Raises:
        EntroError: if it is empty, or if there is no room for it.
    """
    try:
        handle, name = mkstemp(suffix=".log", dir=log.spool.parent)
        path = Path(name)
        with log.path.open("rb") as file, os.fdopen(handle, "wb") as out:
            out.write(before)
            file.seek(begin)
            missing = end - begin
            while missing > 0 and (content := file.read(min(missing, 1 << 20))):
                missing -= out.write(content)
        head = _head(path)
    except OSError as error:
        raise EntroError(f"cannot be read: {error.strerror or error}", where=log.label) from error
    _check(head, log.label)
    whole_head = log.whole_head or log.head
    spool = path.with_suffix(".mended")
    return replace(log, path=path, head=head, spool=spool, whole_head=whole_head, begin=log.begin + begin)


def _plain(name: str, spool: Path, only: Identity | None = None) -> list[LogFile]:
    label = label_of(name)
    plain = spool.with_suffix(".plain")
    try:
        changed_s = _spool(name, spool)
        for _ in range(_MAX_LAYERS):
            if not decompress(spool, _head(spool), plain, label):
                break
            plain.replace(spool)
        if _EXPORTS.match(_head(spool)):
            from entro_cli.readers.inputs.exports import convert_export  # most logs are no documents

            if convert_export(spool, plain):
                plain.replace(spool)
        wrapped = wrapping_of(_head(spool))
        streams = split_streams(spool, _head(spool), spool.with_suffix(".stream"), only) if wrapped else []
        logs = [_stream_log(stream, label, changed_s, len(streams) > 1 or only is not None) for stream in streams]
        head = _head(spool)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise EntroError(
                f"there is no room to decompress it in {printable(str(spool.parent))}",
                where=label,
                remedy="make room there, or name another folder with TMPDIR",
            ) from error
        raise EntroError(f"cannot be read: {error.strerror or error}", where=label) from error
    if len(logs) != 1:
        logs = [log for log in logs if log.head.strip()]
    logs = logs or [LogFile(label, spool, head, spool.with_suffix(".mended"), changed_s)]
    for log in logs:
        _check(log.head, log.label)
    return [_oldest_first(log) for log in logs]


def _oldest_first(log: LogFile) -> LogFile:
    """Return a log with its oldest line first. Exports of stores of logs often begin with the newest."""
    if log.is_parquet or not _is_newest_first(log.head):
        return log
    lines = log.path.read_bytes().splitlines(keepends=True)
    path = log.spool.with_suffix(".ordered")
    path.write_bytes(b"".join(line if line.endswith(b"\n") else line + b"\n" for line in reversed(lines)))
    return replace(log, path=path, head=_head(path), numbers=(log.numbers or range(1, len(lines) + 1))[::-1])


@lru_cache(maxsize=16)  # a log that grows is opened again and again
def _is_newest_first(head: bytes) -> bool:
    """Return whether the lines of a log begin with the newest, from its first bytes."""
    lines = head.splitlines(keepends=True)[:_LINES_IN_ORDER]
    stamps = [found[0] for line in lines if (found := _TIME.search(line, 0, _LINE_BYTES))]
    steps = [before > after for before, after in pairwise(stamps) if before != after]
    has_header = not _TIME.search(lines[0], 0, _LINE_BYTES)
    return not has_header and len(steps) >= 5 and sum(steps) >= 0.9 * len(steps)


def _stream_log(stream: Stream, label: str, changed_s: float, is_part: bool) -> LogFile:
    if is_part:
        label += stream_suffix(stream.identity)
    numbers = stream.numbers if is_part else ()
    path = stream.path
    return LogFile(
        label, path, _head(path), path.with_name(path.name + ".mended"), changed_s, b"", stream.identity, numbers
    )


def stream_suffix(identity: Identity) -> str:
    """Return what is put behind the name of a log for the lines of one of its writers, safe to show."""
    return f" ({printable(', '.join(value for _, value in identity)) or 'other lines'})"


def of_stream(found: Observations, log: LogFile) -> Observations:
    """Return the observations of a log with the writer of its lines, and bad rows with their lines in the file."""
    if not (log.identity or log.numbers):
        return found
    rows = (
        replace(row, line=log.numbers[row.line - 1] if log.numbers and row.line else row.line) for row in found.bad_rows
    )
    return replace(found, identity=log.identity, bad_rows=tuple(rows))


def _spool(name: str, spool: Path) -> float:
    """Make `spool` the log: a link to a local file, or a copy of anything that is remote or can be read only once.

    Returns:
        The time at which the log was last changed, seconds since the epoch.
    """
    source = Path(name)
    if is_url(name):
        remote_files.fetch(name, spool)
        return spool.stat().st_mtime
    if name != STDIN and source.is_dir():
        return join_pages(_files_in(name)[0], spool)
    if name != STDIN and source.is_file():
        with source.open("rb"):  # raises an error here, not in a reader, if permission is missing
            spool.symlink_to(source.resolve())
        return source.stat().st_mtime
    if name == STDIN and sys.stdin is None:  # `entro analyze - <&-`
        raise EntroError("standard input is closed", where="-", remedy="name a file, or pipe the log in")
    with nullcontext(sys.stdin.buffer) if name == STDIN else open_input(source) as file, spool.open("wb") as out:
        copy_within_room(file, out)
    return spool.stat().st_mtime


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _check(head: bytes, label: str) -> None:
    """Raise an error for content that no reader can read."""
    if not head.strip():
        raise EmptyLogError("the file is empty", where=label, expected="a log with at least one row")
    for magic, description in _ARCHIVES.items():
        if head.startswith(magic):
            raise NoLogError(
                f"this is {description}",
                where=label,
                expected="a log, plain or compressed with gzip or zstd",
                remedy="unpack it first",
            )
    if b"\0" in head and not head.startswith(PARQUET_MAGIC):
        raise NoLogError(
            "this is a binary file", where=label, expected="a text log or Parquet; `entro formats` lists the formats"
        )
