"""Which files are one source and which are several side by side: for each stage, the series to put onto the grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from entro_cli.core.clock import NS
from entro_cli.core.formatting import duration
from entro_cli.timeseries.joined_series import JoinedSeries, Relation
from entro_cli.timeseries.observations import Observations, Series
from entro_engine import EntroError, Kind, Stage

_NOT_USED = "not used: another log tells it"

_HOUR_NS = 3600 * NS
_YEAR_NS = 365 * 24 * _HOUR_NS

_Source = dict[str, JoinedSeries]
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
    used = _without_stand_ins(files)
    sources, taken, _ = _join(used)
    for file, left in zip(files, used, strict=True):
        out = ", ".join(sorted({one.stage for one in file.series} - {one.stage for one in left.series}))
        if out:
            taken[file.path] = f"{taken[file.path]}; without {out}" if left.series else _NOT_USED
    files = used
    named: dict[str, list[tuple[str, Series]]] = {}
    for file in sorted(files, key=lambda file: file.path):
        for series in file.series:
            named.setdefault(series.stage, []).append((file.path, series))
    stages = [
        StageSources(_stage(name, parts), tuple(source[name].series for source in sources if name in source))
        for name, parts in named.items()
    ]
    rank = {Kind.RATE: 0, Kind.QUEUE: 1, Kind.GENERIC: 2}
    stages.sort(key=lambda part: (rank[part.stage.kind], part.stage.name))
    if not any(len(file.series) == len(stages) for file in files):  # one file is of one time, whatever is in it
        _check_overlap(stages)
    return tuple(stages), taken


def _without_stand_ins(files: Sequence[Observations]) -> list[Observations]:
    """The files without the series that stand in for a stage which another series measures itself."""
    measured = {series.stage for file in files for series in file.series if not series.is_fallback}
    return [
        replace(file, series=tuple(one for one in file.series if not (one.is_fallback and one.stage in measured)))
        for file in files
    ]


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
        index, relation = next(
            ((index, found) for index, source in enumerate(sources) if (found := _relation(source, part)).value),
            (len(sources), Relation.PARALLEL),
        )
        words = relation.value
        if not words:
            beside = any(source.keys() & part.keys() for source in sources)
            words = "another source, summed" if beside else "a source"
            sources.append({})
        _take_in(sources[index], part, relation)
        taken[file.path], places[file.path] = words, index
    return sources, taken, places


def _in_order(files: Sequence[Observations]) -> list[Observations]:
    return sorted((file for file in files if file.series), key=_span)


def _span(file: Observations) -> tuple[int, int, str]:
    begins = (int(series.first_ns) for series in file.series)
    return min(begins), max(int(series.times[-1]) for series in file.series), file.path


def _relation(source: _Source, part: dict[str, Series]) -> Relation:
    """How a later file goes with a source; beside it, too, where it is of other stages."""
    found = set()
    for name in source.keys() & part.keys():
        found.add(source[name].relation(part[name]))
        if Relation.PARALLEL in found:
            return Relation.PARALLEL
    return next((one for one in Relation if one in found), Relation.PARALLEL)


def _take_in(source: _Source, part: dict[str, Series], relation: Relation) -> None:
    for name, series in part.items():
        if name in source:
            source[name].join(series, adds=relation is Relation.ADDS)
        else:
            source[name] = JoinedSeries([series])


def _check_overlap(stages: Sequence[StageSources]) -> None:
    spans = sorted((_Span.of(stage) for stage in stages), key=lambda span: (span.begin, span.end))
    for first, second in pairwise(spans):
        slack = max(first.stage.interval_ns or 0, second.stage.interval_ns or 0)
        if second.begin > first.end + slack:
            names = second.stage.stage.name, first.stage.stage.name
            raise EntroError(
                f"stage {names[0]} begins {duration((second.begin - first.end) / NS)} after stage {names[1]} ends",
                expected="logs of one time",
                remedy=_cause(first, second),
            )


@dataclass(frozen=True)
class _Span:
    """A stage, and when it begins and ends, nanoseconds since the epoch."""

    stage: StageSources
    begin: int
    end: int

    @classmethod
    def of(cls, stage: StageSources) -> _Span:
        return cls(
            stage, min(part.first_ns for part in stage.parallel), max(int(part.times[-1]) for part in stage.parallel)
        )

    def overlap(self, other: _Span, shift: int) -> int:
        """How long both last together once the other is moved back."""
        return min(self.end, other.end - shift) - max(self.begin, other.begin - shift)


def _cause(first: _Span, second: _Span) -> str:
    """Why two stages have no time in common, likely: moved by some hours, or by a year, they would have the most."""
    year = round((second.begin - first.begin) / _YEAR_NS) * _YEAR_NS
    shifts = [halves * _HOUR_NS // 2 for halves in range(1, 29)]  # zones are at most 14 hours off
    shifts += [year + days * 24 * _HOUR_NS for days in (-1, 0, 1) if year]
    best = max(shifts, key=lambda shift: (first.overlap(second, shift), -shift))
    if 2 * first.overlap(second, best) < min(first.end - first.begin, second.end - second.begin):
        return "if they are of one time, one is in another zone or year: --tz, --year, --offset FILE=+1h"
    if best >= _YEAR_NS // 2:
        return "the year of one is probably wrong: name it with --year"
    hours = f"{best / _HOUR_NS:g}h"
    return f"they fit if one is {hours} off, so its zone is probably wrong: --tz, or --offset FILE=-{hours}"
