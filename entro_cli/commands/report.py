"""`entro report`: the report of a day, a week or a month."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date as date_type
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entro_cli.commands import options as given

if TYPE_CHECKING:
    from entro_cli.commands.reporting import Material
    from entro_cli.config import Settings
    from entro_cli.report.periods import Kind, Period

_WHICH, _OUTPUT = "Which period", "Output"

EPILOG = """\
[bold]Examples[/bold]: the last complete week of the history, into a folder with an index; the last two days; and a
week of a log that is in no history.

[cyan]entro report --weekly --last --out reports/[/cyan]

[cyan]entro report --since 2d --format terminal[/cyan]

[cyan]entro report --weekly --logs sample_logs/five-weeks.csv --tz Europe/Berlin[/cyan]
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
Last = Annotated[bool, typer.Option("--last", help="The last complete one: for cron.", rich_help_panel=_WHICH)]
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
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="PATH",
        help="A folder, or a file; - for standard output.",
        show_default="`reports` of entro.toml, else this folder",
        rich_help_panel=_OUTPUT,
    ),
]
TemplateDir = Annotated[
    Path | None,
    typer.Option(
        "--template-dir",
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Templates that take the place of those of the same name: report.html, report.txt, report.md, style.css.",
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
    daily: Daily = False,
    weekly: Weekly = False,
    monthly: Monthly = False,
    date: Date = None,
    last: Last = False,
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
    template_dir: TemplateDir = None,
    out: Out = None,
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
    from entro_cli.clock import zone_of
    from entro_cli.commands.configured import load_options, read_settings
    from entro_cli.commands.delivering import Output, deliver, write_metrics
    from entro_cli.commands.loading import LoadOptions, asked_stages, load, tell_problems
    from entro_cli.commands.reporting import from_logs, last_observed_ns, summary_of
    from entro_cli.document import plain
    from entro_cli.gates import broken_gates, check_gates
    from entro_cli.terminal import Terminal

    terminal = Terminal(quiet, verbose)
    form = _form("json" if as_json else output_format)
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
    stages = () if named else asked_stages(LoadOptions(stage or ()))
    settings = read_settings(config, pipeline, terminal, **reading, stages=stages)
    zone = zone_of(settings.zone)
    within = given.period_ns(since, until, zone)
    kind = _one_kind(daily, weekly, monthly, bool(since or until))
    which = _Which(kind, date, last, within, zone)
    if kind == "range":  # it is what is reported on, and the time before it is looked back on
        within = (None, None)
    if named:
        loaded = load(named, load_options(settings, stage))
        tell_problems(loaded, terminal)
        material = from_logs(loaded, settings, within)
        period = which.period(last_observed_ns(material.steps))
        output = Output(form, out, self_contained, loaded.paths)
    else:
        period, material = _from_history(settings, [stage.name for stage in stages], which, within)
        for note in material.notes:
            terminal.warn(note)
        output = Output(form, out or settings.reports, self_contained, indexed=True)
    summary = summary_of(material, period, settings, budget)
    broken = broken_gates(fail_on or [], plain(summary.figures))
    output = replace(output, gates=tuple(fail_on or ()), broken=tuple(broken), templates=template_dir)
    deliver(summary, period.file_stem(pipeline), output, terminal)
    if metrics_file:
        write_metrics(summary, metrics_file, output.inputs)
    given.end_with(broken, terminal)


@dataclass(frozen=True)
class _Which:
    """Which period is reported on, as the options say it.

    Attributes:
        kind: day, week, month or range.
        date: a date in it.
        last: whether it is the last complete one.
        within: what --since and --until say, nanoseconds since the epoch.
        zone: whose midnights count.
    """

    kind: Kind
    date: str | None
    last: bool
    within: tuple[int | None, int | None]
    zone: tzinfo

    def period(self, last_ns: int | None) -> Period:
        """The period.

        Args:
            last_ns: where the last step with data begins, nanoseconds since the epoch; None without any.

        Raises:
            EntroError: when --date cannot be read, the range is empty, or nothing says which period is meant.
        """
        from entro_cli.report.periods import Kind, last_complete, latest, period_of

        if self.kind is Kind.RANGE:
            return _range(self.within, self.zone)
        if self.date is not None:
            return period_of(self.kind, _date(self.date), self.zone)
        if self.last or last_ns is None:
            return last_complete(self.kind, datetime.now(self.zone))
        return latest(self.kind, last_ns, self.zone)


def _range(within: tuple[int | None, int | None], zone: tzinfo) -> Period:
    """The range from --since to --until, or to now.

    Raises:
        EntroError: when nothing says where it begins, or it is empty.
    """
    from entro_cli.clock import moment
    from entro_cli.report.periods import range_of
    from entro_engine import EntroError

    since, until = within
    if since is None:
        raise EntroError(
            "nothing says where the range begins", where="entro report", remedy="add --since, as --since 7d"
        )
    end = datetime.now(zone) if until is None else moment(until, zone)
    return range_of(moment(since, zone).replace(microsecond=0), end.replace(microsecond=0))


def _from_history(
    settings: Settings, stages: list[str], which: _Which, within: tuple[int | None, int | None]
) -> tuple[Period, Material]:
    """The period, and what is stored of it; `stages` are those of the command line, `within` is what counts."""
    from entro_cli.commands.recalling import check_stages, last_data_ns
    from entro_cli.commands.reporting import from_history
    from entro_cli.history.places import pipeline_place

    place = pipeline_place(settings.history, settings.pipeline)
    check_stages(place, stages)
    period = which.period(last_data_ns(place, settings, which.within[1]))
    return period, from_history(place, settings, which.zone, period, within)


def _one_kind(daily: bool, weekly: bool, monthly: bool, ranged: bool) -> Kind:
    from entro_cli.report.periods import Kind

    kinds = {Kind.DAY: daily, Kind.WEEK: weekly, Kind.MONTH: monthly}
    chosen = [kind for kind, wanted in kinds.items() if wanted]
    if len(chosen) > 1 or (not chosen and not ranged):
        raise typer.BadParameter(
            "choose one of --daily, --weekly and --monthly, or a range with --since", param_hint="period"
        )
    return chosen[0] if chosen else Kind.RANGE


def _form(name: str | None) -> str:
    forms = ("html", "terminal", "markdown", "json", "junit")
    if name is not None and name not in forms:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(forms)}", param_hint="--format")
    return name or ""


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
