"""Damage each file of a history in every way of a list, and run every command that reads or writes it.

`python benchmarks/damage.py [--every N] [--only TEXT]`, with the Python that entro is installed for.
Of each damaged history:

- a command ends within a minute, with a message instead of a traceback;
- what a command prints with status 0 is what it prints of the whole history, or there is a warning, and the first
  sentence of a report names the damage;
- an ingest, and whatever `history check` finds clean after it, has the days of the history that was not damaged.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.history.forked import Forks, forks
from tests.history.stored import HEADER, START, days, regular

STEP_S = 600
READING = {
    "list": ("history", "list", "--json"),
    "show": ("history", "show", "--json"),
    "export": ("history", "export"),
    "fleet": ("fleet", "--format", "json", "--weekly", "--date", "2026-04-01"),
    "report": ("report", "--weekly", "--date", "2026-04-01", "--format", "json"),
}
WRITING = {
    "ingest": ("ingest", "log.csv"),
    "prune": ("history", "prune", "--before", "2026-03-31"),
    "pages": ("report", "--weekly", "--date", "2026-04-01", "--out", "out", "-q"),
}
UNCAUGHT = re.compile("Traceback|unexpected error|should not have happened")
NAMES_DAMAGE = re.compile("damaged|missing|lost|cannot be read")
SIZE = re.compile(r'"(?:size_bytes|bytes_per_step|bytes)": ?[0-9.]+')


def ways(path: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the ways to damage a file, by name."""
    content = path.read_bytes()
    places = {"start": 0, "middle": len(content) // 2, "end": max(len(content) - 1, 0)}
    sibling = next((other for other in sorted(path.parent.parent.glob(f"date=*/{path.name}")) if other != path), None)

    def replaced(make: Callable[[], object]) -> Callable[[], object]:
        def do() -> None:
            path.unlink()
            make()

        return do

    yield "deleted", path.unlink
    yield "a folder", replaced(path.mkdir)
    yield "a link to nowhere", replaced(lambda: path.symlink_to("nowhere"))
    yield "a FIFO", replaced(lambda: os.mkfifo(path))
    contents = {
        "emptied": b"",
        "half": content[: len(content) // 2],
        "a byte less": content[:-1],
        "a byte more": content + b"\n",
        "zeros": bytes(len(content)),
        "garbage": b"\xff\x00garbage\x1b[31m" * 40,
        "an empty object": b"{}",
        "null": b"null",
        "nested too deep": b"[" * 100_000,
        **({"of another day": sibling.read_bytes()} if sibling else {}),
    }
    for name, at in places.items():
        if content:
            contents[f"a bit at the {name}"] = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    if path.suffix == ".json" and content:
        contents |= changed_values(json.loads(content))
    for name, changed in contents.items():
        if changed != content:
            yield name, lambda changed=changed: path.write_bytes(changed)


def changed_values(document: object) -> dict[str, bytes]:
    """Return a document with each of its values changed in turn, by the place of the value."""
    found: dict[str, bytes] = {}

    def visit(node: object, where: str) -> None:
        items = (
            list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
        )
        for key, value in items[:12]:
            visit(value, f"{where}.{key}")
            for other in [-1, 2**70, "x", None] if not isinstance(value, dict | list) else [None]:
                node[key] = other  # type: ignore[index]
                found[f"{where}.{key} = {other}"] = json.dumps(document).encode()
            node[key] = value  # type: ignore[index]

    visit(document, "")
    return found


@dataclass
class Attack:
    """A whole history, and what the commands give for it."""

    base: Path
    place: Path
    forking: Forks
    expected: dict[str, str]
    days: dict[str, dict[str, bytes]]

    @classmethod
    def prepare(cls, folder: Path, forking: Forks) -> Attack:
        """Make the history, and run every command on a copy of it."""
        base = folder / "base"
        base.mkdir()
        lines = regular(144 * 5, STEP_S, START + 23 * 3600 * 10**9)  # from Monday on
        log = base / "log.csv"
        log.write_text(HEADER + "".join(lines[: 144 * 4]))
        attack = cls(base, folder / "place", forking, {}, {})
        shutil.copytree(base, attack.place)
        assert (
            attack.run("ingest", "log.csv", "--stage", "llm=llm_queue:queue:7", "--stage", "scraper=scraper_rate:rate")[
                0
            ]
            == 0
        )
        shutil.rmtree(base)
        shutil.copytree(attack.place, base)
        log.write_text(HEADER + "".join(lines))
        for name, arguments in (READING | WRITING).items():
            attack.restore()
            status, attack.expected[name], err = attack.run(*arguments)
            assert status == 0, (name, status, err)
            attack.days[name] = days(attack.place / "h")
        return attack

    def restore(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.base, self.place)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        out, err = self.place.parent / "stdout", self.place.parent / "stderr"
        status = self.forking.run(self.place, *arguments, "--history", "h", out=str(out), err=str(err))
        return status, out.read_text(errors="replace"), err.read_text(errors="replace")

    def faults(self, damage: Callable[[], object]) -> Iterator[str]:
        """Yield what goes wrong in the damaged history."""
        for name, arguments in READING.items():
            self.restore()
            damage()
            status, out, err = self.run(*arguments)
            yield from unhandled(name, status, err)
            if status == 0 and SIZE.sub("", out) != SIZE.sub("", self.expected[name]):
                if name == "report":
                    verdict = json.loads(out)["verdict"]
                    if not NAMES_DAMAGE.search(json.dumps(verdict)):
                        yield f"report: another document, and the verdict does not name the damage: {verdict}"
                elif not err and not NAMES_DAMAGE.search(out):
                    yield f"{name}: another document without a warning"
        for name, arguments in WRITING.items():
            self.restore()
            damage()
            status, out, err = self.run(*arguments)
            yield from unhandled(name, status, err)
            checked, found, checked_err = self.run("history", "check")
            yield from unhandled(f"check after {name}", checked, checked_err)
            if status == 0 and checked == 0 and days(self.place / "h") != self.days[name]:
                lost = self.days[name].keys() - days(self.place / "h").keys()
                if not (lost and NAMES_DAMAGE.search(found + err)):
                    yield f"{name}: check is clean, and days differ: {err or found}"


def unhandled(name: str, status: int, err: str) -> Iterator[str]:
    if UNCAUGHT.search(err):
        yield f"{name}: {err.strip()[-300:]}"
    elif status not in {0, 1, 3}:
        yield f"{name}: ended with status {status}: {err.strip()[-300:]}"


def main() -> None:
    """Damage every file in every way, and print what went wrong, and a tally."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every n-th damage")
    parser.add_argument("--only", default="", help="only damages whose name contains this")
    options = parser.parse_args()
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch, forks() as forking:
        attack = Attack.prepare(Path(scratch), forking)
        files = [path.relative_to(attack.base) for path in sorted((attack.base / "h").rglob("*")) if path.is_file()]
        day_files = [path for path in files if path.suffix == ".parquet"]
        for path in [path for path in files if path not in day_files[1:-1] or path == day_files[len(day_files) // 2]]:
            attack.restore()
            for number, (way, damage) in enumerate(ways(attack.place / path)):
                if number % options.every or options.only not in f"{path}: {way}":
                    continue
                tally["damages"] += 1
                if tally["damages"] % 50 == 0:
                    print(f"{tally['damages']} damages", flush=True)
                for fault in attack.faults(damage):
                    tally["faults"] += 1
                    print(f"{path}: {way}: {fault}", flush=True)
    runs = tally["damages"] * (len(READING) + 2 * len(WRITING))
    print(f"{tally['damages']} damages, {runs} runs, {tally['faults']} faults")
    sys.exit(tally["faults"] > 0)


if __name__ == "__main__":
    main()
