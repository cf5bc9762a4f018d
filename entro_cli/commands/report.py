"""`entro report`: the report of a day, a week or a month."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date as date_type
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from entro_cli.commands import options as given

if TYPE_CHECKING:
    from entro_cli.commands.loading import Loaded
    from entro_cli.report.daily_report import Summary
    from entro_cli.report.periods import Kind, Period
    from entro_cli.terminal import Terminal

_WHICH, _OUTPUT = "Which period", "Output"

EPILOG = """\
[bold]Examples[/bold]: the last week of a log, as a page and in the terminal; one day of it; and the month as JSON.

[cyan]entro report --weekly --logs sample_logs/five-weeks.csv --tz Europe/Berlin[/cyan]

[cyan]entro report --daily --date 2026-04-09 --logs 'logs/*.csv.gz' --out reports/[/cyan]

[cyan]entro report --monthly --logs pipeline.parquet --json[/cyan]
"""

Daily = Annotated[bool, typer.Option("--daily", help="The report of a day.", rich_help_panel=_WHICH)]
Weekly = Annotated[bool, typer.Option("--weekly", help="Of an ISO week.", rich_help_panel=_WHICH)]
Monthly = Annotated[bool, typer.Option("--monthly", help="Of a calendar month.", rich_help_panel=_WHICH)]
Date = Annotated[
    str | None,
    typer.Option(
        "--date",
        metavar="DATE",
        help="A date in the period; 2026-W15 or 2026-04 will do.",
        show_default="the latest with data",
        rich_help_panel=_WHICH,
    ),
]
LogsOption = Annotated[
    list[str] | None,
    typer.Option("--logs", metavar="LOGS...", help="The logs to report on: files, folders, patterns, -."),
]
MoreLogs = Annotated[
    list[str] | None, typer.Argument(metavar="LOGS", help="More logs, as a shell writes a pattern out.")
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="html, terminal or json.",
        show_default="a page, and the terminal",
        rich_help_panel=_OUTPUT,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="PATH",
        help="A folder, or a file; - for standard output.",
        show_default="this folder",
        rich_help_panel=_OUTPUT,
    ),
]


def report(
    *,
    more_logs: MoreLogs = None,
    daily: Daily = False,
    weekly: Weekly = False,
    monthly: Monthly = False,
    date: Date = None,
    logs: LogsOption = None,
    stage: given.Stages = None,
    time: given.TimeColumn = None,
    start: given.Start = None,
    tz: given.TimeZone = None,
    step: given.Step = None,
    offset: given.Offsets = None,
    input_format: given.InputFormat = None,
    budget: given.Budget = None,
    objective: given.ObjectiveTarget = "99%",
    pipeline: given.Pipeline = "default",
    strict: given.Strict = False,
    redact: given.Redact = False,
    output_format: Format = None,
    out: Out = None,
    self_contained: given.SelfContained = False,
    fail_on: given.FailOn = None,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Write the report of a day, a week or a month, the previous one's figures beside it.

    It is a page that opens offline, named after pipeline and period, and the same as text for the terminal.
    """
    from entro_cli.commands.loading import LoadOptions, load, tell_problems
    from entro_cli.document import plain
    from entro_cli.gates import broken_gates, check_gates
    from entro_cli.objective import parse_target
    from entro_cli.terminal import Terminal

    terminal = Terminal(quiet, verbose)
    kind = _one_kind(daily, weekly, monthly)
    form = _form("json" if as_json else output_format)
    check_gates(fail_on or [])
    target = parse_target(objective)
    loaded = load(
        _logs([*(logs or []), *(more_logs or [])]),
        LoadOptions(stage or (), time, start, tz, step, input_format, offset or (), strict, redact),
    )
    tell_problems(loaded, terminal)
    summary, period = _summary(loaded, kind, date, budget, target, pipeline)
    _write(summary, period.file_stem(pipeline), _Output(form, out, self_contained, loaded.paths), terminal)
    given.end_with(broken_gates(fail_on or [], plain(summary.figures)), terminal)


@dataclass(frozen=True)
class _Output:
    """What is written and where.

    Attributes:
        form: html, terminal, json, or empty for a page and the terminal.
        place: a file or a folder, `-` for standard output, None when the user named none.
        self_contained: put plotly.js inside a page.
        inputs: the files that were read, which are not written over.
    """

    form: str
    place: Path | None
    self_contained: bool
    inputs: tuple[str, ...]


def _one_kind(daily: bool, weekly: bool, monthly: bool) -> Kind:
    from entro_cli.report.periods import Kind

    chosen = [kind for kind, wanted in zip(Kind, (daily, weekly, monthly), strict=True) if wanted]
    if len(chosen) != 1:
        raise typer.BadParameter("choose one of --daily, --weekly and --monthly", param_hint="period")
    return chosen[0]


