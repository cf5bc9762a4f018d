"""`entro report`: the report of a day, a week or a month."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entro_cli.commands import options as given

if TYPE_CHECKING:
    from entro_cli.commands.options import Which
    from entro_cli.config import Settings
    from entro_cli.report.periods import Period
    from entro_cli.workflows.report import ReportInput

_OUTPUT = "Output"
_FORMS = ("html", "terminal", "markdown", "json", "junit")

EPILOG = """\
[bold]Examples[/bold]: the last complete week of the history, into a folder with an index; the last two days; and a
week of a log that is in no history.

[cyan]entro report --weekly --last --out reports/[/cyan]

[cyan]entro report --since 2d --format terminal[/cyan]

[cyan]entro report --weekly --logs sample_logs/five-weeks.csv --tz Europe/Berlin[/cyan]
"""

LogsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--logs",
        metavar="LOGS...",
        help="Report on these logs: files, folders, patterns, -.",
        show_default="on the history",
    ),
]
MoreLogs = Annotated[
    list[str] | None, typer.Argument(metavar="LOGS", help="More logs, as a shell writes a pattern out.")
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="html, terminal, markdown, json or junit.",
        show_default="a page, and the terminal",
        rich_help_panel=_OUTPUT,
    ),
]
MetricsFile = Annotated[
    Path | None,
    typer.Option(
        "--metrics-file",
        metavar="FILE",
        help="Write the figures for a node exporter's textfile collector, too.",
        rich_help_panel=_OUTPUT,
    ),
]


def report(
    *,
    more_logs: MoreLogs = None,
    daily: given.Daily = False,
    weekly: given.Weekly = False,
    monthly: given.Monthly = False,
    date: given.Date = None,
    last: given.Last = False,
    since: given.Since = None,
    until: given.Until = None,
    history: given.History = None,
    pipeline: given.Pipeline = "default",
    config: given.ConfigFile = None,
    logs: LogsOption = None,
    stage: given.Stages = None,
    time: given.TimeColumn = None,
    start: given.Start = None,
    year: given.Year = None,
    tz: given.TimeZone = None,
    step: given.Step = None,
    offset: given.Offsets = None,
    input_format: given.InputFormat = None,
    budget: given.Budget = None,
    objective: given.Objective = None,
    exclude: given.Exclude = None,
    strict: given.Strict = False,
    redact: given.Redact = False,
    output_format: Format = None,
    metrics_file: MetricsFile = None,
    template_dir: given.TemplateDir = None,
    out: given.ReportPlace = None,
    self_contained: given.SelfContained = False,
    fail_on: given.FailOn = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Write the report of a day, a week, a month or any range, the previous one's figures beside it.

    It is a page that opens offline, named after pipeline and period, and the same as text for the terminal.
    """
    from entro_cli.analysis.gates import check_gates, failed_gates
    from entro_cli.core.clock import zone_of
    from entro_cli.core.console import Terminal
    from entro_cli.core.json_document import to_builtins
    from entro_cli.readers.options import LoadOptions, parse_stage_options
    from entro_cli.workflows.load_logs import load
    from entro_cli.workflows.print_warnings import print_load_warnings, print_problems
    from entro_cli.workflows.report import from_logs, last_observed_ns, summary_of
    from entro_cli.workflows.settings import load_options, period_ns, read_settings
    from entro_cli.workflows.write_report import OutputOptions, write_metrics, write_report

    terminal = Terminal(quiet, verbose)
    form = given.form("json" if as_json else output_format, _FORMS)
    check_gates(fail_on or [])
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
        "history": history,
        "objective": objective,
        "exclude": exclude,
    }
    named = [*(logs or []), *(more_logs or [])]
    stages = () if named else parse_stage_options(LoadOptions(stage or ()))
    settings = read_settings(config, pipeline, terminal, **reading, stages=stages)
    zone = zone_of(settings.zone)
    within = period_ns(since, until, zone)
    which = given.Which(given.one_kind(daily, weekly, monthly, bool(since or until)), date, last, within, zone)
    if which.kind == "range":  # it is what is reported on, and the time before it is looked back on
        within = (None, None)
    if named:
        loaded = load(named, load_options(settings, stage))
        print_load_warnings(loaded, terminal)
        material = from_logs(loaded, settings, within)
        period = which.period(last_observed_ns(material.steps))
        output = OutputOptions(form, out, self_contained, loaded.paths)
    else:
        period, material = _from_history(settings, [stage.name for stage in stages], which, within)
        print_problems(material.notes, terminal)
        output = OutputOptions(form, out or settings.reports, self_contained, indexed=True)
    summary = summary_of(material, period, settings, budget)
    failed = failed_gates(fail_on or [], to_builtins(summary.figures))
    output = replace(output, gates=tuple(fail_on or ()), failed_gates=tuple(failed), templates=template_dir)
    write_report(summary, period.file_stem(pipeline), output, terminal)
    if metrics_file:
        write_metrics(summary, metrics_file, output.inputs)
    given.end_with(failed, terminal)


def _from_history(
    settings: Settings, stages: list[str], which: Which, within: tuple[int | None, int | None]
) -> tuple[Period, ReportInput]:
    """The period, and what is stored of it; `stages` are those of the command line, `within` is what counts."""
    from entro_cli.history.paths import pipeline_paths
    from entro_cli.history.remote_copy import working_copy
    from entro_cli.workflows.load_history import check_stages, last_data_ns
    from entro_cli.workflows.report import from_history

    place = pipeline_paths(settings.history, settings.pipeline)
    with working_copy(place):
        check_stages(place, stages)
        period = which.period(last_data_ns(place, settings, which.within[1]))
        return period, from_history(place, settings, which.zone, period, within)
