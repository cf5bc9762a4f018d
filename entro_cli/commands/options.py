"""Options that several commands share, each with one wording, and how a command takes them in blocks.

A block is a frozen dataclass. Each of its fields is one option, annotated as Typer wants it. A field that overrides a
key of entro.toml has the name of the key.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from entro_cli.commands import completion
from entro_cli.readers.formats import FORMATS

if TYPE_CHECKING:
    from entro_cli.core.console import Terminal
    from entro_cli.core.parallel import Executor
    from entro_cli.report.periods import PeriodKind

INPUT, PERIOD, OUTPUT, PARALLELISM, ADVANCED = PANELS = ("Input", "Period", "Output", "Parallelism", "Advanced")
"""Panels of the help, in this order."""


def expand_options(function: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter of a command that is a block of options by the options of the block.

    Args:
        function: the command. Its parameters are options, arguments and blocks.

    Returns:
        A function with the signature that Typer reads, which builds the blocks and calls the command. Code may call it
        with any of the options by name.
    """
    hints = get_type_hints(function, include_extras=True)
    blocks: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for name, parameter in inspect.signature(function).parameters.items():
        if name in blocks:
            parameters += _parameters_of(blocks[name])
        else:
            parameters.append(parameter.replace(annotation=hints[name]))

    def command(context: typer.Context | None = None, **values: Any) -> None:
        built = {
            name: block(**{field.name: values.pop(field.name, field.default) for field in fields(block)})
            for name, block in blocks.items()
        }
        try:
            with _progress_of(function.__name__, built.get("common")):
                function(**values, **built)
        except typer.BadParameter as error:
            error.ctx = error.ctx or context  # the message then names the command whose help explains the option
            raise
        except KeyboardInterrupt as interrupt:
            from entro_cli.core.console import Interrupted

            raise Interrupted(interrupt) from interrupt

    command.__doc__ = function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _progress_of(name: str, common: CommonOptions | None) -> AbstractContextManager[None]:
    """Show the progress of a command, if somebody looks at a terminal and wants to see it."""
    if common is None or common.quiet or sys.stderr is None or not sys.stderr.isatty():
        return nullcontext()
    from entro_cli.core.console import progress

    return progress(name)


