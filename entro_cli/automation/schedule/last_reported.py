"""Which period of each kind was reported on last, so that what was missed is made up."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from entro_cli.core.console import printable
from entro_cli.core.files import write_whole
from entro_engine import EntroError


def last_reported(path: Path, kind: str) -> date | None:
    """The first date of the last period of a kind that was reported on; None where none was.

    Args:
        path: the file that keeps it.
        kind: day, week or month.

    Raises:
        EntroError: when the file is damaged.
    """
    said = _read(path).get(kind)
    try:
        return None if said is None else date.fromisoformat(said)
    except ValueError as error:
        raise _damaged(path) from error


def remember_reported(path: Path, kind: str, first: date) -> None:
    """Keep that the period of a kind that begins on a date was reported on.

    Raises:
        EntroError: when the file is damaged or cannot be written.
    """
    said = _read(path)
    if said.get(kind, "") < first.isoformat():
        write_whole(path, json.dumps(said | {kind: first.isoformat()}, indent=1) + "\n")


def _read(path: Path) -> dict[str, str]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    if not isinstance(said, dict) or not all(isinstance(part, str) for part in said.values()):
        raise _damaged(path)
    return said


def _damaged(path: Path) -> EntroError:
    return EntroError(
        "the file is damaged",
        where=printable(str(path)),
        remedy="take it away: the last period is then reported again",
    )
