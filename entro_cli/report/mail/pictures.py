"""Pictures of a report as PNG: mail programs show no SVG and run no script.

They have no text, so that they stay legible on a narrow screen, and no background, so that they suit a dark one. Their
captions and the labels below them are part of the mail.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from PIL import Image, ImageDraw

from entro_cli.core.formatting import quantity, shortened
from entro_cli.report.charts.charts import capacity_of, load_rows
from entro_cli.report.charts.sparkline import SparklineBar, most_bars, sparkline
from entro_cli.report.daily_report import Summary
from entro_engine import Kind

COLOURS = {"stable": "#7cc7b0", "stress": "#ecbb4c", "critical": "#d55e00", "no data": "#d6d3cc"}
"""Colours of the regimes: those of the bars in light pages. A stage can have data while another has none."""

_NEUTRAL = {"maintenance": "#a9a69e", "line": "#7a7d85", "grid": "#b9bbc0"}  # each is seen on white and on black
_PALETTE = ("#ffffff", *COLOURS.values(), *_NEUTRAL.values())  # the first one is transparent
_INK = {name: index + 1 for index, name in enumerate((*COLOURS, *_NEUTRAL))}

_WIDTH = 1200  # px; shown at half the size, for displays of high density
_BAND, _ROW = 36, 170  # heights, px
_MOST_BARS = 300
_LEVELS = {"stable": 1 / 3, "stress": 2 / 3, "critical": 1.0}
_WORDS = {Kind.RATE: "Requests sent per second", Kind.QUEUE: "Requests waiting", Kind.GENERIC: "Load"}


class Picture(Struct, frozen=True):
    """A picture of a mail: its name in the mail, what it shows in words, and the PNG file."""

    name: str
    caption: str
    png: bytes


def load_pictures(summary: Summary, marks: Sequence[float]) -> list[Picture]:
    """Return a band of the regimes, and a picture of the rates and of the queues, as the charts of the page.

    Bars have the colours of the regimes. In the band shape alone tells them apart: a Stable part is low, a Stress part
    higher, a Critical part full.

    Args:
        summary: the report.
        marks: where the labels below the pictures begin, as shares of the width.
    """
    number = most_bars(summary, _MOST_BARS)
    bars = sparkline(summary, number)
    in_band = [replace(bar, peak=None if bar.peak is None else _LEVELS[bar.regime]) for bar in bars]
    pictures = [Picture("regimes", "Regimes over the period", _drawn(_BAND, (), in_band, ()))]
    capacity = capacity_of(summary)
    for row in load_rows(summary):
        loads = np.fmax.reduce(list(row.values.values()))
        stages = [summary.figures.stages[stage] for stage in row.values]
        levels = {f"{shortened(stage.name)} is full at": stage.full for stage in stages}
        if row.kind is Kind.RATE and capacity is not None:
            levels = {"the server serves": capacity}
        most, scale = float(np.nanmax(loads, initial=0.0)), np.log1p if row.is_logarithmic else np.positive
        ceiling = 1.05 * scale(max(most, *levels.values()))
        heights = tuple(None if np.isnan(height) else float(height) for height in scale(loads) / ceiling)
        course = replace(summary.course, coupled_load=heights)
        png = _drawn(
            _ROW,
            marks,
            sparkline(replace(summary, course=course), number),
            [float(scale(level) / ceiling) for level in levels.values()],
        )
        named = ", ".join(f"{name} {quantity(level)}" for name, level in levels.items())
        caption = f"{_WORDS[row.kind]}{', logarithmic' if row.is_logarithmic else ''}: up to {quantity(most)}"
        pictures.append(Picture(str(row.kind), f"{caption}; dashed: {named}", png))
    return pictures


def _drawn(height: int, marks: Sequence[float], bars: Sequence[SparklineBar], levels: Sequence[float]) -> bytes:
    """Return bars, and levels as dashed lines, each as a share of the height."""
    image = Image.new("P", (_WIDTH, height))
    image.putpalette(b"".join(bytes.fromhex(colour[1:]) for colour in _PALETTE))
    draw = ImageDraw.Draw(image)
    for mark in marks:
        draw.line((round(_WIDTH * mark), 0, round(_WIDTH * mark), height - 1), _INK["grid"])
    for number, bar in enumerate(bars):
        left, right = _WIDTH * number // len(bars), _WIDTH * (number + 1) // len(bars) - 1
        if bar.peak is not None:
            draw.rectangle((left, height - max(round(height * bar.peak), 1), right, height - 1), _INK[bar.regime])
        elif bar.regime == "maintenance":
            draw.line((left, height - 1, right, height - 1 - _BAND // 2), _INK["maintenance"], 2)
    for level in levels:
        top = height - round(height * level)
        for left in range(0, _WIDTH, 20):
            draw.line((left, top, left + 11, top), _INK["line"], 3)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, transparency=0)
    return file.getvalue()
