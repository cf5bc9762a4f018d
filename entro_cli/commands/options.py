"""Options that several commands share, each with one wording, and how a command takes them in blocks.

A block is an `OptionBlock`. Each of its attributes is one option, annotated with `option`. One that overrides a key of
entro.toml has the name of the key.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
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
    from entro_cli.workflows.query_prometheus import PrometheusQuery

INPUT, PERIOD, OUTPUT, PARALLELISM, ADVANCED = PANELS = ("Input", "Period", "Output", "Parallelism", "Advanced")
"""Panels of the help, in this order."""


def option(panel: str, names: str, text: str, default: str | bool = True, **more: Any) -> Any:
    """Return an option, for an annotation.

    Args:
        panel: the panel of the help that shows it.
        names: its names and, unless it is a flag, the word for its value: `--quiet -q`, `--jobs N`.
        text: its help.
        default: its default as the help shows it; True for the value itself, False for none.
        more: other arguments of `typer.Option`.
    """
    words = names.split()
    metavar = None if words[-1].startswith("-") else words.pop()
    return typer.Option(*words, metavar=metavar, help=text, show_default=default, rich_help_panel=panel, **more)


def format_option(names: Sequence[str], default: str) -> Any:
    """Return the option --format of a command that prints in several formats, for an annotation."""
    text = f"Output format: {', '.join(names[:-1])} or {names[-1]}."
    return option(OUTPUT, "--format NAME", text, default, autocompletion=lambda: list(names))


class Interrupted(BaseException):
    """Ctrl-C on its way through Typer, which makes a mere exit status of a KeyboardInterrupt.

    Args:
        interrupt: the KeyboardInterrupt, with notes on how far the work got.
    """

    def __init__(self, interrupt: KeyboardInterrupt) -> None:
        super().__init__()
        self.notes: list[str] = getattr(interrupt, "__notes__", [])


class OptionBlock:
    """A block of options, with the values of a call. Commands load this module, but not msgspec."""

    def __init__(self, values: dict[str, Any]) -> None:
        vars(self).update(values)


def expand_options(function: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter of a command that is a block of options by the options of the block.

    Args:
        function: the command. Its parameters are options, arguments and blocks.

    Returns:
        A function with the signature that Typer reads, which builds the blocks and calls the command. Code may call it
        with any of the options by name.
    """
    hints = get_type_hints(function, include_extras=True)
    blocks: dict[str, Any] = {
        name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, OptionBlock)
    }
    parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for name, parameter in inspect.signature(function).parameters.items():
        if name in blocks:
            parameters += _parameters_of(blocks[name])
        else:
            parameters.append(parameter.replace(annotation=hints[name]))

    def command(context: typer.Context | None = None, **values: Any) -> None:
        built = {
            name: block({one.name: values.pop(one.name, one.default) for one in _parameters_of(block)})
            for name, block in blocks.items()
        }
        try:
            with _progress_of(function.__name__, built.get("common")):
                function(**values, **built)
        except typer.BadParameter as error:
            error.ctx = error.ctx or context  # the message then names the command whose help explains the option
            raise
        except KeyboardInterrupt as interrupt:
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


@cache  # commands share most blocks
def _parameters_of(block: Any) -> tuple[inspect.Parameter, ...]:
    return tuple(
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(block, name), annotation=hint)
        for name, hint in get_type_hints(block, include_extras=True).items()
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
    str, option(INPUT, "--pipeline NAME", "Name of the pipeline.", autocompletion=completion.pipelines)
]
TimeZone = Annotated[
    str | None,
    option(
        INPUT,
        "--tz ZONE",
        "Time zone of the output, and of timestamps that name none.",
        "the machine's",
        autocompletion=completion.time_zones,
    ),
]
ConfigFile = Annotated[
    Path | None,
    option(ADVANCED, "--config FILE", "Configuration file.", "ENTRO_CONFIG, else entro.toml in this folder or above"),
]
Exclude = Annotated[
    list[str] | None,
    option(
        ADVANCED,
        "--exclude WINDOW",
        "Leave out maintenance: 'Sun 02:00-04:00', daily 03:00-03:30, 2026-04-06T02:00/2h. Repeatable.",
        "`exclude` in entro.toml",
    ),
]
FailOn = Annotated[
    list[str] | None,
    option(OUTPUT, "--fail-on GATE", "Exit with status 3 if this is true: 'violations>10', 'critical>5%'. Repeatable."),
]
FiguresFile = Annotated[
    Path | None,
    option(OUTPUT, "--metrics-file FILE", "Also write the figures for the textfile collector of a node exporter."),
]
CountersFile = Annotated[
    Path | None,
    option(
        OUTPUT, "--metrics-file FILE", "Also write counters of steps for the textfile collector of a node exporter."
    ),
]
DryRun = Annotated[bool, option(OUTPUT, "--dry-run", "Show what would change, and change nothing.")]
Budget = Annotated[float | None, option(ADVANCED, "--budget NATS", "Entropy budget.", "2 x gamma x 2.0")]
FullLoadsFrom = Annotated[
    str | None,
    option(
        ADVANCED,
        "--full-loads FROM",
        "Full loads of stages without one: `learned` from the log, or `published`.",
        "learned",
    ),
]
SelfContained = Annotated[
    bool, option(OUTPUT, "--self-contained", "Put plotly.js into the page, so that it can be mailed.")
]
TargetWait = Annotated[
    str | None,
    option(
        INPUT, "--target-wait DURATION", "Longest wait you accept, such as 8s.", "`wait` in entro.toml, else 8.33 s"
    ),
]
Json = Annotated[bool, option(OUTPUT, "--json", "Print one JSON document and nothing else.")]


