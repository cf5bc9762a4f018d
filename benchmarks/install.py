"""The weight of a plain install, by package, and the libraries that each command imports.

    python benchmarks/install.py            # measure and print
    python benchmarks/install.py --write    # and write the tables into docs/performance.md

The weight is that of the files that pip installs, with the bytecode it compiles, of all that a plain install needs
besides entro itself. A command's libraries are those that are loaded when it ends.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
LOG = ROOT / "sample_logs" / "five-weeks.csv"
BEGIN, END = "<!-- benchmarks/install.py -->", "<!-- /benchmarks/install.py -->"
COMMANDS = {
    "--version": ["--version"],
    "--help": ["--help"],
    "analyze LOG": ["analyze", LOG, "--tz", "UTC"],
    "analyze LOG --json": ["analyze", LOG, "--tz", "UTC", "--json"],
    "report LOG": ["report", LOG, "--tz", "UTC", "--weekly", "--out", "page.html"],
    "ingest LOG": ["ingest", LOG, "--tz", "UTC", "--history", "history"],
    "simulate": ["simulate"],
    "simulate --out": ["simulate", "--out", "page.html"],
    "watch LOG --once": ["watch", LOG, "--tz", "UTC", "--once"],
    "schema report": ["schema", "report"],
}
LOADED = """
import sys
from entro_cli.app import _guarded
_guarded(sys.argv[1:])
print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def needed(name: str, extras: frozenset[str] = frozenset()) -> dict[str, Distribution]:
    """The distributions that a plain install of one needs, by name, itself included."""
    found: dict[str, Distribution] = {}
    waiting = [(name, extras)]
    while waiting:
        one, chosen = waiting.pop()
        if one in found:
            continue
        found[one] = distribution(one)
        for text in found[one].requires or ():
            requirement = Requirement(text)
            environments = [{"extra": extra} for extra in chosen or {""}]
            if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return found


def weight_mb(one: Distribution) -> float:
    """The size of its files with their bytecode, MB."""
    files = {Path(str(one.locate_file(file))) for file in one.files or ()}
    compiled = {
        cached for file in files if file.suffix == ".py" for cached in file.parent.glob(f"__pycache__/{file.stem}.*")
    }
    return sum(file.stat().st_size for file in files | compiled if file.is_file()) / 1e6


def libraries(arguments: list[object], of: dict[str, str]) -> list[str]:
    """The libraries that are loaded when a command ends, of those that are asked for."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", LOADED, *map(str, arguments)]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return sorted({of[name] for name in ended.stderr.splitlines()[-1].split() if name in of})


def tables() -> str:
    distributions = needed("entro-cli")
    del distributions["entro-cli"]  # installed in place here: its files are those of the project
    weights = {name: weight_mb(one) for name, one in distributions.items()}
    total = sum(weights.values())
    heavy = sorted(((name, weight) for name, weight in weights.items() if weight >= 2), key=lambda one: -one[1])
    rest = total - sum(weight for _, weight in heavy)
    rows = [f"| {name} | {weight:.0f} |" for name, weight in heavy]
    of = {
        top: name
        for name in dict(heavy)
        for top in {str(file).partition("/")[0] for file in distributions[name].files or ()}
    }
    loaded = {name: ", ".join(libraries(arguments, of)) or "-" for name, arguments in COMMANDS.items()}
    return "\n".join(
        [
            f"A plain install takes {total:.0f} MB on this system (Python {sys.version.split()[0]}):",
            "",
            "| package | MB |",
            "|---|---|",
            *rows,
            f"| {len(weights) - len(heavy)} others | {rest:.0f} |",
            "",
            "Of these, a command imports:",
            "",
            "| command | imports |",
            "|---|---|",
            *(f"| `entro {name}` | {names} |" for name, names in loaded.items()),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    found = tables()
    if parser.parse_args().write:
        pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
        PAGE.write_text(pattern.sub(lambda _: f"{BEGIN}\n{found}\n{END}", PAGE.read_text()))
    print(found)


if __name__ == "__main__":
    main()
