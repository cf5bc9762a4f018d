"""Logs that are packed or in UTF-16, made plain: known by their magic bytes, whatever they are called."""

from __future__ import annotations

import codecs
import gzip
import shutil
import sys
import zlib
from pathlib import Path
from typing import IO, Any, cast

from entro_engine import EntroError

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def decompress(source: Path, magic: bytes, plain: Path, label: str) -> bool:
    """Write to `plain` what was packed or in UTF-16; False when `source` is plain already.

    Args:
        source: the log.
        magic: its first bytes.
        plain: where to write.
        label: what it is called in messages.

    Raises:
        EntroError: when it is cut short or damaged.
        OSError: when it cannot be read, or there is no room.
    """
    if magic.startswith(GZIP_MAGIC):
        _decompress(_open_gzip(source), plain, label, "gzip")
    elif magic.startswith(ZSTD_MAGIC):
        _decompress(_open_zstd(source), plain, label, "zstd")
    elif magic[:2] in _BOMS:
        with (
            source.open(encoding=_BOMS[magic[:2]], errors="replace", newline="") as text,
            plain.open("w", encoding="utf-8", newline="") as out,
        ):
            shutil.copyfileobj(text, out)
    else:
        return False
    return True


def _open_gzip(source: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(source, "rb"))


def _open_zstd(source: Path) -> IO[bytes]:
    zstd = _zstd()
    return cast(IO[bytes], zstd.open(source, "rb"))


def _zstd() -> Any:
    """The standard library's zstd, or its backport: both tell a truncated file from a whole one."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _decompress(packed: IO[bytes], plain: Path, label: str, method: str) -> None:
    try:
        with packed, plain.open("wb") as out:
            shutil.copyfileobj(packed, out, 1 << 20)
    except EOFError as error:
        raise EntroError(
            f"the {method} file is cut short",
            where=label,
            expected="a whole one",
            remedy="copy it again, or read the log it was made from",
        ) from error
    except (gzip.BadGzipFile, zlib.error, _zstd().ZstdError) as error:
        raise EntroError(f"the {method} file is damaged: {error}", where=label, remedy="copy it again") from error
