"""Graphs of stages in scenario files, and what `entro simulate` makes of them."""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from entro_cli.analysis.simulation.graph.runs import GRAPH_CONTROLLERS
from entro_cli.analysis.simulation.scenario_file import GRAPHS, find_scenario, parse_scenario
from entro_cli.report.render.simulation_table import number_text
from entro_engine import EntroError

CRAWL = '[stages.crawl]\nkind = "rate"\nfeeds = "llm"\n'
LLM = '[stages.llm]\nkind = "queue"\ncapacity = 1.2\n'
PHASES = "[[phases]]\nsteps = 10\ndemand = 1\n"
GRAPH = CRAWL + LLM + PHASES
STEADY = "steps = 10\n" + CRAWL + "demand = 0.5\n" + LLM

decimals = partial(number_text, decimals=3)


def parsed(text):
    return parse_scenario(text.encode(), "own.toml", "own")


def runs_of(document):
    return {run["controller"]: run for run in document["runs"]}


def stages_of(run):
    return {stage["name"]: stage for stage in run["stages"]}


@pytest.mark.parametrize(
    ("name", "controller", "violations", "wait", "served", "left"),
    [
        ("chain", "uncontrolled", 357, 17.317, 1065.164, 0),
        ("chain", "v9", 0, 50.019, 1048.050, 17.114),
        ("shared", "uncontrolled", 998, 795.821, 1128.0, 1772.0),
        ("shared", "v9", 0, 795.821, 1128.0, 1772.0),
        ("shared-weighted", "v9", 0, 795.821, 1128.0, 1772.0),
        ("shared-proportional", "v9", 0, 795.821, 1128.0, 1772.0),
        ("split", "uncontrolled", 986, 103.090, 932.582, 132.582),
        ("split", "v9", 0, 31.299, 1065.164, 0),
    ],
)
def test_reference_figures(simulated, name, controller, violations, wait, served, left):
    run = runs_of(simulated("--scenario", name))[controller]
    assert run["violations"] == violations
    assert (run["mean_wait_s"], run["served"], run["final_backlog"]) == pytest.approx((wait, served, left), abs=5e-4)


def test_figures_of_each_stage(simulated):
    runs = runs_of(simulated("--scenario", "chain"))
    queues = ["parse", "embed", "llm", "store"]
    free, held = (stages_of(runs[name]) for name in ("uncontrolled", "v9"))
    assert [free[name]["violations"] for name in queues] == [0, 107, 307, 50]
    assert [free[name]["peak_queue"] for name in queues] == pytest.approx([0, 46.020, 75.146, 68.144], abs=5e-4)
    assert [held[name]["peak_queue"] for name in queues] == pytest.approx([21.909, 7.970, 4.854, 9.131], abs=5e-4)
    for stages, run in ((free, runs["uncontrolled"]), (held, runs["v9"])):
        assert sum(stage["final_backlog"] for stage in stages.values()) == pytest.approx(run["final_backlog"])
        assert stages["store"]["served"] == run["served"]
        assert all(sum(stages[name]["regimes"].values()) == 1000 for name in queues)


def test_what_sources_of_a_shared_server_may_send(simulated):
    def sent(name):
        stages = stages_of(runs_of(simulated("--scenario", name))["v9"])
        return [stages[source]["sent"] for source in ("small", "medium", "large")]

    assert sent("shared") == pytest.approx([300.0, 415.0, 415.0], abs=0.05)
    assert sent("shared-weighted") == pytest.approx([264.0, 600.0, 266.0], abs=0.06)
    assert sent("shared-proportional") == pytest.approx([116.9, 233.8, 779.3], abs=0.05)


def test_one_source_and_one_queue_are_the_scenario_of_one_server(entro, simulated, tmp_path):
    phases = "".join(
        f"[[phases]]\nsteps = {phase.steps}\ndemand = {phase.demand}\n" for phase in find_scenario("three-phase").phases
    )
    path = tmp_path / "own.toml"
    path.write_text(CRAWL + LLM + 'stalls = ["320:380"]\n' + phases)
    found = runs_of(json.loads(entro("simulate", "--scenario", path, "--lag", "5", "--json").out))
    expected = runs_of(simulated("--stall", "320:380", "--lag", "5"))
    for name in GRAPH_CONTROLLERS:
        same = set(found[name]) & set(expected[name]) - {"controller", "regimes"}
        assert len(same) >= 12
        assert found[name]["regimes"] == expected[name]["regimes"]
        assert {key: found[name][key] for key in same} == pytest.approx({key: expected[name][key] for key in same})
        assert stages_of(found[name])["llm"]["regimes"] == expected[name]["regimes"]


