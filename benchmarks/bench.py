"""`make bench`: compare entro with the peers that are installed, as tables of ratios.

`python benchmarks/bench.py [--quick] [--large] [--out FILE]`, with the Python that entro is installed for. Without
`--out` the tables are only printed.
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

import formats
from comparisons import HERE, QUICK, Comparison, Sizes, comparisons
from peers import missing
from timing import PYTHON, Measured, in_turn, machine

PACKAGES = ("duckdb", "numpy", "pandas", "numba", "pyarrow", "polars")
PROGRAMS = {"ripgrep": ["rg", "--version"], "GoAccess": ["goaccess", "--version"]}


def head(sizes: Sizes) -> Iterator[str]:
    """Lines on the machine, the versions and the method."""
    absent = missing()
    versions = [
        subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\n")[0]
        for name, words in PROGRAMS.items()
        if name not in absent
    ]
    yield "# Benchmarks"
    with_versions = ", ".join([machine("entro-cli", *filter(find_spec, PACKAGES)), *versions])
    yield f"\nMade by `make bench` on {with_versions.rstrip('.')}."
    yield f"Not installed: {', '.join(absent)}." if absent else "All peers are installed."
    yield f"Medians of {sizes.rounds} rounds ({sizes.long_rounds} for long commands) of whole processes, run in turn."


def table(comparison: Comparison, found: dict[str, Measured]) -> Iterator[str]:
    """Lines of the table of a comparison."""
    yield f"\n## {comparison.title}\n"
    others = [f" `{name}` / this |" for name in comparison.own]
    yield "| | s | best, s | MB |" + "".join(others or [f" this / `{comparison.reference}` |"])
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
    """Lines of the table of the replay of a long series, measured in its own process."""
    words = [PYTHON, str(HERE / "kernel.py"), str(sizes.steps), str(sizes.rounds)]
    measured = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
    taken = {name: Measured([second / one["steps"] for second in one["seconds"]]) for name, one in measured.items()}
    yield f"\n## v9 replay of a series of {sizes.steps:,} steps\n"
    yield "| | million steps/s | time per step / `numpy.cumsum` |\n|---|---|---|"
    for name, one in taken.items():
        yield f"| {name} | {1e-6 / one.median_s:,.1f} | {one.times(taken['numpy.cumsum']):.1f} |"
    if "with numba" not in taken:
        yield "\nnumba (the extra `fast`) is not installed."


def page(sizes: Sizes) -> Iterator[str]:
    """Lines of the page, as they are measured."""
    yield from head(sizes)
    with tempfile.TemporaryDirectory(prefix="entro-bench-") as folder:
        for comparison in comparisons(Path(folder).resolve(), sizes):
            yield from table(comparison, in_turn(comparison.commands, comparison.rounds, sizes.uncounted))
        counts = [count for count in (sizes.rows // 5, sizes.rows, sizes.large_rows) if count]
        yield from formats.lines(Path(folder).resolve(), counts, rounds=sizes.long_rounds)
    yield from kernel(sizes)


def main() -> None:
    """Measure, print, and write the page with `--out`."""
    parser = argparse.ArgumentParser(description="compare entro with the peers that are installed")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, once: only check that everything runs")
    parser.add_argument("--large", action="store_true", help="add a CSV ten times as large")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    options = parser.parse_args()
    sizes = QUICK if options.quick else Sizes()
    lines = []
    for line in page(replace(sizes, large_rows=10 * sizes.rows) if options.large else sizes):
        print(line, flush=True)
        lines.append(line)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
