"""Render a Summary as GitHub-flavoured Markdown, for example for the summary of a CI step."""

from __future__ import annotations

import re
from pathlib import Path

from entro_cli.core import formatting
from entro_cli.core.console import printable
from entro_cli.report.calendar import calendar_of
from entro_cli.report.daily_report import MOST_LISTED, Summary
from entro_cli.report.render.figure_table import coordination_rows, coordination_terms, figure_table, full_load_terms
from entro_cli.report.render.page import render_template, template_environment

_MARKUP = re.compile(r"[\\`*_\[\]<>|~#&@]")
# GitHub links bare URLs (http://, www.) by itself: a zero-width space after the scheme or the www prevents that.
_LINKS = re.compile(r"(?i)(?<=[a-z])(?=://)|(?<=www)(?=\.)")


def render(summary: Summary, template_dir: Path | None = None) -> str:
    """Return the report as Markdown.

    Args:
        summary: the Summary to render.
        template_dir: a folder with templates that replace the built-in ones of the same name.

    Returns:
        The text, identical for an identical Summary.

    Raises:
        EntroError: if the templates are missing.
    """
    templates = template_environment(escaping=False, clean=plain_text, template_dir=template_dir)
    context = {
        "summary": summary,
        "groups": figure_table(summary.figures, summary.previous_figures),
        "coordination": coordination_rows(summary.coordination),
        "terms": coordination_terms(summary.coordination),
        "full_loads": full_load_terms(summary.made.full_loads),
        "calendar": calendar_of(summary),
        "most": MOST_LISTED,
        "n": formatting,
    }
    return render_template(templates, "report.md", context, template_dir)


def plain_text(text: str) -> str:
    """Return text that Markdown shows literally, also in a table: no markup, no link, no mention, no line end."""
    one_line = " ".join(printable(text).split())
    escaped = _MARKUP.sub(lambda char: f"&#{ord(char[0])};", one_line)
    return _LINKS.sub("&#8203;", escaped)
