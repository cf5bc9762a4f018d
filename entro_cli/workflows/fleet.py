"""Fleet reports: all pipelines over one period, each summarised in its own task."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from entro_cli.config import Config, Settings, default_path
from entro_cli.core.clock import zone_of
from entro_cli.core.console import Terminal
from entro_cli.core.parallel import Executor
from entro_cli.report.daily_report import name_of
from entro_cli.report.fleet import Fleet, Member, Missing, fleet_of
from entro_cli.report.periods import Period, period_of
from entro_cli.workflows.scheduled_run import RunOutcome, ScheduledRun
from entro_cli.workflows.settings import settings_in
from entro_cli.workflows.tasks import FleetRow, FleetTask, run_fleet_task
from entro_cli.workflows.write_report import OutputOptions, write_fleet_report


def fleet_tasks(
    fleet: Sequence[Settings], period: Period, zone: str | None, pages: Path | None, gates: tuple[str, ...] = ()
) -> list[FleetTask]:
    """Return a task for each pipeline.

    Args:
        fleet: the settings of each pipeline.
        period: the period.
        zone: the name of its time zone; None for the machine's.
        pages: a folder to look for the pipelines' own pages in, before the folder of each pipeline's settings.
        gates: the gates to try on each.
    """
    return [
        FleetTask(
            settings=settings,
            kind=period.kind,
            first=period.first,
            zone=zone,
            pages=tuple(folder for folder in (pages, settings.reports) if folder is not None),
            gates=gates,
        )
        for settings in fleet
    ]


def build_fleet(period: Period, rows: Iterable[FleetRow], folder: Path | None) -> Fleet:
    """Return the fleet over a period.

    Args:
        period: the period.
        rows: its pipelines.
        folder: the folder of the fleet's page, from which links are relative; None without links.
    """
    found = [row.member for row in rows]
    members = [member for member in found if isinstance(member, Member)]
    linked = [replace(member, report=_relative(member.report, folder)) for member in members]
    return fleet_of(name_of(period), linked, [missing for missing in found if isinstance(missing, Missing)])


def _relative(page: str, folder: Path | None) -> str:
    """Return the path of a page relative to a folder; empty without one of them."""
    if folder is None or not page:
        return ""
    return Path(os.path.relpath(page, folder)).as_posix()


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
        rows += executor.map(run_fleet_task, fleet_tasks(others, period, common.zone, out))
        write_fleet_report(
            build_fleet(period, rows, folder), period.file_stem(), OutputOptions("html", folder, indexed=True), terminal
        )
