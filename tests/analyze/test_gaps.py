"""The usual gap between the runs of a pipeline, and the silences: gaps that are far longer."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.analysis.gaps import activity_of
from entro_cli.core.clock import NS, nanoseconds
from entro_cli.timeseries.maintenance import parse_maintenance

BERLIN = ZoneInfo("Europe/Berlin")
STEP = 10 * NS
HOUR = 3600 * NS
DAY = 24 * HOUR
START = nanoseconds(datetime(2026, 3, 2, tzinfo=BERLIN))  # a Monday, four weeks before clocks change
END = START + 28 * DAY


def runs(begins, minutes=4):
    """The activity of a pipeline that begins to run at some times, ns since the epoch, for some minutes each."""
    return activity_of(np.concatenate([begin + np.arange(minutes * 6) * STEP for begin in begins]), STEP)


def daily(*hours, days=range(28), at_local_time=True):
    """The begins of runs at hours of the days after START, by the clock of Berlin."""
    midnight = datetime(2026, 3, 2, tzinfo=BERLIN)
    return [nanoseconds(midnight + timedelta(days=day, hours=hour)) // STEP * STEP for day in days for hour in hours]


def spans(activity, until=END, *maintenance):
    return [
        ((gap.start_ns - START) / HOUR, (gap.end_ns - START) / HOUR)
        for gap in activity.silences(until, parse_maintenance(maintenance, BERLIN, "exclude"))
    ]


@pytest.mark.parametrize(
    ("hours", "usual_h"),
    [((2, 10, 18), 8), ((2.75, 8.2, 14.1), 5.9), ((4,), 24), (range(24), 1), ((2, 2.2, 2.5, 10, 10.2, 10.5), 8)],
    ids=str,
)
def test_the_usual_gap_lies_between_the_begins_of_runs(hours, usual_h):
    activity = runs(daily(*hours))
    assert activity.usual_gap_ns == pytest.approx(usual_h * HOUR, abs=HOUR / 10)
    assert spans(activity) == []


@given(
    gap=st.integers(20, 20_000), count=st.integers(5, 60), length=st.integers(1, 8), scale=st.sampled_from([1, 3, 10])
)
def test_a_constant_cadence_has_no_silence(gap, count, length, scale):
    begins = START + np.arange(count) * (gap + 40) * 60 * NS * scale
    activity = runs(begins, length)
    assert activity.usual_gap_ns == (gap + 40) * 60 * NS * scale
    assert activity.silences(int(begins[-1]) + 3 * activity.usual_gap_ns) == []
    assert len(activity.silences(int(begins[-1]) + 3 * activity.usual_gap_ns + 1)) == 1


@given(st.data())
def test_a_gap_of_over_three_usual_ones_is_always_found_and_no_other(data):
    jitters = data.draw(st.lists(st.integers(-60, 60), min_size=60, max_size=60))
    begins = START + np.arange(60) * 8 * HOUR + np.array(jitters) * 10 * STEP
    first = data.draw(st.integers(1, 40))
    missing = data.draw(st.integers(0, 10))
    kept = np.delete(begins, np.arange(first, first + missing))
    activity = runs(kept)
    expected = [(a, b) for a, b in pairwise(kept.tolist()) if b - a > 3 * activity.usual_gap_ns]
    assert [gap.end_ns for gap in activity.silences(int(kept[-1]) + HOUR)] == [after for _, after in expected]
    assert bool(expected) or missing < 3


@given(st.integers(0, 10**6), st.sampled_from([2, 5, 60]))
def test_later_and_slower_runs_give_later_and_longer_silences(shift, scale):
    begins = np.array(daily(2.75, 8.2, 14.1, days=(0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 12)))
    times = np.concatenate([begin + np.arange(30) * STEP for begin in begins])
    before = activity_of(times, STEP)
    after = activity_of((times - START) * scale + START + shift * STEP, STEP * scale)
    assert after.usual_gap_ns == scale * before.usual_gap_ns
    moved = [tuple((ns - START) * scale + START + shift * STEP for ns in gap) for gap in before.silences(END)]
    assert [tuple(gap) for gap in after.silences((END - START) * scale + START + shift * STEP)] == moved
    assert len(moved) == 2


def test_a_continuous_pipeline_is_silent_only_at_its_end():
    times = START + np.arange(20 * 8640) * STEP
    holed = np.delete(times, np.arange(3 * 8640, 3 * 8640 + 4000))
    activity = activity_of(holed, STEP)
    assert activity.usual_gap_ns == STEP
    assert spans(activity, START + 20 * DAY + 300 * NS) == []
    assert spans(activity, START + 20 * DAY + 301 * NS) == [(480.0, pytest.approx(480 + 301 / 3600))]


def test_a_long_outage_of_a_continuous_pipeline_leaves_it_continuous():
    times = START + np.arange(28 * 8640) * STEP
    kept = (times < START + 7 * DAY) | (times > START + 23 * DAY)
    assert activity_of(times[kept], STEP).usual_gap_ns == STEP


@pytest.mark.parametrize("times", [[], [0], range(400)])
def test_too_little_data_shows_no_usual_gap(times):
    assert activity_of(START + np.array(times, dtype=np.int64) * STEP, STEP).usual_gap_ns is None


@pytest.mark.parametrize("hours", [(9,), (2.75, 8.2, 14.1)], ids=str)
def test_a_weekend_without_runs_is_usual_once_it_was_seen(hours):
    weekdays = [day for day in range(28) if day % 7 < 5]
    found = spans(runs(daily(*hours, days=weekdays)), START + 28 * DAY + 2 * HOUR)
    assert [int(begin // 24) for begin, _ in found] == ([4] if len(hours) > 1 else [])
    missed = spans(runs(daily(*hours, days=[day for day in weekdays if day not in {21, 22, 23}])))
    assert (missed[-1][0] // 24, missed[-1][1] // 24) == (18, 24)


def test_maintenance_is_no_silence():
    activity = runs(daily(2, 10, 18, days=(0, 1, 2, 3, 5, 6, 7)))
    assert len(spans(activity, START + 8 * DAY)) == 1
    assert spans(activity, START + 8 * DAY, "2026-03-06T00:00/12h") == []


def test_a_run_longer_than_the_usual_gap_is_no_silence():
    begins = daily(2, 10, 18)
    long = np.arange(begins[30], begins[36] - HOUR, STEP)
    rest = [begin + np.arange(24) * STEP for begin in begins[:30] + begins[36:]]
    assert spans(activity_of(np.sort(np.concatenate([long, *rest])), STEP)) == []
