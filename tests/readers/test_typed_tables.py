"""Typed columns of Parquet give what their text gives, to the bit, and hostile ones a message."""

import duckdb
import pytest

from entro_cli.readers.requests.reader import EventsReader
from entro_cli.readers.tables.reader import TableReader
from tests.readers import reading
from tests.running import entro

SECONDS = "TIMESTAMP '2026-04-06 12:00:00' + INTERVAL 1 SECOND * i"
LOADS = ("i / 8", "i % 5")
ROWS = 50


def parquet(path, time, rate=LOADS[0], queue=LOADS[1], rows=ROWS, names=("time", "scraper_rate", "llm_queue")):
    """Write a table of typed columns, and one of their texts; return both."""
    cells = ", ".join(f'{sql} AS "{name}"' for sql, name in zip((time, rate, queue), names, strict=True))
    typed, text = path / "typed.parquet", path / "text.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.sql(f"SELECT {cells} FROM range({rows}) AS t(i)").write_parquet(str(typed))
        connection.sql(f"SELECT COLUMNS(*)::VARCHAR FROM '{typed}'").write_parquet(str(text))
    return typed, text


def outcomes(*paths):
    return [entro("analyze", path, "--tz", "Europe/Berlin", "--json").out.replace(path.name, "") for path in paths]


def read(path, reader=None):
    return reading.read(reader or TableReader(), path.read_bytes(), path.parent)


def bits(observations):
    series = [(one.stage, one.times.tobytes(), one.values.tobytes()) for one in observations.series]
    return series, observations.rows_skipped, observations.zone, observations.bad_rows


@pytest.mark.parametrize(
    "time",
    [
        f"({SECONDS})::TIMESTAMP_S",
        f"({SECONDS})::TIMESTAMP_MS",
        f"{SECONDS} + INTERVAL 123456 MICROSECONDS",
        f"make_timestamp_ns(epoch_ns({SECONDS}) + 123456789)",
        f"({SECONDS})::TIMESTAMPTZ",
        "DATE '2026-04-06' + i::INTEGER",
        f"CASE i WHEN 7 THEN 'infinity' WHEN 8 THEN '9999-01-01' WHEN 9 THEN NULL ELSE ({SECONDS})::TIMESTAMPTZ END",
        f"CASE i WHEN 7 THEN '-infinity' WHEN 8 THEN '0001-01-01' ELSE {SECONDS} END",
        "(1775000000 + i)::INTEGER",
        "(1775000000 + i)::UINTEGER",
        "CASE i WHEN 7 THEN -5 WHEN 8 THEN NULL ELSE 1775000000000 + i * 1000 END::BIGINT",
        "CASE i WHEN 7 THEN 18446744073709551615 ELSE 1775000000000000000 + i * 1000000000 END::UBIGINT",
        "CASE i WHEN 7 THEN 'nan' WHEN 8 THEN 'inf' ELSE (1775000000 + i + 0.123456)::DOUBLE END",
        "(1775000000 + i + 0.123456789)::DECIMAL(19, 9)",
        f"strftime({SECONDS}, '%Y-%m-%dT%H:%M:%SZ')",
    ],
)
def test_times_of_a_type_are_those_of_their_text(tmp_path, time):
    typed, text = parquet(tmp_path, time)
    assert bits(read(typed)) == bits(read(text))
    assert read(typed).rows_read >= ROWS - 3


@pytest.mark.parametrize(
    "load",
    [
        *(f"(i * 2)::{name}" for name in ("TINYINT", "USMALLINT", "INTEGER", "UBIGINT", "HUGEINT")),
        "CASE i WHEN 7 THEN 18446744073709551615 WHEN 8 THEN 9007199254740993 ELSE i END::UBIGINT",
        "CASE i WHEN 7 THEN -9223372036854775808 WHEN 8 THEN 9223372036854775807 ELSE i END::BIGINT",
        "CASE i WHEN 7 THEN 'nan' WHEN 8 THEN 'inf' WHEN 9 THEN -1 WHEN 10 THEN NULL ELSE i / 7 END::DOUBLE",
        "CASE i WHEN 7 THEN '-inf' WHEN 8 THEN '-0' WHEN 9 THEN 1e101 WHEN 10 THEN 5e-324 ELSE i / 7 END::DOUBLE",
        "(i / 7)::REAL",
        "(i / 7)::DECIMAL(9, 3)",
        "(i / 7)::DECIMAL(15, 12)",
        "(i / 7)::DECIMAL(18, 17)",
        "(i / 7)::DECIMAL(38, 30)",
        "(i % 4)::VARCHAR::ENUM ('0', '1', '2', '3')",
        "CASE WHEN i % 9 = 0 THEN '1,234.5' ELSE i::VARCHAR END",
        "NULL::DOUBLE",
    ],
)
def test_loads_of_a_type_are_those_of_their_text(tmp_path, load):
    typed, text = parquet(tmp_path, f"({SECONDS})::TIMESTAMPTZ", load)
    assert bits(read(typed)) == bits(read(text))


def test_decimals_are_the_doubles_that_their_texts_are(tmp_path):
    typed, text = parquet(tmp_path, SECONDS, "(hash(i) % 1000000000000000 / 1e6)::DECIMAL(15, 6)", rows=20_000)
    assert bits(read(typed)) == bits(read(text))


@pytest.mark.parametrize("load", ["i % 2 = 0", "[i, i]", "{'a': i}", "TIME '12:00:00'", "'\\x01'::BLOB", "uuid()"])
def test_what_is_no_load_is_refused_like_its_text(tmp_path, load):
    typed, text = parquet(tmp_path, SECONDS, load)
    found, expected = outcomes(typed, text)
    assert found == expected
    error = entro("analyze", typed).error
    assert "unexpected" not in error
    assert "Traceback" not in error


def test_a_column_of_dates_and_one_of_times_of_day(tmp_path):
    time = f"({SECONDS})::TIME"
    typed, text = parquet(tmp_path, "DATE '2026-04-06'", time, names=("date", "clock", "llm_queue"))
    assert bits(read(typed)) == bits(read(text))
    assert len(read(typed).series[0].times) == ROWS


def test_requests_of_types_are_those_of_their_text(tmp_path):
    arrival = f"CASE WHEN i <> 7 THEN ({SECONDS})::TIMESTAMPTZ END"
    for length in ("CASE i WHEN 5 THEN 'nan' WHEN 6 THEN -1 ELSE i / 7 END::DOUBLE", "i::INTEGER", "NULL::BIGINT"):
        names = ("arrival_time", "duration_s", "status")
        typed, text = parquet(tmp_path, arrival, length, "200 + i % 2 * 300", names=names)
        found, expected = (read(path, EventsReader()) for path in (typed, text))
        assert bits(found) == bits(expected)
        assert [str(one) for one in found.problems] == [str(one) for one in expected.problems]
