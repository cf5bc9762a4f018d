"""The predictive controller: the laws that its reference figures do not show."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from entro_engine import Plant, PredictiveController, V9Controller, simulate_plant
from tests.engine.strategies import demands


@given(demands(), st.sampled_from([0.25, 1.0, 5.0]))
def test_at_a_lag_of_one_step_it_is_v9(work, step_s):
    plant = Plant(step_s=step_s)
    ours, v9 = (simulate_plant(*work, controller, plant) for controller in (PredictiveController(), V9Controller()))
    np.testing.assert_array_equal(ours.rate, v9.rate)
    np.testing.assert_array_equal(ours.queue, v9.queue)


@given(st.floats(0.1, 5.0), st.integers(2, 20))
def test_a_mean_of_several_steps_counts_as_these_steps_would(served, steps):
    """With gains of 1 - 0.6^K and 1 - 0.9^K; the first is at most 0.8."""
    together, singly = (PredictiveController().start(Plant()) for _ in range(2))
    together.observe(5.0, served, steps)
    for _ in range(steps):
        singly.observe(5.0, served)
    assert np.isclose(together.usual_rate.value, singly.usual_rate.value)
    if 0.6**steps >= 0.2:
        assert np.isclose(together.served_rate.value, singly.served_rate.value)
    else:
        assert np.isclose(together.served_rate.value, 1.2 + 0.8 * (served - 1.2))


def test_a_stall_does_not_change_the_usual_rate():
    controller = PredictiveController().start(Plant())
    controller.observe(5.0, 0.0, 10)
    assert controller.usual_rate.value == 1.2
    assert controller.served_rate.value < 0.3
