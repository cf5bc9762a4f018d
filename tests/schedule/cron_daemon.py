"""Debian's cron daemon and root's real crontab, for tests marked `slow`: it runs jobs on the minute.

A test module takes the fixture by importing it, or a conftest.py does: `from tests.schedule.cron_daemon import
cron_daemon`. A job that is to run soon is added for `next_minute()`, and `wait_for` waits until it did something.
"""

import contextlib
import os
import subprocess
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from tests.schedule.system import require_program, require_root

DAEMON = Path("/usr/sbin/cron")
PID_FILE = Path("/run/crond.pid")
SPOOL = Path("/var/spool/cron/crontabs/root")
PATIENCE_S = 75


@pytest.fixture
def cron_daemon():
    """A running daemon and a crontab of root's that may be changed; both are left as they were found."""
    require_program(DAEMON, "cron")
    require_root()
    with FileLock(Path(tempfile.gettempdir()) / "entro-tests-of-cron.lock", timeout=10 * PATIENCE_S):  # one crontab
        saved = SPOOL.read_bytes() if SPOOL.exists() else None
        try:
            with contextlib.nullcontext() if _is_running() else _started():
                yield
        finally:
            _restore(saved)


def next_minute():
    """The time of day, as `--at` takes it, of the next minute that the daemon is sure to see."""
    return (datetime.now() + timedelta(seconds=65)).strftime("%H:%M")


def wait_for(path, patience_s=2 * PATIENCE_S):
    """Wait until a file is there and has something in it; its bytes."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if path.exists() and path.stat().st_size:
            time.sleep(0.5)  # the rest of it
            return path.read_bytes()
        time.sleep(0.25)
    pytest.fail(f"cron made no {path} within {patience_s} s; the crontab:\n{SPOOL.read_text(errors='replace')}")


def _is_running():
    try:
        pid = int(PID_FILE.read_text())
        return Path(f"/proc/{pid}/comm").read_text().strip() == "cron"
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _started():
    """A daemon with an empty crontab, so that it runs nothing of the machine's owner that did not run before."""
    subprocess.run(["crontab", "-r"], capture_output=True, check=False)
    environment = {name: value for name, value in os.environ.items() if name not in {"TZ", "LC_ALL", "LANG"}}
    with subprocess.Popen([DAEMON, "-f"], env=environment, stdin=subprocess.DEVNULL, cwd="/") as daemon:
        try:
            time.sleep(1.1)  # cron compares whole seconds: it may miss a change in the one in which it has begun
            assert daemon.poll() is None, "the cron daemon did not start"
            yield
        finally:
            daemon.terminate()
            daemon.wait()
            PID_FILE.unlink(missing_ok=True)


def _restore(saved):
    if saved is None:
        subprocess.run(["crontab", "-r"], capture_output=True, check=False)
    else:
        subprocess.run(["crontab", "-"], input=saved, check=True)  # makes the file, with its rights
        SPOOL.write_bytes(saved)  # without a second header
