"""What the charts of all pages are drawn with: one layout, lines, areas, and Psi_total's regimes under its curve.

Colours are names of `style.css`, so that charts follow light and dark; regimes are told by pattern as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import plotly.graph_objects as go

from entro_cli.report.charts.areas import Points, down_to, numbers_of, over, stretches
from entro_cli.report.timeline import Timeline

PATTERNS = {"stable": "", "stress": ".", "critical": "/", "no data": "x", "maintenance": "\\"}
"""How each regime's areas are hatched, and what is left out."""

REGIMES = ("stable", "stress", "critical")
"""Those that steps with data have, as the style's colours call them."""


def layout(margin: dict[str, int], xaxis: dict[str, Any], yaxis: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The layout that all charts share, and what one has of its own.

    Args:
        margin: px at each side: l, r, t, b.
        xaxis: what the x axis has besides a line and ticks.
        yaxis: what the y axis has besides a grid.
        more: anything else of Plotly's layout.
    """
    quiet = {"showgrid": False, "zeroline": False, "linecolor": "var(--line)", "tickcolor": "var(--line)"}
    return {
        "template": go.layout.Template(),
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "var(--soft)"},
        "margin": margin,
        "showlegend": False,
        "hoverlabel": {
            "bgcolor": "var(--panel)",
            "bordercolor": "var(--line)",
            "font": {"color": "var(--ink)", "size": 13},
            "align": "left",
        },
        "xaxis": {**quiet, "showline": True, "ticks": "outside", "ticklen": 4, "tickangle": 0, **xaxis},
        "yaxis": {**quiet, "fixedrange": True, "showgrid": True, "gridcolor": "var(--grid)", **yaxis},
        **more,
    }


def short(values: Any) -> Any:
    """Half the bytes: seven digits are more than a screen shows."""
    return np.asarray(values, dtype=np.float32)


def line(x: Any, y: Any, colour: str, dash: str, width: float, name: str = "") -> go.Scatter:
    """A line with gaps where `y` is NaN; hovering tells its value where it has a name."""
    return go.Scatter(
        x=short(x),
        y=short(y),
        mode="lines",
        line={"color": colour, "width": width, "dash": dash},
        name=name,
        hoverinfo=None if name else "skip",
        hovertemplate="%{y:.3f}" if name else None,
        connectgaps=False,
    )


def area(areas: Iterable[Points], colour: str, pattern: str = "", ink: str = "") -> go.Scatter:
    """Closed polygons of one colour, hatched in another."""
    corners = np.array([corner for part in areas for corner in (*part, (math.nan, math.nan))]).reshape(-1, 2)
    hatch = {"shape": pattern, "size": 6, "solidity": 0.25, "fgcolor": ink, "bgcolor": colour} if pattern else None
    return go.Scatter(
        x=short(corners[:, 0]),
        y=short(corners[:, 1]),
        mode="none",
        fill="toself",
        fillcolor=colour,
        fillpattern=hatch,
        hoverinfo="skip",
    )


def bands(stretches: Iterable[tuple[float, float]], height: float) -> go.Scatter:
    """Stretches of maintenance, hatched from the bottom of a chart to its top."""
    parts: list[Points] = [[(start, 0.0), (start, height), (end, height), (end, 0.0)] for start, end in stretches]
    return area(parts, "var(--maintenance-bar)", PATTERNS["maintenance"], "var(--maintenance-hatch)")


def draw_regimes(figure: go.Figure, x: Any, course: Timeline, budget: float, names: tuple[str, str] = ("", "")) -> None:
    """The area under Psi_total by regime, what is over the budget, both thresholds and the budget itself.

    Args:
        figure: where they are drawn.
        x: where each point of the course is.
        course: Psi_total, the thresholds and the regime at each point.
        budget: Psi_budget, nat.
        names: what hovering calls the two thresholds; empty to be silent about them.
    """
    for regime in REGIMES:
        parts = [down_to(0.0, stretch) for stretch in stretches(x, course, regime)]
        figure.add_trace(area(parts, f"var(--{regime}-fill)", PATTERNS[regime], f"var(--{regime})"))
    figure.add_trace(area([down_to(budget, part) for part in over(x, course.psi_total, budget)], "var(--critical)"))
    figure.add_trace(line(x, numbers_of(course.stress_threshold), "var(--stress-ink)", "dot", 1.2, names[0]))
    figure.add_trace(line(x, numbers_of(course.critical_threshold), "var(--critical-ink)", "dash", 1.2, names[1]))
    figure.add_hline(y=budget, line={"color": "var(--budget)", "width": 1.5})
