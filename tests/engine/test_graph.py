"""Graphs of stages: the reference figures, conservation at every stage, and a second implementation."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from entro_engine import (
    SCENARIOS,
    GraphQueue,
    GraphSource,
    ParameterError,
    Plant,
    Scenario,
    StageGraph,
    Stall,
    Uncontrolled,
    V9Controller,
    graph_figures,
    simulate,
    simulate_graph,
    simulate_plant,
)
from tests.engine.strategies import CAPACITIES, RATES, graphs, series
from tests.graph_oracle import Graph

ONE = GraphSource("crawl", ("llm",))
SERVER = GraphQueue("llm", 1.2)


@dataclass
class World:
    graph: StageGraph
    demand: np.ndarray
    capacity: np.ndarray
    controller: Uncontrolled | V9Controller
    lag: int
    step_s: float

    def trace(self):
        return simulate_graph(self.graph, self.demand, self.capacity, self.controller, self.lag, self.step_s)

    def oracle(self):
        law = self.controller if isinstance(self.controller, V9Controller) else V9Controller()
        found = Graph(
            feeds={stage.name: list(stage.feeds) for stage in self.graph.stages},
            weights={source.name: source.weight for source in self.graph.sources},
            capacities={queue.name: queue.capacity for queue in self.graph.queues},
            controlled=law is self.controller,
            fairness=self.graph.fairness,
            alpha=law.alpha,
            beta=law.beta,
            lag=self.lag,
            dt=self.step_s,
        )
        for demand, capacity in zip(self.demand.T.tolist(), self.capacity.T.tolist(), strict=True):
            found.step(
                dict(zip(found.weights, demand, strict=True)), dict(zip(found.capacities, capacity, strict=True))
            )
        return found


@st.composite
def worlds(draw, steps=60):
    graph = draw(graphs())

    def table(values, rows):
        return np.array([np.resize(draw(series(values)), steps) for _ in range(rows)])

    controller = st.just(Uncontrolled()) | st.builds(
        V9Controller, st.just(3.0), st.floats(0.0, 0.5), st.floats(0.0, 4.0)
    )
    return World(
        graph,
        table(RATES, len(graph.sources)),
        table(CAPACITIES, len(graph.queues)),
        draw(st.just(V9Controller()) | controller),
        draw(st.integers(1, 6)),
        draw(st.sampled_from([1.0, 0.25])),
    )


@given(worlds())
def test_it_agrees_with_the_second_implementation(world):
    trace, expected = world.trace(), world.oracle()
    names = [stage.name for stage in world.graph.stages]
    for name in ("sent", "frontier", "inflow", "queue", "served"):
        rows = [list(one.values()) for one in getattr(expected, name)]
        np.testing.assert_allclose(getattr(trace, name).T, rows, rtol=1e-9, atol=1e-9, err_msg=name)
    edges = [(names[giver], names[taker]) for giver, taker in world.graph.edges]
    flow = [[one[edge] for edge in edges] for one in expected.flow]
    np.testing.assert_allclose(trace.flow.T, flow, rtol=1e-9, atol=1e-9)
    figures = graph_figures(world.graph, trace, budget=3.0)
    of_any, of_each = expected.violations()
    assert (figures.violations, figures.queue_violations.tolist()) == (of_any, list(of_each.values()))
    wanted = expected.figures()
    assert {name: getattr(figures, name) for name in wanted} == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True)


@given(worlds())
def test_no_request_is_lost_or_made_up_at_any_stage(world):
    trace, dt, sources = world.trace(), world.step_s, len(world.graph.sources)
    into, out = np.zeros((2, len(world.graph.stages), world.demand.shape[1]))
    for (giver, taker), flow in zip(world.graph.edges, trace.flow, strict=True):
        out[giver] += flow * dt
        into[taker] += flow * dt
    into[:sources] += world.demand * dt
    for place, queue in enumerate(world.graph.queues):
        if not queue.feeds:
            out[sources + place] = trace.served[place]
    held = np.concatenate([trace.frontier, trace.queue])
    np.testing.assert_allclose(np.cumsum(out, axis=1) + held, np.cumsum(into, axis=1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(out[sources:], trace.served, rtol=1e-9, atol=1e-9)
    assert np.all(held >= 0)
    assert np.all(trace.served <= trace.capacity * dt)


@given(series(RATES), series(CAPACITIES), st.integers(1, 8))
def test_one_source_and_one_queue_are_the_plant(demand, capacity, lag):
    demand, capacity = np.array(demand), np.resize(capacity, len(demand))
    expected = simulate_plant(demand, capacity, V9Controller(), Plant(lag=lag))
    assume(not np.any((expected.queue > 0) & (expected.queue < 1e-9)))  # in a graph that counts as empty
    trace = simulate_graph(StageGraph((ONE,), (SERVER,)), demand[None], capacity[None], V9Controller(), lag)
    for name, other in (("inflow", "rate"), ("queue", "queue"), ("frontier", "frontier"), ("served", "served")):
        np.testing.assert_array_equal(getattr(trace, name)[0], getattr(expected, other), err_msg=name)


def capacity_of(nominal, *changes):
    capacity = np.full(1000, nominal)
    for first, last, value in changes:
        capacity[first : last + 1] = value
    return capacity


THREE_PHASE = SCENARIOS["three-phase"].demand()
CHAIN = StageGraph(
    (GraphSource("crawl", ("parse",)),),
    (
        GraphQueue("parse", 5.0, ("embed",)),
        GraphQueue("embed", 2.0, ("llm",)),
        GraphQueue("llm", 1.2, ("store",)),
        GraphQueue("store", 3.0),
    ),
)
CHAIN_CAPACITY = np.array(
    [capacity_of(5.0), capacity_of(2.0, (400, 499, 0.6)), capacity_of(1.2), capacity_of(3.0, (600, 659, 0.0))]
)
SPLIT = StageGraph((GraphSource("crawl", ("large", "small")),), (GraphQueue("large", 0.8), GraphQueue("small", 0.4)))
SPLIT_CAPACITY = np.array([capacity_of(0.8, (320, 379, 0.0)), capacity_of(0.4)])


def shared(fairness="max-min", weights=(1.0, 1.0, 1.0)):
    sources = tuple(GraphSource(f"crawl-{at}", ("llm",), weight) for at, weight in enumerate(weights))
    return StageGraph(sources, (SERVER,), fairness)


SHARED_DEMAND = np.repeat([[0.3], [0.6], [2.0]], 1000, axis=1)
SHARED_CAPACITY = capacity_of(1.2, (320, 379, 0.0))[None]


def figures_of(graph, demand, capacity, controller):
    return graph_figures(graph, simulate_graph(graph, demand, capacity, controller), 3.0)


@pytest.mark.parametrize(
    ("case", "any_queue", "each", "peaks", "wait", "served", "left"),
    [
        pytest.param(
            (CHAIN, THREE_PHASE[None], CHAIN_CAPACITY, Uncontrolled()),
            357, [0, 107, 307, 50], [0, 46.020, 75.146, 68.144], 17.317, 1065.164, 0, id="chain-none",
        ),
        pytest.param(
            (CHAIN, THREE_PHASE[None], CHAIN_CAPACITY, V9Controller()),
            0, [0] * 4, [21.909, 7.970, 4.854, 9.131], 50.019, 1048.050, 17.114, id="chain-v9",
        ),
        pytest.param(
            (shared(), SHARED_DEMAND, SHARED_CAPACITY, Uncontrolled()),
            998, [998], [1772.0], 795.821, 1128.0, 1772.0, id="shared-none",
        ),
        pytest.param(
            (shared(), SHARED_DEMAND, SHARED_CAPACITY, V9Controller()),
            0, [0], [6.313], 795.821, 1128.0, 1772.0, id="shared-max-min",
        ),
        pytest.param(
            (shared("proportional"), SHARED_DEMAND, SHARED_CAPACITY, V9Controller()),
            0, [0], [6.313], 795.821, 1128.0, 1772.0, id="shared-proportional",
        ),
        pytest.param(
            (SPLIT, THREE_PHASE[None], SPLIT_CAPACITY, Uncontrolled()),
            986, [259, 986], [71.652, 132.582], 103.090, 932.582, 132.582, id="split-none",
        ),
        pytest.param(
            (SPLIT, THREE_PHASE[None], SPLIT_CAPACITY, V9Controller()),
            0, [0, 0], [4.218, 0.688], 31.299, 1065.164, 0, id="split-v9",
        ),
    ],
)  # fmt: skip
def test_reference_figures(case, any_queue, each, peaks, wait, served, left):
    figures = figures_of(*case)
    assert (figures.violations, figures.queue_violations.tolist()) == (any_queue, each)
    assert figures.peak_queue == pytest.approx(peaks, abs=5e-4)
    assert figures.mean_wait_s == pytest.approx(wait, abs=5e-4)
    assert (figures.served, figures.final_backlog) == pytest.approx((served, left), abs=5e-4)


@pytest.mark.parametrize(
    ("fairness", "weights", "sent"),
    [
        ("max-min", (1.0, 1.0, 1.0), [300.0, 415.0, 415.0]),
        ("max-min", (1.0, 3.0, 1.0), [264.0, 600.0, 266.0]),
        ("proportional", (1.0, 1.0, 1.0), [116.9, 233.8, 779.3]),
    ],
)
def test_what_each_source_may_send_to_a_server_they_share(fairness, weights, sent):
    figures = figures_of(shared(fairness, weights), SHARED_DEMAND, SHARED_CAPACITY, V9Controller())
    assert figures.sent == pytest.approx(sent, abs=0.06)
    assert figures.violations == 0


@pytest.mark.parametrize("lag", [1, 5])
def test_a_graph_of_two_has_the_figures_of_the_scenario(lag):
    scenario = Scenario("stall", SCENARIOS["three-phase"].phases, stalls=(Stall(320, 380),))
    expected = simulate(scenario, V9Controller(), lag=lag)
    graph = StageGraph((ONE,), (SERVER,))
    trace = simulate_graph(graph, scenario.demand()[None], scenario.capacities()[None], V9Controller(), lag)
    figures = graph_figures(graph, trace, 3.0)
    assert figures.violations == expected.run.violated.sum()
    assert figures.peak_psi_total[0] == expected.run.psi_total.max()
    assert figures.regimes[0].tolist() == [(expected.run.trace.regime == code).sum() for code in (0, 1, 2)]


@pytest.mark.parametrize(
    ("sources", "queues", "message"),
    [
        ((), (SERVER,), "sources: .*at least one"),
        ((ONE,), (), "queues: .*at least one"),
        ((GraphSource("crawl", ()),), (SERVER,), "stage crawl: has no feeds"),
        ((GraphSource("crawl", ("lm",)),), (SERVER,), "feeds of stage crawl: lm is not a stage"),
        ((ONE, GraphSource("more", ("crawl",))), (SERVER,), "feeds of stage more: crawl is a source"),
        ((GraphSource("crawl", ("llm", "llm")),), (SERVER,), "feeds of stage crawl: .*each queue once"),
        ((ONE,), (SERVER, GraphQueue("store", 1.0)), "stage store: is fed by no stage"),
        ((ONE,), (SERVER, SERVER), "names of stages: .*each name once"),
        ((ONE,), (GraphQueue("llm", 1.0, ("llm",)),), "stages: form a cycle: llm feeds llm"),
        (
            (ONE,),
            (GraphQueue("llm", 1.0, ("store",)), GraphQueue("store", 1.0, ("llm",))),
            "form a cycle: (llm feeds store feeds llm|store feeds llm feeds store)",
        ),
    ],
)
def test_what_is_no_graph(sources, queues, message):
    with pytest.raises(ParameterError, match=message):
        StageGraph(sources, queues)


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_weights_and_capacities_are_above_zero(value):
    with pytest.raises(ParameterError, match="weight of stage crawl"):
        GraphSource("crawl", ("llm",), value)
    with pytest.raises(ParameterError, match="capacity of stage llm"):
        GraphQueue("llm", value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"demand": np.zeros((2, 5))}, "shape of demand"),
        ({"capacity": np.zeros((1, 4))}, "shape of capacity"),
        ({"demand": np.full((1, 5), -1.0)}, "demand"),
        ({"capacity": np.full((1, 5), math.nan)}, "capacity"),
        ({"lag": 0}, "lag"),
        ({"step_s": 0.0}, "step_s"),
    ],
)
def test_what_is_no_run_of_a_graph(changed, message):
    given = {"demand": np.ones((1, 5)), "capacity": np.ones((1, 5)), "controller": Uncontrolled()}
    with pytest.raises(ParameterError, match=message):
        simulate_graph(StageGraph((ONE,), (SERVER,)), **given | changed)


def test_fairness_is_one_of_two():
    with pytest.raises(ParameterError, match="fairness: is 'fair'; expected max-min or proportional"):
        StageGraph((ONE,), (SERVER,), "fair")
