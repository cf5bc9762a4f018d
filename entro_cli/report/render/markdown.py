"""A Summary as GitHub's Markdown: fit for the summary of a CI step."""

from __future__ import annotations

import re
from pathlib import Path

from entro_cli.core import formatting
from entro_cli.core.console import printable
from entro_cli.report.calendar import calendar_of
from entro_cli.report.daily_report import MOST_LISTED, Summary
from entro_cli.report.render.coordination_table import coordination_rows, coordination_terms
from entro_cli.report.render.figure_table import figure_table
from entro_cli.report.render.page import render_template, template_environment

_MARKUP = re.compile(r"[\\`*_\[\]<>|~#&@]")
_LINKS = re.compile(r"(?i)(?<=[a-z])(?=://)|(?<=www)(?=\.)")


def render(summary: Summary, template_dir: Path | None = None) -> str:
    """The report as Markdown.

    Args:
        summary: what it says.
        template_dir: a folder with templates that take the place of those of the same name.

    Returns:
        The text; the same for the same summary.

    Raises:
        EntroError: when the templates are missing.
    """
    templates = template_environment(escaping=False, clean=plain_text, template_dir=template_dir)
    context = {
        "summary": summary,
        "groups": figure_table(summary.figures, summary.previous_figures),
        "coordination": coordination_rows(summary.coordination),
        "terms": coordination_terms(summary.coordination),
        "calendar": calendar_of(summary),
        "most": MOST_LISTED,
        "n": formatting,
    }
    return render_template(templates, "report.md", context, template_dir)


def plain_text(text: str) -> str:
    """Text that stays text in Markdown, in a table too: no markup, no link, no mention, no second line."""
    one_line = " ".join(printable(text).split())
    escaped = _MARKUP.sub(lambda char: f"&#{ord(char[0])};", one_line)
    return _LINKS.sub("&#8203;", escaped)
