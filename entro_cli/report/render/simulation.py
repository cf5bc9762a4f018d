"""Render simulated runs as an HTML page: the comparison table, and charts of all runs."""

from __future__ import annotations

from collections.abc import Sequence

from entro_cli.analysis.simulation.published import Comparison
from entro_cli.analysis.simulation.results import RunFigures, SimulationDocument
from entro_cli.report.charts.simulation import (
    COLOURS,
    DASHES,
    frontier_chart,
    psi_chart,
    queue_chart,
    rate_chart,
)
from entro_cli.report.render.page import Chart, chart, render_page
from entro_cli.report.render.simulation_table import WAITS, table_rows
from entro_cli.report.timeline import thin
from entro_engine import Scenario, Simulation
from entro_engine.arena import Arena

_STILL_POINTS = 480  # points of the picture that a page shows until its charts are drawn, or without JavaScript
STROKES = {"solid": "none", "dash": "6 4", "dot": "2 3"}


def render(
    scenario: Scenario | Arena,
    document: SimulationDocument[RunFigures],
    comparison: Comparison,
    description: Sequence[str],
    runs: Sequence[Simulation],
    self_contained: bool = False,
) -> str:
    """Return the page.

    Args:
        scenario: the scenario, with the phases and stalls to mark.
        document: the figures of all runs.
        comparison: the published figures to show with them, and notes on those.
        description: lines that describe the simulation.
        runs: one run per controller, for the charts.
        self_contained: include plotly.js in the page. Otherwise `page.store_plotly` must put it in the same folder.

    Returns:
        The page, with identical bytes for identical arguments.

    Raises:
        EntroError: if the templates are missing.
    """
    ceiling = 1.1 * max(max(float(run.run.psi_total.max()), run.run.budget) for run in runs)
    context = {
        "document": document,
        "description": description,
        "rows": table_rows(document, comparison),
        "notes": (WAITS, *comparison.notes),
        "budget": runs[0].run.budget,
        "stalled": isinstance(scenario, Scenario) and bool(scenario.stalls),
        "first_seed": document.seeds.first if document.seeds else None,
        "noisy": document.noise is not None,
        "strokes": {run.controller: (COLOURS[run.controller], STROKES[DASHES[run.controller]]) for run in runs},
        "psi": {run.controller: _psi(run, scenario, ceiling) for run in runs},
        "stills": {run.controller: _still(run, ceiling) for run in runs},
        "ceiling": ceiling,
        "overlays": {
            "Rate": chart("rate", "Rate that each controller lets the scraper send", rate_chart(runs, scenario), 260),
            "Queue": chart("queue", "The server's queue under each controller", queue_chart(runs, scenario), 260),
            "Frontier": chart(
                "frontier", "Requests that each controller holds back", frontier_chart(runs, scenario), 260
            ),
        },
    }
    return render_page("simulation.html", context, self_contained)


def _psi(simulation: Simulation, scenario: Scenario | Arena, ceiling: float) -> Chart:
    figure = psi_chart(simulation, scenario, ceiling)
    return chart(f"psi-{simulation.controller}", f"Psi_total and regimes under {simulation.controller}", figure, 240)


def _still(simulation: Simulation, ceiling: float) -> str:
    """Return Psi_total as the points of an SVG polyline in a picture of 1000 by 300."""
    psi = simulation.run.psi_total
    kept = thin(psi[None], simulation.run.trace.regime, _STILL_POINTS)
    xs, ys = 1000 * (kept + 0.5) / len(psi), 300 * (1 - psi[kept] / ceiling)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs.tolist(), ys.tolist(), strict=True))
