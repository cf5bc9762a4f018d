"""What coordination would have changed: the figures of the real log, and what must hold of any."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from entro_cli.analysis.calibration import measure_capacity
from entro_cli.analysis.coordination import CoordinationParameters, block_capacity, coordinate
from entro_cli.report.render.figure_table import coordination_terms
from entro_cli.timeseries.steps import Steps
from entro_engine import Kind, Stage

REQUESTS = Path(__file__).parents[3] / "shared" / "data" / "requests" / "requests.jsonl"
TERMS = CoordinationParameters(wait_s=10 / 1.2, budget=3.0)


def steps_of(rate, queue, step_s=1.0, full=(None, None)):
    loads = np.array([rate, queue], dtype=float)
    stages = (Stage("scraper", Kind.RATE, full[0]), Stage("llm", Kind.QUEUE, full[1]))
    counts, own = np.ones(loads.shape, np.int64), ~np.isnan(loads)
    return Steps(stages, 0, round(step_s * 1e9), loads, loads, loads, counts, own)


def served(rates, capacities, step_s=1.0):
    """The queue of a server that serves first come, first served, at the end of every step."""
    queue, ends = 0.0, []
    for rate, capacity in zip(rates, capacities, strict=True):
        queue = max(queue + (rate - capacity) * step_s, 0.0)
        ends.append(queue)
    return steps_of(rates, ends, step_s)


def requests_steps():
    if not REQUESTS.exists():
        pytest.skip("the shared data is not there")
    rows = [json.loads(line) for line in REQUESTS.read_text().splitlines()]
    shift = rows[0]["arrival_time"] - rows[0]["queued_ts"]
    begin = math.floor(min(row["arrival_time"] for row in rows))
    end = max(row["last_token_ts"] for row in rows) + shift
    count = math.ceil(end - begin)
    arrivals = np.bincount([math.floor(row["arrival_time"] - begin) for row in rows], minlength=count)
    ends = begin + np.arange(1, count + 1)
    waiting = [sum(row["queued_ts"] + shift < at <= row["scheduled_ts"] + shift for row in rows) for at in ends]
    return steps_of(arrivals, waiting)


def test_the_figures_of_the_real_requests():
    steps = requests_steps()
    assert steps.count == 161
    found = coordinate(steps, TERMS)
    assert found.withheld is None
    assert round(found.capacity, 3) == 2.567
    assert round(found.model_error, 3) == 0.016
    assert found.uncontrolled.violations == 101
    assert round(found.uncontrolled.mean_wait_s, 1) == 36.0
    assert round(found.measured.mean_wait_s, 1) == 36.3
    assert found.coordinated.violations == 0
    assert round(found.coordinated.peak_queue, 2) == 13.72
    assert round(found.coordinated.mean_wait_s, 1) == 44.2
    assert found.coordinated.unserved == pytest.approx(0.0, abs=1e-9)


@example(phases=[(5, 5e-324)], capacity=1.0, step_s=1.0)
@given(
    phases=st.lists(st.tuples(st.integers(5, 60), st.floats(0.0, 4.0, allow_subnormal=False)), min_size=1, max_size=5),
    capacity=st.floats(0.5, 3.0),
    step_s=st.sampled_from([1.0, 2.0, 10.0]),
)
@settings(deadline=None)
def test_a_log_that_is_the_plant_itself_is_met(phases, capacity, step_s):
    rates = [rate for length, rate in phases for _ in range(length)]
    found = coordinate(served(rates, [capacity] * len(rates), step_s), TERMS)
    if found.withheld is not None:
        assert "fill" in found.withheld or "off" in found.withheld
        return
    assert found.uncontrolled.violations >= found.coordinated.violations
    assert found.coordinated.peak_queue <= found.uncontrolled.peak_queue + 1e-6
    total = sum(rates) * step_s
    assert found.uncontrolled.unserved <= total + 1e-6


def test_a_longer_step_is_cut_into_steps_the_controller_is_quick_enough_for():
    rates = [1.0] * 60 + [3.0] * 12 + [0.5] * 200
    found = coordinate(served(rates, [1.2] * len(rates), 10.0), TERMS)
    assert found.plant_step_s == 1.0
    assert found.coordinated.violations == 0
    assert found.uncontrolled.violations > 0
    assert coordinate(served(rates, [1.2] * len(rates), 10.0), CoordinationParameters(1.0, 3.0)).plant_step_s == 10 / 84


def test_a_queue_that_the_plant_cannot_explain_is_withheld():
    rng = np.random.default_rng(3)
    found = coordinate(steps_of(np.ones(600), rng.integers(0, 40, 600)), TERMS)
    assert "is" in found.withheld
    assert found.model_error > 0.25
    assert found.coordinated is None


def test_other_pipelines_have_none():
    steps = steps_of(np.ones(10), np.ones(10))
    alone = Steps(
        steps.stages[:1],
        0,
        steps.step_ns,
        *(part[:1] for part in (steps.loads,) * 3),
        steps.samples[:1],
        steps.measured[:1],
    )
    assert coordinate(alone, TERMS).withheld == "it needs one rate stage that feeds one queue stage"


def test_what_came_in_only_filled_the_queue():
    assert "only filled the queue" in coordinate(steps_of(np.ones(100), np.arange(1, 101)), TERMS).withheld


def test_steps_without_data_count_nowhere():
    rates, capacities = [1.0] * 30 + [3.0] * 30 + [0.2] * 120, [1.2] * 180
    whole = served(rates, capacities)
    loads = whole.loads.copy()
    loads[:, 5:15] = math.nan
    found = coordinate(Steps(whole.stages, 0, whole.step_ns, loads, loads, loads, whole.samples, whole.measured), TERMS)
    assert found.uncontrolled.regimes.no_data == found.measured.regimes.no_data == 10
    assert found.uncontrolled.violations == coordinate(whole, TERMS).uncontrolled.violations


def test_capacity_over_blocks_of_ten_seconds():
    rates, capacities = [0.5] * 20 + [3.0] * 20 + [0.0] * 60, [1.0] * 40 + [2.0] * 60
    steps = served(rates, capacities)
    found = block_capacity(steps, 1.5)
    assert found[:20].tolist() == [1.5] * 20  # idle: the capacity
    assert found[20:40].tolist() == [1.0] * 20
    assert found[40:50].tolist() == [2.0] * 10


def test_a_busy_step_has_the_rate_of_the_busy_steps_of_its_block():
    steps = served([0.2] * 5 + [3.0] * 5, [2.0] * 10)
    found = block_capacity(steps, 1.5)
    assert found.tolist() == [1.5] * 5 + [2.0] * 5


def test_waits_are_not_compared_where_the_server_is_seldom_busy():
    seldom = coordinate(served([3.0] * 10 + [0.1] * 190, [1.2] * 200), TERMS)
    often = coordinate(served([3.0] * 10 + [0.1] * 50, [1.2] * 60), TERMS)
    assert (round(seldom.busy_share, 3), round(often.busy_share, 3)) == (0.135, 0.45)
    assert {run.mean_wait_s for run in (seldom.measured, seldom.uncontrolled, seldom.coordinated)} == {None}
    assert often.measured.mean_wait_s > 0
    assert "busy in 13.5% of the steps only" in coordination_terms(seldom)
    assert "Waits" not in coordination_terms(often)


def test_the_queue_before_the_first_step_is_served_too():
    steps = steps_of([0.0] * 20, [max(20.0 - 2 * at, 0.0) for at in range(1, 21)])
    assert measure_capacity(steps, 20.0).value == pytest.approx(2.0)
    assert coordinate(steps, TERMS, 20.0).uncontrolled.unserved == pytest.approx(0.0)


def test_full_loads_that_were_set_are_kept():
    rates = [1.0] * 30 + [3.0] * 30 + [0.2] * 120
    steps = served(rates, [1.2] * 180)
    own = replace(steps, stages=(Stage("scraper", Kind.RATE, 5.0), Stage("llm", Kind.QUEUE, 50.0)))
    found = coordinate(own, TERMS)
    assert (found.full_rate, found.full_queue) == (5.0, 50.0)
