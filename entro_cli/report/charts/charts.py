"""Draw the charts of a report from its Summary, as Plotly figures.

Colours are custom properties of `style.css`. Regimes differ in pattern as well as in colour, for readers who do not see
the colours. The x axis counts seconds from the start of the period, with ticks in its time zone. The legend is part of
the page and not of the chart, so that it can wrap on a phone. `meta` of a layout is for the page's script, which sets
the ticks, as Plotly's own date axis knows no time zones, and shows texts.
"""

from __future__ import annotations

import math
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np
import plotly.graph_objects as go
from msgspec import Struct

from entro_cli.analysis.incident_details import known_capacity
from entro_cli.analysis.incidents import Incident
from entro_cli.analysis.results import MaintenanceSpan
from entro_cli.core.clock import NS, nanoseconds, utc_offsets
from entro_cli.core.formatting import count, duration, load_name, nats, optional, quantity, share
from entro_cli.report.charts.figure import (
    PATTERNS,
    REGIMES,
    Points,
    area,
    bands,
    close_at,
    draw_thresholds,
    layout,
    line,
    parts_over,
    to_array,
    to_float32,
    to_values,
    value_axis,
)
from entro_cli.report.charts.sparkline import shown_span
from entro_cli.report.daily_report import Bucket, Summary
from entro_cli.report.render.page import escape_for_plotly
from entro_engine import Kind
from entro_engine.entropy import FloatArray

LOG_DECADES = 2
"""A queue that spans more decades than this is drawn on a logarithmic axis."""

UNITS = {Kind.RATE: "req/s", Kind.QUEUE: "requests", Kind.GENERIC: "load"}
"""The unit of each kind of load."""

_STAGE_COLOURS = 10  # --stage-1 to --stage-10 of style.css
_CODES = ("no data", *REGIMES)
_MOST_RANKS = 5  # more of them would lie over each other
_MOST_DECADES = 6  # with a label on a logarithmic axis, for the same reason
_BAND_SHARE, _GAP_SHARE = 0.13, 0.05  # of the height of the load chart


class _Row(Struct, frozen=True):
    """The stages of one kind, drawn in one row of the load chart: the values of each point by number of the stage."""

    kind: Kind
    values: dict[int, FloatArray]

    @property
    def is_logarithmic(self) -> bool:
        """Whether the values span so many decades that a linear axis would hide most of them."""
        known = np.concatenate([values[~np.isnan(values)] for values in self.values.values()])
        lowest = float(np.maximum(known, 1.0).min(initial=math.inf))  # below one request, nothing waits
        return self.kind is Kind.QUEUE and lowest * 10**LOG_DECADES < float(known.max(initial=0.0))


def load_chart(summary: Summary) -> go.Figure:
    """Draw a band of the regimes, the rates with the capacity, and the queues with their full loads, on one time axis.

    Rates are the means of the steps, queues the most requests that waited in them.
    """
    seconds, rows = _seconds(summary), load_rows(summary)
    figure = go.Figure(layout=_layout(summary, *shown_span(summary)))
    figure.update_layout(meta=figure.layout.meta | {"hover": _hover(summary)})
    _draw_band(figure, summary, seconds)
    height = (1 - _BAND_SHARE - _GAP_SHARE * len(rows)) / len(rows)
    for number, row in enumerate(rows):
        bottom = (height + _GAP_SHARE) * (len(rows) - 1 - number)
        axis = f"y{number + 2}"
        figure.update_layout({f"yaxis{number + 2}": _value_axis(summary, row) | {"domain": [bottom, bottom + height]}})
        _draw_row(figure, summary, seconds, row, axis)
    figure.update_layout(xaxis={"anchor": f"y{len(rows) + 1}"})
    spans = [_span(_edges(summary, gap), "var(--maintenance-bar)") for gap in summary.maintenance]
    spans += [_span(_edges(summary, incident), "var(--critical-fill)") for incident in summary.incidents]
    # All at once: Plotly copies the shapes that are there for each one that is added.
    figure.layout.shapes = [*figure.layout.shapes, *spans]
    return figure


