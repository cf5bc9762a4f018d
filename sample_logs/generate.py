"""Write the sample logs beside this file, and truth.json, which describes their content.

The steps are compared with their plan before anything is written.

    python sample_logs/generate.py [FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from signals import BERLIN, Signal, five_weeks, short_stretch, three_phase

from entro_engine import LLM, SCRAPER, Regime, replay_loads

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STAGES = (SCRAPER, LLM)
COLUMNS = ("scraper_rate", "llm_queue")
MARGIN = 1e-3
"""Least distance of a step from the budget, nat, so that rounding a number on the way never moves a step over it."""

Row = dict[str, Any]


class PlanBrokenError(Exception):
    """The steps of a signal differ from its plan."""


def check(name: str, signal: Signal) -> None:
    """Compare a signal's steps with its plan.

    Raises:
        PlanBrokenError: when the steps over the budget, a driver or the regimes are not as planned.
    """
    run = replay_loads(STAGES, signal.loads, signal.step_s)
    planned = np.zeros(signal.steps, dtype=bool)
    for incident in signal.incidents:
        span = slice(signal.step_of(incident.start), signal.step_of(incident.end))
        planned[span] = True
        driver = STAGES[int(np.argmax(run.rho[:, span].mean(axis=1)))].name
        if driver != incident.driver:
            raise PlanBrokenError(f"{name}: {driver} drives the incident at {incident.start}, not {incident.driver}")
    against = np.flatnonzero(run.violated != planned).tolist()
    if against:
        times = ", ".join(str(signal.time(step)) for step in against)
        raise PlanBrokenError(f"{name}: within the budget or over it against the plan at {times}")
    if np.nanmin(np.abs(run.psi_total - run.budget)) < MARGIN:
        raise PlanBrokenError(f"{name}: a step is within {MARGIN} nat of the budget")
    regimes = {regime.label: int((run.trace.regime == regime).sum()) for regime in Regime if regime >= 0}
    if signal.regimes is not None and regimes != signal.regimes:
        raise PlanBrokenError(f"{name}: regimes {regimes}, not {signal.regimes}")


def truth(signal: Signal, rows: int, options: Iterable[str] = ()) -> Row:
    """Entry of truth.json for a log that holds a signal.

    Args:
        signal: the content of the log.
        rows: its number of rows.
        options: options of `entro analyze` that reading it takes.
    """
    starts = np.flatnonzero(np.diff(signal.observed.astype(int), prepend=1) < 0)
    ends = np.flatnonzero(np.diff(signal.observed.astype(int), append=1) > 0) + 1
    return {
        "options": list(options),
        "rows": rows,
        "start": signal.start.isoformat(),
        "end": signal.time(signal.steps).isoformat(),
        "step_s": signal.step_s,
        "steps": signal.steps,
        "observed_steps": int(signal.observed.sum()),
        "gaps": [
            {"start": signal.time(int(first)).isoformat(), "end": signal.time(int(after)).isoformat()}
            for first, after in zip(starts, ends, strict=True)
        ],
        "violations": sum(signal.step_of(i.end) - signal.step_of(i.start) for i in signal.incidents),
        "regimes": signal.regimes,
        "incidents": [
            {"start": i.start.isoformat(), "end": i.end.isoformat(), "driver": i.driver, "cause": i.cause}
            for i in signal.incidents
        ],
    }


Stamp = Callable[[datetime], str | int]


def zulu(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch_seconds(time: datetime) -> int:
    return round(time.timestamp())


def wide(signal: Signal, stamp: Stamp = datetime.isoformat, time_column: str = "timestamp") -> Iterator[Row]:
    """Rows of a wide table: one per step with data, one column per stage."""
    for step in np.flatnonzero(signal.observed).tolist():
        values = zip(COLUMNS, signal.loads[:, step].tolist(), strict=True)
        yield {time_column: stamp(signal.time(step)), **dict(values)}


def long(signal: Signal, stamp: Stamp) -> Iterator[Row]:
    """Rows of a long table: one per step and stage."""
    for row in wide(signal, stamp):
        yield from ({"time": row["timestamp"], "stage": column, "value": row[column]} for column in COLUMNS)


def as_csv(rows: Iterator[Row], delimiter: str = ",") -> bytes:
    """Rows as CSV with a header; numbers in the fewest digits that give the same number back."""
    first = next(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, first.keys(), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(itertools.chain([first], rows))
    return text.getvalue().encode()


def as_json_lines(rows: Iterable[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_parquet(rows: Iterable[Row]) -> bytes:
    """Rows as Parquet. Their time is in epoch seconds; the file has it as a timestamp in UTC."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as database:
        path = Path(folder, "wide.parquet")
        database.execute("CREATE TABLE log (timestamp TIMESTAMPTZ, scraper_rate DOUBLE, llm_queue DOUBLE)")
        database.executemany("INSERT INTO log VALUES (to_timestamp(?), ?, ?)", [list(row.values()) for row in rows])
        database.execute(f"COPY log TO '{path}' (FORMAT parquet)")
        return path.read_bytes()


