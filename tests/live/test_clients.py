"""The clients of the coordinator, against one that answers as a test wants."""

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from entro_cli.integrations import token_bucket
from entro_cli.integrations.client import CoordinatorClient
from entro_cli.integrations.limiter import AsyncLimiter, Limiter
from tests.alerts.dripping import dripping
from tests.live.coordinator_stub import Coordinator, coordinator
from tests.marks import slow

pytestmark = pytest.mark.slow  # real seconds pass; test_scrapy_client.py and test_coordinate.py try the clients quickly
ROOT = Path(__file__).parents[2]


@pytest.fixture
def client():
    """Makes clients, and closes them."""
    made = []

    def make(stub, kind=CoordinatorClient, **options):
        made.append(kind(stub.url, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def grants_of(client, count, n=1.0):
    """Ask for `count` permissions; a list that grows by the time of each."""
    times = []
    for _ in range(count):
        client.request(n).add_done_callback(lambda _: times.append(time.monotonic()))
    return times


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def run_program(stub, program, **variables):
    """Run a program of a user in a process of its own."""
    environment = {**os.environ, "ENTRO_COORDINATOR": stub.url, **variables}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)


def in_threads(limiter, count):
    times = []

    def work():
        while len(times) < count:
            limiter.acquire()
            times.append(time.monotonic())

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(work)
    return sorted(times)


def in_tasks(limiter, count):
    times = []

    async def work():
        async with limiter:
            times.append(time.monotonic())

    async def main():
        await asyncio.gather(*(work() for _ in range(count)))

    asyncio.run(main())
    return times


@pytest.mark.parametrize(("kind", "run"), [(Limiter, in_threads), (AsyncLimiter, in_tasks)], ids=["threads", "asyncio"])
@pytest.mark.parametrize("cap", [8.0, slow(300.0)])
def test_the_rate_is_held(client, kind, run, cap):
    with coordinator(cap=cap) as stub:
        limiter = client(stub, kind)
        times = run(limiter, round(2.5 * cap))
    rate = (len(times) - 1) / (times[-1] - times[0])
    assert cap * 0.95 < rate < cap * 1.05


def test_late_wake_ups_lose_no_rate(monkeypatch):
    """On a clock that is ten times as fast, every wake-up is late: at most ten times a second."""
    monkeypatch.setattr(token_bucket, "monotonic", lambda: 10 * time.monotonic())
    bucket = token_bucket.TokenBucket(lambda: 0.8)
    try:
        started = time.monotonic()
        permissions = [bucket.request(1.0) for _ in range(12)]
        permissions[-1].result(20)
        assert 10 * (time.monotonic() - started) == pytest.approx(12 / 0.8, abs=1.5)
    finally:
        bucket.close()


def test_a_raised_cap_is_used_at_once(client):
    with coordinator(cap=0.01) as stub:
        one = client(stub)
        times = grants_of(one, 10)
        stub.wait_for(lambda: stub.renewals)
        stub.set(100.0)
        stub.wait_for(lambda: len(stub.renewals) > 1)
        wait_until(lambda: len(times) == 10)
        assert times[0] - stub.renewals[1][0] < 0.2
        assert times[-1] - times[0] < 0.3


@pytest.mark.slow
def test_a_lowered_cap_holds_at_once(client):
    with coordinator(cap=100.0) as stub:
        times = grants_of(client(stub), 1000)
        wait_until(lambda: len(times) > 20)
        stub.set(0.0)
        stub.wait_for(lambda: stub.renewals[-1][0] > times[20] + 1.5)
        count, renewals = len(times), len(stub.renewals)
        stub.wait_for(lambda: len(stub.renewals) > renewals)
        assert len(times) == count


@pytest.mark.slow
def test_an_outage_means_the_probe_rate_and_then_the_cap_again_without_a_burst(client, caplog):
    caplog.set_level(logging.INFO, "entro")
    with coordinator(cap=40.0, probe=4.0, lease_s=1.5, token="hush") as stub:
        times = grants_of(client(stub, token="hush"), 10_000)
        wait_until(lambda: len(times) > 20)
        asked, _ = stub.renewals[-1]
        stub.stop()
        wait_until(lambda: caplog.messages)
        lost = time.monotonic()
        assert lost > asked + 1.4
        wait_until(lambda: time.monotonic() > lost + 2)
        during = [each for each in times if each > lost]
        assert 6 <= len(during) <= 10
        stub.start()
        stub.wait_for(lambda: stub.renewals[-1][0] > lost)
        back = stub.renewals[-1][0]
        wait_until(lambda: times[-1] > back + 1)
        after = [each for each in times if back + 0.2 < each < back + 1]
        assert 0.8 * 40 * 0.9 < len(after) < 0.8 * 40 * 1.1
        assert most_in(times, 0.25) <= 2 * 0.25 * 40 + 2
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "at most 4 requests/s" in caplog.messages[0]
    assert "hush" not in caplog.text


def most_in(times, seconds):
    """The largest number of grants within some seconds."""
    return max(sum(first <= each < first + seconds for each in times) for first in times)


def test_the_warning_names_the_cause(client, caplog):
    times = grants_of(client(Coordinator()), 1)  # at port 0 nobody listens
    wait_until(lambda: caplog.messages)
    assert caplog.messages[0].endswith("at most 0.03 requests/s")
    assert re.search(r"\((ConnectionRefusedError|OSError)\)", caplog.messages[0])
    assert times == []


@pytest.mark.slow
def test_one_missed_renewal_is_no_loss(client, caplog):
    with coordinator(cap=50.0, probe=0.0) as stub:
        one = client(stub)
        grants_of(one, 1)
        stub.wait_for(lambda: stub.renewals)
        good, stub.answer = stub.answer, 500
        stub.wait_for(lambda: len(stub.renewals) > 1)
        times = grants_of(one, 10)
        wait_until(lambda: len(times) == 10)
        stub.answer = good
        stub.wait_for(lambda: len(stub.renewals) > 2)
    assert caplog.messages == []


def test_what_is_not_used_does_not_accumulate(client):
    with coordinator(cap=40.0) as stub:
        one = client(stub)
        grants_of(one, 1)
        stub.wait_for(lambda: len(stub.renewals) > 1)
        times = grants_of(one, 30)
        wait_until(lambda: len(times) == 30)
        assert 9 <= sum(each < times[0] + 0.02 for each in times) <= 12
        assert times[-1] - times[0] > 0.45


HOSTILE = {
    "text": b"cap: 5",
    "nothing": b"",
    "a list": b"[1, 2]",
    "a number": b"5",
    "no lease": b'{"cap_per_s": 5, "probe_per_s": 5}',
    "NaN": b'{"cap_per_s": NaN, "probe_per_s": 5, "lease_s": 10}',
    "infinite": b'{"cap_per_s": Infinity, "probe_per_s": 5, "lease_s": 10}',
    "infinite by its size": b'{"cap_per_s": 1e999, "probe_per_s": 5, "lease_s": 10}',
    "an integer beyond floats": b'{"cap_per_s": 1' + 400 * b"0" + b', "probe_per_s": 5, "lease_s": 10}',
    "negative": b'{"cap_per_s": -5, "probe_per_s": 5, "lease_s": 10}',
    "a text as number": b'{"cap_per_s": "5", "probe_per_s": 5, "lease_s": 10}',
    "true": b'{"cap_per_s": true, "probe_per_s": 5, "lease_s": 10}',
    "nested": b"[" * 60_000,
    "large": b'{"cap_per_s": 500, "probe_per_s": 5, "lease_s": 10, "more": "' + 100_000 * b"x" + b'"}',
    "not UTF-8": b"\xff\xfe\x00",
    "an error": 500,
    "a refusal": 403,
    "a redirect": 302,
    "no answer": lambda: None,
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_a_bad_answer_counts_as_none(client, caplog, answer):
    with coordinator(cap=500.0) as generous, coordinator() as stub:
        stub.answer, stub.elsewhere = answer, f"{generous.url}/clients"
        times = grants_of(client(stub), 5)
        wait_until(lambda: caplog.messages)
        assert re.fullmatch(r"no coordinator at \S+ \([\w ]+\): at most 0.03 requests/s", caplog.messages[0])
        assert generous.renewals == []
        assert times == []


@pytest.mark.slow
def test_a_silent_coordinator_is_given_up_and_the_program_goes_on(client, caplog):
    with coordinator() as stub:
        silent = threading.Event()
        stub.answer = silent.wait
        try:
            started = time.monotonic()
            grants_of(client(stub), 1)
            wait_until(lambda: caplog.messages)
            assert 1.9 < time.monotonic() - started < 3
            assert "TimeoutError" in caplog.messages[0]
        finally:
            silent.set()


@pytest.mark.parametrize("begins", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["headers", "body"])
def test_a_coordinator_that_drips_is_given_up(client, caplog, monkeypatch, begins):
    monkeypatch.setattr("entro_cli.integrations.client._TIMEOUT_S", 0.2)
    with dripping(begins) as port:
        grants_of(client(SimpleNamespace(url=f"http://127.0.0.1:{port}")), 1)
        wait_until(lambda: caplog.messages, 5)


def test_the_token_is_sent_and_never_shown(client, caplog, monkeypatch):
    with coordinator(token="open sesame") as stub:
        monkeypatch.setenv("ENTRO_TOKEN", "open sesame\n")
        client(stub).request().result(20)
        monkeypatch.setenv("ENTRO_TOKEN", "guess\nX-More: 1")
        grants_of(client(stub), 1)
        wait_until(lambda: caplog.messages)
        grants_of(client(stub, token="guess"), 1)
        wait_until(lambda: len(caplog.messages) == 2)
    assert "HTTP 401" in caplog.messages[1]
    assert "guess" not in caplog.text


def test_proxies_are_not_used():
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://127.0.0.1:1")
    with coordinator() as stub:
        run_program(stub, WITH_THE_END, **proxies, no_proxy="", NO_PROXY="")
        assert len(stub.left) == 1


@pytest.mark.slow
def test_what_the_coordinator_learns(client):
    with coordinator(cap=20.0) as stub:
        one = client(stub, name="my spider/1", weight=2.5)
        one.backlog = 70.0
        times = grants_of(one, 5)
        wait_until(lambda: len(times) == 5)
        grants_of(one, 10, n=1000.0)
        stub.wait_for(lambda: stub.renewals[-1][1]["sent"] == 5)
        one.give_back(3.0)
        renewals = len(stub.renewals)
        stub.wait_for(lambda: len(stub.renewals) > renewals)
        documents = [document for _, document in stub.renewals]
    assert re.fullmatch(r"my-spider-1-[0-9a-f]{12}", documents[0]["id"])
    assert {document["id"] for document in documents} == {one.id}
    assert {document["weight"] for document in documents} == {2.5}
    sent = [document["sent"] for document in documents]
    assert sent == sorted(sent)
    assert sent[-1] == 5
    assert documents[-1]["wanted_per_s"] == pytest.approx(10_070, abs=3)


def test_first_come_first_served_over_threads_and_tasks(client):
    with coordinator(cap=50.0) as stub:
        one, order = client(stub, AsyncLimiter), []

        async def asker(name):
            await one.acquire()
            order.append(name)

        async def main():
            tasks = []
            for name in range(0, 20, 2):
                tasks.append(asyncio.create_task(asker(name)))
                await asyncio.sleep(0)
                one.request().add_done_callback(lambda _, name=name + 1: order.append(name))
            await asyncio.gather(*tasks)

        asyncio.run(main())
        wait_until(lambda: len(order) == 20)
    assert [name for name in order if name % 2 == 0] == list(range(0, 20, 2))
    assert [name for name in order if name % 2 == 1] == list(range(1, 20, 2))
    # An event loop may take notice a little later than a thread.
    assert all(abs(order.index(name) - name) <= 4 for name in order), order


def test_several_requests_at_once_wait_for_as_many_permissions(client):
    with coordinator(cap=20.0) as stub:
        one = client(stub)
        one.request().result(20)
        times = grants_of(one, 3, n=10.0)
        one.request(0.0).result(0)  # makes no request: passes by those that wait
        wait_until(lambda: len(times) == 3)
        first, second, third = times
        assert second - first == pytest.approx(0.5, abs=0.1)
        assert third - second == pytest.approx(0.5, abs=0.1)
        for n in (-1.0, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="at least 0"):
                one.request(n)


def test_who_is_cancelled_leaves_the_queue(client):
    with coordinator(cap=20.0) as stub:
        limiter = client(stub, AsyncLimiter)

        async def main():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(limiter.acquire(1e6), 0.3)
            await asyncio.wait_for(limiter.acquire(), 5)

        asyncio.run(main())
        asyncio.run(main())  # another event loop


def test_permission_that_was_not_used_goes_back(client):
    with coordinator(cap=0.0, probe=0.0) as stub:
        one = client(stub)
        times = grants_of(one, 4)
        one.give_back(3.0)
        wait_until(lambda: len(times) == 2)  # at most one unused beside the one that is waited for
        stub.wait_for(lambda: len(stub.renewals) > 1)
        assert len(times) == 2


def test_closing_leaves_and_releases_who_waits(client):
    with coordinator(cap=0.0) as stub:
        limiter = client(stub, Limiter)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(limiter.acquire)
            stub.wait_for(lambda: stub.renewals)
            limiter.close()
            with pytest.raises(RuntimeError, match="closed"):
                waiting.result(5)
        assert stub.left == [limiter.id]
        renewals = len(stub.renewals)
        with pytest.raises(RuntimeError, match="closed"):
            limiter.acquire()
        limiter.close()
        assert (len(stub.renewals), len(stub.left)) == (renewals, 1)


WITH_THE_END = """
from entro_cli.integrations.limiter import Limiter
limiter = Limiter(name="ends")
with limiter:
    print(limiter.id)
"""

FORKS = """
import os, sys
from entro_cli.integrations.limiter import Limiter
limiter = Limiter()
limiter.acquire()
ids = {limiter.id}
for _ in range(3):
    reading, writing = os.pipe()
    if os.fork() == 0:
        limiter.acquire()
        os.write(writing, limiter.id.encode())
        os._exit(0)
    os.wait()
    ids.add(os.read(reading, 100).decode())
if os.fork() == 0:  # does not use it, so is no client
    sys.exit()
os.wait()
limiter.acquire()
print(*ids)
"""


def test_a_program_that_ends_leaves():
    with coordinator() as stub:
        assert stub.left == [] != [run_program(stub, WITH_THE_END).stdout.strip()] == stub.left


def test_a_forked_process_is_a_client_of_its_own():
    with coordinator() as stub:
        ids = set(run_program(stub, FORKS).stdout.split())
        assert len(ids) == 4
        assert stub.ids == ids
        assert len(stub.left) == 1


def test_ctrl_c_ends_who_waits():
    program = "from entro_cli.integrations.limiter import Limiter\nLimiter().acquire()"
    with coordinator(cap=0.0) as stub:
        environment = {**os.environ, "ENTRO_COORDINATOR": stub.url}
        with subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE) as process:
            stub.wait_for(lambda: stub.renewals)
            process.send_signal(signal.SIGINT)
            assert b"KeyboardInterrupt" in process.communicate(timeout=20)[1]
        assert len(stub.left) == 1


def test_a_client_brings_nothing_into_the_program():
    program = """
import sys
before = set(sys.modules)
import entro_cli.integrations.limiter
added = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*added - sys.stdlib_module_names)
"""
    assert run_program(Coordinator(), program).stdout.split() == ["entro_cli"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "file:///etc/passwd"}, "looks like http://HOST:PORT"),
        ({"url": "127.0.0.1:8517"}, "looks like http://HOST:PORT"),
        ({"url": "http://user:hush@example.org"}, "looks like http://HOST:PORT"),
        ({"weight": 0.0}, "above 0"),
        ({"weight": float("nan")}, "above 0"),
    ],
)
def test_unusable_arguments_are_an_error_at_the_start(options, message):
    with pytest.raises(ValueError, match=message) as raised:
        Limiter(**options)
    assert "hush" not in str(raised.value)


def test_the_example_of_the_page_runs():
    (program,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "asyncio.md").read_text(encoding="utf-8"), re.DOTALL
    )
    with coordinator(cap=20.0) as stub:
        shown = run_program(stub, program).stdout.splitlines()
        assert sorted(shown) == sorted(f"sent {page}" for page in range(20))
        assert re.fullmatch(r"reader-[0-9a-f]{12}", stub.left[0])
