"""Entro from Python gives what the commands give."""

import json
import re
import subprocess
import sys
import warnings
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

import entro_cli as entro
from entro_engine import EntroError, Regime
from tests.engine.mutations import ROOT
from tests.running import entro as run_entro

WEEKS = ROOT / "sample_logs" / "five-weeks.csv"


@pytest.fixture(scope="module")
def pipeline():
    return entro.read(WEEKS, tz="Europe/Berlin")


@pytest.fixture
def accepted_wait(monkeypatch):
    """The commands have no option for it."""
    monkeypatch.setenv("ENTRO_WAIT", "5")


@pytest.fixture(scope="module")
def analysis(pipeline):
    return pipeline.analyze(wait_s=5)


def test_importing_it_loads_nothing():
    script = "import sys; before = set(sys.modules); import entro_cli; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == ["entro_cli"]
    assert {"read", "simulate", "History"} <= set(dir(entro))
    with pytest.raises(AttributeError, match="no attribute 'reed'"):
        entro.reed  # noqa: B018


def test_figures_and_incidents_are_those_of_the_command(analysis, accepted_wait):
    document = json.loads(run_entro("analyze", WEEKS, "--tz", "Europe/Berlin", "--json").out)
    assert analysis.figures.violations == document["violations"]
    assert analysis.figures.regimes.critical == document["regimes"]["critical"]
    assert [incident.driver for incident in analysis.incidents] == [each["driver"] for each in document["incidents"]]
    row = analysis.figures_frame().iloc[0]
    assert (row["violations"], row["critical_steps"]) == (document["violations"], document["regimes"]["critical"])
    frame = analysis.incidents_frame()
    assert [when.isoformat() for when in frame["end"].dt.tz_convert("Europe/Berlin")] == [
        each["end"] for each in document["incidents"]
    ]


def test_the_csv_of_steps_reads_back_as_the_frame_across_a_change_of_clocks(analysis, accepted_wait, tmp_path):
    path = tmp_path / "steps.csv"
    run_entro("analyze", WEEKS, "--tz", "Europe/Berlin", "--steps-csv", path)
    read = pd.read_csv(path, parse_dates=["time"], index_col="time")
    frame = analysis.to_frame()
    assert str(read.index.tz) == "UTC"
    assert (read.index == frame.index).all()
    np.testing.assert_array_equal(read["coupled_load"], frame["coupled_load_nat"])
    assert (read["regime"] == frame["regime"].astype(str)).all()


def test_fractions_of_seconds_read_back_too(tmp_path):
    log, path = tmp_path / "log.csv", tmp_path / "steps.csv"
    rows = [f"2026-04-06T00:00:{step / 2:06.3f}Z,{step % 3},{step % 5}" for step in range(40)]
    log.write_text("\n".join(["time,scraper_rate,llm_queue", *rows, ""]))
    run_entro("analyze", log, "--step", "500ms", "--steps-csv", path)
    read = pd.read_csv(path, parse_dates=["time"])
    assert read["time"].diff().dropna().unique().tolist() == [pd.Timedelta(milliseconds=500)]


def test_frames_have_times_in_utc_units_and_ordered_regimes(pipeline, analysis):
    frame = analysis.to_frame()
    assert str(frame.index.tz) == "UTC"
    assert frame.index.name == "time"
    assert frame["regime"].cat.categories.tolist() == ["no data", "stable", "stress", "critical"]
    assert (frame["regime"] >= "stress").sum() == (analysis.run.trace.regime >= Regime.STRESS).sum()
    assert frame["load_scraper_req_per_s"].count() == analysis.figures.observed_steps
    loads = pipeline.to_frame()
    assert loads.shape == (pipeline.steps.count, 8)
    assert loads["load_llm_requests"].max() == analysis.figures.stages[1].peak_load


