"""Parallel sources, contradicting logs, first logs too small to determine the step, and reading back."""

import json
import math
import os
import random
from datetime import UTC
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.core.console import Terminal
from entro_cli.history.paths import PipelinePaths
from entro_cli.readers.options import LoadOptions
from entro_cli.workflows.load_history import load_history
from entro_cli.workflows.load_logs import load_logs
from entro_cli.workflows.settings import read_settings
from tests.history.stored import HEADER, START, days, ingest, line, regular, stamp
from tests.marks import slow
from tests.running import entro


def recalled(history, pipeline="default"):
    settings = read_settings(None, pipeline, Terminal(), history=history)
    return load_history(PipelinePaths(Path(history), pipeline), settings, UTC).steps


def same_steps(first, second):
    assert (first.start_ns, first.step_ns, first.stages) == (second.start_ns, second.step_ns, second.stages)
    for name in ("loads", "peaks", "ends", "samples", "measured"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


def written(folder, name, lines, header=HEADER):
    (folder / name).write_text(header + "".join(lines))
    return folder / name


def spider(number, first, after):
    """Lines of one of two spiders that write at the same times."""
    steps = range(first, after)
    return [line(START + index * 10 * 10**9, number + index % 3, float(number * index % 7)) for index in steps]


def test_two_sources_side_by_side_grown_and_rotated(tmp_path):
    for cut in (100, 150):
        for number, name in ((1, "a"), (2, "b")):
            written(tmp_path, f"{name}.log", spider(number, 0, cut))
        ingest(tmp_path / "h", tmp_path / "*.log*")
    for number, name in ((1, "a"), (2, "b")):
        (tmp_path / f"{name}.log").rename(tmp_path / f"{name}.log.1")
        written(tmp_path, f"{name}.log", spider(number, 150, 200))
    ingest(tmp_path / "h", tmp_path / "*.log*")
    for number, name in ((1, "a"), (2, "b")):
        written(tmp_path, f"{name}.csv", spider(number, 0, 200))
    same_steps(recalled(tmp_path / "h"), load_logs([str(tmp_path / "*.csv")], LoadOptions(tz="UTC")).steps)


def test_a_source_that_is_named_runs_beside_the_other(tmp_path):
    a, b = (written(tmp_path, f"{name}.csv", spider(number, 0, 100)) for number, name in ((1, "a"), (2, "b")))
    ingest(tmp_path / "h", a)
    ingest(tmp_path / "h", b, "--source", "b")
    same_steps(recalled(tmp_path / "h"), load_logs([str(a), str(b)], LoadOptions(tz="UTC")).steps)


def test_of_each_step_the_reading_with_more_samples_whatever_the_order(tmp_path):
    fine, coarse = regular(600, step_s=5), [line(START + index * 10 * 10**9, 9.0, 9.0) for index in range(300)]
    holed = [one for index, one in enumerate(fine) if index % 60 < 50]
    logs = [written(tmp_path, "fine.csv", holed), written(tmp_path, "coarse.csv", coarse)]
    for history, order in (("h", logs), ("g", logs[::-1])):
        outcomes = [ingest(tmp_path / history, log, "--step", "10s") for log in order]
        assert "steps were stored with other loads" in outcomes[1].err
    assert days(tmp_path / "h") == days(tmp_path / "g")
    loads = recalled(tmp_path / "h").loads[0]
    assert (loads == 9.0).sum() == 50


def test_equals_are_ordered_by_content(tmp_path):
    high = written(tmp_path, "high.csv", [line(START + index * 10**10, 5.0, 1.0) for index in range(50)])
    low = written(tmp_path, "low.csv", [line(START + index * 10**10, 2.0, 3.0) for index in range(50)])
    for history, order in (("h", (high, low)), ("g", (low, high))):
        for log in order:
            ingest(tmp_path / history, log, "--step", "10s")
    assert days(tmp_path / "h") == days(tmp_path / "g")


@pytest.mark.parametrize("first", [1, 2, 5, 9])
def test_a_first_log_too_small_to_tell_the_step(tmp_path, first):
    lines = regular(200, step_s=60)
    ingest(tmp_path / "w", written(tmp_path, "whole.csv", lines))
    ingest(tmp_path / "h", written(tmp_path, "first.csv", lines[:first]))
    assert recalled(tmp_path / "h").samples.sum() == 2 * first
    ingest(tmp_path / "h", written(tmp_path, "rest.csv", lines[first:]))
    assert days(tmp_path / "h") == days(tmp_path / "w")


def test_another_step_or_kind_is_an_error(tmp_path):
    log = written(tmp_path, "log.csv", regular(50))
    ingest(tmp_path / "h", log)
    assert "has steps of 10 s; expected the same step" in ingest(tmp_path / "h", log, "--step", "1min", status=1).error
    other = written(tmp_path, "other.csv", ["2026-04-01T00:00:00Z,1\n"], "time,llm_rate\n")
    error = ingest(tmp_path / "h", other, "--stage", "llm=llm_rate:rate", status=1).error
    assert "stage llm is a rate here, and a queue in the history of default" in error


def test_stages_from_two_files_one_slower_than_the_step(tmp_path):
    rates = [f"{stamp(START + index * 10 * 10**9)},{index % 5}\n" for index in range(600)]
    queues = [f"{stamp(START + index * 60 * 10**9)},{index % 7}\n" for index in range(100)]
    logs = [written(tmp_path, "r.csv", rates, "time,rate\n"), written(tmp_path, "q.csv", queues, "time,queue\n")]
    ingest(tmp_path / "h", *logs, "--step", "10s")
    same_steps(recalled(tmp_path / "h"), load_logs([str(log) for log in logs], LoadOptions(tz="UTC", step="10s")).steps)
    for history in ("h", "g"):
        for log in logs:
            ingest(tmp_path / history, log, "--step", "10s")
    assert days(tmp_path / "h") == days(tmp_path / "g")


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe"])
@pytest.mark.parametrize("step", ["30min", "1h", "2h"])
def test_long_steps_begin_at_local_midnight(tmp_path, zone, step):
    lines = regular(400, step_s=900, start=START - 2 * 86400 * 10**9)
    log = written(tmp_path, "whole.csv", lines)
    ingest(tmp_path / "w", log, "--step", step, "--tz", zone)
    ingest(tmp_path / "h", written(tmp_path, "a.csv", lines[:150]), "--step", step, "--tz", zone)
    ingest(tmp_path / "h", written(tmp_path, "b.csv", lines[140:]), "--step", step, "--tz", zone)
    assert days(tmp_path / "h") == days(tmp_path / "w")
    same_steps(recalled(tmp_path / "w"), load_logs([str(log)], LoadOptions(tz=zone, step=step)).steps)


@given(data=st.data())
@settings(max_examples=settings.default.max_examples // 4)
def test_what_is_read_back_is_what_the_grid_makes_of_the_logs(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("recalled")
    gaps = data.draw(st.lists(st.sampled_from([5, 10, 10, 10, 11, 20, 20, 30, 300]), min_size=12, max_size=60))
    draw = random.Random(data.draw(st.integers(0, 99)))
    now, lines = START, []
    for gap in gaps:
        now += gap * 10**9
        lines.append(line(now, draw.choice([0.0, 1.5, 40.0]), draw.uniform(0, 9)))
    step = data.draw(st.sampled_from([None, "2s", "5s", "10s", "1min"]))
    log = written(folder, "log.csv", lines)
    ingest(folder / "h", log, *(("--step", step) if step else ()))
    same_steps(recalled(folder / "h"), load_logs([str(log)], LoadOptions(tz="UTC", step=step)).steps)


def test_what_cannot_be_read_keeps_nothing_else_from_being_stored(tmp_path):
    written(tmp_path, "a.csv", regular(50))
    (tmp_path / "b.csv").write_bytes(b"\x00\x01binary")
    (tmp_path / "c.csv.gz").write_bytes(b"\x1f\x8b\x08cut")
    (tmp_path / "d.csv").write_text("nothing of the kind\n" * 3)
    outcome = entro("ingest", tmp_path / "?.csv*", "--history", tmp_path / "h")
    assert outcome.status == 1
    assert [text for text in outcome.err.splitlines() if text.startswith("entro: ")] == [
        f"entro: {tmp_path / 'b.csv'}: this is a binary file; expected a text log or Parquet; "
        "`entro formats` lists the formats"
    ]
    assert recalled(tmp_path / "h").samples.sum() == 100
    assert entro("ingest", tmp_path / "b.csv", "--history", tmp_path / "g").status == 1
    assert days(tmp_path / "g") == {}


def test_a_stray_date_is_a_bad_row(tmp_path):
    log = written(tmp_path, "log.csv", [*regular(50), line(START + 36 * 365 * 86400 * 10**9, 1.0, 1.0)])
    assert "line 52: the time is 300 days or more from all others" in ingest(tmp_path / "h", log).err
    ingest(tmp_path / "w", written(tmp_path, "without.csv", regular(50)))
    assert days(tmp_path / "h") == days(tmp_path / "w")


PLACES = ["a [b] c*?", "it's 100%", "höhe", "=x"]
PIPELINES = ["default", "../up", "a/b", "k=v", "ü [x]*?", "%41", "'"]
SOME = [*zip(PLACES, PIPELINES[1:], strict=False), *zip(PLACES, PIPELINES[4:], strict=False)]  # each of them once


@pytest.mark.parametrize(
    ("folder", "pipeline"), [*SOME, *(slow(*one) for one in product(PLACES, PIPELINES) if one not in SOME)]
)
def test_any_place_and_any_name(tmp_path, folder, pipeline):
    history = tmp_path / folder / "h"
    lines = regular(50)
    ingest(history, written(tmp_path, "a.csv", lines[:30]), "--pipeline", pipeline)
    ingest(history, written(tmp_path, "b.csv", lines[20:]), "--pipeline", pipeline)
    assert recalled(history, pipeline).samples.sum() == 100
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv", folder}
    listed = json.loads(entro("history", "list", "--history", history, "--json").out)
    assert [one["pipeline"] for one in listed["pipelines"]] == [pipeline]


def test_a_name_that_cannot_be_one(tmp_path):
    log = written(tmp_path, "log.csv", regular(5))
    for name in ("", " ", "x" * 300):
        assert "is not a valid pipeline name" in ingest(tmp_path / "h", log, "--pipeline", name, status=1).error


def test_without_its_books_a_history_goes_on(tmp_path):
    lines = regular(300)
    log = written(tmp_path, "log.csv", lines[:200])
    ingest(tmp_path / "h", log)
    path = PipelinePaths(tmp_path / "h", "default").state
    path.unlink()
    written(tmp_path, "log.csv", lines)
    ingest(tmp_path / "h", log)
    ingest(tmp_path / "w", log)
    assert days(tmp_path / "h") == days(tmp_path / "w")
    path.write_text("{")
    assert "the file is damaged" in ingest(tmp_path / "h", log, status=1).error


@pytest.mark.parametrize("key", ["step_ns", "origin_ns"])
def test_a_state_with_another_number_is_not_used_and_not_written_over(tmp_path, key):
    """Such a number is a possible one: the stored steps would be read at other times."""
    log = written(tmp_path, "log.csv", regular(50))
    ingest(tmp_path / "h", log)
    path = PipelinePaths(tmp_path / "h", "default").state
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {key: 2 * state[key] + 10**9}))
    changed = path.read_bytes()
    again = written(tmp_path, "more.csv", regular(50, start=START + 10**12))
    export = ["history", "export", "--out", tmp_path / "steps.csv"]
    for command in (["ingest", again], ["report", "--daily"], ["history", "show"], export):
        error = entro(*command, "--history", tmp_path / "h").error
        assert error.startswith(
            f"{path}: the file is damaged: its content has changed since it was written; `entro history repair` "
        )
    assert path.read_bytes() == changed
    assert "1 of 3 files is damaged or missing" in entro("history", "check", "--history", tmp_path / "h").err
    assert entro("history", "repair", "--history", tmp_path / "h").status == 0
    ingest(tmp_path / "h", log, again)
    assert entro("history", "check", "--history", tmp_path / "h").status == 0


def test_a_log_whose_name_is_no_utf_8(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    odd = folder / os.fsdecode(b"caf\xe9.csv")
    odd.write_text("".join([HEADER, *regular(50)]))
    ingest(tmp_path / "h", folder)
    with odd.open("a") as file:
        file.writelines(regular(20, start=START + 50 * 10**9))
    assert "read on" in ingest(tmp_path / "h", folder).out
    assert "nothing new" in ingest(tmp_path / "h", folder).out
    page = entro("report", "--daily", "--history", tmp_path / "h", "--out", tmp_path / "page.html")
    assert page.status == 0


def test_a_newer_version(tmp_path):
    log = written(tmp_path, "log.csv", regular(50))
    ingest(tmp_path / "h", log)
    path = PipelinePaths(tmp_path / "h", "default").state
    path.write_text(path.read_text().replace('"version": 2', '"version": 3'))
    assert "version 3; expected version 2 or older" in ingest(tmp_path / "h", log, status=1).error


def test_a_damaged_day_is_named(tmp_path):
    lines = regular(2000)
    log = written(tmp_path, "log.csv", lines[:1000])
    ingest(tmp_path / "h", log)
    (day,) = (tmp_path / "h").rglob("*.parquet")
    day.write_bytes(day.read_bytes()[:-20])
    written(tmp_path, "log.csv", lines)
    error = ingest(tmp_path / "h", log, status=1).error
    assert error.startswith(f"{day}: its content has changed since it was written")
    day.unlink()
    ingest(tmp_path / "h", log, "--again")
    ingest(tmp_path / "w", log)
    assert days(tmp_path / "h") == days(tmp_path / "w")


def test_the_folder_is_read_by_anybody(tmp_path):
    import duckdb

    ingest(tmp_path / "h", written(tmp_path, "log.csv", regular(50)), "--pipeline", "a b")
    rows = duckdb.sql(f"SELECT pipeline, stage, sum(samples), max(load) FROM '{tmp_path}/h/*/*/*.parquet' GROUP BY ALL")
    assert sorted(rows.fetchall()) == [("a b", "llm", 50, 10.0), ("a b", "scraper", 50, 1.5)]
    assert math.isclose(recalled(tmp_path / "h", "a b").step_s, 10)