def test_the_document_only_grows(simulated):
    document = simulated("--scenario", "split")
    assert list(document) == ["schema", "scenario", "runs"]
    assert document["schema"] == "entro/simulation/1"
    assert document["scenario"] == {"name": "split", "steps": 1000, "step_s": 1.0, "fairness": "max-min"}
    (plain, *_) = simulated()["runs"]
    for run in document["runs"]:
        assert set(run) - set(plain) == {"stages"}
        of_queues = [set(stage) for stage in run["stages"] if stage["kind"] == "queue"]
        assert all(keys - set(plain) == {"name", "kind", "feeds", "capacity"} for keys in of_queues)


def test_the_law_takes_its_options(simulated):
    def figures(*options):
        return runs_of(simulated("--scenario", "chain", *options))

    plain = figures()
    assert figures("--budget", "2")["uncontrolled"]["violations"] > 357
    for options in (("--alpha", "0.2"), ("--beta", "0.5"), ("--lag", "10")):
        changed = figures(*options)
        assert changed["uncontrolled"] == plain["uncontrolled"]
        assert changed["v9"] != plain["v9"]


def test_the_table_of_stages(entro):
    outcome = entro("simulate", "--scenario", "chain")
    assert (outcome.status, outcome.err) == (0, "")
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert re.search(r"^v9 +0 +21\.909 +1048\.050 +17\.114 +50\.019$", outcome.out, re.MULTILINE)
    assert re.search(r"^embed +2 +107 +46\.020 +1065\.164 +0 +3\.845$", outcome.out, re.MULTILINE)
    assert "embed 0.6 req/s in steps 400 to 499, store 0 req/s in steps 600 to 659" in outcome.out


