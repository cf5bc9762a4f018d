"""Render a Summary as GitHub-flavoured Markdown, for example for the summary of a CI step."""

from __future__ import annotations

import re
from pathlib import Path

from entro_cli.core.console import printable
from entro_cli.report.daily_report import Summary
from entro_cli.report.render.page import render_template, template_environment
from entro_cli.report.render.values import common_values

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
    return render_template(templates, "report.md", common_values(summary), template_dir)


def plain_text(text: str) -> str:
    """Return text that Markdown shows literally, also in a table: no markup, no link, no mention, no line end."""
    one_line = " ".join(printable(text).split())
    escaped = _MARKUP.sub(lambda char: f"&#{ord(char[0])};", one_line)
    return _LINKS.sub("&#8203;", escaped)
