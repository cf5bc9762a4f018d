"""Tasks of docs/celery.md in real workers on a real Redis."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.coordinator_stub import coordinator
from tests.live.servers import redis

PAGE = Path(__file__).parents[2] / "docs" / "celery.md"
SENDS = """
import sys
from pages import summarize
results = [summarize.delay(page) for page in range(int(sys.argv[1]))]
print(*(result.get(timeout=50) for result in results), sep="\\n")
"""
NOTES = """
    import time
    with open("runs", "a") as runs:
        runs.write(f"{time.monotonic()} {page}\\n")
"""
# By default after an hour, and looked for every 100 s.
REDELIVERS_SOON = """
app.conf.broker_transport_options = {
    "visibility_timeout": 4, "unacked_restore_interval": 1, "unacked_restore_throttle": 1
}
"""


class Runs:
    """Workers and senders in a folder with the program of the page, whose task notes when it runs."""

    def __init__(self, folder, stub, url):
        (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        program = program.replace("def summarize(page):\n", "def summarize(page):" + NOTES)
        (folder / "pages.py").write_text(program + REDELIVERS_SOON)
        self._folder = folder
        self._options = {
            "cwd": folder,
            "env": {**os.environ, "ENTRO_COORDINATOR": stub.url, "REDIS_URL": url},
            "text": True,
        }

    @property
    def runs(self):
        """Time and page of each run, in order."""
        file = self._folder / "runs"
        return (
            sorted((float(at), int(page)) for at, page in map(str.split, file.read_text().splitlines()))
            if file.exists()
            else []
        )

    @contextmanager
    def worker(self, *options):
        celery = Path(sys.executable).with_name("celery")
        command = [celery, "-A", "pages", "worker", "-l", "INFO", "--without-gossip", "--without-mingle", *options]
        with (self._folder / "worker.log").open("a") as log:
            pipes = {"stdout": log, "stderr": log}
            with subprocess.Popen(command, start_new_session=True, **self._options, **pipes) as process:
                try:
                    yield process
                finally:
                    process.terminate()
                    try:
                        process.wait(20)
                    finally:
                        process.kill()

    def send(self, count):
        return subprocess.Popen([sys.executable, "-c", SENDS, str(count)], stdout=subprocess.PIPE, **self._options)

    def results(self, sender):
        out, _ = sender.communicate(timeout=60)
        assert sender.returncode == 0, (self._folder / "worker.log").read_text()
        return out.splitlines()


@pytest.fixture
def served(tmp_path):
    with coordinator(cap=8.0) as stub, redis() as url:
        yield stub, Runs(tmp_path, stub, url)


def rate_of(runs):
    return (len(runs) - 1) / (runs[-1][0] - runs[0][0])


POOLS = {"prefork": ("--concurrency=2",), "threads": ("--pool=threads", "--concurrency=8"), "solo": ("--pool=solo",)}


@pytest.mark.slow
@pytest.mark.parametrize("pool", POOLS)
def test_the_tasks_of_the_page_keep_to_the_rate(served, pool):
    stub, pages = served
    clients = 2 if pool == "prefork" else 1
    with pages.worker(*POOLS[pool]):
        results = pages.results(pages.send(40 * clients))
        assert results == [f"summary of {page}" for page in range(40 * clients)]
    assert sorted(page for _, page in pages.runs) == list(range(40 * clients))
    assert 8 * clients * 0.93 < rate_of(pages.runs[2 * clients :]) < 8 * clients * 1.07
    assert len(stub.ids) == clients
    assert sorted(stub.left) == sorted(stub.ids)
    sent = {document["id"]: document["sent"] for _, document in stub.renewals}
    assert sum(sent.values()) <= 40 * clients


@pytest.mark.slow
def test_a_worker_that_stops_or_is_killed_loses_no_task(served):
    stub, pages = served
    sender = pages.send(20)
    threads = ("--pool=threads", "--concurrency=4")
    with pages.worker(*threads) as worker:
        stub.wait_for(lambda: len(pages.runs) >= 3)
        worker.terminate()  # tasks that wait get their permission
        assert worker.wait(10) == 0
    done = len(pages.runs)
    assert done < 12
    assert len(stub.left) == 1
    with pages.worker(*threads) as worker:
        stub.wait_for(lambda: len(pages.runs) >= done + 2)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    killed = len(pages.runs)
    stub.set(50.0)
    with pages.worker(*threads):
        assert len(pages.results(sender)) == 20
    assert {page for _, page in pages.runs} == set(range(20))
    assert len({page for _, page in pages.runs[:killed]}) == killed
