"""Logs of RQ, Dramatiq and Sidekiq: starts as a rate, jobs in flight by name, in parts like the whole."""

from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.registry import detect_format
from entro_cli.readers.workers.jobs import WorkerReader
from entro_cli.timeseries.observations import ReadOptions, StageSpec
from entro_cli.timeseries.problems import sentences

worker = WorkerReader()
BEGIN = datetime(2026, 4, 6, 8, 0, tzinfo=UTC)
ZERO = round(BEGIN.timestamp())
NS = 10**9
BOTH = (StageSpec("starts", "starts"), StageSpec("in_flight", "in_flight"))


def job(number):
    return f"{number:08x}-0000-4000-8000-000000000000"


def rq(at, number, start):
    stamp = f"{BEGIN + timedelta(seconds=at):%H:%M:%S}"
    ended = f"{stamp} Result is kept for 500 seconds\n"
    return (
        f"{stamp} default: app.fetch('2026-01-02 03:04:05: (x)') ({job(number)})\n"
        if start
        else f"{stamp} default: Job OK ({job(number)})\n{ended}"
    )


def coloured_rq(at, number, start):
    return rq(at, number, start).replace("default", "\x1b[32mdefault\x1b[39;49;00m")


def sidekiq(at, number, start):
    stamp = f"{BEGIN + timedelta(seconds=at):%Y-%m-%dT%H:%M:%S}.000Z pid=1 tid=go class=Fetch jid={number:024x}"
    return f"{stamp} INFO: start\n" if start else f"{stamp} elapsed=1.5 INFO: done\n"


def sidekiq_8(at, number, start):
    stamp = f"\x1b[1;34mINFO \x1b[0m {BEGIN + timedelta(seconds=at):%Y-%m-%dT%H:%M:%S}.000Z pid=1 tid=go"
    return f"{stamp} class=Fetch jid={number:024x}" + (": start\n" if start else " elapsed=1.5: done\n")


def sidekiq_5(at, number, start):
    stamp = f"{BEGIN + timedelta(seconds=at):%Y-%m-%dT%H:%M:%S}.000Z 17 TID-owx Fetch JID-{number:024x} INFO: "
    return stamp + ("start\n" if start else "fail: 1.5 sec\n")


def sidekiq_json(at, number, start):
    context = f'{{"class":"Fetch","jid":"{number:024x}"' + ("" if start else ',"elapsed":1.5') + "}"
    stamp = f"{BEGIN + timedelta(seconds=at):%Y-%m-%dT%H:%M:%S}.000Z"
    return (
        f'{{"ts":"{stamp}","pid":1,"tid":"go","lvl":"INFO","msg":"{"start" if start else "done"}","ctx":{context}}}\n'
    )


def dramatiq(at, number, start):
    stamp = f"[{BEGIN + timedelta(seconds=at):%Y-%m-%d %H:%M:%S},000] [PID 7] [Thread-3] [dramatiq.worker.WorkerThread]"
    return f"{stamp} " + (
        f"[DEBUG] Received message fetch('x') with id '{job(number)}'.\n"
        if start
        else "[INFO] Completed after 1500.25ms.\n"
    )


FORMS = [rq, coloured_rq, sidekiq, sidekiq_8, sidekiq_5, sidekiq_json, dramatiq]
EVENTS = [
    (0, 1, True),
    (2, 2, True),
    (3, 3, True),
    (5, 1, False),
    (6, 3, False),
    (8, 2, False),
    (9, 4, True),
    (11, 4, False),
]


def written(folder, *lines):
    path = folder / "worker.log"
    path.write_text("".join(lines))
    return path


def resumed(path, state=b"", stages=BOTH):
    with plain_log(str(path)) as log:
        return worker.resume(log, ReadOptions(UTC, stages, start_ns=ZERO * NS, zone_given=True), state)


def starts(series):
    pairs = zip(series.times.tolist(), series.values.tolist(), strict=True)
    return {time // NS - ZERO: count for time, count in pairs if count}


def levels(series):
    spans = zip(series.begins.tolist(), series.times.tolist(), series.values.tolist(), strict=True)
    return [(begin // NS - ZERO, end // NS - ZERO, level) for begin, end, level in spans]


@pytest.mark.parametrize("form", FORMS)
def test_starts_and_ends(tmp_path, form):
    path = written(tmp_path, *(form(*event) for event in EVENTS))
    with plain_log(str(path)) as log:
        assert detect_format(log, ReadOptions(UTC)) == "worker"
    found = resumed(path).observations
    assert starts(found.series[0]) == {0: 1, 2: 1, 3: 1, 9: 1}
    assert levels(found.series[1]) == [(0, 2, 1), (2, 3, 2), (3, 5, 3), (5, 6, 2), (6, 8, 1), (8, 9, 0), (9, 11, 1)]
    assert (found.rows_read, found.rows_skipped) == (8, 0)
    (stage,) = resumed(path, stages=()).observations.series
    assert (stage.stage, stage.column) == ("scraper", "starts")
    assert any("the rate is that of starts" in words for words in sentences(found.problems))


@given(form=st.sampled_from(FORMS), cut=st.integers(1, len(EVENTS) - 1))
def test_cut_anywhere_it_is_the_same(tmp_path_factory, form, cut):
    folder = tmp_path_factory.mktemp("cut")
    lines = [form(*event) for event in EVENTS]
    whole = resumed(written(folder, *lines)).observations
    first = resumed(written(folder, *lines[:cut]))
    second = resumed(written(folder, *lines[cut:]), first.state).observations
    end = EVENTS[cut - 1][0]
    both = starts(first.observations.series[0]) | starts(second.series[0])
    assert both == starts(whole.series[0])
    assert levels(second.series[1]) == [span for span in levels(whole.series[1]) if span[0] >= end]


def test_ends_alone_give_the_starts(tmp_path):
    lines = [dramatiq(at, 0, start=False) for at in (10, 12)]
    found = resumed(written(tmp_path, *lines)).observations
    assert starts(found.series[0]) == {10: 1}
    assert "1 task was received before the log begins: in flight from there on" in sentences(found.problems)


def test_a_job_that_ends_without_a_line_about_it(tmp_path):
    lost = "08:00:04 Moving job to FailedJobRegistry (Work-horse terminated unexpectedly; waitpid returned 9)\n"
    found = resumed(written(tmp_path, rq(0, 1, start=True), lost, rq(9, 2, start=True))).observations
    assert levels(found.series[1]) == [(0, 4, 1), (4, 9, 0)]
    failed = f"08:00:04 [Job {job(1)}]: exception raised while executing (app.fetch)\n"
    found = resumed(written(tmp_path, rq(0, 1, start=True), failed, rq(9, 2, start=True))).observations
    assert levels(found.series[1]) == [(0, 4, 1), (4, 9, 0)]


@pytest.mark.parametrize("text", ["a: " * 2000 + ")", "jid=" * 2000, "Received message " * 500, " (" * 3000 + ")"])
def test_lines_that_match_nearly_cost_little(tmp_path, text):
    path = written(tmp_path, rq(0, 1, start=True), *[f"08:00:01 default: {text}\n"] * 300, rq(9, 1, start=False))
    begin = perf_counter()
    assert resumed(path).observations.rows_read == 2
    assert perf_counter() - begin < 3
