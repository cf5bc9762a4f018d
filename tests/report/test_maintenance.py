"""Maintenance: its windows, their effect on the figures, and how every format shows them."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.automation.alerts.rules import silence_alert
from entro_cli.core.clock import NS, moment, nanoseconds
from entro_cli.timeseries.maintenance import parse_maintenance
from entro_engine import EntroError
from tests.running import entro

BERLIN = ZoneInfo("Europe/Berlin")
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
SAMPLE = "sample_logs/five-weeks.csv"
WEEK = ("report", "--weekly", "--date", "2026-04-06", "--logs", SAMPLE, "--tz", "UTC")


def ns(text, zone=BERLIN):
    return nanoseconds(datetime.fromisoformat(text).replace(tzinfo=zone))


def excluded_times(texts, start, end, zone=BERLIN):
    gaps = parse_maintenance(texts, zone, "exclude").gaps(ns(start, zone), ns(end, zone))
    return [tuple(f"{moment(edge, zone):%a %d %H:%M}" for edge in gap) for gap in gaps]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sun 02:00-04:00", [("Sun 12 02:00", "Sun 12 04:00")]),
        ("sunday 2:00 - 4:00", [("Sun 12 02:00", "Sun 12 04:00")]),
        ("Sat,Mon 23:30-24:00", [("Mon 06 23:30", "Tue 07 00:00"), ("Sat 11 23:30", "Sun 12 00:00")]),
        ("Fri-Sat 12:00-13:00", [("Fri 10 12:00", "Fri 10 13:00"), ("Sat 11 12:00", "Sat 11 13:00")]),
        ("Sun 23:00-01:00", [("Mon 06 00:00", "Mon 06 01:00"), ("Sun 12 23:00", "Mon 13 00:00")]),
        ("2026-04-07T02:00/2h", [("Tue 07 02:00", "Tue 07 04:00")]),
        ("2026-04-07/2026-04-08T01:30", [("Tue 07 00:00", "Wed 08 01:30")]),
        ("2026-04-07T02:00Z/30min", [("Tue 07 04:00", "Tue 07 04:30")]),
        ("2026-01-01/1w", []),
    ],
)
def test_windows_of_a_week(text, expected):
    assert excluded_times([text], "2026-04-06", "2026-04-13") == expected


def test_windows_that_overlap_or_touch_are_one():
    texts = ["daily 02:00-03:00", "Tue 01:30-02:10", "2026-04-07T03:00/1h"]
    assert excluded_times(texts, "2026-04-07", "2026-04-08") == [("Tue 07 01:30", "Tue 07 04:00")]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 1), ("2026-10-25", 3), ("2026-03-30", 2)])
def test_windows_are_those_of_the_clock_on_the_wall(day, hours):
    end = f"{datetime.fromisoformat(day) + timedelta(days=1)}"
    assert parse_maintenance(["daily 02:00-04:00"], BERLIN, "x").length_ns(ns(day), ns(end)) == hours * 3600 * NS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun",
        "Sun 25:00-26:00",
        "Sun 02:60-03:00",
        "Someday 02:00-03:00",
        "Mon-Tue-Wed 01:00-02:00",
        "Sun 02:00-02:00",
        "Sun 24:00-01:00",
        "2026-04-06",
        "2026-04-06/",
        "2026-04-06T02:00/2026-04-06T01:00",
        "x/2h",
        ",Sun 01:00-02:00",
    ],
)
def test_what_is_no_window(text):
    with pytest.raises(EntroError, match="--exclude: ") as error:
        parse_maintenance([text], BERLIN, "--exclude")
    assert "expected" in str(error.value)


@given(
    days=st.sets(st.sampled_from(range(7)), min_size=1),
    begin=st.integers(0, 1439),
    length=st.integers(1, 1439),
    start_min=st.integers(0, 20_000),
    step_s=st.sampled_from([1, 7, 60, 600, 5400]),
    count=st.integers(0, 60),
)
def test_a_step_is_left_out_where_a_window_touches_it(days, begin, length, start_min, step_s, count):
    def clock(minute):
        return f"{minute // 60:02}:{minute % 60:02}"

    end = (begin + length) % 1440
    text = f"{','.join(DAYS[day] for day in sorted(days))} {clock(begin)}-{clock(end) if end else '24:00'}"
    first = datetime(2026, 4, 6, tzinfo=UTC) + timedelta(minutes=start_min)
    windows = [
        (midnight + timedelta(minutes=begin), midnight + timedelta(minutes=begin + length))
        for midnight in (datetime(2026, 4, 4, tzinfo=UTC) + timedelta(days=number) for number in range(25))
        if midnight.weekday() in days
    ]
    edges = [
        (first + timedelta(seconds=step_s * at), first + timedelta(seconds=step_s * (at + 1))) for at in range(count)
    ]
    expected = [any(start < until and end > since for since, until in windows) for start, end in edges]
    maintenance, span = parse_maintenance([text], UTC, "x"), (nanoseconds(first), step_s * NS, count)
    assert maintenance.steps(*span).tolist() == expected
    assert maintenance.count_steps(*span) == sum(expected)


def figures_of(*options):
    outcome = entro(*WEEK, "--json", *options)
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def test_what_is_left_out_is_in_no_other_count():
    plain, without = figures_of(), figures_of("--exclude", "Thu 14:00-15:00", "--exclude", "daily 03:00-03:30")
    figures, regimes = without["figures"], without["figures"]["regimes"]
    assert plain["figures"]["excluded_steps"] == 0
    assert figures["excluded_steps"] == 60 + 7 * 30
    assert sum(regimes.values()) + figures["excluded_steps"] == figures["steps"] == plain["figures"]["steps"]
    assert plain["figures"]["violations"] > figures["violations"] == 0
    assert figures["observed_steps"] + figures["excluded_steps"] <= plain["figures"]["observed_steps"] + 7 * 30
    assert figures["coverage"] == pytest.approx(figures["observed_steps"] / (10080 - 270), abs=1e-3)
    assert figures["objective"]["allowed_steps"] == pytest.approx(0.01 * figures["observed_steps"])
    buckets = without["buckets"]
    assert sum(bucket["excluded_steps"] for bucket in buckets) == 270
    assert all(sum(one["regimes"].values()) + one["excluded_steps"] == one["steps"] for one in buckets)
    assert len(without["maintenance"]) == 8
    assert without["maintenance"][0] == {"start": "2026-04-06T03:00:00+00:00", "end": "2026-04-06T03:30:00+00:00"}


def test_windows_that_hold_no_step_change_nothing_else():
    plain, without = figures_of(), figures_of("--exclude", "2020-01-01/1d")
    for document in (plain, without):
        document.pop("recommendations")  # they name the command, with its windows
    assert plain == without


def test_a_period_that_ends_with_maintenance_is_not_silent():
    silent, planned = figures_of(), figures_of("--exclude", "Sun 22:00-24:00")
    assert silent["verdict"]["sentence"].startswith("No data since")
    assert not planned["verdict"]["sentence"].startswith("No data since")
    assert planned["figures"]["coverage"] > silent["figures"]["coverage"]


def test_a_period_of_nothing_but_maintenance():
    document = figures_of("--exclude", "2026-04-06/7d")
    assert document["verdict"] == {"health": "no data", "sentence": "All of this week is excluded as maintenance."}
    assert document["figures"]["coverage"] == 0
    assert document["figures"]["regimes"]["no_data"] == 0


@pytest.mark.slow
def test_the_configuration_leaves_out_too_and_the_history_keeps_it(tmp_path):
    config = tmp_path / "entro.toml"
    config.write_text('history = "history"\nzone = "UTC"\nexclude = ["Thu 14:00-15:00"]\n')
    assert entro("ingest", SAMPLE, "--config", config).status == 0
    command = ("report", "--weekly", "--date", "2026-04-06", "--json", "--config", config)
    left_out = json.loads(entro(*command).out)["figures"]
    assert (left_out["excluded_steps"], left_out["violations"]) == (60, 0)
    config.write_text('history = "history"\nzone = "UTC"\n')
    assert json.loads(entro(*command).out)["figures"]["violations"] > 0
    analyzed = entro("analyze", SAMPLE, "--tz", "UTC", "--exclude", "Thu 14:00-15:00", "--json")
    assert json.loads(analyzed.out)["excluded_steps"] == 5 * 60
    config.write_text('exclude = ["Sunday"]\n')
    assert "exclude: 'Sunday' is not a maintenance window; expected windows such as" in entro(*command).error


@pytest.mark.slow
def test_every_format_shows_it(tmp_path):
    exclude = ("--exclude", "Thu 14:00-15:00")
    assert "excluded as maintenance: 1 h" in entro(*WEEK, *exclude, "--format", "terminal", "--long").out
    assert "Excluded as maintenance: 1 h: 2026-04-09 14:00 UTC to 2026-04-09 15:00 UTC." in (
        entro(*WEEK, *exclude, "--format", "markdown").out
    )
    assert entro(*WEEK, *exclude, "--out", tmp_path, "--metrics-file", tmp_path / "entro.prom", "--quiet").status == 0
    assert 'entro_excluded_steps{pipeline="default",period="week"} 60.0' in (tmp_path / "entro.prom").read_text()
    page = (tmp_path / "default-week-2026-W15.html").read_text()
    assert "Excluded as maintenance: 1 h: 9 Apr 14:00 to 9 Apr 15:00." in page
    assert "Excluded as maintenance" not in entro(*WEEK, "--format", "html", "--out", "-").out
    terminal = entro("analyze", SAMPLE, *exclude, "--tz", "UTC").out
    assert "Left out as maintenance: 300 steps, 5 h" in terminal


def test_maintenance_is_no_silence():
    now = datetime(2026, 4, 6, 6, tzinfo=UTC)
    last = now - timedelta(hours=5)
    planned = parse_maintenance(["daily 01:00-05:00"], UTC, "x")
    assert silence_alert("default", last, now, 7200) is not None
    assert silence_alert("default", last, now, 7200, planned) is None
    assert silence_alert("default", last, now + timedelta(hours=2), 7200, planned) is not None
