"""The outlines of the areas in a chart: gaps stay gaps, which Plotly's own fills would bridge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np

from entro_cli.report.timeline import Timeline
from entro_engine.entropy import FloatArray

Points = list[tuple[float, float]]
"""Points (x, y), in order."""


def numbers_of(values: Sequence[float | None]) -> FloatArray:
    """Values as an array, NaN where there is none."""
    return np.array([math.nan if value is None else value for value in values])


def seen_stretches(x: FloatArray, y: FloatArray) -> list[Points]:
    """The points between two gaps."""
    points = zip(x.tolist(), y.tolist(), strict=True)
    groups = groupby(points, key=lambda point: math.isnan(point[1]))
    return [list(group) for missing, group in groups if not missing]


def stretches(seconds: FloatArray, course: Timeline, regime: str) -> list[Points]:
    """The curve where it is in a regime, each stretch up to the point that begins the next one."""
    points = list(zip(seconds.tolist(), numbers_of(course.psi_total).tolist(), strict=True))
    stretches, first = [], 0
    for word, group in groupby(course.regime):
        after = first + len(list(group))
        if word == regime:
            follows = points[after : after + 1]
            bridge = follows if follows and not math.isnan(follows[0][1]) else []
            stretches.append(points[first:after] + bridge)
        first = after
    return stretches


def over(seconds: FloatArray, psi: Sequence[float | None], budget: float) -> list[Points]:
    """The curve where it is over the budget, from where it crosses it to where it crosses it again."""
    lines = []
    for stretch in seen_stretches(seconds, numbers_of(psi)):
        crossed = _with_crossings(stretch, budget)
        groups = groupby(crossed, key=lambda point: point[1] >= budget)
        lines += [list(group) for over, group in groups if over]
    return lines


def _with_crossings(line: Points, level: float) -> Points:
    """A line with a point added wherever it crosses a level."""
    points = line[:1]
    for (x0, y0), (x1, y1) in pairwise(line):
        if (y0 > level) != (y1 > level):
            points.append((x0 + (level - y0) / (y1 - y0) * (x1 - x0), level))
        points.append((x1, y1))
    return points


def down_to(level: float, line: Points) -> Points:
    """The area between a line and a level."""
    return [*line, (line[-1][0], level), (line[0][0], level)]
