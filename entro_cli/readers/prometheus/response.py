"""Answers of a Prometheus server, as they come over the wire or were saved: JSON, checked, in one shape."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from entro_cli.core.clock import NS
from entro_cli.core.console import printable
from entro_cli.timeseries.observations import TimeArray
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError
from entro_engine.entropy import FloatArray

_SHOWN = 300


@dataclass(frozen=True)
class PrometheusSeries:
    """One series of a range query.

    Attributes:
        labels: its labels, the metric's name as `__name__` where it has one.
        times: nanoseconds since the epoch, sorted, each once, shape (samples,).
        values: shape (samples,); numbers all of them.
        not_finite: how many samples were NaN or infinite, and were left out.
        odd: how many were no samples at all: `[seconds, "number"]`.
    """

    labels: dict[str, str]
    times: TimeArray
    values: FloatArray
    not_finite: int = 0
    odd: int = 0

    @property
    def name(self) -> str:
        """The metric's name; empty for an expression."""
        return self.labels.get("__name__", "")

    def last(self) -> PrometheusSeries:
        """It without all but its last sample."""
        return PrometheusSeries(self.labels, self.times[-1:], self.values[-1:])


@dataclass(frozen=True)
class PrometheusResponse:
    """What a server answered to a range query: its series, and what it warns of."""

    series: tuple[PrometheusSeries, ...]
    warnings: tuple[Problem, ...] = ()


def parse_response(text: str, where: str) -> PrometheusResponse:
    """A server's answer to a range query.

    Args:
        text: the JSON document.
        where: what it is called in messages.

    Raises:
        EntroError: when it is no such answer, or the server could not answer.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EntroError("is no JSON, or is cut short", where=where, expected="an answer to query_range") from error
    if not isinstance(document, dict):
        raise _no_answer(where)
    if document.get("status") == "error":
        raise EntroError(
            f"the server could not answer ({printable_line(document.get('errorType', 'error'))}): "
            f"{printable_line(document.get('error', ''))}",
            where=where,
            remedy="mend the query, or ask for fewer points with a longer step or a shorter time",
        )
    data = document.get("data")
    kind = data.get("resultType") if isinstance(data, dict) else None
    if kind in {"vector", "scalar", "string"}:
        raise EntroError(
            f"is the answer to an instant query (a {kind}): one moment, and no course",
            where=where,
            expected="an answer to query_range (a matrix)",
            remedy="ask /api/v1/query_range with start, end and step",
        )
    result = data.get("result") if isinstance(data, dict) else None
    if kind != "matrix" or not isinstance(result, list):
        raise _no_answer(where)
    texts = [text for key in ("warnings", "infos") for text in document.get(key) or []]
    warnings = [Problem(ProblemKind.QUOTED, detail=(printable_line(text),)) for text in texts]
    return PrometheusResponse(tuple(_series(part, where) for part in result), tuple(warnings))


def join_series(series: Sequence[PrometheusSeries], where: str) -> list[PrometheusSeries]:
    """Series of several answers, those of the same labels as one: a long time is asked for in parts.

    Args:
        series: of all the answers.
        where: what they are called in messages.

    Raises:
        EntroError: when two of the same labels differ at one time: they are answers to different queries.
    """
    by_labels: dict[tuple[tuple[str, str], ...], list[PrometheusSeries]] = {}
    for part in series:
        by_labels.setdefault(tuple(sorted(part.labels.items())), []).append(part)
    return [parts[0] if len(parts) == 1 else _one(parts, where) for parts in by_labels.values()]


def _one(parts: Sequence[PrometheusSeries], where: str) -> PrometheusSeries:
    times = np.concatenate([part.times for part in parts])
    values = np.concatenate([part.values for part in parts])
    moments, first, back = np.unique(times, return_index=True, return_inverse=True)
    if np.any(values[first][back] != values):
        raise EntroError(
            f"two series called {printable_line(parts[0].labels)} differ at one time",
            where=where,
            expected="answers to one query, or metrics with names of their own",
            remedy="save the answer to each query into a file of its own",
        )
    return PrometheusSeries(
        parts[0].labels,
        moments,
        values[first],
        sum(part.not_finite for part in parts),
        sum(part.odd for part in parts),
    )


def response_text(series: Sequence[PrometheusSeries]) -> str:
    """Series as a server would answer them, in one line.

    Args:
        series: any.
    """
    result = [
        {
            "metric": part.labels,
            "values": [
                [when / NS, repr(value)] for when, value in zip(part.times.tolist(), part.values.tolist(), strict=True)
            ],
        }
        for part in series
    ]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def printable_line(text: object) -> str:
    """A server's words as they can be shown: one line of bounded length."""
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."


def _no_answer(where: str) -> EntroError:
    return EntroError(
        "is no answer of a Prometheus server",
        where=where,
        expected='an answer to query_range: {"status": "success", "data": {"resultType": "matrix", ...}}',
    )


def _series(part: Any, where: str) -> PrometheusSeries:
    metric = part.get("metric") if isinstance(part, dict) else None
    rows = part.get("values", []) if isinstance(part, dict) else None
    if not isinstance(metric, dict) or not isinstance(rows, list):
        raise _no_answer(where)
    read = [sample for row in rows if (sample := _sample(row))]
    times, values = (np.array(column) for column in zip(*read, strict=True)) if read else (np.empty(0), np.empty(0))
    finite = np.isfinite(values)
    order = np.argsort(times[finite], kind="stable")
    moments, places = np.unique(times[finite][order], return_index=True)
    return PrometheusSeries(
        {str(label): str(value) for label, value in metric.items()},
        np.rint(moments * 1000).astype(np.int64) * (NS // 1000),
        values[finite][order][places].astype(np.float64),
        not_finite=int((~finite).sum()),
        odd=len(rows) - len(read),
    )


def _sample(row: Any) -> tuple[float, float] | None:
    """A sample; None for what is none. Prometheus' stamps are milliseconds."""
    try:
        when, value = row
        stamp, number = float(when), float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return (stamp, number) if math.isfinite(stamp) and 0 < stamp < 9e9 else None
