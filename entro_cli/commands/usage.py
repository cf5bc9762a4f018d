"""Messages about wrong usage, in the style of all other errors of entro."""

from __future__ import annotations

import re

import typer

from entro_cli.core.console import printable

_NOUNS = {"int_parsing": "a whole number", "float_parsing": "a number"}
"""The valid values by the type of Pydantic's error, as a message names them."""


def usage_message(error: typer.TyperException) -> str:
    """Return what is wrong with the arguments and which help explains them; empty if that help was printed.

    Args:
        error: raised by Typer, or by a command.
    """
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
