"""How quickly a large text log is read, beside a plain loop over its lines and counting them with rg or grep.

`python benchmarks/text_logs.py [FORMAT [MEGABYTES]]`, with the Python that entro is installed for; by default every
format there is a generator for, 1000 MB each. Every figure is of a process of its own, the better of two runs.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

READ = """
import sys
from datetime import UTC
from entro_cli.inputs import plain_log
from entro_cli.observations import ReadOptions
from entro_cli.readers.detect import read_log
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
    """How a log of a format is made.

    Attributes:
        parts: pieces of such a log, without an end.
        pattern: a regular expression of the lines that tell something, for the loop and for rg.
    """

    parts: Callable[[], Iterator[bytes]]
    pattern: str


def vllm_parts() -> Iterator[bytes]:
    """A busy server: a stats line every 10 s, 3000 access lines between two."""
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
    """A quick spider that tells of every response: 40 a second, its logstats every minute."""
    when, pages = datetime(2026, 1, 1), 0
    while True:
        lines = [
            f"{when + timedelta(seconds=second):%Y-%m-%d %H:%M:%S} [scrapy.core.engine] DEBUG: Crawled (200) "
            f"<GET https://shop.example/catalogue/{pages + 40 * second + index}?page={index}> (referer: None)\n"
            for second in range(60)
            for index in range(40)
        ]
        pages, when = pages + len(lines), when + timedelta(minutes=1)
        told = f"Crawled {pages} pages (at {len(lines)} pages/min), scraped 0 items (at 0 items/min)"
        yield "".join(lines).encode()
        yield f"{when:%Y-%m-%d %H:%M:%S} [scrapy.extensions.logstats] INFO: {told}\n".encode()


GENERATORS = {
    "vllm": Generator(vllm_parts, r'"POST /v1/chat/completions HTTP|Avg prompt throughput: '),
    "scrapy": Generator(scrapy_parts, r"DEBUG: Crawled \(200\)|INFO: Crawled [0-9]+ pages"),
}


def write_log(path: Path, generator: Generator, megabytes: int) -> int:
    """Write a log of about that size; its bytes."""
    size = 0
    with path.open("wb") as file:
        for part in generator.parts():
            size += file.write(part)
            if size >= megabytes * 10**6:
                return size
    return size


def measured(command: list[str]) -> tuple[float, float, str]:
    """The better time of two runs, s, the most memory a run took, MB, and what it printed."""
    best, most, out = float("inf"), 0.0, ""
    for _ in range(2):
        begin = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            out = process.stdout.read().strip()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, command
        best, most = min(best, time.perf_counter() - begin), max(most, usage.ru_maxrss / 1000)
    return best, most, out


def compare(name: str, folder: Path, megabytes: int) -> None:
    """Print a format's table."""
    generator, path = GENERATORS[name], folder / f"{name}.log"
    size = write_log(path, generator, megabytes) / 10**6
    count = ["rg", "-c"] if shutil.which("rg") else ["grep", "-cE"]
    commands = {
        "entro": [sys.executable, "-c", READ, str(path)],
        "loop over lines": [sys.executable, "-c", LOOP, str(path), generator.pattern],
        " ".join(count): [*count, generator.pattern, str(path)],
    }
    print(f"{name}, {size:,.0f} MB")
    own = 0.0
    for title, command in commands.items():
        seconds, memory, out = measured(command)
        own = own or seconds
        print(
            f"  {title:16} {seconds:7.2f} s {size / seconds:6.0f} MB/s {memory:5.0f} MB {seconds / own:6.2f} x  {out}"
        )
    path.unlink()


def main() -> None:
    """Print the tables."""
    names = sys.argv[1:2] or list(GENERATORS)
    megabytes = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    print(f"{platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            compare(name, Path(folder), megabytes)


if __name__ == "__main__":
    main()
