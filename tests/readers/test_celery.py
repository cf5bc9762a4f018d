"""Celery logs of every version: tasks received and done, those of before and behind the log, in parts."""

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.workers.celery import CeleryReader
from entro_cli.timeseries.observations import Measure, ReadOptions
from entro_cli.timeseries.problems import sentences
from entro_engine import EntroError

celery = CeleryReader()

BEGIN = datetime(2026, 4, 6, 8, 0, tzinfo=UTC)
ZERO = round(BEGIN.timestamp()) * 10**9
MS = 10**6


def read(path, **options):
    with plain_log(str(path)) as log:
        return celery.read(log, ReadOptions(**{"zone": UTC} | options))


def stamp(ms, process="MainProcess"):
    when = BEGIN + timedelta(milliseconds=ms)
    return f"[{when:%Y-%m-%d %H:%M:%S},{ms % 1000:03d}: INFO/{process}] "


def task(number):
    return f"crawl.page[{number:08x}-0000-4000-8000-000000000000]"


def received(ms, number, old=False):
    return stamp(ms) + (f"Received task: {task(number)}  \n" if old else f"Task {task(number)} received\n")


def done(ms, number, how="succeeded in 0.195s: None"):
    return stamp(ms, "ForkPoolWorker-1") + f"Task {task(number)} {how}\n"


def written(folder, *lines, name="celery.log"):
    path = folder / name
    path.write_text("".join(lines))
    return path


def levels(series):
    return [
        ((begin - ZERO) // MS, (end - ZERO) // MS, value)
        for begin, end, value in zip(series.begins.tolist(), series.times.tolist(), series.values.tolist(), strict=True)
    ]


def arrivals(series):
    pairs = zip(series.times.tolist(), series.values.tolist(), strict=True)
    return {(time - ZERO) // MS: count for time, count in pairs if count}


@pytest.mark.parametrize("old", [False, True])
def test_received_and_done(tmp_path, old):
    lines = [
        received(0, 1, old),
        received(500, 2, old),
        received(500, 3, old),
        done(700, 1),
        done(900, 3),
        done(1000, 2),
    ]
    requests, in_flight = read(written(tmp_path, *lines)).series
    assert (requests.stage, requests.measure) == ("scraper", Measure.EVENTS)
    assert arrivals(requests) == {0: 1, 500: 2}
    assert (in_flight.stage, in_flight.measure) == ("llm", Measure.SPANS)
    assert levels(in_flight) == [(0, 500, 1), (500, 700, 3), (700, 900, 2), (900, 1000, 1)]


@pytest.mark.parametrize(
    "how",
    [
        "succeeded in 0.195s: ['a', 'b']",
        "raised unexpected: ValueError('no')",
        "raised expected: Nothing()",
        "retry: Retry in 180s",
        "succeeded in 1s: 'a\nresult [of] Task x[1] received\nlines'",
    ],
)
def test_every_way_to_end(tmp_path, how):
    _, in_flight = read(written(tmp_path, received(0, 1), done(600, 1, how), stamp(900) + "Events\n")).series
    assert levels(in_flight) == [(0, 600, 1), (600, 900, 0)]


def test_tasks_of_before_the_log_and_behind_it(tmp_path):
    found = read(written(tmp_path, received(100, 1), done(300, 7), received(400, 2), done(500, 1), stamp(800) + "x\n"))
    assert levels(found.series[1]) == [(100, 300, 2), (300, 400, 1), (400, 500, 2), (500, 800, 1)]
    assert "1 task was received before the log begins: in flight from there on" in sentences(found.problems)
    assert "1 task is not done where the log ends" in sentences(found.problems)


def test_an_eta_and_colours(tmp_path):
    eta = stamp(0) + f"Received task: {task(1)}  ETA:[2026-04-06 09:00:00+00:00] \n"
    coloured = stamp(50) + f"\x1b[1;32mTask {task(1)} succeeded in 1s: None\x1b[0m\n"
    assert levels(read(written(tmp_path, eta, coloured)).series[1]) == [(0, 50, 1)]


def test_nothing_of_tasks(tmp_path):
    path = written(tmp_path, stamp(0) + "celery@host ready.\n")
    with pytest.raises(EntroError, match="no line is of a task"):
        read(path)


def test_a_time_that_is_none_is_a_bad_line(tmp_path):
    path = written(tmp_path, received(0, 1), received(9, 1).replace("04-06", "02-30"), done(100, 1))
    found = read(path)
    assert (found.rows_read, found.rows_skipped, found.bad_rows[0].line) == (2, 1, 2)


@given(data=st.data())
@settings(deadline=None)
def test_cut_anywhere_it_is_the_same(tmp_path_factory, data):
    draw = random.Random(data.draw(st.integers(0, 10**6)))
    lines, going, now = [received(0, 0)], {0}, 0
    for number in range(1, 40):
        now += draw.choice([0, 1, 40, 1000])
        if going and draw.random() < 0.5:
            lines.append(done(now, going.pop()))
        else:
            lines.append(received(now, number))
            going.add(number)
    cut = data.draw(st.integers(1, len(lines)))
    folder = tmp_path_factory.mktemp("cut")
    for name, part in (("whole", lines), ("first", lines[:cut]), ("second", [*lines[cut:], stamp(now) + "end\n"])):
        (folder / name).write_text("".join(part))
    whole = read(folder / "whole")
    first, state = resumed(folder / "first", b"")
    second, _ = resumed(folder / "second", state)
    end = (int(first.series[0].times[-1]) - ZERO) // MS
    behind = {at: count for at, count in arrivals(second.series[0]).items() if at >= end}
    assert arrivals(first.series[0]) | behind == arrivals(whole.series[0])
    assert rest(second, end) == rest(whole, end)


def resumed(path, state):
    with plain_log(str(path)) as log:
        reading = celery.resume(log, ReadOptions(UTC), state)
    return reading.observations, reading.state


def rest(found, end):
    """How many were in flight behind a moment."""
    every = [span for series in found.series[1:] for span in levels(series)]
    return [(max(begin, end), after, level) for begin, after, level in every if after > end]


@pytest.mark.parametrize("seed", range(40))
def test_damage_never_breaks_it(tmp_path, seed):
    draw = random.Random(seed)
    content = bytearray("".join([received(0, 1), received(3, 2), done(60, 1), done(90, 2)]).encode())
    for _ in range(draw.randrange(1, 30)):
        place = draw.randrange(len(content))
        content[place : place + draw.randrange(3)] = draw.choice([b"\xff", b"\r\n", b"\n", b"[", b"]", b"9" * 30, b""])
    path = tmp_path / "log"
    path.write_bytes(bytes(content))
    try:
        found = read(path)
    except EntroError:
        return
    for series in found.series:
        assert np.all(series.values >= 0)
