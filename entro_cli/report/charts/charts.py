"""Draw the charts of a report from its Summary, as Plotly figures.

Colours are custom properties of `style.css`. Regimes differ in pattern as well as in colour, for readers who do not see
the colours. The x axis counts seconds from the start of the period, with ticks in its time zone. The legend is part of
the page and not of the chart, so that it can wrap on a phone.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import plotly.graph_objects as go

from entro_cli.analysis.incidents import Incident
from entro_cli.core.clock import NS, nanoseconds
from entro_cli.core.formatting import count, duration, load_name, nats, optional, share
from entro_cli.report.charts.figure import (
    PATTERNS,
    REGIMES,
    area,
    bands,
    draw_regimes,
    layout,
    split_at_gaps,
    to_array,
    to_float32,
)
from entro_cli.report.charts.sparkline import shown_span
from entro_cli.report.charts.ticks import tick_levels
from entro_cli.report.daily_report import Bucket, Summary
from entro_cli.report.render.page import escape_for_plotly
from entro_cli.report.timeline import Timeline

_STAGE_COLOURS = 10  # --stage-1 to --stage-10 of style.css


def timeline_chart(summary: Summary) -> go.Figure:
    """Draw the judged load with the budget and both thresholds. The area below is coloured by regime."""
    seconds, course, budget = _seconds(summary), summary.course, summary.figures.budget
    figure = go.Figure(layout=_layout(summary, *shown_span(summary)))
    highest = max((load for load in course.coupled_load if load is not None), default=0.0)
    top = 1.1 * max(highest, budget)  # room for the ranks above the incident marks
    _draw_maintenance(figure, summary, top)
    draw_regimes(figure, seconds, course, budget)
    figure.add_trace(_load_line(seconds, course, load_name(len(summary.figures.stages))))
    figure.add_trace(_incident_marks(summary, seconds))
    figure.update_yaxes(range=[0, top], title_text="Psi, nat")
    return figure


def stages_chart(summary: Summary) -> go.Figure:
    """Draw the Psi of each stage, stacked to Psi_total."""
    seconds, course = _seconds(summary), summary.course
    figure = go.Figure(layout=_layout(summary, *shown_span(summary)))
    highest = max((psi for psi in course.psi_total if psi is not None), default=1.0)
    top = 1.1 * highest or 1.0
    _draw_maintenance(figure, summary, top)
    below = np.zeros(len(seconds))
    for index, psi in enumerate(course.psi):
        above = below + to_array(psi)
        lines = split_at_gaps(seconds, above)
        floor = dict(zip(seconds.tolist(), below.tolist(), strict=True))
        # An area runs along its upper edge and back along its lower one, the upper edge of the stage below.
        areas = [[*line, *((x, floor[x]) for x, _ in reversed(line))] for line in lines]
        figure.add_trace(area(areas, f"var(--stage-{stage_colour(index)})"))
        below = above
    figure.add_trace(_stage_hover(summary, seconds))
    figure.update_yaxes(range=[0, top], title_text="Psi, nat")
    return figure


def _draw_maintenance(figure: go.Figure, summary: Summary, height: float) -> None:
    """Draw the excluded times, behind everything else."""
    if summary.maintenance:
        origin = nanoseconds(summary.period.start)
        gaps = [(nanoseconds(gap.start) - origin, nanoseconds(gap.end) - origin) for gap in summary.maintenance]
        figure.add_trace(bands([(start / NS, end / NS) for start, end in gaps], height))


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
    """Return the layout that all charts of a report share. The page's script chooses one level of `meta.marks`."""
    origin = nanoseconds(summary.period.start)
    return layout(
        margin={"l": 44, "r": 8, "t": 8, "b": 28},
        xaxis={"range": [(nanoseconds(edge) - origin) / NS for edge in (start, end)]},
        yaxis={"title": {"standoff": 6}},
        hovermode="x",
        meta={"marks": [asdict(level) for level in tick_levels(summary.period.start, start, end)]},
    )


def _load_line(seconds: Any, course: Timeline, name: str) -> go.Scatter:
    """Return the line of the judged load. Its tooltip shows the regime and the thresholds of a step."""
    tooltips = [
        [_time(when), regime.capitalize(), optional(nats, stress), optional(nats, critical)]
        for when, regime, stress, critical in zip(
            course.times, course.regime, course.stress_threshold, course.critical_threshold, strict=True
        )
    ]
    return go.Scatter(
        x=to_float32(seconds),
        y=to_float32(to_array(course.coupled_load)),
        mode="lines",
        line={"color": "var(--series)", "width": 1},
        customdata=tooltips,
        hovertemplate=f"%{{customdata[0]}}<br><b>{name} %{{y:.3f}}</b>, %{{customdata[1]}}"
        "<br>Stress from %{customdata[2]}, Critical from %{customdata[3]}<extra></extra>",
    )


def _incident_marks(summary: Summary, seconds: Any) -> go.Scatter:
    """Return a diamond at the peak of each incident, with its rank in the list."""
    peaks = [_peak(summary, incident, seconds) for incident in summary.incidents]
    return go.Scatter(
        x=[x for x, _ in peaks],
        y=[y for _, y in peaks],
        mode="markers+text",
        marker={"symbol": "diamond", "size": 7, "color": "var(--critical-ink)"},
        text=[str(rank) for rank in range(1, len(peaks) + 1)],
        textposition="top center",
        textfont={"color": "var(--critical-ink)", "size": 12},
        hoverinfo="skip",
        cliponaxis=False,
    )


def _peak(summary: Summary, incident: Incident, seconds: Any) -> tuple[float, float]:
    """Return the peak of an incident on the curve, or above its middle if thinning removed the peak.

    A bin of the timeline keeps one highest step: of two incidents in one bin, only one keeps its peak.
    """
    start = nanoseconds(summary.period.start)
    first, after = ((nanoseconds(edge) - start) / NS for edge in (incident.start, incident.end))
    load = np.where((seconds >= first) & (seconds < after), to_array(summary.course.coupled_load), -math.inf)
    at = int(np.argmax(np.nan_to_num(load, nan=-math.inf)))
    found = math.isclose(float(load[at]), incident.peak_coupled_load)
    return float(seconds[at]) if found else (first + after) / 2, incident.peak_coupled_load


def _stage_hover(summary: Summary, seconds: Any) -> go.Scatter:
    """Return an invisible line on top whose tooltip shows the Psi of each stage."""
    names = [escape_for_plotly(stage.name) for stage in summary.figures.stages]
    tooltips = []
    for when, total, *psi in zip(summary.course.times, summary.course.psi_total, *summary.course.psi, strict=True):
        parts = [
            f"{name}: {optional(nats, part)}{_percent_of(part, total)}" for name, part in zip(names, psi, strict=True)
        ]
        tooltips.append("<br>".join([_time(when), *parts]))
    return go.Scatter(
        x=to_float32(seconds),
        y=to_float32(to_array(summary.course.psi_total)),
        mode="lines",
        line={"color": "rgba(0,0,0,0)"},
        hovertext=tooltips,
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _percent_of(part: float | None, total: float | None) -> str:
    return f" ({share(part / total)})" if part is not None and total else ""


def _time(when: datetime) -> str:
    return f"{when:%a} {when.day} {when:%b} {when:%H:%M:%S}".removesuffix(":00")


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
