"""Following logs that grow: what is new in them becomes steps, in memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from entro_cli.config import Settings
from entro_cli.core.clock import NS, duration_ns
from entro_cli.core.files import rotation_stem
from entro_cli.core.urls import is_url
from entro_cli.history.day_files import BinsByKey
from entro_cli.history.ingest.assign_sources import assign_sources
from entro_cli.history.ingest.find_new import LogScanner, find_logs_leniently
from entro_cli.history.ingest.ingest import add_stages, determine_step
from entro_cli.history.ingest.match_known_logs import FileIdentity, identify_file
from entro_cli.history.ingest.merge import (
    SourcedLog,
    all_samples,
    new_bins,
    retracted_bins,
    update_logs,
    without_retracted,
)
from entro_cli.history.ingest.new_bins import NewBins
from entro_cli.history.ingest.read_tail import LogUpdate
from entro_cli.history.read import coupled_steps
from entro_cli.history.state import State
from entro_cli.readers.inputs.log_file import STDIN, label_of
from entro_cli.readers.options import LoadOptions, parse_stage_options, read_options
from entro_cli.timeseries.bins import EMPTY, Signal, join_bins, merge_bins, signals_of
from entro_cli.timeseries.observations import is_signal
from entro_cli.timeseries.resample import check_span
from entro_cli.timeseries.steps import Steps
from entro_engine import EntroError

_COMPARED_BYTES = 4096

_ENOUGH_SAMPLES = 20
"""So many samples of a source show its usual interval."""

_ATTEMPTS = 3
"""Attempts to read logs that are rotated meanwhile."""


class Follower:
    """Follower of growing logs.

    A log that is not there yet, or cannot be read right now, is no end: its error is among the failures of the poll.

    Args:
        names: files, folders, patterns and URLs. They are looked for in each poll, so that new files appear.
        load_options: how the logs are read.
        kept_s: steps older than this before the newest are forgotten, s; None to keep all.

    Attributes:
        names: the names.
        failures: the errors of the last poll.
        state: the logs so far, as in the state of a history.

    Raises:
        EntroError: if an option cannot be read.
    """

    def __init__(self, names: Sequence[str], load_options: LoadOptions, kept_s: float | None = None) -> None:
        self.failures: list[EntroError] = []
        self.state = State(learns=True)
        self._bins: BinsByKey = {}
        self.names, self._load_options = names, load_options
        self._zone, self._read_options = read_options(load_options)
        self._step_ns = None if load_options.step is None else duration_ns(load_options.step, "--step")
        self._kept_ns = None if kept_s is None else round(kept_s * NS)
        self._rotated = RotatedFiles()
        self._read_anew_at = 0  # number of samples; 0 before the step is fixed

    def poll(self) -> bool:
        """Read what is new; return whether anything is."""
        if not self._read():
            return False
        if self._count_samples() >= self._read_anew_at > 0 and (self._step_ns is None or self._has_few_samples()):
            self._read_anew()
        if self.state.step_is_known and self._count_samples() >= self._read_anew_at:
            self._read_anew_at = 2 * self._count_samples()
        return True

    def _read(self) -> bool:
        """Read what is new, and put it into the state; return whether anything is."""
        for _ in range(_ATTEMPTS):
            found, rotated = self._find()
            before = _identities(found)
            updates = self._scan(found) if found else []
            if not updates or (self._find()[1] == rotated and not _are_replaced(before, _identities(found))):
                break
        else:  # lines would be read out of order: the next poll begins again
            return False
        labels = set(map(label_of, rotated))  # they may be written right now
        self.failures = [error for error in self.failures if error.where not in labels]
        if not updates or not self._add(updates):
            return False
        if self._kept_ns is not None:
            self._forget(self._kept_ns, found)
        return True

    def _find(self) -> tuple[dict[str, bool], list[str]]:
        """Return the files to read, as `find_logs` does, and the rotated ones among them."""
        try:
            found, self.failures = find_logs_leniently(self.names)
        except EntroError as error:
            found, self.failures = {}, [error]
        rotated = self._rotated.beside(found)
        return found | dict.fromkeys(rotated, False), rotated

    def steps(self, settings: Settings, begin_ns: int | None = None) -> Steps | None:
        """Return the steps so far, coupled and with the full loads of the settings; None without any.

        Args:
            settings: the settings of the pipeline.
            begin_ns: the begin of the time of interest, ns since the epoch; None for all steps.
        """
        begin = -(1 << 62) if begin_ns is None else begin_ns
        bins = {key: part.between(begin, 1 << 62) for key, part in self._bins.items() if key.stage in self.state.stages}
        bins = {key: part for key, part in bins.items() if len(part)}
        return coupled_steps(self.state, bins, settings, begin_ns) if bins else None

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Hints at the causes of incidents."""
        return signals_of((key.stage, part) for key, part in self._bins.items())

    def _scan(self, found: dict[str, bool]) -> list[LogUpdate]:
        """Return what is new in some files."""
        try:
            scanner = LogScanner(self.state, self._read_options, self._load_options, False, None).read(found)
            self.failures += scanner.failures
            return scanner.updates
        except EntroError as error:
            self.failures.append(error)
        except OSError as error:  # a file was moved while it was read
            self.failures.append(EntroError(f"cannot be read: {error.strerror or error}", where=str(error.filename)))
        return []

    def _read_anew(self) -> None:
        """Read all files from their beginning: with twice the samples the usual interval may be another.

        If lines that were read are gone meanwhile, everything stays as it is.
        """
        before = self.state, self._bins, self._count_samples()
        self.state, self._bins = State(learns=True), {}
        if not self._read() or self._count_samples() < before[2]:
            self.state, self._bins, _ = before

    def _has_few_samples(self) -> bool:
        """Return whether a source has too few samples to show its usual interval, for which its loads hold."""
        samples: Counter[tuple[str, str]] = Counter()
        for part in (part for log in self.state.logs for part in log.series if not is_signal(part.stage)):
            samples[part.stage, part.source] += part.samples
        return min(samples.values(), default=0) < _ENOUGH_SAMPLES

    def _count_samples(self) -> int:
        return sum(part.samples for log in self.state.logs for part in log.series)

    def _add(self, updates: Sequence[LogUpdate]) -> bool:
        """Put what was read into the state and the bins, as `ingest` puts it into a history.

        Return whether that could be done. A stage of two kinds and a wrong time are failures.
        """
        try:
            self._put(assign_sources(updates, self.state, None)[0])
        except EntroError as error:
            self.failures.append(error)
            return False
        return True

    def _put(self, logs: Sequence[SourcedLog]) -> None:
        state = self.state
        add_stages(logs, state, "another log")
        was_known = state.step_is_known
        if not was_known:
            determine_step(logs, state, self._step_ns, self._zone)
        for log in logs:
            check_span((*log.series, *log.unfinished), state.step_ns, self._zone)
        if was_known:
            self._merge(new_bins(state, logs).all(), retracted_bins(state, logs))
        else:
            self._bins = NewBins.of(state.grid, all_samples(state, logs), {}).all()
        for log in logs:
            update_logs(state, log)
        for spec in parse_stage_options(self._load_options):
            if spec.full is not None and spec.name in state.stages:
                state.stages[spec.name].full = spec.full

    def _merge(self, new: BinsByKey, retracted: BinsByKey) -> None:
        """Merge bins into those so far: only from the first changed step on, because a log may have a million."""
        for key in new.keys() | retracted.keys():
            changes = [part for part in (new.get(key, EMPTY), retracted.get(key, EMPTY)) if len(part)]
            if changes:
                stored = self._bins.get(key, EMPTY)
                cut = int(np.searchsorted(stored.starts, min(part.starts[0] for part in changes)))
                left = without_retracted({key: stored.take(slice(cut, None))}, retracted)
                tail = merge_bins([left[key], new.get(key, EMPTY)])
                self._bins[key] = join_bins([stored.take(slice(cut)), tail])

    def _forget(self, kept_ns: int, found: Iterable[str]) -> None:
        """Forget old steps, and logs of files that are gone without a later sample."""
        begin = max((int(part.starts[-1]) for part in self._bins.values() if len(part)), default=0) - kept_ns
        cut = {key: part.between(begin, 1 << 62) for key, part in self._bins.items()}
        self._bins = {key: part for key, part in cut.items() if len(part)}
        files = set(map(identify_file, map(Path, found)))
        self.state.logs = [
            log
            for log in self.state.logs
            if is_url(log.place)
            or not files.isdisjoint(log.seen)
            or max((part.last for part in log.series), default=begin) >= begin
        ]


