"""The listing: every value in force, as it can be shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from entro_cli.config.keys import KeyPath, find_key
from entro_cli.config.layers import Layer


class ConfigEntry(NamedTuple):
    """A value in force, and where it is from; durations are in seconds, of a secret there is only what is none."""

    key: str
    value: Any
    origin: str


def list_entries(resolved: Layer) -> Iterator[ConfigEntry]:
    """Every value in force, those of one table together.

    Args:
        resolved: the value in force of every key.
    """
    for path, given in sorted(resolved.items(), key=lambda item: _table(item[0])):
        key = find_key(path)
        hidden = key is not None and key.secret and given.value is not None
        yield ConfigEntry(".".join(path), _without_secret(given.value) if hidden else given.value, given.origin)


def _table(path: KeyPath) -> int:
    """The tables in their order: the keys outside of any, stages, alerts."""
    return ("stages", "alerts").index(path[0]) + 1 if len(path) > 1 else 0


def _without_secret(address: str) -> str:
    """Scheme and host of a web address: whoever knows all of it may post there."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}/..."
