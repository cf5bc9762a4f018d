"""The recorded hashes of the files of a history, which show what others have changed or removed."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import date
from pathlib import Path

import msgspec

from entro_cli.core.console import printable
from entro_cli.core.files import read_regular
from entro_cli.history.paths import PipelinePaths
from entro_engine import EntroError

_ATTEMPTS = 3
"""The comparisons of a file with its digests before a mismatch counts as damage."""

Digests = dict[str, list[str]]
"""The hashes that a file may have, by day or `state.json`; two while the file is being replaced."""

REMOVED_DAYS = "gone"
"""The file of a commit that names the days it removes."""

ALTERED = "its content has changed since it was written"
"""The flaw of a file whose hash is not a recorded one."""

UNLISTED = "no hash of it is recorded"
"""The flaw of a file that entro did not write, or whose hash was lost."""

MISSING = "the file is missing"
"""The flaw of a file that is recorded and not there."""

REPAIR = "`entro history repair` keeps what is intact, and reports what is lost"
"""The remedy for a damaged history."""


def read_digests(paths: PipelinePaths) -> Digests:
    """Read the recorded hashes; none of a pipeline that was never stored.

    Raises:
        EntroError: when the file is damaged, or missing although something is stored.
    """
    try:
        # The second time if another process has just stored the first log.
        content = _content(paths)
        content = _content(paths) if content is None else content
        if content is None:
            raise _damaged(paths, MISSING)
        if not content:
            return {}
        listed = msgspec.json.decode(content, type=Digests)
        if paths.state.name not in listed:
            raise ValueError("it has no hash of the state")
        _ = [date.fromisoformat(name) for name in listed if name != paths.state.name]
    except PermissionError as error:
        raise forbidden(paths.digests, error) from error
    except OSError as error:
        raise _damaged(paths, f"cannot be read: {error.strerror or error}") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise _damaged(paths, f"the file is damaged: {printable(str(error))}") from error
    return listed


def _content(paths: PipelinePaths) -> bytes | None:
    """Return the content of the file with the hashes: nothing before the first ingest, None if it was lost since."""
    try:
        return read_regular(paths.digests) or b"{}"
    except FileNotFoundError:
        return None if paths.state.exists() or paths.days() else b""


class ForbiddenError(EntroError):
    """A file that this user must not read, which says nothing about its content."""


def forbidden(path: Path, error: OSError) -> ForbiddenError:
    """Return the error for a file that this user must not read."""
    found, remedy = f"cannot be read: {error.strerror}", "run it as a user who may read the history"
    return ForbiddenError(found, where=printable(str(path)), remedy=remedy)


def _damaged(paths: PipelinePaths, found: str) -> EntroError:
    return EntroError(found, where=printable(str(paths.digests)), remedy=REPAIR)


def stored_days(paths: PipelinePaths, listed: Digests) -> list[date]:
    """Return the days that have a file or a recorded hash, in order: a day of which only that is left was lost."""
    return sorted({*paths.days(), *(date.fromisoformat(name) for name in listed if name != paths.state.name)})


def is_lost(paths: PipelinePaths, day: date, listed: Digests) -> bool:
    """Report whether a day is recorded and its file is missing.

    Readers hold no lock: a file that is being moved to its place, or is being pruned or just was, is not lost.
    """
    name = day.isoformat()
    if name not in listed or (paths.committed / name).exists() or paths.day_file(day).exists():
        return False
    with suppress(OSError, ValueError):  # applied meanwhile; or damaged, which the next writer reports
        if day in committed_removals(paths):
            return False
    return name in read_digests(paths)


def committed_removals(paths: PipelinePaths) -> list[date]:
    """Return the days that a commit removes that is being applied.

    Raises:
        OSError: when the file that names them cannot be read.
        ValueError: when it is damaged.
    """
    file = paths.committed / REMOVED_DAYS
    return msgspec.json.decode(read_regular(file), type=list[date]) if file.exists() else []


def read_compared(path: Path, key: str, paths: PipelinePaths, listed: Digests) -> tuple[bytes, str]:
    """Read a file, and return its content and its flaw: empty if it has a recorded hash.

    A reader holds no lock, and a writer may replace the file at any time. So a mismatch is checked again.

    Args:
        path: the file.
        key: its key in the digests: a day, or `state.json`.
        paths: the pipeline.
        listed: the digests, read a moment ago.

    Raises:
        EntroError: when the digests are damaged.
        OSError: when the file cannot be read.
    """
    for _ in range(_ATTEMPTS):
        content = read_regular(path)
        if hash_of(content) in listed.get(key, ()):
            return content, ""
        listed = read_digests(paths)  # after the file was read: digests that are older would not list it
    return content, ALTERED if key in listed else UNLISTED


def hash_of(content: bytes) -> str:
    """Return the hash of a file's content."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def encode_digests(digests: Digests) -> bytes:
    """Return the digests as they are stored."""
    return msgspec.json.format(msgspec.json.encode(dict(sorted(digests.items()))), indent=1)
