"""Several files as one pipeline: one source continued or copied, or sources side by side."""

import csv
import io
import itertools
import json
from pathlib import Path

import pytest

from entro_cli.readers.inputs.log_file import find_logs
from tests.running import entro


def log(folder, name, head, rows):
    path = folder / name
    path.write_text(
        "\n".join([head, *(f"2026-04-06T12:{second // 60:02}:{second % 60:02}Z,{cells}" for second, cells in rows), ""])
    )
    return path


def read(*paths):
    """Each stage's loads, how each file was taken, and all that does not name a file."""
    outcome = entro("analyze", "--json", *paths)
    assert outcome.status == 0, outcome.err
    document = json.loads(outcome.out)
    taken = {source["path"].rpartition("/")[2]: source["taken_as"] for source in document["sources"]}
    steps = list(csv.DictReader(io.StringIO(entro("analyze", "--steps-csv", "-", *paths).out)))
    for recommendation in document["recommendations"]:
        del recommendation["command"]
    return steps, taken, {key: value for key, value in document.items() if key != "sources"}


def column(steps, name):
    return [float(row[name]) if row[name] else None for row in steps]


def every_order(*paths):
    """What was read, which is the same in whatever order the files are named."""
    results = [read(*order) for order in itertools.permutations(paths)]
    assert all(result == results[0] for result in results)
    return results[0]


WIDE = "time,rate,queue"


def test_files_that_follow_one_another_are_one_source(tmp_path):
    rows = [(second, f"1,{second}") for second in range(30)]
    parts = [log(tmp_path, name, WIDE, rows[begin : begin + 10]) for name, begin in (("c", 0), ("a", 10), ("b", 20))]
    steps, taken, _ = every_order(*parts)
    assert column(steps, "load_llm") == list(range(30))
    assert taken == {"c": "a source", "a": "continues a source", "b": "continues a source"}


def test_a_copied_rotation_counts_once(tmp_path):
    rows = [(second, f"1,{second}") for second in range(30)]
    parts = [
        log(tmp_path, "log.2", WIDE, rows[:20]),
        log(tmp_path, "log.1", WIDE, rows[10:]),
        log(tmp_path, "log", WIDE, rows),
    ]
    steps, taken, _ = every_order(*parts)
    assert column(steps, "load_llm") == list(range(30))
    assert sorted(taken.values()) == ["a copy of a source, in part"] * 2 + ["a source"]


def test_programs_that_did_the_same_are_two(tmp_path):
    rows = [(second, f"1,{second}") for second in range(30)]
    steps, taken, _ = every_order(log(tmp_path, "spider-a", WIDE, rows), log(tmp_path, "spider-b", WIDE, rows))
    assert column(steps, "load_llm") == [2 * second for second in range(30)]
    assert taken == {"spider-a": "a source", "spider-b": "another source, summed"}


@pytest.mark.parametrize("command", ["analyze", "ingest"])
def test_logs_with_the_same_samples_are_reported(tmp_path, command):
    """Two programs rarely did the same, and a copy doubles every figure."""
    logs = [log(tmp_path, name, WIDE, [(second, f"1,{second}") for second in range(30)]) for name in ("a", "b")]
    history = ["--history", tmp_path / "history"] if command == "ingest" else []
    assert f"{logs[1]} has the samples of {logs[0]}, and both are summed" in entro(command, *logs, *history).err
    idle = [log(tmp_path, name, WIDE, [(second, "1,0") for second in range(30)]) for name in ("c", "d")]
    assert "has the samples" not in entro(command, *idle, *history).err


@pytest.mark.parametrize("command", ["analyze", "ingest"])
def test_two_formats_with_one_stage_are_reported(tmp_path, command):
    """A table of the scraper's rate and the requests at the server count the same requests."""
    rates = log(tmp_path, "rates.csv", "time,rate", [(second, "1") for second in range(30)])
    (tmp_path / "requests.csv").write_text(
        "arrival_time,finished_at\n"
        + "".join(f"2026-04-06T12:00:{second:02}Z,2026-04-06T12:01:{second:02}Z\n" for second in range(30))
    )
    history = ["--history", tmp_path / "history"] if command == "ingest" else []
    outcome = entro(command, rates, tmp_path / "requests.csv", *history)
    assert f"{rates} and {tmp_path / 'requests.csv'} both have scraper, and are summed" in outcome.err


