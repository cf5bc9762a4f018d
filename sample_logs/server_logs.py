"""Write a quarter of an hour of a scraper and its LLM server as each tool logs it, and truth.json.

One spider fetches pages; every page is a request to a server that works on eight at a time, first come, first served.
truth.json has what each log can show: how many requests came, and how many waited at the end of each step.

    python sample_logs/server_logs.py [FOLDER]
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 4, 6, 8, 0, 0, tzinfo=UTC)
LENGTH_S = 900
PHASES = ((300, 0.9), (420, 2.2), (900, 0.6))
"""Pairs: until that second, so many pages are fetched per second."""

CONCURRENCY, SERVICE_S, SEED = 8, 6.0, 19441032
TOKENS_IN, TOKENS_OUT = 1200, 250


@dataclass(frozen=True)
class Request:
    """A request: its number, and when it arrived, was started and was finished, ms after the start."""

    number: int
    arrived: int
    started: int
    finished: int

    @property
    def task(self) -> str:
        """Id that a task queue gives it."""
        return f"{self.number:08x}-0000-4000-8000-{self.number * 7919 % (1 << 48):012x}"


def requests() -> list[Request]:
    """Every request of the quarter of an hour, by arrival."""
    draw = random.Random(SEED)  # noqa: S311 - no secret
    free = [0] * CONCURRENCY
    made = []
    now = 0.0
    while now < LENGTH_S:
        rate = next(rate for until, rate in PHASES if now < until)
        now += draw.expovariate(rate)
        arrived = round(1000 * now)
        started = max(arrived, heapq.heappop(free))
        finished = started + round(1000 * SERVICE_S * draw.uniform(0.8, 1.2))
        heapq.heappush(free, finished)
        made.append(Request(len(made), arrived, started, finished))
    return [request for request in made if request.arrived < 1000 * LENGTH_S]


def waiting(log: list[Request], at: int) -> int:
    """Number of requests that have arrived and not started at a moment, ms after the start."""
    return sum(request.arrived < at <= request.started for request in log)


def running(log: list[Request], at: int) -> int:
    """Number of requests that have started and not finished at a moment, ms after the start."""
    return sum(request.started < at <= request.finished for request in log)


def moment(ms: int) -> datetime:
    """Time of the log, from ms after the start."""
    return START + timedelta(milliseconds=ms)


def stamp(ms: int, form: str) -> str:
    return moment(ms).strftime(form)


def comma_stamp(ms: int) -> str:
    return f"{stamp(ms, '%Y-%m-%d %H:%M:%S')},{ms % 1000:03d}"


def scrapy_log(log: list[Request]) -> Iterator[str]:
    """Lines of a spider's log: pages each minute, and the closing stats."""
    spider = "scrapy.extensions.logstats"
    yield f"{stamp(0, '%Y-%m-%d %H:%M:%S')} [scrapy.core.engine] INFO: Spider opened"
    pages = 0
    for minute in range(LENGTH_S // 60 + 1):
        before, pages = pages, sum(request.arrived < 60_000 * minute for request in log)
        now, more = stamp(60_000 * minute, "%Y-%m-%d %H:%M:%S"), pages - before
        stats = f"Crawled {pages} pages (at {more} pages/min), scraped {pages} items (at {more} items/min)"
        yield f"{now} [{spider}] INFO: {stats}"
    end = f"{stamp(1000 * LENGTH_S, '%Y-%m-%d %H:%M:%S')}"
    yield f"{end} [scrapy.core.engine] INFO: Closing spider (finished)"
    yield f"{end} [scrapy.statscollectors] INFO: Dumping Scrapy stats:"
    yield f"{{'downloader/request_count': {pages},"
    yield f" 'elapsed_time_seconds': {LENGTH_S}.0,"
    yield " 'finish_reason': 'finished',"
    yield " 'finish_time': datetime.datetime(2026, 4, 6, 8, 15, 0, 0, tzinfo=datetime.timezone.utc),"
    yield f" 'item_scraped_count': {pages},"
    yield f" 'response_received_count': {pages},"
    yield f" 'scheduler/dequeued': {pages},"
    yield f" 'scheduler/enqueued': {pages},"
    yield " 'start_time': datetime.datetime(2026, 4, 6, 8, 0, 0, 0, tzinfo=datetime.timezone.utc)}"
    yield f"{end} [scrapy.core.engine] INFO: Spider closed (finished)"


def vllm_log(log: list[Request]) -> Iterator[str]:
    """Lines of a vLLM server's log: figures every ten seconds, an access line without a time per started request."""
    server = "(APIServer pid=4242)"
    yield f"{server} INFO {stamp(0, '%m-%d %H:%M:%S')} [api_server.py:1870] Starting vLLM API server 0 on http://0.0.0.0:8000"
    for second in range(10, LENGTH_S + 1, 10):
        for request in log:
            if 1000 * (second - 10) <= request.started < 1000 * second:
                port = 40000 + request.number % 20000
                yield f'{server} INFO:     127.0.0.1:{port} - "POST /v1/chat/completions HTTP/1.1" 200 OK'
        begun = sum(1000 * (second - 10) <= request.started < 1000 * second for request in log)
        done = sum(1000 * (second - 10) <= request.finished < 1000 * second for request in log)
        yield (
            f"{server} INFO {stamp(1000 * second, '%m-%d %H:%M:%S')} [loggers.py:248] Engine 000: "
            f"Avg prompt throughput: {begun * TOKENS_IN / 10:.1f} tokens/s, "
            f"Avg generation throughput: {done * TOKENS_OUT / 10:.1f} tokens/s, "
            f"Running: {running(log, 1000 * second)} reqs, Waiting: {waiting(log, 1000 * second)} reqs, "
            f"GPU KV cache usage: {running(log, 1000 * second) * 3.1:.1f}%, Prefix cache hit rate: 12.5%"
        )


def sglang_log(log: list[Request]) -> Iterator[str]:
    """Lines of an SGLang server's log: its scheduler every five seconds, an access line per started request."""
    lines = [
        (
            request.started,
            f'INFO:     127.0.0.1:{40000 + request.number % 20000} - "POST /v1/chat/completions HTTP/1.1" 200 OK',
        )
        for request in log
    ]
    lines += [
        (
            1000 * second,
            f"Decode batch, #running-req: {busy}, #token: {busy * 1400}, token usage: {busy * 0.03:.2f}, "
            f"cuda graph: True, gen throughput (token/s): {busy * 41.5:.2f}, "
            f"#queue-req: {waiting(log, 1000 * second)}, ",
        )
        for second in range(5, LENGTH_S + 1, 5)
        for busy in [running(log, 1000 * second)]
    ]
    yield from (f"[{stamp(ms, '%Y-%m-%d %H:%M:%S')}] {text}" for ms, text in sorted(lines) if ms <= 1000 * LENGTH_S)


def celery_log(log: list[Request]) -> Iterator[str]:
    """Lines of a Celery worker's log: one when a task is received, one when it is done."""
    lines = [
        (request.arrived, f"INFO/MainProcess] Task crawl.summarise[{request.task}] received") for request in log
    ] + [
        (
            request.finished,
            f"INFO/ForkPoolWorker-{request.number % CONCURRENCY + 1}] Task crawl.summarise[{request.task}] "
            f"succeeded in {(request.finished - request.started) / 1000:.3f}s: None",
        )
        for request in log
    ]
    yield from (f"[{comma_stamp(ms)}: {text}" for ms, text in sorted(lines) if ms <= 1000 * LENGTH_S)


def request_rows(log: list[Request]) -> Iterator[str]:
    """Rows of requests, in the order in which they finished."""
    yield "request_id,arrival_time,start_time,finish_time"
    for request in sorted(log, key=lambda request: request.finished):
        times = (request.arrived, request.started, request.finished)
        yield f"{request.task}," + ",".join(moment(ms).isoformat(timespec="milliseconds") for ms in times)


def prometheus_response(log: list[Request]) -> Iterator[str]:
    """Response of a Prometheus server to a query for the gauge and the counter of the LLM server."""
    seconds = range(0, LENGTH_S + 1, 10)
    begin = round(START.timestamp())
    labels = {"instance": "gpu-1:8000", "job": "vllm", "model_name": "sample", "engine": "0"}
    gauge = [[begin + second, str(waiting(log, 1000 * second))] for second in seconds]
    total = [[begin + second, str(sum(request.finished < 1000 * second for request in log))] for second in seconds]
    result = [
        {"metric": {"__name__": "vllm:num_requests_waiting", **labels}, "values": gauge},
        {"metric": {"__name__": "vllm:request_success_total", **labels}, "values": total},
    ]
    yield json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


LOGS: dict[str, Callable[[list[Request]], Iterator[str]]] = {
    "scrapy.log": scrapy_log,
    "vllm.log": vllm_log,
    "sglang.log": sglang_log,
    "celery.log": celery_log,
    "requests.csv": request_rows,
    "prometheus.json": prometheus_response,
}


def truth(log: list[Request]) -> dict[str, object]:
    """Truth of the logs per ten seconds; `waiting` and `running` are at their end."""
    ends = range(10_000, 1000 * LENGTH_S + 1, 10_000)
    return {
        "start": START.isoformat(),
        "step_s": 10,
        "requests": len(log),
        "arrived": [sum(end - 10_000 <= request.arrived < end for request in log) for end in ends],
        "started": [sum(end - 10_000 <= request.started < end for request in log) for end in ends],
        "finished": [sum(end - 10_000 <= request.finished < end for request in log) for end in ends],
        "waiting": [waiting(log, end) for end in ends],
        "running": [running(log, end) for end in ends],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the same quarter of an hour as each tool logs it.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "formats")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    log = requests()
    for name, write in LOGS.items():
        (folder / name).write_text("".join(f"{line}\n" for line in write(log)))
    (folder / "truth.json").write_text(json.dumps(truth(log)) + "\n")


if __name__ == "__main__":
    main()
