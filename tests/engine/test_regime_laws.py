"""What must hold of the v9 regime engine, whatever it is fed."""

import math
from functools import reduce
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_engine import REST, Regime, RegimeParameters, RegimeState, RegimeTrace, replay, sequential, step
from entro_engine.entro_engine_v9 import advance, advance_runs, levels, replay_runs
from tests import oracle
from tests.engine.strategies import BUDGETS, SHARES, loads, series

STATES = st.builds(
    lambda energy, memory, regime: (energy, memory, Regime(regime)),
    st.one_of(st.sampled_from([-2 / 3, -0.5, 2 / 3]), st.floats(-2 / 3, 2 / 3)),
    st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0)),
    st.integers(0, 2),
)
"""E as a share of the budget, M and the regime before."""

MORE = st.one_of(st.just(0.0), st.floats(0.0, 0.02), st.floats(0.0, 1.0))
"""What a load has more than another, as a share of the budget."""

SPIKES = st.builds(lambda size, steps: [size] * steps + [0.0] * 200, st.floats(0.0, 1.0), st.integers(1, 40))
"""More at first, and then the same."""


def regimes_of(psi_total, budget, state=REST):
    return replay(psi_total, state, RegimeParameters(budget))[0].regime


def worst_state(budget):
    return RegimeState(RegimeParameters(budget).energy_bound, 1.0, Regime.CRITICAL)


@given(loads(), STATES)
def test_every_violating_step_is_critical(load, state):
    psi_total, budget = load
    energy, memory, regime = state
    regimes = regimes_of(psi_total, budget, RegimeState(energy * budget, memory, regime))
    assert np.all(regimes[psi_total > budget] == Regime.CRITICAL)


@settings(max_examples=4 * settings.default.max_examples)  # the loads at which it can break lie close together
@given(loads(), st.data())
def test_monotone_no_step_gets_better_when_loads_get_worse(load, data):
    psi_total, budget = load
    more = data.draw(st.one_of(series(MORE), SPIKES))
    worse = psi_total + budget * np.resize(more, len(psi_total))
    assert np.all(regimes_of(worse, budget) >= regimes_of(psi_total, budget))


@given(SHARES, BUDGETS)
def test_no_flapping_under_a_constant_load(share, budget):
    regimes = regimes_of(np.full(300, share * budget), budget)
    assert np.count_nonzero(np.diff(regimes, prepend=Regime.STABLE)) <= 2


@given(st.one_of(st.floats(0.0, 0.45), st.just(0.45)), BUDGETS)
def test_recovery_within_thirty_steps_and_for_good(share, budget):
    regimes = regimes_of(np.full(300, share * budget), budget, worst_state(budget))
    assert np.all(regimes[29:] == Regime.STABLE)


@given(st.floats(0.467, 0.4999), BUDGETS)
def test_hysteresis_between_0467_and_05_of_the_budget_rest_lasts_and_so_does_stress(share, budget):
    psi_total = np.full(1000, share * budget)
    assert np.all(regimes_of(psi_total, budget) == Regime.STABLE)
    assert np.all(regimes_of(psi_total, budget, worst_state(budget)) != Regime.STABLE)


@given(loads(), st.integers(-30, 30))
def test_scale_a_power_of_two_changes_no_bit(load, exponent):
    psi_total, budget = load
    trace, final = replay(psi_total, parameters=RegimeParameters(budget))
    scaled, scaled_final = replay(
        np.ldexp(psi_total, exponent), parameters=RegimeParameters(math.ldexp(budget, exponent))
    )
    np.testing.assert_array_equal(scaled.regime, trace.regime)
    np.testing.assert_array_equal(scaled.memory, trace.memory)
    np.testing.assert_array_equal(scaled.energy, np.ldexp(trace.energy, exponent))
    np.testing.assert_array_equal(scaled.stability, trace.stability)
    assert scaled_final.energy == math.ldexp(final.energy, exponent)