def test_a_log_of_any_size_has_a_frame(tmp_path, monkeypatch):
    """A long CSV is resampled into a file; its steps have a frame all the same."""
    monkeypatch.setattr("entro_cli.workflows.load_logs.WORTH_BYTES", 1000)
    times = pd.date_range("2026-04-06", periods=100_000, freq="s", tz="UTC")
    table = pd.DataFrame({"time": times, "scraper_rate": np.arange(100_000) % 3, "llm_queue": np.arange(100_000) % 7})
    table.to_csv(tmp_path / "long.csv", index=False)
    pipeline = entro.read(tmp_path / "long.csv")
    assert type(pipeline.steps).__name__ == "StoredSteps"
    assert pipeline.to_frame()["load_llm_requests"].tolist() == table["llm_queue"].tolist()
    assert len(pipeline.analyze().to_frame()) == 100_000


@pytest.mark.slow
def test_the_report_is_the_command_s(analysis, accepted_wait, tmp_path):
    saved = json.loads(analysis.report("weekly").save(tmp_path / "week.json").read_text())
    options = ("report", WEEKS, "--weekly", "--tz", "Europe/Berlin", "--format", "json")
    printed = json.loads(run_entro(*options).out)
    repeats = [one["command"] for one in saved["recommendations"]]
    for document in (saved, printed):  # the command that repeats it differs
        document.pop("recommendations")
    assert saved == printed
    assert repeats
    assert all(one.startswith("ENTRO_WAIT=5.0 ENTRO_ZONE=Europe/Berlin entro report --weekly") for one in repeats)
    assert "<html" in analysis.report("daily", day=date(2026, 4, 6)).save(tmp_path / "day.html").read_text()
    still = analysis._pipeline.analyze(guard=0.0, wait_s=5).report("weekly")
    assert still.summary.recommendations[0].command.startswith("ENTRO_GUARD=0.0 ENTRO_WAIT=5.0 ")
    with pytest.raises(EntroError, match="unknown suffix"):
        analysis.report().save(tmp_path / "page.doc")
    with pytest.raises(EntroError, match="unknown period"):
        analysis.report("yearly")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    run_entro("ingest", WEEKS, "--tz", "Europe/Berlin", "--history", folder, "--pipeline", "crawl")
    return entro.History(folder)


@pytest.mark.parametrize("source", ["logs", "history"])
def test_settings_of_the_analysis_override_those_of_reading(pipeline, stored, source):
    pipeline = pipeline if source == "logs" else stored.read("crawl", tz="Europe/Berlin")
    given = pipeline.analyze(capacity=2.0, wait_s=np.float64(4))
    assert [stage.full for stage in given.figures.stages] == [5.0, 8.0]
    assert given.full_loads.origin == "set"
    part = pipeline.analyze(since=datetime(2026, 4, 6, tzinfo=UTC), until="2026-04-07T00:00Z")
    assert part.figures.steps == 24 * 60
    with pytest.raises(EntroError, match=re.escape("step: concerns the reading of logs; use read(..., step=...)")):
        pipeline.analyze(step="10s")
    with pytest.raises(EntroError, match="unknown key 'fail_on'"):
        pipeline.analyze(fail_on=["violations>3"])
    with pytest.raises(EntroError, match="wait: is given twice, as wait_s too"):
        pipeline.analyze(wait_s=3, wait=4)
    with pytest.raises(EntroError, match=r"^since/until: the log has no step in this period"):
        pipeline.analyze(since=date(2030, 1, 1))
    with pytest.raises(EntroError, match=r"unknown key 'wiat_s'; .*did you mean wait_s"):
        pipeline.analyze(wiat_s=3)
    with pytest.raises(EntroError, match="wait_s=: is -1"):
        pipeline.analyze(wait_s=-1)


def test_a_stored_pipeline(stored):
    assert stored.pipelines == ("crawl",)
    with pytest.raises(EntroError, match="step: concerns the reading of logs"):
        stored.read("crawl", step="10s")
    week = stored.read("crawl", since="2026-04-06", until="2026-04-08", tz="Europe/Berlin")
    assert week.steps.count == 2 * 24 * 60
    found = week.analyze().figures
    days = ("--since", "2026-04-06", "--until", "2026-04-08", "--tz", "Europe/Berlin")
    document = json.loads(run_entro("report", *days, "--history", stored.location, "--pipeline", "crawl", "--json").out)
    assert found.violations == document["figures"]["violations"]


