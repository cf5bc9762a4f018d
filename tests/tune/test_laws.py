"""Laws of tuning, on logs made at random; and of writing keys into a file, on files of any layout."""

import re
import statistics
import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.analysis.coordination import CoordinationParameters
from entro_cli.analysis.tuning import Tuning, judge, tune
from entro_cli.config.edit import write_keys
from entro_cli.timeseries.steps import Steps
from entro_engine import EntroError, Kind, Stage
from entro_engine.log_plant import ControlParameters

CONTROLS = st.builds(
    ControlParameters,
    st.sampled_from([0.2, 0.5, 1.0]),
    st.just(2.0),
    st.sampled_from([0.05, 0.1, 0.15]),
    st.sampled_from([0.4, 0.6, 0.9]),
    st.sampled_from([0.0, 0.5, 1.0]),
)


def steps_of(seed):
    """A minute and more for each of six blocks, of a server that stalls."""
    rng = np.random.default_rng(seed)
    rate, capacity = rng.poisson(rng.choice([0.5, 2.0], 12).repeat(31)), rng.choice([0.0, 1.0, 2.0], 12).repeat(31)
    queue, left = np.zeros(len(rate)), 0.0
    for step, (arrived, possible) in enumerate(zip(rate, capacity, strict=True)):
        left = queue[step] = left + arrived - min(left + arrived, possible)
    loads, ones = np.array([rate, queue], np.float64), np.ones((2, len(rate)))
    stages = Stage("scraper", Kind.RATE), Stage("llm", Kind.QUEUE)
    return Steps(stages, 0, 10**9, loads, loads, loads, ones.astype(np.int64), ones.astype(np.bool_))


@given(seed=st.integers(0, 10**6), weight=st.sampled_from([0.0, 0.1, 1.0, 30.0]), control=CONTROLS)
@settings(deadline=None, max_examples=8)
def test_laws_of_tuning(seed, weight, control):
    found = tune(steps_of(seed), CoordinationParameters(2.0, 3.0, control), 0.0, weight)
    if found.withheld is not None:
        assert found.model_error > 0.25
        return
    present = found.present
    assert tuple(present.setting.values()) == control[2:]
    assert present.saved == present.standard_error == present.better_blocks == 0
    assert not present.is_better
    assert present.setting not in [tried.setting for tried in found.tried]
    assert all(tried.headroom < control.alpha for tried in found.tried)
    costs = [tried.cost for tried in found.tried]
    np.testing.assert_allclose(costs, sorted(costs), atol=1e-8)
    for tried in (present, *found.tried):
        assert tried.cost == pytest.approx(tried.violations + weight * tried.lost)
        assert tried.cost == pytest.approx(sum(tried.block_costs))
        assert min(tried.lost, tried.violations) >= 0
    assert (found.proposed is None) == bool(found.reason)


def chosen_on(costs):
    """The row that the rule of docs/tuning.md chooses; the first row, which is the present setting, without one."""
    best, most = 0, 0.0
    for number, row in enumerate(costs):
        saved = [present - own for present, own in zip(costs[0], row, strict=True)]
        reliable = sum(saved) / len(saved) >= 2 * statistics.stdev(saved) / len(saved) ** 0.5
        if sum(one > 0 for one in saved) >= len(saved) - 1 and reliable and sum(saved) > most:
            best, most = number, sum(saved)
    return best


def judged(costs):
    """The result for settings whose violations have these costs, shape (settings, 6)."""
    settings = [ControlParameters(guard=number / 100) for number in range(len(costs))]
    return judge(Tuning(None, 1.0), settings, np.stack([costs, np.zeros_like(costs)], axis=1))


@given(seed=st.integers(0, 10**9), settings_tried=st.integers(1, 12), spread=st.sampled_from([0.1, 1.0, 3.0]))
@settings(deadline=None)
def test_both_gains_are_those_of_the_rule_that_proposes(seed, settings_tried, spread):
    rng = np.random.default_rng(seed)
    costs = 20 - rng.normal(0.5, 1, (1 + settings_tried, 1)) - rng.normal(0, spread, (1 + settings_tried, 6))
    found, chosen = judged(costs), chosen_on(costs)
    held_out = sum(costs[0, block] - costs[chosen_on(np.delete(costs, block, axis=1)), block] for block in range(6))
    assert found.tuning_gain == pytest.approx((costs[0] - costs[chosen]).sum())
    assert found.held_out_gain == pytest.approx(held_out)
    if chosen and held_out > 0:
        assert found.proposed.guard == chosen / 100
        assert found.proposed.is_better
        assert found.reason == ""
    else:
        assert found.proposed is None
        assert found.reason


