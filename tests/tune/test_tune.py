"""`entro tune`: what is proposed, what is not and why, and what is written."""

import json
import math
import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from entro_cli.analysis import tuning as tuning_module
from entro_cli.analysis.coordination import block_capacity
from entro_cli.timeseries.steps import Steps
from entro_engine import Kind, Plant, Stage
from entro_engine.log_plant import ControlParameters, run_log_plant
from tests.running import entro, entro_process
from tests.tune.logs import changing_server

SAMPLE = Path(__file__).parents[2] / "sample_logs" / "three-phase.csv"
EVIDENCE = " # entro tune: saves 28.1 of 122 in 6 blocks\n"
READ = ("--start", "2026-04-06", "--step", "1s")


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log on which a setting is better than the default."""
    return changing_server(tmp_path_factory.mktemp("logs") / "requests.csv")


@pytest.fixture
def configured(folder):
    file = folder / "entro.toml"
    file.write_text('# of the night shift\nwait = "1s"  # short\n\n[stages.llm]  # the server\nkind = "queue"\n')
    return file


def document(*arguments):
    outcome = entro("tune", "--json", *arguments)
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def setting(tried):
    return tried["headroom"], tried["gain"], tried["guard"]


def test_a_better_setting_is_proposed_written_and_used(log, configured):
    found = document(log, *READ)
    proposed, present = found["proposed"], found["present"]
    assert (found["schema"], found["withheld"], found["reason"], found["written"]) == ("entro/tuning/1", None, "", None)
    assert setting(present) == (0.1, 0.4, 0.5)
    assert setting(proposed) == (0.05, 0.6, 0.25)
    assert proposed["violations"] < present["violations"] - 20
    assert found["tuning_gain"] == pytest.approx(present["cost"] - proposed["cost"])

    outcome = entro("tune", log, *READ, "--write")
    assert outcome.status == 0
    assert "Written to entro.toml: headroom = 0.05, gain = 0.6, guard = 0.25" in outcome.out.replace("\n", " ")
    assert configured.read_text() == (
        '# of the night shift\nwait = "1s"  # short\n'
        f"headroom = 0.05{EVIDENCE}gain = 0.6{EVIDENCE}guard = 0.25{EVIDENCE}\n"
        '[stages.llm]  # the server\nkind = "queue"\n'
    )
    coordination = json.loads(entro("analyze", log, *READ, "--json").out)["coordination"]
    assert setting(coordination) == setting(proposed)
    assert coordination["coordinated"]["violations"] == proposed["violations"]

    again = document(log, *READ)
    assert setting(again["present"]) == setting(proposed)
    assert again["present"]["cost"] == proposed["cost"]
    assert again["proposed"] is None


def test_the_figures_of_the_blocks_are_those_of_the_plant(log, configured):
    found = document(log, *READ, "--weight", "0.5")
    rate, queue = np.genfromtxt(log, delimiter=",", skip_header=1)[:, 1:].T
    capacity = found["capacity"]
    stages = Stage("rate", Kind.RATE, capacity * 2.5), Stage("queue", Kind.QUEUE, capacity * 1.0)
    loads, ones = np.array([rate, queue]), np.ones((2, len(rate)))
    steps = Steps(stages, 0, 10**9, loads, loads, loads, ones.astype(np.int64), ones.astype(np.bool_))
    parts = math.ceil(1 / 0.12)  # a plant step is at most 0.12 of the accepted wait of 1 s
    plant = Plant(*stages, capacity, 1 / parts)
    for tried in (found["present"], *found["tried"][::7]):
        control = ControlParameters(0.5, 2.0, *setting(tried))
        trace = run_log_plant(rate, block_capacity(steps, capacity), plant, parts, 3.0, control)
        psi = np.log1p(trace.rate * 3 / stages[0].full) + np.log1p(trace.queue * 10 / stages[1].full)
        costs = ((psi > 3.0) + 0.5 * trace.lost).reshape(6, 600).sum(axis=1)
        np.testing.assert_allclose(tried["block_costs"], costs, rtol=1e-9, atol=1e-9)
        assert tried["violations"] == (psi > 3.0).sum()
        assert tried["lost"] == pytest.approx(trace.lost.sum())


def test_the_gains_follow_from_the_blocks(log, configured):
    found = document(log, *READ)
    present = np.array(found["present"]["block_costs"])
    saved = present - np.array([tried["block_costs"] for tried in [found["present"], *found["tried"]]])
    assert found["tuning_gain"] == pytest.approx(6 * found["proposed"]["saved"])
    for tried, row in zip([found["present"], *found["tried"]], saved, strict=True):
        error = row.std(ddof=1) / math.sqrt(6)
        assert (tried["saved"], tried["standard_error"]) == (pytest.approx(row.mean()), pytest.approx(error))
        assert tried["better_blocks"] == (row > 1e-9).sum()
        assert tried["is_better"] == ((row > 1e-9).sum() >= 5 and row.mean() >= 2 * error)
    assert setting(found["proposed"]) == setting(next(tried for tried in found["tried"] if tried["is_better"]))


def test_a_good_setting_is_left_alone(folder):
    found = document(SAMPLE)
    assert found["proposed"] is None
    assert found["present"]["cost"] == found["tuning_gain"] == found["held_out_gain"] == 0
    assert "there is nothing to gain" in found["reason"]
    outcome = entro("tune", SAMPLE, "--write")
    assert (outcome.status, outcome.err) == (0, "nothing was written\n")
    assert "Nothing is proposed: with the present setting no step is over the budget" in outcome.out
    assert list(folder.iterdir()) == []


def test_a_setting_that_is_better_in_few_blocks_is_not_proposed(folder):
    (folder / "entro.toml").write_text('wait = "2s"\n')
    log = changing_server(folder / "requests.csv", 4, 3000, (0.0, 1.4, 1.4, 1.4), 40, (0.7, 1.6))
    found = document(log, *READ)
    assert found["proposed"] is None
    assert found["reason"] == "the best setting costs less in 2 of 6 blocks only, and 5 are needed"
    assert found["tuning_gain"] == 0
    assert found["tried"][0]["saved"] > 0  # something always looks better


def test_headrooms_that_are_not_below_alpha_are_left_out(log, configured):
    configured.write_text('wait = "1s"\nalpha = 0.2\n')
    found = document(log, *READ)
    assert found["left_out"] == [0.2, 0.3]
    assert {tried["headroom"] for tried in found["tried"]} == {0.05, 0.1}
    assert "Left out: headroom 0.2, 0.3, not below alpha." in entro("tune", log, *READ).out
    configured.write_text('wait = "1s"\nalpha = 0.05\n')
    assert document(log, *READ)["reason"] == "every headroom of the grid is at or above alpha"


def test_a_setting_outside_of_the_grid_is_compared_with_it(log, configured):
    configured.write_text('wait = "1s"\nheadroom = 0.4\nguard = 1\n')
    found = document(log, *READ)
    assert setting(found["present"]) == (0.4, 0.4, 1.0)
    assert len(found["tried"]) == 36
    assert found["proposed"]["cost"] < found["present"]["cost"]


def misfit(path):
    """A log whose queue is longer whenever less arrives: no server behaves like that."""
    path.write_text("t,scraper_rate,llm_queue\n" + "".join(f"{t},{t % 2},{9 * (t % 50)}\n" for t in range(1000)))
    return path


def three_stages(path):
    (path.parent / "entro.toml").write_text("[stages.gpu]\ncolumn = 'gpu'\nkind = 'generic'\n")
    path.write_text("t,scraper_rate,llm_queue,gpu\n" + "".join(f"{t},1,0,3\n" for t in range(1000)))
    return path


def short(path):
    return changing_server(path, steps=300)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (misfit, "the plant's queue is "),
        (three_stages, "it needs one rate stage that feeds one queue stage"),
        (short, "the log is too short: each of 6 blocks needs 60 steps with data, and one has 50"),
    ],
)
def test_a_log_that_cannot_be_tuned_on_gets_the_reason(folder, make, reason):
    log = make(folder / "log.csv")
    found = document(log, *READ)
    assert found["withheld"].startswith(reason)
    assert (found["present"], found["tried"], found["proposed"]) == (None, [], None)
    assert entro("tune", log, *READ).out.replace("\n", " ").startswith(f"Not available: {reason}")
    outcome = entro("tune", log, *READ, "--write")
    assert (outcome.status, outcome.err.splitlines()[-1]) == (0, "nothing was written")


def test_summed_sources_are_warned_of(folder):
    entro("simulate", "--log-dir", "runs", "--controller", "v9", "--controller", "eq14")
    outcome = entro("tune", "runs")
    assert "logs of parallel sources are summed: scraper of 2 sources, llm of 2 sources" in outcome.err
    assert "summed" not in entro("tune", *sorted((folder / "runs").glob("*v9*"))).err


@pytest.mark.parametrize("weight", ["-1", "nan", "inf", "1e308", "x"])
def test_a_weight_is_a_number_from_0_to_1e9(folder, weight):
    outcome = entro("tune", SAMPLE, "--weight", weight)
    assert outcome.status == 2
    assert "--weight" in outcome.err


def test_without_a_log_there_is_nothing_to_tune_on(folder):
    outcome = entro("tune")
    assert outcome.status == 2
    assert "name logs" in outcome.err


@pytest.mark.parametrize("write", [(), ("--write",)])
def test_the_output_fits_on_a_terminal(log, configured, write):
    lines = entro("tune", log, *READ, *write).out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert "Cost: violations + 1 x service lost (requests), in 6 blocks of 10 min." in lines


def test_a_log_in_parts_has_the_figures_of_the_whole(log, configured, monkeypatch):
    whole = document(log, *READ)
    monkeypatch.setattr(tuning_module, "PART_STEPS", 601)
    parts = document(log, *READ)
    for one, other in zip(whole["tried"], parts["tried"], strict=True):
        assert setting(one) == setting(other)
        np.testing.assert_allclose(one["block_costs"], other["block_costs"], rtol=1e-9)


def test_a_full_disk_is_named(folder, monkeypatch):
    (folder / "inputs").symlink_to("/dev/full")
    monkeypatch.setattr(tuning_module, "TemporaryDirectory", lambda prefix: nullcontext(folder))
    assert entro("tune", SAMPLE).error.startswith("the temporary folder: the steps of a long log cannot be written")


def test_the_table_of_the_pipeline_gets_the_values(log, configured, monkeypatch):
    configured.write_text('wait = "1s"\n[pipelines.web] # w\nlogs = []\n[pipelines.other]\nguard = 1\n')
    monkeypatch.setenv("ENTRO_GUARD", "0.5")
    outcome = entro("tune", log, *READ, "--pipeline", "web", "--write")
    assert outcome.err == "warning: ENTRO_GUARD is set, and overrides `guard` of the file\n"
    assert "Written to entro.toml, [pipelines.web]: headroom = 0.05" in outcome.out
    assert configured.read_text() == (
        'wait = "1s"\n[pipelines.web] # w\nlogs = []\n'
        f"headroom = 0.05{EVIDENCE}gain = 0.6{EVIDENCE}guard = 0.25{EVIDENCE}"
        "[pipelines.other]\nguard = 1\n"
    )


@pytest.mark.slow
def test_values_that_stay_are_not_written(log, configured):
    configured.write_text('wait = "1s"\nguard = 0.25\n')
    found = document(log, *READ)
    assert setting(found["proposed"]) == (0.05, 0.6, 0.25)
    assert "headroom = 0.05, gain = 0.6. With" in entro("tune", log, *READ).out.replace("\n", " ")
    assert entro("tune", log, *READ, "--write").status == 0
    expected = 'wait = "1s"\nguard = 0.25\nheadroom = 0.05 # entro tune: .*\ngain = 0.6 # entro tune: .*\n'
    assert re.fullmatch(expected, configured.read_text())


@pytest.mark.slow  # starts four processes
def test_processes_change_no_number(log, configured):
    one = entro_process("tune", log, *READ, "--json", "--jobs", "1")
    two = entro_process("tune", log, *READ, "--json", "--jobs", "2")
    assert (one.returncode, two.returncode) == (0, 0)
    assert one.stdout == two.stdout
