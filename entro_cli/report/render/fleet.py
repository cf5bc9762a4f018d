"""A Fleet as a page, as text for a terminal and as Markdown."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from entro_cli.core import formatting
from entro_cli.report.charts.sparkline import REGIMES, SparklineBar
from entro_cli.report.fleet import Fleet
from entro_cli.report.render.index import PageMetadata
from entro_cli.report.render.markdown import plain_text
from entro_cli.report.render.page import render_page, render_template, template_environment
from entro_cli.report.render.terminal import ASCII, UNICODE, Pen, text_templates

CEILING = 1.5
"""A glance is cut off at so many times the budget: the fleet's pipelines are then drawn alike."""

_FOLDED = 4


def render_page_of(fleet: Fleet, template_dir: Path | None = None) -> str:
    """The fleet as a page, which has no script.

    Args:
        fleet: what it says.
        template_dir: a folder with templates that take the place of those of the same name.

    Raises:
        EntroError: when the templates are missing.
    """
    context = {"fleet": fleet, "mark": _metadata(fleet), "ceiling": CEILING, "n": formatting}
    return render_page("fleet.html", context, charts=False, template_dir=template_dir)


def render_markdown(fleet: Fleet, template_dir: Path | None = None) -> str:
    """The fleet as Markdown, fit for the summary of a CI step.

    Args:
        fleet: what it says.
        template_dir: a folder with templates that take the place of those of the same name.

    Raises:
        EntroError: when the templates are missing.
    """
    templates = template_environment(escaping=False, clean=plain_text, template_dir=template_dir)
    return render_template(templates, "fleet.md", {"fleet": fleet, "n": formatting}, template_dir)


def render_text(fleet: Fleet, unicode: bool = True, color: bool = False, template_dir: Path | None = None) -> str:
    """The fleet as text, no line wider than 80 cells.

    Args:
        fleet: what it says.
        unicode: draw with block characters; without, everything is ASCII.
        color: with colours, as ANSI escapes.
        template_dir: a folder with templates that take the place of those of the same name.

    Raises:
        EntroError: when the templates are missing.
    """
    pen = Pen(UNICODE if unicode else ASCII, color, 80)
    glances = [_merge_bars(member.glance, CEILING * member.budget) for member in fleet.members]
    context = {
        "fleet": fleet,
        "glances": glances,
        "ceiling": CEILING,
        "pen": pen,
        "glyphs": pen.glyphs,
        "n": formatting,
    }
    text = render_template(text_templates(pen, template_dir), "fleet.txt", context, template_dir)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _merge_bars(glance: tuple[SparklineBar, ...], ceiling: float) -> tuple[SparklineBar, ...]:
    """A glance in a quarter of its columns, each with the worst of its four, none higher than the ceiling (nat)."""
    groups = [glance[at : at + _FOLDED] for at in range(0, len(glance), _FOLDED)]
    return tuple(
        SparklineBar(
            min(max(part.peak for part in group if part.peak is not None), ceiling),
            max((part.regime for part in group if part.peak is not None), key=REGIMES.index),
        )
        if any(part.peak is not None for part in group)
        else group[0]
        for group in groups
    )


def _metadata(fleet: Fleet) -> PageMetadata:
    """What the page says of itself to the index of its folder: it is of no one pipeline."""
    period = fleet.period
    start = period.start.astimezone(UTC).isoformat()
    return PageMetadata(
        "", period.kind, period.label, period.title, start, str(fleet.verdict.health), fleet.verdict.sentence
    )
