"""The charts of a report, as Plotly figures, from a Summary alone.

Their colours are names of `style.css`. Times are seconds from the period's start, marked in its zone; regimes are told
by pattern as well as by colour. There is no legend in them: the page has one in words, which wraps on a phone.
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
from entro_cli.core.formatting import count, duration, nats, optional, share
from entro_cli.report.charts.areas import numbers_of, seen_stretches
from entro_cli.report.charts.figure import PATTERNS, REGIMES, area, bands, draw_regimes, layout, short
from entro_cli.report.charts.sparkline import shown
from entro_cli.report.charts.ticks import marks
from entro_cli.report.daily_report import Bucket, Summary
from entro_cli.report.render.page import escape_for_plotly
from entro_cli.report.timeline import Timeline

_STAGE_COLOURS = 6


def timeline_chart(summary: Summary) -> go.Figure:
    """Psi_total against the budget and both thresholds, the area under it by regime, what is over the budget marked."""
    seconds, course, budget = _seconds(summary), summary.course, summary.figures.budget
    figure = go.Figure(layout=_layout(summary, *shown(summary)))
    highest = max((psi for psi in course.psi_total if psi is not None), default=0.0)
    top = 1.1 * max(highest, budget)
    _draw_maintenance(figure, summary, top)
    draw_regimes(figure, seconds, course, budget)
    figure.add_trace(_psi_line(seconds, course))
    figure.add_trace(_incident_marks(summary, seconds))
    figure.update_yaxes(range=[0, top], title_text="Psi, nat")
    return figure


def stages_chart(summary: Summary) -> go.Figure:
    """Each stage's part in Psi_total, stacked; together they are Psi_total."""
    seconds, course = _seconds(summary), summary.course
    figure = go.Figure(layout=_layout(summary, *shown(summary)))
    highest = max((psi for psi in course.psi_total if psi is not None), default=1.0)
    top = 1.1 * highest or 1.0
    _draw_maintenance(figure, summary, top)
    below = np.zeros(len(seconds))
    for index, psi in enumerate(course.psi):
        above = below + numbers_of(psi)
        lines = seen_stretches(seconds, above)
        floor = dict(zip(seconds.tolist(), below.tolist(), strict=True))
        areas = [[*line, *((x, floor[x]) for x, _ in reversed(line))] for line in lines]
        figure.add_trace(area(areas, f"var(--stage-{stage_colour(index)})"))
        below = above
    figure.add_trace(_stage_hover(summary, seconds))
    figure.update_yaxes(range=[0, top], title_text="Psi, nat")
    return figure


def _draw_maintenance(figure: go.Figure, summary: Summary, height: float) -> None:
    """What is left out, behind everything else."""
    if summary.maintenance:
        origin = nanoseconds(summary.period.start)
        gaps = [(nanoseconds(gap.start) - origin, nanoseconds(gap.end) - origin) for gap in summary.maintenance]
        figure.add_trace(bands([(start / NS, end / NS) for start, end in gaps], height))


def stage_colour(index: int) -> int:
    """Which of the style's stage colours a stage has, from 1."""
    return index % _STAGE_COLOURS + 1


def buckets_chart(summary: Summary) -> go.Figure:
    """A bar an hour or a day: how much of it was spent in each regime; a diamond over those with violations."""
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
    figure.add_trace(_bucket_marks(buckets, begins + lengths / 2))
    figure.update_layout(barmode="stack", bargap=0)
    figure.update_yaxes(range=[0, 1.16], tickvals=[0, 0.5, 1], tickformat=".0%")
    return figure


def _seconds(summary: Summary) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Where each point of the course begins, s from the period's start."""
    start = nanoseconds(summary.period.start)
    return np.array([(nanoseconds(when) - start) / NS for when in summary.course.times])


def _layout(summary: Summary, start: datetime, end: datetime) -> dict[str, Any]:
    """What all charts share; `meta` has the marks a page chooses from by its width."""
    origin = nanoseconds(summary.period.start)
    return layout(
        margin={"l": 44, "r": 8, "t": 8, "b": 28},
        xaxis={"range": [(nanoseconds(edge) - origin) / NS for edge in (start, end)]},
        yaxis={"title": {"standoff": 6}},
        hovermode="x",
        meta={"marks": [asdict(level) for level in marks(summary.period.start, start, end)]},
    )


