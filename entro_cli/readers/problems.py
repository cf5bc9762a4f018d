"""Warnings about logs, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from entro_cli.core.console import Terminal
from entro_cli.timeseries.observations import BadRow

if TYPE_CHECKING:
    from entro_cli.core.console import Terminal


def warn_of_bad_rows(path: str, read: int, skipped: int, bad_rows: Sequence[BadRow], terminal: Terminal) -> None:
    """Warn of the rows of a log that could not be read, the first few with their lines."""
    if skipped:
        terminal.warn(f"{path}: {skipped:,} of {skipped + read:,} rows could not be read and were skipped")
    for row in bad_rows:
        line = f"line {row.line}: " if row.line else ""
        terminal.warn(f"{path}: {line}{row.reason}: {row.text}")
    more = skipped - len(bad_rows)
    if bad_rows and more > 0:
        terminal.warn(f"{path}: and {more:,} more")
