"""Time to budget: against exact arithmetic, and where there is nothing to warn of."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_engine.early_warning import time_to_budget
from tests import oracle
from tests.engine.strategies import loads

EPOCH_S = 1_777_000_000.0
"""Times of a log are seconds since 1970."""


def urgency(tau):
    """1 / tau: comparable where a slope is next to nothing and tau therefore next to infinite."""
    return [math.inf if t == 0 else 1 / t for t in tau]


@given(loads(), st.sampled_from([0.5, 1.0, 10.0, 60.0]))
def test_it_agrees_with_exact_arithmetic(load, step_s):
    psi_total, budget = load
    found = time_to_budget(EPOCH_S + step_s * np.arange(len(psi_total)), psi_total, budget)
    expected = oracle.time_to_budget([None if math.isnan(p) else p for p in psi_total.tolist()], budget, step_s)
    np.testing.assert_array_equal(np.isnan(found), [tau is None for tau in expected])
    np.testing.assert_allclose(
        urgency(found[~np.isnan(found)]), urgency([tau for tau in expected if tau is not None]), rtol=1e-9, atol=1e-12
    )


@given(st.floats(0.0, 2.99), st.integers(1, 30), st.floats(0.01, 100.0))
def test_a_constant_load_never_reaches_the_budget(psi, steps, step_s):
    times = EPOCH_S + step_s * np.arange(steps)
    assert np.all(time_to_budget(times, np.full(steps, psi), 3.0) == math.inf)


def test_a_straight_line_reaches_it_when_it_does():
    times = np.arange(20.0)
    np.testing.assert_allclose(time_to_budget(times, 0.1 * times, 3.0)[2:], 30.0 - times[2:])


def test_it_needs_three_observed_steps_and_forgets_all_but_twenty():
    rising = np.arange(23.0) / 10
    assert time_to_budget(np.arange(23.0), rising, 3.0)[:3].tolist() == [math.inf, math.inf, pytest.approx(28.0)]
    after_a_spike = np.concatenate([[2.9], rising])
    tau = time_to_budget(np.arange(24.0), after_a_spike, 3.0)
    assert tau[19] > 1.1 * tau[20]  # the spike is among the last twenty for the last time at step 19
    assert tau[20] == pytest.approx((3.0 - 1.9) / 0.1)


def test_a_hole_is_bridged_by_the_real_times():
    psi_total = np.array([0.0, 0.1, math.nan, math.nan, 0.4])
    assert time_to_budget(np.arange(5.0), psi_total, 3.0)[-1] == pytest.approx(26.0)


def test_from_the_budget_on_it_is_zero():
    assert time_to_budget(np.arange(4.0), np.array([3.0, 2.0, 3.0, 3.5]), 3.0)[[0, 2, 3]].tolist() == [0, 0, 0]


@given(loads(), st.lists(st.integers(0, 1000), max_size=5))
def test_at_some_steps_it_is_what_it_is_among_all(load, at):
    psi_total, budget = load
    times = EPOCH_S + np.arange(len(psi_total))
    asked = np.array([place for place in at if place < len(psi_total)], dtype=np.int64)
    whole = time_to_budget(times, psi_total, budget)
    np.testing.assert_array_equal(time_to_budget(times, psi_total, budget, asked), whole[asked])
