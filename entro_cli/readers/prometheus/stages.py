"""Series of metrics as the stages of a pipeline: known metrics, and those that the user names."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import msgspec
import numpy as np
from msgspec.structs import replace

from entro_cli.core.console import printable
from entro_cli.core.formatting import counted
from entro_cli.readers.prometheus.aggregate import arrivals, interval_of, rate_of_counters, sum_gauges, without_negative
from entro_cli.readers.prometheus.metrics import IN_SYSTEM, is_part_of_total, metric, server_name
from entro_cli.readers.prometheus.series import KeptSeries, MetricSeries, keep
from entro_cli.readers.prometheus.targets import once_per_target
from entro_cli.timeseries.observations import Series
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError, Kind

EXPRESSION = "value"
"""The column of an expression, which has no metric's name."""

_LOADS = re.compile("request|queue|wait|pending|running")


class StagesState(msgspec.Struct):
    """The metrics of a log behind some lines.

    Attributes:
        series: the last samples of each series.
        until: the time up to which loads were given, nanoseconds since the epoch.
        scrapes: as in `once_per_target`.
        has_arrivals: whether arrivals are given instead of requests that are done; None if neither was.
    """

    series: list[KeptSeries] = []
    until: int = -1
    scrapes: dict[int, int] = {}
    has_arrivals: bool | None = None


def quantities_of(
    series: Sequence[MetricSeries], gauges: Collection[str], state: StagesState
) -> tuple[list[Series], list[Problem]]:
    """Return one quantity per metric, its series combined, and warnings about them.

    Args:
        series: each with other labels.
        gauges: metrics that the user named as queues or other levels, so that `job_count` is no counter by its name.
        state: the metrics behind the lines before; what is found out about them is added.
    """
    by_name: dict[str, list[MetricSeries]] = {}
    for part in series:
        if not is_part_of_total(part.name, part.labels):
            by_name.setdefault(part.name or EXPRESSION, []).append(part)
    quantities: list[Series] = []
    problems: list[Problem] = []
    for name, parts in by_name.items():
        is_counter = parts[0].is_counter
        if is_counter is None and name in gauges and not name.endswith("_total"):
            is_counter = False
        known = metric("" if name == EXPRESSION else name, is_counter)
        quantity, found = combine_series(name, known.kind or Kind.GENERIC, parts, state.scrapes)
        quantities.append(replace(quantity, stage=known.stage))
        problems += found
    return _one_per_stage(_with_arrivals(quantities, state, problems), problems), problems


def new_part(
    quantities: Sequence[Series], series: Sequence[MetricSeries], before: StagesState
) -> tuple[list[Series], StagesState]:
    """Return the part of quantities that was not given before and is complete, and the state behind it.

    A load is complete when every series of the log that goes on has a later sample. A series without a sample for
    three of its intervals is over. One that begins again, or has earlier samples, changes what was given.

    Args:
        quantities: as `quantities_of` returns them.
        series: of these lines, with those that were kept before them.
        before: the state before.
    """
    lasts = {part.place: int(part.times[-1]) for part in series if len(part.times)}
    newest = max(lasts.values(), default=before.until)
    intervals = {part.place: interval_of(part, series) for part in series if part.place in lasts}
    live = (last for place, last in lasts.items() if newest - last <= 3 * intervals[place])
    after, until = before.until, max(min(live, default=newest), before.until)
    for part in series if before.series else ():
        kept = before.series[part.place].times if part.place < len(before.series) else []
        new = np.setdiff1d(part.times, kept)[:1]
        is_over = len(kept) and before.until - kept[-1] > 3 * intervals[part.place]
        if len(new) and (is_over or new[0] <= before.until):
            after = min(after, kept[-1] if is_over else int(new[0]) - 1)
    state = StagesState(keep(series, until), until, before.scrapes, before.has_arrivals)
    return [_between(part, after, until) for part in quantities], state


def _between(part: Series, after: int, until: int) -> Series:
    return part.take((part.times > after) & (part.times <= until))


def _with_arrivals(quantities: list[Series], state: StagesState, problems: list[Problem]) -> list[Series]:
    """Return the quantities with arrivals instead of rates of requests that are done, and warn of those that remain."""
    in_system = {server_name(part.column): part for part in quantities if server_name(part.column) in IN_SYSTEM}
    found = []
    for part in quantities:
        arrived = None
        if not metric(part.column).counts_done or not len(part.times):
            found.append(part)
            continue
        if server_name(part.column).startswith("vllm:") and in_system.keys() >= set(IN_SYSTEM[:2]):
            arrived = arrivals(part, [*in_system.values()], state.has_arrivals)
            state.has_arrivals = arrived is not None
        kind = ProblemKind.COUNTS_DONE if arrived is None else ProblemKind.ARRIVALS
        problems.append(Problem(kind, detail=(printable(part.column),)))
        found.append(arrived or part)
    return found


def combine_series(
    name: str, kind: Kind, series: Sequence[MetricSeries], scrapes: dict[int, int]
) -> tuple[Series, list[Problem]]:
    """Combine the series of one metric, or of one query, with warnings about them.

    Args:
        name: the name of the quantity.
        kind: what it measures. The series of a rate are counters if their names are those of counters.
        series: one per engine or instance.
        scrapes: as in `once_per_target`.
    """
    series, repeated = once_per_target(name, series, scrapes)
    if kind is Kind.RATE and series and all(metric(part.name, part.is_counter).is_counter for part in series):
        quantity, problems = rate_of_counters(name, series)
        return quantity, [*repeated, *problems]
    quantity, problems = sum_gauges(name, kind, series)
    quantity, negative = without_negative(quantity)
    return quantity, [*repeated, *problems, *negative]


def _one_per_stage(quantities: list[Series], problems: list[Problem]) -> list[Series]:
    """Return the quantities, of which only the first of each stage is that stage by default; warn of the others.

    Metrics of known servers come first: vLLM's waiting requests by reason are contained in all of them.
    """
    taken = {part.stage: part.column for part in reversed(quantities) if metric(part.column).is_known}
    found = []
    for part in quantities:
        first = taken.setdefault(part.stage, part.column) if part.stage else part.column
        if first != part.column:
            names = printable(first), part.stage, printable(part.column)
            problems.append(Problem(ProblemKind.METRIC_NOT_READ, detail=names))
        found.append(part if first == part.column else replace(part, stage=""))
    return found


def no_stage(label: str, columns: Sequence[str], missing: int) -> EntroError:
    """Return the error for metrics that give no stage.

    Args:
        label: the log, for messages.
        columns: names of the metrics; empty if known ones have no rate or no number.
        missing: number of samples that are not finite.
    """
    if not columns:
        return EntroError(
            f"no finite number in {counted(missing, 'sample')}" if missing else "no rate: a counter needs two samples",
            where=label,
            expected="numbers",
            remedy="query another expression or another time: a ratio is NaN while there are no requests"
            if missing
            else "a second reading of the counter",
        )
    names = sorted(map(printable, columns), key=lambda name: not _LOADS.search(name))
    return EntroError(
        "nothing says what it measures",
        where=label,
        expected="a metric with a known name, or --stage",
        remedy=f"add --stage NAME=COLUMN:KIND, for example --stage scraper={names[0]}:rate; the columns are "
        f"{', '.join(names[:20])}",
    )
