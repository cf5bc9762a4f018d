"""Write the index of a folder of reports, all pages that `entro report` wrote there, and link the pages to each other.

Both are made from the metadata in the pages' heads. Nothing else is stored, so deleted pages disappear from them.
"""

from __future__ import annotations

import html
import json
import re
from calendar import monthcalendar
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from msgspec import Struct

from entro_cli.core.console import printable
from entro_cli.core.files import write_whole
from entro_cli.report.navigation import IndexEntry, Navigation, PageMetadata, navigation
from entro_cli.report.render.page import folder_lock, render_page, template_environment
from entro_engine import EntroError

INDEX = "index.html"

_METADATA = re.compile(rb'<meta name="entro-report" content="([^"]*)">')
_INDEX_TAG = b'<meta name="entro-index" content="">'
_NAVIGATION = re.compile(rb"<!-- entro-pages -->\n(.*?)<!-- /entro-pages -->", re.DOTALL)
_HEAD_BYTES = 1 << 14  # the metadata is in the first lines; a page may have megabytes
_NAVIGATION_BYTES = 1 << 16  # the links follow the style sheet
# Beyond 14 daily reports, calendars show all of them, and only the latest 7 are listed.
_MOST_DAYS, _FEW_DAYS = 14, 7
_KINDS = {"month": "Months", "week": "Weeks", "day": "Days", "range": "Ranges"}


class MonthCalendar(Struct, frozen=True):
    """The daily reports of a month as a calendar.

    Attributes:
        title: the month, such as `April 2026`.
        weeks: weeks of seven cells, Monday first. A cell is the day of the month with its report or None; it is None
            itself outside the month.
    """

    title: str
    weeks: tuple[tuple[tuple[int, IndexEntry | None] | None, ...], ...]


class PipelineReports(Struct, frozen=True):
    """The reports of a pipeline.

    Attributes:
        name: name of the pipeline; empty for the reports on all pipelines.
        anchor: id of its section in the index.
        latest: the report whose period began last.
        kinds: the listed reports of each kind, with a title, longest periods first.
        months: calendars of all days, latest month first; empty if all daily reports are listed.
    """

    name: str
    anchor: str
    latest: IndexEntry
    kinds: tuple[tuple[str, tuple[IndexEntry, ...]], ...]
    months: tuple[MonthCalendar, ...]


def update_index(folder: Path, written: str | None = None) -> str:
    """Write the index of all reports in a folder, and the links between them. Files of others stay untouched.

    Args:
        folder: folder with at least one report.
        written: the file of the new report, to link only the pages that it concerns; None to link all.

    Returns:
        A warning if something was not written; empty if all was.

    Raises:
        EntroError: if the index cannot be written.
    """
    path = folder / INDEX
    with folder_lock(folder):
        reports = list(_reports(folder))
        is_foreign = path.exists() and _INDEX_TAG not in _head(path)
        if not is_foreign:
            write_whole(path, render_index(reports))
        failure = _link_pages(folder, navigation(reports, written), "" if is_foreign else INDEX)
    if is_foreign:
        return f"{printable(str(path))} was not written by entro: left unchanged, without an index of the reports"
    return failure


def render_index(entries: Iterable[IndexEntry]) -> str:
    """Return the index of the reports in a folder, with identical bytes for identical reports."""
    reports = sorted(entries, key=lambda report: (report.mark.start, report.file), reverse=True)
    names = sorted({report.mark.pipeline for report in reports})
    shelves = [
        _pipeline_reports(number, name, [report for report in reports if report.mark.pipeline == name])
        for number, name in enumerate(names)
    ]
    return render_page("index.html", {"shelves": shelves}, charts=False)


def _link_pages(folder: Path, pages: Iterable[tuple[IndexEntry, Navigation]], index: str) -> str:
    """Write the links of pages between their two marks, where they have changed, and return a warning if it failed."""
    template = template_environment(escaping=True).get_template("navigation.html")
    failure = ""
    for entry, links in pages:
        path = folder / entry.file
        marked = _NAVIGATION.search(_head(path, _NAVIGATION_BYTES))
        block = template.render(links=links, index=index, nothing=Navigation()).encode()
        if marked and marked[1] != block:
            try:
                page = path.read_bytes()
                write_whole(path, page[: marked.start(1)] + block + page[marked.end(1) :])
            except (OSError, EntroError) as error:  # the page of somebody else, perhaps
                failure = failure or f"{printable(str(path))} was not linked to the other pages: {error}"
    return failure


def _pipeline_reports(number: int, name: str, reports: list[IndexEntry]) -> PipelineReports:
    kinds = {kind: tuple(report for report in reports if report.mark.kind == kind) for kind in _KINDS}
    days = kinds["day"]
    if len(days) > _MOST_DAYS:
        kinds["day"] = days[:_FEW_DAYS]
    titles = _KINDS | ({"day": "Latest days"} if len(days) > _MOST_DAYS else {})
    listed = tuple((titles[kind], entries) for kind, entries in kinds.items() if entries)
    # The anchor is a number, because a pipeline's name may contain anything.
    return PipelineReports(name, f"p{number}", reports[0], listed, _months(days) if len(days) > _MOST_DAYS else ())


def _months(days: Iterable[IndexEntry]) -> tuple[MonthCalendar, ...]:
    """Return the calendars of all months with a daily report, latest first."""
    dated = {day: report for report in days if (day := _day_of(report.mark)) is not None}
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
    except ValueError:  # pages may have been edited: a label is only text
        return None


def _reports(folder: Path) -> Iterator[IndexEntry]:
    for path in folder.glob("*.html"):
        mark = _metadata_of(path)
        if mark is not None:
            yield IndexEntry(path.name, mark)


def _metadata_of(path: Path) -> PageMetadata | None:
    """Return the metadata of a page; None if the page is not a report."""
    found = _METADATA.search(_head(path))
    try:
        stored: Any = json.loads(html.unescape(found[1].decode())) if found else None
        return PageMetadata(**{str(key): str(value) for key, value in stored.items()}) if stored else None
    except (ValueError, TypeError, AttributeError):
        return None


def _head(path: Path, size: int = _HEAD_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""
