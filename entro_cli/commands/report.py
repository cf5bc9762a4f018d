"""`entro report`: the report of a day, a week, a month or a range."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from entro_cli.commands.options import (
    INPUT,
    OUTPUT,
    BudgetOptions,
    CommonOptions,
    Exclude,
    FailOn,
    FiguresFile,
    HistoryOptions,
    Json,
    PeriodOptions,
    PipelineName,
    RangeOptions,
    ReadingOptions,
    ReportFileOptions,
    SelfContained,
    chosen_format,
    exit_if_failed,
    format_option,
    keys_set_by,
    option,
    options_without_key,
)

EPILOG = """\
[bold]Examples[/bold]: logs as one page, in the browser; a week of them; the last complete week of the history, into a \
folder with an index; and its last two days.

[cyan]entro report spider.log server.log --open[/cyan]

[cyan]entro report spider.log server.log --weekly --tz Europe/Berlin[/cyan]

[cyan]entro report --weekly --last --out reports/[/cyan]

[cyan]entro report --since 2d --format terminal[/cyan]
"""

_FORMATS = ("html", "terminal", "markdown", "json", "junit", "email", "pdf")

ReportedLogs = Annotated[list[str] | None, option(INPUT, "--logs LOGS...", "The same as LOGS.", "the history")]
# A shell expands --logs *.csv to --logs a.csv b.csv, and Typer takes b.csv for an argument.
MoreLogs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LOGS", help="Report on these logs: files, folders, patterns, -; all of them without a period."
    ),
]
Open = Annotated[bool, option(OUTPUT, "--open", "Open the page in the browser.")]
ReportFormat = Annotated[str | None, format_option(_FORMATS, "html, and terminal on standard output")]
Long = Annotated[bool, option(OUTPUT, "--long", "Print all of the report as text.")]


def report(
    *,
    more_logs: MoreLogs = None,
    logs: ReportedLogs = None,
    reading: ReadingOptions,
    pipeline: PipelineName = "default",
    store: HistoryOptions,
    period: PeriodOptions,
    within: RangeOptions,
    limits: BudgetOptions,
    exclude: Exclude = None,
    output_format: ReportFormat = None,
    files: ReportFileOptions,
    self_contained: SelfContained = False,
    open_page: Open = False,
    long: Long = False,
    metrics_file: FiguresFile = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Write the report of logs or of the history: of a day, a week, a month or any range, beside the one before.

    Without a period it is about all of the logs. The report is a page that opens offline, named after pipeline and
    period; the terminal shows the gist of it.
    """
    from msgspec.structs import replace

    from entro_cli.analysis.gates import check_gates, failed_gates
    from entro_cli.core.clock import zone_of
    from entro_cli.core.json_document import to_builtins
    from entro_cli.readers.options import LoadOptions, parse_stage_options
    from entro_cli.workflows.load_logs import load_logs
    from entro_cli.workflows.print_warnings import print_load_warnings, print_problems
    from entro_cli.workflows.report import (
        PeriodRequest,
        data_from_logs,
        last_observed_ns,
        stored_period,
        summarise_period,
    )
    from entro_cli.workflows.settings import load_options, period_ns, read_settings
    from entro_cli.workflows.write_report import OutputOptions, write_report

    terminal = common.terminal()
    form = _format(output_format, as_json, files.out, open_page, long)
    if gates := fail_on or []:
        check_gates(gates)
    names = [*(logs or []), *(more_logs or [])]
    # With logs, --stage says how they are read. The history has its stages already: --stage overrides their settings.
    stages = () if names else parse_stage_options(LoadOptions(reading.stage or ()))
    keys = keys_set_by(reading, store, limits)
    settings = read_settings(store.config_file, pipeline, terminal, **keys, exclude=exclude, stages=stages)
    zone = zone_of(settings.zone)
    within_ns = period_ns(within.since, within.until, zone)
    kind = period.kind(has_range=bool(names or within.since or within.until))
    request = PeriodRequest(kind, period.date, period.last, within_ns, zone)
    # --since and --until of a range are the period itself, and must not cut off the one before it.
    data_within_ns = (None, None) if kind == "range" else within_ns
    if names:
        loaded = load_logs(names, load_options(settings, reading.stage))
        print_load_warnings(loaded, terminal)
        source = data_from_logs(loaded, settings, data_within_ns)
        chosen = request.period(last_observed_ns(source.steps), source.steps)
        output = OutputOptions(form, files.out, self_contained, loaded.paths)
    else:
        chosen, source = stored_period(settings, [stage.name for stage in stages], request, data_within_ns)
        print_problems(source.problems, terminal)
        output = OutputOptions(form, files.out or settings.reports, self_contained, indexed=True)
    # --since and --until of a range are in the period.
    words = options_without_key(reading, limits, *([] if kind == "range" else [within]))
    summary = summarise_period(source, chosen, settings, limits.budget, options=words)
    failed = failed_gates(gates, to_builtins(summary.figures)) if gates else []
    output = replace(
        output,
        gates=tuple(gates),
        failed_gates=tuple(failed),
        templates=files.template_dir,
        browser=settings.browser,
        opens=open_page,
        base_url=settings.base_url,
        long=long,
        metrics_file=metrics_file,
    )
    write_report(summary, chosen.file_stem(pipeline), output, terminal)
    exit_if_failed(failed, terminal)


def _format(name: str | None, as_json: bool, out: Path | None, open_page: bool, long: bool) -> str:
    """Return the output format, empty without one.

    Raises:
        typer.BadParameter: when there is no such format, or --open comes without the file of a page, or --long without
            a text.
    """
    form = chosen_format(name, as_json, _FORMATS)
    if open_page and (form not in {"", "html", "pdf"} or str(out) == "-"):
        raise typer.BadParameter("--open needs a page: --format html or pdf, in a file")
    if long and form not in {"", "terminal"}:
        raise typer.BadParameter(f"--long is for the terminal: --format {form} has all of the report")
    return form
