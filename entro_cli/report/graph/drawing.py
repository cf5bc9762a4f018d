"""The drawing of a graph of stages: boxes in columns by depth, edges as curves. Templates turn it into SVG."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from statistics import fmean

from msgspec import Struct

from entro_cli.core.formatting import shortened
from entro_engine import StageGraph

_LEAST_WIDTH, _HEIGHT = 132, 62  # px of a box
_ROOM, _TALL_ROOM = 1020, 340  # px of a page from left to right, on a desktop and on a phone
_GAP, _ROW_GAP, _LANE = 48, 18, 14  # px between columns, between boxes in a column, and of an edge that passes a column
_MARGINS, _LETTER = 24, 7.7  # px of a box beside its label, and of a letter: a mean of common names

_Item = tuple[int, int]
"""A part of a column: a stage and -1, or an edge and the number of the column that it passes."""


class StageBox(Struct, frozen=True):
    """A stage: the upper left corner in px, its name in full and shortened, and whether it is a source."""

    x: float
    y: float
    name: str
    label: str
    is_source: bool


class GraphDrawing(Struct, frozen=True):
    """Boxes in the order of the stages, and the edges as SVG paths; sizes in px."""

    width: float
    height: float
    box_width: int
    box_height: int
    boxes: tuple[StageBox, ...]
    paths: tuple[str, ...]


def draw_graph(graph: StageGraph, is_tall: bool = False) -> GraphDrawing:
    """Place the stages of a graph, each in a column behind all that feed it.

    Args:
        graph: the graph.
        is_tall: from top to bottom, for narrow screens, instead of from left to right.
    """
    columns, chains = _columns(graph)
    width = _box_width(max(len(stage.name) for stage in graph.stages), columns, is_tall)
    letters = int((width - _MARGINS) / _LETTER)
    along, across = (_HEIGHT, width) if is_tall else (width, _HEIGHT)
    starts = {item: depth * (along + _GAP) for depth, column in enumerate(columns) for item in column}
    centres, breadth = _centres(columns, chains, across)
    boxes = []
    for place, stage in enumerate(graph.stages):
        corner = _turned(starts[place, -1], centres[place, -1] - across / 2, is_tall)
        boxes.append(StageBox(*corner, stage.name, shortened(stage.name, letters), place < len(graph.sources)))
    paths = [_path([(starts[item], centres[item]) for item in items], along, is_tall) for items in chains]
    size = _turned(len(columns) * (along + _GAP) - _GAP, breadth, is_tall)
    return GraphDrawing(*size, width, _HEIGHT, tuple(boxes), tuple(paths))


def _box_width(letters: int, columns: Sequence[Sequence[_Item]], is_tall: bool) -> int:
    """Return the width of a box that holds so many letters, px; less if the boxes side by side would not fit."""
    if is_tall:
        boxes = [sum(passed == -1 for _, passed in column) for column in columns]
        lanes = (len(column) - count for column, count in zip(columns, boxes, strict=True))
        rooms = (_TALL_ROOM + _ROW_GAP - passing * (_LANE + _ROW_GAP) for passing in lanes)
        fitting = min(room / count - _ROW_GAP for room, count in zip(rooms, boxes, strict=True))
    else:
        fitting = (_ROOM + _GAP) / len(columns) - _GAP
    return int(max(_LEAST_WIDTH, min(fitting, math.ceil(_MARGINS + _LETTER * letters))))


def _columns(graph: StageGraph) -> tuple[list[list[_Item]], list[list[_Item]]]:
    """Return the items of each column, and those along each edge, from the stage that gives to the one that takes."""
    depth = [0] * len(graph.stages)
    for place in graph.order:
        depth[place] = 1 + max(depth[giver] for giver, taker in graph.edges if taker == place)
    chains = [
        [(giver, -1), *((edge, column) for column in range(depth[giver] + 1, depth[taker])), (taker, -1)]
        for edge, (giver, taker) in enumerate(graph.edges)
    ]
    columns: list[list[_Item]] = [[] for _ in range(max(depth) + 1)]
    for place, column in enumerate(depth):
        columns[column].append((place, -1))
    for item in chain.from_iterable(found[1:-1] for found in chains):
        columns[item[1]].append(item)
    return columns, chains


def _centres(
    columns: Sequence[Sequence[_Item]], chains: Sequence[Sequence[_Item]], across: float
) -> tuple[dict[_Item, float], float]:
    """Return the centre of each item across the columns, px, and the breadth of the drawing."""
    before = defaultdict(list)
    for giver, taker in chain.from_iterable(map(pairwise, chains)):
        before[taker].append(giver)
    centres: dict[_Item, float] = {}
    breadth = 0.0
    for column in columns:
        # Few edges cross if each item stands near those before it (barycentre heuristic of layered drawings).
        ordered = sorted(column, key=lambda item: fmean([centres[one] for one in before[item]] or [0.0]))
        sizes = [across if passed == -1 else _LANE for _, passed in ordered]
        total = sum(sizes) + _ROW_GAP * (len(sizes) - 1)
        breadth = max(breadth, total)
        ends = accumulate(size + _ROW_GAP for size in sizes)
        centres |= {
            item: end - _ROW_GAP - size / 2 - total / 2 for item, size, end in zip(ordered, sizes, ends, strict=True)
        }
    return {item: centre + breadth / 2 for item, centre in centres.items()}, breadth


def _path(points: Sequence[tuple[float, float]], along: float, is_tall: bool) -> str:
    """Return an edge as an SVG path, straight where it passes a column."""
    (start, centre), *rest = points
    commands = ["M" + _point(start + along, centre, is_tall)]
    for following, level in rest:
        middle = following - _GAP / 2
        curve = (_point(middle, centre, is_tall), _point(middle, level, is_tall), _point(following, level, is_tall))
        commands += [f"C{' '.join(curve)}", f"L{_point(following + along, level, is_tall)}"]
        centre = level
    return "".join(commands[:-1])


def _point(along: float, across: float, is_tall: bool) -> str:
    return "{:g},{:g}".format(*_turned(along, across, is_tall))


def _turned(along: float, across: float, is_tall: bool) -> tuple[float, float]:
    """Return x and y of a place along and across the columns."""
    return (across, along) if is_tall else (along, across)
