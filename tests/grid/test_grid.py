"""Logs come out of `entro analyze --steps-csv` as a slow, plain second implementation has them."""

import csv
import io
import math
import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import log_oracle, oracle
from tests.marks import slow
from tests.running import entro

KINDS = ("rate", "queue")
STATES = ("energy", "memory", "stress_threshold", "critical_threshold", "effective_load", "stability")
START = 1_774_746_000 * 10**9  # an hour and a half before the clocks of Berlin go forward


def moment(ns):
    whole, fraction = divmod(ns, 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def log_of(rows):
    cells = (
        ",".join([moment(time), *("" if value is None else repr(value) for value in values)]) for time, values in rows
    )
    return "\n".join(["time,scraper_rate,llm_queue", *cells, ""]).encode()


def analyze(content, *options):
    outcome = entro("analyze", "-", "--steps-csv", "-", "--tz", "Europe/Berlin", *options, stdin=content)
    assert outcome.status == 0, outcome.err
    return list(csv.DictReader(io.StringIO(outcome.out)))


def number(cell):
    return float(cell) if cell else None


def check(steps, start, step, loads):
    """Every cell of a steps CSV against the oracle's replay of these loads."""
    psi = [
        [None if load is None else oracle.psi(load, kind) for load in stage]
        for stage, kind in zip(loads, KINDS, strict=True)
    ]
    totals = [None if parts[0] is None else sum(parts) for parts in zip(*psi, strict=True)]
    replayed = oracle.replay(totals, 3.0)
    assert len(steps) == len(replayed)
    for index, (row, expected) in enumerate(zip(steps, replayed, strict=True)):
        assert datetime.fromisoformat(row["time"]) == datetime.fromtimestamp(0, UTC) + timedelta(
            microseconds=(start + index * step) // 1000
        )
        assert row["regime"] == expected.regime
        printed = [row["load_scraper"], row["load_llm"], row["psi_scraper"], row["psi_llm"], row["psi_total"]]
        printed += [row[state] for state in STATES]
        wanted = [loads[0][index], loads[1][index], psi[0][index], psi[1][index], totals[index]]
        wanted += [getattr(expected, state) for state in STATES]
        for cell, value in zip(printed, wanted, strict=True):
            assert number(cell) == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9))


LOADS = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 40.0]), st.floats(0, 50, allow_nan=False))
GAPS = st.sampled_from([0, 1, 250_000_000, 10**9, 10**9, 10**9, 1_300_000_000, 2 * 10**9, 3 * 10**9, 15 * 10**9])


@st.composite
def tables(draw):
    """Rows with repeats, gaps, rows at one time and cells that are empty, in any order."""
    scale = draw(st.sampled_from([1, 1, 60]))
    rows, time = [], START + draw(st.integers(0, 10**10))
    for gap, rate, queue in draw(st.lists(st.tuples(GAPS, LOADS, LOADS), min_size=1, max_size=25)):
        time += gap * scale
        rows += [(time, (rate, queue))] * draw(st.sampled_from([1, 1, 1, 2]))
    rows.append((time, (1.0, 1.0)))
    return draw(st.permutations(rows))


