"""`entro coordinate` as programs and people meet it."""

import json
import signal
import socket
import subprocess
import urllib.request
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from urllib.parse import urlencode

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import burn_rate_rules
from tests.fake_llm import serving
from tests.live.coordinating import coordinating
from tests.live.servers import free_port
from tests.marks import slow
from tests.running import COMMAND, entro, entro_process
from tests.schedule.system import require_program
from tests.test_prometheus_server import EXPOSED, PROMETHEUS, page, prometheus, wait_for

FIELDS = {
    "time",
    "cap_per_s",
    "probe_per_s",
    "lease_s",
    "renew_in_s",
    "regime",
    "coupled_load",
    "queue",
    "sample_age_s",
}


@pytest.fixture
def llm():
    with serving(rate=6.0) as server:
        yield server


@pytest.fixture
def running(llm, tmp_path):
    with coordinating("--metrics", f"{llm.url}/metrics", "--capacity", "6", history=tmp_path / "h") as coordinator:
        yield coordinator


def test_the_cap_and_a_client(running):
    began = monotonic()
    cap = running.wait_for(lambda cap: cap["queue"] == 0.0 and cap)
    assert set(cap) == FIELDS
    assert (cap["regime"], cap["lease_s"], cap["probe_per_s"]) == ("stable", 10.0, pytest.approx(0.15))
    assert cap["cap_per_s"] == pytest.approx(6.6, rel=0.05)
    assert cap["sample_age_s"] < 3 + monotonic() - began
    assert 0 < cap["renew_in_s"] < 1.2
    assert running.renew("a", wanted_per_s=50)["cap_per_s"] == pytest.approx(6.6, rel=0.05)  # nobody else wants it
    for _ in range(2):
        running.renew("a", wanted_per_s=50)
        running.renew("b", wanted_per_s=50, weight=2)
        sleep(1.1)
    assert running.renew("a", wanted_per_s=50)["cap_per_s"] == pytest.approx(2.2, rel=0.1)
    assert running.ask("/clients/b", method="DELETE")[0] == 204
    assert running.renew("a", wanted_per_s=50)["cap_per_s"] == pytest.approx(6.6, rel=0.1)
    assert running.ask("/clients/b", method="DELETE")[0] == 404


def test_metrics_of_its_own(running):
    running.wait_for(lambda cap: cap["queue"] == 0.0)
    families = {family.name: family for family in text_string_to_metric_families(running.ask("/metrics")[1])}
    assert {"entro_observed_steps", "entro_violating_steps", "entro_regime"} <= families.keys()
    assert families["entro_observed_steps"].type == "counter"
    assert {sample.labels["pipeline"] for family in families.values() for sample in family.samples} == {"default"}
    assert families["entro_cap_requests_per_second"].samples[0].value == pytest.approx(6.6, rel=0.05)
    assert sum(sample.value for sample in families["entro_regime"].samples) == 1


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (400, {"path": "/clients", "document": b"{"}),
        slow(400, {"path": "/clients", "document": b"\xff\xfe"}),
        slow(400, {"path": "/clients", "document": {"id": "a", "weight": "1"}}),
        slow(400, {"path": "/clients", "document": {"weight": 1}}),
        slow(400, {"path": "/clients", "document": {"id": "../x"}}),
        slow(400, {"path": "/clients", "document": b'{"id": "a", "sent": 1e999}'}),
        (413, {"path": "/clients", "document": b" " * 5000}),
        slow(415, {"path": "/clients", "document": {"id": "a"}, "Content-Type": "text/plain"}),
        (403, {"path": "/clients", "document": {"id": "a"}, "Origin": "https://example.org"}),
        slow(403, {"path": "/cap", "Host": "example.org"}),
        slow(400, {"path": "/cap", "Host": "127.0.0.1:99999999"}),
        (400, {"path": "/clients", "document": b'{"id": "a", "x": %s}' % (b"[" * 1500 + b"]" * 1500)}),
        slow(400, {"path": "/clients", "document": b"{}", "Content-Encoding": "gzip"}),
        slow(404, {"path": "/other"}),
        slow(405, {"path": "/cap", "document": {}}),
    ],
    ids=lambda value: value if isinstance(value, int) else "",
)
def test_bad_requests_are_answered_in_json(running, status, request_):
    assert running.ask(**request_)[0] == status
    assert running.ask("/healthz") == (200, {"status": "ok"})


