"""Folders with pages of metrics of one server, one page per file, which are one log together."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

_TYPE = re.compile(rb"^# TYPE \S+ \w+ *\r?$", re.MULTILINE)
_HEAD_BYTES, _MOST_BYTES = 1 << 12, 1 << 25
_DATED = re.compile(r"(?:19|20)\d\d[-_.]?\d\d[-_.]?\d\d[-_.T ]*\d\d|(?<!\d)\d{10}")


def are_pages(files: Sequence[str]) -> bool:
    """Return whether files are pages of metrics: one page each, with names that differ only in numbers and dates."""
    names = {re.sub(r"[\dTZ\W_]+", "", Path(file).name) for file in files}
    return len(files) > 1 and len(names) == 1 and all(_is_page(Path(file)) for file in files)


def _is_page(file: Path) -> bool:
    with file.open("rb") as content:
        first = _TYPE.search(content.read(_HEAD_BYTES))
    if first is None or file.stat().st_size > _MOST_BYTES:
        return False
    return file.read_bytes().count(first[0]) == 1  # pages saved over time repeat their types


def join_pages(files: Sequence[str], joined: Path) -> float:
    """Write pages into one file, each behind its time: that of its name, or else that of its last change.

    Args:
        files: the pages.
        joined: the file to write.

    Returns:
        The time at which the last of them was changed, seconds since the epoch.
    """
    changed = {file: Path(file).stat().st_mtime for file in files}
    with joined.open("wb") as out:
        for file in sorted(files, key=lambda file: (not _DATED.search(Path(file).name), changed[file], file)):
            name = Path(file).name
            time = name if _DATED.search(name) else datetime.fromtimestamp(changed[file], UTC).isoformat()
            out.write(f"\n# {time}\n".encode("utf-8", "replace"))
            with Path(file).open("rb") as page:
                shutil.copyfileobj(page, out)
    return max(changed.values())
