"""Pictures of a report as PNG: mail programs show no SVG and run no script.

They have no text, so that they stay legible on a narrow screen, and no background, so that they suit a dark one. The
tables around them name what they show.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageDraw

from entro_cli.report.charts.sparkline import shown_span, sparkline
from entro_cli.report.daily_report import Summary

COLOURS = {"stable": "#7cc7b0", "stress": "#ecbb4c", "critical": "#d55e00", "no data": "#d6d3cc"}
"""Colours of the regimes: those of the bars in the light style of pages."""

_NEUTRAL = {"maintenance": "#a9a69e", "line": "#7a7d85", "grid": "#b9bbc0"}  # each is seen on white and on black
_PALETTE = ("#ffffff", *COLOURS.values(), *_NEUTRAL.values())  # the first one is transparent
_INK = {name: index + 1 for index, name in enumerate((*COLOURS, *_NEUTRAL))}

_WIDTH, _PLOT, _GAP, _BAND = 1200, 240, 12, 36  # px; shown at half the size, for displays of high density
_MOST_BARS = 300
_LEVELS = {"no data": 0.0, "maintenance": 0.0, "stable": 1 / 3, "stress": 2 / 3, "critical": 1.0}
_BUCKET_HEIGHT = 110


@dataclass(frozen=True)
class Picture:
    """A picture of a mail.

    Attributes:
        name: its name in the mail, such as `timeline`.
        png: the file.
        width: the width at which it is shown, px.
        height: the height at that width, px.
    """

    name: str
    png: bytes
    width: int
    height: int


def timeline_picture(summary: Summary, marks: tuple[float, ...]) -> Picture:
    """Return the load over the period as bars, with the budget as a dashed line, and the regimes as a band below.

    In the band a Stable part is low, a Stress part higher, a Critical part full: shape alone tells them apart.

    Args:
        summary: the report.
        marks: where the labels below the picture begin, as shares of its width.
    """
    image, draw = _canvas(_PLOT + _GAP + _BAND)
    _grid(draw, marks, _PLOT)
    start, end = (when.timestamp() for when in shown_span(summary))
    # No bar is shorter than a step, or there would be gaps between the steps of a short log.
    bars = sparkline(summary, max(min(int((end - start) / summary.made.step_s), _MOST_BARS), 1))
    ceiling = 1.05 * max(summary.figures.peak_coupled_load or 0.0, summary.figures.budget)
    bottom = _PLOT + _GAP + _BAND - 1
    for number, bar in enumerate(bars):
        left, right = _WIDTH * number // len(bars), _WIDTH * (number + 1) // len(bars) - 1
        if bar.peak is not None:
            top = _PLOT - max(round(_PLOT * bar.peak / ceiling), 1)
            draw.rectangle((left, top, right, _PLOT - 1), _INK[bar.regime])
            draw.rectangle((left, bottom + 1 - round(_BAND * _LEVELS[bar.regime]), right, bottom), _INK[bar.regime])
        elif bar.regime == "maintenance":
            draw.line((left, bottom, right, bottom - _BAND // 2), _INK["maintenance"], 2)
    level = _PLOT - round(_PLOT * summary.figures.budget / ceiling)
    for left in range(0, _WIDTH, 20):
        draw.line((left, level, left + 11, level), _INK["line"], 3)
    return _picture("timeline", image)


def buckets_picture(summary: Summary, marks: tuple[float, ...]) -> Picture:
    """Return the share of each regime in each part of the period, the worst at the bottom.

    Args:
        summary: the report.
        marks: where the labels below the picture begin, as shares of its width.
    """
    image, draw = _canvas(_BUCKET_HEIGHT)
    _grid(draw, marks, _BUCKET_HEIGHT)
    start, length = summary.period.start.timestamp(), summary.period.length_s
    for bucket in summary.buckets:
        edges = [round(_WIDTH * (when.timestamp() - start) / length) for when in (bucket.start, bucket.end)]
        regimes, done = bucket.regimes, 0
        counts = {"critical": regimes.critical, "stress": regimes.stress, "stable": regimes.stable}
        for regime, steps in (counts | {"no data": regimes.no_data}).items():
            top, base = (_BUCKET_HEIGHT - round(_BUCKET_HEIGHT * part / bucket.steps) for part in (done + steps, done))
            if top < base:
                draw.rectangle((edges[0] + 3, top, edges[1] - 4, base - 1), _INK[regime])
            done += steps
    return _picture("parts", image)


def _canvas(height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("P", (_WIDTH, height))
    image.putpalette(b"".join(bytes.fromhex(colour[1:]) for colour in _PALETTE))
    return image, ImageDraw.Draw(image)


def _grid(draw: ImageDraw.ImageDraw, marks: tuple[float, ...], height: int) -> None:
    for mark in marks:
        left = min(round(_WIDTH * mark), _WIDTH - 1)
        draw.line((left, 0, left, height - 1), _INK["grid"])
    draw.line((0, height - 1, _WIDTH, height - 1), _INK["grid"])


def _picture(name: str, image: Image.Image) -> Picture:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, transparency=0)
    return Picture(name, file.getvalue(), image.width // 2, image.height // 2)
