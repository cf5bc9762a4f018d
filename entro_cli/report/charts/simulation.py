"""The charts of simulated runs, as Plotly figures: each run's Psi_total and regimes, then all runs over each other.

Their colours are names of `style.css`; the x axis counts steps. Regimes are told by pattern, controllers by dashes as
well as by colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from itertools import accumulate
from typing import Any

import numpy as np
import plotly.graph_objects as go

from entro_cli.core.clock import nanoseconds
from entro_cli.report.charts.areas import numbers_of
from entro_cli.report.charts.figure import draw_regimes, layout, line
from entro_cli.report.timeline import MOST_POINTS, Timeline, thin, timeline_of
from entro_engine import PlantTrace, Run, Scenario, Simulation
from entro_engine.entropy import FloatArray

DASHES = {"uncontrolled": "solid", "static": "dash", "eq14": "dot", "v9": "solid"}
"""How each controller's line is drawn."""

COLOURS = {
    "uncontrolled": "var(--series)",
    "static": "var(--stage-2)",
    "eq14": "var(--stage-4)",
    "v9": "var(--stage-1)",
}
"""And in which colour."""

_MOST_PHASES = 12


def psi_chart(simulation: Simulation, scenario: Scenario, ceiling: float) -> go.Figure:
    """Psi_total of one run against the budget and both thresholds, the area under it by regime.

    Args:
        simulation: the run.
        scenario: its phases and stalls.
        ceiling: where the axis ends, nat: the same for all runs, so that they compare.
    """
    run = simulation.run
    course = timeline_of(run, UTC)
    steps = _step_numbers(run, course)
    figure = _figure(scenario, "Psi, nat")
    draw_regimes(figure, steps, course, run.budget, ("Stress from", "Critical from"))
    figure.add_trace(line(steps, numbers_of(course.psi_total), "var(--series)", "solid", 1.4, "Psi_total"))
    figure.update_yaxes(range=[0, ceiling])
    return figure


def rate_chart(simulations: Sequence[Simulation], scenario: Scenario) -> go.Figure:
    """What is asked for, what the server can do, and what each controller lets the scraper send."""
    figure = _overlay(simulations, scenario, "req/s", lambda plant: plant.rate)
    first = simulations[0].plant
    for name, values in (("demand", first.demand), ("capacity", first.capacity)):
        kept = _kept(values)
        figure.add_trace(line(kept, values[kept], "var(--soft)", "dot" if name == "demand" else "dash", 1.0, name))
    return figure


def queue_chart(simulations: Sequence[Simulation], scenario: Scenario) -> go.Figure:
    """The server's queue under each controller."""
    return _overlay(simulations, scenario, "requests", lambda plant: plant.queue)


def frontier_chart(simulations: Sequence[Simulation], scenario: Scenario) -> go.Figure:
    """What each controller holds back."""
    return _overlay(simulations, scenario, "requests", lambda plant: plant.frontier)


def _overlay(
    simulations: Sequence[Simulation], scenario: Scenario, unit: str, series: Callable[[PlantTrace], FloatArray]
) -> go.Figure:
    """One series of every run, over each other."""
    figure = _figure(scenario, unit)
    for simulation in simulations:
        name, values = simulation.controller, series(simulation.plant)
        kept = _kept(values)
        figure.add_trace(line(kept, values[kept], COLOURS[name], DASHES[name], 1.8, name))
    figure.update_yaxes(rangemode="tozero")
    return figure


def _kept(values: FloatArray) -> Any:
    """The steps to draw of a series: a bounded number, with every extreme among them."""
    return thin(values, np.zeros(len(values), dtype=np.int8), MOST_POINTS)


def _step_numbers(run: Run, course: Timeline) -> FloatArray:
    """Which step each point of a course is, counted from 0."""
    begins = np.array([nanoseconds(when) - run.start_ns for when in course.times], dtype=np.float64)
    return np.round(begins / run.step_ns)


def _figure(scenario: Scenario, unit: str) -> go.Figure:
    """An empty chart over the scenario's steps, its phases and stalls marked."""
    figure = go.Figure(
        layout=layout(
            margin={"l": 48, "r": 20, "t": 8, "b": 36},
            xaxis={"range": [0, scenario.steps], "title": "step"},
            yaxis={"title": unit},
            hovermode="x unified",
        )
    )
    _mark_stalls(figure, scenario)
    _mark_phases(figure, scenario)
    return figure


def _mark_stalls(figure: go.Figure, scenario: Scenario) -> None:
    for stall in scenario.stalls:
        figure.add_vrect(
            x0=stall.first, x1=stall.after, fillcolor="var(--no-data-bar)", opacity=0.7, layer="below", line_width=0
        )


def _mark_phases(figure: go.Figure, scenario: Scenario) -> None:
    """A line where a phase begins; none where there are more than could be told apart."""
    if len(scenario.phases) > _MOST_PHASES:
        return
    for begin in accumulate(phase.steps for phase in scenario.phases[:-1]):
        figure.add_vline(x=begin, line={"color": "var(--line)", "width": 1}, layer="below")
