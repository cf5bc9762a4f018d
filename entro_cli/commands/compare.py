"""`entro compare`: two periods, or two pipelines, side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from entro_cli.commands.options import (
    BudgetOptions,
    CommonOptions,
    HistoryOptions,
    Json,
    PipelineName,
    ReportFileOptions,
    TimeZone,
    chosen_format,
    format_option,
    keys_set_by,
)

EPILOG = """\
[bold]Examples[/bold]: two weeks of a pipeline, the same as a page, and the same day of two pipelines.

[cyan]entro compare 2026-W14 2026-W15[/cyan]

[cyan]entro compare 2026-W14 2026-W15 --out reports/[/cyan]

[cyan]entro compare frontend:2026-04-06 backend:2026-04-06[/cyan]
"""

_FORMATS = ("html", "terminal", "markdown", "json")

CompareFormat = Annotated[str | None, format_option(_FORMATS, "terminal; with --out html, too")]
Side = Annotated[
    str,
    typer.Argument(
        metavar="[PIPELINE:]PERIOD",
        help="A day (2026-04-06), an ISO week (2026-W15) or a month (2026-04).",
    ),
]


def compare(
    *,
    first: Side,
    second: Side,
    pipeline: PipelineName = "default",
    zone: TimeZone = None,
    store: HistoryOptions,
    limits: BudgetOptions,
    output_format: CompareFormat = None,
    files: ReportFileOptions,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Compare two periods, or two pipelines, of the history: every figure, and its change.

    The page also shows both timelines, and links to the reports of both if they have pages.
    """
    from entro_cli.report.comparison import ReportPair
    from entro_cli.workflows.report import stored_summary
    from entro_cli.workflows.settings import read_settings
    from entro_cli.workflows.write_report import OutputOptions, write_comparison

    terminal = common.terminal()
    form = chosen_format(output_format, as_json, _FORMATS) or ("" if files.out else "terminal")
    sides, folders = [], []
    for text in (first, second):
        name, _, period = text.rpartition(":")
        keys = keys_set_by(store, limits)
        settings = read_settings(store.config_file, name or pipeline, terminal, **keys, zone=zone)
        sides.append(stored_summary(settings, period, limits.budget))
        folders.append(settings.reports)
    path = files.out or (folders[0] if form == "html" else None)
    output = OutputOptions(form, path, templates=files.template_dir)
    write_comparison(ReportPair(sides[0], sides[1]), (folders[0], folders[1]), output, terminal)
