"""A fake LLM server with the API, the metrics page and the log of vLLM. Its capacity is known, and so are its stalls.

    python -m tests.fake_llm --rate 6 --slots 8 --stall 20:30 --seed 1 --port 0 --log llm.log --log-every 10

It serves first come, first served, `slots` requests at once, each in slots / rate seconds with noise. In a stall, which
is given in seconds since the first request, nothing is started or finished. `FakeLLM.requests` records what happened.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import localtime, strftime, time

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MODEL = "fake"
LABELS = {"model_name": MODEL, "engine": "0"}
LATENCY_BUCKETS = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680)
TOKENS = 16  # of every answer


@dataclass
class Request:
    """One request: its X-Request-Id, and times in seconds since the epoch."""

    id: str
    arrival: float
    prompt_tokens: int
    start: float | None = None
    end: float | None = None


class Metrics:
    """The part of vLLM's metrics page that a server of text shows: names, labels, help and buckets are vLLM's."""

    def __init__(self, server: FakeLLM) -> None:
        self.registry = CollectorRegistry()
        for name, text, value in (
            ("num_requests_running", "Number of requests in model execution batches.", server.running),
            ("num_requests_waiting", "Number of requests waiting to be processed.", server.waiting),
            ("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", server.cache_usage),
        ):
            self._labelled(Gauge, name, text).set_function(value)
        self.prompt_tokens = self._labelled(Counter, "prompt_tokens", "Number of prefill tokens processed.")
        self.answer_tokens = self._labelled(Counter, "generation_tokens", "Number of generation tokens processed.")
        text = "Count of successfully processed requests."
        success = Counter("vllm:request_success", text, [*LABELS, "finished_reason"], registry=self.registry)
        self.success = {reason: success.labels(*LABELS.values(), reason) for reason in ("stop", "length", "abort")}
        self.latency = self._seconds("e2e_request_latency", "e2e request latency in seconds")
        self.queue_time = self._seconds("request_queue_time", "time spent in WAITING phase for request")
        self.inference_time = self._seconds("request_inference_time", "time spent in RUNNING phase for request")

    def _labelled(self, kind, name, text, **options):
        return kind(f"vllm:{name}", text, list(LABELS), registry=self.registry, **options).labels(**LABELS)

    def _seconds(self, name, text):
        return self._labelled(Histogram, f"{name}_seconds", f"Histogram of {text}.", buckets=LATENCY_BUCKETS)

    def finished(self, request: Request) -> None:
        self.success["stop"].inc()
        self.answer_tokens.inc(TOKENS)
        self.latency.observe(request.end - request.arrival)
        self.queue_time.observe(request.start - request.arrival)
        self.inference_time.observe(request.end - request.start)


class FakeLLM:
    """The server: `requests` is what has arrived, in order, `url` its address once it is started."""

    def __init__(self, rate=6.0, slots=8, stalls=(), seed=0, noise=0.2, log=None, log_every=10.0, port=0):
        self.requests: list[Request] = []
        self.url = ""
        self._rate, self._slots, self._stalls, self._port = rate, slots, sorted(stalls), port
        self._noise, self._random = noise, random.Random(seed)
        self._started = self._ended = 0
        self._new_tokens = [0, 0]  # of prompts and answers, since the last line of the log
        self._log, self._log_every = log and Path(log), log_every
        self._metrics = Metrics(self)

    def running(self) -> int:
        return self._started - self._ended

    def waiting(self) -> int:
        return len(self.requests) - self._started

    def cache_usage(self) -> float:
        return self.running() / self._slots / 10

    async def start(self) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/metrics", self._page)
        self._queue: asyncio.Queue[tuple[Request, asyncio.Future[None]]] = asyncio.Queue()
        self._tasks = [asyncio.create_task(self._serve_slot()) for _ in range(self._slots)]
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=1024).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._tasks.append(asyncio.create_task(self._log_stats()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._runner.cleanup()

    async def _complete(self, http: web.Request) -> web.Response:
        body = await http.json()
        port = http.transport.get_extra_info("peername")[1]
        chat = "messages" in body
        prompt = str(body["messages" if chat else "prompt"])
        name = http.headers.get("X-Request-Id", f"cmpl-{len(self.requests)}")
        request = Request(name, time(), 1 + len(prompt) // 4)
        self.requests.append(request)
        served = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((request, served))
        await served
        self._line(f'INFO:     {http.remote}:{port} - "POST {http.path} HTTP/1.1" 200 OK')
        kind, answer = "text_completion", {"text": "fake"}
        if chat:
            kind, answer = "chat.completion", {"message": {"role": "assistant", "content": "fake"}}
        choices = [{"index": 0, **answer, "finish_reason": "stop"}]
        usage = {"prompt_tokens": request.prompt_tokens, "completion_tokens": TOKENS}
        return web.json_response({"id": request.id, "object": kind, "model": MODEL, "choices": choices, "usage": usage})

    async def _serve_slot(self) -> None:
        while True:
            request, served = await self._queue.get()
            request.start = await self._work(0)  # nothing is started in a stall
            self._started += 1
            self._new_tokens[0] += request.prompt_tokens
            self._metrics.prompt_tokens.inc(request.prompt_tokens)
            noise = self._random.lognormvariate(-(self._noise**2) / 2, self._noise)  # of mean 1
            request.end = await self._work(self._slots / self._rate * noise)
            self._ended += 1
            self._new_tokens[1] += TOKENS
            self._metrics.finished(request)
            if not served.done():  # a client that went away cancels it
                served.set_result(None)

    async def _work(self, seconds: float) -> float:
        """Sleep for seconds of work: the time of stalls does not count. Return when it was done."""
        first_arrival = self.requests[0].arrival
        begin = time() - first_arrival
        end = begin + seconds
        for first, after in self._stalls:
            if first <= end and begin < after:
                end += after - max(begin, first)
        await asyncio.sleep(end - begin)
        while True:  # a busy machine may wake it late, in a stall
            now = time() - first_arrival
            left = max((after - now for first, after in self._stalls if first <= now < after), default=0)
            if not left:
                return first_arrival + now
            await asyncio.sleep(left)

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _log_stats(self) -> None:
        """Write the lines of LoggingStatLogger. Like vLLM, it is silent from the second idle interval on."""
        busy_before = False
        while True:
            await asyncio.sleep(self._log_every)
            prompt, answer = (tokens / self._log_every for tokens in self._new_tokens)
            self._new_tokens = [0, 0]
            busy = bool(prompt or answer)
            if busy or busy_before:
                self._line(
                    f"INFO {strftime('%m-%d %H:%M:%S', localtime())} [loggers.py:273] Engine 000: "
                    f"Avg prompt throughput: {prompt:.1f} tokens/s, Avg generation throughput: {answer:.1f} tokens/s, "
                    f"Running: {self.running()} reqs, Waiting: {self.waiting()} reqs, "
                    f"GPU KV cache usage: {100 * self.cache_usage():.1f}%, Prefix cache hit rate: 0.0%"
                )
            busy_before = busy

    def _line(self, text: str) -> None:
        if self._log:
            with self._log.open("a") as log:
                log.write(f"(APIServer pid=1) {text}\n")


@contextmanager
def serving(**options) -> Iterator[FakeLLM]:
    """A server in a thread of its own. The options are those of FakeLLM."""
    server, loop = FakeLLM(**options), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=float, default=6.0, help="requests per second it can serve")
    parser.add_argument("--slots", type=int, default=8, help="requests it runs at once")
    parser.add_argument("--stall", action="append", default=[], dest="stalls", metavar="FIRST:AFTER", help="in s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log")
    parser.add_argument("--log-every", type=float, default=10.0, help="seconds between two lines")
    options = vars(parser.parse_args())
    options["stalls"] = [tuple(map(float, each.split(":"))) for each in options["stalls"]]
    server = FakeLLM(**options)
    await server.start()
    print(server.url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
