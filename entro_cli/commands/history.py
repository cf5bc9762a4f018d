"""`entro history list`, `show`, `export`, `check`, `repair` and `prune`: inspect and maintain the history."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from entro_cli.commands import completion
from entro_cli.commands.options import (
    INPUT,
    OUTPUT,
    PERIOD,
    CommonOptions,
    DryRun,
    HistoryOptions,
    Json,
    PipelineName,
    RangeOptions,
    TimeZone,
    keys_set_by,
    option,
)

if TYPE_CHECKING:
    from entro_cli.core.console import Terminal
    from entro_cli.workflows.history_admin import PipelineSelection

HELP = "Inspect and maintain the history."
EPILOG = """\
[bold]Examples[/bold]: [cyan]entro history list[/cyan], then [cyan]entro history show --since 7d[/cyan].
"""
LIST_EPILOG = """\
[bold]Example[/bold]: [cyan]entro history list --history /var/lib/entro[/cyan]
"""
SHOW_EPILOG = """\
[bold]Examples[/bold]: the last week, and everything of one pipeline as JSON.

[cyan]entro history show --since 7d[/cyan]

[cyan]entro history show --pipeline frontend --json[/cyan]
"""
EXPORT_EPILOG = """\
[bold]Examples[/bold]: a week as CSV, and everything as one Parquet file.

[cyan]entro history export --since 2026-04-06 --until 2026-04-13 --tz Europe/Berlin > week.csv[/cyan]

[cyan]entro history export --pipeline frontend --out frontend.parquet[/cyan]
"""
CHECK_EPILOG = """\
[bold]Example[/bold]: [cyan]entro history check && tar -czf history.tgz history/[/cyan]
"""
REPAIR_EPILOG = """\
[bold]Example[/bold]: what would be kept and what is lost, before anything is changed.

[cyan]entro history repair --dry-run[/cyan]
"""
PRUNE_EPILOG = """\
[bold]Examples[/bold]: show the days that would be removed, and keep a year of one pipeline.

[cyan]entro history prune --before 2026-01-01 --dry-run[/cyan]

[cyan]entro history prune --older-than 365d --pipeline frontend[/cyan]
"""

StoredPipeline = Annotated[
    str | None,
    option(INPUT, "--pipeline NAME", "Name of the pipeline.", "every stored one", autocompletion=completion.pipelines),
]
ExportFormat = Annotated[
    str | None,
    option(
        OUTPUT,
        "--format NAME",
        "Output format: csv, jsonl or parquet.",
        "by the suffix of --out, else csv",
        autocompletion=lambda: ["csv", "jsonl", "parquet"],
    ),
]
ExportFile = Annotated[Path | None, option(OUTPUT, "--out FILE", "File to write; - for standard output.", "-")]
OlderThan = Annotated[
    str | None,
    option(PERIOD, "--older-than DURATION", "Remove the days that ended longer ago than this, such as 400d."),
]
Before = Annotated[str | None, option(PERIOD, "--before DATE", "Remove the days before this one (UTC).")]


def list_pipelines(
    *, store: HistoryOptions, zone: TimeZone = None, as_json: Json = False, common: CommonOptions
) -> None:
    """List the stored pipelines: their stages, the time they cover and the space they take."""
    from entro_cli.commands.views.history import pipelines_view
    from entro_cli.core.clock import zone_of
    from entro_cli.workflows.history_admin import read_inventories, select_pipelines
    from entro_cli.workflows.settings import read_settings

    terminal = common.terminal()
    settings = read_settings(store.config_file, "default", terminal, zone=zone)
    selection = select_pipelines(store.config_file, None, store.history, terminal)
    inventories = read_inventories(selection, zone_of(settings.zone), terminal)
    if as_json:
        terminal.document("history-list", {"pipelines": inventories})
    elif inventories:
        terminal.show(*pipelines_view(inventories))
    else:
        terminal.note(selection.empty_note())


def show(
    *,
    pipeline: PipelineName = "default",
    store: HistoryOptions,
    within: RangeOptions,
    zone: TimeZone = None,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Show one pipeline: its stages, its stored days (UTC) and the logs that were read."""
    from entro_cli.commands.views.history import content_view
    from entro_cli.workflows.history_admin import read_contents
    from entro_cli.workflows.settings import read_settings

    terminal = common.terminal()
    settings = read_settings(store.config_file, pipeline, terminal, **keys_set_by(store), zone=zone)
    content = read_contents(settings, within.since, within.until, terminal)
    if as_json:
        terminal.document("history-show", content)
    else:
        terminal.show(*content_view(content))


