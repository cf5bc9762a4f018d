"""`entro compare`: two periods or pipelines of the history, every figure that of its own report."""

import html
import json
import re
from pathlib import Path

import pytest

from tests.running import entro

FIVE_WEEKS = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"
BERLIN = ("--tz", "Europe/Berlin")


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    for name in ("default", "other"):
        assert entro("ingest", FIVE_WEEKS, "--history", folder, "--pipeline", name, *BERLIN).status == 0
    return folder


def test_each_figure_is_that_of_its_own_report(history):
    document = json.loads(entro("compare", "2026-W14", "2026-W15", "--history", history, *BERLIN, "--json").out)
    for side, week in (("first", "2026-W14"), ("second", "2026-W15")):
        report = entro("report", "--weekly", "--date", week, "--history", history, *BERLIN, "--format", "json").out
        assert document[side]["figures"] == json.loads(report)["figures"]
    text = entro("compare", "2026-W14", "2026-W15", "--history", history, *BERLIN).out
    assert "default 2026-W14" in text
    assert "+11 min" in text
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"Time over budget .* \+11 min  worse\n", text)


def test_two_pipelines(history):
    document = json.loads(
        entro("compare", "2026-03-18", "other:2026-03-18", "--history", history, *BERLIN, "--json").out
    )
    assert document["first"]["figures"] == document["second"]["figures"]
    assert (document["first"]["pipeline"], document["second"]["pipeline"]) == ("default", "other")


@pytest.mark.slow
def test_a_page_has_both_and_links_to_their_reports(history, tmp_path):
    weeks = ("2026-W14", "other:2026-W15")
    command = ("compare", *weeks, "--history", history, *BERLIN)
    report = ("report", "--weekly", "--date", "2026-W14", "--history", history, *BERLIN, "--format", "html")
    assert entro(*report, "--out", tmp_path).status == 0
    outcome = entro(*command, "--out", tmp_path)
    assert outcome.out == entro(*command).out  # and the text, as before
    page = (tmp_path / "default,other-compare-2026-W14-2026-W15.html").read_text()
    assert re.findall(r'<a href="([^"]*)"', page) == ["default-week-2026-W14.html"]
    assert page.count('<p class="sentence">') == page.count("<svg") == 2
    document = json.loads(entro(*command, "--format", "json").out)
    assert all(html.escape(document[side]["verdict"]["sentence"], quote=False) in page for side in ("first", "second"))
    assert '<td class="worse"><small>worse</small> +11 min</td>' in page
    assert entro(*command, "--format", "html", "--out", "-").out.partition("<body>")[2].count("href=") == 0
    entro(*command, "--format", "html", "--out", tmp_path)
    assert (tmp_path / "default,other-compare-2026-W14-2026-W15.html").read_text() == page
    assert re.search(r"\| Time over budget \| .* \| \+11 min \| worse \|", entro(*command, "--format", "markdown").out)
    narrow = entro("compare", "2026-03-18", "2026-W15", "--history", history, *BERLIN, "--out", tmp_path / "own.html")
    assert narrow.status == 0  # a day beside a week
    assert "<svg" in (tmp_path / "own.html").read_text()


@pytest.mark.parametrize("period", ["yesterday", "2026-02-30", "2026-W60", "default:"])
def test_what_is_no_period(history, period):
    assert "is not a period" in entro("compare", period, "2026-W15", "--history", history, *BERLIN).error


def test_a_pipeline_that_is_not_there(history):
    assert "nothing is stored" in entro("compare", "none:2026-W14", "2026-W15", "--history", history, *BERLIN).error
