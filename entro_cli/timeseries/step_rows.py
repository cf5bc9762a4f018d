"""Steps as rows of text: CSV or JSON lines, one row per step, every number to its last bit."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.clock import NS, moment
from entro_cli.core.files import connect_duckdb
from entro_cli.timeseries.observations import TimeArray
from entro_engine import Regime, Run
from entro_engine.entropy import FloatArray

Column = tuple[str, NDArray[Any]]
"""The name of a column and its values, one per step: words, booleans, integers, or floats with NaN for no data."""

_STATES = ("energy", "memory", "stress_threshold", "critical_threshold", "effective_load", "stability")


def csv_text(
    times_ns: TimeArray, zone: tzinfo, columns: Sequence[Column], header: bool = True, precision: str = "auto"
) -> str:
    """Return the steps as CSV: `time` (ISO 8601 with offset), then the columns. NaN becomes an empty cell.

    Args:
        times_ns: start of each step, nanoseconds since the epoch.
        zone: the time zone to write the times in.
        columns: the values to write, one per step and column. Words need no quotes.
        header: write the line of column names.
        precision: of the times, as `datetime.isoformat` has it. One form for all reads back as one column of times.
    """
    out = io.StringIO()
    if header:
        csv.writer(out, lineterminator="\n").writerow(["time", *(name for name, _ in columns)])
    cells = [
        f"coalesce(CASE WHEN NOT isnan(c{index}) THEN c{index} END::VARCHAR, '')"
        if values.dtype.kind == "f"
        else f"c{index}"
        for index, (_, values) in enumerate(columns)
    ]
    # Under plain names: the names of stages may hold anything.
    rows = {f"c{index}": values for index, (_, values) in enumerate(columns)}
    if zone is UTC and precision != "auto":
        rows["time"] = times_ns // 1000
        fraction = ".%f" if precision == "microseconds" else ""
        cells.insert(0, f"strftime(make_timestamp(time), '%Y-%m-%dT%H:%M:%S{fraction}+00:00')")
    else:
        rows["time"] = np.array(list(_iso(times_ns, zone, precision)), dtype=object)
        cells.insert(0, "time")
    # One thread keeps the rows in order. DuckDB writes the text of a float as `repr` does, the shortest that reads back
    # to the same bits, in a fifth of the time.
    with connect_duckdb(threads=1) as cursor:
        cursor.register("steps", rows)
        found = cursor.execute(f"SELECT concat_ws(',', {', '.join(cells)}) FROM steps").fetchall()
    out.writelines(f"{row}\n" for (row,) in found)
    return out.getvalue()


def json_lines(times_ns: TimeArray, zone: tzinfo, columns: Sequence[Column]) -> str:
    """Return the steps as JSON lines, one object per step. NaN becomes null.

    Args:
        times_ns: start of each step, nanoseconds since the epoch.
        zone: the time zone to write the times in.
        columns: the values to write, one per step and column.
    """
    out = io.StringIO()
    names = ["time", *(name for name, _ in columns)]
    for row in zip(_iso(times_ns, zone), *(map(_null_for_nan, values.tolist()) for _, values in columns), strict=True):
        out.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")
    return out.getvalue()


def _iso(times_ns: TimeArray, zone: tzinfo, precision: str = "auto") -> Iterator[str]:
    return (moment(ns, zone).isoformat(timespec=precision) for ns in times_ns.tolist())


def _null_for_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def steps_csv(runs: Iterable[Run], waits: Callable[[Run], Sequence[FloatArray | None]]) -> Iterator[str]:
    """Write every step of a run as a row, with times in UTC: other zones have hours that come twice.

    Args:
        runs: the steps to write, as consecutive parts of one run. At least one.
        waits: returns the wait at the end of each step for each stage that is a queue, s.

    Yields:
        CSV text, one part at a time, the first with a header: time, load_STAGE..., psi_STAGE..., psi_total,
        coupled_load, wait_s (the longest of the queues, if there is one), regime, energy, memory, stress_threshold,
        critical_threshold, effective_load, stability. A step without data has the regime `no data` and its relaxed
        states; its other cells are empty.
    """
    for number, run in enumerate(runs):
        has_fractions = run.start_ns % NS or run.step_ns % NS
        precision = "microseconds" if has_fractions else "seconds"
        yield csv_text(run.times_ns, UTC, _columns(run, waits(run)), header=number == 0, precision=precision)


def _columns(run: Run, waits: Sequence[FloatArray | None]) -> list[Column]:
    labels = np.array([regime.label for regime in sorted(Regime)], dtype=object)
    names = [stage.name for stage in run.stages]
    queues = [wait for wait in waits if wait is not None]
    # A list and not a dict: a stage called "total" has a column psi_total beside the sum's.
    return [
        *((f"load_{name}", loads) for name, loads in zip(names, run.loads, strict=True)),
        *((f"psi_{name}", psi) for name, psi in zip(names, run.psi, strict=True)),
        ("psi_total", run.psi_total),
        ("coupled_load", run.coupled_load),
        *([("wait_s", np.max(queues, axis=0))] if queues else []),
        ("regime", labels[run.trace.regime - int(Regime.NO_DATA)]),
        *((state, getattr(run.trace, state)) for state in _STATES),
    ]
