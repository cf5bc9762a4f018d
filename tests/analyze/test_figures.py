"""Incidents, the objective, gates and the capacity, against a second implementation or worked out by hand."""

import json
import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.analysis.calibration import measure_capacity
from entro_cli.analysis.error_budget import parse_target
from entro_cli.analysis.figures import measure
from entro_cli.analysis.gates import failed_gates
from entro_cli.timeseries.steps import Steps
from entro_engine import LLM, SCRAPER, EntroError, replay_loads
from tests import log_oracle
from tests.running import entro

START = datetime(2026, 4, 6, tzinfo=UTC)


def run_of(loads, step_s=1.0):
    stages = (SCRAPER, LLM)
    return replay_loads(stages, np.array(loads, dtype=float).T, step_s, start_ns=round(START.timestamp()) * 10**9)


NONE, CALM, RATE, QUEUE = (math.nan, math.nan), (1.0, 1.0), (30.0, 1.0), (1.0, 30.0)
COURSES = st.lists(
    st.tuples(st.sampled_from([NONE, CALM, CALM, RATE, QUEUE]), st.sampled_from([1, 1, 1, 2, 40])),
    min_size=1,
    max_size=30,
).map(lambda parts: [loads for loads, length in parts for _ in range(length)])


@given(COURSES, st.sampled_from([1, 60]), st.sampled_from([0.99, 0.9, 1.0, 0.0]))
@settings(max_examples=settings.default.max_examples // 2)
def test_incidents_and_objective_are_those_of_the_oracle(loads, step_s, target):
    run = run_of(loads, step_s)
    figures = measure(run, 0, run.steps, target, UTC)
    psi = [[None if math.isnan(p) else p for p in stage] for stage in run.psi.tolist()]
    expected = log_oracle.incidents(psi, 3.0)
    assert len(figures.incidents) == len(expected)
    for incident, (first, after, violations, excess, driver) in zip(figures.incidents, expected, strict=True):
        assert incident.start == START + timedelta(seconds=first * step_s)
        assert incident.end == START + timedelta(seconds=after * step_s)
        assert (incident.duration_s, incident.violations) == ((after - first) * step_s, violations)
        assert incident.excess_nat_s == pytest.approx(excess * step_s, rel=1e-12)
        assert incident.driver == ("scraper", "llm")[driver]
    check_objective(figures.objective, loads, str(step_s), Fraction(str(target)))


def check_objective(objective, loads, step_s, target):
    flags = [None if math.isnan(load[0]) else load in (RATE, QUEUE) for load in loads]
    seen = [flag for flag in flags if flag is not None]
    allowed = (1 - target) * len(seen)
    assert objective.allowed_steps == pytest.approx(float(allowed), abs=1e-9)
    assert objective.consumed == pytest.approx(log_oracle.ratio(sum(seen), allowed))
    arrived = [(load[0] * float(step_s), load in (RATE, QUEUE)) for load in loads if not math.isnan(load[0])]
    over, all_of_them = (sum(n for n, late in arrived if late), sum(n for n, _ in arrived))
    assert (objective.requests or 0.0, objective.requests_over or 0.0) == pytest.approx((all_of_them, over))
    if all_of_them:
        expected = log_oracle.ratio(Fraction(over), (1 - target) * Fraction(all_of_them))
        assert objective.consumed_by_requests == pytest.approx(expected)
    assert objective.remaining_steps == pytest.approx(float(allowed - sum(seen)), abs=1e-9)
    assert objective.remaining_s == pytest.approx(float((allowed - sum(seen)) * Fraction(step_s)), abs=1e-9)
    for burn in objective.burn_rates:
        expected = log_oracle.burn(flags, step_s, int(burn.window_s), 1 - target)
        assert burn.burn_rate == (None if expected is None else pytest.approx(expected))
    firing = [int(alert.threshold) for alert in objective.alerts if alert.until is None]
    assert firing == log_oracle.firing(flags, step_s, 1 - target)


def test_an_alert_has_a_beginning_and_an_end():
    run = run_of([CALM] * 600 + [QUEUE] * 60 + [CALM] * 600, step_s=60)
    alerts = measure(run, 0, run.steps, 0.99, UTC).objective.alerts
    page = next(alert for alert in alerts if alert.threshold == 14)
    assert page.severity == "page"
    assert page.start == START + timedelta(minutes=608)  # nine of the last 60 minutes are more than 14 %
    assert page.until == START + timedelta(minutes=664)  # none of the last five minutes is over the budget any more


def test_a_batch_that_was_late_throughout_is_late_by_requests():
    calm, batch = [(0.0, 0.0)] * 23, [(30.0, 30.0)]
    objective = measure(run_of(calm + batch, 3600.0), 0, 24, 0.9, UTC).objective
    assert objective.consumed == pytest.approx(1 / 2.4)
    assert (objective.requests, objective.requests_over) == (108_000, 108_000)
    assert objective.consumed_by_requests == pytest.approx(10.0)


def test_without_a_rate_no_request_is_counted():
    run = replay_loads((LLM,), np.array([[30.0]]), 1.0)
    objective = measure(run, 0, 1, 0.9, UTC).objective
    assert (objective.requests, objective.requests_over, objective.consumed_by_requests) == (None, None, None)


def test_the_rest_of_the_allowance_at_the_present_rate():
    run = run_of([CALM] * 3000 + [QUEUE] * 10 + [CALM] * 50, step_s=60)
    objective = measure(run, 0, run.steps, 0.99, UTC).objective
    assert objective.remaining_steps == pytest.approx(20.6)
    assert objective.exhausted_in_s == pytest.approx(20.6 / (10 / 60) * 60)
    assert measure(run, 0, 3000, 0.99, UTC).objective.exhausted_in_s is None


def test_the_forecast_of_the_step_before():
    rising = [(1.0, queue) for queue in range(30)]
    (incident,) = measure(run_of(rising), 0, 30, 0.99, UTC).incidents
    assert 0 < incident.time_to_budget_s < 3
    (sudden,) = measure(run_of([CALM] * 20 + [QUEUE] * 5), 0, 25, 0.99, UTC).incidents
    assert sudden.time_to_budget_s is None


@pytest.mark.parametrize(
    ("text", "target"), [("99%", 0.99), ("99.9%", 0.999), ("0.95", 0.95), ("100%", 1.0), ("0", 0.0)]
)
def test_objectives_as_people_write_them(text, target):
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["", "99", "-1%", "nan", "101%", "often"])
def test_objectives_that_are_none(text):
    with pytest.raises(EntroError, match="is not an objective"):
        parse_target(text)


