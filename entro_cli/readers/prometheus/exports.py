"""Exports of metrics with a JSON document per line: of VictoriaMetrics, and of the OpenTelemetry collector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.prometheus.series import MetricSamples
from entro_cli.readers.text_lines import BadLines

_DELTA = {1, "AGGREGATION_TEMPORALITY_DELTA"}


class Export:
    """The metrics of an export.

    Args:
        samples: receives the samples.
        is_wanted: returns whether the samples of a metric are kept, given its name.
    """

    def __init__(self, samples: MetricSamples, is_wanted: Callable[[str], bool]) -> None:
        self.names: dict[str, None] = {}
        self.bad, self.rows = BadLines(), 0
        self._samples, self._is_wanted = samples, is_wanted

    def read(self, log: LogFile) -> None:
        """Read all lines of a log; a document that is cut short is a bad line."""
        offset = 0
        with log.path.open("rb") as file:
            for line in file:
                try:
                    document = msgspec.json.decode(line) if line.strip() else {"resourceMetrics": ()}
                    add = self._add_opentelemetry if "resourceMetrics" in document else self._add_victoriametrics
                    add(document)
                    self.rows += 1
                except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
                    self.bad.add(offset, "not a document of metrics, or cut short", line)
                offset += len(line)

    def _place(self, labels: Mapping[str, str], is_counter: bool | None = None) -> int | None:
        """Return the index of a series; None if it is not wanted."""
        name = labels.get("__name__", "")
        self.names[name] = None
        return self._samples.place(labels, is_counter) if self._is_wanted(name) else None

    def _add_victoriametrics(self, document: dict[str, Any]) -> None:
        """Add the samples of a line of /api/v1/export."""
        place = self._place({str(key): str(value) for key, value in document["metric"].items()})
        times = [int(time) * 10**6 for time in document["timestamps"]]
        values = [_number(value) for value in document["values"]]
        if len(times) != len(values):
            raise ValueError("cut short")
        if place is not None:
            self._samples.extend(place, times, values)

    def _add_opentelemetry(self, document: dict[str, Any]) -> None:
        """Add the samples of a line of the collector's file exporter: gauges and sums; histograms are no loads."""
        for resource in document["resourceMetrics"]:
            origin = _attributes(resource.get("resource", {}))
            for scope in resource.get("scopeMetrics") or resource.get("instrumentationLibraryMetrics") or ():
                for one in scope.get("metrics", ()):
                    for point in (one.get("gauge") or one.get("sum") or {}).get("dataPoints", ()):
                        labels = {**origin, **_attributes(point), "__name__": str(one["name"])}
                        self._add_point(labels, point, one.get("sum") or {})

    def _add_point(self, labels: dict[str, str], point: dict[str, Any], total: dict[str, Any]) -> None:
        """Add the sample of a data point; of a delta, the counts at its start and its end."""
        time, value = int(point["timeUnixNano"]), _number(point.get("asDouble", point.get("asInt")))
        place = self._place(labels, bool(total.get("isMonotonic")))
        if place is None:
            return
        if total.get("aggregationTemporality") in _DELTA:
            before = self._samples.last.get(place, 0.0)
            value += before
            if start := int(point.get("startTimeUnixNano", 0)):
                self._samples.extend(place, [start], [before])
        self._samples.extend(place, [time], [value])


def _attributes(part: dict[str, Any]) -> dict[str, str]:
    return {str(one["key"]): str(next(iter(one["value"].values()), "")) for one in part.get("attributes", ())}


def _number(value: object) -> float:
    """Return a number, which may be a text such as "Infinity"; null is a missing one."""
    return float("nan") if value is None else float(str(value))
