"""The comparisons of `make bench`: commands of entro beside peers that do a part of the same work."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import everyday
import many
import text_logs
from logs import made
from peers import counters, frames
from timing import ENTRO, PYTHON, Command, cores

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Sizes:
    """Sizes of the logs and numbers of rounds.

    Attributes:
        rows: of the CSV.
        large_rows: of the large one; 0 for none.
        megabytes: of a text log; GoAccess has a quarter of it.
        runs: of the simulation.
        steps: that the kernel replays.
        pipelines: each with one Parquet file.
        rounds: of quick commands.
        long_rounds: of long commands.
        uncounted: rounds that come first and do not count, to warm up.
    """

    rows: int = 5_000_000
    large_rows: int = 0
    megabytes: int = 200
    runs: int = 10_000
    steps: int = 20_000_000
    pipelines: int = 64
    rounds: int = 5
    long_rounds: int = 3
    uncounted: int = 1


QUICK = Sizes(20_000, 0, 2, 20, 200_000, 2, 1, 1, 0)
"""Enough to check that everything runs."""


@dataclass(frozen=True)
class Comparison:
    """Commands that are run in turn.

    Attributes:
        title: a heading.
        commands: by name.
        own: the commands of entro; the table shows the ratio of each of them to every command.
        rounds: how often each is run.
        reference: the command to divide by if `own` is empty.
    """

    title: str
    commands: dict[str, Command]
    own: tuple[str, ...]
    rounds: int
    reference: str = ""


def comparisons(folder: Path, sizes: Sizes) -> Iterator[Comparison]:
    """All comparisons but the kernel; the logs of each are made right before it."""
    yield Comparison("Everyday commands", everyday.commands(folder), (), sizes.rounds, everyday.BARE)
    yield from of_rows(folder, sizes.rows, sizes.rounds, sizes.long_rounds)
    if sizes.large_rows:
        yield from of_rows(folder, sizes.large_rows, 1, 1)
    for name in ("vllm", "scrapy"):
        yield of_text(folder, name, text_logs.GENERATORS[name], sizes)
    yield of_access(folder, sizes)
    noisy = Command([ENTRO, "simulate", "--noise", "0.2", "--runs", str(sizes.runs)], folder)
    title = f"three-phase with noise, {sizes.runs:,} runs of each of four controllers"
    yield Comparison(title, {"entro simulate": noisy}, ("entro simulate",), sizes.long_rounds)
    yield of_many(folder / "many", sizes)


def of_rows(folder: Path, rows: int, rounds: int, long_rounds: int) -> Iterator[Comparison]:
    """Compare the analysis of a CSV on two grids, and the report of its last week."""
    log = made(folder, "csv", rows)
    size = f"CSV of {rows:,} one-second rows, {log.stat().st_size / 1e6:,.0f} MB"
    analyze = [ENTRO, "analyze", str(log), "--tz", "UTC"]
    report = [ENTRO, "report", "--weekly", "--logs", str(log), "--tz", "UTC", "--out", "reports", "--quiet"]
    wide, narrow = "entro analyze --step 10s", "entro analyze"
    peers = {step_s: _all(frames(log, step_s), folder) for step_s in (10, 1)}
    counting = _all(counters(log, "^2"), folder)
    yield Comparison(
        f"{size}, steps of 10 s",
        {wide: Command([*analyze, "--step", "10s"], folder), **peers[10], **counting},
        (wide,),
        rounds,
    )
    weekly = {narrow: Command(analyze, folder), "entro report --weekly": Command(report, folder)}
    yield Comparison(f"{size}, steps of 1 s", {**weekly, **peers[1]}, tuple(weekly), long_rounds)
    log.unlink()


def of_text(folder: Path, name: str, generator: text_logs.Generator, sizes: Sizes) -> Comparison:
    """Compare the analysis of a server's log with reading it only."""
    log = folder / f"{name}.log"
    size = text_logs.write_log(log, generator, sizes.megabytes)
    analyze = Command([ENTRO, "analyze", str(log), "--tz", "UTC", "--year", "2026"], folder)
    commands = {"entro analyze": analyze, **text_logs.readings(log, generator.pattern)}
    return Comparison(f"{name} log of {size / 1e6:,.0f} MB", commands, ("entro analyze",), sizes.long_rounds)


def of_access(folder: Path, sizes: Sizes) -> Comparison:
    """Compare a vLLM log, which is mostly access lines, with GoAccess on a web server's log of as many lines.

    entro reads no access log of a web server, and GoAccess none of vLLM.
    """
    log = folder / "short.log"
    text_logs.write_log(log, text_logs.GENERATORS["vllm"], max(sizes.megabytes // 4, 1))
    lines = log.read_bytes().count(b"\n")
    commands = {"entro analyze": Command([ENTRO, "analyze", str(log), "--tz", "UTC", "--year", "2026"], folder)}
    if shutil.which("goaccess"):
        access = made(folder, "access", lines)
        words = ["goaccess", str(access), "--log-format=COMBINED", "--no-progress", "-o", str(folder / "access.html")]
        commands["GoAccess"] = Command(words, folder)
    title = f"{lines:,} lines: vllm log, and for GoAccess a web server's access log"
    return Comparison(title, commands, ("entro analyze",), sizes.long_rounds)


def of_many(folder: Path, sizes: Sizes) -> Comparison:
    """Compare the ingest of one Parquet file per pipeline on one core and on all."""
    folder.mkdir(exist_ok=True)
    writing = "import sys, pathlib, many; many.write_logs(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
    subprocess.run([PYTHON, "-c", writing, str(folder), str(sizes.pipelines)], cwd=HERE, check=True)
    commands = {f"entro ingest --jobs {jobs}": many.storing(folder, "--jobs", str(jobs)) for jobs in (1, cores())}
    title = f"{sizes.pipelines} Parquet files of {sizes.pipelines} pipelines, {many.SECONDS_A_DAY:,} rows each"
    return Comparison(title, commands, (list(commands)[-1],), sizes.long_rounds)


def _all(words: dict[str, list[str]], folder: Path) -> dict[str, Command]:
    return {name: Command(command, folder) for name, command in words.items()}
