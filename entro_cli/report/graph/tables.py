"""The tables of a simulated graph as text: one of whole runs, and one of all stages for each controller."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from entro_cli.analysis.simulation.graph.results import GraphRunFigures
from entro_cli.analysis.simulation.results import SimulationDocument
from entro_cli.core.console import printable
from entro_cli.report.render.simulation_table import count_text, number_text

if TYPE_CHECKING:
    from rich.table import Table

_amount = partial(number_text, decimals=3)

_Columns = tuple[tuple[str, str, Callable[[float], str], tuple[str, ...]], ...]
"""Head, unit and format of each column, and the fields that have its figure; a stage has at most one of them."""

_OF_A_RUN: _Columns = (
    ("Over the\nbudget", "steps", count_text, ("violations",)),
    ("Longest\nqueue", "req", _amount, ("peak_queue",)),
    ("Served", "req", _amount, ("served",)),
    ("Left", "req", _amount, ("final_backlog",)),
    ("Mean\nwait", "s", _amount, ("mean_wait_s",)),
)

_OF_A_STAGE: _Columns = (
    ("Capacity", "req/s", "{:g}".format, ("capacity",)),
    ("Over the\nbudget", "steps", count_text, ("violations",)),
    ("Longest\nqueue", "req", _amount, ("peak_queue", "peak_frontier")),
    ("Passed\non", "req", _amount, ("served", "sent")),
    ("Left", "req", _amount, ("final_backlog",)),
    ("Mean\nwait", "s", _amount, ("mean_wait_s",)),
)


class GraphTable(Struct, frozen=True):
    """A table as text: the head of its first column, head and unit of the others, and rows that begin with a name."""

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]


def graph_tables(document: SimulationDocument[GraphRunFigures]) -> tuple[GraphTable, ...]:
    """Return the table of all runs, followed by one of the stages for each run."""
    runs = _table("All stages", _OF_A_RUN, ((run.controller, run) for run in document.runs))
    stages = (
        _table(run.controller, _OF_A_STAGE, ((printable(stage.name), stage) for stage in run.stages))
        for run in document.runs
    )
    return (runs, *stages)


def _table(title: str, columns: _Columns, rows: Iterable[tuple[str, object]]) -> GraphTable:
    heads = tuple((head, unit) for head, unit, _, _ in columns)
    cells = ((name, *(_cell(row, form, fields) for _, _, form, fields in columns)) for name, row in rows)
    return GraphTable(title, heads, tuple(cells))


def _cell(row: object, form: Callable[[float], str], fields: tuple[str, ...]) -> str:
    return next((form(getattr(row, field)) for field in fields if hasattr(row, field)), "")


def rich_graph_table(table: GraphTable) -> Table:
    """Return a table for a terminal. It fits 80 columns; in narrower terminals, cells wrap and are not cut."""
    from rich.table import Table

    drawn = Table(box=None, padding=(0, 0, 0, 2), pad_edge=False, header_style="bold")
    drawn.add_column(table.title, overflow="fold", min_width=12)
    for head, unit in table.columns:
        drawn.add_column(f"{head}\n({unit})", justify="right", overflow="fold", min_width=8)
    for row in table.rows:
        drawn.add_row(*row)
    return drawn
