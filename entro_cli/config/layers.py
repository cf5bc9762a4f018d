"""Configuration layers: the values that each place sets, and the rules for merging them."""

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
"""The origin of a value that nothing sets."""

_PREFIX = "ENTRO_"

_ALTERNATIVES = (
    ("report.email.password_env", "report.email.password_file"),
    ("alerts.email.password_env", "alerts.email.password_file"),
    ("alerts.webhook.url", "alerts.webhook.url_env", "alerts.webhook.url_file"),
    ("alerts.apprise", "alerts.apprise_env", "alerts.apprise_file"),
)
"""Groups of keys of which only one may be set in one place: each names the same secret."""


class OptionValue(NamedTuple):
    """A value and its origin: an option, a variable or a file."""

    value: Any
    origin: str


Layer = dict[KeyPath, OptionValue]
"""The values that one place sets, by key."""


def merge_layer(resolved: Layer, layer: Layer) -> None:
    """Put a layer over the values in force.

    Raises:
        EntroError: when the layer sets several alternatives for one secret.
    """
    for group in _ALTERNATIVES:
        present = [name for name in group if KEYS_BY_NAME[name].path in layer]
        if len(present) > 1:
            origin = layer[KEYS_BY_NAME[present[1]].path].origin
            raise EntroError(f"both {' and '.join(present[:2])} are set", where=origin, expected="only one of them")
        if present:
            # A `url_env` of a pipeline replaces the `url` of earlier layers: without this both would be in force.
            resolved.update({KEYS_BY_NAME[name].path: OptionValue(None, DEFAULT) for name in group})
    resolved.update(layer)


def stages_layer(stages: tuple[StageSpec, ...], origin: str) -> Layer:
    """Return the layer of some stages; the parts that a stage leaves open stay as other layers set them."""
    layer: Layer = {}
    for spec in stages:
        parts = {"column": spec.column or None, "kind": spec.kind, "full": spec.full}
        layer |= {
            ("stages", spec.name, name): OptionValue(part, origin) for name, part in parts.items() if part is not None
        }
    return layer


def variables_layer(environ: Mapping[str, str], folder: Path) -> Layer:
    """Return the layer of the environment; an empty variable sets nothing.

    Args:
        environ: the environment.
        folder: the folder that relative paths start from.

    Raises:
        EntroError: when a variable holds an invalid value.
    """
    layer: Layer = {}
    for key in SINGLE_KEYS:
        text = environ.get(key.variable, "") if key.variable else ""
        if key.variable and text:
            at = KeyPosition(key.variable, folder, is_text=True)
            layer[key.path] = OptionValue(key.rule.apply(text, at, key.secret), key.variable)
    return layer


def mistyped_variables(environ: Mapping[str, str], used: Iterable[str]) -> Iterator[str]:
    """Return a warning for every variable whose name is close to a known one.

    A variable that resembles none may belong to another program, or to a test of ours, and is not mentioned.

    Args:
        environ: the environment.
        used: the variables that the file names as holders of a secret.
    """
    known = {key.variable.removeprefix(_PREFIX).lower() for key in SINGLE_KEYS if key.variable} | {"config"}
    others = set(used)
    for variable in sorted(environ):
        name = variable.removeprefix(_PREFIX).lower()
        if variable.startswith(_PREFIX) and name not in known and variable not in others:
            close = closest_name(name, known)
            if close:
                yield f"{printable(variable)} has no effect: did you mean {_PREFIX}{close.upper()}?"
