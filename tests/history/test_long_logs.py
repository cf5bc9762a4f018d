"""Logs that may be longer than memory: their samples are kept in files, and give the same history as in memory."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.history.ingest import long_logs, read_tail
from entro_cli.timeseries import intervals
from tests.history.stored import HEADER, START, days, ingest, line, regular

DAY = 86400 * 10**9
GAPS = st.sampled_from([1, 250_000_000, 10**9, 10**9, 10**9, 2 * 10**9, 7 * 10**9, 3600 * 10**9, DAY])
LOADS = st.one_of(st.sampled_from([0.0, 1.0, 12.0]), st.floats(0, 1e4, allow_nan=False))


def state(history):
    """All that is stored beside the steps, without the identity of each file."""
    (path,) = history.rglob("state.json")
    found = json.loads(path.read_text())
    for log in found["logs"]:
        del log["path"], log["place"], log["seen"]
    return found


@pytest.fixture
def in_files(monkeypatch):
    """Every table goes through files, or is an error."""
    monkeypatch.setattr(long_logs, "WORTH_BYTES", 1)
    monkeypatch.setattr(intervals, "_CHUNK", 7)
    monkeypatch.setenv("ENTRO_FULL_LOADS", "learned")

    def read_whole(*_):
        raise AssertionError("read whole")

    return lambda: monkeypatch.setattr(read_tail, "read_log", read_whole)


def test_a_log_in_files_is_stored_as_one_in_memory(tmp_path, in_files):
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(regular(3 * 8640 + 5)))
    ingest(tmp_path / "whole", log)
    in_files()
    ingest(tmp_path / "files", log)
    assert len(days(tmp_path / "whole")) == 4
    assert days(tmp_path / "files") == days(tmp_path / "whole")
    assert state(tmp_path / "files") == state(tmp_path / "whole")
    assert state(tmp_path / "files")["learned"]


def test_a_log_that_is_out_of_order_is_read_whole(tmp_path, in_files):
    lines = regular(2000)
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(lines[1000:] + lines[:1000]))
    outcome = ingest(tmp_path / "files", log)
    assert "out of order" in outcome.err
    log.write_text(HEADER + "".join(lines))
    ingest(tmp_path / "whole", log)
    assert days(tmp_path / "files") == days(tmp_path / "whole")


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=settings.default.max_examples // 2)
def test_any_log_in_files_and_as_it_grows(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("long")
    now, lines = START, []
    for gap, rate, queue in data.draw(st.lists(st.tuples(GAPS, LOADS, LOADS), min_size=2, max_size=40)):
        now += gap
        lines.append(line(now, rate, queue))
    options = data.draw(st.sampled_from([("--step", "1s"), ("--step", "1h"), ("--step", "7s"), ()]))
    log = folder / "log.csv"
    log.write_text(HEADER + "".join(lines))
    ingest(folder / "whole", log, *options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_logs, "WORTH_BYTES", 1)
        patch.setattr(intervals, "_CHUNK", 3)
        ingest(folder / "files", log, *options)
        # Without --step, the first ten samples fix it: later ones may have another interval, and then would differ.
        cut = data.draw(st.integers(0, len(lines) if options else min(len(lines), 9)))
        for part in (lines[:cut], lines):
            log.write_text(HEADER + "".join(part))
            ingest(folder / "parts", log, *options)
    assert days(folder / "files") == days(folder / "whole")
    assert state(folder / "files") == state(folder / "whole")
    assert days(folder / "parts") == days(folder / "whole")


@given(
    st.lists(st.sampled_from([1, 2, 10**9, 10**9 + 1]) | st.integers(1, 10**15), min_size=1, max_size=50),
    st.integers(1, 5),
)
def test_the_usual_interval_is_the_median(between, chunk):
    times = np.cumsum([0, *between])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "_CHUNK", chunk)
        assert intervals.usual_interval(times) == np.median(between)


def test_a_log_whose_clock_is_moved_to_before_1970_is_stored(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(regular(20, start=DAY // 2)))
    ingest(tmp_path / "history", log, "--offset", "log.csv=-1d")
    assert [*days(tmp_path / "history")] == ["pipeline=default/date=1969-12-31/steps.parquet"]
