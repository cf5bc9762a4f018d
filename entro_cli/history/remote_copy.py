"""A history at a URL: a command works on a copy in the user's cache, and uploads what it changed at the end.

What is at the URL is what is stored. Before each command, the copy is updated from the URL; changes in it that were
never uploaded are discarded. An object store has neither locks nor renames, so two of its features replace them:

- A file that only one client can create is the lease of the writer. Nothing removes it if its process is killed, so
  the writer renews it, and others take over a lease that is not renewed.
- A file appears whole or not at all. Changed files are uploaded beside the stored ones, under `_entro/coming`. One
  more file there commits them all, and they are then copied to their places. Readers that find the commit file read
  the uploaded files instead of the old ones. The next writer completes what a killed one left.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from socket import gethostname
from tempfile import NamedTemporaryFile
from uuid import uuid4

import filelock
import msgspec

from entro_cli.core.console import DONE, printable
from entro_cli.core.files import unwritable, write_whole
from entro_cli.core.remote_files import label
from entro_cli.core.remote_folder import RemoteFolder
from entro_cli.history.paths import DAY_FILE, METADATA, PipelinePaths, pipeline_names, pipeline_paths, stored_pipelines
from entro_cli.history.transaction import LOCK_TIMEOUT_S, lock_timeout_error
from entro_engine import EntroError

_STAGING, _COMMIT, _LEASE = f"{METADATA}/coming/", f"{METADATA}/coming/commit.json", f"{METADATA}/writer.json"
_STORED = re.compile(rf"date=\d{{4}}-\d\d-\d\d/{re.escape(DAY_FILE)}|{METADATA}/[a-z-]+\.json")

HEARTBEAT_S = 5.0
"""The time between two renewals of a lease."""

LEASE_TIMEOUT_S = 30.0
"""A lease that is not renewed for so long has expired: its writer was killed, or is cut off from the server."""

_POLL_S = 1.0
_FETCH_ATTEMPTS = 5


class _Commit(msgspec.Struct):
    """The changes of one commit, as stored in `commit.json`.

    Attributes:
        writer: the name of the writer's lease; its files are uploaded into a folder of that name.
        files: the changed files, as paths in the pipeline's folder.
        gone: the removed files.
    """

    writer: str = ""
    files: list[str] = []
    gone: list[str] = []

    def staged(self, name: str) -> str:
        """Return the path to which a changed file is uploaded first."""
        return f"{_STAGING}{self.writer}/{name}"


class _CopiedFile(msgspec.Struct):
    """A file of the copy: its version mark at the URL, and the size (bytes) and time of change (ns) of the copy."""

    mark: str
    size: int
    changed_ns: int


@contextmanager
def working_copy(paths: PipelinePaths, writes: bool = False) -> Iterator[None]:
    """Provide a pipeline's history in its folder for the duration of a context.

    For a history at a URL the folder is a copy. Changes in it are uploaded at the end. This also happens if the
    context ends with an error: in a folder, what was stored before an error would stay, too.

    Args:
        paths: the pipeline.
        writes: whether the history may be changed. The pipeline is then locked against writers on all machines.

    Raises:
        EntroError: when the URL cannot be read or written, or another writer holds the pipeline for too long.
    """
    if not paths.url:
        yield
        return
    remote = RemoteFolder(paths.url).folder(paths.folder.name)
    lease = None
    with ExitStack() as context:
        try:
            paths.history.mkdir(parents=True, exist_ok=True)
            # Beside the folder, not in it: this lock guards the copy, also while it is updated.
            context.enter_context(filelock.FileLock(f"{paths.folder}.lock", timeout=LOCK_TIMEOUT_S))
        except filelock.Timeout as error:
            raise lock_timeout_error(paths, LOCK_TIMEOUT_S) from error
        except OSError as error:
            raise unwritable(paths.history, error) from error
        if writes:
            remote.refuse_to_write()
            lease = context.enter_context(_hold_lease(paths, remote))
            _recover(remote)
        copy = _WorkingCopy(paths, remote)
        try:
            copy.update()
        except OSError as error:
            raise unwritable(Path(error.filename or paths.folder), error) from error
        try:
            yield
        except Exception:
            copy.upload(lease)
            raise
        copy.upload(lease)
        if writes:
            DONE.append(f"stored what is new of {printable(paths.name)}")


def pipelines_at(history: Path | str) -> list[PipelinePaths]:
    """Return every pipeline of a history in a folder or at a URL, sorted by name.

    Raises:
        EntroError: when the URL cannot be read.
    """
    if isinstance(history, Path):
        return stored_pipelines(history)
    return [pipeline_paths(history, name) for name in pipeline_names(RemoteFolder(history).folders())]


@contextmanager
def _hold_lease(paths: PipelinePaths, remote: RemoteFolder) -> Iterator[_Lease]:
    """Hold the lease of a remote pipeline for the duration of a context, and renew it in a thread."""
    lease = _Lease(remote, uuid4().hex)
    end = time.monotonic() + LOCK_TIMEOUT_S
    last, since = None, time.monotonic()
    while not remote.write(_LEASE, lease.content(0), only_new=True):
        # Expiry is measured by this machine's clock, from the first look at an unchanged lease: the clocks of other
        # machines may differ. Two waiting writers may both remove a lease; the loser notices it before its commit.
        found = remote.read(_LEASE)
        if found != last:
            last, since = found, time.monotonic()
        elif found is not None and time.monotonic() - since > LEASE_TIMEOUT_S:
            remote.remove([_LEASE])
        if time.monotonic() > end:
            raise lock_timeout_error(paths, LOCK_TIMEOUT_S)
        time.sleep(_POLL_S)
    ended = threading.Event()
    heartbeat = threading.Thread(target=lease.renew, args=(ended,), daemon=True)
    heartbeat.start()
    try:
        yield lease
    finally:
        ended.set()
        heartbeat.join()  # else a last renewal could write the lease again after its removal
        if lease.is_held():
            remote.remove([_LEASE])


class _Lease(msgspec.Struct, frozen=True):
    """The right to write a remote pipeline, held as long as it is renewed.

    Attributes:
        remote: the pipeline's folder.
        name: a unique name of the writer.
    """

    remote: RemoteFolder
    name: str

    def content(self, beat: int) -> bytes:
        """Return the content of the lease file; `beat` makes each renewal differ from the one before."""
        return msgspec.json.encode({"writer": self.name, "host": gethostname(), "process": os.getpid(), "beat": beat})

    def renew(self, ended: threading.Event) -> None:
        """Renew the lease until an event is set."""
        beat = 0
        while not ended.wait(HEARTBEAT_S):
            beat += 1
            with suppress(EntroError):  # a server may fail for a moment: the next renewal tries again
                if self.is_held():
                    self.remote.write(_LEASE, self.content(beat))

    def is_held(self) -> bool:
        """Report whether no other writer has taken over."""
        return self.name.encode() in (self.remote.read(_LEASE) or b"")


def _recover(remote: RemoteFolder) -> None:
    """Apply what a killed writer had committed, and remove what it had only uploaded."""
    listed = remote.files()
    staged = [name for name in listed if name.startswith(_STAGING) and name != _COMMIT]
    if _COMMIT in listed:
        _apply_commit(remote, _read_commit(remote, listed), staged)
    else:
        remote.remove(staged)


def _read_commit(remote: RemoteFolder, listed: Mapping[str, str]) -> _Commit:
    """Return the commit that may not be applied yet; an empty one if there is none."""
    content = remote.read(_COMMIT) if _COMMIT in listed else None
    if content is None:
        return _Commit()
    try:
        commit = msgspec.json.decode(content, type=_Commit)
        # A path such as `../../log.csv` in it would write outside the pipeline's folder.
        if not all(map(_is_stored, [*commit.files, *commit.gone])):
            raise ValueError("it names files that are not of a history")
        return commit
    except (msgspec.MsgspecError, ValueError) as error:
        raise EntroError(
            "the file is damaged",
            where=f"{label(remote.url)}/{_COMMIT}",
            remedy="remove it: its changes were not stored",
        ) from error


def _apply_commit(remote: RemoteFolder, commit: _Commit, staged: Sequence[str]) -> None:
    """Copy the committed files that are still staged to their places, and remove all staged files."""
    for name in commit.files:
        if commit.staged(name) in staged:
            remote.copy(commit.staged(name), name)
    remote.remove([*commit.gone, _COMMIT, *staged])


class _WorkingCopy:
    """The local copy of a remote pipeline.

    Args:
        paths: the pipeline, whose folder is the copy.
        remote: its folder at the URL.
    """

    def __init__(self, paths: PipelinePaths, remote: RemoteFolder) -> None:
        self._paths, self._folder, self._remote = paths, paths.folder, remote
        self._record = paths.folder.with_name(f"{paths.folder.name}.json")
        self._copied = self._read_record()

    def update(self) -> None:
        """Make the copy equal to the history at the URL, at one moment even while a writer changes it.

        Raises:
            EntroError: when files cannot be fetched, or the history changed during every attempt.
        """
        for _ in range(_FETCH_ATTEMPTS):
            listed = self._remote.files()
            # The listings before and after must agree: else the copy could have old and new files of one commit.
            try:
                self._fetch_changed(listed)
            except EntroError:
                if _stored_marks(self._remote.files()) == _stored_marks(listed):
                    raise
            else:
                if _stored_marks(self._remote.files()) == _stored_marks(listed):
                    return
        raise EntroError("the history changed during every attempt to copy it", where=label(self._remote.url))

    def upload(self, lease: _Lease | None) -> None:
        """Upload and commit what changed in the copy.

        Args:
            lease: the lease of the writer; None if the command only reads.

        Raises:
            EntroError: when the upload fails, or another writer has taken over. Nothing is stored then.
        """
        local = self._local_files()
        changed = [name for name, file in local.items() if not _is_untouched(self._copied.get(name), file)]
        gone = sorted(self._copied.keys() - local.keys())
        if lease is None or not (changed or gone):
            return
        commit = _Commit(lease.name, changed, gone)
        for name in changed:
            self._remote.put(commit.staged(name), self._folder / name)
        if not (lease.is_held() and self._remote.write(_COMMIT, msgspec.json.encode(commit), only_new=True)):
            raise EntroError(
                f"this process did not renew its lease for {LEASE_TIMEOUT_S:g} s, and another one writes there now",
                where=label(self._remote.url),
                remedy="run it again",
            )
        _apply_commit(self._remote, commit, [commit.staged(name) for name in changed])
        # The server gives a copied file a new version mark, unknown here. Without a mark the next command fetches it.
        self._copied = {name: local[name] if name in changed else self._copied[name] for name in local}
        self._write_record()

    def _fetch_changed(self, listed: Mapping[str, str]) -> None:
        commit = _read_commit(self._remote, listed)
        staged = {name: commit.staged(name) for name in commit.files if commit.staged(name) in listed}
        sources = {name: name for name in listed if name not in commit.gone} | staged
        stored = {name: source for name, source in sources.items() if _is_stored(name)}
        local = self._local_files()
        for name in local.keys() - stored.keys():
            (self._folder / name).unlink()
        for folder in (
            self._paths.staging,
            self._paths.committed,
        ):  # local leftovers: what is not uploaded is not stored
            shutil.rmtree(folder, ignore_errors=True)
        self._copied = {name: file for name, file in self._copied.items() if name in stored}
        for name, source in stored.items():
            known = self._copied.get(name)
            if known and known.mark and known.mark == listed[source] and _is_untouched(known, local.get(name)):
                continue
            self._copied[name] = self._fetch(name, source, listed[source])
        self._write_record()

    def _fetch(self, name: str, source: str, mark: str) -> _CopiedFile:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the copy, on the same file system: `replace` is atomic only there.
        with NamedTemporaryFile(dir=self._folder.parent, delete=False) as file:
            try:
                self._remote.fetch(source, Path(file.name))
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return _copied_file(target, mark)

    def _local_files(self) -> dict[str, _CopiedFile]:
        """Return the stored files in the copy, by path, without version marks."""
        found = sorted(path for path in self._folder.rglob("*") if path.is_file())
        named = {path.relative_to(self._folder).as_posix(): path for path in found}
        return {name: _copied_file(path, "") for name, path in named.items() if _is_stored(name)}

    def _read_record(self) -> dict[str, _CopiedFile]:
        """Read the version marks of the last update; none if they cannot be read, so that all files are fetched."""
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=dict[str, _CopiedFile])
        except (OSError, msgspec.MsgspecError):
            return {}

    def _write_record(self) -> None:
        write_whole(self._record, msgspec.json.encode(self._copied))


def _copied_file(path: Path, mark: str) -> _CopiedFile:
    status = path.stat()
    return _CopiedFile(mark, status.st_size, status.st_mtime_ns)


def _is_untouched(first: _CopiedFile | None, second: _CopiedFile | None) -> bool:
    """Report whether a copy has not changed between two looks."""
    if first is None or second is None:
        return False
    return (first.size, first.changed_ns) == (second.size, second.changed_ns)


def _is_stored(name: str) -> bool:
    """Report whether a path is of a stored file, not of a lease, a lock, a staged or a foreign file."""
    return name != _LEASE and _STORED.fullmatch(name) is not None


def _stored_marks(listed: Mapping[str, str]) -> dict[str, str]:
    """Return the version marks that decide what is stored: a renewed lease or an upload does not change that."""
    return {name: mark for name, mark in listed.items() if name == _COMMIT or _is_stored(name)}
