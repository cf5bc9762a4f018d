import json
import re
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.analysis.simulation.scenario_file import find_scenario, parse_scenario, parse_stall
from entro_engine import SCENARIOS, EntroError, Phase, Scenario, Stall, Wave

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "scenarios.md"
PHASE = "[[phases]]\nsteps = 10\ndemand = 1\n"


def documented():
    blocks = re.findall(r"```toml\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    return dict(zip(("example", *SCENARIOS, "chain"), blocks, strict=True))


def parsed(text):
    return parse_scenario(text.encode(), "own.toml", "own")


def as_toml(scenario):
    number, text = repr, partial(json.dumps, ensure_ascii=False)
    lines = [
        f"name = {text(scenario.name)}",
        f"capacity = {number(scenario.capacity)}",
        f"step_s = {number(scenario.step_s)}",
        f"initial_queue = {number(scenario.initial_queue)}",
        f"stalls = {text([f'{stall.first}:{stall.after}' for stall in scenario.stalls])}",
    ]
    if scenario.wave:
        lines += ["[wave]", f"amplitude = {scenario.wave.amplitude!r}", f"period = {scenario.wave.period!r}"]
    for phase in scenario.phases:
        lines += ["[[phases]]", f"name = {text(phase.name)}", f"steps = {phase.steps}", f"demand = {phase.demand!r}"]
    return "\n".join(lines)


amounts = st.floats(0, 1e6)
above_zero = st.floats(1e-6, 1e6)
names = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).filter(str.strip)


@st.composite
def scenarios(draw):
    phases = draw(st.lists(st.builds(Phase, names, st.integers(1, 50), amounts), min_size=1, max_size=4))
    steps = sum(phase.steps for phase in phases)
    edges = draw(st.lists(st.tuples(st.integers(0, steps - 1), st.integers(1, steps)), max_size=3))
    return Scenario(
        name=draw(names),
        phases=tuple(phases),
        wave=draw(st.none() | st.builds(Wave, st.floats(0, 1), above_zero)),
        capacity=draw(above_zero),
        stalls=tuple(Stall(first, after) for first, after in edges if first < after),
        step_s=draw(above_zero),
        initial_queue=draw(amounts),
    )


@given(scenarios())
def test_what_is_written_is_what_is_read(scenario):
    assert parsed(as_toml(scenario)) == scenario


@pytest.mark.parametrize("name", [*SCENARIOS, "chain"])
def test_the_documentation_writes_out_the_built_in_ones(name):
    assert parsed(documented()[name]) == find_scenario(name)


def test_the_documented_example_runs(entro, tmp_path):
    path = tmp_path / "morning.toml"
    path.write_text(documented()["example"])
    outcome = entro("simulate", "--scenario", str(path), "--json")
    document = json.loads(outcome.out)
    assert document["scenario"] == {"name": "morning", "steps": 2700, "step_s": 1.0}
    assert len(document["runs"]) == 4


def test_defaults():
    scenario = parsed(PHASE)
    assert scenario == Scenario("own", (Phase("1", 10, 1.0),))
    assert type(scenario.phases[0].demand) is float


def test_standard_input(entro):
    outcome = entro("simulate", "--scenario", "-", "--json", "--controller", "v9", stdin=PHASE.encode())
    assert json.loads(outcome.out)["scenario"] == {"name": "stdin", "steps": 10, "step_s": 1.0}


