"""`make bench`: entro side by side with whichever peers are installed, as a table of ratios with the machine named.

`python benchmarks/bench.py [--quick] [--large] [--out FILE]`, with the Python that entro is installed for. Without
`--out` the table is only printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from comparisons import HERE, QUICK, Comparison, Sizes, comparisons
from peers import missing
from timing import PYTHON, Measured, in_turn, machine

PACKAGES = ("duckdb", "numpy", "pandas", "numba", "polars")
PROGRAMS = {"ripgrep": ["rg", "--version"], "GoAccess": ["goaccess", "--version"]}


def head(sizes: Sizes) -> Iterator[str]:
    """The machine, and what was run on it and how."""
    absent = missing()
    versions = [
        subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\n")[0]
        for name, words in PROGRAMS.items()
        if name not in absent
    ]
    yield "# entro beside others"
    with_versions = ", ".join([machine("entro", *filter(find_spec, PACKAGES)), *versions])
    yield f"\nMade by `make bench` on {with_versions.rstrip('.')}."
    yield f"Not installed: {', '.join(absent)}." if absent else "All peers are installed."
    yield f"Medians of {sizes.rounds} rounds ({sizes.long_rounds} of what takes long) of whole processes, in turn."


def table(comparison: Comparison, found: dict[str, Measured]) -> Iterator[str]:
    """What was measured of a comparison."""
    yield f"\n## {comparison.title}\n"
    others = [f" `{name}` takes, times |" for name in comparison.own]
    yield "| | s | least, s | MB |" + "".join(others or [f" times `{comparison.reference}` |"])
    yield "|---|---|---|---|" + "---|" * max(len(others), 1)
    for name, taken in found.items():
        ratios = [found[own].times(taken) for own in comparison.own] or [taken.times(found[comparison.reference])]
        cells = "".join(f" {ratio:.3g} |" for ratio in ratios)
        yield f"| {name} | {taken.median_s:.3f} | {taken.least_s:.3f} | {taken.peak_mb:,.0f} |{cells}"
    if len(comparison.own) > 1:
        first, second = comparison.own
        more = Measured([own - other for own, other in zip(found[second].seconds, found[first].seconds, strict=True)])
        yield f"\n`{second}` takes {more.median_s:.2f} s more than `{first}`."


def kernel(sizes: Sizes) -> Iterator[str]:
    """The replay of a long series, in its own process."""
    words = [PYTHON, str(HERE / "kernel.py"), str(sizes.steps), str(sizes.rounds)]
    told = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
    taken = {name: Measured([second / one["steps"] for second in one["seconds"]]) for name, one in told.items()}
    yield f"\n## v9 replay of a series of {sizes.steps:,} steps\n"
    yield "| | million steps/s | time a step, times `numpy.cumsum` |\n|---|---|---|"
    for name, one in taken.items():
        yield f"| {name} | {1e-6 / one.median_s:,.1f} | {one.times(taken['numpy.cumsum']):.1f} |"
    if "with numba" not in taken:
        yield "\nnumba (the extra `fast`) is not installed."


def told(sizes: Sizes) -> Iterator[str]:
    """Every line of the page, as it is measured."""
    yield from head(sizes)
    with tempfile.TemporaryDirectory(prefix="entro-bench-") as folder:
        for comparison in comparisons(Path(folder).resolve(), sizes):
            yield from table(comparison, in_turn(comparison.commands, comparison.rounds, sizes.uncounted))
    yield from kernel(sizes)


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description="entro side by side with whichever peers are installed")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, once: to see that it runs")
    parser.add_argument("--large", action="store_true", help="a CSV ten times as large, too")
    parser.add_argument("--out", type=Path, help="write the page there, too")
    asked = parser.parse_args()
    sizes = QUICK if asked.quick else Sizes()
    lines = []
    for line in told(replace(sizes, large_rows=10 * sizes.rows) if asked.large else sizes):
        print(line, flush=True)
        lines.append(line)
    if asked.out:
        asked.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
