import json

import pytest

RUN_KEYS = [
    "controller",
    "violations",
    "violation_share",
    "excess_nat_s",
    "peak_queue",
    "mean_queue",
    "peak_psi_total",
    "served",
    "peak_frontier",
    "final_backlog",
    "mean_wait_s",
    "utilisation",
    "starved_steps",
    "regimes",
    "violations_per_1000",
    "service_lost",
    "service_lost_per_1000",
    "p95_wait_s",
    "p95_queue_wait_s",
    "served_within_wait_share",
    "roughness",
]


def test_keys_without_noise(simulated):
    document = simulated()
    assert list(document) == ["schema", "scenario", "runs"]
    assert document["schema"] == "entro/simulation/1"
    assert document["scenario"] == {"name": "three-phase", "steps": 1000, "step_s": 1.0}
    assert [run["controller"] for run in document["runs"]] == ["uncontrolled", "static", "eq14", "v9"]
    for run in document["runs"]:
        assert list(run) == RUN_KEYS
        assert list(run["regimes"]) == ["stable", "stress", "critical", "no_data"]


def test_counts_are_whole_and_agree_with_each_other(simulated):
    for run in simulated()["runs"]:
        counts = [run["violations"], run["starved_steps"], *run["regimes"].values()]
        assert all(type(count) is int for count in counts)
        assert sum(run["regimes"].values()) == 1000
        assert run["violation_share"] == run["violations"] / 1000
        assert run["regimes"]["critical"] >= run["violations"]


def test_keys_with_noise(simulated):
    document = simulated("--noise", "0.2", "--runs", "5", "--seed", "3")
    assert list(document) == ["schema", "scenario", "runs", "noise"]
    assert document["noise"] == {"sigma": 0.2, "seed": 3, "runs": 5}
    figures = [*({*RUN_KEYS} - {"controller", "regimes"}), "stable", "stress", "critical"]
    for run in document["runs"]:
        assert list(run) == [*RUN_KEYS, "range"]
        assert sorted(run["range"]) == sorted(figures)
        for figure, spread in run["range"].items():
            assert list(spread) == ["median", "p5", "p95"]
            assert spread["p5"] <= spread["median"] <= spread["p95"]
            assert spread["median"] == (run | run["regimes"])[figure]


def test_controllers_are_shown_once_each_in_the_order_asked_for(simulated):
    document = simulated("--controller", "v9", "--controller", "static", "--controller", "v9")
    assert [run["controller"] for run in document["runs"]] == ["v9", "static"]


def test_what_has_no_value_is_null(entro, tmp_path):
    path = tmp_path / "still.toml"
    path.write_text('stalls = ["0:5"]\n[[phases]]\nsteps = 5\ndemand = 0\n')
    outcome = entro("simulate", "--scenario", str(path), "--json")
    for run in json.loads(outcome.out)["runs"]:
        assert run["mean_wait_s"] is None
        assert run["utilisation"] is None


def test_overrides_reach_the_model(simulated):
    def figures(*arguments):
        return {run["controller"]: run for run in simulated(*arguments)["runs"]}

    plain = figures()
    assert figures("--capacity", "3")["uncontrolled"]["violations"] == 0
    assert figures("--budget", "2")["uncontrolled"]["violations"] > plain["uncontrolled"]["violations"]
    assert figures("--limit", "1.2")["static"]["peak_queue"] == pytest.approx(0, abs=1e-9)
    for option in ("--alpha", "--beta"):
        changed = figures(option, "0")
        assert changed["uncontrolled"] == plain["uncontrolled"]
        assert changed["eq14"]["peak_queue"] > plain["eq14"]["peak_queue"]
        assert changed["v9"]["peak_queue"] > plain["v9"]["peak_queue"]


def test_stalls_of_the_command_line_are_added_to_each_other(simulated):
    one = simulated("--stall", "320:380", "--controller", "uncontrolled")
    both = simulated("--stall", "320:350", "--stall", "350:380", "--controller", "uncontrolled")
    assert one == both
