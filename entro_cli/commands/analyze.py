"""`entro analyze`: logs replayed through the v9 regime engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entro_cli.commands import options as given

if TYPE_CHECKING:
    from entro_cli.analysis.replay import Replay
    from entro_cli.config import Settings
    from entro_cli.core.console import Terminal
    from entro_cli.readers.options import LoadOptions
    from entro_cli.workflows.load_logs import Loaded
    from entro_cli.workflows.query_prometheus import PrometheusQuery

EPILOG = """\
[bold]Examples[/bold]: a log whose columns say what they are; one whose columns do not; a server
that is asked; and a gate for CI.

[cyan]entro analyze sample_logs/five-weeks.csv --tz Europe/Berlin[/cyan]

[cyan]entro analyze gauges.csv --stage llm=waiting:queue:22 --start 2026-04-25T18:49:44Z[/cyan]

[cyan]entro analyze --prometheus http://localhost:9090 --preset vllm --since 24h[/cyan]

[cyan]zcat pipeline.csv.gz | entro analyze - --json --fail-on 'critical>5%' --fail-on 'coverage<90%'[/cyan]
"""

StepsCsv = Annotated[
    Path | None,
    typer.Option(
        "--steps-csv", metavar="FILE", help="Write one row a step: loads, Psi, regime, states; - for standard output."
    ),
]

Save = Annotated[bool, typer.Option("--save", help="Add the logs to the history, too, at its step.")]


def analyze(
    *,
    logs: given.LogsOrNone = None,
    stage: given.Stages = None,
    time: given.TimeColumn = None,
    start: given.Start = None,
    year: given.Year = None,
    tz: given.TimeZone = None,
    step: given.Step = None,
    offset: given.Offsets = None,
    input_format: given.InputFormat = None,
    since: given.Since = None,
    until: given.Until = None,
    prometheus: given.Prometheus = None,
    rate: given.RateQuery = None,
    queue: given.QueueQuery = None,
    preset: given.Preset = None,
    budget: given.Budget = None,
    objective: given.Objective = None,
    exclude: given.Exclude = None,
    pipeline: given.Pipeline = "default",
    config: given.ConfigFile = None,
    strict: given.Strict = False,
    redact: given.Redact = False,
    steps_csv: StepsCsv = None,
    save: Save = False,
    history: given.History = None,
    jobs: given.Jobs = None,
    cluster: given.Cluster = None,
    fail_on: given.FailOn = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Read logs, replay them, and tell the regimes, the violations, the incidents and which stage drove them.

    A log is a table (CSV, TSV, JSON lines, Parquet; plain, gzip or zstd): a time column and a column a stage, or rows
    of time, stage and value; a table of requests; or a saved answer of a Prometheus server, which can be asked as
    well. Several logs become one pipeline.
    """
    from entro_cli.analysis.gates import check_gates, failed_gates
    from entro_cli.analysis.replay import replay_steps
    from entro_cli.commands.views.analysis import analysis_document, analysis_view
    from entro_cli.core.console import Terminal
    from entro_cli.core.parallel import Executor
    from entro_cli.workflows.analyze import analysis_of, shown_by
    from entro_cli.workflows.load_logs import load
    from entro_cli.workflows.print_warnings import print_load_warnings
    from entro_cli.workflows.query_prometheus import fetch
    from entro_cli.workflows.settings import load_options, period_ns, read_settings

    terminal = Terminal(quiet, verbose)
    if as_json and str(steps_csv) == "-":
        raise typer.BadParameter("standard output is taken by --json", param_hint="--steps-csv")
    check_gates(gates := fail_on or [])
    reading: dict[str, Any] = {
        "time": time,
        "start": start,
        "zone": tz,
        "step": step,
        "input_format": input_format,
        "year": year,
        "offset": offset,
        "strict": strict,
        "redact": redact,
        "objective": objective,
        "exclude": exclude,
        "history": history,
    }
    settings = read_settings(config, pipeline, terminal, **reading)
    options = load_options(settings, stage)
    question = _question(logs, prometheus, rate, queue, preset)
    if save:
        options = _saved(logs or [], options, settings, terminal)
    loaded = load(logs or [], options, fetch(question, settings, since, until), Executor(jobs, cluster))
    print_load_warnings(loaded, terminal)
    limit = settings.budget(len(loaded.steps.stages)) if budget is None else budget
    replayed = replay_steps(settings.maintenance().view(loaded.steps), limit, *period_ns(since, until, loaded.zone))
    asked = (("--prometheus", prometheus), ("--rate", rate), ("--queue", queue), ("--preset", preset))
    others = (*asked, ("--stage", stage), ("--since", since), ("--until", until))
    command = shown_by(["analyze", *(logs or []), "--json"], settings, *others)
    analysis, advice = analysis_of(replayed, loaded, settings, command)
    if advice:
        terminal.warn(advice)
    document = analysis_document(analysis) if as_json or gates else {}
    failed = failed_gates(gates, document)
    if steps_csv:
        _write_steps(steps_csv, replayed, loaded, terminal if str(steps_csv) == "-" else None)
    if as_json:
        terminal.document(document)
    elif str(steps_csv) != "-":
        terminal.show(*analysis_view(analysis, terminal.unicode))
    given.end_with(failed, terminal)


