"""The plant against queueing theory: M/M/1 and M/M/c, within 2 %.

The plant is fed event by event: a step is one event of the uniformised chain, an arrival or the end of a service, whose
probabilities are those of the rates. The mean number of requests over the events is then the mean over time.
"""

import math

import numpy as np
import pytest

from entro_engine import ClosedLoop, Plant, Uncontrolled, simulate_plant

STEPS, RUNS = 12_000, 400
WARM_UP = 2_000


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_mm1(load):
    draw = np.random.default_rng(19)
    is_arrival = draw.random((STEPS, RUNS)) < load / (1.0 + load)
    trace = simulate_plant(is_arrival.astype(float), 1.0 - is_arrival, Uncontrolled(), Plant())
    assert trace.queue[WARM_UP:].mean() == pytest.approx(load / (1.0 - load), rel=0.02)


def mean_number(servers, load):
    """The mean number of requests in M/M/c, waiting or in service, by Erlang's C formula."""
    offered = servers * load
    idle_terms = sum(offered**k / math.factorial(k) for k in range(servers))
    busy_term = offered**servers / math.factorial(servers) / (1.0 - load)
    return busy_term / (idle_terms + busy_term) * load / (1.0 - load) + offered


@pytest.mark.parametrize(("servers", "load"), [(2, 0.7), (8, 0.8)])
def test_mmc(servers, load):
    """A service ends at one of the servers; at an idle one nothing happens."""
    draw = np.random.default_rng(20)
    loop, total = ClosedLoop(Uncontrolled(), Plant(), RUNS), 0.0
    for step in range(STEPS):
        is_arrival = draw.random(RUNS) < load / (1.0 + load)
        server = draw.integers(0, servers, RUNS)
        ends = ~is_arrival & (server < loop.queue)
        loop.step(is_arrival.astype(float), ends.astype(float))
        total += loop.queue.mean() if step >= WARM_UP else 0.0
    assert total / (STEPS - WARM_UP) == pytest.approx(mean_number(servers, load), rel=0.02)
