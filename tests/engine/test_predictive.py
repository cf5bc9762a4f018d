"""The predictive controller in the plant, at every age of what it sees."""

from dataclasses import replace

import numpy as np
import pytest

from entro_engine import LLM, SCENARIOS, SCRAPER, Plant, Stall, V9Controller, simulate_plant
from entro_engine.predictive import PredictiveController
from entro_engine.run import replay_loads


def simulated(scenario, lag):
    """Rates, queues and the mean wait of a scenario under the controller, by the plant's own law."""
    controller = PredictiveController(SCRAPER, LLM, 1.2)
    queue = frontier = served_in_all = waited = 0.0
    rates, queues, served = [], [], []
    for demand, capacity in zip(scenario.demand(), scenario.capacities(), strict=True):
        seen = len(rates) - lag
        if seen >= 0:
            controller.observe(queues[seen], served[seen])
        cap = controller.cap(rates[max(seen + 1, 0) :], rates[-1] if rates else 0.0, lag)
        rate = min(demand + frontier, cap)
        frontier = max(0.0, frontier + (demand - rate))
        gone = min(queue + rate, capacity)
        queue = max(0.0, (queue + rate) - gone)
        rates.append(rate)
        queues.append(queue)
        served.append(gone)
        served_in_all += gone
        waited += queue + frontier
    run = replay_loads((SCRAPER, LLM), np.array([rates, queues]), 1.0, 3.0)
    return run, np.array(queues), served_in_all, waited / served_in_all


STALLED = replace(SCENARIOS["three-phase"], stalls=(Stall(320, 380),))


@pytest.mark.parametrize(
    ("lag", "peak", "wait", "stalled_violations", "stalled_peak"),
    [
        (1, 2.064, 14.273, 0, 6.328),
        (2, 2.064, 14.273, 0, 6.226),
        (5, 2.064, 14.273, 0, 9.736),
        (10, 2.064, 14.273, 5, 15.586),
        (20, 2.064, 14.273, 62, 27.286),
    ],
)
def test_three_phase_at_every_lag(lag, peak, wait, stalled_violations, stalled_peak):
    run, queues, served, mean_wait = simulated(SCENARIOS["three-phase"], lag)
    assert (int((run.psi_total > 3.0).sum()), round(queues.max(), 3)) == (0, peak)
    assert (round(served, 3), round(mean_wait, 3)) == (1065.164, wait)
    run, queues, served, mean_wait = simulated(STALLED, lag)
    assert (int((run.psi_total > 3.0).sum()), round(queues.max(), 3)) == (stalled_violations, stalled_peak)
    assert (round(served, 3), round(mean_wait, 3)) == (1065.164, 42.543)


def test_at_a_lag_of_one_step_it_is_v9():
    scenario = STALLED
    trace = simulate_plant(scenario.demand(), scenario.capacities(), V9Controller(), Plant.of(scenario))
    assert (simulated(scenario, 1)[1] == trace.queue).all()