def test_names_of_a_file_are_shown_as_text(entro, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(STEADY.replace("crawl", '"[red]\\u001b[31m"'))
    outcome = entro("simulate", "--scenario", path)
    assert "[red]" in outcome.out
    assert "\x1b" not in outcome.out


def test_demands_and_capacities_over_time():
    scenario = parsed(
        CRAWL + "demand = 0.5\n" + CRAWL.replace("crawl", "more") + LLM
        + 'stalls = ["8:10"]\ncapacity_at = { "0:3" = 2, "7:9" = 0.5 }\n'
        + PHASES + "[wave]\namplitude = 0.5\nperiod = 4\n"
    )  # fmt: skip
    np.testing.assert_allclose(scenario.demand(), [[0.5] * 10, [1, 1.5, 1, 0.5, 1, 1.5, 1, 0.5, 1, 1.5]], atol=1e-12)
    np.testing.assert_array_equal(scenario.capacities(), [[2, 2, 2, 1.2, 1.2, 1.2, 1.2, 0.5, 0, 0]])


def test_defaults():
    scenario = parsed(STEADY)
    assert (scenario.base.name, scenario.base.steps, scenario.base.step_s) == ("own", 10, 1.0)
    assert scenario.graph.fairness == "max-min"
    assert scenario.graph.sources[0].weight == 1.0
    assert parsed(STEADY.replace('"llm"', '["llm"]')) == scenario


CYCLE = '[stages.store]\nkind = "queue"\ncapacity = 1\nfeeds = ["llm"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CRAWL + LLM + 'feeds = "store"\n' + CYCLE + PHASES, "own.toml: stages: form a cycle: .*llm feeds store"),
        (CRAWL + LLM + 'feeds = "llm"\n' + PHASES, "own.toml: stages: form a cycle: llm feeds llm"),
        (
            CRAWL + LLM + '[stages.store]\nkind = "queue"\ncapacity = 1\n' + PHASES,
            "stage store: is fed by no stage; .*another",
        ),
        (
            GRAPH.replace('"llm"', '"lmm"'),
            r"stages.crawl \(rate\): feeds: unknown stage 'lmm'; expected one of llm; did",
        ),
        (CRAWL + LLM + 'feeds = "store"\n' + PHASES, "unknown stage 'store'; expected another queue"),
        (GRAPH.replace("[stages.", "[stage."), "own.toml: unknown key 'stage'; .*did you mean stages"),
        (CRAWL + CRAWL.replace("crawl", "more").replace('"llm"', '"crawl"') + LLM + PHASES, "more: crawl is a source"),
        (GRAPH.replace('"llm"', '["llm", "llm"]'), "feeds of stage crawl: .*expected each queue once"),
        (GRAPH.replace('feeds = "llm"\n', ""), "stage crawl: has no feeds; expected at least one queue"),
        (GRAPH.replace('"llm"', "3"), "feeds: is 3; expected an array"),
        (GRAPH.replace('"llm"', "[3]"), "feeds: holds 3; expected a text"),
        (LLM + PHASES, "own.toml: has no stage of kind rate"),
        (CRAWL + PHASES, "unknown stage 'llm'|has no stage of kind queue"),
        (GRAPH.replace('"rate"', '"generic"'), "stages.crawl: kind is 'generic'; expected kind = \"rate\""),
        (GRAPH.replace('kind = "rate"\n', ""), "stages.crawl: has no kind"),
        (GRAPH.replace('kind = "rate"', "kind = [1]"), "stages.crawl: kind is "),
        ("capacity = 2\n" + GRAPH, "own.toml: capacity: means nothing beside stages; set the capacity of each queue"),
        ("stalls = ['1:2']\n" + GRAPH, "own.toml: stalls: means nothing beside stages"),
        ("initial_queue = 3\n" + GRAPH, "own.toml: initial_queue: means nothing beside stages"),
        (
            CRAWL + "capacity = 2\n" + LLM + PHASES,
            r"stages.crawl \(rate\): unknown key 'capacity'; expected kind, feeds",
        ),
        (
            GRAPH.replace("capacity = 1.2\n", ""),
            r"stages.llm \(queue\): has no capacity; expected one, such as capacity",
        ),
        (GRAPH.replace("1.2", "0"), r"stages.llm \(queue\): capacity: is 0.0"),
        (GRAPH.replace("1.2", "nan"), r"stages.llm \(queue\): capacity: is nan"),
        (GRAPH.replace("1.2", "2e9"), r"stages.llm \(queue\): capacity: is 2000000000.0; expected 1e-06 to 1e\+09"),
        (CRAWL + "weight = 0\n" + LLM + PHASES, r"stages.crawl \(rate\): weight: is 0.0"),
        (
            "fairness = 'proportional'\n" + CRAWL + "weight = 2\n" + LLM + PHASES,
            r'stages.crawl \(rate\): weight: means nothing with fairness = "proportional"; leave it out',
        ),
        (CRAWL + "weight = inf\n" + LLM + PHASES, r"stages.crawl \(rate\): weight: is inf"),
        (STEADY.replace("0.5", "-1"), r"stages.crawl \(rate\): demand: is -1.0"),
        (STEADY.replace("steps = 10\n", ""), "own.toml: has no steps"),
        (STEADY + PHASES, 'own.toml: phases: means nothing: every source has a demand of its own; set .*"steps"'),
        ("steps = 10\n" + GRAPH, "own.toml: steps: means nothing: a source takes its demand from phases"),
        (CRAWL + LLM, "own.toml: has no phases"),
        ("fairness = 'fair'\n" + GRAPH, "own.toml: fairness: is 'fair'; expected max-min or proportional"),
        ("fairnes = 'max-min'\n" + GRAPH, "unknown key 'fairnes'.*did you mean fairness"),
        ("stages = 3\n" + PHASES, "own.toml: stages: is 3; expected a table"),
        ("[stages]\ncrawl = 3\n" + PHASES, "own.toml: stages.crawl: is not a stage"),
        ("stages.'' = { kind = 'rate' }\n" + PHASES, "own.toml: stages.: is not a stage"),
        ("[stages]\n" + PHASES, "own.toml: has no stage of kind rate"),
        (GRAPH.replace("1.2", "1.2\nstalls = ['8:11']"), r"stages.llm \(queue\): 8:11 goes on beyond the end"),
        (GRAPH.replace("1.2", "1.2\nstalls = ['8:5']"), r"'8:5' is not a stall; .*AFTER above FIRST"),
        (GRAPH.replace("1.2", "1.2\nstalls = ['8']"), r"stages.llm \(queue\): stalls: '8' is not a stall"),
        (
            GRAPH.replace("1.2", "1.2\ncapacity_at = { '8' = 1 }"),
            r"capacity_at: '8' is not a range of steps; expected FIRST:AFTER",
        ),
        (GRAPH.replace("1.2", "1.2\ncapacity_at = { '1:2' = -1 }"), r"capacity_at: 1:2: is -1.0"),
        (GRAPH.replace("1.2", "1.2\ncapacity_at = { '1:2' = 'x' }"), r"capacity_at: 1:2: is 'x'; expected a number"),
        (GRAPH.replace("1.2", "1.2\ncapacity_at = 3"), r"capacity_at: is 3; expected a table"),
        (
            STEADY.replace("steps = 10", "steps = 2000000"),
            "own.toml: steps: is 2000000; expected at most 1333333 with so many stages and edges",
        ),
        (STEADY.replace("steps = 10", "steps = 0"), "own.toml: steps: is 0; expected a whole number of at least 1"),
        (STEADY + "[wave]\namplitude = 0.5\nperiod = 4\n", "own.toml: wave: means nothing: .*; leave it out"),
        (GRAPH.replace("steps = 10", "steps = 30000000"), "steps of scenario own: is 30000000"),
        (GRAPH.replace("demand = 1", "demand = 2e9"), "demand of scenario own: is 2000000000.0"),
        (
            PHASES + "".join(LLM.replace("llm", f"q{number}") for number in range(51)),
            "own.toml: number of stages: is 51; expected at most 50",
        ),
    ],
)
def test_what_is_wrong_with_a_graph_is_reported(text, message):
    with pytest.raises(EntroError) as caught:
        parsed(text)
    assert re.search(message, str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--capacity", "2"], "--capacity: does not work with a graph of stages; set capacity in the scenario file"),
        (["--stall", "1:2"], "--stall: does not work with a graph of stages; set stalls in the scenario file"),
        (["--limit", "2"], "--limit: does not work with a graph of stages"),
        (["--noise", "0.2"], "--noise: does not work with a graph of stages"),
        (["--seed", "3"], "--seed: does not work with a graph of stages"),
        (["--runs", "3"], "--runs: does not work with a graph of stages"),
        (["--seeds", "3:5"], "--seeds: does not work with a graph of stages"),
        (["--log-dir", "logs"], "--log-dir: does not work with a graph of stages"),
        (
            ["--controller", "eq14"],
            "--controller: 'eq14' does not run on a graph of stages; expected uncontrolled, v9, family",
        ),
        (["--start", "2026-01-01"], "--start: does not work with a graph of stages; leave it out"),
        (["--controller", "uncontroled"], "--controller: 'uncontroled' .*did you mean uncontrolled"),
        (["--lag", "0"], "lag: is 0"),
        (["--alpha", "2", "--controller", "uncontrolled"], "alpha: is 2.0"),
        (["--budget", "0"], "budget"),
    ],
)
def test_what_a_graph_does_not_have(entro, options, message):
    assert re.search(message, entro("simulate", "--scenario", "chain", *options).error)


