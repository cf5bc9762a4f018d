"""Logs read on as in one reading: named twice, alike for a while, rotated meanwhile, broken, late, quick."""

import json
import os
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from entro_cli.core.console import Terminal
from entro_cli.history.ingest import resume as reading_on
from entro_cli.history.paths import PipelinePaths
from entro_cli.readers.options import LoadOptions
from entro_cli.workflows.load_history import load_history
from entro_cli.workflows.load_logs import load_logs
from entro_cli.workflows.settings import read_settings
from tests.history.stored import HEADER, START, days, ingest, line, regular
from tests.marks import slow
from tests.running import entro

SECOND = 10**9
LINES = regular(9000)

# Seconds after the start at which a late row comes.
AT_A_NEW_TIME, LONG_AGO, AT_A_TIME_THAT_IS_THERE = 3, 3000, 5000


def written(path, lines, header=HEADER):
    path.write_text(header + "".join(lines))
    return path


def recalled(history):
    return load_history(
        PipelinePaths(history, "default"), read_settings(None, "default", Terminal(), history=history), UTC
    )


def logs_seen(history):
    return json.loads((history / "pipeline=default" / "_entro" / "state.json").read_text())["logs"]


def assert_whole(history, folder, lines, *options, header=HEADER):
    """Assert that the history has the same days as an ingest of the whole log."""
    ingest(folder / "whole", written(folder / "whole.txt", lines, header), *options)
    assert days(history) == days(folder / "whole")


@pytest.fixture
def small_margin(monkeypatch):
    monkeypatch.setattr(reading_on, "MARGINS_BYTES", (2500, 9000))


@pytest.mark.parametrize(
    ("other", "again"),
    [
        ("linked", ()),
        ("copied", ("--again",)),
        slow("the same by another name", ("--again",)),
        slow("linked", ("--again",)),
        slow("copied", ()),
        slow("the same by another name", ()),
    ],
)
def test_a_log_that_is_named_twice(tmp_path, other, again):
    log, second = tmp_path / "a.csv", tmp_path / "a.csv.1"
    for cut, tail in ((100, 20), (200, 0), (300, 7)):
        log.write_text((HEADER + "".join(LINES[:cut]))[: -tail or None])
        if other == "the same by another name":
            second = tmp_path / ".." / tmp_path.name / "a.csv"
        elif other == "copied":
            shutil.copyfile(log, second)
        elif not second.exists():
            os.link(log, second)
        ingest(tmp_path / "h", log, second, *again)
    ingest(tmp_path / "h", written(log, LINES[:300]), *again)
    assert_whole(tmp_path / "h", tmp_path, LINES[:300])


def test_of_a_log_and_its_copy_the_longer_is_read(tmp_path):
    for cut in (100, 200):
        short, long = written(tmp_path / "a.1", LINES[:cut]), written(tmp_path / "a", LINES[: cut + 50])
        outcome = ingest(tmp_path / "h", short, long, "--json")
        (told,) = json.loads(outcome.out)["pipelines"]
        assert {Path(part["path"]).name: part["taken"] for part in told["logs"]}["a.1"] == "nothing new"
        assert len(logs_seen(tmp_path / "h")) == 1
    assert_whole(tmp_path / "h", tmp_path, LINES[:250])


def beside(folder, first, second, cuts, same_loads):
    """Two logs that grow beside each other; what is read back, and what the grid makes of both at once."""
    for cut in cuts:
        written(folder / "a.log", first[:cut])
        written(folder / "b.log", second[:cut])
        ingest(folder / "h", folder / "*.log")
    steps, expected = recalled(folder / "h").steps, load_logs([str(folder / "*.log")], LoadOptions(tz="UTC")).steps
    np.testing.assert_array_equal(steps.loads, expected.loads)
    assert steps.measured.all()
    assert set(steps.loads[:, -1]) == same_loads


def constant(load, first, after):
    return [line(START + index * 10 * SECOND, load, load) for index in range(first, after)]


def test_sources_that_are_alike_at_first(tmp_path):
    zeros = constant(0.0, 0, 60)
    beside(tmp_path, zeros + constant(1.0, 60, 200), zeros + constant(5.0, 60, 200), (60, 200), {6.0})


def test_sources_that_are_alike_for_longer_than_is_read_again(tmp_path, small_margin):
    idle = constant(2.0, 100, 900)
    beside(tmp_path, constant(1.0, 0, 100) + idle, constant(5.0, 0, 100) + idle, (100, 500, 900), {4.0})


