"""All pipelines side by side, worst first, with the figures of their own reports."""

import html
import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from entro_cli.report.fleet import GLANCE, Missing, fleet_of, member_of
from entro_cli.report.periods import PeriodKind
from entro_cli.report.render.fleet import render_markdown, render_page_of, render_text
from tests.browser_page import opened
from tests.report.runs import busy, calm, run_of, summary_of
from tests.running import entro

SAMPLE = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"
HOSTILE = "<b onclick=x>x</b>\"'&[red]|`*"
CONFIG = """
history = "history"
reports = "reports"
zone = "UTC"
[pipelines.frontend]
logs = ["log.csv"]
[pipelines.backend]
logs = ["log.csv"]
gamma = 0.5
reports = "elsewhere"
[pipelines.gone]
logs = []
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    file = tmp_path_factory.mktemp("fleet") / "entro.toml"
    header, *lines = SAMPLE.read_text().splitlines(keepends=True)
    # The week of the page and the one before it are all that it shows.
    file.with_name("log.csv").write_text("".join([header, *(line for line in lines if line >= "2026-03-30")]))
    file.write_text(CONFIG)
    assert entro("ingest", "--config", file, "-q").status == 1  # for `gone`, which has no logs
    entro("schedule", "run", "--weekly", "--as-of", "2026-04-14", "--config", file)
    return file


def surveyed(config, *options):
    outcome = entro("fleet", "--weekly", "--date", "2026-W15", "--config", config, *options)
    assert outcome.status == 0, outcome.err
    return outcome.out


def member(pipeline, run, target=0.99):
    return member_of(summary_of(run, PeriodKind.DAY, "2026-03-03", pipeline, target), "")


def fleet():
    spent = run_of([[5.0] * 1440, [50.0] * 1440], "2026-03-03")
    members = [
        member("calm", calm(1440, "2026-03-03")),
        member("silent", calm(1440, "2026-03-09")),
        member("busy", busy(7)),
        member("strained", busy(7), target=0.1),
        member(HOSTILE, spent),
    ]
    return fleet_of(
        summary_of(busy(7), PeriodKind.DAY, "2026-03-03").period, members, [Missing("gone", "nothing is stored")]
    )


def test_the_worst_come_first():
    found = fleet()

    assert [one.pipeline for one in found.members] == [HOSTILE, "busy", "silent", "strained", "calm"]
    assert found.members[0].consumed > found.members[1].consumed
    assert [one.verdict.health for one in found.members] == ["bad", "bad", "no data", "watch", "good"]
    assert found.verdict.health == "bad"
    assert found.verdict.sentence == (
        f"6 pipelines: 2 bad, 1 without data, 1 to watch, 1 good, 1 without a report. Look first at {HOSTILE}."
    )


def test_without_data_nothing_is_known_of_the_budget():
    """Zero would read as calm."""
    (silent,) = [one for one in fleet().members if one.pipeline == "silent"]
    assert silent.consumed is None
    (line,) = [line for line in render_text(fleet()).splitlines() if "silent" in line]
    assert line.split()[-4:] == ["-", "-", "-", "0%"]
    row = re.search(r">silent<.*?</tr>", render_page_of(fleet()), re.DOTALL)[0]
    assert '<td data-label="over budget">-</td>' in row
    assert "| silent | - | - | - | 0%" in render_markdown(fleet())


def test_a_sliver_of_data_neither_leads_nor_hides():
    over = [[5.0] * 15, [50.0] * 15]  # 15 minutes of a day, all over the budget
    sliver, glimpse = member("sliver", run_of(over, "2026-03-03")), member("glimpse", calm(15, "2026-03-03"))
    busy_day, dull = member("busy", busy(7)), member("dull", calm(1300, "2026-03-03"))
    assert sliver.consumed > busy_day.consumed
    found = fleet_of(summary_of(busy(7), PeriodKind.DAY, "2026-03-03").period, [dull, glimpse, sliver, busy_day])
    assert [one.pipeline for one in found.members] == ["busy", "sliver", "glimpse", "dull"]
    assert sliver.critical_share == 1
    assert sliver.critical_part == 15 / 1440  # of all the day, as in its own report
    for page in (render_page_of(found), render_markdown(found)):
        assert page.count("only 15 min") == 2
        assert "only 21 h 40 min" not in page


def test_a_good_fleet_needs_no_look():
    period = summary_of(busy(7), PeriodKind.DAY, "2026-03-03").period
    assert fleet_of(period, [member("a", calm(1440, "2026-03-03"))]).verdict.sentence == "1 pipeline: 1 good."
    assert fleet_of(period, [], [Missing("gone", "why")]).verdict.health == "no data"


def test_a_member_is_what_its_report_says():
    summary = summary_of(busy(7), PeriodKind.DAY, "2026-03-03")
    figures, found = summary.figures, member_of(summary, "x.html")

    assert found.violation_share == figures.violations / figures.observed_steps
    assert found.critical_share == figures.regimes.critical / figures.observed_steps
    assert (found.consumed, found.coverage) == (figures.objective.consumed, figures.coverage)
    assert len(found.glance) == GLANCE
    assert max(column.peak for column in found.glance) == figures.peak_psi_total


def test_text_stays_in_its_columns_and_hostile_names_stay_text():
    text, plain = render_text(fleet()), render_text(fleet(), unicode=False)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert plain.isascii()
    assert "[red]" in text
    page = render_page_of(fleet())
    assert "<b onclick" not in page
    assert html.escape(HOSTILE, quote=False).split("|")[0].split('"')[0] in page
    rows = [line for line in render_markdown(fleet()).splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {8}
    assert "<script" not in page


@pytest.mark.slow
def test_its_numbers_are_those_of_the_reports(config):
    document = json.loads(surveyed(config, "--json", "--out", "-"))
    assert document["schema"] == "entro/fleet/1"
    assert [one["pipeline"] for one in document["members"]] == ["backend", "frontend"]
    assert [one["pipeline"] for one in document["missing"]] == ["gone"]
    for one in document["members"]:
        command = ("report", "--weekly", "--date", "2026-W15", "--config", config, "--pipeline", one["pipeline"])
        report = json.loads(entro(*command, "--json", "--out", "-").out)
        figures = report["figures"]
        assert one["verdict"] == report["verdict"]
        assert one["consumed"] == figures["objective"]["consumed"]
        assert (one["coverage"], one["excess_nat_s"]) == (figures["coverage"], figures["excess_nat_s"])
        assert one["incidents"] == len(figures["incidents"])


@pytest.mark.slow
def test_a_scheduled_run_of_several_writes_the_same_page(config):
    page = config.parent / "reports" / "week-2026-W15.html"
    written = page.read_bytes()
    assert surveyed(config, "--quiet") == ""
    assert page.read_bytes() == written
    index = (config.parent / "reports" / "index.html").read_text()
    assert "All pipelines" in index
    assert 'href="week-2026-W15.html"' in index


def test_links_lead_to_the_reports(config):
    text = (config.parent / "reports" / "week-2026-W15.html").read_text()
    targets = [html.unescape(target) for target in re.findall(r'href="([^"]*\.html)"', text)]
    assert targets == ["index.html", "../elsewhere/backend-week-2026-W15.html", "frontend-week-2026-W15.html"]
    back = '<a href="week-2026-W15.html" title="Week 15, 6 to 12 April 2026">All pipelines</a>'
    assert back in (config.parent / "reports" / "frontend-week-2026-W15.html").read_text()
    assert all((config.parent / "reports" / target).exists() for target in targets)
    assert "href=" not in surveyed(config, "--format", "html", "--out", "-").partition("<body>")[2]


def test_gates_are_those_of_any_pipeline(config):
    command = ("fleet", "--weekly", "--date", "2026-W15", "--config", config, "--json", "--out", "-")
    outcome = entro(*command, "--fail-on", "violations>100")
    assert outcome.status == 3
    assert "gate failed: backend: violations>100" in outcome.err


def test_without_a_configuration_it_is_all_that_is_stored(config, tmp_path):
    (tmp_path / "none.toml").write_text("")
    command = ("fleet", "--weekly", "--tz", "UTC", "--config", tmp_path / "none.toml", "--json", "--out", "-")
    outcome = entro(*command, "--history", config.parent / "history")
    document = json.loads(outcome.out)
    assert [one["pipeline"] for one in document["members"]] == ["backend", "frontend"]
    assert document["period"]["label"] == "2026-W15"  # the latest with data
    assert "nothing is stored" in entro(*command, "--history", tmp_path / "empty").error


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(390, False), (1440, True)])
def test_in_a_browser(config, browser, width, dark):
    with opened(browser, config.parent / "reports" / "week-2026-W15.html", width, dark, javascript=False) as shown:
        assert shown.page.title() == "All pipelines: Week 15, 6 to 12 April 2026"
        assert shown.overflow() == 0
        assert shown.faint() == []
        assert shown.complaints == []


@pytest.mark.slow
def test_metrics_of_a_fleet_are_those_of_its_reports(config, tmp_path):
    """Prometheus refuses a file in which the samples of a metric are apart, or its type is named twice."""
    surveyed(config, "--metrics-file", tmp_path / "fleet.prom", "--quiet")
    text = (tmp_path / "fleet.prom").read_text()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families) == text.count("# TYPE ") > 15
    found = {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
    assert {labels[1] for labels in found} == {"frontend", "backend"}
    for pipeline in ("frontend", "backend"):
        alone = tmp_path / f"{pipeline}.prom"
        week = ("--weekly", "--date", "2026-W15", "--pipeline", pipeline, "--out", tmp_path, "--quiet")
        assert entro("report", *week, "--config", config, "--metrics-file", alone).status == 0
        assert set(alone.read_text().splitlines()) <= set(text.splitlines())
