"""Links between the pages of a folder, made from the metadata in their heads."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, date

from msgspec import Struct
from msgspec.structs import asdict

from entro_cli.report.periods import Period, PeriodKind, period_named
from entro_engine import EntroError


class PageMetadata(Struct, frozen=True):
    """Metadata in the head of a page, for the index. Pages of older versions hold these fields: do not rename them.

    Attributes:
        pipeline: name of the pipeline; empty if the page covers all pipelines.
        kind: day, week, month or range.
        label: label of the period, such as `2026-W15`.
        title: the label in words.
        start: beginning of the period, ISO 8601 in UTC.
        health: good, watch, bad or no data.
        sentence: sentence of the verdict.
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
        """The metadata as JSON, as stored in the page."""
        return json.dumps(asdict(self))


class IndexEntry(Struct, frozen=True):
    """A report in the index: its file and its metadata."""

    file: str
    mark: PageMetadata


class PageLink(Struct, frozen=True):
    """A link to another page of the folder: its file, its text and its period in words."""

    file: str
    text: str
    title: str


class Navigation(Struct, frozen=True):
    """The links of a page. Each leads to a page that exists.

    Attributes:
        wider: the week and the months that the period is part of, then the page of all pipelines.
        previous: the page of the same kind before this one; None for the first.
        following: the page of the same kind after this one; None for the last.
        inside: the pages of the weeks and of the days in the period, with a title, if there are any.
    """

    wider: tuple[PageLink, ...] = ()
    previous: PageLink | None = None
    following: PageLink | None = None
    inside: tuple[tuple[str, tuple[PageLink, ...]], ...] = ()


class _Series:
    """The pages of one pipeline and one kind of period, by first day. Days are counted: a label may name any year."""

    def __init__(self) -> None:
        self._pages: dict[int, tuple[Period, IndexEntry]] = {}
        self._days: list[int] = []

    def add(self, period: Period, entry: IndexEntry) -> None:
        self._pages[period.first.toordinal()] = period, entry

    def at(self, day: int) -> Iterator[PageLink]:
        """Yield the page that begins on a day, if there is one."""
        if day in self._pages:
            period, entry = self._pages[day]
            yield PageLink(entry.file, period.title.partition(",")[0], period.title)

    def between(self, first: int, after: int, form: str) -> tuple[PageLink, ...]:
        """Return the pages that begin in a range of days. Their texts are dates in that form."""
        days = self._sorted()
        chosen = (self._pages[day] for day in days[bisect_left(days, first) : bisect_left(days, after)])
        return tuple(PageLink(entry.file, f"{period.first:{form}}", period.title) for period, entry in chosen)

    def beside(self, day: int) -> tuple[PageLink | None, PageLink | None]:
        """Return the pages before and after the one that begins on a day."""
        days = self._sorted()
        before, after = bisect_left(days, day) - 1, bisect_right(days, day)
        return (
            next(self.at(days[before]), None) if before >= 0 else None,
            next(self.at(days[after]), None) if after < len(days) else None,
        )

    def _sorted(self) -> list[int]:
        if len(self._days) != len(self._pages):
            self._days = sorted(self._pages)
        return self._days


def navigation(entries: Iterable[IndexEntry], written: str | None = None) -> Iterator[tuple[IndexEntry, Navigation]]:
    """Yield pages of a folder with their links. The page of a range, or of a label that is none, has none.

    Args:
        entries: all pages of the folder, in any order.
        written: the file of a new page. Only pages that may change with it are yielded: those of its pipeline, and for
            a page on all pipelines those of its period. None for all.
    """
    series: dict[tuple[str, PeriodKind], _Series] = {}
    dated = [(entry, _period_of(entry)) for entry in entries]
    # Of several pages on one period, such as copies, the one that has the name from entro comes last and is linked.
    for entry, period in sorted(dated, key=lambda page: (_is_original(*page), page[0].file)):
        if period is not None:
            series.setdefault((entry.mark.pipeline, period.kind), _Series()).add(period, entry)
    new = next((entry.mark for entry, _ in dated if entry.file == written), None)
    for entry, period in dated:
        mark = entry.mark
        if new is None or new.pipeline == mark.pipeline or (not new.pipeline and new.label == mark.label):
            yield entry, Navigation() if period is None else _links(series, mark.pipeline, period)


def _links(series: dict[tuple[str, PeriodKind], _Series], pipeline: str, period: Period) -> Navigation:
    none = _Series()
    days, weeks, months = (series.get((pipeline, kind), none) for kind in _KINDS)
    first, after = period.first.toordinal(), period.end.date().toordinal()
    wider: list[PageLink] = []
    if period.kind is PeriodKind.DAY:
        wider += weeks.at(first - period.first.weekday())
    if period.kind is not PeriodKind.MONTH:
        begins = {date.fromordinal(day).replace(day=1).toordinal() for day in (first, after - 1)}
        wider += [link for begin in sorted(begins) for link in months.at(begin)]
    if pipeline:
        fleet = series.get(("", period.kind), none).at(first)
        wider += [PageLink(link.file, "All pipelines", link.title) for link in fleet]
    inside: list[tuple[str, tuple[PageLink, ...]]] = []
    if period.kind is PeriodKind.MONTH:
        inside.append(("Weeks", weeks.between(first - 6, after, "%-V")))
    if period.kind is not PeriodKind.DAY:
        inside.append(("Days", days.between(first, after, "%-d" if period.kind is PeriodKind.MONTH else "%a %-d")))
    previous, following = series[pipeline, period.kind].beside(first)
    return Navigation(tuple(wider), previous, following, tuple(part for part in inside if part[1]))


_KINDS = (PeriodKind.DAY, PeriodKind.WEEK, PeriodKind.MONTH)


def _period_of(entry: IndexEntry) -> Period | None:
    """Return the period of a page; None for a range. Pages may have been edited: a label is only text."""
    try:
        return period_named(entry.mark.label, UTC)
    except EntroError:
        return None


def _is_original(entry: IndexEntry, period: Period | None) -> bool:
    return period is not None and entry.file == f"{period.file_stem(entry.mark.pipeline or None)}.html"