def _psi_line(seconds: Any, course: Timeline) -> go.Scatter:
    """Psi_total; hovering over it tells all about a step."""
    said = [
        [_when(when), regime.capitalize(), optional(nats, stress), optional(nats, critical)]
        for when, regime, stress, critical in zip(
            course.times, course.regime, course.stress_threshold, course.critical_threshold, strict=True
        )
    ]
    return go.Scatter(
        x=short(seconds),
        y=short(numbers_of(course.psi_total)),
        mode="lines",
        line={"color": "var(--series)", "width": 1},
        customdata=said,
        hovertemplate="%{customdata[0]}<br><b>Psi_total %{y:.3f}</b>, %{customdata[1]}"
        "<br>Stress from %{customdata[2]}, Critical from %{customdata[3]}<extra></extra>",
    )


def _incident_marks(summary: Summary, seconds: Any) -> go.Scatter:
    """A diamond at the peak of each incident, with its rank in the list."""
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
    """An incident's peak on the curve; above its middle where the thinned curve has another one's instead."""
    start = nanoseconds(summary.period.start)
    first, after = ((nanoseconds(edge) - start) / NS for edge in (incident.start, incident.end))
    psi = np.where((seconds >= first) & (seconds < after), numbers_of(summary.course.psi_total), -math.inf)
    at = int(np.argmax(np.nan_to_num(psi, nan=-math.inf)))
    found = math.isclose(float(psi[at]), incident.peak_psi_total)
    return float(seconds[at]) if found else (first + after) / 2, incident.peak_psi_total


def _stage_hover(summary: Summary, seconds: Any) -> go.Scatter:
    """An invisible line on top that tells each stage's part."""
    names = [escape_for_plotly(stage.name) for stage in summary.figures.stages]
    said = []
    for when, total, *psi in zip(summary.course.times, summary.course.psi_total, *summary.course.psi, strict=True):
        parts = [f"{name}: {optional(nats, part)}{_of(part, total)}" for name, part in zip(names, psi, strict=True)]
        said.append("<br>".join([_when(when), *parts]))
    return go.Scatter(
        x=short(seconds),
        y=short(numbers_of(summary.course.psi_total)),
        mode="lines",
        line={"color": "rgba(0,0,0,0)"},
        hovertext=said,
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _of(part: float | None, total: float | None) -> str:
    return f" ({share(part / total)})" if part is not None and total else ""


def _when(when: datetime) -> str:
    return f"{when:%a} {when.day} {when:%b} {when:%H:%M:%S}".removesuffix(":00")


def _bars(middle: Any, width: Any, parts: list[float], regime: str) -> go.Bar:
    name = regime.replace(" ", "-")
    return go.Bar(
        x=short(middle),
        y=short(parts),
        width=short(width),
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


def _bucket_marks(buckets: tuple[Bucket, ...], middle: Any) -> go.Scatter:
    """A diamond over each bar with violations; hovering over any bar tells all about it."""
    return go.Scatter(
        x=short(middle),
        y=short(np.full(len(buckets), 1.08)),
        mode="markers",
        marker={
            "symbol": "diamond",
            "size": [8 if bucket.violations else 0 for bucket in buckets],
            "color": "var(--critical-ink)",
            "opacity": 1,
            "line": {"width": 0},
        },
        hovertext=[_told(bucket) for bucket in buckets],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _told(bucket: Bucket) -> str:
    length_s = (nanoseconds(bucket.end) - nanoseconds(bucket.start)) / NS
    regimes = bucket.regimes
    seen = [("Stable", regimes.stable), ("Stress", regimes.stress), ("Critical", regimes.critical)]
    seen += [("maintenance", bucket.excluded_steps)]
    times = [f"{word} {duration(steps / max(bucket.steps, 1) * length_s)}" for word, steps in seen if steps]
    return "<br>".join(
        [
            f"<b>{bucket.label}</b>",
            ", ".join(times) or "no data",
            f"violations: {count(bucket.violations)}",
            f"peak Psi_total: {optional(nats, bucket.peak_psi_total)}",
            f"coverage: {share(bucket.coverage)}",
        ]
    )
