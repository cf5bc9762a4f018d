"""`entro history prune`: whole days go, and the logs they came from do not bring them back."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.stored import HEADER, START, days, ingest, line, regular
from tests.running import entro

DAY = 86400 * 10**9
ROWS = [line(START + hour * DAY // 24, (hour % 7) / 4, float(hour % 11)) for hour in range(24 * 5)]
"""A row an hour: 23 on 29 March, 24 on each of the four days after it, and one on 3 April."""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(HEADER + "".join(ROWS))
    return path


@pytest.fixture
def history(tmp_path, log):
    ingest(tmp_path / "history", log)
    return tmp_path / "history"


def prune(history, *arguments):
    outcome = entro("history", "prune", "--history", history, *arguments)
    assert outcome.status == 0, outcome.err
    return outcome


def stored_days(history):
    return [place.split("=")[2][:10] for place in days(history)]


def test_days_before_a_date(history, log):
    before = days(history)
    gone = [content for place, content in before.items() if "2026-03" in place]
    size = f"{sum(map(len, gone)):,}"
    dry = prune(history, "--before", "2026-04-01", "--dry-run")
    assert dry == (0, f"default: would remove 3 days (2026-03-29 to 2026-03-31), {size} bytes\n", "")
    assert days(history) == before
    told = prune(history, "--before", "2026-04-01")
    assert told == (0, f"default: removed 3 days (2026-03-29 to 2026-03-31), {size} bytes\n", "")
    left = {place: content for place, content in before.items() if "2026-04" in place}
    assert days(history) == left
    assert not list(history.glob("*/date=2026-03-*"))
    assert prune(history, "--before", "2026-04-01").out == "default: nothing is stored before 2026-04-01\n"
    assert "nothing new" in ingest(history, log).out
    assert days(history) == left
    assert entro("history", "check", "--history", history).status == 0


def test_a_document(history):
    told = json.loads(prune(history, "--before", "2026-03-30T12:00:00+02:00", "--json").out)
    assert told["schema"] == "entro/history-prune/1"
    assert (told["before"], told["dry_run"]) == ("2026-03-30", False)
    assert told["pipelines"][0]["days"] == ["2026-03-29"]


def test_days_older_than(tmp_path, history):
    assert "nothing is stored before" in prune(history, "--older-than", "99999w").out
    assert len(stored_days(history)) == 6
    prune(history, "--older-than", "1ms")
    assert stored_days(history) == []


@pytest.mark.parametrize("arguments", [[], ["--older-than", "1d", "--before", "2026-01-01"]])
def test_it_takes_one_of_both(history, arguments):
    assert entro("history", "prune", "--history", history, *arguments).status == 2


@pytest.mark.parametrize("arguments", [("--older-than", "soon"), ("--before", "soon")])
def test_no_time(history, arguments):
    assert entro("history", "prune", "--history", history, *arguments).error.startswith(f"{arguments[0]}: 'soon'")


def test_one_pipeline_or_all(history, log):
    ingest(history, log, "--pipeline", "other")
    prune(history, "--before", "2026-03-30", "--pipeline", "other")
    assert len(stored_days(history)) == 11
    prune(history, "--before", "2026-03-31")
    assert len(stored_days(history)) == 8


def test_a_pipeline_pruned_to_nothing_knows_its_step(history, log, tmp_path):
    prune(history, "--before", "2027-01-01")
    assert stored_days(history) == []
    assert "default: steps of 1 h" in entro("history", "show", "--history", history).out
    assert ingest(history, log).out.startswith("default: nothing new, steps of 1 h")
    other = tmp_path / "other.csv"
    other.write_text(HEADER + "".join(regular(3, step_s=1)))
    error = entro("ingest", "--history", history, other, "--step", "1s").error
    assert "the history of default has steps of 1 h" in error


def test_a_log_that_goes_on_brings_no_day_back(history, log):
    prune(history, "--before", "2026-04-01")
    left = days(history)
    more = [line(START + hour * DAY // 24, 1.0, 2.0) for hour in range(24 * 5, 24 * 5 + 30)]
    log.write_text(HEADER + "".join([*ROWS, *more]))
    assert ingest(history, log).err == ""
    assert stored_days(history) == ["2026-04-01", "2026-04-02", "2026-04-03", "2026-04-04"]
    assert {place: days(history)[place] for place in left if "04-03" not in place} == {
        place: content for place, content in left.items() if "04-03" not in place
    }


def test_what_comes_after_the_last_step_that_was_removed_is_kept(history, log):
    prune(history, "--before", "2026-04-04")
    assert stored_days(history) == []
    log.write_text(HEADER + "".join([*ROWS, line(START + 24 * 5 * DAY // 24, 1.0, 2.0)]))
    ingest(history, log)
    rows = entro("history", "export", "--history", history, "--tz", "UTC").out.splitlines()[1:]
    assert [row.split(",")[:3] for row in rows] == [["2026-04-03T01:00:00+00:00", "1.0", "2.0"]]


def test_reading_again_brings_all_of_it_back(history, log):
    before = days(history)
    prune(history, "--before", "2026-04-01")
    ingest(history, log, "--again")
    assert days(history) == before
    log.write_text(HEADER + "".join([*ROWS, line(START + 24 * 5 * DAY // 24, 1.0, 2.0)]))
    ingest(history, log)
    assert {place: days(history)[place] for place in before if "04-03" not in place} == {
        place: content for place, content in before.items() if "04-03" not in place
    }


def test_a_history_with_too_few_samples_to_tell_the_step(tmp_path):
    history, log = tmp_path / "history", tmp_path / "log.csv"
    rows = [line(START + number * DAY // 2, 1.0, 2.0) for number in range(5)]
    log.write_text(HEADER + "".join(rows))
    ingest(history, log)
    prune(history, "--before", "2026-03-30")
    left = stored_days(history)
    log.write_text(HEADER + "".join([*rows, line(START + 5 * DAY // 2, 1.0, 2.0)]))
    ingest(history, log)
    assert stored_days(history) == sorted({*left, "2026-03-31"})


def test_another_file_in_a_day_stays(history):
    note = next(history.glob("*/date=2026-03-29")) / "note.txt"
    note.write_text("mine")
    prune(history, "--before", "2026-04-01")
    assert note.read_text() == "mine"


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"PAR1"), os.mkfifo], ids=["cut", "pipe"])
def test_a_damaged_day_can_be_removed(history, damage):
    day = history / "pipeline=default" / "date=2026-03-31" / "steps.parquet"
    day.unlink()
    damage(day)
    prune(history, "--before", "2026-04-01")
    assert stored_days(history) == ["2026-04-01", "2026-04-02", "2026-04-03"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return lambda: tmp_path_factory.mktemp("prune")


@pytest.mark.slow
@given(
    cut=st.integers(1, 6),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    step=st.sampled_from(["1s", "1h", "3h"]),
)
@settings(max_examples=8)
def test_in_whatever_parts_a_log_comes(place, cut, sizes, step):
    """The days that are kept are those that the rest of the log gives without pruning."""
    folder = place()
    log, cut_day = folder / "log.csv", f"2026-{(29 + cut - 1) // 32 + 3:02}-{(29 + cut - 1) % 31 or 31:02}"
    rows, done = ROWS, 60
    log.write_text(HEADER + "".join(rows[:done]))
    ingest(folder / "h", log, "--step", step)
    prune(folder / "h", "--before", cut_day)
    for size in sizes:
        done += size
        log.write_text(HEADER + "".join(rows[:done]))
        ingest(folder / "h", log, "--step", step)
    ingest(folder / "whole", log, "--step", step)
    whole, pruned = days(folder / "whole"), days(folder / "h")
    early = {place for place in whole if place.split("=")[2][:10] < cut_day}
    later = {place: content for place, content in whole.items() if place not in early}
    assert {place: content for place, content in pruned.items() if place not in early} == later
    rows = entro("history", "export", "--history", folder / "h", "--tz", "UTC").out.splitlines()[1:]
    assert rows[0] >= min(cut_day, "2026-03-31T13:00")  # what was read later than the days were removed is kept
