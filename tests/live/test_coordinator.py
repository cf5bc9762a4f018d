"""The coordinator without a network: leases, shares, and the cap in a simulated second after another."""

from dataclasses import replace

import pytest

from entro_cli.live.clients import MAX_CLIENTS, ClientRegistry, ClientReport, TooManyClientsError
from entro_cli.live.coordinator import Coordinator, Server
from entro_cli.live.observe import Observation
from entro_engine import EntroError

SERVER = Server(capacity=6.0, wait_s=10 / 1.2, budget=3.0, alpha=0.5, beta=2.0)


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
    shares.renew(ClientReport("a", 1.0, 5.0, 50.0), 2.0)
    shares.renew(ClientReport("a", 1.0, 5.0, 50.0), 3.0)
    assert (shares.take_sent(), shares.take_sent()) == (5.0, 0.0)
    shares.renew(ClientReport("a", 1.0, 1e300, 50.0), 4.0)
    assert shares.take_sent() == 14.0  # twice its share for a second, and one request
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


@pytest.mark.parametrize(("told", "longest"), [(12.0, 45), (3.0, 20), (None, 25)])
def test_a_wrong_or_unknown_capacity(told, longest):
    world = World(replace(SERVER, capacity=told))
    world.run(300)
    assert max(world.queues) < longest
    assert sum(world.caps[-100:]) / 100 == pytest.approx(6.0, rel=0.05)
    assert world.coordinator.capacity == pytest.approx(told or 6.0, rel=0.1)


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
