"""Compare the controllers of the field in the arena, and write docs/arena.md.

    python benchmarks/arena.py [tune table columns settings robustness seeds] [--jobs 2] [--out docs/arena.md]

`tune` looks for the settings of each peer, per lag, with the least violations + service lost on seeds 1000 to 1039, and
keeps them in a file. The other parts are tables, on seeds 5000 to 5059, with these settings; the library's controllers
have none. Each cell is violations per 1000 steps / service lost (requests), means over the seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, fields
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from time import monotonic

import numpy as np
from arena_tuning import BUDGET, KINDS, PEERS, TUNING_SEEDS, UNTUNED_REFERENCE, Settings, best_settings, peer
from arena_worlds import ARENA, WORLDS, Informed, World

from entro_engine import (
    AiController,
    Controller,
    CoreController,
    Eq14,
    PredictiveController,
    StaticLimit,
    Uncontrolled,
    V9Controller,
)
from entro_engine.simulator_v9 import plant_figures, simulate_plant

HERE = Path(__file__).parent
LAGS = (1, 2, 5, 10, 20)
COLUMNS_LAG, ROBUSTNESS_LAG = 10, 5
SEEDS, NEW_SEEDS = range(5000, 5060), (range(6000, 6060), range(7000, 7060))

LIBRARY: dict[str, Callable[[], Controller]] = {
    "uncontrolled": Uncontrolled,
    "static, 1.5 req/s": StaticLimit,
    "eq14": Eq14,
    "core": CoreController,
    "ai": AiController,
    "v9": V9Controller,
    "predictive": PredictiveController,
}
NAMES = (*LIBRARY, *KINDS)
ROBUST_NAMES = tuple(name for name in NAMES if name not in {"uncontrolled", "static, 1.5 req/s", "eq14", "core", "ai"})
COLUMNS = (
    ("violations", "violations", ".1f"),
    ("service lost", "service_lost", ".1f"),
    ("mean wait, s", "mean_wait_s", ".1f"),
    ("p95 wait, s", "p95_wait_s", ".1f"),
    ("p95 in the queue, s", "p95_queue_wait_s", ".1f"),
    ("served within W", "served_within_wait_share", ".1%"),
    ("longest queue", "peak_queue", ".1f"),
    ("roughness", "roughness", ".2f"),
)
Figures = dict[str, float]
Tuned = dict[str, dict[str, Settings]]
"""The settings of each peer by its name and the lag."""


@dataclass(frozen=True)
class Trial:
    """One controller in one world, at one lag, on some seeds."""

    world: World
    name: str
    lag: int
    seeds: range
    settings: tuple[tuple[str, float], ...] = ()

    def run(self) -> Figures:
        """Return the mean of each figure over the seeds."""
        demand, capacity = self.world.loads(self.seeds)
        inner = LIBRARY[self.name]() if self.name in LIBRARY else peer(self.name, dict(self.settings), capacity)
        trace = simulate_plant(demand, capacity, self.world.controller(inner), self.world.believed(self.lag))
        figures = plant_figures(trace, self.world.arena.plant(self.lag), BUDGET)
        return {field.name: float(getattr(figures, field.name).mean()) for field in fields(figures)}


@dataclass
class Bench:
    """Trials on several processes.

    Attributes:
        pool: the processes.
        tuned: the settings of the peers.
        seeds: the seeds to judge on.
        lags: the lags of the main table.
    """

    pool: Executor
    tuned: Tuned
    seeds: range
    lags: Sequence[int]

    def tune(self, seeds: range, every: int) -> None:
        """Tune every peer at every lag, and where samples are rare."""
        worlds = [(ARENA, lag) for lag in self.lags] + [(world, ROBUSTNESS_LAG) for world in WORLDS if world.every > 1]
        tasks = [(kind.name, *where, seeds, every) for kind, where in product(PEERS, worlds)]
        for task, settings in zip(tasks, self.pool.map(best_settings, *zip(*tasks, strict=True)), strict=True):
            self.tuned.setdefault(task[0], {})[tuned_for(*task[1:3])] = settings

    def figures(
        self, names: Sequence[str], lag: int, world: World = ARENA, seeds: range | None = None
    ) -> Iterator[tuple[str, Figures]]:
        """Start the trials of some controllers. Return the name and the figures of each."""
        where = tuned_for(world, lag)
        trials = [Trial(world, name, lag, seeds or self.seeds, self.settings(name, where)) for name in names]
        return zip(names, self.pool.map(Trial.run, trials), strict=True)

    def settings(self, name: str, where: str) -> tuple[tuple[str, float], ...]:
        """Return the settings of a peer; none of a controller that has none to tune."""
        if name in LIBRARY or name == UNTUNED_REFERENCE:
            return ()
        if where not in self.tuned.get(name, {}):
            raise SystemExit(f"no settings of {name} for {where}: tune first, with the same --lags and --tuned")
        return tuple(self.tuned[name][where].items())


def tuned_for(world: World, lag: int) -> str:
    return f"lag {lag}" if world.every == 1 else f"lag {lag}, every {world.every}"


def main_table(bench: Bench) -> Iterator[Sequence[object]]:
    """Yield the rows of every controller at every lag."""
    found = [cells(column) for column in [bench.figures(NAMES, lag) for lag in bench.lags]]
    yield "lag", *bench.lags
    for name in NAMES:
        yield name, *(column[name] for column in found)


def columns_table(bench: Bench) -> Iterator[Sequence[object]]:
    """Yield every column at one lag."""
    yield "controller", *(title for title, _, _ in COLUMNS)
    for name, figures in bench.figures(NAMES, COLUMNS_LAG):
        yield name, *(format(figures[field], form) for _, field, form in COLUMNS)


def settings_table(bench: Bench) -> Iterator[Sequence[object]]:
    """Yield the tuned settings, with a star at each that is the first or last of its grid."""
    yield "peer", "settings", *bench.tuned[Informed.name]
    for kind, grid in PEERS.items():
        columns = [
            ", ".join(f"{value:g}{'*' * is_at_edge(grid[name], value)}" for name, value in settings.items())
            for settings in bench.tuned[kind.name].values()
        ]
        yield kind.name, ", ".join(grid), *columns


def is_at_edge(values: Sequence[float], value: float) -> bool:
    return bool(np.isclose(value, (values[0], values[-1])).any())


def robustness_table(bench: Bench) -> Iterator[Sequence[object]]:
    """Yield a row for each changed world, at one lag."""
    found = [(world, bench.figures(ROBUST_NAMES, ROBUSTNESS_LAG, world)) for world in WORLDS]
    yield "", *ROBUST_NAMES
    for world, row in found:
        yield world.about, *cells(row).values()


def new_seeds_table(bench: Bench) -> Iterator[Sequence[object]]:
    """Yield the order of our controllers and the reference on seeds that nothing was tuned or judged on."""
    names = ("v9", "predictive", UNTUNED_REFERENCE, Informed.name)
    yield "seeds", "lag", *names
    for seeds, lag in product(NEW_SEEDS, (5, 10, 20)):
        yield f"{seeds.start} to {seeds.stop - 1}", lag, *cells(bench.figures(names, lag, seeds=seeds)).values()


def cells(found: Iterable[tuple[str, Figures]]) -> dict[str, str]:
    """Return violations / service lost by name; the least sum of those that do not know the world is bold."""
    pairs = {name: (figures["violations"], figures["service_lost"]) for name, figures in found}
    least = min(sum(pair) for name, pair in pairs.items() if KINDS.get(name) is not Informed)
    texts = {name: "/".join(map(short, pair)) for name, pair in pairs.items()}
    is_best = {name: KINDS.get(name) is not Informed and sum(pair) < least + 0.05 for name, pair in pairs.items()}
    return {name: f"**{text}**" if is_best[name] else text for name, text in texts.items()}


def short(value: float) -> str:
    return "0" if value < 0.05 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


PARTS: dict[str, Callable[[Bench], Iterator[Sequence[object]]]] = {
    "table": main_table,
    "columns": columns_table,
    "settings": settings_table,
    "robustness": robustness_table,
    "seeds": new_seeds_table,
}


def markdown(rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    lines.insert(1, "|---" * (lines[0].count("|") - 1) + "|")
    return "\n".join(lines) + "\n"


def write_between_markers(page: Path, part: str, text: str) -> None:
    begin, end = f"<!-- begin: arena.py {part} -->\n", f"<!-- end: arena.py {part} -->"
    before, rest = page.read_text().split(begin)
    page.write_text(before + begin + text + end + rest.split(end)[1])


def seed_range(text: str) -> range:
    first, _, after = text.partition(":")
    return range(int(first), int(after))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=("tune", *PARTS), default=["tune", *PARTS])
    parser.add_argument("--seeds", type=seed_range, default=SEEDS, metavar="FIRST:AFTER", help="to judge on")
    parser.add_argument("--lags", type=int, nargs="+", default=LAGS, help="of the first table, and to tune for")
    parser.add_argument("--tuned", type=Path, default=HERE / "arena_tuned.json", help="the file of the tuned settings")
    parser.add_argument("--quick", action="store_true", help="tune on two seeds and few settings")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a page whose parts between the markers are replaced")
    options = parser.parse_args()
    tuned = json.loads(options.tuned.read_text()) if options.tuned.exists() else {}
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        bench = Bench(pool, tuned, options.seeds, options.lags)
        for part in options.parts:
            begin = monotonic()
            if part == "tune":
                bench.tune(*((range(1000, 1002), 25) if options.quick else (TUNING_SEEDS, 1)))
                options.tuned.write_text(json.dumps(tuned, indent=1) + "\n")
            else:
                text = markdown(PARTS[part](bench))
                print(text)
                if options.out:
                    write_between_markers(options.out, part, text)
            print(f"{part}: {monotonic() - begin:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
