"""Compare Critical steps with steps in which requests wait too long, by the waits in logs of requests.

`python benchmarks/meaning.py [REQUESTS...]`, with the Python that entro is installed for. REQUESTS are logs with one
row per request, its arrival and its start. The sample log and logs made here are always included. Each log is
replayed in one-second steps with the full loads that a report learns from it for an accepted wait W, and compared with
its own timestamps: a step is late if a request that waits in it waits for longer than W in total.
"""

from __future__ import annotations

import csv
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from entro_cli.analysis.calibration import learn_capacity
from entro_cli.readers.options import LoadOptions
from entro_cli.timeseries.steps import Steps
from entro_cli.workflows.load_logs import load_logs
from entro_engine import Kind, Regime, Run, Stage, replay_loads

WAITS_S = (3.0, 5.0, 10 / 1.2)
SAMPLE = Path(__file__).parents[1] / "sample_logs" / "formats" / "requests.csv"
START = 1_775_462_400
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Course:
    """Course of arrivals and of the capacity.

    Attributes:
        rate: arrivals per second at a time in s.
        capacity: requests served per second at a time in s.
        length_s: duration, s.
    """

    rate: Callable[[float], float]
    capacity: Callable[[float], float]
    length_s: int = 3600


COURSES = {
    "steady": Course(lambda _: 0.9, lambda _: 1.2),
    "rushes": Course(lambda at: 3.0 if at % 900 < 60 else 0.8, lambda _: 1.2),
    "short bursts": Course(lambda at: 9.0 if at % 120 < 3 else 0.8, lambda _: 1.2),
    "stalls": Course(lambda _: 0.9, lambda at: 0.02 if 600 <= at % 1200 < 660 else 1.2),
    "drift": Course(lambda _: 1.0, lambda at: 1.5 - at / 3600),
    "large": Course(lambda at: 300.0 if at % 900 < 60 else 80.0, lambda _: 120.0, 1800),
}
"""Easy and hard courses: bursts shorter than the memory, a capacity that changes."""


def made(course: Course, seed: int) -> Iterator[str]:
    """Lines of a log of such a course: one server, first come, first served."""
    draw = random.Random(seed)
    yield "arrival_time,start_time,finish_time\n"
    now = free = 0.0
    while now < course.length_s:
        now += draw.expovariate(course.rate(now))
        begin = max(now, free)
        free = begin + draw.uniform(0.8, 1.2) / course.capacity(begin)
        yield f"{START + now:.3f},{START + begin:.3f},{START + free:.3f}\n"


def waits_of(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read the arrivals and starts of a log, nanoseconds since the epoch, without the readers of entro.

    A second clock, that of vLLM's own timestamps, is moved to the first one by the first request.
    """
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        shift = rows[0]["arrival_time"] - rows[0]["queued_ts"]
        pairs = [(row["queued_ts"] + shift, row["scheduled_ts"] + shift) for row in rows]
    else:
        with path.open(newline="") as file:
            pairs = [(_seconds(row["arrival_time"]), _seconds(row["start_time"])) for row in csv.DictReader(file)]
    came, began = (np.array([round(1e9 * time) for time in times], np.int64) for times in zip(*pairs, strict=True))
    return came, began


def _seconds(text: str) -> float:
    return float(text) if text.replace(".", "").isdigit() else datetime.fromisoformat(text).timestamp()


def late_steps(steps: Steps, came: NDArray[np.int64], began: NDArray[np.int64], wait_s: float) -> Bools:
    """Mark the steps in which a request waits that waits for longer than `wait_s` in total, shape (steps,)."""
    late = (began - came) > wait_s * 1e9
    first = np.clip((came[late] - steps.start_ns) // steps.step_ns, 0, steps.count - 1)
    last = np.clip((began[late] - 1 - steps.start_ns) // steps.step_ns, 0, steps.count - 1)
    marks = np.zeros(steps.count + 1, np.int64)
    np.add.at(marks, first, 1)
    np.add.at(marks, last + 1, -1)
    return np.asarray(np.cumsum(marks[:-1]) > 0, dtype=np.bool_)


def calibrated(steps: Steps, wait_s: float) -> tuple[Run, float]:
    """Replay the steps at the full loads learned from them for an accepted wait; with the capacity, req/s."""
    learned = learn_capacity(steps)
    if learned is None:
        raise ValueError("the log is too short to learn a capacity from")
    capacity = learned.value
    stages = (Stage("rate", Kind.RATE, capacity * 3.0 / 1.2), Stage("queue", Kind.QUEUE, capacity * wait_s))
    return replay_loads(stages, steps.loads, steps.step_s, start_ns=steps.start_ns), capacity


def agreement(marked: Bools, late: Bools) -> tuple[float, float, float]:
    """Precision, recall and F1 of the marked steps; 1 if no step is late and none is marked."""
    both = int((marked & late).sum())
    precision = both / int(marked.sum()) if marked.any() else 1.0
    recall = both / int(late.sum()) if late.any() else 1.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def rows_of(name: str, path: Path) -> Iterator[str]:
    """Lines of the table for a log, one per wait."""
    found = load_logs([str(path)], LoadOptions(tz="UTC", step="1s")).steps
    steps = found.part(0, found.count)  # in memory: those of a long log are on disk
    came, began = waits_of(path)
    for wait in WAITS_S:
        run, capacity = calibrated(steps, wait)
        late = late_steps(steps, came, began, wait)
        rules = (
            np.asarray(run.trace.regime == Regime.CRITICAL),
            np.asarray(run.violated),
            np.asarray(steps.loads[1] > capacity * wait),
        )
        figures = [agreement(rule, late) for rule in rules]
        cells = [f"{figures[0][0]:.2f}", f"{figures[0][1]:.2f}", *(f"{one[2]:.3f}" for one in figures)]
        yield f"| {name} | {wait:.2f} | {int(late.sum())} of {steps.count} | " + " | ".join(cells) + " |"


def labelled(paths: Sequence[Path]) -> dict[str, Path]:
    """Return paths by the shortest ends that are all different: logs of one name are different logs."""
    longest = max((len(path.parts) for path in paths), default=1)
    for length in range(1, longest + 1):
        labels = {"/".join(path.parts[-length:]): path for path in paths}
        if len(labels) == len(set(paths)):
            break
    return labels if paths else {}


def main() -> None:
    """Print the table."""
    print("| log | W, s | late steps | precision | recall | F1 of Critical | F1 of violations | F1 of queue > c W |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        logs = {"sample": SAMPLE}
        for seed, (name, course) in enumerate(COURSES.items()):
            logs[name] = Path(folder) / f"{name}.csv"
            logs[name].write_text("".join(made(course, seed)))
        for name, path in [*logs.items(), *labelled([Path(one).resolve() for one in sys.argv[1:]]).items()]:
            for row in rows_of(name, path):
                print(row)


if __name__ == "__main__":
    main()