@given(loads(), st.floats(1e-3, 1e3))
def test_scale_any_factor_changes_no_regime_away_from_a_tie(load, factor):
    psi_total, budget = load
    trace, _ = replay(psi_total, parameters=RegimeParameters(budget))
    distance = np.abs(trace.effective_load - np.stack([trace.stress_threshold, trace.critical_threshold]))
    ties = np.flatnonzero(np.min(distance, axis=0) <= 1e-9 * budget)
    clear = ties[0] if len(ties) else len(psi_total)  # what follows a tie hangs on how it fell
    np.testing.assert_array_equal(regimes_of(psi_total * factor, budget * factor)[:clear], trace.regime[:clear])


def bits(trace):
    return {name: getattr(trace, name).tobytes() for name in oracle.Step._fields}


@given(loads(), st.data())
def test_streaming_in_chunks_of_any_sizes_gives_the_same_bits(load, data):
    psi_total, budget = load
    parameters = RegimeParameters(budget)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(psi_total)), max_size=5)))
    whole, final = replay(psi_total, REST, parameters)
    state, parts = REST, []
    for chunk in np.split(psi_total, cuts):
        trace, state = replay(chunk, state, parameters)
        parts.append(trace)
    assert bits(reduce(RegimeTrace.followed_by, parts)) == bits(whole)
    assert state == final


@given(loads(), st.data())
def test_a_part_of_a_trace_is_what_it_says_of_those_steps(load, data):
    psi_total, budget = load
    trace, _ = replay(psi_total, parameters=RegimeParameters(budget))
    first = data.draw(st.integers(0, len(psi_total)))
    after = data.draw(st.integers(first, len(psi_total)))
    part = trace.part(first, after)
    for name in oracle.Step._fields:
        np.testing.assert_array_equal(getattr(part, name), getattr(trace, name)[first:after])


@given(loads())
def test_streaming_step_by_step_gives_the_same_bits(load):
    psi_total, budget = load
    parameters = RegimeParameters(budget)
    whole, final = replay(psi_total, REST, parameters)
    state, parts = REST, []
    for value in psi_total.tolist():
        trace, state = step(None if math.isnan(value) else value, state, parameters)
        parts.append(trace)
    assert bits(reduce(RegimeTrace.followed_by, parts)) == bits(whole)
    assert state == final


@given(loads(), st.integers(1, 12))
def test_a_hole_relaxes_the_states_and_forgets_the_regime(load, length):
    psi_total, budget = load
    parameters = RegimeParameters(budget)
    _, before = replay(psi_total, REST, parameters)
    hole, after = replay([math.nan] * length, before, parameters)
    assert np.all(hole.regime == Regime.NO_DATA)
    assert np.all(np.isnan([hole.stress_threshold, hole.critical_threshold, hole.effective_load, hole.stability]))
    decay = np.arange(1, length + 1)
    np.testing.assert_allclose(hole.energy, before.energy * 0.92**decay, rtol=1e-12)
    np.testing.assert_allclose(hole.memory, before.memory * 0.82**decay, rtol=1e-12)
    assert after == RegimeState(hole.energy[-1], hole.memory[-1], Regime.STABLE)


@given(loads())
def test_states_stay_in_their_ranges(load):
    psi_total, budget = load
    trace, _ = replay(psi_total, parameters=RegimeParameters(budget))
    seen = trace.regime != Regime.NO_DATA
    assert np.all(np.abs(trace.energy) <= (2 / 3) * budget)
    assert np.all((trace.memory >= 0) & (trace.memory <= 1))
    assert np.all((trace.stability[seen] >= 0.05) & (trace.stability[seen] <= 1.0))
    assert np.all(trace.stress_threshold[seen] < trace.critical_threshold[seen])


@given(loads())
def test_it_agrees_with_the_oracle(load):
    psi_total, budget = load
    trace, _ = replay(psi_total, parameters=RegimeParameters(budget))
    expected = oracle.replay([None if math.isnan(value) else value for value in psi_total.tolist()], budget)
    assert [Regime(code).label for code in trace.regime] == [entry.regime for entry in expected]
    for column, values in list(zip(oracle.Step._fields, zip(*expected, strict=True), strict=True))[1:]:
        found = getattr(trace, column)
        np.testing.assert_allclose(found, [math.nan if v is None else v for v in values], rtol=0, atol=1e-9 * budget)


