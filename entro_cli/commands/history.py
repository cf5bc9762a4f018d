"""`entro history list`, `show`, `export`, `check` and `prune`: what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from entro_cli.commands import options as given

EPILOG = """\
[bold]Examples[/bold]: [cyan]entro history list[/cyan], then [cyan]entro history show --since 7d[/cyan].
"""
LIST_EPILOG = """\
[bold]Example[/bold]: [cyan]entro history list --history /var/lib/entro[/cyan]
"""
SHOW_EPILOG = """\
[bold]Examples[/bold]: what came in last week; and everything of one pipeline, for a program to read.

[cyan]entro history show --since 7d[/cyan]

[cyan]entro history show --pipeline frontend --json[/cyan]
"""
EXPORT_EPILOG = """\
[bold]Examples[/bold]: a week as CSV; and everything as one file of Parquet.

[cyan]entro history export --since 2026-04-06 --until 2026-04-13 --tz Europe/Berlin > week.csv[/cyan]

[cyan]entro history export --pipeline frontend --out frontend.parquet[/cyan]
"""
CHECK_EPILOG = """\
[bold]Example[/bold]: [cyan]entro history check && tar -czf history.tgz history/[/cyan]
"""
PRUNE_EPILOG = """\
[bold]Examples[/bold]: what would go; and keep a year of one pipeline.

[cyan]entro history prune --before 2026-01-01 --dry-run[/cyan]

[cyan]entro history prune --older-than 365d --pipeline frontend[/cyan]
"""

EveryPipeline = Annotated[
    str | None,
    typer.Option("--pipeline", metavar="NAME", help="The one that is meant.", show_default="every one that is stored"),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="NAME", help="csv, jsonl or parquet.", show_default="by the ending of --out, else csv"
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Where to write it; - for standard output.", show_default="-"),
]
OlderThan = Annotated[
    str | None, typer.Option("--older-than", metavar="400d", help="Remove the days that ended longer ago than this.")
]
Before = Annotated[
    str | None, typer.Option("--before", metavar="DATE", help="Remove the days before this one, in UTC.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")]


def list_pipelines(
    *,
    history: given.History = None,
    config: given.ConfigFile = None,
    tz: given.TimeZone = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Show every pipeline that is stored: from when to when, and how much room it takes."""
    from entro_cli.commands.views.history import LIST_SCHEMA, pipelines_document, pipelines_view
    from entro_cli.core.clock import zone_of
    from entro_cli.core.console import Terminal
    from entro_cli.history.inventory import take_inventory
    from entro_cli.history.remote_copy import working_copy
    from entro_cli.workflows.history_admin import select_pipelines
    from entro_cli.workflows.print_warnings import print_problems
    from entro_cli.workflows.settings import read_settings

    terminal = Terminal(quiet, verbose)
    zone = zone_of(read_settings(config, "default", terminal, zone=tz).zone)
    found = select_pipelines(config, None, history, terminal)
    holdings = []
    for place in found.places:
        with working_copy(place):
            holding, problems = take_inventory(place, zone)
        holdings.append(holding)
        print_problems(problems, terminal)
    if as_json:
        terminal.document(pipelines_document(LIST_SCHEMA, holdings))
    elif holdings:
        terminal.show(*pipelines_view(holdings))
    else:
        terminal.note(found.how_to_fill())


