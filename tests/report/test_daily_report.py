import inspect
import json

import numpy as np
import pytest
from msgspec.structs import fields

from entro_cli.core.json_document import as_json
from entro_cli.report.daily_report import Summary
from entro_cli.report.periods import PeriodKind
from entro_cli.report.verdict import Health
from entro_engine import LLM, SCRAPER
from tests.report.runs import busy, calm, run_of, summary_of, three_phase


def test_a_whole_week_counts_each_of_its_steps_once():
    summary = summary_of(busy(21), PeriodKind.WEEK, "2026-03-10")
    figures = summary.figures

    assert figures.steps == 7 * 1440
    assert sum(bucket.steps for bucket in summary.buckets) == figures.steps
    assert sum(bucket.violations for bucket in summary.buckets) == figures.violations
    for name in ("stable", "stress", "critical", "no_data"):
        assert sum(getattr(bucket.regimes, name) for bucket in summary.buckets) == getattr(figures.regimes, name)
    assert max(bucket.peak_psi_total for bucket in summary.buckets) == figures.peak_psi_total


def test_steps_outside_the_log_are_steps_without_data():
    figures = summary_of(three_phase(), PeriodKind.DAY, "2026-04-06").figures

    assert (figures.steps, figures.observed_steps) == (86400, 1000)
    assert figures.regimes.no_data == 85400
    assert figures.coverage == pytest.approx(1000 / 86400)
    assert (figures.regimes.stable, figures.regimes.stress, figures.regimes.critical) == (656, 7, 337)


def test_what_lies_outside_the_period_does_not_change_its_counts():
    long, short = busy(21), busy(21).part(1440, 4 * 1440)

    whole, cut = (summary_of(run, PeriodKind.DAY, "2026-03-03") for run in (long, short))

    assert whole.figures.regimes == cut.figures.regimes
    assert whole.figures.incidents[0].start == cut.figures.incidents[0].start
    assert cut.previous_figures is None
    assert whole.previous_figures is not None


def test_a_day_with_a_changed_clock_has_the_steps_it_really_has():
    assert summary_of(calm(3 * 1440, "2026-03-28"), PeriodKind.DAY, "2026-03-29").figures.steps == 23 * 60
    assert summary_of(calm(3 * 1440, "2026-10-24"), PeriodKind.DAY, "2026-10-25").figures.steps == 25 * 60


def test_the_previous_figures_are_those_of_the_previous_period():
    run = busy(21)

    this, before = summary_of(run, PeriodKind.WEEK, "2026-03-10"), summary_of(run, PeriodKind.WEEK, "2026-03-03")

    assert this.previous_figures == before.figures


def test_incidents_come_worst_first_and_no_more_than_can_be_read():
    queue = np.full(1440, 0.1)
    for number in range(30):
        queue[40 * number : 40 * number + 5] = 40 + number
    summary = summary_of(run_of([np.full(1440, 0.5), queue], "2026-03-02"), PeriodKind.DAY, "2026-03-02")

    excess = [incident.excess_nat_s for incident in summary.incidents]
    assert excess == sorted(excess, reverse=True)
    assert (len(summary.incidents), len(summary.figures.incidents)) == (20, 30)


def test_a_good_period_says_that_nothing_is_to_be_done():
    verdict = summary_of(calm(1440, "2026-03-02"), PeriodKind.DAY, "2026-03-02").verdict

    assert verdict.health is Health.GOOD
    assert verdict.sentence == (
        "Never Critical, and never over the budget: at most 0.3 requests waiting at llm, up to 0.2 s wait."
    )


def test_a_period_without_a_queue_says_that_no_request_waited():
    summary = summary_of(run_of([np.full(1440, 0.3), np.zeros(1440)], "2026-03-02"), PeriodKind.DAY, "2026-03-02")

    assert summary.verdict.sentence == "Never Critical, and never over the budget: no request waited."


def test_a_period_with_an_incident_says_how_long_how_bad_and_where_to_look():
    verdict = summary_of(busy(7), PeriodKind.DAY, "2026-03-03").verdict

    assert verdict.health is Health.BAD
    assert verdict.sentence == (
        "Critical for 29.7% of the observed time (7 h 8 min). "
        "10:00, 2 h: 63.8 requests waiting at llm (full at 10), up to 53 s wait; "
        "scraper sent 1.08 req/s while llm served 1.08. "
        "Over the budget for 2 h in 1 incident, 8.3 times what the 99% objective allows."
    )


