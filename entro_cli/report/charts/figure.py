"""Building blocks of all charts: the layout, lines, areas, and Psi_total with its regimes.

Colours are custom properties of `style.css`, so that charts follow the light and the dark theme. The page's script puts
the values in, since Plotly does not resolve `var(--NAME)` itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go

from entro_cli.report.timeline import Timeline
from entro_engine.entropy import FloatArray

PATTERNS = {"stable": "", "stress": ".", "critical": "/", "no data": "x", "maintenance": "\\"}
"""Hatching of the regimes and of maintenance, as Plotly names the patterns."""

REGIMES = ("stable", "stress", "critical")
"""The regimes of steps with data, as named in the colours of the style sheet."""


_QUIET = {"zeroline": False, "linecolor": "var(--line)", "tickcolor": "var(--line)"}


def layout(margin: dict[str, int], xaxis: dict[str, Any], yaxis: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the layout that all charts share, extended by the settings of one chart.

    Args:
        margin: margins l, r, t and b, px.
        xaxis: settings of the x axis besides its line and ticks.
        yaxis: settings of the y axis besides its grid.
        more: other settings of Plotly's layout.
    """
    return {
        "template": go.layout.Template(),  # without it, the default template adds 6 kB to each chart
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
        "xaxis": {
            **_QUIET,
            "showgrid": False,
            "showline": True,
            "ticks": "outside",
            "ticklen": 4,
            "tickangle": 0,
            **xaxis,
        },
        "yaxis": value_axis(**yaxis),
        **more,
    }


def value_axis(**settings: Any) -> dict[str, Any]:
    """Return the y axis that all charts share, extended by the settings of one chart."""
    return {**_QUIET, "fixedrange": True, "showgrid": True, "gridcolor": "var(--grid)", **settings}


def to_float32(values: Any) -> Any:
    """Return values as 32-bit floats, which need half the bytes in a page. A screen shows fewer than their 7 digits.

    Larger values than such a float can hold become the largest that `to_values` can round.
    """
    return np.clip(np.asarray(values, dtype=float), -3.4e38, 3.4e38).astype(np.float32)


def to_values(values: Any) -> Any:
    """Return values as 32-bit floats of 12 significant bits, off by at most 1 in 8000: they pack to half the size."""
    bits = to_float32(values).view(np.uint32)
    return np.where(np.isnan(values), np.float32(np.nan), ((bits + 0x800) & 0xFFFFF000).view(np.float32))


def line(x: Any, y: Any, colour: str, dash: str, width: float, name: str = "") -> go.Scatter:
    """Return a line with gaps where `y` is NaN. A line with a name has a tooltip with its value."""
    return go.Scatter(
        x=to_float32(x),
        y=to_values(y),
        mode="lines",
        line={"color": colour, "width": width, "dash": dash},
        name=name,
        hoverinfo=None if name else "skip",
        hovertemplate="%{y:.3f}" if name else None,
        connectgaps=False,
    )


def area(areas: Iterable[Points], colour: str, pattern: str = "", ink: str = "") -> go.Scatter:
    """Return closed polygons of one colour, hatched in another, as one trace with NaN between them."""
    corners = np.array([corner for part in areas for corner in (*part, (math.nan, math.nan))]).reshape(-1, 2)
    hatch = {"shape": pattern, "size": 6, "solidity": 0.25, "fgcolor": ink, "bgcolor": colour} if pattern else None
    return go.Scatter(
        x=to_float32(corners[:, 0]),
        y=to_values(corners[:, 1]),
        mode="none",
        fill="toself",
        fillcolor=colour,
        fillpattern=hatch,
        hoverinfo="skip",
    )


def bands(stretches: Iterable[tuple[float, float]], height: float) -> go.Scatter:
    """Return the excluded times as hatched bands over the height of a chart."""
    parts: list[Points] = [[(start, 0.0), (start, height), (end, height), (end, 0.0)] for start, end in stretches]
    return area(parts, "var(--maintenance-bar)", PATTERNS["maintenance"], "var(--maintenance-hatch)")


