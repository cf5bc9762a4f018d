"""A history at a URL: a command works on a copy in the user's cache, whose changes are brought back file by file.

What is at the URL is what is stored. A copy is made anew from it before each command, as far as it changed; what was
not brought back was never stored. Changed files are put beside the others first, under `_entro/coming`; one more file
there commits them, and they are then copied to their places. Who finds that file sees them in their places already,
and who writes next finishes what one who was killed began.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from tempfile import NamedTemporaryFile
from uuid import uuid4

import filelock
import msgspec

from entro_cli.core.files import unwritable, write_whole
from entro_cli.core.remote_files import label
from entro_cli.core.remote_folder import RemoteFolder
from entro_cli.history.paths import DAY_FILE, PipelinePaths, pipeline_names, pipeline_paths, stored_pipelines
from entro_cli.history.transaction import LOCK_TIMEOUT_S, lock_timeout_error
from entro_engine import EntroError

_METADATA = PipelinePaths(Path(), "").metadata_dir.name
_STAGING, _COMMIT, _LEASE = f"{_METADATA}/coming/", f"{_METADATA}/coming/commit.json", f"{_METADATA}/writer.json"
_STORED = re.compile(rf"date=\d{{4}}-\d\d-\d\d/{re.escape(DAY_FILE)}|{_METADATA}/[a-z]+\.json")

HEARTBEAT_S = 5.0
"""How often a writer says that it is alive."""

LEASE_TIMEOUT_S = 30.0
"""Who said nothing for so long was killed."""

_POLL_S = 1.0
_FETCH_ATTEMPTS = 5


class _Commit(msgspec.Struct):
    """What changes.

    Attributes:
        writer: whose change it is: its files are coming in a folder of that name.
        files: which they are, by their paths in the pipeline's folder.
        gone: which files go.
    """

    writer: str = ""
    files: list[str] = []
    gone: list[str] = []

    def coming(self, name: str) -> str:
        """Where a file comes first."""
        return f"{_STAGING}{self.writer}/{name}"


class _CopiedFile(msgspec.Struct):
    """A file as it was copied: what marked it at the URL, and the size (bytes) and time of change (ns) of the copy."""

    mark: str
    size: int
    changed_ns: int


@contextmanager
def working_copy(place: PipelinePaths, writes: bool = False) -> Iterator[None]:
    """Have a pipeline's history in its folder, for as long as the context lasts.

    Of a history at a URL the folder is a copy. Its changes are brought back at the end, also where an error ends it,
    since what was done before that stays done.

    Args:
        place: the pipeline's.
        writes: whether it may be changed: by nobody else then, on whichever machine.

    Raises:
        EntroError: when the URL cannot be reached or written to, or another writes there for too long.
    """
    if not place.url:
        yield
        return
    remote = RemoteFolder(place.url).folder(place.folder.name)
    writer = None
    with ExitStack() as context:
        try:
            place.history.mkdir(parents=True, exist_ok=True)
            context.enter_context(filelock.FileLock(f"{place.folder}.lock", timeout=LOCK_TIMEOUT_S))
        except filelock.Timeout as error:
            raise lock_timeout_error(place, LOCK_TIMEOUT_S) from error
        except OSError as error:
            raise unwritable(place.history, error) from error
        if writes:
            remote.refuse_to_write()
            writer = context.enter_context(_hold_lease(place, remote))
            _recover(remote)
        copy = _WorkingCopy(place, remote)
        try:
            copy.fetch()
        except OSError as error:
            raise unwritable(Path(error.filename or place.folder), error) from error
        try:
            yield
        except Exception:
            copy.bring(writer)
            raise
        copy.bring(writer)


def pipelines_at(history: Path | str) -> list[PipelinePaths]:
    """Every pipeline that a history holds, by name, wherever it is.

    Raises:
        EntroError: when it is at a URL that cannot be reached.
    """
    if isinstance(history, Path):
        return stored_pipelines(history)
    return [pipeline_paths(history, name) for name in pipeline_names(RemoteFolder(history).folders())]


@contextmanager
def _hold_lease(place: PipelinePaths, remote: RemoteFolder) -> Iterator[_Lease]:
    """Be the only one who writes there, on whichever machine, for as long as the context lasts; gives who that is."""
    ours = _Lease(remote, uuid4().hex)
    end = time.monotonic() + LOCK_TIMEOUT_S
    seen, since = None, time.monotonic()
    while not remote.write(_LEASE, ours.told(0), only_new=True):
        there = remote.read(_LEASE)
        if there != seen:
            seen, since = there, time.monotonic()
        elif there is not None and time.monotonic() - since > LEASE_TIMEOUT_S:
            remote.remove([_LEASE])
        if time.monotonic() > end:
            raise lock_timeout_error(place, LOCK_TIMEOUT_S)
        time.sleep(_POLL_S)
    ended = threading.Event()
    beats = threading.Thread(target=ours.beat, args=(ended,), daemon=True)
    beats.start()
    try:
        yield ours
    finally:
        ended.set()
        beats.join()
        if ours.is_there():
            remote.remove([_LEASE])


@dataclass(frozen=True)
class _Lease:
    """Who writes there, and says so again and again: who is silent was killed.

    Attributes:
        remote: where.
        name: which nobody else has.
    """

    remote: RemoteFolder
    name: str

    def told(self, beat: int) -> bytes:
        """What it says of itself."""
        return msgspec.json.encode({"writer": self.name, "host": gethostname(), "process": os.getpid(), "beat": beat})

    def beat(self, ended: threading.Event) -> None:
        """Say that it is alive, until it has ended."""
        beat = 0
        while not ended.wait(HEARTBEAT_S):
            beat += 1
            with suppress(EntroError):  # a server may be away for a moment
                if self.is_there():
                    self.remote.write(_LEASE, self.told(beat))

    def is_there(self) -> bool:
        """Whether it is still the one who writes there."""
        return self.name.encode() in (self.remote.read(_LEASE) or b"")


def _recover(remote: RemoteFolder) -> None:
    """Finish what one who was killed had committed, and take away what was never committed."""
    listed = remote.files()
    coming = [name for name in listed if name.startswith(_STAGING) and name != _COMMIT]
    if _COMMIT in listed:
        _apply_commit(remote, _read_commit(remote, listed), coming)
    else:
        remote.remove(coming)


def _read_commit(remote: RemoteFolder, listed: Mapping[str, str]) -> _Commit:
    """What is committed and may not be in its place yet; nothing where nothing is."""
    content = remote.read(_COMMIT) if _COMMIT in listed else None
    if content is None:
        return _Commit()
    try:
        commit = msgspec.json.decode(content, type=_Commit)
        if not all(map(_is_stored, [*commit.files, *commit.gone])):
            raise ValueError("it names files that are not of a history")
        return commit
    except (msgspec.MsgspecError, ValueError) as error:
        raise EntroError(
            "the file is damaged", where=f"{label(remote.url)}/{_COMMIT}", remedy="take it away: it was never stored"
        ) from error


def _apply_commit(remote: RemoteFolder, commit: _Commit, coming: Sequence[str]) -> None:
    """Copy what is committed, as far as it is still coming, to its place, and take all that comes away."""
    for name in commit.files:
        if commit.coming(name) in coming:
            remote.copy(commit.coming(name), name)
    remote.remove([*commit.gone, _COMMIT, *coming])


class _WorkingCopy:
    """The copy of a pipeline's history.

    Args:
        place: whose folder is the copy.
        remote: what it is a copy of.
    """

    def __init__(self, place: PipelinePaths, remote: RemoteFolder) -> None:
        self._place, self._folder, self._remote = place, place.folder, remote
        self._record = place.folder.with_name(f"{place.folder.name}.json")
        self._copied = self._recorded()

    def fetch(self) -> None:
        """Make it what the URL holds; where somebody writes there, what it held at one moment.

        Raises:
            EntroError: when it cannot be fetched, or changed all the while.
        """
        for _ in range(_FETCH_ATTEMPTS):
            listed = self._remote.files()
            try:
                self._make(listed)
            except EntroError:
                if _stored_marks(self._remote.files()) == _stored_marks(listed):
                    raise
            else:
                if _stored_marks(self._remote.files()) == _stored_marks(listed):
                    return
        raise EntroError("it changed all the while that it was copied", where=label(self._remote.url))

    def bring(self, writer: _Lease | None) -> None:
        """Bring what changed in it to the URL.

        Args:
            writer: who writes there; None where nothing was to be changed.

        Raises:
            EntroError: when it cannot be brought, or another writes there now; then nothing of it is stored.
        """
        here = self._here()
        changed = [name for name, copied in here.items() if not _is_untouched(self._copied.get(name), copied)]
        gone = sorted(self._copied.keys() - here.keys())
        if writer is None or not (changed or gone):
            return
        commit = _Commit(writer.name, changed, gone)
        for name in changed:
            self._remote.put(commit.coming(name), self._folder / name)
        if not (writer.is_there() and self._remote.write(_COMMIT, msgspec.json.encode(commit), only_new=True)):
            raise EntroError(
                f"this entro was not heard of for {LEASE_TIMEOUT_S:g} s, and another writes there now",
                where=label(self._remote.url),
                remedy="run it again",
            )
        _apply_commit(self._remote, commit, [commit.coming(name) for name in changed])
        # A copy on the server has a mark of its own: without one here it is fetched when it is looked at next.
        self._copied = {name: here[name] if name in changed else self._copied[name] for name in here}
        self._write_record()

    def _make(self, listed: Mapping[str, str]) -> None:
        commit = _read_commit(self._remote, listed)
        coming = {name: commit.coming(name) for name in commit.files if commit.coming(name) in listed}
        sources = {name: name for name in listed if name not in commit.gone} | coming
        wanted = {name: source for name, source in sources.items() if _is_stored(name)}
        here = self._here()
        for name in here.keys() - wanted.keys():
            (self._folder / name).unlink()
        for aside in (self._place.staging, self._place.committed):  # what was not brought was never stored
            shutil.rmtree(aside, ignore_errors=True)
        self._copied = {name: copied for name, copied in self._copied.items() if name in wanted}
        for name, source in wanted.items():
            known = self._copied.get(name)
            if known and known.mark and known.mark == listed[source] and _is_untouched(known, here.get(name)):
                continue
            self._copied[name] = self._fetched(name, source, listed[source])
        self._write_record()

    def _fetched(self, name: str, source: str, mark: str) -> _CopiedFile:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self._folder.parent, delete=False) as file:
            try:
                self._remote.fetch(source, Path(file.name))
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return _copied_file(target, mark)

    def _here(self) -> dict[str, _CopiedFile]:
        """The files that are stored, as they are in the copy."""
        found = sorted(path for path in self._folder.rglob("*") if path.is_file())
        named = {path.relative_to(self._folder).as_posix(): path for path in found}
        return {name: _copied_file(path, "") for name, path in named.items() if _is_stored(name)}

    def _recorded(self) -> dict[str, _CopiedFile]:
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=dict[str, _CopiedFile])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _write_record(self) -> None:
        write_whole(self._record, msgspec.json.encode(self._copied))


def _copied_file(path: Path, mark: str) -> _CopiedFile:
    told = path.stat()
    return _CopiedFile(mark, told.st_size, told.st_mtime_ns)


def _is_untouched(first: _CopiedFile | None, second: _CopiedFile | None) -> bool:
    """Whether a copy was not touched since."""
    if first is None or second is None:
        return False
    return (first.size, first.changed_ns) == (second.size, second.changed_ns)


def _is_stored(name: str) -> bool:
    """Whether a file is part of what is stored, and not of how it is written, or of something else."""
    return name != _LEASE and _STORED.fullmatch(name) is not None


def _stored_marks(listed: Mapping[str, str]) -> dict[str, str]:
    """What is stored, whoever is about to change it."""
    return {name: mark for name, mark in listed.items() if name == _COMMIT or _is_stored(name)}
