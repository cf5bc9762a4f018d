"""64 pipelines, a Parquet file of a day of one-second rows each: on one core, on all of them, on a Dask cluster.

`python benchmarks/many.py [FOLDER] [PIPELINES]`, with the Python that entro is installed for, with its extra `cluster`.
Each time is that of one whole command. What a year of 10,000 such pipelines takes follows, with the arithmetic.
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
    """Two days of logs for each pipeline, and a configuration that names them."""
    lines = ['history = "history"', 'reports = "reports"', 'zone = "UTC"']
    for number in range(pipelines):
        for day in range(2):
            path = folder / f"p{number}-{day}.parquet"
            if not path.exists():
                write("parquet", path, SECONDS_A_DAY, number, day * SECONDS_A_DAY)
        lines.append(f'[pipelines.p{number}]\nlogs = ["now/p{number}-*.parquet"]')
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


def storing(folder: Path, *how: str) -> Command:
    """Store the first day of all pipelines, in a history that is not there yet."""

    def begin_anew(_: int = 0) -> None:
        forget(folder)
        show_days(folder, 1)

    return entro(folder, "ingest", "--quiet", *how, before=begin_anew)


def entro(folder: Path, *arguments: str, before: Callable[[int], None] = lambda _: None) -> Command:
    """An `entro` command with the configuration of the folder."""
    return Command([ENTRO, *arguments, "--config", str(folder / "entro.toml")], folder, before)


def as_one_pipeline(folder: Path) -> Command:
    """Analyze the first day of all pipelines as if they were of one: logs of one time, each compared with each."""
    logs = sorted(folder.glob("p*-0.parquet"))
    return entro(folder, "analyze", "--quiet", "--pipeline", "p0", *map(str, logs))


@contextmanager
def started(folder: Path, *command: str) -> Iterator[None]:
    """A process of Dask's, for as long as the context lasts."""
    with (folder / "dask.log").open("ab") as log:
        process = subprocess.Popen([DASK, *command], cwd=folder, stdout=log, stderr=log)
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


def measure(folder: Path, pipelines: int) -> dict[str, Measured]:
    """Every command, once."""
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


def told(found: dict[str, Measured], folder: Path, pipelines: int) -> Iterator[str]:
    """What was measured, and what a year of many pipelines comes to."""
    count = cores()
    yield f"{machine('entro', 'duckdb', 'distributed')}; {pipelines} pipelines"
    yield "| | s | core seconds a pipeline |\n|---|---|---|"
    for name, taken in found.items():
        used = 1 if "one core" in name else count
        yield f"| {name} | {taken.median_s:.1f} | {taken.median_s * used / pipelines:.2f} |"
    *apart, together = (taken.peak_mb for taken in found.values())
    yield f"the largest process: {max(apart):,.0f} MB; as one pipeline: {together:,.0f} MB"
    stored = size(folder / "history", "*.parquet") / pipelines / 2
    books = size(folder / "history", "*.json") / pipelines
    pages = size(folder / "reports", "p*.html") / pipelines
    yield f"a pipeline's day: {stored / 1e6:.2f} MB of steps, {pages / 1e6:.2f} MB of report"
    yield f"its books after two days: {books / 1e3:.0f} kB"
    yield from year_of(MANY, found, stored, count, pipelines)


def year_of(many: int, found: dict[str, Measured], stored: float, count: int, pipelines: int) -> Iterator[str]:
    """The estimate, with its arithmetic."""
    day = sum(
        found[name].median_s
        for name in ("one more day stored, all cores", "nothing new and the day's reports, all cores")
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
    folder.mkdir(exist_ok=True)
    write_logs(folder, pipelines)
    for line in told(measure(folder.resolve(), pipelines), folder, pipelines):
        print(line)


if __name__ == "__main__":
    main()
