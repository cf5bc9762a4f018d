"""Reports from a history: they equal those of its logs, and cover the right period."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.marks import slow
from tests.running import entro

FIVE_WEEKS = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"
BERLIN = ("--tz", "Europe/Berlin")


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    assert entro("ingest", FIVE_WEEKS, "--history", folder).status == 0
    return folder


def report(*arguments):
    outcome = entro("report", *arguments, "--json")
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


@pytest.mark.parametrize(
    "which",
    [
        slow(("--daily",)),
        ("--daily", "--date", "2026-03-29"),
        slow(("--weekly",)),
        slow(("--weekly", "--date", "2026-W12")),
        slow(("--monthly",)),
        ("--monthly", "--date", "2026-03", "--objective", "99.9%", "--budget", "2.5"),
        ("--since", "2026-03-20T12:00", "--until", "2026-03-24"),
        ("--weekly", "--until", "2026-04-01"),
    ],
    ids=" ".join,
)
def test_the_same_as_from_the_logs(history, which):
    stored, read = report(*which, *BERLIN, "--history", history), report(*which, *BERLIN, "--logs", FIVE_WEEKS)
    for document in (stored, read):
        for source in document["made"]["sources"]:
            del source["taken_as"]
        for recommendation in document["recommendations"]:
            recommendation["command"] = recommendation["command"].replace(f" --logs {FIVE_WEEKS}", "")
            recommendation["command"] = recommendation["command"].replace(f" --history {history}", "")
    assert stored == read


@pytest.mark.slow
def test_the_same_report_twice_is_the_same_bytes(history, tmp_path):
    for folder in ("first", "second"):
        for kind in ("--daily", "--weekly", "--monthly"):
            assert entro("report", kind, "--history", history, *BERLIN, "--out", tmp_path / folder, "-q").status == 0
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} for folder in ("first", "second")
    )
    assert len(first) == 5
    assert first == second


def test_the_last_complete_period_and_nothing_came_in_it(history):
    last = ("--weekly", "--last", "--history", history, "--tz", "UTC")
    document = report(*last)
    end = datetime.fromisoformat(document["period"]["end"])
    assert timedelta(0) <= datetime.now(UTC) - end < timedelta(days=7)
    assert document["verdict"]["health"] == "no data"
    assert document["figures"]["regimes"]["no_data"] == document["figures"]["steps"] == 7 * 1440
    assert "NO DATA" in entro("report", *last, "--format", "terminal").out


def test_the_range_is_what_analyze_says_of_it(history):
    span = ("--since", "2026-03-18", "--until", "2026-03-19", *BERLIN)
    analysis = json.loads(entro("analyze", FIVE_WEEKS, *span, "--json").out)
    assert [stage.pop("summed_sources") for stage in analysis["stages"]] == [1, 1]  # a history does not count them
    document = report(*span, "--history", history)
    assert document["period"]["kind"] == "range"
    assert document["period"]["label"] == "2026-03-18_2026-03-19"
    assert document["previous_figures"]["observed_steps"] == 1440
    assert len(document["buckets"]) == 24
    for name in ("steps", "violations", "regimes", "incidents", "stages", "peak_psi_total", "excess_nat_s"):
        assert document["figures"][name] == analysis[name], name


def test_a_changed_full_load_reads_the_past_anew(history, tmp_path):
    week = ("--weekly", "--history", history, *BERLIN)
    assert report(*week)["figures"]["violations"] == 29
    config = tmp_path / "entro.toml"
    config.write_text("[stages.llm]\nfull = 2000.0\n")
    assert report(*week, "--config", config)["figures"]["violations"] < 29
    assert report(*week, "--config", config, "--stage", "llm=llm:queue:10")["figures"]["violations"] == 29
    assert "no such stage" in entro("report", *week, "--stage", "nobody=x:queue:10").error


def test_a_full_load_given_when_logs_were_stored_is_kept(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("".join(FIVE_WEEKS.read_text().splitlines(keepends=True)[:3000]))
    full = ("--stage", "llm=llm_queue:queue:22")
    assert entro("ingest", log, "--history", tmp_path / "h", *full).status == 0
    assert [stage["full"] for stage in report("--daily", "--history", tmp_path / "h")["figures"]["stages"]] == [
        3.0,
        22.0,
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--weekly", "--pipeline", "defualt"), "did you mean default?"),
        (("--weekly", "--history", "/nowhere"), "`entro ingest LOGS` fills it"),
        (("--since", "2026-04-02", "--until", "2026-04-01"), "ends after it begins"),
        (("--until", "2026-04-01"), "add --since"),
    ],
)
def test_what_cannot_be_reported_on(history, arguments, says):
    base = () if "--history" in arguments else ("--history", history)
    assert says in entro("report", *base, *arguments).error


def stored_range(folder, zone, first, last):
    """Return a history with a sample every 10 minutes of some dates in a zone."""
    begin, end = (datetime(*date, tzinfo=ZoneInfo(zone)).astimezone(UTC) for date in (first, last))
    count = (end - begin) // timedelta(minutes=10)
    rows = (f"{(begin + index * timedelta(minutes=10)).isoformat()},1,{index % 5}\n" for index in range(count))
    log = folder / "log.csv"
    log.write_text("time,rate,queue\n" + "".join(rows))
    assert entro("ingest", log, "--history", folder / "h").status == 0
    return folder / "h"


@pytest.mark.parametrize(
    ("zone", "first", "last", "which", "label", "steps"),
    [
        ("Europe/Berlin", (2026, 3, 28), (2026, 3, 31), ("--daily", "--date", "2026-03-29"), "2026-03-29", 23 * 6),
        slow(
            "Europe/Berlin", (2026, 10, 24), (2026, 10, 27), ("--daily", "--date", "2026-10-25"), "2026-10-25", 25 * 6
        ),
        ("Europe/Berlin", (2026, 10, 19), (2026, 10, 27), ("--weekly", "--date", "2026-10-25"), "2026-W43", 169 * 6),
        slow("Australia/Lord_Howe", (2026, 4, 4), (2026, 4, 7), ("--daily", "--date", "2026-04-05"), "2026-04-05", 147),
        ("UTC", (2026, 12, 20), (2027, 1, 10), ("--weekly", "--date", "2027-01-03"), "2026-W53", 7 * 144),
        slow("UTC", (2026, 12, 20), (2027, 1, 12), ("--weekly", "--date", "2027-01-04"), "2027-W01", 7 * 144),
        slow("Asia/Tokyo", (2024, 12, 20), (2025, 1, 10), ("--weekly", "--date", "2024-12-30"), "2025-W01", 7 * 144),
        slow("UTC", (2028, 2, 1), (2028, 3, 3), ("--monthly", "--date", "2028-02"), "2028-02", 29 * 144),
        ("UTC", (2028, 2, 1), (2028, 3, 3), ("--daily", "--date", "2028-02-29"), "2028-02-29", 144),
    ],
)
def test_calendars(tmp_path, zone, first, last, which, label, steps):
    document = report(*which, "--history", stored_range(tmp_path, zone, first, last), "--tz", zone)
    figures = document["figures"]
    assert document["period"]["label"] == label
    assert (figures["steps"], figures["observed_steps"], figures["coverage"]) == (steps, steps, 1.0)
    assert sum(bucket["steps"] for bucket in document["buckets"]) == steps


def test_a_stage_without_data_in_the_period(tmp_path):
    rates = "".join(f"2026-04-0{day}T00:0{minute}:00Z,1\n" for day in (1, 5) for minute in range(9))
    (tmp_path / "rates.csv").write_text("time,rate\n" + rates)
    (tmp_path / "queue.csv").write_text(
        "time,queue\n" + "".join(f"2026-04-01T00:0{minute}:00Z,1\n" for minute in range(9))
    )
    assert entro("ingest", tmp_path / "rates.csv", tmp_path / "queue.csv", "--history", tmp_path / "h").status == 0
    utc = ("--history", tmp_path / "h", "--tz", "UTC")
    assert report("--daily", *utc)["period"]["label"] == "2026-04-01"
    document = report("--daily", "--date", "2026-04-05", *utc)
    assert (document["verdict"]["health"], document["figures"]["observed_steps"]) == ("no data", 0)


@pytest.mark.slow
def test_saving_what_is_analyzed(history, tmp_path):
    plain = json.loads(entro("analyze", FIVE_WEEKS, *BERLIN, "--json").out)
    for _ in range(2):
        outcome = entro("analyze", FIVE_WEEKS, *BERLIN, "--json", "--save", "--history", tmp_path / "saved")
        assert json.loads(outcome.out) == plain
    saved, ingested = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.parquet")}
        for folder in (tmp_path / "saved", history)
    )
    assert saved == ingested
    assert "entro ingest -" in entro("analyze", "-", "--save", "--history", tmp_path / "x", stdin=b"x").error
