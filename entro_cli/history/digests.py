"""The recorded hashes of the files of a history, which show whether one was changed by something else than entro."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from entro_cli.history.paths import PipelinePaths

_DIGEST_ATTEMPTS = 3
"""The comparisons of a file with its digests before a mismatch counts as damage."""

Digests = dict[str, list[str]]
"""The hashes that a file may have, by day or `state.json`; two while the file is being replaced."""

ALTERED = "its content has changed since it was written"
"""The flaw of a file whose hash is not a recorded one."""


def read_digests(paths: PipelinePaths) -> Digests:
    """Read the hashes of the stored files; none if they cannot be read, since they only help to find damage."""
    try:
        return msgspec.json.decode(paths.digests.read_bytes(), type=Digests)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def matches_digest(path: Path, key: str, paths: PipelinePaths, listed: Digests) -> bool | None:
    """Report whether a file has a hash that is listed for it; None if none is listed.

    A reader holds no lock, and a writer may replace the file at any time. So a mismatch is checked again.

    Args:
        path: the file.
        key: its key in the digests: a day, or `state.json`.
        paths: the pipeline.
        listed: the digests, read a moment ago.

    Raises:
        OSError: when the file cannot be read.
    """
    for _ in range(_DIGEST_ATTEMPTS):
        if key not in listed:
            return None
        found = digest(path)
        if found in listed[key]:
            return True
        listed = read_digests(paths)  # after the file was read: digests that are older would not list it
    return False


def digest(path: Path) -> str:
    """Return the hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def encode_digests(digests: Digests) -> bytes:
    """Return the digests as they are stored."""
    return msgspec.json.format(msgspec.json.encode(dict(sorted(digests.items()))), indent=1)
