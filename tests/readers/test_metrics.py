"""Pages of metrics saved over time, and exports: their times, counters and gauges, and what is refused."""

import json
import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import find_logs, plain_log
from entro_cli.readers.prometheus.reader import MetricsReader, PrometheusReader
from entro_cli.readers.requests.reader import EventsReader
from entro_cli.readers.tables.reader import TableReader
from entro_cli.timeseries.observations import Measure, ReadOptions, StageSpec
from entro_cli.timeseries.problems import sentences
from entro_engine import EntroError, Kind
from tests.marks import slow
from tests.readers.reading import read, recognised
from tests.running import entro

metrics = MetricsReader()
FIELD = Path(__file__).parents[3] / "shared" / "data" / "field"
BEGIN = 1_795_694_400
NS = 10**9
WAITING, DONE = [3, 0, 7, 40], [6, 20, 5, 15]  # the server starts again before the third page
LOADS = {"llm": {0: 3, 10: 0, 20: 7, 30: 40}, "scraper": {10: 1.4, 20: 0.5, 30: 1.0}}


def page(index, stamp=""):
    return (
        "# HELP vllm:num_requests_waiting Number of requests waiting, see 2020-01-01 00:00:00.\n"
        "# TYPE vllm:num_requests_waiting gauge\n"
        f'vllm:num_requests_waiting{{engine="0",model_name="a\\"}} b"}} {WAITING[index]}.0{stamp}\n'
        "# TYPE vllm:request_success_total counter\n"
        f'vllm:request_success_total{{finished_reason="stop"}} {DONE[index]}{stamp}\n'
        f'vllm:request_success_total{{finished_reason="length"}} 0{stamp}\n'
        "# TYPE vllm:e2e_request_latency_seconds histogram\n"
        f'vllm:e2e_request_latency_seconds_bucket{{le="+Inf"}} {DONE[index]}{stamp}\n'
    )


def at(index):
    return datetime.fromtimestamp(BEGIN + 10 * index, UTC)


def loads(got):
    return {
        series.stage: {
            (when - BEGIN * NS) / NS: pytest.approx(value)
            for when, value in zip(series.times.tolist(), series.values.tolist(), strict=True)
        }
        for series in got.series
    }


SEPARATORS = [
    lambda when: f"=== {when:%Y-%m-%dT%H:%M:%S}.000Z ===\n",
    lambda when: f"# scraped at {when:%Y-%m-%d %H:%M:%S}\n",
    lambda when: f"# {when.timestamp():.0f}\n",
    lambda when: f"{when.timestamp() * 1000:.0f}\n",
    lambda when: f"--- {when:%Y%m%d-%H%M%S} ---\n",
    lambda when: f"{when:%a %b %d %H:%M:%S} UTC {when:%Y}\n",
    lambda when: f"{when:%a %d %b %Y %I:%M:%S %p} UTC\n",
    lambda when: (
        f"HTTP/1.1 200 OK\r\ndate: {when:%a, %d %b %Y %H:%M:%S} GMT\r\ncontent-type: text/plain\r\n"
        "last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\ncontent-length: 812\r\n\r\n"
    ),
]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_pages_with_a_time_before_each(separator, tmp_path):
    content = "".join(separator(at(index)) + page(index) for index in range(4)).encode()
    assert recognised(metrics, content, tmp_path) >= 0.9
    got = read(metrics, content, tmp_path)
    assert loads(got) == LOADS
    assert got.rows_skipped == 0
    assert {series.stage: series.measure for series in got.series} == {"llm": Measure.SAMPLES, "scraper": Measure.SPANS}
    assert sentences(got.problems)[:2] == (
        "2 series of vllm:request_success_total were summed",
        "vllm:request_success_total fell once: read as a counter reset",
    )


def test_a_time_behind_each_page(tmp_path):
    content = "".join(page(index) + f"# scraped at {at(index)}\n" for index in range(4)).encode()
    assert loads(read(metrics, content, tmp_path)) == LOADS


def test_a_page_that_lost_its_beginning_is_left_out(tmp_path):
    content = page(0).partition("counter\n")[2] + "".join(f"# {at(index)}\n{page(index)}" for index in range(4))
    got = read(metrics, content.encode(), tmp_path)
    assert loads(got) == LOADS
    assert "2 samples are before the first time: left out" in sentences(got.problems)


