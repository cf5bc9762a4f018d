"""Render a simulated graph as an HTML page: its drawing, the tables, and every queue over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from entro_cli.analysis.simulation.graph.results import GraphRunFigures, QueueFigures, describe_graph
from entro_cli.analysis.simulation.graph.runs import GraphParameters, GraphRun
from entro_cli.analysis.simulation.results import SimulationDocument
from entro_cli.report.charts.simulation import COLOURS, DASHES, overlay
from entro_cli.report.graph.drawing import draw_graph
from entro_cli.report.graph.tables import graph_tables
from entro_cli.report.render.page import Chart, chart, render_page
from entro_cli.report.render.simulation import STROKES


def render(
    parameters: GraphParameters,
    document: SimulationDocument[GraphRunFigures],
    runs: Sequence[GraphRun],
    self_contained: bool = False,
) -> str:
    """Return the page.

    Args:
        parameters: parameters of the simulation.
        document: the figures of all runs.
        runs: one run per controller, for the charts.
        self_contained: include plotly.js in the page. Otherwise `page.store_plotly` must put it in the same folder.

    Returns:
        The page, with identical bytes for identical arguments.

    Raises:
        EntroError: if the templates are missing.
    """
    graph = parameters.scenario.graph
    context = {
        "document": document,
        "description": describe_graph(parameters),
        "tables": graph_tables(document),
        "drawings": {"wide": draw_graph(graph), "tall": draw_graph(graph, is_tall=True)},
        "captions": _captions(document),
        "strokes": {run.controller: (COLOURS[run.controller], STROKES[DASHES[run.controller]]) for run in runs},
        "queues": [(queue.name, _queue(parameters, runs, row)) for row, queue in enumerate(graph.queues)],
        "frontiers": _frontiers(parameters, runs),
    }
    return render_page("graph.html", context, self_contained)


def _captions(document: SimulationDocument[GraphRunFigures]) -> list[tuple[str, str]]:
    """Return two lines for each box: capacity and violations of a queue, weight of a source."""
    captions = []
    for of_all_runs in zip(*(run.stages for run in document.runs), strict=True):
        stage = of_all_runs[0]
        if isinstance(stage, QueueFigures):
            over = ", ".join(str(one.violations) for one in of_all_runs if isinstance(one, QueueFigures))
            captions.append((f"{stage.capacity:g} req/s", f"over: {over}"))
        else:
            captions.append(("source", "" if stage.weight == 1 else f"weight {stage.weight:g}"))
    return captions


def _queue(parameters: GraphParameters, runs: Sequence[GraphRun], row: int) -> Chart:
    stalls = tuple(change.steps for change in parameters.scenario.changes[row])
    series = {run.controller: run.trace.queue[row].round(9) for run in runs}  # less is a rounding error
    figure = overlay(series, replace(parameters.scenario.base, stalls=stalls), "requests")
    return chart(f"queue-{row}", "Requests waiting in this queue under each controller", figure, 220)


def _frontiers(parameters: GraphParameters, runs: Sequence[GraphRun]) -> Chart:
    series = {run.controller: run.trace.frontier.sum(axis=0) for run in runs}
    figure = overlay(series, parameters.scenario.base, "requests")
    return chart("frontiers", "Requests that all sources hold back under each controller", figure, 220)
