"""Every shape of table, every format of time and every name of a column gives the same loads."""

import csv
import gzip
import io
import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from entro_cli.readers.tables.column_names import meaning, names_time
from entro_engine import Kind
from tests.running import entro

FOLDER = Path(__file__).parents[2] / "sample_logs"
TRUTH = json.loads((FOLDER / "truth.json").read_text())


def steps_of(content, *options):
    logs = ["-"] if isinstance(content, bytes) else [content]
    outcome = entro(
        "analyze", *logs, "--steps-csv", "-", *options, stdin=content if isinstance(content, bytes) else b""
    )
    assert outcome.status == 0, outcome.err
    return list(csv.DictReader(io.StringIO(outcome.out)))


@pytest.mark.parametrize("name", [name for name in TRUTH["logs"] if name.startswith("shapes/")])
def test_all_shapes_give_the_same_steps(name):
    options = TRUTH["logs"][name]["options"]
    zone = options[options.index("--tz") + 1] if "--tz" in options else "UTC"
    expected = steps_of(FOLDER / "shapes" / "wide.csv", "--tz", zone)
    assert steps_of(FOLDER / name, *options, "--tz", zone) == expected


def table(times, head="time"):
    return "\n".join([f"{head},rate,queue", *(f"{time},1,{index}" for index, time in enumerate(times)), ""]).encode()


