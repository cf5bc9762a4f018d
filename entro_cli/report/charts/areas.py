"""Outlines of the filled areas in a chart.

Areas are drawn as closed polygons, because Plotly's own fills (`tozeroy`, `tonexty`) bridge gaps without data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np

from entro_cli.report.timeline import Timeline
from entro_engine.entropy import FloatArray

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
    """Return the stretches of the Psi_total curve in a regime, each extended to the first point of the next one."""
    points = list(zip(seconds.tolist(), to_array(course.psi_total).tolist(), strict=True))
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
