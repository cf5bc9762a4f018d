"""Logs in every form and place they come in, in parts by growth; clocks and steps of every kind."""

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from entro_cli.readers.options import LoadOptions
from entro_cli.workflows.load_logs import load_logs
from tests.history.stored import HEADER, START, days, ingest, line, regular, stamp
from tests.history.test_merging import recalled, same_steps, spider, written
from tests.marks import slow
from tests.running import entro

LINES = regular(600)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    ingest(folder / "h", written(folder, "log.csv", LINES))
    return days(folder / "h")


def as_zstd(folder, lines):
    zstd = pytest.importorskip("backports.zstd")
    (folder / "log").write_bytes(zstd.compress((HEADER + "".join(lines)).encode()))


def as_gzip_members(folder, lines):
    parts = (HEADER, *("".join(lines[at : at + 100]) for at in range(0, len(lines), 100)))
    (folder / "log").write_bytes(b"".join(gzip.compress(part.encode()) for part in parts))


def as_utf_16(folder, lines):
    (folder / "log").write_bytes((HEADER + "".join(lines)).encode("utf-16")[: -1 if len(lines) < len(LINES) else None])


def as_parquet(folder, lines):
    (folder / "log").unlink(missing_ok=True)
    table = written(folder, "table.csv", lines)
    duckdb.sql(f"COPY (SELECT * FROM '{table}') TO '{folder / 'log'}' (FORMAT parquet)")


@pytest.mark.parametrize("write", [as_zstd, as_gzip_members, as_utf_16, as_parquet])
def test_a_log_that_is_packed_or_binary(whole, tmp_path, write):
    for count in (200, 450, 600):
        write(tmp_path, LINES[:count])
        assert ingest(tmp_path / "h", tmp_path / "log").err == ""
    assert days(tmp_path / "h") == whole


def test_standard_input(whole, tmp_path):
    for count in (200, 450, 600, 600):
        content = (HEADER + "".join(LINES[:count])).encode()
        outcome = entro("ingest", "-", "--history", tmp_path / "h", stdin=content)
        assert (outcome.status, outcome.err) == (0, "")
    assert "nothing new" in outcome.out
    assert days(tmp_path / "h") == whole


def test_rotations_by_date(whole, tmp_path):
    log, pattern = tmp_path / "log", tmp_path / "log*"
    written(tmp_path, "log", LINES[:200])
    ingest(tmp_path / "h", pattern)
    written(tmp_path, "log", LINES[:230])
    log.rename(tmp_path / "log-20260406")
    written(tmp_path, "log", [])
    ingest(tmp_path / "h", pattern)
    written(tmp_path, "log", LINES[230:400])
    ingest(tmp_path / "h", pattern)
    (tmp_path / "log-20260406.gz").write_bytes(gzip.compress((tmp_path / "log-20260406").read_bytes()))
    (tmp_path / "log-20260406").unlink()
    log.rename(tmp_path / "log-20260407")
    written(tmp_path, "log", LINES[400:])
    ingest(tmp_path / "h", pattern)
    assert days(tmp_path / "h") == whole


@pytest.mark.parametrize(
    ("zone", "step"),
    [
        ("Europe/Berlin", "2h"),
        ("Asia/Kathmandu", "30min"),
        ("Australia/Lord_Howe", "1h"),
        *(slow("Europe/Berlin", step) for step in ("30min", "1h")),
        *(slow("Asia/Kathmandu", step) for step in ("1h", "2h")),
        *(slow("Australia/Lord_Howe", step) for step in ("30min", "2h")),
    ],
)
def test_long_steps_from_local_midnight_over_a_change_of_the_clocks(tmp_path, zone, step):
    options = ("--step", step, "--tz", zone)
    lines = [line(1_774_483_200 * 10**9 + at * 1800 * 10**9, at % 7 / 2, float(at % 5)) for at in range(500)]
    ingest(tmp_path / "w", written(tmp_path, "whole.csv", lines), *options)
    for count in (5, 130, 500):
        ingest(tmp_path / "h", written(tmp_path, "log.csv", lines[:count]), *options)
    assert days(tmp_path / "h") == days(tmp_path / "w")
    same_steps(
        recalled(tmp_path / "h"), load_logs([str(tmp_path / "whole.csv")], LoadOptions(tz=zone, step=step)).steps
    )


def test_a_stage_that_comes_later(tmp_path):
    rates, queues = (
        [f"{stamp(START + at * 10**10)},{at % 5}\n" for at in range(*span)] for span in ((0, 200), (90, 200))
    )
    logs = [written(tmp_path, "a.csv", rates, "time,rate\n"), written(tmp_path, "b.csv", queues, "time,queue\n")]
    for log in logs:
        ingest(tmp_path / "h", log)
    same_steps(recalled(tmp_path / "h"), load_logs([str(log) for log in logs], LoadOptions(tz="UTC")).steps)


def test_offsets_from_a_start_and_a_clock_that_is_moved(tmp_path):
    text = "t,rate,queue\n" + "".join(f"{at * 10},{at % 5},{at % 3}\n" for at in range(300))
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "log.csv").write_text(text)
    options = ("--start", "2026-04-01T00:00:00Z", "--offset", "log.csv=+3s")
    ingest(tmp_path / "g", tmp_path / "w" / "log.csv", *options)
    for cut in (1000, 2001, len(text)):
        (tmp_path / "log.csv").write_text(text[:cut])
        ingest(tmp_path / "h", tmp_path / "log.csv", *options)
    assert days(tmp_path / "h") == days(tmp_path / "g")
    (tmp_path / "log.csv").write_text(text + "secret,1,2\n")
    said = ingest(tmp_path / "h", tmp_path / "log.csv", *options, "--redact").err
    assert "line 302: the time cannot be read: xxxxxx,x,x" in said
    (tmp_path / "log.csv").write_text(text + "secret,1,2\nagain,1,2\n")
    assert "good rows only" in ingest(tmp_path / "h", tmp_path / "log.csv", *options, "--strict", status=1).err


def test_two_sources_that_grew_before_they_were_rotated(tmp_path):
    for number, name in ((1, "a"), (2, "b")):
        written(tmp_path, f"{name}.log", spider(number, 0, 100))
    ingest(tmp_path / "h", tmp_path / "*.log*")
    for number, name in ((1, "a"), (2, "b")):
        written(tmp_path, f"{name}.log", spider(number, 0, 150)).rename(tmp_path / f"{name}.log.1")
        written(tmp_path, f"{name}.log", spider(number, 150, 200))
        written(tmp_path, f"{name}.csv", spider(number, 0, 200))
    ingest(tmp_path / "h", tmp_path / "*.log*")
    same_steps(recalled(tmp_path / "h"), load_logs([str(tmp_path / "*.csv")], LoadOptions(tz="UTC")).steps)


def test_a_log_stays_of_the_source_it_was_stored_as(tmp_path):
    log = written(tmp_path, "a.log", spider(1, 0, 100))
    ingest(tmp_path / "h", log)
    written(tmp_path, "a.log", spider(1, 0, 200))
    assert "a.log: stored as source table before, which it keeps" in ingest(tmp_path / "h", log, "--source", "b").err
    same_steps(recalled(tmp_path / "h"), load_logs([str(log)], LoadOptions(tz="UTC")).steps)
    books = json.loads((Path(tmp_path) / "h" / "pipeline=default" / "_entro" / "state.json").read_text())
    assert {one["source"] for seen in books["logs"] for one in seen["series"]} == {"table"}
