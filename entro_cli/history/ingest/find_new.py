"""Reading of what is new in several logs; of two files that are the same log, the longer counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from entro_cli.core.console import worked_off
from entro_cli.core.files import rotation_stem
from entro_cli.core.remote_files import changed_ns
from entro_cli.core.urls import is_url
from entro_cli.history.ingest.merge import source_by_name
from entro_cli.history.ingest.read_tail import LogUpdate, ReadContext
from entro_cli.history.ingest.resume import resume
from entro_cli.history.state import LogState, State
from entro_cli.readers.inputs.log_file import (
    STDIN,
    EmptyLogError,
    NoLogError,
    find_logs,
    label_of,
    location_of,
    refuse_special,
    stream_suffix,
)
from entro_cli.readers.options import LoadOptions, check_options_used
from entro_cli.timeseries.observations import ReadOptions
from entro_engine import EntroError


def find_logs_leniently(names: Sequence[str]) -> tuple[dict[str, bool], list[EntroError]]:
    """Return the files that names stand for, as `find_logs` gives them, and the errors of names without files.

    Raises:
        EntroError: if no name stands for a file.
    """
    found: dict[str, bool] = {}
    failures = []
    for name in names:
        try:
            for path, was_named in find_logs([name]).items():
                found[path] = found.get(path, False) or was_named
        except EntroError as error:
            failures.append(error)
    if not found and failures:
        raise failures[0]
    return found, failures


class LogScanner(Struct):
    """A scan of logs for what is new in them.

    Attributes:
        state: the state of their pipeline.
        read_options: how they are read.
        load_options: the same as the user wrote it.
        again: read them from their beginning, whatever was read of them before.
        source: the source of new logs; None to determine it.
        updates: what was read.
        statuses: by log, what was done with it, in words.
        failures: the errors of logs that cannot be read.
    """

    state: State
    read_options: ReadOptions
    load_options: LoadOptions
    again: bool
    source: str | None
    updates: list[LogUpdate] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    failures: list[EntroError] = field(default_factory=list)
    _files: dict[str, object] = field(default_factory=dict)

    def read(self, found: Mapping[str, bool]) -> LogScanner:
        """Read what is new in some files, the one that was changed first before the others.

        Args:
            found: as `find_logs` gives them.

        Raises:
            EntroError: if an option does not fit the logs.
        """
        self._files = {location_of(name): _inode(name) for name in found}
        # Rotation can be quicker than the clock of the file system: of equally old files the rotated one comes first.
        by_age = sorted(found.items(), key=lambda part: (_changed_ns(part[0]), rotation_stem(part[0])[0] == part[0]))
        for name, was_named in worked_off(by_age, len(by_age), "reading", "log"):
            label = label_of(name)
            try:
                if not was_named:
                    refuse_special(name)
                self._update(name)
            except EmptyLogError:
                self.statuses[label] = "nothing in it yet"
            except EntroError as error:
                self.statuses[label] = "left out"
                if was_named or not isinstance(error, NoLogError):
                    self.failures.append(error)
        # A resumed log does not show all that it has, so options can only be checked if all logs were read whole.
        if len(self.updates) == len(found) and not any(update.before or update.log.after for update in self.updates):
            files = [one for update in self.updates for one in (update.observations, update.unfinished) if one]
            check_options_used(files, self.load_options)
        return self

    def _update(self, name: str) -> None:
        """Read the logs in a file, and note what was done with each."""
        found = resume(name, self._logs_at, self._context)
        for update in found:
            log = update.log if isinstance(update, LogUpdate) else update
            label = label_of(name) + (stream_suffix(tuple(log.identity.items())) if len(found) > 1 else "")
            if isinstance(update, LogUpdate):
                label = log.path  # of the only log that can be read in a file with several, too
            twin = next(
                (one for one in self.updates if isinstance(update, LogUpdate) and update.before is one.log), None
            )
            if not isinstance(update, LogUpdate) or (twin is not None and not _has_more(update, twin)):
                self.statuses.setdefault(label, "nothing new")
            elif twin is not None:  # the longer of two names is resumed from the stored state, not from the twin's
                self.updates.remove(twin)
                self.statuses[twin.log.path] = "nothing new"
                self.statuses.pop(label, None)
                self._update(name)
            else:
                self.updates.append(update)
                self.statuses[label] = "new" if update.before is None or self.again else "read on"

    @property
    def _context(self) -> ReadContext:
        grid = self.state.grid if self.state.step_is_known else None
        return ReadContext(self.read_options, self.load_options, self.again, grid)

    def _logs_at(self, place: str) -> list[LogState]:
        """Return the logs that were read before, in this scan, too, and may be the one at a place."""
        before = [update.before for update in self.updates]
        logs = [log for log in self.state.logs if not any(log is other for other in before)]
        logs += [update.log for update in self.updates]
        return [log for log in logs if self._may_be_at(log, place)]

    def _may_be_at(self, log: LogState, place: str) -> bool:
        """Return whether a log may be the one at a place: not if their names belong to two sources or two files.

        Logs of two sources may be equal for a while, and so may those of programs that do the same.
        """
        if self._are_two_files(log.place, place) and rotation_stem(log.place)[0] != rotation_stem(place)[0]:
            return False
        sources = {self._source_at(log.place), self._source_at(place)} - {None}
        return log.place == place or len(sources) < 2

    def _are_two_files(self, first: str, second: str) -> bool:
        """Return whether two places are both in this scan, and not two names of one file."""
        files = self._files
        return first != second and first in files and second in files and files[first] != files[second]

    def _source_at(self, place: str) -> str | None:
        return source_by_name(place, self.state.logs)


def _inode(name: str) -> object:
    """Return what is equal for two names of one file: its inode, or else its name."""
    try:
        return name if is_url(name) or name == STDIN else Path(name).stat()[1:3]
    except OSError:  # reading it reports why
        return name


def _changed_ns(name: str) -> int:
    """Return when a file was last changed; a log comes before those that continue it."""
    if is_url(name):
        return changed_ns(name)
    try:
        return 0 if name == STDIN else Path(name).stat().st_mtime_ns
    except OSError:  # reading it reports why
        return 0


def _has_more(update: LogUpdate, twin: LogUpdate) -> bool:
    """Return whether more was read of a log than of another file of it."""
    return (update.log.offset, update.unfinished is not None) > (twin.log.offset, twin.unfinished is not None)
