"""Decompression of logs and conversion from UTF-16, both recognised by the first bytes rather than by names."""

from __future__ import annotations

import codecs
import errno
import gzip
import os
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from entro_cli.core.console import working
from entro_engine import EntroError

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
MOST_RATIO, UNPACKED_BYTES = 500, 1 << 28
"""Chosen: logs shrink to a tenth or a fiftieth; a file that grows 500 times, and to 256 MiB, is none."""

_CHECKED_BYTES, _LEFT_BYTES = 1 << 26, 1 << 27
"""Every 64 MiB that are copied, at least 128 MiB must be left for others."""

_BOMS = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE


def too_well_packed(label: str, remedy: str) -> EntroError:
    """Return the error for a file that unpacks to far more than a log does."""
    return EntroError(
        f"it unpacks to more than {MOST_RATIO} times its size",
        where=label,
        expected="a log",
        remedy=f"if it is one, {remedy}",
    )


def copy_within_room(source: IO[bytes], out: IO[bytes]) -> None:
    """Copy a file to a temporary one, as long as that leaves room for others.

    Raises:
        OSError: if it cannot be read, or there is no room.
    """
    for _ in _copied(source, out):
        pass


def _copied(source: IO[bytes], out: IO[bytes]) -> Iterator[int]:
    """Copy a file, and yield the number of bytes after each block."""
    written = 0
    while content := source.read(1 << 20):
        out.write(content)
        written += len(content)
        if written % _CHECKED_BYTES < len(content) and written > _CHECKED_BYTES:
            free = shutil.disk_usage(str(out.name)).free
            if free < _LEFT_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield written


def decompress(source: Path, magic: bytes, plain: Path, label: str) -> bool:
    """Write the plain content of a compressed or UTF-16 log.

    Args:
        source: the log.
        magic: its first bytes.
        plain: the file to write.
        label: name of the log in messages.

    Returns:
        Whether anything was written: False if the log is plain already.

    Raises:
        EntroError: if it is cut short or damaged.
        OSError: if it cannot be read, or the disk is full.
    """
    if magic.startswith(GZIP_MAGIC):
        _decompress(gzip.open, source, plain, label, "gzip")
    elif magic.startswith(ZSTD_MAGIC):
        _decompress(_zstd().open, source, plain, label, "zstd")
    elif magic[:2] in _BOMS:
        with (
            source.open(encoding="utf-16", errors="replace", newline="") as text,
            plain.open("w", encoding="utf-8", newline="") as out,
        ):
            shutil.copyfileobj(text, out)
    elif magic[257:262] == b"ustar":
        _unpack_tar(source, plain, label)
    else:
        return False
    return True


def _unpack_tar(source: Path, plain: Path, label: str) -> None:
    """Write the only file in a tar archive.

    Raises:
        EntroError: if there is not exactly one, or the archive is damaged.
    """
    import tarfile

    try:
        with tarfile.open(source) as archive:
            files = [part for part in archive if part.isfile() and not Path(part.name).name.startswith(".")]
            packed = archive.extractfile(files[0]) if len(files) == 1 else None
            if packed is None:
                raise EntroError(
                    f"the tar archive has {len(files)} files", where=label, expected="one log", remedy="unpack it"
                )
            with packed, plain.open("wb") as out:
                copy_within_room(packed, out)
    except (tarfile.TarError, EOFError) as error:
        raise EntroError(f"the tar archive is damaged: {error}", where=label, remedy="copy it again") from error


def _zstd() -> Any:
    """Return the standard library's zstd or its backport; both raise EOFError for a file that is cut short."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _decompress(opened: Callable[[BinaryIO], Any], source: Path, plain: Path, label: str, method: str) -> None:
    try:
        with (
            source.open("rb") as file,
            opened(file) as packed,
            plain.open("wb") as out,
            working(f"decompressing {label}", source.stat().st_size, "B") as work,
        ):
            for written in _copied(packed, out):
                work.done = file.tell()
                if written > UNPACKED_BYTES and written > MOST_RATIO * work.done:
                    raise too_well_packed(label, "unpack it yourself, or pipe it in with -")
    except EOFError as error:
        raise EntroError(
            f"the {method} file is cut short",
            where=label,
            expected="a complete file",
            remedy="copy it again, or read the log it was made from",
        ) from error
    except (gzip.BadGzipFile, zlib.error, _zstd().ZstdError) as error:
        raise EntroError(f"the {method} file is damaged: {error}", where=label, remedy="copy it again") from error
