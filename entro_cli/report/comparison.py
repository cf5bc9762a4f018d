"""Two reports side by side: as a page, as text for a terminal, as Markdown and as a JSON document."""

from __future__ import annotations

from datetime import UTC
from io import StringIO
from math import ceil
from pathlib import Path
from typing import Any

from msgspec import Struct

from entro_cli.core import formatting
from entro_cli.core.clock import moment, nanoseconds
from entro_cli.core.console import printable
from entro_cli.core.json_document import to_builtins
from entro_cli.report.charts.sparkline import SparklineBar, sparkline
from entro_cli.report.daily_report import Summary
from entro_cli.report.periods import file_name, period_named
from entro_cli.report.render.figure_table import figure_table
from entro_cli.report.render.markdown import plain_text
from entro_cli.report.render.page import render_page, render_template, template_environment
from entro_cli.report.render.rich_table import grid
from entro_engine import EntroError

SCHEMA = "entro/comparison/1"
_MAX_NAME_LENGTH = 16
_BARS = 240
_MOST_LABELS = 7  # as many as a phone is wide; one that begins further right than this, %, would not fit
_LAST_LABEL = 90
_STYLES = {"better": "green", "worse": "red"}


class ReportPair(Struct, frozen=True):
    """Two reports. Changes are from the first to the second.

    Raises:
        EntroError: if the stages of the reports differ.
    """

    first: Summary
    second: Summary

    def __post_init__(self) -> None:
        """Check that the figures of both are of the same stages."""
        stages = [[(stage.name, stage.kind) for stage in side.figures.stages] for side in (self.first, self.second)]
        if stages[0] != stages[1]:
            shown = [", ".join(printable(name) for name, _ in side) for side in stages]
            raise EntroError(
                f"the stages differ: {shown[0]} and {shown[1]}", expected="two reports with the same stages"
            )

    @property
    def stem(self) -> str:
        """The default name of its file, without a suffix."""
        pipelines = dict.fromkeys((self.first.pipeline, self.second.pipeline))
        return f"{file_name(*pipelines)}-compare-{self.first.period.label}-{self.second.period.label}"


class _Side(Struct, frozen=True):
    """One report as the page shows it.

    Attributes:
        summary: the report.
        report: path of its own page, relative to that of the comparison; empty without one.
        bars: its timeline from the beginning of its period on, as long as that of the longer period.
        labels: names of parts of the period, each with its place, % of the width.
    """

    summary: Summary
    report: str
    bars: tuple[SparklineBar, ...]
    labels: tuple[tuple[float, str], ...]


def report_file(summary: Summary) -> str:
    """Return the name of a report's own page."""
    return f"{period_named(summary.period.label, UTC).file_stem(summary.pipeline)}.html"


def document(comparison: ReportPair) -> dict[str, Any]:
    """Return the JSON document of a comparison."""
    sides = {"first": comparison.first, "second": comparison.second}
    return {"schema": SCHEMA} | {
        name: {"pipeline": side.pipeline, "period": to_builtins(side.period), "verdict": to_builtins(side.verdict)}
        | {"figures": to_builtins(side.figures)}
        for name, side in sides.items()
    }


def render_page_of(
    comparison: ReportPair, reports: tuple[str, str] = ("", ""), template_dir: Path | None = None
) -> str:
    """Return the comparison as an HTML page without a script.

    Args:
        comparison: the two reports.
        reports: the paths of their own pages, relative to this page; empty without one.
        template_dir: a folder with templates that replace the built-in ones of the same name.

    Raises:
        EntroError: if the templates are missing.
    """
    summaries = (comparison.first, comparison.second)
    longest_s = max(side.period.length_s for side in summaries)
    figures = [side.figures for side in summaries]
    context = {
        "sides": [_side(side, report, longest_s) for side, report in zip(summaries, reports, strict=True)],
        "ceiling": 1.1 * max(max(one.peak_coupled_load or 0.0, one.budget) for one in figures),
        "longest_s": longest_s,
        **_context(comparison),
    }
    return render_page("compare.html", context, charts=False, template_dir=template_dir)


def render_markdown(comparison: ReportPair, template_dir: Path | None = None) -> str:
    """Return the comparison as GitHub-flavoured Markdown.

    Args:
        comparison: the two reports.
        template_dir: a folder with templates that replace the built-in ones of the same name.

    Raises:
        EntroError: if the templates are missing.
    """
    templates = template_environment(escaping=False, clean=plain_text, template_dir=template_dir)
    return render_template(templates, "compare.md", _context(comparison), template_dir)


def render_text(comparison: ReportPair, width: int = 80, color: bool = False) -> str:
    """Return the comparison as text for a terminal.

    Args:
        comparison: the two reports.
        width: the most columns.
        color: add colours, as ANSI escapes.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(
        file=StringIO(), width=width, force_terminal=color, no_color=not color, markup=False, highlight=False
    )
    with console.capture() as capture:
        for side in (comparison.first, comparison.second):
            health = str(side.verdict.health).upper()
            console.print(Text.assemble((f"{_title(side)}  ", "bold"), f"{health}  ", printable(side.verdict.sentence)))
        console.print()
        titles = [(_title(side), "right") for side in (comparison.first, comparison.second)]
        table = grid(("", "left"), *titles, ("Change", "right"), ("", "left"))
        for group in figure_table(comparison.second.figures, comparison.first.figures):
            table.add_row(Text(group.title, style="bold"))
            for row in group.rows:
                change = [Text(text, style=_STYLES.get(row.trend, "")) for text in (row.change, row.trend)]
                table.add_row(f"  {printable(row.label)}", row.previous, row.value, *change)
        console.print(table)
    return "".join(f"{line.rstrip(' ')}\n" for line in capture.get().splitlines())  # Rich pads every line


def _context(comparison: ReportPair) -> dict[str, object]:
    return {
        "comparison": comparison,
        "groups": figure_table(comparison.second.figures, comparison.first.figures),
        "n": formatting,
    }


def _side(summary: Summary, report: str, longest_s: float) -> _Side:
    start = summary.period.start
    start_ns, longest_ns = nanoseconds(start), round(longest_s * 1e9)
    parts = summary.buckets[:: ceil(len(summary.buckets) / _MOST_LABELS)]
    places = [(100 * (nanoseconds(part.start) - start_ns) / longest_ns, part.label) for part in parts]
    bars = sparkline(summary, _BARS, (start, moment(start_ns + longest_ns, start.tzinfo or UTC)))
    return _Side(summary, report, bars, tuple(place for place in places if place[0] < _LAST_LABEL))


def _title(summary: Summary) -> str:
    return f"{printable(summary.pipeline)[:_MAX_NAME_LENGTH]} {summary.period.label}"
