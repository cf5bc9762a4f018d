"""Export the steps of a history as CSV, JSON lines or Parquet: one row per step, every number to its last bit."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

import numpy as np

from entro_cli.core.console import printable
from entro_cli.core.files import quoted_name, sql_string
from entro_cli.history.day_files import connect
from entro_cli.timeseries.observations import TimeArray
from entro_cli.timeseries.step_rows import csv_text, json_lines
from entro_cli.timeseries.steps import Steps
from entro_engine import EntroError

EXPORT_FORMATS: Mapping[str, str] = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
"""The formats of an export, by the suffix of the file."""


def as_csv(steps: Steps, zone: tzinfo) -> str:
    """Return the steps as CSV with a header.

    A cell begins with a digit or with one of the words `load_`, `peak_`, `end_`, `samples_`, true and false. Whatever
    the stages are called, no spreadsheet takes a cell for a formula.

    Args:
        steps: the steps to write.
        zone: the time zone to write the times in.

    Returns:
        Columns time (ISO 8601 with offset), load_STAGE..., peak_STAGE..., end_STAGE... (in the stage's unit, empty
        without data), samples_STAGE..., with_data (whether every stage has measured data in the step).
    """
    return csv_text(_starts(steps), zone, list(_columns(steps).items()))


def as_json_lines(steps: Steps, zone: tzinfo) -> str:
    """Return the same columns as JSON lines, one object per step, null without data.

    Args:
        steps: the steps to write.
        zone: the time zone to write the times in.
    """
    return json_lines(_starts(steps), zone, list(_columns(steps).items()))


def as_parquet(steps: Steps) -> bytes:
    """Return the same columns as Parquet, with the time in nanoseconds (UTC), null without data.

    Args:
        steps: the steps to write.

    Raises:
        EntroError: when the names of two stages differ only in case.
    """
    columns = _columns(steps)
    _refuse_case_collisions([stage.name for stage in steps.stages])
    select = ", ".join(
        f"{f'CASE WHEN NOT isnan(c{index}) THEN c{index} END' if values.dtype.kind == 'f' else f'c{index}'} "
        f"AS {quoted_name(name)}"
        for index, (name, values) in enumerate(columns.items())
    )
    # Under plain names: the names of stages may hold anything.
    arrays = {f"c{index}": values for index, values in enumerate(columns.values())}
    with tempfile.TemporaryDirectory() as folder, connect() as connection:
        path = sql_string(str(Path(folder) / "steps.parquet"))
        connection.register("steps", {"start": _starts(steps), **arrays})
        connection.execute(
            f"COPY (SELECT make_timestamp_ns(start) AS time, {select} FROM steps) TO {path} "
            "(FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd)"
        )
        return (Path(folder) / "steps.parquet").read_bytes()


def _columns(steps: Steps) -> dict[str, Any]:
    """Return every column but the time, by its name."""
    arrays = {"load": steps.loads, "peak": steps.peaks, "end": steps.ends, "samples": steps.samples}
    names = [stage.name for stage in steps.stages]
    columns = {f"{what}_{name}": row for what, rows in arrays.items() for name, row in zip(names, rows, strict=True)}
    return columns | {"with_data": steps.measured.all(axis=0)}


def _starts(steps: Steps) -> TimeArray:
    """Return the start of each step, nanoseconds since the epoch."""
    return steps.start_ns + steps.step_ns * np.arange(steps.count)


def _refuse_case_collisions(names: list[str]) -> None:
    """Raise an error for names that differ in case only: many readers of Parquet ignore the case of columns."""
    for index, name in enumerate(names):
        if name.lower() in {other.lower() for other in names[:index]}:
            raise EntroError(
                f"two stages are named {printable(name)}, except for upper and lower case",
                where="--format parquet",
                remedy="export as csv or jsonl",
            )