def export(
    *,
    pipeline: PipelineName = "default",
    store: HistoryOptions,
    within: RangeOptions,
    zone: TimeZone = None,
    output_format: ExportFormat = None,
    out: ExportFile = None,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Write the steps of a pipeline, one row per step: load, peak, end value and sample count of each stage.

    With --json, which needs --out FILE, a JSON document describes what was written.
    """
    from entro_cli.commands.views.history import export_document
    from entro_cli.core.clock import zone_of
    from entro_cli.workflows.history_admin import export_steps
    from entro_cli.workflows.settings import read_settings

    terminal = common.terminal()
    file = None if out is None or str(out) == "-" else out
    form = _export_format(output_format, file, as_json)
    settings = read_settings(store.config_file, pipeline, terminal, **keys_set_by(store), zone=zone)
    steps = export_steps(settings, within.since, within.until, form, file, terminal)
    if as_json:
        facts = export_document(pipeline, str(file), form, steps, zone_of(settings.zone))
        terminal.document("history-export", facts)


def check(
    *, pipeline: StoredPipeline = None, store: HistoryOptions, as_json: Json = False, common: CommonOptions
) -> None:
    """Read every stored file and list the damaged ones. Exit with status 1 if there are any."""
    from entro_cli.commands.views.history import checks_text
    from entro_cli.history.check import check as check_files
    from entro_cli.workflows.history_admin import raise_if_damaged, select_pipelines

    terminal = common.terminal()
    selection = select_pipelines(store.config_file, pipeline, store.history, terminal)
    checks = selection.map(check_files, writes=False)
    _print_results("history-check", checks, checks_text(checks) if checks else "", as_json, selection, terminal)
    raise_if_damaged(checks)


def repair(
    *,
    pipeline: StoredPipeline = None,
    store: HistoryOptions,
    dry_run: DryRun = False,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Make a damaged history usable again, and report what was kept and what is lost.

    Damaged files are moved to _entro/damaged. A state is taken from its copy, or else from the days.
    """
    from entro_cli.commands.views.history import repairs_text
    from entro_cli.history.repair import repair as repair_files
    from entro_cli.workflows.history_admin import select_pipelines

    terminal = common.terminal()
    selection = select_pipelines(store.config_file, pipeline, store.history, terminal)
    repaired = selection.map(partial(repair_files, dry_run=dry_run), writes=not dry_run)
    _print_results("history-repair", repaired, repairs_text(repaired, dry_run), as_json, selection, terminal)


def prune(
    *,
    older_than: OlderThan = None,
    before: Before = None,
    pipeline: StoredPipeline = None,
    store: HistoryOptions,
    dry_run: DryRun = False,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Remove whole days (UTC) that are no longer needed. Reading their logs again does not bring them back.

    A pipeline keeps its step, even without any day left. `retention` in entro.toml prunes at every ingest.
    """
    from entro_cli.commands.views.history import pruned_view
    from entro_cli.history.prune import prune as prune_days
    from entro_cli.workflows.history_admin import first_kept_day, select_pipelines

    terminal = common.terminal()
    if (older_than is None) == (before is None):
        raise typer.BadParameter("choose one of --older-than and --before")
    cut = first_kept_day(older_than, before)
    selection = select_pipelines(store.config_file, pipeline, store.history, terminal)
    pruned = selection.map(partial(prune_days, cut=cut, dry_run=dry_run), writes=not dry_run)
    if as_json:
        terminal.document("history-prune", {"before": cut.isoformat(), "dry_run": dry_run, "pipelines": pruned})
    elif pruned:
        terminal.show(*pruned_view(pruned, cut, dry_run))
    else:
        terminal.note(selection.empty_note())


def _print_results(
    name: str, results: Sequence[object], text: str, as_json: bool, selection: PipelineSelection, terminal: Terminal
) -> None:
    """Print the results of some pipelines as a document or as text; a note if there are none."""
    if as_json:
        terminal.document(name, {"pipelines": results})
    elif text:
        terminal.text(text)
    else:
        terminal.note(selection.empty_note())


def _export_format(name: str | None, file: Path | None, as_json: bool) -> str:
    """Return the format of an export: the one of --format, else that of the file's suffix."""
    from entro_cli.history.export import EXPORT_FORMATS

    if name is not None and name not in EXPORT_FORMATS.values():
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(EXPORT_FORMATS.values())}", param_hint="--format")
    form = name or EXPORT_FORMATS.get(file.suffix.lower() if file else "", "csv")
    if file is None and (as_json or form == "parquet"):
        raise typer.BadParameter(f"{'--json' if as_json else 'parquet'} needs a file", param_hint="--out")
    return form
