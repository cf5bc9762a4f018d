"""The comparison table of simulated runs: as text with one column per controller, and as a Rich table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from entro_cli.analysis.simulation.published import Comparison
from entro_cli.analysis.simulation.results import (
    NoisyRunFigures,
    RunFigures,
    SimulationDocument,
    Spread,
)

if TYPE_CHECKING:
    from rich.table import Table


class SimulationCell(Struct, frozen=True):
    """A figure of one controller as text. `published` and `spread` are empty without one."""

    ours: str
    published: str
    spread: str


class SimulationRow(Struct, frozen=True):
    """One figure of all controllers: label, unit and one cell per controller."""

    label: str
    unit: str
    cells: tuple[SimulationCell, ...]


def number_text(value: float, decimals: int) -> str:
    """Return a figure with so many decimals; `n/a` for NaN."""
    if math.isnan(value):
        return "n/a"
    if value == 0:
        return "0"
    return f"{value:.{decimals}f}" if abs(value) < 1e7 else f"{value:.5e}"


def _percent(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{100 * value:.1f}"


def count_text(value: float) -> str:
    """Return a count, or a median of counts."""
    return number_text(value, 1).removesuffix(".0")  # the median of an even number of runs may end in .5


_COLUMNS: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("violations", "Violations", "steps", count_text),
    ("violation_share", "Violations", "%", _percent),
    ("excess_nat_s", "Excess", "nat s", partial(number_text, decimals=3)),
    ("peak_psi_total", "Peak Psi_total", "nat", partial(number_text, decimals=4)),
    ("peak_queue", "Peak queue", "req", partial(number_text, decimals=3)),
    ("mean_queue", "Mean queue", "req", partial(number_text, decimals=3)),
    ("peak_frontier", "Peak frontier", "req", partial(number_text, decimals=3)),
    ("final_backlog", "Unserved", "req", partial(number_text, decimals=3)),
    ("served", "Served", "req", partial(number_text, decimals=3)),
    ("mean_wait_s", "Mean wait", "s", partial(number_text, decimals=3)),
    ("utilisation", "Utilisation", "%", _percent),
    ("p95_wait_s", "95 % wait at most", "s", partial(number_text, decimals=3)),
    ("p95_queue_wait_s", "95 % in the queue", "s", partial(number_text, decimals=3)),
    ("served_within_wait_share", "Served within W", "%", _percent),
    ("starved_steps", "Starved", "steps", count_text),
    ("service_lost", "Service lost", "req", partial(number_text, decimals=3)),
    ("roughness", "Roughness", "req/s", partial(number_text, decimals=3)),
    ("stable", "Stable", "steps", count_text),
    ("stress", "Stress", "steps", count_text),
    ("critical", "Critical", "steps", count_text),
)
"""Name, label, unit and format of each figure, in the order of the table."""


def table_rows(document: SimulationDocument[RunFigures], comparison: Comparison) -> tuple[SimulationRow, ...]:
    """Return the table as text.

    Args:
        document: the figures.
        comparison: the published figures to show with them.
    """
    return tuple(
        SimulationRow(label, unit, tuple(_cell(run, name, form, comparison) for run in document.runs))
        for name, label, unit, form in _COLUMNS
    )


def _cell(run: RunFigures, name: str, form: Callable[[float], str], comparison: Comparison) -> SimulationCell:
    published = comparison.rows.get(run.controller)
    value = getattr(run, name) if hasattr(run, name) else getattr(run.regimes, name)
    spread = _range(run.range[name], form) if isinstance(run, NoisyRunFigures) else ""
    return SimulationCell(form(value), published.text(name) if published else "", spread)


def _range(spread: Spread, form: Callable[[float], str]) -> str:
    """Return the 5-95 % range in few digits; empty if both ends look the same."""
    low, high = (_short(value, form(value)) for value in (spread.p5, spread.p95))
    return "" if low == high else f"{low}-{high}"


def _short(value: float, text: str) -> str:
    return text if len(text) <= 6 or math.isnan(value) else f"{value:.1f}" if value < 1e5 else f"{value:.2e}"


_SUMMARY: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("violations_per_1000", "over the\nbudget\nper 1000", partial(number_text, decimals=1)),
    ("service_lost_per_1000", "service\nlost\nper 1000", partial(number_text, decimals=1)),
    ("mean_wait_s", "mean\nwait\n(s)", partial(number_text, decimals=1)),
    ("p95_wait_s", "95 %\nwait\n(s)", partial(number_text, decimals=1)),
    ("p95_queue_wait_s", "in the\nqueue\n(s)", partial(number_text, decimals=1)),
    ("served_within_wait_share", "served\nwithin\nW (%)", _percent),
    ("peak_queue", "longest\nqueue\n(req)", partial(number_text, decimals=1)),
    ("roughness", "rough-\nness\n(req/s)", partial(number_text, decimals=3)),
)
"""Name, head and format of the figures in the table with one row per controller."""

_MOST_COLUMNS = 4
"""The most controllers that have a column each within 80 characters."""


WAITS = "Waits count from becoming known until served; in the queue, and within W, from being sent."
"""The note on the waits of the table."""


def has_column_per_controller(document: SimulationDocument[RunFigures]) -> bool:
    """Return whether the table for a terminal has a column per controller, with published figures and ranges.

    With more than four controllers, and in the arena, it has one row per controller, with fewer figures and without
    those.
    """
    return len(document.runs) <= _MOST_COLUMNS and document.seeds is None


def rich_table(document: SimulationDocument[RunFigures], rows: tuple[SimulationRow, ...]) -> Table:
    """Return the table for a terminal. It fits 80 columns; in narrower terminals, cells wrap and are not cut."""
    return _comparison(document, rows) if has_column_per_controller(document) else _summary(document)


def notes_below(document: SimulationDocument[RunFigures], comparison: Comparison) -> tuple[str, ...]:
    """Return the notes below the table for a terminal: on its waits, and on the figures that are published."""
    if has_column_per_controller(document):
        return comparison.notes
    hidden = (f"Published figures are shown beside ours for at most {_MOST_COLUMNS} controllers.",)
    return (WAITS, *(hidden if comparison.rows else comparison.notes))


def _summary(document: SimulationDocument[RunFigures]) -> Table:
    table = _empty([head for _, head, _ in _SUMMARY])
    for run in document.runs:
        table.add_row(run.controller, *(form(getattr(run, name)) for name, _, form in _SUMMARY))
    return table


def _comparison(document: SimulationDocument[RunFigures], rows: tuple[SimulationRow, ...]) -> Table:
    table = _empty([run.controller for run in document.runs])
    columns = [_align([row.cells[index] for row in rows]) for index in range(len(document.runs))]
    for number, row in enumerate(rows):
        table.add_row(f"{row.label} ({row.unit})", *(column[number] for column in columns))
        if any(cell.spread for cell in row.cells):
            table.add_row("  5-95 %", *(cell.spread for cell in row.cells), style="dim")
    return table


def _empty(heads: Sequence[str]) -> Table:
    """Return a table with columns of numbers beside a first one of names."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 0, 0, 1), pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for head in heads:
        table.add_column(head, justify="right", overflow="fold")
    return table


def _align(cells: list[SimulationCell]) -> list[str]:
    """Return the cells of one column, with the published figures in brackets aligned."""
    brackets = [f" ({cell.published})" if cell.published else "" for cell in cells]
    width = max(map(len, brackets))
    return [cell.ours + bracket.ljust(width) for cell, bracket in zip(cells, brackets, strict=True)]