def test_rotated_sources_that_are_alike(tmp_path):
    for name, load_then in (("a", 1.0), ("b", 5.0)):
        written(tmp_path / f"{name}.log", constant(load_then, 0, 100))
    ingest(tmp_path / "h", tmp_path / "*.log*")
    for name in ("a", "b"):
        (tmp_path / f"{name}.log").rename(tmp_path / f"{name}.log.1")
        written(tmp_path / f"{name}.log", constant(2.0, 100, 150))
    ingest(tmp_path / "h", tmp_path / "*.log*")
    steps = recalled(tmp_path / "h").steps
    assert set(steps.loads[0]) == {6.0, 4.0}
    assert steps.measured.all()


@pytest.mark.parametrize(
    ("how", "when"),
    [
        ("renamed", "plain_logs"),
        ("copied and truncated", "unread_range"),
        slow("renamed", "unread_range"),
        slow("copied and truncated", "plain_logs"),
    ],
)
def test_a_log_that_is_rotated_while_it_is_read(tmp_path, monkeypatch, how, when, small_margin):
    log = written(tmp_path / "log", LINES[:1000])
    ingest(tmp_path / "h", tmp_path / "log*")
    written(log, LINES[:1500])
    does, done = getattr(reading_on, when), []

    def rotating(*arguments, **options):
        if not done:
            done.append(log.rename(log.with_name("log.1")) if how == "renamed" else shutil.copy(log, f"{log}.1"))
            written(log, LINES[1500:1600])
        return does(*arguments, **options)

    monkeypatch.setattr(reading_on, when, rotating)
    ingest(tmp_path / "h", tmp_path / "log*")
    written(log, LINES[1500:2000])
    ingest(tmp_path / "h", tmp_path / "log*")
    assert_whole(tmp_path / "h", tmp_path, LINES[:2000])


def test_a_log_that_is_rotated_all_the_time_is_an_error(tmp_path, monkeypatch):
    log = written(tmp_path / "log", LINES[:100])
    monkeypatch.setattr(reading_on, "_is_still", lambda *_: False)
    assert "is rotated again and again while it is read" in ingest(tmp_path / "h", log, status=1).err


def test_bad_rows_of_a_small_log_are_told_once(tmp_path):
    lines = [*LINES[:10], *["broken\n"] * 9, *LINES[10:500], "late and broken\n", *LINES[500:600]]
    ingest(tmp_path / "h", written(tmp_path / "log", lines[:300]))
    outcome = ingest(tmp_path / "h", written(tmp_path / "log", lines), "--json")
    (part,) = json.loads(outcome.out)["pipelines"][0]["logs"]
    assert (part["taken"], part["rows_read"], part["rows_skipped"]) == ("read on", 309, 1)
    assert [text.partition(": ")[2] for text in outcome.err.splitlines()] == [
        f"{tmp_path / 'log'}: 1 of 310 rows could not be read and were skipped",
        f"{tmp_path / 'log'}: line 511: 1 cell instead of 3: late and broken",
    ]
    (seen,) = logs_seen(tmp_path / "h")
    assert (seen["rows_read"], seen["rows_skipped"]) == (600, 10)


@pytest.mark.slow
def test_a_stretch_of_bad_rows_longer_than_is_read_again(tmp_path, small_margin):
    lines = [*LINES[:500], *["Traceback: a module broke\n"] * 450, *LINES[500:600]]
    for cut in (500, 950, 1050):
        outcome = ingest(tmp_path / "h", written(tmp_path / "log", lines[:cut]))
        assert ("line 502: 1 cell instead of 3" in outcome.err) == (cut == 950)
    assert_whole(tmp_path / "h", tmp_path, lines)
    (seen,) = logs_seen(tmp_path / "h")
    assert (seen["rows_read"], seen["rows_skipped"]) == (600, 450)


def test_repeated_rows_are_told_once_and_added_up(tmp_path, small_margin):
    lines = [text for index, text in enumerate(LINES[:900]) for text in [text] * (1 + (index % 50 == 0))]
    for cut in (100, 400, 700, len(lines)):
        ingest(tmp_path / "h", written(tmp_path / "log", lines[:cut]))
    assert ingest(tmp_path / "h", written(tmp_path / "log", [*lines, *LINES[900:905]])).err == ""
    (seen,) = logs_seen(tmp_path / "h")
    assert seen["problems"] == [["REPEATED", 18, []]]


