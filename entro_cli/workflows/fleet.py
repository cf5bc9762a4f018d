"""From several pipelines to their fleet: each is seen at a glance, in whichever process, and put beside the others."""

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
    """What is to be done to see some pipelines over a period.

    Args:
        fleet: what is in force for each.
        period: which one.
        zone: the name of its zone; None for the machine's.
        pages: where their own pages are likely to be; beside that, where the settings of each put them.
        gates: of each.
    """
    return [
        FleetTask(
            settings=one,
            kind=period.kind,
            first=period.first,
            zone=zone,
            pages=tuple(folder for folder in (pages, one.reports) if folder is not None),
            gates=gates,
        )
        for one in fleet
    ]


def build_fleet(period: Period, seen: Iterable[FleetRow], folder: Path | None) -> Fleet:
    """The fleet over a period.

    Args:
        period: which one.
        seen: its pipelines.
        folder: where its page will be, from which links lead on; None where it will not be among others.
    """
    found = [one.seen for one in seen]
    members = [one for one in found if isinstance(one, Member)]
    linked = [replace(one, report=_from(folder, one.report)) for one in members]
    return fleet_of(name_of(period), linked, [one for one in found if isinstance(one, Missing)])


def _from(folder: Path | None, page: str) -> str:
    """A page as it is found from a folder."""
    if folder is None or not page:
        return ""
    return Path(os.path.relpath(page, folder)).as_posix()


def survey_runs(
    config: Config,
    parts: Sequence[ScheduledRun],
    outcomes: Sequence[RunOutcome],
    out: Path | None,
    workers: Executor,
    terminal: Terminal,
) -> None:
    """Write the fleet of every period that a scheduled run of several pipelines reported on.

    Args:
        config: of all of them.
        parts: what was to be done for each.
        outcomes: what came of it.
        out: where --out says that reports go.
        workers: who looks at a pipeline that had been reported on before.
        terminal: is told what was written.
    """
    common = settings_in(config, "default")
    folder = out or common.reports or default_path("reports")
    zone = zone_of(common.zone)
    for first in sorted({first for outcome in outcomes for first in outcome.members}):
        period = period_of(parts[0].kind, first, zone)
        known = {job.place.name: outcome.members.get(first) for job, outcome in zip(parts, outcomes, strict=True)}
        others = [job.settings for job in parts if known[job.place.name] is None]
        seen = [FleetRow(member) for member in known.values() if member is not None]
        seen += workers.map(run_fleet_task, fleet_tasks(others, period, common.zone, out))
        write_fleet_report(
            build_fleet(period, seen, folder), period.file_stem(), OutputOptions("html", folder, indexed=True), terminal
        )