def test_the_family_is_all_that_runs_on_a_graph(simulated):
    assert simulated("--scenario", "split", "--controller", "family") == simulated("--scenario", "split")


def test_a_gain_without_a_controller_is_warned_of(entro):
    outcome = entro("simulate", "--scenario", "split", "--controller", "uncontrolled", "--alpha", "0.3")
    assert "--alpha changes nothing" in outcome.err


@pytest.mark.parametrize("name", GRAPHS)
def test_the_shipped_files_name_themselves(name):
    assert find_scenario(name).base.name == name


def test_the_documentation_shows_what_the_runs_give(simulated):
    page = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:`(\w+)`)? *\| (uncontrolled|v9) \| (.+) \|$", page, re.MULTILINE)
    shown, name = [], ""
    for found, controller, cells in rows:
        name = found or name
        run = runs_of(simulated("--scenario", name))[controller]
        queues = [stage for stage in run["stages"] if stage["kind"] == "queue"]
        each = ", ".join(str(queue["violations"]) for queue in queues)
        longest = ", ".join(decimals(queue["peak_queue"]) for queue in queues)
        rest = [decimals(run[key]) for key in ("mean_wait_s", "served", "final_backlog")]
        assert cells == " | ".join([f"{run['violations']}; {each}", longest, *rest])
        shown.append((name, controller))
    assert shown == [(name, controller) for name in ("chain", "shared", "split") for controller in GRAPH_CONTROLLERS]
    for name in ("shared", "shared-weighted", "shared-proportional"):
        sources = [stage for stage in runs_of(simulated("--scenario", name))["v9"]["stages"] if stage["kind"] == "rate"]
        sent = ", ".join(decimals(source["sent"]) for source in sources)
        assert re.search(rf"^\| `{name}`.* \| {sent} \|$", page, re.MULTILINE)