class CommonOptions(OptionBlock):
    """Options of every command."""

    quiet: Annotated[bool, option(OUTPUT, "--quiet -q", "Print only results and errors.")] = False
    verbose: Annotated[bool, option(OUTPUT, "--verbose -v", "Print details of the work.")] = False
    debug: Annotated[bool, option(ADVANCED, "--debug", "Show the traceback of an unexpected error.")] = False

    def terminal(self) -> Terminal:
        """Return the terminal that prints as the options say."""
        from entro_cli.core.console import Terminal

        return Terminal(self.quiet, self.verbose)


class HistoryOptions(OptionBlock):
    """The history that a command works on, and its configuration."""

    history: Annotated[
        str | None,
        option(INPUT, "--history DIR", "Folder or URL of the history.", "ENTRO_HISTORY, else the user's data folder"),
    ] = None
    config_file: ConfigFile = None


class ReadingOptions(OptionBlock):
    """Options for reading logs."""

    input_format: Annotated[
        str | None,
        option(
            INPUT,
            "--input-format NAME",
            f"Format of the logs: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.",
            "detected from the content",
            autocompletion=completion.input_formats,
        ),
    ] = None
    stage: Annotated[
        list[str] | None,
        option(
            INPUT,
            "--stage STAGE",
            "A stage as NAME=COLUMN[:KIND[:FULL]]; the kind is rate, queue or generic. Repeatable.",
        ),
    ] = None
    time: Annotated[
        str | None,
        option(
            INPUT,
            "--time COLUMN[:UNIT]",
            "Column that holds the time; its unit (s, ms, us, ns), order (dmy, mdy, ymd) or days.",
        ),
    ] = None
    zone: TimeZone = None
    start: Annotated[str | None, option(INPUT, "--start TIME", "Time that offsets in a log count from.")] = None
    step: Annotated[
        str | None, option(INPUT, "--step DURATION", "Length of a step, such as 10s.", "the slowest source's interval")
    ] = None
    year: Annotated[int | None, option(ADVANCED, "--year YYYY", "Year of timestamps that name none.")] = None
    offset: Annotated[
        list[str] | None, option(ADVANCED, "--offset FILE=+3s", "Shift the clock of a log. Repeatable.")
    ] = None
    by: Annotated[
        list[str] | None,
        option(
            ADVANCED,
            "--by COLUMN",
            "Column of a table that names the source of a row. Repeatable.",
            "instance, pod, host, engine, model, ...",
        ),
    ] = None
    aggregate: Annotated[
        str | None,
        option(
            ADVANCED,
            "--aggregate HOW",
            "Combine the sources in a table: sum, mean or max.",
            "sum; mean of generic loads",
            autocompletion=lambda: ["sum", "mean", "max"],
        ),
    ] = None
    decimal: Annotated[
        str | None,
        option(
            ADVANCED,
            "--decimal MARK",
            "Decimal mark of tables: point or comma.",
            autocompletion=lambda: ["point", "comma"],
        ),
    ] = None
    strict: Annotated[bool, option(ADVANCED, "--strict", "Fail on the first bad row.")] = False
    redact: Annotated[bool, option(ADVANCED, "--redact", "Mask the text of bad rows in messages.")] = False