UTC_TIMES = [f"2026-04-06T12:00:0{second}+00:00" for second in range(3)]
FORMS = {
    "Z": "2026-04-06T12:00:0{}Z",
    "a space": "2026-04-06 12:00:0{}+00:00",
    "small letters": "2026-04-06t12:00:0{}z",
    "a small t and an offset": "2026-04-06t14:00:0{}+02:00",
    "offset without colon": "2026-04-06T14:00:0{}+0200",
    "offset in hours": "2026-04-06T14:00:0{}+02",
    "offset behind a space": "2026-04-06 14:00:0{} +02:00",
    "half an hour": "2026-04-06T17:30:0{}+05:30",
    "west": "2026-04-06T08:00:0{}-04:00",
    "UTC": "2026-04-06 12:00:0{} UTC",
    "a zone's name": "2026-04-06 14:00:0{} Europe/Berlin",
    "no dashes": "20260406T12000{}Z",
    "slashes": "2026/04/06 12:00:0{}",
    "no zone": "2026-04-06T12:00:0{}",
    "one digit": "2026-04-06T12:00:0{}.0Z",
    "twelve digits": "2026-04-06T12:00:0{}.000000000000Z",
    "spaces round it": " 2026-04-06T12:00:0{}Z ",
    "epoch s": "177547680{}",
    "epoch s with digits": "177547680{}.000",
    "epoch ms": "177547680{}000",
    "epoch us": "177547680{}000000",
    "epoch ns": "177547680{}000000000",
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_of_time(form):
    steps = steps_of(table([FORMS[form].format(second) for second in range(3)]), "--tz", "UTC")
    assert [row["time"] for row in steps] == UTC_TIMES
    assert [row["load_llm"] for row in steps] == ["0.0", "1.0", "2.0"]


def test_a_decimal_comma():
    rows = "\n".join(f'"2026-04-06 12:00:0{second},250";1;{second}' for second in range(3))
    steps = steps_of(f"time;rate;queue\n{rows}\n".encode(), "--tz", "UTC")
    assert [row["time"] for row in steps] == UTC_TIMES


@pytest.mark.parametrize(("head", "times"), [("t", "012"), ("t_ms", ["0", "1000", "2000"]), ("time", ["-1", "0", "1"])])
def test_offsets(head, times):
    start = "2026-04-06T12:00:01Z" if times[0] == "-1" else "2026-04-06T12:00:00Z"
    assert [row["time"] for row in steps_of(table(times, head), "--start", start, "--tz", "UTC")] == UTC_TIMES
    assert "the dates shown are not real" in entro("analyze", "-", stdin=table(times, head)).err


def test_a_start_that_is_not_needed_is_told():
    outcome = entro("analyze", "-", "--start", "2026-01-01", stdin=table(UTC_TIMES))
    assert "--start was not used" in outcome.err


def local(*times):
    return table([f"{time}:00" for time in times])


def berlin(content):
    outcome = entro("analyze", "-", "--tz", "Europe/Berlin", "--step", "10min", "--steps-csv", "-", stdin=content)
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    changes = [
        row
        for row, before in zip(rows, [{"load_llm": ""}, *rows], strict=False)
        if row["load_llm"] != before["load_llm"]
    ]
    zone = ZoneInfo("Europe/Berlin")
    clocks = [datetime.fromisoformat(row["time"]).astimezone(zone).isoformat() for row in changes]
    return [(time[11:16] + time[19:], row["load_llm"]) for time, row in zip(clocks, changes, strict=True)], outcome.err


def test_an_hour_that_the_clock_showed_twice_is_told_apart_by_the_order_of_the_rows():
    clock = [f"2026-10-25 {hour}:{minute}" for hour in ("01", "02", "02", "03") for minute in ("00", "20", "40")]
    got, err = berlin(local(*clock))
    assert [load for _, load in got] == [f"{index}.0" for index in range(12)]
    assert got[3][0] == "02:00+02:00"
    assert got[6][0] == "02:00+01:00"
    assert "6 times in an hour the clock showed twice: resolved by the order of the rows" in err


def test_hourly_rows_too():
    got, _ = berlin(local(*[f"2026-10-25 {hour:02}:00" for hour in (0, 1, 2, 2, 3, 4)]))
    assert [load for _, load in got] == [f"{index}.0" for index in range(6)]


def test_one_showing_of_the_hour_is_taken_as_the_first():
    got, err = berlin(local("2026-10-25 01:30", "2026-10-25 02:00", "2026-10-25 02:30"))
    assert got[1][0] == "02:00+02:00"
    assert "2 times in an hour the clock showed twice: read as the first of the two" in err


def test_times_the_clock_skipped_are_moved_past_it():
    got, err = berlin(local("2026-03-29 01:30", "2026-03-29 02:00", "2026-03-29 02:30", "2026-03-29 04:00"))
    assert [time for time, _ in got][:3] == ["01:30+01:00", "03:00+02:00", "03:30+02:00"]
    assert "2 times in an hour the clock skipped: moved past it" in err


@pytest.mark.parametrize(
    ("time", "zone"),
    [
        ("TIMESTAMPTZ '2026-04-06 12:00:00+00' + i * INTERVAL 1 SECOND", "Europe/Berlin"),
        ("TIMESTAMP '2026-04-06 12:00:00' + i * INTERVAL 1 SECOND", "UTC"),
        ("CAST(TIMESTAMP '2026-04-06 12:00:00' + i * INTERVAL 1 SECOND AS TIMESTAMP_NS)", "UTC"),
        ("CAST(TIMESTAMP '2026-04-06 12:00:00' + i * INTERVAL 1 SECOND AS TIMESTAMP_MS)", "UTC"),
        ("CAST(1775476800 + i AS BIGINT)", "UTC"),
        ("CAST(1775476800 + i AS DOUBLE)", "UTC"),
        ("CAST((1775476800 + i) * 1000 AS BIGINT)", "UTC"),
        ("strftime(TIMESTAMP '2026-04-06 12:00:00' + i * INTERVAL 1 SECOND, '%Y-%m-%dT%H:%M:%SZ')", "UTC"),
    ],
)
def test_parquet_times(tmp_path, time, zone):
    check_parquet(tmp_path, time, zone, "DOUBLE")


@pytest.mark.parametrize("load", ["FLOAT", "INTEGER", "DECIMAL(9, 3)", "VARCHAR", "HUGEINT"])
def test_parquet_loads(tmp_path, load):
    check_parquet(tmp_path, "1775476800 + i", "UTC", load)


def check_parquet(tmp_path, time, zone, load):
    path = tmp_path / "log"
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT {time} AS time, CAST(CASE WHEN i <> 1 THEN 1 END AS {load}) AS rate, "
            f"CAST(i AS {load}) AS queue FROM range(3) AS t(i)) TO '{path}' (FORMAT parquet)"
        )
    steps = steps_of(path, "--tz", zone, "--step", "1s")
    assert [row["load_llm"] for row in steps] == ["0.0", "1.0", "2.0"]
    assert [row["load_scraper"] for row in steps] == ["1.0", "1.0", "1.0"]