def test_two_pods_with_the_same_samples_are_no_copies(tmp_path):
    rows = [f'{{"time": {1_795_694_400 + row}, "rate": 1, "queue": {row}}}\n' for row in range(30)]
    path = tmp_path / "pods.log"
    path.write_text("".join(f"[pod/llm-{pod}/main] {row}" for row in rows for pod in "ab"))
    outcome = entro("analyze", path, "--json")
    assert json.loads(outcome.out)["stages"][1]["peak_load"] == 58
    assert "has the samples" not in outcome.err


@pytest.mark.parametrize("fraction", ["", ".317"])
def test_exports_of_requests_that_overlap_are_reported(tmp_path, fraction):
    head = "arrival_time,finished_at\n"
    rows = [
        f"2026-04-06T12:{row // 30:02}:{row * row % 7 + row % 30 * 2 - row % 2:02}{fraction}Z,2026-04-06T13:00:00Z\n"
        for row in range(600)
    ]
    for name, part in (("a", rows[:400]), ("b", rows[250:])):
        (tmp_path / name).write_text(head + "".join(sorted(part)))
    assert f"{tmp_path / 'b'} has the samples of" in entro("analyze", tmp_path / "a", tmp_path / "b").err
    (tmp_path / "b").write_text(head + "".join(sorted(rows[1::2])))
    (tmp_path / "a").write_text(head + "".join(sorted(rows[::2])))
    assert "has the samples" not in entro("analyze", tmp_path / "a", tmp_path / "b").err


def test_a_copy_of_requests_in_one_ingest_is_reported(tmp_path):
    rows = "".join(f"2026-04-06T12:00:{second:02}.317Z,2026-04-06T12:01:{second:02}Z\n" for second in range(30))
    for name in ("a", "b"):
        (tmp_path / name).write_text("arrival_time,finished_at\n" + rows)
    ingested = entro("ingest", tmp_path / "a", tmp_path / "b", "--history", tmp_path / "history")
    assert "has the samples of" in ingested.err


@pytest.mark.parametrize("common", [1, 15])
def test_exports_that_overlap_are_one_source(tmp_path, common):
    """The exports of two days in a row both have midnight."""
    rows = [(second, f"1,{second % 7}") for second in range(40)]
    parts = [log(tmp_path, "monday", WIDE, rows[: 20 + common]), log(tmp_path, "tuesday", WIDE, rows[20:])]
    steps, taken, _ = every_order(*parts)
    assert column(steps, "load_llm") == [second % 7 for second in range(40)]
    assert taken == {"monday": "a source", "tuesday": "a copy of a source, in part"}
    entro("ingest", *parts, "--history", tmp_path / "history")
    stored = entro("history", "export", "--history", tmp_path / "history").out
    assert column([*csv.DictReader(io.StringIO(stored))], "load_llm") == column(steps, "load_llm")


def test_fractions_of_a_second_show_a_copy(tmp_path):
    text = "time,rate,queue\n" + "".join(f"2026-04-06T12:00:{second:02}.317Z,1,{second}\n" for second in range(30))
    for name in ("log", "copy of log"):
        (tmp_path / name).write_text(text)
    steps, taken, _ = every_order(tmp_path / "log", tmp_path / "copy of log")
    assert column(steps, "load_llm") == list(range(30))
    assert taken["log"] == "a copy of a source, in part"


def test_overlapping_files_are_summed(tmp_path):
    first = log(tmp_path, "first", WIDE, [(second, "1,10") for second in range(10)])
    second = log(tmp_path, "second", WIDE, [(second, "0.5,7") for second in range(5, 15)])
    steps, taken, _ = every_order(first, second)
    assert column(steps, "load_scraper") == [1] * 5 + [1.5] * 5 + [0.5] * 5
    assert column(steps, "load_llm") == [10] * 5 + [17] * 5 + [7] * 5
    assert taken == {"first": "a source", "second": "another source, summed"}


def test_servers_that_agree_in_one_column_are_still_two(tmp_path):
    first = log(tmp_path, "first", WIDE, [(second, "1,4") for second in range(10)])
    second = log(tmp_path, "second", WIDE, [(second, "2,4") for second in range(10)])
    steps, _, _ = every_order(first, second)
    assert column(steps, "load_llm") == [8] * 10


