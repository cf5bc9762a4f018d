"""The causes of incidents: made logs with known ones, from the logs themselves and from the history in parts."""

import html
import json
from datetime import UTC, datetime, timedelta

import pytest

from entro_cli.report.render.markdown import plain_text
from tests.marks import slow
from tests.running import entro

START = datetime(2026, 4, 6, 13, 0, tzinfo=UTC)
BUSY = range(40, 50)  # minutes of the second incident; the first one is quiet, and nothing shows its cause
QUIET = range(10, 15)


def ticks(minutes=60, step_s=10):
    for second in range(0, 60 * minutes, step_s):
        minute = second / 60
        yield START + timedelta(seconds=second), minute, int(minute) in BUSY or int(minute) in QUIET


def vllm_log(version="V1"):
    """A full cache from 13:39:30 on, 2 preemptions in each of 6 lines, and a restart from 13:43 to 13:45."""
    yield f"INFO {START:%m-%d %H:%M:%S} [api_server.py:1] vLLM API server version 0.11.0"
    for time, minute, is_busy in ticks():
        stamp = f"INFO {time:%m-%d %H:%M:%S}"
        if 43 <= minute < 45:
            if minute == 44:
                yield f"{stamp} [api_server.py:1] vLLM API server version 0.11.0"
                yield f"{stamp} [core.py:1] Initializing a V1 LLM engine (v0.11.0) with config"
            continue
        usage = 99.1 if 39.5 <= minute < 43 else 20.0
        rates = "Avg prompt throughput: 10.0 tokens/s, Avg generation throughput: 20.0 tokens/s"
        waiting = 60 if is_busy else 1
        if version == "V1":
            preempted = " Preemptions: 2," if 40 <= minute < 41 else ""
            yield (
                f"{stamp} [loggers.py:248] Engine 000: {rates}, Running: 9 reqs, Waiting: {waiting} reqs,{preempted} "
                f"GPU KV cache usage: {usage}%, Prefix cache hit rate: 0.0%"
            )
            continue
        if minute in (40, 41):
            yield (
                f"WARNING {time:%m-%d %H:%M:%S} scheduler.py:1057] Sequence group cmpl-1 is preempted by "
                "PreemptionMode.RECOMPUTE mode because there is not enough KV cache space. This can affect the "
                "end-to-end performance. Increase gpu_memory_utilization or tensor_parallel_size to provide more KV "
                f"cache memory. total_num_cumulative_preemption={1 if minute == 40 else 12}"
            )
        yield (
            f"{stamp} metrics.py:345] {rates}, Running: 9 reqs, Swapped: 0 reqs, Pending: {waiting} reqs, "
            f"GPU KV cache usage: {usage}%, CPU KV cache usage: 0.0%."
        )


def sglang_log():
    """The same, with retractions of two tensor-parallel ranks, of which one counts."""
    for time, minute, is_busy in ticks():
        stamp = f"[{time:%Y-%m-%d %H:%M:%S}"
        if 43 <= minute < 45:
            if minute == 44:
                yield f"{stamp}] server_args=ServerArgs(model_path='m', disaggregation_mode='null')"
            continue
        if 40 <= minute < 41:
            for rank in "01":
                yield (
                    f"{stamp} TP{rank}] KV cache pool is full. Retract requests. #retracted_reqs: 2, "
                    "#new_token_ratio: 0.9998 -> 1.0000"
                )
        usage = 0.99 if 39.5 <= minute < 43 else 0.20
        yield (
            f"{stamp} TP0] Decode batch, #running-req: 9, #full token: 900, full token usage: {usage}, swa token "
            f"usage: 0.10, cuda graph: True, gen throughput (token/s): 100.0, #queue-req: {60 if is_busy else 1}"
        )


