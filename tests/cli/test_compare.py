"""`entro compare`: two periods or pipelines of the history, every figure that of its own report."""

import json
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


def test_two_pipelines(history):
    document = json.loads(
        entro("compare", "2026-03-18", "other:2026-03-18", "--history", history, *BERLIN, "--json").out
    )
    assert document["first"]["figures"] == document["second"]["figures"]
    assert (document["first"]["pipeline"], document["second"]["pipeline"]) == ("default", "other")


@pytest.mark.parametrize("period", ["yesterday", "2026-02-30", "2026-W60", "default:"])
def test_what_is_no_period(history, period):
    assert "is not a period" in entro("compare", period, "2026-W15", "--history", history, *BERLIN).error


def test_a_pipeline_that_is_not_there(history):
    assert "nothing is stored" in entro("compare", "none:2026-W14", "2026-W15", "--history", history, *BERLIN).error