def test_names_with_a_meaning_only_for_others(tmp_path):
    folder = tmp_path / "day=1"
    folder.mkdir()
    path = folder / "log[1]*.csv.gz"  # neither a partition, nor a pattern, nor packed
    path.write_bytes(table(UTC_TIMES))
    assert len(steps_of(path)) == 3
    path.write_bytes(gzip.compress(gzip.compress(table(UTC_TIMES))))
    assert len(steps_of(path)) == 3


def test_json_lines_of_many_kinds():
    lines = [
        '{"time": "2026-04-06T12:00:00Z", "rate": 1, "queue": "0", "host": {"name": "a"}, "tags": ["x", "y"]}',
        '{"queue": 1.0, "rate": 1e0, "time": "2026-04-06T12:00:01Z"}',
        '{"time": "2026-04-06T12:00:02Z", "rate": 1, "queue": 2, "note": "a\\nb, \\"c\\" \\u001f"}',
    ]
    assert [row["load_llm"] for row in steps_of("\n".join(lines).encode())] == ["0.0", "1.0", "2.0"]


def test_a_long_table_by_its_kinds_by_its_names_and_by_what_is_asked():
    rows = [f"2026-04-06T12:00:0{second}Z,{{}},{second}" for second in range(2)]

    def long(head, *names):
        return "\n".join([head, *(row.format(name) for row in rows for name in names), ""]).encode()

    by_name = steps_of(long("time,stage,value", "scraper", "llm"))
    assert [row["load_scraper"] for row in by_name] == [row["load_llm"] for row in by_name] == ["0.0", "1.0"]
    per_minute = steps_of(long("ts,metric,value", "requests_per_min", "llm_queue"))
    assert [row["load_requests_per_min"] for row in per_minute] == ["0.0", repr(1 / 60)]
    kinds = "time,stage,value,kind\n" + "".join(
        f"2026-04-06T12:00:0{second}Z,{name},{second},{kind}\n"
        for second in range(2)
        for name, kind in (("a", "queue"), ("b_per_min", "RATE"), ("c", "generic"))
    )
    assert [name for name in steps_of(kinds.encode())[0] if name.startswith("load_")] == [
        "load_b_per_min",
        "load_a",
        "load_c",
    ]
    asked = steps_of(long("time,stage,value", "cpu", "disk", "llm"), "--stage", "work=cpu:generic:50")
    assert [name for name in asked[0] if name.startswith("load_")] == ["load_llm", "load_work"]


@pytest.mark.parametrize(
    ("name", "kind", "divisor"),
    [
        ("scraper_rate", Kind.RATE, 1),
        ("rps", Kind.RATE, 1),
        ("QPS", Kind.RATE, 1),
        ("requestRate", Kind.RATE, 1),
        ("requests_per_s", Kind.RATE, 1),
        ("requests per minute", Kind.RATE, 60),
        ("scraper_rate_per_min", Kind.RATE, 60),
        ("rpm", Kind.RATE, 60),
        ("pages-per-hour", Kind.RATE, 3600),
        ("llm_queue", Kind.QUEUE, 1),
        ("queue_length", Kind.QUEUE, 1),
        ("num_requests_waiting", Kind.QUEUE, 1),
        ("Pending", Kind.QUEUE, 1),
        ("backlog", Kind.QUEUE, 1),
    ],
)
def test_names_that_say_what_a_column_is(name, kind, divisor):
    assert (meaning(name).kind, meaning(name).divisor) == (kind, divisor)


