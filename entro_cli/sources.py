"""Which files are one source and which are several side by side: for each stage, the series to put onto the grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from entro_cli.clock import NS
from entro_cli.observations import Observations, Series
from entro_engine import EntroError, Kind, Stage


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
    by_stage: dict[str, list[tuple[str, Series]]] = {}
    for file in files:
        for series in file.series:
            by_stage.setdefault(series.stage, []).append((file.path, series))
    taken: dict[str, str] = {}
    joined = []
    for name, parts in by_stage.items():
        parallel, words = _join(parts)
        taken |= words
        joined.append(StageSources(_stage(name, parts), parallel))
    rank = {Kind.RATE: 0, Kind.QUEUE: 1, Kind.GENERIC: 2}
    joined.sort(key=lambda part: rank[part.stage.kind])
    _check_overlap(joined)
    return tuple(joined), taken


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


def _join(parts: list[tuple[str, Series]]) -> tuple[tuple[Series, ...], dict[str, str]]:
    """One stage's series as sources side by side, each of the parts that belong together."""
    ordered = sorted(parts, key=lambda part: (int(part[1].times[0]), int(part[1].times[-1]), part[0]))
    sources: list[Series] = []
    words: dict[str, str] = {}
    for path, series in ordered:
        for index, source in enumerate(sources):
            relation = _relation(source, series)
            if relation:
                sources[index] = _merged(source, series)
                words[path] = relation
                break
        else:
            words[path] = "a source" if not sources else f"source {len(sources) + 1}, summed"
            sources.append(series)
    return tuple(sources), words


def _relation(before: Series, after: Series) -> str:
    """How the second series goes with the first, in words; empty when they are sources side by side."""
    slack = max(before.interval_ns or 0, after.interval_ns or 0)
    if after.times[0] > before.times[-1] - slack:
        return "continues a source"
    low, high = after.times[0], min(before.times[-1], after.times[-1])
    first = _samples_between(before, int(low), int(high))
    second = _samples_between(after, int(low), int(high))
    return "a copy of a source, in part" if first <= second or second <= first else ""


def _samples_between(series: Series, low: int, high: int) -> set[tuple[int, float]]:
    inside = (series.times >= low) & (series.times <= high)
    return set(zip(series.times[inside].tolist(), series.values[inside].tolist(), strict=True))


def _merged(first: Series, second: Series) -> Series:
    """Both series' samples by time; where both have one and they differ, their mean."""
    times = np.concatenate([first.times, second.times])
    values = np.concatenate([first.values, second.values])
    order = np.lexsort([values, times])
    times, values = times[order], values[order]
    starts = np.flatnonzero(np.diff(times, prepend=times[0] - 1))
    counts = np.diff(starts, append=len(times))
    return replace(first, times=times[starts], values=np.add.reduceat(values, starts) / counts)


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
