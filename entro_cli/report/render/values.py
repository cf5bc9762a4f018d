"""The values that the templates of a report have in common, in whatever form it is rendered."""

from __future__ import annotations

from entro_cli.core import formatting
from entro_cli.report.calendar import calendar_of
from entro_cli.report.charts.sparkline import shown_span
from entro_cli.report.daily_report import MOST_LISTED, Summary
from entro_cli.report.render.figure_table import (
    coordination_rows,
    coordination_terms,
    figure_table,
    full_load_terms,
    headline,
)


def common_values(summary: Summary) -> dict[str, object]:
    """Return the values by name; docs/templates.md describes them."""
    return {
        "summary": summary,
        "headline": headline(summary.figures, summary.previous_figures),
        "groups": figure_table(summary.figures, summary.previous_figures),
        "coordination": coordination_rows(summary.coordination),
        "terms": coordination_terms(summary.coordination),
        "full_loads": full_load_terms(summary.made.full_loads),
        "shown": shown_span(summary),
        "calendar": calendar_of(summary),
        "most": MOST_LISTED,
        "n": formatting,
    }
