"""The controllers of other projects in benchmarks/: each law by hand, and what holds for all of them."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_engine import Plant, PredictiveController, V9Controller, simulate_plant
from entro_engine.arena import Arena
from entro_engine.elementwise import ARRAY
from entro_engine.plant import View

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import arena_worlds as worlds
import controllers as field

PEERS = {
    "static": (field.FixedRate, [(0.8,), (4.0,)]),
    "window": (field.InFlightWindow, [(1.5,), (7.5,)]),
    "AIMD": (field.Aimd, [(1.5, 0.5, 2.0), (3.0, 0.9, 8.0)]),
    "Gradient2": (field.Gradient2, [(1.0, 0.2, 0.5, 2.0), (2.0, 1.0, 4.0, 8.0)]),
    "Vegas": (field.Vegas, [(0.5, 1.0, 5.0, 2.0), (1.0, 2.0, 1.0, 8.0)]),
    "PI": (field.PiQueue, [(0.2, 0.02, 1.0), (1.0, 0.0, 3.0)]),
    "PI + Smith": (field.PiSmith, [(0.2, 0.02, 1.0), (1.0, 0.0, 3.0)]),
    "CoDel gate": (field.CodelGate, [(1.0, 1.0), (4.0, 3.0)]),
    "BBR": (field.Bbr, [(1.0, 5.0, 1.25, 1.0), (2.0, 20.0, 3.0, 0.0)]),
    "AutoThrottle": (field.AutoThrottle, [(1.0, 1.0), (4.0, 0.1)]),
}

# Per step: what was sent in the step before, the queue seen, the rate served, and the rate that is allowed then.
BY_HAND = {
    "static": (field.FixedRate(0.8), [(0, 0, None, 0.8)]),
    "never above r_max": (field.FixedRate(4.0), [(0, 0, None, 3.0)]),
    "window": (field.InFlightWindow(4.0), [(0, 0, None, 3.0), (3, 1.8, 1.2, 2.2), (2.2, 5.0, 0.0, 0.0)]),
    "AIMD": (
        field.Aimd(2.0, 0.5, 2.0),
        [
            (0, 0, None, 3.0),
            (3, 1.8, 1.2, 2.2),  # 1.8 of 4 in flight: less than half
            (2.2, 2.8, 1.2, 2.4),  # 5.2
            (2.4, 4.0, 1.2, 2.4),  # 6.4
            (2.4, 5.2, 1.2, 0.0),  # a round-trip of 2.83 s: 3.2
            (0.0, 4.0, 1.2, 0.0),  # 2, the least
            (0.0, 1.5, 0.0, 0.5),
        ],
    ),
    "Gradient2": (
        field.Gradient2(1.0, 0.5, 1.0, 2.0),
        [
            (0, 0, None, 3.0),
            (3, 3.0, 0.0, 1.0),
            (1, 2.8, 1.2, 1.7),  # the first round-trip: 0.5 * 4 + 0.5 * (4 + 1)
            (1.7, 3.3, 1.2, 0.9085),  # 0.5 * 4.5 + 0.5 * (0.64823 * 4.5 + 1)
        ],
    ),
    "Gradient2 after long round-trips": (
        field.Gradient2(1.0, 0.5, 1.0, 2.0),
        [
            (0, 0, None, 3.0),
            (3, 3.0, 0.0, 1.0),
            (1, 4.0, 0.0, 0.0),
            (0, 4.0, 0.0, 0.0),
            (0, 2.8, 1.2, 1.7),  # 3.83 s is the first
            (1.7, 0.0, 4.5, 3.0),  # 0.83 s: the mean falls to 0.95 * 3.8234
            (3, 2.5, 0.5, 2.5),  # and to 0.95 * 3.6229
            (2.5, 5.0, 0.0, 0.0),
            (0, 5.0, 0.0, 0.0),
            (0, 5.0, 0.0, 0.0),
            (0, 4.0, 1.0, 0.7826),  # 4.83 s: 0.5 * 5 + 0.5 * (3.4464 / 4.8333 * 5 + 1)
        ],
    ),
    "Vegas": (
        field.Vegas(0.5, 1.0, 100.0, 2.0),
        [
            (0, 0, None, 3.0),
            (3, 1.8, 1.2, 2.2),  # the shortest round-trip
            (2.2, 2.8, 1.2, 0.2),  # 2.18 of 4 queued: 3
            (0.2, 1.8, 1.2, 0.2),  # 1.64 of 3 queued: 2
            (0.2, 0.8, 1.2, 1.2),  # less than half in flight
        ],
    ),
    "Vegas that probes": (
        field.Vegas(0.5, 1.0, 0.3, 2.0),
        [(0, 0, None, 3.0), (3, 1.8, 1.2, 2.2), (2.2, 2.8, 1.2, 1.2)],
    ),
    "PI": (
        field.PiQueue(0.5, 0.1, 2.0),
        [(0, 0, None, 2.2), (2.2, 1.0, 1.2, 1.8), (1.8, 3.0, 1.2, 0.7), (0.7, 40.0, 0.0, 0.0)],
    ),
    "CoDel gate": (
        field.CodelGate(1.0, 2.0),
        [(0, 0, None, 3.0), (3, 2.4, 1.2, 3.0), (3, 2.4, 1.2, 0.0), (0, 1.2, 1.2, 0.0), (0, 0.6, 1.2, 3.0)],
    ),
    "BBR": (
        field.Bbr(1.0, 2.0, 1.5, 1.0),
        [(0, 0, None, 1.8), (1.8, 0.5, 0.6, 1.5), (0, 0.2, 0.6, 0.9), (0, 0, 0, 0.9), (0, 0, 0, 0.075)],
    ),
    "AutoThrottle, its longest delay": (field.AutoThrottle(0.01, 1.0), [(0, 0, None, 1.0), (1, 0.0, 1.0, 1 / 60)]),
    "AutoThrottle": (
        field.AutoThrottle(2.0, 1.0),
        [
            (0, 0, None, 1.0),
            (1, 0.0, 1.0, 24 / 17),
            (24 / 17, 24 / 17, 0.0, 24 / 17),
            (24 / 17, 48 / 17 - 1.2, 1.2, 12 / 11),  # a latency of 1.83 s counts at once
        ],
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_law_by_hand(name):
    peer, steps = BY_HAND[name]
    started = peer.start(Plant())
    found = [float(started.update(View(0.0, queue, served, [], sent, 9.0))) for sent, queue, served, _ in steps]
    assert found == pytest.approx([allowed for *_, allowed in steps], abs=1e-4)


def test_smith_continues_the_queue_that_it_sees():
    started = field.PiSmith(0.5, 0.1, 2.0).start(Plant(lag=3))
    # 4 + 2 (1.0 - 1.2) = 3.6 requests by now
    assert float(started.update(View(1.0, 4.0, 1.2, [1.0, 1.0], 1.0, 9.0))) == pytest.approx(1.2 - 0.8 - 0.16)


def test_vegas_counts_the_steps_until_a_request_is_seen_served():
    started = field.Vegas(0.5, 1.5, 100.0, 2.0).start(Plant(lag=3))
    # Rates in flight, the queue and the rate served: round-trips of 2.83 and 3.83 s, so that 1.04 of 4 are queued.
    steps = [
        ([], 0.0, None),
        ([3.0], 0.0, None),
        ([3.0, 1.0], 0.0, None),
        ([1.0, 0.0], 1.8, 1.2),
        ([0.0, 1.2], 1.6, 1.2),
    ]
    views = [View(0.0, queue, served, sent, sent[-1] if sent else 0.0, 9.0) for sent, queue, served in steps]
    assert [float(started.update(view)) for view in views] == pytest.approx([3.0, 1.0, 0.0, 1.2, 1.2])


loads = st.tuples(st.integers(0, 2**32), st.integers(1, 7), st.sampled_from(sorted(PEERS)))


def _world(seed):
    draw = np.random.default_rng(seed)
    demand = draw.poisson(draw.uniform(0.3, 2.5, (60, 1)), (60, 2)).astype(float)
    return demand, np.where(draw.random((60, 2)) < 0.1, 0.0, draw.uniform(0.0, 2.0, (60, 2)))


@settings(max_examples=60)
@given(loads)
def test_settings_side_by_side_are_those_of_each_alone_and_rates_are_in_range(drawn):
    seed, lag, name = drawn
    kind, both = PEERS[name]
    (demand, capacity), plant = _world(seed), Plant(lag=lag)
    together = simulate_plant(demand, capacity, kind(*np.transpose(both)), plant)
    assert np.all((together.rate >= 0) & (together.rate <= plant.most_per_s))
    for run, parameters in enumerate(both):
        alone = simulate_plant(demand[:, run], capacity[:, run], kind(*parameters), plant)
        assert alone.rate == pytest.approx(together.rate[:, run], abs=1e-9)


class _Waits(field.FixedRate):
    """Keeps the wait that the virtual queue gives in each step."""

    def reset(self):
        self.own, self.waits = field.OwnRequests(), []
        _Waits.last = self

    def allowed(self, view):
        self.waits.append(self.own.wait(view, self.plant.step_s))
        return self.rate


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 7))
def test_the_newest_request_that_was_served_waited_since_it_was_sent(seed, lag):
    demand, capacity = _world(seed)
    trace = simulate_plant(demand, capacity, _Waits(2.0), Plant(lag=lag))
    sent, served = np.cumsum(trace.rate, axis=0), np.cumsum(trace.served, axis=0)
    for step in range(lag, 60):
        seen = step - lag
        for run in np.flatnonzero(trace.served[seen] > 0):
            reached = np.flatnonzero(sent[:, run] >= served[seen, run] - 1e-9)[0]
            assert _Waits.last.waits[step][run] == seen - reached


CONTROLLERS = {name: kind(*parameters[0]) for name, (kind, parameters) in PEERS.items()}
CONTROLLERS |= {"v9": V9Controller(), "predictive": PredictiveController()}


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 7), st.sampled_from(sorted(CONTROLLERS)))
def test_a_sample_in_every_step_and_no_restart_change_nothing(seed, lag, name):
    (demand, capacity), plant, inner = _world(seed), Plant(lag=lag), CONTROLLERS[name]
    plain = simulate_plant(demand, capacity, inner, plant).rate
    for same in (worlds.Sampled(inner, 1), worlds.Restarted(inner, 61)):
        assert np.array_equal(simulate_plant(demand, capacity, same, plant).rate, plain)


class _Views(field.FixedRate):
    """Keeps what it sees."""

    def reset(self):
        _Views.last, self.views = self, []

    def allowed(self, view):
        self.views.append((view.queue, view.served, list(view.sent)))
        return self.rate


@given(st.integers(0, 2**32), st.integers(1, 7), st.integers(2, 9))
def test_between_two_samples_a_controller_sees_the_last_one_and_what_was_sent_since(seed, lag, every):
    trace = simulate_plant(*_world(seed), worlds.Sampled(_Views(2.0), every), Plant(lag=lag))
    assert _Views.last.plant.lag == lag + every - 1
    for step, (queue, served, sent) in enumerate(_Views.last.views):
        sampled = step - step % every
        seen = sampled - lag
        if seen >= 0:
            first = max(sampled - every + 1 - lag, 0)
            assert np.array_equal(queue, trace.queue[seen])
            assert served == pytest.approx(trace.served[first : seen + 1].mean(axis=0))
        assert np.array_equal(np.reshape(sent, (-1, 2)), trace.rate[max(seen + 1, 0) : step])


def test_predictive_goes_by_the_age_of_each_sample():
    lag, every = 3, 4
    demand, capacity = Arena(steps=200).draw(range(2))
    trace = simulate_plant(demand, capacity, worlds.Sampled(PredictiveController(), every), Plant(lag=lag))
    by_hand = PredictiveController().start(Plant(lag=lag), ARRAY)
    frontier = np.vstack([np.zeros(2), trace.frontier[:-1]])
    for step in range(200):
        age = step % every
        seen = step - age - lag
        if age == 0 and seen >= 0:
            served = trace.served[max(seen - every + 1, 0) : seen + 1].mean(axis=0)
            by_hand.observe(trace.queue[seen], served, every)
        last = trace.rate[step - 1] if step else np.zeros(2)
        cap = by_hand.cap_now(list(trace.rate[max(seen + 1, 0) : step]), last, lag + age)
        assert trace.rate[step] == pytest.approx(np.minimum(demand[step] + frontier[step], cap), abs=1e-9)


def test_a_restart_loses_the_state():
    started = worlds.Restarted(field.PiQueue(0.0, 0.1, 2.0), 2).start(Plant())
    rates = [float(started.update(View(0.0, 3.0, 1.2, [], 0.0, 9.0))) for _ in range(4)]
    assert rates == pytest.approx([1.1, 1.0, 1.1, 1.0])


def test_the_changed_worlds():
    plain, seeds = worlds.ARENA.loads(range(3)), range(3)
    by_about = {world.about: world.loads(seeds) for world in worlds.WORLDS}
    demand, _ = by_about["requests arrive in groups of five, at the same mean rate"]
    assert np.all(demand % 5 == 0)
    assert demand.mean() == pytest.approx(plain[0].mean(), rel=0.15)
    _, capacity = by_about["the capacity is halved in every second stretch of 100 steps"]
    halved = np.arange(1000) // 100 % 2 == 1
    assert np.array_equal(capacity[halved], plain[1][halved] / 2)
    assert np.array_equal(capacity[~halved], plain[1][~halved])
    noisy = worlds.World("", service_noise=0.5)
    assert np.array_equal(noisy.loads(range(1, 3))[1], noisy.loads(seeds)[1][:, 1:])  # a run is that of its seed
    given = worlds.World("", capacity_factor=0.5, full_factor=2.0).believed(3)
    assert (given.nominal_capacity, given.most_per_s, given.queue.full_load, given.lag) == (0.6, 6.0, 20.0, 3)


def test_the_informed_reference_holds_its_queue_until_a_stall_it_cannot_see():
    demand, capacity = np.full((80, 1), 2.0), np.full((80, 1), 1.2)
    capacity[40:50] = 0.0
    trace = simulate_plant(demand, capacity, worlds.Informed(capacity, 1.5), Arena().plant(4))
    assert trace.queue[5:40] == pytest.approx(1.5)
    assert trace.queue[40:44, 0] == pytest.approx(1.5 + 1.2 * np.arange(1, 5))
    assert np.all(trace.rate[44:54] == 0)
    assert trace.queue[60:] == pytest.approx(1.5)
