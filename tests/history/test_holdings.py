"""`entro history list` and `show`: what is stored, in numbers that can be counted by hand."""

import json

import duckdb
import pytest

from tests.history.stored import HEADER, START, days, ingest, line, regular
from tests.running import entro


@pytest.fixture
def history(tmp_path):
    """Two days of steps of 10 s: from 01:00 on a row a step, the last ten only with a rate."""
    log = tmp_path / "log.csv"
    rows = regular(10_000)
    log.write_text(HEADER + "".join([*rows[:-10], *(f"{row.rpartition(',')[0]},\n" for row in rows[-10:])]))
    ingest(tmp_path / "history", log, "--stage", "llm=llm_queue:queue:22")
    return tmp_path / "history"


def document(*arguments, status=0):
    outcome = entro("history", *arguments, "--json")
    assert outcome.status == status, outcome.err
    return json.loads(outcome.out)


def size(history):
    return sum(path.stat().st_size for path in history.rglob("*") if path.is_file())


def test_a_list_of_every_pipeline(tmp_path, history):
    other = tmp_path / "other.csv"
    other.write_text(HEADER + "".join(regular(30, step_s=1)))
    ingest(history, other, "--pipeline", "front\tend/é", "--step", "1s")
    told = document("list", "--history", history, "--tz", "Europe/Berlin")
    assert told["schema"] == "entro/history-list/1"
    first, second = told["pipelines"]
    bytes_first = size(history / "pipeline=default")
    assert first == {
        "pipeline": "default",
        "history": str(history),
        "step_s": 10.0,
        "stages": ["scraper", "llm"],
        "first": "2026-03-29T03:00:00+02:00",
        "last": "2026-03-30T06:46:30+02:00",
        "days": 2,
        "steps": 10_000,
        "size_bytes": bytes_first,
        "bytes_per_step": bytes_first / 10_000,
    }
    assert (second["pipeline"], second["steps"]) == ("front\tend/é", 30)
    text = entro("history", "list", "--history", history).out
    assert "front\\t" in text
    assert "2026-03-29" in text
    assert "10,000" in text
    assert all(len(row) <= 80 for row in text.splitlines())


@pytest.mark.parametrize("command", ["list", "check", "prune --before 2026-01-01"])
@pytest.mark.parametrize("there", [True, False])
def test_an_empty_history_says_how_to_fill_it(tmp_path, command, there):
    folder = tmp_path / "none"
    if there:
        folder.mkdir()
    outcome = entro("history", *command.split(), "--history", folder)
    assert (outcome.status, outcome.out) == (0, "")
    assert outcome.err == f"nothing is stored in {folder}; `entro ingest LOGS` fills it\n"
    assert document(*command.split(), "--history", folder)["pipelines"] == []
    assert list(tmp_path.iterdir()) == ([folder] if there else [])


@pytest.mark.parametrize("command", ["show", "export", "check", "prune --before 2026-01-01"])
def test_a_pipeline_that_is_not_there(history, command):
    name = ["--history", history, "--pipeline", "defualt"]
    error = entro("history", *command.split(), *name).error
    assert error == (
        f"{history}: nothing is stored of pipeline defualt; expected one of default; did you mean default?"
    )


def test_each_pipeline_where_its_configuration_keeps_it(tmp_path, history):
    config = tmp_path / "entro.toml"
    config.write_text('history = "history"\n[pipelines.default]\n[pipelines.apart]\nhistory = "apart"\n')
    ingest(tmp_path / "apart", tmp_path / "log.csv", "--pipeline", "apart")
    told = document("list", "--config", config)["pipelines"]
    assert [(one["pipeline"], one["history"]) for one in told] == [
        ("default", str(history)),
        ("apart", str(tmp_path / "apart")),
    ]
    assert document("show", "--config", config, "--pipeline", "apart")["history"] == str(tmp_path / "apart")


