"""Celery logs of every version: tasks received and done, those of before and behind the log, in parts."""

import json
import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.registry import detect_format
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
        "failed",
        "ignored",
        "reject requeue=False: None",
        "INTERNAL ERROR: KeyError('x')",
        "succeeded in 1s: 'a\nresult [of] Task x[1] received\nlines'",
    ],
)
def test_every_way_to_end(tmp_path, how):
    _, in_flight = read(written(tmp_path, received(0, 1), done(600, 1, how), stamp(900) + "Events\n")).series
    assert levels(in_flight) == [(0, 600, 1), (600, 900, 0)]


@pytest.mark.parametrize(
    "line",
    [
        "Discarding revoked task: {}",
        "Hard time limit (300s) exceeded for {}",
        "Terminating {id} (Signals.SIGTERM)",
        "Task handler raised error: WorkerLostError('Worker exited prematurely: signal 9 (SIGKILL) Job: 3.')",
        "worker: Cold shutdown (MainProcess)",
        "celery@host ready.",
    ],
)
def test_a_task_that_does_not_end_by_itself(tmp_path, line):
    line = line.format(task(1), id=task(1)[11:-1])
    found = read(written(tmp_path, received(0, 1), stamp(600) + line + "\n", received(900, 2)))
    assert levels(found.series[1]) == [(0, 600, 1), (600, 900, 0)]


@pytest.mark.parametrize(
    "line",
    [
        "Soft time limit (300s) exceeded for {}",
        "Task handler raised error: TimeLimitExceeded(300)",
        "app: Task {} received",
    ],
)
def test_lines_after_which_a_task_goes_on(tmp_path, line):
    found = read(written(tmp_path, received(0, 1), stamp(600) + line.format(task(1)) + "\n", done(900, 1)))
    assert levels(found.series[1])[0][2] == levels(found.series[1])[-1][2] == 1
    assert arrivals(found.series[0]) == {0: 1}


def test_a_lost_task_that_is_delivered_again(tmp_path):
    lost = stamp(200) + "Task handler raised error: WorkerLostError('Worker exited prematurely')\n"
    found = read(
        written(tmp_path, received(0, 1), received(100, 2), lost, done(300, 1), received(500, 2), done(900, 2))
    )
    assert levels(found.series[1]) == [(0, 100, 1), (100, 200, 2), (200, 300, 1), (300, 500, 0), (500, 900, 1)]
    assert arrivals(found.series[0]) == {0: 1, 100: 1}


def test_tasks_of_before_the_log_and_behind_it(tmp_path):
    old = done(300, 7, "succeeded in 2.5s: None")
    found = read(written(tmp_path, received(100, 1), old, received(400, 2), done(500, 1), stamp(800) + "x\n"))
    assert levels(found.series[1]) == [(100, 300, 2), (300, 400, 1), (400, 500, 2), (500, 800, 1)]
    assert arrivals(found.series[0]) == {100: 1, 400: 1}
    assert "1 task was received before the log begins: in flight from there on" in sentences(found.problems)
    assert "1 task is not done where the log ends" in sentences(found.problems)


def test_a_task_that_runs_where_it_is_called_arrives_when_it_begins(tmp_path):
    found = read(written(tmp_path, stamp(0) + "x\n", done(900, 1, "succeeded in 0.5s: 1"), done(950, 2, "raised: E()")))
    assert levels(found.series[1]) == [(0, 400, 0), (400, 900, 1), (900, 950, 0)]
    assert arrivals(found.series[0]) == {400: 1, 950: 1}
    assert not any("before the log" in words for words in sentences(found.problems))


def test_a_task_that_waits_for_its_retry_is_in_flight(tmp_path):
    retry = done(100, 1, "retry: Retry in 30s: HTTPError('429')")
    found = read(written(tmp_path, received(0, 1), retry, received(105, 1), done(30_100, 1), stamp(40_000) + "x\n"))
    assert levels(found.series[1]) == [(0, 30_100, 1), (30_100, 40_000, 0)]
    assert arrivals(found.series[0]) == {0: 1}
    assert found.rows_read == 4


def test_a_retry_that_another_worker_takes(tmp_path):
    lines = [received(0, 1), done(100, 1, "retry: Retry in 1.5s")]
    found = read(written(tmp_path, *lines, received(61_700, 2), received(61_900, 3)))
    assert [level for *_, level in levels(found.series[1])] == [1, 1]
    assert "1 task did not come back for its retry: in flight until 60 s after that was due" in sentences(
        found.problems
    )


def ready(ms, host="celery@a", slots=None):
    banner = f" -- ******* ---- .> concurrency: {slots} (prefork)\n" if slots else ""
    return banner + stamp(ms) + f"{host} ready.\n"


def test_several_workers_in_one_log_clear_nothing(tmp_path):
    shared = "1 worker started while others write into the same log"
    both = [ready(0), ready(1, "celery@b"), received(100, 1), received(900, 2)]
    found = read(written(tmp_path, *both))
    assert levels(found.series[1])[-1] == (100, 900, 1)
    assert any(shared in words for words in sentences(found.problems))
    stop = stamp(200) + "worker: Warm shutdown (MainProcess)\n"
    found = read(written(tmp_path, ready(0), received(100, 1), stop, ready(300, "celery@b"), received(900, 2)))
    assert levels(found.series[1])[-1] == (300, 900, 0)
    assert not any(shared in words for words in sentences(found.problems))


