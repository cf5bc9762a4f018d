"""`entro schedule run`: what the line of cron or of systemd calls."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from entro_cli.commands import options as given
from entro_cli.commands import schedule

EPILOG = """\
[bold]Examples[/bold]: what a daily job runs; and the same as if it were another day, to make up what was missed.

[cyan]entro schedule run --daily --ingest 'logs/*.csv' --out reports/[/cyan]

[cyan]entro schedule run --daily --as-of 2026-04-07T06:00[/cyan]
"""

_KINDS = {"daily": "day", "weekly": "week", "monthly": "month"}

AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="TIME", help="Run as if it were then.", show_default="now")
]
OutDir = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Where reports go.",
        show_default="`reports` of entro.toml, else the user's data folder",
    ),
]


def run(
    *,
    daily: schedule.Daily = False,
    weekly: schedule.Weekly = False,
    monthly: schedule.Monthly = False,
    ingest: schedule.Ingest = None,
    pipeline: schedule.Pipelines = None,
    config: given.ConfigFile = None,
    history: given.History = None,
    out: OutDir = None,
    tz: given.TimeZone = None,
    fail_on: given.FailOn = None,
    as_of: AsOf = None,
    jobs: given.Jobs = None,
    cluster: given.Cluster = None,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Ingest, write the report of the last complete period and of those that were missed, and tell of incidents.

    It says nothing when all is well. A broken gate is one message and status 3, what could not be done is a message
    and status 1; the rest is done all the same.
    """
    from entro_cli.analysis.gates import check_gates
    from entro_cli.config import default_path
    from entro_cli.core.clock import moment, moment_ns, zone_of
    from entro_cli.core.console import Terminal, replay_messages
    from entro_cli.core.parallel import Executor
    from entro_cli.history.paths import pipeline_paths, shared_folders
    from entro_cli.report.periods import PeriodKind
    from entro_cli.workflows.fleet import write_fleet_of_runs
    from entro_cli.workflows.scheduled_run import ScheduledRun
    from entro_cli.workflows.settings import read_config, settings_in
    from entro_cli.workflows.tasks import run_schedule_task
    from entro_engine import EntroError

    terminal = Terminal(not verbose, verbose)
    check_gates(fail_on or [])
    kind = PeriodKind(_KINDS[schedule.chosen_every(daily, weekly, monthly).value])
    configuration = read_config(config, terminal)
    names = tuple(pipeline or ()) or configuration.pipelines or ("default",)
    if ingest and len(names) > 1:
        raise EntroError(
            f"the logs are of one pipeline, and there are {len(names)}",
            where="--ingest",
            remedy="add --pipeline NAME, or give each pipeline its `logs` in entro.toml",
        )
    parts, now = [], datetime.now(UTC)
    for name in names:
        settings = settings_in(configuration, name, history=history, zone=tz)
        part = ScheduledRun(
            paths=pipeline_paths(settings.history, name),
            settings=settings,
            kind=kind,
            logs=tuple(ingest or settings.logs),
            out=out or settings.reports or default_path("reports"),
            gates=(*(fail_on or ()), *settings.fail_on),
            now=now if as_of is None else moment(moment_ns(as_of, zone_of(settings.zone), "--as-of"), UTC),
        )
        parts.append(part)
    outcomes = []
    for outcome in Executor(jobs, cluster, shared_folders(part.paths for part in parts)).map(run_schedule_task, parts):
        replay_messages(outcome.messages, terminal)
        outcomes.append(outcome)
    if len(parts) > 1:
        write_fleet_of_runs(configuration, parts, outcomes, out, Executor(jobs, cluster), terminal)
    failed = [gate for outcome in outcomes for gate in outcome.failed_gates]
    for gate in failed:
        terminal.warn(f"gate failed: {gate}")
    failures = list(dict.fromkeys(failure for outcome in outcomes for failure in outcome.failures))
    for failure in failures[1:]:
        terminal.warn(failure)
    if failures:
        raise EntroError(failures[0])
    if failed:
        raise typer.Exit(3)
