"""`entro schedule add`, `list` and `remove`: jobs that cron or systemd runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from entro_cli.commands import options as given

if TYPE_CHECKING:
    from rich.table import Table

    from entro_cli.automation.schedule.command_line import JobRequest
    from entro_cli.automation.schedule.job import Frequency, InstalledJob, Job
    from entro_cli.core.console import Terminal

_WHEN, _WHAT, _WHERE = "When", "What is run", "Where it is written"

EPILOG = """\
[bold]Examples[/bold]: [cyan]entro schedule add --weekly --ingest 'logs/*.csv.gz'[/cyan], then \
[cyan]entro schedule list[/cyan].
"""
ADD_EPILOG = """\
[bold]Examples[/bold]: read the logs and report on the day before, every morning; report on one pipeline every Monday, \
with mail when it was bad; and see what would be written.

[cyan]entro schedule add --daily --ingest 'logs/*.csv.gz' --out reports/[/cyan]

[cyan]entro schedule add --weekly --at 07:30 --pipeline shop --fail-on 'violations>1%'[/cyan]

[cyan]entro schedule add --monthly --systemd --dry-run[/cyan]
"""
LIST_EPILOG = """\
[bold]Example[/bold]: [cyan]entro schedule list --json[/cyan]
"""
REMOVE_EPILOG = """\
[bold]Examples[/bold]: [cyan]entro schedule remove daily[/cyan]; [cyan]entro schedule remove --all --dry-run[/cyan]
"""

Daily = Annotated[bool, typer.Option("--daily", help="Every day.", rich_help_panel=_WHEN)]
Weekly = Annotated[bool, typer.Option("--weekly", help="Every Monday.", rich_help_panel=_WHEN)]
Monthly = Annotated[bool, typer.Option("--monthly", help="On the first of the month.", rich_help_panel=_WHEN)]
At = Annotated[str, typer.Option("--at", metavar="HH:MM", help="In the machine's local time.", rich_help_panel=_WHEN)]
Ingest = Annotated[
    list[str] | None,
    typer.Option(
        "--ingest",
        metavar="PATTERN",
        help="Logs to add to the history first: a file, a folder, a pattern in quotes. Repeatable.",
        rich_help_panel=_WHAT,
    ),
]
Pipelines = Annotated[
    list[str] | None,
    typer.Option("--pipeline", metavar="NAME", help="The pipeline to report on. Repeatable.", rich_help_panel=_WHAT),
]
History = Annotated[str | None, typer.Option("--history", metavar="DIR", help="The history.", rich_help_panel=_WHAT)]
Out = Annotated[str | None, typer.Option("--out", metavar="DIR", help="Where reports go.", rich_help_panel=_WHAT)]
Log = Annotated[
    str | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="Append what it prints to this file.",
        show_default="cron's mail, systemd's journal",
        rich_help_panel=_WHAT,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="What the job is called; one of that name is replaced.",
        show_default="daily, daily-PIPELINE, ...",
        rich_help_panel=_WHERE,
    ),
]
Cron = Annotated[bool, typer.Option("--cron", help="As a line of your crontab.", rich_help_panel=_WHERE)]
Systemd = Annotated[bool, typer.Option("--systemd", help="As a timer of your systemd.", rich_help_panel=_WHERE)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
JobName = Annotated[str | None, typer.Argument(metavar="NAME", help="What the job is called.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Remove every job.")]


def add(
    *,
    daily: Daily = False,
    weekly: Weekly = False,
    monthly: Monthly = False,
    at: At = "06:00",
    ingest: Ingest = None,
    pipeline: Pipelines = None,
    config_file: given.ConfigFile = None,
    history: History = None,
    out: Out = None,
    tz: given.TimeZone = None,
    fail_on: given.FailOn = None,
    log: Log = None,
    name: Name = None,
    cron: Cron = False,
    systemd: Systemd = False,
    dry_run: DryRun = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Have logs read and the report of the period before made, every day, week or month.

    Places are kept as absolute paths: the job runs outside of this folder.
    """
    from entro_cli.analysis.gates import check_gates
    from entro_cli.automation.schedule.command_line import JobRequest
    from entro_cli.core.clock import zone_of
    from entro_cli.core.console import Terminal

    terminal = Terminal(quiet, verbose)
    every = chosen_every(daily, weekly, monthly)
    kind = _kind(cron, systemd)
    check_gates(fail_on or [])
    if tz:
        zone_of(tz)  # it must be one: nobody is there to read the error when the job runs
    wanted = JobRequest(
        ingest=tuple(ingest or ()),
        pipelines=tuple(pipeline or ()),
        config=_configuration(config_file, pipeline or [], terminal),
        history=history or "",
        out=out or "",
        tz=tz or "",
        fail_on=tuple(fail_on or ()),
    )
    job = _job(every, at, wanted, name, log)
    _tell_missing(wanted.ingest, terminal)
    _install(job, kind, dry_run, terminal)


