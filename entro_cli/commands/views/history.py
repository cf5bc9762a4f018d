"""What `entro ingest` and `entro history` print for people, and their JSON documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from entro_cli.analysis.results import IngestSummary
from entro_cli.core import formatting
from entro_cli.core.clock import moment
from entro_cli.core.console import printable
from entro_cli.core.json_document import to_builtins
from entro_cli.history.inventory import CheckResult, PipelineContents, PipelineInventory, PruneResult
from entro_cli.report.render.rich_table import grid
from entro_cli.timeseries.steps import Steps

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

INGEST_SCHEMA = "entro/ingest/1"
LIST_SCHEMA = "entro/history-list/1"
SHOW_SCHEMA = "entro/history-show/1"
EXPORT_SCHEMA = "entro/history-export/1"
CHECK_SCHEMA = "entro/history-check/1"
PRUNE_SCHEMA = "entro/history-prune/1"

_MOST_LOGS = 20
_MOST_DAYS = 40


def ingest_document(every: Mapping[str, IngestSummary]) -> dict[str, Any]:
    """The JSON document of what was stored, by pipeline."""
    pipelines = [{"pipeline": name, **to_builtins(stored)} for name, stored in every.items()]
    return {"schema": INGEST_SCHEMA, "pipelines": pipelines}


def ingest_view(every: Mapping[str, IngestSummary]) -> Iterator[RenderableType]:
    """What was stored, a pipeline after the other; every line fits into 80 columns where names are short."""
    from rich.text import Text

    for name, stored in every.items():
        days = f"{len(stored.days)} day{'' if len(stored.days) == 1 else 's'} changed" if stored.days else "nothing new"
        old = f", {stored.removed_days} too old to be kept" if stored.removed_days else ""
        step = f", steps of {formatting.duration(stored.step_s)}" if stored.step_s else ""
        yield Text(f"{printable(name)}: {days}{old}{step}")
        told = [log for log in stored.logs if log.taken != "nothing new"]
        table = grid(
            ("Log", "left"), ("Taken as", "left"), ("Stages", "left"), ("New rows", "right"), ("Skipped", "right")
        )
        for log in told[:_MOST_LOGS]:
            rows = (formatting.count(log.rows_read), formatting.count(log.rows_skipped)) if log.format else ("", "")
            table.add_row(log.path, log.taken, ", ".join(log.stages), *rows)
        if told:
            yield table
        if len(told) > _MOST_LOGS:
            yield Text(f"and {len(told) - _MOST_LOGS} more logs")


def pipelines_document(schema: str, pipelines: Sequence[PipelineInventory | CheckResult]) -> dict[str, Any]:
    """The JSON document of something that is told of each pipeline."""
    return {"schema": schema, "pipelines": to_builtins(list(pipelines))}


def pipelines_view(holdings: Sequence[PipelineInventory]) -> Iterator[RenderableType]:
    """What is stored, a row a pipeline."""
    from rich.text import Text

    table = grid(
        ("Pipeline", "left"),
        ("Step", "left"),
        ("Stages", "left"),
        ("First step", "left"),
        ("Last step", "left"),
        *((name, "right") for name in ("Days", "Steps", "Bytes", "A step")),
    )
    for column in table.columns[3:]:
        column.no_wrap = True  # names give way
    for one in holdings:
        table.add_row(
            *(Text(printable(cell)) for cell in (one.pipeline, formatting.duration(one.step_s), ", ".join(one.stages))),
            *(time.date().isoformat() if time else formatting.NONE for time in (one.first, one.last)),
            *map(formatting.count, (one.days, one.steps, one.size_bytes)),
            formatting.optional(formatting.quantity, one.bytes_per_step),
        )
    yield table


def _minute(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else formatting.NONE


def content_document(content: PipelineContents) -> dict[str, Any]:
    """The JSON document of a pipeline."""
    return {"schema": SHOW_SCHEMA, **to_builtins(content)}


def content_view(content: PipelineContents) -> Iterator[RenderableType]:
    """A pipeline: its stages, its latest days, the logs that were read last."""
    from rich.text import Text

    yield Text(f"{printable(content.pipeline)}: steps of {formatting.duration(content.step_s)}")
    yield Text("")
    stages = grid(("Stage", "left"), ("Kind", "left"), ("Full at", "right"), ("Sources", "left"))
    for stage in content.stages:
        full = formatting.optional(formatting.quantity, stage.full)
        cells = (stage.name, stage.kind, full, ", ".join(stage.sources) or formatting.NONE)
        stages.add_row(*(Text(printable(cell)) for cell in cells))
    yield stages
    yield Text("")
    yield _days_table(content)
    if len(content.days) > _MOST_DAYS:
        yield Text(f"and {len(content.days) - _MOST_DAYS} more before them")
    if content.logs:
        yield Text("")
        yield _logs_table(content)
    if len(content.logs) > _MOST_LOGS:
        yield Text(f"and {len(content.logs) - _MOST_LOGS} more before them")


def _days_table(content: PipelineContents) -> Table:
    table = grid(("Day (UTC)", "left"), *((name, "right") for name in ("Steps", "Coverage", "Samples", "Bytes")))
    for day in content.days[-_MOST_DAYS:]:
        counts = map(formatting.count, (day.samples, day.size_bytes))
        table.add_row(day.day, formatting.count(day.steps), formatting.share(day.coverage), *counts)
    return table


def _logs_table(content: PipelineContents) -> Table:
    from rich.text import Text

    table = grid(
        ("Log", "left"),
        ("Format", "left"),
        *((name, "right") for name in ("Rows", "Skipped")),
        *((name, "left") for name in ("From", "To")),
    )
    for log in content.logs[-_MOST_LOGS:]:
        rows = map(formatting.count, (log.rows_read, log.rows_skipped))
        table.add_row(Text(printable(log.path)), log.format, *rows, _minute(log.start), _minute(log.end))
    return table


def export_document(pipeline: str, file: str, form: str, steps: Steps, zone: tzinfo) -> dict[str, Any]:
    """The JSON document of an export: what was written, from where the first step begins to where the last one ends."""
    ends = (steps.start_ns, steps.start_ns + steps.count * steps.step_ns) if steps.count else ()
    start, end = [moment(ns, zone).isoformat() for ns in ends] or (None, None)
    return {
        "schema": EXPORT_SCHEMA,
        "pipeline": pipeline,
        "file": file,
        "format": form,
        "start": start,
        "end": end,
        "step_s": steps.step_s,
        "steps": steps.count,
        "stages": [stage.name for stage in steps.stages],
    }


def checks_text(checks: Sequence[CheckResult]) -> str:
    """The damaged files or that there is none, and what else is there; a line each, as long as a path may be."""
    lines = [f"{damage.path}: {damage.found}" for one in checks for damage in one.damaged]
    if not lines:
        files = sum(one.files for one in checks)
        pipelines = f"{len(checks)} pipeline{'' if len(checks) == 1 else 's'}"
        lines = [f"{pipelines}, {formatting.count(files)} file{'' if files == 1 else 's'}: nothing is damaged"]
    lines += [f"note: {note}" for one in checks for note in one.notes]
    return "".join(f"{line}\n" for line in lines)


def pruned_document(pruned: Sequence[PruneResult], cut: date, dry_run: bool) -> dict[str, Any]:
    """The JSON document of what was removed; `before` is the first day that is kept."""
    told = {"before": cut.isoformat(), "dry_run": dry_run, "pipelines": to_builtins(list(pruned))}
    return {"schema": PRUNE_SCHEMA, **told}


def pruned_view(pruned: Sequence[PruneResult], cut: date, dry_run: bool) -> Iterator[RenderableType]:
    """What was removed, a line a pipeline."""
    from rich.text import Text

    for one in pruned:
        if one.days:
            days = f"{formatting.count(len(one.days))} day{'' if len(one.days) == 1 else 's'}"
            span = one.days[0] if len(one.days) == 1 else f"{one.days[0]} to {one.days[-1]}"
            told = (
                f"{'would remove' if dry_run else 'removed'} {days} ({span}), {formatting.count(one.size_bytes)} bytes"
            )
        else:
            told = f"nothing is stored before {cut.isoformat()}"
        yield Text(f"{printable(one.pipeline)}: {told}")
