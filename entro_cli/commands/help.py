"""The layout of the help: panels in one order, no types beside flags and arguments; and messages about wrong usage."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from entro_cli.commands.options import ADVANCED, PANELS

_NOUNS = {"int_parsing": "a whole number", "float_parsing": "a number"}
"""The valid values by the type of Pydantic's error, as a message names them."""


class CommandWithPanels(TyperCommand):
    """A command whose options are all in named panels."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        _import_help_renderer()
        super().format_help(ctx, formatter)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters in the order of the help."""
        if help_option := self.get_help_option(ctx):
            help_option.rich_help_panel = ADVANCED  # else --help would be alone in a panel, above all others
        return sorted(map(_adapted, super().get_params(ctx)), key=_panel)


class PlainGroup(TyperGroup):
    """A group of commands, or all of them."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        _import_help_renderer()
        super().format_help(ctx, formatter)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, as the help shows them."""
        return [*map(_adapted, super().get_params(ctx))]


def _import_help_renderer() -> None:
    """Import Typer's renderer of help without its parts for Markdown and tracebacks.

    Neither is ever shown here, and their imports take a quarter of the time of `entro --help`.
    """
    unused = [name for name in ("Markdown", "Traceback") if f"rich.{name.lower()}" not in sys.modules]
    for name in unused:
        sys.modules[f"rich.{name.lower()}"] = module = ModuleType(name)
        setattr(module, name, None)
    try:
        import typer.rich_utils  # noqa: F401
    finally:
        for name in unused:
            del sys.modules[f"rich.{name.lower()}"]


def _panel(param: Any) -> int:
    """Return the place of a parameter's panel. Arguments come first, in the panel that Typer gives them."""
    return PANELS.index(param.rich_help_panel) if param.rich_help_panel else -1


def _adapted(param: Any) -> Any:
    """Drop the type that the help would show, such as <bool> for a flag or <list[str]> for LOGS; see `_Unconverted`."""
    if isinstance(param, TyperArgument) or (isinstance(param, TyperOption) and param.is_flag):
        param.display_type_rich = lambda ctx: None  # type: ignore[method-assign]
    # A process may run many commands, whose parameters are looked at each time.
    if not isinstance(getattr(param.get_runtime_param, "__self__", None), _Unconverted):
        param.get_runtime_param = _Unconverted(param.get_runtime_param).get
    return param


class _Unconverted:
    """The values of a parameter that need no conversion but `int` or `Path`: words, numbers, defaults, and none.

    Typer converts even those with Pydantic, whose import takes a tenth of a short command.

    Args:
        converter: returns Typer's converter, for all other values.
    """

    def __init__(self, converter: Any) -> None:
        self._converter = converter

    def get(self) -> _Unconverted:
        """Return these values, which take the place of Typer's converter."""
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a value as its parameter has it."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        kind = param.type_descriptor.annotation
        if isinstance(value, tuple | list if kind == list[str] else kind if isinstance(kind, type) else ()):
            return value
        if kind is int and re.fullmatch("[1-9][0-9]{0,8}", value):  # any other may be below a least value
            return int(value)
        if kind is Path and not param.type_descriptor.parameter_info.exists and not _is_unreadable(value):
            return Path(value)
        return self._converter().coerce(value, param=param, ctx=ctx)


def _is_unreadable(path: str) -> bool:
    """Return whether there is such a file or folder, but it cannot be read, which Typer refuses."""
    return os.path.lexists(path) and not os.access(path, os.R_OK)


def usage_message(error: typer.TyperException) -> str:
    """Return what is wrong with the arguments and which help explains them; empty if that help was printed.

    Args:
        error: raised by Typer, or by a command.
    """
    from entro_cli.core.console import printable

    text = _parameter_message(error) if isinstance(error, typer.BadParameter) else error.format_message()
    if not text:  # Typer printed the help, because there were no arguments at all
        return ""
    for suggestions in (r"\. Did you mean (.*)\?$", r" \(Possible options: (.*)\)$"):
        text = re.sub(suggestions, lambda match: f" (did you mean {match[1].replace(chr(39), '')}?)", text)
    context = getattr(error, "ctx", None)
    hint = f"; see `{context.command_path} --help`" if context else ""
    if text[1:2].islower():  # a message of Typer's, not one that begins with LOGS
        text = f"{text[0].lower()}{text[1:]}"
    return printable(text.rstrip(".") + hint)


def _parameter_message(error: typer.BadParameter) -> str:
    """Return the message about the value of an option or an argument, the option first."""
    name = error.param_hint or (error.param.get_error_hint() if error.param else "")
    if not name or not error.message:  # a missing argument has no message
        return error.message or error.format_message()
    return f"{str(name).replace(chr(39), '')}: {_value_message(error)}"


def _value_message(error: typer.BadParameter) -> str:
    """Return the reason why a value is refused."""
    details = getattr(error.__cause__, "errors", None)
    if details is None:
        return error.message
    first = details()[0]  # of Pydantic, with which Typer converts values; its own message does not name the value
    if first["type"] == "greater_than_equal":
        return f"{first['input']} is less than {first['ctx']['ge']}"
    return f"{first['input']!r} is not {_NOUNS[first['type']]}" if first["type"] in _NOUNS else error.message
