"""Grouping of files into sources: which files continue one source, and which are sources in parallel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.core.clock import NS
from entro_cli.core.files import rotation_stem
from entro_cli.core.formatting import duration
from entro_cli.timeseries.joined_series import JoinedSeries, Relation
from entro_cli.timeseries.observations import Observations, Series, is_signal
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError, Kind, Stage

# These words, like the values of `Relation`, are values of `taken_as` in JSON documents.
_NOT_USED = "not used: another log tells it"  # as in 0.6.0

_HOUR_NS = 3600 * NS
_YEAR_NS = 365 * 24 * _HOUR_NS

_Source = dict[str, JoinedSeries]
"""One source: its series by stage."""


class StageSources(Struct, frozen=True):
    """A stage and its sources. The loads of parallel sources are summed.

    Attributes:
        stage: the stage.
        parallel: one series per source.
    """

    stage: Stage
    parallel: tuple[Series, ...]

    @property
    def interval_ns(self) -> float | None:
        """Median sampling interval of the slowest source, nanoseconds; None if no source has one."""
        return max((part.interval_ns for part in self.parallel if part.interval_ns), default=None)


def join_sources(
    files: Sequence[Observations],
) -> tuple[tuple[StageSources, ...], dict[str, str], tuple[Series, ...], list[Problem]]:
    """Return the series of all files by stage, with the files of one source joined.

    Files that follow one another are one source. Files that overlap and have the same samples are one source, too, if
    one may be a copy of the other (`_may_be_copies`). All other files that overlap are parallel sources.

    Args:
        files: the observations of each file.

    Returns:
        The stages (rates, then queues, then others), for each file how it was joined, in words, the signals, and
        warnings.

    Raises:
        EntroError: if files disagree on the kind of a stage, or two stages have no time in common.
    """
    used = _without_fallbacks(files)
    sources, taken, _, problems = _join(used)
    for file, rest in zip(files, used, strict=True):
        dropped = ", ".join(sorted({series.stage for series in file.stages} - {series.stage for series in rest.stages}))
        if dropped:
            taken[file.path] = f"{taken[file.path]}; without {dropped}" if rest.series else _NOT_USED
    files = used
    problems += _summed_formats(files)
    named: dict[str, list[tuple[str, Series]]] = {}
    for file in sorted(files, key=lambda file: file.path):
        for series in file.stages:
            named.setdefault(series.stage, []).append((file.path, series))
    stages = [
        StageSources(_stage(name, parts), tuple(source[name].series for source in sources if name in source))
        for name, parts in named.items()
    ]
    rank = {Kind.RATE: 0, Kind.QUEUE: 1, Kind.GENERIC: 2}
    stages.sort(key=lambda part: (rank[part.stage.kind], part.stage.name))
    if not any(len(file.stages) == len(stages) for file in files):  # the stages of one file share its clock
        check_overlap([_span_of(stage) for stage in stages])
    signals = tuple(part.series for source in sources for name, part in source.items() if is_signal(name))
    return tuple(stages), taken, signals, problems


def _without_fallbacks(files: Sequence[Observations]) -> list[Observations]:
    """Drop the series of stages that other series measure better.

    A server's count of its requests and its client's are the same requests: using both would count them twice.
    """
    best: dict[str, int] = {}
    for series in (series for file in files for series in file.series):
        best[series.stage] = min(best.get(series.stage, series.rank), series.rank)
    return [
        replace(file, series=tuple(part for part in file.series if part.rank == best[part.stage])) for file in files
    ]


def _stage(name: str, parts: list[tuple[str, Series]]) -> Stage:
    kinds = {series.kind for _, series in parts}
    if len(kinds) > 1:
        first_path, first = parts[0]
        path, kind = next((path, series.kind) for path, series in parts if series.kind != first.kind)
        raise EntroError(
            f"stage {name} is a {kind} here, but a {first.kind} in {first_path}", where=path, expected="one kind"
        )
    full = next((series.full for _, series in parts if series.full is not None), None)
    return Stage(name, parts[0][1].kind, full)


def source_groups(files: Sequence[Observations]) -> tuple[list[list[Observations]], list[Problem]]:
    """Return the files of each source, in the order of their times, and warnings.

    A history sums additive files, also those that are copies.
    """
    sources, taken, source_of, problems = _join(files)
    groups: list[list[Observations]] = [[] for _ in sources]
    for file in _in_order(files):
        group = groups[source_of[file.path]]
        group.append(file)
        if taken[file.path] == Relation.COPY.value and any(series.is_additive for series in file.series):
            problems.append(Problem(ProblemKind.SAME_SAMPLES, detail=(file.path, group[0].path)))
    return groups, problems + _summed_formats(_without_fallbacks(files))


def _summed_formats(files: Sequence[Observations]) -> list[Problem]:
    """Return warnings about files of different formats that have a stage at one time: they may count the same requests.

    Args:
        files: without fallbacks, which are not summed.
    """
    found: dict[str, dict[str, tuple[int, int, str]]] = {}  # by stage and format, the first and last time, and a file
    for file in _in_order(files):
        for series in file.stages:
            by_format = found.setdefault(series.stage, {})
            begin, end, path = by_format.get(file.format, (series.first_ns, 0, file.path))
            by_format[file.format] = begin, max(end, int(series.times[-1])), path
    return [
        Problem(ProblemKind.FORMATS_SUMMED, detail=(first[2], second[2], stage))
        for stage, by_format in found.items()
        for first, second in pairwise(sorted(by_format.values()))
        if second[0] <= first[1]
    ]


def _join(files: Sequence[Observations]) -> tuple[list[_Source], dict[str, str], dict[str, int], list[Problem]]:
    """Return the sources, for each file how it was joined, in words, for each the index of its source, and warnings.

    Files are joined in the order of their times, so the order of the arguments does not matter.
    """
    sources: list[_Source] = []
    members: list[list[Observations]] = []
    taken: dict[str, str] = {}
    source_of: dict[str, int] = {}
    problems: list[Problem] = []
    for file in _in_order(files):
        part = {series.stage: series for series in file.series}
        candidates = ((index, _relation(source, members[index], file)) for index, source in enumerate(sources))
        index, relation = next((pair for pair in candidates if pair[1].value), (len(sources), Relation.PARALLEL))
        words = relation.value
        if relation in (Relation.PARALLEL, Relation.ADDS):
            twins = (
                same
                for source, same in zip(sources, members, strict=True)
                if any(member.identity == file.identity for member in same)
                and any(part.stage in source and source[part.stage].shows_course(part) for part in file.stages)
            )
            problems += [Problem(ProblemKind.SAME_SAMPLES, detail=(file.path, same[0].path)) for same in twins]
        if not words:
            is_parallel = any(source.keys() & part.keys() for source in sources)
            words = "another source, summed" if is_parallel else "a source"
            sources.append({})
            members.append([])
        _add_file(sources[index], part, relation)
        members[index].append(file)
        taken[file.path], source_of[file.path] = words, index
    return sources, taken, source_of, problems


def _in_order(files: Sequence[Observations]) -> list[Observations]:
    return sorted((file for file in files if file.series), key=_span)


def _span(file: Observations) -> tuple[int, int, str]:
    begins = (int(series.first_ns) for series in file.series)
    return min(begins), max(int(series.times[-1]) for series in file.series), file.path


def _relation(source: _Source, members: Sequence[Observations], file: Observations) -> Relation:
    """Return the relation of a later file to a source. It is parallel, too, if they have no stage in common.

    A file is joined as a whole: it is part of a source only if that holds for every stage they share.
    """
    found = set()
    shared = [(source[series.stage], series) for series in file.stages if series.stage in source]
    for known, series in shared:
        relation = known.relation(series)
        if relation is Relation.COPY and not _may_be_copies(members, file, shared):
            relation = Relation.ADDS if series.is_additive else Relation.PARALLEL
        found.add(relation)
        if Relation.PARALLEL in found:
            return Relation.PARALLEL
    # `ADDS` outweighs `COPY`, and that outweighs `CONTINUED`: the order in `Relation`.
    return next((relation for relation in Relation if relation in found), Relation.PARALLEL)


def _may_be_copies(
    members: Sequence[Observations], file: Observations, shared: Sequence[tuple[JoinedSeries, Series]]
) -> bool:
    """Return whether a file with the samples of a source may be a copy, rather than the log of an equal program.

    It is if one is a rotation of the other by name, or if its times have fractions of a second: two programs hardly
    write at the same ones. So it is if it only overlaps: equal programs begin at once. Two writers in one file are
    never the same.

    Args:
        members: the files of the source.
        file: a later file.
        shared: its series of the stages that both have, each behind that of the source.
    """
    alike = [member for member in members if member.identity == file.identity]
    if any(rotation_stem(member.path)[0] == rotation_stem(file.path)[0] for member in alike):
        return True
    have_fractions = any(bool((series.times % NS != 0).any()) for series in file.series)
    return bool(alike) and (have_fractions or any(known.overlaps_with(series) for known, series in shared))


def _add_file(source: _Source, part: dict[str, Series], relation: Relation) -> None:
    for name, series in part.items():
        if name in source:
            source[name].join(series, adds=relation is Relation.ADDS)
        else:
            source[name] = JoinedSeries([series])


class StageSpan(Struct, frozen=True):
    """The time range of a stage.

    Attributes:
        stage: its name.
        begin: the time of its first sample, nanoseconds since the epoch.
        end: the time of its last one.
        interval_ns: the usual time between two samples, nanoseconds; None if there are too few.
    """

    stage: str
    begin: int
    end: int
    interval_ns: float | None

    def overlap(self, other: StageSpan, shift: int) -> int:
        """Return the time that both share once the other is moved back by `shift`."""
        return min(self.end, other.end - shift) - max(self.begin, other.begin - shift)


def _span_of(stage: StageSources) -> StageSpan:
    begin = min(part.first_ns for part in stage.parallel)
    end = max(int(part.times[-1]) for part in stage.parallel)
    return StageSpan(stage.stage.name, begin, end, stage.interval_ns)


def check_overlap(spans: Sequence[StageSpan]) -> None:
    """Check that stages have some time in common.

    Raises:
        EntroError: if one begins after another ends.
    """
    for first, second in pairwise(sorted(spans, key=lambda span: (span.begin, span.end))):
        slack = max(first.interval_ns or 0, second.interval_ns or 0)
        if second.begin > first.end + slack:
            after = duration((second.begin - first.end) / NS)
            raise EntroError(
                f"stage {second.stage} begins {after} after stage {first.stage} ends",
                expected="logs of the same time",
                remedy=_cause(first, second),
            )


def _cause(first: StageSpan, second: StageSpan) -> str:
    """Return the likely reason why two stages share no time, as advice.

    The likely reason is a shift by whole half hours (a zone) or by a year: the one that makes them overlap the most.
    """
    year = round((second.begin - first.begin) / _YEAR_NS) * _YEAR_NS
    shifts = [halves * _HOUR_NS // 2 for halves in range(1, 29)]  # zones are at most 14 hours off
    shifts += [year + days * 24 * _HOUR_NS for days in (-1, 0, 1) if year]
    best = max(shifts, key=lambda shift: (first.overlap(second, shift), -shift))
    if 2 * first.overlap(second, best) < min(first.end - first.begin, second.end - second.begin):
        return "if they are of the same time, one is in another zone or year: use --tz, --year or --offset FILE=+1h"
    if best >= _YEAR_NS // 2:
        return "one of them probably has the wrong year: set it with --year"
    hours = f"{best / _HOUR_NS:g}h"
    return f"they fit if one is moved by {hours}: its zone is probably wrong, use --tz or --offset FILE=-{hours}"
