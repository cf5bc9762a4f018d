"""A Prometheus server that is asked: a real one, and one that misbehaves."""

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from entro_cli.core.clock import NS
from entro_cli.readers.prometheus.client import PrometheusServer, TimeRange, authorization
from entro_engine import EntroError
from tests.running import entro
from tests.schedule.system import require_program

BEGIN = 1_775_476_800
RANGE = TimeRange(BEGIN * NS, (BEGIN + 60) * NS, 15 * NS)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """The servers here are on this machine, whatever proxy it has for others."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


def answer(form, labels=None, value="1", **more):
    """What a server answers to a form: a point every step."""
    first, last, step = (float(form[key][0]) for key in ("start", "end", "step"))
    values = [[first + index * step, value] for index in range(round((last - first) / step) + 1)]
    result = [{"metric": labels or {}, "values": values}]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}


@contextmanager
def fake(*answers):
    """A server that gives these answers, one a request (the last for all that follow).

    Each is a status and what makes the document of the form, or bytes; None hangs.
    """
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            status, make = answers[min(len(asked), len(answers) - 1)]
            asked.append((self.path, dict(self.headers), form))
            if make is None:
                stop.wait(5)
                return
            body = make if isinstance(make, bytes) else json.dumps(make(form)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if 300 <= status < 400:
                self.send_header("Location", "http://127.0.0.1:9/")
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    stop = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = asked
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


def ask(url, asked=RANGE, environ=None, timeout_s=5.0, pauses=None):
    server = PrometheusServer(url, environ or {}, timeout_s, (pauses if pauses is not None else []).append)
    return server.query_range("up", asked)


def test_one_request_for_a_short_time():
    with fake((200, answer)) as server:
        (series,) = ask(f"{server.url}/prefix/").series
    assert series.times.tolist() == [(BEGIN + at) * NS for at in range(0, 61, 15)]
    ((path, headers, form),) = server.asked
    assert path == "/prefix/api/v1/query_range"
    assert form == {"query": ["up"], "start": [f"{BEGIN}.000"], "end": [f"{BEGIN + 60}.000"], "step": ["15.000"]}
    assert "Authorization" not in headers


def test_a_long_time_is_asked_for_in_parts():
    with fake((200, answer)) as server:
        (series,) = ask(server.url, TimeRange(BEGIN * NS, (BEGIN + 24_999) * NS, NS)).series
    assert len(series.times) == 25_000
    assert [round(float(form["end"][0]) - float(form["start"][0])) + 1 for _, _, form in server.asked] == [
        10_000,
        10_000,
        5_000,
    ]


@pytest.mark.parametrize(("begin", "end", "points"), [(0, 0, 1), (1, 14, 0), (1, 15, 1), (0, 14, 1), (-1, 31, 3)])
def test_points_are_on_whole_steps(begin, end, points):
    parts = list(TimeRange((BEGIN + begin) * NS, (BEGIN + end) * NS, 15 * NS).parts())
    assert sum((last - first) // (15 * NS) + 1 for first, last in parts) == points
    if not points:
        with pytest.raises(EntroError, match="the time is shorter than a step"):
            TimeRange((BEGIN + begin) * NS, (BEGIN + end) * NS, 15 * NS).check()


def test_far_too_long_a_time_is_refused():
    with pytest.raises(EntroError, match="points are too many"):
        TimeRange(0, BEGIN * NS, 10**6).check()


@pytest.mark.slow
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_tried_again(status):
    pauses = []
    with fake((status, b""), (status, b""), (200, answer)) as server:
        assert len(ask(server.url, pauses=pauses).series) == 1
    assert pauses == [1.0, 4.0]
    with fake((status, b"")) as server, pytest.raises(EntroError, match=f"answered {status}"):
        ask(server.url)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, b'{"status":"error","errorType":"bad_data","error":"parse error"}', r"bad_data\): parse error"),
        (422, b'{"status":"error","errorType":"execution","error":"many-to-many"}', r"execution\): many-to-many"),
        (401, b"", r"refuses the credentials \(401\).*ENTRO_PROMETHEUS_TOKEN"),
        (404, b"<html>", "answered 404; check the address"),
        (302, b"", "a redirect, which is not followed"),
        (200, b"<html>", "is not JSON"),
        (200, b'{"status":"success","data":{"resultType":"vector","result":[]}}', "instant query"),
    ],
)
def test_what_does_not_pass_is_reported_at_once(status, body, says):
    with fake((status, body)) as server, pytest.raises(EntroError, match=says) as raised:
        ask(server.url)
    assert len(server.asked) == 1
    assert str(raised.value).startswith(f"Prometheus at 127.0.0.1:{server.server_port}")


def test_a_server_that_hangs_is_left():
    with fake((200, None)) as server, pytest.raises(EntroError, match=r"did not answer within 0\.2 s"):
        ask(server.url, timeout_s=0.2)


def test_nobody_there():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(EntroError, match="refused the connection; check the address given with --prometheus"):
            ask(f"http://127.0.0.1:{unused.getsockname()[1]}")


def test_credentials_come_from_the_environment_or_a_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    file.chmod(0o600)
    basic = "Basic " + base64.b64encode(b"me:pass").decode()
    for environ, header in [
        ({"ENTRO_PROMETHEUS_TOKEN": "s3cret"}, "Bearer s3cret"),
        ({"ENTRO_PROMETHEUS_TOKEN_FILE": str(file)}, "Bearer s3cret"),
        ({"ENTRO_PROMETHEUS_USER": "me", "ENTRO_PROMETHEUS_PASSWORD": "pass"}, basic),
    ]:
        with fake((200, answer)) as server:
            ask(server.url, environ=environ)
        assert server.asked[0][1]["Authorization"] == header


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"ENTRO_PROMETHEUS_USER": "me"}, "a user is given without a password"),
        ({"ENTRO_PROMETHEUS_PASSWORD": "s3cret"}, "a password is given without a user"),
        ({"ENTRO_PROMETHEUS_TOKEN": "s3cret", "ENTRO_PROMETHEUS_USER": "me"}, "both a token and a password"),
        ({"ENTRO_PROMETHEUS_TOKEN": "s3cr\net"}, "is not a token"),
    ],
)
def test_credentials_by_half_are_refused_and_not_shown(environ, says):
    with pytest.raises(EntroError, match=says) as raised:
        authorization(environ, "ENTRO_PROMETHEUS")
    assert "s3cr" not in str(raised.value)


@pytest.mark.parametrize("url", ["localhost:9090", "ftp://a/", "http://", "http://a:b/", "http://a/?x=1", "http://a b"])
def test_what_is_no_address(url):
    with pytest.raises(EntroError, match="is not the address of a server"):
        ask(url)


def test_a_password_in_the_address_is_refused_and_not_shown():
    with pytest.raises(EntroError, match="is not shown") as raised:
        ask("http://me:s3cret@localhost/")
    assert "s3cret" not in str(raised.value)


def pipeline(form):
    """A queue of three, and half a request a second."""
    waiting = "num_requests_waiting" in form["query"][0] and "rate" not in form["query"][0]
    return answer(form, {"__name__": "vllm:num_requests_waiting"} if waiting else {}, "3" if waiting else "0.5")


def test_analyze_asks_with_a_preset():
    with fake((200, pipeline)) as server:
        outcome = entro("analyze", "--prometheus", server.url, "--preset", "vllm", "--since", "30min", "--json")
    assert outcome.status == 0, outcome.err
    document = json.loads(outcome.out)
    assert [(stage["name"], stage["kind"], stage["mean_load"]) for stage in document["stages"]] == [
        ("scraper", "rate", 0.5),
        ("llm", "queue", 3.0),
    ]
    assert document["step_s"] == 15
    assert document["sources"][0]["path"] == f"Prometheus at 127.0.0.1:{server.server_port}"
    assert {form["query"][0] for _, _, form in server.asked} >= {"vllm:num_requests_waiting"}
    assert any("[60000ms]" in form["query"][0] for _, _, form in server.asked)


def test_analyze_asks_other_queries():
    with fake((200, lambda form: answer(form, value="2", warnings=["old blocks"]))) as server:
        options = ["--rate", "sum(rate(a[1m]))", "--queue", "b", "--step", "1min", "--since", "3h"]
        outcome = entro("analyze", "--prometheus", server.url, *options)
    assert outcome.status == 0, outcome.err
    assert [form["query"][0] for _, _, form in server.asked] == ["sum(rate(a[1m]))", "b"]
    assert {form["step"][0] for _, _, form in server.asked} == {"60.000"}
    assert "old blocks" in outcome.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--prometheus", "http://a"], "no query is given; add --preset"),
        (["--prometheus", "http://a", "--preset", "ollama"], "unknown preset 'ollama'; expected vllm, sglang, tgi"),
        (["a.csv", "--rate", "b"], "--rate: needs a server to query; add --prometheus URL"),
        (["--prometheus", "http://a", "--rate", "b", "--step", "1.5ms"], "is too fine for Prometheus"),
        (["--prometheus", "http://a", "--rate", "b", "--save"], "there is no log to save"),
    ],
)
def test_options_that_do_not_fit(options, says):
    assert says in entro("analyze", *options).error


def test_a_server_without_samples():
    empty = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'
    with fake((200, empty)) as server:
        error = entro("analyze", "--prometheus", server.url, "--queue", "nothing").error
    assert "has no series for the query nothing" in error


@contextmanager
def page(status, text):
    """A server with a page of metrics, and the headers it was asked with."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(dict(self.headers))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_page_read_once_gives_the_queue_and_asks_for_a_second_reading(monkeypatch):
    monkeypatch.setenv("ENTRO_METRICS_TOKEN", "s3cret")
    with page(200, EXPOSED.format(waiting=3, done=9)) as (url, asked):
        outcome = entro("analyze", "--metrics", url, "--json")
    assert outcome.status == 0, outcome.err
    assert [(stage["name"], stage["mean_load"]) for stage in json.loads(outcome.out)["stages"]] == [("llm", 6.0)]
    assert "vllm:request_success_total has one sample: its rate needs a second reading" in outcome.err
    assert asked[0]["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("status", "text", "says"),
    [
        (
            200,
            "# TYPE vllm:request_success_total counter\nvllm:request_success_total 9\n",
            "a counter needs two samples",
        ),
        (200, "<html>\n<body>no</body>\n</html>\n", "lines cannot be read"),
        (404, "", "answered 404; check the path"),
        (401, "", r"refuses the credentials (401); give a token in ENTRO_METRICS_TOKEN"),
    ],
)
def test_a_page_without_a_queue_is_an_error(status, text, says):
    with page(status, text) as (url, _):
        error = entro("analyze", "--metrics", url).error
    assert says in error
    assert url.removeprefix("http://") in error


