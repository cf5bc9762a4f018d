"""64 pipelines, a Parquet file of a day of one-second rows each: on one core, on all of them, on a Dask cluster.

`python benchmarks/many.py [FOLDER] [PIPELINES]`, with the Python that entro is installed for, with its extra `cluster`.
Each time is that of one whole command. What a year of 10,000 such pipelines takes follows, with the arithmetic.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb

from entro_cli.workers import cores

BIN = Path(sys.executable).parent
SECONDS_A_DAY = 86_400
DAYS_A_YEAR = 365
MANY = 10_000
BEGIN = 1_774_828_800  # 2026-03-30T00:00Z
LOG = f"""COPY (
  SELECT to_timestamp({BEGIN} + $first + i) AS timestamp,
    round(1 + 0.4 * sin(i / {SECONDS_A_DAY} * 2 * pi()) + hash(i * 31 + $seed) % 1000 / 2500, 3) AS scraper_rate,
    (3 + 3 * sin(i / {SECONDS_A_DAY} * 2 * pi()) + hash(i * 17 + $seed) % 4)::INTEGER AS llm_queue
  FROM range({SECONDS_A_DAY}) AS rows(i)
) TO 'PLACE' (FORMAT parquet)"""


def write_logs(folder: Path, pipelines: int) -> None:
    """Two days of logs for each pipeline, and a configuration that names them."""
    lines = ['history = "history"', 'reports = "reports"', 'zone = "UTC"']
    with duckdb.connect() as connection:
        for seed in range(pipelines):
            for day in range(2):
                path = folder / f"p{seed}-{day}.parquet"
                if not path.exists():
                    connection.execute(LOG.replace("PLACE", str(path)), {"first": day * SECONDS_A_DAY, "seed": seed})
            lines.append(f'[pipelines.p{seed}]\nlogs = ["now/p{seed}-*.parquet"]')
    (folder / "entro.toml").write_text("\n".join(lines) + "\n")


def show_days(folder: Path, days: int) -> None:
    """Let the configuration find the first days' logs, and no others."""
    shutil.rmtree(folder / "now", ignore_errors=True)
    (folder / "now").mkdir()
    for day in range(days):
        for path in folder.glob(f"p*-{day}.parquet"):
            (folder / "now" / path.name).symlink_to(path)


def forget(folder: Path) -> None:
    """Take away what was stored and reported."""
    for name in ("history", "reports"):
        shutil.rmtree(folder / name, ignore_errors=True)


def timed(folder: Path, *arguments: str) -> float:
    """The wall time of an `entro` command, s."""
    begin = time.perf_counter()
    subprocess.run([BIN / "entro", *arguments], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - begin


@contextmanager
def started(folder: Path, *command: str) -> Iterator[None]:
    """A process of Dask's, for as long as the context lasts."""
    with (folder / "dask.log").open("ab") as log:
        process = subprocess.Popen([BIN / "dask", *command], cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """The address of a scheduler on this machine with so many workers, each a process of one thread."""
    told = folder / "scheduler.json"
    told.unlink(missing_ok=True)
    here = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(told))
    with ExitStack() as stack:
        stack.enter_context(started(folder, "scheduler", *here, "--port", "0"))
        while not told.exists() or not told.read_text().endswith("}"):
            time.sleep(0.01)
        for _ in range(workers):
            stack.enter_context(started(folder, "worker", *here, "--nthreads", "1", "--no-nanny"))
        time.sleep(3)  # they have to find the scheduler: what is measured is the work
        yield json.loads(told.read_text())["address"]


def measure(folder: Path, pipelines: int) -> dict[str, float]:
    """Every time, s."""
    found = {}
    daily = ("schedule", "run", "--daily", "--as-of", "2026-04-01T06:00", "--quiet")
    show_days(folder, 1)
    for name, jobs in (("one core", "1"), ("all cores", str(cores()))):
        forget(folder)
        found[f"a day stored, {name}"] = timed(folder, "ingest", "--quiet", "--jobs", jobs)
    forget(folder)
    with cluster(folder, cores()) as address:
        found["a day stored, cluster"] = timed(folder, "ingest", "--quiet", "--cluster", address)
    show_days(folder, 2)
    found["one more day stored, all cores"] = timed(folder, "ingest", "--quiet")
    found["nothing new, all cores"] = timed(folder, "ingest", "--quiet")
    found["nothing new and the day's reports, all cores"] = timed(folder, *daily)
    assert len(list((folder / "reports").glob("p*-day-*.html"))) == pipelines
    return found


def size(folder: Path, pattern: str) -> int:
    """The bytes of some files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob(pattern))


def told(found: dict[str, float], folder: Path, pipelines: int) -> Iterator[str]:
    """What was measured, and what a year of many pipelines comes to."""
    count = cores()
    yield f"{platform.machine()}, {count} cores, Python {platform.python_version()}; {pipelines} pipelines"
    yield "| | s | core seconds a pipeline |\n|---|---|---|"
    for name, seconds in found.items():
        used = 1 if "one core" in name else count
        yield f"| {name} | {seconds:.1f} | {seconds * used / pipelines:.2f} |"
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    yield f"the largest process: {peak:,.0f} MiB"
    stored = size(folder / "history", "*.parquet") / pipelines / 2
    books = size(folder / "history", "*.json") / pipelines
    pages = size(folder / "reports", "p*.html") / pipelines
    yield f"a pipeline's day: {stored / 1e6:.2f} MB of steps, {pages / 1e6:.2f} MB of report"
    yield f"its books after two days: {books / 1e3:.0f} kB"
    yield from year_of(MANY, found, stored, count, pipelines)


def year_of(many: int, found: dict[str, float], stored: float, count: int, pipelines: int) -> Iterator[str]:
    """The estimate, with its arithmetic."""
    day = sum(
        found[name] for name in ("one more day stored, all cores", "nothing new and the day's reports, all cores")
    )
    core_s = day * count / pipelines
    steps = many * SECONDS_A_DAY * DAYS_A_YEAR
    yield f"{many:,} pipelines * {SECONDS_A_DAY:,} steps * {DAYS_A_YEAR} days = {steps:.2e} steps a year"
    yield f"{many:,} * {core_s:.2f} core s a day = {many * core_s / 3600:,.1f} core h a day"
    yield f"in one hour of the night: {many * core_s / 3600:,.0f} cores, each with a process of the size above"
    yield f"{many:,} * {stored / 1e6:.2f} MB * {DAYS_A_YEAR} = {many * stored * DAYS_A_YEAR / 1e12:,.1f} TB a year"
    yield f"{many:,} * {DAYS_A_YEAR} = {many * DAYS_A_YEAR:,} day files a year, each in a folder of its own"


def main() -> None:
    """Make the logs, measure, tell."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="entro-many-"))
    pipelines = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    os.environ["ENTRO_CONFIG"] = str(folder / "entro.toml")
    folder.mkdir(exist_ok=True)
    write_logs(folder, pipelines)
    for line in told(measure(folder, pipelines), folder, pipelines):
        print(line)


if __name__ == "__main__":
    main()
