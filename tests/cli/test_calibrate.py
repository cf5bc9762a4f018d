"""`entro calibrate`: what a log says of its server, written where `entro config` finds it."""

import json
import tomllib
from pathlib import Path

import pytest

from tests.running import entro

LOGS = Path(__file__).parents[2] / "sample_logs" / "formats"
REQUESTS = Path(__file__).parents[3] / "shared" / "data" / "requests" / "requests.jsonl"


def calibrate(*arguments, status=0):
    outcome = entro("calibrate", *arguments)
    assert outcome.status == status, outcome.err
    return outcome


def test_the_real_requests():
    if not REQUESTS.exists():
        pytest.skip("the shared data is not there")
    text = calibrate(REQUESTS, "--step", "1s", "--out", "-").out
    found = tomllib.loads(text)
    assert found["capacity"] == 2.57
    assert found["stages"]["scraper"]["full"] == 6.42  # three digits, as many as the evidence carries
    assert found["stages"]["llm"]["full"] == 21.4
    assert "95th percentile over 65 busy windows of 60 s" in text


def test_it_is_in_force_where_it_is_written(tmp_path):
    out = tmp_path / "entro.toml"
    document = json.loads(calibrate(LOGS / "requests.csv", "--target-wait", "5s", "--out", out, "--json").out)
    assert (document["schema"], document["written"]) == ("entro/calibration/1", str(out))
    assert document["wait_s"] == 5.0
    assert not document["is_guess"]
    settings = json.loads(entro("config", "--config", out, "--json").out)
    assert "capacity" in json.dumps(settings)
    analysis = json.loads(entro("analyze", LOGS / "requests.csv", "--config", out, "--json").out)
    fulls = [float(f"{stage['full']:.3g}") for stage in document["stages"]]
    assert [stage["full"] for stage in analysis["stages"]] == fulls
    assert analysis["coordination"]["capacity_evidence"] == "as configured"


def test_the_capacity_is_what_the_server_was_made_to_serve():
    """Eight at a time, six seconds each on the average: 1.33 requests a second."""
    document = json.loads(calibrate(LOGS / "requests.csv", "--out", "/dev/null", "--force", "--json").out)
    assert document["capacity"] == pytest.approx(8 / 6, rel=0.06)


def test_nothing_is_written_over(tmp_path):
    out = tmp_path / "entro.toml"
    out.write_text("wait = 3\n")
    error = calibrate(LOGS / "requests.csv", "--out", out, status=1).error
    assert "already exists; --force overwrites it" in error
    assert out.read_text() == "wait = 3\n"
    calibrate(LOGS / "requests.csv", "--out", out, "--force")
    assert "capacity" in out.read_text()


def test_thin_evidence_is_called_thin(tmp_path):
    log = tmp_path / "log.csv"
    rows = (f"2026-04-06T00:{at:02}:00Z,{at % 3},{int(at < 12)}\n" for at in range(30))
    log.write_text("time,rate,queue\n" + "".join(rows))
    assert "busy windows of 300 s; THIN evidence" in calibrate(log, "--out", "-").out


def test_a_guess_is_called_one(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("time,rate,queue\n" + "".join(f"2026-04-06T00:{at:02}:00Z,{at % 3},0\n" for at in range(30)))
    text = calibrate(log, "--out", "-").out
    assert "highest mean rate of 26 windows of 300 s, in which no queue formed; AT LEAST that" in text


def test_other_pipelines_are_refused(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("time,rate\n" + "".join(f"2026-04-06T00:{at:02}:00Z,{at % 3}\n" for at in range(30)))
    assert "expected one rate stage that feeds one queue stage" in calibrate(log, "--out", "-", status=1).error


def test_a_hostile_name_stays_a_name(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("time,rate,queue\n" + "".join(f"2026-04-06T00:{at:02}:00Z,1,{at % 2}\n" for at in range(30)))
    text = calibrate(log, "--stage", 'a"]\\\x1b=rate:rate', "--stage", "b=queue:queue", "--out", "-").out
    assert set(tomllib.loads(text)["stages"]) >= {"b"}


def test_nothing_but_maintenance_shows_nothing(tmp_path):
    config = tmp_path / "entro.toml"
    config.write_text('exclude = ["2026-01-01/400d"]\n')
    log = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"
    assert entro("calibrate", log, "--config", config, "--out", tmp_path / "x.toml").error.startswith(
        "no step has data of both stages; expected logs that overlap"
    )
