"""The coordinator without a network: leases, shares, and the cap in a simulated second after another."""

import json
import math

import numpy as np
import pytest
from msgspec.structs import replace

from entro_cli.live.clients import MAX_CLIENTS, ClientRegistry, ClientReport, TooManyClientsError
from entro_cli.live.coordinator import Coordinator, Server
from entro_cli.live.observe import Observation, newest_observation
from entro_cli.live.state_file import load_coordinator_state, save_coordinator_state
from entro_cli.timeseries.steps import Steps
from entro_engine import LLM, SCRAPER, EntroError

SERVER = Server(capacity=6.0, wait_s=10 / 1.2, budget=3.0)


def registry(*clients, cap=6.0):
    """Clients that have renewed once, as (id, weight, wanted)."""
    clients_ = ClientRegistry(10.0)
    for now in (0.0, 1.0):
        for name, weight, wanted in clients:
            clients_.renew(ClientReport(name, weight, 0.0, wanted), now)
    clients_.share_out(cap)
    return clients_


def test_shares_are_weighted_max_min_shares_of_the_wants():
    shares = registry(("slow", 1.0, 0.5), ("a", 1.0, 20.0), ("b", 3.0, 20.0))
    assert [shares.share_of(name) for name in ("slow", "a", "b")] == pytest.approx([0.5, 5.5 / 4, 3 * 5.5 / 4])


def test_what_nobody_wants_is_split_by_weight():
    shares = registry(("a", 1.0, 1.0), ("b", 2.0, 0.0))
    assert [shares.share_of("a"), shares.share_of("b")] == pytest.approx([1.0 + 5 / 3, 10 / 3])


def test_a_flood_of_new_clients_takes_nothing_from_those_that_are_there():
    shares = registry(("spider", 1.0, 50.0))
    for number in range(10 * MAX_CLIENTS):
        shares.renew(ClientReport(f"flood-{number}", 1000.0, 0.0, 1e9), 1.5)
    shares.share_out(6.0)
    assert len(shares) == MAX_CLIENTS
    assert shares.share_of("spider") == pytest.approx(6.0)
    shares.renew(ClientReport("late", 1.0, 0.0, 1.0), 1.6)  # and whoever is honest still comes in
    assert shares.renew(ClientReport("late", 1.0, 0.0, 1.0), 2.6) is False


def test_there_may_be_a_thousand_clients():
    shares = registry(*((f"c{number}", 1.0, 1.0) for number in range(MAX_CLIENTS)))
    with pytest.raises(TooManyClientsError):
        shares.renew(ClientReport("more", 1.0), 1.5)
    assert shares.renew(ClientReport("one", 1.0), 11.5) is True  # the leases of the others have run out


def test_a_client_that_is_silent_or_leaves_gives_its_share_back():
    shares = registry(("a", 1.0, 50.0), ("b", 1.0, 50.0))
    assert shares.share_of("a") == pytest.approx(3.0)
    assert (shares.leave("b"), shares.leave("b")) == (True, False)
    shares.share_out(6.0)
    assert shares.share_of("a") == pytest.approx(6.0)
    shares.expire(11.0)
    assert len(shares) == 1
    shares.expire(11.1)
    assert len(shares) == 0


def test_what_was_sent_is_counted_once_and_a_lie_is_cut():
    shares = registry(("a", 1.0, 50.0))
    shares.share_out(6.0, seconds=1.0)
    shares.renew(ClientReport("a", 1.0, 5.0, 50.0), 2.0)
    shares.renew(ClientReport("a", 1.0, 5.0, 50.0), 3.0)
    assert (shares.take_sent(), shares.take_sent()) == (5.0, 0.0)
    shares.renew(ClientReport("a", 1.0, 1e300, 50.0), 4.0)
    assert shares.take_sent() == 9.0  # twice its share for a second, and two requests, less those five
    shares.renew(ClientReport("a", 1.0, 0.0, 50.0), 5.0)  # it was started anew
    assert shares.take_sent() == 0.0


