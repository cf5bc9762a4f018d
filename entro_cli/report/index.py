"""The index of a folder of reports: every page that `entro report` wrote there, the latest first."""

from __future__ import annotations

import fcntl
import html
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from entro_cli.files import write_whole
from entro_cli.report.page import render_page
from entro_cli.terminal import visible

INDEX = "index.html"

_MARK = re.compile(rb'<meta name="entro-report" content="([^"]*)">')
_INDEX_MARK = b'<meta name="entro-index" content="">'
_HEAD_BYTES = 1 << 14
_KINDS = {"month": "Months", "week": "Weeks", "day": "Days", "range": "Ranges"}


@dataclass(frozen=True)
class Mark:
    """What a page says of itself in its head, for the index.

    Attributes:
        pipeline: its name; empty where the page is about all of them.
        kind: day, week, month or range.
        label: of the period.
        title: the same for people.
        start: where the period begins, ISO 8601.
        health: good, watch, bad or no data.
        sentence: the verdict.
    """

    pipeline: str
    kind: str
    label: str
    title: str
    start: str
    health: str
    sentence: str

    @property
    def text(self) -> str:
        """As it stands in the page."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Listed:
    """A report of the index: its file, and what it says of itself."""

    file: str
    mark: Mark


def update_index(folder: Path) -> str:
    """Write the index of all reports in a folder.

    Args:
        folder: with at least one report.

    Returns:
        Why it was not written, in a sentence; empty when it was. Somebody else's index.html is left as it is.

    Raises:
        EntroError: when it cannot be written.
    """
    path = folder / INDEX
    with _alone(folder):
        if path.exists() and _INDEX_MARK not in _head(path):
            return f"{visible(str(path))} is not ours: it was left as it is, and lists no reports"
        write_whole(path, render_index(folder))
    return ""


def render_index(folder: Path) -> str:
    """The index of the reports in a folder; the same bytes for the same reports."""
    listed = sorted(_reports(folder), key=lambda one: (one.mark.start, one.file), reverse=True)
    names = sorted({one.mark.pipeline for one in listed})
    pipelines = [(name, _by_kind([one for one in listed if one.mark.pipeline == name])) for name in names]
    return render_page("index.html", {"pipelines": pipelines}, charts=False)


def _by_kind(listed: list[Listed]) -> list[tuple[str, list[Listed]]]:
    """The reports of each kind there is, the longest periods first."""
    kinds = {title: [one for one in listed if one.mark.kind == kind] for kind, title in _KINDS.items()}
    return [(title, found) for title, found in kinds.items() if found]


def _reports(folder: Path) -> Iterator[Listed]:
    for path in folder.glob("*.html"):
        mark = _mark_of(path)
        if mark is not None:
            yield Listed(path.name, mark)


def _mark_of(path: Path) -> Mark | None:
    """What a page says of itself; None when it is no report."""
    found = _MARK.search(_head(path))
    try:
        said: Any = json.loads(html.unescape(found[1].decode())) if found else None
        return Mark(**{str(key): str(value) for key, value in said.items()}) if said else None
    except (ValueError, TypeError, AttributeError):
        return None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only one who lists a folder's reports: the last one to write the index has then seen all of them."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
