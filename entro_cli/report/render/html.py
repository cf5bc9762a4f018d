"""Render a Summary as an HTML page."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from entro_cli.core.console import printable
from entro_cli.report.charts.charts import (
    UNITS,
    buckets_chart,
    capacity_of,
    load_chart,
    load_rows,
    psi_chart,
    stage_colour,
)
from entro_cli.report.charts.sparkline import most_bars, sparkline
from entro_cli.report.daily_report import Summary
from entro_cli.report.navigation import PageMetadata
from entro_cli.report.render.page import chart, render_page, share_arrays
from entro_cli.report.render.values import common_values

_BAND_HEIGHT, _ROW_HEIGHT = 84, 190  # px, of the regimes with the time axis, and of the loads of one kind
_COLUMNS = 240  # bars of the picture that a page shows until its charts are drawn, or without JavaScript
_LONGEST_NAME = 200  # the index reads only the first 16 KiB of a page: a name from a log must not fill them


def render(summary: Summary, self_contained: bool = False, template_dir: Path | None = None) -> str:
    """Return the report as an HTML page.

    Args:
        summary: the Summary to render.
        self_contained: include plotly.js in the page. Otherwise `page.store_plotly` must put it in the same folder.
        template_dir: a folder with templates that replace the built-in ones of the same name.

    Returns:
        The page, with identical bytes for an identical Summary.

    Raises:
        EntroError: if the templates are missing.
    """
    rows = load_rows(summary)
    height = _BAND_HEIGHT + _ROW_HEIGHT * len(rows)
    figures = {
        "load": chart("load", "Regimes, rates and queues over the period", load_chart(summary), height),
        "buckets": chart("buckets", f"Time in each regime, by {summary.period.parts}", buckets_chart(summary), 190),
        "psi": chart("psi", "Psi over the period, with budget, thresholds and regimes", psi_chart(summary), 300),
    }
    charts, arrays = share_arrays(figures)
    context = {
        **common_values(summary),
        "mark": _metadata(summary),
        "capacity": capacity_of(summary),
        "columns": sparkline(summary, most_bars(summary, _COLUMNS)),
        "ceiling": _ceiling(summary),
        "charts": charts,
        "arrays": arrays,
        "is_logarithmic": any(row.is_logarithmic for row in rows),
        "units": UNITS,
        "stage_colour": stage_colour,
    }
    return render_page("report.html", context, self_contained, template_dir=template_dir)


def _metadata(summary: Summary) -> PageMetadata:
    """Return the metadata that the page carries for the index of its folder."""
    period, verdict = summary.period, summary.verdict
    return PageMetadata(
        pipeline=printable(summary.pipeline[:_LONGEST_NAME]),
        kind=period.kind,
        label=period.label,
        title=period.title,
        start=period.start.astimezone(UTC).isoformat(),
        health=str(verdict.health),
        sentence=verdict.sentence,
    )


def _ceiling(summary: Summary) -> float:
    """Return the load at the upper edge of the static picture, nat."""
    return 1.1 * max(summary.figures.peak_coupled_load or 0.0, summary.figures.budget)
