"""Time of the everyday commands: medians of whole processes, and their ratio to bare Python in the same run.

`python benchmarks/everyday.py [RUNS]`, with the Python that entro is installed for. A month is 43,200 one-minute rows.
"""

from __future__ import annotations

import math
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from timing import ENTRO, PYTHON, Command, in_turn, machine

BARE = "python -c pass"


def write_month(path: Path) -> None:
    """Write a log of April 2026 at one-minute steps with a daily rhythm."""
    start = datetime(2026, 4, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8") as file:
        file.write("timestamp,scraper_rate,llm_queue\n")
        for minute in range(30 * 24 * 60):
            day = 1 - math.cos(2 * math.pi * minute / 1440)
            stamp = (start + timedelta(minutes=minute)).isoformat()
            file.write(f"{stamp},{0.2 + 0.4 * day:.4f},{1.5 * day * day:.3f}\n")


def commands(folder: Path) -> dict[str, Command]:
    """Bare Python, and the everyday commands on a month of log in a folder."""
    write_month(folder / "month.csv")
    entro = {
        "--version": [],
        "--help": [],
        "analyze month.csv": ["--tz", "UTC"],
        "report --monthly": ["--logs", "month.csv", "--tz", "UTC"],
        "simulate": [],
    }
    named = {f"entro {name}": Command([ENTRO, *name.split(), *more], folder) for name, more in entro.items()}
    return {BARE: Command([PYTHON, "-c", "pass"], folder), **named}


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"{machine('entro-cli')}; median of {runs}")
    with tempfile.TemporaryDirectory() as name:
        found = in_turn(commands(Path(name)), runs)
    for title, measured in found.items():
        times = measured.times(found[BARE])
        print(f"{title:<26}{1000 * measured.median_s:>8.0f} ms{times:>8.1f} x python")


if __name__ == "__main__":
    main()