@pytest.mark.parametrize("stamp", ["{:.0f}000", "{:.0f}", "{:.3f}", "{:.0f}.0", "{:.9e}"])
def test_times_behind_values_in_milliseconds_or_seconds(stamp, tmp_path):
    pages = (page(index, " " + stamp.format(BEGIN + 10 * index)) for index in range(4))
    assert loads(read(metrics, "".join(pages).encode(), tmp_path)) == LOADS


def test_openmetrics_with_exemplars_and_names_in_quotes(tmp_path):
    lines = [
        f'{{"my.requests_total",path="/a"}} {at} {BEGIN + at} # {{trace_id="x"}} 0.67 {BEGIN}.5\n'
        f"my_waiting {at} {BEGIN + at}\n"
        for at in (0, 10)
    ]
    content = '# TYPE "my.requests" counter\n# TYPE my_waiting gauge\n' + "".join(lines) + "# EOF\n"
    stages = (StageSpec("a", "my.requests_total"), StageSpec("b", "my_waiting"))
    assert loads(read(metrics, content.encode(), tmp_path, stages=stages)) == {"a": {10: 1.0}, "b": {0: 0.0, 10: 10.0}}


def test_types_count_more_than_names(tmp_path):
    lines = [f"open_total {5 + at} {BEGIN + at}\njobs {at} {BEGIN + at}\n" for at in (0, 10)]
    content = "# TYPE open_total gauge\n# TYPE jobs counter\n" + "".join(lines)
    stages = (StageSpec("a", "jobs"), StageSpec("b", "open_total", Kind.QUEUE))
    assert loads(read(metrics, content.encode(), tmp_path, stages=stages)) == {"a": {10: 1.0}, "b": {0: 5.0, 10: 15.0}}


@pytest.mark.parametrize(
    ("waiting", "done"),
    [
        ("ray_vllm_num_requests_waiting", "ray_vllm_request_success_total"),
        ("ray_serve_deployment_queued_queries", "ray_serve_num_http_requests_total"),
        ("ray_serve_deployment_queued_queries", "ray_serve_num_http_requests"),
        ("nv_inference_pending_request_count", "nv_inference_request_success"),
        ("sglang:num_queue_reqs", "sglang:num_requests_total"),
        ("tgi_queue_size", "tgi_request_count"),
    ],
)
def test_known_servers(waiting, done, tmp_path):
    lines = (f"{waiting} {WAITING[i]} {BEGIN + 10 * i}\n{done} {DONE[i]} {BEGIN + 10 * i}\n" for i in range(4))
    content = f"# TYPE {waiting} gauge\n" + "".join(lines)
    assert loads(read(metrics, content.encode(), tmp_path)) == LOADS


def test_parts_of_a_total_are_not_added_to_it(tmp_path):
    lines = "".join(
        f'sglang:num_queue_reqs{{priority=""}} 7 {at}\nsglang:num_queue_reqs{{priority="1"}} 5 {at}\n'
        for at in (BEGIN, BEGIN + 10)
    )
    assert loads(read(metrics, lines.encode(), tmp_path)) == {"llm": {0: 7, 10: 7}}


def one(name, **body):
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": name, **body}]}]}]}


def point(at, before=0, **value):
    return {"timeUnixNano": str((BEGIN + at) * NS), "startTimeUnixNano": str((BEGIN + before) * NS), **value}


def otlp(name, temporality, values):
    """The collector's lines, a queue and a count each."""
    for at, value in zip(range(0, 40, 10), values, strict=True):
        points = [point(at, max(at - 10, 0), asInt=str(value))]
        yield one(name, sum={"isMonotonic": True, "aggregationTemporality": temporality, "dataPoints": points})
    for at, value in zip(range(0, 40, 10), WAITING, strict=True):
        yield one("vllm:num_requests_waiting", gauge={"dataPoints": [point(at, asDouble=value)]})
    yield one("vllm:e2e", histogram={"dataPoints": [{"count": "3"}]})


def victoriametrics():
    times = [(BEGIN + at) * 1000 for at in range(0, 40, 10)]
    for name, values in (("vllm:num_requests_waiting", WAITING), ("vllm:request_success_total", DONE)):
        for part in (slice(0, 2), slice(2, 4)):  # a series may be on several lines
            yield {"metric": {"__name__": name, "engine": "0"}, "values": values[part], "timestamps": times[part]}


