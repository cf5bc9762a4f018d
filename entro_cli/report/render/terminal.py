"""A Summary as text for a terminal: sparklines and bars, in a given width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup
from rich.cells import cell_len, chop_cells, set_cell_size

from entro_cli.core import formatting
from entro_cli.core.console import printable
from entro_cli.report.calendar import CalendarDay, DayState, calendar_of
from entro_cli.report.charts.sparkline import SparklineBar, shown_span, sparkline
from entro_cli.report.daily_report import MOST_LISTED, Bucket, Summary
from entro_cli.report.render.coordination_table import coordination_rows, coordination_terms
from entro_cli.report.render.figure_table import figure_table
from entro_cli.report.render.page import render_template, template_environment
from entro_cli.report.week_map import LEVELS, Weekday

LEAST_WIDTH = 72
"""Narrower than this the columns do not fit."""

_COLOURS = {
    "good": "32",
    "stable": "32",
    "watch": "33",
    "stress": "33",
    "bad": "31",
    "critical": "31",
    "no data": "2",
    "maintenance": "2",
    DayState.OVER: "31",
    DayState.CRITICAL: "33",
    DayState.CALM: "32",
    "title": "1",
    "quiet": "2",
}


@dataclass(frozen=True)
class Glyphs:
    """What is drawn with.

    Attributes:
        spark: levels of a sparkline, the lowest first.
        bar: a cell of a bar for each regime, and for what is left out.
        levels: a cell of the map of the week: no data, then its levels, never Critical first.
        day: a shape for each state of a day.
        health: a shape for each health.
        rule: a horizontal line is made of these.
        more: stands for what was cut off.
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
    """The report as text.

    Args:
        summary: what it says.
        width: no line is wider than this many cells; at least 72 are taken.
        unicode: draw with block characters; without, everything is ASCII, other letters are written as escapes.
        color: with colours, as ANSI escapes; without, there are none.
        template_dir: a folder with templates that take the place of those of the same name.

    Returns:
        The text, ending with a newline; the same for the same arguments.

    Raises:
        EntroError: when the templates are missing.
    """
    pen = Pen(UNICODE if unicode else ASCII, color, max(width, LEAST_WIDTH))
    context = {
        "summary": summary,
        "groups": figure_table(summary.figures, summary.previous_figures),
        "coordination": coordination_rows(summary.coordination),
        "terms": coordination_terms(summary.coordination),
        "shown": shown_span(summary),
        "columns": sparkline(summary, pen.width - 2),
        "calendar": calendar_of(summary),
        "most": MOST_LISTED,
        "n": formatting,
        "pen": pen,
        "glyphs": pen.glyphs,
    }
    text = render_template(text_templates(pen, template_dir), "report.txt", context, template_dir)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def text_templates(pen: Pen, template_dir: Path | None) -> Environment:
    """The templates of text, which draw with a pen.

    Args:
        pen: its cells are filters of theirs.
        template_dir: a folder with templates that take the place of those of the same name.
    """
    templates = template_environment(escaping=False, clean=pen.clean, template_dir=template_dir)
    templates.filters |= {"left": pen.left, "right": pen.right, "wrap": pen.wrap, "paint": pen.paint}
    return templates


