"""Silence in reports: a pipeline that runs at times is not silent between its runs, and is when runs are missed."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from entro_cli.core.console import Terminal
from entro_cli.history.paths import pipeline_paths
from entro_cli.report.periods import PeriodKind, period_of
from entro_cli.report.verdict import Health
from entro_cli.workflows.report import data_from_history, summarise_period
from entro_cli.workflows.settings import read_settings
from tests.running import entro

FREENODES = Path(__file__).parents[3] / "shared" / "data" / "scrapy" / "freenodes_2024-09_2025-02.log"
DAYS = 40
MISSED = 33  # the day whose last two runs are missing; the next day has none before the evening


def begins(day):
    """The runs of a day: at uneven hours, a few minutes early or late."""
    jitter = timedelta(minutes=(7 * day) % 11)
    hours = {MISSED: (2.75,), MISSED + 1: (20,)}.get(day, (2.75, 8.2, 14.1))
    return [datetime(2026, 3, 2, tzinfo=UTC) + timedelta(days=day, hours=hour) + jitter for hour in hours]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A history, and its log: a crawler that runs for eight minutes, three times a day."""
    folder = tmp_path_factory.mktemp("silence")
    rows = [
        f"{begin + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ},{0.2 + minute / 100},{minute / 10}"
        for day in range(DAYS)
        for begin in begins(day)
        for minute in range(8)
    ]
    (folder / "log.csv").write_text("\n".join(["time,scraper,llm_waiting", *rows]) + "\n")
    assert entro("ingest", folder / "log.csv", "--step", "1min", "--history", folder / "history").status == 0
    return folder


def report(folder, *arguments):
    outcome = entro("report", *arguments, "--tz", "UTC", "--history", folder / "history", "--format", "json")
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def day_of(number):
    return "--daily", "--date", f"{date(2026, 3, 2) + timedelta(days=number)}"


@pytest.mark.parametrize("day", [2, 10, 26, 27, 39])
def test_an_ordinary_day_is_good(folder, day):
    found = report(folder, *day_of(day))
    assert (found["silences"], found["verdict"]["health"]) == ([], "good")
    assert 0.01 < found["figures"]["coverage"] < 0.02
    assert found["usual_gap_s"] == pytest.approx(5.9 * 3600, abs=1200)


def test_the_first_day_of_a_new_pipeline_is_judged_as_if_it_ran_continuously(folder):
    found = report(folder, *day_of(0))
    assert found["usual_gap_s"] is None
    assert found["verdict"]["sentence"].startswith("No data since 14:14")


def test_missed_runs_are_reported_while_they_are_missing_and_afterwards(folder):
    before, after = report(folder, *day_of(MISSED)), report(folder, *day_of(MISSED + 1))
    assert before["verdict"]["health"] == after["verdict"]["health"] == "watch"
    assert before["verdict"]["sentence"].startswith("No data since 02:53, for the last 21 h 7 min of the day: check")
    assert after["verdict"]["sentence"].startswith("Silent from Sat 4 Apr 02:53 until 20:07 (1 d 17 h). A run usually")
    (silence,) = after["silences"]
    assert silence["start"] == "2026-04-04T02:53:00+00:00"
    assert (silence["length_s"], silence["is_ongoing"]) == (41 * 3600 + 14 * 60, False)


def test_a_week_says_it_in_every_format_and_from_the_log_alone(folder):
    week = ("--weekly", "--date", "2026-04-05", "--tz", "UTC")
    found = report(folder, *week[:3])
    said = "Silent from Sat 4 Apr 02:53 until Sun 5 Apr 20:07"
    assert said in found["verdict"]["sentence"]
    for form in ("terminal", "markdown", "html"):
        text = entro("report", *week, "--history", folder / "history", "--format", form, "--out", "-").out
        assert said in " ".join(text.replace("**", "").split())
    log = entro("report", *week, "--logs", folder / "log.csv", "--step", "1min", "--format", "json")
    assert json.loads(log.out)["silences"] == found["silences"]


def test_ci_has_no_case_that_fails_on_an_ordinary_day(folder):
    for day, failures in ((26, 0), (MISSED, 1)):
        text = entro("report", *day_of(day), "--tz", "UTC", "--history", folder / "history", "--format", "junit")
        assert f'failures="{failures}"' in text.out


@pytest.mark.parametrize("day", [5, 6])
def test_a_day_in_a_usual_gap_needs_no_check(tmp_path, day):
    first = datetime(2026, 3, 2, 4, tzinfo=UTC)
    weekdays = [first + timedelta(days=number) for number in range(28) if number % 7 < 5]
    rows = [f"{when + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ},1" for when in weekdays for minute in range(8)]
    (tmp_path / "log.csv").write_text("\n".join(["time,scraper_rate", *rows]) + "\n")
    arguments = ("--logs", tmp_path / "log.csv", "--step", "1min", "--tz", "UTC", "--format", "json")
    found = json.loads(entro("report", *day_of(7 + day), *arguments).out)
    assert found["silences"] == []
    assert found["verdict"]["sentence"] == "This day lies in a usual gap of the pipeline, without data."


