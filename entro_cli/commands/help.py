"""The layout of the help: named panels in one order, whole paragraphs, and no types beside flags and arguments."""

from __future__ import annotations

from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from entro_cli.commands.options import ADVANCED, PANELS


class CommandWithPanels(TyperCommand):
    """A command whose options are all in named panels."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters in the order of the help."""
        if help_option := self.get_help_option(ctx):
            help_option.rich_help_panel = ADVANCED  # else --help would be alone in a panel, above all others
        return sorted(map(_without_type, super().get_params(ctx)), key=_panel)


class PlainGroup(TyperGroup):
    """A group of commands, or all of them."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, as the help shows them."""
        params = [_without_type(param) for param in super().get_params(ctx)]
        for param in params:
            if param.default is None:
                # Typer converts None for --install-completion with Pydantic, whose import takes longer than the help.
                param.default = False
        return params


def _panel(param: Any) -> int:
    """Return the place of a parameter's panel. Arguments come first, in the panel that Typer gives them."""
    return PANELS.index(param.rich_help_panel) if param.rich_help_panel else -1


def _without_type(param: Any) -> Any:
    """Drop the type that the help would show, such as <bool> for a flag or <list[str]> for LOGS."""
    if isinstance(param, TyperArgument) or (isinstance(param, TyperOption) and param.is_flag):
        param.display_type_rich = lambda ctx: None  # type: ignore[method-assign]
    return param
