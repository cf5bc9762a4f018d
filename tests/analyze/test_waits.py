"""Waits: against NumPy and by hand, for any cut of a run into parts; of single requests against their stamps."""

import csv
import io
import json
import math
from datetime import UTC

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.analysis.figures import FigureAccumulator, measure, parts_of
from entro_cli.readers.options import LoadOptions
from entro_cli.workflows.load_logs import load_logs
from entro_engine import LLM, SCRAPER, Kind, Stage, replay_loads
from tests.running import entro

QUEUES = st.lists(st.one_of(st.floats(0.0, 500.0), st.just(0.0), st.just(math.nan)), min_size=1, max_size=300)


def run_of(queue, full=20.0):
    stages = SCRAPER, Stage("llm", Kind.QUEUE, full)
    return replay_loads(stages, np.stack([np.where(np.isnan(queue), np.nan, 1.0), queue]), 1.0)


@given(QUEUES, st.integers(1, 100))
def test_they_are_those_of_numpy_however_the_run_is_cut(queue, size):
    run = run_of(np.array(queue))
    accumulator = FigureAccumulator(run.stages, run.budget, 0.99, UTC, run.steps, 4.0)
    accumulator.count((run.part(begin, min(begin + size, run.steps)) for begin in range(0, run.steps, size)), 0)
    figures = accumulator.figures((0, run.step_ns, run.steps), 0)
    waits = np.array([value / 5.0 for value in queue if not math.isnan(value)])  # 20 requests in 4 s are 5 req/s
    stage = figures.stages[1]
    if not len(waits):
        assert (stage.longest_wait_s, stage.wait_95_s, figures.late_share) == (None, None, None)
        return
    assert stage.longest_wait_s == pytest.approx(waits.max())
    assert stage.wait_95_s == pytest.approx(np.percentile(waits, 95), abs=1e-9)
    assert figures.late_share == pytest.approx(np.mean(np.array(queue)[~np.isnan(queue)] * 0.2 > 4.0))


def test_a_long_run_keeps_only_its_highest_waits():
    queue = np.random.default_rng(7).exponential(10.0, 200_000)
    run = run_of(queue)
    accumulator = FigureAccumulator(run.stages, run.budget, 0.99, UTC, run.steps, 4.0)
    accumulator.count(parts_of(run, 0, run.steps), 0)
    found = accumulator.figures((0, run.step_ns, run.steps), 0).stages[1].wait_95_s
    assert found == pytest.approx(np.percentile(queue * 0.2, 95))


def test_a_pipeline_without_a_queue_has_none():
    figures = measure(replay_loads((SCRAPER,), np.ones((1, 5)), 1.0), 0, 5, 0.99, UTC)
    assert (figures.late_share, figures.stages[0].longest_wait_s) == (None, None)


def test_the_longest_queue_makes_a_step_late():
    stages = SCRAPER, LLM, Stage("parse", Kind.QUEUE, 100.0)
    run = replay_loads(stages, np.array([[1.0, 1.0], [5.0, 0.0], [10.0, 101.0]]), 1.0)
    figures = measure(run, 0, 2, 0.99, UTC, wait_s=10.0)
    assert [stage.longest_wait_s for stage in figures.stages] == [None, 5.0, pytest.approx(10.1)]
    assert figures.late_share == 0.5


