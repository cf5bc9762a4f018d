"""Add jobs that cron or systemd runs, and do what such a job does for several pipelines."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from glob import escape, glob
from pathlib import Path

from msgspec.structs import replace

from entro_cli.automation.schedule import jobs
from entro_cli.automation.schedule.command_line import JobRequest, job_command, job_environment, log_file
from entro_cli.automation.schedule.job import Frequency, Job, parse_time_of_day
from entro_cli.config import Config, Settings, default_path
from entro_cli.config.keys import SINGLE_KEYS
from entro_cli.core.clock import log_time_ns, moment, zone_of
from entro_cli.core.console import Recorder, Terminal, printable, replay_messages
from entro_cli.core.parallel import Executor
from entro_cli.core.urls import is_url
from entro_cli.history.paths import pipeline_paths, shared_folders
from entro_cli.history.remote_copy import working_copy
from entro_cli.report.periods import PeriodKind, period_of
from entro_cli.workflows.fleet import FleetRow, build_fleet, fleet_tasks, run_fleet_task
from entro_cli.workflows.scheduled_run import RunOutcome, ScheduledRun, run_schedule
from entro_cli.workflows.settings import check_settings, read_config, settings_in
from entro_cli.workflows.write_report import OutputOptions, write_fleet_report
from entro_engine import EntroError

_KINDS = {Frequency.DAILY: PeriodKind.DAY, Frequency.WEEKLY: PeriodKind.WEEK, Frequency.MONTHLY: PeriodKind.MONTH}


def job_config(file: Path | None, pipelines: Sequence[str], terminal: Terminal) -> str:
    """Return the path of the configuration that a job will use; empty without one.

    The file is checked now, because nobody reads the error when the job runs.

    Args:
        file: the value of --config; None to look for the file.
        pipelines: the pipelines that the job is for.
        terminal: gets a warning for each variable that the job will not see.

    Raises:
        EntroError: if the file cannot be read or has a wrong value.
    """
    config = read_config(file, terminal)
    for pipeline in pipelines:
        check_settings(config.settings(pipeline))
    # ENTRO_HISTORY is handed to the job as --history.
    variables = {key.variable for key in SINGLE_KEYS if key.variable} - {"ENTRO_HISTORY"}
    for variable in sorted(name for name in variables if os.environ.get(name)):
        terminal.warn(f"{variable} is set here, but not where the job runs: set it in entro.toml")
    return str(config.file or "")


def new_job(frequency: Frequency, at: str, request: JobRequest, name: str | None, log: str | None) -> Job:
    """Return a job that runs `entro schedule run` from any folder.

    Args:
        frequency: how often it runs.
        at: the value of --at.
        request: what the job does.
        name: the value of --name; None for a name by frequency and pipeline.
        log: the value of --log; None where cron or systemd keeps the output.

    Raises:
        EntroError: if a value cannot be part of a job.
    """
    hour, minute = parse_time_of_day(at)
    here = Path.cwd()
    default_name = "-".join([frequency.value, *(request.pipelines if len(request.pipelines) == 1 else ())])
    return Job(
        name=default_name if name is None else name,
        every=frequency,
        hour=hour,
        minute=minute,
        command=job_command(frequency, request, here, os.environ),
        environment=job_environment(os.environ),
        log=log_file(log or "", here),
    )


def warn_of_missing_logs(patterns: Sequence[str], terminal: Terminal) -> None:
    """Warn of patterns that match no file yet, because nobody reads the warning when the job runs."""
    for pattern in patterns:
        path = str(Path(pattern).expanduser())
        # The second look is for a file whose name contains a wildcard character.
        if not is_url(pattern) and not glob(path, recursive=True) and not glob(escape(path)):  # noqa: PTH207
            terminal.warn(f"--ingest {printable(pattern)}: there is no such file yet")


def install_job(job: Job, kind: str, dry_run: bool, terminal: Terminal) -> None:
    """Install a job, or show what would be written.

    Args:
        job: the job; it replaces one of the same name.
        kind: cron or systemd.
        dry_run: whether only to show it.
        terminal: gets what happened.

    Raises:
        EntroError: if the job cannot be installed.
    """
    if dry_run:
        terminal.text(jobs.preview(job, kind))
        return
    replaced, notes = jobs.add(job, kind)
    terminal.note(f"{'replaced' if replaced else 'added'} {job.name} ({kind}): {job.when}")
    for note in notes:
        terminal.warn(note)


def scheduled_runs(
    settings: Sequence[Settings],
    frequency: Frequency,
    logs: Sequence[str],
    out: Path | None,
    gates: Sequence[str],
    as_of: str | None,
) -> list[ScheduledRun]:
    """Return what a scheduled run does for each pipeline.

    Args:
        settings: the settings of each pipeline.
        frequency: how often the job runs.
        logs: the values of --ingest; without any, the logs of the settings.
        out: the value of --out.
        gates: the values of --fail-on, tried before those of the settings.
        as_of: the value of --as-of; None for now.

    Raises:
        EntroError: if there is one list of logs for several pipelines.
    """
    if logs and len(settings) > 1:
        raise EntroError(
            f"the logs belong to one pipeline, and there are {len(settings)}",
            where="--ingest",
            remedy="add --pipeline NAME, or give each pipeline its `logs` in entro.toml",
        )
    now = datetime.now(UTC)
    return [
        ScheduledRun(
            paths=pipeline_paths(one.history, one.pipeline),
            settings=one,
            kind=_KINDS[frequency],
            logs=tuple(logs or one.logs),
            out=out or one.reports or default_path("reports"),
            gates=(*gates, *one.fail_on),
            now=now if as_of is None else moment(log_time_ns(as_of, zone_of(one.zone), "--as-of"), UTC),
        )
        for one in settings
    ]


def run_scheduled(
    config: Config,
    runs: Sequence[ScheduledRun],
    out: Path | None,
    executor: Callable[[tuple[Path, ...]], Executor],
    terminal: Terminal,
) -> list[RunOutcome]:
    """Do scheduled runs, and write the report of all pipelines if there are several.

    Args:
        config: the configuration of all pipelines.
        runs: one per pipeline.
        out: the value of --out.
        executor: makes the executor, given the folders that its workers must see.
        terminal: gets the messages of each run.
    """
    outcomes = []
    for outcome in executor(shared_folders(run.paths for run in runs)).map(
        run_schedule_task, [replace(run, indexed=len(runs) == 1) for run in runs], "pipeline", keeps=True
    ):
        replay_messages(outcome.messages, terminal)
        outcomes.append(outcome)
    if len(runs) > 1:
        write_fleet_of_runs(config, runs, outcomes, out, executor(()), terminal)
        from entro_cli.report.render.index import update_index

        # Once for all pages: each update reads the heads of all that are there.
        for folder in dict.fromkeys(run.out for run, outcome in zip(runs, outcomes, strict=True) if outcome.members):
            if problem := update_index(folder):
                terminal.warn(problem)
    return outcomes


def run_schedule_task(run: ScheduledRun) -> RunOutcome:
    """Do a scheduled run. Its `now` may be in any zone that can be pickled, such as UTC."""
    recorder = Recorder()
    try:
        with working_copy(run.paths, writes=True):
            outcome = run_schedule(replace(run, now=run.now.astimezone(zone_of(run.settings.zone))), recorder)
    except EntroError as error:  # a history at a URL that cannot be read or written back
        outcome = RunOutcome(failures=[str(error)])
    outcome.messages = recorder.messages
    return outcome


def write_fleet_of_runs(
    config: Config,
    runs: Sequence[ScheduledRun],
    outcomes: Sequence[RunOutcome],
    out: Path | None,
    executor: Executor,
    terminal: Terminal,
) -> None:
    """Write the fleet report of every period that a scheduled run of several pipelines reported on.

    Args:
        config: the configuration.
        runs: the run of each pipeline.
        outcomes: the outcome of each, in the same order.
        out: the value of --out.
        executor: runs the tasks of pipelines that had reported on a period earlier.
        terminal: prints the paths of the written files.
    """
    common = settings_in(config, "default")
    folder = out or common.reports or default_path("reports")
    zone = zone_of(common.zone)
    for first in sorted({first for outcome in outcomes for first in outcome.members}):
        period = period_of(runs[0].kind, first, zone)
        known = {run.paths.name: outcome.members.get(first) for run, outcome in zip(runs, outcomes, strict=True)}
        # Pipelines that reported in this run have their row already. Others reported on the period in an earlier run.
        others = [run.settings for run in runs if known[run.paths.name] is None]
        rows = [FleetRow(member) for member in known.values() if member is not None]
        rows += executor.map(run_fleet_task, fleet_tasks(others, period, common.zone, out), "pipeline")
        write_fleet_report(
            build_fleet(period, rows, folder), period.file_stem(), OutputOptions("html", folder, indexed=True), terminal
        )
