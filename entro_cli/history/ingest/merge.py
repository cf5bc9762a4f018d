"""What logs gave, as cells to be stored: the steps that two logs have in part are made from the samples of both."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from entro_cli.history.day_files import BinsByKey, SampleKey, merge_days, without_last_times
from entro_cli.history.ingest.overlap import edge_steps, in_steps, merge_samples
from entro_cli.history.state import LogState, PackedSamples, State
from entro_cli.readers.continuation import rotation_stem
from entro_cli.timeseries.bins import EMPTY, Bins, bins_of, merge_bins
from entro_cli.timeseries.observations import Series
from entro_engine import Kind

_TELLING_SAMPLES = 10
"""From so many samples of every source on, the step that they tell is fixed."""


@dataclass(frozen=True)
class SourcedLog:
    """What was read of a log, now.

    Attributes:
        log: what is to be known of it from now on; its edges and its unfinished line are set by `update_logs`.
        series: what its whole lines gave.
        unfinished: what its last line gave, which has no end yet.
        begins: whether it was read from its beginning.
        before: what was known of it; None for a log that is new.
        sources: by stage, which source its samples are of.
        again: what the lines gave that were read before and are read again.
    """

    log: LogState
    series: tuple[Series, ...]
    unfinished: tuple[Series, ...]
    begins: bool
    before: LogState | None
    sources: Mapping[str, str]
    again: tuple[Series, ...] = ()

    def key(self, series: Series) -> SampleKey:
        """Whose samples a series has."""
        return SampleKey(series.stage, series.kind, self.sources[series.stage])


def new_bins(state: State, readings: Sequence[SourcedLog]) -> BinsByKey:
    """The cells of what was read, on the pipeline's grid.

    Args:
        state: what is known, the readings' logs still as they were.
        readings: what was read.
    """
    parts: dict[SampleKey, list[Series]] = {}
    for reading in readings:
        for series in (*reading.series, *reading.unfinished):
            parts.setdefault(reading.key(series), []).append(series)
    made_anew = replaced_samples(state, readings)
    return {
        key: _on_grid(state, merge_samples(several), _at_edges(state, several, _kept(state.logs, key, made_anew)))
        for key, several in parts.items()
    }


def _at_edges(state: State, parts: Sequence[Series], others: Sequence[Series]) -> list[Series]:
    """The samples of others in the first or the last step of one of the parts: the steps it may have in part."""
    edges = {number for part in parts for number in edge_steps(part, state.grid)}
    inside = (in_steps(other, edges, state.grid) for other in others)
    return [other for other in inside if len(other.times)]


def replaced_samples(state: State, readings: Sequence[SourcedLog]) -> list[PackedSamples]:
    """The samples kept of logs that were read again: of lines that had no end, and of steps that were read whole."""
    gone: list[PackedSamples] = []
    for reading in readings:
        if reading.before is not None:
            begins = {series.stage: edge_steps(series, state.grid)[0] for series in reading.series}
            gone += reading.before.unfinished
            gone += [
                edge
                for edge in reading.before.edges
                if reading.begins or edge_steps(edge.unpack(), state.grid)[0] >= begins.get(edge.stage, math.inf)
            ]
    return gone


def retracted_bins(state: State, readings: Sequence[SourcedLog]) -> BinsByKey:
    """The cells that were made with samples that are superseded, and are to be made again."""
    gone: BinsByKey = {}
    made_anew = replaced_samples(state, readings)
    for log in (reading.before for reading in readings if reading.before is not None):
        parts: dict[SampleKey, list[Series]] = {}
        for part in (part for part in (*log.edges, *log.unfinished) if _is_among(part, made_anew)):
            parts.setdefault(_key_in(log, part.stage), []).append(part.unpack())
        for key, several in parts.items():
            gone = merge_days(gone, {key: _on_grid(state, merge_samples(several), _kept(state.logs, key))})
    for reading in readings:
        for series in reading.again:  # a row more at a time that is there changes a step, and not its number of samples
            key = reading.key(series)
            gone = merge_days(gone, {key: _on_grid(state, series, _kept(state.logs, key))})
    return gone


def without_retracted(stored: BinsByKey, gone: BinsByKey) -> BinsByKey:
    """What is stored but for the cells that are withdrawn, where it is just them that is stored."""
    left = dict(stored)
    for key in gone.keys() & stored.keys():
        same = np.isin(stored[key].starts, gone[key].starts)
        for name, values in vars(stored[key]).items():
            at = np.searchsorted(gone[key].starts, stored[key].starts[same])
            same[same] = values[same] == vars(gone[key])[name][at]
        left[key] = stored[key].take(~same)
    return left


def _on_grid(state: State, series: Series, others: Sequence[Series] = ()) -> Bins:
    """Samples as cells, together with those that others have in the same steps."""
    if not len(series.times):
        return EMPTY
    mine = without_last_times(bins_of(series, *state.grid))
    if not others:
        return mine
    numbers = (mine.starts - state.origin_ns) // state.step_ns
    inside = in_steps(merge_samples(others), numbers.tolist(), state.grid)
    if not len(inside.times):
        return mine
    both = without_last_times(bins_of(merge_samples([series, inside]), *state.grid))
    # alone, too: logs that say otherwise at one time come out alike in any order
    return merge_bins([mine, both.take(np.isin(both.starts, mine.starts))])


def _kept(logs: Iterable[LogState], key: SampleKey, but: Sequence[PackedSamples] = ()) -> list[Series]:
    """The samples kept of a source: of the first and the last steps of its logs, and of lines without an end."""
    return [
        part.unpack()
        for log in logs
        if any((one.stage, one.source) == (key.stage, key.source) for one in log.series)
        for part in (*log.edges, *log.unfinished)
        if part.stage == key.stage and not _is_among(part, but)
    ]


def _is_among(part: PackedSamples, parts: Sequence[PackedSamples]) -> bool:
    return any(part is other for other in parts)


def update_logs(state: State, reading: SourcedLog) -> None:
    """Put what was read of a log into what is known, with the samples of its first and its last step."""
    log, before = reading.log, reading.before
    log.unfinished = [PackedSamples.pack(part) for part in reading.unfinished]
    gone = replaced_samples(state, [reading])
    kept = [] if before is None else [edge for edge in before.edges if not _is_among(edge, gone)]
    made = {series.stage: _series_edges(state, series, _begins(kept, series, reading)) for series in reading.series}
    firsts = _firsts(kept)
    log.edges = [edge for edge in kept if edge.stage not in made or _is_among(edge, firsts)]
    log.edges += [edge for edges in made.values() for edge in edges]
    if before is not None:
        state.logs[state.logs.index(before)] = log
    else:
        state.logs.append(log)


def _begins(kept: Sequence[PackedSamples], series: Series, reading: SourcedLog) -> bool:
    """Whether a series holds the first step of its stage in the log: no step before it is kept."""
    return reading.begins or not any(edge.stage == series.stage for edge in kept)


def _series_edges(state: State, series: Series, begins: bool) -> list[PackedSamples]:
    """The samples of a series' last step, of its first one where it is the log's; all while the step is not fixed."""
    if not len(series.times):
        return []
    if not state.step_is_known:
        return [PackedSamples.pack(series)]
    first, last = edge_steps(series, state.grid)
    wanted = sorted({last, *([first] if begins else [])})
    return [PackedSamples.pack(in_steps(series, [number], state.grid)) for number in wanted]


def _firsts(edges: Sequence[PackedSamples]) -> list[PackedSamples]:
    """Of each stage the samples of its first step."""
    first: dict[str, PackedSamples] = {}
    for edge in sorted(edges, key=lambda edge: int(edge.unpack().times[0])):
        first.setdefault(edge.stage, edge)
    return list(first.values())


def kept_samples(state: State, readings: Sequence[SourcedLog]) -> dict[SampleKey, Series]:
    """All samples there are of each source while the step is not fixed: those kept, and those just read."""
    again = [reading.before for reading in readings]
    parts: dict[SampleKey, list[Series]] = {}
    for log in (log for log in state.logs if not any(log is other for other in again)):
        for part in (*log.edges, *log.unfinished):
            parts.setdefault(_key_in(log, part.stage), []).append(part.unpack())
    for reading in readings:
        for series in (*reading.series, *reading.unfinished):
            parts.setdefault(reading.key(series), []).append(series)
    return {key: merge_samples(several) for key, several in parts.items()}


def kept_bins(state: State, readings: Sequence[SourcedLog]) -> BinsByKey:
    """The same on the pipeline's grid."""
    return {key: _on_grid(state, samples) for key, samples in kept_samples(state, readings).items()}


