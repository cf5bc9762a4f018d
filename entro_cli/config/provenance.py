"""Every value in force with its origin, as `entro config` shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from entro_cli.config.keys import KeyPath, find_key
from entro_cli.config.layers import Layer
from entro_cli.core.urls import scheme_of


class ConfigEntry(NamedTuple):
    """A value in force, and its origin. Durations are in seconds; a secret keeps only its public part."""

    key: str
    value: Any
    origin: str


def list_entries(resolved: Layer) -> Iterator[ConfigEntry]:
    """Yield every value in force, sorted by table.

    Args:
        resolved: the value in force of every key.
    """
    for path, option in sorted(resolved.items(), key=lambda item: _table_order(item[0])):
        key = find_key(path)
        is_hidden = key is not None and key.secret and option.value is not None
        yield ConfigEntry(".".join(path), _without_secret(option.value) if is_hidden else option.value, option.origin)


def _table_order(path: KeyPath) -> int:
    """Return the position of a key's table: the keys outside of tables, stages, formats, report, alerts."""
    return ("stages", "formats", "report", "alerts").index(path[0]) + 1 if len(path) > 1 else 0


def _without_secret(address: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Return only scheme and host of a URL: its path, query and user may each let its reader post there.

    Of the URLs of services only the scheme is left: the host can be a token.
    """
    if isinstance(address, tuple):
        return tuple(f"{scheme_of(url)}://..." for url in address)
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}/..."
