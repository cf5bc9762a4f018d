"""The user's folders, and the lock on the user's schedule."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from entro_cli.core.console import printable
from entro_engine import EntroError

_LOCK_TIMEOUT_S = 60


def user_folder(variable: str, default: str) -> Path:
    """Return a folder of the XDG base directories: the variable's value if it is absolute, else the default at home."""
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else Path.home() / default


@contextmanager
def schedule_lock() -> Iterator[None]:
    """Hold the lock on the schedule: without it, one `entro` could overwrite what another one has just added.

    Raises:
        EntroError: if another process holds it for too long, or it cannot be created.
    """
    path = user_folder("XDG_STATE_HOME", ".local/state") / "entro" / "schedule.lock"
    lock = FileLock(path, timeout=_LOCK_TIMEOUT_S)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise EntroError(
            f"another entro has held the schedule's lock for {_LOCK_TIMEOUT_S} s",
            where=printable(str(path)),
            remedy="wait until it ends and try again",
        ) from error
    except OSError as error:
        raise EntroError(
            f"cannot be written: {error.strerror or error}",
            where=printable(str(path)),
            remedy="set XDG_STATE_HOME to another folder",
        ) from error
    try:
        yield
    finally:
        lock.release()
