"""benchmarks/live.py in small: Scrapy, nginx, the coordinator and the fake LLM server work together."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.schedule.system import require_program

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "live.py"


@pytest.mark.slow
def test_coordination_keeps_the_queue_short():
    require_program("/usr/sbin/nginx", "nginx")
    command = [sys.executable, SCRIPT, "--pages", "40", "--rows", "none", "coordinated", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    none, coordinated = json.loads(done.stdout)
    for each in none, coordinated:
        assert (each["lost"], each["twice"]) == (0, 0)
    assert none["longest_queue"] >= 30  # of 40 pages, 8 of which run at once
    assert coordinated["longest_queue"] <= 15
    assert coordinated["over"] == 0
    assert coordinated["p95_wait_s"] < none["p95_wait_s"] / 2
    assert coordinated["total_s"] < 1.3 * none["total_s"]
