"""Exports of metrics with a JSON document per line: of VictoriaMetrics, and of the OpenTelemetry collector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.prometheus.response import PrometheusSeries, join_series, series_of
from entro_cli.readers.text_lines import BadLines

_DELTA = {1, "AGGREGATION_TEMPORALITY_DELTA"}

_Labels = tuple[tuple[str, str], ...]
_Sample = tuple[_Labels, int, float, bool | None]
"""Labels, nanoseconds since the epoch, value, and whether it is of a counter."""


class Export:
    """The samples of some metrics in an export.

    Args:
        is_wanted: whether the samples of a metric are kept.
    """

    def __init__(self, is_wanted: Callable[[str], bool]) -> None:
        self.names: dict[str, None] = {}
        self.bad, self.rows = BadLines(), 0
        self._is_wanted = is_wanted
        self._samples: dict[_Labels, list[tuple[int, float]]] = {}
        self._counters: dict[_Labels, bool | None] = {}
        self._totals: dict[_Labels, float] = {}

    def read(self, log: LogFile) -> None:
        """Read all lines of a log; a document that is cut short is a bad line."""
        offset = 0
        with log.path.open("rb") as file:
            for line in file:
                try:
                    document = msgspec.json.decode(line) if line.strip() else {"resourceMetrics": ()}
                    is_otlp = "resourceMetrics" in document
                    for sample in self._of_opentelemetry(document) if is_otlp else self._of_victoriametrics(document):
                        self._add(*sample)
                    self.rows += 1
                except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
                    self.bad.add(offset, "not a document of metrics, or cut short", line)
                offset += len(line)

    def series(self, log: LogFile, *_: object) -> tuple[list[PrometheusSeries], str]:
        """Return the series, and how their times were read, in words.

        Args:
            log: the log.

        Raises:
            EntroError: if two series with the same labels differ at one time.
        """
        found = []
        for labels, samples in self._samples.items():
            times, values = (np.array(part) for part in zip(*samples, strict=True))
            found.append(series_of(dict(labels), times.astype(np.int64), values, is_counter=self._counters[labels]))
        return join_series(found, log.label), "epoch seconds"

    def _add(self, labels: _Labels, time: int, value: float, is_counter: bool | None) -> None:
        self._samples.setdefault(labels, []).append((time, value))
        self._counters[labels] = is_counter

    def _named(self, name: str, *labels: dict[str, str]) -> _Labels | None:
        """Return the labels of a series; None if it is not wanted."""
        self.names[name] = None
        if not self._is_wanted(name):
            return None
        together = {key: value for part in labels for key, value in part.items()} | {"__name__": name}
        return tuple(sorted(together.items()))

    def _of_victoriametrics(self, document: dict[str, Any]) -> Iterator[_Sample]:
        """Yield the samples of a line of /api/v1/export."""
        metric = {str(key): str(value) for key, value in document["metric"].items()}
        samples = zip(document["timestamps"], document["values"], strict=True)
        if labels := self._named(metric.get("__name__", ""), metric):
            yield from [(labels, int(time) * 10**6, _number(value), None) for time, value in samples]

    def _of_opentelemetry(self, document: dict[str, Any]) -> Iterator[_Sample]:
        """Yield the samples of a line of the collector's file exporter: gauges and sums; histograms are no loads."""
        for resource in document["resourceMetrics"]:
            origin = _attributes(resource.get("resource", {}))
            for scope in resource.get("scopeMetrics") or resource.get("instrumentationLibraryMetrics") or ():
                for one in scope.get("metrics", ()):
                    for point in (one.get("gauge") or one.get("sum") or {}).get("dataPoints", ()):
                        if labels := self._named(str(one["name"]), origin, _attributes(point)):
                            yield from self._of_point(labels, point, one.get("sum"))

    def _of_point(self, labels: _Labels, point: dict[str, Any], total: dict[str, Any] | None) -> Iterator[_Sample]:
        """Yield the sample of a data point; of a delta, the counts at its start and its end."""
        time, value = int(point["timeUnixNano"]), _number(point.get("asDouble", point.get("asInt")))
        is_counter = total is not None and bool(total.get("isMonotonic"))
        if total is not None and total.get("aggregationTemporality") in _DELTA:
            before = self._totals.get(labels, 0.0)
            value = self._totals[labels] = before + value
            if start := int(point.get("startTimeUnixNano", 0)):
                yield labels, start, before, is_counter
        yield labels, time, value, is_counter


def _attributes(part: dict[str, Any]) -> dict[str, str]:
    return {str(one["key"]): str(next(iter(one["value"].values()), "")) for one in part.get("attributes", ())}


def _number(value: object) -> float:
    """Return a number, which may be a text such as "Infinity"; null is a missing one."""
    return float("nan") if value is None else float(str(value))
