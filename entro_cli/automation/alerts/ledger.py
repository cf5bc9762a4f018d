"""Ledger: what was told on which channel, and when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from entro_cli.core.console import visible
from entro_cli.core.files import write_whole
from entro_cli.core.json_document import as_json
from entro_engine import EntroError

SCHEMA = "entro/told/1"
"""What the file calls itself."""

KEPT = timedelta(days=400)
"""Chosen: longer than any report's period and a year of reading back."""


@dataclass(frozen=True)
class Told:
    """That an alert of this key was told on this channel, then."""

    key: str
    channel: str
    at: datetime


class Ledger:
    """What was told, kept in one file. Its callers take turns: who tells holds the lock.

    Args:
        path: where it is kept.
        told: what was told so far.
    """

    def __init__(self, path: Path, told: tuple[Told, ...] = ()) -> None:
        self._path = path
        self._told = {(entry.key, entry.channel): entry.at for entry in told}

    @classmethod
    def load(cls, path: Path) -> Ledger:
        """The ledger in a file; an empty one where there is no file yet.

        Raises:
            EntroError: when it cannot be read, or is damaged.
        """
        try:
            return cls(path, _entries(json.loads(path.read_bytes())))
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise EntroError(f"cannot be read: {error.strerror or error}", where=visible(str(path))) from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise EntroError(
                "is damaged, or no ledger of alerts",
                where=visible(str(path)),
                expected=f"a JSON document {SCHEMA}",
                remedy="delete it; what was told already is then told once more",
            ) from error

    def holds(self, key: str, channel: str) -> bool:
        """Whether it was told there."""
        return (key, channel) in self._told

    def record(self, keys: tuple[str, ...], channel: str, now: datetime) -> None:
        """Note that these were told there, now, and write that down; see `save` for errors."""
        self._told.update({(key, channel): now for key in keys})
        self.save(now)

    def save(self, now: datetime) -> None:
        """Write it, without what is older than `KEPT`.

        Raises:
            EntroError: when it cannot be written.
        """
        entries = [Told(key, channel, at) for (key, channel), at in self._told.items() if now - at <= KEPT]
        write_whole(self._path, as_json({"schema": SCHEMA, "told": entries}) + "\n")


def _entries(document: Any) -> tuple[Told, ...]:
    """The entries of the document; a `ValueError`, `TypeError` or `KeyError` where it is none of ours."""
    if document["schema"] != SCHEMA:
        raise ValueError
    told = tuple(
        Told(str(entry["key"]), str(entry["channel"]), datetime.fromisoformat(entry["at"]))
        for entry in document["told"]
    )
    if any(entry.at.tzinfo is None for entry in told):
        raise ValueError
    return told