def show(
    *,
    pipeline: given.Pipeline = "default",
    since: given.Since = None,
    until: given.Until = None,
    tz: given.TimeZone = None,
    history: given.History = None,
    config: given.ConfigFile = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Show one pipeline: its stages, what is stored of each day (UTC), and the logs that were read."""
    from entro_cli.commands.views.history import content_document, content_view
    from entro_cli.core.clock import zone_of
    from entro_cli.core.console import Terminal
    from entro_cli.history.paths import pipeline_paths
    from entro_cli.history.remote_copy import working_copy
    from entro_cli.workflows.history_admin import content_of
    from entro_cli.workflows.print_warnings import print_problems
    from entro_cli.workflows.settings import period_ns, read_settings

    terminal = Terminal(quiet, verbose)
    settings = read_settings(config, pipeline, terminal, zone=tz, history=history)
    zone = zone_of(settings.zone)
    place = pipeline_paths(settings.history, pipeline)
    with working_copy(place):
        content, problems = content_of(place, zone, *period_ns(since, until, zone))
    print_problems(problems, terminal)
    if as_json:
        terminal.document(content_document(content))
    else:
        terminal.show(*content_view(content))


def export(
    *,
    pipeline: given.Pipeline = "default",
    since: given.Since = None,
    until: given.Until = None,
    tz: given.TimeZone = None,
    output_format: Format = None,
    out: Out = None,
    history: given.History = None,
    config: given.ConfigFile = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Write the steps of a pipeline: the load, peak, end value and samples of each stage, a row a step.

    With --json, which needs --out FILE, a document tells what was written.
    """
    from entro_cli.commands.views.history import export_document
    from entro_cli.core.clock import zone_of
    from entro_cli.core.console import Terminal
    from entro_cli.history.paths import pipeline_paths
    from entro_cli.history.remote_copy import working_copy
    from entro_cli.workflows.history_admin import write_export
    from entro_cli.workflows.load_history import load_history
    from entro_cli.workflows.print_warnings import print_problems
    from entro_cli.workflows.settings import period_ns, read_settings

    terminal = Terminal(quiet, verbose)
    file = None if out is None or str(out) == "-" else out
    form = _form(output_format, file, as_json)
    settings = read_settings(config, pipeline, terminal, zone=tz, history=history)
    zone = zone_of(settings.zone)
    place = pipeline_paths(settings.history, pipeline)
    with working_copy(place):
        recalled = load_history(place, settings, zone, *period_ns(since, until, zone))
    print_problems(recalled.problems, terminal)
    if not recalled.steps.count:
        terminal.warn("nothing is stored of that time")
    write_export(recalled.steps, form, zone, file, place, terminal)
    if as_json:
        terminal.document(export_document(pipeline, str(file), form, recalled.steps, zone))


def check(
    *,
    pipeline: EveryPipeline = None,
    history: given.History = None,
    config: given.ConfigFile = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Read every stored file, and name those that are damaged: with status 1 when there is one."""
    from entro_cli.commands.views.history import CHECK_SCHEMA, checks_text, pipelines_document
    from entro_cli.core.console import Terminal
    from entro_cli.history import check
    from entro_cli.history.remote_copy import working_copy
    from entro_cli.workflows.history_admin import select_pipelines
    from entro_engine import EntroError

    terminal = Terminal(quiet, verbose)
    found = select_pipelines(config, pipeline, history, terminal)
    checks = []
    for place in found.places:
        with working_copy(place):
            checks.append(check.check(place))
    files, damaged = sum(one.files for one in checks), sum(len(one.damaged) for one in checks)
    if as_json:
        terminal.document(pipelines_document(CHECK_SCHEMA, checks))
    elif checks:
        terminal.text(checks_text(checks))
    else:
        terminal.note(found.how_to_fill())
    if damaged:
        raise EntroError(
            f"{damaged} of {files} files {'is' if damaged == 1 else 'are'} damaged",
            remedy=f"move {'it' if damaged == 1 else 'them'} away and ingest the logs again with --again",
        )


def prune(
    *,
    older_than: OlderThan = None,
    before: Before = None,
    pipeline: EveryPipeline = None,
    dry_run: DryRun = False,
    history: given.History = None,
    config: given.ConfigFile = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Remove whole days (UTC) that are no longer needed; the logs they came from do not bring them back.

    A pipeline keeps its step, also where no day is left. `retention` in entro.toml does this at every ingest.
    """
    from entro_cli.commands.views.history import pruned_document, pruned_view
    from entro_cli.core.console import Terminal
    from entro_cli.history import prune
    from entro_cli.history.remote_copy import working_copy
    from entro_cli.workflows.history_admin import first_kept, select_pipelines

    terminal = Terminal(quiet, verbose)
    if (older_than is None) == (before is None):
        raise typer.BadParameter("choose one of --older-than and --before", param_hint="days")
    cut = first_kept(older_than, before)
    found = select_pipelines(config, pipeline, history, terminal)
    pruned = []
    for place in found.places:
        with working_copy(place, writes=not dry_run):
            pruned.append(prune.prune(place, cut, dry_run))
    if as_json:
        terminal.document(pruned_document(pruned, cut, dry_run))
    elif pruned:
        terminal.show(*pruned_view(pruned, cut, dry_run))
    else:
        terminal.note(found.how_to_fill())


def _form(name: str | None, file: Path | None, as_json: bool) -> str:
    """The format of an export: as it is named, else by the ending of its file."""
    from entro_cli.workflows.history_admin import FORMATS

    if name is not None and name not in FORMATS.values():
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(FORMATS.values())}", param_hint="--format")
    form = name or FORMATS.get(file.suffix.lower() if file else "", "csv")
    if file is None and (as_json or form == "parquet"):
        raise typer.BadParameter(f"{'--json' if as_json else 'parquet'} needs a file", param_hint="--out")
    return form
