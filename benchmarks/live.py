"""Measure live coordination on real parts: Scrapy or Celery, nginx, Redis, `entro coordinate`, and a fake LLM server.

    python benchmarks/live.py [--seeds 1 2] [--pages 360] [--rows coordinated celery] [--json | --out docs/live.md]

Each row crawls the pages anew. Every page is one request to a server of 6 req/s, which stalls once for 10 s. The seed
moves the stall, the time of each answer and the sizes of pages. What is counted comes from the server's own record and
from nginx's access log, in steps of 1 s from the first page on, with the full loads of docs/engine.md.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, sleep, time

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from entro_engine import LLM, SCRAPER, replay_loads  # noqa: E402
from tests.fake_llm import FakeLLM, serving  # noqa: E402

BIN = Path(sys.executable).parent
CAPACITY, STALL_S = 6.0, 10.0
MIDDLEWARE = {"DOWNLOADER_MIDDLEWARES": {"entro_cli.integrations.scrapy.EntroMiddleware": 650}}
METRICS = ("--metrics", "{metrics}")
KNOWN = (*METRICS, "--capacity", str(CAPACITY))


@dataclass(frozen=True)
class Crawl:
    """One spider."""

    share: float = 1.0  # of the pages
    pages_per_s: float | None = None  # how fast it finds links; None: at once
    weight: float = 1.0  # at the coordinator


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        coordinate: arguments of `entro coordinate`; empty: there is no coordinator.
        settings: of Scrapy.
        wait: whether the item pipeline waits for each answer.
        spiders: the spiders that crawl at once; none: Celery does the work.
        outage_s: how long the coordinator is gone: it is killed in mid-crawl, and started again.
    """

    title: str
    coordinate: tuple[str, ...] = ()
    settings: dict[str, object] = field(default_factory=dict)
    wait: bool = False
    spiders: tuple[Crawl, ...] = (Crawl(),)
    outage_s: float = 0.0


ROWS = {
    "none": Row("no control"),
    "autothrottle": Row("AutoThrottle", settings={"AUTOTHROTTLE_ENABLED": True}),
    "delay": Row(
        "DOWNLOAD_DELAY = 1 / capacity", settings={"DOWNLOAD_DELAY": 1 / CAPACITY, "DOWNLOAD_DELAY_JITTER": 0}
    ),
    "await": Row("await the server in the item pipeline", wait=True),
    "coordinated": Row("coordinated", KNOWN),
    "celery": Row("coordinated Celery workers", KNOWN, spiders=()),
    "log": Row("coordinated from a log, a line every 10 s", ("{log}", "--capacity", str(CAPACITY))),
    "twice": Row("coordinated, twice the capacity given", (*METRICS, "--capacity", str(2 * CAPACITY))),
    "half": Row("coordinated, half the capacity given", (*METRICS, "--capacity", str(CAPACITY / 2))),
    "learned": Row("coordinated, capacity learned", METRICS),
    "two": Row("coordinated, two spiders", KNOWN, spiders=(Crawl(2 / 3), Crawl(1 / 3, 2.0))),
    "weights": Row(
        "coordinated, two spiders, weights 3 and 1", KNOWN, spiders=(Crawl(3 / 4, weight=3.0), Crawl(1 / 4, 2.0))
    ),
    "killed": Row("coordinator killed for 10 s", KNOWN, outage_s=10.0),
    "killed20": Row("coordinator killed for 20 s", KNOWN, outage_s=20.0),
}


@dataclass(frozen=True)
class Result:
    """The figures of a row with a seed."""

    row: str
    seed: int
    steps: int
    over: int
    longest_queue: int
    p95_wait_s: float
    total_s: float
    lost: int
    twice: int
    caps: tuple[float, float] | None = None
    notes: str = ""


@dataclass
class Trace:
    """The course in steps of 1 s: answers of GET /cap, and what the server recorded."""

    begin: float = 0.0
    sent: list[float] = field(default_factory=list)
    queue: list[float] = field(default_factory=list)
    coupled_load: list[float] = field(default_factory=list)
    caps: list[tuple[float, dict[str, object] | None]] = field(default_factory=list)


