"""Logs of which it is known what is in them: the sample logs, simulated runs, a real one."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.running import entro

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_logs"
TRUTH = json.loads((SAMPLES / "truth.json").read_text())
DATA = ROOT.parent / "shared" / "data"
CONTROLLERS = ("uncontrolled", "static", "eq14", "v9")


def analyzed(*arguments):
    outcome = entro("analyze", "--json", *arguments)
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def real(name):
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the real log {name} is not on this machine")
    return path


@pytest.mark.parametrize("name", TRUTH["logs"])
def test_the_incidents_are_found_and_no_others(name):
    entry = TRUTH["logs"][name]
    document = analyzed(SAMPLES / name, *entry["options"])
    step = timedelta(seconds=entry["step_s"])
    assert len(document["incidents"]) == len(entry["incidents"])
    for found, expected in zip(document["incidents"], entry["incidents"], strict=True):
        assert abs(datetime.fromisoformat(found["start"]) - datetime.fromisoformat(expected["start"])) <= step
        assert abs(datetime.fromisoformat(found["end"]) - datetime.fromisoformat(expected["end"])) <= step
        assert found["driver"] == expected["driver"]
    assert document["violations"] == entry["violations"]
    assert document["step_s"] == entry["step_s"]
    assert (document["steps"], document["observed_steps"]) == (entry["steps"], entry["observed_steps"])
    assert document["coverage"] == entry["observed_steps"] / entry["steps"]
    assert (document["rows_read"], document["rows_skipped"]) == (entry["rows"], 0)


def test_the_published_run_counts_as_published():
    document = analyzed(SAMPLES / "three-phase.csv")
    assert document["schema"] == "entro/analysis/1"
    assert document["violations"] == 312
    assert document["regimes"] == {"stable": 656, "stress": 7, "critical": 337, "no_data": 0}
    assert document["excess_nat_s"] == pytest.approx(472.341, abs=5e-4)
    assert document["peak_psi_total"] == pytest.approx(5.8415, abs=5e-5)


@pytest.mark.parametrize(
    "options",
    [[], ["--budget", "2.5"], ["--scenario", "v9-reference", "--stall", "30:40"], ["--stall", "320:380", "--lag", "5"]],
)
def test_a_simulated_log_reads_back_to_the_same_counts(tmp_path, options):
    simulated = json.loads(entro("simulate", "--json", "--log-dir", tmp_path, *options).out)
    budget = options if options[:1] == ["--budget"] else []
    assert [run["controller"] for run in simulated["runs"]] == list(CONTROLLERS)
    for run in simulated["runs"]:
        document = analyzed(tmp_path / f"{run['controller']}.csv", *budget)
        for figure in ("violations", "regimes", "peak_psi_total"):
            assert document[figure] == run[figure], (run["controller"], figure)
        assert document["excess_nat_s"] == pytest.approx(run["excess_nat_s"], rel=1e-12, abs=1e-12)
        assert document["stages"][1]["peak_load"] == run["peak_queue"]


def test_a_part_of_a_log_is_warmed_up_on_what_was_before():
    whole = analyzed(SAMPLES / "three-phase.csv", "--tz", "UTC")
    part = analyzed(
        SAMPLES / "three-phase.csv", "--tz", "UTC", "--since", "2026-04-06T12:08:20", "--until", "2026-04-06T12:10"
    )
    assert (part["steps"], part["start"]) == (100, "2026-04-06T12:08:20+00:00")
    assert part["regimes"]["critical"] == part["violations"] == 100
    (incident,) = whole["incidents"]
    assert part["incidents"][0]["driver"] == incident["driver"] == "llm"


def test_a_real_queue():
    log = real("requests/timeseries.csv")
    outcome = entro(
        "analyze", log, "--stage", "llm=waiting:queue:22", "--start", "2026-04-25T18:49:44Z", "--tz", "UTC", "--json"
    )
    document = json.loads(outcome.out)
    assert (outcome.status, outcome.err) == (0, "")
    assert (document["start"], document["end"]) == ("2026-04-25T18:49:45+00:00", "2026-04-25T18:52:25+00:00")
    assert (document["steps"], document["violations"], document["budget"]) == (160, 111, 3.0)
    assert document["stages"][0]["peak_load"] == 172
    (incident,) = document["incidents"]
    assert (incident["start"], incident["duration_s"], incident["driver"]) == ("2026-04-25T18:49:49+00:00", 111, "llm")


def test_a_real_rate_with_drifting_stamps_and_gaps():
    log = real("metrics/elb_request_count_8c0756.csv")
    assert "--stage llm=value:queue; the columns are timestamp, value" in entro("analyze", log).error
    document = analyzed(log, "--stage", "elb=value:rate:200", "--tz", "UTC")
    assert (document["rows_read"], document["step_s"]) == (4032, 300)
    assert 0.99 < document["coverage"] < 1
    assert document["stages"][0]["peak_load"] == 656
