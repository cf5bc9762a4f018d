"""Writing a history: under a lock, whole files only, all of them made before the first one takes its place."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import filelock
import msgspec

from entro_cli.core.console import printable
from entro_cli.core.files import sync_folder, unwritable
from entro_cli.history.day_files import BinsByKey, DamagedDayError, connect, write_day
from entro_cli.history.paths import PipelinePaths
from entro_cli.history.state import State, encode_state
from entro_engine import EntroError

LOCK_TIMEOUT_S = 600.0
"""How long one waits for another who writes."""

_DIGEST_ATTEMPTS = 3

_DIGESTS_DURING, _STATE, _DIGESTS_AFTER, _REMOVED_DAYS = "either", "state", "after", "gone"
"""What is made aside besides days: the hashes while and when all is moved, the state, the days to remove."""

Digests = dict[str, list[str]]
"""By day, the hashes that its file may have: two of them while it is being replaced; likewise of `state.json`."""


@contextmanager
def write_lock(place: PipelinePaths, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Be the only one who writes a pipeline's history, for as long as the context lasts.

    Args:
        place: the pipeline's; its folder is made where it is missing.
        timeout_s: how long to wait for another, s.

    Raises:
        EntroError: when another writes for longer than that, or the place cannot be written to.
    """
    try:
        place.metadata_dir.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(place.lock, timeout=timeout_s):
            _recover(place)
            yield
    except filelock.Timeout as error:
        raise lock_timeout_error(place, timeout_s) from error
    except OSError as error:
        raise unwritable(Path(error.filename or place.folder), error) from error


def lock_timeout_error(place: PipelinePaths, timeout_s: float) -> EntroError:
    """The error to show where another has been writing for so long, s."""
    return EntroError(
        f"another entro has been writing there for {timeout_s:g} s",
        where=printable(f"{place.shown}/{place.folder.name}"),
        remedy="wait for it to end, or end it",
    )


@contextmanager
def task_lock(place: PipelinePaths, work: str, wait: bool = False) -> Iterator[bool]:
    """Whether nobody else does some work for a pipeline, for as long as the context lasts.

    Args:
        place: the pipeline's; its folder is made where it is missing.
        work: what is done, a word that can be a file's name.
        wait: for the other to end.

    Raises:
        EntroError: when the place cannot be written to.
    """
    try:
        place.metadata_dir.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(place.metadata_dir / f"{work}.lock", timeout=-1 if wait else 0)
        lock.acquire()
    except filelock.Timeout:
        yield False
        return
    except OSError as error:
        raise unwritable(place.metadata_dir, error) from error
    try:
        yield True
    finally:
        lock.release()


def _recover(place: PipelinePaths) -> None:
    """Finish what one who was killed had committed, and take away what was never committed."""
    if place.committed.is_dir():
        _apply_commit(place)
    if place.staging.is_dir():
        shutil.rmtree(place.staging)
        remove_empty_folders(place)


def remove_empty_folders(place: PipelinePaths) -> None:
    """Take away the folders of days that hold nothing."""
    for folder in place.folder.glob("date=*"):
        with suppress(OSError):
            folder.rmdir()  # only where it is empty


def commit(place: PipelinePaths, days: Mapping[date, BinsByKey], state: State) -> None:
    """Make some days, and the state, what is stored.

    Everything is written and synced aside first, so a disk that fills leaves the history as it was. One rename then
    commits all of it; who is killed behind that leaves the moves to the next who writes.

    Args:
        place: the pipeline's, which the caller alone writes.
        days: the days that change; one without cells is removed.
        state: what is known afterwards.

    Raises:
        OSError: when it cannot be written; nothing that was stored is changed then, or the next who writes finishes it.
    """
    place.staging.mkdir()
    try:
        files = _stage_days(place, days, state)
        gone = sorted(day.isoformat() for day in days.keys() - files.keys())
        state_file = _stage_file(place, _STATE, encode_state(state))
        fresh = {day.isoformat(): [digest(file)] for day, file in files.items()}
        fresh[place.state.name] = [digest(state_file)]
        told = read_digests(place)
        either = told | {day: [*told.get(day, []), *one] for day, one in fresh.items()}
        _stage_file(place, _DIGESTS_DURING, _encode_digests(either))
        _stage_file(
            place, _DIGESTS_AFTER, _encode_digests({day: one for day, one in (told | fresh).items() if day not in gone})
        )
        _stage_file(place, _REMOVED_DAYS, msgspec.json.encode(gone))
        for day in files:
            place.day_file(day).parent.mkdir(exist_ok=True)
        for folder in (place.folder, place.history):  # a file is lost with its folder where the power fails
            sync_folder(folder)
        sync_folder(place.staging)
        place.staging.replace(place.committed)
    except BaseException:
        _recover(place)
        raise
    _apply_commit(place)