def test_the_queue_is_what_is_in_flight_beyond_the_slots(tmp_path):
    lines = [ready(0, slots=2), *(received(100 * number, number) for number in range(1, 5)), done(500, 1)]
    more = [ready(600, slots=1), received(700, 5), received(800, 6), received(900, 7)]
    found = read(written(tmp_path, *lines, *more))
    assert (found.series[1].stage, found.series[1].column) == ("llm", "waiting")
    assert [level for *_, level in levels(found.series[1])] == [0, 0, 0, 1, 2, 1, 0, 0, 1]
    assert {"requests", "in_flight", "waiting"} == set(found.columns)
    assert not any("in flight, running" in words for words in sentences(found.problems))
    unknown = read(written(tmp_path, *lines[1:]))
    assert unknown.series[1].column == "in_flight"
    assert any("in flight, running" in words for words in sentences(unknown.problems))


def django(line):
    return f"{line[1:24]} INFO celery.worker {line.partition('] ')[2]}"


def json_line(**fields):
    def lines(line):
        message = line.partition("] ")[2].rstrip("\n")
        when = datetime.strptime(line[1:24], "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
        given = {name: form(when) for name, form in fields.items()}
        return json.dumps({"message": message, "levelname": "INFO"} | given) + "\n"

    return lines


@pytest.mark.parametrize(
    "form",
    [
        django,
        json_line(asctime=lambda when: f"{when:%Y-%m-%d %H:%M:%S},{when.microsecond // 1000:03}"),
        json_line(timestamp=lambda when: when.isoformat(), time=lambda when: f"{when:%H:%M:%S}"),
        json_line(ts=lambda when: when.timestamp()),
        json_line(time=lambda when: round(when.timestamp() * 1000)),
    ],
)
def test_a_worker_with_a_log_format_of_its_own(tmp_path, form):
    lines = [received(0, 1), received(500, 2), done(700, 1), done(950, 2, "succeeded in 0.4s: {'a': \"b\"}")]
    expected = read(written(tmp_path, *lines))
    path = written(tmp_path, *map(form, lines), name="other.log")
    with plain_log(str(path)) as log:
        assert detect_format(log, ReadOptions(UTC)) == "celery"
    for one, other in zip(read(path).series, expected.series, strict=True):
        np.testing.assert_array_equal(one.times, other.times)
        np.testing.assert_array_equal(one.values, other.values)


def test_a_line_without_its_time_is_counted(tmp_path):
    found = read(written(tmp_path, received(0, 1), done(500, 1), f"Task {task(2)} received\n"))
    assert (found.rows_read, found.rows_skipped, found.bad_rows[0].line) == (2, 1, 3)


def test_an_eta_and_colours(tmp_path):
    eta = stamp(0) + f"Received task: {task(1)}  ETA:[2026-04-06 09:00:00+00:00] \n"
    coloured = stamp(50) + f"\x1b[1;32mTask {task(1)} succeeded in 1s: None\x1b[0m\n"
    assert levels(read(written(tmp_path, eta, coloured)).series[1]) == [(0, 50, 1)]


def test_nothing_of_tasks(tmp_path):
    path = written(tmp_path, stamp(0) + "celery@host ready.\n")
    with pytest.raises(EntroError, match="no line is of a task"):
        read(path)


def test_a_task_that_began_where_reading_stopped_is_counted_on(tmp_path):
    first = [received(0, 0), done(5, 1, "raised unexpected: E()")]
    second = [received(5, 2), stamp(9) + "end\n"]
    for name, part in (("whole", [*first, *second]), ("first", first), ("second", second)):
        (tmp_path / name).write_text("".join(part))
    _, state = resumed(tmp_path / "first", b"")
    assert arrivals(resumed(tmp_path / "second", state)[0].series[0])[5] == 2
    assert arrivals(read(tmp_path / "whole").series[0])[5] == 2


def test_tasks_that_are_delivered_again_after_a_restart_arrived_once(tmp_path):
    lines = [received(0, 0), received(10, 1), ready(500), ready(600), received(700, 0), received(800, 2)]
    found = read(written(tmp_path, *lines, done(900, 0)))
    assert arrivals(found.series[0]) == {0: 1, 10: 1, 800: 1}
    assert levels(found.series[1])[-1] == (800, 900, 2)


@given(data=st.data())
@settings(deadline=None)
def test_cut_anywhere_it_is_the_same(tmp_path_factory, data):
    draw = random.Random(data.draw(st.integers(0, 10**6)))
    lines, going, now = [received(0, 0)], {0}, 0
    for number in range(1, 40):
        now += draw.choice([0, 1, 40, 1000, 62_000])
        chance = draw.random()
        if chance < 0.05:
            lines.append(ready(now, draw.choice(["celery@a", "celery@b"]), draw.choice([None, 2])))
            lines += [received(now, number) for number in sorted(going) if draw.random() < 0.5]
        elif going and chance < 0.3:
            pause = draw.choice([1, 70])
            lines.append(done(now, draw.choice(sorted(going)), f"retry: Retry in {pause}s"))
        elif going and chance < 0.6:
            lines.append(done(now, going.pop(), "raised unexpected: E()"))
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
