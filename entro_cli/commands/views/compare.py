"""The output of `entro compare`: two reports side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from entro_cli.core.console import printable
from entro_cli.core.json_document import to_builtins
from entro_cli.report.daily_report import Summary
from entro_cli.report.render.figure_table import figure_table
from entro_cli.report.render.rich_table import grid
from entro_engine import EntroError

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA = "entro/comparison/1"
_MAX_NAME_LENGTH = 16


def compare_view(first: Summary, second: Summary) -> Iterator[RenderableType]:
    """Yield the parts of a comparison, in the order they are printed.

    Args:
        first: the report on the left.
        second: the report on the right. Changes are from the first to the second.

    Raises:
        EntroError: If the stages of the reports differ.
    """
    from rich.text import Text

    _check_stages(first, second)
    for summary in (first, second):
        yield Text.assemble(
            (f"{_title(summary)}  ", "bold"), f"{str(summary.verdict.health).upper()}  ", summary.verdict.sentence
        )
    yield ""
    table = grid(("", "left"), (_title(first), "right"), (_title(second), "right"), ("Change", "right"))
    for group in figure_table(second.figures, first.figures):
        table.add_row(Text(group.title, style="bold"))
        for row in group.rows:
            table.add_row(f"  {printable(row.label)}", row.previous, row.value, row.change)
    yield table


def compare_document(first: Summary, second: Summary) -> dict[str, Any]:
    """Return the JSON document of a comparison.

    Raises:
        EntroError: If the stages of the reports differ.
    """
    _check_stages(first, second)
    sides = {"first": first, "second": second}
    return {"schema": SCHEMA} | {
        name: {"pipeline": side.pipeline, "period": to_builtins(side.period), "verdict": to_builtins(side.verdict)}
        | {"figures": to_builtins(side.figures)}
        for name, side in sides.items()
    }


def _title(summary: Summary) -> str:
    name = printable(summary.pipeline)
    return f"{name[:_MAX_NAME_LENGTH]} {summary.period.label}"


def _check_stages(first: Summary, second: Summary) -> None:
    stages = [[(stage.name, stage.kind) for stage in side.figures.stages] for side in (first, second)]
    if stages[0] != stages[1]:
        shown = [", ".join(printable(name) for name, _ in side) for side in stages]
        raise EntroError(f"the stages differ: {shown[0]} and {shown[1]}", expected="two reports with the same stages")
