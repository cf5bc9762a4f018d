"""Render a Summary as text for a terminal, with sparklines and bars, in a given width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup
from msgspec import Struct
from rich.cells import cell_len, chop_cells, set_cell_size

from entro_cli.core import formatting
from entro_cli.core.console import printable
from entro_cli.report.calendar import CalendarDay, DayState
from entro_cli.report.charts.sparkline import SparklineBar, most_bars, sparkline
from entro_cli.report.daily_report import Bucket, Summary
from entro_cli.report.render.page import render_template, template_environment
from entro_cli.report.render.values import common_values
from entro_cli.report.week_map import LEVELS, Weekday

LEAST_WIDTH = 72
"""The columns of the tables of the long text need this width."""

MOST_LINES = 23
"""The most lines of the short text: with the prompt of a shell below it, it fills a terminal of 24 lines."""

SHORT = "report-short.txt"
"""The template of the short text."""

_FITS = ((5, 8), (4, 8), (3, 8), (2, 8), (1, 6), (1, 4), (1, 2))
"""Incidents and lines of a paragraph in the short text. The first of these that gives few enough lines is taken."""

_COLOURS = {
    "good": "32",
    "stable": "32",
    "watch": "33",
    "stress": "33",
    "bad": "31",
    "better": "32",
    "worse": "31",
    "critical": "31",
    "no data": "2",
    "maintenance": "2",
    DayState.OVER: "31",
    DayState.CRITICAL: "33",
    DayState.CALM: "32",
    "title": "1",
    "quiet": "2",
}


class Glyphs(Struct, frozen=True):
    """The characters to draw with.

    Attributes:
        spark: levels of a sparkline, lowest first.
        bar: character of each regime and of maintenance in a bar.
        levels: characters of the week map: no data, then levels 0 (never Critical) to 4.
        day: character of each state of a day.
        health: character of each health.
        rule: character of a horizontal line.
        more: mark at the end of shortened text.
    """

    spark: str
    bar: dict[str, str]
    levels: str
    day: dict[str, str]
    health: dict[str, str]
    rule: str
    more: str


UNICODE = Glyphs(
    spark="▁▂▃▄▅▆▇█",
    bar={"stable": "░", "stress": "▒", "critical": "█", "no data": " ", "maintenance": "╲"},
    levels=" ·░▒▓█",
    day=dict(zip(DayState, "◆▲●○╲", strict=True)),
    health={"good": "●", "watch": "▲", "bad": "◆", "no data": "○"},
    rule="─",
    more="…",
)
ASCII = Glyphs(
    spark=".:-=+*%#",
    bar={"stable": ".", "stress": "+", "critical": "#", "no data": " ", "maintenance": "/"},
    levels=" .-+*#",
    day=dict(zip(DayState, "X!+?/", strict=True)),
    health={"good": "(+)", "watch": "(!)", "bad": "(X)", "no data": "(?)"},
    rule="-",
    more="...",
)


def render(
    summary: Summary, width: int = 80, unicode: bool = True, color: bool = False, template_dir: Path | None = None
) -> str:
    """Return all of the report as text.

    Args:
        summary: the Summary to render.
        width: the most columns of a line, at least 72.
        unicode: draw with block characters. Otherwise the text is ASCII, with escapes for other letters.
        color: add colours, as ANSI escapes.
        template_dir: a folder with templates that replace the built-in ones of the same name.

    Returns:
        The text, ending with a newline, identical for identical arguments.

    Raises:
        EntroError: if the templates are missing.
    """
    pen = Pen(UNICODE if unicode else ASCII, color, max(width, LEAST_WIDTH))
    context = {
        **common_values(summary),
        "columns": _columns(summary, pen.width - 2),
        "pen": pen,
        "glyphs": pen.glyphs,
    }
    text = render_template(text_templates(pen, template_dir), "report.txt", context, template_dir)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def render_short(
    summary: Summary,
    width: int = 80,
    unicode: bool = True,
    color: bool = False,
    page: Path | None = None,
    template_dir: Path | None = None,
) -> str:
    """Return the report as text that fits a terminal of 24 lines: the verdict, four figures, the worst incidents.

    Args:
        summary: the Summary to render.
        width: the most columns of a line, at least 40.
        unicode: draw with block characters. Otherwise the text is ASCII, with escapes for other letters.
        color: add colours, as ANSI escapes.
        page: the file of the page, which the text names.
        template_dir: a folder with templates that replace the built-in ones of the same name.

    Returns:
        The text, ending with a newline, identical for identical arguments.

    Raises:
        EntroError: if the templates are missing.
    """
    pen = Pen(UNICODE if unicode else ASCII, color, max(width, 40))
    context = {
        **common_values(summary),
        "columns": _columns(summary, pen.width),
        "page": page,
        "pen": pen,
        "glyphs": pen.glyphs,
    }
    templates = text_templates(pen, template_dir)
    lines: list[str] = []
    for incidents, prose in _FITS:
        text = render_template(templates, SHORT, {**context, "most": incidents, "prose": prose}, template_dir)
        lines = [line.rstrip() for line in text.splitlines()]
        blank = [at for at, line in enumerate(lines) if not line] if incidents <= 2 else []
        for at in blank[::-1][: max(len(lines) - MOST_LINES, 0)]:
            del lines[at]
        if len(lines) <= MOST_LINES:
            break
    return "".join(f"{line}\n" for line in lines)


def _columns(summary: Summary, width: int) -> tuple[SparklineBar, ...]:
    """Return the timeline as one bar per cell. Where there are fewer steps than cells, bars are repeated."""
    bars = sparkline(summary, most_bars(summary, width))
    return tuple(bars[cell * len(bars) // width] for cell in range(width))


def text_templates(pen: Pen, template_dir: Path | None) -> Environment:
    """Return the environment of the text templates.

    Args:
        pen: its layout methods become filters of the templates.
        template_dir: a folder with templates that replace the built-in ones of the same name.
    """
    templates = template_environment(escaping=False, clean=pen.clean, template_dir=template_dir)
    templates.filters |= {"left": pen.left, "right": pen.right, "wrap": pen.wrap, "paint": pen.paint}
    return templates


class Pen:
    """Lay out text and small charts in the cells of a terminal.

    Widths count cells and not characters: East Asian characters and emoji take two cells.

    Args:
        glyphs: the characters to draw with.
        color: whether to add colours.
        width: width of the text, in cells.
    """

    def __init__(self, glyphs: Glyphs, color: bool, width: int) -> None:
        self.glyphs, self.color, self.width = glyphs, color, width

    def clean(self, text: str) -> str:
        """Return text that the terminal can show: no control characters, and only ASCII if the glyphs are ASCII."""
        shown = printable(text)
        return shown if self.glyphs is UNICODE else shown.encode("ascii", "backslashreplace").decode()

    def left(self, text: object, width: int) -> str:
        """Return text padded on the right to a width, shortened if it is wider."""
        return set_cell_size(self._shortened(str(text), width), width)

    def right(self, text: object, width: int) -> str:
        """Return text padded on the left to a width, shortened if it is wider."""
        short = self._shortened(str(text), width)
        return " " * (width - cell_len(short)) + short

    def wrap(self, text: str, indent: int = 0, first: int = 0, most: int | None = None) -> list[str]:
        """Return a paragraph as lines of the pen's width, without their indent. A word wider than a line is cut.

        Args:
            text: the paragraph.
            indent: cells that the caller puts before each line.
            first: cells that the caller puts before the first line in addition.
            most: the most lines; a longer paragraph is cut. None for any number.
        """
        room, lines, line = self.width - indent, [], " " * first
        for word in self._words(text, room - first):
            longer = f"{line} {word}" if line.strip() else line + word
            if cell_len(longer) > room:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
        if most is not None and len(lines) > most:
            kept = self._shortened(lines[most - 1], room - len(self.glyphs.more))
            lines[most - 1 :] = [kept.removesuffix(self.glyphs.more) + self.glyphs.more]
        return [lines[0][first:], *lines[1:]]

    def _words(self, text: str, most: int) -> Iterator[str]:
        """Yield the words of a text. Words wider than `most` cells come in pieces."""
        for word in self.clean(text).split():
            yield from chop_cells(word, most)

    def paint(self, text: str, style: str) -> Markup:
        """Return text in the colour of a style, if colours are on; the empty style has none."""
        shown = self.clean(text)
        if self.color and style and shown.strip():
            shown = f"\x1b[{_COLOURS[style]}m{shown}\x1b[0m"
        return Markup(shown)  # noqa: S704

    def spark(self, parts: tuple[SparklineBar, ...], ceiling: float) -> Markup:
        """Return a sparkline of the bars' peaks, from 0 to the ceiling (nat)."""
        top = len(self.glyphs.spark) - 1
        levels = [" " if part.peak is None else self.glyphs.spark[round(part.peak / ceiling * top)] for part in parts]
        return self._in_colours(zip((part.regime for part in parts), levels, strict=True))

    def strip(self, parts: tuple[SparklineBar, ...]) -> Markup:
        """Return the bars' worst regimes."""
        return self._in_colours((part.regime, self.glyphs.bar[part.regime]) for part in parts)

    def bar(self, bucket: Bucket, width: int) -> Markup:
        """Return a bar with the share of each regime in a bucket."""
        regimes = bucket.regimes
        steps = (regimes.stable, regimes.stress, regimes.critical, regimes.no_data, bucket.excluded_steps)
        # The edges are rounded and not the lengths, so that the parts always add up to the width.
        cells, done, drawn = [], 0, 0
        for regime, count in zip(("stable", "stress", "critical", "no data", "maintenance"), steps, strict=True):
            done += count
            edge = round(width * done / max(bucket.steps, 1))
            cells += [(regime, self.glyphs.bar[regime])] * (edge - drawn)
            drawn = edge
        return self._in_colours([*cells, *[("no data", " ")] * (width - drawn)])

    def week(self, day: Weekday) -> Markup:
        """Return a row of the week map, with two cells per hour."""
        levels = [0 if hour.critical_share is None else 1 + hour.level for hour in day.hours]
        cells = [("critical" if level > 1 else "quiet", 2 * self.glyphs.levels[level]) for level in levels]
        return self._in_colours(cells)

    @property
    def week_legend(self) -> str:
        """The legend of the week map."""
        edges = [formatting.share(edge).replace(".0%", "%") for edge in LEVELS]
        bounds = [f"below {edges[0]}", *(f"from {edge}" for edge in edges)]
        levels = ", ".join(f"{glyph} {bound}" for glyph, bound in zip(self.glyphs.levels[2:], bounds, strict=True))
        return f"Share of the observed time: {self.glyphs.levels[1]} never, {levels}. Blank: no data."

    def day(self, day: CalendarDay | None) -> Markup:
        """Return a day of the calendar in ten cells: its number, its state and its Critical share."""
        if day is None:
            return self.paint(" " * 10, "quiet")
        shape = self.paint(self.glyphs.day[day.state], day.state)
        share = self.left(formatting.share(day.critical_share) if day.critical_share else "", 6)
        return Markup("").join([self.right(day.bucket.start.day, 2), shape, " ", share])

    @property
    def calendar_legend(self) -> str:
        """The legend of the calendar."""
        states = ", ".join(f"{self.glyphs.day[state]} {state}" for state in DayState)
        return f"{states}. Percentages: share of the observed time in Critical."

    def _in_colours(self, cells: Iterable[tuple[str, str]]) -> Markup:
        groups = groupby(cells, key=lambda cell: cell[0])
        painted = (self.paint("".join(glyph for _, glyph in group), regime) for regime, group in groups)
        return Markup("").join(painted)

    def _shortened(self, text: str, width: int) -> str:
        shown = self.clean(text)
        if cell_len(shown) <= width:
            return shown
        return set_cell_size(shown, width - len(self.glyphs.more)).rstrip() + self.glyphs.more
