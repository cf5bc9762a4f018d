"""Every value in force with its origin, as `entro config` shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from entro_cli.config.keys import KeyPath, find_key
from entro_cli.config.layers import Layer
from entro_cli.core.urls import masked, scheme_of


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
        name, value = ".".join(path), option.value
        if key is not None and key.secret and value:
            value = _without_secret(value, name == "alerts.command")
        yield ConfigEntry(name, value, option.origin)


def _table_order(path: KeyPath) -> int:
    """Return the position of a key's table: the keys outside of tables, stages, formats, report, alerts."""
    return ("stages", "formats", "report", "alerts").index(path[0]) + 1 if len(path) > 1 else 0


def _without_secret(value: str | tuple[str, ...], is_command: bool) -> str | tuple[str, ...]:
    """Return the program of a command, scheme and host of the URL of a webhook, and the schemes of other services.

    Path, query and user of a URL may each let its reader post there. Of the URLs of services the host can be a token.
    """
    if is_command:
        return (masked(value[0]), *("..." for _ in value[1:2]))
    if isinstance(value, tuple):
        return tuple(f"{scheme_of(url)}://..." for url in value)
    parts = urlsplit(value)
    return f"{parts.scheme}://{parts.hostname}/..."
