"""Steps as rows of text: CSV or JSON lines, one row per step, every number to its last bit."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from typing import Any

from entro_cli.core.clock import moment

Column = tuple[str, Sequence[Any]]
"""The name of a column and its values, one per step: text, booleans, integers, or floats with NaN for no data."""


def csv_text(
    times_ns: Iterable[int], zone: tzinfo, columns: Sequence[Column], header: bool = True, precision: str = "auto"
) -> str:
    """Return the steps as CSV: `time` (ISO 8601 with offset), then the columns. NaN becomes an empty cell.

    Args:
        times_ns: start of each step, nanoseconds since the epoch.
        zone: the time zone to write the times in.
        columns: the values to write, one per step and column.
        header: write the line of column names.
        precision: of the times, as `datetime.isoformat` has it. One form for all reads back as one column of times.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if header:
        writer.writerow(["time", *(name for name, _ in columns)])
    writer.writerows(zip(_iso(times_ns, zone, precision), *(map(_cell, values) for _, values in columns), strict=True))
    return out.getvalue()


def json_lines(times_ns: Iterable[int], zone: tzinfo, columns: Sequence[Column]) -> str:
    """Return the steps as JSON lines, one object per step. NaN becomes null.

    Args:
        times_ns: start of each step, nanoseconds since the epoch.
        zone: the time zone to write the times in.
        columns: the values to write, one per step and column.
    """
    out = io.StringIO()
    names = ["time", *(name for name, _ in columns)]
    for row in zip(_iso(times_ns, zone), *(map(_null_for_nan, values) for _, values in columns), strict=True):
        out.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")
    return out.getvalue()


def _iso(times_ns: Iterable[int], zone: tzinfo, precision: str = "auto") -> Iterator[str]:
    return (moment(ns, zone).isoformat(timespec=precision) for ns in times_ns)


def _cell(value: float | bool | str) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)  # repr is the shortest text that reads back to the same bits
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _null_for_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