def shapes(signal: Signal) -> Iterator[tuple[str, bytes, tuple[str, ...]]]:
    """The same steps in every shape of a table: name, content, and the options that reading it takes."""
    plain = as_csv(wide(signal, zulu))
    yield "wide.csv", plain, ()
    yield "wide.csv.gz", gzip.compress(plain, mtime=0), ()
    yield "wide.csv.zst", zstd.compress(plain), ()
    yield "wide.tsv", as_csv(wide(signal, zulu), delimiter="\t"), ()
    yield "wide.jsonl", as_json_lines(wide(signal, zulu)), ()
    yield "wide.parquet", as_parquet(wide(signal, epoch_seconds)), ()
    yield "long.csv", as_csv(long(signal, zulu)), ()
    yield "long.jsonl", as_json_lines(long(signal, zulu)), ()
    yield "epoch-seconds.csv", as_csv(wide(signal, epoch_seconds)), ()
    yield "epoch-milliseconds.csv", as_csv(wide(signal, lambda time: 1000 * epoch_seconds(time))), ()
    naive = as_csv(wide(signal, lambda time: time.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S")))
    yield "naive-time.csv", naive, ("--tz", BERLIN.key)
    seconds = as_csv(wide(signal, lambda time: round((time - signal.start).total_seconds()), "t"))
    yield "offset-seconds.csv", seconds, ("--start", zulu(signal.start))


def generate(folder: Path) -> None:
    """Write every log and truth.json into a folder.

    Raises:
        PlanBrokenError: when a signal is not what its plan says; nothing is written then.
    """
    signals = {"three-phase.csv": three_phase(), "five-weeks.csv": five_weeks(), "shapes": short_stretch()}
    for name, signal in signals.items():
        check(name, signal)
    short = signals.pop("shapes")
    files = {name: as_csv(wide(signal)) for name, signal in signals.items()}
    logs = {name: truth(signal, int(signal.observed.sum())) for name, signal in signals.items()}
    for name, content, options in shapes(short):
        files[f"shapes/{name}"] = content
        rows = short.steps * (len(STAGES) if name.startswith("long") else 1)
        logs[f"shapes/{name}"] = truth(short, rows, options)
    document = {
        "budget": 3.0,
        "stages": [
            {"name": stage.name, "kind": stage.kind, "full": stage.full_load, "column": column}
            for stage, column in zip(STAGES, COLUMNS, strict=True)
        ],
        "logs": logs,
    }
    files["truth.json"] = (json.dumps(document, indent=1) + "\n").encode()
    (folder / "shapes").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the sample logs and their truth.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent, help="default: beside this file")
    generate(parser.parse_args().folder)


if __name__ == "__main__":
    main()
