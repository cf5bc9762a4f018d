"""Fleet reports: all pipelines over one period, each summarised in its own task.

A task is plain data in and plain data out, so that any process or cluster worker can run it. If a worker dies, its task
is run again from the beginning.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.analysis.gates import failed_gates
from entro_cli.config import Config, Settings
from entro_cli.core.clock import zone_of
from entro_cli.core.console import printable
from entro_cli.core.json_document import to_builtins
from entro_cli.core.urls import shown_url
from entro_cli.history.paths import pipeline_paths
from entro_cli.history.remote_copy import pipelines_at, working_copy
from entro_cli.report.daily_report import name_of
from entro_cli.report.fleet import Fleet, Member, Missing, fleet_of, member_of
from entro_cli.report.periods import Period, PeriodKind, period_of
from entro_cli.report.render.openmetrics import MetricFamily, figures_of
from entro_cli.workflows.load_history import last_data_ns
from entro_cli.workflows.report import data_from_history, summarise_period
from entro_cli.workflows.settings import settings_in
from entro_engine import EntroError


class FleetTask(Struct, frozen=True):
    """A pipeline to summarise in a row of the fleet report.

    Attributes:
        settings: the pipeline's settings.
        kind: the kind of period.
        first: the first date of the period.
        zone: the name of the time zone whose midnights count; None for the machine's. Not every zone object can be
            pickled, but its name can.
        pages: folders that may hold the pipeline's own page, in order of search.
        gates: gates to try on its figures.
    """

    settings: Settings
    kind: PeriodKind
    first: date
    zone: str | None
    pages: tuple[Path, ...]
    gates: tuple[str, ...] = ()


class FleetRow(Struct, frozen=True):
    """A row of the fleet report, a message for each failed gate of its pipeline, and its figures as metrics."""

    member: Member | Missing
    failed_gates: tuple[str, ...] = ()
    metrics: tuple[MetricFamily, ...] = ()


def fleet_settings(config: Config, shared: Settings, keys: Mapping[str, Any]) -> list[Settings]:
    """Return the settings of each pipeline: of those that the configuration names, else of all in the history.

    Args:
        config: the configuration.
        shared: the settings that all pipelines share.
        keys: the options of the command line, by key of entro.toml.

    Raises:
        EntroError: if there is no pipeline.
    """
    names = config.pipelines or tuple(paths.name for paths in pipelines_at(shared.history))
    if not names:
        raise EntroError(
            "nothing is stored",
            where=printable(shown_url(str(shared.history))),
            remedy="`entro ingest LOGS` fills the history",
        )
    return [settings_in(config, name, **keys) for name in names]


def latest_data_ns(fleet: Sequence[Settings]) -> int | None:
    """Return the begin of the latest step with data among the pipelines, ns since the epoch; None without one.

    Args:
        fleet: the settings of each pipeline. Pipelines without stored steps are ignored.
    """
    found = []
    for settings in fleet:
        paths = pipeline_paths(settings.history, settings.pipeline)
        with suppress(EntroError), working_copy(paths):
            found.append(last_data_ns(paths, settings))
    return max((ns for ns in found if ns is not None), default=None)


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


def run_fleet_task(task: FleetTask) -> FleetRow:
    """Summarise a pipeline from its history."""
    settings, zone = task.settings, zone_of(task.zone)
    period = period_of(task.kind, task.first, zone)
    paths = pipeline_paths(settings.history, settings.pipeline)
    pages = [folder / f"{period.file_stem(settings.pipeline)}.html" for folder in task.pages]
    page = next((str(page) for page in pages if page.is_file()), "")
    try:
        with working_copy(paths):
            stored = data_from_history(paths, settings, zone, period, (None, None))
        summary = summarise_period(stored, period, settings, None, advise=False)
    except EntroError as error:
        return FleetRow(Missing(settings.pipeline, str(error)))
    failed = failed_gates(task.gates, to_builtins(summary.figures))
    return FleetRow(member_of(summary, page), tuple(map(str, failed)), tuple(figures_of(summary)))


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
