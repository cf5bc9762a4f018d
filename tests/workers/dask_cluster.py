"""A Dask cluster on this machine, for tests of a test module that imports the fixture."""

import json
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

DASK = str(Path(sys.executable).with_name("dask"))


@contextmanager
def started(*command, folder):
    with (folder / "dask.log").open("ab") as log:
        process = subprocess.Popen([DASK, *map(str, command)], cwd=folder, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition, patience_s=60):
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@pytest.fixture
def cluster(tmp_path_factory):
    """A scheduler's address, its two workers, each a process, and itself."""
    folder = tmp_path_factory.mktemp("cluster")
    address_file = folder / "scheduler.json"
    here = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", address_file)
    with ExitStack() as stack:
        scheduler = stack.enter_context(started("scheduler", *here, "--port", "0", folder=folder))
        wait_for(lambda: address_file.exists() and address_file.read_text().endswith("}"))
        mine = ("--nthreads", "1", "--no-nanny", "--local-directory", folder)
        workers = [stack.enter_context(started("worker", *here, *mine, folder=folder)) for _ in range(2)]
        yield json.loads(address_file.read_text())["address"], workers, scheduler
