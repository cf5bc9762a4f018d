"""The plant of a log is the plant of the simulator, whatever is fed to it; nothing is lost in it."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from entro_engine import Kind, ParameterError, Plant, Stage, log_plant
from entro_engine.baselines import Uncontrolled
from entro_engine.entro_engine_v9 import V9Controller
from entro_engine.log_plant import DEFAULT_CONTROL, ControlParameters, run_log_plant
from entro_engine.simulator_v9 import simulate_plant

RATES = st.lists(st.one_of(st.just(0.0), st.floats(0.0, 5.0)), min_size=1, max_size=60)
PLANTS = st.builds(
    lambda full_rate, full_queue, capacity, step, queue: Plant(
        Stage("rate", Kind.RATE, full_rate), Stage("queue", Kind.QUEUE, full_queue), capacity, step, queue
    ),
    st.floats(0.5, 50.0),
    st.floats(1.0, 500.0),
    st.floats(0.0, 10.0),
    st.sampled_from([0.25, 1.0, 7.5]),
    st.one_of(st.just(0.0), st.floats(0.0, 50.0)),
)


CONTROLS = st.builds(
    ControlParameters,
    st.sampled_from([0.5, 0.8]),
    st.sampled_from([2.0, 1.0]),
    st.sampled_from([0.05, 0.1, 0.3]),
    st.sampled_from([0.2, 0.4, 0.6]),
    st.sampled_from([0.0, 0.25, 0.5, 0.75]),
)


@given(demand=RATES, capacity=RATES, plant=PLANTS, parts=st.integers(1, 4), control=st.none() | CONTROLS)
@settings(deadline=None)
def test_both_forms_of_the_plant_agree(demand, capacity, plant, parts, control):
    steps = min(len(demand), len(capacity))
    asked, can_serve = np.array(demand[:steps]), np.array(capacity[:steps])
    found = run_log_plant(asked, can_serve, plant, parts, 3.0, control)
    controller = V9Controller(3.0, **control._asdict()) if control else Uncontrolled()
    expected = simulate_plant(np.repeat(asked, parts), np.repeat(can_serve, parts), controller, plant)
    size = 1e-10 * np.maximum(1.0, expected.queue.max() + expected.frontier.max())
    np.testing.assert_allclose(found.rate, expected.rate.reshape(-1, parts).mean(axis=1), rtol=0, atol=size)
    np.testing.assert_allclose(found.queue, expected.queue[parts - 1 :: parts], rtol=0, atol=size)
    np.testing.assert_allclose(found.frontier, expected.frontier[parts - 1 :: parts], rtol=0, atol=size)
    waiting = ((expected.queue + expected.frontier) * plant.step_s).reshape(-1, parts).sum(axis=1)
    np.testing.assert_allclose(found.waited, waiting, rtol=1e-9, atol=size * plant.step_s)
    assume(not np.any((expected.frontier > 1e-10) & (expected.frontier < 1e-8)))  # both sides of what counts as empty
    idle = np.where(expected.frontier > 1e-9, np.repeat(can_serve, parts) * plant.step_s - expected.served, 0.0)
    np.testing.assert_allclose(found.lost, idle.reshape(-1, parts).sum(axis=1), rtol=1e-9, atol=parts * size)


@given(
    demand=st.lists(st.floats(0.0, 5.0), min_size=1, max_size=5),
    drift=st.floats(-2e-3, 2e-3),
    parts=st.integers(900, 1500),
    plant=PLANTS,
    control=CONTROLS,
)
@settings(deadline=None, max_examples=50)
def test_the_controller_of_a_long_step_is_asked_only_where_it_matters(demand, drift, parts, plant, control):
    asked = np.array(demand)
    can_serve = asked * (1 + drift)  # as the capacity of a log is where its queue is never empty
    found = run_log_plant(asked, can_serve, plant, parts, 3.0, control)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_plant, "_FORGETTING", 10**9)
        expected = run_log_plant(asked, can_serve, plant, parts, 3.0, control)
    for name, values in vars(expected).items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-12, atol=1e-12)


@given(
    capacity=st.floats(0.1, 5.0),
    shares=st.lists(st.sampled_from([0.1, 0.5, 0.99, 0.999, 1.0, 1.001, 1.5, 3.0]), min_size=1, max_size=5),
    parts=st.integers(100, 300),
    plant=PLANTS,
    control=CONTROLS,
)
@settings(deadline=None, max_examples=30)
def test_a_long_step_has_the_bits_of_many_short_ones(capacity, shares, parts, plant, control):
    demand, can_serve = capacity * np.array(shares), np.full(len(shares), capacity)
    found = run_log_plant(demand, can_serve, plant, parts, 3.0, control)
    short = run_log_plant(np.repeat(demand, parts), np.repeat(can_serve, parts), plant, 1, 3.0, control)
    for name in ("queue", "frontier"):
        np.testing.assert_array_equal(getattr(found, name), getattr(short, name)[parts - 1 :: parts])
    for name in ("served", "waited", "lost"):
        each = getattr(short, name).reshape(-1, parts)
        np.testing.assert_array_equal(getattr(found, name), [sum(row) for row in each.tolist()])
    assert found.final == short.final


@given(
    loads=st.lists(
        st.tuples(st.sampled_from([0.3, 0.7, 0.9, 1.0, 1.2, 3.0]), st.sampled_from([1, 50, 1000])),
        min_size=1,
        max_size=3,
    ),
    gap=st.integers(1, 200),
    parts=st.integers(1, 3),
    plant=PLANTS.filter(lambda plant: plant.nominal_capacity > 0.1),
    control=CONTROLS,
)
@settings(deadline=None)
def test_a_gap_after_a_steady_load_is_a_gap_with_next_to_no_load(loads, gap, parts, plant, control):
    """A step without demand is skipped once it changes nothing; one with as good as none never is."""
    steady = np.concatenate([np.full(count, load) for load, count in loads])
    traces = []
    for least in (0.0, 1e-290):
        demand = plant.nominal_capacity * np.concatenate([steady, np.full(gap, least)])
        can_serve = np.full(len(demand), plant.nominal_capacity)
        traces.append(run_log_plant(demand, can_serve, plant, parts, 3.0, control))
    assert traces[0].final.energy == pytest.approx(traces[1].final.energy, abs=1e-12)
    assert traces[0].final.memory == pytest.approx(traces[1].final.memory, abs=1e-12)
    for name in ("rate", "queue", "frontier", "served"):
        np.testing.assert_allclose(getattr(traces[0], name), getattr(traces[1], name), rtol=1e-9, atol=1e-9)


@given(demand=RATES, capacity=RATES, plant=PLANTS, parts=st.integers(1, 4))
@settings(deadline=None)
def test_no_request_is_lost_or_made_up(demand, capacity, plant, parts):
    steps = min(len(demand), len(capacity))
    asked = np.array(demand[:steps])
    trace = run_log_plant(asked, np.array(capacity[:steps]), plant, parts, 3.0)
    known = plant.initial_queue + np.cumsum(asked) * plant.step_s * parts
    np.testing.assert_allclose(np.cumsum(trace.served) + trace.queue + trace.frontier, known, rtol=1e-9, atol=1e-9)


@given(demand=RATES, capacity=RATES, plant=PLANTS, cut=st.integers(0, 60), controlled=st.booleans())
@settings(deadline=None)
def test_a_log_in_two_parts_has_the_bits_of_one(demand, capacity, plant, cut, controlled):
    steps, control = min(len(demand), len(capacity)), DEFAULT_CONTROL if controlled else None
    asked, can_serve = np.array(demand[:steps]), np.array(capacity[:steps])
    whole = run_log_plant(asked, can_serve, plant, 2, 3.0, control)
    first = run_log_plant(asked[:cut], can_serve[:cut], plant, 2, 3.0, control)
    second = run_log_plant(asked[cut:], can_serve[cut:], plant, 2, 3.0, control, first.final)
    for name in ("rate", "queue", "frontier", "served", "waited", "lost"):
        parts = [getattr(part, name) for part in (first, second)]
        np.testing.assert_array_equal(np.concatenate(parts), getattr(whole, name))
    assert second.final == whole.final


def test_compiled_it_is_the_same_plant(monkeypatch):
    pytest.importorskip("numba", reason="the extra `fast` is not installed")
    rng = np.random.default_rng(5)
    demand, capacity = rng.uniform(0, 3, 3000), np.repeat(rng.uniform(0, 2, 300), 10)
    for control in (None, DEFAULT_CONTROL):
        plain = run_log_plant(demand, capacity, Plant(), 2, 3.0, control)
        monkeypatch.setattr(log_plant, "_WORTH_COMPILING", 1)
        compiled = run_log_plant(demand, capacity, Plant(), 2, 3.0, control)
        monkeypatch.undo()
        for name, values in vars(plain).items():
            np.testing.assert_allclose(getattr(compiled, name), values, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(
    ("demand", "capacity", "plant"),
    [([1.0], [1.0, 2.0], Plant()), ([-1.0], [1.0], Plant()), ([1.0], [np.nan], Plant()), ([1.0], [1.0], Plant(lag=2))],
)
def test_what_is_out_of_its_domain_is_refused(demand, capacity, plant):
    with pytest.raises(ParameterError):
        run_log_plant(np.array(demand), np.array(capacity), plant, 1, 3.0)
