"""Logs to measure on: rows of one second, or lines of a web server's access log.

`python benchmarks/logs.py KIND FILE COUNT [SEED [FIRST_S]]`, where KIND is `csv`, `parquet` or `access`. It runs in
a separate process, because the memory of the measuring process counts for the commands it starts.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BEGIN = 1_774_828_800  # 2026-03-30T00:00Z
ROWS = """
  SELECT {stamp} AS timestamp, {rate} AS scraper_rate, {queue} AS llm_queue FROM (
    SELECT {first} + i AS second,
      1 + 0.4 * sin(({first} + i) / 86400 * 2 * pi()) + hash(({first} + i) * 31 + {seed}) % 1000 / 2500 AS r,
      3 + 3 * sin(({first} + i) / 86400 * 2 * pi()) + hash(({first} + i) * 17 + {seed}) % 400 / 100 AS q
    FROM range({count}) AS rows(i))"""
TEXT = {
    "stamp": "strftime(make_timestamp(second * 1000000), '%Y-%m-%dT%H:%M:%SZ')",
    "rate": "printf('%.3f', r)",
    "queue": "printf('%.2f', q)",
}
TYPED = {"stamp": "to_timestamp(second)", "rate": "round(r, 3)", "queue": "round(q, 2)"}
ACCESS = """
  SELECT printf('10.%d.%d.%d - - [%s +0000] "GET /catalogue/%d?page=%d HTTP/1.1" %d %d "-" "Mozilla/5.0 (X11)"',
    hash(i) % 4, hash(i * 7) % 16, hash(i * 13) % 64,
    strftime(make_timestamp(({first} + i // 40) * 1000000), '%d/%b/%Y:%H:%M:%S'),
    hash(i * 3 + {seed}) % 20000, i % 9, CASE WHEN i % 50 = 0 THEN 404 ELSE 200 END, hash(i) % 90000) AS line
  FROM range({count}) AS rows(i)"""


def write(kind: str, path: Path, count: int, seed: int = 0, first_s: int = 0) -> None:
    """Write a log, whole or not at all.

    Args:
        kind: `csv`, `parquet` or `access`.
        path: the file.
        count: number of lines.
        seed: of the random numbers.
        first_s: the beginning, seconds since 2026-03-30T00:00Z.
    """
    import duckdb  # noqa: PLC0415 - the measuring process imports this module and must stay small

    if kind == "access":
        query, form = ACCESS, "CSV, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\t'"
    else:
        query, form = ROWS, "CSV, HEADER, DELIMITER ','" if kind == "csv" else "PARQUET"
    filled = query.format(first=BEGIN + first_s, count=count, seed=seed, **(TEXT if kind == "csv" else TYPED))
    part = path.with_suffix(".part")
    duckdb.sql(f"COPY ({filled}) TO '{part}' (FORMAT {form})")
    part.rename(path)


def made(folder: Path, kind: str, count: int, seed: int = 0, first_s: int = 0) -> Path:
    """Path of a log in a folder, which `write` makes if it does not exist."""
    path = folder / f"{count}-{seed}-{first_s}.{kind}"
    if not path.exists():
        numbers = (str(number) for number in (count, seed, first_s))
        subprocess.run([sys.executable, __file__, kind, str(path), *numbers], check=True)
    return path


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