class PrometheusOptions(OptionBlock):
    """A Prometheus server with the queries it is sent, and a page of metrics."""

    url: Annotated[
        str | None,
        option(
            INPUT, "--prometheus URL", "Query this server too, from --since (1h) to --until (now), every --step (15s)."
        ),
    ] = None
    preset: Annotated[
        str | None,
        option(
            INPUT,
            "--preset NAME",
            "Use the queries for this LLM server: vllm, sglang or tgi.",
            autocompletion=completion.presets,
        ),
    ] = None
    rate: Annotated[str | None, option(INPUT, "--rate QUERY", "Query for the rate, in requests per second.")] = None
    queue: Annotated[str | None, option(INPUT, "--queue QUERY", "Query for the length of the queue.")] = None
    metrics: Annotated[
        str | None,
        option(
            INPUT,
            "--metrics URL",
            "Read this /metrics page once: the queue as it is now; a rate needs a second reading.",
        ),
    ] = None

    def query(self, logs: Sequence[str] | None) -> PrometheusQuery | None:
        """Return the queries of the server, if there is one.

        Raises:
            typer.BadParameter: if there is nothing to read at all.
        """
        from entro_cli.workflows.query_prometheus import prometheus_query

        query = prometheus_query(self.url, self.rate, self.queue, self.preset)
        if not logs and query is None and self.metrics is None:
            raise typer.BadParameter("name logs, or a server with --prometheus or --metrics", param_hint="LOGS")
        return query


class LiveSourceOptions(PrometheusOptions):
    """The same for a pipeline that runs: both are read again and again."""

    url: Annotated[
        str | None,
        option(INPUT, "--prometheus URL", "Query this server too, again and again."),
    ] = None
    metrics: Annotated[str | None, option(INPUT, "--metrics URL", "Read this /metrics page too, once a second.")] = None


class RangeOptions(OptionBlock):
    """A stretch of time."""

    since: Annotated[
        str | None, option(PERIOD, "--since TIME", "Start of the range: an ISO date or time, or 7d or 24h ago.")
    ] = None
    until: Annotated[str | None, option(PERIOD, "--until TIME", "End of the range.")] = None


class PeriodOptions(OptionBlock):
    """The period of a report."""

    daily: Annotated[bool, option(PERIOD, "--daily", "Report on a day.")] = False
    weekly: Annotated[bool, option(PERIOD, "--weekly", "Report on an ISO week.")] = False
    monthly: Annotated[bool, option(PERIOD, "--monthly", "Report on a calendar month.")] = False
    date: Annotated[
        str | None,
        option(
            PERIOD,
            "--date DATE",
            "A date in the period, or the period itself: 2026-W15, 2026-04.",
            "the latest with data",
        ),
    ] = None
    last: Annotated[bool, option(PERIOD, "--last", "Report on the last complete period, as a cron job does.")] = False

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


class BudgetOptions(OptionBlock):
    """The entropy budget, how often it may be exceeded, and the loads at which stages are full."""

    budget: Budget = None
    full_loads: FullLoadsFrom = None
    objective: Annotated[
        str | None, option(ADVANCED, "--objective SHARE", "Share of steps that should be within the budget.", "99%")
    ] = None


class ReportFileOptions(OptionBlock):
    """The file of a report, and its templates."""

    out: Annotated[
        Path | None,
        option(
            OUTPUT,
            "--out PATH",
            "Folder or file to write to; - for standard output.",
            "`reports` in entro.toml, else this folder",
        ),
    ] = None
    template_dir: Annotated[
        Path | None,
        option(
            OUTPUT,
            "--template-dir DIR",
            "Folder of templates that replace those of entro: report.html, report.txt, report.md, style.css.",
            exists=True,
            file_okay=False,
        ),
    ] = None


class ParallelOptions(OptionBlock):
    """The processes that do the work."""

    jobs: Annotated[
        int | None,
        option(
            PARALLELISM,
            "--jobs N",
            "Number of processes that share the pipelines, or the logs of one.",
            "one per core, if it pays",
            min=1,
        ),
    ] = None
    cluster: Annotated[
        str | None,
        option(PARALLELISM, "--cluster ADDRESS", "Use the workers of this Dask scheduler, such as tcp://host:8786."),
    ] = None

    def executor(self, shared: tuple[Path, ...] = ()) -> Executor:
        """Return the executor that runs tasks as the options say.

        Args:
            shared: folders that the workers of a cluster must see as this process does.
        """
        from entro_cli.core.parallel import Executor

        return Executor(self.jobs, self.cluster, shared)
