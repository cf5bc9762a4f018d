"""Every format of a table and of a table of requests, beside DuckDB alone, which reads and groups the same file.

`python benchmarks/formats.py [--rows N ...] [--kinds KIND ...] [--rounds N]` prints a table of ratios. Both are
whole processes, run in turn. `... alone FILE` is the process of DuckDB, `... write KIND FILE ROWS` makes a file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from logs import BEGIN, ROWS, TEXT, TYPED
from timing import ENTRO, PYTHON, Command, Measured, in_turn, machine, run

FORMS = {
    "csv": "CSV, HEADER",
    "csv.gz": "CSV, HEADER, COMPRESSION gzip",
    "parquet": "PARQUET",
    "jsonl": "JSON",
}
KINDS = (*FORMS, *(f"requests.{ending}" for ending in FORMS if ending != "csv.gz"))
REQUESTS = """
  SELECT i AS id, {arrival} AS arrival, {start} AS start, {end} AS "end" FROM (
    SELECT i, a, a + hash(i * 7) % 2000000 AS s, a + hash(i * 7) % 2000000 + hash(i * 11) % 2000000 AS e FROM (
      SELECT i, ({first} + i // 3) * 1000000 + i % 3 * 333333 + hash(i) % 333333 AS a FROM range({count}) AS r(i)))"""
GROUPED = """
  SELECT epoch_us(timestamp) // 1000000 AS step, avg(scraper_rate), max(scraper_rate), avg(llm_queue), max(llm_queue),
    count(*) FROM '{path}' GROUP BY step ORDER BY step"""
GROUPED_REQUESTS = """
  WITH requests AS (FROM '{path}'), events AS (
    SELECT epoch_us(arrival) AS us, 1 AS arrived, 1 AS waiting, 1 AS inside FROM requests UNION ALL
    SELECT epoch_us(start), 0, -1, 0 FROM requests UNION ALL SELECT epoch_us("end"), 0, 0, -1 FROM requests)
  SELECT us // 1000000 AS step, sum(arrived), sum(waiting), sum(inside) FROM events GROUP BY step ORDER BY step"""


def write(kind: str, path: str, count: int) -> None:
    """Write a file of a kind with some rows: typed in Parquet, texts elsewhere."""
    import duckdb  # noqa: PLC0415 - the measuring process imports this module and must stay small

    ending = kind.removeprefix("requests.")
    moment = "make_timestamp({}::BIGINT)" + ("::TIMESTAMPTZ" if ending == "parquet" else "")
    moment = moment if ending == "parquet" else f"strftime({moment}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    cells = dict(zip(("arrival", "start", "end"), map(moment.format, "ase"), strict=True))
    cells = cells if kind.startswith("requests") else TYPED if ending == "parquet" else TEXT
    if ending == "jsonl" and cells is TEXT:
        cells = TYPED | {"stamp": TEXT["stamp"]}
    query = (REQUESTS if kind.startswith("requests") else ROWS).format(first=BEGIN, count=count, seed=0, **cells)
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"SET TimeZone = 'UTC'; COPY ({query}) TO '{path}' (FORMAT {FORMS[ending]})")


def alone(path: str) -> int:
    """Number of steps of a file, grouped by DuckDB."""
    import duckdb  # noqa: PLC0415 - an import is part of what is measured

    query = GROUPED_REQUESTS if ".requests." in path else GROUPED
    return len(duckdb.sql(query.format(path=path)).fetchnumpy()["step"])


def measured(folder: Path, kind: str, count: int, rounds: int) -> tuple[Measured, Measured]:
    """Runs of entro and of DuckDB alone on a file of a kind."""
    path = folder / f"rows.{kind}"
    run(Command([PYTHON, __file__, "write", kind, str(path), str(count)], folder), Measured())
    analyze = [ENTRO, "analyze", str(path), "--tz", "UTC", "--json"]
    commands = {"entro": Command(analyze, folder), "duckdb": Command([PYTHON, __file__, "alone", str(path)], folder)}
    found = in_turn(commands, rounds)
    path.unlink()
    return found["entro"], found["duckdb"]


def lines(folder: Path, counts: Sequence[int], kinds: Sequence[str] = KINDS, rounds: int = 3) -> Iterator[str]:
    """Lines of the table, as they are measured."""
    yield "\n## Every format, steps of 1 s\n"
    yield "| rows | format | `entro analyze`, s | MB | DuckDB alone, s | MB | `entro analyze` / DuckDB alone |"
    yield "|---|---|---|---|---|---|---|"
    for count in counts:
        for kind in kinds:
            own, other = measured(folder, kind, count, rounds)
            cells = (f"{one.median_s:.2f} | {one.peak_mb:,.0f}" for one in (own, other))
            yield f"| {count:,} | {kind} | {' | '.join(cells)} | {own.times(other):.2f} |"


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["write"]:
        write(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    if sys.argv[1:2] == ["alone"]:
        print(alone(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description="compare every format with DuckDB alone")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine("entro-cli", "duckdb", "numpy"))
    with tempfile.TemporaryDirectory(prefix="entro-formats-") as folder:
        for line in lines(Path(folder).resolve(), options.rows, options.kinds, options.rounds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
