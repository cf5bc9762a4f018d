"""`entro compare`: two periods, or two pipelines, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from entro_cli.commands import options as given

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo
    from pathlib import Path

    from entro_cli.core.console import Terminal
    from entro_cli.report.daily_report import Summary
    from entro_cli.report.periods import Period

EPILOG = """\
[bold]Examples[/bold]: this week and the one before; the same day of two pipelines.

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


def compare(
    *,
    first: Side,
    second: Side,
    history: given.History = None,
    pipeline: given.Pipeline = "default",
    tz: given.TimeZone = None,
    budget: given.Budget = None,
    objective: given.Objective = None,
    config: given.ConfigFile = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Put two periods, or two pipelines, of the history side by side: every figure, and by how much it differs."""
    from entro_cli.commands.views.compare import compare_document, compare_view
    from entro_cli.core.console import Terminal

    terminal = Terminal(quiet, verbose)
    said = {"history": history, "zone": tz, "objective": objective}
    sides = [_summary(text, pipeline, config, terminal, budget, said) for text in (first, second)]
    if as_json:
        terminal.document(compare_document(*sides))
    else:
        terminal.show(*compare_view(*sides))


def _summary(
    text: str, pipeline: str, config: Path | None, terminal: Terminal, budget: float | None, said: Mapping[str, Any]
) -> Summary:
    """The report of one side.

    Raises:
        EntroError: when it is no period, or nothing is stored of its pipeline.
    """
    from entro_cli.core.clock import zone_of
    from entro_cli.history.paths import pipeline_paths
    from entro_cli.history.remote_copy import working_copy
    from entro_cli.workflows.report import from_history, summary_of
    from entro_cli.workflows.settings import read_settings

    named, _, label = text.rpartition(":")
    settings = read_settings(config, named or pipeline, terminal, **said)
    zone: tzinfo = zone_of(settings.zone)
    period = _period(label, zone)
    place = pipeline_paths(settings.history, settings.pipeline)
    with working_copy(place):
        material = from_history(place, settings, zone, period, (None, None))
    return summary_of(material, period, settings, budget)


def _period(label: str, zone: tzinfo) -> Period:
    import re
    from datetime import date

    from entro_cli.report.periods import PeriodKind, period_of
    from entro_engine import EntroError

    forms = ((PeriodKind.MONTH, r"\d{4}-\d\d"), (PeriodKind.WEEK, r"\d{4}-W\d\d"), (PeriodKind.DAY, r"\d{4}-\d\d-\d\d"))
    kind = next((kind for kind, form in forms if re.fullmatch(form, label)), None)
    try:
        if kind is not None:
            return period_of(kind, date.fromisoformat(f"{label}-01" if kind is PeriodKind.MONTH else label), zone)
    except ValueError:  # such as the 30th of February
        pass
    raise EntroError(
        f"{label!r} is no period",
        where="entro compare",
        expected="a day such as 2026-04-06, a week such as 2026-W15 or a month such as 2026-04",
    )
