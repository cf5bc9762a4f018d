"""The plant: nothing is lost in it, its caps hold, and all of its forms are one law."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_engine import (
    LLM,
    SCENARIOS,
    SCRAPER,
    AiController,
    CoreController,
    Eq14,
    Kind,
    Plant,
    PlantFigures,
    PredictiveController,
    Stage,
    StaticLimit,
    Uncontrolled,
    V9Controller,
    noisy_demand,
    plant_figures,
    simulate,
    simulate_plant,
)
from tests import oracle
from tests.engine.strategies import demands

ALPHAS = st.one_of(st.just(0.5), st.floats(0.0, 1.0))
BETAS = st.one_of(st.just(2.0), st.floats(0.0, 5.0))

CONTROLLERS = st.one_of(
    st.just(Uncontrolled()),
    st.builds(StaticLimit, st.floats(0.1, 4.0)),
    st.builds(Eq14, st.just(3.0), ALPHAS, BETAS),
    st.builds(V9Controller, st.just(3.0), ALPHAS, BETAS),
)

SISTERS = st.sampled_from([PredictiveController(), CoreController(), AiController()])
ALL = CONTROLLERS | SISTERS


def plants(steps_s):
    return st.builds(
        Plant,
        rate=st.sampled_from([SCRAPER, Stage("scraper", Kind.RATE, 6.5)]),
        queue=st.sampled_from([LLM, Stage("llm", Kind.QUEUE, 22.0)]),
        nominal_capacity=st.sampled_from([0.2, 1.2, 4.0]),
        step_s=st.sampled_from(steps_s),
        initial_queue=st.sampled_from([0.0, 4.0, 60.0]),
        lag=st.integers(1, 10),
    )


PLANTS = plants([0.25, 1.0, 5.0])

# With steps that serve a whole full queue at once the loop hunts, and makes much of a difference in the last bit:
# there the oracle, which takes its logarithms from elsewhere, need not stay together with the plant.
STEADY_PLANTS = plants([0.25, 1.0])


def oracle_run(demand, capacity, controller, plant):
    return oracle.Pipeline(
        controller.name,
        lag=plant.lag,
        limit=getattr(controller, "limit", 1.5),
        alpha=getattr(controller, "alpha", 0.0),
        beta=getattr(controller, "beta", 0.0),
        dt=plant.step_s,
        r_max=plant.rate.full_load,
        c_max=plant.nominal_capacity,
        q0=plant.initial_queue,
        full_rate=plant.rate.full,
        full_queue=plant.queue.full,
    ).run(demand.tolist(), capacity.tolist())


def before(values, start):
    """What was there at the start of each step, from what was there at its end."""
    return np.concatenate([[start], values[:-1]])


@given(demands(), ALL, PLANTS)
def test_no_request_is_lost_or_made_up_at_any_step(work, controller, plant):
    demand, capacity = work
    trace = simulate_plant(demand, capacity, controller, plant)
    came = plant.initial_queue + np.cumsum(demand * plant.step_s)
    np.testing.assert_allclose(np.cumsum(trace.served) + trace.queue + trace.frontier, came, rtol=1e-9, atol=1e-9)
    assert np.all([trace.rate, trace.queue, trace.frontier, trace.served] >= np.float64(0))


@given(demands(), ALL, PLANTS)
def test_the_server_never_idles_while_requests_wait_for_it(work, controller, plant):
    demand, capacity = work
    trace = simulate_plant(demand, capacity, controller, plant)
    possible = capacity * plant.step_s
    assert np.all(trace.served <= possible)
    assert np.all((trace.served == possible) | (trace.queue == 0))


@given(demands(), ALL, PLANTS)
def test_the_scraper_sends_what_it_knows_of_up_to_its_cap(work, controller, plant):
    demand, capacity = work
    trace = simulate_plant(demand, capacity, controller, plant)
    known = demand + before(trace.frontier, 0.0) / plant.step_s
    if isinstance(controller, Uncontrolled | StaticLimit):
        limit = getattr(controller, "limit", math.inf)
        np.testing.assert_array_equal(trace.rate, np.minimum(known, limit))
        return
    r_max = plant.rate.full_load
    assert np.all(trace.rate <= np.minimum(known, r_max))
    if not isinstance(controller, CoreController | AiController):
        assert np.all(trace.rate >= np.minimum(known, 0.01 * r_max))


@given(demands(), CONTROLLERS, STEADY_PLANTS)
def test_it_agrees_with_the_oracle(work, controller, plant):
    demand, capacity = work
    trace = simulate_plant(demand, capacity, controller, plant)
    expected = oracle_run(demand, capacity, controller, plant)
    for name in ("rate", "queue", "frontier", "served"):
        np.testing.assert_allclose(getattr(trace, name), getattr(expected, name), rtol=1e-9, atol=1e-9, err_msg=name)


@given(demands(), CONTROLLERS, STEADY_PLANTS)
def test_figures_agree_with_the_oracle(work, controller, plant):
    demand, capacity = work
    expected = oracle_run(demand, capacity, controller, plant).figures()
    figures = plant_figures(simulate_plant(demand, capacity, controller, plant), plant, budget=3.0)
    assert {name: getattr(figures, name)[0] for name in expected} == pytest.approx(expected, rel=1e-9, nan_ok=True)


@given(st.lists(demands(), min_size=1, max_size=4), ALL, PLANTS)
def test_one_run_alone_and_among_many_agree(works, controller, plant):
    capacity = works[0][1]
    columns = np.stack([np.resize(demand, len(capacity)) for demand, _ in works], axis=1)
    together = simulate_plant(columns, capacity, controller, plant)
    for run, demand in enumerate(columns.T):
        alone = simulate_plant(demand, capacity, controller, plant)
        for name in ("rate", "queue", "frontier", "served"):
            found, expected = getattr(together, name)[:, run], getattr(alone, name)
            assert np.all(np.abs(found - expected) <= 1e-12 * np.maximum(1.0, alone.queue)), name


@given(demands(), ALL, PLANTS)
def test_a_controller_starts_afresh_in_every_simulation(work, controller, plant):
    first = simulate_plant(*work, controller, plant)
    second = simulate_plant(*work, controller, plant)
    np.testing.assert_array_equal(second.rate, first.rate)


class Witness(Uncontrolled):
    """Steers nothing and remembers what it was shown."""

    seen: list

    def update(self, view):
        self.seen.append(view)
        return super().update(view)


@given(demands(), st.integers(1, 10))
def test_a_controller_sees_the_start_and_then_every_step_a_lag_late(work, lag):
    witness, plant = Witness(), Plant(lag=lag, initial_queue=4.0)
    witness.seen = []
    trace = simulate_plant(*work, witness, plant)
    steps = len(trace.rate)
    ends = zip(trace.rate, trace.queue, trace.served, strict=True)
    expected = [(0.0, 4.0, None)] * lag + list(ends)
    assert [(view.rate, view.queue, view.served) for view in witness.seen] == expected[:steps]
    sent = trace.rate.tolist()
    assert [view.last_sent for view in witness.seen] == [0.0, *sent[:-1]]
    assert [list(view.sent) for view in witness.seen] == [sent[max(step - lag + 1, 0) : step] for step in range(steps)]
    assert [view.available for view in witness.seen] == (trace.demand + before(trace.frontier, 0.0)).tolist()


def test_a_dead_server_is_probed_and_its_recovery_noticed():
    capacity = np.concatenate([np.zeros(60), np.full(60, 1.2)])
    trace = simulate_plant(np.full(120, 1.1), capacity, V9Controller(), Plant())
    assert trace.rate[59] == pytest.approx(0.03)
    assert trace.rate[-1] > 1.0


@given(st.integers(0, 2**32), st.integers(0, 50), st.floats(0.0, 2.0))
def test_noise_is_one_stream_a_run_whatever_other_runs_there_are(seed, run, sigma):
    demand = np.full(20, 1.5)
    together = noisy_demand(demand, sigma, seed, range(run, run + 3))
    for offset in range(3):
        alone = noisy_demand(demand, sigma, seed, range(run + offset, run + offset + 1))
        np.testing.assert_array_equal(alone[:, 0], together[:, offset])
    assert np.all(together >= 0)


def test_noise_differs_by_run_and_by_seed_and_is_as_large_as_asked():
    demand = np.full(1000, 2.0)
    noise = noisy_demand(demand, 0.2, 1, range(20)) / 2.0 - 1.0
    assert abs(noise.mean()) < 0.01
    assert noise.std() == pytest.approx(0.2, rel=0.02)
    assert np.max(np.abs(np.corrcoef(noise.T) - np.eye(20))) < 0.15
    assert not np.any(noisy_demand(demand, 0.2, 2, range(20)) / 2.0 - 1.0 == noise)
    np.testing.assert_array_equal(noisy_demand(demand, 0.0, 1, range(2)), 2.0)


def test_figures_of_many_runs_are_those_of_each_and_batches_join():
    scenario = SCENARIOS["v9-reference"]
    plant = scenario.plant()
    demand = noisy_demand(scenario.demand(), 0.3, 7, range(6))
    batches = [
        plant_figures(simulate_plant(part, scenario.capacities(), V9Controller(), plant), plant, 3.0)
        for part in (demand[:, :2], demand[:, 2:])
    ]
    joined = PlantFigures.joined(batches)
    for run in range(6):
        trace = simulate_plant(demand[:, run], scenario.capacities(), V9Controller(), plant)
        alone = plant_figures(trace, plant, 3.0)
        for name in PlantFigures.__dataclass_fields__:
            assert getattr(joined, name)[run] == pytest.approx(getattr(alone, name)[0], rel=1e-12), name


def test_nothing_served_is_no_wait_and_no_capacity_is_no_utilisation():
    plant = Plant(initial_queue=5.0)
    trace = simulate_plant(np.ones(10), np.zeros(10), Uncontrolled(), plant)
    figures = plant_figures(trace, plant, 3.0)
    assert math.isnan(figures.mean_wait_s[0])
    assert math.isnan(figures.utilisation[0])
    assert figures.final_backlog[0] == 15.0


def test_starved_steps_are_those_with_time_to_spare_and_requests_upstream():
    plant = Plant()
    trace = simulate_plant(np.full(50, 1.1), np.full(50, 1.2), StaticLimit(0.5), plant)
    assert plant_figures(trace, plant, 3.0).starved_steps[0] == 50
    unhindered = simulate_plant(np.full(50, 1.1), np.full(50, 1.2), Uncontrolled(), plant)
    assert plant_figures(unhindered, plant, 3.0).starved_steps[0] == 0


def test_the_run_of_a_simulation_holds_the_loads_of_its_plant():
    simulation = simulate(SCENARIOS["three-phase"], Eq14())
    np.testing.assert_array_equal(simulation.run.loads, [simulation.plant.rate, simulation.plant.queue])
    assert int(simulation.run.violated.sum()) == 253