def _form(name: str | None) -> str:
    if name not in {None, "html", "terminal", "json"}:
        raise typer.BadParameter(f"{name!r} is not one of html, terminal, json", param_hint="--format")
    return name or ""


def _logs(names: list[str]) -> list[str]:
    from entro_engine import EntroError

    if not names:
        raise EntroError(
            "there is no history to report from in this version",
            where="entro report",
            expected="the logs of the period",
            remedy="add --logs FILE, as in --logs 'logs/*.csv'",
        )
    return names


def _summary(
    loaded: Loaded, kind: Kind, date: str | None, budget: float | None, target: float, pipeline: str
) -> tuple[Summary, Period]:
    from entro_cli.analysis import replay_from, step_range
    from entro_cli.calibration import misfit_advice
    from entro_cli.report.daily_report import summarise
    from entro_cli.report.periods import latest, period_of

    period = latest(kind, _last_data_ns(loaded), loaded.zone)
    if date is not None:
        period = period_of(kind, _date(date), loaded.zone)
    run, before = (
        replay_from(loaded.steps, budget, step_range(loaded.steps, span.start_ns, None)[0])
        for span in (period, period.previous)
    )
    advice = misfit_advice(loaded.steps, run, loaded.columns)
    notes = (advice,) if advice else ()
    return summarise(run, before, period, loaded.sources, pipeline, target, notes), period


def _last_data_ns(loaded: Loaded) -> int:
    """Where the last step with data of all stages begins, nanoseconds since the epoch."""
    import numpy as np

    observed = np.flatnonzero(~np.isnan(loaded.steps.loads).any(axis=0))
    last = int(observed[-1]) if len(observed) else 0
    return loaded.steps.start_ns + last * loaded.steps.step_ns


def _date(text: str) -> date_type:
    from entro_engine import EntroError

    try:
        return date_type.fromisoformat(f"{text}-01" if re.fullmatch(r"\d{4}-\d\d", text) else text)
    except ValueError as error:
        raise EntroError(
            f"{text!r} is no date",
            where="--date",
            expected="a date such as 2026-04-06, a week such as 2026-W15 or a month such as 2026-04",
        ) from error


def _write(summary: Summary, stem: str, output: _Output, terminal: Terminal) -> None:
    from entro_cli.document import as_json

    if output.form in {"", "html"}:
        _write_page(summary, stem, output, terminal)
    if output.form == "json":
        _deliver(as_json(summary) + "\n", output.place, f"{stem}.json", output.inputs, terminal)
    if output.form in {"", "terminal"}:
        place = output.place if output.form else None  # beside a page, the text is for the reader at the terminal
        _deliver(_as_text(summary, place, terminal), place, f"{stem}.txt", output.inputs, terminal)


def _write_page(summary: Summary, stem: str, output: _Output, terminal: Terminal) -> None:
    from entro_cli.report.html import render
    from entro_cli.report.page import store_page

    place = output.place or Path()
    if _is_stream(place):
        terminal.text(render(summary, self_contained=True))
        return
    path = _file(place, f"{stem}.html")
    store_page(path, lambda inside: render(summary, inside), output.self_contained, output.inputs)
    _told(path, terminal)


def _as_text(summary: Summary, place: Path | None, terminal: Terminal) -> str:
    """The report for a terminal, or for a file: colours only where somebody sees them."""
    import os
    import sys

    from entro_cli.report.terminal import render

    to_file = place is not None and not _is_stream(place)
    return render(
        summary,
        unicode=to_file or terminal.unicode,
        color=not to_file and sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
    )


def _is_stream(place: Path) -> bool:
    """Whether a place stands for standard output."""
    return str(place) == "-"


def _file(place: Path, name: str) -> Path:
    """The file that a place means: itself, or the one of that name in it."""
    return place / name if place.is_dir() or not place.suffix else place


def _deliver(content: str, place: Path | None, name: str, inputs: tuple[str, ...], terminal: Terminal) -> None:
    """Put content where the user wants it: a file, a folder, standard output without one."""
    from entro_cli.files import refuse_to_overwrite, write_whole

    if place is None or _is_stream(place):
        terminal.text(content)
        return
    path = _file(place, name)
    refuse_to_overwrite(path, inputs)
    write_whole(path, content)
    _told(path, terminal)


def _told(path: Path, terminal: Terminal) -> None:
    from entro_cli.terminal import visible

    terminal.note(f"wrote {visible(str(path))}")
