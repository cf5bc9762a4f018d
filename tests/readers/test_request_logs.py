"""Logs of servers, proxies and load generators: one known run, written in each format, gives the same requests."""

import itertools
import json
import random
from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.options import LoadOptions
from entro_cli.readers.registry import detect_format, read_log
from entro_cli.readers.requests.reader import EventsReader
from entro_cli.timeseries.observations import ReadOptions
from entro_cli.timeseries.problems import sentences
from entro_cli.workflows.load_logs import load_logs
from entro_engine import EntroError
from tests.readers.reading import areas, counts
from tests.running import entro

BEGIN = 1_775_476_800_000  # 2026-04-06T12:00:00Z, ms
MS = 10**6


class Request(NamedTuple):
    """A request: its arrival since BEGIN and its duration, ms, and the status of its response."""

    came: int
    took: int
    status: int = 200

    @property
    def end(self):
        return self.came + self.took


def run(seed=1, count=80):
    chance, now, made = random.Random(seed), 0, []
    for _ in range(count):
        now += chance.randrange(1, 900)
        made.append(Request(now, chance.randrange(120, 9000)))
    return sorted(made, key=lambda request: request.end)


def at(ms, spec="milliseconds"):
    return datetime.fromtimestamp((BEGIN + ms) / 1000, UTC).isoformat(timespec=spec).replace("+00:00", "Z")


