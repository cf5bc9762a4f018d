"""The index of a folder of reports: every page that `entro report` wrote there, the latest first."""

from __future__ import annotations

import fcntl
import html
import json
import os
import re
from calendar import monthcalendar
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from entro_cli.core.console import printable
from entro_cli.core.files import write_whole
from entro_cli.report.render.page import render_page

INDEX = "index.html"

_METADATA = re.compile(rb'<meta name="entro-report" content="([^"]*)">')
_INDEX_TAG = b'<meta name="entro-index" content="">'
_HEAD_BYTES = 1 << 14
_MOST_DAYS, _FEW_DAYS = 14, 7
"""With more daily reports than the first, all of them are in calendars, and only so many are listed."""
_KINDS = {"month": "Months", "week": "Weeks", "day": "Days", "range": "Ranges"}


@dataclass(frozen=True)
class PageMetadata:
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
class IndexEntry:
    """A report of the index: its file, and what it says of itself."""

    file: str
    mark: PageMetadata


@dataclass(frozen=True)
class MonthCalendar:
    """The daily reports of a month as a calendar.

    Attributes:
        title: such as `April 2026`.
        weeks: seven cells each, Monday first: the day of the month and its report, where there is one; None outside.
    """

    title: str
    weeks: tuple[tuple[tuple[int, IndexEntry | None] | None, ...], ...]


@dataclass(frozen=True)
class PipelineReports:
    """All reports of a pipeline.

    Attributes:
        name: the pipeline; empty for the reports about all of them.
        anchor: where the page has it.
        latest: the one whose period began last.
        kinds: the reports of each kind there is, with a title, the longest periods first; of days the latest few.
        months: all days, the latest month first; none where the latest few are all.
    """

    name: str
    anchor: str
    latest: IndexEntry
    kinds: tuple[tuple[str, tuple[IndexEntry, ...]], ...]
    months: tuple[MonthCalendar, ...]


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
    with _locked(folder):
        if path.exists() and _INDEX_TAG not in _head(path):
            return f"{printable(str(path))} is not ours: it was left as it is, and lists no reports"
        write_whole(path, render_index(folder))
    return ""


def render_index(folder: Path) -> str:
    """The index of the reports in a folder; the same bytes for the same reports."""
    listed = sorted(_reports(folder), key=lambda one: (one.mark.start, one.file), reverse=True)
    names = sorted({one.mark.pipeline for one in listed})
    shelves = [
        _pipeline_reports(at, name, [one for one in listed if one.mark.pipeline == name])
        for at, name in enumerate(names)
    ]
    return render_page("index.html", {"shelves": shelves}, charts=False)


def _pipeline_reports(at: int, name: str, listed: list[IndexEntry]) -> PipelineReports:
    kinds = {kind: tuple(one for one in listed if one.mark.kind == kind) for kind in _KINDS}
    days = kinds["day"]
    if len(days) > _MOST_DAYS:
        kinds["day"] = days[:_FEW_DAYS]
    titles = _KINDS | ({"day": "Latest days"} if len(days) > _MOST_DAYS else {})
    found = tuple((titles[kind], some) for kind, some in kinds.items() if some)
    return PipelineReports(name, f"p{at}", listed[0], found, _months(days) if len(days) > _MOST_DAYS else ())


def _months(days: Iterable[IndexEntry]) -> tuple[MonthCalendar, ...]:
    """The calendars of all months that have a daily report, the latest first."""
    dated = {day: one for one in days if (day := _day_of(one.mark)) is not None}
    months = sorted({(day.year, day.month) for day in dated}, reverse=True)
    return tuple(
        MonthCalendar(
            f"{date(year, month, 1):%B %Y}",
            tuple(
                tuple((day, dated.get(date(year, month, day))) if day else None for day in week)
                for week in monthcalendar(year, month)
            ),
        )
        for year, month in months
    )


def _day_of(mark: PageMetadata) -> date | None:
    try:
        return date.fromisoformat(mark.label)
    except ValueError:  # a page's head may say anything
        return None


def _reports(folder: Path) -> Iterator[IndexEntry]:
    for path in folder.glob("*.html"):
        mark = _metadata_of(path)
        if mark is not None:
            yield IndexEntry(path.name, mark)


def _metadata_of(path: Path) -> PageMetadata | None:
    """What a page says of itself; None when it is no report."""
    found = _METADATA.search(_head(path))
    try:
        said: Any = json.loads(html.unescape(found[1].decode())) if found else None
        return PageMetadata(**{str(key): str(value) for key, value in said.items()}) if said else None
    except (ValueError, TypeError, AttributeError):
        return None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only one who lists a folder's reports: the last one to write the index has then seen all of them."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
