"""Series of Prometheus as the stages of a pipeline: known metrics, and those that the user names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from entro_cli.core.console import printable
from entro_cli.core.formatting import counted
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.prometheus.aggregate import arrivals, rate_of_counters, sum_gauges, without_negative
from entro_cli.readers.prometheus.metrics import IN_SYSTEM, metric, server_name
from entro_cli.readers.prometheus.response import PrometheusSeries
from entro_cli.readers.prometheus.targets import once_per_target
from entro_cli.readers.quantities import Quantity, choose_stages
from entro_cli.timeseries.observations import BadRow, Observations, ReadOptions
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError, Kind

EXPRESSION = "value"
"""The column of an expression, which has no metric's name."""

_LOADS = re.compile("request|queue|wait|pending|running")


@dataclass(frozen=True)
class SavedSeries:
    """The series in a log, and how it was read.

    Attributes:
        series: each with other labels.
        warnings: of the source, each once.
        skipped: the number of rows that could not be read.
        bad: the first few of them.
        zone: how the times were read, in words.
        names: of all metrics, also of those without series here; empty for those of the series.
    """

    series: tuple[PrometheusSeries, ...]
    warnings: tuple[Problem, ...] = ()
    skipped: int = 0
    bad: tuple[BadRow, ...] = ()
    zone: str = "epoch seconds"
    names: tuple[str, ...] = ()


def observe(found: SavedSeries, name: str, log: LogFile, options: ReadOptions) -> Observations:
    """Return the series of a log as observations.

    Args:
        found: the series.
        name: the name of the format.
        log: the log.
        options: how it is read.

    Raises:
        EntroError: if nothing says what the series measure, or none of them has enough samples.
    """
    quantities, problems = _quantities(found.series)
    missing = sum(part.not_finite for part in found.series)
    malformed = sum(part.malformed for part in found.series)
    if missing:
        problems.append(Problem(ProblemKind.NOT_FINITE, missing))
    if malformed:
        problem = Problem(ProblemKind.NOT_A_SAMPLE, malformed)
        if options.strict:
            raise EntroError(str(problem), where=log.label, expected="good samples only, with --strict")
        problems.append(problem)
    stages = choose_stages(quantities, options)
    columns = found.names or tuple(part.name for part in quantities)
    if not stages:
        has_samples = not quantities or any(len(part.times) for part in quantities)
        raise _no_stage(log.label, columns if has_samples else (), missing)
    return Observations(
        path=log.label,
        format=name,
        series=stages,
        rows_read=sum(len(part.times) for part in found.series),
        rows_skipped=found.skipped + malformed,
        bad_rows=found.bad,
        zone=found.zone,
        problems=(*found.warnings, *problems),
        columns=columns,
    )


def _quantities(series: Sequence[PrometheusSeries]) -> tuple[list[Quantity], list[Problem]]:
    """Return one quantity per metric, its series combined, and warnings about them."""
    by_name: dict[str, list[PrometheusSeries]] = {}
    for part in series:
        by_name.setdefault(part.name or EXPRESSION, []).append(part)
    quantities: list[Quantity] = []
    problems: list[Problem] = []
    for name, parts in by_name.items():
        known = metric("" if name == EXPRESSION else name, parts[0].is_counter)
        quantity, found = combine_series(name, known.kind or Kind.GENERIC, parts)
        quantities.append(replace(quantity, stage=known.stage))
        problems += found
    return _one_per_stage(_with_arrivals(quantities, problems), problems), problems


def _with_arrivals(quantities: list[Quantity], problems: list[Problem]) -> list[Quantity]:
    """Return the quantities with arrivals instead of rates of requests that are done, and warn of those that remain."""
    in_system = {server_name(part.name): part for part in quantities if server_name(part.name) in IN_SYSTEM}
    found = []
    for part in quantities:
        arrived = None
        if server_name(part.name).startswith("vllm:") and in_system.keys() >= set(IN_SYSTEM[:2]):
            arrived = arrivals(part, [*in_system.values()]) if metric(part.name).counts_done else None
        if metric(part.name).counts_done and len(part.times):
            kind = ProblemKind.COUNTS_DONE if arrived is None else ProblemKind.ARRIVALS
            problems.append(Problem(kind, detail=(printable(part.name),)))
        found.append(arrived or part)
    return found


def combine_series(name: str, kind: Kind, series: Sequence[PrometheusSeries]) -> tuple[Quantity, list[Problem]]:
    """Combine the series of one metric, or of one query, with warnings about them.

    Args:
        name: the name of the quantity.
        kind: what it measures. The series of a rate are counters if their names are those of counters.
        series: one per engine or instance.
    """
    series, repeated = once_per_target(name, series)
    if kind is Kind.RATE and series and all(metric(part.name, part.is_counter).is_counter for part in series):
        quantity, problems = rate_of_counters(name, series)
        return quantity, [*repeated, *problems]
    quantity, problems = sum_gauges(name, kind, series)
    quantity, negative = without_negative(quantity)
    return quantity, [*repeated, *problems, *negative]


def _one_per_stage(quantities: list[Quantity], problems: list[Problem]) -> list[Quantity]:
    """Return the quantities, of which only the first of each stage is that stage by default; warn of the others."""
    taken: dict[str, str] = {}
    found = []
    for part in quantities:
        first = taken.setdefault(part.stage, part.name) if part.stage else part.name
        if first != part.name:
            names = printable(first), part.stage, printable(part.name)
            problems.append(Problem(ProblemKind.METRIC_NOT_READ, detail=names))
        found.append(part if first == part.name else replace(part, stage=""))
    return found


def _no_stage(label: str, columns: Sequence[str], missing: int) -> EntroError:
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