def test_every_step_has_its_wait(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("t,scraper_rate,llm_queue\n" + "".join(f"{t},1,{t}\n" for t in range(30)))
    options = ("--start", "2026-04-06", "--tz", "UTC", "--stage", "llm=llm_queue:queue:20", "--stage")
    options += ("scraper=scraper_rate:rate:3",)
    steps = entro("analyze", log, "--steps-csv", "-", *options).out
    waits = [float(row["wait_s"]) for row in csv.DictReader(io.StringIO(steps))]
    assert waits == pytest.approx([queue * (10 / 1.2) / 20 for queue in range(30)])
    document = json.loads(entro("analyze", log, "--json", *options).out)
    assert document["stages"][1]["longest_wait_s"] == pytest.approx(max(waits))
    assert document["late_share"] == pytest.approx(9 / 30)
    text = entro("analyze", log, *options).out
    assert "Waits at llm, as its queue suggests: up to 12" in text


@st.composite
def requests(draw):
    """Requests that wait for any time, and some that never start, in any order, with the length of the steps.

    In half of the logs the stamps are whole seconds, so that one request often leaves as another arrives.
    """
    grain = draw(st.sampled_from([1, 1000]))
    arrivals = [grain * at for at in draw(st.lists(st.integers(0, 90_000 // grain), min_size=2, max_size=60))]
    lengths = st.lists(st.integers(0, 40_000 // grain), min_size=len(arrivals), max_size=len(arrivals))
    waits = [grain * wait for wait in draw(lengths)]
    never = draw(st.lists(st.booleans(), min_size=len(arrivals), max_size=len(arrivals)))
    rows = [
        (arrival, None if is_open and draw(st.booleans()) else arrival + wait)
        for arrival, wait, is_open in zip(arrivals, waits, never, strict=True)
    ]
    rows.append((131_000, 132_000))  # some request waits, and starts, and the log ends with it
    return rows, draw(st.sampled_from([1000, 2000, 7000]))


def counted(rows, step, steps):
    """Return how many wait at the end of each step, how long the oldest, and the longest whole wait, by the stamps."""
    last = max(max(arrival, start or 0) for arrival, start in rows)
    ends, ages, waits = np.zeros((3, steps))
    first = min(arrival for arrival, _ in rows) // step
    for number in range(steps):
        begin, end = (first + number) * step, (first + number + 1) * step
        known_until = min(end, last) if any(start is None for _, start in rows) else end
        for arrival, start in rows:
            until = last if start is None else start
            if arrival < end and until > begin and until > arrival:
                waits[number] = max(waits[number], until - arrival)
                if until >= known_until:
                    ends[number] += 1
                    ages[number] = max(ages[number], known_until - arrival)
    return ends, ages / 1000, waits / 1000


def as_lines(rows):
    origin = 1_780_000_000_000 - 1_780_000_000_000 % 14_000
    times = ([None if time is None else (origin + time) / 1000 for time in row] for row in rows)
    return "".join(json.dumps({"arrival_time": arrival, "start_time": start}) + "\n" for arrival, start in times)


@pytest.mark.slow
@given(requests(), st.integers(1, 3))
def test_those_of_single_requests_are_counted_from_the_stamps(tmp_path_factory, log_of, files):
    rows, step = log_of
    folder = tmp_path_factory.mktemp("requests")
    logs = [folder / f"{number}.jsonl" for number in range(files)]
    rows += [(131_000 + number, 132_000) for number in range(1, files)]  # each log ends there; none is a copy
    for number, log in enumerate(logs):
        log.write_text(as_lines(rows[number::files]))
    steps = load_logs([*map(str, logs)], LoadOptions(tz="UTC", step=f"{step}ms", input_format="events")).steps
    queue = [stage.name for stage in steps.stages].index("llm")
    ends, ages, waits = counted(rows, step, steps.count)
    known = ~np.isnan(steps.loads[queue])  # at the end of the log a step may begin in which nobody waited
    assert known[:-1].all()
    assert steps.ends[queue][known].tolist() == ends[known].tolist()
    assert steps.waits[queue][known] == pytest.approx(waits[known], abs=1e-6)
    assert steps.ages[queue][known] == pytest.approx(ages[known], abs=1e-6)


def test_the_history_keeps_them(tmp_path):
    rows = [(100 * number, 100 * number + (number * 7919) % 20_000) for number in range(900)]
    log, history = tmp_path / "requests.jsonl", tmp_path / "history"
    lines = as_lines(rows).splitlines(keepends=True)
    for end in (500, 700, 900):
        log.write_text("".join(lines[:end]))
        assert entro("ingest", log, "--history", history, "--tz", "UTC", "--step", "1s").status == 0
    whole = json.loads(entro("analyze", log, "--tz", "UTC", "--step", "1s", "--json").out)
    day = whole["start"][:10]
    report = entro("report", "--daily", "--date", day, "--history", history, "--tz", "UTC", "--json")
    figures = json.loads(report.out)["figures"]
    for name in ("longest_wait_s", "wait_95_s", "waits_are_exact"):
        assert figures["stages"][1][name] == whole["stages"][1][name]
    assert figures["late_share"] == whole["late_share"] > 0.5