@pytest.mark.parametrize(
    "documents",
    [
        victoriametrics(),
        otlp("vllm:request_success_total", 2, DONE),
        otlp("vllm:request_success", "AGGREGATION_TEMPORALITY_CUMULATIVE", DONE),
        otlp("vllm:request_success", 1, [0, 14, 5, 10]),
    ],
)
def test_exports(documents, tmp_path):
    content = "".join(json.dumps(document) + "\n" for document in documents).encode()
    assert recognised(metrics, content, tmp_path) == 1.0
    assert max(recognised(reader, content, tmp_path) for reader in (EventsReader(), TableReader())) < 1.0
    assert loads(read(metrics, content, tmp_path)) == LOADS
    cut = read(metrics, content + b'{"metric": {"__name__": "a"', tmp_path)
    assert loads(cut) == LOADS
    assert (cut.rows_skipped, cut.bad_rows[0].line) == (1, content.count(b"\n") + 1)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (page(0), "one page without a time: a rate needs a second reading"),
        (page(0) + page(1), "the pages have no times.*with its time"),
        (f"# {at(0)}\n{page(0)}{page(1)}", "several samples between two times.*each server to a separate file"),
        ((f"# {at(0)}\n" + page(0)) + (f"# {at(0)}\n" + page(1)), "several values at one time.*to a separate file"),
        (page(0, f" {BEGIN}") + page(1, f" {BEGIN}"), "several values at one time"),
        (f"# {at(0)}\n# TYPE a counter\nvllm:request_success_total 1\n", "no rate: a counter needs two samples"),
        (
            f"# {at(0)}\n# TYPE go_threads gauge\ngo_threads 5\n",
            "nothing says what it measures.*columns are go_threads",
        ),
    ],
)
def test_what_is_refused(content, says, tmp_path):
    with pytest.raises(EntroError, match=says):
        read(metrics, content.encode(), tmp_path)


def test_one_page_with_a_time_gives_the_queue_alone(tmp_path):
    got = read(metrics, f"# {at(0)}\n{page(0)}".encode(), tmp_path)
    assert loads(got) == {"llm": {0: 3}}
    assert "vllm:request_success_total has one sample: its rate needs a second reading" in sentences(got.problems)


