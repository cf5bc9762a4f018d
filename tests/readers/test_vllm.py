"""The vLLM reader: every version's lines, engines, idle times, restarts, requests between ticks, logs cut in two."""

import os
import random
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entro_cli.readers import registry as detect
from entro_cli.readers.inputs.log_file import EmptyLogError
from entro_cli.readers.vllm.reader import VllmReader
from entro_cli.timeseries.observations import Measure
from entro_cli.timeseries.problems import ProblemKind, sentences
from entro_engine import EntroError, Kind
from tests.readers.text_logs import (
    CHANGED,
    check_cut,
    log_of,
    named,
    observed,
    options,
    quantity,
    real_log,
    state_behind,
)
from tests.running import entro

vllm = VllmReader()

NAMES = ("waiting", "running", "prompt_throughput", "generation_throughput", "requests")
BEGIN = datetime(2026, 3, 1, 12, 0, 0)
ACCESS = 'INFO:     10.0.0.1:51234 - "POST /v1/chat/completions HTTP/1.1" 200 OK'
START = "INFO {:%m-%d %H:%M:%S} [core.py:58] Initializing a V1 LLM engine (v0.10.1) with config: model='m'"


def v1(when, waiting=0, running=1, rate=5.0, engine="Engine 000: ", pid="", prefix=""):
    stamp = f"{when:%m-%d %H:%M:%S}"
    return (
        f"{prefix}{pid}INFO {stamp} [loggers.py:123] {engine}Avg prompt throughput: {rate:.1f} tokens/s, Avg "
        f"generation throughput: {rate:.1f} tokens/s, Running: {running} reqs, Waiting: {waiting} reqs, GPU KV cache "
        "usage: 0.7%, Prefix cache hit rate: 0.0%"
    )


def text(*lines):
    return "".join(f"{line}\n" for line in lines).encode()


def at(seconds):
    return BEGIN + timedelta(seconds=seconds)


def seconds_of(times):
    begin = int(BEGIN.replace(tzinfo=UTC).timestamp()) * 10**9
    return [(time - begin) / 1e9 for time in times.tolist()]


def spans_of(observations):
    """(begin, end, how many requests) of each span, seconds."""
    part = quantity(observations, "requests")
    counts = part.values * (part.times - part.begins) / 1e9
    return list(zip(seconds_of(part.begins), seconds_of(part.times), np.round(counts, 9).tolist(), strict=True))