@given(tables(), st.sampled_from([None, None, "1s", "7s", "1min", "30min", "1h"]))
@settings(max_examples=settings.default.max_examples // 2)
def test_steps_are_those_of_the_oracle(rows, step):
    stages = [log_oracle.samples_of(rows, column) for column in (0, 1)]
    lengths = {"1s": 1, "7s": 7, "1min": 60, "30min": 1800, "1h": 3600, None: None}
    start, step_ns, loads, _ = log_oracle.grid(stages, lengths[step], ZoneInfo("Europe/Berlin"))
    check(analyze(log_of(rows), *(["--step", step] if step else [])), start, step_ns, loads)


def table(texts, head="time,scraper_rate,llm_queue"):
    return "\n".join([head, *texts, ""]).encode()


def at(second, *cells):
    return ",".join([moment(START + round(second * 1e9)), *map(str, cells)])


def column(steps, name):
    return [number(row[name]) for row in steps]


def test_a_step_is_the_mean_of_its_samples():
    steps = analyze(table([at(0, 1, 1), at(0.2, 2, 2), at(0.9, 6, 3), at(1, 1, 1)]), "--step", "1s")
    assert column(steps, "load_scraper") == [3, 1]
    assert column(steps, "load_llm") == [2, 1]


def test_a_single_hole_is_bridged_and_a_longer_one_is_not():
    steps = analyze(table([at(second, second + 1, 5) for second in (0, 1, 3, 6, 7, 8)]))
    assert column(steps, "load_scraper") == [1, 2, 2, 4, None, None, 7, 8, 9]
    assert [row["regime"] for row in steps][4:6] == ["no data", "no data"]


def test_a_hole_between_two_runs_of_a_spider_is_not_bridged(tmp_path):
    def run(minute):
        when = f"2026-04-06 12:{minute:02}:00 [scrapy.extensions.logstats] INFO:"
        return f"{when} Spider opened\n" + "".join(
            f"{when.replace(f':{minute:02}:', f':{minute + more:02}:')} Crawled {60 * more} pages (at 60 pages/min), "
            "scraped 0 items (at 0 items/min)\n"
            for more in (1, 2)
        )

    log = tmp_path / "scrapy.log"
    log.write_text(run(0) + run(3))
    steps = analyze(log.read_bytes(), "--step", "1m", "--tz", "UTC")
    assert column(steps, "load_scraper") == [1, 1, None, 1, 1]
    stored = ["--history", str(tmp_path / "history"), "--tz", "UTC"]
    assert entro("ingest", str(log), *stored, "--step", "1m").status == 0
    shown = entro("history", "export", *stored, "--format", "csv")
    assert [row["load_scraper"] for row in csv.DictReader(io.StringIO(shown.out))] == ["1.0", "1.0", "", "1.0", "1.0"]


def test_a_slow_source_holds_for_its_own_interval():
    rows = [at(second, second, second if second % 10 == 0 else "") for second in range(25)]
    steps = analyze(table(rows), "--step", "1s")
    assert column(steps, "load_llm") == [0] * 10 + [10] * 10 + [20] * 5
    slow = analyze(table([at(second, 1, second) for second in (0, 10, 20, 50, 60)]), "--step", "5s")
    assert column(slow, "load_llm") == [0, 0, 10, 10, 20, 20, None, None, None, None, 50, 50, 60, 60]


@pytest.mark.parametrize(("every", "step_s"), [(0.4, 1), (1, 1), (1.1, 2), (10, 10), (11, 15), (61, 120), (3000, 3600)])
def test_the_default_step_is_the_slowest_interval_rounded_up(every, step_s):
    steps = analyze(table([at(index * every, 1, 1) for index in range(30)]))
    first, second = (datetime.fromisoformat(row["time"]) for row in steps[:2])
    assert (second - first).total_seconds() == step_s


def test_long_steps_begin_at_local_midnight():
    zone = "Asia/Kolkata"  # half an hour off
    content = table([at(index * 3600, 1, 1) for index in range(5)])
    outcome = entro("analyze", "-", "--steps-csv", "-", "--tz", zone, "--step", "1h", stdin=content)
    times = [row["time"] for row in csv.DictReader(io.StringIO(outcome.out))]
    assert all(time.endswith(":30:00+00:00") for time in times)
    outcome = entro("analyze", "-", "--steps-csv", "-", "--tz", zone, "--step", "15min", stdin=content)
    assert "T01:00:00+00:00" in outcome.out


def test_repeats_count_once_and_others_are_averaged():
    outcome = entro(
        "analyze", "-", "--steps-csv", "-", stdin=table([at(0, 1, 4), at(0, 1, 4), at(0, 3, 8), at(1, 1, 1)])
    )
    assert column(csv.DictReader(io.StringIO(outcome.out)), "load_scraper") == [2, 1]
    assert "1 row repeated exactly: counted once" in outcome.err
    assert "2 rows with other values at the same time: averaged" in outcome.err


@pytest.mark.parametrize("seed", [0, *map(slow, range(1, 5))])
def test_the_order_of_rows_changes_no_byte(seed):
    rows = [at(index // 3 + index % 7 / 7, index * 0.1 % 3, math.sqrt(index)) for index in range(600)]
    in_order = entro("analyze", "-", "--json", stdin=table(rows)).out
    steps = analyze(table(rows))
    random.Random(seed).shuffle(rows)
    assert analyze(table(rows)) == steps
    shuffled = entro("analyze", "-", "--json", stdin=table(rows)).out
    assert figures(shuffled) == figures(in_order)


def figures(document):
    return [line for line in document.splitlines() if "out of order" not in line]


def test_the_number_of_threads_changes_no_byte(monkeypatch):
    from entro_cli.readers.tables import reader

    rows = [at(index // 5, index * 0.1 % 3, math.sqrt(index)) for index in range(20_000)]
    original, seen = reader.connect_duckdb, set()
    for threads in (1, 2, 4):

        def connect(threads=threads):
            connection = original()
            connection.execute(f"SET threads = {threads}")
            return connection

        monkeypatch.setattr(reader, "connect_duckdb", connect)
        seen.add(entro("analyze", "-", "--steps-csv", "-", stdin=table(rows)).out)
    with original() as connection:
        connection.execute("RESET threads")
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("rows", "count"), [([at(0, 1, 1)], 1), ([at(0, 1, 1), at(0, 2, 2)], 1), ([at(0, 0, 0)] * 9, 1)]
)
def test_logs_of_one_moment(rows, count):
    assert len(analyze(table(rows))) == count


def test_times_before_1970():
    rows = [f"1969-12-31T23:59:{second}Z,1,{second}" for second in range(50, 60)] + ["1970-01-01T00:00:00Z,1,60"]
    assert column(analyze(table(rows)), "load_llm") == list(range(50, 61))


def test_a_wrong_date_is_reported():
    rows = [at(3600 * index, 1, 1) for index in range(50)] + ["2026-11-01T00:00:00Z,1,1"]
    outcome = entro("analyze", "-", stdin=table(rows))
    assert outcome.status == 0
    assert "is a date wrong?" in outcome.err
