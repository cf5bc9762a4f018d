"""What `entro ingest` and `entro history` print for people, and their JSON documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from entro_cli import numbers
from entro_cli.document import plain
from entro_cli.report.tables import grid
from entro_cli.summary import StoredSummary
from entro_cli.terminal import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

INGEST_SCHEMA = "entro/ingest/1"

_MOST_LOGS = 20


def stored_document(every: Mapping[str, StoredSummary]) -> dict[str, Any]:
    """The JSON document of what was stored, by pipeline."""
    pipelines = [{"pipeline": name, **plain(stored)} for name, stored in every.items()]
    return {"schema": INGEST_SCHEMA, "pipelines": pipelines}


def stored_view(every: Mapping[str, StoredSummary]) -> Iterator[RenderableType]:
    """What was stored, a pipeline after the other; every line fits into 80 columns where names are short."""
    from rich.text import Text

    for name, stored in every.items():
        days = f"{len(stored.days)} day{'' if len(stored.days) == 1 else 's'} changed" if stored.days else "nothing new"
        old = f", {stored.removed_days} too old to be kept" if stored.removed_days else ""
        step = f", steps of {numbers.duration(stored.step_s)}" if stored.step_s else ""
        yield Text(f"{visible(name)}: {days}{old}{step}")
        told = [log for log in stored.logs if log.taken != "nothing new"]
        table = grid(
            ("Log", "left"), ("Taken as", "left"), ("Stages", "left"), ("New rows", "right"), ("Skipped", "right")
        )
        for log in told[:_MOST_LOGS]:
            rows = (numbers.count(log.rows_read), numbers.count(log.rows_skipped)) if log.format else ("", "")
            table.add_row(log.path, log.taken, ", ".join(log.stages), *rows)
        if told:
            yield table
        if len(told) > _MOST_LOGS:
            yield Text(f"and {len(told) - _MOST_LOGS} more logs")
