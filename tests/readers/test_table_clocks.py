"""Clocks that step back, and single stamps years away."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.tables.reader import TableReader
from entro_cli.timeseries.observations import ReadOptions
from entro_engine import EntroError
from tests.running import entro

START = datetime(2026, 11, 26, 12, tzinfo=UTC)


def read(folder, rows, head="time,rate,queue", **options):
    path = folder / "table.csv"
    path.write_text(f"{head}\n" + "".join(f"{','.join(map(str, row))}\n" for row in rows))
    with plain_log(str(path)) as log:
        return TableReader().read(log, ReadOptions(UTC, zone_given=True, **options))


def row(second, queue, *more):
    return (f"{START + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}", *more, 1, queue)


def queue_of(seen):
    return next(part.values.tolist() for part in seen.series if part.stage == "llm")


@settings(max_examples=8)
@given(st.integers(30, 400), st.integers(7, 25), st.integers(1, 9))
def test_rows_after_a_step_back_are_left_out_and_reported(tmp_path_factory, before, back, shift):
    """The clock steps back by some rows and a part of one, and shows the same times again."""
    first = [row(10 * step, 1) for step in range(before)]
    again = [row(10 * (before - back) + shift + 10 * step, 500) for step in range(back - 1)]
    later = [row(10 * before + shift + 10 * step, 1) for step in range(50)]
    seen = read(tmp_path_factory.mktemp("table"), first + again + later)
    assert set(queue_of(seen)) == {1.0}
    assert len(queue_of(seen)) == before + 50
    assert [str(problem) for problem in seen.problems if "steps back" in str(problem)]
    assert not any("averaged" in str(problem) for problem in seen.problems)


def test_each_source_has_its_own_clock(tmp_path):
    rows = [row(10 * step, 2, "a") for step in range(100)]
    rows += [row(10 * step, 3, "b") for step in range(100)]
    rows += [row(800 + 10 * step, 99, "b") for step in range(30)]
    seen = read(tmp_path, rows, head="time,pod,rate,queue")
    assert set(queue_of(seen)[:100]) == {5.0}
    assert any("20 rows with times that earlier rows have" in str(problem) for problem in seen.problems)


def test_another_source_a_copy_and_parts_in_another_order_are_kept(tmp_path):
    rows = [row(10 * step, 1) for step in range(100)]
    other = read(tmp_path, rows + [row(10 * step, 3) for step in range(100)])
    assert set(queue_of(other)) == {2.0}
    assert any("200 rows with other values at the same time: averaged" in str(problem) for problem in other.problems)
    copied = read(tmp_path, rows + rows[40:])
    assert any("60 rows repeated exactly" in str(problem) for problem in copied.problems)
    assert len(queue_of(copied)) == 100
    assert len(queue_of(read(tmp_path, [*rows[:20], *rows[60:], *rows[20:60]]))) == 100


@pytest.mark.parametrize("stray", ["2036-02-07 06:28:16", "1999-01-01 00:00:00"])
def test_a_stray_stamp_is_one_bad_row(tmp_path, stray):
    rows = [row(10 * step, step % 3) for step in range(300)]
    rows.insert(120, (stray, 1, 1))
    seen = read(tmp_path, rows)
    assert (seen.rows_read, seen.rows_skipped) == (300, 1)
    assert [(bad.line, bad.reason) for bad in seen.bad_rows] == [(122, "the time is 300 days or more from all others")]
    with pytest.raises(EntroError, match="line 122: the time is 300 days"):
        read(tmp_path, rows, strict=True)


def test_a_few_rows_far_apart_are_no_strays(tmp_path):
    rows = [row(86_400 * 366 * year, year) for year in range(5)]
    assert read(tmp_path, rows).rows_skipped == 0


@pytest.mark.parametrize(
    ("zone", "hours"),
    [(" UTC+1", 1), (" GMT-5", -5), (" UTC-05:30", -5.5), ("+1", 1), (" UTC+5:30", 5.5), (" CET", 1)],
)
def test_zones_behind_a_time(tmp_path, zone, hours):
    rows = [(f"2026-11-26 12:0{minute}:00{zone}", 1, 2) for minute in range(3)]
    seen = read(tmp_path, rows)
    first = START - timedelta(hours=hours)
    assert seen.series[0].times[0] == int(first.timestamp()) * 10**9


@pytest.mark.parametrize("zone", [" BST", " AST", " CET+1", " Etc/GMT+5", " 12"])
def test_what_may_be_two_zones_or_none_is_no_time(tmp_path, zone):
    with pytest.raises(EntroError, match="the time cannot be read"):
        read(tmp_path, [(f"2026-11-26 12:0{minute}:00{zone}", 1, 2) for minute in range(3)])


@pytest.mark.parametrize(
    ("head", "time"),
    [
        ("time_utc,rate,queue", "{0} {1}"),
        ("Time (UTC),rate,queue", "{0} {1}"),
        ("date,time_utc,rate,queue", "{0},{1}"),
        ("timestamp_gmt,path,latency_ms", "{0}T{1}.5"),
        ("arrival_time_utc,path,latency_ms", "{0} {1}"),
    ],
)
def test_a_column_of_times_in_utc_is_not_in_the_zone_of_the_others(tmp_path, head, time):
    path = tmp_path / "table.csv"
    rows = (time.format("2026-11-26", f"12:00:0{second}") + f",{second % 2},{second}\n" for second in (1, 2, 4, 7))
    path.write_text(f"{head}\n{''.join(rows)}")
    outcome = entro("analyze", path, "--tz", "Europe/Berlin", "--step", "1m", "--steps-csv", "-")
    assert outcome.out.splitlines()[1].startswith("2026-11-26T12:00:00")


@pytest.mark.parametrize(
    ("head", "time"),
    [
        ("time,timezone", "2026-11-26 12:00:0{0},Europe/Berlin"),
        ("Date,Time,TZ", "2026-11-26,12:00:0{0},CET"),
        ("Time (CET),pod", "26.11.2026 12:00:0{0},a"),
        ("Time [UTC+1],pod", "2026-11-26 12:00:0{0},a"),
        ("Time (Europe/Berlin),pod", "2026-11-26 12:00:0{0},a"),
        ("timestamp +01:00,pod", "2026-11-26 12:00:0{0},a"),
    ],
)
def test_a_zone_in_another_column_or_in_a_name_is_asked_for(head, time):
    content = f"{head},rate,queue\n" + "".join(f"{time.format(second)},1,2\n" for second in range(5))
    assert "the times name no zone, but the column" in entro("analyze", "-", stdin=content.encode()).error
    assert entro("analyze", "-", "--tz", "Europe/Berlin", stdin=content.encode()).status == 0


def test_times_with_a_zone_need_no_column_of_zones():
    content = "time,timezone,rate,queue\n" + "".join(f"2026-11-26 12:00:0{s}+01:00,CET,1,2\n" for s in range(5))
    assert entro("analyze", "-", stdin=content.encode()).status == 0
