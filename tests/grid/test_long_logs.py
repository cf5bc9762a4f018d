"""A log that is put onto a grid on disk block by block has the steps that it has at once, or is read whole."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import duckdb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entro_cli.timeseries.steps import Steps
from entro_cli.timeseries.steps_on_disk import StoredSteps
from entro_engine import Kind, Stage
from tests.grid.long_logs import both_ways, is_same, long_from
from tests.marks import slow
from tests.running import entro

pytest.importorskip("pyarrow", reason="the extra `fast` is not installed")

START = datetime(2026, 4, 6, tzinfo=UTC)
HEAD = "time,scraper_rate,llm_queue\n"


ROWS = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 1, 1, 2, 3, 7, 40, 0.25, 0]),
        st.sampled_from(["1.5", "2.25", "0.1", ""]),
        st.sampled_from(["3", "4.125", "0", ""]),
    ),
    min_size=1,
    max_size=60,
)


def write(path, rows):
    when, lines = START, []
    for wait, rate, queue in rows:
        when += timedelta(seconds=wait)
        lines.append(f"{when.isoformat(timespec='milliseconds')},{rate},{queue}\n")
    path.write_text(HEAD + "".join(lines))


@pytest.mark.slow
@settings(deadline=None)
@given(ROWS, st.sampled_from([None, "1s", "2s", "10s", "1h"]))
@example([(1, "1", "")] * 5 + [(1, "", "2")] * 5, "2s")
@example([(1, "1", "2"), (1, "1", "2"), (2, "5", "6"), (1, "1", "2")], "1s")
def test_its_steps_are_those_of_the_log_at_once(tmp_path_factory, rows, step):
    path = tmp_path_factory.mktemp("long") / "log.csv"
    write(path, rows)
    short, whole, _ = both_ways(path, step)
    assert is_same(short, whole), (short, whole)


def value(cell):
    return float(cell) if cell.strip("-").replace(".", "").isdigit() else cell or None


def in_format(path, suffix):
    """Return a copy of a CSV in another format."""
    copy = path.with_suffix(suffix)
    if suffix == ".csv.gz":
        copy.write_bytes(gzip.compress(path.read_bytes()))
    elif suffix == ".jsonl":
        rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
        names = HEAD.strip().split(",")
        copy.write_text("".join(json.dumps(dict(zip(names, map(value, row), strict=True))) + "\n" for row in rows))
    else:
        typed = "time::TIMESTAMPTZ AS time, scraper_rate::DOUBLE AS scraper_rate, llm_queue::DOUBLE AS llm_queue"
        duckdb.sql(f"SELECT {typed} FROM read_csv('{path}', all_varchar = true)").write_parquet(str(copy))
    return copy


@pytest.mark.parametrize("suffix", [".csv.gz", ".jsonl", ".parquet"])
@pytest.mark.parametrize("more", [[], [(1, "x", "1"), (1, "1", "-3")], [(9e6, "1", "1")]])
def test_its_format_changes_no_bit(tmp_path, suffix, more):
    rows = [*REGULAR[:50], *more, *REGULAR[50:]]
    write(tmp_path / "log.csv", [row for row in rows if row[1] != "x"] if suffix == ".parquet" else rows)
    short, whole, was_taken = both_ways(in_format(tmp_path / "log.csv", suffix), "1s")
    text, _, _ = both_ways(tmp_path / "log.csv", "1s")
    assert was_taken == (not more or (suffix == ".parquet" and more[0][0] == 1))
    assert is_same(short, whole)
    if not isinstance(text, str):
        parts = [found.steps.part(0, found.steps.count) for found in (short, text)]
        assert parts[0].loads.tobytes() == parts[1].loads.tobytes()
        assert short.sources[0].rows_skipped == text.sources[0].rows_skipped


ODD_LINES = (
    *('{"time": 1', "null", "[1]", "x", "", "{}", '{"time": null, "scraper_rate": 1, "llm_queue": 2}'),
    '{"time": "%s", "scraper_rate": true, "llm_queue": [1, 2]}',
    '{"time": "%s", "scraper_rate": {"a": 1}, "llm_queue": 1e400}',
    '{"time": "%s", "scraper_rate": 12345678901234567890123, "llm_queue": null}',
    '{"time": "%s", "scraper_rate": "0.5", "llm_queue": "NaN"}',
    '{"time": "%s", "scraper_rate": -0, "llm_queue": -1}',
    '{"time": "%s"}',
)


@pytest.mark.parametrize("odd", ODD_LINES)
def test_an_odd_line_of_json_counts_the_same(tmp_path, odd):
    times = [(START + timedelta(seconds=second)).isoformat() for second in range(50)]
    lines = [f'{{"time": "{time}", "scraper_rate": 0.1, "llm_queue": 2}}' for time in times]
    lines[20] = odd.replace("%s", times[20])
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    short, whole, _ = both_ways(tmp_path / "log.jsonl", "1s")
    assert is_same(short, whole)
    assert short.sources[0].rows_read + short.sources[0].rows_skipped == 50 - (odd == "")


REGULAR = [(1, str(second / 8), str(second % 5)) for second in range(100)]


@pytest.mark.parametrize(
    ("rows", "step", "tz", "is_taken"),
    [
        (REGULAR, None, "UTC", True),
        (REGULAR, "10s", "UTC", True),
        (REGULAR, "1h", "Asia/Kathmandu", True),
        ([*REGULAR[:50], (2, "1", "1"), *REGULAR[50:]], "1s", "UTC", True),  # a hole of a step is bridged
        ([*REGULAR[:50], (90, "1", "1"), *REGULAR[50:]], "1s", "UTC", True),
        ([*REGULAR[:50], *[(1, "1", "")] * 3, *REGULAR[50:]], "1s", "UTC", True),
        ([*REGULAR[:50], (-1, "1", "1"), *REGULAR[50:]], "1s", "UTC", False),  # out of order
        ([*REGULAR[:50], (0, "1", "1"), *REGULAR[50:]], "1s", "UTC", False),  # repeated
        ([(10, rate, queue) for _, rate, queue in REGULAR], "1s", "UTC", False),  # a sample holds for ten steps
        ([*REGULAR[:5], *((9, rate, queue) for _, rate, queue in REGULAR)], None, "UTC", False),  # the step is 10 s
        ([(1, "1", "")] * 20 + REGULAR, "1s", "UTC", False),  # a stage begins later
        ([*REGULAR[:50], (9e6, "1", "1"), *REGULAR[50:]], "1s", "UTC", False),  # a time that is wrong, probably
    ],
)
def test_which_logs_are_taken_block_by_block(tmp_path, rows, step, tz, is_taken):
    write(tmp_path / "log.csv", rows)
    short, whole, was_taken = both_ways(tmp_path / "log.csv", step, tz)
    assert was_taken == is_taken
    assert is_same(short, whole)


def test_an_hour_that_the_clock_shows_twice_needs_a_look_at_all(tmp_path):
    begin = datetime(2026, 10, 25, 2, 30)
    times = [begin + timedelta(minutes=minute) for minute in range(29)]
    (tmp_path / "log.csv").write_text(HEAD + "".join(f"{time.isoformat()},1,2\n" for time in times))
    short, whole, was_taken = both_ways(tmp_path / "log.csv", tz="Europe/Berlin")
    assert not was_taken
    assert is_same(short, whole)


@pytest.mark.parametrize(
    "options",
    [slow(()), slow(("--step", "10s")), ("--since", "2026-04-06T00:00:30Z", "--exclude", "daily 00:01-00:02")],
)
def test_what_is_said_of_it_is_the_same(tmp_path, options):
    write(tmp_path / "log.csv", REGULAR * 3)
    with long_from(0):
        short = entro("analyze", tmp_path / "log.csv", "--tz", "UTC", "--json", *options)
        report = entro("report", "--daily", "--format", "json", "--tz", "UTC", "--logs", tmp_path / "log.csv")
        toml = entro("calibrate", tmp_path / "log.csv", "--tz", "UTC", "--out", "-")
    assert short == entro("analyze", tmp_path / "log.csv", "--tz", "UTC", "--json", *options)
    assert report == entro("report", "--daily", "--format", "json", "--tz", "UTC", "--logs", tmp_path / "log.csv")
    assert toml == entro("calibrate", tmp_path / "log.csv", "--tz", "UTC", "--out", "-")
    assert (short.status, report.status, toml.status) == (0, 0, 0)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.data())
def test_any_part_of_stored_steps_is_what_was_appended(lengths, data):
    rng, count = np.random.default_rng(sum(lengths)), sum(lengths)
    stages = (Stage("llm", Kind.QUEUE), Stage("scraper", Kind.RATE))
    loads = rng.random((2, count))
    plain = rng.random() < 0.5
    others = (loads, loads) if plain else (loads + 1, loads - 1)
    whole = Steps(stages, 50, 10, loads, *others, np.ones((2, count), np.int64), np.ones((2, count), np.bool_))
    stored, at = StoredSteps(stages, 50, 10), 0
    for length in lengths:
        stored.append(whole.part(at, at + length))
        at += length
    first = data.draw(st.integers(0, count))
    after = data.draw(st.integers(first, count))
    found, expected = stored.of(stages[::-1]).part(first, after), whole.part(first, after)
    assert (found.start_ns, found.stages, stored.count) == (expected.start_ns, stages[::-1], count)
    for name in ("loads", "peaks", "ends", "samples", "measured"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name)[::-1])


def test_a_full_disk_is_reported(tmp_path):
    write(tmp_path / "log.csv", REGULAR)
    with long_from(0), patch("os.pwrite", side_effect=OSError(28, "No space left")):
        error = entro("analyze", tmp_path / "log.csv").error
    assert "the steps of a long log cannot be written: No space left" in error
    assert "TMPDIR" in error
