"""Speed of reading a large text log, beside a plain loop over its lines and counting them with rg or grep.

`python benchmarks/text_logs.py [FORMAT [MEGABYTES [RUNS]]]`, with the Python that entro is installed for; by default
every format that has a generator, 1000 MB each. Every figure is the median of some runs, each in its own process.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, count
from pathlib import Path

from peers import counters
from timing import PYTHON, Command, in_turn, machine

READ = """
import sys
from datetime import UTC
from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.timeseries.observations import ReadOptions
from entro_cli.readers.registry import read_log
with plain_log(sys.argv[1]) as log:
    read = read_log(log, ReadOptions(zone=UTC))
print(read.format, read.rows_read)
"""
LOOP = """
import re, sys
pattern, rows = re.compile(sys.argv[2]), 0
with open(sys.argv[1], encoding="utf-8", errors="replace") as file:
    for line in file:
        if pattern.search(line):
            rows += 1
print("loop", rows)
"""


@dataclass(frozen=True)
class Generator:
    """Generator of logs of a format.

    Attributes:
        parts: yields pieces of such a log for ever.
        pattern: a regular expression of the lines with information, for the loop and for rg.
    """

    parts: Callable[[], Iterator[bytes]]
    pattern: str


def vllm_parts() -> Iterator[bytes]:
    """Yield the log of a busy server: a stats line every 10 s, 3000 access lines between two."""
    when, number = datetime(2026, 1, 1), 0
    while True:
        when += timedelta(seconds=10)
        access = (
            f"(APIServer pid=4711) INFO:     10.0.{number % 250}.{index % 13}:{1024 + (7 * number + index) % 60000} - "
            f'"{"GET /health" if index % 100 == 0 else "POST /v1/chat/completions"} HTTP/1.1" 200 OK\n'
            for index in range(3000)
        )
        number += 1
        yield "".join(access).encode()
        yield (
            f"(APIServer pid=4711) INFO {when:%m-%d %H:%M:%S} [loggers.py:259] Engine 000: Avg prompt throughput: "
            f"812.3 tokens/s, Avg generation throughput: 99.1 tokens/s, Running: 48 reqs, Waiting: {number % 17} reqs, "
            "GPU KV cache usage: 70.1%, Prefix cache hit rate: 12.5%\n"
        ).encode()


def scrapy_parts() -> Iterator[bytes]:
    """Yield the log of a fast spider that logs every response: 40 per second, logstats every minute."""
    when, pages = datetime(2026, 1, 1), 0
    while True:
        lines = [
            f"{when + timedelta(seconds=second):%Y-%m-%d %H:%M:%S} [scrapy.core.engine] DEBUG: Crawled (200) "
            f"<GET https://shop.example/catalogue/{pages + 40 * second + index}?page={index}> (referer: None)\n"
            for second in range(60)
            for index in range(40)
        ]
        pages, when = pages + len(lines), when + timedelta(minutes=1)
        stats = f"Crawled {pages} pages (at {len(lines)} pages/min), scraped 0 items (at 0 items/min)"
        yield "".join(lines).encode()
        yield f"{when:%Y-%m-%d %H:%M:%S} [scrapy.extensions.logstats] INFO: {stats}\n".encode()


def worker_parts(start: str, end: str) -> Iterator[bytes]:
    """Yield the log of a busy worker: 50 tasks start per second, each is done after 2 s; every line is an event."""
    begin = datetime(2026, 1, 1)
    for second in count(2):
        when, first = begin + timedelta(seconds=second), 50 * second
        pairs = ((start.format(when, number), end.format(when, number - 100)) for number in range(first, first + 50))
        yield "".join(chain.from_iterable(pairs)).encode()


_ID = "{1:08x}-0000-4000-8000-000000000000"
_CELERY = f"[{{0:%Y-%m-%d %H:%M:%S}},123: INFO/ForkPoolWorker-3] Task crawl.page[{_ID}] "
_SIDEKIQ = "{0:%Y-%m-%dT%H:%M:%S}.123Z pid=4711 tid=gk3 class=FetchJob jid={1:024x} "
_RQ = "{0:%H:%M:%S} default: "
WORKERS = {
    "celery": (f"{_CELERY}received\n", f"{_CELERY}succeeded in 2.012345678s: None\n"),
    "sidekiq": (f"{_SIDEKIQ}INFO: start\n", f"{_SIDEKIQ}elapsed=2.012 INFO: done\n"),
    "rq": (f"{_RQ}crawl.page('https://shop.example/?page=1', retry=True) ({_ID})\n", f"{_RQ}Job OK ({_ID})\n"),
}
"""Lines with which a task starts and ends."""

GENERATORS = {
    "vllm": Generator(vllm_parts, r'"POST /v1/chat/completions HTTP|Avg prompt throughput: '),
    "scrapy": Generator(scrapy_parts, r"DEBUG: Crawled \(200\)|INFO: Crawled [0-9]+ pages"),
    "celery": Generator(partial(worker_parts, *WORKERS["celery"]), r"Task [^ ]+\[[^ ]+\] (received|succeeded)"),
    "sidekiq": Generator(partial(worker_parts, *WORKERS["sidekiq"]), r"jid=[^ ]+ (elapsed=[^ ]+ )?INFO: (start|done)"),
    "rq": Generator(partial(worker_parts, *WORKERS["rq"]), r"Job OK \([^ ]+\)|default: .* \([^ ]+\)$"),
}


def write_log(path: Path, generator: Generator, megabytes: int) -> int:
    """Write a log of about that size; return its size in bytes."""
    size = 0
    with path.open("wb") as file:
        for part in generator.parts():
            size += file.write(part)
            if size >= megabytes * 10**6:
                return size
    return size


def readings(path: Path, pattern: str) -> dict[str, Command]:
    """Commands that read a log: entro, a loop over its lines, and programs that only count lines."""
    commands = {
        "entro's reader": [PYTHON, "-c", READ, str(path)],
        "a loop over lines": [PYTHON, "-c", LOOP, str(path), pattern],
        **counters(path, pattern),
    }
    return {name: Command(words, path.parent) for name, words in commands.items()}


def compare(name: str, folder: Path, megabytes: int, runs: int) -> None:
    """Print a format's table."""
    generator, path = GENERATORS[name], folder / f"{name}.log"
    size = write_log(path, generator, megabytes) / 10**6
    print(f"{name}, {size:,.0f} MB")
    found = in_turn(readings(path, generator.pattern), runs)
    own = next(iter(found.values()))
    for title, measured in found.items():
        seconds, times = measured.median_s, measured.times(own)
        speed = f"{seconds:7.2f} s {size / seconds:6.0f} MB/s {measured.peak_mb:5.0f} MB"
        print(f"  {title:18} {speed} {times:6.2f} x  {measured.out.split()[-1]}")
    path.unlink()


def main() -> None:
    """Print the tables."""
    names = sys.argv[1:2] or list(GENERATORS)
    megabytes = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    print(f"{machine('entro-cli')}; median of {runs}")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            compare(name, Path(folder), megabytes, runs)


if __name__ == "__main__":
    main()
