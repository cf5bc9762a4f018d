"""`entro fleet`: all pipelines over one period, the worst first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from entro_cli.commands.options import (
    CommonOptions,
    FailOn,
    FiguresFile,
    HistoryOptions,
    Json,
    ParallelOptions,
    PeriodOptions,
    ReportFileOptions,
    TimeZone,
    chosen_format,
    exit_if_failed,
    format_option,
    keys_set_by,
)

EPILOG = """\
[bold]Examples[/bold]: the last complete week of all pipelines beside their own reports, and the latest day in the \
terminal.

[cyan]entro fleet --weekly --last --out reports/[/cyan]

[cyan]entro fleet --daily --format terminal[/cyan]
"""

_FORMATS = ("html", "terminal", "markdown", "json", "pdf")

FleetFormat = Annotated[str | None, format_option(_FORMATS, "html, and terminal on standard output")]


def fleet(
    *,
    period: PeriodOptions,
    store: HistoryOptions,
    zone: TimeZone = None,
    output_format: FleetFormat = None,
    files: ReportFileOptions,
    metrics_file: FiguresFile = None,
    parallel: ParallelOptions,
    fail_on: FailOn = None,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Compare all pipelines of the history over a day, a week or a month, the worst first.

    The page links to the reports of the pipelines that it finds beside it. `entro schedule run` writes it too, if it
    reports on several pipelines.
    """
    from entro_cli.analysis.gates import check_gates
    from entro_cli.core.clock import zone_of
    from entro_cli.history.paths import pipeline_paths, shared_folders
    from entro_cli.report.render.openmetrics import render
    from entro_cli.workflows.fleet import build_fleet, fleet_settings, fleet_tasks, latest_data_ns, run_fleet_task
    from entro_cli.workflows.report import PeriodRequest
    from entro_cli.workflows.settings import read_config, settings_in
    from entro_cli.workflows.write_report import OutputOptions, write_fleet_report, write_metrics

    terminal = common.terminal()
    form = chosen_format(output_format, as_json, _FORMATS)
    check_gates(fail_on or [])
    kind = period.kind()
    config = read_config(store.config_file, terminal)
    shared = settings_in(config, "default", **keys_set_by(store), zone=zone)
    pipelines = fleet_settings(config, shared, keys_set_by(store))
    request = PeriodRequest(kind, period.date, period.last, (None, None), zone_of(shared.zone))
    chosen = request.period(None if period.date or period.last else latest_data_ns(pipelines))
    folder = files.out or shared.reports or Path()
    tasks = fleet_tasks(pipelines, chosen, shared.zone, folder, tuple(fail_on or ()))
    places = (pipeline_paths(settings.history, settings.pipeline) for settings in pipelines)
    rows = list(parallel.executor(shared_folders(places)).map(run_fleet_task, tasks, "pipeline"))
    found = build_fleet(chosen, rows, None if str(folder) == "-" else folder)
    output = OutputOptions(
        form, files.out or shared.reports, indexed=True, templates=files.template_dir, browser=shared.browser
    )
    write_fleet_report(found, chosen.file_stem(), output, terminal)
    if metrics_file:
        write_metrics(render(metric for row in rows for metric in row.metrics), metrics_file)
    exit_if_failed([f"{row.member.pipeline}: {gate}" for row in rows for gate in row.failed_gates], terminal)