@pytest.mark.slow
def test_a_hostile_client_harms_nobody(running):
    running.wait_for(lambda cap: cap["queue"] == 0.0)
    for _ in range(2):
        running.renew("spider", wanted_per_s=50)
        sleep(1.1)
    host, port = running.url.removeprefix("http://").split(":")
    report = (
        b"POST /clients HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    files = Path(f"/proc/{running.process.pid}/fd")
    before = len(list(files.iterdir()))
    with ExitStack() as stack:
        for number in range(300):  # nothing, half a request, garbage, a body without an end, nobody who reads
            one = stack.enter_context(socket.create_connection((host, int(port))))
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.send(
                    [
                        b"",
                        b"POST /clients HTTP/1.1\r\nContent-Le",
                        b"\x16\x03\x01garbage\r\n\r\n",
                        report % 10**9 + b"x" * 10**6,
                        b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 2000,
                    ][number % 5]
                )
        flood = stack.enter_context(socket.create_connection((host, int(port))))
        answers = stack.enter_context(flood.makefile("rb"))
        for first in range(0, 10_000, 100):
            for number in range(first, first + 100):
                text = b'{"id": "f-%d", "weight": 1000, "wanted_per_s": 1e9}' % number
                flood.sendall(report % len(text) + text)
            if first % 2000 == 0:
                begin = monotonic()
                answer = running.renew("spider", wanted_per_s=50)
                assert monotonic() - begin < 2
                assert answer["cap_per_s"] == pytest.approx(6.6, rel=0.1)
            bodies = (line for line in iter(answers.readline, b"") if line.startswith(b"{"))
            assert all(b"cap_per_s" in body for body in islice(bodies, 100))
        assert running.ask("/healthz")[0] == 200
        deadline = monotonic() + 60
        while len(list(files.iterdir())) > before + 3:
            assert monotonic() < deadline
            sleep(1)


def test_a_token_is_asked_for_everywhere_but_at_healthz(llm, tmp_path):
    (tmp_path / "token").write_text("geheim\n")
    (tmp_path / "token").chmod(0o600)
    source = ("--metrics", f"{llm.url}/metrics", "--token-file", tmp_path / "token")
    with coordinating(*source, history=tmp_path, listen="0.0.0.0:0") as running:
        assert running.ask("/healthz")[0] == 200
        for path in ("/cap", "/metrics", "/other"):
            assert running.ask(path)[0] == 401
            assert running.ask(path, token="geheim2")[0] == 401
            assert running.ask(path, token="ge\u00e9")[0] == 401
        assert running.ask("/cap", token="geheim")[0] == 200
        assert running.ask("/clients", {"id": "a"}, token="geheim")[0] == 200


def test_other_machines_need_a_token():
    ended = entro_process("coordinate", "x.log", "--listen", "0.0.0.0:8517", env={"PATH": ""})
    assert ended.returncode == 2
    assert "--token-file" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.log", "--listen", "8517"], "--listen: '8517' is not an address"),
        (["x.log", "--capacity", "fast"], "--capacity: 'fast' is no rate"),
        (["x.log", "--lease", "10"], "--lease"),
        (["x.log", "--lease", "2s"], "--lease: 2 s is too short"),
        (["README.md", "--cap-file", "README.md"], "README.md: is an input file"),
        (["not-yet.log", "--cap-file", "./not-yet.log"], "not-yet.log: is an input file"),
        (["x.log", "--cap-file", "tests"], "tests: is not a regular file"),
        (["x.log", "--token-file", "no-such-file"], "no-such-file: cannot be read"),
    ],
)
def test_unusable_options(arguments, message, tmp_path):
    assert message in entro("coordinate", *arguments, "--history", tmp_path).error


def test_two_coordinators_of_one_pipeline_are_a_mistake(running, llm, tmp_path):
    again = ("--metrics", f"{llm.url}/metrics", "--listen", "127.0.0.1:0", "--history", tmp_path / "h")
    assert "another coordinator runs for this pipeline" in entro("coordinate", *again).error


@pytest.mark.slow
def test_a_server_that_comes_later(tmp_path):
    rates = [f"{datetime.now(UTC) - timedelta(seconds=ago):%FT%TZ},1\n" for ago in range(20, 0, -1)]
    (tmp_path / "rate.csv").write_text("time,scraper_rate\n" + "".join(rates))
    port = free_port()
    source = (tmp_path / "rate.csv", "--metrics", f"http://127.0.0.1:{port}/metrics")
    with coordinating(*source, history=tmp_path / "h") as running:
        assert running.ask("/cap")[1]["regime"] == "no data"
        with serving(rate=6.0, port=port):
            running.wait_for(lambda cap: cap["queue"] == 0.0)
        running.wait_for(lambda cap: cap["regime"] == "no data")
        running.process.send_signal(signal.SIGTERM)
        printed = running.printed + running.process.communicate(timeout=10)[1]
    assert printed.count("refused the connection") == 3  # at first, no more, and again
    assert "/tmp/" not in printed