def list_jobs(
    *,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Show the jobs, those of cron and those of systemd."""
    from entro_cli.automation.schedule.jobs import installed
    from entro_cli.core.console import Terminal

    terminal = Terminal(quiet, verbose)
    jobs, troubles = installed()
    for trouble in troubles:
        terminal.warn(trouble)
    if as_json:
        terminal.document({"schema": "entro/schedule/1", "jobs": jobs})
    elif jobs:
        terminal.show(_table(jobs))
    else:
        terminal.note("no job is scheduled")


def remove(
    *,
    name: JobName = None,
    everything: All = False,
    dry_run: DryRun = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Remove a job, or all of them; what is not entro's in the crontab stays as it is, to the last byte."""
    from entro_cli.automation.schedule import jobs
    from entro_cli.core.console import Terminal, printable

    terminal = Terminal(quiet, verbose)
    if (name is None) != everything:
        raise typer.BadParameter("name a job, or say --all", param_hint="NAME")
    gone = jobs.to_remove(name) if dry_run else jobs.remove(name)
    for job in gone:
        told = f"{job.name} ({job.kind}, {job.when}): {job.command}"
        if dry_run:
            terminal.text(f"would remove {printable(told)}\n")
        else:
            terminal.note(f"removed {printable(told)}")
    if not gone:
        terminal.note("no job is scheduled")


def chosen_every(daily: bool, weekly: bool, monthly: bool) -> Frequency:
    """How often, as the options say it."""
    from entro_cli.automation.schedule.job import Frequency

    chosen = [every for every, wanted in zip(Frequency, (daily, weekly, monthly), strict=True) if wanted]
    if len(chosen) != 1:
        raise typer.BadParameter("choose one of --daily, --weekly and --monthly", param_hint="period")
    return chosen[0]


def _kind(cron: bool, systemd: bool) -> str:
    from entro_cli.automation.schedule.jobs import default_kind

    if cron and systemd:
        raise typer.BadParameter("choose one of --cron and --systemd", param_hint="kind")
    return "cron" if cron else "systemd" if systemd else default_kind()


def _configuration(named: Path | None, pipelines: list[str], terminal: Terminal) -> str:
    """The file that holds here, read now: nobody will be at hand when the job finds fault with it."""
    import os

    from entro_cli.config.keys import SINGLE_KEYS
    from entro_cli.workflows.settings import check_settings, read_config

    config = read_config(named, terminal)
    for pipeline in pipelines:
        check_settings(config.settings(pipeline))
    variables = {key.variable for key in SINGLE_KEYS if key.variable} - {"ENTRO_HISTORY"}
    for variable in sorted(variables & {name for name, value in os.environ.items() if value}):
        terminal.warn(f"{variable} is set here, but not where the job runs: say it in entro.toml")
    return str(config.file or "")


def _job(every: Frequency, at: str, wanted: JobRequest, name: str | None, log: str | None) -> Job:
    import os

    from entro_cli.automation.schedule.command_line import job_command, job_environment, log_file
    from entro_cli.automation.schedule.job import Job, parse_time_of_day

    hour, minute = parse_time_of_day(at)
    here = Path.cwd()
    usual_name = "-".join([every.value, *(wanted.pipelines if len(wanted.pipelines) == 1 else ())])
    return Job(
        name=usual_name if name is None else name,
        every=every,
        hour=hour,
        minute=minute,
        command=job_command(every, wanted, here, os.environ),
        environment=job_environment(os.environ),
        log=log_file(log or "", here),
    )


def _tell_missing(patterns: tuple[str, ...], terminal: Terminal) -> None:
    """Warn of logs that are not there, or not yet: nobody will be at hand when the job says so."""
    from glob import escape, glob

    from entro_cli.core.console import printable
    from entro_cli.core.urls import is_url

    for pattern in (pattern for pattern in patterns if not is_url(pattern)):
        place = str(Path(pattern).expanduser())
        if not glob(place, recursive=True) and not glob(escape(place)):  # noqa: PTH207 - absolute ones too
            terminal.warn(f"--ingest {printable(pattern)}: there is no such file yet")


def _install(job: Job, kind: str, dry_run: bool, terminal: Terminal) -> None:
    from entro_cli.automation.schedule import jobs

    if dry_run:
        terminal.text(jobs.preview(job, kind))
        return
    replaced, notes = jobs.add(job, kind)
    terminal.note(f"{'replaced' if replaced else 'added'} {job.name} ({kind}): {job.when}")
    for note in notes:
        terminal.warn(note)


def _table(jobs: list[InstalledJob]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from entro_cli.core.console import printable

    table = Table(box=None, pad_edge=False)
    for heading in ("Job", "Kind", "When", "Runs"):
        table.add_column(heading, overflow="fold")
    for job in jobs:
        command = job.command.partition(" schedule run ")
        shown = f"entro schedule run {command[2]}" if command[1] else job.command
        when = job.when if job.enabled else f"{job.when} (not enabled)"
        table.add_row(*(Text(printable(cell)) for cell in (job.name, job.kind, when, shown)))
    return table
