"""The fake LLM server: a capacity that is known, and the page and the log of a real vLLM."""

import asyncio
import urllib.request
from time import monotonic, sleep

import aiohttp
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fake_llm import serving
from tests.running import entro

# vllm/v1/metrics/loggers.py of vLLM 0.11 (commit 005a810bc40faa25b8870fbc8559c3462581eee3): type and help of each.
VLLM = {
    "vllm:num_requests_running": ("gauge", "Number of requests in model execution batches."),
    "vllm:num_requests_waiting": ("gauge", "Number of requests waiting to be processed."),
    "vllm:kv_cache_usage_perc": ("gauge", "KV-cache usage. 1 means 100 percent usage."),
    "vllm:prompt_tokens": ("counter", "Number of prefill tokens processed."),
    "vllm:generation_tokens": ("counter", "Number of generation tokens processed."),
    "vllm:request_success": ("counter", "Count of successfully processed requests."),
    "vllm:e2e_request_latency_seconds": ("histogram", "Histogram of e2e request latency in seconds."),
    "vllm:request_queue_time_seconds": ("histogram", "Histogram of time spent in WAITING phase for request."),
    "vllm:request_inference_time_seconds": ("histogram", "Histogram of time spent in RUNNING phase for request."),
}


def send(url, numbers):
    """Post them all at once; return the answers."""

    async def post(session, number):
        headers = {"X-Request-Id": f"page-{number}"}
        async with session.post(f"{url}/v1/completions", json={"prompt": "x" * 40}, headers=headers) as answer:
            return await answer.json()

    async def post_all():
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            return await asyncio.gather(*(post(session, number) for number in numbers))

    return asyncio.run(post_all())


def page(url):
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        return {family.name: family for family in text_string_to_metric_families(answer.read().decode())}


@pytest.mark.slow
def test_capacity_slots_order_and_stall():
    with serving(rate=40, slots=4, stalls=[(0.5, 1.5)], noise=0.1, seed=3) as server:
        answers = send(server.url, range(60))
    assert {answer["id"] for answer in answers} == {f"page-{number}" for number in range(60)}
    started = np.array([each.start for each in server.requests]) - server.requests[0].arrival
    ended = np.array([each.end for each in server.requests]) - server.requests[0].arrival
    assert (np.diff(started) >= 0).all()  # first come, first served
    assert max(np.sum((started <= moment) & (ended > moment)) for moment in started) == 4
    assert not ((started > 0.5) & (started < 1.5)).any()
    assert not ((ended > 0.5) & (ended < 1.5)).any()
    assert ended.max() == pytest.approx(60 / 40 + 1, rel=0.15)


def test_the_metrics_page_is_vllms():
    with serving(rate=20, slots=2) as server:
        send(server.url, range(5))
        families = page(server.url)
    found = {name: (each.type, each.documentation) for name, each in families.items() if not name.endswith("_created")}
    assert found == VLLM
    labels = {frozenset(sample.labels) - {"le"} for each in families.values() for sample in each.samples}
    assert labels == {frozenset({"engine", "model_name"}), frozenset({"engine", "model_name", "finished_reason"})}
    success = {sample.labels["finished_reason"]: sample.value for sample in families["vllm:request_success"].samples}
    assert {sample.name for sample in families["vllm:request_success"].samples} >= {"vllm:request_success_total"}
    assert set(success) == {"stop", "length", "abort"}


@pytest.mark.slow
def test_what_started_is_what_succeeded_and_what_runs():
    """VLLM counts no arrivals and no starts: they follow from the two gauges and the successes."""
    with serving(rate=4, slots=2, noise=0, stalls=[(0.6, 1.6)]) as server:
        thread = asyncio.to_thread(send, server.url, range(6))

        async def look():
            sending = asyncio.ensure_future(thread)
            deadline = monotonic() + 10
            while len(server.requests) < 6 or not any(each.end for each in server.requests):
                assert monotonic() < deadline
                await asyncio.sleep(0.01)
            families = await asyncio.to_thread(page, server.url)
            await sending
            return families

        families = asyncio.run(look())
    value = {
        name: sum(sample.value for sample in families[name].samples if not sample.name.endswith("_created"))
        for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:request_success")
    }
    assert value == dict.fromkeys(value, 2)


@pytest.mark.slow
def test_entro_reads_the_log(tmp_path):
    """Lines come while there is work and once after it, as the real logger writes them."""
    log = tmp_path / "llm.log"
    with serving(rate=5, slots=2, log=log, log_every=1) as server:
        send(server.url, range(10))
        lines = log.read_text().count("loggers.py")
        deadline = monotonic() + 5
        while log.read_text().count("loggers.py") < lines + 1:
            assert monotonic() < deadline
            sleep(0.02)
    text = log.read_text()
    assert text.count('"POST /v1/completions HTTP/1.1" 200 OK') == 10
    assert "Running: 2 reqs, Waiting: " in text
    found = entro("analyze", log, "--json")
    assert found.status == 0, found.err
    assert '"vllm"' in found.out