def alternatives(names: Sequence[str]) -> str:
    """Return the values of an option as its help lists them: html, terminal or json."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


@cache  # commands share most blocks
def _parameters_of(block: Any) -> tuple[inspect.Parameter, ...]:
    hints = get_type_hints(block, include_extras=True)
    return tuple(
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(block)
    )


def keys_set_by(*blocks: Any) -> dict[str, Any]:
    """Return the values that some blocks of options give to keys of entro.toml."""
    from entro_cli.config.keys import KEYS_BY_NAME

    return {name: value for block in blocks for name, value in vars(block).items() if name in KEYS_BY_NAME}


def options_without_key(*blocks: Any) -> list[tuple[str, Any]]:
    """Return the options of some blocks that override no key of entro.toml, each with its value."""
    from entro_cli.config.keys import KEYS_BY_NAME

    # Typer keeps the name of an annotated option in `default`, until it finds the default of the parameter.
    return [
        (get_args(hint)[1].default, getattr(block, name))
        for block in blocks
        for name, hint in get_type_hints(block.__class__, include_extras=True).items()
        if name not in KEYS_BY_NAME
    ]


def chosen_format(name: str | None, as_json: bool, known: Sequence[str]) -> str:
    """Return the output format that --format or --json names; empty without either.

    Raises:
        typer.BadParameter: when the command does not have the format.
    """
    chosen = "json" if as_json else name
    if chosen is not None and chosen not in known:
        raise typer.BadParameter(f"{chosen!r} is not one of {', '.join(known)}", param_hint="--format")
    return chosen or ""


def print_failed(gates: Sequence[object], terminal: Terminal) -> None:
    """Print the gates that failed, one per line."""
    for gate in gates:
        terminal.error(f"gate failed: {gate}")


def exit_if_failed(gates: Sequence[object], terminal: Terminal) -> None:
    """Print the gates that failed, and end with status 3 if there are any."""
    print_failed(gates, terminal)
    if gates:
        raise typer.Exit(3)


Logs = Annotated[
    list[str], typer.Argument(metavar="LOGS", help="Files, folders, patterns, URLs, or - for standard input.")
]
LogsOrNone = Annotated[
    list[str] | None, typer.Argument(metavar="LOGS", help="Files, folders, patterns, URLs, or - for standard input.")
]
PipelineName = Annotated[
    str,
    typer.Option(
        "--pipeline",
        metavar="NAME",
        help="Name of the pipeline.",
        autocompletion=completion.pipelines,
        rich_help_panel=INPUT,
    ),
]
TimeZone = Annotated[
    str | None,
    typer.Option(
        "--tz",
        metavar="ZONE",
        help="Time zone of the output, and of timestamps that name none.",
        show_default="the machine's",
        autocompletion=completion.time_zones,
        rich_help_panel=INPUT,
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file.",
        show_default="ENTRO_CONFIG, else entro.toml in this folder or above",
        rich_help_panel=ADVANCED,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="WINDOW",
        help="Leave out maintenance: 'Sun 02:00-04:00', daily 03:00-03:30, 2026-04-06T02:00/2h. Repeatable.",
        show_default="`exclude` in entro.toml",
        rich_help_panel=ADVANCED,
    ),
]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-on",
        metavar="GATE",
        help="Exit with status 3 if this is true: 'violations>10', 'critical>5%'. Repeatable.",
        rich_help_panel=OUTPUT,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change, and change nothing.", rich_help_panel=OUTPUT)
]
Budget = Annotated[
    float | None,
    typer.Option(
        "--budget",
        metavar="NATS",
        help="Entropy budget.",
        show_default="2 x gamma x 2.0",
        rich_help_panel=ADVANCED,
    ),
]
FullLoadsFrom = Annotated[
    str | None,
    typer.Option(
        "--full-loads",
        metavar="FROM",
        help="Full loads of stages without one: `learned` from the log, or `published`.",
        show_default="learned",
        rich_help_panel=ADVANCED,
    ),
]
SelfContained = Annotated[
    bool,
    typer.Option(
        "--self-contained", help="Put plotly.js into the page, so that it can be mailed.", rich_help_panel=OUTPUT
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.", rich_help_panel=OUTPUT)]


@dataclass(frozen=True)
class CommonOptions:
    """Options of every command."""

    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only results and errors.", rich_help_panel=OUTPUT)
    ] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print details of the work.", rich_help_panel=OUTPUT)
    ] = False
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.", rich_help_panel=ADVANCED)
    ] = False

    def terminal(self) -> Terminal:
        """Return the terminal that prints as the options say."""
        from entro_cli.core.console import Terminal

        return Terminal(self.quiet, self.verbose)


@dataclass(frozen=True)
class HistoryOptions:
    """The history that a command works on, and its configuration."""

    history: Annotated[
        str | None,
        typer.Option(
            "--history",
            metavar="DIR",
            help="Folder or URL of the history.",
            show_default="ENTRO_HISTORY, else the user's data folder",
            rich_help_panel=INPUT,
        ),
    ] = None
    config_file: ConfigFile = None


@dataclass(frozen=True)
class ReadingOptions:
    """Options for reading logs."""

    input_format: Annotated[
        str | None,
        typer.Option(
            "--input-format",
            metavar="NAME",
            help=f"Format of the logs: {alternatives(FORMATS)}.",
            show_default="detected from the content",
            autocompletion=completion.input_formats,
            rich_help_panel=INPUT,
        ),
    ] = None
    stage: Annotated[
        list[str] | None,
        typer.Option(
            "--stage",
            metavar="STAGE",
            help="A stage as NAME=COLUMN[:KIND[:FULL]]; the kind is rate, queue or generic. Repeatable.",
            rich_help_panel=INPUT,
        ),
    ] = None
    time: Annotated[
        str | None,
        typer.Option(
            "--time",
            metavar="COLUMN[:UNIT]",
            help="Column that holds the time; its unit (s, ms, us, ns), order (dmy, mdy, ymd) or days.",
            rich_help_panel=INPUT,
        ),
    ] = None
    zone: TimeZone = None
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="TIME", help="Time that offsets in a log count from.", rich_help_panel=INPUT),
    ] = None
    step: Annotated[
        str | None,
        typer.Option(
            "--step",
            metavar="DURATION",
            help="Length of a step, such as 10s.",
            show_default="the slowest source's interval",
            rich_help_panel=INPUT,
        ),
    ] = None
    year: Annotated[
        int | None,
        typer.Option("--year", metavar="YYYY", help="Year of timestamps that name none.", rich_help_panel=ADVANCED),
    ] = None
    offset: Annotated[
        list[str] | None,
        typer.Option(
            "--offset", metavar="FILE=+3s", help="Shift the clock of a log. Repeatable.", rich_help_panel=ADVANCED
        ),
    ] = None
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="COLUMN",
            help="Column of a table that names the source of a row. Repeatable.",
            show_default="instance, pod, host, engine, model, ...",
            rich_help_panel=ADVANCED,
        ),
    ] = None
    aggregate: Annotated[
        str | None,
        typer.Option(
            "--aggregate",
            metavar="HOW",
            help="Combine the sources in a table: sum, mean or max.",
            show_default="sum; mean of generic loads",
            autocompletion=completion.aggregates,
            rich_help_panel=ADVANCED,
        ),
    ] = None
    decimal: Annotated[
        str | None,
        typer.Option(
            "--decimal",
            metavar="MARK",
            help="Decimal mark of tables: point or comma.",
            autocompletion=completion.decimal_marks,
            rich_help_panel=ADVANCED,
        ),
    ] = None
    strict: Annotated[bool, typer.Option("--strict", help="Fail on the first bad row.", rich_help_panel=ADVANCED)] = (
        False
    )
    redact: Annotated[
        bool, typer.Option("--redact", help="Mask the text of bad rows in messages.", rich_help_panel=ADVANCED)
    ] = False


@dataclass(frozen=True)
class PrometheusOptions:
    """A Prometheus server with the queries it is sent, and a page of metrics."""

    url: Annotated[
        str | None,
        typer.Option(
            "--prometheus",
            metavar="URL",
            help="Query this server too, from --since (1h) to --until (now), every --step (15s).",
            rich_help_panel=INPUT,
        ),
    ] = None
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="Use the queries for this LLM server: vllm, sglang or tgi.",
            autocompletion=completion.presets,
            rich_help_panel=INPUT,
        ),
    ] = None
    rate: Annotated[
        str | None,
        typer.Option(
            "--rate", metavar="QUERY", help="Query for the rate, in requests per second.", rich_help_panel=INPUT
        ),
    ] = None
    queue: Annotated[
        str | None,
        typer.Option("--queue", metavar="QUERY", help="Query for the length of the queue.", rich_help_panel=INPUT),
    ] = None
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="URL",
            help="Read this /metrics page once: the queue as it is now; a rate needs a second reading.",
            rich_help_panel=INPUT,
        ),
    ] = None


@dataclass(frozen=True)
class RangeOptions:
    """A stretch of time."""

    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Start of the range: an ISO date or time, or 7d or 24h ago.",
            rich_help_panel=PERIOD,
        ),
    ] = None
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="End of the range.", rich_help_panel=PERIOD)
    ] = None


@dataclass(frozen=True)
class PeriodOptions:
    """The period of a report."""

    daily: Annotated[bool, typer.Option("--daily", help="Report on a day.", rich_help_panel=PERIOD)] = False
    weekly: Annotated[bool, typer.Option("--weekly", help="Report on an ISO week.", rich_help_panel=PERIOD)] = False
    monthly: Annotated[bool, typer.Option("--monthly", help="Report on a calendar month.", rich_help_panel=PERIOD)] = (
        False
    )
    date: Annotated[
        str | None,
        typer.Option(
            "--date",
            metavar="DATE",
            help="A date in the period, or the period itself: 2026-W15, 2026-04.",
            show_default="the latest with data",
            rich_help_panel=PERIOD,
        ),
    ] = None
    last: Annotated[
        bool,
        typer.Option("--last", help="Report on the last complete period, as a cron job does.", rich_help_panel=PERIOD),
    ] = False

    def kind(self, has_range: bool = False) -> PeriodKind:
        """Return the kind of the period.

        Args:
            has_range: whether logs or other options give a range, which is the period if no kind is chosen.

        Raises:
            typer.BadParameter: when several kinds are chosen, or there is neither a kind nor a range, or a date
                without a kind.
        """
        from entro_cli.report.periods import PeriodKind

        flags = {PeriodKind.DAY: self.daily, PeriodKind.WEEK: self.weekly, PeriodKind.MONTH: self.monthly}
        chosen = [kind for kind, is_set in flags.items() if is_set]
        if len(chosen) > 1 or (not chosen and not has_range):
            raise typer.BadParameter("choose one of --daily, --weekly and --monthly, or a range with --since, or LOGS")
        if not chosen and (self.date is not None or self.last):
            raise typer.BadParameter("--date and --last need one of --daily, --weekly and --monthly")
        return chosen[0] if chosen else PeriodKind.RANGE


@dataclass(frozen=True)
class BudgetOptions:
    """The entropy budget, how often it may be exceeded, and the loads at which stages are full."""

    budget: Budget = None
    full_loads: FullLoadsFrom = None
    objective: Annotated[
        str | None,
        typer.Option(
            "--objective",
            metavar="SHARE",
            help="Share of steps that should be within the budget.",
            show_default="99%",
            rich_help_panel=ADVANCED,
        ),
    ] = None


@dataclass(frozen=True)
class ReportFileOptions:
    """The file of a report, and its templates."""

    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PATH",
            help="Folder or file to write to; - for standard output.",
            show_default="`reports` in entro.toml, else this folder",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    template_dir: Annotated[
        Path | None,
        typer.Option(
            "--template-dir",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Folder of templates that replace those of entro: report.html, report.txt, report.md, style.css.",
            rich_help_panel=OUTPUT,
        ),
    ] = None


@dataclass(frozen=True)
class ParallelOptions:
    """The processes that do the work."""

    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            metavar="N",
            min=1,
            help="Number of processes that share the pipelines, or the logs of one.",
            show_default="one per core, if it pays",
            rich_help_panel=PARALLELISM,
        ),
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Use the workers of this Dask scheduler, such as tcp://host:8786.",
            rich_help_panel=PARALLELISM,
        ),
    ] = None

    def executor(self, shared: tuple[Path, ...] = ()) -> Executor:
        """Return the executor that runs tasks as the options say.

        Args:
            shared: folders that the workers of a cluster must see as this process does.
        """
        from entro_cli.core.parallel import Executor

        return Executor(self.jobs, self.cluster, shared)
