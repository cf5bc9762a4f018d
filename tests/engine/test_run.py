"""Run: the figures of a step, and that a part of a run is the run."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from entro_engine import LLM, SCRAPER, RegimeParameters, replay, replay_loads
from tests.engine.strategies import CAPACITIES, RATES, series


@st.composite
def runs(draw):
    rate = draw(series(RATES, holes=True))
    queue = draw(series(CAPACITIES.map(lambda load: 10 * load), holes=True))
    return replay_loads((SCRAPER, LLM), np.stack([rate, np.resize(queue, len(rate))]), step_s=10.0, start_ns=10**18)


@given(runs())
def test_every_quantity_belongs_to_the_same_steps(run):
    np.testing.assert_array_equal(run.psi_total, run.psi[0] + run.psi[1])
    np.testing.assert_array_equal(run.violated, run.psi_total > 3.0)
    np.testing.assert_array_equal(run.violated, run.delta > 0)
    np.testing.assert_array_equal(run.observed, ~np.isnan(run.loads).any(axis=0))
    np.testing.assert_array_equal(run.trace.regime, replay(run.psi_total, parameters=RegimeParameters(3.0))[0].regime)
    assert run.end_ns == run.start_ns + 10 * 10**9 * run.steps


@given(runs(), st.data())
def test_a_part_of_a_run_keeps_what_was_replayed(run, data):
    first = data.draw(st.integers(0, run.steps))
    after = data.draw(st.integers(first, run.steps))
    part = run.part(first, after)
    assert part.steps == after - first
    np.testing.assert_array_equal(part.times_ns, run.times_ns[first:after])
    np.testing.assert_array_equal(part.trace.energy, run.trace.energy[first:after])
    np.testing.assert_array_equal(part.rho, run.rho[:, first:after])
    assert part.budget == run.budget


def test_at_the_budget_is_no_violation():
    psi_total = np.array([3.0, np.nextafter(3.0, 4.0)])
    loads = np.stack([np.expm1(psi_total), np.zeros(2)])
    run = replay_loads((SCRAPER, LLM), loads, step_s=1.0, budget=float(np.log1p(np.expm1(3.0))))
    assert run.violated.tolist() == [False, True]


def test_the_budget_is_that_of_two_stages():
    assert replay_loads((SCRAPER, LLM), np.ones((2, 3)), 1.0).budget == 3.0
    assert replay_loads((SCRAPER,), np.ones((1, 3)), 1.0).budget == 3.0
