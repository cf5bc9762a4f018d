"""Layers: what each place sets, and how a later one is put over those before it."""

from __future__ import annotations

from typing import Any, NamedTuple

from entro_cli.config.keys import NAMED
from entro_cli.config.keys import Path as KeyPath
from entro_cli.timeseries.observations import StageSpec
from entro_engine import EntroError

DEFAULT = "default"
"""What a value is from that nobody set."""

_ALTERNATIVES = (
    ("alerts.email.password_env", "alerts.email.password_file"),
    ("alerts.webhook.url", "alerts.webhook.url_env", "alerts.webhook.url_file"),
)


class Given(NamedTuple):
    """A value and where it is from: an option, a variable, a file."""

    value: Any
    origin: str


Layer = dict[KeyPath, Given]
"""What one place sets, by key."""


def lay_over(resolved: Layer, layer: Layer) -> None:
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
            resolved.update({NAMED[name].path: Given(None, DEFAULT) for name in group})
    resolved.update(layer)


def stages_layer(stages: tuple[StageSpec, ...], origin: str) -> Layer:
    """Stages as a layer: what a stage leaves open is not set."""
    layer: Layer = {}
    for spec in stages:
        said = {"column": spec.column or None, "kind": spec.kind, "full": spec.full}
        layer |= {("stages", spec.name, name): Given(part, origin) for name, part in said.items() if part is not None}
    return layer
