"""64 pipelines, one Parquet file per day of one-second rows each: on one core, on all cores, on a Dask cluster.

`python benchmarks/many.py [FOLDER] [PIPELINES]`, with the Python that entro is installed for, with its extra `cluster`.
Each time is that of one whole command. An estimate for a year of 10,000 such pipelines follows, with its arithmetic.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from logs import write
from timing import ENTRO, Command, Measured, cores, machine, run

DASK = str(Path(sys.executable).parent / "dask")
SECONDS_A_DAY = 86_400
DAYS_A_YEAR = 365
MANY = 10_000


def write_logs(folder: Path, pipelines: int) -> None:
    """Write two days of logs for each pipeline, and a configuration that names them."""
    lines = ['history = "history"', 'reports = "reports"', 'zone = "UTC"']
    for number in range(pipelines):
        for day in range(2):
            path = folder / f"p{number}-{day}.parquet"
            if not path.exists():
                write("parquet", path, SECONDS_A_DAY, number, day * SECONDS_A_DAY)
        lines.append(f'[pipelines.p{number}]\nlogs = ["now/p{number}-*.parquet"]')
    (folder / "entro.toml").write_text("\n".join(lines) + "\n")


def show_days(folder: Path, days: int) -> None:
    """Let the configuration find only the logs of the first days."""
    shutil.rmtree(folder / "now", ignore_errors=True)
    (folder / "now").mkdir()
    for day in range(days):
        for path in folder.glob(f"p*-{day}.parquet"):
            (folder / "now" / path.name).symlink_to(path)


def forget(folder: Path) -> None:
    """Remove the history and the reports."""
    for name in ("history", "reports"):
        shutil.rmtree(folder / name, ignore_errors=True)


def storing(folder: Path, *how: str) -> Command:
    """Command that stores the first day of all pipelines in a new history."""

    def begin_anew(_: int = 0) -> None:
        forget(folder)
        show_days(folder, 1)

    return entro(folder, "ingest", "--quiet", *how, before=begin_anew)


def entro(folder: Path, *arguments: str, before: Callable[[int], None] = lambda _: None) -> Command:
    """Command of `entro` with the configuration of the folder."""
    return Command([ENTRO, *arguments, "--config", str(folder / "entro.toml")], folder, before)


def as_one_pipeline(folder: Path) -> Command:
    """Command that analyzes the first day of all pipelines as one: logs of the same time, compared with each other."""
    logs = sorted(folder.glob("p*-0.parquet"))
    return entro(folder, "analyze", "--quiet", "--pipeline", "p0", *map(str, logs))


@contextmanager
def started(folder: Path, *command: str) -> Iterator[None]:
    """Run a process of Dask for as long as the context lasts."""
    with (folder / "dask.log").open("ab") as log:
        process = subprocess.Popen([DASK, *command], cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """Run a scheduler on this machine with some workers of one thread each; its address."""
    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    here = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file))
    with ExitStack() as stack:
        stack.enter_context(started(folder, "scheduler", *here, "--port", "0"))
        while not file.exists() or not file.read_text().endswith("}"):
            time.sleep(0.01)
        for _ in range(workers):
            stack.enter_context(started(folder, "worker", *here, "--nthreads", "1", "--no-nanny"))
        time.sleep(3)  # the workers need time to find the scheduler, which should not be measured
        yield json.loads(file.read_text())["address"]


def measure(folder: Path, pipelines: int) -> dict[str, Measured]:
    """Run every command once."""
    found: dict[str, Measured] = {}

    def take(name: str, command: Command) -> None:
        command.before(0)
        run(command, found.setdefault(name, Measured()))

    take("a day stored, one core", storing(folder, "--jobs", "1"))
    take("a day stored, all cores", storing(folder, "--jobs", str(cores())))
    with cluster(folder, cores()) as address:
        take("a day stored, cluster", storing(folder, "--cluster", address))
    show_days(folder, 2)
    take("one more day stored, all cores", entro(folder, "ingest", "--quiet"))
    take("nothing new, all cores", entro(folder, "ingest", "--quiet"))
    daily = ("schedule", "run", "--daily", "--as-of", "2026-04-01T06:00", "--quiet")
    take("nothing new and the day's reports, all cores", entro(folder, *daily))
    assert len(list((folder / "reports").glob("p*-day-*.html"))) == pipelines
    take("all of one day as one pipeline, all cores", as_one_pipeline(folder))
    return found


def size(folder: Path, pattern: str) -> int:
    """The bytes of some files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob(pattern))


def page(found: dict[str, Measured], folder: Path, pipelines: int) -> Iterator[str]:
    """Lines on what was measured, and the estimate for a year of many pipelines."""
    count = cores()
    yield f"{machine('entro-cli', 'duckdb', 'distributed')}; {pipelines} pipelines"
    yield "| | s | core seconds per pipeline |\n|---|---|---|"
    for name, taken in found.items():
        used = 1 if "one core" in name else count
        yield f"| {name} | {taken.median_s:.1f} | {taken.median_s * used / pipelines:.2f} |"
    *apart, together = (taken.peak_mb for taken in found.values())
    yield f"largest process: {max(apart):,.0f} MB; as one pipeline: {together:,.0f} MB"
    stored = size(folder / "history", "*.parquet") / pipelines / 2
    metadata = size(folder / "history", "*.json") / pipelines
    pages = size(folder / "reports", "p*.html") / pipelines
    yield f"one day of one pipeline: {stored / 1e6:.2f} MB of steps, {pages / 1e6:.2f} MB of report"
    yield f"its metadata after two days: {metadata / 1e3:.0f} kB"
    yield from year_of(MANY, found, stored, count, pipelines)


def year_of(many: int, found: dict[str, Measured], stored: float, count: int, pipelines: int) -> Iterator[str]:
    """The estimate, with its arithmetic."""
    day = sum(
        found[name].median_s
        for name in ("one more day stored, all cores", "nothing new and the day's reports, all cores")
    )
    core_s = day * count / pipelines
    steps = many * SECONDS_A_DAY * DAYS_A_YEAR
    yield f"{many:,} pipelines * {SECONDS_A_DAY:,} steps * {DAYS_A_YEAR} days = {steps:.2e} steps per year"
    yield f"{many:,} * {core_s:.2f} core s per day = {many * core_s / 3600:,.1f} core h per day"
    yield f"to finish in one hour: {many * core_s / 3600:,.0f} cores, each with a process of the size above"
    yield f"{many:,} * {stored / 1e6:.2f} MB * {DAYS_A_YEAR} = {many * stored * DAYS_A_YEAR / 1e12:,.1f} TB per year"
    yield f"{many:,} * {DAYS_A_YEAR} = {many * DAYS_A_YEAR:,} day files per year, each in its own folder"


def main() -> None:
    """Make the logs, measure and print."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="entro-many-"))
    pipelines = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    folder.mkdir(exist_ok=True)
    write_logs(folder, pipelines)
    for line in page(measure(folder.resolve(), pipelines), folder, pipelines):
        print(line)


if __name__ == "__main__":
    main()
