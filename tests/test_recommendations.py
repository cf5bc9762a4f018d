"""What is recommended: with the number that the command it names gives, and only where it would have helped."""

import json
import re
import shlex
from pathlib import Path

import pytest
from msgspec.structs import replace

from entro_cli.analysis.recommendations import hours_in_words, recommendations
from entro_cli.analysis.results import Coordination, CoordinationRun, HeldHour, RegimeCounts
from entro_cli.core.formatting import duration
from tests.running import entro

LOGS = Path(__file__).parents[1] / "sample_logs" / "formats"
MEASURED = CoordinationRun(50, 400.0, 115.0, 6.0, 0.0, 20.0, 0.0, RegimeCounts(50, 0, 50, 0))
COORDINATED = CoordinationRun(0, 0.0, 3.0, 2.0, 113.0, 21.0, 0.0, RegimeCounts(50, 50, 0, 0))
HELD = (HeldHour(9, 600.0), HeldHour(10, 5.0), HeldHour(14, 1800.0))
HELPED = Coordination(
    withheld=None,
    capacity=1.25,
    capacity_evidence="measured",
    accepted_wait_s=8.0,
    full_rate=3.0,
    full_queue=10.0,
    plant_step_s=1.0,
    model_error=0.01,
    busy_share=0.5,
    measured=MEASURED,
    uncontrolled=MEASURED,
    coordinated=COORDINATED,
    held_rate=1.2,
    held_hours=HELD,
)


def advised(coordination, stages=("spider", "server")):
    return recommendations(coordination, stages, 60.0, "entro analyze LOG --json")


def test_it_says_what_to_hold_at_what_and_what_that_costs():
    (found,) = advised(HELPED)
    assert found.sentence == (
        "Hold spider to 1.25 req/s, the rate that server serves, while requests wait there, mostly from 09:00 to 10:00 "
        "and from 14:00 to 15:00. This would have avoided all 50 min over the budget, "
        "with at most 3 requests waiting in server (was 115). Mean wait unchanged: 21 s (was 20 s)."
    )
    assert (found.number, found.unit, found.field) == (1.25, "req/s", "coordination.capacity")
    assert "DOWNLOAD_DELAY = 0.889," in found.setting


@pytest.mark.parametrize(
    ("violations", "wait_s", "expected"),
    [
        (0, 20.0, "avoided all 50 min over the budget, .* Mean wait unchanged: 20 s\\.$"),
        (20, 25.0, "avoided 30 min of 50 min over the budget, .* Mean wait: 25 s \\(was 20 s\\)"),
        (49, 5.5, "avoided 1 min of 50 min over the budget, .* Mean wait: 5.5 s \\(was 20 s\\)"),
    ],
)
def test_what_it_avoids_and_what_waiting_it_costs(violations, wait_s, expected):
    coordinated = replace(COORDINATED, violations=violations, mean_wait_s=wait_s)
    (found,) = advised(replace(HELPED, coordinated=coordinated))
    assert re.search(expected, found.sentence)


def test_where_waits_are_not_compared_it_says_how_many_wait_at_the_rate_stage():
    """As in a week with one surge: the server is idle most of the time."""
    unknown = {
        name: replace(run, mean_wait_s=None) for name, run in (("measured", MEASURED), ("coordinated", COORDINATED))
    }
    (found,) = advised(replace(HELPED, **unknown))
    assert found.sentence.endswith("(was 115). Up to 113 requests would have waited at spider instead.")


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ([], ""),
        ([3], ", from 03:00 to 04:00"),
        ([22, 23], ", from 22:00 to 24:00"),
        ([0, 1, 9, 23], ", from 09:00 to 10:00 and from 23:00 to 02:00"),
        ([1, 3, 5], ", from 01:00 to 02:00, from 03:00 to 04:00 and from 05:00 to 06:00"),
        (range(24), ", at all hours of the day"),
    ],
)
def test_the_hours_in_words(hours, expected):
    assert hours_in_words([HeldHour(hour, 60.0) for hour in hours]) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"capacity_is_guess": True},
        {"coordinated": replace(COORDINATED, violations=50)},
        {"coordinated": replace(COORDINATED, mean_wait_s=31.0)},
        {"coordinated": replace(COORDINATED, mean_wait_s=None, peak_frontier=173.0)},
        {"measured": None, "coordinated": None, "withheld": "for a reason"},
    ],
)
def test_nothing_is_recommended_without_a_reason(change):
    assert advised(replace(HELPED, **change)) == ()


