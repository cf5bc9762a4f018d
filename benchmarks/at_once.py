"""Eight writers, readers and a pruner work on one history at once.

`python benchmarks/at_once.py [--rounds N] [--seed N]`, with the Python that entro is installed for. All of them end
with status 0, `history check` finds nothing in between and at the end, and the days have the bytes of the same work
done one after another.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.history.kill_many import ENTRO, quiet
from tests.history.stored import HEADER, START, days, regular

WRITERS = 8
STEP_S = 60
PRUNE = ("history", "prune", "--before", "2026-03-31")
READERS = (
    ("report", "--weekly", "--date", "2026-04-01", "--tz", "UTC", "--format", "json"),
    ("history", "check"),
    ("history", "export", "--tz", "UTC"),
    ("fleet", "--weekly", "--date", "2026-04-01", "--tz", "UTC", "--format", "json"),
)


def start(folder: Path, arguments: tuple[str, ...]) -> subprocess.Popen[str]:
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    command = [*ENTRO, *arguments, "--history", "h"]
    return subprocess.Popen(command, cwd=folder, text=True, env=quiet(), **streams)  # type: ignore[call-overload, no-any-return]


def end(process: subprocess.Popen[str]) -> None:
    _, messages = process.communicate(timeout=600)
    assert process.returncode == 0, f"{process.args}: {messages}"


def main() -> None:
    """Work at once as many times as the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw, tally = random.Random(options.seed), Counter[str]()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        lines = regular(1440 * WRITERS, STEP_S, START)
        for number in range(WRITERS):  # each has half a day in common with the next one
            part = lines[number * 1440 : (number + 1) * 1440 + 720]
            (folder / f"{number}.csv").write_text(HEADER + "".join(part))
        logs = [("ingest", f"{number}.csv") for number in range(WRITERS)]
        for work in [*logs, PRUNE]:
            end(start(folder, work))
        expected = days(folder / "h")
        for _ in range(options.rounds):
            shutil.rmtree(folder / "h")
            end(start(folder, logs[-1]))
            running = [start(folder, work) for work in draw.sample([*logs, PRUNE], len(logs) + 1)]
            while any(process.poll() is None for process in running):
                reading = draw.choice(READERS)
                end(start(folder, reading))
                tally["readers"] += 1
                time.sleep(draw.uniform(0, 0.2))
            for process in running:
                end(process)
            end(start(folder, PRUNE))
            end(start(folder, READERS[1]))
            assert days(folder / "h") == expected
            tally["writers"] += len(logs)
    print(f"{options.rounds} rounds: {tally['writers']} writers, {tally['readers']} readers: as one after another")


if __name__ == "__main__":
    main()