DOCUMENT = {
    "violations": 12,
    "observed_steps": 200,
    "coverage": 0.875,
    "regimes": {"critical": 30, "stable": 170},
    "objective": {"consumed": "Infinity", "remaining_steps": -10.0},
    "peak_psi_total": None,
    "incidents": [{"violations": 3}],
}


@pytest.mark.parametrize(
    ("gate", "breaks"),
    [
        ("violations>11", True),
        ("violations > 12", False),
        ("violations>=12", True),
        ("violations==12", True),
        ("violations!=12", False),
        ("violations>5%", True),
        ("violations<6%", False),
        ("critical>14.9%", True),
        ("regimes.critical<=15%", True),
        ("coverage<90%", True),
        ("coverage<0.875", False),
        ("objective.consumed>1e9", True),
        ("remaining_steps<0", True),
        ("incidents>0", True),
        ("incidents>1", False),
    ],
)
def test_gates(gate, breaks):
    assert bool(failed_gates([gate], DOCUMENT)) == breaks


@pytest.mark.parametrize("gate", ["peak_psi_total>1", "nothing>1"])
def test_gates_on_what_is_no_number(gate):
    with pytest.raises(EntroError, match="no number is named"):
        failed_gates([gate], DOCUMENT)


def test_a_broken_gate_ends_with_status_3(tmp_path):
    log = tmp_path / "log"
    log.write_text("time,rate,queue\n" + "".join(f"2026-04-06T12:00:{index:02}Z,30,30\n" for index in range(30)))
    outcome = entro("analyze", log, "--fail-on", "violations>29", "--fail-on", "coverage<50%", "--json")
    assert outcome.status == 3
    assert json.loads(outcome.out)["violations"] == 30
    assert "gate failed: violations>29 (actual 30)" in outcome.err
    assert "coverage" not in outcome.err
    assert entro("analyze", log, "--fail-on", "violations>30").status == 0


def steps_of(rates, queues, step_s=1):
    loads = np.array([rates, queues], dtype=float)
    there = ~np.isnan(loads)
    return Steps((SCRAPER, LLM), 0, step_s * 10**9, loads, loads, loads, there.astype(np.int64), there)


def test_the_capacity_of_a_server_that_is_busy():
    rates, queues = [2.0] * 200, [0.5 * (index + 1) for index in range(200)]  # 2 come, 1.5 go
    capacity = measure_capacity(steps_of(rates, queues))
    assert capacity.value == pytest.approx(1.5)
    assert not capacity.is_guess
    assert "busy windows of 60 s" in capacity.evidence


def test_the_capacity_is_a_high_percentile_of_the_busy_windows():
    served = np.concatenate([np.full(100, 1.0), np.full(100, 3.0)])
    queues = np.cumsum(4.0 - served)
    windows = [served[first : first + 60].mean() for first in range(141)]
    capacity = measure_capacity(steps_of(np.full(200, 4.0), queues))
    assert capacity.value == pytest.approx(np.percentile(windows, 95))


def test_the_capacity_is_guessed_where_the_server_was_not_busy_for_long():
    assert measure_capacity(steps_of([2, 2, 0, 0], [1, 2, 1, 0])).value == pytest.approx(1.0)
    idle = measure_capacity(steps_of([1.0, 2.0, 3.0], [0, 0, 0]))
    assert idle.value == pytest.approx(np.percentile([1, 2, 3], 99))
    assert idle.is_guess


def test_steps_without_data_serve_nothing():
    rates, queues = np.full(400, 2.0), 0.5 * np.arange(1, 401)
    rates[200:205] = queues[200:205] = np.nan
    queues[205:] += 1000
    assert measure_capacity(steps_of(rates, queues)).value == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("arrivals", "capacity", "full", "warns"),
    [(300, 250, "", True), (300, 250, "2083", False), (2.4, 1.2, "", False), (0.5, 0.25, "", True)],
    ids=["a larger server", "full loads that are set", "the published size", "a smaller server"],
)
def test_published_full_loads_that_cannot_fit_are_warned_of(tmp_path, arrivals, capacity, full, warns):
    log = tmp_path / "log.csv"
    queues = [(arrivals - capacity) * (second + 1) for second in range(300)]
    log.write_text(
        "t,scraper_rate,llm_queue\n" + "".join(f"{t},{arrivals},{queue}\n" for t, queue in enumerate(queues))
    )
    stages = ["--stage", "scraper=scraper_rate:rate:625", "--stage", f"llm=llm_queue:queue:{full}"] if full else []
    options = ["--start", "2026-04-06", "--tz", "UTC", *stages]
    err = entro("analyze", log, *options).err
    page = entro("report", "--logs", log, "--format", "markdown", *options).out
    assert ("published full loads do not fit" in err, "published full loads do not fit" in page) == (warns, warns)
