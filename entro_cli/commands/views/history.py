"""The output of `entro ingest` and `entro history`: text for people, and JSON documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from entro_cli.analysis.results import IngestSummary
from entro_cli.core import formatting
from entro_cli.core.clock import moment
from entro_cli.core.console import printable
from entro_cli.history.inventory import CheckResult, PipelineContents, PipelineInventory, PruneResult
from entro_cli.history.repair import RepairResult
from entro_cli.report.render.rich_table import grid
from entro_cli.timeseries.steps import Steps

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_MAX_LOGS = 20
_MAX_DAYS = 40


def ingest_view(summaries: Mapping[str, IngestSummary]) -> Iterator[RenderableType]:
    """Yield what was stored, one pipeline after the other. Every line fits into 80 columns if names are short."""
    from rich.text import Text

    for name, summary in summaries.items():
        days = f"{formatting.counted(len(summary.days), 'day')} changed" if summary.days else "nothing new"
        old = f", {formatting.counted(summary.removed_days, 'day')} removed as too old" if summary.removed_days else ""
        step = f", steps of {formatting.duration(summary.step_s)}" if summary.step_s else ""
        yield Text(f"{printable(name)}: {days}{old}{step}")
        changed = [log for log in summary.logs if log.taken != "nothing new"]
        table = grid(
            ("Log", "left"), ("Result", "left"), ("Stages", "left"), ("New rows", "right"), ("Skipped", "right")
        )
        for log in changed[:_MAX_LOGS]:
            rows = (formatting.count(log.rows_read), formatting.count(log.rows_skipped)) if log.format else ("", "")
            table.add_row(log.path, log.taken, ", ".join(log.stages), *rows)
        if changed:
            yield table
        if len(changed) > _MAX_LOGS:
            yield Text(f"and {formatting.counted(len(changed) - _MAX_LOGS, 'more log')}")


def pipelines_view(inventories: Sequence[PipelineInventory]) -> Iterator[RenderableType]:
    """Yield a table of what is stored, one row per pipeline."""
    from rich.text import Text

    table = grid(
        ("Pipeline", "left"),
        ("Step", "left"),
        ("Stages", "left"),
        ("First step", "left"),
        ("Last step", "left"),
        *((name, "right") for name in ("Days", "Steps", "Bytes")),
    )
    table.columns[0].min_width = len("Pipeline")
    for column in [table.columns[1], *table.columns[3:]]:
        column.no_wrap = True  # where the table is too wide, names are wrapped and figures stay whole
    for inventory in inventories:
        names = (inventory.pipeline, formatting.duration(inventory.step_s), ", ".join(inventory.stages))
        table.add_row(
            *(Text(printable(name)) for name in names),
            *(time.date().isoformat() if time else formatting.NONE for time in (inventory.first, inventory.last)),
            *map(formatting.count, (inventory.days, inventory.steps, inventory.size_bytes)),
        )
    yield table


def _minute(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else formatting.NONE


def content_view(content: PipelineContents) -> Iterator[RenderableType]:
    """Yield the parts of a pipeline: its stages, its latest days and the logs that were read last."""
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
    if len(content.days) > _MAX_DAYS:
        yield Text(f"and {formatting.counted(len(content.days) - _MAX_DAYS, 'earlier day')}")
    if content.logs:
        yield Text("")
        yield _logs_table(content)
    if len(content.logs) > _MAX_LOGS:
        yield Text(f"and {formatting.counted(len(content.logs) - _MAX_LOGS, 'earlier log')}")


def _days_table(content: PipelineContents) -> Table:
    table = grid(("Day (UTC)", "left"), *((name, "right") for name in ("Steps", "Coverage", "Samples", "Bytes")))
    for day in content.days[-_MAX_DAYS:]:
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
    for log in content.logs[-_MAX_LOGS:]:
        rows = map(formatting.count, (log.rows_read, log.rows_skipped))
        table.add_row(Text(printable(log.path)), log.format, *rows, _minute(log.start), _minute(log.end))
    return table


def export_document(pipeline: str, file: str, form: str, steps: Steps, zone: tzinfo) -> dict[str, Any]:
    """Return the entries of the document of an export, from the start of its first step to the end of its last one."""
    ends = (steps.start_ns, steps.start_ns + steps.count * steps.step_ns) if steps.count else ()
    start, end = [moment(ns, zone).isoformat() for ns in ends] or (None, None)
    return {
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
    """Return one line per damaged file, or that there is none, and the notes. Lines may be as long as a path."""
    lines = [f"{damage.path}: {damage.found}" for result in checks for damage in result.damaged]
    if not lines:
        pipelines = formatting.counted(len(checks), "pipeline")
        files = formatting.counted(sum(result.files for result in checks), "file")
        lines = [f"{pipelines}, {files}: nothing is damaged"]
    lines += [f"note: {note}" for result in checks for note in result.notes]
    return "".join(f"{line}\n" for line in lines)


def repairs_text(repaired: Sequence[RepairResult], dry_run: bool) -> str:
    """Return what was kept and what is lost, one line each. Lines may be as long as a path."""
    lines = []
    for result in repaired:
        name = printable(result.pipeline)
        lines += [f"{name}: {'can be kept' if dry_run else 'kept'}: {one}" for one in result.kept]
        lines += [f"{name}: lost: {one}" for one in result.lost]
        if not (result.kept or result.lost):
            lines.append(f"{name}: nothing is damaged")
    return "".join(f"{line}\n" for line in lines)


def pruned_view(pruned: Sequence[PruneResult], cut: date, dry_run: bool) -> Iterator[RenderableType]:
    """Yield what was removed, one line per pipeline."""
    from rich.text import Text

    verb = "would remove" if dry_run else "removed"
    for result in pruned:
        text = f"nothing is stored before {cut.isoformat()}"
        if result.days:
            span = result.days[0] if len(result.days) == 1 else f"{result.days[0]} to {result.days[-1]}"
            size = formatting.counted(result.size_bytes, "byte")
            text = f"{verb} {formatting.counted(len(result.days), 'day')} ({span}), {size}"
        yield Text(f"{printable(result.pipeline)}: {text}")
