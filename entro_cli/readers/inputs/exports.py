"""Documents that hold a table, or lines of a log, converted to JSON lines: JSON arrays, and exports of CSV.

Those are of CloudWatch and InfluxDB, and the lines of a log as Grafana, Datadog, Splunk and others save them.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from entro_cli.readers.inputs.wrappings import REQUEST_KEYS

_Row = dict[str, Any]
_COUNTS = re.compile(r"(?:Sent|Received|Deleted|Count|Requests|Invocations|Messages)$")
"""Metrics of CloudWatch that count events: their values are sums over a period."""

_INFLUX_PARTS = {"", "result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement"}


def convert_export(source: Path, plain: Path) -> bool:
    """Write the rows of a document as JSON lines.

    Args:
        source: the log, UTF-8.
        plain: the file to write.

    Returns:
        Whether anything was written: False if the log is no document of rows.

    Raises:
        OSError: if it cannot be read, or the disk is full.
    """
    text = source.read_text(encoding="utf-8-sig", errors="replace")
    rows = list(next((found for read in _READERS if (found := read(text))), ()))
    if not rows:
        return False
    with plain.open("w", encoding="utf-8") as out:
        out.writelines(f"{json.dumps(row)}\n" for row in rows)
    return True


def _json_rows(text: str) -> list[_Row]:
    """Return the rows of a JSON array, or of an answer of CloudWatch; none of other documents."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if isinstance(document, dict):
        events = document.get("events")
        if isinstance(events, list) and all({"timestamp", "message"} <= event.keys() for event in events):
            return [
                _log_line({key: str(value) for key, value in event.items()}, "message", "timestamp") for event in events
            ]
        metrics = document.get("MetricDataResults") or _statistics_as_metrics(document)
        return _metric_rows(metrics) if isinstance(metrics, list) else []
    are_rows = isinstance(document, list) and all(isinstance(row, dict) for row in document)
    # A series of Prometheus is no row.
    return [] if not are_rows or any({"metric", "values"} <= row.keys() for row in document) else document


def _statistics_as_metrics(document: _Row) -> list[_Row]:
    """Return an answer to GetMetricStatistics as one to GetMetricData, one metric per statistic."""
    points = document.get("Datapoints")
    points = [point for point in points if isinstance(point, dict)] if isinstance(points, list) else []
    times = [point.get("Timestamp") for point in points]
    units = "".join(sorted({f" {point.get('Unit')}" for point in points} - {" Count", " None"}))
    unit = re.sub(r" Count/", " per ", units).lower()
    return [
        {
            "Label": f"{document.get('Label')} {statistic}{unit}" if statistic != "Sum" else document.get("Label"),
            "Timestamps": times,
            "Values": [point.get(statistic) for point in points],
        }
        for statistic in ("Average", "Sum", "Maximum")
        if any(statistic in point for point in points)
    ]


def _metric_rows(metrics: list[Any]) -> list[_Row]:
    by_time: dict[str, _Row] = {}
    columns = {}
    for metric in (metric for metric in metrics if isinstance(metric, dict)):
        times, values = metric.get("Timestamps"), metric.get("Values")
        if not isinstance(times, list) or not isinstance(values, list):
            return []
        label = str(metric.get("Label") or metric.get("Id"))
        period_s = _period_s([str(time) for time in times]) if _COUNTS.search(label) else 0
        columns[label] = f"{label} per {period_s} s" if period_s else label
        for time, value in zip(times, values, strict=False):
            by_time.setdefault(str(time), {})[label] = value
    return [
        {"time": time} | {column: by_time[time].get(name) for name, column in columns.items()}
        for time in sorted(by_time)
    ]


def _period_s(times: list[str]) -> int:
    """Return the shortest distance between two times, seconds; 0 if it is unknown."""
    from datetime import datetime

    try:
        moments = sorted(datetime.fromisoformat(time).timestamp() for time in times)
    except ValueError:
        return 0
    return round(min((after - before for before, after in pairwise(moments)), default=0))


