"""Layers: what each place sets, and how a later one is put over those before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from entro_cli.config.keys import KEYS_BY_NAME, SINGLE_KEYS, KeyPath
from entro_cli.config.validators import KeyPosition
from entro_cli.core.console import printable
from entro_cli.core.suggestions import closest_name
from entro_cli.timeseries.observations import StageSpec
from entro_engine import EntroError

DEFAULT = "default"
"""What a value is from that nobody set."""

_ALTERNATIVES = (
    ("alerts.email.password_env", "alerts.email.password_file"),
    ("alerts.webhook.url", "alerts.webhook.url_env", "alerts.webhook.url_file"),
)


class OptionValue(NamedTuple):
    """A value and where it is from: an option, a variable, a file."""

    value: Any
    origin: str


Layer = dict[KeyPath, OptionValue]
"""What one place sets, by key."""


def merge_layer(resolved: Layer, layer: Layer) -> None:
    """Put a layer over what is in force; where one of several ways is taken, the others no longer count.

    Raises:
        EntroError: when the layer takes several ways at once.
    """
    for group in _ALTERNATIVES:
        taken = [name for name in group if tuple(name.split(".")) in layer]
        if len(taken) > 1:
            origin = layer[tuple(taken[1].split("."))].origin
            raise EntroError(f"both {' and '.join(taken[:2])} are there", where=origin, expected="one of them")
        if taken:
            resolved.update({KEYS_BY_NAME[name].path: OptionValue(None, DEFAULT) for name in group})
    resolved.update(layer)


def stages_layer(stages: tuple[StageSpec, ...], origin: str) -> Layer:
    """Stages as a layer: what a stage leaves open is not set."""
    layer: Layer = {}
    for spec in stages:
        said = {"column": spec.column or None, "kind": spec.kind, "full": spec.full}
        layer |= {
            ("stages", spec.name, name): OptionValue(part, origin) for name, part in said.items() if part is not None
        }
    return layer


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
    for key in SINGLE_KEYS:
        text = environ.get(key.variable, "") if key.variable else ""
        if key.variable and text:
            at = KeyPosition(key.variable, folder, is_text=True)
            layer[key.path] = OptionValue(key.rule.apply(text, at, key.secret), key.variable)
    return layer


def mistyped_variables(environ: Mapping[str, str], used: Iterable[str]) -> Iterator[str]:
    """A sentence on every variable that is nearly called like one that is known; any other is someone else's.

    Args:
        environ: the environment.
        used: variables that the file names for something of their own.
    """
    known = {key.variable.removeprefix(_PREFIX).lower() for key in SINGLE_KEYS if key.variable} | {"config"}
    others = set(used)
    for variable in sorted(environ):
        name = variable.removeprefix(_PREFIX).lower()
        if variable.startswith(_PREFIX) and name not in known and variable not in others:
            meant = closest_name(name, known, _MISTYPED)
            if meant:
                yield f"{printable(variable)} sets nothing: did you mean {_PREFIX}{meant.upper()}?"
