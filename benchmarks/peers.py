"""Peers: sniff a CSV, parse it, and group it onto the same grid, which is a part of the work of entro.

`python benchmarks/peers.py duckdb|pandas|polars FILE STEP_S` prints the number of steps.
"""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path


def duckdb(path: str, step_s: int) -> int:
    """Number of steps of a log, grouped by DuckDB with their mean loads and sample counts."""
    import duckdb  # noqa: PLC0415 - an import is part of what is measured

    steps = duckdb.sql(
        f"SELECT epoch_us(timestamp) // {step_s}000000 AS step, avg(scraper_rate), avg(llm_queue), count(*)"
        f" FROM read_csv('{path}') GROUP BY step ORDER BY step"
    )
    return len(steps.fetchnumpy()["step"])


def pandas(path: str, step_s: int) -> int:
    """Number of steps of a log, grouped by pandas."""
    import pandas  # noqa: PLC0415

    rows = pandas.read_csv(path, parse_dates=["timestamp"])
    steps = rows.groupby(rows["timestamp"].dt.floor(f"{step_s}s"))[["scraper_rate", "llm_queue"]]
    return len(steps.agg(["mean", "count"]))


def polars(path: str, step_s: int) -> int:
    """Number of steps of a log, grouped by polars."""
    import polars  # noqa: PLC0415

    step, loads = polars.col("timestamp").dt.truncate(f"{step_s}s"), polars.col("scraper_rate", "llm_queue")
    rows = polars.scan_csv(path, try_parse_dates=True)
    return rows.group_by(step).agg(loads.mean(), polars.len()).sort("timestamp").collect(engine="streaming").height


PEERS = {"duckdb": duckdb, "pandas": pandas, "polars": polars}


def frames(path: Path, step_s: int) -> dict[str, list[str]]:
    """Commands of the peers that are installed."""
    words = (sys.executable, __file__)
    return {f"{name} alone": [*words, name, str(path), str(step_s)] for name in PEERS if find_spec(name)}


def counters(path: Path, pattern: str) -> dict[str, list[str]]:
    """Commands that only count lines: all lines, and those with a pattern."""
    commands = {
        "wc -l": ["wc", "-l", str(path)],
        "rg -c": ["rg", "-c", pattern, str(path)],
        "grep -c": ["grep", "-cE", pattern, str(path)],
    }
    return {name: words for name, words in commands.items() if shutil.which(words[0])}


def missing() -> list[str]:
    """Names of the peers that are not installed."""
    programs = {"rg": "ripgrep", "goaccess": "GoAccess", "wc": "wc"}
    return [name for name in PEERS if not find_spec(name)] + [
        name for program, name in programs.items() if not shutil.which(program)
    ]


if __name__ == "__main__":
    print(PEERS[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
