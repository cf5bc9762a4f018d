"""The last reported period of each kind, so that the next run makes up for missed ones."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from entro_cli.core.console import printable
from entro_cli.core.files import read_regular, write_whole
from entro_cli.core.json_document import sealed, unsealed
from entro_engine import EntroError


def last_reported(path: Path, kind: str) -> date | None:
    """Return the first date of the last reported period of a kind; None if there is none.

    Args:
        path: the file with the dates.
        kind: day, week or month.

    Raises:
        EntroError: if the file is damaged.
    """
    first = _read(path).get(kind)
    try:
        return None if first is None else date.fromisoformat(first)
    except ValueError as error:
        raise _damaged(path) from error


def record_reported(path: Path, kind: str, first: date) -> None:
    """Record that the period of a kind that begins on a date was reported.

    Raises:
        EntroError: if the file is damaged or cannot be written.
    """
    dates = _read(path)
    stored, today = dates.get(kind, ""), datetime.now(UTC).date().isoformat()
    # Never go back: a run with an earlier --as-of must not make later runs repeat their reports. But a date to come was
    # stored while the clock was wrong, and until then nothing that is missed would be made up.
    if stored < first.isoformat() or stored > today:
        write_whole(path, sealed(dates | {kind: first.isoformat()}))


def _read(path: Path) -> dict[str, str]:
    try:
        dates = unsealed(read_regular(path))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    if not all(isinstance(first, str) for first in dates.values()):
        raise _damaged(path)
    return dates


def _damaged(path: Path) -> EntroError:
    return EntroError(
        "is damaged",
        where=printable(str(path)),
        remedy="delete it: the last period is then reported once more",
    )