LINES = {
    "0.1": "INFO 03-01 12:00:00 scheduler.py:271] Throughput: 9.5 tokens/s, Running: 2 reqs, Swapped: 1 reqs, "
    "Pending: 3 reqs, GPU KV cache usage: 0.1%, CPU KV cache usage: 0.0%",
    "0.2.7": "INFO 03-01 12:00:00 llm_engine.py:706] Avg prompt throughput: 1.5 tokens/s, Avg generation "
    "throughput: 2.5 tokens/s, Running: 2 reqs, Swapped: 1 reqs, Pending: 3 reqs, GPU KV cache usage: "
    "0.1%, CPU KV cache usage: 0.0%",
    "0.6": "INFO 03-01 12:00:00 metrics.py:449] Avg prompt throughput: 1.5 tokens/s, Avg generation throughput: "
    "2.5 tokens/s, Running: 2 reqs, Swapped: 1 reqs, Pending: 3 reqs, GPU KV cache usage: 0.1%, CPU KV "
    "cache usage: 0.0%.",
    "0.8.0": "INFO 03-01 12:00:00 [loggers.py:80] Avg prompt throughput: 1.5 tokens/s, Avg generation throughput: "
    "2.5 tokens/s, Running: 2 reqs, Waiting: 3 reqs, GPU KV cache usage: 0.1%, Prefix cache hit rate: "
    "0.0%",
    "0.9": "INFO 03-01 12:00:00 [loggers.py:116] Engine 000: Avg prompt throughput: 1.5 tokens/s, Avg "
    "generation throughput: 2.5 tokens/s, Running: 2 reqs, Waiting: 3 reqs, GPU KV cache usage: 0.1%, "
    "Prefix cache hit rate: 0.0%",
    "newest": "(APIServer pid=7) INFO 03-01 12:00:00 [v1/metrics/loggers.py:259] Engine 000: Avg prompt "
    "throughput: 1.5 tokens/s, Avg generation throughput: 2.5 tokens/s, Running: 2 reqs, Waiting: 3 "
    "reqs, Deferred: 1 reqs, Preemptions: 4, GPU KV cache usage: 0.1%, Prefix cache hit rate: 0.0%, "
    "Corrupted: 0 reqs, MM cache hit rate: 0.0%",
    "aggregated": "INFO 03-01 12:00:00 [loggers.py:236] 4 Engines Aggregated: Avg prompt throughput: 1.5 tokens/s, Avg "
    "generation throughput: 2.5 tokens/s, Running: 2 reqs, Waiting: 3 reqs, GPU KV cache usage: 0.1%, "
    "Prefix cache hit rate: 0.0%",
    "a fork": "INFO 03-01 12:00:00 metrics.py:351] instance id: ab12, Avg prompt throughput: 1.5 tokens/s, Avg "
    "generation throughput: 2.5 tokens/s, Running: 2 reqs, Swapped: 0 reqs, Migrating waiting: 7 reqs, "
    "Migrating Running: 8 reqs, Pending: 3 reqs, GPU KV cache usage: 0.1%, CPU KV cache usage: 0.0%.",
    "colours": "\x1b[1;36m(APIServer pid=1)\x1b[0;0m \x1b[32mINFO\x1b[0m 03-01 12:00:00 "
    "[loggers.py:259] Engine 000: Avg prompt "
    "throughput: 1.5 tokens/s, Avg generation throughput: 2.5 tokens/s, Running: 2 reqs, Waiting: 3 "
    "reqs, GPU KV cache usage: 0.1%, Prefix cache hit rate: 0.0%",
    "a prefix": "[node-7|prod] INFO 03-01 12:00:00 [loggers.py:80] Avg prompt throughput: 1.5 tokens/s, Avg "
    "generation throughput: 2.5 tokens/s, Running: 2 reqs, Waiting: 3 reqs, GPU KV cache usage: 0.1%, "
    "Prefix cache hit rate: 0.0%",
    "a container's stamp": "2026-03-01T12:00:00.000000000Z INFO 03-01 04:00:00 [loggers.py:80] Avg prompt "
    "throughput: 1.5 "
    "tokens/s, Avg generation throughput: 2.5 tokens/s, Running: 2 reqs, Waiting: 3 reqs, GPU KV cache "
    "usage: 0.1%",
    "JSON": '{"asctime": "2026-03-01 12:00:00,000", "levelname": "INFO", "message": "Engine 000: Avg prompt '
    "throughput: 1.5 tokens/s, Avg generation throughput: 2.5 tokens/s, Running: 2 reqs, Waiting: 3 "
    'reqs, GPU KV cache usage: 0.1%"}',
    "JSON, the time last": '{"log": "INFO [loggers.py:80] Avg prompt throughput: 1.5 tokens/s, Avg generation '
    "throughput: 2.5 "
    'tokens/s, Running: 2 reqs, Waiting: 3 reqs, GPU KV cache usage: 0.1%\\n", "time": '
    '"2026-03-01T12:00:00Z"}',
    "JSON in JSON": '{"log": "{\\"levelname\\": \\"INFO\\", \\"message\\": \\"Avg prompt throughput: 1.5 tokens/s, Avg '
    "generation throughput: 2.5 tokens/s, Running: 2 reqs, Waiting: 3 reqs, GPU KV cache usage: 0.1%"
    '\\", \\"created\\": 1772366400.0}\\n"}',
    "JSON, milliseconds": '{"level": "info", "event": "Engine 000: Avg prompt throughput: 1.5 tokens/s, Avg generation '
    'throughput: 2.5 tokens/s, Running: 2 reqs, Waiting: 3 reqs, GPU KV cache usage: 0.1%", "ts": 1772366400000}',
    "JSON of loguru": '{"text": "Engine 000: Avg prompt throughput: 1.5 tokens/s, Avg generation throughput: 2.5 '
    'tokens/s, Running: 2 reqs, Waiting: 3 reqs, GPU KV cache usage: 0.1%\\n", "record": {"time": {"repr": '
    '"2026-03-01 13:00:00.000000+01:00", "timestamp": 1772366400.0}}}',
    "JSON of Elastic": '{"log.level": "info", "message": "Engine 000: Avg prompt throughput: 1.5 tokens/s, Avg '
    "generation throughput: 2.5 tokens/s, Running: 2 reqs, Waiting: 3 reqs, GPU KV cache usage: 0.1%"
    '", "@timestamp": "2026-03-01T12:00:00.000Z"}',
    "a fork with more fields": "INFO 03-01 12:00:00 llm_engine.py:921] Avg prompt throughput: 1.5 tokens/s, Cached: 7, "
    "Avg generation throughput: 2.5 tokens/s, Max iteration time: 386.7 ms, Avg time/tok:149.4 ms, Running: 2 reqs, "
    "Swapped: 0 reqs, Pending: 3 reqs, GPU KV cache usage: 41.0%, CPU KV cache usage: 0.0%",
    "a whole stamp": "2026-03-01 12:00:00 | INFO | vllm | Avg prompt throughput: 1.5 tokens/s, Avg "
    "generation throughput: "
    "2.5 tokens/s, Running: 2 reqs, Waiting: 3 reqs, GPU KV cache usage: 0.1%, Prefix cache hit rate: "
    "0.0%",
}


