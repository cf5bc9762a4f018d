"""The Typer app with every command.

Every call of `entro` loads the modules of all commands, even for the help of one. Therefore they import NumPy, DuckDB
and the like only inside functions.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Annotated

import typer

from entro_cli.commands import (
    analyze,
    calibrate,
    compare,
    config,
    coordinate,
    demo,
    fleet,
    formats,
    history,
    ingest,
    report,
    schedule,
    schema,
    simulate,
    tune,
    watch,
)
from entro_cli.commands.help import CommandWithPanels, PlainGroup

app = typer.Typer(
    name="entro",
    cls=PlainGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # entro_cli.app explains every exception
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=(
        "[bold]To begin[/bold]: [cyan]entro demo[/cyan] takes the tour; "
        "[cyan]entro analyze LOG[/cyan] reads your own log; every command has [cyan]--help[/cyan] with examples."
    ),
)


@app.callback()
def entro(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Report when a pipeline was Stable, in Stress or Critical, and which stage drove it there."""


def _unwrapped(text: str | None) -> str:
    """Return help with one line per paragraph: Typer keeps single line breaks, whatever the width of the terminal."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(text or ""))


def _add(group: typer.Typer, name: str, function: Callable[..., None], epilog: str) -> None:
    group.command(name, cls=CommandWithPanels, help=_unwrapped(function.__doc__), epilog=_unwrapped(epilog))(function)


def _add_group(name: str, text: str, epilog: str) -> typer.Typer:
    group = typer.Typer(cls=PlainGroup, no_args_is_help=True, rich_markup_mode="rich", help=text)
    app.add_typer(group, name=name, epilog=_unwrapped(epilog))
    return group


_add(app, "simulate", simulate.simulate, simulate.EPILOG)
_add(app, "analyze", analyze.analyze, analyze.EPILOG)
_add(app, "watch", watch.watch, watch.EPILOG)
_add(app, "report", report.report, report.EPILOG)
_add(app, "fleet", fleet.fleet, fleet.EPILOG)
_add(app, "compare", compare.compare, compare.EPILOG)
_add(app, "calibrate", calibrate.calibrate, calibrate.EPILOG)
_add(app, "tune", tune.tune, tune.EPILOG)
_add(app, "ingest", ingest.ingest, ingest.EPILOG)
_add(app, "coordinate", coordinate.coordinate, coordinate.EPILOG)
_add(app, "formats", formats.formats, formats.EPILOG)
_add(app, "config", config.config, config.EPILOG)
_add(app, "schema", schema.schema, schema.EPILOG)
_add(app, "demo", demo.demo, demo.EPILOG)
_stored = _add_group("history", "Inspect and maintain the history.", history.EPILOG)
_add(_stored, "list", history.list_pipelines, history.LIST_EPILOG)
_add(_stored, "show", history.show, history.SHOW_EPILOG)
_add(_stored, "export", history.export, history.EXPORT_EPILOG)
_add(_stored, "check", history.check, history.CHECK_EPILOG)
_add(_stored, "repair", history.repair, history.REPAIR_EPILOG)
_add(_stored, "prune", history.prune, history.PRUNE_EPILOG)
_jobs = _add_group("schedule", "Let cron or systemd write the reports.", schedule.EPILOG)
_add(_jobs, "add", schedule.add, schedule.ADD_EPILOG)
_add(_jobs, "run", schedule.run, schedule.RUN_EPILOG)
_add(_jobs, "list", schedule.list_jobs, schedule.LIST_EPILOG)
_add(_jobs, "remove", schedule.remove, schedule.REMOVE_EPILOG)
