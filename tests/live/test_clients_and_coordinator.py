"""Limiters of two programs, the real coordinator and an LLM server: shares, an outage, and a program that leaves."""

import asyncio
import signal
import threading
from contextlib import contextmanager
from time import monotonic, sleep
from urllib.parse import urlsplit

import aiohttp
import pytest

from entro_cli.integrations.limiter import AsyncLimiter
from tests.fake_llm import serving
from tests.live.coordinating import coordinating


class Program:
    """A program that sends all it may. `times` is when each request went."""

    def __init__(self, coordinator, llm, weight):
        self.limiter, self.times = AsyncLimiter(coordinator.url, weight=weight), []
        self._llm, self._loop = llm, asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._send(),))
        self._thread.start()

    async def _send(self):
        unlimited = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=unlimited) as session, asyncio.TaskGroup() as group:
            try:
                while True:
                    await self.limiter.acquire()
                    self.times.append(monotonic())
                    group.create_task(self._ask(session))
            except RuntimeError:  # closed
                pass

    async def _ask(self, session):
        async with session.post(f"{self._llm.url}/v1/completions", json={"prompt": "page"}) as answer:
            await answer.read()

    def rate(self, first, after):
        """Requests per second between two times."""
        return sum(first <= each < after for each in self.times) / (after - first)

    def stop(self):
        self.limiter.close()
        self._thread.join()
        self._loop.close()


@contextmanager
def programs(coordinator, llm):
    both = [Program(coordinator, llm, weight) for weight in (2.0, 1.0)]
    try:
        yield both
    finally:
        for program in both:
            program.stop()


@pytest.mark.slow
def test_programs_share_fall_to_the_probe_rate_and_come_back(tmp_path):
    options = ("--capacity", "20", "--lease", "3s")
    with serving(rate=20.0) as llm:
        sources = ("--metrics", f"{llm.url}/metrics", *options)
        with coordinating(*sources, history=tmp_path) as coordinator, programs(coordinator, llm) as (large, small):
            sleep(8)
            now = monotonic()
            rates = [program.rate(now - 5, now) for program in (large, small)]
            assert sum(rates) == pytest.approx(20, rel=0.12)
            assert rates[0] / rates[1] == pytest.approx(2, rel=0.1)
            address = urlsplit(coordinator.url).netloc
            coordinator.process.send_signal(signal.SIGKILL)
            killed = monotonic()
            sleep(6)
            assert sum(program.rate(killed + 3.2, killed + 6) for program in (large, small)) < 1.5
            with coordinating(*sources, history=tmp_path, listen=address):
                started = monotonic()
                sleep(7)
                now = monotonic()
                for program in (large, small):
                    assert max_in(program.times, 0.25, started) <= 0.25 * 20 * 2 / 3 + 3
                assert sum(program.rate(started + 4, now) for program in (large, small)) > 15
                small.stop()
                left = monotonic()
                sleep(3)
                assert large.rate(left + 1, left + 3) > 16
    assert max(each.start - each.arrival for each in llm.requests if each.start) < 3


def max_in(times, seconds, since):
    """The largest number of requests within some seconds."""
    times = [each for each in times if each >= since]
    return max(sum(first <= each < first + seconds for each in times) for first in times)
