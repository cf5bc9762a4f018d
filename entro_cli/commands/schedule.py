"""`entro schedule add`, `run`, `list` and `remove`: jobs that cron or systemd runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from entro_cli.commands import completion
from entro_cli.commands.options import (
    ADVANCED,
    INPUT,
    OUTPUT,
    PERIOD,
    CommonOptions,
    DryRun,
    FailOn,
    HistoryOptions,
    Json,
    OptionBlock,
    ParallelOptions,
    TimeZone,
    keys_set_by,
    option,
    print_failed,
)

if TYPE_CHECKING:
    from entro_cli.automation.schedule.job import Frequency

HELP = "Let cron or systemd write the reports."
EPILOG = """\
[bold]Examples[/bold]: [cyan]entro schedule add --weekly --ingest 'logs/*.csv.gz'[/cyan], then \
[cyan]entro schedule list[/cyan].
"""
ADD_EPILOG = """\
[bold]Examples[/bold]: ingest the logs and report on the day before, every morning; report on one pipeline every \
Monday; and show the files that would be written.

[cyan]entro schedule add --daily --ingest 'logs/*.csv.gz' --out reports/[/cyan]

[cyan]entro schedule add --weekly --at 07:30 --pipeline shop --fail-on 'violations>1%'[/cyan]

[cyan]entro schedule add --monthly --systemd --dry-run[/cyan]
"""
RUN_EPILOG = """\
[bold]Examples[/bold]: the command of a daily job, and the same for another day, to catch up.

[cyan]entro schedule run --daily --ingest 'logs/*.csv' --out reports/[/cyan]

