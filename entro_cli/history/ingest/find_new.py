"""What is new in several logs: each is read for itself, and of two that are one log the longer is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from entro_cli.core.remote_files import changed_ns
from entro_cli.core.urls import is_url
from entro_cli.history.ingest.merge import source_by_name
from entro_cli.history.ingest.read_tail import LogUpdate, ReadContext
from entro_cli.history.ingest.resume import resume
from entro_cli.history.state import LogState, State
from entro_cli.readers.inputs.log_file import STDIN, EmptyLogError, NoLogError, find_logs, label_of, place_of
from entro_cli.readers.options import LoadOptions, check_options_used
from entro_cli.timeseries.observations import ReadOptions
from entro_engine import EntroError


def find_logs_leniently(names: Sequence[str]) -> tuple[dict[str, bool], list[EntroError]]:
    """The files that some names stand for, as `find_logs` gives them, and why others stand for none.

    Raises:
        EntroError: when none of them stands for any.
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


@dataclass
class LogScanner:
    """Logs being read.

    Attributes:
        state: what is known of their pipeline.
        reading: how they are read.
        options: the same as the user wrote it.
        again: read them from their beginning, whatever was read of them before.
        source: what their source is called; None to find out.
        parts: what was read.
        taken: by log, what was done with it, in words.
        failures: why logs could not be read.
    """

    state: State
    reading: ReadOptions
    options: LoadOptions
    again: bool
    source: str | None
    parts: list[LogUpdate] = field(default_factory=list)
    taken: dict[str, str] = field(default_factory=dict)
    failures: list[EntroError] = field(default_factory=list)

    def read(self, found: Mapping[str, bool]) -> LogScanner:
        """Read what is new in some files.

        Args:
            found: as `find_logs` gives them.

        Raises:
            EntroError: when an option does not fit the logs.
        """
        for name, was_named in sorted(found.items(), key=lambda part: _changed_ns(part[0])):
            label = label_of(name)
            try:
                self.taken[label] = self._take(name)
            except EmptyLogError:
                self.taken[label] = "nothing in it yet"
            except EntroError as error:
                self.taken[label] = "left out"
                if was_named or not isinstance(error, NoLogError):
                    self.failures.append(error)
        if len(self.parts) == len(found) and not any(part.before or part.log.carried for part in self.parts):
            read = [one for part in self.parts for one in (part.observations, part.unfinished) if one]
            check_options_used(read, self.options)  # what is read on does not tell all that its log has
        return self

    def _take(self, name: str) -> str:
        """Read a log; what was done, in words."""
        part = self._read(name)
        twin = next((one for one in self.parts if isinstance(part, LogUpdate) and part.before is one.log), None)
        if not isinstance(part, LogUpdate) or (twin is not None and not _has_more(part, twin)):
            return "nothing new"
        if twin is not None:
            self.parts.remove(twin)
            self.taken[twin.log.path] = "nothing new"
            return self._take(name)
        self.parts.append(part)
        return "new" if part.before is None or self.again else "read on"

    def _read(self, name: str) -> LogUpdate | LogState:
        place = place_of(name)
        before = [part.before for part in self.parts]
        logs = [log for log in self.state.logs if not any(log is other for other in before)]
        logs += [part.log for part in self.parts]
        how = ReadContext(self.reading, self.options, self.again, self.state.grid if self.state.step_is_known else None)
        return resume(name, [log for log in logs if self._may_be(log, place)], how)

    def _may_be(self, log: LogState, place: str) -> bool:
        """Whether a log that holds the same may be the one at a place: not where their names are of two sources."""
        sources = {self._source_at(log.place), self._source_at(place)} - {None}
        return log.place == place or len(sources) < 2

    def _source_at(self, place: str) -> str | None:
        return source_by_name(place, self.state.logs)


def _changed_ns(name: str) -> int:
    """When a file was last changed: a log that others go on from comes before them."""
    if is_url(name):
        return changed_ns(name)
    try:
        return 0 if name == STDIN else Path(name).stat().st_mtime_ns
    except OSError:  # whoever reads it is told why
        return 0


def _has_more(part: LogUpdate, twin: LogUpdate) -> bool:
    """Whether more was read of a log than of its copy."""
    return (part.log.offset, part.unfinished is not None) > (twin.log.offset, twin.unfinished is not None)