class Pen:
    """How text and pictures are put into cells.

    Args:
        glyphs: what to draw with.
        color: whether to paint.
        width: of the whole, in cells.
    """

    def __init__(self, glyphs: Glyphs, color: bool, width: int) -> None:
        self.glyphs, self.color, self.width = glyphs, color, width

    def clean(self, text: str) -> str:
        """Text a terminal can show: no control characters, and no other letters than ASCII where that is asked for."""
        shown = printable(text)
        return shown if self.glyphs is UNICODE else shown.encode("ascii", "backslashreplace").decode()

    def left(self, text: object, width: int) -> str:
        """Text at the left of so many cells, shortened where it is too wide."""
        return set_cell_size(self._shortened(str(text), width), width)

    def right(self, text: object, width: int) -> str:
        """Text at the right of so many cells, shortened where it is too wide."""
        short = self._shortened(str(text), width)
        return " " * (width - cell_len(short)) + short

    def wrap(self, text: str, indent: int = 0, first: int = 0) -> list[str]:
        """Text as lines of the pen's width, without their indent; a word wider than a line is cut.

        Args:
            text: one paragraph.
            indent: cells that the caller puts before each line.
            first: cells of the first line that are taken besides.
        """
        room, lines, line = self.width - indent, [], " " * first
        for part in self._parts(text, room - first):
            longer = f"{line} {part}" if line.strip() else line + part
            if cell_len(longer) > room:
                lines.append(line)
                longer = part
            line = longer
        whole = [*lines, line]
        return [whole[0][first:], *whole[1:]]

    def _parts(self, text: str, most: int) -> Iterator[str]:
        """The words of a text, those wider than `most` cells in pieces."""
        for word in self.clean(text).split():
            yield from chop_cells(word, most)

    def paint(self, text: str, style: str) -> Markup:
        """Text in a style's colour, where there are colours."""
        shown = self.clean(text)
        return Markup(f"\x1b[{_COLOURS[style]}m{shown}\x1b[0m" if self.color and shown.strip() else shown)  # noqa: S704

    def spark(self, parts: tuple[SparklineBar, ...], ceiling: float) -> Markup:
        """A sparkline of the columns' peaks, from 0 to the ceiling (nat)."""
        top = len(self.glyphs.spark) - 1
        levels = [" " if part.peak is None else self.glyphs.spark[round(part.peak / ceiling * top)] for part in parts]
        return self._in_colours(zip((part.regime for part in parts), levels, strict=True))

    def strip(self, parts: tuple[SparklineBar, ...]) -> Markup:
        """The columns' worst regimes."""
        return self._in_colours((part.regime, self.glyphs.bar[part.regime]) for part in parts)

    def bar(self, bucket: Bucket, width: int) -> Markup:
        """How a bucket's steps are divided between the regimes, in so many cells."""
        regimes = bucket.regimes
        steps = (regimes.stable, regimes.stress, regimes.critical, regimes.no_data, bucket.excluded_steps)
        cells, done, drawn = [], 0, 0
        for regime, count in zip(("stable", "stress", "critical", "no data", "maintenance"), steps, strict=True):
            done += count
            edge = round(width * done / max(bucket.steps, 1))
            cells += [(regime, self.glyphs.bar[regime])] * (edge - drawn)
            drawn = edge
        return self._in_colours([*cells, *[("no data", " ")] * (width - drawn)])

    def week(self, day: Weekday) -> Markup:
        """How often the hours of a weekday were Critical, two cells an hour."""
        levels = [0 if hour.critical_share is None else 1 + hour.level for hour in day.hours]
        cells = [("critical" if level > 1 else "quiet", 2 * self.glyphs.levels[level]) for level in levels]
        return self._in_colours(cells)

    @property
    def week_legend(self) -> str:
        """What the cells of a weekday mean."""
        edges = [formatting.share(edge).replace(".0%", "%") for edge in LEVELS]
        said = [f"less than {edges[0]}", *(f"from {edge} on" for edge in edges)]
        words = ", ".join(f"{glyph} {what}" for glyph, what in zip(self.glyphs.levels[2:], said, strict=True))
        return f"{self.glyphs.levels[1]} never; of the observed time {words}; empty without data."

    def day(self, day: CalendarDay | None) -> Markup:
        """A day of the calendar in ten cells: its number, its shape and its Critical share."""
        if day is None:
            return self.paint(" " * 10, "quiet")
        shape = self.paint(self.glyphs.day[day.state], day.state)
        share = self.left(formatting.share(day.critical_share) if day.critical_share else "", 6)
        return Markup("").join([self.right(day.bucket.start.day, 2), shape, " ", share])

    @property
    def calendar_legend(self) -> str:
        """What the shapes of the calendar's days mean."""
        words = ", ".join(f"{self.glyphs.day[state]} {state}" for state in DayState)
        return f"{words}; % of the observed time in Critical."

    def _in_colours(self, cells: Iterable[tuple[str, str]]) -> Markup:
        groups = groupby(cells, key=lambda cell: cell[0])
        painted = (self.paint("".join(glyph for _, glyph in group), regime) for regime, group in groups)
        return Markup("").join(painted)

    def _shortened(self, text: str, width: int) -> str:
        shown = self.clean(text)
        if cell_len(shown) <= width:
            return shown
        return set_cell_size(shown, width - len(self.glyphs.more)).rstrip() + self.glyphs.more