@pytest.mark.parametrize(
    "values",
    [
        {"id": ""},
        {"id": "a b"},
        {"id": "é"},
        {"id": "x" * 65},
        {"weight": 0.0},
        {"weight": float("nan")},
        {"sent": -1.0},
        {"sent": float("inf")},
        {"wanted_per_s": 2e9},
    ],
)
def test_a_report_out_of_range_is_refused(values):
    with pytest.raises(EntroError):
        replace(ClientReport("a"), **values)


def test_batches_count_whole_although_the_share_is_small():
    shares = registry(("a", 1.0, 50.0), cap=1.0)
    for second in range(10):
        shares.share_out(1.0, seconds=1.0)
        shares.renew(ClientReport("a", 1.0, 0.0, 50.0), 2.0 + second)
    shares.share_out(0.1, seconds=1.0)
    shares.renew(ClientReport("a", 1.0, 10.0, 50.0), 12.0)
    assert shares.take_sent() == 10.0


class Expected:
    """The caps by the formulas of docs/engine.md, written again: v9 at the stress threshold, and what is on its way."""

    def __init__(self, capacity=6.0, full_rate=15.0, full_queue=50.0, budget=3.0):
        self.s = self.w = capacity
        self.full_rate, self.full_queue, self.budget = full_rate, full_queue, budget
        self.energy = self.memory = self.queue = 0.0
        self.regime, self.sent = 0, []

    def observe(self, queue, served, steps):
        if queue > 0:
            self.s += (min(1 - 0.6**steps, 0.8) if steps > 1 else 0.4) * (served - self.s)
            self.w += (1 - 0.9**steps) * (served - self.w) if served > 1e-9 else 0.0
        else:
            self.s, self.w = max(self.s, served), max(self.w, served)
        self.queue = queue

    def cap(self, lag):
        since = self.sent[len(self.sent) - lag + 1 :]
        queue = self.queue
        for rate in since:
            queue = max(0.0, queue + rate - self.s)
        parts = math.log1p(self.sent[-1] * 3 / self.full_rate), math.log1p(queue * 10 / self.full_queue)
        psi, b = sum(parts), self.budget
        self.memory = 0.82 * self.memory + 0.18 * (0, 0.5, 1)[self.regime]
        self.energy = min(max(0.92 * self.energy + 0.08 * (psi - b / 2), -b / 1.5), b / 1.5)
        stress, critical = b / 2 - b / 12 * self.memory, 2.35 / 3 * b - b / 12 * self.memory
        load = psi + self.energy / 4
        self.regime = 2 if psi > b or load >= critical else 1 if load >= stress else 0
        u = -0.5 * math.tanh(2 * max(psi - stress, 0.0)) if psi else 0.0
        room = self.full_queue / 10 * (math.exp(b / 2 - math.log1p(self.w * 3 / self.full_rate)) - 1)
        bound = self.w * lag + room - self.queue - sum(since)
        probe = 0.01 * self.full_rate
        return min(max(self.s * (1.1 + u), probe), self.full_rate, max(probe, bound))