def _question(
    logs: list[str] | None, prometheus: str | None, rate: str | None, queue: str | None, preset: str | None
) -> PrometheusQuery | None:
    """What a server is to be asked, if one is named; there must be that or a log."""
    from entro_cli.workflows.query_prometheus import prometheus_query

    question = prometheus_query(prometheus, rate, queue, preset)
    if not logs and question is None:
        raise typer.BadParameter("name logs, or a server with --prometheus", param_hint="LOGS")
    return question


def _saved(logs: list[str], options: LoadOptions, settings: Settings, terminal: Terminal) -> LoadOptions:
    """Add logs to the history; the options with its step, so that they are analyzed as they are stored.

    Raises:
        EntroError: when one of them cannot be stored.
    """
    from time import time_ns

    from entro_cli.core.console import printable
    from entro_cli.history.ingest.ingest import IngestOptions, ingest, oldest_ns
    from entro_cli.history.paths import pipeline_paths
    from entro_cli.history.remote_copy import working_copy
    from entro_cli.readers.inputs.log_file import STDIN
    from entro_cli.workflows.print_warnings import print_problems
    from entro_engine import EntroError

    if not logs:
        raise EntroError("there is no log to save", where="--save", remedy="name one; a server's answers are not saved")
    if STDIN in logs:
        raise EntroError(
            "standard input can be read only once", where="--save", remedy="name a file, or use `entro ingest -`"
        )
    place = pipeline_paths(settings.history, settings.pipeline)
    with working_copy(place, writes=True):
        stored = ingest(logs, options, IngestOptions(place, oldest_ns=oldest_ns(settings.retention_s, time_ns())))
    for failure in stored.failures:
        raise failure
    print_problems(stored.problems, terminal)
    terminal.note(f"saved into {printable(f'{place.shown}/{place.folder.name}')}, {len(stored.days)} days changed")
    return replace(options, step=f"{stored.step_s:.9f}s") if options.step is None else options


def _write_steps(path: Path, replayed: Replay, loaded: Loaded, terminal: Terminal | None) -> None:
    """Write the steps to a file, or to a terminal instead."""
    from entro_cli.core.files import refuse_to_overwrite, write_whole
    from entro_cli.timeseries.steps_csv import steps_csv

    text = steps_csv(replayed.asked(), loaded.zone)
    if terminal:
        for part in text:
            terminal.text(part)
    else:
        refuse_to_overwrite(path, loaded.paths)
        write_whole(path, text)
