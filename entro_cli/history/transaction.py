"""Transactions on a pipeline's history: one writer at a time, and all files of a change are committed together.

A transaction has three steps, and each may be interrupted by a kill or a power failure:

1. Stage: write and sync every new file in `_entro/staging`. Until step 2 the history is unchanged.
2. Commit: rename `staging` to `committed`. A rename is atomic, so days and state are stored together or not at all.
   Days without their state would stay wrong if their log goes on: nothing would record its unfinished last line.
3. Apply: move the files to their places. The next writer repeats what is left of this step (`_recover`).

Readers take no lock. They may see some files of a change before others, but never a part of a file.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import filelock
import msgspec

from entro_cli.core.console import DONE, printable
from entro_cli.core.files import read_regular, sync_folder, unwritable
from entro_cli.core.formatting import counted
from entro_cli.history.day_files import BinsByKey, DamagedDayError, connect, write_day
from entro_cli.history.digests import (
    MISSING,
    REMOVED_DAYS,
    REPAIR,
    Digests,
    committed_removals,
    encode_digests,
    forbidden,
    hash_of,
    is_lost,
    read_compared,
    read_digests,
)
from entro_cli.history.paths import PipelinePaths
from entro_cli.history.state import State, back_up_old_state, encode_state
from entro_engine import EntroError

_THREADS = 2
"""Threads that write days. Each holds a day in memory, and one more waits for them."""

LOCK_TIMEOUT_S = 600.0
"""The time to wait for another writer."""

_DIGESTS_DURING, _STATE, _STATE_COPY, _DIGESTS_AFTER = "either", "state", "copy", "after"
"""The staged files besides days and `REMOVED_DAYS`: the digests during and after the moves, and the state twice.

