"""Processes of `entro` killed at random moments: nothing stored is lost, and once more gives the undisturbed bytes.

`python -m tests.history.kill_many 1000 --seed 1` kills as many, spread over the scenarios, and prints a tally. Two of
three are killed right before an operation on files, all of which are reached in turn; one at a moment of its time.
Every twentieth is a coordinator, which must go on with its clients.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.fake_llm import serving
from tests.history.forked import ROOT, Forks, forks
from tests.history.stored import HEADER, START, days, regular
from tests.live.coordinating import coordinating

ENTRO = [sys.executable, "-m", "entro_cli.app"]


@dataclass
class Scenario:
    """A command, and the folder it works in as it was before.

    Attributes:
        name: what is tried.
        folder: with `h`, the history; `logs`; and perhaps `out`, the reports.
        arguments: of `entro`, the folder being where it runs.
        keeps: whether every step stored before must be there after a kill.
    """

    name: str
    folder: Path
    arguments: tuple[str, ...]
    keeps: bool = True

    def copy(self, place: Path) -> Path:
        """The folder as it was before, once more."""
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.folder, place)
        for path in self.folder.rglob("*"):  # as new as it was: a log that was touched would be looked at again
            shutil.copystat(path, place / path.relative_to(self.folder))
        return place


def scenarios(folder: Path) -> list[Scenario]:
    """An ingest into a history; a first report from it, one that replaces an older page; a prune, an export, a job."""
    base = folder / "base"
    (base / "logs").mkdir(parents=True)
    lines = regular(25_000, step_s=60, start=START - 10 * 86400 * 10**9)
    (base / "logs" / "a.csv").write_text(HEADER + "".join(lines[:12_000]))
    run(base, ("ingest", "logs/a.csv"))
    (base / "logs" / "b.csv").write_text(HEADER + "".join(lines[11_000:]))
    whole, reported = folder / "whole", folder / "reported"
    report = (
        "report",
        "--weekly",
        "--date",
        "2026-03-25",
        "--out",
        "out",
        "--tz",
        "UTC",
        "--quiet",
        "--format",
        "html",
    )
    for place in (whole, reported):
        shutil.copytree(base, place)
    run(reported, report)
    for place in (whole, reported):
        run(place, ("ingest", "logs/b.csv"))
    return [
        Scenario("ingest", base, ("ingest", "logs/a.csv", "logs/b.csv")),
        Scenario("first report", whole, report),
        Scenario("report", reported, report),
        Scenario("prune", reported, ("history", "prune", "--before", "2026-03-25"), keeps=False),
        Scenario("export", whole, ("history", "export", "--out", "out.csv", "--tz", "UTC")),
        Scenario(
            "schedule run",
            reported,
            (
                "schedule",
                "run",
                "--daily",
                "--ingest",
                "logs/*",
                "--as-of",
                "2026-03-25T06:00",
                "--out",
                "out",
                "--tz",
                "UTC",
            ),
        ),
    ]


def command(arguments: tuple[str, ...]) -> tuple[str, ...]:
    return (*arguments, "--history", "h")


def run(folder: Path, arguments: tuple[str, ...]) -> None:
    assert status_of(folder, arguments) == 0, arguments


def status_of(folder: Path, arguments: tuple[str, ...]) -> int:
    return subprocess.run(
        [*ENTRO, *command(arguments)], cwd=folder, capture_output=True, check=False, env=quiet()
    ).returncode


def quiet() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "ENTRO_CONFIG": os.devnull}


def run_whole(forking: Forks, place: Path, arguments: tuple[str, ...]) -> None:
    """Run a command that nobody kills. On a busy machine it may take long."""
    messages = place.with_name("messages")
    status = forking.run(place, *command(arguments), limit_s=600, out=str(messages), err=str(messages))
    assert status == 0, f"{' '.join(arguments)} ended with {status}: {messages.read_text()[-2000:]}"


def seen(folder: Path) -> dict[str, bytes]:
    """Every day, every file of the reports, and the exported one."""
    written = [*sorted((folder / "out").glob("*")), folder / "out.csv"]
    reports = {path.name: path.read_bytes() for path in written if path.is_file()}
    return days(folder / "h") | reports


def _without_links(page: bytes | None) -> bytes | None:
    """A page without its links to others, which the index writes after the page."""
    return page and re.sub(rb"<!-- entro-pages -->.*?<!-- /entro-pages -->", b"", page, flags=re.DOTALL)


@dataclass
class Trial:
    """A scenario, what it gives undisturbed, and how long that takes.

    Attributes:
        scenario: the scenario.
        before: every file that is looked at, before.
        after: the same, after an undisturbed run.
        seconds: the time of that run.
        partial: the same, after a run whose first part failed and whose second went on.
    """

    scenario: Scenario
    before: dict[str, bytes]
    after: dict[str, bytes]
    seconds: float
    partial: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, scenario: Scenario, place: Path) -> Trial:
        """Run it once, undisturbed."""
        scenario.copy(place)
        before, begun = seen(place), time.perf_counter()
        run(place, scenario.arguments)
        return cls(scenario, before, seen(place), time.perf_counter() - begun)

    def check(self, place: Path, forking: Forks) -> None:
        """After a kill: each file is the old or the new one; once more gives the new ones, and nothing else."""
        found = seen(place)
        for name, content in found.items():
            if not name.startswith("."):
                known = {_without_links(each.get(name)) for each in (self.before, self.after, self.partial)}
                assert _without_links(content) in known, f"{name} is neither old nor new"
        missing = self.before.keys() - found.keys()
        assert not missing or not self.scenario.keeps, f"lost: {missing}"
        assert missing <= self.before.keys() - self.after.keys(), f"lost: {missing}"
        run_whole(forking, place, ("history", "check"))
        if not self.scenario.keeps:
            run_whole(forking, place, ("history", "repair", "--dry-run"))
        run_whole(forking, place, self.scenario.arguments)
        assert seen(place) == self.after
        run_whole(forking, place, ("history", "check"))
        left = [place / "h" / "pipeline=default" / "_entro" / name for name in ("staging", "committed")]
        assert not [path for path in left if path.exists()]

    def kill_at(self, place: Path, part: float, forking: Forks) -> bool:
        """Kill it after a part of the time it takes; whether it was still at work.

        One that had ended tells how long a run takes now: others may be at work on the machine, or no longer.
        """
        self.scenario.copy(place)
        begun = time.perf_counter()
        with subprocess.Popen(
            [*ENTRO, *command(self.scenario.arguments)],
            cwd=place,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=quiet(),
        ) as process:
            try:
                process.wait(part * self.seconds)
                self.seconds = time.perf_counter() - begun
            except subprocess.TimeoutExpired:
                process.kill()
        self.check(place, forking)
        return process.returncode == -signal.SIGKILL

    def count_operations(self, place: Path, forking: Forks) -> int:
        """The operations on files that others could see, of a whole run."""
        self.scenario.copy(place)
        assert forking.run(place, *command(self.scenario.arguments), count_in=str(place / "count")) == 0
        return int((place / "count").read_text())

    def kill_at_operation(self, place: Path, number: int, forking: Forks) -> bool:
        """Kill it right before the n-th of its operations on files; whether there were as many."""
        self.scenario.copy(place)
        ended = forking.run(place, *command(self.scenario.arguments), kill_before=number)
        self.check(place, forking)
        assert ended in {0, -signal.SIGKILL}
        return ended != 0


def moment(draw: random.Random) -> float:
    """A moment of a run as a part of it, but not of its start, when nothing is done yet."""
    return draw.uniform(0.4, 1.0)


def kill_coordinator(folder: Path, draw: random.Random) -> None:
    """Kill a coordinator, which saves its clients now and then; a second one begins with those, without a warning."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    state, stored = folder / "h" / "pipeline=default" / "_entro" / "coordinator.json", {}
    with serving() as server:
        source = ("--metrics", f"{server.url}/metrics")
        with coordinating(*source, history=folder / "h") as first:
            first.renew("spider", wanted_per_s=5)
            time.sleep(draw.uniform(0, 12))
            first.process.kill()
        if state.exists():
            stored = json.loads(state.read_text())["clients"]
        with coordinating(*source, history=folder / "h") as second:
            assert "warning" not in second.printed, second.printed
    assert json.loads(state.read_text())["clients"] == stored


def main() -> None:
    """Kill as many as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, tally = random.Random(options.seed), Counter[str]()
    with tempfile.TemporaryDirectory() as scratch, forks() as forking:
        folder = Path(scratch)
        trials = [Trial.of(scenario, folder / "place") for scenario in scenarios(folder)]
        operations = Counter[str]()
        for number in range(options.number):
            if number % 20 == 19:
                kill_coordinator(folder / "place", draw)
                tally["coordinate: killed"] += 1
                continue
            trial = trials[number % len(trials)]
            name = trial.scenario.name
            if number // len(trials) % 3:
                operations[name] += 1
                killed = trial.kill_at_operation(folder / "place", operations[name], forking)
                operations[name] *= killed  # after the last one, from the first again
            else:
                killed = trial.kill_at(folder / "place", moment(draw), forking)
            tally[f"{name}: {'killed' if killed else 'had ended'}"] += 1
            if number % 50 == 49:
                print(f"{number + 1} runs", flush=True)
    for what, times in sorted(tally.items()):
        print(f"{times:5} {what}")
    print(f"{options.number} runs, seed {options.seed}: nothing lost, the same bytes after once more")


if __name__ == "__main__":
    main()