@given(st.lists(st.tuples(STATES, SHARES), min_size=1, max_size=20), BUDGETS)
def test_one_step_of_many_series_has_the_bits_of_each_alone(starts, budget):
    scale = levels(RegimeParameters(budget))
    psi_total, energy = np.array([[share, state[0]] for state, share in starts]).T * budget
    memory = np.array([state[1] for state, _ in starts])
    before = np.array([state[2] for state, _ in starts], dtype=np.int8)
    together = advance_runs(psi_total, energy, memory, before, scale)
    alone = [
        advance(*values, scale)
        for values in zip(psi_total.tolist(), energy.tolist(), memory.tolist(), before.tolist(), strict=True)
    ]
    for found, expected in zip(together, zip(*alone, strict=True), strict=True):
        assert np.asarray(found, dtype=float).tobytes() == np.array(expected, dtype=float).tobytes()


@given(loads(holes=False), STATES)
def test_step_by_step_in_the_form_for_one_has_the_bits_of_the_replay(load, state):
    psi_total, budget = load
    energy, memory, regime = state[0] * budget, state[1], int(state[2])
    trace, _ = replay(psi_total, RegimeState(energy, memory, state[2]), RegimeParameters(budget))
    names = ("regime", "energy", "memory", "stress_threshold", "critical_threshold")
    for index, value in enumerate(psi_total.tolist()):
        row = advance(value, energy, memory, regime, levels(RegimeParameters(budget)))
        regime, energy, memory = row[:3]
        assert row == tuple(getattr(trace, name)[index] for name in names)


@pytest.mark.parametrize("steps", [1, 40_000])
def test_compiled_it_gives_the_same_bits(monkeypatch, steps):
    pytest.importorskip("numba", reason="the extra `fast` is not installed")
    rng = np.random.default_rng(7)
    psi_total = np.where(rng.random(steps) < 0.05, np.nan, np.abs(np.cumsum(rng.normal(0, 0.3, steps))) % 5)
    plain, after = replay(psi_total)
    monkeypatch.setattr(sequential, "WORTH_COMPILING", 1)
    compiled, after_too = replay(psi_total)
    assert after == after_too
    assert bits(plain) == bits(compiled)


@pytest.mark.parametrize(("steps", "loaded", "way"), [(2_000_000, False, "_plain"), (2_000_000, True, "_compiled")])
def test_a_compiler_that_is_loaded_already_is_used_for_less(monkeypatch, steps, loaded, way):
    pytest.importorskip("numba", reason="the extra `fast` is not installed")
    monkeypatch.setattr(sequential, "sys", SimpleNamespace(modules={"numba": None} if loaded else {}))
    assert sequential.loop_for(steps).__name__ == way
    assert sequential.loop_for(1000).__name__ == "_plain"


@given(st.lists(loads(holes=False), min_size=1, max_size=4))
def test_many_series_side_by_side_have_the_regimes_of_each_alone(several):
    steps = max(len(psi_total) for psi_total, _ in several)
    columns = np.stack([np.resize(psi_total / budget, steps) for psi_total, budget in several], axis=1) * 3.0
    together = replay_runs(columns, RegimeParameters(3.0))
    for run, column in enumerate(columns.T):
        np.testing.assert_array_equal(together[:, run], regimes_of(column, 3.0))


def test_the_levels_at_the_published_budget():
    parameters = RegimeParameters(3.0)
    found = (
        parameters.energy_bound,
        parameters.critical_level,
        parameters.stress_level,
        parameters.hysteresis,
    )
    assert found == pytest.approx((2.0, 2.35, 1.5, 0.25), rel=1e-15)


def test_a_load_over_the_critical_level_is_critical_within_the_budget():
    trace, _ = replay([2.4, 1.5, 1.4], parameters=RegimeParameters(3.0))
    assert trace.regime.tolist() == [Regime.CRITICAL, Regime.STRESS, Regime.STABLE]