@pytest.fixture(scope="module")
def freenodes(tmp_path_factory):
    """A function that returns the report of a period of FreeNodes, a crawl on GitHub, from its history."""
    if not FREENODES.exists():
        pytest.skip("the shared data is not there")
    history = tmp_path_factory.mktemp("freenodes") / "history"
    assert entro("ingest", FREENODES, "--tz", "UTC", "--history", history).status == 0
    settings = read_settings(None, "default", Terminal(), history=history, zone="UTC")
    paths = pipeline_paths(history, "default")

    def summary(kind, day):
        period = period_of(kind, day, UTC)
        stored = data_from_history(paths, settings, UTC, period, (None, None))
        return summarise_period(stored, period, settings, None, advise=False)

    return summary


def gaps_between_runs():
    """The gaps that no `Spider opened` interrupts, of all and of more than three times the usual length."""
    lines = FREENODES.read_text().splitlines()
    opened = sorted(datetime.fromisoformat(f"{line[:19]}+00:00") for line in lines if "Spider opened" in line)
    gaps = [gap for gap in pairwise(opened) if gap[1] - gap[0] > timedelta(hours=1)]  # a run opens two spiders
    usual = median(end - start for start, end in gaps)
    return usual, [gap for gap in gaps if gap[1] - gap[0] > 3 * usual]


def matches(silence, gap):
    start, end = gap
    return abs(silence.start - start) < timedelta(minutes=5) and silence.end <= end + timedelta(seconds=5)


@pytest.mark.slow
def test_the_weeks_of_freenodes_name_every_real_gap_and_no_other(freenodes):
    usual, real = gaps_between_runs()
    assert [round((end - start) / timedelta(hours=1)) for start, end in real] == [205, 20, 69, 18]
    for monday in (date(2024, 9, 9) + timedelta(weeks=number) for number in range(24)):  # the log ends in the 25th
        found = freenodes(PeriodKind.WEEK, monday)
        begin, after = found.period.start, found.period.end
        known = [gap for gap in real if gap[1] > begin and min(gap[1], after) - gap[0] > 3 * usual]
        assert len(known) == len(found.silences)
        assert all(matches(silence, gap) for silence, gap in zip(found.silences, known, strict=True))
        assert found.usual_gap_s == pytest.approx(usual.total_seconds(), rel=0.02)
        assert "Data for only" not in found.verdict.sentence


@pytest.mark.slow
def test_no_day_of_freenodes_is_called_silent_without_a_real_gap(freenodes):
    usual, real = gaps_between_runs()
    for day in (date(2024, 9, 1) + timedelta(days=number) for number in range(181)):
        found = freenodes(PeriodKind.DAY, day)
        begin, after = found.period.start, found.period.end
        inside = [gap for gap in real if gap[0] < after and gap[1] > begin]
        assert all(any(matches(silence, gap) for gap in inside) for silence in found.silences)
        known = [gap for gap in inside if min(gap[1], after) - gap[0] > 3 * usual]
        # On 10 September nine days lie between the first runs: nobody can know then that 20 hours are too long.
        assert len(found.silences) >= len(known) - (day == date(2024, 9, 10))
        assert ("Data for only" in found.verdict.sentence) == (day == date(2024, 9, 1))
        assert found.silences or found.verdict.health is not Health.NO_DATA


def test_a_day_that_is_not_over_is_silent_only_until_now(tmp_path):
    now = datetime.now(UTC)
    zone = f"Etc/GMT{now.hour - 12:+d}"  # where it is around noon
    begin = int(now.timestamp()) - 9 * 3600
    rows = (f"{begin + at},1,0\n" for at in range(0, 7 * 3600, 10))
    (tmp_path / "log.csv").write_text("time,scraper_rate,llm_queue\n" + "".join(rows))
    assert entro("ingest", tmp_path / "log.csv", "--history", tmp_path / "history", "--tz", "UTC").status == 0
    report = entro("report", "--daily", "--history", tmp_path / "history", "--tz", zone, "--json")
    sentence = json.loads(report.out)["verdict"]["sentence"]
    assert re.match(r"No data since \d\d:\d\d, for the last 2 h( \d+ \w+)?: check", sentence)
    assert "Data for only" not in sentence


def test_a_short_log_by_itself_is_not_silent(tmp_path):
    rows = (f"{1_775_470_000 + at},1,0\n" for at in range(600))
    (tmp_path / "log.csv").write_text("time,scraper_rate,llm_queue\n" + "".join(rows))
    report = entro("report", "--daily", "--logs", tmp_path / "log.csv", "--tz", "UTC", "--json")
    document = json.loads(report.out)
    assert document["silences"] == []
    assert document["verdict"]["sentence"].endswith("Data for only 0.7% of the day.")