def _identities(found: Iterable[str]) -> dict[str, FileIdentity | None]:
    return {name: identify_file(Path(name)) for name in found}


def _are_replaced(before: Mapping[str, FileIdentity | None], after: Mapping[str, FileIdentity | None]) -> bool:
    """Return whether one of some files has become another or shorter."""
    pairs = ((before[name], after[name]) for name in before)
    return any(one and now and (one[:2] != now[:2] or one[2] > now[2]) for one, now in pairs)


class RotatedFiles:
    """The files to which rotation has moved parts of followed logs: `server.log.1`, `server.log-20260406.gz`.

    Files that were rotated before a log was first seen do not belong to it, as for `analyze`. Those that were changed
    later than all of them do: renaming and compressing keep the time of the last change, copying sets a later one.
    """

    def __init__(self) -> None:
        self._last_ns: dict[str, int] = {}  # by path without suffixes, the last change of earlier rotated files

    def beside(self, names: Iterable[str]) -> list[str]:
        """Return the rotated files beside some logs, and beside those of earlier calls, without these logs."""
        known = set(names)
        logs = {name for name in known if not is_url(name) and name != STDIN and rotation_stem(name)[0] == name}
        rotated: dict[str, list[tuple[str, int]]] = {}
        for name, stem, changed_ns in self._changes(self._last_ns.keys() | logs):
            if name not in known:
                rotated.setdefault(stem, []).append((name, changed_ns))
        for log in logs:
            self._last_ns.setdefault(log, max((changed for _, changed in rotated.get(log, ())), default=0))
        later = ((name, stem) for stem, files in rotated.items() for name, at in files if at > self._last_ns[stem])
        return [name for name, stem in later if not _is_copied(Path(name), Path(stem))]

    def _changes(self, stems: set[str]) -> Iterator[tuple[str, str, int]]:
        """Yield name, name without suffixes and time of the last change (ns) of the files with some stems."""
        begins = tuple(stem[stem.rfind("/") + 1 :] for stem in stems)
        for folder in {stem[: stem.rfind("/") + 1] for stem in stems}:
            try:
                with os.scandir(folder or ".") as entries:
                    for entry in entries:
                        if not entry.name.startswith(begins):  # a folder may have thousands of files
                            continue
                        stem = rotation_stem(folder + entry.name)[0]
                        if stem in stems and entry.is_file():
                            yield folder + entry.name, stem, entry.stat().st_mtime_ns
            except OSError:  # the folder, or a file in it, is gone
                continue


def _is_copied(copy: Path, log: Path) -> bool:
    """Return whether a file is a copy of the beginning of a log, which is about to be truncated."""
    try:
        size = copy.stat().st_size
        with copy.open("rb") as first, log.open("rb") as second:
            for begin in (0, max(size - _COMPARED_BYTES, 0)):
                first.seek(begin)
                second.seek(begin)
                if first.read(_COMPARED_BYTES) != second.read(min(_COMPARED_BYTES, size - begin)):
                    return False
            return True
    except OSError:
        return False
