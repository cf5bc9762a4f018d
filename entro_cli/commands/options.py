"""The options that several commands share, with one wording."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date as date_type
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from entro_cli.report.periods import Period, PeriodKind

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from entro_cli.core.console import Terminal

_READING = "How logs are read"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is done.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something goes wrong.")]
TimeZone = Annotated[
    str | None,
    typer.Option(
        "--tz",
        metavar="ZONE",
        help="Zone of stamps that name none, and of what is shown.",
        show_default="the machine's",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration to use.",
        show_default="ENTRO_CONFIG, or entro.toml here or above",
    ),
]
History = Annotated[
    str | None,
    typer.Option(
        "--history",
        metavar="DIR",
        help="Where the history is: a folder, or a URL.",
        show_default="ENTRO_HISTORY, or the user's data folder",
    ),
]
Pipeline = Annotated[str, typer.Option("--pipeline", metavar="NAME", help="What the pipeline is called.")]
Budget = Annotated[
    float | None,
    typer.Option("--budget", metavar="NATS", help="Entropy budget.", show_default="0.75 x stages x 2.0"),
]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-on",
        metavar="GATE",
        help="End with status 3 when this holds: 'violations>10', 'critical>5%'. Repeatable.",
    ),
]
OutPath = Annotated[Path | None, typer.Option("--out", metavar="PATH", help="Where to write it.")]
Logs = Annotated[
    list[str], typer.Argument(metavar="LOGS", help="Files, folders, patterns, URLs, or - for standard input.")
]
LogsOrNone = Annotated[
    list[str] | None, typer.Argument(metavar="LOGS", help="Files, folders, patterns, URLs, or - for standard input.")
]
Stages = Annotated[
    list[str] | None,
    typer.Option(
        "--stage",
        metavar="NAME=COLUMN[:KIND[:FULL]]",
        help="A stage: its column, rate, queue or generic, and the load at which it is full. Repeatable.",
        rich_help_panel=_READING,
    ),
]
TimeColumn = Annotated[
    str | None,
    typer.Option("--time", metavar="COLUMN", help="The column that holds the time.", rich_help_panel=_READING),
]
Start = Annotated[
    str | None,
    typer.Option("--start", metavar="TIME", help="When offsets count from.", rich_help_panel=_READING),
]
Year = Annotated[
    int | None,
    typer.Option("--year", metavar="YYYY", help="Of stamps that name no year.", rich_help_panel=_READING),
]
Step = Annotated[
    str | None,
    typer.Option(
        "--step",
        metavar="10s",
        help="Length of a step.",
        show_default="the slowest source's interval",
        rich_help_panel=_READING,
    ),
]
Offsets = Annotated[
    list[str] | None,
    typer.Option("--offset", metavar="FILE=+3s", help="Move a log's clock. Repeatable.", rich_help_panel=_READING),
]
InputFormat = Annotated[
    str | None,
    typer.Option(
        "--input-format",
        metavar="NAME",
        help="The logs' format: table, events, prometheus.",
        show_default="recognised from the content",
        rich_help_panel=_READING,
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Make the first bad row an error.", rich_help_panel=_READING)]
Redact = Annotated[
    bool, typer.Option("--redact", help="Mask the text of bad rows that are shown.", rich_help_panel=_READING)
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="From then on: an ISO date or time, or 7d, 24h ago.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Up to then.")]

_MANY = "Much at once"
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        help="How many pipelines, or logs of one, at once, each in a process of its own.",
        show_default="one a core, where it is worth it",
        rich_help_panel=_MANY,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Let the workers of this Dask scheduler do it, as tcp://host:8786; see docs/scale.md.",
        rich_help_panel=_MANY,
    ),
]

_SERVER = "A Prometheus server"
Prometheus = Annotated[
    str | None,
    typer.Option(
        "--prometheus",
        metavar="URL",
        help="Ask this server, too: from --since (an hour ago) to --until (now), every --step (15 s).",
        rich_help_panel=_SERVER,
    ),
]
RateQuery = Annotated[
    str | None,
    typer.Option("--rate", metavar="QUERY", help="The query for the rate, per second.", rich_help_panel=_SERVER),
]
QueueQuery = Annotated[
    str | None, typer.Option("--queue", metavar="QUERY", help="The query for the queue.", rich_help_panel=_SERVER)
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset", metavar="NAME", help="The queries for a server: vllm, sglang or tgi.", rich_help_panel=_SERVER
    ),
]

Objective = Annotated[
    str | None,
    typer.Option(
        "--objective",
        metavar="SHARE",
        help="The share of steps that should be within the budget.",
        show_default="99%",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="WINDOW",
        help="Maintenance, left out: 'Sun 02:00-04:00', daily 03:00-03:30, 2026-04-06T02:00/2h.",
        show_default="`exclude` of entro.toml",
    ),
]
ReportPlace = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="PATH",
        help="A folder, or a file; - for standard output.",
        show_default="`reports` of entro.toml, else this folder",
        rich_help_panel="Output",
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
        rich_help_panel="Output",
    ),
]
SelfContained = Annotated[
    bool,
    typer.Option(
        "--self-contained", help="Put plotly.js inside the page, not beside it: for mailing.", rich_help_panel="Output"
    ),
]


def form(name: str | None, forms: tuple[str, ...]) -> str:
    """The form that --format names; empty for a page and the terminal.

    Raises:
        typer.BadParameter: when there is none of that name.
    """
    if name is not None and name not in forms:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(forms)}", param_hint="--format")
    return name or ""


def end_with(failed: Sequence[object], terminal: Terminal) -> None:
    """Warn of failed gates and end with status 3; return if there are none."""
    for gate in failed:
        terminal.warn(f"gate failed: {gate}")
    if failed:
        raise typer.Exit(3)


_WHICH = "Which period"

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


@dataclass(frozen=True)
class Which:
    """Which period is reported on, as the options say it.

    Attributes:
        kind: day, week, month or range.
        date: a date in it.
        last: whether it is the last complete one.
        within: what --since and --until say, nanoseconds since the epoch.
        zone: whose midnights count.
    """

    kind: PeriodKind
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
        from entro_cli.report.periods import PeriodKind, last_complete, latest, period_of

        if self.kind is PeriodKind.RANGE:
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
    from entro_cli.core.clock import moment
    from entro_cli.report.periods import range_of
    from entro_engine import EntroError

    since, until = within
    if since is None:
        raise EntroError(
            "nothing says where the range begins", where="entro report", remedy="add --since, as --since 7d"
        )
    end = datetime.now(zone) if until is None else moment(until, zone)
    return range_of(moment(since, zone).replace(microsecond=0), end.replace(microsecond=0))


def one_kind(daily: bool, weekly: bool, monthly: bool, ranged: bool = False) -> PeriodKind:
    """What kind of period is meant; a range where none is named and there is one.

    Raises:
        typer.BadParameter: when more than one is named, or none.
    """
    from entro_cli.report.periods import PeriodKind

    kinds = {PeriodKind.DAY: daily, PeriodKind.WEEK: weekly, PeriodKind.MONTH: monthly}
    chosen = [kind for kind, wanted in kinds.items() if wanted]
    if len(chosen) > 1 or (not chosen and not ranged):
        raise typer.BadParameter(
            "choose one of --daily, --weekly and --monthly, or a range with --since", param_hint="period"
        )
    return chosen[0] if chosen else PeriodKind.RANGE


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
