"""Time of commands run in turn: each round runs every one of them once, so that a busy machine slows all alike."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

PYTHON = sys.executable
ENTRO = str(Path(sys.executable).parent / "entro")


@dataclass(frozen=True)
class Command:
    """Command to time: a whole process, from its start to its end.

    Attributes:
        words: the program and its arguments.
        folder: where it runs.
        before: called with the number of the round before it; not timed.
    """

    words: Sequence[str]
    folder: Path
    before: Callable[[int], None] = lambda _: None


@dataclass
class Measured:
    """Measured runs of a command.

    Attributes:
        seconds: wall times of its runs.
        peak_mb: largest memory of one of its processes, MB; never less than that of this script.
        out: output of the last run.
    """

    seconds: list[float] = field(default_factory=list)
    peak_mb: float = 0.0
    out: str = ""

    @property
    def median_s(self) -> float:
        """The median of its runs, s."""
        return statistics.median(self.seconds)

    @property
    def least_s(self) -> float:
        """The quickest of its runs, s."""
        return min(self.seconds)

    def times(self, other: Measured) -> float:
        """Ratio to the time of another command: the median over the rounds of both."""
        return statistics.median(own / its for own, its in zip(self.seconds, other.seconds, strict=True))


def run(command: Command, into: Measured) -> None:
    """Run a command once.

    Raises:
        SystemExit: when it fails.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        # With bytecode, as pip installs it: an environment that forbids writing it would compile entro in every run.
        env = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
        process = subprocess.Popen(command.words, cwd=command.folder, stdout=out, stderr=err, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command.words)} failed:\n{err.read().decode(errors='replace')}")
        into.out = out.read().decode(errors="replace").strip()
    into.seconds.append(seconds)
    into.peak_mb = max(into.peak_mb, usage.ru_maxrss * 1024 / 1e6)


def in_turn(commands: Mapping[str, Command], rounds: int, uncounted: int = 1) -> dict[str, Measured]:
    """Run every command once per round.

    Args:
        commands: by name.
        rounds: rounds that count.
        uncounted: rounds before those, so that files and libraries are in memory.
    """
    found = {name: Measured() for name in commands}
    for number in range(uncounted + rounds):
        for name, command in commands.items():
            command.before(number)
            run(command, found[name] if number >= uncounted else Measured())
    return found


def cores() -> int:
    """Number of cores that may be used."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(*packages: str) -> str:
    """The machine and the versions of the packages, in one line."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    python = f"Python {platform.python_version()}"
    return f"{platform.machine()} ({_processor()}), {cores()} cores; " + ", ".join(filter(None, (python, versions)))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown processor")