def test_a_pipeline_day_by_day(tmp_path, history):
    told = document("show", "--history", history, "--tz", "UTC")
    sizes = [len(content) for content in days(history).values()]
    assert told["stages"] == [
        {"name": "scraper", "kind": "rate", "full": None, "sources": ["table"]},
        {"name": "llm", "kind": "queue", "full": 22.0, "sources": ["table"]},
    ]
    first, second = 23 * 360, 10_000 - 23 * 360
    assert told["days"] == [
        {
            "day": "2026-03-29",
            "steps": first,
            "coverage": first / 8640,
            "samples": 2 * first,
            "size_bytes": sizes[0],
        },
        {
            "day": "2026-03-30",
            "steps": second,
            "coverage": second / 8640,
            "samples": 2 * second - 10,
            "size_bytes": sizes[1],
        },
    ]
    (log,) = told["logs"]
    assert (log["path"], log["format"]) == (str(tmp_path / "log.csv"), "table")
    assert (log["rows_read"], log["rows_skipped"]) == (10_000, 0)
    assert (log["start"], log["end"]) == ("2026-03-29T01:00:00+00:00", "2026-03-30T04:46:30+00:00")


def test_a_part_of_a_pipeline(history):
    told = document("show", "--history", history, "--since", "2026-03-30", "--tz", "UTC")
    assert [day["day"] for day in told["days"]] == ["2026-03-30"]
    assert len(told["logs"]) == 1
    told = document("show", "--history", history, "--until", "2026-03-29", "--tz", "UTC")
    assert (told["days"], told["logs"]) == ([], [])


@pytest.mark.slow
def test_the_latest_days_and_logs_are_shown(tmp_path):
    history = tmp_path / "history"
    for number in range(21):
        log = tmp_path / f"log-{number}.csv"
        log.write_text(HEADER + "".join(line(START + (number * 2 + day) * 86400 * 10**9, 1.0, 2.0) for day in (0, 1)))
        ingest(history, log, "--step", "1h")
    lines = entro("history", "show", "--history", history).out.splitlines()
    assert "2026-03-30" not in lines[5]
    table = [row for row in lines if row.startswith("2026-")]
    assert (len(table), table[-1][:10]) == (40, "2026-05-09")
    assert "and 2 earlier days" in lines
    assert lines[-1] == "and 1 earlier log"
    assert "log-0.csv" not in "".join(lines)


def test_what_a_name_holds_is_made_visible(tmp_path):
    log = tmp_path / "a\x1b[31m.csv"
    log.write_text("time,x\x1b[2J_rate\n2026-03-29T01:00:00Z,1\n2026-03-29T01:00:10Z,1\n")
    ingest(tmp_path / "h", log)
    for command in ("list", "show", "check"):
        outcome = entro("history", command, "--history", tmp_path / "h")
        assert "\x1b" not in outcome.out + outcome.err


def test_a_state_that_is_gone_or_damaged(history):
    state = history / "pipeline=default" / "_entro" / "state.json"
    before = document("list", "--history", history)["pipelines"][0]
    state.write_bytes(b"{")
    outcome = entro("history", "list", "--history", history, "--json")
    assert outcome.err.startswith(f"warning: {state}: the file is damaged: ")
    same = {"steps", "days", "step_s", "stages", "first", "last"}
    told = json.loads(outcome.out)["pipelines"][0]
    assert {key: told[key] for key in same} == {key: before[key] for key in same}
    state.unlink()
    assert [stage["name"] for stage in document("show", "--history", history)["stages"]] == ["scraper", "llm"]
    exported = entro("history", "export", "--history", history)
    assert (exported.status, exported.out.count("\n")) == (0, 10_001)


def test_what_a_day_file_says_is_what_duckdb_reads(history):
    """As docs/history.md shows it: folders are partitions."""
    rows = duckdb.sql(
        f"SELECT pipeline, date, count(DISTINCT time) FROM '{history}/*/*/*.parquet' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert [(name, str(day), count) for name, day, count in rows] == [
        ("default", "2026-03-29", 8280),
        ("default", "2026-03-30", 1720),
    ]