A history may hold a `committed` folder that an earlier release left, so these names are part of the stored format.
"""


@contextmanager
def write_lock(paths: PipelinePaths, timeout_s: float = LOCK_TIMEOUT_S, recovers: bool = True) -> Iterator[None]:
    """Hold the write lock of a pipeline for the duration of a context, after recovery of interrupted transactions.

    The operating system releases the lock when its process ends, even by a kill. The order of locks is: working copy,
    lease of a remote history, task lock of a scheduled run, write lock.

    Args:
        paths: the pipeline; missing folders are created.
        timeout_s: the time to wait for another writer, s.
        recovers: complete interrupted transactions first.

    Raises:
        EntroError: when another writer holds the lock for longer, or the history cannot be written to, or an
            interrupted transaction is damaged.
    """
    try:
        paths.metadata_dir.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(paths.lock, timeout=timeout_s):
            if recovers:
                recover(paths)
            yield
    except filelock.Timeout as error:
        raise lock_timeout_error(paths, timeout_s) from error
    except OSError as error:
        raise unwritable(Path(error.filename or paths.folder), error) from error


def lock_timeout_error(paths: PipelinePaths, timeout_s: float) -> EntroError:
    """Return the error for a lock that another writer has held for `timeout_s` seconds."""
    return EntroError(
        f"another entro process has been writing there for {timeout_s:g} s",
        where=printable(f"{paths.shown}/{paths.folder.name}"),
        remedy="wait for it to finish, or stop it",
    )


@contextmanager
def task_lock(paths: PipelinePaths, task: str, wait: bool = False) -> Iterator[bool]:
    """Hold the lock of a task of a pipeline for the duration of a context, and yield whether it was acquired.

    Args:
        paths: the pipeline; missing folders are created.
        task: the task, which names the lock file.
        wait: wait for another process that runs the task; without it, yield False at once.

    Raises:
        EntroError: when the history cannot be written to.
    """
    try:
        paths.metadata_dir.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(paths.metadata_dir / f"{task}.lock", timeout=-1 if wait else 0)
        lock.acquire()
    except filelock.Timeout:
        yield False
        return
    except OSError as error:
        raise unwritable(paths.metadata_dir, error) from error
    try:
        yield True
    finally:
        lock.release()


def recover(paths: PipelinePaths) -> None:
    """Apply what a killed writer had committed, and remove what it had only staged.

    Raises:
        EntroError: when the committed files are damaged.
    """
    if paths.committed.exists():
        _apply_commit(paths)
    if paths.staging.is_dir():
        shutil.rmtree(paths.staging)
        remove_empty_folders(paths)
    else:
        paths.staging.unlink(missing_ok=True)


def remove_empty_folders(paths: PipelinePaths) -> None:
    """Remove the empty folders of days."""
    for folder in paths.folder.glob("date=*"):
        with suppress(OSError):
            folder.rmdir()  # fails unless the folder is empty: other files in it stay


class Staging:
    """The files of a change, staged while it is made. Nothing is stored before `commit`.

    Args:
        paths: the pipeline, whose write lock the caller holds.

    Attributes:
        days: the days that change, each with its staged file; None for one that is removed.
    """

    def __init__(self, paths: PipelinePaths) -> None:
        self.days: dict[date, Path | None] = {}
        self._paths, self._is_committed = paths, False
        self._threads, self._writing = ThreadPoolExecutor(_THREADS), deque[Future[None]]()

    def add(self, day: date, content: BinsByKey, grid: tuple[int, int]) -> None:
        """Write and sync the file of a day, in a thread; a day without bins is removed.

        Raises:
            OSError: when this file, or one before it, cannot be written.
        """
        self.days[day] = file = self._paths.staging / day.isoformat() if content else None
        if file is None:
            return
        self._paths.staging.mkdir(exist_ok=True)
        self._writing.append(self._threads.submit(_write_day, file, content, grid))
        if len(self._writing) > _THREADS:  # only so many days are in memory
            self._writing.popleft().result()

    def commit(self, state: State, digests: Digests | None = None) -> bool:
        """Store the days and the state in one transaction.

        Args:
            state: the new state.
            digests: the hashes of the other days, for a repair; None for those that are recorded.

        Returns:
            Whether the state was one of an older version, of which a copy is kept.

        Raises:
            OSError: when a file cannot be written. Either nothing is changed, or the next writer completes the change.
        """
        paths = self._paths
        is_upgraded = back_up_old_state(paths)
        paths.staging.mkdir(exist_ok=True)
        while self._writing:
            self._writing.popleft().result()
        files = {day: file for day, file in self.days.items() if file is not None}
        removed = sorted(day.isoformat() for day in self.days.keys() - files.keys())
        content = encode_state(state)
        for name in (_STATE, _STATE_COPY):
            _stage_file(paths, name, content)
        new = {day.isoformat(): [hash_of(file.read_bytes())] for day, file in files.items()}
        new[paths.state.name] = [hash_of(content)]
        old = read_digests(paths) if digests is None else digests
        # While files are moved, a reader may find the old or the new one: the digests list both.
        either = old | {name: [*old.get(name, []), *hashes] for name, hashes in new.items()}
        _stage_file(paths, _DIGESTS_DURING, encode_digests(either))
        after = {name: hashes for name, hashes in (old | new).items() if name not in removed}
        _stage_file(paths, _DIGESTS_AFTER, encode_digests(after))
        _stage_file(paths, REMOVED_DAYS, msgspec.json.encode(removed))
        for day in files:
            paths.day_file(day).parent.mkdir(exist_ok=True)
        # A synced file is still lost in a power failure if the entry of its folder was never synced.
        for folder in (paths.folder, paths.history):
            sync_folder(folder)
        sync_folder(paths.staging)  # before the rename: `committed` must never be incomplete
        paths.staging.replace(paths.committed)
        if self.days and not paths.url:  # a copy of a history at a URL is uploaded later
            done = "stored" if files else "removed"
            DONE.append(f"{done} {counted(len(self.days), 'day')} of {printable(paths.name)}")
        self._is_committed = True
        _apply_commit(paths)
        return is_upgraded

    def end(self) -> None:
        """Remove what is staged, unless it is committed."""
        self._threads.shutdown(cancel_futures=True)
        if not self._is_committed:
            recover(self._paths)


@contextmanager
def staging(paths: PipelinePaths) -> Iterator[Staging]:
    """Stage a change for the duration of a context. Without a commit nothing of it is left."""
    staged = Staging(paths)
    try:
        yield staged
    finally:  # also after KeyboardInterrupt
        staged.end()


def commit(paths: PipelinePaths, removed: Iterable[date], state: State, digests: Digests | None = None) -> None:
    """Store the state and remove some days in one transaction, as `Staging.commit` does."""
    with staging(paths) as staged:
        for day in removed:
            staged.add(day, {}, state.grid)
        staged.commit(state, digests)


def _apply_commit(paths: PipelinePaths) -> None:
    """Move the committed files that are still there to their places, and remove the old days.

    The order matters. The digests that list old and new files come before any file, and those that list only what is
    left come after the last: no reader takes a new or an old file for a damaged one, and `is_lost` knows of the
    removed ones. The state comes after the days: the steps of every log in it are then in place.
    """
    sync_folder(paths.metadata_dir)  # the rename itself is durable before any file moves
    files, days, removed = _committed_files(paths)
    targets = {_DIGESTS_DURING: paths.digests, **{day: paths.day_file(date.fromisoformat(day)) for day in days}}
    targets |= {_STATE: paths.state, _STATE_COPY: paths.state_copy}
    _move_files([(files[name], target) for name, target in targets.items() if name in files])
    for day in removed:
        remove_day(paths, day)
    _move_files([(files[name], paths.digests) for name in (_DIGESTS_AFTER,) if name in files])
    shutil.rmtree(paths.committed)


def _committed_files(paths: PipelinePaths) -> tuple[dict[str, Path], list[str], list[date]]:
    """Return the files of a commit by name, the names of its days, and the days that it removes.

    A day or a state that is damaged is moved to its place like the others: its hash shows it there.

    Raises:
        EntroError: when there is anything else than a writer leaves.
    """
    try:
        files = {file.name: file for file in paths.committed.iterdir()}
        days = sorted(files.keys() - {_DIGESTS_DURING, _STATE, _STATE_COPY, _DIGESTS_AFTER, REMOVED_DAYS})
        if not all(day == date.fromisoformat(day).isoformat() for day in days):
            raise ValueError(f"{days[0]} is not a day")
        for name in (_DIGESTS_DURING, _DIGESTS_AFTER):
            if name in files:
                msgspec.json.decode(read_regular(files[name]), type=Digests)
        return files, days, committed_removals(paths)
    except (OSError, ValueError) as error:
        reason = printable(getattr(error, "strerror", None) or str(error))
        raise EntroError(
            f"an interrupted write is damaged: {reason}",
            where=printable(str(paths.committed)),
            remedy=REPAIR,
        ) from error


def remove_day(paths: PipelinePaths, day: date) -> None:
    """Remove the file of a day, and its folder if nothing else is in it."""
    paths.day_file(day).unlink(missing_ok=True)
    with suppress(OSError):
        paths.day_file(day).parent.rmdir()


def refuse_altered(paths: PipelinePaths, day: date, listed: Digests) -> None:
    """Raise an error if a day file is not as it was written.

    Args:
        paths: the pipeline.
        day: the day.
        listed: the digests, read a moment ago.

    Raises:
        DamagedDayError: when its hash differs from the listed ones, even if the file can be read, or if it is missing.
        ForbiddenError: when this user must not read it.
    """
    path = paths.day_file(day)
    try:
        flaw = read_compared(path, day.isoformat(), paths, listed)[1]
    except FileNotFoundError:
        flaw = MISSING if is_lost(paths, day, listed) else ""
    except PermissionError as error:
        raise forbidden(path, error) from error
    except OSError as error:
        flaw = f"cannot be read: {error.strerror or error}"
    if flaw:
        raise DamagedDayError(path, flaw)


def _write_day(file: Path, content: BinsByKey, grid: tuple[int, int]) -> None:
    """Write and sync the file of a day."""
    with connect() as connection:
        write_day(connection, file, content, grid)
    _sync(file)


def _stage_file(paths: PipelinePaths, name: str, content: bytes) -> Path:
    file = paths.staging / name
    file.write_bytes(content)
    _sync(file)
    return file


def _move_files(moves: list[tuple[Path, Path]]) -> None:
    for file, target in moves:
        target.parent.mkdir(exist_ok=True)
        file.replace(target)
        sync_folder(target.parent)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
