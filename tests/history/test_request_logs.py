"""Request logs in the history: a log that grows or is rotated gives what it gives when it is read at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.readers.options import LoadOptions
from entro_cli.workflows.load_logs import load_logs
from tests.analyze.test_waits import as_lines, counted
from tests.history.stored import days, ingest
from tests.history.test_merging import recalled
from tests.marks import slow
from tests.readers.test_request_logs import ALL, run

READING = ("--tz", "UTC", "--step", "10s")
NAMES = ["pino", "labelled, whole seconds", *(slow(name) for name in ("Envoy", "TGI", "Gin, whole seconds"))]


@pytest.mark.parametrize("name", NAMES)
def test_a_log_that_grows(tmp_path, name):
    content, log = ALL[name](run(count=200)), tmp_path / "a.log"
    log.write_bytes(content)
    ingest(tmp_path / "whole", log, *READING)
    expected = load_logs([str(log)], LoadOptions(tz="UTC", step="10s")).steps
    np.testing.assert_array_equal(recalled(tmp_path / "whole").loads, expected.loads)
    for cut in (len(content) // 3, len(content) // 2 + 17, len(content) - 5, len(content)):
        log.write_bytes(content[:cut])
        ingest(tmp_path / "parts", log, *READING)
    assert days(tmp_path / "parts") == days(tmp_path / "whole")
    assert "nothing new" in ingest(tmp_path / "parts", log, *READING).out


@pytest.mark.slow
@settings(max_examples=settings.default.max_examples // 8)
@given(
    name=st.sampled_from([*ALL]),
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.floats(0.3, 1), min_size=1, max_size=3),
    step=st.sampled_from(["1s", "10s", "10min"]),
)
def test_a_log_that_grows_by_any_number_of_bytes(tmp_path_factory, name, seed, cuts, step):
    folder, content = tmp_path_factory.mktemp("growing"), ALL[name](run(seed, 400))
    log = folder / "a.log"
    for cut in (*sorted(cuts), 1):
        log.write_bytes(content[: int(cut * len(content))])
        if name != "GenAI-Perf" or cut == 1:  # a document
            ingest(folder / "parts", log, "--tz", "UTC", "--step", step)
    ingest(folder / "whole", log, "--tz", "UTC", "--step", step)
    assert days(folder / "parts") == days(folder / "whole")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("together", [slow(True), False])
def test_a_log_that_is_rotated(tmp_path, name, together):
    rows = ALL[name](run(count=200)).splitlines(keepends=True)
    (tmp_path / "a.log").write_bytes(b"".join(rows))
    ingest(tmp_path / "whole", tmp_path / "a.log", *READING)
    parts = [tmp_path / "b.log.2", tmp_path / "b.log.1", tmp_path / "b.log"]
    for place, first in zip(parts, (0, 70, 150), strict=True):
        place.write_bytes(b"".join(rows[first : {0: 70, 70: 150}.get(first)]))
        if not together:
            ingest(tmp_path / "parts", place, *READING)
    if together:
        ingest(tmp_path / "parts", *parts, *READING)
    parts, whole = recalled(tmp_path / "parts"), recalled(tmp_path / "whole")
    np.testing.assert_allclose(parts.loads, whole.loads, rtol=1e-14)  # a step's load is a sum over the logs


def test_a_rotation_that_begins_without_a_request_counts_no_other_log(tmp_path):
    rows = ALL["labelled, whole seconds"](run(count=600)).splitlines(keepends=True)
    log, part, reading = tmp_path / "a.log", tmp_path / "parts", (*READING, "--input-format", "requests")
    log.write_bytes(b"".join(rows[:300]))
    ingest(part, log, *reading)
    log.rename(tmp_path / "a.log.1")
    for end in (0, 250, 300):
        log.write_bytes(b"reopening logs\n" + b"".join(rows[300 : 300 + end]))
        ingest(part, log, *reading)
    (tmp_path / "whole.log").write_bytes(b"".join(rows))
    ingest(tmp_path / "whole", tmp_path / "whole.log", *reading)
    parts, whole = recalled(part), recalled(tmp_path / "whole")
    np.testing.assert_allclose(parts.loads, whole.loads, rtol=1e-14)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_queues_and_waits_at_the_end_of_a_step_are_counted_from_the_stamps(tmp_path, together, seed):
    draw = np.random.default_rng(seed)
    arrivals = np.sort(draw.integers(0, 90_000, 60))
    rows = [(int(at), int(at + wait)) for at, wait in zip(arrivals, draw.integers(0, 40_000, 60), strict=True)]
    parts = [tmp_path / "requests.jsonl.1", tmp_path / "requests.jsonl"]
    for place, some in zip(parts, (rows[:30], rows[30:]), strict=True):
        place.write_text(as_lines(some))
        if not together:
            ingest(tmp_path / "history", place, "--tz", "UTC", "--step", "2s")
    if together:
        ingest(tmp_path / "history", *parts, "--tz", "UTC", "--step", "2s")
    steps = recalled(tmp_path / "history")
    queue = [stage.name for stage in steps.stages].index("llm")
    known = ~np.isnan(steps.loads[queue])
    for found, expected in zip((steps.ends, steps.ages, steps.waits), counted(rows, 2000, steps.count), strict=True):
        assert found[queue][known] == pytest.approx(expected[known], abs=1e-6)
