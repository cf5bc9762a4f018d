"""A table of requests that is put onto a grid on disk block by block has the steps that it has at once."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.grid.long_logs import both_ways, is_same, long_from
from tests.marks import slow
from tests.running import entro

pytest.importorskip("pyarrow", reason="the extra `fast` is not installed")

START = datetime(2026, 4, 6, tzinfo=UTC)
WAITS = st.sampled_from([0, 0.001, 0.3, 0.7, 1, 2.5, 4, 30])
REQUEST = st.tuples(
    st.sampled_from([0, 0.01, 0.2, 0.25, 1, 1, 1.5, 20]),  # since the request before
    st.one_of(WAITS, WAITS, WAITS, st.none()),
    st.one_of(WAITS, WAITS, WAITS, st.none()),
    st.sampled_from([200, 200, 200, 429, 500, 503]),
    st.sampled_from([0, 0, 0, 0, 0, 0.1, 5]),  # how late its line is
)


def write(path, requests, columns=("start", "end", "status")):
    when, lines = START, []
    for number, (gap, wait, service, status, late) in enumerate(requests):
        when += timedelta(seconds=gap)
        start = "" if wait is None else (when + timedelta(seconds=wait)).isoformat()
        end = "" if service is None else (when + timedelta(seconds=(wait or 0) + service)).isoformat()
        cells = {"start": start, "end": end, "status": str(status)}
        lines.append((number + late, ",".join([when.isoformat(), *(cells[name] for name in columns)])))
    path.write_text("\n".join([",".join(["arrival", *columns]), *(line for _, line in sorted(lines)), ""]))


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.lists(REQUEST, min_size=4, max_size=60),
    st.sampled_from([None, "2s", "10s", "1h"]),
    st.sampled_from([("start", "end", "status"), ("start", "end"), ("end", "status"), ("start",)]),
    st.sampled_from([1, 3, 64]),
)
@example([(1, 0.5, 1, 200, 0)] * 40, "1s", ("start", "end"), 2)
@example([(1, None, None, 200, 0), *[(1, 0.5, 1, 500, 0)] * 40], "1s", ("start", "end", "status"), 2)
@example([(0.25, 2.5, 4, 200, 0)] * 60, "1s", ("start", "end"), 1)
def test_its_steps_are_those_of_the_log_at_once(tmp_path_factory, requests, step, columns, least):
    path = tmp_path_factory.mktemp("requests") / "log.csv"
    write(path, requests, columns)
    with patch("entro_cli.readers.requests.levels._FEWEST_KEPT", least):
        short, whole, _ = both_ways(path, step)
    # A request that takes no time is a change of the level in one way and may be none in the other, at a seam.
    assert is_same(short, whole, but=("samples",)), (short, whole)


USUAL = [(0.25, 0.5, 1, 200 + 300 * (number % 7 == 0), 0) for number in range(400)]


def taken(path, step="1s"):
    with patch("entro_cli.readers.requests.levels._FEWEST_KEPT", 4):
        short, whole, was_taken = both_ways(path, step)
    assert is_same(short, whole)
    return was_taken


@pytest.mark.parametrize(
    ("requests", "is_taken"),
    [
        (USUAL, True),
        ([*USUAL, (1, None, None, 200, 0)], True),
        ([*USUAL[:200], (1, None, None, 200, 0), *USUAL[200:]], True),  # it still waits at the end
        ([*USUAL[:200], (4000, 1, 1, 200, 0), *USUAL[200:]], True),
        ([*USUAL[:200], (1, -1, 1, 200, 0), *USUAL[200:]], True),  # a bad row
        ([*USUAL[:50], (1, 1, 1, 200, 200), *USUAL[50:]], False),  # a line that comes late
    ],
)
def test_which_logs_are_taken_block_by_block(tmp_path, requests, is_taken):
    write(tmp_path / "log.csv", requests)
    assert taken(tmp_path / "log.csv") == is_taken


@pytest.mark.parametrize("ending", ["parquet", "json"])
def test_every_format_is_taken(tmp_path, ending):
    write(tmp_path / "log.csv", USUAL)
    typed = 'arrival::TIMESTAMPTZ AS arrival, start::TIMESTAMPTZ AS start, "end"::TIMESTAMPTZ AS "end", status'
    cells = typed if ending == "parquet" else "*"
    query = f"SELECT {cells} FROM read_csv('{tmp_path / 'log.csv'}', all_varchar = true)"
    duckdb.sql(f"COPY ({query}) TO '{tmp_path / 'log'}' (FORMAT {ending})")
    assert taken(tmp_path / "log")


def test_an_hour_that_the_clock_shows_twice_needs_a_look_at_all(tmp_path):
    lines = [f"2026-10-25T02:{minute:02}:00,2026-10-25T02:{minute:02}:30\n" for minute in range(59)]
    (tmp_path / "log.csv").write_text("arrival,end\n" + "".join(lines))
    short, whole, was_taken = both_ways(tmp_path / "log.csv", "1m", "Europe/Berlin")
    assert not was_taken
    assert is_same(short, whole)


@pytest.mark.parametrize("options", [slow(("analyze",)), ("report", "--daily", "--format", "json", "--logs")])
def test_what_is_said_of_it_is_the_same(tmp_path, options):
    write(tmp_path / "log.csv", USUAL)
    command, *rest = options
    words = (command, *rest, tmp_path / "log.csv", "--tz", "UTC", *(["--json"] if command == "analyze" else []))
    with long_from(0), patch("entro_cli.readers.requests.levels._FEWEST_KEPT", 4):
        short = entro(*words)
    assert short == entro(*words)
    assert short.status == 0
