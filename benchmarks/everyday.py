"""How long the everyday commands take: medians of whole processes, and their ratio to bare Python in the same run.

`python benchmarks/everyday.py [RUNS]`, with the Python that entro is installed for. A month is 43,200 one-minute rows.
"""

from __future__ import annotations

import math
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

ENTRO = str(Path(sys.executable).parent / "entro")


def write_month(path: Path) -> None:
    """A log of April 2026 at one-minute steps with a daily rhythm."""
    start = datetime(2026, 4, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8") as file:
        file.write("timestamp,scraper_rate,llm_queue\n")
        for minute in range(30 * 24 * 60):
            day = 1 - math.cos(2 * math.pi * minute / 1440)
            stamp = (start + timedelta(minutes=minute)).isoformat()
            file.write(f"{stamp},{0.2 + 0.4 * day:.4f},{1.5 * day * day:.3f}\n")


def median_s(command: list[str], folder: Path, runs: int) -> float:
    """The median wall time of a command over some runs after one to warm up, s."""
    times = []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_month(folder / "month.csv")
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "entro --version": [ENTRO, "--version"],
            "entro --help": [ENTRO, "--help"],
            "entro analyze month.csv": [ENTRO, "analyze", "month.csv", "--tz", "UTC"],
            "entro report --monthly": [ENTRO, "report", "--monthly", "--logs", "month.csv", "--tz", "UTC"],
            "entro simulate": [ENTRO, "simulate"],
        }
        print(f"{platform.machine()}, Python {platform.python_version()}, median of {runs}")
        bare = 0.0
        for title, command in commands.items():
            seconds = median_s(command, folder, runs)
            bare = bare or seconds
            print(f"{title:<26}{1000 * seconds:>8.0f} ms{seconds / bare:>8.1f} x python")


if __name__ == "__main__":
    main()
