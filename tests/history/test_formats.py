"""Logs of every format in the history: what is read back is what the logs say, whole and in rotations."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from entro_cli.readers.options import LoadOptions
from entro_cli.workflows.load_logs import load_logs
from tests.history.stored import days, ingest
from tests.history.test_merging import recalled
from tests.marks import slow

LOGS = Path(__file__).parents[2] / "sample_logs" / "formats"
READING = ("--tz", "UTC", "--year", "2026")
OPTIONS = LoadOptions(tz="UTC", year=2026)
LINES = ["vllm.log", "sglang.log", "scrapy.log", "celery.log", "requests.csv"]


def same(steps, expected):
    assert steps.step_ns == expected.step_ns
    assert [stage.name for stage in steps.stages] == [stage.name for stage in expected.stages]
    np.testing.assert_array_equal(steps.loads, expected.loads)
    np.testing.assert_array_equal(steps.ends, expected.ends)


@pytest.mark.parametrize("name", [*LINES, "prometheus.json"])
def test_what_is_read_back_is_what_the_log_says(tmp_path, name):
    ingest(tmp_path / "h", LOGS / name, *READING, "--step", "10s")
    same(recalled(tmp_path / "h"), load_logs([str(LOGS / name)], LoadOptions(tz="UTC", year=2026, step="10s")).steps)


@pytest.mark.parametrize(
    ("name", "together"),
    [
        *((name, False) for name in ("vllm.log", "celery.log")),
        *((name, True) for name in ("sglang.log", "scrapy.log")),
        *(slow(name, False) for name in ("sglang.log", "scrapy.log")),
        *(slow(name, True) for name in ("vllm.log", "celery.log")),
    ],
)
def test_a_log_that_is_rotated(tmp_path, name, together):
    content = (LOGS / name).read_bytes()
    ingest(tmp_path / "whole", LOGS / name, *READING, "--step", "10s", "--tz", "UTC")
    begin = 0
    names = []
    for number, cut in ((3, len(content) // 3), (2, len(content) // 2), (1, 4 * len(content) // 5), (0, len(content))):
        end = content.find(b"\n", cut - 1) + 1 or len(content)
        part = tmp_path / (f"{name}.{number}" if number else name)
        part.write_bytes(content[begin:end])
        begin = end
        names.append(part)
        if not together:
            ingest(tmp_path / "parts", part, *READING, "--step", "10s")
    if together:
        ingest(tmp_path / "parts", *names, *READING, "--step", "10s")
    whole, parts = recalled(tmp_path / "whole"), recalled(tmp_path / "parts")
    same(parts, whole)


def test_what_the_server_counts_of_its_clients_counts_only_where_nobody_tells_it(tmp_path):
    for logs in (["vllm.log", "scrapy.log"], ["scrapy.log", "vllm.log"]):
        history = tmp_path / logs[0]
        for name in logs:
            ingest(history, LOGS / name, *READING, "--step", "10s")
        expected = load_logs([str(LOGS / name) for name in logs], LoadOptions(tz="UTC", year=2026, step="10s")).steps
        same(recalled(history), expected)


def test_two_spiders_that_did_the_same_are_summed(tmp_path):
    for name in ("books.log", "quotes.log"):
        shutil.copy(LOGS / "scrapy.log", tmp_path / name)
    ingest(tmp_path / "h", tmp_path / "books.log", tmp_path / "quotes.log", *READING)
    one = load_logs([str(LOGS / "scrapy.log")], OPTIONS).steps
    np.testing.assert_array_equal(recalled(tmp_path / "h").loads, 2 * one.loads)


def test_a_copy_changes_nothing(tmp_path):
    for name in LINES:
        ingest(tmp_path / "h" / name, LOGS / name, *READING)
        before = days(tmp_path / "h" / name)
        shutil.copy(LOGS / name, tmp_path / f"copy-{name}")
        ingest(tmp_path / "h" / name, tmp_path / f"copy-{name}", *READING)
        assert days(tmp_path / "h" / name) == before
