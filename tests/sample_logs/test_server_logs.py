"""The server logs are what the script makes, and truth.json says what a count of their lines says."""

import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "sample_logs"
TRUTH = json.loads((FOLDER / "formats" / "truth.json").read_text())


def test_the_script_makes_them_again(tmp_path):
    subprocess.run([sys.executable, FOLDER / "server_logs.py", tmp_path], check=True)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in (FOLDER / "formats").iterdir()}


def test_the_truth_is_that_of_the_requests():
    rows = [line.split(",") for line in (FOLDER / "formats" / "requests.csv").read_text().splitlines()[1:]]
    begin = datetime.fromisoformat(TRUTH["start"])
    times = [[(datetime.fromisoformat(cell) - begin).total_seconds() for cell in row[1:]] for row in rows]
    assert len(rows) == TRUTH["requests"] == sum(TRUTH["arrived"])
    for index, count in enumerate(TRUTH["waiting"]):
        end = 10 * (index + 1)
        assert sum(arrived < end <= started for arrived, started, _ in times) == count
        assert sum(started < end <= finished for _, started, finished in times) == TRUTH["running"][index]


def test_no_log_tells_more_or_less():
    vllm = (FOLDER / "formats" / "vllm.log").read_text()
    assert [int(count) for count in re.findall(r"Waiting: (\d+)", vllm)] == TRUTH["waiting"]
    assert vllm.count("POST") == sum(TRUTH["started"])
    sglang = (FOLDER / "formats" / "sglang.log").read_text()
    assert [int(count) for count in re.findall(r"#queue-req: (\d+)", sglang)][1::2] == TRUTH["waiting"]
    celery = (FOLDER / "formats" / "celery.log").read_text()
    assert celery.count("received") == TRUTH["requests"]
    assert celery.count("succeeded") == sum(TRUTH["finished"])
    (gauge, total) = json.loads((FOLDER / "formats" / "prometheus.json").read_text())["data"]["result"]
    assert [int(value) for _, value in gauge["values"]][1:] == TRUTH["waiting"]
    assert int(total["values"][-1][1]) == sum(TRUTH["finished"])