def test_a_file_may_begin_with_a_byte_order_mark():
    assert parsed("\ufeff" + PHASE) == parsed(PHASE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[phases]\n", "own.toml: is not TOML: .*at line 1"),
        (PHASE + "\ncapacity : 3\n", "own.toml: is not TOML: .*at line 5"),
        ("", "own.toml: has no phases"),
        ("capacty = 3\n" + PHASE, "own.toml: unknown key 'capacty'.*did you mean capacity"),
        ("xyz = 3\n" + PHASE, "own.toml: unknown key 'xyz'; expected name, capacity"),
        ("[[phases]]\nstep = 3\n", "own.toml: phase 1: unknown key 'step'.*did you mean steps"),
        (PHASE + "[[phases]]\nsteps = 3\n", "own.toml: phase 2: has no demand"),
        ("[[phases]]\nsteps = 3.5\ndemand = 1\n", "phase 1: steps: is 3.5; expected a whole number"),
        ("[[phases]]\nsteps = true\ndemand = 1\n", "phase 1: steps: is True; expected a whole number"),
        ("[[phases]]\nsteps = 3\ndemand = '1'\n", "phase 1: demand: is '1'; expected a number"),
        ("[[phases]]\nsteps = 0\ndemand = 1\n", "own.toml: steps of phase 1: is 0; expected .* at least 1"),
        ("[[phases]]\nsteps = 3\ndemand = -1\n", "own.toml: demand of phase 1: is -1.0"),
        ("[[phases]]\nsteps = 3\ndemand = nan\n", "own.toml: demand of phase 1: is nan"),
        ("[[phases]]\nsteps = 3\ndemand = inf\n", "own.toml: demand of phase 1: is inf"),
        ("[[phases]]\nsteps = 3\ndemand = 1" + 400 * "0" + "\n", "phase 1: demand: is too large"),
        ("[[phases]]\nsteps = 3\ndemand = 1" + 5000 * "0" + "\n", "own.toml: is not TOML"),
        ("[phases]\nsteps = 3\ndemand = 1\n", r"own.toml: phases: .* expected an array.*\[\[phases\]\]"),
        ("phases = [1]\n", "own.toml: phases: holds 1; expected a table"),
        ("name = ' '\n" + PHASE, "own.toml: name: is empty"),
        ("name = 3\n" + PHASE, "own.toml: name: is 3; expected a text"),
        ("capacity = 0\n" + PHASE, "own.toml: capacity: is 0.0"),
        ("step_s = -1\n" + PHASE, "own.toml: step_s: is -1.0"),
        ("initial_queue = -1\n" + PHASE, "own.toml: initial_queue: is -1.0"),
        ("stalls = [3]\n" + PHASE, "own.toml: stalls: holds 3; expected a text"),
        ("stalls = ['2:1']\n" + PHASE, "own.toml: stalls: '2:1' is not a stall"),
        ("stalls = ['2:11']\n" + PHASE, "own.toml: stall 2:11: .*expected steps from 0 to 10"),
        ("wave = 1\n" + PHASE, "own.toml: wave: is 1; expected a table"),
        (PHASE + "[wave]\namplitude = 1\n", "own.toml: wave: has no period"),
        (PHASE + "[wave]\namplitude = 2\nperiod = 3\n", "own.toml: wave amplitude: is 2.0"),
        ("a = " + 2000 * "[" + "\n", "own.toml: is not TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text, message):
    with pytest.raises(EntroError) as caught:
        parsed(text)
    assert re.search(message, str(caught.value)), str(caught.value)


def test_bytes_that_are_no_text():
    with pytest.raises(EntroError, match=r"own\.toml: is not TOML"):
        parse_scenario(b"name = '\xff'\n", "own.toml", "own")


def test_an_unknown_scenario_lists_what_there_is():
    with pytest.raises(
        EntroError, match=r"unknown scenario 'three-fase'; expected three-phase, v9-reference.*mean three-ph"
    ):
        find_scenario("three-fase")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(EntroError, match=r"absent\.toml: cannot be read: No such file"):
        find_scenario(str(tmp_path / "absent.toml"))
    with pytest.raises(EntroError, match="cannot be read: Is a directory"):
        find_scenario(str(tmp_path))


@pytest.mark.parametrize("text", ["", "320", "380:320", "5:5", "-1:3", "1.5:3", "a:b", "1:2:3", "\u0663:7"])
def test_what_is_no_stall(text):
    with pytest.raises(EntroError, match="is not a stall; expected FIRST:AFTER"):
        parse_stall(text, "--stall")
