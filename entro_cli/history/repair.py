"""Repair of a damaged history: what is intact is kept, what is not is moved aside, and both are reported."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from itertools import chain, count
from pathlib import Path

from msgspec import Struct, field

from entro_cli.core.console import printable
from entro_cli.core.files import read_regular
from entro_cli.core.formatting import counted
from entro_cli.history.check import flaw_of_day
from entro_cli.history.day_files import connect
from entro_cli.history.digests import Digests, ForbiddenError, forbidden, hash_of, read_digests, stored_days
from entro_cli.history.paths import DAY_FILE, DAY_NS, PipelinePaths, day_start_ns
from entro_cli.history.state import NewerStateError, State, decode_state, load_state, state_from_days
from entro_cli.history.transaction import commit, recover, write_lock
from entro_engine import EntroError

_MOST_LOGS = 3
"""Logs that are named for a lost day."""


class RepairResult(Struct):
    """The result of repairing a pipeline.

    Attributes:
        pipeline: its name.
        history: the folder or URL of the history.
        kept: what was damaged and could be recovered, in sentences.
        lost: what could not, and what to do, in sentences.
    """

    pipeline: str
    history: str
    kept: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def repair(paths: PipelinePaths, dry_run: bool = False) -> RepairResult:
    """Make a pipeline's history usable again.

    Args:
        paths: the pipeline.
        dry_run: only report what would be done.

    Raises:
        EntroError: when the history cannot be written to.
    """
    if dry_run:
        return _Repair(paths).plan()
    with write_lock(paths, recovers=False):
        work = _Repair(paths)
        work.recover()
        work.plan()
        work.apply()
    return work.result


class _Repair:
    """A repair of one pipeline, whose write lock the caller holds, except for a plan alone."""

    def __init__(self, paths: PipelinePaths) -> None:
        self._paths = paths
        self._aside: dict[Path, str] = {}  # by damaged file, its name in the folder of damaged files
        self._state = State()
        self._digests: Digests = {}
        self.result = RepairResult(paths.name, paths.shown)

    def recover(self) -> None:
        """Complete an interrupted write; move it aside if it is damaged."""
        try:
            recover(self._paths)
        except EntroError as error:
            self._move(self._paths.committed, "committed")
            self.result.lost.append(f"a write that was interrupted: {error.found}; ingest the logs again with --again")

    def plan(self) -> RepairResult:
        """Find what is damaged, and what can be kept of it."""
        listed = self._read_digests()
        self._state = self._read_state(listed)
        copy = self._paths.state_copy
        if copy.is_dir() or (listed and copy.exists() and self._read_copy(listed) is None):
            self._aside[copy] = copy.name
            self.result.kept.append("the copy of the state, which is damaged: it is made anew")
        with connect() as connection:
            for day in stored_days(self._paths, listed or {}):
                # A file that is not listed was put there by hand, from a backup for example.
                known = listed if listed and day.isoformat() in listed else None
                flaw = flaw_of_day(connection, self._paths, day, self._state, known)
                if flaw:
                    self._lose(day, flaw)
                elif self._paths.day_file(day).exists():  # else it is being pruned, and no lock is held for a plan
                    self._digests[day.isoformat()] = [hash_of(self._paths.day_file(day).read_bytes())]
                    if known is None and listed is not None:
                        self.result.kept.append(f"{day}: its hash was not recorded, and its content is sound")
        return self.result

    def apply(self) -> None:
        """Move damaged files aside, and record the others."""
        if not (self.result.kept or self.result.lost):
            return
        for path, name in self._aside.items():
            self._move(path, name)
        commit(self._paths, (), self._state, self._digests)

    def _read_digests(self) -> Digests | None:
        """Return the recorded hashes; None if they are lost."""
        try:
            return read_digests(self._paths)
        except ForbiddenError:
            raise
        except EntroError as error:
            self._aside[self._paths.digests] = self._paths.digests.name
            self.result.kept.append(
                f"the hashes ({error.found}): files whose content is sound are taken as they are, and recorded"
            )
            return None

    def _read_state(self, listed: Digests | None) -> State:
        """Return the state: from its file, from its copy, or else from the days."""
        paths = self._paths
        try:
            if listed is not None:
                state = load_state(paths)
                if listed and not paths.state.exists():
                    self.result.kept.append("the state (the file is missing), from its copy: nothing of it is lost")
                return state
            flaw = "its hash is lost, and nothing shows that it is as it was"
            contents = {read_regular(path) for path in (paths.state, paths.state_copy) if path.exists()}
            if len(contents) == 1:
                state = decode_state(contents.pop(), paths.state)
                if state.grid == state_from_days(paths).grid or not paths.days():
                    return state
        except (NewerStateError, ForbiddenError):
            raise
        except EntroError as error:
            flaw = error.found
        except OSError as error:
            flaw = f"cannot be read: {error.strerror or error}"
        self._aside[paths.state] = paths.state.name
        copy = self._read_copy(listed) if listed else None
        if copy is None:
            return self._rebuild_state(flaw)
        self.result.kept.append(f"the state ({flaw}), from its copy: nothing of it is lost")
        return copy

    def _read_copy(self, listed: Digests) -> State | None:
        """Return the state in the copy; None if that is missing or damaged."""
        with suppress(EntroError, OSError):
            content = read_regular(self._paths.state_copy)
            if hash_of(content) in listed.get(self._paths.state.name, ()):
                return decode_state(content, self._paths.state_copy)
        return None

    def _rebuild_state(self, flaw: str) -> State:
        """Return the state that the days show, and report what they do not show."""
        state = state_from_days(self._paths)
        stages = ", ".join(printable(name) for name in sorted(state.stages))
        self.result.kept.append(f"of the state ({flaw}): the grid and the stages {stages}, from the day files")
        self.result.lost.append(
            "how far each log was read: the next ingest reads logs from their beginning, and stores no step twice"
        )
        self.result.lost.append(
            "full loads that were given with --stage (give them again), and the learned capacity (it is learned again)"
        )
        return state

    def _lose(self, day: date, flaw: str) -> None:
        path = self._paths.day_file(day)
        if path.exists():
            if not os.access(path, os.R_OK):
                raise forbidden(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
            self._aside[path] = f"{day}.damaged"  # not a name that readers of Parquet look for
        logs = list(self._logs_of(day))
        more = f" and {counted(len(logs) - _MOST_LOGS, 'more')}" if len(logs) > _MOST_LOGS else ""
        named = f" {', '.join(logs[:_MOST_LOGS])}{more}" if logs else " its logs"
        self.result.lost.append(f"{day}: {flaw}; to bring it back, run entro ingest --again with{named}")

    def _logs_of(self, day: date) -> Iterator[str]:
        """Yield the logs with samples of a day."""
        begin = day_start_ns(day)
        for log in self._state.logs:
            if any(part.first < begin + DAY_NS and part.last >= begin for part in log.series):
                yield printable(log.path)

    def _move(self, path: Path, name: str) -> None:
        """Move a damaged file to the folder of damaged files, under a new name."""
        folder = self._paths.metadata_dir / "damaged"
        folder.mkdir(exist_ok=True)
        names = chain([name], (f"{name}.{number}" for number in count(2)))
        with suppress(FileNotFoundError):
            path.rename(next(folder / one for one in names if not (folder / one).exists()))
        if path.name == DAY_FILE:
            with suppress(OSError):
                path.parent.rmdir()
