"""The environment: the ENTRO_* variables, one for each key that is a single value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from entro_cli.config.keys import SINGLE
from entro_cli.config.layers import Given, Layer
from entro_cli.config.validators import At
from entro_cli.core.console import visible
from entro_cli.core.suggestions import nearest_name

FILE_VARIABLE = "ENTRO_CONFIG"
"""Names the file."""

_PREFIX = "ENTRO_"
_MISTYPED = 0.75


def variables_layer(environ: Mapping[str, str], folder: Path) -> Layer:
    """What the environment sets; a variable that is empty sets nothing.

    Raises:
        EntroError: when a value cannot be.
    """
    layer: Layer = {}
    for key in SINGLE:
        text = environ.get(key.variable, "") if key.variable else ""
        if key.variable and text:
            at = At(key.variable, folder, is_text=True)
            layer[key.path] = Given(key.rule.apply(text, at, key.secret), key.variable)
    return layer


def mistyped(environ: Mapping[str, str], used: Iterable[str]) -> Iterator[str]:
    """A sentence on every variable that is nearly called like one that is known; any other is someone else's.

    Args:
        environ: the environment.
        used: variables that the file names for something of their own.
    """
    known = {key.variable.removeprefix(_PREFIX).lower() for key in SINGLE if key.variable} | {"config"}
    others = set(used)
    for variable in sorted(environ):
        name = variable.removeprefix(_PREFIX).lower()
        if variable.startswith(_PREFIX) and name not in known and variable not in others:
            meant = nearest_name(name, known, _MISTYPED)
            if meant:
                yield f"{visible(variable)} sets nothing: did you mean {_PREFIX}{meant.upper()}?"