def test_a_setting_that_looks_best_in_one_block_does_not_count():
    steady, lucky = [38.5] * 6, [-160.0, *[76.0] * 5]
    found = judged(np.array([[40.0] * 6, steady, lucky]))
    assert found.tried[0].cost == sum(lucky)
    assert (found.tuning_gain, found.held_out_gain, found.proposed.cost) == (9.0, 9.0, sum(steady))


def test_nothing_is_proposed_where_the_choice_follows_chance():
    each_fails_in_a_block = 37.0 + 60.0 * np.eye(6)
    found = judged(np.array([[40.0] * 6, [39.0] * 6, *each_fails_in_a_block]))
    assert (found.tuning_gain, found.held_out_gain, found.proposed) == (6.0, -6 * 57.0, None)
    assert found.reason == "the held-out gain is not above 0, so the choice follows chance"


TEXTS = (
    "",
    "# only a comment",
    "gamma = 0.5\n",
    "gamma = 0.5 # half\n\n# the stages\n[stages.llm]\nkind = 'queue' # k\n",
    "[stages.llm]\nkind = 'queue'\n",
    "headroom = 0.3 # old\nwait='1s'\nguard=0.1\n[alerts]\nat_least = '5min'\n",
    "# top\r\ngamma = 0.5\r\n\r\n[stages.llm]\r\nkind = 'queue'\r\n",
    "stages.llm.kind = 'queue'\nstages.llm.full = 3\n",
    "stages = {llm = {kind = 'queue'}}\n",
    "\n\n[pipelines.other]\ngamma = 1\n[stages.llm]\nfull = 2\n[pipelines.third]\ngamma=2",
)
TABLES = (
    "[pipelines.web]\n",
    "[pipelines.web] # the web\ngamma = 0.4\n\n",
    "[pipelines.web]\nheadroom = 0.3 # old\n[pipelines.web.stages.llm]\nfull = 3.0 # f\n",
    "[pipelines.web.stages.llm]\nfull = 3.0\n",
    "[pipelines]\nweb.gamma = 1 # w\n",
    "pipelines = {web = {gamma = 1}}\n",
    "[ pipelines . 'web' ]\nlogs = [\n  'a', # first\n  'b',\n]\n",
)
VALUES = {"headroom": 0.05, "gain": 0.6, "guard": 0.25}


def lines_of(text):
    """Lines that set none of the keys, and must stay."""
    return [line.rstrip() for line in text.splitlines() if line.strip() and line.split("=")[0].strip() not in VALUES]


@pytest.mark.parametrize(("text", "pipeline"), [*((text, None) for text in TEXTS), *((text, "web") for text in TABLES)])
def test_writing_keys_changes_nothing_else(tmp_path, text, pipeline):
    file = tmp_path / "entro.toml"
    file.write_bytes(text.encode())
    expected = tomllib.loads(text)
    (expected if pipeline is None else expected["pipelines"][pipeline]).update(VALUES)
    write_keys(file, pipeline, VALUES, "entro tune: once")
    written = file.read_bytes().decode()
    assert tomllib.loads(written) == expected
    if not text.startswith("pipelines ="):  # an inline table is one line
        assert [line for line in lines_of(written) if line in lines_of(text)] == lines_of(text)
    comments = re.findall("#.*", written)
    assert [one for one in comments if "entro tune" not in one] == re.findall("#.*", text)
    assert written.count("# entro tune: once") == (0 if "pipelines =" in text else 3 - text.count("# old"))
    write_keys(file, pipeline, VALUES, "entro tune: twice")
    assert file.read_bytes().decode() == written.replace("once", "twice")


def test_a_missing_file_is_made(tmp_path):
    write_keys(tmp_path / "entro.toml", None, {"headroom": 0.05, "gain": 0.6}, "new")
    assert (tmp_path / "entro.toml").read_text() == "headroom = 0.05 # new\ngain = 0.6 # new\n"


def test_what_is_not_a_file_is_not_written_to(tmp_path):
    with pytest.raises(EntroError, match="is not a file"):
        write_keys(tmp_path, None, VALUES, "entro tune")