def request_log():
    """In the incidents, requests come fast and take long; in the second, 120 get a 429, and 12 a 503."""
    yield "arrival,finish,status"
    for time, minute, is_busy in ticks():
        for request in range(60 if is_busy else 10):
            arrival = time + timedelta(milliseconds=160 * request)
            status = (429 if request < 10 else 503) if 40 <= minute < 42 and request < 11 else 200
            finish = arrival + timedelta(seconds=30 if is_busy else 0.5)
            yield f"{arrival:%Y-%m-%dT%H:%M:%S.%fZ},{finish:%Y-%m-%dT%H:%M:%S.%fZ},{status}"


def metrics_log():
    """Pages of vLLM's metrics, with the same signals as its log."""
    preempted = 0
    for time, minute, is_busy in ticks():
        if 43 <= minute < 44:
            continue
        preempted += 2 if 40 <= minute < 41 else 0
        usage = 0.991 if 39.5 <= minute < 41.5 else 0.2
        yield f"# {time:%Y-%m-%dT%H:%M:%SZ}"
        yield f"vllm:num_requests_waiting {60.0 if is_busy else 1.0}"
        yield f'vllm:kv_cache_usage_perc{{engine="0"}} {usage}'
        yield 'vllm:kv_cache_usage_perc{engine="1"} 0.1'
        yield f"vllm:num_preemptions_total {preempted if minute < 43 else 0}"
        yield f"process_start_time_seconds {1775480000.5 if minute < 43 else 1775483030.25}"


SERVER = [
    ["KV cache of llm at 99% from 13:39", "12 preemptions at llm, the first at 13:40"],
    ["llm restarted at 13:44"],
]
LOGS = {
    "vllm": (vllm_log, SERVER),
    "vllm V0": (lambda: vllm_log("V0"), SERVER),
    "sglang": (sglang_log, SERVER),
    "metrics": (metrics_log, SERVER),
    "requests": (request_log, [["132 requests failed (429: 120, 5xx: 12), the first at 13:40"]]),
}
OPTIONS = ("--tz", "UTC", "--year", "2026", "--step", "10s")


def sentences(document):
    """The causes of each incident, by time."""
    incidents = sorted(document["incidents"], key=lambda incident: incident["start"])
    for cause in (cause for incident in incidents for cause in incident["causes"]):
        clock = datetime.fromisoformat(cause["start"]).strftime("%H:%M")
        assert clock in cause["sentence"]
        assert cause["value"] > 0
    return [[cause["sentence"] for cause in incident["causes"]] for incident in incidents]


def of_logs(*logs):
    outcome = entro("analyze", *logs, *OPTIONS, "--json")
    assert outcome.status == 0, outcome.err
    return sentences(json.loads(outcome.out))


def of_history(history):
    outcome = entro("report", "--daily", "--history", history, *OPTIONS[:2], "--format", "json")
    assert outcome.status == 0, outcome.err
    return sentences(json.loads(outcome.out))


def ingested(history, log):
    assert entro("ingest", log, "--history", history, *OPTIONS).status == 0


@pytest.mark.parametrize("name", [name if name == "vllm" else slow(name) for name in LOGS])
def test_the_log_and_the_history_show_the_same_causes(tmp_path, name):
    lines, expected = LOGS[name]
    content = "".join(f"{line}\n" for line in lines())
    log = tmp_path / "a.log"
    log.write_text(content)
    assert of_logs(log) == [[], *expected]
    ingested(tmp_path / "whole", log)
    assert of_history(tmp_path / "whole") == [[], *expected]
    cut = content.index("13:40:3") + 300  # in the incident, and in a line
    for end in (cut, len(content)):
        log.write_text(content[:end])
        ingested(tmp_path / "grown", log)
    assert of_history(tmp_path / "grown") == [[], *expected]
    cut = content.index("\n", cut) + 1
    for begin, end in ((0, cut), (cut, len(content))):
        log.rename(tmp_path / "a.log.1")
        log.write_text(content[begin:end])
        ingested(tmp_path / "rotated", log)
    assert of_history(tmp_path / "rotated") == [[], *expected]