def _apply_commit(place: PipelinePaths) -> None:
    """Move what is committed to its place, as far as nobody did before: the days, then the state; remove old days."""
    sync_folder(place.metadata_dir)
    files = {file.name: file for file in place.committed.iterdir()}
    days = sorted(files.keys() - {_DIGESTS_DURING, _STATE, _DIGESTS_AFTER, _REMOVED_DAYS})
    targets = {_DIGESTS_DURING: place.digests, **{day: place.day_file(date.fromisoformat(day)) for day in days}}
    targets |= {_STATE: place.state, _DIGESTS_AFTER: place.digests}
    _move_files([(files[name], target) for name, target in targets.items() if name in files])
    if _REMOVED_DAYS in files:
        for day in msgspec.json.decode(files[_REMOVED_DAYS].read_bytes(), type=list[date]):
            remove_day(place, day)
    shutil.rmtree(place.committed)


def remove_day(place: PipelinePaths, day: date) -> None:
    """Take a day away."""
    place.day_file(day).unlink(missing_ok=True)
    with suppress(OSError):
        place.day_file(day).parent.rmdir()  # only where nobody else put something


def read_digests(place: PipelinePaths) -> Digests:
    """The hashes of the day files; none where they cannot be read, since they only help to find damage."""
    try:
        return msgspec.json.decode(place.digests.read_bytes(), type=Digests)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def matches_digest(path: Path, key: str, place: PipelinePaths, listed: Digests) -> bool | None:
    """Whether a file is one that was written there; None where none is listed.

    Whoever reads holds no lock, so a file that does not fit is compared again: it may just have been replaced.

    Args:
        path: the file.
        key: what it is listed under: its day, or `state.json`.
        place: the pipeline's.
        listed: the hashes as they were a moment ago.

    Raises:
        OSError: when it cannot be read.
    """
    for _ in range(_DIGEST_ATTEMPTS):
        if key not in listed:
            return None
        found = digest(path)
        if found in listed[key]:
            return True
        listed = read_digests(place)  # after the file, so that they are no older
    return False


def refuse_altered(place: PipelinePaths, day: date, listed: Digests) -> None:
    """Refuse a day file that is not one that was written there.

    Args:
        place: the pipeline's.
        day: whose file it is.
        listed: the hashes as they were a moment ago.

    Raises:
        DamagedDayError: when it is another, whether it can be read or not.
    """
    path = place.day_file(day)
    with suppress(OSError):  # who reads it then is told why
        if matches_digest(path, day.isoformat(), place, listed) is False:
            raise DamagedDayError(path, "its bytes are not those that were written")


def digest(path: Path) -> str:
    """The hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _stage_days(place: PipelinePaths, days: Mapping[date, BinsByKey], state: State) -> dict[date, Path]:
    """The files of the days that are not empty, written and synced in the place aside."""
    files = {day: place.staging / day.isoformat() for day, content in days.items() if content}
    with connect() as connection:
        for day, file in files.items():
            write_day(connection, file, days[day], state.grid)
            _sync(file)
    return files


def _stage_file(place: PipelinePaths, name: str, content: bytes) -> Path:
    file = place.staging / name
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


def _encode_digests(digests: Digests) -> bytes:
    return msgspec.json.format(msgspec.json.encode(dict(sorted(digests.items()))), indent=1)