def load_rows(summary: Summary) -> list[_Row]:
    """Return the rows of the load chart: rates, queues and others."""
    kinds = [Kind(stage.kind) for stage in summary.figures.stages]
    return [
        _Row(kind, {number: _shown_loads(summary, number) for number, each in enumerate(kinds) if each is kind})
        for kind in UNITS
        if kind in kinds
    ]


def _shown_loads(summary: Summary, stage: int) -> FloatArray:
    """Return the load of a stage at each point: of a queue the most that waited in the step, of others the mean."""
    course, is_queue = summary.course, summary.figures.stages[stage].kind == Kind.QUEUE
    return to_array((course.peaks if is_queue else course.loads)[stage])


def _draw_band(figure: go.Figure, summary: Summary, seconds: FloatArray) -> None:
    """Draw the regimes as a band, with the incidents above it. An invisible line in it carries the texts."""
    course = summary.course
    edges = np.append(seconds, (nanoseconds(course.end) - nanoseconds(summary.period.start)) / NS)
    stretches: dict[str, list[Points]] = {regime: [] for regime in REGIMES}
    first = 0
    for regime, group in groupby(course.usual_regime):
        after = first + len(list(group))
        if regime in stretches:
            stretches[regime].append(close_at(0.0, [(float(edges[first]), 1.0), (float(edges[after]), 1.0)]))
        first = after
    for regime, parts in stretches.items():
        figure.add_trace(area(parts, f"var(--{regime}-bar)", PATTERNS[regime], "var(--panel)"))
    figure.add_trace(_hover_line(seconds, np.full(len(seconds), 0.5)))
    middles = [sum(_edges(summary, incident)) / 2 for incident in summary.incidents]
    figure.add_trace(
        go.Scatter(
            x=middles,
            y=[1.5] * len(middles),
            mode="markers+text",
            marker={"symbol": "diamond", "size": 7, "color": "var(--critical-ink)"},
            text=[str(rank) if rank <= _MOST_RANKS else "" for rank in range(1, len(middles) + 1)],
            textposition="middle right",
            textfont={"color": "var(--critical-ink)", "size": 12},
            hoverinfo="skip",
            cliponaxis=False,
        )
    )
    figure.update_layout(yaxis={"range": [0, 2], "visible": False, "domain": [1 - _BAND_SHARE, 1]})


def _edges(summary: Summary, span: Incident | MaintenanceSpan) -> tuple[float, float]:
    """Return the begin and the end of a span, s from the start of the period."""
    start = nanoseconds(summary.period.start)
    return (nanoseconds(span.start) - start) / NS, (nanoseconds(span.end) - start) / NS


def _span(edges: tuple[float, float], colour: str) -> dict[str, Any]:
    """Return the shape of a span of time behind all rows."""
    return {
        "type": "rect",
        "x0": edges[0],
        "x1": edges[1],
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "fillcolor": colour,
        "opacity": 0.45,
        "line": {"width": 0},
        "layer": "below",
    }


def _draw_row(figure: go.Figure, summary: Summary, seconds: FloatArray, row: _Row, axis: str) -> None:
    """Draw the loads of a row, and the capacity or the loads at which the stages are full."""
    scale = np.log1p if row.is_logarithmic else np.positive
    capacity = capacity_of(summary) if row.kind is Kind.RATE else None
    if capacity is not None:
        _draw_level(figure, capacity, "var(--budget)", "dash", axis)
    for number, values in row.values.items():
        colour = f"var(--stage-{stage_colour(number)})"
        if capacity is None:
            _draw_level(figure, float(scale(summary.figures.stages[number].full)), colour, "dot", axis)
        figure.add_trace(line(seconds, scale(values), colour, "solid", 1.5).update(yaxis=axis))
    figure.add_trace(_hover_line(seconds, scale(np.fmax.reduce(list(row.values.values())))).update(yaxis=axis))


def _draw_level(figure: go.Figure, level: float, colour: str, dash: str, axis: str) -> None:
    figure.add_shape(
        type="line",
        x0=0,
        x1=1,
        xref="paper",
        y0=level,
        y1=level,
        yref=axis,
        line={"color": colour, "width": 1.5, "dash": dash},
    )