def table(path, column, values):
    """A log of one stage every 10 s; None for a missing row."""
    rows = [(time, value) for (time, *_), value in zip(ticks(), values, strict=True) if value is not None]
    path.write_text(f"time,{column}\n" + "".join(f"{time.isoformat()},{value}\n" for time, value in rows))
    return path


def test_a_collapsed_rate_and_a_server_that_stopped(tmp_path):
    rates = [1.6] * 225 + [0.1] * 135  # from 13:37:30 on
    queues = [200 if 234 <= tick < 240 or 276 <= tick < 300 else 1 for tick in range(360)]
    queues[240:276] = [None] * 36  # from 13:40 to 13:46
    logs = table(tmp_path / "s.csv", "scraper_rate", rates), table(tmp_path / "l.csv", "llm_queue", queues)
    stopped = "no data of llm from 13:40 to 13:46"
    expected = [["scraper fell from 1.6 to 0.1 req/s at 13:37", stopped], [stopped]]
    assert of_logs(*logs) == expected
    for log in logs:
        ingested(tmp_path / "h", log)
    assert of_history(tmp_path / "h") == expected


def test_what_is_no_cause(tmp_path):
    """A burst that ends, a stage that ends before the others, a cache at 94%, one failed request of hundreds."""
    rates = [6.0 if 240 <= tick < 252 else 1.0 for tick in range(360)]
    queues = [200 if 243 <= tick < 258 else 1 for tick in range(360)]
    logs = [table(tmp_path / "s.csv", "scraper_rate", rates), table(tmp_path / "l.csv", "llm_queue", queues)]
    assert of_logs(*logs) == [[]]
    server = "".join(f"{line}\n" for line in vllm_log() if "Preemptions" not in line and "version" not in line)
    logs[1].write_text(server.replace("99.1%", "94.0%").replace("Initializing", ""))
    assert of_logs(logs[1]) == [[], [], []]
    lines = [line.replace(",429", ",200").replace(",503", ",200") for line in request_log()]
    at = next(index for index, line in enumerate(lines) if "T13:42" in line)
    lines[at] = lines[at].replace(",200", ",429")
    logs[1].write_text("\n".join(lines))
    assert of_logs(logs[1]) == [[], []]


def test_every_output_names_them_and_escapes_stages(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("".join(f"{line}\n" for line in vllm_log()))
    reading = (log, *OPTIONS, "--stage", "{0}<b>\x1b[1m=waiting")
    expected = r"KV cache of {0}<b>\x1b[1m at 99% from 13:39; 12 preemptions at {0}<b>\x1b[1m, the first at 13:40"
    incidents = json.loads(entro("analyze", *reading, "--json").out)["incidents"]
    assert "; ".join(cause["sentence"] for cause in incidents[1]["causes"]) == expected
    for command in (("analyze",), ("report", "--format", "terminal", "--long", "--out", "-")):
        assert expected in " ".join(entro(*command, *reading).out.split())
    for form, escaped in (("html", html.escape(expected)), ("markdown", plain_text(expected))):
        assert entro("report", *reading, "--format", form, "--out", tmp_path).status == 0
        (written,) = tmp_path.glob(f"*.{form[:4].replace('mark', 'md')}")
        assert escaped in written.read_text()


def test_no_name_of_a_stage_is_taken_for_a_signal(tmp_path):
    rows = [
        f"{time.isoformat()},queue{mark}restarts,{index % 7}\n"
        for index, (time, *_) in enumerate(ticks(5))
        for mark in ("!", "\x1f")
    ]
    (tmp_path / "a.csv").write_text("time,stage,value\n" + "".join(rows))
    document = json.loads(entro("analyze", tmp_path / "a.csv", *OPTIONS, "--json").out)
    assert [stage["name"] for stage in document["stages"]] == ["queue!restarts", r"queue\x1frestarts"]