@pytest.mark.parametrize("every", [1, 2, 5, 10])
def test_the_caps_are_those_of_the_formulas(every):
    """A spider that reports once a second, with a server that is fast, stalls, and is slow."""
    clients = ClientRegistry(10.0)
    coordinator, expected = Coordinator(SERVER, clients, 1000), Expected()
    sent_in_all = reported = queue = seen_queue = 0.0
    sent, seen_step, begun = [], None, False
    for step in range(1001, 1121):
        # What was reported is of the seconds up to the one before last. The last one is taken to be like it.
        known = reported
        expected.sent = [*sent[:-1], min(sent[-2] if len(sent) > 1 else 0.0, coordinator.cap_per_s)] if sent else [0.0]
        seen = None
        if step % every == 0:
            seen = Observation(step - 1, queue)
            if begun:
                steps = step - 1 - seen_step
                arrived = sum(expected.sent[len(expected.sent) - steps :])
                expected.observe(queue, max(arrived - queue + seen_queue, 0.0) / steps, steps)
            else:
                expected.observe(queue, expected.s, 1)
            begun, seen_step, seen_queue = True, step - 1, queue
        coordinator.tick(step, seen, float(step))
        lag = step - (seen_step if begun else 999)
        assert coordinator.cap_per_s == pytest.approx(expected.cap(lag), rel=1e-9), step
        clients.renew(ClientReport("spider", 1.0, sent_in_all, 100.0), float(step))
        reported = sent_in_all
        assert known <= reported
        sent.append(clients.share_of("spider"))
        sent_in_all += sent[-1]
        serves = 0.0 if 1040 <= step < 1050 else 3.0 if step > 1080 else 6.0
        queue = max(0.0, queue + sent[-1] - serves)


class World:
    """A spider that always has more to send, a server of 6 req/s, and the coordinator between them."""

    def __init__(self, server=SERVER, state=None):
        self.clients = ClientRegistry(10.0)
        self.coordinator = Coordinator(server, self.clients, 1000)
        self.step, self.sent, self.queue, self.serves = 1000, 0.0, 0.0, 6.0
        self.queues, self.caps, self.seen_until = [], [], 999
        if state is not None:
            self.coordinator.restore(state, 1000.0)

    def run(self, seconds, every=1):
        """Let time pass; a sample is seen after every so many seconds, never with 0."""
        for _ in range(seconds):
            self.step += 1
            is_sampled = every and self.step % every == 0
            seen = Observation(self.step - 1, self.queue) if is_sampled else None
            self.coordinator.tick(self.step, seen, float(self.step))
            self.clients.renew(ClientReport("spider", 1.0, self.sent, 100.0), float(self.step))
            cap = self.clients.share_of("spider")
            self.caps.append(cap)
            self.sent += cap
            self.queue = max(0.0, self.queue + cap - self.serves)
            self.queues.append(self.queue)


def test_a_stall_of_the_server_does_not_fill_its_queue():
    world = World()
    world.run(60)
    world.serves = 0.0
    world.run(10)
    world.serves = 6.0
    world.run(60)
    assert max(world.queues[:60]) < 12
    assert max(world.queues) < 20  # it is full at 50
    assert world.sent > 0.97 * 6 * 120
    assert world.coordinator.violating_steps == 0
    assert world.coordinator.observed_steps == pytest.approx(130, abs=2)


@pytest.mark.parametrize("capacity", [6.0, None])
def test_a_queue_that_is_lost_was_not_served(capacity):
    """The server is started again, or those who wait give up."""
    world = World(replace(SERVER, capacity=capacity))
    world.run(120)
    world.queue += 600
    world.run(5)
    world.queue = 0.0
    world.run(60)
    assert max(world.queues[125:]) < 20
    assert world.coordinator.violating_steps == 5


def test_a_sample_every_ten_seconds_is_enough():
    world = World()
    world.run(200, every=10)
    assert max(world.queues) < 25
    assert world.sent > 0.95 * 6 * 200


def test_without_samples_only_the_probe_rate_is_left_until_they_are_back():
    world = World()
    world.run(30)
    world.run(40, every=0)
    assert world.coordinator.cap_per_s == pytest.approx(0.15)
    world.run(20)
    assert world.caps[-1] > 4


@pytest.mark.parametrize(("given", "longest"), [(12.0, 45), (3.0, 20), (None, 25)])
def test_a_wrong_or_unknown_capacity(given, longest):
    world = World(replace(SERVER, capacity=given))
    world.run(300)
    assert max(world.queues) < longest
    assert sum(world.caps[-100:]) / 100 == pytest.approx(6.0, rel=0.05)
    assert world.coordinator.capacity == pytest.approx(given or 6.0, rel=0.1)


