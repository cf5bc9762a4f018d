"""Entropy proxies: what a stage's load is worth, and that it means the same on a system of any size."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_engine import LLM, SCRAPER, Kind, Stage, entropy_proxy, psi_total, replay_loads, shares
from tests import oracle
from tests.engine.strategies import PARTS

LOADS = st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1e6)), min_size=1, max_size=20)
KINDS = st.sampled_from(Kind)
FULLS = st.floats(1e-3, 1e6)


@pytest.mark.parametrize(
    ("kind", "full_load", "psi"), [("rate", 3.0, 1.3863), ("queue", 10.0, 2.3979), ("generic", 6.389, 2.0)]
)
def test_a_full_stage(kind, full_load, psi):
    stage = Stage("stage", Kind(kind))
    assert stage.full_load == pytest.approx(full_load, abs=1e-3)
    assert entropy_proxy(stage.full_load, stage) == pytest.approx(psi, abs=1e-4)


@given(LOADS, KINDS)
def test_without_a_full_load_it_is_the_published_logarithm(loads, kind):
    np.testing.assert_array_equal(entropy_proxy(loads, Stage("stage", kind)), np.log1p(loads))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_psi_has_the_shape_of_the_load(shape):
    assert np.shape(entropy_proxy(np.ones(shape), LLM)) == shape


@given(LOADS, KINDS, FULLS)
def test_it_agrees_with_the_oracle(loads, kind, full):
    expected = [oracle.psi(load, str(kind), full) for load in loads]
    np.testing.assert_allclose(entropy_proxy(loads, Stage("stage", kind, full)), expected, rtol=1e-13)


@given(LOADS, KINDS, FULLS, st.integers(-20, 20))
def test_loads_and_full_load_times_a_power_of_two_change_nothing(loads, kind, full, exponent):
    bigger = np.ldexp(loads, exponent)
    np.testing.assert_array_equal(
        entropy_proxy(bigger, Stage("bigger", kind, math.ldexp(full, exponent))),
        entropy_proxy(loads, Stage("stage", kind, full)),
    )


@given(LOADS, KINDS, FULLS, st.floats(1e-3, 1e3))
def test_loads_and_full_load_times_any_factor_change_nothing_but_the_last_bits(loads, kind, full, factor):
    np.testing.assert_allclose(
        entropy_proxy(np.array(loads) * factor, Stage("bigger", kind, full * factor)),
        entropy_proxy(loads, Stage("stage", kind, full)),
        rtol=1e-13,
    )


@given(PARTS)
def test_shares_sum_to_one_or_are_all_zero(parts):
    psi = np.array(parts)[:, None]
    total = psi_total(psi)
    rho = shares(psi, total)
    assert np.all((rho >= 0) & (rho <= 1))
    if total[0] == 0:
        assert np.all(rho == 0)
    else:
        assert rho.sum() == pytest.approx(1.0, abs=1e-12)
        np.testing.assert_allclose(rho[:, 0], oracle.shares(parts), atol=1e-12)


def test_one_stage_without_data_leaves_the_step_without():
    run = replay_loads((SCRAPER, LLM), np.array([[1.0, math.nan, 1.0], [1.0, 1.0, 1.0]]), 1.0)
    assert run.observed.tolist() == [True, False, True]
    np.testing.assert_array_equal(np.isnan(run.rho), [[False, True, False], [False, True, False]])
