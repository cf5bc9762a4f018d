"""The coupled load of any number of stages, against an independent form, and its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_engine import LLM, SCENARIOS, SCRAPER, Kind, Regime, Stage, Uncontrolled, replay_loads, simulate
from entro_engine.budget import coupled_load, coupled_pairs, drivers
from tests import oracle

LOADS = st.one_of(*(st.floats(0.0, most, allow_subnormal=False) for most in (0.0, 60.0, 2.0)))


@st.composite
def pipelines(draw, least=1):
    """Stages of any kinds, maybe with `feeds`, and their loads."""
    kinds = draw(st.lists(st.sampled_from(list(Kind)), min_size=least, max_size=8))
    names = [f"s{index}" for index in range(len(kinds))]
    feeds = dict.fromkeys(names, ())
    if draw(st.booleans()):
        feeds = {name: tuple(draw(st.sets(st.sampled_from(names), max_size=2)) - {name}) for name in names}
    steps = draw(st.integers(1, 30))
    loads = draw(st.lists(st.lists(LOADS, min_size=steps, max_size=steps), min_size=len(kinds), max_size=len(kinds)))
    stages = tuple(Stage(name, kind, feeds=feeds[name]) for name, kind in zip(names, kinds, strict=True))
    return stages, np.array(loads)


@given(pipelines())
def test_it_agrees_with_an_independent_form(pipeline):
    stages, loads = pipeline
    named = [(stage.name, str(stage.kind)) for stage in stages]
    feeds = {stage.name: list(stage.feeds) for stage in stages}
    expected = [oracle.coupled_load(named, feeds, step) for step in loads.T.tolist()]
    np.testing.assert_allclose(replay_loads(stages, loads, 1.0).coupled_load, expected, rtol=1e-12, atol=1e-12)


@given(pipelines(least=2).filter(lambda pipeline: len(pipeline[0]) == 2))
def test_of_two_stages_it_is_psi_total_to_the_bit(pipeline):
    run = replay_loads(*pipeline, 1.0)
    np.testing.assert_array_equal(run.coupled_load, run.psi_total)


@pytest.mark.parametrize("number", [1, 3, 6])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_idle_generic_stage_changes_nothing(number, place):
    run = simulate(SCENARIOS["three-phase"], Uncontrolled()).run
    stages, loads = list(run.stages), list(run.loads)
    stages[place:place] = [Stage(f"idle {index}") for index in range(number)]
    loads[place:place] = [np.zeros(run.steps)] * number
    wider = replay_loads(tuple(stages), np.stack(loads), 1.0)
    assert wider.violated.sum() == run.violated.sum() == 312
    assert [int((wider.trace.regime == regime).sum()) for regime in list(Regime)[1:]] == [656, 7, 337]
    np.testing.assert_array_equal(wider.coupled_load, run.coupled_load)


@given(pipelines(), st.data())
def test_more_load_anywhere_is_never_less(pipeline, data):
    stages, loads = pipeline
    more = loads + np.array(data.draw(st.lists(LOADS, min_size=len(stages), max_size=len(stages))))[:, np.newaxis]
    low, high = (replay_loads(stages, values, 1.0).coupled_load for values in (loads, more))
    assert (high >= low * (1 - 1e-14)).all()  # the sum of several rates is rounded twice


@given(pipelines(), st.sampled_from([0.25, 2.0, 1024.0]))
def test_loads_and_full_loads_times_a_power_of_two_change_nothing(pipeline, factor):
    stages, loads = pipeline
    scaled = tuple(Stage(one.name, one.kind, factor * one.full_load, one.feeds) for one in stages)
    found = [replay_loads(one, values, 1.0).coupled_load for one, values in ((stages, loads), (scaled, factor * loads))]
    np.testing.assert_array_equal(*found)


def test_a_step_without_data_of_any_stage_has_none():
    stages = SCRAPER, LLM, Stage("parse", Kind.QUEUE)
    run = replay_loads(stages, np.array([[1.0, np.nan], [50.0, 50.0], [0.0, 0.0]]), 1.0)
    assert np.isnan(run.coupled_load).tolist() == [False, True]
    assert run.violated.tolist() == [True, False]


def test_a_queue_alone_is_taken_to_be_fed_at_capacity():
    run = replay_loads((LLM,), np.array([[10.0]]), 1.0)
    assert run.coupled_load.tolist() == [run.psi[0, 0] + np.log1p(1.2)]


def pairs(*stages):
    return [(pair.upstream, pair.downstream) for pair in coupled_pairs(stages)]


def test_neighbours_are_coupled():
    other = Stage("other", Kind.RATE)
    parse, embed, note = Stage("parse", Kind.QUEUE), Stage("embed", Kind.QUEUE), Stage("note")
    assert pairs(SCRAPER, parse, note, embed, LLM) == [((0,), 1), ((1,), 3), ((3,), 4)]
    assert pairs(SCRAPER, other, parse, embed) == [((0, 1), 2), ((2,), 3)]
    assert pairs(parse, SCRAPER, other) == [((0,), 1), ((1,), 2)]
    assert pairs(Stage("note", feeds=("llm",)), parse, LLM) == [((0,), 2)]
    both = Stage("scraper", Kind.RATE, feeds=("llm",)), Stage("other", Kind.RATE, feeds=("llm", "parse"))
    assert pairs(*both, LLM, parse) == [((0, 1), 2), ((1,), 3)]


def driver(stages, loads):
    run = replay_loads(stages, np.array(loads)[:, np.newaxis], 1.0)
    return stages[int(drivers(stages, run.driver_evidence)[0])].name


def test_the_driver_is_found_in_the_pair_that_is_most_over():
    parse, embed = Stage("parse", Kind.QUEUE), Stage("embed", Kind.QUEUE)
    other = Stage("other", Kind.RATE)
    assert driver((SCRAPER, parse, embed, LLM), [30.0, 1.0, 2.0, 25.0]) == "llm"
    assert driver((SCRAPER, parse, embed, LLM), [30.0, 8.0, 2.0, 25.0]) == "scraper"
    assert driver((SCRAPER, other, LLM), [10.0, 40.0, 5.0]) == "other"
    assert driver((SCRAPER, other, LLM), [10.0, 40.0, 90.0]) == "llm"
    assert driver((Stage("a"), Stage("b"), Stage("c")), [10.0, 40.0, 30.0]) == "b"  # only the sum is over


def test_the_load_itself_needs_no_run():
    psi = np.array([[1.0], [2.0], [0.5]])
    stages = SCRAPER, LLM, Stage("note")
    assert coupled_load(stages, psi, psi.sum(axis=0)).tolist() == [3.0]
