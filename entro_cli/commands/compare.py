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
    TimeZone,
    expand_options,
    keys_set_by,
)

EPILOG = """\
[bold]Examples[/bold]: two weeks of a pipeline, and the same day of two pipelines.

[cyan]entro compare 2026-W14 2026-W15[/cyan]

[cyan]entro compare frontend:2026-04-06 backend:2026-04-06[/cyan]
"""

Side = Annotated[
    str,
    typer.Argument(
        metavar="[PIPELINE:]PERIOD",
        help="A day (2026-04-06), an ISO week (2026-W15) or a month (2026-04).",
    ),
]


@expand_options
def compare(
    *,
    first: Side,
    second: Side,
    pipeline: PipelineName = "default",
    zone: TimeZone = None,
    store: HistoryOptions,
    limits: BudgetOptions,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Compare two periods, or two pipelines, of the history: every figure, and its change."""
    from entro_cli.commands.views.compare import compare_document, compare_view
    from entro_cli.workflows.report import stored_summary
    from entro_cli.workflows.settings import read_settings

    terminal = common.terminal()
    sides = []
    for text in (first, second):
        name, _, period = text.rpartition(":")
        keys = keys_set_by(store, limits)
        settings = read_settings(store.config_file, name or pipeline, terminal, **keys, zone=zone)
        sides.append(stored_summary(settings, period, limits.budget))
    if as_json:
        terminal.document(compare_document(*sides))
    else:
        terminal.show(*compare_view(*sides))