@pytest.mark.parametrize("version", LINES)
def test_every_version(version):
    observations = observed(vllm, text(LINES[version]), stages=named(*NAMES))
    values = {part.column: part.values.tolist() for part in observations.stages}
    rates = {} if version == "0.1" else {"prompt_throughput": [1.5], "generation_throughput": [2.5]}
    assert values == {"waiting": [3], "running": [2]} | rates
    assert seconds_of(observations.series[0].times) == [0]
    assert observations.rows_skipped == 0


def test_a_server_that_is_updated_from_the_first_version():
    later = LINES["0.2.7"].replace("12:00:00", "12:00:10")
    observations = observed(vllm, text(LINES["0.1"], later), stages=named(*NAMES))
    assert quantity(observations, "waiting").values.tolist() == [3, 3]


@pytest.mark.parametrize("version", LINES)
def test_every_version_is_recognised(version):
    with log_of(text(LINES[version])) as log:
        assert vllm.recognise(log) > 0.9
        assert detect.read_log(log, options()).format == "vllm"


def test_what_is_a_stage_and_what_is_not():
    observations = observed(vllm, text(v1(at(0)), ACCESS, v1(at(10))))
    assert {(part.stage, part.kind, part.measure, part.is_fallback) for part in observations.stages} == {
        ("llm", Kind.QUEUE, Measure.SAMPLES, False),
        ("scraper", Kind.RATE, Measure.SPANS, True),
    }
    assert set(observations.columns) == set(NAMES)
    assert quantity(observed(vllm, text(v1(at(0)), v1(at(10)))), "requests") is None, "requests are not logged"


PATHS = {
    "/v1/chat/completions": 1,
    "/v1/completions": 1,
    "/v1/embeddings?user=a": 1,
    "/v1/responses": 1,
    "/generate": 1,
    "/score": 1,
    "/some/long/root/path/of/a/gateway/v1/chat/completions": 1,
    "/some/long/root/path/of/a/gateway/v1/chat/complaints": 0,
    "/v1/responses/resp_0123456789abcdef0123456789/cancel": 0,
    "/v1/chat/completions/render": 0,
    "/tokenize": 0,
    "/v1/load_lora_adapter": 0,
}


@pytest.mark.parametrize("path", PATHS)
def test_which_requests_count(path):
    lines = [
        ACCESS.replace("/v1/chat/completions", path),
        ACCESS.replace("POST", "GET"),
        ACCESS.replace("POST /v1/chat/completions", "GET /metrics"),
        '{"log": "' + ACCESS.replace("/v1/chat/completions", path).replace('"', '\\"') + '\\n"}',
        'Received: prompt="POST /v1/completions HTTP/1.1"',
    ]
    observations = observed(vllm, text(v1(at(0)), *lines, v1(at(10))))
    assert spans_of(observations) == [(0, 10, 2 * PATHS[path])]


def test_requests_are_counted_between_stats_lines():
    content = text(
        ACCESS, ACCESS, v1(at(0)), ACCESS, v1(at(10)), v1(at(20)), ACCESS, ACCESS, ACCESS, v1(at(31)), ACCESS
    )
    observations = observed(vllm, content)
    assert spans_of(observations) == [(-10, 0, 2), (0, 10, 1), (10, 20, 0), (20, 31, 3)]
    assert "1 request after the last whole stats line has no time: left out" in sentences(observations.problems)
    assert observations.rows_read == 4 + 7