def test_a_source_inside_the_gaps_of_another_is_another(tmp_path):
    slow = log(tmp_path, "slow", "time,queue", [(0, "4"), (600, "4")])
    quick = log(tmp_path, "quick", "time,queue", [(second, "3") for second in range(10, 50, 10)])
    _, taken, _ = every_order(slow, quick)
    assert taken["quick"] == "another source, summed"


def test_a_hole_of_one_source_is_a_hole_of_the_sum(tmp_path):
    first = log(tmp_path, "first", "time,queue", [(second, "1") for second in range(20)])
    second = log(tmp_path, "second", "time,queue", [(second, "2") for second in (*range(2, 8), *range(12, 18))])
    steps, _, _ = every_order(first, second)
    assert column(steps, "load_llm") == [1] * 2 + [3] * 6 + [None] * 4 + [3] * 6 + [1] * 2


def test_stages_of_different_files_meet(tmp_path):
    rates = log(tmp_path, "z", "time,rate", [(second, "1") for second in range(20)])
    queues = log(tmp_path, "a", "time,queue", [(second, "2") for second in range(0, 20, 5)])
    steps, taken, _ = every_order(rates, queues)
    assert [name for name in steps[0] if name.startswith("load_")] == ["load_scraper", "load_llm"]
    assert column(steps, "load_llm") == [2] * 4
    assert set(taken.values()) == {"a source"}


def test_a_clock_can_be_moved(tmp_path):
    rates = log(tmp_path, "rates", "time,rate", [(second, "1") for second in range(20)])
    queues = log(tmp_path, "queues", "time,queue", [(second + 600, "2") for second in range(20)])
    assert "begins 9 min 41 s after stage scraper ends" in entro("analyze", rates, queues).error
    steps, _, _ = read(rates, queues, "--offset", "queues=-10min")
    assert len(steps) == 20


@pytest.mark.parametrize("how", ["folder", "pattern"])
def test_folders_and_patterns(tmp_path, how):
    for name, begin in (("1.csv", 0), ("2.csv", 10)):
        log(tmp_path, name, WIDE, [(second, "1,2") for second in range(begin, begin + 10)])
    (tmp_path / "README.md").write_text("# What these are\n")
    steps, taken, _ = read(tmp_path if how == "folder" else tmp_path / "*.csv")
    assert (len(steps), sorted(taken)) == (20, ["1.csv", "2.csv"])
    if how == "folder":
        assert "README.md: left out: the format is not known" in entro("analyze", tmp_path).err


def test_a_folder_is_read_with_the_folders_in_it(tmp_path):
    places = [
        "b/news/1.csv",
        "a/2.csv",
        ".hidden/3.csv",
        "a/.4.csv",
        "h/pipeline=default/date=2026-04-06/5.csv",
        "6.csv",
    ]
    places.append("/".join("deep" for _ in range(12)) + "/7.csv")
    for number, place in enumerate(places):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(f"{number}\n")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    found = [str(Path(name).relative_to(tmp_path)) for name in find_logs([str(tmp_path)])]
    assert found == ["6.csv", "a/2.csv", "b/news/1.csv"]


@pytest.mark.parametrize(
    ("later_s", "cause"),
    [
        (8 * 3600, "they fit if one is moved by 8h: its zone is probably wrong, use --tz or --offset FILE=-8h"),
        (5.5 * 3600, "they fit if one is moved by 5.5h: its zone is probably wrong, use --tz or --offset FILE=-5.5h"),
        (365 * 86400, "one of them probably has the wrong year: set it with --year"),
        (
            3 * 86400,
            "if they are of the same time, one is in another zone or year: use --tz, --year or --offset FILE=+1h",
        ),
    ],
)
def test_why_logs_have_no_time_in_common(tmp_path, later_s, cause):
    rates, queues = tmp_path / "rates", tmp_path / "queues"
    begin = 1_775_462_400
    rates.write_text("time,rate\n" + "".join(f"{begin + 10 * at},1\n" for at in range(90)))
    queues.write_text("time,queue\n" + "".join(f"{begin + 10 * at + later_s:.0f},2\n" for at in range(90)))
    assert cause in entro("analyze", rates, queues).error