def _key_in(log: LogState, stage: str) -> SampleKey:
    """Whose samples a log has of a stage."""
    return next(SampleKey(one.stage, Kind(one.kind), one.source) for one in log.series if one.stage == stage)


def name_source(logs: Sequence[LogState], known: Sequence[LogState], taken: set[str]) -> str:
    """What the source of some logs is called: as it was, or as the logs they continue by their names; else it is new.

    Args:
        logs: the logs of one source.
        known: those that were read before.
        taken: what sources are called that run beside it.
    """
    before = [one.source for other in known for one in other.series if any(_is_same(log, other) for log in logs)]
    for level in (0, 1):
        mine = {rotation_stem(log.place)[level] for log in logs if log.place}
        before += [one.source for other in known if rotation_stem(other.place)[level] in mine for one in other.series]
    new = [logs[0].format, *(f"{logs[0].format} {number}" for number in range(2, len(taken) + 2))]
    return next(name for name in [*before, *new] if name not in taken)


def source_by_name(place: str, known: Iterable[LogState]) -> str | None:
    """The source that a log is of by its name, rotated or not; None where no log of that name is known.

    Args:
        place: where the log is, absolute; empty for standard input.
        known: the logs that were read before.
    """
    name = rotation_stem(place)[0]
    return next(
        (one.source for log in known if place and rotation_stem(log.place)[0] == name for one in log.series), None
    )


def _is_same(log: LogState, other: LogState) -> bool:
    """Whether both are one log, one as it was known before."""
    return log.seen[:1] == other.seen[:1] and log.seen != []


def determines_step(samples: Iterable[int]) -> bool:
    """Whether so many samples of each source are enough to tell the step."""
    counts = list(samples)
    return min(counts, default=0) >= _TELLING_SAMPLES or max(counts, default=0) >= 100 * _TELLING_SAMPLES
