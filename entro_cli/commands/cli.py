"""The Typer app, with every command or the one that is called.

The help of `entro` loads the modules of all commands. Therefore they import NumPy, DuckDB and the like only inside
functions.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated

import typer

from entro_cli.commands.help import CommandWithPanels, PlainGroup
from entro_cli.commands.options import expand_options

COMMANDS = (
    *("simulate", "analyze", "watch", "report", "fleet", "compare", "calibrate", "tune", "ingest", "coordinate"),
    *("formats", "config", "schema", "demo", "history", "schedule"),
)
"""The commands in the order of the help, and their modules."""

PARTS = {
    "history": {"list": "list_pipelines", **{name: name for name in ("show", "export", "check", "repair", "prune")}},
    "schedule": {"add": "add", "run": "run", "list": "list_jobs", "remove": "remove"},
}
"""The commands that are groups, and the functions of their parts."""


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """Return the app for some arguments: with the one command that they begin with, or else with every command.

    Loading every command takes a tenth of a short one. In the list of all, options are not shown, and so not built.
    """
    is_list = arguments[:1] in (["--help"], ["-h"])
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
    app.callback()(_entro)
    for name in [name for name in COMMANDS if name in arguments[:1]] or COMMANDS:
        module = import_module(f"entro_cli.commands.{name}")
        if name not in PARTS:
            _add(app, name, getattr(module, name), module.EPILOG, is_list)
            continue
        group = typer.Typer(cls=PlainGroup, no_args_is_help=True, rich_markup_mode="rich", help=module.HELP)
        app.add_typer(group, name=name, epilog=_unwrapped(module.EPILOG))
        for part, function in PARTS[name].items():
            _add(group, part, getattr(module, function), getattr(module, f"{part.upper()}_EPILOG"), is_list)
    return app


def _entro(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Report when a pipeline was Stable, in Stress or Critical, and which stage drove it there."""


def _unwrapped(text: str | None) -> str:
    """Return help with one line per paragraph: Typer keeps single line breaks, whatever the width of the terminal."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(text or ""))


def _add(group: typer.Typer, name: str, function: Callable[..., None], epilog: str, is_list: bool) -> None:
    add = group.command(name, cls=CommandWithPanels, help=_unwrapped(function.__doc__), epilog=_unwrapped(epilog))
    add((lambda: None) if is_list else expand_options(function))
