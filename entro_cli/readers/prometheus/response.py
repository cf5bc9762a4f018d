"""Responses of a Prometheus server to range queries: JSON from the network or a file, checked and converted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from entro_cli.core.clock import NS
from entro_cli.core.console import printable
from entro_cli.core.formatting import shortened
from entro_cli.readers.prometheus.series import MetricSamples
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError


def parse_json(text: bytes | str) -> object:
    """Return a JSON document; None for any other text, also for one with half a surrogate pair, which is no text."""
    try:
        return msgspec.json.decode(text.decode("utf-8-sig", "replace") if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):
        return None


def parse_response(document: object, where: str, samples: MetricSamples) -> list[Problem]:
    """Add the samples of a response to a range query, and return the warnings of the server.

    Args:
        document: the JSON document; None if the text is none.
        where: its name in messages.
        samples: receives the samples.

    Raises:
        EntroError: if it is not such a response, or the server reports an error.
    """
    if document is None:
        raise EntroError("is not JSON, or is cut short", where=where, expected="a response to query_range")
    if not isinstance(document, dict):
        raise _not_a_response(where)
    if document.get("status") == "error":
        raise EntroError(
            f"the server reports an error ({_line(document.get('errorType', 'error'))}): "
            f"{_line(document.get('error', ''))}",
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
    for part in result:
        _add(part, where, samples)
    texts = [text for key in ("warnings", "infos") for text in document.get(key) or []]
    return [Problem(ProblemKind.QUOTED, detail=(_line(text),)) for text in texts]


def differ_at_one_time(labels: Mapping[str, str], where: str) -> EntroError:
    """Return the error for a series that differs in two responses, because they are to different queries."""
    return EntroError(
        f"two series with the labels {_line(dict(labels))} differ at one time",
        where=where,
        expected="responses to one query, or metrics with different names",
        remedy="save the response to each query to a separate file",
    )


def _line(text: object) -> str:
    """Return text of a server as it can be shown: one line of at most 300 characters."""
    return shortened(printable(" ".join(str(text).split())), 300)


def _not_a_response(where: str) -> EntroError:
    return EntroError(
        "is not a response of a Prometheus server",
        where=where,
        expected='a response to query_range: {"status": "success", "data": {"resultType": "matrix", ...}}',
    )


def _add(part: Any, where: str, samples: MetricSamples) -> None:
    metric = part.get("metric") if isinstance(part, dict) else None
    rows = part.get("values", []) if isinstance(part, dict) else None
    if not isinstance(metric, dict) or not isinstance(rows, list):
        raise _not_a_response(where)
    place = samples.place({str(label): str(value) for label, value in metric.items()})
    times, values = [], []
    for row in rows:
        try:
            time, value = row
            seconds, number = float(time), float(value)
        except (TypeError, ValueError, OverflowError):
            seconds = number = math.nan
        if 0 < seconds < 9e9:
            times.append(round(seconds * 1000) * (NS // 1000))  # timestamps are whole milliseconds
            values.append(number)
    samples.extend(place, times, values)
    samples.malformed += len(rows) - len(times)