def test_engines_are_summed_tick_by_tick():
    lines = []
    for tick in range(4):
        lines += [v1(at(10 * tick + i // 2), i + tick, 1, engine=f"Engine {i:03d}: ") for i in range(3)]
    observations = observed(vllm, text(*lines))
    waiting = quantity(observations, "waiting")
    assert seconds_of(waiting.times) == [0, 10, 20, 30]
    assert waiting.values.tolist() == [3, 6, 9, 12]


def test_the_line_of_all_engines_stands_for_theirs():
    lines = []
    for tick in range(3):
        names = ("Engine 000: ", "Engine 001: ", "2 Engines Aggregated: ")
        lines += [v1(at(10 * tick), waiting, engine=name) for name, waiting in zip(names, (1, 2, 3), strict=True)]
    assert quantity(observed(vllm, text(*lines)), "waiting").values.tolist() == [3, 3, 3]


def test_an_engine_that_rests_counts_as_nothing_while_others_work():
    lines = [v1(at(0), 3, engine="Engine 000: "), v1(at(0), 2, engine="Engine 001: ")]
    lines += [v1(at(10), 0, 0, 0.0, engine="Engine 000: "), v1(at(10), 2, engine="Engine 001: ")]
    lines += [v1(at(10 * tick), tick, engine="Engine 001: ") for tick in range(2, 9)]
    waiting = quantity(observed(vllm, text(*lines)), "waiting")
    assert waiting.values.tolist() == [5, 2, 2, 3, 4, 5, 6, 7, 8]


def test_silence_after_a_line_of_zeros_is_idleness():
    content = text(v1(at(0), 4), ACCESS, v1(at(10), 0, 0, 0.0), ACCESS, v1(at(60), 1))
    observations = observed(vllm, content)
    assert seconds_of(quantity(observations, "waiting").times) == [0, 10, 20, 30, 40, 50, 60]
    assert quantity(observations, "waiting").values.tolist() == [4, 0, 0, 0, 0, 0, 1]
    assert spans_of(observations)[-3:] == [(30, 40, 0), (40, 50, 0), (50, 60, 1)]
    assert "4 samples are of an idle server, which prints nothing: taken as zero" in sentences(observations.problems)


SILENT = {
    "requests are running": [v1(at(0)), v1(at(10), 0, 1, 0.0), v1(at(60))],
    "no zeros before": [v1(at(0)), v1(at(10)), v1(at(60))],
    "zeros are printed": [v1(at(0), 0, 0, 0.0), v1(at(10), 0, 0, 0.0), v1(at(60))],
    "V1 before it was quiet": [v1(at(0), engine=""), v1(at(10), 0, 0, 0.0, engine=""), v1(at(60), engine="")],
    "V0": [
        LINES["0.6"],
        re.sub(r"\d+\.\d tok|\d+ reqs", "0 reqs", LINES["0.6"]).replace("0 reqsens", "0.0 tokens"),
        LINES["0.6"].replace("12:00:0", "12:01:0"),
    ],
}


@pytest.mark.parametrize("why", SILENT)
def test_other_silence_is_no_data(why):
    assert len(quantity(observed(vllm, text(*SILENT[why])), "waiting").times) <= 3


def test_silence_is_reported_only_while_requests_are_running():
    kinds = {
        running: {one.kind for one in observed(vllm, text(v1(at(0)), *rest, v1(at(600)))).problems}
        for running in (0, 1)
        if (rest := [v1(at(10), 0, running, 0.0), v1(at(20), 0, running, 0.0)])
    }
    assert [ProblemKind.SERVER_STALLED in kinds[running] for running in (0, 1)] == [False, True]


def test_the_log_s_own_interval():
    lines = [v1(at(60 * minute), 1) for minute in range(3)] + [v1(at(180), 0, 0, 0.0), v1(at(600), 1)]
    assert seconds_of(quantity(observed(vllm, text(*lines)), "waiting").times) == [60 * minute for minute in range(11)]


def test_a_restart_ends_idleness():
    lines = [v1(at(0)), ACCESS, v1(at(10), 0, 0, 0.0), ACCESS, START.format(at(35)), ACCESS, v1(at(100)), v1(at(110))]
    observations = observed(vllm, text(*lines))
    assert seconds_of(quantity(observations, "waiting").times) == [0, 10, 20, 30, 100, 110]
    assert spans_of(observations) == [(0, 10, 1), (10, 20, 0), (20, 30, 0), (30, 35, 1), (90, 100, 1), (100, 110, 0)]


def test_a_restart_without_idleness():
    lines = [v1(at(0)), v1(at(10)), ACCESS, START.format(at(60)), v1(at(100)), ACCESS, v1(at(110))]
    observations = observed(vllm, text(*lines))
    assert seconds_of(quantity(observations, "waiting").times) == [0, 10, 100, 110]
    assert spans_of(observations) == [(0, 10, 0), (10, 20, 1), (100, 110, 1)]


STOPS = {
    "it is shut down": "(APIServer pid=1) INFO {:%m-%d %H:%M:%S} [launcher.py:100] [shutdown] API server: shutdown "
    "triggered\n(APIServer pid=1) INFO:     Shutting down",
    "uvicorn says so": "(APIServer pid=1) INFO {:%m-%d %H:%M:%S} [x.py:1] Shutting down FastAPI HTTP server.",
    "its engine crashes": "(EngineCore_DP0 pid=9) ERROR {:%m-%d %H:%M:%S} [core.py:398] EngineCore encountered a fatal "
    "error.",
    "its engine is gone": "ERROR {:%m-%d %H:%M:%S} [core_client.py:605] Engine core proc EngineCore_DP0 died "
    "unexpectedly, shutting down client.",
    "requests find it dead": "(APIServer pid=1) ERROR {:%m-%d %H:%M:%S} [api_router.py:72] "
    "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.",
    "JSON": '{{"time": "2026-{:%m-%dT%H:%M:%S}Z", "message": "Shutting down"}}',
}
AGAIN = "(APIServer pid=1) INFO {:%m-%d %H:%M:%S} [api_server.py:1977] vLLM API server version 0.11.2"


@pytest.mark.parametrize("why", STOPS)
def test_nothing_is_known_from_a_stop_to_the_next_start(why):
    lines = [v1(at(0)), v1(at(10), 0, 0, 0.0), ACCESS, STOPS[why].format(at(35)), ACCESS]
    content = text(*lines, AGAIN.format(at(3600)), v1(at(3700)))
    observations = observed(vllm, content)
    assert seconds_of(quantity(observations, "waiting").times) == [0, 10, 20, 30, 3700]
    assert not any(35 < begin < 3690 or 45 < end < 3700 for begin, end, _ in spans_of(observations))
    content = text(ACCESS.replace("POST /v1/chat/completions", "GET /health")) + content  # requests are logged
    for place in range(0, len(content), 41):
        check_cut(vllm, content, [place], *NAMES)


def test_a_busy_server_that_crashes():
    content = text(
        v1(at(0)), v1(at(10)), ACCESS, STOPS["its engine crashes"].format(at(15)), AGAIN.format(at(3600)), v1(at(3700))
    )
    observations = observed(vllm, content)
    assert seconds_of(quantity(observations, "waiting").times) == [0, 10, 3700]
    assert spans_of(observations) == [(0, 10, 0), (10, 20, 1)]


def test_a_stop_without_a_time_is_after_the_last_line():
    content = text(
        v1(at(0)), v1(at(10), 0, 0, 0.0), "(APIServer pid=1) INFO:     Finished server process [1]", v1(at(3600))
    )
    assert seconds_of(quantity(observed(vllm, content), "waiting").times) == [0, 10, 3600]


def test_lines_of_several_api_servers_are_of_one_engine():
    lines = []
    for tick in range(4):
        lines += [v1(at(10 * tick), 4 + 2 * part, 1, pid=f"(ApiServer_{part} pid={part}) ") for part in range(3)]
    observations = observed(vllm, text(*lines), stages=named(*NAMES))
    assert quantity(observations, "waiting").values.tolist() == [6] * 4
    assert quantity(observations, "generation_throughput").values.tolist() == [15] * 4
    assert any("3 API servers print lines of" in problem for problem in sentences(observations.problems))
    check_cut(vllm, text(*lines), [len(text(*lines)) // 2], *NAMES)


@pytest.mark.parametrize("end", [ACCESS, ""])
def test_several_api_servers_without_stats_lines_are_refused_with_the_reason(end):
    line = "(ApiServer_0 pid=382) WARNING 11-26 12:00:00 [loggers.py:1298] AsyncLLM created with api_server_count more "
    with pytest.raises(EmptyLogError, match=r"with several API servers.*--api-server-count 1"):
        observed(vllm, text(line + "than 1; disabling stats logging to avoid incomplete stats.", end))


def test_two_servers_in_one_file_are_summed():
    lines = []
    for tick in range(6):
        lines += [v1(at(10 * tick), 2, pid="(APIServer pid=1) "), v1(at(10 * tick + 4), 3, pid="(APIServer pid=2) ")]
    waiting = quantity(observed(vllm, text(*lines)), "waiting")
    assert waiting.values.tolist()[1:] == [5] * 10, "the last tick may still get the other server's line"


@pytest.mark.parametrize("pause", [5, 10, 20])
@pytest.mark.parametrize("engines", [1, 2])
def test_a_server_under_another_process_replaces_one_that_stopped(pause, engines):
    lines = []
    for process, begin in ((7, 0), (90, 30 + pause), (91, 60 + 2 * pause)):
        for tick in range(4):
            lines += [
                v1(at(begin + 10 * tick), 5, engine=f"Engine {name:03d}: ", pid=f"(APIServer pid={process}) ")
                for name in range(engines)
            ]
    content = text(*lines)
    assert quantity(observed(vllm, content), "waiting").values.tolist() == [5 * engines] * 12
    ends = [place for place, byte in enumerate(content, 1) if byte == ord("\n")]
    for place in ends[engines - 1 :]:
        check_cut(vllm, content, [place], *NAMES)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=3), st.integers(0, 10**6))
def test_servers_side_by_side_stay_summed_at_any_phase(phases, seed):
    chance = random.Random(seed)
    lines = [
        (10 * tick + phase + chance.choice([-1, 0, 0, 1]), server)
        for tick in range(12)
        for server, phase in enumerate(phases)
    ]
    content = text(*(v1(at(second + 1), 1, pid=f"(APIServer pid={server}) ") for second, server in sorted(lines)))
    waiting = quantity(observed(vllm, content), "waiting")
    since = max(min(second for second, of in lines if of == server) for server in range(len(phases))) + 1
    seen = [value for time, value in zip(seconds_of(waiting.times), waiting.values, strict=True) if time >= since]
    assert set(seen) == {len(phases)}


def odd(server, second, waiting):
    return f"{at(second):%FT%T.123Z} <<\x07{server}>> " + v1(at(second), waiting)


@pytest.mark.parametrize("apart", [0, 4])
def test_lines_of_servers_that_nobody_split_are_refused(apart):
    lines = [odd(name, 10 * tick + apart * part, tick) for tick in range(9) for part, name in enumerate(("ab", "cd"))]
    with pytest.raises(
        EntroError, match=r"1[67] of 18 lines .*<<.{0,6}(ab>> .*<<.{0,6}cd|cd>> .*<<.{0,6}ab)>> .*kubectl logs --prefix"
    ) as raised:
        observed(vllm, text(*lines))
    assert "\x07" not in str(raised.value)
    with pytest.raises(EntroError, match=r"1[67] of 18 lines .*<<.{0,6}xx>>") as raised:
        observed(vllm, text(*lines), redact=True)
    assert "ab" not in str(raised.value).partition("expected")[0]


def test_lines_of_servers_without_any_prefix_are_refused():
    lines = [v1(at(10 * tick), tick * part) for tick in range(9) for part in range(2)]
    with pytest.raises(EntroError, match="9 of 18 lines have the time of the line before, with other numbers"):
        observed(vllm, text(*lines))


def test_lines_of_servers_behind_counters_are_refused():
    lines = [f"{10 * tick + part:06d} {v1(at(10 * tick), tick * part)}" for tick in range(9) for part in range(2)]
    with pytest.raises(EntroError, match="9 of 18 lines have the time of the line before, with other numbers"):
        observed(vllm, text(*lines))


def test_logs_of_two_servers_one_after_the_other_are_reported():
    content = text(*(v1(at(10 * tick), part) for part in range(2) for tick in range(9)))
    problems = sentences(observed(vllm, content).problems)
    assert any("have the time of an earlier line, with other numbers" in problem for problem in problems)


def test_a_log_with_its_newest_line_first_is_refused():
    with pytest.raises(EntroError, match=r"newest line comes first: 8 of 8 lines.*tac"):
        observed(vllm, text(ACCESS, *(v1(at(-10 * tick), tick) for tick in range(9))))


def test_a_lines_date_names_no_writer():
    night = datetime(2026, 3, 1, 23, 59)
    lines = [(night + timedelta(seconds=10 * tick + late), tick) for tick in range(12) for late in (0, 65)]
    problems = observed(vllm, text(*(v1(when, tick) for when, tick in lines))).problems
    assert ProblemKind.SERVERS_MIXED not in {one.kind for one in problems}


def test_lines_of_a_second_server_in_a_log_that_has_grown_are_reported():
    ahead = text(*(odd("ab", 10 * tick, 1) for tick in range(9)))
    both = text(*(odd(name, 10 * tick, tick) for tick in range(9, 19) for name in ("ab", "cd")))
    with log_of(both) as log:
        problems = vllm.resume(log, options(), state_behind(vllm, ahead)).observations.problems
    assert ProblemKind.SERVERS_MIXED in {one.kind for one in problems}


ONE_SERVER = {
    "a counter": [f"{tick:06d} " + v1(at(10 * tick), tick) for tick in range(200)],
    "the time since the start": [f"[{10 * tick + 0.5:9.3f}] " + v1(at(10 * tick), tick) for tick in range(200)],
    "a local time": [f"{at(600 * tick):%H:%M} host " + v1(at(600 * tick), tick) for tick in range(400)],
    "each line twice": [v1(at(10 * (tick // 2)), tick // 2) for tick in range(200)],
    "pods, one after the other": [odd(f"pod-{tick // 40}", 10 * tick, tick) for tick in range(200)],
}


@pytest.mark.parametrize("what", ONE_SERVER)
def test_prefixes_of_one_server(what):
    problems = observed(vllm, text(*ONE_SERVER[what])).problems
    assert ProblemKind.SERVERS_MIXED not in {one.kind for one in problems}


def test_the_year_is_that_of_the_last_change():
    content = text(v1(datetime(2025, 12, 31, 23, 59, 50), 1), v1(datetime(2026, 1, 1, 0, 0, 0), 2))
    for changed, said, year in (
        (datetime(2026, 1, 1, 0, 5, tzinfo=UTC), {}, 2026),
        (datetime(2026, 5, 1, tzinfo=UTC), {}, 2026),
        (datetime(2025, 12, 31, 23, tzinfo=UTC), {}, 2026),
        (datetime(2025, 12, 30, tzinfo=UTC), {}, 2025),
        (datetime(2026, 5, 1, tzinfo=UTC), {"year": 2024}, 2024),
    ):
        observations = observed(vllm, content, changed, **said)
        times = quantity(observations, "waiting").times
        assert times.tolist()[1] == int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 10**9
        assert np.diff(times).tolist() == [10**10]
        assert f"year {year}" in observations.zone


def test_the_zone():
    berlin = observed(vllm, text(v1(at(0))), zone=ZoneInfo("Europe/Berlin"), zone_given=True)
    assert seconds_of(berlin.series[0].times) == [-3600]
    assert "Europe/Berlin (--tz)" in berlin.zone
    container = observed(vllm, text(LINES["a container's stamp"]), zone=ZoneInfo("Europe/Berlin"))
    assert (seconds_of(container.series[0].times), container.zone) == ([0], "as written")


def test_the_hour_that_the_clock_shows_twice():
    begin = datetime(2026, 10, 25, 1, 30)
    berlin = ZoneInfo("Europe/Berlin")
    moments = [begin + timedelta(minutes=10 * step) for step in range(9)]
    moments += [begin + timedelta(minutes=10 * step) for step in range(3, 12)]
    lines = [v1(when, step) for step, when in enumerate(moments)]
    waiting = quantity(observed(vllm, text(*lines), datetime(2026, 11, 1, tzinfo=UTC), zone=berlin), "waiting")
    assert len(waiting.times) == len(lines)
    assert waiting.values.tolist() == [*range(18)]
    content = text(*lines)
    for place in range(1, len(content), 97):
        check_cut(vllm, content, [place], *NAMES, zone=berlin, changed=datetime(2026, 11, 1, tzinfo=UTC))


def test_a_clock_that_steps_back_is_told():
    content = text(v1(at(0), 1), ACCESS, v1(at(10), 2), ACCESS, v1(at(5), 3), ACCESS, v1(at(15), 4))
    observations = observed(vllm, content)
    assert quantity(observations, "waiting").values.tolist() == [1, 3, 2, 4]
    assert spans_of(observations) == [(0, 10, 1), (10, 15, 2)]
    assert any("the clock steps back once, by 5 s" in problem for problem in sentences(observations.problems))


BAD = {
    "a number": (v1(at(10)).replace("Waiting: 0", "Waiting: x"), "not a number"),
    "an infinity": (v1(at(10)).replace("throughput: 5.0", "throughput: inf", 1), "infinite"),
    "a negative": (v1(at(10)).replace("Running: 1", "Running: -1"), "negative"),
    "a cut line": (v1(at(10))[:140], "cut short"),
    "no time": (v1(at(10)).replace("03-01", "13-41"), "time"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_lines_are_counted_and_shown(what):
    line, reason = BAD[what]
    content = text(v1(at(0)), ACCESS, line, v1(at(20)))
    observations = observed(vllm, content, redact=True)
    assert (observations.rows_skipped, observations.bad_rows[0].line) == (1, 3)
    assert reason in observations.bad_rows[0].reason
    assert "INFO" not in observations.bad_rows[0].text
    with pytest.raises(EntroError, match="line 3"):
        observed(vllm, content, strict=True)
    with pytest.raises(EntroError, match="2 of 3 lines cannot be read"):
        observed(vllm, text(v1(at(0)), line, line))


def test_a_log_without_stats_lines():
    content = text(START.format(at(0)), ACCESS)
    with log_of(content) as log:
        assert vllm.recognise(log) > 0.5
    with pytest.raises(EmptyLogError, match="no stats line"):
        observed(vllm, content)


def test_what_a_prompt_says_is_no_stats_line():
    quoted = f"INFO 03-01 12:00:05 [logger.py:39] Received request cmpl-1: prompt: '{'x' * 500} {v1(at(5), 99)}'"
    assert quantity(observed(vllm, text(v1(at(0)), quoted, v1(at(10)))), "waiting").values.tolist() == [0, 0]


def generated(seed, engines=1, ticks=40, restarts=0.0):
    """A log with its truth: waiting by second of tick, requests in all. Idle times, noise and restarts in it."""
    chance = random.Random(seed)
    lines, truth, requests, second, busy = [], {}, 0, 0, True
    was_zero, process = [True] * engines, 9
    for _ in range(ticks):
        if chance.random() < restarts:
            lines += [ACCESS] * chance.choice([0, 0, 2])
            second, process = second + chance.choice([3, 17, 60]), process + 1
            lines += [START.format(at(second))] * engines
            second += chance.choice([5, 60])
            was_zero = [True] * engines
        came = chance.choice([0, 0, 1, 3, 7])
        lines += [ACCESS] * came
        requests += came
        if chance.random() < 0.2:
            lines.append(ACCESS.replace("POST /v1/chat/completions", "GET /health"))
        busy = chance.random() < (0.9 if busy else 0.4)
        depths = [chance.randrange(9) if busy else 0 for _ in range(engines)]
        for engine, depth in enumerate(depths):
            if busy or not was_zero[engine]:
                rate = 5.0 if busy else 0.0
                lines.append(
                    v1(at(second), depth, int(busy), rate, f"Engine {engine:03d}: ", f"(APIServer pid={process}) ")
                )
            was_zero[engine] = not busy
        truth[second] = sum(depths)
        second += 10
    return text(*lines), truth, requests


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 4]))
@example(1, 1)
def test_generated_logs_give_their_truth(seed, engines):
    content, truth, requests = generated(seed, engines)
    try:
        observations = observed(vllm, content)
    except EmptyLogError:
        assert not any(truth.values())
        return
    waiting = quantity(observations, "waiting")
    seen = dict(zip(map(int, seconds_of(waiting.times)), waiting.values.tolist(), strict=True))
    assert seen == {second: value for second, value in truth.items() if min(seen) <= second <= max(seen)}
    if quantity(observations, "requests"):
        left = sum(one.count for one in observations.problems if one.kind is ProblemKind.REQUESTS_AFTER_LAST)
        assert sum(count for _, _, count in spans_of(observations)) + left == requests


@given(st.integers(0, 10**6), st.sampled_from([1, 3]), st.floats(0, 1), st.floats(0, 1), st.sampled_from([0, 0.2]))
def test_a_log_cut_anywhere(seed, engines, share, second, restarts):
    content, _, _ = generated(seed, engines, 12, restarts if engines == 1 else 0)
    content = text(ACCESS.replace("POST /v1/chat/completions", "GET /health")) + content  # requests are logged
    first = content.find(b"Engine 000")
    place = int(len(content) * share)
    if first < 0:
        return
    if engines > 1 and place <= content.find(b"\n", content.find(b"Engine 002", first)):
        return  # how many engines there are is known after their first lines
    check_cut(vllm, content, [place, place + int((len(content) - place) * second)], *NAMES)


@pytest.mark.slow
def test_a_log_cut_at_every_byte_round_a_restart():
    content = text(
        v1(at(0)), ACCESS, v1(at(10), 0, 0, 0.0), ACCESS, START.format(at(35)), ACCESS, v1(at(100)), v1(at(110))
    )
    for place in range(0, len(content), 3):
        check_cut(vllm, content, [place], *NAMES)


def test_what_is_carried_is_little():
    content, _, _ = generated(3, 1, 200, restarts=0.5)
    assert content.count(b"Initializing") > 50
    assert len(state_behind(vllm, content)) < 1000


def test_blocks_do_not_matter(monkeypatch):
    from entro_cli.readers import server_lines, text_lines

    content, _, _ = generated(5, 2, 30)
    whole = observed(vllm, content)
    monkeypatch.setattr(server_lines, "blocks", lambda log: text_lines.blocks(log, 700))
    for before, after in zip(whole.series, observed(vllm, content).series, strict=True):
        assert (before.times == after.times).all()
        assert (before.values == after.values).all()


@pytest.mark.parametrize("name", ["vllm.log", "qwen38-int4.log"])
def test_real_logs_against_a_count_of_their_own(name):
    path = real_log(f"vllm/{name}")
    lines = path.read_text(errors="replace").split("\n")
    stats = re.compile(r"INFO (\d\d-\d\d \d\d:\d\d:\d\d) .*Running: (\d+) reqs, Waiting: (\d+) reqs")
    truth, posts = {}, 0
    for line in lines:
        posts += '"POST /v1/chat/completions HTTP' in line
        if match := stats.search(line):
            when = datetime.strptime(f"2026-{match[1]}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            truth[int(when.timestamp())] = (int(match[3]), int(match[2]))
    with log_of(path.read_bytes(), datetime(2026, 9, 1, tzinfo=UTC)) as log:
        observations = vllm.read(log, options(stages=named("waiting", "running", "requests")))
    parts = {part.column: part for part in observations.stages}
    seen = [(parts[name].times // 10**9).tolist() for name in ("waiting", "running")]
    values = {
        when: (waiting, running)
        for when, waiting, running in zip(seen[0], parts["waiting"].values, parts["running"].values, strict=True)
    }
    assert seen[0] == seen[1]
    assert {when: values[when] for when in truth} == truth
    assert all(values[when] == (0, 0) for when in values.keys() - truth.keys())
    counts = parts["requests"].values * (parts["requests"].times - parts["requests"].begins) / 1e9
    assert round(counts.sum(), 6) == posts
    assert observations.rows_read == len(truth) + posts


@pytest.mark.parametrize("name", ["vllm.log", "qwen38-int4.log"])
def test_real_logs_cut_anywhere(name):
    content = real_log(f"vllm/{name}").read_bytes()
    for place in range(len(content) // 5, len(content), len(content) // 15 + 1):
        check_cut(vllm, content, [place], *NAMES)


def test_analyze_reads_it(tmp_path):
    content, _, _ = generated(7, 2)
    path = tmp_path / "server.log"
    path.write_bytes(content)
    os.utime(path, (CHANGED.timestamp(),) * 2)
    outcome = entro("analyze", path, "--tz", "UTC")
    assert outcome.status == 0, outcome.err
    assert "vllm" in outcome.out