def wait_for(there: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    deadline = monotonic() + seconds
    while not there():
        if monotonic() > deadline:
            raise SystemExit(f"{what} after {seconds} s")
        sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextmanager
def program(log: Path, *command: object, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program beside this one. It ends with the block, and with this process however that ends."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENTRO_")}
    environment |= {"ENTRO_CONFIG": os.devnull, **variables}
    words = ["setpriv", "--pdeathsig", "KILL", *map(str, command)]
    with log.open("ab") as out:
        process = subprocess.Popen(
            words, cwd=Path(__file__).parent, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def die_with_parent() -> None:
    """Be killed when the process that started this one ends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


@contextmanager
def website(folder: Path, shares: list[float], pages: int, seed: int) -> Iterator[str]:
    """Serve pages of 16 to 80 kB with nginx, and for each share a page that links to that part of them."""
    sizes = random.Random(seed)
    site, port = folder / "site", free_port()
    site.mkdir()
    paths = [f"/page-{number}.html" for number in range(pages)]
    for path in paths:
        (site / path[1:]).write_text(f"<html><body>{'<p>text</p>' * sizes.randint(1500, 7500)}</body></html>")
    first = 0
    for number, share in enumerate(shares):
        links = "".join(f'<a href="{path}">page</a>' for path in paths[first : first + round(share * pages)])
        (site / f"index-{number}.html").write_text(f"<html><body>{links}</body></html>")
        first += round(share * pages)
    scratch = "".join(
        f"{kind}_temp_path {folder}/temp; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}}\n"
        f"http {{ {scratch} log_format times '$msec $uri $status'; access_log {folder}/access.log times;\n"
        f"types {{ text/html html; }} server {{ listen 127.0.0.1:{port}; root {site}; }} }}\n"
    )
    with program(folder / "nginx.out", "nginx", "-p", folder, "-c", folder / "nginx.conf"):
        wait_for(lambda: listens(port), "nginx does not listen")
        yield f"http://127.0.0.1:{port}"


class Coordinator:
    """`entro coordinate` at a fixed port, which can be killed and started again. Its cap is recorded."""

    def __init__(self, arguments: list[str], folder: Path, trace: Trace) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        history = ("--history", folder / "history", "--pipeline", "bench")
        self._command = [BIN / "entro", "coordinate", *arguments, *history]
        self._log, self._trace, self._stack, self._over = (
            folder / "coordinator.log",
            trace,
            ExitStack(),
            threading.Event(),
        )
        self._asking = threading.Thread(target=self._ask)

    def __enter__(self) -> Coordinator:
        self.start()
        self._asking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._asking.join()
        self.kill()

    def start(self) -> None:
        self._stack.enter_context(program(self._log, *self._command, "--listen", f"127.0.0.1:{self.port}"))
        wait_for(lambda: listens(self.port), "entro coordinate does not listen")

    def kill(self) -> None:
        self._stack.close()

    def _ask(self) -> None:
        while not self._over.wait(0.5):
            answer = None
            with suppress(OSError, ValueError), urllib.request.urlopen(f"{self.url}/cap", timeout=2) as response:
                answer = json.load(response)
            self._trace.caps.append((time(), answer))


def measure(name: str, seed: int, pages: int, wait_s: float) -> tuple[Result, Trace]:
    """Run one row."""
    row, trace = ROWS[name], Trace()
    begin = random.Random(seed).uniform(0.2, 0.35) * pages / CAPACITY
    stall = (begin, begin + min(STALL_S, pages / 36))
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        log = folder / "llm.log" if "{log}" in row.coordinate else None
        llm = stack.enter_context(serving(rate=CAPACITY, slots=8, stalls=[stall], seed=seed, log=log))
        shares = [spider.share for spider in row.spiders] or [1.0]
        site = stack.enter_context(website(folder, shares, pages, seed))
        coordinator = None
        if row.coordinate:
            arguments = [word.format(metrics=f"{llm.url}/metrics", log=log) for word in row.coordinate]
            arguments += ["--target-wait", f"{wait_s:.4f}s"]
            coordinator = stack.enter_context(Coordinator(arguments, folder, trace))
        start = start_spiders if row.spiders else start_celery
        crawls = start(stack, row, folder, site, llm, coordinator.url if coordinator else "")
        outage = wait_until_done(crawls, llm, pages, coordinator, row.outage_s)
        if row.spiders:
            print((folder / "crawl.log").read_text(), end="", file=sys.stderr)
        result = figures(name, seed, pages, wait_s, llm, (folder / "access.log").read_text(), trace)
        if outage:
            result = replace(result, notes=outage_notes(llm, *outage))
        if len(row.spiders) > 1:
            result = replace(result, notes=share_notes(row, llm, pages))
    return result, trace


def start_spiders(
    stack: ExitStack, row: Row, folder: Path, site: str, llm: FakeLLM, coordinator: str
) -> list[subprocess.Popen[bytes]]:
    crawls = []
    for number, spider in enumerate(row.spiders):
        settings = row.settings
        if coordinator:
            settings = MIDDLEWARE | {"ENTRO_COORDINATOR": coordinator, "ENTRO_WEIGHT": spider.weight}
        options = {"start": f"{site}/index-{number}.html", "llm": llm.url, "wait": row.wait, "settings": settings}
        options |= {"pages_per_s": spider.pages_per_s}
        command = (sys.executable, Path(__file__).with_name("live_crawl.py"), json.dumps(options))
        crawls.append(stack.enter_context(program(folder / "crawl.log", *command)))
    return crawls


def start_celery(
    stack: ExitStack, row: Row, folder: Path, site: str, llm: FakeLLM, coordinator: str
) -> list[subprocess.Popen[bytes]]:
    """Start Redis, a worker of 64 threads, and give it a task for each page."""
    port = free_port()
    redis = ("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder)
    stack.enter_context(program(folder / "redis.log", *redis))
    wait_for(lambda: listens(port), "Redis does not listen")
    places = {"BROKER": f"redis://127.0.0.1:{port}/0", "LLM": llm.url, "ENTRO_COORDINATOR": coordinator}
    options = ("--pool", "threads", "--concurrency", 64, "--loglevel", "INFO")
    worker = (sys.executable, "-m", "celery", "--app", "live_tasks", "worker", *options)
    stack.enter_context(program(folder / "crawl.log", *worker, **places))
    wait_for(lambda: " ready." in (folder / "crawl.log").read_text(), "Celery is not ready", 60)
    links = re.findall(r'href="(.+?)"', (folder / "site/index-0.html").read_text())
    script = f"from live_tasks import ask\nfor link in {links!r}: ask.delay({site!r} + link)"
    return [stack.enter_context(program(folder / "send.log", sys.executable, "-c", script, **places))]


def wait_until_done(
    crawls: list[subprocess.Popen[bytes]], llm: FakeLLM, pages: int, coordinator: Coordinator | None, outage_s: float
) -> tuple[float, float] | None:
    """Wait for all answers. Kill the coordinator after two thirds of the requests would be served; return when."""
    begin, outage = monotonic(), None

    def done() -> bool:
        answered = sum(each.end is not None for each in list(llm.requests))
        return all(crawl.poll() is not None for crawl in crawls) and (answered >= pages or bool(crawls[0].returncode))

    if coordinator and outage_s:
        sleep(2 / 3 * pages / CAPACITY)
        coordinator.kill()
        kill_time = time()
        sleep(outage_s)
        outage = kill_time, time()
        coordinator.start()
    wait_for(done, "the crawl is not done", 60 + 6 * pages / CAPACITY - (monotonic() - begin))
    return outage


def figures(name: str, seed: int, pages: int, wait_s: float, llm: FakeLLM, access: str, trace: Trace) -> Result:
    """Count the steps and the requests of one row; complete the trace."""
    lines = [line.split() for line in access.splitlines()]
    fetched = Counter(path for _, path, status in lines if path.startswith("/page-") and status == "200")
    asked = Counter(each.id for each in llm.requests)
    arrival = np.array([each.arrival for each in llm.requests])
    start = np.array([each.start for each in llm.requests])
    trace.begin = min(float(line[0]) for line in lines)
    total = max(each.end for each in llm.requests) - trace.begin
    edges = trace.begin + np.arange(ceil(total) + 1)
    rate = np.histogram(arrival, edges)[0].astype(float)
    queue = np.array([np.sum(arrival < edge) - np.sum(start < edge) for edge in edges[1:]], dtype=float)
    stages = replace(SCRAPER, full=2.5 * CAPACITY), replace(LLM, full=CAPACITY * wait_s)
    run = replay_loads(stages, np.stack([rate, queue]), 1.0)
    trace.sent, trace.queue, trace.coupled_load = rate.tolist(), queue.tolist(), run.coupled_load.tolist()
    caps = [answer["cap_per_s"] for moment, answer in trace.caps if answer and moment < edges[-1]]
    return Result(
        name,
        seed,
        len(rate),
        int(run.violated.sum()),
        int(queue.max()),
        float(np.percentile(start - arrival, 95)),
        total,
        lost=pages - len(asked.keys() & fetched.keys()),
        twice=sum((fetched - Counter(set(fetched))).values()) + sum((asked - Counter(set(asked))).values()),
        caps=(min(caps), max(caps)) if caps else None,
    )


def outage_notes(llm: FakeLLM, killed: float, restarted: float) -> str:
    """Return how slow the clients became without a coordinator, and how soon they were back at 0.8 of the capacity."""
    arrival = np.array([each.arrival for each in llm.requests])

    def sent(moment: float) -> int:
        return int(np.sum((arrival >= moment) & (arrival < moment + 2.0)))

    slowest = min(sent(killed + each) for each in np.arange(0.0, restarted - killed + 5.0, 0.5)) / 2
    back = next((each for each in np.arange(0.0, 60.0, 0.5) if sent(restarted + each) >= 1.6 * CAPACITY), np.inf)
    return f"slowest {slowest:.1f} req/s, back {back:.1f} s after the restart"


def share_notes(row: Row, llm: FakeLLM, pages: int) -> str:
    """Return what each spider sent while both were there, and the weighted max-min share of the same total."""
    border = round(row.spiders[0].share * pages)
    owner = np.array([int(int(re.findall(r"\d+", each.id)[0]) >= border) for each in llm.requests])
    arrival = np.array([each.arrival for each in llm.requests])
    first = max(arrival[owner == spider].min() for spider in (0, 1))
    last = min(arrival[owner == spider].max() for spider in (0, 1))
    edges = np.arange(first, last, 1.0)
    sent = np.stack([np.histogram(arrival[owner == spider], edges)[0] for spider in (0, 1)])
    fair = fair_shares(row, sent)
    shares = " and ".join(f"{got:.2f} ({due:.2f})" for got, due in zip(sent.mean(1), fair.mean(1), strict=True))
    return f"sent (max-min share) {shares} req/s"


def fair_shares(row: Row, sent: np.ndarray) -> np.ndarray:
    """Split the total of each step by weighted max-min. The second spider wants what it has found and not sent."""
    (first, second), waiting = row.spiders, 0.0
    fair = np.zeros(sent.shape)
    for step, total in enumerate(sent.sum(0)):
        waiting += second.pages_per_s or np.inf
        share = min(waiting, total * second.weight / (first.weight + second.weight))
        fair[:, step] = total - share, share
        waiting -= share
    return fair


def table(results: list[Result], pages: int) -> str:
    """Return the table in Markdown: of several seeds, the worst of each column."""
    seeds = " ".join(str(seed) for seed in sorted({each.seed for each in results}))
    lines = [
        f"`python benchmarks/live.py --seeds {seeds}` on {date.today()}, {pages} pages; the worst of all seeds.",
        "",
        "| | steps over the budget | longest queue | p95 wait | total | lost, twice | caps |",
        "|---|---|---|---|---|---|---|",
    ]
    notes = []
    for name in dict.fromkeys(each.row for each in results):
        runs = [each for each in results if each.row == name]
        worst = max(runs, key=lambda each: each.over / each.steps)
        caps = [each.caps for each in runs if each.caps]
        span = f"{min(cap[0] for cap in caps):.2f} to {max(cap[1] for cap in caps):.2f}" if caps else ""
        lines.append(
            f"| {ROWS[name].title} | {worst.over} of {worst.steps} | {max(each.longest_queue for each in runs)} "
            f"| {max(each.p95_wait_s for each in runs):.2f} s | {max(each.total_s for each in runs):.1f} s "
            f"| {max(each.lost for each in runs)}, {max(each.twice for each in runs)} | {span} |"
        )
        notes += [f"- {ROWS[name].title}, seed {each.seed}: {each.notes}." for each in runs if each.notes]
    return "\n".join([*lines, "", *notes]).strip() + "\n"


def write_between_markers(page: Path, text: str) -> None:
    begin, end = "<!-- begin: benchmarks/live.py -->\n", "<!-- end: benchmarks/live.py -->"
    before, rest = page.read_text().split(begin)
    page.write_text(before + begin + text + end + rest.split(end)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--pages", type=int, default=360)
    parser.add_argument("--wait", type=float, default=10 / 1.2, help="the accepted wait W, s")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--json", action="store_true", help="print one document")
    parser.add_argument("--out", type=Path, help="a page whose part between the markers is replaced")
    parser.add_argument("--traces", type=Path, help="a folder for what happened in each step, a JSON file a row")
    parser.add_argument("--jobs", type=int, default=1, help="rows that run at once; one needs a third of a core")
    options = parser.parse_args()
    runs = [(name, seed, options.pages, options.wait) for name in options.rows for seed in options.seeds]
    with ProcessPoolExecutor(options.jobs, get_context("spawn"), die_with_parent, max_tasks_per_child=1) as pool:
        results = []
        for result, trace in pool.map(measure, *zip(*runs, strict=True)):
            results.append(result)
            print(result, file=sys.stderr)
            if options.traces:
                options.traces.mkdir(parents=True, exist_ok=True)
                (options.traces / f"{result.row}-{result.seed}.json").write_text(json.dumps(asdict(trace)))
    text = json.dumps([asdict(each) for each in results]) if options.json else table(results, options.pages)
    print(text)
    if options.out:
        write_between_markers(options.out, text)


if __name__ == "__main__":
    main()