@pytest.mark.parametrize(
    ("at", "step"),
    [
        (AT_A_NEW_TIME, "1min"),
        (LONG_AGO, "10s"),
        (AT_A_TIME_THAT_IS_THERE, "1h"),
        *(slow(AT_A_NEW_TIME, step) for step in ("10s", "1h")),
        *(slow(LONG_AGO, step) for step in ("1min", "1h")),
        *(slow(AT_A_TIME_THAT_IS_THERE, step) for step in ("10s", "1min")),
    ],
)
def test_a_late_row(tmp_path, small_margin, step, at):
    late = line(START + (at if at % 10 else at + (3 if at == 3000 else 0)) * SECOND, 0.0, 0.0)
    lines = [*LINES[:1500], late, *LINES[1500:1600]]
    for cut in (1400, 1501, 1601):
        outcome = ingest(tmp_path / "h", written(tmp_path / "log", lines[:cut]), "--step", step)
        assert "stored with other loads" not in outcome.err
    assert_whole(tmp_path / "h", tmp_path, lines, "--step", step)


@pytest.mark.slow
def test_steps_longer_than_what_is_read_again(tmp_path, small_margin):
    for cut in range(100, 1500, 170):
        ingest(tmp_path / "h", written(tmp_path / "log", LINES[:cut]), "--step", "1h")
    assert_whole(tmp_path / "h", tmp_path, LINES[:cut], "--step", "1h")


def test_an_hour_shown_twice_longer_than_what_is_read_again(tmp_path, small_margin):
    begin = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    moments = [(begin + index * timedelta(seconds=20)).astimezone(ZoneInfo("Europe/Berlin")) for index in range(500)]
    lines, header = [f"{at:%Y-%m-%d %H:%M:%S},1,{at.minute}\n" for at in moments], "time,rate,queue\n"
    zone = ("--tz", "Europe/Berlin")
    for cut in (150, 300, 370, 440, 500):
        ingest(tmp_path / "h", written(tmp_path / "log", lines[:cut], header), *zone)
    assert_whole(tmp_path / "h", tmp_path, lines, *zone, header=header)


def test_what_is_not_there_keeps_nothing_else_from_being_stored(tmp_path):
    written(tmp_path / "good.csv", LINES[:50])
    outcome = entro("ingest", "--history", tmp_path / "h", tmp_path / "missing.csv", tmp_path / "good.csv")
    assert outcome.status == 1
    assert outcome.err.startswith(f"entro: {tmp_path / 'missing.csv'}: there is no such file; ")
    assert recalled(tmp_path / "h").steps.count == 50


def test_no_pipeline_keeps_another_from_being_stored(tmp_path):
    written(tmp_path / "c.csv", LINES[:50])
    config = tmp_path / "entro.toml"
    config.write_text(
        'history = "h"\n[pipelines.a]\nlogs = ["missing.csv"]\n[pipelines.b]\nlogs = ["none.csv"]\n'
        '[pipelines.c]\nlogs = ["c.csv"]\n'
    )
    outcome = entro("ingest", "--config", config)
    assert outcome.status == 1
    assert list(days(tmp_path / "h")) == ["pipeline=c/date=2026-03-29/steps.parquet"]
    told = [text.split(": ")[0] for text in outcome.err.splitlines()]
    assert sorted(told) == ["entro", "warning"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_any_growth_of_a_log_with_everything_wrong(tmp_path, small_margin, seed):
    draw = random.Random(seed)
    now, lines = START, []
    for _ in range(300):
        now += draw.choice([1, 1, 2, 5, 60]) * SECOND
        late = draw.choice([0] * 40 + [5, 5, 900]) * SECOND
        lines.append(line(now - late, draw.choice([0.0, 1.5]), draw.uniform(0, 9)))
        lines += draw.choices([[], lines[-1:], ["broken\n"] * 5], [40, 2, 1])[0]
    step = ("--step", draw.choice(["1s", "1min", "1h"]))
    for cut in [*sorted(draw.sample(range(50, len(lines)), 6)), len(lines)]:
        unfinished = draw.choice([0, 9, 20]) if cut < len(lines) else 0
        content = HEADER + "".join(lines[:cut])
        (tmp_path / "log").write_text(content[: len(content) - unfinished])
        ingest(tmp_path / "h", tmp_path / "log", *step)
    assert_whole(tmp_path / "h", tmp_path, lines, *step)
    (seen,), (whole,) = logs_seen(tmp_path / "h"), logs_seen(tmp_path / "whole")
    assert (seen["rows_read"], seen["rows_skipped"]) == (whole["rows_read"], whole["rows_skipped"])