def _value_axis(summary: Summary, row: _Row) -> dict[str, Any]:
    """Return the y axis of a row, which includes the capacity or the full loads.

    A logarithmic axis shows log(1 + load), because a queue is often empty.
    """
    capacity = capacity_of(summary) if row.kind is Kind.RATE else None
    levels = [capacity] if capacity is not None else [summary.figures.stages[number].full for number in row.values]
    highest = max([*levels, *(float(np.nanmax(values, initial=0.0)) for values in row.values.values())])
    axis = value_axis(title={"text": UNITS[row.kind], "standoff": 6}, nticks=5)
    if not row.is_logarithmic:
        return axis | {"range": [0, 1.08 * highest]}
    powers = range(math.ceil(math.log10(highest)) + 1)
    every = -(-len(powers) // _MOST_DECADES)
    ticks = [0, *(10**power for power in powers[every - 1 :: every])]
    return axis | {
        "range": [0, 1.04 * math.log1p(highest)],
        "tickvals": [math.log1p(tick) for tick in ticks],
        "ticktext": [
            count(tick) if tick < 1000 or highest < 1e6 else f"10<sup>{math.log10(tick):.0f}</sup>" for tick in ticks
        ],
    }


def capacity_of(summary: Summary) -> float | None:
    """Return the rate that the server can serve, req/s; None if it is not known."""
    return known_capacity(summary.figures.stages, summary.made.full_loads)


def _hover_line(x: FloatArray, y: FloatArray) -> go.Scatter:
    """Return an invisible line. The page's script gives each of its points the texts of `meta.hover`."""
    return go.Scatter(
        x=to_float32(x),
        y=to_values(y),
        mode="lines",
        line={"color": "rgba(0,0,0,0)"},
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _hover(summary: Summary) -> dict[str, Any]:
    """Return what the page's script shows for each point: its time, its regime and its loads in their units."""
    course, stages, capacity = summary.course, summary.figures.stages, capacity_of(summary)
    lines = []
    for number, stage in enumerate(stages):
        kind, name = Kind(stage.kind), escape_for_plotly(stage.name)
        limit = (
            f"capacity {quantity(capacity)}" if capacity and kind is Kind.RATE else f"full at {quantity(stage.full)}"
        )
        lines.append(_hover_values(f"{name}: ", _shown_loads(summary, number), f" {UNITS[kind]} ({limit})"))
    if any(stage.kind == Kind.QUEUE for stage in stages):
        lines.append({**_hover_values("longest wait: ", to_array(course.wait_s), ""), "is_duration": True})
    name = load_name(len(stages))
    load = to_array(course.coupled_load)
    lines.append(_hover_values(f"{name}: ", load, f" nat (budget {nats(summary.figures.budget)})"))
    return {
        "regimes": [regime.capitalize() for regime in _CODES],
        "regime": np.array([_CODES.index(regime) for regime in course.regime], dtype=np.int8),
        "lines": lines,
    }


def _hover_values(before: str, values: FloatArray, after: str) -> dict[str, Any]:
    return {"before": before, "values": to_values(values), "after": after}


def psi_chart(summary: Summary) -> go.Figure:
    """Draw the judged load with the budget and both thresholds, what is over it, and the Psi of each stage."""
    seconds, course, budget = _seconds(summary), summary.course, summary.figures.budget
    figure = go.Figure(layout=_layout(summary, *shown_span(summary)))
    highest = max((load for load in (*course.coupled_load, *course.psi_total) if load is not None), default=0.0)
    top = 1.1 * max(highest, budget)
    figure.add_trace(bands([_edges(summary, gap) for gap in summary.maintenance], top))
    over = [close_at(budget, part) for part in parts_over(seconds, course.coupled_load, budget)]
    figure.add_trace(area(over, "var(--critical)"))
    draw_thresholds(figure, seconds, course, budget)
    for number, psi in enumerate(course.psi):
        figure.add_trace(line(seconds, to_array(psi), f"var(--stage-{stage_colour(number)})", "solid", 1.0))
    load = to_array(course.coupled_load)
    figure.add_trace(line(seconds, load, "var(--series)", "solid", 1.0))
    figure.add_trace(_hover_line(seconds, load))
    figure.update_yaxes(range=[0, top], title_text="Psi, nat")
    return figure


def stage_colour(index: int) -> int:
    """Return the number of a stage's colour in the style sheet, from 1. Colours repeat after the tenth stage."""
    return index % _STAGE_COLOURS + 1


def buckets_chart(summary: Summary) -> go.Figure:
    """Draw one bar per part of the period: the share of time in each regime, and a diamond if it had violations."""
    buckets, start = summary.buckets, nanoseconds(summary.period.start)
    figure = go.Figure(layout=_layout(summary, summary.period.start, summary.period.end))
    begins = np.array([(nanoseconds(bucket.start) - start) / NS for bucket in buckets])
    lengths = np.array([(nanoseconds(bucket.end) - nanoseconds(bucket.start)) / NS for bucket in buckets])
    for regime, key in zip((*REGIMES, "no data"), ("stable", "stress", "critical", "no_data"), strict=True):
        parts = [getattr(bucket.regimes, key) / max(bucket.steps, 1) for bucket in buckets]
        figure.add_trace(_bars(begins + lengths / 2, 0.86 * lengths, parts, regime))
    if summary.maintenance:
        parts = [bucket.excluded_steps / max(bucket.steps, 1) for bucket in buckets]
        figure.add_trace(_bars(begins + lengths / 2, 0.86 * lengths, parts, "maintenance"))
    figure.add_trace(_violation_marks(buckets, begins + lengths / 2))
    figure.update_layout(barmode="stack", bargap=0)
    figure.update_yaxes(range=[0, 1.16], tickvals=[0, 0.5, 1], tickformat=".0%")
    return figure


def _seconds(summary: Summary) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the start of each point of the timeline, s from the start of the period."""
    start = nanoseconds(summary.period.start)
    return np.array([(nanoseconds(when) - start) / NS for when in summary.course.times])


def _layout(summary: Summary, start: datetime, end: datetime) -> dict[str, Any]:
    """Return the layout that all charts of a report share. The page's script sets the ticks of the time axis."""
    origin = nanoseconds(summary.period.start)
    return layout(
        margin={"l": 58, "r": 8, "t": 8, "b": 28},
        xaxis={"range": [(nanoseconds(edge) - origin) / NS for edge in (start, end)]},
        yaxis={"title": {"standoff": 6}},
        hovermode="x",
        meta={"start_s": origin / NS, "offsets": utc_offsets(summary.period.start, summary.period.end)},
    )


def _bars(middle: Any, width: Any, parts: list[float], regime: str) -> go.Bar:
    name = regime.replace(" ", "-")
    return go.Bar(
        x=to_float32(middle),
        y=to_float32(parts),
        width=to_float32(width),
        marker={
            "color": f"var(--{name}-bar)",
            "line": {"width": 0},
            "pattern": {
                "shape": PATTERNS[regime],
                "size": 5,
                "solidity": 0.2,
                "fgcolor": "var(--maintenance-hatch)" if regime == "maintenance" else "var(--panel)",
                "bgcolor": f"var(--{name}-bar)",
            },
        },
        hoverinfo="skip",
    )


def _violation_marks(buckets: tuple[Bucket, ...], middle: Any) -> go.Scatter:
    """Return the diamonds over bars with violations. Other bars have a mark of size 0, which carries the tooltip."""
    return go.Scatter(
        x=to_float32(middle),
        y=to_float32(np.full(len(buckets), 1.08)),
        mode="markers",
        marker={
            "symbol": "diamond",
            "size": [8 if bucket.violations else 0 for bucket in buckets],
            "color": "var(--critical-ink)",
            "opacity": 1,
            "line": {"width": 0},
        },
        hovertext=[_bucket_hover(bucket) for bucket in buckets],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _bucket_hover(bucket: Bucket) -> str:
    length_s = (nanoseconds(bucket.end) - nanoseconds(bucket.start)) / NS
    regimes = bucket.regimes
    counts = [("Stable", regimes.stable), ("Stress", regimes.stress), ("Critical", regimes.critical)]
    counts += [("maintenance", bucket.excluded_steps)]
    times = [f"{state} {duration(steps / max(bucket.steps, 1) * length_s)}" for state, steps in counts if steps]
    return "<br>".join(
        [
            f"<b>{bucket.label}</b>",
            ", ".join(times) or "no data",
            f"violations: {count(bucket.violations)}",
            f"peak Psi: {optional(nats, bucket.peak_coupled_load)}",
            f"coverage: {share(bucket.coverage)}",
        ]
    )
