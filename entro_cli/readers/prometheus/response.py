"""Responses of a Prometheus server to range queries: JSON from the network or a file, checked and converted."""

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
        labels: its labels; the metric's name is `__name__`, if it has one.
        times: nanoseconds since the epoch, sorted, each once, shape (samples,).
        values: finite numbers, shape (samples,).
        not_finite: the number of samples that are NaN or infinite, which are left out.
        malformed: the number of entries that are not of the form `[seconds, "number"]`.
        is_counter: whether it only grows, by its type; None if its source gives no type.
    """

    labels: dict[str, str]
    times: TimeArray
    values: FloatArray
    not_finite: int = 0
    malformed: int = 0
    is_counter: bool | None = None

    @property
    def name(self) -> str:
        """The metric's name; empty for an expression."""
        return self.labels.get("__name__", "")

    def last(self) -> PrometheusSeries:
        """Return the series with only its last sample."""
        return PrometheusSeries(self.labels, self.times[-1:], self.values[-1:])


@dataclass(frozen=True)
class PrometheusResponse:
    """A response to a range query: its series, and the warnings of the server."""

    series: tuple[PrometheusSeries, ...]
    warnings: tuple[Problem, ...] = ()


def parse_response(text: str, where: str) -> PrometheusResponse:
    """Parse the response to a range query.

    Args:
        text: the JSON document.
        where: its name in messages.

    Raises:
        EntroError: if it is not such a response, or the server reports an error.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EntroError("is not JSON, or is cut short", where=where, expected="a response to query_range") from error
    if not isinstance(document, dict):
        raise _not_a_response(where)
    if document.get("status") == "error":
        raise EntroError(
            f"the server reports an error ({printable_line(document.get('errorType', 'error'))}): "
            f"{printable_line(document.get('error', ''))}",
            where=where,
            remedy="correct the query, or ask for fewer points with a longer step or a shorter time",
        )
    data = document.get("data")
    kind = data.get("resultType") if isinstance(data, dict) else None
    if kind in {"vector", "scalar", "string"}:
        raise EntroError(
            f"is the response to an instant query (a {kind}), of one moment only",
            where=where,
            expected="a response to query_range (a matrix)",
            remedy="query /api/v1/query_range with start, end and step",
        )
    result = data.get("result") if isinstance(data, dict) else None
    if kind != "matrix" or not isinstance(result, list):
        raise _not_a_response(where)
    texts = [text for key in ("warnings", "infos") for text in document.get(key) or []]
    warnings = [Problem(ProblemKind.QUOTED, detail=(printable_line(text),)) for text in texts]
    return PrometheusResponse(tuple(_series(part, where) for part in result), tuple(warnings))


def join_series(series: Sequence[PrometheusSeries], where: str) -> list[PrometheusSeries]:
    """Join the series of several responses by their labels: a long time is queried in parts.

    Args:
        series: of all responses.
        where: their name in messages.

    Raises:
        EntroError: if two series with the same labels differ at one time, because they are of different queries.
    """
    by_labels: dict[tuple[tuple[str, str], ...], list[PrometheusSeries]] = {}
    for part in series:
        by_labels.setdefault(tuple(sorted(part.labels.items())), []).append(part)
    return [parts[0] if len(parts) == 1 else _join_parts(parts, where) for parts in by_labels.values()]


def _join_parts(parts: Sequence[PrometheusSeries], where: str) -> PrometheusSeries:
    times = np.concatenate([part.times for part in parts])
    values = np.concatenate([part.values for part in parts])
    moments, firsts, inverse = np.unique(times, return_index=True, return_inverse=True)
    if np.any(values[firsts][inverse] != values):
        raise EntroError(
            f"two series with the labels {printable_line(parts[0].labels)} differ at one time",
            where=where,
            expected="responses to one query, or metrics with different names",
            remedy="save the response to each query to a separate file",
        )
    return PrometheusSeries(
        parts[0].labels,
        moments,
        values[firsts],
        sum(part.not_finite for part in parts),
        sum(part.malformed for part in parts),
        parts[0].is_counter,
    )


def response_text(series: Sequence[PrometheusSeries]) -> str:
    """Return series as the response of a server, in one line."""
    result = [
        {
            "metric": part.labels,
            "values": [
                [time / NS, repr(value)] for time, value in zip(part.times.tolist(), part.values.tolist(), strict=True)
            ],
        }
        for part in series
    ]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


def printable_line(text: object) -> str:
    """Return text of a server as it can be shown: one line of at most 300 characters."""
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."


def _not_a_response(where: str) -> EntroError:
    return EntroError(
        "is not a response of a Prometheus server",
        where=where,
        expected='a response to query_range: {"status": "success", "data": {"resultType": "matrix", ...}}',
    )


def _series(part: Any, where: str) -> PrometheusSeries:
    metric = part.get("metric") if isinstance(part, dict) else None
    rows = part.get("values", []) if isinstance(part, dict) else None
    if not isinstance(metric, dict) or not isinstance(rows, list):
        raise _not_a_response(where)
    samples = [sample for row in rows if (sample := _sample(row))]
    seconds, values = (np.array(column) for column in zip(*samples, strict=True)) if samples else np.empty((2, 0))
    times = np.rint(seconds * 1000).astype(np.int64) * (NS // 1000)  # Prometheus' timestamps are whole milliseconds
    labels = {str(label): str(value) for label, value in metric.items()}
    return series_of(labels, times, values, malformed=len(rows) - len(samples))


def series_of(
    labels: dict[str, str], times: TimeArray, values: FloatArray, *, malformed: int = 0, is_counter: bool | None = None
) -> PrometheusSeries:
    """Return a series of samples in any order, of which those that are not finite are left out.

    Args:
        labels: as in `PrometheusSeries`.
        times: nanoseconds since the epoch, shape (samples,). Of several samples at one time, the first counts.
        values: numbers, shape (samples,).
        malformed: as in `PrometheusSeries`.
        is_counter: as in `PrometheusSeries`.
    """
    finite = np.isfinite(values)
    moments, places = np.unique(times[finite], return_index=True)
    return PrometheusSeries(
        labels,
        moments,
        values[finite][places].astype(np.float64),
        not_finite=int((~finite).sum()),
        malformed=malformed,
        is_counter=is_counter,
    )


def _sample(row: Any) -> tuple[float, float] | None:
    """Return the time, in seconds, and the value of an entry; None if it is not a sample."""
    try:
        time, value = row
        seconds, number = float(time), float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return (seconds, number) if math.isfinite(seconds) and 0 < seconds < 9e9 else None