@pytest.mark.parametrize(
    ("spike", "action"),
    [
        ("a", "Slow a down first: it drove all 5 min over the budget, at up to 9,000 req/s (full at 3)."),
        ("b", "Send less to b first, while requests wait there: it drove all 5 min over the budget, with up to 9,000 "),
        ("c", "Look at c first: it drove all 5 min over the budget, at a load of up to 9,000 (full at 1)."),
    ],
)
def test_of_other_stages_the_one_that_drove_it_is_to_be_held(spike, action, tmp_path):
    """For five of forty minutes one stage is far too full, and the others are a little fuller than before."""
    rows = ["time,a,b,c"]
    for minute in range(40):
        is_busy = 10 <= minute < 15
        loads = dict.fromkeys("abc", 2.0 if is_busy else 0.1) | ({spike: 9000.0} if is_busy else {})
        rows.append(f"2026-11-02T10:{minute:02}:00Z," + ",".join(str(loads[name]) for name in "abc"))
    log = tmp_path / "log.csv"
    log.write_text("\n".join(rows) + "\n")
    stages = ["a=a:rate:3", "b=b:queue:10", "c=c:generic:1"]
    options = [word for stage in stages for word in ("--stage", stage)]
    document = json.loads(entro("analyze", log, *options, "--json").out)
    (found,) = document["recommendations"]
    assert found["sentence"].startswith(action)
    assert found["number"] == document["violation_time_s"] == 300.0


NAME = "a_name_of_a_deployment_in_kubernetes_with_all_its_hashes"


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ([(2.0, 60), (0.3, 18), *[(0.3, 0)] * 8] * 4, "is a guess, as the capacity is: model"),
        ([(0.5, 400 + minute % 7 * 9) for minute in range(40)], "is not known (the plant's queue is "),
    ],
)
def test_of_a_pair_whose_cap_is_not_known_the_driver_is_to_be_held(loads, expected, tmp_path):
    """A report with time over the budget says what to do; a long name leaves room for it on a terminal."""
    log = tmp_path / "log.csv"
    rows = [f"2026-11-02T10:{minute:02}:00Z,{rate},{waiting}" for minute, (rate, waiting) in enumerate(loads)]
    log.write_text("\n".join(["time,scraper_rate,q", *rows]) + "\n")
    read = ["--stage", "scraper=scraper_rate", "--stage", f"{NAME}=q:queue"]
    (found,) = json.loads(entro("analyze", log, *read, "--json").out)["recommendations"]
    assert found["sentence"].startswith(f"Send less to {NAME[:37]}..., while requests wait there: it drove ")
    assert expected in found["setting"]
    assert "What to do:" in entro("report", log, *read, "--out", "-", "--format", "html").out


def test_long_names_leave_room_for_what_to_do():
    (found,) = advised(HELPED, stages=(f"crawl_{NAME}", NAME))
    assert NAME not in found.sentence
    assert found.sentence.startswith("Hold crawl_a_name_of_a_")


def test_where_a_cap_would_cost_too_much_waiting_it_says_so():
    document = json.loads(entro("analyze", LOGS.parent / "five-weeks.csv", "--tz", "UTC", "--json").out)
    (found,) = document["recommendations"]
    measured, coordinated = document["coordination"]["measured"], document["coordination"]["coordinated"]
    assert coordinated["mean_wait_s"] > 1.5 * measured["mean_wait_s"]
    assert found["sentence"].startswith("Look at llm: it drove ")
    waits = f"Mean wait: {duration(coordinated['mean_wait_s'])} (was {duration(measured['mean_wait_s'])})."
    avoided = duration(document["violation_time_s"])
    assert found["sentence"].endswith(f"would have avoided all {avoided}, but at a price. {waits}")


@pytest.mark.parametrize("period", [["--daily", "--logs"], ["--since", "2026-11-02T10:12Z", "--logs"], ["--weekly"]])
def test_the_command_of_a_report_reads_the_logs_as_it_did(period, tmp_path):
    """Its stages, its budget and its range too, and not until the time at which it is run."""
    log = tmp_path / "log.csv"
    rows = [f"2026-11-02T10:{minute:02}:00Z,1,{90 * (minute > 20)},{minute}" for minute in range(40)]
    log.write_text("\n".join(["time,a,b,c", *rows]) + "\n")
    options = ["--stage", "a=a:rate:3", "--stage", "b=b:queue:10", "--stage", "c=c:generic:9", "--budget", "2"]
    document = json.loads(entro("report", *period, log, *options, "--tz", "UTC", "--format", "json").out)
    (found,) = document["recommendations"]
    again = json.loads(entro(*shlex.split(found["command"])[1:]).out)
    assert found["field"] == "figures.violation_time_s"
    assert found["number"] == again["figures"]["violation_time_s"] > 0
    assert again == document


@pytest.mark.parametrize(
    "command",
    [
        ["analyze", str(LOGS / "requests.csv"), "--step", "5s", "--tz", "UTC"],
        ["analyze", str(LOGS / "vllm.log"), str(LOGS / "scrapy.log"), "--year", "2026", "--tz", "UTC", "--step", "10s"],
        ["report", "--daily", "--logs", str(LOGS / "requests.csv"), "--tz", "UTC", "--format", "json"],
    ],
)
def test_the_command_it_names_gives_its_number(command):
    outcome = entro(*command, *(["--json"] if command[0] == "analyze" else []))
    document = json.loads(outcome.out)
    for found in document["recommendations"]:
        again = json.loads(entro(*shlex.split(found["command"])[1:]).out)
        assert again["coordination"]["capacity"] == found["number"] == document["coordination"]["capacity"]
    if "requests.csv" in command[1] + command[3]:
        assert document["recommendations"]