def draw_regimes(figure: go.Figure, x: Any, course: Timeline, budget: float, names: tuple[str, str] = ("", "")) -> None:
    """Draw the area under the coupled load by regime, its parts over the budget, both thresholds and the budget.

    Args:
        figure: the figure to draw in.
        x: position of each point of the timeline.
        course: the timeline: the coupled load, the thresholds and the regime at each point.
        budget: the budget, nat.
        names: names of the two thresholds in tooltips; without names they have no tooltip.
    """
    for regime in REGIMES:
        parts = [close_at(0.0, stretch) for stretch in regime_stretches(x, course, regime)]
        figure.add_trace(area(parts, f"var(--{regime}-fill)", PATTERNS[regime], f"var(--{regime})"))
    figure.add_trace(
        area([close_at(budget, part) for part in parts_over(x, course.coupled_load, budget)], "var(--critical)")
    )
    draw_thresholds(figure, x, course, budget, names)


def draw_thresholds(
    figure: go.Figure, x: Any, course: Timeline, budget: float, names: tuple[str, str] = ("", "")
) -> None:
    """Draw both thresholds and the budget; the arguments are those of `draw_regimes`."""
    figure.add_trace(line(x, to_array(course.stress_threshold), "var(--stress-ink)", "dot", 1.2, names[0]))
    figure.add_trace(line(x, to_array(course.critical_threshold), "var(--critical-ink)", "dash", 1.2, names[1]))
    figure.add_hline(y=budget, line={"color": "var(--budget)", "width": 1.5})


Points = list[tuple[float, float]]
"""The points (x, y) of a line, in order."""


def to_array(values: Sequence[float | None]) -> FloatArray:
    """Return values as an array, with NaN for None."""
    return np.array([math.nan if value is None else value for value in values])


def split_at_gaps(x: FloatArray, y: FloatArray) -> list[Points]:
    """Return the stretches of a line between its gaps. A gap is NaN in `y`."""
    points = zip(x.tolist(), y.tolist(), strict=True)
    groups = groupby(points, key=lambda point: math.isnan(point[1]))
    return [list(group) for missing, group in groups if not missing]


def regime_stretches(seconds: FloatArray, course: Timeline, regime: str) -> list[Points]:
    """Return the stretches of the load's curve in a regime, each extended to the first point of the next one."""
    points = list(zip(seconds.tolist(), to_array(course.coupled_load).tolist(), strict=True))
    stretches, first = [], 0
    for label, group in groupby(course.regime):
        after = first + len(list(group))
        if label == regime:
            # Without the next point, the areas of two regimes would leave a white stripe between them.
            following = points[after : after + 1]
            bridge = following if following and not math.isnan(following[0][1]) else []
            stretches.append(points[first:after] + bridge)
        first = after
    return stretches


def parts_over(seconds: FloatArray, psi: Sequence[float | None], budget: float) -> list[Points]:
    """Return the parts of the curve over the budget, each from one crossing of the budget to the next."""
    lines = []
    for stretch in split_at_gaps(seconds, to_array(psi)):
        crossed = _add_crossings(stretch, budget)
        groups = groupby(crossed, key=lambda point: point[1] >= budget)
        lines += [list(group) for is_over, group in groups if is_over]
    return lines


def _add_crossings(line: Points, level: float) -> Points:
    """Return a line with an added point wherever it crosses a level."""
    points = line[:1]
    for (x0, y0), (x1, y1) in pairwise(line):
        if (y0 > level) != (y1 > level):
            points.append((x0 + (level - y0) / (y1 - y0) * (x1 - x0), level))
        points.append((x1, y1))
    return points


def close_at(level: float, line: Points) -> Points:
    """Return the outline of the area between a line and a level."""
    return [*line, (line[-1][0], level), (line[0][0], level)]
