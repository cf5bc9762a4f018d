"""Pipelines of one stage, and of three and more, judged by the coupled load."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.running import entro

HEADER = "t,scraper,parse,embed,llm"
STAGES = [f"--stage={name}={name}:queue" for name in ("parse", "embed", "llm")]


@pytest.fixture(autouse=True)
def log(tmp_path, monkeypatch):
    """Two hours in which the LLM overflows while the stages between it and the scraper are idle."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{60 * step},1.2,0,0,{min(step, 40)}" for step in range(120)]
    (tmp_path / "log.csv").write_text("\n".join([HEADER, *rows]) + "\n")


def analyzed(*arguments):
    outcome = entro("analyze", "log.csv", "--start", "2026-04-06", "--tz", "UTC", "--json", *arguments)
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def test_idle_stages_between_them_leave_a_queue_to_be_judged_with_its_neighbour():
    document = analyzed("--stage=scraper=scraper:rate", *STAGES)
    # embed + llm > 3 is llm > 19; neither the sum, 2/4 of 4.5, nor any other pair is over.
    assert (document["violations"], document["budget"]) == (101 - 1, 3.0)
    assert document["peak_coupled_load"] == pytest.approx(3.7136, abs=1e-4)
    assert document["peak_psi_total"] == pytest.approx(4.5020, abs=1e-4)
    assert [incident["driver"] for incident in document["incidents"]] == ["llm"]


def test_the_order_and_feeds_decide_on_the_neighbours(tmp_path):
    direct = analyzed("--stage=parse=parse:queue", "--stage=scraper=scraper:rate", *STAGES[:0:-1])
    (tmp_path / "entro.toml").write_text('[stages.scraper]\nkind = "rate"\nfeeds = "llm"\n')
    fed = analyzed("--stage=scraper=scraper:rate", *STAGES, "--config", "entro.toml")
    pair = analyzed("--stage=scraper=scraper:rate", "--stage=llm=llm:queue")
    assert direct["violations"] == fed["violations"] == pair["violations"] == 120 - 9
    assert fed["peak_coupled_load"] == pair["peak_psi_total"]


def test_a_stage_that_feeds_nothing_known_is_refused(tmp_path):
    (tmp_path / "entro.toml").write_text('[stages.scraper]\nkind = "rate"\nfeeds = ["lmm"]\n')
    outcome = entro("analyze", "log.csv", "--start", "2026-04-06", "--stage=llm=llm:queue", "--config", "entro.toml")
    assert outcome.error == ("stages.scraper.feeds: no other stage is called lmm; expected another one of llm, scraper")


def test_the_history_couples_as_the_log_does(tmp_path):
    (tmp_path / "entro.toml").write_text(
        f'history = "{tmp_path / "history"}"\n[stages.parse]\nkind = "queue"\n[stages.scraper]\nkind = "rate"\n'
        '[stages.llm]\nkind = "queue"\n[stages.embed]\nkind = "queue"\n'
    )
    options = ("--start", "2026-04-06", "--tz", "UTC", "--config", "entro.toml")
    assert entro("ingest", "log.csv", *options).status == 0
    day = ("report", "--daily", "--date", "2026-04-06", "--json")
    stored, read = (json.loads(entro(*day, *more).out) for more in (options[2:], (*options, "--logs", "log.csv")))
    assert stored["figures"]["violations"] == read["figures"]["violations"] == 120 - 9
    assert stored["figures"]["stages"] == read["figures"]["stages"]


def test_every_step_shows_both_loads():
    analyzed("--stage=scraper=scraper:rate", *STAGES, "--steps-csv", "steps.csv")
    row = list(csv.DictReader(io.StringIO(Path("steps.csv").read_text(encoding="utf-8"))))[-1]
    assert float(row["coupled_load"]) == pytest.approx(float(row["psi_llm"]))
    assert float(row["psi_total"]) > float(row["coupled_load"])


def test_a_report_names_the_load_that_is_judged():
    logs = ("--logs", "log.csv", "--start", "2026-04-06", "--tz", "UTC", "--stage=scraper=scraper:rate", *STAGES)
    text = entro("report", "--daily", *logs, "--format", "terminal", "--long").out
    assert "Coupled load, peak (nat)" in text
    assert "Timeline of coupled load" in text


def test_the_load_has_no_capital_in_the_middle_of_a_line():
    assert "peak coupled load " in entro("analyze", "log.csv", "--stage=scraper=scraper:rate", *STAGES).out
