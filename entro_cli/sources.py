"""Which files are one source and which are several side by side: for each stage, the series to put onto the grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from entro_cli.clock import NS
from entro_cli.observations import Observations, Series
from entro_engine import EntroError, Kind, Stage

_CONTINUED, _COPY, _BESIDE = "continues a source", "a copy of a source, in part", ""

_Source = dict[str, Series]
"""One source: its series by stage."""


@dataclass(frozen=True)
class StageSources:
    """A stage and its sources: parallel ones are summed.

    Attributes:
        stage: its name, kind and full load.
        parallel: one series a source.
    """

    stage: Stage
    parallel: tuple[Series, ...]

    @property
    def interval_ns(self) -> float | None:
        """The median sampling interval of the slowest source, nanoseconds; None where none is known."""
        return max((part.interval_ns for part in self.parallel if part.interval_ns), default=None)


def join_sources(files: Sequence[Observations]) -> tuple[tuple[StageSources, ...], dict[str, str]]:
    """All files' series by stage, those that are one source joined.

    Files that follow one another are one source, continued; files that overlap with the same samples are one source too
    (a copied rotation); otherwise overlapping files are sources side by side.

    Args:
        files: what each file gave.

    Returns:
        The stages (rates, then queues, then others), and by file how it was taken, in words.

    Raises:
        EntroError: when files disagree on what a stage is, or two stages have no time in common.
    """
    sources, taken, _ = _join(files)
    named: dict[str, list[tuple[str, Series]]] = {}
    for file in sorted(files, key=lambda file: file.path):
        for series in file.series:
            named.setdefault(series.stage, []).append((file.path, series))
    stages = [
        StageSources(_stage(name, parts), tuple(source[name] for source in sources if name in source))
        for name, parts in named.items()
    ]
    rank = {Kind.RATE: 0, Kind.QUEUE: 1, Kind.GENERIC: 2}
    stages.sort(key=lambda part: (rank[part.stage.kind], part.stage.name))
    if not any(len(file.series) == len(stages) for file in files):  # one file is of one time, whatever is in it
        _check_overlap(stages)
    return tuple(stages), taken


def _stage(name: str, parts: list[tuple[str, Series]]) -> Stage:
    kinds = {series.kind for _, series in parts}
    if len(kinds) > 1:
        path = next(path for path, series in parts if series.kind != parts[0][1].kind)
        raise EntroError(
            f"stage {name} is a {parts[0][1].kind} in {parts[0][0]} and something else here",
            where=path,
            expected="one kind",
        )
    full = next((series.full for _, series in parts if series.full is not None), None)
    return Stage(name, parts[0][1].kind, full)


def source_groups(files: Sequence[Observations]) -> list[list[Observations]]:
    """The files that are one source together, in the order of their times, for each source."""
    sources, _, places = _join(files)
    return [[file for file in _in_order(files) if places[file.path] == index] for index in range(len(sources))]


def _join(files: Sequence[Observations]) -> tuple[list[_Source], dict[str, str], dict[str, int]]:
    """The files as sources side by side, how each file was taken, in words, and which of the sources it is of.

    Whatever order the files come in, they are taken in that of their times.
    """
    sources: list[_Source] = []
    taken: dict[str, str] = {}
    places: dict[str, int] = {}
    for file in _in_order(files):
        part = {series.stage: series for series in file.series}
        index, words = next(
            ((index, words) for index, source in enumerate(sources) if (words := _relation(source, part))),
            (len(sources), ""),
        )
        if words:
            sources[index] = _merged(sources[index], part)
        else:
            beside = any(source.keys() & part.keys() for source in sources)
            words = "another source, summed" if beside else "a source"
            sources.append(part)
        taken[file.path], places[file.path] = words, index
    return sources, taken, places


def _in_order(files: Sequence[Observations]) -> list[Observations]:
    return sorted((file for file in files if file.series), key=_span)


def _span(file: Observations) -> tuple[int, int, str]:
    times = [int(edge) for series in file.series for edge in (series.times[0], series.times[-1])]
    return min(times), max(times), file.path


def _relation(source: _Source, part: _Source) -> str:
    """How a later file goes with a source, in words; empty when it is another source, or of other stages."""
    shared = source.keys() & part.keys()
    relations = {_series_relation(source[name], part[name]) for name in shared}
    if not relations or _BESIDE in relations:
        return ""
    return _COPY if _COPY in relations else _CONTINUED


def _series_relation(before: Series, after: Series) -> str:
    if after.times[0] > before.times[-1]:
        return _CONTINUED
    low, high = int(max(before.times[0], after.times[0])), int(min(before.times[-1], after.times[-1]))
    first, second = _samples_between(before, low, high), _samples_between(after, low, high)
    return _COPY if first and second and (first <= second or second <= first) else _BESIDE


def _samples_between(series: Series, low: int, high: int) -> set[tuple[int, float]]:
    first, after = np.searchsorted(series.times, [low, high + 1]).tolist()
    return set(zip(series.times[first:after].tolist(), series.values[first:after].tolist(), strict=True))


def _merged(source: _Source, part: _Source) -> _Source:
    both = {name: _together(source[name], part[name]) for name in source.keys() & part.keys()}
    return source | part | both


def _together(first: Series, second: Series) -> Series:
    """Both series' samples by time, those that both have once."""
    times, places = np.unique(np.concatenate([first.times, second.times]), return_index=True)
    return replace(first, times=times, values=np.concatenate([first.values, second.values])[places])


def _check_overlap(stages: Sequence[StageSources]) -> None:
    spans = [
        (min(int(part.times[0]) for part in stage.parallel), max(int(part.times[-1]) for part in stage.parallel), stage)
        for stage in stages
    ]
    spans.sort(key=lambda span: span[:2])
    for (_, end, first), (start, _, second) in pairwise(spans):
        slack = max(first.interval_ns or 0, second.interval_ns or 0)
        if start > end + slack:
            raise EntroError(
                f"stage {second.stage.name} begins {(start - end) / NS:,.0f} s after stage {first.stage.name} ends",
                expected="logs of one time",
                remedy="if they are of one time, one is in another zone or year: --tz, --offset FILE=+1h",
            )
