"""Where the user's own files are kept, and one `entro` at a time that changes what is scheduled there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from entro_cli.core.console import printable
from entro_engine import EntroError

_LONGEST_WAIT_S = 60


def user_folder(variable: str, usual: str) -> Path:
    """A folder of the XDG base directories: what the variable says if that is absolute, else the usual one at home."""
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else Path.home() / usual


@contextmanager
def schedule_lock() -> Iterator[None]:
    """Wait for every other `entro` that changes the schedule: what it wrote is to be read, not written over.

    Raises:
        EntroError: when it takes too long, or there is no place for the lock.
    """
    path = user_folder("XDG_STATE_HOME", ".local/state") / "entro" / "schedule.lock"
    lock = FileLock(path, timeout=_LONGEST_WAIT_S)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise EntroError(
            f"another entro has held the schedule for {_LONGEST_WAIT_S} s",
            where=printable(str(path)),
            remedy="see what it waits for, and try again",
        ) from error
    except OSError as error:
        raise EntroError(
            f"cannot be written: {error.strerror or error}",
            where=printable(str(path)),
            remedy="name another folder with XDG_STATE_HOME",
        ) from error
    try:
        yield
    finally:
        lock.release()
