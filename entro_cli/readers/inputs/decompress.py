"""Decompression of logs and conversion from UTF-16, both recognised by the first bytes rather than by names."""

from __future__ import annotations

import codecs
import gzip
import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from entro_cli.core.console import working
from entro_engine import EntroError

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BOMS = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE


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
                shutil.copyfileobj(packed, out, 1 << 20)
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
            while content := packed.read(1 << 20):
                out.write(content)
                work.done = file.tell()
    except EOFError as error:
        raise EntroError(
            f"the {method} file is cut short",
            where=label,
            expected="a complete file",
            remedy="copy it again, or read the log it was made from",
        ) from error
    except (gzip.BadGzipFile, zlib.error, _zstd().ZstdError) as error:
        raise EntroError(f"the {method} file is damaged: {error}", where=label, remedy="copy it again") from error
