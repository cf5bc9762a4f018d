"""The output of `entro config`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entro_cli.core import formatting
from entro_cli.core.console import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

_MAX_KEY_WIDTH = 32
_DURATIONS = frozenset({"wait", "retention", "silence", "alerts.at_least"})

ConfigRow = tuple[str, Any, str]
"""A key, its value, and the origin of the value."""


def config_view(
    file: Path | None, pipeline: str, pipelines: Sequence[str], rows: Iterable[ConfigRow]
) -> Iterator[RenderableType]:
    """Yield the parts of a configuration, in the order they are printed. Every line fits into 80 columns.

    Args:
        file: the file that was read; None without one.
        pipeline: the name of the pipeline.
        pipelines: the pipelines that the file names.
        rows: every value in force for the pipeline.
    """
    from rich.table import Table
    from rich.text import Text

    yield Text.assemble(
        (printable(pipeline), "bold"),
        f": {printable(str(file)) if file else 'no entro.toml'}",
    )
    if pipelines:
        yield Text(f"Pipelines: {', '.join(map(printable, pipelines))}")
    yield ""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    rows = list(rows)
    widest = max((len(key) for key, _, _ in rows), default=0)
    table.add_column("Key", overflow="fold", min_width=min(widest, _MAX_KEY_WIDTH))
    table.add_column("Value", overflow="fold")
    table.add_column("From", overflow="fold")
    for key, value, origin in rows:
        is_set = origin != "default"
        table.add_row(
            Text(printable(key)),
            Text(_format(key, value)),
            Text(printable(origin), style="" if is_set else "dim"),
        )
    yield table


def _format(key: str, value: Any) -> str:
    """Return a value as it is printed; a dash for a value that is not set."""
    if value is None or value == ():
        return "-"
    if key in _DURATIONS and not isinstance(value, str):
        return formatting.duration(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return printable(", ".join(value))
    return f"{value:g}" if isinstance(value, float) else printable(str(value))