@pytest.mark.slow
def test_a_page_that_drips_does_not_hold_the_end(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/metrics"
        with coordinating("--metrics", address, history=tmp_path / "h") as running:
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n# a")
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(4) == 0
            connection.close()


def test_a_port_that_is_taken(running, tmp_path):
    address = running.url.removeprefix("http://")
    assert "cannot listen" in entro("coordinate", "x.log", "--listen", address, "--history", tmp_path).error


def counted_steps(running):
    lines = running.ask("/metrics")[1].splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith("entro_observed_steps_total{"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGKILL, -9)]
)
def test_it_goes_on_after_a_restart(llm, tmp_path, number, status):
    source = ("--metrics", f"{llm.url}/metrics", "--cap-file", tmp_path / "cap.json")
    with coordinating(*source, history=tmp_path / "h") as running:
        running.wait_for(lambda cap: cap["queue"] == 0.0)
        for _ in range(2):
            for client in ("spider", "worker"):
                running.renew(client, wanted_per_s=50)
            sleep(1.1)
        observed_steps = counted_steps(running)  # Prometheus would count a lower value as new
        running.process.send_signal(number)
        assert running.process.wait(10) == status
    assert json.loads((tmp_path / "cap.json").read_text())["cap_per_s"] > 0
    stored = json.loads(next(tmp_path.glob("h/*/_entro/coordinator.json")).read_text())
    assert stored["clients"] == {"spider": 1.0, "worker": 1.0}
    assert stored["observed_steps"] >= observed_steps > 0
    with coordinating(*source, history=tmp_path / "h") as running:
        share = running.renew("spider", wanted_per_s=0)["cap_per_s"]  # so that all of the cap is split by weight
        assert share == pytest.approx(running.ask("/cap")[1]["cap_per_s"] / 2, rel=0.2)  # the worker has the other half
        assert counted_steps(running) >= stored["observed_steps"]


def test_a_damaged_state_is_told(llm, tmp_path):
    folder = tmp_path / "h" / "pipeline=default" / "_entro"
    folder.mkdir(parents=True)
    (folder / "coordinator.json").write_text("{")
    with coordinating("--metrics", f"{llm.url}/metrics", history=tmp_path / "h") as running:
        assert "coordinator.json: the stored state cannot be used" in running.printed
        running.wait_for(lambda cap: cap["queue"] == 0.0)


