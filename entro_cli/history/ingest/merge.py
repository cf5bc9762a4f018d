"""Bins of ingested logs, ready to be stored: steps that two logs may have in part are made from the samples of both.

A log may have only a part of its first and of its last step. The state keeps the samples of those steps, its edges, and
those of a last line without an end. A log that continues, or the same log once it has grown, replaces them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from entro_cli.core.files import rotation_stem
from entro_cli.history.day_files import BinsByKey, SampleKey, merge_days
from entro_cli.history.ingest.new_bins import NewBins, bins_with
from entro_cli.history.ingest.overlap import edge_steps, in_steps, merge_samples
from entro_cli.history.state import LogState, PackedSamples, State
from entro_cli.timeseries.observations import Series
from entro_engine import Kind

_ENOUGH_SAMPLES = 10
"""So many samples of every source determine the step; a hundred times as many of one source do, too."""


class SourcedLog(Struct, frozen=True):
    """The content that was read of a log, with the source of each series.

    Attributes:
        log: its state from now on; `update_logs` sets its edges and its unfinished line.
        series: of its whole lines.
        unfinished: of its last line, if that has no end yet.
        begins: whether it was read from its beginning.
        continues: whether the series are only of lines behind those that were read before.
        before: its state before; None for a new log.
        sources: by stage, the source of its samples.
        reread: of lines that were read before and are read again.
    """

    log: LogState
    series: tuple[Series, ...]
    unfinished: tuple[Series, ...]
    begins: bool
    before: LogState | None
    sources: Mapping[str, str]
    reread: tuple[Series, ...] = ()
    continues: bool = False

    def key(self, series: Series) -> SampleKey:
        """Return the stage and the source of a series."""
        return SampleKey(series.stage, series.kind, self.sources[series.stage])


def new_bins(state: State, logs: Sequence[SourcedLog]) -> NewBins:
    """Return the bins of logs on the grid of the pipeline.

    Args:
        state: the state, in which these logs are still as they were before.
        logs: what was read.
    """
    parts: dict[SampleKey, list[Series]] = {}
    for log in logs:
        for series in (*log.series, *log.unfinished):
            parts.setdefault(log.key(series), []).append(series)
    replaced = replaced_samples(state, logs)
    stored = {key: _stored_samples(state.logs, key, replaced) for key in parts}
    others = {key: _at_edges(state, series, stored[key]) for key, series in parts.items()}
    return NewBins.of(state.grid, parts, others)


def _at_edges(state: State, parts: Sequence[Series], others: Sequence[Series]) -> list[Series]:
    """Return the samples of other series in the first or the last step of one of the parts."""
    edges = {number for part in parts for number in edge_steps(part, state.grid)}
    inside = (in_steps(other, edges, state.grid) for other in others)
    return [other for other in inside if len(other.times)]


def replaced_samples(state: State, logs: Sequence[SourcedLog]) -> list[PackedSamples]:
    """Return the stored samples of lines that had no end, and of steps that have now been read whole."""
    replaced: list[PackedSamples] = []
    for log in logs:
        if log.before is not None:
            replaced += log.before.unfinished
        if log.before is not None and not log.continues:
            first_steps = {series.stage: edge_steps(series, state.grid)[0] for series in log.series}
            replaced += [
                edge
                for edge in log.before.edges
                if log.begins or edge_steps(edge.unpack(), state.grid)[0] >= first_steps.get(edge.stage, math.inf)
            ]
    return replaced


def retracted_bins(state: State, logs: Sequence[SourcedLog]) -> BinsByKey:
    """Return the stored bins that were made with replaced samples, or with lines that are read again."""
    retracted: BinsByKey = {}
    replaced = replaced_samples(state, logs)
    for before in (log.before for log in logs if log.before is not None):
        parts: dict[SampleKey, list[Series]] = {}
        for part in (part for part in (*before.edges, *before.unfinished) if _is_among(part, replaced)):
            parts.setdefault(_key_of(before, part.stage), []).append(part.unpack())
        for key, series in parts.items():
            bins = bins_with(merge_samples(series), _stored_samples(state.logs, key), state.grid)
            retracted = merge_days(retracted, {key: bins})
    for log in logs:
        # One more row at a time that has samples changes the load of a step, but not its number of samples. The new
        # bin might not win over the stored one.
        for again in log.reread:
            key = log.key(again)
            bins = bins_with(again, _stored_samples(state.logs, key), state.grid)
            retracted = merge_days(retracted, {key: bins})
    return retracted


def without_retracted(stored: BinsByKey, retracted: BinsByKey) -> BinsByKey:
    """Return stored bins without those that are retracted; a stored bin with other values stays.

    Other values mean that another reading of the step has won.
    """
    left = dict(stored)
    for key in retracted.keys() & stored.keys():
        same = np.isin(stored[key].starts, retracted[key].starts)
        for name, values in asdict(stored[key]).items():
            at = np.searchsorted(retracted[key].starts, stored[key].starts[same])
            same[same] = values[same] == asdict(retracted[key])[name][at]
        left[key] = stored[key].take(~same)
    return left


def _stored_samples(logs: Iterable[LogState], key: SampleKey, but: Sequence[PackedSamples] = ()) -> list[Series]:
    """Return the stored samples of a source: of the edges of its logs and of lines without an end."""
    return [
        part.unpack()
        for log in logs
        if any((series.stage, series.source) == (key.stage, key.source) for series in log.series)
        for part in (*log.edges, *log.unfinished)
        if part.stage == key.stage and not _is_among(part, but)
    ]


def _is_among(part: PackedSamples, parts: Sequence[PackedSamples]) -> bool:
    """Return whether samples are one of several by identity; equal samples may belong to two logs."""
    return any(part is other for other in parts)


def update_logs(state: State, sourced: SourcedLog) -> None:
    """Put what was read of a log into the state, with the samples of its edges."""
    log, before = sourced.log, sourced.before
    log.unfinished = [PackedSamples.pack(part) for part in sourced.unfinished]
    replaced = replaced_samples(state, [sourced])
    kept = [] if before is None else [edge for edge in before.edges if not _is_among(edge, replaced)]
    new = {
        series.stage: _edges_of(state, series, sourced.begins or not any(edge.stage == series.stage for edge in kept))
        for series in sourced.series
    }
    # Of the stored edges the first one stays, and the last one if its step is still the last.
    last_steps = {series.stage: edge_steps(series, state.grid)[1] for series in sourced.series if len(series.times)}
    firsts = _first_edges(kept)
    log.edges = [
        edge
        for edge in kept
        if _is_among(edge, firsts) or edge_steps(edge.unpack(), state.grid)[1] >= last_steps.get(edge.stage, -math.inf)
    ]
    log.edges += [edge for edges in new.values() for edge in edges]
    if before is not None:
        state.logs[state.logs.index(before)] = log
    else:
        state.logs.append(log)


def _edges_of(state: State, series: Series, begins: bool) -> list[PackedSamples]:
    """Return the edges of a series: its last step, and its first one if the log begins with it.

    While the step is not fixed, these are all samples.
    """
    if not len(series.times):
        return []
    if not state.step_is_known:
        return [PackedSamples.pack(series)]
    first, last = edge_steps(series, state.grid)
    numbers = sorted({last, *([first] if begins else [])})
    return [PackedSamples.pack(in_steps(series, [number], state.grid)) for number in numbers]


def _first_edges(edges: Sequence[PackedSamples]) -> list[PackedSamples]:
    """Return the first edge of each stage."""
    first: dict[str, PackedSamples] = {}
    for edge in sorted(edges, key=lambda edge: int(edge.unpack().times[0])):
        first.setdefault(edge.stage, edge)
    return list(first.values())


def all_samples(state: State, logs: Sequence[SourcedLog]) -> dict[SampleKey, list[Series]]:
    """Return all samples of each source, stored and just read, by log; for a state whose step is not fixed."""
    before = [log.before for log in logs]
    parts: dict[SampleKey, list[Series]] = {}
    for stored in (stored for stored in state.logs if not any(stored is other for other in before)):
        for part in (*stored.edges, *stored.unfinished):
            parts.setdefault(_key_of(stored, part.stage), []).append(part.unpack())
    for log in logs:
        for series in (*log.series, *log.unfinished):
            parts.setdefault(log.key(series), []).append(series)
    return parts


def _key_of(log: LogState, stage: str) -> SampleKey:
    return next(
        SampleKey(series.stage, Kind(series.kind), series.source) for series in log.series if series.stage == stage
    )


def name_source(logs: Sequence[LogState], known: Sequence[LogState], taken: set[str]) -> str:
    """Return the name of the source of some logs.

    It is the name that they had, or that of logs with their name (rotation suffixes aside, then numbers aside), or a
    new one after their format.

    Args:
        logs: the logs of one source.
        known: the logs that were read before.
        taken: the names of sources that are parallel to it.
    """
    names = [series.source for other in known for series in other.series if any(_is_same(log, other) for log in logs)]
    for level in (0, 1):
        stems = {rotation_stem(log.place)[level] for log in logs if log.place}
        names += [
            series.source for other in known if rotation_stem(other.place)[level] in stems for series in other.series
        ]
    new = [logs[0].format, *(f"{logs[0].format} {number}" for number in range(2, len(taken) + 2))]
    return next(name for name in [*names, *new] if name not in taken)


def source_by_name(place: str, known: Iterable[LogState]) -> str | None:
    """Return the source of the known log that has a log's name, rotation suffixes aside; None if there is none.

    Args:
        place: the absolute path or URL of the log; empty for standard input.
        known: the logs that were read before.
    """
    stem = rotation_stem(place)[0]
    return next(
        (series.source for log in known if place and rotation_stem(log.place)[0] == stem for series in log.series), None
    )


def _is_same(log: LogState, other: LogState) -> bool:
    """Return whether a log was found as the same file as another."""
    return log.seen[:1] == other.seen[:1] and log.seen != []


def determines_step(counts: Iterable[int]) -> bool:
    """Return whether the numbers of samples of all sources are enough to determine the step."""
    samples = list(counts)
    return min(samples, default=0) >= _ENOUGH_SAMPLES or max(samples, default=0) >= 100 * _ENOUGH_SAMPLES