@pytest.mark.parametrize("url", ["http://me:s3cret@localhost/metrics", "http://localhost/metrics?token=s3cret"])
def test_secrets_in_the_address_of_a_page_are_refused_and_not_shown(url):
    outcome = entro("analyze", "--metrics", url)
    assert outcome.status == 1
    assert "s3cret" not in outcome.out + outcome.err


PROMETHEUS = shutil.which("prometheus") or "/usr/bin/prometheus"
EXPOSED = """# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0"}} {waiting}
vllm:num_requests_waiting{{engine="1"}} {waiting}
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0"}} 4
# TYPE vllm:request_success_total counter
vllm:request_success_total{{engine="0"}} {done}
"""


@contextmanager
def exporter():
    """What a vLLM server with two engines would expose: 20 requests a second, two waiting at each engine."""
    began = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = EXPOSED.format(waiting=2, done=round(20 * (time.monotonic() - began))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


@contextmanager
def prometheus(folder, target, rules=()):
    """A real server that scrapes a target each second, and evaluates files of rules."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n"
        f"rule_files: {json.dumps([str(file) for file in rules])}\nscrape_configs:\n"
        f"  - job_name: llm\n    static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
    )
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: urllib.request.urlopen(f"{url}/-/ready", timeout=1).close() is None)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(OSError):
            if condition():
                return
        time.sleep(0.2)
    pytest.fail("waited too long")


@pytest.mark.slow
def test_a_real_server(tmp_path):
    require_program(PROMETHEUS, "prometheus")
    with exporter() as target, prometheus(tmp_path, target) as url:
        server = PrometheusServer(url, os.environ)

        def samples():
            now = time.time_ns()
            answered = server.query_range("vllm:num_requests_waiting", TimeRange(now - 60 * NS, now, NS)).series
            return min((len(series.times) for series in answered), default=0) if len(answered) == 2 else 0

        wait_for(lambda: samples() >= 15)
        reading = ["--prometheus", url, "--preset", "vllm", "--since", "1min", "--step", "1s", "--json"]
        for options in (
            [],
            ["--rate", "vllm:request_success_total"],
            ["--rate", "rate(vllm:request_success_total[5s])"],
        ):
            outcome = entro("analyze", *reading, *options)
            assert outcome.status == 0, outcome.err
            stages = {stage["name"]: stage for stage in json.loads(outcome.out)["stages"]}
            assert stages["llm"]["mean_load"] == 4.0
            assert "2 series of" in outcome.err
            if options:  # the preset's rate is over a minute, which this server has not seen yet
                assert stages["scraper"]["mean_load"] == pytest.approx(20, rel=0.2)
        with pytest.raises(EntroError, match="parse error"):
            server.query_range("rate(", RANGE)
        pages = tmp_path / "pages.txt"  # its own page, which counts its own requests
        for _ in range(4):
            with urllib.request.urlopen(f"{url}/metrics", timeout=5) as response, pages.open("ab") as file:
                file.write(f"# {time.time():.3f}\n".encode() + response.read())
            time.sleep(1.5)
        counter = "prometheus_http_requests_total"
        outcome = entro(
            "analyze", pages, "--stage", f"scraper={counter}", "--stage", "llm=go_goroutines:queue", "--json"
        )
        assert outcome.status == 0, outcome.err
        document = json.loads(outcome.out)
        assert (document["rows_skipped"], document["sources"][0]["format"]) == (0, "metrics")
        assert 0 < document["stages"][0]["mean_load"] < 10
        assert document["stages"][1]["mean_load"] > 5
        assert "nothing says what it measures" in entro("analyze", pages).error
        long = server.query_range("vector(1)", TimeRange((BEGIN - 30_000) * NS, BEGIN * NS, NS))
        assert len(long.series[0].times) == 30_001


@pytest.mark.parametrize("preset", ["vllm", "sglang", "tgi"])
def test_promtool_takes_the_queries_of_every_preset(preset, tmp_path):
    from entro_cli.workflows.query_prometheus import PRESETS

    promtool = shutil.which("promtool") or "/usr/bin/promtool"
    require_program(promtool, "prometheus")
    rules = [
        {"record": f"a{index}", "expr": query.replace("{window}", "60000ms")}
        for index, query in enumerate(PRESETS[preset])
    ]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "presets", "rules": rules}]}))
    checked = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
