"""Growth of time and memory with the rows of a log, with pipelines, and with the logs of one pipeline.

`python benchmarks/growth.py [--quick]`, with the Python that entro is installed for. For each command: time =
a + b n^c. Here a is its time on a log of 100 rows, measured in the same rounds, and c is fitted to log(time - a) over
log(n); `c at the end` uses the two largest sizes only. Memory is that of the largest process, and its growth the slope
of the straight line through it. Time is linear if c is 1, memory flat if its growth is 0.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from logs import write
from timing import ENTRO, Command, Measured, in_turn, machine

LEAST_ROWS = 100
"""Rows of the log that shows the time a command takes in any case."""


@dataclass(frozen=True)
class Growth:
    """A command at several sizes.

    Attributes:
        title: the command.
        commands: by size; the first one has the smallest log and gives the constant part.
        unit: the unit of the growth of memory, such as "million rows".
        scale: the size of that unit.
        rounds: how often it is run.
    """

    title: str
    commands: dict[int, Command]
    unit: str
    scale: int = 1
    rounds: int = 3


def log_of(folder: Path, rows: int, seed: int = 0, first_s: int = 0) -> Path:
    """Make a CSV of one-second rows. This process may make it: entro needs more memory than that takes."""
    path = folder / f"{rows}-{seed}-{first_s}.csv"
    if not path.exists():
        write("csv", path, rows, seed, first_s)
    return path


def exponent(sizes: list[int], seconds: list[float], start_up: float) -> float:
    """Fit c of time = a + b n^c by least squares over the logarithms, for sizes that take longer than the start-up.

    NaN if those are fewer than two.
    """
    above = np.array(seconds) - start_up
    usable = above > 0
    if usable.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(np.array(sizes)[usable]), np.log(above[usable]), 1)[0])


def row(growth: Growth, found: dict[str, Measured]) -> str:
    """Line of the table for one command."""
    start_up, *taken = (found[str(size)] for size in growth.commands)
    _, *sizes = growth.commands
    seconds = [one.median_s for one in taken]
    memory = [one.peak_mb for one in taken]
    cells = " | ".join(f"{second:.2f} s, {mb:,.0f} MB" for second, mb in zip(seconds, memory, strict=True))
    fitted = exponent(sizes, seconds, start_up.median_s)
    last = exponent(sizes[-2:], seconds[-2:], start_up.median_s)
    grows = float(np.polyfit(np.array(sizes) / growth.scale, memory, 1)[0])
    return f"| {growth.title} | {start_up.median_s:.2f} s | {cells} | {fitted:.2f} | {last:.2f} | {grows:,.1f} |"


def by_rows(folder: Path, sizes: list[int]) -> Iterator[Growth]:
    """Commands on one CSV of one-second rows."""
    logs = {size: log_of(folder, size) for size in (LEAST_ROWS, *sizes)}
    fresh = _without(folder / "history")

    def growth(name: str, *more: str, before: Callable[[int], None] = lambda _: None) -> Growth:
        commands = {
            size: Command([ENTRO, *name.split(), *more, str(log), "--tz", "UTC"], folder, before)
            for size, log in logs.items()
        }
        return Growth(f"entro {name}", commands, "million rows", 10**6)

    yield growth("analyze")
    yield growth("analyze --step 10s")
    yield growth("analyze --steps-csv steps.csv")
    yield growth("ingest", "--quiet", "--history", "history", before=fresh)
    yield growth("report --weekly", "--quiet", "--out", "out", "--logs")


def by_pipelines(folder: Path, counts: list[int], rows: int) -> Iterator[Growth]:
    """Ingest and report with a configuration of several pipelines, one log each."""
    homes = {}
    for count in (0, *counts):
        home = homes[count] = folder / f"{count}-pipelines"
        home.mkdir()
        lines = ['history = "history"', 'reports = "reports"', 'zone = "UTC"']
        lines += [f'[pipelines.p{one}]\nlogs = ["{log_of(folder, rows, one)}"]' for one in range(count)]
        if not count:
            lines.append(f'[pipelines.p0]\nlogs = ["{log_of(folder, LEAST_ROWS)}"]')
        (home / "entro.toml").write_text("\n".join(lines) + "\n")
    day = ["--daily", "--as-of", "2026-03-31T06:00"]
    tasks = {
        "entro ingest": (["ingest", "--quiet"], ("history",), 3),
        "entro history list": (["history", "list"], (), 3),  # of what the ingest before it has stored
        "entro schedule run --daily": (["schedule", "run", *day, "--quiet"], ("history", "reports"), 1),
    }
    for title, (words, fresh, rounds) in tasks.items():
        commands = {
            count: Command(
                [ENTRO, *words, "--config", str(home / "entro.toml")], home, _without(*(home / name for name in fresh))
            )
            for count, home in homes.items()
        }
        yield Growth(title, commands, "pipeline", rounds=rounds)


def by_logs(folder: Path, counts: list[int], rows: int) -> Iterator[Growth]:
    """Analyze several logs of one pipeline: of the same time, and one after another."""
    least = log_of(folder, LEAST_ROWS)
    together = [log_of(folder, rows, seed) for seed in range(max(counts))]
    in_a_row = [log_of(folder, rows, 0, at * rows) for at in range(max(counts))]
    for how, logs in (("of the same time", together), ("one after another", in_a_row)):
        commands = {0: [least]} | {count: logs[:count] for count in counts}
        words = {
            count: Command([ENTRO, "analyze", *map(str, some), "--tz", "UTC"], folder)
            for count, some in commands.items()
        }
        yield Growth(f"entro analyze, logs {how}", words, "log")


def _without(*folders: Path) -> Callable[[int], None]:
    def forget(_: int) -> None:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    return forget


def table(what: str, growths: Iterator[Growth], most_rounds: int) -> Iterator[str]:
    """Lines of the table of commands that grow with one quantity."""
    for number, growth in enumerate(growths):
        if not number:
            _, *sizes = growth.commands
            titles = " | ".join(f"{size:,}" for size in sizes)
            yield f"\n| sizes: {what} | a | {titles} | c | c at the end | MB per {growth.unit} |"
            yield "|---|---|" + "---|" * len(sizes) + "---|---|---|"
        commands = {str(size): command for size, command in growth.commands.items()}
        found = in_turn(commands, min(growth.rounds, most_rounds), uncounted=0)
        yield row(growth, found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure how time and memory grow")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, once: only check that everything runs")
    quick = parser.parse_args().quick
    sizes = [1000, 5000, 20_000] if quick else [10**5, 10**6, 10**7]
    counts, rows, most_rounds = ([1, 2, 3], 500, 1) if quick else ([1, 16, 256], 10_000, 3)
    print(f"{machine('entro-cli', 'duckdb', 'numpy')}; median of up to {most_rounds}")
    with tempfile.TemporaryDirectory(prefix="entro-growth-") as name:
        folder = Path(name).resolve()
        tables = {
            "rows": by_rows(folder, sizes),
            f"pipelines of {rows:,} rows": by_pipelines(folder, counts, rows),
            f"logs of {rows:,} rows in one pipeline": by_logs(folder, counts, rows),
        }
        for what, growths in tables.items():
            for line in table(what, growths, most_rounds):
                print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