def test_warnings_of_the_commands_are_python_warnings(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("time,scraper_rate,llm_queue\n2026-04-06T00:00:00Z,1,2\nnonsense,1,2\n2026-04-06T00:00:01Z,1,2\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        entro.read(log)
    assert {each.category for each in caught} == {entro.EntroWarning}
    assert any("1 of 3 rows could not be read" in str(each.message) for each in caught)
    assert {each.filename for each in caught} == {__file__}
    entro.read(WEEKS, tz="UTC")  # no warning, which would be an error here


def test_simulated_runs(monkeypatch):
    frame = entro.simulate("three-phase", ["uncontrolled", "v9"]).to_frame()
    assert frame["violations"].to_dict() == {"uncontrolled": 312, "v9": 0}
    assert frame.loc["v9", "stress"] == 334
    assert list(entro.simulate("arena", ["v9"], seeds=range(3), lag=5).to_frame().index) == ["v9"]
    assert list(entro.simulate(controllers="v9").to_frame().index) == ["v9"]
    with pytest.raises(EntroError, match=r"^controller: unknown controller 'v10'"):
        entro.simulate(controllers=["v10"])
    graph = entro.simulate("split", lag=2)
    assert graph.to_frame()["violations"].to_dict() == {"uncontrolled": 986, "v9": 0}
    assert [stage.name for stage in graph.runs[0].stages] == ["crawl", "large", "small"]
    with pytest.raises(EntroError, match="noise: does not work with a graph"):
        entro.simulate("split", noise=0.2)
    with pytest.raises(EntroError, match=r"^scenario: unknown scenario 'arenaa'"):
        entro.simulate("arenaa")
    with pytest.raises(EntroError, match="unknown option 'capacity'; expected lag, budget"):
        entro.simulate(capacity=3)
    for seeds in (range(5000, 5010, 2), range(3, 3), range(-1, 2), range(2 * 10**20), [5000, 5001]):
        with pytest.raises(EntroError, match=r"^seeds: is .*; expected a range of 1 to 1,000,000 seeds of at least 0"):
            entro.simulate("arena", seeds=seeds)
    monkeypatch.setenv("ENTRO_ALPHA", "0.2")
    printed = json.loads(run_entro("simulate", "--controller", "v9", "--json").out)["runs"][0]["peak_queue"]
    assert entro.simulate(controllers="v9").to_frame()["peak_queue"].tolist() == [printed]


def test_arguments_that_make_no_sense():
    with pytest.raises(EntroError, match=re.escape("read(): names no log")):
        entro.read()
    with pytest.raises(EntroError, match=r"^stage"):
        entro.read(WEEKS, stage="llm")


def test_no_column_of_a_frame_is_lost(tmp_path):
    """The names of stages may give one name of a column twice."""
    log = tmp_path / "log.csv"
    rows = [f"2026-04-06T00:00:0{step}Z,{step},1,2" for step in range(5)]
    log.write_text("\n".join(["time,total_rate,a_queue,more", *rows, ""]))
    stages = ("total=total_rate:rate", "a=a_queue:queue", "a_requests=more:generic")
    pipeline = entro.read(log, stage=stages)
    frame = pipeline.analyze().to_frame()
    assert frame["psi_total_nat_2"].tolist() == np.log1p(np.arange(5)).tolist()
    assert (frame["psi_total_nat"] > frame["psi_total_nat_2"]).all()
    loads = pipeline.to_frame()
    assert loads["load_a_requests"].tolist() == [1.0] * 5
    assert loads["load_a_requests_2"].tolist() == [2.0] * 5


def blocks_of(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["api.md", "api.ipynb"])
def test_the_documented_code_runs(page, tmp_path):
    if page == "api.ipynb":
        cells = json.loads((ROOT / "docs" / page).read_text())["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    else:
        first, second = blocks_of(page)
        code = first
        assert "parse_dates" in second
    (tmp_path / "sample_logs").symlink_to(ROOT / "sample_logs")
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "week.html").stat().st_size > 50_000