def test_an_incident_says_what_was_sent_and_served_while_its_queue_grew():
    rate, queue = np.full(1440, 0.5), np.zeros(1440)
    rate[600:610], queue[600:610] = 2.0, 60 * np.arange(1, 11)  # one request a second more than is served
    queue[610:660] = np.linspace(600, 0, 50)
    (incident,) = summary_of(run_of([rate, queue], "2026-03-02"), PeriodKind.DAY, "2026-03-02").incidents

    assert incident.sentence.endswith("; scraper sent 2 req/s while llm served 1")
    assert incident.stages[1].peak_load == 600


def test_an_incident_within_the_objective_is_one_to_watch():
    summary = summary_of(busy(31, "2026-03-01"), PeriodKind.MONTH, "2026-03-01")

    assert summary.verdict.health is Health.WATCH
    assert "of what the 99% objective allows" in summary.verdict.sentence
    assert "Mon 2 Mar 10:00" in summary.verdict.sentence


def test_an_objective_that_allows_nothing_is_missed_with_the_first_violation():
    verdict = summary_of(busy(7), PeriodKind.DAY, "2026-03-03", target=1.0).verdict

    assert verdict.health is Health.BAD
    assert "where the 100% objective allows none" in verdict.sentence


def test_a_period_that_ends_without_data_says_so_first():
    verdict = summary_of(calm(192, "2026-03-02"), PeriodKind.DAY, "2026-03-02").verdict

    assert verdict.health is Health.WATCH
    assert verdict.sentence.startswith("No data since 03:12, for the last 20 h 48 min of the day:")


def test_silence_to_the_end_of_the_period_counts_when_the_log_goes_on_later():
    loads = np.full((2, 3 * 1440), 0.3)
    loads[:, 1440 + 192 : 2 * 1440 + 60] = np.nan

    verdict = summary_of(run_of(loads, "2026-03-01"), PeriodKind.DAY, "2026-03-02").verdict

    assert verdict.sentence.startswith("No data since 03:12")


def test_a_step_missing_at_midnight_is_no_silence():
    verdict = summary_of(calm(1439, "2026-03-02"), PeriodKind.DAY, "2026-03-02").verdict

    assert verdict.health is Health.GOOD


def test_low_coverage_is_said():
    loads = np.full((2, 1440), 0.3)
    loads[:, 200:800] = np.nan

    verdict = summary_of(run_of(loads, "2026-03-02"), PeriodKind.DAY, "2026-03-02").verdict

    assert verdict.health is Health.WATCH
    assert verdict.sentence.endswith("Data for only 58.3% of the day.")


@pytest.mark.parametrize("day", ["2026-02-01", "2026-07-01"])
def test_a_period_without_any_data_says_that(day):
    summary = summary_of(busy(7), PeriodKind.DAY, day)

    assert summary.verdict.health is Health.NO_DATA
    assert summary.verdict.sentence.startswith("No data for this day")
    assert (summary.figures.coverage, summary.course.times, summary.made.log_start) == (0.0, (), None)
    assert {bucket.regimes.no_data for bucket in summary.buckets} == {60}


def test_critical_without_a_violation_is_one_to_watch():
    summary = summary_of(run_of([np.full(1440, 1.6), np.full(1440, 3.3)], "2026-03-02"), PeriodKind.DAY, "2026-03-02")

    assert summary.figures.violations == 0
    assert summary.verdict.health is Health.WATCH
    assert "Critical for" in summary.verdict.sentence


def test_the_document_is_json_and_holds_every_field():
    summary = summary_of(busy(7), PeriodKind.WEEK, "2026-03-03")

    document = json.loads(as_json(summary))

    assert document["schema"] == "entro/report/1"
    assert set(document) == {field.name for field in fields(Summary)}
    assert document["period"]["start"] == "2026-03-02T00:00:00+01:00"
    assert document["verdict"]["health"] == "bad"


def test_every_field_of_the_report_is_explained():
    for field in fields(Summary):
        assert f"\n    {field.name}: " in inspect.cleandoc(Summary.__doc__ or "")  # Python 3.13 cleans it itself


def test_stages_keep_their_order_in_the_course():
    summary = summary_of(busy(3, stages=(SCRAPER, LLM)), PeriodKind.DAY, "2026-03-02")

    assert [stage.name for stage in summary.figures.stages] == ["scraper", "llm"]
    total = summary.course.psi_total[600]
    assert sum(psi[600] for psi in summary.course.psi) == pytest.approx(total)
