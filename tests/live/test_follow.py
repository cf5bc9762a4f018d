"""Logs that are followed while they grow and are rotated: in the end, the steps of the whole log."""

import gzip
import os
import random
import shutil
import threading
import time
from itertools import accumulate, count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from entro_cli.core.console import Terminal
from entro_cli.live import collect
from entro_cli.live.follow import Follower
from entro_cli.readers.options import read_options
from entro_cli.timeseries.observations import Observations, Series
from entro_cli.workflows.load_logs import load_logs
from entro_cli.workflows.settings import load_options, read_settings
from entro_engine import EntroError, Kind
from tests.history.stored import HEADER, START, regular

VLLM = Path(__file__).parents[2] / "sample_logs" / "formats" / "vllm.log"
DAY = 86_400 * 10**9
SETTINGS = read_settings(None, "default", Terminal())
OPTIONS = load_options(SETTINGS)
READ = read_options(OPTIONS)[1]
CHANGES = ("nothing", "rename", "copy and truncate", "compress", "append while it is renamed")


def rotate(log, change, text, now_ns):
    """Change a log as rotation does it; `text` is written by a program that still has the old file open."""
    if change == "nothing":
        return
    with log.open("ab") as writer:
        for number in range(8, 0, -1):
            for suffix in ("", ".gz"):
                old = log.with_name(f"{log.name}.{number}{suffix}")
                if old.exists():
                    old.rename(log.with_name(f"{log.name}.{number + 1}{suffix}"))
        first = log.with_name(f"{log.name}.1")
        if change == "copy and truncate":
            shutil.copy2(log, first)
            writer.truncate(0)
            return
        log.rename(first)
        if change == "append while it is renamed":
            writer.write(text)
            writer.flush()
            os.utime(first, ns=(0, now_ns))
    if change == "compress":
        pack(first)
    log.touch()