@pytest.mark.slow
def test_a_dry_run_prints_and_writes_nothing(llm, tmp_path):
    options = (
        "--metrics",
        f"{llm.url}/metrics",
        "--dry-run",
        "--history",
        tmp_path / "h",
        "--cap-file",
        tmp_path / "c",
    )
    command = [COMMAND, "coordinate", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert "stable, 0 waiting" in lines[-1]
    assert "would allow" in lines[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_prometheus_scrapes_it_and_alerts(tmp_path):
    """With 1000 requests waiting all steps are over the budget: both pages fire as soon as two are seen."""
    require_program(PROMETHEUS, "prometheus")
    with ExitStack() as stack:
        llm, _ = stack.enter_context(page(200, EXPOSED.format(waiting=500, done=9)))
        options = ("--metrics", llm, "--capacity", "6", "--pipeline", "crawl")
        running = stack.enter_context(coordinating(*options, history=tmp_path / "h"))
        server = stack.enter_context(prometheus(tmp_path, running.url.rsplit(":")[-1], [burn_rate_rules.FILE]))

        def found(query):
            with urllib.request.urlopen(f"{server}/api/v1/query?{urlencode({'query': query})}", timeout=5) as answer:
                samples = json.load(answer)["data"]["result"]
            return {tuple(map(one["metric"].get, ("pipeline", "window"))): float(one["value"][1]) for one in samples}

        firing = 'ALERTS{alertname="EntroBurnRate", alertstate="firing", severity="page"}'
        wait_for(lambda: found(firing) == {("crawl", "1h"): 1, ("crawl", "6h"): 1})
        assert found("entro_violating_steps_total / entro_observed_steps_total") == {("crawl", None): 1}
        assert found("entro_observed_steps_total")["crawl", None] >= 2
        with urllib.request.urlopen(f"{server}/api/v1/rules", timeout=5) as answer:
            (group,) = json.load(answer)["data"]["groups"]
        assert {rule["health"] for rule in group["rules"]} == {"ok"}


@pytest.mark.slow
def test_a_source_that_fails_is_named_once_and_comes_back(tmp_path):
    log = tmp_path / "queue.csv"
    log.write_text("time,llm_queue\n")
    with coordinating(log, "--capacity", "6", history=tmp_path / "h") as running:
        assert running.ask("/cap")[1]["queue"] is None
        rows = [f"{datetime.now(UTC) - timedelta(seconds=ago):%FT%TZ},{ago}\n" for ago in range(30, 0, -1)]
        log.write_text("time,llm_queue\n" + "".join(rows))
        running.wait_for(lambda cap: cap["queue"] == 1.0)
        log.unlink()
        assert "queue.csv" in running.process.stderr.readline()
        assert running.ask("/cap")[1]["queue"] == 1.0


@pytest.mark.slow
def test_a_failure_is_over_when_the_source_answers_and_not_before(tmp_path):
    answers, is_good = iter(["good", "bad", "slow"]), Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            kind = next(answers, "good")
            sleep(3 if kind == "slow" else 0)
            self.send_response(500 if kind == "bad" else 200)
            self.end_headers()
            if kind == "slow":
                is_good.set()
            self.wfile.write(b"# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting 1\n")

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        source = ("--metrics", f"http://127.0.0.1:{server.server_port}/metrics", "--capacity", "6")
        with coordinating(*source, history=tmp_path / "h") as running:
            assert "answered 500" in running.process.stderr.readline()
            line = running.process.stderr.readline()
            assert (is_good.is_set(), "no more: metrics at" in line) == (True, True), line
        server.shutdown()


def test_a_silent_source_is_named(tmp_path):
    rows = [f"{datetime.now(UTC) - timedelta(seconds=ago):%FT%TZ},{ago}\n" for ago in range(60, 20, -1)]
    (tmp_path / "queue.csv").write_text("time,llm_queue\n" + "".join(rows))
    with coordinating(tmp_path / "queue.csv", "--capacity", "6", history=tmp_path / "h") as running:
        running.wait_for(lambda cap: cap["queue"] and cap["regime"] == "no data")
        running.process.terminate()
        printed = running.printed + running.process.communicate(timeout=60)[1]
    assert "the queue: no new sample: only the probe rate is allowed" in printed


def test_without_a_queue_there_is_nothing_to_protect(tmp_path):
    now = datetime.now(UTC)
    rows = [f"{now - timedelta(seconds=ago):%FT%TZ},1\n" for ago in range(20, 0, -1)]
    (tmp_path / "rate.csv").write_text("time,scraper_rate\n" + "".join(rows))
    outcome = entro("coordinate", tmp_path / "rate.csv", "--history", tmp_path / "h", "--dry-run")
    assert (outcome.status, "the pipeline has no queue" in outcome.err) == (1, True)
    outcome = entro("coordinate", "sample_logs/formats/scrapy.log", "--history", tmp_path / "h", "--dry-run")
    assert (outcome.status, "the pipeline has no queue" in outcome.err) == (1, True)


@pytest.mark.slow
def test_a_log_that_grows(tmp_path):
    log = tmp_path / "server.log"

    def line(waiting, seconds_ago=0):
        now = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        return (
            f"INFO {now:%m-%d %H:%M:%S} [loggers.py:248] Engine 000: Avg prompt throughput: 10.0 tokens/s, "
            f"Avg generation throughput: 9.0 tokens/s, Running: 3 reqs, Waiting: {waiting} reqs, "
            "GPU KV cache usage: 9.0%, Prefix cache hit rate: 0.0%\n"
        )

    log.write_text(line(0, 20) + line(0, 10))
    with coordinating(log, "--tz", "UTC", "--capacity", "6", history=tmp_path / "h") as running:
        running.wait_for(lambda cap: cap["queue"] == 0.0)
        log.rename(tmp_path / "server.log.1")
        log.write_text(line(40))
        cap = running.wait_for(lambda cap: cap["queue"] == 40.0 and cap)
        assert cap["coupled_load"] > 2
        assert cap["cap_per_s"] < 6
