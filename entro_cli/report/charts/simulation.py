"""Draw the charts of simulated runs: Psi_total and regimes of each run, then rate, queue and frontier of all runs.

Colours are custom properties of `style.css`, and the x axis counts steps. Regimes differ in pattern, and controllers in
dashes, as well as in colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from itertools import accumulate
from typing import Any

import numpy as np
import plotly.graph_objects as go

from entro_cli.core.clock import nanoseconds
from entro_cli.report.charts.figure import draw_regimes, layout, line, to_array
from entro_cli.report.timeline import MOST_POINTS, Timeline, thin, timeline_of
from entro_engine import Run, Scenario, Simulation
from entro_engine.arena import Arena
from entro_engine.entropy import FloatArray

DASHES = {
    "uncontrolled": "solid",
    "static": "dash",
    "eq14": "dot",
    "v9": "solid",
    "predictive": "dash",
    "core": "dot",
    "ai": "dash",
}
"""The dashes of each controller's line."""

COLOURS = {
    "uncontrolled": "var(--series)",
    "static": "var(--stage-2)",
    "eq14": "var(--stage-4)",
    "v9": "var(--stage-1)",
    "predictive": "var(--stage-7)",
    "core": "var(--stage-5)",
    "ai": "var(--stage-8)",
}
"""The colour of each controller's line."""

_MOST_PHASES = 12  # beyond that, the lines between phases are too close to be useful


def psi_chart(simulation: Simulation, scenario: Scenario | Arena, ceiling: float) -> go.Figure:
    """Draw Psi_total of one run with the budget and both thresholds, with the area below coloured by regime.

    Args:
        simulation: the run.
        scenario: the scenario, with its phases and stalls.
        ceiling: end of the y axis, nat; equal for all runs, so that their charts can be compared.
    """
    run = simulation.run
    course = timeline_of(run, UTC)
    steps = _step_numbers(run, course)
    figure = _figure(scenario, "Psi, nat")
    draw_regimes(figure, steps, course, run.budget, ("Stress from", "Critical from"))
    figure.add_trace(line(steps, to_array(course.psi_total), "var(--series)", "solid", 1.4, "Psi_total"))
    figure.update_yaxes(range=[0, ceiling])
    return figure


def rate_chart(simulations: Sequence[Simulation], scenario: Scenario | Arena) -> go.Figure:
    """Draw the demand, the capacity of the server, and the rate that each controller lets the scraper send."""
    figure = overlay({one.controller: one.plant.rate for one in simulations}, scenario, "req/s")
    first = simulations[0].plant
    for name, values in (("demand", first.demand), ("capacity", first.capacity)):
        kept = _drawn_steps(values)
        figure.add_trace(line(kept, values[kept], "var(--soft)", "dot" if name == "demand" else "dash", 1.0, name))
    return figure


def queue_chart(simulations: Sequence[Simulation], scenario: Scenario | Arena) -> go.Figure:
    """Draw the server's queue under each controller."""
    return overlay({one.controller: one.plant.queue for one in simulations}, scenario, "requests")


def frontier_chart(simulations: Sequence[Simulation], scenario: Scenario | Arena) -> go.Figure:
    """Draw the requests that each controller holds back."""
    return overlay({one.controller: one.plant.frontier for one in simulations}, scenario, "requests")


def overlay(series: Mapping[str, FloatArray], scenario: Scenario | Arena, unit: str) -> go.Figure:
    """Draw one series of every run, by controller, in one chart over the steps of a scenario."""
    figure = _figure(scenario, unit)
    for name, values in series.items():
        kept = _drawn_steps(values)
        figure.add_trace(line(kept, values[kept], COLOURS[name], DASHES[name], 1.8, name))
    figure.update_yaxes(rangemode="tozero")
    return figure


def _drawn_steps(values: FloatArray) -> Any:
    """Select at most 2000 steps of a series to draw, with all extremes."""
    return thin(values[None], np.zeros(len(values), dtype=np.int8), MOST_POINTS)


def _step_numbers(run: Run, course: Timeline) -> FloatArray:
    """Return the step number of each point of a timeline, counted from 0."""
    starts = np.array([nanoseconds(when) - run.start_ns for when in course.times], dtype=np.float64)
    return np.round(starts / run.step_ns)  # datetimes have microseconds: a short step does not divide evenly


def _figure(scenario: Scenario | Arena, unit: str) -> go.Figure:
    """Return an empty chart over the steps of the scenario, with its phases and stalls marked."""
    figure = go.Figure(
        layout=layout(
            margin={"l": 48, "r": 20, "t": 8, "b": 36},
            xaxis={"range": [0, scenario.steps], "title": "step"},
            yaxis={"title": unit, "automargin": True},  # a number of four digits would lie under the title
            hovermode="x unified",
        )
    )
    if isinstance(scenario, Scenario):  # the arena has no phases, and its stalls are drawn for each run
        _mark_stalls(figure, scenario)
        _mark_phases(figure, scenario)
    return figure


def _mark_stalls(figure: go.Figure, scenario: Scenario) -> None:
    for stall in scenario.stalls:
        figure.add_vrect(
            x0=stall.first, x1=stall.after, fillcolor="var(--no-data-bar)", opacity=0.7, layer="below", line_width=0
        )


def _mark_phases(figure: go.Figure, scenario: Scenario) -> None:
    """Draw a line at the start of each phase, unless there are too many phases."""
    if len(scenario.phases) > _MOST_PHASES:
        return
    for begin in accumulate(phase.steps for phase in scenario.phases[:-1]):
        figure.add_vline(x=begin, line={"color": "var(--line)", "width": 1}, layer="below")
