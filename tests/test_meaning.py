"""What Critical means: the table of docs/meaning.md is what the script gives, and the real requests are in it."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from entro_cli.readers.options import LoadOptions
from entro_cli.timeseries.steps import Steps
from entro_cli.workflows.load_logs import load_logs
from entro_engine import LLM, SCRAPER
from tests.marks import slow
from tests.running import entro

ROOT = Path(__file__).parents[1]
REQUESTS = ROOT.parent / "shared" / "data" / "requests" / "requests.jsonl"


@pytest.fixture(scope="module")
def meaning():
    spec = importlib.util.spec_from_file_location("meaning", ROOT / "benchmarks" / "meaning.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["meaning"] = module
    spec.loader.exec_module(module)
    return module


def shown():
    return [line for line in (ROOT / "docs" / "meaning.md").read_text().splitlines() if line.startswith("| ")]


@pytest.mark.parametrize(
    "course", ["steady", *map(slow, ("rushes", "short bursts", "stalls", "drift", "large")), "sample"]
)
def test_the_table_is_what_the_script_gives(meaning, tmp_path, course):
    path = tmp_path / "log.csv"
    if course == "sample":
        path = meaning.SAMPLE
    else:
        path.write_text("".join(meaning.made(meaning.COURSES[course], [*meaning.COURSES].index(course))))
    for row in meaning.rows_of(course, path):
        assert row in shown()


def test_the_real_requests_are_as_described_and_no_worse_than_a_plain_reading_of_the_laws(meaning):
    if not REQUESTS.exists():
        pytest.skip("the shared data is not there")
    rows = list(meaning.rows_of("requests.jsonl", REQUESTS))
    assert all(row in shown() for row in rows)
    found = [float(row.split("|")[6]) for row in rows]
    assert found == [0.979, 0.958, 0.930]


def test_a_step_is_late_where_somebody_waits_too_long_in_it(meaning):
    loads = np.zeros((2, 10))
    steps = Steps((SCRAPER, LLM), 0, 10**9, loads, loads, loads, np.ones((2, 10), np.int64), np.ones((2, 10), bool))
    came, began = (np.array(times, np.int64) * 10**8 for times in ([5, 20, 31], [7, 65, 40]))
    late = meaning.late_steps(steps, came, began, 3.0)
    assert np.flatnonzero(late).tolist() == [2, 3, 4, 5, 6]
    assert not meaning.late_steps(steps, came, began, 5.0).any()


def test_agreement(meaning):
    marked, late = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert meaning.agreement(marked, late) == (0.5, 0.5, 0.5)
    assert meaning.agreement(late & False, late & False) == (1.0, 1.0, 1.0)


def test_reports_count_the_same_late_steps(meaning):
    document = json.loads(entro("analyze", meaning.SAMPLE, "--json", "--step", "1s", "--tz", "UTC").out)
    steps = load_logs([str(meaning.SAMPLE)], LoadOptions(tz="UTC", step="1s")).steps
    late = meaning.late_steps(steps, *meaning.waits_of(meaning.SAMPLE), 10 / 1.2)
    assert document["late_share"] == late.sum() / document["observed_steps"]
    assert document["stages"][1]["waits_are_exact"]


def test_logs_of_one_name_are_different_logs(meaning):
    paths = [Path("/logs/a/requests.csv"), Path("/logs/b/requests.csv"), Path("/logs/b/requests.csv")]
    assert meaning.labelled(paths) == {"a/requests.csv": paths[0], "b/requests.csv": paths[1]}
    assert [*meaning.labelled(paths[:1])] == ["requests.csv"]
