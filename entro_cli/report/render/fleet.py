"""Render a Fleet as an HTML page, as text for a terminal and as Markdown."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from entro_cli.core import formatting
from entro_cli.report.charts.sparkline import REGIMES, SparklineBar
from entro_cli.report.fleet import Fleet
from entro_cli.report.navigation import PageMetadata
from entro_cli.report.render.markdown import plain_text
from entro_cli.report.render.page import render_page, render_template, template_environment
from entro_cli.report.render.terminal import ASCII, UNICODE, Pen, text_templates

CEILING = 1.5
"""Upper edge of the small charts, as a multiple of the budget, so that all pipelines are drawn to one scale."""

_FOLDED = 4  # a terminal has room for 21 of the 84 bars


def render_page_of(fleet: Fleet, template_dir: Path | None = None) -> str:
    """Return the fleet as an HTML page without a script.

    Args:
        fleet: the Fleet to render.
        template_dir: a folder with templates that replace the built-in ones of the same name.

    Raises:
        EntroError: if the templates are missing.
    """
    context = {"fleet": fleet, "mark": _metadata(fleet), "ceiling": CEILING, "n": formatting}
    return render_page("fleet.html", context, charts=False, template_dir=template_dir)


def render_markdown(fleet: Fleet, template_dir: Path | None = None) -> str:
    """Return the fleet as GitHub-flavoured Markdown.

    Args:
        fleet: the Fleet to render.
        template_dir: a folder with templates that replace the built-in ones of the same name.

    Raises:
        EntroError: if the templates are missing.
    """
    templates = template_environment(escaping=False, clean=plain_text, template_dir=template_dir)
    return render_template(templates, "fleet.md", {"fleet": fleet, "n": formatting}, template_dir)


def render_text(fleet: Fleet, unicode: bool = True, color: bool = False, template_dir: Path | None = None) -> str:
    """Return the fleet as text of at most 80 columns.

    Args:
        fleet: the Fleet to render.
        unicode: draw with block characters. Otherwise the text is ASCII.
        color: add colours, as ANSI escapes.
        template_dir: a folder with templates that replace the built-in ones of the same name.

    Raises:
        EntroError: if the templates are missing.
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
    """Return the small chart with a quarter of its bars, each the worst of four, cut off at the ceiling (nat)."""
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
    """Return the metadata that the page carries for the index. The empty name means all pipelines."""
    period = fleet.period
    start = period.start.astimezone(UTC).isoformat()
    return PageMetadata(
        "", period.kind, period.label, period.title, start, str(fleet.verdict.health), fleet.verdict.sentence
    )
