"""What the laws are tried on: loads, demands and capacities as a pipeline sees them.

Independent random numbers hardly ever charge the energy, hold a regime or come back from one. So a series is made of
pieces: a constant level held for some steps, a jumble, a hole; and the levels crowd where the engine decides.
"""

import math
from itertools import chain

import numpy as np
from hypothesis import strategies as st

from entro_engine import GraphQueue, GraphSource, StageGraph

BUDGETS = st.one_of(st.sampled_from([3.0, 1.5, 4.5]), st.floats(0.1, 50.0))

# Psi_total as a share of the budget: anywhere up to twice of it, around the stress level with the hysteresis below it,
# around the critical level, around the budget.
SHARES = st.one_of(
    st.floats(0.0, 2.0),
    st.floats(0.44, 0.56),
    st.floats(0.70, 0.80),
    st.floats(0.95, 1.05),
    st.floats(1.0, 1.2),
    st.floats(1.6, 2.0),
    st.sampled_from([0.0, 0.45, 0.5, 2.35 / 3, 1.0, math.nextafter(1.0, 2.0), 2.0]),
)

HOLES = st.integers(1, 12).map(lambda steps: [math.nan] * steps)


def held(values: st.SearchStrategy[float], longest: int = 40) -> st.SearchStrategy[list[float]]:
    """One value, held for some steps."""
    return st.builds(lambda value, steps: [value] * steps, values, st.integers(1, longest))


def series(values: st.SearchStrategy[float], holes: bool = False) -> st.SearchStrategy[list[float]]:
    """Some pieces, one after the other; at least one step."""
    pieces = [held(values), st.lists(values, min_size=1, max_size=8)] + [HOLES] * holes
    return st.lists(st.one_of(pieces), min_size=1, max_size=6).map(lambda parts: list(chain.from_iterable(parts)))


@st.composite
def loads(draw: st.DrawFn, holes: bool = True) -> tuple[np.ndarray, float]:
    """Psi_total (nat, NaN in a hole) and the budget (nat) it is held against."""
    budget = draw(BUDGETS)
    return np.array(draw(series(SHARES, holes))) * budget, budget


PARTS = st.lists(st.one_of(st.just(0.0), st.floats(0.0, 8.0)), min_size=1, max_size=6)
"""Psi of the stages of one step, nat."""

RATES = st.one_of(st.floats(0.0, 6.0), st.sampled_from([0.0, 0.903, 1.1, 1.2, 2.885]))
"""Demand, req/s."""

CAPACITIES = st.one_of(st.floats(0.2, 4.0), st.sampled_from([0.0, 1.2]))
"""What the server can serve, req/s; 0 while it is stalled."""


@st.composite
def demands(draw: st.DrawFn, steps: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Demand and capacity, req/s, of one length, at most `steps`."""
    demand = draw(series(RATES))[:steps]
    capacity = draw(series(CAPACITIES))
    repeated = (capacity * len(demand))[: len(demand)]
    return np.array(demand), np.array(repeated)


@st.composite
def graphs(draw):
    """A graph of 3 to 8 stages: each feeds some of the queues behind it, and every queue is fed."""
    sources = draw(st.integers(1, 3))
    queues = draw(st.integers(max(1, 3 - sources), 8 - sources))
    feeds = []
    for place in range(sources + queues):
        behind = range(max(place + 1, sources), sources + queues)
        feeds.append(draw(st.sets(st.sampled_from(behind), max_size=3)) if behind else set())
    for queue in range(sources, sources + queues):
        if not any(queue in one for one in feeds):
            feeds[draw(st.integers(0, queue - 1))].add(queue)
    for source in range(sources):
        if not feeds[source]:
            feeds[source].add(draw(st.integers(sources, sources + queues - 1)))
    edges = [tuple(f"n{taker}" for taker in draw(st.permutations(sorted(one)))) for one in feeds]
    weights = st.sampled_from([1.0, 3.0, 0.2])
    return StageGraph(
        tuple(GraphSource(f"n{place}", edges[place], draw(weights)) for place in range(sources)),
        # In any order: the library has to find the one to go through them in.
        tuple(
            GraphQueue(f"n{place}", draw(st.sampled_from([1.2, 0.4, 5.0])), edges[place])
            for place in draw(st.permutations(range(sources, sources + queues)))
        ),
        draw(st.sampled_from(["max-min", "proportional"])),
    )