def strftime(ms, form):
    return datetime.fromtimestamp((BEGIN + ms) // 1000, UTC).strftime(form)


def lines(render, made):
    return "".join(f"{render(request)}\n" for request in made).encode()


def rows(render):
    return lambda made: lines(lambda request: json.dumps(render(request)), made)


def table(header, render):
    return lambda made: header.encode() + b"\n" + lines(render, made)


NGINX_JSON = {"remote_addr": "10.0.0.3", "request": "POST /v1/chat/completions HTTP/1.1"}
ENVOY = {"method": "POST", "path": "/v1/chat/completions", "response_flags": "-"}
TRAEFIK = {"RequestPath": "/v1/chat/completions", "RouterName": "vllm@docker", "entryPointName": "web"}
CADDY = {"level": "info", "logger": "http.log.access", "request": {"proto": "HTTP/2.0", "uri": "/v1/completions"}}

TO_THE_MILLISECOND = {
    "nginx JSON": rows(
        lambda r: {
            "time_iso8601": at(r.end, "seconds"),
            "msec": f"{(BEGIN + r.end) / 1000:.3f}",
            **NGINX_JSON,
            "status": str(r.status),
            "request_time": f"{r.took / 1000:.3f}",
        }
    ),
    "stamp and end": rows(lambda r: {"timestamp": at(r.end), "end_time": at(r.end), "duration_ms": r.took}),
    "stamp at the start": rows(
        lambda r: {"id": r.came, "timestamp": at(r.came), "start_time": at(r.came), "end_time": at(r.end)}
    ),
    "stamp after the end": rows(
        lambda r: {"timestamp": at(r.end + 3), "id": r.came, "start_time": at(r.came), "end_time": at(r.end)}
    ),
    "stamp after start and duration": rows(
        lambda r: {"timestamp": at(r.end + 3), "started_at": at(r.came), "duration_ms": r.took, "path": "/v1/chat"}
    ),
    "unit in a field": rows(
        lambda r: {"ts": at(r.end), "url": "/x", "latency": {"value": r.took * 1000, "unit": "us"}}
    ),
    "unit in a column": rows(lambda r: {"ts": at(r.end), "url": "/x", "duration": r.took, "duration_unit": "ms"}),
    "micro sign": rows(lambda r: {"ts": at(r.end), "url": "/x", "duration (µs)": r.took * 1000}),
    "Envoy": rows(lambda r: {"start_time": at(r.came), **ENVOY, "response_code": r.status, "duration": r.took}),
    "Traefik": rows(
        lambda r: {
            "DownstreamStatus": r.status,
            "Duration": r.took * MS,
            **TRAEFIK,
            "StartUTC": at(r.came),
            "time": at(r.end, "seconds"),
        }
    ),
    "Caddy": rows(lambda r: {"ts": (BEGIN + r.end) / 1000, **CADDY, "duration": r.took / 1000, "status": r.status}),
    "pino": rows(
        lambda r: {
            "level": 30,
            "time": BEGIN + r.end,
            "req": {"method": "POST", "url": "/v1/chat"},
            "res": {"statusCode": r.status},
            "responseTime": r.took,
        }
    ),
    "TGI JSON": rows(
        lambda r: {
            "timestamp": at(r.end),
            "message": "Success",
            "span": {"total_time": f"{r.took / 1000:.3f}s", "queue_time": "31.2µs", "name": "generate"},
        }
    ),
    "ECS": rows(lambda r: {"@timestamp": at(r.end), "event": {"duration": r.took * MS}, "url": {"path": "/v1/chat"}}),
    "express-winston": rows(
        lambda r: {"timestamp": at(r.end), "meta": {"res": {"statusCode": r.status}, "responseTime": r.took}}
    ),
    "Google Cloud": rows(
        lambda r: {"httpRequest": {"latency": f"{r.took / 1000}s", "status": r.status}, "timestamp": at(r.end)}
    ),
    "a logger's JSON": rows(
        lambda r: {"time": at(r.end), "path": "/v1/chat", "status_code": r.status, "process_time": r.took / 1000}
    ),
    "a logger's CSV": table("timestamp,model,status,latency_ms", lambda r: f"{at(r.end)},m,{r.status},{r.took}"),
    "an arrival and nginx's name of a duration": table(
        "arrival_time,request_time,status", lambda r: f"{at(r.came)},{r.took / 1000},{r.status}"
    ),
    "decimal commas": table(
        "finished_at;duration_s", lambda r: f"{at(r.end)};{r.took / 1000:.4f}".replace(".", ",", 2)
    ),
    "JMeter": table(
        "timeStamp,elapsed,label,responseCode,threadName,allThreads,Latency",
        lambda r: f"{BEGIN + r.came},{r.took},chat,{r.status},tg 1-1,5,{r.took // 2}",
    ),
    "Airflow": table(
        "dag_id,task_id,queued_dttm,start_date,end_date,duration,state",
        lambda r: f"crawl,fetch,{at(r.came)},{at(r.came)},{at(r.end)},{r.took / 1000},success",
    ),
}

CLF = "%d/%b/%Y:%H:%M:%S"
POST = '"POST /v1/chat/completions HTTP/1.1"'

TO_THE_MILLISECOND |= {
    "HAProxy": lambda made: lines(
        lambda r: (
            f"haproxy[77]: 10.0.0.1:41000 [{strftime(r.came, CLF)}.{r.came % 1000:03}] web llm/gpu1 0/0/1/{r.took}/"
            f"{r.took} {r.status} 2750 - - ---- 1/1/1/1/0 0/0 {{host|}} {POST}"
        ),
        made,
    ),
    "AWS ALB": lambda made: lines(
        lambda r: (
            f"https {at(r.end)} app/llm/50dc 10.0.0.1:2817 10.0.0.2:80 0.000 {r.took / 1000} 0.000 {r.status} 200 34 "
            f'366 "POST https://llm:443/v1/chat HTTP/1.1" "python" ECDHE TLSv1.2 arn:aws:tg "Root=1-5" "llm" "-" 0 '
            f'{at(r.came)} "forward" "-" "-" "10.0.0.2:80" "200" "-" "-"'
        ),
        made,
    ),
    "Envoy, text": lambda made: lines(
        lambda r: f'[{at(r.came)}] {POST} {r.status} - 154 9 {r.took} 7 "10.0.0.1" "curl" "e5" "-"',
        made,
    ),
    "Istio, text": lambda made: lines(
        lambda r: f'[{at(r.came)}] {POST} {r.status} - via_upstream - "-" 154 9 {r.took} 7 "-" "x"',
        made,
    ),
    "finished, with a duration": table("finished_at,duration_s", lambda r: f"{at(r.end)},{r.took / 1000}"),
    "GenAI-Perf": lambda made: json.dumps(
        {
            "experiments": [
                {
                    "requests": [
                        {
                            "timestamp": (BEGIN + r.came) * MS,
                            "response_timestamps": [(BEGIN + r.came + 50) * MS, (BEGIN + r.end) * MS],
                        }
                        for r in made
                    ]
                }
            ]
        }
    ).encode(),
    "TGI": lambda made: lines(
        lambda r: (
            f"{at(r.end)}  INFO generate{{parameters=GenerateParameters {{ best_of: None }} "
            f'total_time="{r.took / 1000}s" queue_time="31.2µs"}}: text_generation_router::server: Success'
        ),
        made,
    ),
    "TGI in colour": lambda made: lines(
        lambda r: (
            f"\x1b[2m{at(r.end)}\x1b[0m \x1b[32m INFO\x1b[0m \x1b[1mgenerate\x1b[0m{{"
            f'\x1b[3mtotal_time\x1b[0m\x1b[2m=\x1b[0m"{r.took / 1000}s"}}: Success'
        ),
        made,
    ),
}
TO_THE_MILLISECOND |= {
    "Google Cloud, with the request": rows(
        lambda r: {
            "timestamp": at(r.came),
            "httpRequest": {"requestMethod": "POST", "latency": f"{r.took / 1000}s", "status": r.status},
        }
    ),
    "Envoy Gateway": rows(
        lambda r: {"start_time": at(r.came), "x-envoy-origin-path": "/v1", "response_code": "200", "duration": r.took}
    ),
    "Serilog": rows(lambda r: {"@t": at(r.end), "@mt": "HTTP {StatusCode}", "StatusCode": 200, "Elapsed": r.took}),
    "JMeter with few columns": table("timeStamp;elapsed;label", lambda r: f"{BEGIN + r.came};{r.took};chat"),
    "k6, JSON": rows(
        lambda r: {
            "metric": "http_req_duration",
            "data": {"time": at(r.end), "value": r.took, "tags": {"status": "200"}},
        }
    ),
    "AWS ELB": lambda made: lines(
        lambda r: f'{at(r.came)} elb 10.0.0.1:28 10.0.0.2:80 0.000 {r.took / 1000} 0.000 200 200 0 9 {POST} "curl" - -',
        made,
    ),
    "$msec first": lambda made: lines(
        lambda r: f"{(BEGIN + r.end) / 1000:.3f} 10.0.0.3 {POST} 200 901 {r.took / 1000:.3f}", made
    ),
    "labelled fields of nginx": lambda made: lines(
        lambda r: f"time={at(r.end)} request={POST} status=200 bytes=901 request_time={r.took / 1000:.3f}", made
    ),
    "logfmt": lambda made: lines(
        lambda r: f'ts={at(r.end)} level=info msg="handled request" path=/v1 status=200 duration={r.took}ms', made
    ),
    "Ray Serve": lambda made: lines(
        lambda r: f"INFO {at(r.end)[:-1].replace('T', ' ').replace('.', ',')} app x -- POST /v1 200 {r.took}.0ms", made
    ),
    "uvicorn with a duration": lambda made: lines(
        lambda r: f"{at(r.end)[:-1]} - INFO - 10.0.0.3:41 - {POST} 200 OK in {r.took / 1000}s", made
    ),
}


def combined(ending, stamp=lambda r: r.end):
    return lambda made: lines(
        lambda r: (
            f"10.0.0.3 - - [{strftime(stamp(r), CLF + ' +0000')}] {POST} {r.status} 901 "
            f'"-" "python-httpx/0.27"{ending(r)}'
        ),
        made,
    )


TO_THE_SECOND = {
    "labelled": combined(lambda r: f' rt={r.took / 1000:.3f} uct="0.001" uht="0.1" urt="{r.took / 1001:.3f}"'),
    "labelled by name": combined(lambda r: f" request_time={r.took / 1000:.3f} upstream_response_time=-"),
    "gunicorn in microseconds": combined(lambda r: f" request_time_us={r.took * 1000}"),
    "one time at the end": combined(lambda r: f' "10.0.0.9" {r.took / 1000:.3f}'),
    "one quoted time": combined(lambda r: f' "{r.took / 1000:.3f}"'),
    "a label in the user agent": lambda made: combined(lambda r: f" rt={r.took / 1000:.3f}")(made).replace(
        b"python-httpx/0.27", b"python rt=9.999 (x 1.234)"
    ),
    "morgan": combined(lambda r: f" - {r.took}.000 ms"),
    "nginx of Kubernetes": combined(
        lambda r: f" 421 {r.took / 1000:.3f} [llm-8000] [] 10.0.0.7:8000 901 {r.took / 1001:.3f} 200 3e4f"
    ),
    "gunicorn, called like Apache": combined(lambda r: f" duration_us={r.took * 1000}"),
    "LTSV": lambda made: lines(
        lambda r: (
            f"time:[{strftime(r.end, CLF + ' +0000')}]\treq:{POST[1:-1]}\tstatus:200\treqtime:{r.took / 1000:.3f}"
        ),
        made,
    ),
    "an ISO 8601 stamp first": lambda made: lines(
        lambda r: f'{at(r.end, "seconds")} 10.0.0.3 {POST} 200 901 "-" "curl/8 (x 1.234)" rt={r.took / 1000:.3f}', made
    ),
    "without user agents": lambda made: lines(
        lambda r: f"llm:443 ::1 - a [{strftime(r.end, CLF + ' +0000')}] {POST} {r.status} - rt={r.took / 1000:.3f}",
        made,
    ),
    "Gin": lambda made: lines(
        lambda r: (
            f"[GIN] {strftime(r.end, '%Y/%m/%d - %H:%M:%S')} | {r.status} | {r.took / 1000:>12}s |"
            f' 10.0.0.3 | POST     "/api/chat"'
        ),
        made,
    ),
    "Gin in colour": lambda made: lines(
        lambda r: (
            f"[GIN] {strftime(r.end, '%Y/%m/%d - %H:%M:%S')} |\x1b[97;42m {r.status} \x1b[0m| {r.took:>12}ms |"
            f' 10.0.0.3 |\x1b[97;46m POST    \x1b[0m "/api/chat"'
        ),
        made,
    ),
}

OF_ARRIVALS = {
    "Apache, named": combined(lambda r: f" duration_us={r.took * 1000}", lambda r: r.came),
    "Apache, time taken": combined(lambda r: f" time_taken_us={r.took * 1000}", lambda r: r.came),
    "Apache, milliseconds": combined(lambda r: f" duration_ms={r.took}", lambda r: r.came),
    "Apache, D=%D": combined(lambda r: f" D={r.took * 1000}", lambda r: r.came),
    "Apache, %T/%D": combined(lambda r: f" {r.took // 1000}/{r.took * 1000}", lambda r: r.came),
    "Traefik": combined(lambda r: f' 17 "vllm@docker" "http://10.0.0.7:8000" {r.took}ms', lambda r: r.came),
}

ALL = TO_THE_MILLISECOND | {f"{name}, whole seconds": render for name, render in TO_THE_SECOND.items()}


def read(content, folder, **options):
    path = folder / "a.log"
    path.write_bytes(content)
    given = ReadOptions(**{"zone": UTC, "zone_given": True, **options})
    with plain_log(str(path)) as log:
        return read_log(log, given, detect_format(log, given))


def series_of(got):
    return {series.column: series for series in got.series}


def check(got, made):
    """The requests read are those made, to the millisecond."""
    found = series_of(got)
    assert counts(found["requests"]) == Counter((BEGIN + request.came) * MS for request in made)
    in_system = next(series for series in got.series if series.column in {"in_system", "waiting"})
    if in_system.column == "in_system":
        edges = sorted({(BEGIN + ms) * MS for request in made for ms in (request.came, request.end)})
        spans = [(BEGIN * MS + request.came * MS, (BEGIN + request.end) * MS) for request in made]
        exact = [
            sum(high - low for begin, end in spans if begin <= low < end) for low, high in itertools.pairwise(edges)
        ]
        assert areas(in_system, edges) == exact


@pytest.mark.parametrize("name", TO_THE_MILLISECOND)
def test_one_run_in_each_format(name, tmp_path):
    made = run()
    got = read(TO_THE_MILLISECOND[name](made), tmp_path)
    assert (got.rows_read, got.rows_skipped) == (len(made), 0)
    check(got, made)


def to_the_second(made):
    """The requests as a log with whole seconds shows them: its ends are up to a second early, and so are arrivals."""
    return [Request(request.end // 1000 * 1000 - request.took, *request[1:]) for request in made]


@pytest.mark.parametrize("several", ["0.002, {}", "0.002 : {}"])
def test_the_time_of_the_first_of_several_upstreams_is_not_that_of_the_request(several, tmp_path):
    made = run()
    content = combined(lambda r: f' urt="{several.format(r.took / 1000) if r.came % 9 == 0 else r.took / 1000}"')(made)
    got = read(content, tmp_path)
    left_out = sum(request.came % 9 == 0 for request in made)
    assert got.rows_read == len(made) - left_out
    assert f"{left_out} lines are not about the end of a request: left out" in sentences(got.problems)


def test_a_stamp_that_is_the_start_leaves_the_queue_unknown(tmp_path):
    """As traces have it. Taken for arrivals, such stamps show that no request ever waits."""
    made = run()
    got = read(TO_THE_MILLISECOND["stamp at the start"](made), tmp_path)
    assert {series.column: series.stage for series in got.series} == {"requests": "scraper", "in_system": "llm"}


@pytest.mark.parametrize("name", TO_THE_SECOND)
def test_one_run_in_each_format_with_whole_seconds(name, tmp_path):
    made = run()
    got = read(TO_THE_SECOND[name](made), tmp_path)
    assert (got.format, got.rows_read, got.rows_skipped) == ("requests", len(made), 0)
    check(got, to_the_second(made))


@pytest.mark.parametrize("name", OF_ARRIVALS)
def test_a_stamp_of_the_arrival_in_whole_seconds(name, tmp_path):
    made = run()
    got = read(OF_ARRIVALS[name](made), tmp_path)
    assert (got.format, got.rows_read, got.rows_skipped) == ("requests", len(made), 0)
    check(got, [Request(request.came // 1000 * 1000, *request[1:]) for request in made])
    assert any("arrival_time is the arrival of a request" in said for said in sentences(got.problems))


@pytest.mark.parametrize(
    ("ending", "says"),
    [
        ("", "nginx or Apache access log without timing.*add \\$request_time"),
        (' "10.0.0.9"', "without timing.*add \\$request_time"),
        (" 6.166 6.150", "in which several numbers may be the time of a request.*rt="),
        (" 6166123", "in which one number has no name and no unit.*duration_us=%D"),
    ],
)
def test_an_access_log_without_a_clear_time_is_refused(ending, says, tmp_path):
    with pytest.raises(EntroError, match=says):
        read(combined(lambda r: ending)(run(count=9)), tmp_path)


def test_lines_that_are_not_of_requests_and_bad_ones(tmp_path):
    made = run(count=20)
    good = TO_THE_SECOND["labelled"](made)
    probe = (
        b'10.0.0.9 - - [06/Apr/2026:12:00:02 +0000] "GET /metrics HTTP/1.1" 200 5 "-" "Prometheus/2.53.0" rt=0.002\n'
    )
    agent = probe.replace(b"/metrics", b"/").replace(b"Prometheus/2.53.0", b"kube-probe/1.30")
    bad = probe.replace(b"/metrics", b"/v1/chat").replace(b"06/Apr", b"99/Apr").replace(b"Prometheus", b"x")
    got = read(b"starting\r\n" + probe + agent + b"caf\xe9 \xff\n\n" + bad + good, tmp_path)
    check(got, to_the_second(made))
    assert [(row.line, row.reason) for row in got.bad_rows] == [(6, "the finish cannot be read")]
    said = sentences(got.problems)
    assert "2 requests of monitoring (metrics, health, list of models) are left out" in said
    assert "3 lines are not about the end of a request: left out" in said


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nginx JSON", "msec is the end of a request: it arrived request_time earlier (in s)"),
        ("Envoy", "start_time is the arrival of a request: it ended duration later (in ms)"),
        ("Traefik", "StartUTC is the arrival of a request: it ended Duration later (in ns)"),
        ("TGI JSON", "timestamp is the end of a request: it arrived span.total_time earlier (each with its unit)"),
    ],
)
def test_the_note_names_what_was_taken(name, says, tmp_path):
    assert sentences(read(TO_THE_MILLISECOND[name](run()), tmp_path).problems) == (says,)


def test_whole_seconds_of_nginx_can_be_chosen(tmp_path):
    made = run()
    got = read(TO_THE_MILLISECOND["nginx JSON"](made), tmp_path, time_column="time_iso8601")
    early = [Request(request.end // 1000 * 1000 - request.took, request.took) for request in made]
    check(got, early)


@pytest.mark.slow
@settings(max_examples=max(settings.default.max_examples // 20, 3))
@given(name=st.sampled_from([*TO_THE_MILLISECOND]), seed=st.integers(0, 10**6), replicas=st.integers(2, 4))
def test_files_of_replicas_give_the_steps_of_the_whole(tmp_path_factory, name, seed, replicas):
    folder, chance, made = tmp_path_factory.mktemp("replicas"), random.Random(seed), run(seed, 60)
    parts = [[] for _ in range(replicas)]
    for index, request in enumerate(made):
        parts[index if index < replicas else chance.randrange(replicas)].append(request)
    for place, requests in (("whole", made), *((f"gw{chr(97 + index)}", part) for index, part in enumerate(parts))):
        (folder / f"{place}.log").write_bytes(TO_THE_MILLISECOND[name](requests))
    options = LoadOptions(tz="UTC", step="10s")
    whole = load_logs([str(folder / "whole.log")], options).steps
    split = load_logs([str(log) for log in sorted(folder.glob("gw*.log"))], options).steps
    np.testing.assert_array_equal(split.loads, whole.loads)
    np.testing.assert_array_equal(split.ends, whole.ends)
    np.testing.assert_array_equal(split.peaks, whole.peaks)


@pytest.mark.slow
@settings(max_examples=settings.default.max_examples // 4)
@given(name=st.sampled_from([*ALL]), seed=st.integers(0, 10**6), replicas=st.integers(2, 4))
def test_a_log_split_into_replicas_gives_what_the_whole_gives(tmp_path_factory, name, seed, replicas):
    folder, chance, made = tmp_path_factory.mktemp("split"), random.Random(seed), run(seed, 40)
    parts = [[] for _ in range(replicas)]
    for index, request in enumerate(made):
        parts[index if index < replicas else chance.randrange(replicas)].append(request)
    whole = series_of(read(ALL[name](made), folder))
    split = [series_of(read(ALL[name](part), folder)) for part in parts]
    together = sum((Counter(counts(part["requests"])) for part in split), Counter())
    assert together == counts(whole["requests"])
    edges = sorted({int(time) for part in (whole, *split) for series in part.values() for time in series.times})
    queue = "in_system" if "in_system" in whole else "waiting"
    sums = [sum(each) for each in zip(*(areas(part[queue], edges) for part in split if queue in part), strict=True)]
    assert sums == areas(whole[queue], edges)


def benchmark(name, made):
    """The result of a load generator, with requests that wait for a fifth of their time."""
    if name == "vllm bench":
        starts = {
            "num_prompts": len(made),
            "request_throughput": 1.0,
            "start_times": [r.came / 1000 for r in made],
            "ttfts": [r.took / 5000 for r in made],
            "itls": [[r.took / 2500, r.took / 2500] for r in made],
        }
        return json.dumps(starts).encode()
    successful = [
        {
            "scheduler_info": {"queued_time": r.came / 1000},
            "start_time": (r.came + r.took / 5) / 1000,
            "end_time": r.end / 1000,
        }
        for r in made
    ]
    return json.dumps({"benchmarks": [{"requests": {"successful": successful, "errored": []}}]}).encode()


@pytest.mark.parametrize("name", ["vllm bench", "GuideLLM"])
def test_waiting_requests_of_a_load_generator(name, tmp_path):
    made = [Request(came, took // 10 * 10) for came, took, _ in run(count=30)]
    got = read(benchmark(name, made), tmp_path, start_ns=BEGIN * MS)
    assert got.format == "benchmark"
    found = series_of(got)
    assert counts(found["requests"]) == Counter((BEGIN + request.came) * MS for request in made)
    whole = [BEGIN * MS, (BEGIN + max(request.end for request in made)) * MS]
    assert areas(found["waiting"], whole) == [sum(request.took // 5 for request in made) * MS]


def test_a_result_without_its_requests_is_refused(tmp_path):
    with pytest.raises(EntroError, match=r"looks like the result of vllm bench, without its requests.*--save-detailed"):
        read(b'{"num_prompts": 9, "request_throughput": 1.0}', tmp_path)


def test_what_a_client_of_ollama_asks_first_is_no_request(tmp_path):
    made = run(count=20)
    asked = b"".join(
        b'[GIN] 2026/04/06 - 12:00:01 | 200 | 18us | 10.0.0.3 | %-7s "/"\n' % each for each in (b"HEAD", b"GET")
    )
    got = read(asked + TO_THE_SECOND["Gin"](made), tmp_path)
    check(got, to_the_second(made))
    assert "2 requests of monitoring (metrics, health, list of models) are left out" in sentences(got.problems)


def test_llama_cpp_with_timestamps(tmp_path):
    made = sorted(run(count=30))
    events = [(r.came, f"slot launch_slot_: id  0 | task {n} | processing task") for n, r in enumerate(made)]
    events += [(r.end, f"slot      release: id  0 | task {n} | stop processing: n = 8") for n, r in enumerate(made)]
    events += [(r.came, "srv  params_from_: Chat format: Content-only") for r in made]
    content = "".join(f"{at(ms)} {text}\n" for ms, text in sorted(events)).encode()
    got = read(content, tmp_path)
    assert got.format == "llamacpp"
    check(got, made)
    assert "how many wait for it is not known" in str(got.problems[0])


def test_monitoring_is_left_out_and_failures_are_counted(tmp_path):
    made = [*run(count=20), Request(20_000, 500, 429), Request(20_001, 500, 429), Request(20_100, 900, 503)]
    probes = [
        json.dumps({"start_time": at(900), **ENVOY, "path": path, "response_code": 200, "duration": 1})
        for path in ("/metrics", "/healthz?full=1", "/api/health", "/v1/models", "/ping")
    ]
    got = read(TO_THE_MILLISECOND["Envoy"](made) + "\n".join(probes).encode(), tmp_path)
    check(got, made)
    assert sentences(got.problems)[1:] == (
        "5 requests of monitoring (metrics, health, list of models) are left out",
        "2 requests failed (429): they arrived, but were not served",
        "1 request failed (5xx): it arrived, but was not served",
    )


def test_failures_are_a_figure_of_the_analysis_and_of_the_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the report is written
    made = [*run(count=40), Request(20_000, 500, 429), Request(20_001, 500, 429), Request(20_100, 900, 503)]
    log, history = tmp_path / "a.log", tmp_path / "h"
    lines = TO_THE_MILLISECOND["Envoy"](made).splitlines(keepends=True)
    for end in (-2, None):  # two of the failures are in what is read on
        log.write_bytes(b"".join(lines[:end]))
        assert entro("ingest", log, "--history", history, "--tz", "UTC", "--step", "10s").status == 0
    document = json.loads(entro("analyze", log, "--tz", "UTC", "--json").out)
    assert document["sources"][0]["failed"] == {"429": 2, "5xx": 1}
    period = ("--daily", "--date", "2026-04-06", "--tz", "UTC", "--history", history)
    assert json.loads(entro("report", *period, "--json").out)["made"]["failed"] == {"429": 2, "5xx": 1}
    assert "3 requests failed (429: 2, 5xx: 1)" in " ".join(entro("report", *period, "--long").out.split())


@pytest.mark.parametrize(("number", "is_warned"), [(2, False), (20, True)])
def test_a_capacity_with_many_failures_in_it_is_doubted(number, is_warned, tmp_path):
    """They count as served, so that the page would advise to hold the rate to what the server refused."""
    log = tmp_path / "a.log"
    made = [Request(1000 * second, 2500, 429 if second < number else 200) for second in range(300)]
    log.write_bytes(TO_THE_MILLISECOND["Envoy"](made))
    warned = f"{number} requests failed (429: {number}), and count as served: the learned capacity of "
    learned = ("--tz", "UTC", "--full-loads", "learned")
    assert (warned in " ".join(entro("analyze", log, *learned).err.split())) is is_warned
    report = entro("report", log, *learned, "--format", "json", "--out", "-")
    assert any(warned in note for note in json.loads(report.out)["notes"]) is is_warned


def test_other_lines_of_a_server_are_left_out(tmp_path):
    made = run(count=30)
    other = json.dumps({"timestamp": at(5), "level": "INFO", "message": "Warming up model"})
    got = read(f"{other}\n{other}\n".encode() + TO_THE_MILLISECOND["TGI JSON"](made), tmp_path)
    check(got, made)
    assert "2 lines are not about the end of a request: left out" in sentences(got.problems)


def test_access_lines_without_a_duration_are_completions(tmp_path):
    made = run(count=30)
    message = '10.0.0.3:41 - "POST /v1/chat/completions HTTP/1.1" 200'
    content = rows(lambda r: {"message": message, "level": "INFO", "timestamp": at(r.end)[:-1]})(made)
    health = json.dumps({"message": message.replace("POST /v1/chat/completions", "GET /health"), "timestamp": at(9)})
    other = json.dumps({"message": "Router cooldown", "level": "INFO", "timestamp": at(9)[:-1]}) + "\n"
    got = read(7 * other.encode() + content + health.encode(), tmp_path)
    assert "7 lines are not about the end of a request: left out" in sentences(got.problems)
    assert counts(got.series[0]) == Counter((BEGIN + request.end) * MS for request in made)
    assert [series.column for series in got.series] == ["requests"]
    assert "these are completions" in str(got.problems[-1])


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ('{"timestamp": 0, "input_length": 1}\n{"timestamp": 137, "input_length": 1}\n', {}, "--time timestamp:ms or"),
        ("arrival,latency\n2026-04-06T12:00:00Z,812\n", {}, "latency names no unit.*--time latency:ms or"),
        ('{"time": "2026-04-06T12:00:00Z", "status": 200, "duration": 3500000000}\n', {}, "--time duration:ns or"),
        ("arrival,latency_min\n2026-04-06T12:00:00Z,8121\n", {}, "most requests would last 5.6 days"),
    ],
)
def test_a_unit_that_is_not_clear_is_asked_for(content, options, says, tmp_path):
    with pytest.raises(EntroError, match=says):
        read(content.encode(), tmp_path, **options)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "srv  params_from_: Chat\nslot launch_slot_: id  0 | task 0 | processing task\n",
            "llama.cpp without timestamps.*--timestamps",
        ),
        ("12:00:01 - LiteLLM Proxy:INFO: proxy_server.py:12 - started\n", "LiteLLM without dates.*JSON_LOGS=1"),
        ('INFO:     10.0.0.3:41 - "POST /v2/x HTTP/1.1" 200 OK\n', "uvicorn without timestamps"),
        ("INFO  CheerioCrawler:Statistics: request statistics: {}\n", "Crawlee without timestamps.*formats.NAME"),
        ('<testResults version="1.2">\n<httpSample t="6"/>\n', "JMeter in XML.*output_format=csv"),
        (
            3 * "2026/04/06 12:00:05.512\tINFO\thttp.log.access\thandled request\t{}\n",
            "console format of Caddy.*format json",
        ),
        (3 * '{"time_local": "06/Apr/2026:12:00:05 +0000", "agent": "a\\x22b"}\n', "nginx with .*x22.*escape=json"),
        (3 * "2026-04-06 12:00:00,000 INFO fetcher.Fetcher - -activeThreads=50, spinWaiting=3\n", "fetcher of Nutch 1"),
        ("metric_name,timestamp,metric_value,check\nhttp_reqs,1795694406,1\n", "CSV of k6, with rows"),
    ],
)
def test_a_log_that_cannot_be_read_is_named(content, says, tmp_path):
    with pytest.raises(EntroError, match=f"this looks like .*{says}"):
        read(content.encode(), tmp_path)


@pytest.mark.parametrize("event", ["event", "msg", "status"])
def test_events_of_requests_are_not_requests(event, tmp_path):
    made = run()
    events = sorted((at(ms), f"request {word}", r.came) for r in made for word, ms in (("in", r.came), ("out", r.end)))
    content = "".join(f'{{"time": "{time}", "request_id": {one}, "{event}": "{word}"}}\n' for time, word, one in events)
    with pytest.raises(EntroError, match=f"rows with one request_id differ in {event}: each is an event"):
        read(content.encode(), tmp_path)


def test_a_second_header_with_other_columns_is_refused(tmp_path):
    first = table("time,url,wait_ms,took_ms", lambda r: f"{at(r.end)},/v1/chat,5,{r.took}")
    second = table("time,url,took_ms,wait_ms", lambda r: f"{at(r.end)},/v1/chat,{r.took},5")
    with pytest.raises(EntroError, match="has a second header"):
        read(first(run()) + second(run(2)), tmp_path)
    assert read(first(run()) + first(run(2)), tmp_path).rows_read == 160


def test_a_unit_can_be_named(tmp_path):
    content = f"arrival,latency\n{at(0)},812\n{at(900)},512\n".encode()
    check(read(content, tmp_path, time_column="latency:ms"), [Request(0, 812), Request(900, 512)])
    offsets = "".join(f'{{"timestamp": {ms}, "input_length": 1}}\n' for ms in (0, 137, 3000)).encode()
    got = read(offsets, tmp_path, time_column="timestamp:ms", start_ns=BEGIN * MS)
    assert counts(got.series[0]) == {(BEGIN + ms) * MS: 1 for ms in (0, 137, 3000)}


def test_a_comma_in_a_length_is_a_decimal_mark_only_if_that_is_clear(tmp_path):
    with pytest.raises(EntroError, match=r"duration_s has numbers such as 1,234.*--decimal"):
        read(b"finished_at\tduration_s\n2026-04-06T12:00:01Z\t6,166\n", tmp_path)
    got = read(b"arrival;duration_ms\n2026-04-06T12:00:00Z;1,5\n2026-04-06T12:00:01Z;1.250,5\n", tmp_path)
    assert int(got.series[1].times[-1]) == BEGIN * MS + 2_250_500_000


def test_dates_of_which_the_day_or_the_month_may_be_first_are_asked_for(tmp_path):
    content = b"arrival,finish\n6/4/2026 12:00:01,6/4/2026 12:00:09\n"
    with pytest.raises(EntroError, match=r"dates such as 6/4/2026, of which.*--time arrival:dmy or"):
        read(content, tmp_path)
    check(read(content, tmp_path, time_column="arrival:dmy"), [Request(1000, 8000)])


@pytest.mark.parametrize("count", [80, 60_000])  # the second is read in blocks
@pytest.mark.parametrize("stamp", ["came", "end"])
def test_stamps_that_go_back_as_arrivals_do_are_reported(stamp, count, tmp_path):
    render = rows(lambda r: {"time": at(getattr(r, stamp)), "url": "/v1/chat", "duration_ms": r.took})
    (tmp_path / "a.log").write_bytes(render(run(count=count)))
    outcome = entro("analyze", tmp_path / "a.log")
    assert ("as the arrival of a request would: --time time:arrival" in outcome.err) is (stamp == "came")


def test_a_stamp_can_be_named_an_arrival(tmp_path):
    content = f"timestamp,latency_ms,path\n{at(0)},1500,/a\n{at(700)},100,/b\n".encode()
    got = read(content, tmp_path, time_column="timestamp:arrival")
    check(got, [Request(0, 1500), Request(700, 100)])


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("6.166414261s", 6_166_414_261),
        ("1m2.3s", 62_300_000_000),
        ("1h2m3s", 3_723_000_000_000),
        ("312.4µs", 312_400),
        ("312.4us", 312_400),
        ("22.1ms", 22_100_000),
        ("22.1 ms", 22_100_000),
        ("2m", 120_000_000_000),
        ("850ns", 850),
    ],
)
def test_lengths_with_a_unit_in_the_cell(text, ns, tmp_path):
    queue = read(f"arrival,duration\n{at(0)},{text}\n".encode(), tmp_path).series[1]
    assert (int(queue.begins[0]), int(queue.times[-1])) == (BEGIN * MS, BEGIN * MS + ns)


@pytest.mark.parametrize(
    "header",
    [
        "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,99%,Total Request Count,Total Average Response Time",
        "timestamp,method,p99,user",
        "timestamp,endpoint,request_count",
    ],
)
def test_a_table_of_statistics_is_no_table_of_requests(header, tmp_path):
    cells = len(header.split(",")) - 1
    content = header + "\n" + "".join(f"{1_775_476_800 + n * n}{',1' * cells}\n" for n in range(9))
    (tmp_path / "a.log").write_text(content)
    with plain_log(str(tmp_path / "a.log")) as log:
        assert EventsReader().recognise(log) == 0


def test_messages_of_a_logger_are_no_requests(tmp_path):
    messages = [{"time": at(r.came), "level": "info", "id": f"i{r.came}", "msg": "x"} for r in run()]
    with pytest.raises(EntroError, match="no column is recognised as a rate or a queue"):
        read("\n".join(map(json.dumps, messages)).encode(), tmp_path)
    rows = [row | {"method": "POST"} for row in messages]
    assert read("\n".join(map(json.dumps, rows)).encode(), tmp_path).rows_read == len(rows)


@pytest.mark.parametrize(("factor", "units"), [(1, ("ms", "s")), (10**3, ("us", "ms")), (10**6, ("ns", "us"))])
def test_the_units_that_are_offered_fit_the_lengths(factor, units, tmp_path):
    rows = "".join(f"{at(r.end)},/v1,{(r.took + 900) * factor}\n" for r in run(count=30))
    with pytest.raises(EntroError, match=f"add --time latency:{units[0]} or --time latency:{units[1]}, or end"):
        read(f"timestamp,endpoint,latency\n{rows}".encode(), tmp_path)


@pytest.mark.parametrize("render", [TO_THE_MILLISECOND["nginx JSON"], TO_THE_SECOND["labelled"]])
def test_requests_are_counted_once_where_their_client_has_a_log_too(render, tmp_path):
    (tmp_path / "gateway.log").write_bytes(render(run(count=300)))
    (tmp_path / "spider.log").write_text(
        "".join(
            f"{strftime(60_000 * at, '%Y-%m-%d %H:%M:%S')} [scrapy.extensions.logstats] INFO: "
            f"Crawled {90 * at} pages (at 90 pages/min), scraped 0 items (at 0 items/min)\n"
            for at in range(3)
        )
    )
    logs, options = sorted(map(str, tmp_path.glob("*.log"))), LoadOptions(tz="UTC", step="60s")
    both, alone = load_logs(logs, options).steps, load_logs(logs[:1], options).steps
    rate, queue = both.loads
    assert np.nanmin(rate) == np.nanmax(rate) == 1.5
    assert np.isin(alone.loads[1], queue).all()