def test_a_clock_that_is_set_back_hides_no_sample():
    world = World()
    world.run(30)
    world.step -= 600
    world.serves = 0.0
    world.run(20)
    assert world.caps[-1] == pytest.approx(0.15)
    assert world.coordinator.age_s((world.step + 1) * 10**9) == 2.0


def test_after_an_outage_the_next_one_is_no_longer_tolerated():
    world = World()
    world.run(30)
    world.run(100, every=0)
    world.run(5)
    world.run(20, every=0)
    assert world.coordinator.is_blind
    assert world.coordinator.regime.label == "no data"


def test_a_server_that_does_not_answer_gets_the_probe_rate():
    world = World()
    world.run(30)
    for _ in range(5):
        world.step += 1
        world.coordinator.tick(world.step, None, float(world.step), is_failing=True)
    assert world.coordinator.cap_per_s == pytest.approx(0.15)
    assert world.coordinator.regime.label == "no data"


@pytest.mark.parametrize(("given", "is_wrong"), [(6.0, False), (20.0, True), (3.0, True)])
def test_a_capacity_that_does_not_fit_is_noticed(given, is_wrong):
    world = World(replace(SERVER, capacity=given))
    world.run(100)
    assert (world.coordinator.misfit is not None) is is_wrong


@pytest.mark.parametrize(
    "change",
    [
        {"regime": 99},
        {"served_rate": -1.0},
        {"usual_rate": "fast"},
        {"clients": {"a b": 1.0}},
        {"clients": {"a": 0}},
        {"version": 2},
    ],
)
def test_a_damaged_state_is_refused(tmp_path, change):
    path = tmp_path / "coordinator.json"
    state = World().coordinator.state(5)
    save_coordinator_state(path, state)
    assert load_coordinator_state(path, 5) == state
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(EntroError, match="cannot be used"):
        load_coordinator_state(path, 5)


def test_an_old_state_gives_the_rates_only(tmp_path):
    world = World()
    world.run(60)
    save_coordinator_state(tmp_path / "state", world.coordinator.state(0))
    old = load_coordinator_state(tmp_path / "state", 2 * 3600 * 10**9)
    assert (old.clients, old.energy, old.memory) == ({}, 0.0, 0.0)
    assert old.usual_rate == world.coordinator.state(0).usual_rate


def test_a_sample_of_the_future_is_not_believed():
    stages, shape = (SCRAPER, LLM), (2, 3)
    ones = np.ones(shape)
    steps = Steps(stages, 100 * 10**9, 10**9, ones, ones, ones, ones.astype(int), ones.astype(bool))
    assert newest_observation(steps, -1, 102, True).step == 102
    assert newest_observation(steps, -1, 100, True).step == 100
    assert newest_observation(steps, -1, 99, True) is None
    assert newest_observation(steps, 102, 110, True) is None


def test_a_restart_goes_on_without_a_burst():
    world = World()
    world.run(60)
    before = world.coordinator.state(0)
    again = World(state=before)
    again.sent, again.queue = world.sent, world.queue
    again.run(30)
    assert again.caps[0] == pytest.approx(world.caps[-1], rel=0.4)
    assert max(again.caps) < 7.5
    assert max(again.queues) < 12
    assert again.coordinator.state(0).observed_steps > before.observed_steps


@pytest.mark.parametrize(("is_over", "sent"), [(True, 30.0), (False, 0.0)])
def test_a_restart_after_a_stall_recovers_as_soon_as_the_queue_is_empty(is_over, sent):
    world = World()
    world.run(60)
    world.serves = 0.0
    world.run(10)
    again = World(state=world.coordinator.state(0))
    again.queue, again.serves = (0.0, 6.0) if is_over else (world.queue, 0.0)
    again.run(6)
    assert again.sent == pytest.approx(sent, abs=6.0)
