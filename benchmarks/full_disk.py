"""Run every command that writes on disks that are full, at every size up to the one that is enough.

`sudo python benchmarks/full_disk.py [--every N]`, with the Python that entro is installed for: the disks are tmpfs.
Their free space grows by a page of 4 KiB, or by an inode. A command ends with status 1 and names the full disk, or
with status 0. What was stored before is there, `history check` finds nothing, and with more space the command gives
the bytes that it gives on a large disk.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.history.forked import Forks, forks
from tests.history.kill_many import Trial, command, scenarios

LARGE = {"size": 1 << 28, "nr_inodes": 100_000}
UNIT = {"size": os.sysconf("SC_PAGE_SIZE"), "nr_inodes": 1}


def mount(disk: Path, *options: str, **limits: int) -> None:
    limits = LARGE | limits
    wanted = ",".join([*options, *(f"{name}={value}" for name, value in limits.items())])
    subprocess.run(["mount", "-t", "tmpfs", "-o", wanted, "none", str(disk)], check=True)


def used(disk: Path, limit: str) -> int:
    found = os.statvfs(disk)
    return found.f_files - found.f_ffree if limit == "nr_inodes" else (found.f_blocks - found.f_bfree) * found.f_frsize


def fill(trial: Trial, disk: Path, limit: str, free: int, forking: Forks) -> int:
    """Run a command with some units of free space; return its status."""
    mount(disk)
    try:
        place = trial.scenario.copy(disk / "place")
        mount(disk, "remount", **{limit: used(disk, limit) + free * UNIT[limit]})
        messages = disk.parent / "messages"
        status = forking.run(place, *command(trial.scenario.arguments), err=str(messages))
        text = messages.read_text()
        assert status in {0, 1}, f"{status}: {text}"
        assert status == 0 or "no space left" in text.lower(), text
        mount(disk, "remount")
        trial.check(place, forking)
        return status
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def main() -> None:
    """Run every command of the trials of kills with ever more space, until it ends well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every n-th size")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, forks() as forking:
        folder = Path(scratch)
        disk = folder / "disk"
        disk.mkdir()
        for scenario in scenarios(folder):
            trial = Trial.of(scenario, folder / "place")
            if "--ingest" in scenario.arguments:  # a job whose ingest fails reports what was stored before
                at = scenario.arguments.index("--ingest")
                rest = scenario.arguments[:at] + scenario.arguments[at + 2 :]
                trial.partial = Trial.of(replace(scenario, arguments=rest), folder / "place").after
            for limit in UNIT:
                free, refused = 0, 0
                while fill(trial, disk, limit, free, forking):
                    free, refused = free + options.every, refused + 1
                print(f"{trial.scenario.name:14} {limit:10} {refused:4} sizes too small, enough: {free}", flush=True)


if __name__ == "__main__":
    main()