@pytest.mark.parametrize(
    "name",
    ["hit_rate", "error_rate", "queue_time", "queued_ts", "waiting_s", "queue_capacity", "tokens_per_s", "cpu", ""],
)
def test_names_that_do_not(name):
    assert meaning(name) is None


def test_names_of_times():
    assert all(map(names_time, ["time", "Timestamp", "ts", "DATE", "datetime", "t", "t_ms", "ts_utc", "time (s)"]))
    assert not any(map(names_time, ["", "queue_time", "uptime", "timestamps", "begun", "s"]))


def test_a_column_of_no_number_is_told():
    rows = [f"2026-04-06T12:00:0{second}Z,1," for second in range(3)]
    outcome = entro("analyze", "-", stdin="\n".join(["time,rate,queue", *rows]).encode())
    assert "no number in column queue: left out" in outcome.err


def test_a_column_is_asked_for_while_its_name_is_taken():
    rows = [f"2026-04-06T12:00:0{second}Z,1,2" for second in range(3)]
    content = "\n".join(["time,rate,busy", *rows]).encode()
    steps = steps_of(content, "--stage", "scraper=busy:queue")
    assert [name for name in steps[0] if name.startswith("load_")] == ["load_rate", "load_scraper"]


def test_an_offset_may_follow_minutes():
    steps = steps_of(table([f"2026-04-06T10:0{minute}-02" for minute in range(3)]), "--tz", "UTC", "--step", "1m")
    assert [step["time"][:16] for step in steps] == [f"2026-04-06T12:0{minute}" for minute in range(3)]


@pytest.mark.parametrize(
    ("usual", "odd"),
    [
        ("2026-04-06T12:00:0{}Z", "2262-04-11T23:47:16.85-12:00"),
        ("13.04.2026 12:00:0{} +0000", "11.04.2262 23:47:16.85 -1200"),
        ("4611{}.5", "1e400"),
        ("4611{}.5", "9e300"),
    ],
)
def test_a_time_beyond_all_others_is_one_bad_row(usual, odd):
    times = [usual.format(number) for number in range(9)]
    outcome = entro("analyze", "-", "--tz", "UTC", "--json", "--step", "1h", stdin=table([*times, odd], "date"))
    (source,) = json.loads(outcome.out)["sources"]
    assert (source["rows_read"], source["rows_skipped"]) == (9, 1)


@pytest.mark.parametrize("lines", [400, 200_000])  # the second is read in blocks
def test_a_load_that_only_later_lines_have_is_reported(lines):
    rows = (f'"queue": {row}, ' * (row >= 300) + f'"rate": {row % 3}' for row in range(lines))
    content = "".join(f'{{"time": {1_795_694_400 + row}, {loads}}}\n' for row, loads in enumerate(rows))
    outcome = entro("analyze", "-", stdin=content.encode())
    assert outcome.status == 0
    assert "not read, as the first lines lack it: queue" in outcome.err


def test_a_load_that_another_one_replaces_in_later_lines_is_reported():
    """A new version of a program calls its queue by another name."""
    rows = (f'"rate": 1, "{"queue" if row < 500 else "waiting"}": {row}' for row in range(1000))
    content = "".join(f'{{"time": {1_795_694_400 + row}, {loads}}}\n' for row, loads in enumerate(rows))
    assert "not read, as the first lines lack it: waiting" in entro("analyze", "-", stdin=content.encode()).err


def test_the_end_of_requests_that_only_later_lines_have_is_reported():
    rows = (f'"finished_at": {row * row + 2}, ' * (row >= 300) + f'"created_at": {row * row}' for row in range(400))
    content = "".join(f'{{"id": {row}, {times}}}\n' for row, times in enumerate(rows))
    outcome = entro("analyze", "-", "--start", "2026-11-26", stdin=content.encode())
    assert "not read, as the first lines lack it: finished_at" in outcome.err