def _cloudwatch_csv(text: str) -> list[_Row]:
    """Return the rows of a CSV of CloudWatch's console, whose lines before `Timestamps` describe the columns."""
    lines = list(_csv_rows(text))
    end = next((index for index, cells in enumerate(lines) if cells[:1] == ["Timestamps"]), None)
    if end is None or lines[0][:1] != ["Full label"]:
        return []
    about = {cells[0]: cells[1:] for cells in lines[:end] if cells}
    names = about.get("Label") or about["Full label"]
    periods, statistics = (about.get(name, []) for name in ("Period", "Statistic"))
    for index, statistic in enumerate(statistics[: len(periods)]):
        if statistic in {"Sum", "SampleCount"} and index < len(names):
            names[index] += f" per {periods[index]} s"
    return [dict(zip(["time", *names], cells, strict=False)) for cells in lines[end + 1 :] if cells]


def _csv_rows(text: str) -> Iterator[list[str]]:
    with suppress(csv.Error):  # a cell of more than 128 KiB: no such export
        yield from csv.reader(io.StringIO(text, newline=""))


def _influx_csv(text: str) -> list[_Row]:
    """Return the rows of an annotated CSV of InfluxDB: of time, field and value, or with a column per field."""
    found: list[_Row] = []
    annotated = text if text.lstrip().startswith("#") else ""
    for is_blank, table in groupby(_csv_rows(annotated), lambda cells: not any(cells)):
        found += [] if is_blank else _influx_table(table)
    tags = dict.fromkeys(key for row in found for key in row)
    measurements = {row["_measurement"] for row in found if "_measurement" in row}
    for row in found:
        if "_field" in row and len(measurements) > 1:
            row["_field"] = f"{row['_measurement']}_{row['_field']}"
    names = {"_time": "time", "_field": "series", "_value": "value"}
    kept = [key for key in tags if key in names or key not in _INFLUX_PARTS]
    return [{names.get(key, key): row.get(key) for key in kept} for row in found if "_time" in row]


def _influx_table(table: Iterator[list[str]]) -> list[_Row]:
    header: list[str] = []
    rows = []
    for cells in table:
        if cells[0].startswith("#"):
            header = []
        elif not header:
            header = cells
        else:
            rows.append(dict(zip(header, cells, strict=False)))
    return rows


def _log_lines_csv(text: str) -> list[_Row]:
    """Return the rows of a CSV of log lines as Docker writes lines: the line, its time, and who wrote it."""
    lines = _csv_rows(text)
    header = [re.sub(r"\W+", "_", name.strip().lower()).strip("_") for name in next(lines, [])]
    texts, times = ([place for place, name in enumerate(header) if name in names] for names in (_LINES, _TIMES))
    if len(texts) != 1 or not times or set(header) & _LOADS:
        return []
    rows = [cells for cells in lines if len(cells) == len(header)]
    logged = sum(_LOGGED.match(cells[texts[0]]) is not None for cells in rows[:200])
    if 2 * logged <= len(rows[:200]):
        return []
    return [_log_line(dict(zip(header, cells, strict=True)), header[texts[0]], header[times[0]]) for cells in rows]


def _log_line(row: dict[str, str], text: str, time: str) -> _Row:
    names = {key: value for key, value in row.items() if key not in {text, time} and value}
    with suppress(ValueError):  # of Loki, as JSON
        names |= json.loads(names.pop("labels", "{}"))
    if "service" in names:
        names.setdefault("container", names["service"])
    stamp = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", row[time].replace(",", "."))
    return {"log": row[text].rstrip("\n") + "\n", "time": stamp[:10] if stamp.isdigit() else stamp} | names


_LINES, _TIMES = {"line", "message", "content", "body", "log", "raw"}, {"time", "timestamp", "date", "ts"}
_LOADS = {*REQUEST_KEYS, "queue", "rate"}
"""Columns of tables that have a message in each row, too."""
_LOGGED = re.compile(r".{0,80}(?:\d\d:\d\d:\d\d|\b(?:DEBUG|INFO|WARN|ERROR)|\[info\]|\{\")", re.IGNORECASE)
_READERS: tuple[Callable[[str], list[_Row]], ...] = (_json_rows, _cloudwatch_csv, _influx_csv, _log_lines_csv)