[cyan]entro schedule run --daily --as-of 2026-04-07T06:00[/cyan]
"""
LIST_EPILOG = """\
[bold]Example[/bold]: [cyan]entro schedule list --json[/cyan]
"""
REMOVE_EPILOG = """\
[bold]Examples[/bold]: [cyan]entro schedule remove daily[/cyan]; [cyan]entro schedule remove --all --dry-run[/cyan]
"""

At = Annotated[str, option(PERIOD, "--at HH:MM", "Time of day, in the machine's time zone.")]
JobOut = Annotated[str | None, option(OUTPUT, "--out DIR", "Folder of the reports.")]
JobLog = Annotated[
    str | None,
    option(OUTPUT, "--log FILE", "File that the output of the job is appended to.", "cron's mail, systemd's journal"),
]
NewJobName = Annotated[
    str | None,
    option(
        ADVANCED,
        "--name NAME",
        "Name of the job. It replaces a job of the same name.",
        "daily, daily-PIPELINE, ...",
        autocompletion=completion.job_names,
    ),
]
Cron = Annotated[bool, option(ADVANCED, "--cron", "Install a line in your crontab.")]
Systemd = Annotated[bool, option(ADVANCED, "--systemd", "Install a systemd user timer.")]
JobName = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Name of the job.", show_default=False, autocompletion=completion.job_names),
]
AllJobs = Annotated[bool, option(INPUT, "--all", "Remove every job.")]


AsOf = Annotated[str | None, option(ADVANCED, "--as-of TIME", "Run as if it were this time.", "now")]
RunOut = Annotated[
    Path | None,
    option(OUTPUT, "--out DIR", "Folder of the reports.", "`reports` in entro.toml, else the user's data folder"),
]


class FrequencyOptions(OptionBlock):
    """The frequency of a job."""

    daily: Annotated[bool, option(PERIOD, "--daily", "Every day.")] = False
    weekly: Annotated[bool, option(PERIOD, "--weekly", "Every Monday.")] = False
    monthly: Annotated[bool, option(PERIOD, "--monthly", "On the first of the month.")] = False

    def frequency(self) -> Frequency:
        """Return the frequency that is chosen.

        Raises:
            typer.BadParameter: when it is not exactly one.
        """
        from entro_cli.automation.schedule.job import Frequency

        flags = zip(Frequency, (self.daily, self.weekly, self.monthly), strict=True)
        chosen = [frequency for frequency, is_set in flags if is_set]
        if len(chosen) != 1:
            raise typer.BadParameter("choose one of --daily, --weekly and --monthly")
        return chosen[0]


class ScheduledInput(OptionBlock):
    """The pipelines of a job, and their new logs."""

    ingest: Annotated[
        list[str] | None,
        option(
            INPUT,
            "--ingest PATTERN",
            "Logs to add to the history first: a file, a folder, a pattern in quotes. Repeatable.",
        ),
    ] = None
    pipelines: Annotated[
        list[str] | None,
        option(INPUT, "--pipeline NAME", "Pipeline to report on. Repeatable.", autocompletion=completion.pipelines),
    ] = None


def add(
    *,
    when: FrequencyOptions,
    at: At = "06:00",
    source: ScheduledInput,
    store: HistoryOptions,
    out: JobOut = None,
    zone: TimeZone = None,
    fail_on: FailOn = None,
    log: JobLog = None,
    name: NewJobName = None,
    cron: Cron = False,
    systemd: Systemd = False,
    dry_run: DryRun = False,
    common: CommonOptions,
) -> None:
    """Schedule a run that ingests logs and writes the report of the day, week or month before.

    Paths are stored as absolute paths, because the job does not run in this folder.
    """
    from entro_cli.analysis.gates import check_gates
    from entro_cli.automation.schedule.command_line import JobRequest
    from entro_cli.automation.schedule.jobs import default_kind
    from entro_cli.core.clock import zone_of
    from entro_cli.workflows.schedule import install_job, job_config, new_job, warn_of_missing_logs

    terminal = common.terminal()
    frequency = when.frequency()
    if cron and systemd:
        raise typer.BadParameter("choose one of --cron and --systemd")
    kind = "cron" if cron else "systemd" if systemd else default_kind()
    check_gates(fail_on or [])
    if zone:
        zone_of(zone)  # refused now, because nobody reads the error when the job runs
    request = JobRequest(
        ingest=tuple(source.ingest or ()),
        pipelines=tuple(source.pipelines or ()),
        config=job_config(store.config_file, source.pipelines or (), terminal),
        history=store.history or "",
        out=out or "",
        tz=zone or "",
        fail_on=tuple(fail_on or ()),
    )
    job = new_job(frequency, at, request, name, log)
    warn_of_missing_logs(request.ingest, terminal)
    install_job(job, kind, dry_run, terminal)


def run(
    *,
    when: FrequencyOptions,
    source: ScheduledInput,
    store: HistoryOptions,
    out: RunOut = None,
    zone: TimeZone = None,
    fail_on: FailOn = None,
    as_of: AsOf = None,
    parallel: ParallelOptions,
    common: CommonOptions,
) -> None:
    """Ingest logs, write the report of the last complete period and any missed before it, and send alerts.

    Nothing is printed if all is well. A failed gate is reported with status 3, and work that could not be done with
    status 1. Neither keeps the rest of the work from being done.
    """
    from entro_cli.analysis.gates import check_gates
    from entro_cli.core.console import Terminal
    from entro_cli.workflows.schedule import run_scheduled, scheduled_runs
    from entro_cli.workflows.settings import read_config, settings_in
    from entro_engine import EntroError

    terminal = Terminal(not common.verbose, common.verbose)  # cron mails whatever a job prints
    check_gates(fail_on or [])
    frequency = when.frequency()
    config = read_config(store.config_file, terminal)
    names = source.pipelines or config.pipelines or ("default",)
    settings = [settings_in(config, name, **keys_set_by(store), zone=zone) for name in names]
    runs = scheduled_runs(settings, frequency, source.ingest or (), out, fail_on or (), as_of)
    outcomes = run_scheduled(config, runs, out, parallel.executor, terminal)
    failures = list(dict.fromkeys(failure for outcome in outcomes for failure in outcome.failures))
    failed_gates = [gate for outcome in outcomes for gate in outcome.failed_gates]
    # An error outranks a failed gate: it decides the status, and gates are only printed.
    print_failed(failed_gates, terminal)
    for failure in failures[1:]:
        terminal.warn(failure)
    if failures:
        raise EntroError(failures[0])
    if failed_gates:
        raise typer.Exit(3)


def list_jobs(*, as_json: Json = False, common: CommonOptions) -> None:
    """List the jobs in your crontab and among your systemd timers."""
    from entro_cli.automation.schedule.jobs import installed
    from entro_cli.commands.views.schedule import jobs_view

    terminal = common.terminal()
    jobs, warnings = installed()
    for warning in warnings:
        terminal.warn(warning)
    if as_json:
        terminal.document("schedule", {"jobs": jobs})
    elif jobs:
        terminal.show(jobs_view(jobs))
    else:
        terminal.note("no job is scheduled")


def remove(
    *, name: JobName = None, everything: AllJobs = False, dry_run: DryRun = False, common: CommonOptions
) -> None:
    """Remove a job, or all of them. The rest of the crontab is kept to the last byte."""
    from entro_cli.automation.schedule import jobs
    from entro_cli.core.console import printable

    terminal = common.terminal()
    if (name is None) != everything:
        raise typer.BadParameter("name a job, or remove every one with --all", param_hint="NAME")
    removed = jobs.to_remove(name) if dry_run else jobs.remove(name)
    for job in removed:
        text = printable(f"{job.name} ({job.kind}, {job.when}): {job.command}")
        if dry_run:
            terminal.text(f"would remove {text}\n")
        else:
            terminal.note(f"removed {text}")
    if not removed:
        terminal.note("no job is scheduled")
