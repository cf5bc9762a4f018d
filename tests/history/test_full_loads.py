"""Full loads in the history: learned once, kept with their evidence, and learned again only when asked."""

import json

import pytest

from tests.history.stored import record
from tests.running import entro

OPTIONS = ("--tz", "UTC")


@pytest.fixture(autouse=True)
def learning(monkeypatch, tmp_path):
    monkeypatch.setenv("ENTRO_FULL_LOADS", "learned")
    monkeypatch.setenv("ENTRO_HISTORY", str(tmp_path / "history"))
    monkeypatch.chdir(tmp_path)


def log(path, day, capacity, busy=200):
    """An hour in steps of 1 s, in which a server of some capacity is busy for a while."""
    queue, rows = 0.0, ["time,scraper_rate,llm_queue"]
    for second in range(3600):
        rate = 2 * capacity if 300 <= second < 300 + busy else 0.5 * capacity
        queue = max(queue + rate - capacity, 0.0)
        rows.append(f"{day}T09:{second // 60:02}:{second % 60:02}Z,{rate},{queue}")
    path.write_text("\n".join(rows) + "\n")
    return path


def report(day, *arguments):
    outcome = entro("report", "--daily", "--date", day, "--json", *OPTIONS, *arguments)
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def learned(day):
    return report(day)["made"]["full_loads"]


def test_it_learns_once_and_says_when_the_server_has_changed(tmp_path):
    assert entro("ingest", log(tmp_path / "a.csv", "2026-04-06", 5.0), *OPTIONS).status == 0
    assert entro("ingest", log(tmp_path / "b.csv", "2026-04-07", 2.0), *OPTIONS).status == 0
    first, second = report("2026-04-06"), report("2026-04-07")
    for document in (first, second):
        loads = document["made"]["full_loads"]
        assert (loads["origin"], loads["capacity"], loads["mark"]) == ("learned", 5.0, "")
    assert not [note for note in first["notes"] if "the server has changed" in note]
    (note,) = [note for note in second["notes"] if "the server has changed" in note]
    assert "it served 2 req/s in this period" in note
    assert "`entro calibrate LOGS --save`" in note


def test_thin_evidence_serves_one_report_and_is_not_kept(tmp_path):
    entro("ingest", log(tmp_path / "a.csv", "2026-04-06", 5.0, busy=10), *OPTIONS)
    assert (learned("2026-04-06")["capacity"], learned("2026-04-06")["mark"]) == (5.0, "thin")
    entro("ingest", log(tmp_path / "b.csv", "2026-04-07", 3.0), *OPTIONS)
    assert (learned("2026-04-06")["capacity"], learned("2026-04-06")["mark"]) == (3.0, "")


def test_it_learns_again_when_asked(tmp_path):
    entro("ingest", log(tmp_path / "a.csv", "2026-04-06", 5.0), *OPTIONS)
    later = log(tmp_path / "b.csv", "2026-04-07", 2.0)
    entro("ingest", later, *OPTIONS)
    saved = entro("calibrate", later, "--save", *OPTIONS)
    assert saved.status == 0, saved.err
    assert not (tmp_path / "entro.toml").exists()
    assert learned("2026-04-06")["capacity"] == 2.0
    thin = log(tmp_path / "c.csv", "2026-04-08", 2.0, busy=5)
    assert "too thin to be kept" in entro("calibrate", thin, "--save", *OPTIONS).error
    nobody = entro("calibrate", later, "--save", "--pipeline", "nobody", *OPTIONS)
    assert "nothing is stored of pipeline nobody" in nobody.error


def test_published_full_loads_are_those_of_older_histories_and_of_who_asks(tmp_path):
    entro("ingest", log(tmp_path / "a.csv", "2026-04-06", 5.0), *OPTIONS)
    asked = report("2026-04-06", "--full-loads", "published")
    assert asked["made"]["full_loads"]["origin"] == "published"
    assert [stage["full"] for stage in asked["figures"]["stages"]] == [3.0, 10.0]
    (state,) = (tmp_path / "history").rglob("state.json")
    content = json.loads(state.read_bytes())
    state.write_text(json.dumps({name: part for name, part in content.items() if name not in {"learns", "learned"}}))
    record(tmp_path / "history")
    before = report("2026-04-06")
    assert before["figures"]["violations"] == asked["figures"]["violations"]