def pack(file):
    packed = file.with_name(f"{file.name}.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    shutil.copystat(file, packed)
    file.unlink()


def assert_same_steps(steps, whole):
    whole = whole.steps.part(0, whole.steps.count)
    assert (steps.start_ns, steps.step_ns, steps.stages) == (whole.start_ns, whole.step_ns, whole.stages)
    for name in ("loads", "peaks", "ends", "samples", "measured"):
        np.testing.assert_array_equal(getattr(steps, name), getattr(whole, name), err_msg=name)


def follow(content, cuts, changes, polls):
    """Write a log in pieces and follow it; compare with the whole log."""
    clock = count(
        START + 100 * DAY, 10**9
    )  # files that are written within a tick of the kernel's clock look equally old
    with TemporaryDirectory() as folder:
        log, whole = Path(folder, "server.log"), Path(folder, "whole", "server.log")
        whole.parent.mkdir()
        whole.write_bytes(content)
        follower = Follower([str(log)], OPTIONS)
        assert not follower.poll()
        assert "there is no such file" in str(follower.failures[0])
        log.touch()
        follower.poll()
        begin = 0
        for cut, change, is_polled in zip([*sorted(cuts), len(content)], changes, polls, strict=True):
            end = max(cut, begin)
            if change != "nothing":  # programs write whole lines
                end = content.find(b"\n", max(end - 1, 0)) + 1
            late = content.find(b"\n", end) + 1 if change == CHANGES[-1] else end
            with log.open("ab") as file:
                file.write(content[begin:end])
            os.utime(log, ns=(0, next(clock)))
            if is_polled:
                follower.poll()
            rotate(log, change, content[end:late], next(clock))
            os.utime(log, ns=(0, next(clock)))
            begin = max(end, late)
        with log.open("ab") as file:
            file.write(content[begin:])
        os.utime(log, ns=(0, next(clock)))
        follower.poll()
        assert follower.failures == []
        assert_same_steps(follower.steps(SETTINGS), load_logs([str(whole)], OPTIONS))


TABLE = (HEADER + "".join(regular(200))).encode()
SERVER = b"".join(VLLM.read_bytes().splitlines(keepends=True)[:280])
CHANGED = st.lists(st.sampled_from(CHANGES), min_size=8, max_size=8)
POLLED = st.lists(st.booleans(), min_size=8, max_size=8)


@pytest.mark.slow
@example([800 * k for k in range(1, 8)], ["rename", *["nothing"] * 6, "rename"], [True] * 8)
@example([800 * k for k in range(1, 8)], ["rename"] * 3 + ["copy and truncate"] * 3 + ["compress"] * 2, [False] * 8)
@settings(max_examples=settings.default.max_examples // 4)
@given(st.lists(st.integers(800, len(TABLE)), min_size=7, max_size=7), CHANGED, POLLED)  # rows follow the header
def test_a_table_that_grows_and_is_rotated(cuts, changes, polls):
    follow(TABLE, cuts, changes, polls)


@pytest.mark.slow
@settings(max_examples=settings.default.max_examples // 4)
@given(st.lists(st.integers(1800, 4000), min_size=7, max_size=7), CHANGED, POLLED)
def test_a_log_of_a_server_that_grows_and_is_rotated(sizes, changes, polls):
    # Each part has a line with a time: those of requests have none of their own.
    follow(SERVER, [*accumulate(sizes)], changes, polls)


def write_and_rotate(log, lines, change, seed):
    """Write a log some lines at a time, as a server does, and rotate it now and then."""
    draw = random.Random(seed)
    file, begin = log.open("ab", buffering=0), 0

    def write(number):
        nonlocal begin
        file.write(b"".join(lines[begin : begin + number]))
        begin += number

    while begin < len(lines):
        write(draw.randint(1, 12))
        time.sleep(draw.random() / 250)
        if change != "nothing" and draw.random() < 0.04:
            number = 8 if change in {"rename", "compress"} else 0
            late = b"".join(lines[begin : begin + number])
            rotate(log, CHANGES[-1] if number else change, late, time.time_ns())
            begin += number
            if change == "compress":
                time.sleep(0.02)
                pack(log.with_name(f"{log.name}.1"))
            file.close()
            file = log.open("ab", buffering=0)
            write(40)  # with a line that has a time
    file.close()


@pytest.mark.parametrize("change", CHANGES[:-1])
def test_a_log_that_is_rotated_while_it_is_read(tmp_path, change):
    log = tmp_path / "server.log"
    log.touch()
    follower = Follower([str(log)], OPTIONS)
    follower.poll()
    lines = VLLM.read_bytes().splitlines(keepends=True)
    writer = threading.Thread(target=write_and_rotate, args=(log, lines, change, 1))
    writer.start()
    while writer.is_alive():
        follower.poll()
    writer.join()
    follower.poll()
    assert follower.failures == []
    assert_same_steps(follower.steps(SETTINGS), load_logs([str(VLLM)], OPTIONS))


def test_a_log_whose_step_is_given_is_soon_read_no_more(tmp_path):
    options = replace(OPTIONS, step="1s")
    lines = VLLM.read_bytes().splitlines(keepends=True)
    log = tmp_path / "server.log"
    log.touch()
    follower, states = Follower([str(log)], options), []
    for begin in range(0, len(lines), 20):
        with log.open("ab") as file:
            file.writelines(lines[begin : begin + 20])
        follower.poll()
        states.append(follower.state)
    samples = [sum(part.samples for part in log.series) for log in follower.state.logs]
    assert states.index(follower.state) < len(states) / 2, samples  # another state is one that was read anew
    assert_same_steps(follower.steps(SETTINGS), load_logs([str(VLLM)], options))


def page(number):
    """A page of vLLM with what no reader can take: times, a series that comes twice, a value that is no number."""
    return f"""# HELP vllm:num_requests_waiting Requests waiting since 2020-01-01T00:00:00Z.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0"}} {number % 7}.0
# 2020-01-01T00:00:00Z
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0"}} 4.0
# TYPE vllm:request_success_total counter
vllm:request_success_total{{engine="0",finished_reason="stop"}} {3.0 * number}
vllm:request_success_total{{engine="0",finished_reason="stop"}} {3.0 * number}
vllm:num_requests_waiting{{engine="0"}} nonsense
vllm:num_requests_running{{engine="0"}} 4.0 1585699200000
# TYPE python_info gauge
python_info{{version="3.12"}} 1.0
"""


def test_a_page_that_is_read_again_and_again(tmp_path, monkeypatch):
    clock, pages = count(START // 10**9), count()
    monkeypatch.setattr(collect, "time_ns", lambda: next(clock) * 10**9)
    monkeypatch.setattr(collect, "_LARGEST_FILE_BYTES", 8_000)
    monkeypatch.setattr(collect, "_ROTATED_AFTER_S", 0)
    monkeypatch.setattr(collect.MetricsPage, "fetch", lambda self: page(next(pages)))
    collector = collect.MetricsCollector("http://127.0.0.1:9/metrics", tmp_path, 1, READ, {})
    follower = Follower([str(collector.path)], OPTIONS, kept_s=60)
    sizes = []
    for _ in range(130):
        collector.collect()
        follower.poll()
        assert collector.failure is None
        assert follower.failures == []
        sizes.append(len(follower.state.logs))
    steps = follower.steps(SETTINGS)
    assert [stage.name for stage in steps.stages] == ["scraper", "llm"]
    assert steps.step_s == 1
    assert steps.loads.shape == (2, 61)  # no more than is kept
    assert steps.loads[1].tolist() == [float(number % 7) for number in range(69, 130)]
    assert max(sizes[65:]) <= 5
    assert "python_info" not in collector.path.read_text()
    recent = follower.steps(SETTINGS, (START // 10**9 + 120) * 10**9)
    np.testing.assert_array_equal(recent.loads, steps.loads[:, -10:])


def test_a_page_that_cannot_be_read(tmp_path):
    collector = collect.MetricsCollector("http://127.0.0.1:9/metrics", tmp_path, 1, READ, {})
    collector.collect()
    assert "refused the connection" in str(collector.failure)
    assert not collector.path.exists()
    with pytest.raises(EntroError, match="not the address of a server"):
        collect.MetricsCollector("http://127.0.0.1:9/metrics?token=x", tmp_path, 1, READ, {})


def test_a_table_on_standard_input(tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "_LARGEST_FILE_BYTES", 1000)
    monkeypatch.setattr(collect, "_ROTATED_AFTER_S", 0)
    whole = tmp_path / "whole.csv"
    whole.write_bytes(TABLE)
    read, write = os.pipe()
    with os.fdopen(read) as stdin, os.fdopen(write, "wb", buffering=0) as writer:
        monkeypatch.setattr("sys.stdin", stdin)
        collector = collect.StreamCollector(tmp_path)
        follower = Follower([str(collector.path)], OPTIONS)
        for begin in range(0, len(TABLE), 800):
            writer.write(TABLE[begin : begin + 800])
            collector.collect()
            follower.poll()
            assert (collector.failure, follower.failures) == (None, [])
        assert_same_steps(follower.steps(SETTINGS), load_logs([str(whole)], OPTIONS))


def test_an_unexpected_error(tmp_path):
    outcomes = iter([ValueError("secret"), Observations("server", "prometheus", (), 0)])

    def query(begin_ns, end_ns):
        if isinstance(outcome := next(outcomes), Exception):
            raise outcome
        return outcome

    collector = collect.PrometheusCollector(query, tmp_path, 15, START, "server")
    collector.collect()
    assert str(collector.failure) == "server: cannot be read: unexpected error ValueError"
    collector.collect()
    assert collector.failure is None


def test_answers_of_a_server(tmp_path):
    asked, step = [], 15 * 10**9

    def query(begin_ns, end_ns):
        asked.append(begin_ns)
        times = (np.arange(3) - -begin_ns // step) * step
        rate = Series("scraper", Kind.RATE, times, np.array([1.0, 2.0, 3.0]))
        queue = Series("llm", Kind.QUEUE, times[:2], np.array([4.0, 5.0]))
        return Observations("server", "prometheus", (rate, queue), 5)

    collector = collect.PrometheusCollector(query, tmp_path, 15, START, "server")
    collector.collect()
    collector.collect()
    follower = Follower([str(collector.path)], OPTIONS)
    assert follower.poll()
    steps = follower.steps(SETTINGS)
    assert asked == [START, START + 30 * 10**9 + 1]
    assert steps.step_s == 15
    assert steps.loads[0].tolist() == [1, 2, 3, 1, 2, 3]
