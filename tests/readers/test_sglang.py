"""The SGLang reader: every version's lines, ranks, requests at their stamps, and logs cut in two."""

import json
import random
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.readers import registry as detect
from entro_cli.readers.inputs.log_file import EmptyLogError
from entro_cli.readers.sglang.reader import SglangReader
from entro_cli.timeseries.observations import Measure
from entro_cli.timeseries.problems import sentences
from entro_engine import EntroError, Kind
from tests.readers.text_logs import (
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

sglang = SglangReader()

NAMES = ("waiting", "running", "requests")
BEGIN = datetime(2026, 3, 1, 12, 0, 0)
LINES = {
    "0.2.15 decode": "[12:00:00 TP0] Decode batch. #running-req: 2, #token: 90, token usage: 0.01, gen throughput "
    "(token/s): 8.25, #queue-req: 3",
    "0.2.15 prefill": "[12:00:00 TP0] Prefill batch. #new-seq: 1, #new-token: 6, #cached-token: 0, cache "
    "hit rate: 0.00%, "
    "#running-req: 2, #queue-req: 3",
    "0.2.15 mixed": "[12:00:00] Prefill batch(mixed #running-req: 2). #new-seq: 1, #new-token: 6, #cached-token: 0, "
    "cache hit rate: 0.00%, #queue-req: 3",
    "0.4.0": "[2026-03-01 12:00:00 DP0 TP0] Prefill batch. #new-seq: 1, #new-token: 6, #cached-token: 0, cache "
    "hit rate: 0.00%, token usage: 0.00, #running-req: 2, #queue-req: 3",
    "0.4.6 PD": "[2026-03-01 12:00:00 TP0] Prefill batch. #new-seq: 1, #new-token: 6, #cached-token: 0, token usage: "
    "0.00, #running-req: 2, #unbootstrapped-req: 5, #queue-req: 3, #transferring-req: 7 ",
    "0.5.3": "[2026-03-01 12:00:00 TP0 EP0] Decode batch. #running-req: 2, #token: 90, token usage: 0.01, accept "
    "len: 1.2, pre-allocated usage: 0.00, #prealloc-req: 9, #transfer-req: 9, #retracted-req: 9, cuda "
    "graph: True, gen throughput (token/s): 8.25, #queue-req: 3, ",
    "late 0.5": "[2026-03-01 12:00:00] Prefill batch, #new-seq: 1, #new-token: 6, #cached-token: 0, full token "
    "usage: 0.00, swa token usage: 0.00, #running-req: 2, #queue-req: 3, #pending-token: 0, cuda graph: "
    "True, input throughput (token/s): 0.53",
    "a numbered batch": "[2026-03-01 12:00:00 DP0 TP0 EP0] Decode batch [1729], #running-req: 2, #token: 64, "
    "token usage: 0.20, cuda graph: True, gen throughput (token/s): 58.87, #queue-req: 3",
    "omni": "2026-03-01 12:00:00,000 [INFO] sglang.srt.managers.scheduler_metrics_mixin: Decode batch, "
    "#running-req: 2, #token: 90, token usage: 0.01, gen throughput (token/s): 8.25, #queue-req: 3",
    "JSON": '[2026-03-01 12:00:00] {"event": "decode.batch", "dp_rank": 0, "num_running_reqs": 2, '
    '"num_used_tokens": 9, "token_usage": 0.12, "gen_throughput": 300.1, "num_queue_reqs": 3}',
    "JSON without a prefix": '{"time": "2026-03-01T12:00:00Z", "event": "prefill.batch", "tp_rank": 0, '
    '"num_queue_reqs": 3, "num_running_reqs": 2}',
    "colours": "\x1b[32m[2026-03-01 12:00:00 TP0]\x1b[0m Decode batch. #running-req: 2, #token: 90, #queue-req: 3, ",
}


def batch(when, waiting=0, running=1, rank="", kind="Decode"):
    return f"[{when:%Y-%m-%d %H:%M:%S}{rank}] {kind} batch, #running-req: {running}, #token: 9, #queue-req: {waiting}"


def access(when, path="/v1/chat/completions", method="POST"):
    return f'[{when:%Y-%m-%d %H:%M:%S}] INFO:     127.0.0.1:34498 - "{method} {path} HTTP/1.1" 200 OK'


def text(*lines):
    return "".join(f"{line}\n" for line in lines).encode()


def at(seconds):
    return BEGIN + timedelta(seconds=seconds)


def seconds_of(times):
    begin = int(BEGIN.replace(tzinfo=UTC).timestamp()) * 10**9
    return [(time - begin) // 10**9 for time in times.tolist()]


@pytest.mark.parametrize("version", LINES)
def test_every_version(version):
    start = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 10**9
    observations = observed(sglang, text(LINES[version]), stages=named(*NAMES), start_ns=start)
    values = {part.column: part.values.tolist() for part in observations.series}
    assert values == {"waiting": [3], "running": [2]} or version == "0.2.15 mixed"
    assert values["waiting"] == [3]
    assert seconds_of(observations.series[0].times) == [0]
    with log_of(text(LINES[version])) as log:
        assert detect.read_log(log, options()).format == "sglang"


def test_what_is_a_stage_and_what_is_not():
    observations = observed(sglang, text(batch(at(0)), access(at(1)), batch(at(3))))
    assert {(part.stage, part.kind, part.measure, part.is_fallback) for part in observations.series} == {
        ("llm", Kind.QUEUE, Measure.SAMPLES, False),
        ("scraper", Kind.RATE, Measure.EVENTS, True),
    }
    assert set(observations.columns) == set(NAMES)


def test_requests_are_at_their_stamps():
    lines = [batch(at(0)), *[access(at(1))] * 3, access(at(1), "/health", "GET"), access(at(2), "/model_info", "GET")]
    requests = quantity(observed(sglang, text(*lines, access(at(4)), batch(at(9)))), "requests")
    assert list(zip(seconds_of(requests.times), requests.values.tolist(), strict=True)) == [
        (0, 0),
        (1, 1),
        (1, 1),
        (1, 1),
        (4, 1),
        (9, 0),
    ]


def test_ranks_are_summed_and_hold():
    lines = [batch(at(0), 3, rank=" DP0 TP0"), batch(at(0), 4, rank=" DP1 TP1"), batch(at(5), 1, rank=" DP0 TP0")]
    lines += [batch(at(9), 2, rank=" DP1 TP1"), batch(at(9), 5, rank=" DP0 TP0")]
    waiting = quantity(observed(sglang, text(*lines)), "waiting")
    assert (seconds_of(waiting.times), waiting.values.tolist()) == ([0, 5, 9], [7, 5, 7])


def test_the_interval_is_that_of_one_rank():
    lines = [batch(at(8 * turn + rank), 1, rank=f" DP{rank} TP{rank}") for turn in range(20) for rank in range(8)]
    assert quantity(observed(sglang, text(*lines)), "waiting").interval_ns == 8e9
    one = [batch(at(8 * turn), 1) for turn in range(20)]
    assert quantity(observed(sglang, text(*one)), "waiting").interval_ns == 8e9


def test_ranks_in_json_are_summed_and_copies_are_not():
    lines = [
        f'[{at(second):%Y-%m-%d %H:%M:%S}] {{"event": "decode.batch", "dp_rank": {rank}, "tp_rank": {copy}, '
        f'"num_running_reqs": 1, "num_queue_reqs": {rank + 1}}}'
        for second in range(3)
        for rank in range(2)
        for copy in range(2)
    ]
    waiting = quantity(observed(sglang, text(*lines)), "waiting")
    assert waiting.values.tolist()[1:] == [3, 3]


def prefill_node(when, waiting=0, before=0):
    return batch(when, waiting, kind="Prefill") + f", #prealloc-req: {before}, #inflight-req: 1"


def decode_node(when, waiting=0):
    return batch(when, waiting).replace(
        "#queue-req", "#prealloc-req: 2, #transfer-req: 2, #retracted-req: 0, #queue-req"
    )


@pytest.mark.parametrize("first", ["prefill", "decode"])
def test_a_decode_node_is_not_added_to_a_prefill_node(tmp_path, first):
    nodes = {
        "prefill": text(*(prefill_node(at(10 * turn), 4) for turn in range(12))),
        "decode": text(*(decode_node(at(10 * turn), 3) for turn in range(12))),
    }
    for name, content in nodes.items():
        (tmp_path / name).write_bytes(content)
    both = [str(tmp_path / name) for name in sorted(nodes, key=lambda name: name != first)]
    for logs, waiting in ((both, 4), ([str(tmp_path / "decode")], 3)):
        outcome = entro("analyze", *logs, "--tz", "UTC", "--json")
        (stage,) = json.loads(outcome.out)["stages"]
        assert (stage["name"], stage["mean_load"], stage["peak_load"]) == ("llm", waiting, waiting)
        assert "the log of a decode node" in outcome.out


def test_lines_of_both_nodes_in_one_log():
    lines = [
        line for turn in range(6) for line in (decode_node(at(10 * turn), 3), prefill_node(at(10 * turn), 4, turn))
    ]
    observations = observed(sglang, text(*lines))
    assert quantity(observations, "waiting").values.tolist() == [3, 4, 4, 4, 4, 4, 4]
    problems = sentences(observations.problems)
    assert any("5 lines of a decode node" in problem for problem in problems)
    assert any("up to 5 requests wait for memory" in problem for problem in problems)
    for place in range(0, len(text(*lines)), 53):
        check_cut(sglang, text(*lines), [place], *NAMES)


@pytest.mark.parametrize(("mode", "is_fallback"), [("prefill", False), ("decode", True), ("null", False)])
def test_the_node_of_a_server_that_names_it_where_it_starts(mode, is_fallback):
    start = (
        f"[{at(0):%Y-%m-%d %H:%M:%S}] server_args=ServerArgs(model_path='{'m' * 9000}', disaggregation_mode='{mode}')"
    )
    assert quantity(observed(sglang, text(start, batch(at(5)))), "waiting").is_fallback == is_fallback


def test_copies_of_a_rank_count_once():
    lines = [batch(at(second), second, rank=f" TP{rank}") for second in range(3) for rank in range(4)]
    assert quantity(observed(sglang, text(*lines)), "waiting").values.tolist() == [0, 1, 2]


def test_batches_of_one_second_are_samples_each():
    waiting = quantity(observed(sglang, text(batch(at(0), 4), batch(at(0), 2), batch(at(0), 0))), "waiting")
    assert waiting.values.tolist() == [4, 2, 0]
    assert waiting.times.max() - waiting.times.min() < 10


def test_lines_of_servers_that_nobody_split_are_refused():
    lines = [f"<<{name}>> {batch(at(10 * tick), tick)}" for tick in range(9) for name in ("ab", "cd")]
    with pytest.raises(EntroError, match=r"16 of 18 lines .*<<ab>>.*<<cd>>.*kubectl logs --prefix"):
        observed(sglang, text(*lines))


def test_a_start_ends_what_ranks_were():
    lines = [batch(at(0), 3, rank=" DP0"), batch(at(0), 4, rank=" DP1")]
    lines += [f"[{at(5):%Y-%m-%d %H:%M:%S}] server_args=ServerArgs(model_path='m')", batch(at(9), 1, rank=" DP0")]
    assert quantity(observed(sglang, text(*lines)), "waiting").values.tolist() == [7, 1]


def test_times_of_day_go_over_midnight():
    lines = [line.replace("12:00:00", when) for when in ("23:59:58", "00:00:03") for line in [LINES["0.2.15 decode"]]]
    changed = datetime(2026, 3, 2, 0, 1, tzinfo=UTC)
    observations = observed(sglang, text(*lines), changed)
    assert seconds_of(observations.series[0].times) == [12 * 3600 - 2, 12 * 3600 + 3]
    assert any("no date" in problem for problem in sentences(observations.problems))
    start = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 10**9
    assert seconds_of(observed(sglang, text(*lines), start_ns=start).series[0].times) == [43198, 43203]


def test_a_log_without_batches():
    content = text(f"[{at(0):%Y-%m-%d %H:%M:%S}] server_args=ServerArgs(model_path='m')")
    with pytest.raises(EmptyLogError, match="no batch line"):
        observed(sglang, content)


def test_requests_without_a_stamp_are_told():
    content = text(batch(at(0)), 'INFO:     1.2.3.4:5 - "POST /generate HTTP/1.1" 200 OK')
    problems = sentences(observed(sglang, content).problems)
    assert any("1 request in a line without a timestamp" in problem for problem in problems)


def generated(seed, ranks=1, steps=30):
    """A log with its truth: what waits after each batch line, requests in all."""
    chance = random.Random(seed)
    lines, depths, requests, second, truth = [], {}, 0, 0, []
    for _ in range(steps):
        came = chance.choice([0, 0, 1, 2, 5])
        lines += [access(at(second))] * came
        requests += came
        rank = chance.randrange(ranks)
        depths[rank] = chance.randrange(20)
        lines.append(batch(at(second), depths[rank], rank=f" DP{rank} TP{rank}" if ranks > 1 else " TP0"))
        truth.append(sum(depths.values()))
        second += chance.choice([0, 1, 1, 40])
    return text(*lines), truth, requests


@given(st.integers(0, 10**6))
def test_generated_logs_give_their_truth(seed):
    content, truth, requests = generated(seed)
    observations = observed(sglang, content)
    assert quantity(observations, "waiting").values.tolist() == truth
    counted = quantity(observations, "requests")
    assert (counted.values.sum() if counted else 0) == requests


@given(st.integers(0, 10**6), st.sampled_from([1, 2]), st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_a_log_cut_anywhere(seed, ranks, shares):
    content, _, _ = generated(seed, ranks, 12)
    known = text(*(batch(at(when), 1, rank=f" DP{rank} TP{rank}") for when in (-50, -45) for rank in range(ranks)))
    content = known + content  # how many ranks there are is known after their first lines
    half = len(known) // 2
    check_cut(sglang, content, [half + int((len(content) - half) * share) for share in shares], *NAMES)


def test_what_is_carried_is_little():
    content, _, _ = generated(3, 4, 300)
    assert len(state_behind(sglang, content)) < 4000


def test_a_real_log_against_a_count_of_its_own():
    path = real_log("sglang/sglang-int4.log")
    lines = path.read_text(errors="replace").split("\n")
    stats = re.compile(
        r"^\[([\d-]{10} [\d:]{8})\] (?:Decode|Prefill) batch, .*#running-req: (\d+), .*#queue-req: (\d+)"
    )
    truth = [(match[1], int(match[3]), int(match[2])) for line in lines if (match := stats.match(line))]
    posts = [line[1:20] for line in lines if re.search(r'"POST /(v1/chat/completions|generate) HTTP', line)]
    with log_of(path.read_bytes()) as log:
        observations = sglang.read(log, options(stages=named(*NAMES)))
    parts = {part.column: part for part in observations.series}
    at_stamps = [
        f"{datetime.fromtimestamp(time // 10**9, UTC):%Y-%m-%d %H:%M:%S}" for time in parts["waiting"].times.tolist()
    ]
    assert list(zip(at_stamps, parts["waiting"].values, parts["running"].values, strict=True)) == truth
    requests = parts["requests"]
    assert requests.measure is Measure.EVENTS
    happened = [
        f"{datetime.fromtimestamp(time // 10**9, UTC):%Y-%m-%d %H:%M:%S}"
        for time, count in zip(requests.times.tolist(), requests.values.tolist(), strict=True)
        for _ in range(int(count))
    ]
    assert happened == posts


def test_a_real_log_cut_anywhere():
    content = real_log("sglang/sglang-int4.log").read_bytes()
    for place in range(1, len(content), len(content) // 20 + 1):
        check_cut(sglang, content, [place], *NAMES)
