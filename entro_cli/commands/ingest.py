"""`entro ingest`: add logs to the history."""

from __future__ import annotations

from typing import Annotated

import typer

from entro_cli.commands import completion
from entro_cli.commands.options import (
    INPUT,
    CommonOptions,
    CountersFile,
    HistoryOptions,
    Json,
    ParallelOptions,
    ReadingOptions,
    keys_set_by,
    option,
)

EPILOG = """\
[bold]Examples[/bold]: the logs of a folder, rotated or not, and a backup for another pipeline.

[cyan]entro ingest 'logs/pipeline.csv*'[/cyan]

[cyan]zcat backup.csv.gz | entro ingest - --pipeline frontend[/cyan]
"""

ConfiguredLogs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LOGS",
        help="Files, folders, patterns, URLs, or - for standard input.",
        show_default="`logs` in entro.toml",
    ),
]
ConfiguredPipeline = Annotated[
    str | None,
    option(
        INPUT,
        "--pipeline NAME",
        "Pipeline the logs belong to.",
        "default; without LOGS, every pipeline in entro.toml",
        autocompletion=completion.pipelines,
    ),
]
SourceName = Annotated[
    str | None, option(INPUT, "--source NAME", "Source of the logs. Sources that run side by side are added up.")
]
Again = Annotated[bool, option(INPUT, "--again", "Read the logs from the beginning, even if they are stored.")]


def ingest(
    *,
    logs: ConfiguredLogs = None,
    reading: ReadingOptions,
    pipeline: ConfiguredPipeline = None,
    source: SourceName = None,
    again: Again = False,
    store: HistoryOptions,
    parallel: ParallelOptions,
    metrics_file: CountersFile = None,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Add the new rows of logs to the history. Adding the same log twice changes nothing.

    If a log has grown or was rotated, only its new rows are read. Rows may arrive late and in any order.
    """
    from msgspec.structs import asdict

    from entro_cli.commands.views.history import ingest_view
    from entro_cli.history.paths import shared_folders
    from entro_cli.workflows.ingest import ingest_tasks, run_ingest_tasks, write_step_counters
    from entro_cli.workflows.settings import read_config, settings_in

    if logs and parallel.cluster:
        raise typer.BadParameter(
            "LOGS belong to one pipeline: list the logs of each in entro.toml", param_hint="--cluster"
        )
    terminal = common.terminal()
    config = read_config(store.config_file, terminal)
    names = (pipeline,) if pipeline is not None else () if logs else config.pipelines
    keys = keys_set_by(reading, store)
    tasks, failures = ingest_tasks(config, names or ("default",), logs or [], keys, reading.stage, again, source)
    executor = parallel.executor(shared_folders(task.ingest_options.paths for task in tasks))
    summaries, failed = run_ingest_tasks(tasks, executor, terminal)
    if summaries and as_json:
        terminal.document(
            "ingest", {"pipelines": [{"pipeline": name, **asdict(summary)} for name, summary in summaries.items()]}
        )
    elif summaries and not common.quiet:
        terminal.show(*ingest_view(summaries))
    failures += failed
    if metrics_file:
        fleet = [settings_in(config, task.ingest_options.paths.name, **keys) for task in tasks]
        read = [name for task in tasks for name in task.logs]
        failures += write_step_counters(metrics_file, fleet, read, executor)
    for failure in failures[1:]:
        terminal.warn(str(failure))
    if failures:
        raise failures[0]
