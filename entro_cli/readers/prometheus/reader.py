"""The `prometheus` format: saved answers of a Prometheus server to range queries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from entro_cli.core.console import printable
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import masked, printable_row
from entro_cli.readers.prometheus.aggregate import rate_of_counters, sum_gauges, without_negative
from entro_cli.readers.prometheus.metrics import metric
from entro_cli.readers.prometheus.response import PrometheusSeries, join_series, parse_response, response_text
from entro_cli.readers.quantities import Quantity, choose_stages
from entro_cli.readers.tables.duckdb_table import head_text
from entro_cli.timeseries.observations import BadRow, Observations, ReadOptions
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError, Kind

NAME = "prometheus"
DESCRIPTION = "a saved answer of a Prometheus server to query_range"
GIVES = "what was asked for: gauges as they are, counters as rates, known metrics as their stages"
IN_PARTS = False

EXPRESSION = "value"
"""What the values of an expression are called, which has no metric's name."""


def recognise(log: LogFile) -> float:
    """How sure it is that a log holds a Prometheus server's answers, 0..1, from its content."""
    if log.is_parquet:
        return 0.0
    text = "".join(head_text(log)[:4096].split())
    if not text.startswith("{"):
        return 0.0
    success = '"status":"success"' in text and '"data":{' in text and '"resultType":' in text
    failure = '"status":"error"' in text and '"errorType":' in text
    return 1.0 if success or failure else 0.0


def checkpoint(log: LogFile) -> bytes:
    """What makes the log that goes on where this one ends read as if both were one.

    Args:
        log: the plain file.

    Returns:
        The last sample of every series, as an answer of one line, and the unfinished last line.
    """
    data = log.path.read_bytes()
    whole, unfinished = data[: data.rfind(b"\n") + 1], data[data.rfind(b"\n") + 1 :]
    lines = [line for line in whole.decode("utf-8-sig", "replace").split("\n") if _is_document(line)]
    try:
        answers = [part for line in lines for part in parse_response(line, log.label).series]
        last = [part.last() for part in join_series(answers, log.label) if len(part.times)]
    except EntroError:  # which the reading of it tells
        last = []
    return (response_text(last).encode() + b"\n" if last else b"") + unfinished


def read(log: LogFile, options: ReadOptions) -> Observations:
    """The observations in saved answers: one document, or one a line.

    Args:
        log: the plain file.
        options: what the user said.

    Raises:
        EntroError: when it holds no range, the server had not answered, nothing is in it, or nothing says what the
            values of an expression measure.
    """
    saved = _saved(log, options)
    series = join_series([part for answer in saved.answers for part in answer], log.label)
    if not series:
        raise EntroError(
            "the answer is empty: no series matched",
            where=log.label,
            expected="series with samples",
            remedy="check the metric's name and labels, and the time that was asked for",
        )
    quantities, problems = _quantities(series)
    missing = sum(part.not_finite for part in series)
    odd = sum(part.odd for part in series)
    if missing:
        problems.append(Problem(ProblemKind.NOT_FINITE, missing))
    if odd and options.strict:
        raise EntroError(
            f"{odd} samples are not pairs of a time and a number", where=log.label, expected="good ones only"
        )
    if odd:
        problems.append(Problem(ProblemKind.NOT_A_SAMPLE, odd))
    stages = choose_stages(quantities, options)
    if not stages:
        raise _no_stage(log.label, quantities, missing)
    return Observations(
        path=log.label,
        format=NAME,
        series=stages,
        rows_read=sum(len(part.times) for part in series),
        rows_skipped=saved.skipped + odd,
        bad_rows=saved.bad,
        zone="epoch seconds",
        problems=(*saved.warnings, *problems),
        columns=tuple(part.name for part in quantities),
    )


@dataclass(frozen=True)
class _Saved:
    """The answers in a file, what the servers warned of, and the lines that are none."""

    answers: tuple[tuple[PrometheusSeries, ...], ...]
    warnings: tuple[Problem, ...]
    skipped: int = 0
    bad: tuple[BadRow, ...] = ()


def _saved(log: LogFile, options: ReadOptions) -> _Saved:
    text = log.path.read_bytes().decode("utf-8-sig", "replace")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) < 2 or not _is_document(lines[0][1]):
        answer = parse_response(text, log.label)
        return _Saved((answer.series,), answer.warnings)
    answers: list[tuple[PrometheusSeries, ...]] = []
    warnings: list[Problem] = []
    bad: list[BadRow] = []
    for number, line in lines:
        if _is_document(line):
            answer = parse_response(line, f"{log.label}, line {number}")
            answers.append(answer.series)
            warnings += answer.warnings
        else:
            shown = masked(printable_row(line)) if options.redact else printable_row(line)
            bad.append(BadRow(number, "no JSON, or cut short", shown))
    if bad and options.strict:
        raise EntroError(
            str(bad[0]),
            where=log.label,
            expected="good rows only, with --strict",
        )
    return _Saved(tuple(answers), tuple(dict.fromkeys(warnings)), len(bad), tuple(bad[:5]))


def _is_document(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _quantities(series: Sequence[PrometheusSeries]) -> tuple[list[Quantity], list[Problem]]:
    """One quantity a metric, its series summed, and what was out of the ordinary."""
    by_name: dict[str, list[PrometheusSeries]] = {}
    for part in series:
        by_name.setdefault(part.name or EXPRESSION, []).append(part)
    quantities, problems = [], []
    for name, parts in by_name.items():
        known = metric("" if name == EXPRESSION else name)
        quantity, found = combine_series(name, known.kind or Kind.GENERIC, parts)
        quantities.append(replace(quantity, stage=known.stage))
        problems += found
    return _one_a_stage(quantities, problems), problems


def combine_series(name: str, kind: Kind, series: Sequence[PrometheusSeries]) -> tuple[Quantity, list[Problem]]:
    """The series of one metric, or of one query, as one quantity, and what was out of the ordinary.

    Args:
        name: what it is called.
        kind: what it measures; a rate where the series are counters.
        series: one an engine or an instance.
    """
    if kind is Kind.RATE and series and all(metric(part.name).is_counter for part in series):
        return rate_of_counters(name, series)
    quantity, problems = sum_gauges(name, kind, series)
    quantity, negative = without_negative(quantity)
    return quantity, [*problems, *negative]


def _one_a_stage(quantities: list[Quantity], problems: list[Problem]) -> list[Quantity]:
    """The quantities, the first of a stage being it; the others are a stage only where they are named."""
    taken: dict[str, str] = {}
    found = []
    for part in quantities:
        first = taken.setdefault(part.stage, part.name) if part.stage else part.name
        if first != part.name:
            names = printable(first), part.stage, printable(part.name)
            problems.append(Problem(ProblemKind.METRIC_NOT_READ, detail=names))
        found.append(part if first == part.name else replace(part, stage=""))
    return found


def _no_stage(label: str, quantities: Sequence[Quantity], missing: int) -> EntroError:
    names = [printable(part.name) for part in quantities if len(part.times)]
    if not names:
        return EntroError(
            f"there is no number in it, {missing} samples are NaN or infinite"
            if missing
            else "there is no rate in it: a counter needs two samples",
            where=label,
            expected="numbers",
            remedy="a rate over a time without requests divides by nothing: ask for another, or another time",
        )
    return EntroError(
        "nothing says what it measures",
        where=label,
        expected="a metric that is known by its name, or --stage",
        remedy=f"add --stage NAME=COLUMN:KIND, for example --stage scraper={names[0]}:rate; it has "
        f"{', '.join(names[:20])}",
    )
