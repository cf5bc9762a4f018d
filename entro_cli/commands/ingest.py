"""`entro ingest`: logs into the history, and nothing else."""

from __future__ import annotations

from time import time_ns
from typing import Annotated, Any

import typer

from entro_cli.commands import options as given

EPILOG = """\
[bold]Examples[/bold]: what is new in a folder's logs, rotated or not; and a log from elsewhere, for another pipeline.

[cyan]entro ingest 'logs/pipeline.csv*'[/cyan]

[cyan]zcat backup.csv.gz | entro ingest - --pipeline frontend[/cyan]
"""

Logs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LOGS",
        help="Files, folders, patterns, URLs, or - for standard input.",
        show_default="those that entro.toml names",
    ),
]
PipelineName = Annotated[
    str | None,
    typer.Option(
        "--pipeline",
        metavar="NAME",
        help="Whose logs they are.",
        show_default="default; without LOGS, every one that entro.toml names",
    ),
]
SourceName = Annotated[
    str | None,
    typer.Option(
        "--source", metavar="NAME", help="What their source is called, where it runs beside others: sources are summed."
    ),
]
Again = Annotated[
    bool, typer.Option("--again", help="Read logs from their beginning, also what was read of them before.")
]


def ingest(
    *,
    logs: Logs = None,
    history: given.History = None,
    pipeline: PipelineName = None,
    source: SourceName = None,
    again: Again = False,
    jobs: given.Jobs = None,
    cluster: given.Cluster = None,
    config: given.ConfigFile = None,
    stage: given.Stages = None,
    time: given.TimeColumn = None,
    start: given.Start = None,
    year: given.Year = None,
    tz: given.TimeZone = None,
    step: given.Step = None,
    offset: given.Offsets = None,
    input_format: given.InputFormat = None,
    strict: given.Strict = False,
    redact: given.Redact = False,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Add what is new in logs to the history: the same log twice changes nothing.

    A log that has grown or was rotated is read on from where it was left; what comes late finds its place.
    """
    from entro_cli.commands.views.history import ingest_document, ingest_view
    from entro_cli.core.console import Terminal, replay_messages
    from entro_cli.core.parallel import Executor
    from entro_cli.history.ingest.ingest import IngestOptions, oldest_ns
    from entro_cli.history.paths import pipeline_paths, shared_folders
    from entro_cli.workflows.settings import load_options, read_config, settings_in
    from entro_cli.workflows.tasks import IngestTask, run_ingest_task
    from entro_engine import EntroError

    if logs and cluster:
        raise typer.BadParameter("LOGS are of one pipeline: name each one's in entro.toml", param_hint="--cluster")
    terminal = Terminal(quiet, verbose)
    reading: dict[str, Any] = {"time": time, "start": start, "zone": tz, "step": step, "input_format": input_format}
    reading |= {"year": year, "offset": offset, "strict": strict, "redact": redact, "history": history}
    configuration = read_config(config, terminal)
    meant = ("default",) if logs else configuration.pipelines or ("default",)
    errands, every, failures = [], {}, []
    for name in meant if pipeline is None else (pipeline,):
        try:
            settings = settings_in(configuration, name, **reading)
            place = pipeline_paths(settings.history, name)
            how = IngestOptions(place, again, source, oldest_ns(settings.retention_s, time_ns()))
            errands.append(IngestTask(_named(logs, settings.logs), load_options(settings, stage), how))
        except EntroError as error:  # one pipeline keeps no other from being stored
            failures.append(error)
    workers = Executor(jobs, cluster, shared_folders(task.ingest_options.place for task in errands))
    for done in workers.map(run_ingest_task, errands):
        replay_messages(done.messages, terminal)
        failures += done.failures
        if done.summary is not None:
            every[done.pipeline] = done.summary
    if every and as_json:
        terminal.document(ingest_document(every))
    elif every and not quiet:
        terminal.show(*ingest_view(every))
    for failure in failures[1:]:
        terminal.warn(str(failure))
    for failure in failures[:1]:
        raise failure


def _named(logs: list[str] | None, configured: tuple[str, ...]) -> list[str]:
    from entro_engine import EntroError

    names = logs or list(configured)
    if not names:
        raise EntroError("no log is named", where="entro ingest", expected="LOGS, or `logs = [...]` in entro.toml")
    return names
