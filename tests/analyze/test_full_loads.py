"""Full loads that are learned from the log: what is learned, and that everything on a page is counted with them."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from entro_cli.analysis.calibration import learn_capacity
from entro_cli.timeseries.steps import Steps
from entro_engine import LLM, SCRAPER, Kind, Stage
from tests.running import entro


@pytest.fixture(autouse=True)
def learning(monkeypatch):
    monkeypatch.setenv("ENTRO_FULL_LOADS", "learned")


def steps_of(*loads, stages=(SCRAPER, LLM), step_s=1):
    array = np.array(loads, dtype=float)
    samples = np.ones(array.shape, np.int64)
    return Steps(stages, 0, step_s * 10**9, array, array, array, samples, ~np.isnan(array))


def queue_of(rates, capacity):
    queue, queues = 0.0, []
    for rate in rates:
        queue = max(queue + rate - capacity, 0.0)
        queues.append(queue)
    return queues


def test_a_busy_server_shows_its_capacity():
    rates = [1.0] * 30 + [3.0] * 100 + [0.5] * 300
    learned = learn_capacity(steps_of(rates, queue_of(rates, 1.23456)))
    assert (learned.value, learned.mark, learned.is_thin) == (1.23, "", False)


def test_few_busy_windows_are_thin_evidence():
    rates = [3.0] * 20 + [0.0] * 200
    learned = learn_capacity(steps_of(rates, queue_of(rates, 1.0)))
    assert (learned.value, learned.mark, learned.is_thin) == (1.0, "thin", True)


def test_a_queue_that_never_formed_shows_at_least_the_highest_rate():
    learned = learn_capacity(steps_of([20.0] * 60 + [25.8] * 60 + [1.0] * 60, [0.0] * 180))
    assert (learned.value, learned.mark, learned.is_thin) == (25.8, "at least", False)


def test_a_rate_alone_is_compared_with_itself():
    rates = np.concatenate([np.full(1900, 2.0), np.full(100, 9.0)])
    learned = learn_capacity(steps_of(rates, stages=(SCRAPER,)))
    windows = np.convolve(rates, np.ones(60) / 60, "valid")
    assert learned.value == pytest.approx(np.percentile(windows, 95), rel=5e-3)
    assert learned.mark == "usual rate"


@pytest.mark.parametrize(
    "steps",
    [
        steps_of([1.0] * 50, [0.0] * 50),  # shorter than a window
        steps_of([0.0] * 300, [0.0] * 300),
        steps_of([9.0] * 300, stages=(LLM,)),
        steps_of([1.0] * 300, [1.0] * 300, [1.0] * 300, stages=(SCRAPER, LLM, Stage("parse", Kind.QUEUE))),
        steps_of([1.0] * 100, np.arange(1.0, 101.0)),  # requests only filled the queue
    ],
)
def test_other_logs_show_nothing(steps):
    assert learn_capacity(steps) is None


def test_a_generic_stage_beside_them_changes_nothing():
    rates = [3.0] * 200
    pair = steps_of(rates, queue_of(rates, 1.5))
    wide = steps_of([7.0] * 200, *pair.loads, stages=(Stage("note"), *pair.stages))
    assert learn_capacity(wide) == learn_capacity(pair)


@pytest.mark.parametrize("scenario", ["three-phase", "v9-reference"])
def test_a_simulated_log_gives_back_the_published_full_loads(tmp_path, scenario):
    command = ("simulate", "--scenario", scenario, "--controller", "family")
    assert entro(*command, "--log-dir", tmp_path / "logs").status == 0
    logs = sorted((tmp_path / "logs").iterdir())
    assert len(logs) == 7
    for log in logs:
        learned, published = (
            json.loads(entro("analyze", log, "--tz", "UTC", "--json", "--full-loads", origin).out)
            for origin in ("learned", "published")
        )
        assert (learned["full_loads"]["origin"], learned["full_loads"]["capacity"]) == ("learned", 1.2)
        assert published["full_loads"]["origin"] == "published"
        assert learned["violations"] == published["violations"]
        assert learned["regimes"] == published["regimes"]
        assert [stage["full"] for stage in learned["stages"]] == pytest.approx([3.0, 10.0])


def test_a_page_has_one_count_of_each_thing(tmp_path):
    rates = [1.0] * 300 + [9.0] * 200 + [1.0] * 700
    rows = zip(rates, queue_of(rates, 5.0), strict=True)
    log = tmp_path / "log.csv"
    log.write_text("t,scraper_rate,llm_queue\n" + "".join(f"{t},{r},{q}\n" for t, (r, q) in enumerate(rows)))
    options = ("--start", "2026-04-06", "--tz", "UTC")
    document = json.loads(entro("analyze", log, "--json", *options).out)
    coordination = document["coordination"]
    assert document["full_loads"]["capacity"] == coordination["capacity"] == 5.0
    assert [stage["full"] for stage in document["stages"]] == [coordination["full_rate"], coordination["full_queue"]]
    assert coordination["measured"]["violations"] == document["violations"] > 0
    assert coordination["measured"]["excess_nat_s"] == document["excess_nat_s"]
    assert coordination["measured"]["regimes"] == document["regimes"]
    text = entro("report", "--daily", "--logs", log, "--format", "markdown", *options).out
    assert "learned from 5 req/s (95th percentile over" in text


def test_what_the_user_sets_comes_first(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("t,scraper_rate,llm_queue\n" + "".join(f"{t},3,{t % 7 + 1}\n" for t in range(300)))
    arguments = ("analyze", log, "--start", "2026-04-06", "--tz", "UTC", "--json")
    stages = ("--stage", "scraper=scraper_rate:rate:8", "--stage", "llm=llm_queue:queue:40")
    both = json.loads(entro(*arguments, *stages).out)
    assert (both["full_loads"]["origin"], [stage["full"] for stage in both["stages"]]) == ("set", [8.0, 40.0])
    one = json.loads(entro(*arguments, *stages[:2]).out)
    assert (one["full_loads"]["origin"], one["stages"][0]["full"]) == ("learned", 8.0)
    assert one["stages"][1]["full"] == pytest.approx(one["full_loads"]["capacity"] * 10 / 1.2)


def test_a_capacity_below_what_was_served_is_warned_of(tmp_path):
    """A server of ample capacity that was busy in a stall alone: its busy windows show next to nothing."""
    start = datetime(2026, 4, 6, tzinfo=UTC)
    rows = [
        f"{(start + timedelta(seconds=second)).isoformat()},{'0.1,5' if second < 300 else '3,0'}"
        for second in range(3600)
    ]
    log = tmp_path / "log.csv"
    log.write_text("\n".join(["time,scraper_rate,llm_queue", *rows, ""]))
    outcome = entro("analyze", log, "--full-loads", "learned", "--json")
    assert json.loads(outcome.out)["full_loads"]["capacity"] < 1
    assert "cannot be right: the server served 2.7" in outcome.err
    report = entro("report", log, "--full-loads", "learned", "--json", "--out", "-")
    assert any("cannot be right" in note for note in json.loads(report.out)["notes"])
