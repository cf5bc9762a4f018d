"""A Summary as GitHub's Markdown: fit for the summary of a CI step."""

from __future__ import annotations

import re

from entro_cli import numbers
from entro_cli.report.coordination_table import coordination_rows, coordination_terms
from entro_cli.report.daily_report import MOST_LISTED, Summary
from entro_cli.report.figure_table import figure_table
from entro_cli.report.page import environment
from entro_cli.terminal import visible

_MARKUP = re.compile(r"[\\`*_\[\]<>|~#&@]")
_LINKS = re.compile(r"(?i)(?<=[a-z])(?=://)|(?<=www)(?=\.)")


def render(summary: Summary) -> str:
    """The report as Markdown.

    Args:
        summary: what it says.

    Returns:
        The text; the same for the same summary.

    Raises:
        EntroError: when the templates are missing.
    """
    templates = environment(escaping=False, letters=plain_text)
    context = {
        "summary": summary,
        "groups": figure_table(summary.figures, summary.previous_figures),
        "coordination": coordination_rows(summary.coordination),
        "terms": coordination_terms(summary.coordination),
        "most": MOST_LISTED,
        "n": numbers,
    }
    return templates.get_template("report.md").render(context)


def plain_text(text: str) -> str:
    """Text that stays text in Markdown, in a table too: no markup, no link, no mention, no second line."""
    one_line = " ".join(visible(text).split())
    escaped = _MARKUP.sub(lambda char: f"&#{ord(char[0])};", one_line)
    return _LINKS.sub("&#8203;", escaped)
