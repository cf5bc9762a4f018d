"""Every row of a table is used, or counted as one that cannot be read, whatever its bytes."""

import json
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.running import entro

COUNT = 60
LONG = b"x" * (17 << 20)
STRAYS = [
    bytes.fromhex(code)
    for code in ["0d", "1f", "1c", "ff", "e9", "efbbbf", "e280a8", "22", "5c", "2c", "7b", "7d", "20"]
]
STRAYS += [b"", b"NaN", b"1e400", b"9999-12-31", b"1677-09-21T00:12:44Z", b"x" * 5000]


def stamp(index):
    return f"{datetime(2026, 4, 6, 8, tzinfo=UTC) + timedelta(seconds=10 * index):%Y-%m-%dT%H:%M:%SZ}"


def lines_of(suffix):
    rows = [(stamp(index), 1.0, index % 5, "") for index in range(COUNT)]
    names = ("time", "scraper_rate", "llm_queue", "pad")
    if suffix == "csv":
        return [",".join(names).encode(), *(",".join(map(str, row)).encode() for row in rows)]
    return [json.dumps(dict(zip(names, row, strict=True))).encode() for row in rows]


def source(path, *options):
    outcome = entro("analyze", path, "--tz", "UTC", "--step", "10s", "--json", *options)
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)["sources"][0]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_line_that_is_too_long(tmp_path, suffix):
    """DuckDB leaves it out, and of JSON lines without a word."""
    lines, path = lines_of(suffix), tmp_path / f"log.{suffix}"
    lines[40] = lines[40][:-2] + LONG + lines[40][-2:]
    path.write_bytes(b"\n".join([*lines, b""]))
    read = source(path)
    assert (read["rows_read"], read["rows_skipped"]) == (COUNT - 1, 1)
    assert [(row["line"], "this line has 17 825 8" in row["text"]) for row in read["bad_rows"]] == [(41, True)]
    assert "this line has 17 825 8" in entro("analyze", path, "--strict").error


def test_json_lines_that_are_no_utf_8(tmp_path):
    lines = lines_of("jsonl")
    lines[40] = lines[40].replace(b'"pad": ""', b'"pad": "caf\xe9"')
    lines[41] = lines[41].replace(b'"pad": ""', b'"pad": "\x1f"')
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(lines))
    read = source(tmp_path / "log.jsonl")
    assert (read["rows_read"], read["rows_skipped"]) == (COUNT, 0)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize("time", ["0001-01-01", "1677-09-21", "2262-04-11", "9999-12-31"])
@pytest.mark.parametrize("share", [1, COUNT // 3])
def test_a_time_that_the_grid_cannot_hold(tmp_path, suffix, time, share):
    """Differences of 292 years are more nanoseconds than 64 bits hold."""
    lines, path = lines_of(suffix), tmp_path / f"log.{suffix}"
    for at in range(20, 20 + share):
        lines[at] = lines[at].replace(b"2026-04-06", time.encode())
    path.write_bytes(b"\n".join([*lines, b""]))
    read = source(path)
    assert (read["rows_read"], read["rows_skipped"]) == (COUNT - share, share)
    stored = entro("ingest", path, "--history", tmp_path / "h", "--json")
    (log,) = json.loads(stored.out)["pipelines"][0]["logs"]
    assert (log["rows_read"], log["rows_skipped"]) == (COUNT - share, share)
    assert json.loads(entro("history", "list", "--history", tmp_path / "h", "--json").out)["pipelines"][0]["days"] == 1


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_NS", "DATE"])
def test_typed_times_that_the_grid_cannot_hold(tmp_path, kind):
    times = "TIMESTAMP '2026-04-06' + to_days(i::INTEGER)"
    odd = "CASE WHEN i = 40 THEN TIMESTAMP '1677-09-22' WHEN i = 41 THEN TIMESTAMP '2262-01-01' ELSE {} END"
    select = (
        f"SELECT ({odd.format(times)})::{kind} AS time, 1.0 AS scraper_rate, 2.0 AS llm_queue FROM range({COUNT}) t(i)"
    )
    duckdb.sql(f"COPY ({select}) TO '{tmp_path / 'log.parquet'}' (FORMAT parquet)")
    read = source(tmp_path / "log.parquet", "--step", "1d")
    assert (read["rows_read"], read["rows_skipped"]) == (COUNT - 2, 2)


def test_lines_that_end_with_carriage_returns(tmp_path):
    lines = lines_of("csv")
    lines[40] = lines[40].replace(b"1.0", b"x")
    (tmp_path / "log.csv").write_bytes(b"\r".join(lines))
    read = source(tmp_path / "log.csv")
    assert (read["rows_read"], [row["line"] for row in read["bad_rows"]], read["problems"]) == (COUNT - 1, [41], [])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("strays")


@given(data=st.data())
@settings(max_examples=settings.default.max_examples // 4)
def test_whatever_its_bytes(folder, data):
    suffix, end = data.draw(st.sampled_from(["csv", "jsonl"])), data.draw(st.sampled_from([b"\n", b"\r\n"]))
    strays = STRAYS[suffix != "csv" :]  # the first, a carriage return, ends a line of JSON
    lines, path = lines_of(suffix), folder / f"log.{suffix}"
    for at in data.draw(st.lists(st.integers(3, COUNT - 1), min_size=1, max_size=4, unique=True)):
        begin = data.draw(st.integers(0, len(lines[at])))
        rest = lines[at][begin + data.draw(st.sampled_from([0, 0, 1, 5, 20])) :]
        lines[at] = lines[at][:begin] + data.draw(st.sampled_from(strays)) + rest
    path.write_bytes(end.join(lines))
    read = source(path, "--stage", "scraper=scraper_rate:rate", "--stage", "llm=llm_queue:queue")
    expected = sum(bool(line.strip()) for line in lines) - (suffix == "csv")
    assert read["rows_read"] + read["rows_skipped"] == expected