@pytest.mark.parametrize(
    "name",
    [
        lambda when: f"metrics-{when:%Y%m%dT%H%M%SZ}.prom",
        lambda when: f"{when.timestamp():.0f}.txt",
        lambda when: f"page {when:%Y-%m-%d %H.%M.%S}.txt",
        lambda when: f"page-{when.timestamp() % 1000:.0f}.txt",  # the time of the last change counts
    ],
)
def test_a_folder_of_pages_is_one_log(name, tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    for index in range(4):
        file = folder / name(at(index))
        file.write_text(page(index))
        os.utime(file, (0, BEGIN + 10 * index))
    assert list(find_logs([str(folder)])) == [str(folder)]
    with plain_log(str(folder)) as log:
        assert metrics.recognise(log) == 1.0
        assert loads(metrics.read(log, ReadOptions(UTC))) == LOADS
    outcome = entro("ingest", folder, "--history", tmp_path / "history", "--tz", "UTC", "--step", "10s")
    assert outcome.status == 0, outcome.err
    (folder / name(at(4))).write_text(page(3))
    assert "read on" in entro("ingest", folder, "--history", tmp_path / "history", "--tz", "UTC").out


def test_a_folder_of_other_files_is_not_one_log(tmp_path):
    (tmp_path / "a-1.prom").write_text(page(0))
    (tmp_path / "b-2.prom").write_text(page(1))  # of another server, by its name
    assert len(find_logs([str(tmp_path)])) == 2
    (tmp_path / "b-2.prom").unlink()
    (tmp_path / "a-2.prom").write_text("".join(f"# {at(index)}\n{page(index)}" for index in range(4)))
    assert len(find_logs([str(tmp_path)])) == 2


def test_other_text_is_not_taken_for_metrics(tmp_path):
    for other in (
        b"a,b\n1,2\n",
        b"# comment\nkey 1\n",
        b'{"time": 1, "queue": 2}\n',
        b'{"metric": "queue", "values": [1]}\n',
        b'INFO 04-06 08:00:10 [loggers.py:248] Engine 000: Running: 3 reqs, Waiting: 4 reqs\nGET /metrics{a="b"} 1\n'
        * 9,
    ):
        assert recognised(metrics, other, tmp_path) == 0.0
    assert recognised(PrometheusReader(), page(0).encode(), tmp_path) == 0.0


@settings(max_examples=settings.default.max_examples // 2)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=3, max_size=3), min_size=2, max_size=9
    )
)
def test_engines_in_one_page_are_their_sum(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("engines")

    def text(engines):
        totals = [0] * len(engines[0])
        for index, row in enumerate(engines):
            yield f"# {at(index)}\n# TYPE vllm:num_requests_waiting gauge\n"
            for engine, (waiting, done) in enumerate(row):
                totals[engine] += done
                yield f'vllm:num_requests_waiting{{engine="{engine}"}} {waiting}\n'
                yield f'vllm:request_success_total{{engine="{engine}"}} {totals[engine]}\n'

    together = [[tuple(map(sum, zip(*row, strict=True)))] for row in rows]
    assert loads(read(metrics, "".join(text(rows)).encode(), folder)) == loads(
        read(metrics, "".join(text(together)).encode(), folder)
    )


@pytest.mark.parametrize("tries", [50, slow(600)])
def test_fuzz(tmp_path, tries):
    chance = random.Random(20261126)
    lines = "".join(json.dumps(document) + "\n" for document in otlp("a_total", 1, DONE))
    seeds = [
        "".join(f"# {at(index)}\n{page(index)}" for index in range(3)),
        page(0, f" {BEGIN}") + "# EOF\n",
        "".join(json.dumps(document) + "\n" for document in victoriametrics()),
        lines,
    ]
    odd = [b"\0", b"\xff\xfe", b'"', b"{", b"}", b"\n", b" ", b"1e999", b"-", b"9" * 400, b"[" * 3000, b"null", b"NaN"]
    said, read_well = [], 0
    for _ in range(tries):
        content = bytearray(chance.choice(seeds).encode())
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(content))
            content[place : place + chance.randrange(0, 6)] = chance.choice([*odd, chance.randbytes(2)])
        try:
            recognised(metrics, bytes(content), tmp_path)
            read(metrics, bytes(content), tmp_path)
            read_well += 1
        except EntroError as error:
            said.append(str(error))
    assert read_well > 20
    assert not any("\n" in text for text in said)


@pytest.mark.parametrize(
    "line",
    [
        " \t" * 30_000 + "?",
        "a" * 60_000,
        "{" * 60_000,
        'a{"' * 20_000,
        "a{b," * 20_000,
        "a 1" + " " * 60_000 + "?",
        'a{b="' + '\\"' * 30_000 + '"} 1',
    ],
)
def test_the_work_for_a_line_is_bounded(line, tmp_path):
    content = f"# {at(0)}\n{page(0)}{line}\n# {at(1)}\n{page(1)}"
    began = time.perf_counter()
    assert loads(read(metrics, content.encode(), tmp_path))["llm"] == {0: 3, 10: 0}
    assert time.perf_counter() - began < 2


@pytest.mark.skipif(not FIELD.is_dir(), reason="the field data is not there")
@pytest.mark.parametrize(
    "name",
    ["metrics-scraped-over-time.txt", "openmetrics-ts.txt", "otel-metrics.jsonl", "victoriametrics-export.jsonl"],
)
def test_a_known_run(name):
    document = json.loads(entro("analyze", FIELD / name, "--json").out)
    stages = {stage["name"]: stage for stage in document["stages"]}
    assert stages["llm"]["mean_load"] == pytest.approx(44.93, rel=0.01)
    assert stages["llm"]["peak_load"] == 281
    assert stages["scraper"]["mean_load"] == pytest.approx(1.047, rel=0.01)


@pytest.mark.parametrize(("label", "queue"), [("tp_rank", 3), ("pp_rank", 3), ("dp_rank", 6)])
def test_ranks_of_one_model_are_one_queue(label, queue, tmp_path):
    ranks = "".join(f'sglang:num_queue_reqs{{{label}="{rank}"}} 3\n' for rank in (0, 1))
    content = "".join(f"{at(index):%Y-%m-%dT%H:%M:%SZ}\n{ranks}" for index in range(4))
    assert loads(read(metrics, content.encode(), tmp_path))["llm"] == {10 * index: queue for index in range(4)}
