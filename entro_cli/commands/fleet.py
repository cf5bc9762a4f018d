"""`entro fleet`: all pipelines over one period, the worst first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from entro_cli.commands import options as given

if TYPE_CHECKING:
    from entro_cli.config import Config, Settings

EPILOG = """\
[bold]Examples[/bold]: the last complete week of all pipelines, beside their own reports; today, in the terminal.

[cyan]entro fleet --weekly --last --out reports/[/cyan]

[cyan]entro fleet --daily --format terminal[/cyan]
"""

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="html, terminal, markdown or json.",
        show_default="a page, and the terminal",
        rich_help_panel="Output",
    ),
]


def fleet(
    *,
    daily: given.Daily = False,
    weekly: given.Weekly = False,
    monthly: given.Monthly = False,
    date: given.Date = None,
    last: given.Last = False,
    history: given.History = None,
    config: given.ConfigFile = None,
    tz: given.TimeZone = None,
    output_format: Format = None,
    template_dir: given.TemplateDir = None,
    out: given.ReportPlace = None,
    jobs: given.Jobs = None,
    cluster: given.Cluster = None,
    fail_on: given.FailOn = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Put all pipelines of the history side by side over a day, a week or a month: the worst first, each at a glance.

    The page links to the report of each pipeline that is there. `entro schedule run` writes it where it reports on
    several pipelines.
    """
    from entro_cli.analysis.gates import check_gates
    from entro_cli.core.clock import zone_of
    from entro_cli.core.console import Terminal
    from entro_cli.core.parallel import Executor
    from entro_cli.history.paths import pipeline_paths, shared_folders
    from entro_cli.workflows.fleet import build_fleet, fleet_tasks
    from entro_cli.workflows.settings import read_config, settings_in
    from entro_cli.workflows.tasks import run_fleet_task
    from entro_cli.workflows.write_report import OutputOptions, write_fleet_report

    terminal = Terminal(quiet, verbose)
    form = given.form("json" if as_json else output_format, ("html", "terminal", "markdown", "json"))
    check_gates(fail_on or [])
    kind = given.one_kind(daily, weekly, monthly)
    configuration = read_config(config, terminal)
    common = settings_in(configuration, "default", history=history, zone=tz)
    pipelines = _pipelines(configuration, common, history)
    which = given.Which(kind, date, last, (None, None), zone_of(common.zone))
    period = which.period(None if date or last else _latest_ns(pipelines))
    folder = out or common.reports or Path()
    tasks = fleet_tasks(pipelines, period, common.zone, folder, tuple(fail_on or ()))
    places = (pipeline_paths(one.history, one.pipeline) for one in pipelines)
    seen = list(Executor(jobs, cluster, shared_folders(places)).map(run_fleet_task, tasks))
    found = build_fleet(period, seen, None if str(folder) == "-" else folder)
    output = OutputOptions(form, out or common.reports, indexed=True, templates=template_dir)
    write_fleet_report(found, period.file_stem(), output, terminal)
    given.end_with([f"{row.member.pipeline}: {gate}" for row in seen for gate in row.failed_gates], terminal)


def _pipelines(config: Config, common: Settings, history: str | None) -> list[Settings]:
    """What is in force for each pipeline: those of the configuration, else all that the history has.

    Raises:
        EntroError: when there is none.
    """
    from entro_cli.core.console import printable
    from entro_cli.core.urls import shown_url
    from entro_cli.history.remote_copy import pipelines_at
    from entro_cli.workflows.settings import settings_in
    from entro_engine import EntroError

    names = config.pipelines or tuple(place.name for place in pipelines_at(common.history))
    if not names:
        raise EntroError(
            "nothing is stored",
            where=printable(shown_url(str(common.history))),
            remedy="`entro ingest LOGS` fills the history",
        )
    return [settings_in(config, name, history=history) for name in names]


def _latest_ns(pipelines: list[Settings]) -> int | None:
    """Where the last step with data of any of them begins, nanoseconds since the epoch; None without any."""
    from contextlib import suppress

    from entro_cli.history.paths import pipeline_paths
    from entro_cli.history.remote_copy import working_copy
    from entro_cli.workflows.load_history import last_data_ns
    from entro_engine import EntroError

    found = []
    for one in pipelines:
        place = pipeline_paths(one.history, one.pipeline)
        with suppress(EntroError), working_copy(place):  # of a pipeline that is not stored
            found.append(last_data_ns(place, one))
    return max((ns for ns in found if ns is not None), default=None)
