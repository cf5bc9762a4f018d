"""A history of one year at 10-second steps for three pipelines: its size, one more day, its reports.

`python benchmarks/history.py [FOLDER [RUNS [DAYS]]]`, with the Python that entro is installed for. FOLDER keeps
the logs. Each time is the median of whole processes, run in turn with one that only reads the same days with DuckDB.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from timing import ENTRO, PYTHON, Command, Measured, in_turn, machine, run

PIPELINES = ("shop", "news", "maps")
DAY = 8640
DAYS = int(sys.argv[3]) if len(sys.argv) > 3 else 365
BEGIN = np.datetime64("2026-04-01T00:00:00") - DAYS * np.timedelta64(1, "D")
READ = 'import duckdb, numpy, sys; duckdb.sql(f"SELECT sum(load) FROM read_parquet({sys.argv[1:]})").fetchall()'


def rows(seed: int, first_day: int, days: int) -> str:
    """Rows of some days of a log: a daily rhythm, noise, three decimals."""
    draw = np.random.default_rng((seed, first_day))
    seconds = 10 * np.arange(first_day * DAY, (first_day + days) * DAY)
    stamps = (BEGIN + seconds.astype("timedelta64[s]")).astype(str)
    rhythm = np.sin(seconds / 86400 * 2 * np.pi)
    rates = np.round(np.clip(1 + 0.4 * rhythm + 0.2 * draw.standard_normal(len(seconds)), 0, None), 3).tolist()
    queues = np.round(np.clip(3 + 3 * rhythm + 2 * draw.standard_normal(len(seconds)), 0, None), 3).tolist()
    return "".join(f"{at}Z,{rate},{queue}\n" for at, rate, queue in zip(stamps, rates, queues, strict=True))


def write_logs(folder: Path) -> None:
    """Write a log of one year for each pipeline that has none yet."""
    for seed, name in enumerate(PIPELINES):
        path = folder / f"{name}.csv"
        if not path.exists():
            with path.with_suffix(".part").open("w") as file:
                file.write("timestamp,scraper_rate,llm_queue\n")
                file.writelines(rows(seed, day, 5) for day in range(0, DAYS, 5))
            path.with_suffix(".part").rename(path)


def size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        logs = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
        work = Path(scratch) / "work"
        work.mkdir(parents=True)
        logs.mkdir(parents=True, exist_ok=True)
        write_logs(logs)
        print(f"{machine('entro-cli', 'duckdb')}; median of {runs}")
        measure(logs.resolve(), work, runs)


def measure(logs: Path, work: Path, runs: int) -> None:
    """Fill a history and time what is done with it."""
    ingest = [ENTRO, "ingest", "--history", "h", "--pipeline"]
    for name in PIPELINES:
        (work / f"{name}.csv").write_bytes((logs / f"{name}.csv").read_bytes())
        run(Command([*ingest, name, f"{name}.csv"], work), once := Measured())
        a_step = size(work / "h" / f"pipeline={name}") / DAYS / DAY
        print(f"{DAYS} days of {name:<5} {once.median_s:7.1f} s, {a_step:.1f} bytes a step")
    days = sorted(str(path) for path in (work / "h" / f"pipeline={PIPELINES[1]}").glob("*/*.parquet"))
    for title, (command, count) in commands(work, ingest, runs).items():
        reading = Command([PYTHON, "-c", READ, *days[-count:]], work)
        own, reference = in_turn({"entro": command, "duckdb": reading}, runs).values()
        ratio = own.times(reference)
        print(f"{title:<36}{own.median_s:6.2f} s{ratio:6.1f} x DuckDB reading the {count} days it needs")


def commands(work: Path, ingest: list[str], runs: int) -> dict[str, tuple[Command, int]]:
    """The commands on a history, each with the number of days that it needs."""
    name = PIPELINES[0]

    def grow(number: int) -> None:
        with (work / f"{name}.csv").open("a") as file:
            file.write(rows(0, DAYS + number, 1))

    def rotate(number: int) -> None:
        (work / "new.csv").unlink(missing_ok=True)
        (work / "new.csv").write_text("timestamp,scraper_rate,llm_queue\n" + rows(0, DAYS + runs + 1 + number, 1))

    report = [ENTRO, "report", "--history", "h", "--pipeline", PIPELINES[1], "--tz", "UTC", "--out", "out", "-q"]
    return {
        "ingest of one more day, the log grown": (Command([*ingest, name, f"{name}.csv"], work, grow), 1),
        "ingest of one more day, a new log": (Command([*ingest, name, "new.csv"], work, rotate), 1),
        "report --weekly": (Command([*report, "--weekly", "--date", "2026-03-24"], work), 18),
        "report --monthly": (Command([*report, "--monthly", "--date", "2026-03"], work), 66),
    }


if __name__ == "__main__":
    main()
