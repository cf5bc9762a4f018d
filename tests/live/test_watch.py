"""`entro watch`: the figures of `analyze`, on a screen, in a line, as JSON and on a page."""

import json
import signal
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest

from entro_cli.commands.views.watch import status_text
from entro_cli.core.console import Terminal
from entro_cli.workflows.live import watch as live_watch
from entro_cli.workflows.settings import load_options, read_settings
from tests.running import COMMAND, entro, entro_process, terminal_of
from tests.test_prometheus_server import answer, fake

SAMPLES = Path(__file__).parents[2] / "sample_logs"
THREE_PHASE = (SAMPLES / "three-phase.csv").read_text().splitlines(keepends=True)
SETTINGS = read_settings(None, "default", Terminal())
FIGURES = (
    *("start", "step_s", "steps", "observed_steps", "budget", "violations", "violation_time_s", "excess_nat_s"),
    *("peak_coupled_load", "time_to_budget_s"),
)


def critical(folder):
    """A log that ends in an incident."""
    log = folder / "pipeline.csv"
    log.write_text("".join(THREE_PHASE[:560]))
    return log


def analyzed(*logs):
    outcome = entro("analyze", *logs, "--json")
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def assert_as_analyzed(watched, analysis):
    """Assert that the document of `watch` has the figures and the last incidents of that of `analyze`."""
    assert {name: watched[name] for name in FIGURES} == {name: analysis[name] for name in FIGURES}
    assert watched["incident_count"] == len(analysis["incidents"])
    shown = [
        {name: shown[name] for name in shown if name not in {"stages", "sentence"}} for shown in watched["incidents"]
    ]
    assert shown == analysis["incidents"][::-1][:10]
    assert [stage["full"] for stage in watched["stages"]] == [stage["full"] for stage in analysis["stages"]]


@pytest.mark.parametrize("name", ["three-phase.csv", "formats/vllm.log", "formats/requests.csv", "formats/celery.log"])
def test_the_figures_of_analyze(name):
    outcome = entro("watch", SAMPLES / name, "--once", "--json", "--tz", "UTC")
    assert outcome.status == 0, outcome.err
    (line,) = outcome.out.splitlines()
    assert json.loads(line)["schema"] == "entro/watch/1"
    assert_as_analyzed(json.loads(line), json.loads(entro("analyze", SAMPLES / name, "--json", "--tz", "UTC").out))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(live_watch, "_STATUS_SHARE", 1.0)


def watching(log):
    return live_watch.watching([str(log)], load_options(SETTINGS), SETTINGS)


def until_judged(watch):
    """Update until the steps were judged again."""
    return next(has_changed for has_changed in iter(watch.update, None) if has_changed)


@pytest.mark.parametrize("name", ["three-phase.csv", "formats/vllm.log"])
def test_a_log_in_pieces_that_is_rotated_three_times(tmp_path, name):
    lines = (SAMPLES / name).read_bytes().splitlines(keepends=True)
    log = tmp_path / "growing.log"
    log.touch()
    with watching(log) as watch:
        watch.update()
        for number in range(8):
            with log.open("ab") as file:
                file.writelines(lines[len(lines) * number // 8 : len(lines) * (number + 1) // 8])
            assert until_judged(watch)
            if number in {2, 4, 5}:
                for old in (2, 1):
                    if (path := tmp_path / f"growing.log.{old}").exists():
                        path.rename(tmp_path / f"growing.log.{old + 1}")
                log.rename(tmp_path / "growing.log.1")
                log.touch()
        assert watch.problems == []
        status = json.loads(status_text(watch.state[0], [], 0, as_json=True))
    assert_as_analyzed(status, analyzed(SAMPLES / name))


def test_an_incident_shows_within_two_steps(tmp_path):
    log = tmp_path / "growing.csv"
    log.write_text("".join(THREE_PHASE[:295]))
    seen = {}
    with watching(log) as watch:
        until_judged(watch)
        for number in range(295, 315):
            with log.open("a") as file:
                file.write(THREE_PHASE[number])
            until_judged(watch)
            seen.setdefault(watch.state[0].incident_count, number)
    analysis = analyzed(log)
    (incident,) = analysis["incidents"]
    begin = next(index for index, line in enumerate(THREE_PHASE) if line.startswith(incident["start"]))
    assert begin <= seen[1] <= begin + 2


def test_one_line(tmp_path):
    outcome = entro("watch", critical(tmp_path), "--once", "--tz", "UTC")
    assert outcome.status == 0, outcome.err
    (line,) = outcome.out.splitlines()
    assert line.startswith("critical since 2026-04-06 12:05:01, load 3.944 of 3.000 nat, scraper 0.903 req/s, llm 26.1")
    assert ", wait 22 s, driver llm, newest data " in line


def test_rows_that_cannot_be_read(tmp_path):
    log = critical(tmp_path)
    log.write_text(log.read_text() + "broken\n")
    outcome = entro("watch", log, "--once", "--json")
    assert json.loads(outcome.out)["problems"] == [f"{log}: 1 row of 560 skipped"]
    assert "1 row of 560 skipped" in outcome.err


def test_waiting_for_a_regime(tmp_path):
    log = critical(tmp_path)
    for regime in ("stress", "critical"):
        outcome = entro("watch", log, "--wait-for", regime)
        assert (outcome.status, len(outcome.out.splitlines())) == (3, 1), outcome.err
    log.write_text("".join(THREE_PHASE[:100]))
    assert entro("watch", log, "--wait-for", "critical", "--once").status == 0
    assert entro("watch", log, "--wait-for", "panic").status == 2


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "name logs, or a server with --prometheus or --metrics"),
        (("nowhere.log", "--once"), 1, "nowhere.log: there is no such file"),
        (("--metrics", "http://127.0.0.1:9/metrics", "--once"), 1, "refused the connection"),
        (("--metrics", "http://user:secret@127.0.0.1/", "--once"), 1, "is not shown"),
    ],
)
def test_what_cannot_be_watched(arguments, status, message):
    outcome = entro("watch", *arguments)
    assert (outcome.status, outcome.out) == (status, "")
    assert message in " ".join(outcome.err.split())
    assert "secret" not in outcome.err


@contextmanager
def page_server():
    """A server whose queue grows with every page."""
    numbers = count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            number = next(numbers)
            page = (
                '# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting{engine="0"} ' + f"{5 * number}.0\n"
                '# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine="0"} 4.0\n'
                '# TYPE vllm:request_success_total counter\nvllm:request_success_total{engine="0"} '
                + f"{3 * number}.0\n"
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_a_page_of_metrics(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with page_server() as url:
        once = json.loads(entro("watch", "--metrics", url, "--once", "--json").out)
        # The rate between two pages is that of the second of the first one, whose queue was empty.
        assert [(stage["name"], stage["load"]) for stage in once["stages"]][1:] == [("llm", 0.0)]
        outcome = entro("watch", "--metrics", url, "--wait-for", "critical", "--json")
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.status == 3
    assert [line["regime"] for line in lines][-1] == "critical"
    assert [line["steps"] for line in lines] == sorted({line["steps"] for line in lines})
    assert lines[-1]["problems"] == []
    assert lines[-1]["step_s"] == 1
    assert lines[-1]["age_s"] < 5


def test_a_prometheus_server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with fake((200, lambda form: answer(form, value="2"))) as server:
        outcome = entro("watch", "--prometheus", server.url, "--preset", "vllm", "--once", "--json")
    assert outcome.status == 0, outcome.err
    document = json.loads(outcome.out)
    assert [(stage["name"], stage["load"]) for stage in document["stages"]] == [("scraper", 2.0), ("llm", 2.0)]
    assert document["step_s"] == 15
    assert len(server.asked) == 2


def test_standard_input(tmp_path):
    content = critical(tmp_path).read_bytes()
    outcome = entro_process("watch", "-", "--once", "--json", input=content, text=False)
    assert_as_analyzed(json.loads(outcome.stdout), analyzed(tmp_path / "pipeline.csv"))


def test_a_page_that_is_kept_current(tmp_path):
    page = tmp_path / "pages" / "live.html"
    outcome = entro("watch", critical(tmp_path), "--html", page, "--wait-for", "critical", "--quiet")
    assert outcome.status == 3, outcome.err
    assert '<meta http-equiv="refresh" content="10">' in page.read_text()
    assert "87.6 requests waiting at llm" in page.read_text()
    log = tmp_path / "pipeline.csv"
    refused = entro("watch", log, "--html", log, "--wait-for", "critical")
    assert "is an input file" in refused.err
    assert log.read_text().startswith("timestamp,")


def test_lines_as_the_log_grows(tmp_path):
    log = tmp_path / "pipeline.csv"
    log.write_text("".join(THREE_PHASE[:200]))
    with subprocess.Popen([COMMAND, "watch", log, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            first = json.loads(process.stdout.readline())
            with log.open("a") as file:
                file.writelines(THREE_PHASE[200:400])
            second = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            rest, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (first["steps"], first["regime"]) == (199, "stable")
    assert (second["steps"], second["regime"]) == (399, "critical")
    assert (process.returncode, rest) == (130, b"")
    assert err == b"entro: interrupted: nothing was stored or written\n"


@pytest.mark.parametrize("columns", [80, 120])
def test_a_screen(tmp_path, columns):
    with terminal_of("watch", critical(tmp_path), "--tz", "UTC", columns=columns) as (process, until):
        shown = until("1 incident, the newest first")
        assert "driver: llm" in shown
        assert "Time to budget: " in shown
        process.send_signal(signal.SIGINT)
        assert "interrupted" in until()
        assert process.wait() == 130


def test_names_from_a_log_are_escaped(tmp_path):
    log = tmp_path / "long.csv"
    rows = [
        f"2026-04-06T12:00:{second:02},\x1b[31mevil{kind},{second},{kind}"
        for second in range(60)
        for kind in ("rate", "queue")
    ]
    log.write_text("time,stage,value,kind\n" + "\n".join(rows) + "\n")
    outcome = entro("watch", log, "--once")
    assert outcome.status == 0, outcome.err
    assert "\x1b" not in outcome.out
    assert r"\x1b[31mev..." in outcome.out
    with terminal_of("watch", log, "\x1b[31mmissing.log", cwd=tmp_path) as (_, until):
        shown = until("newest data")
        shown = until("missing.log")
    assert "\x1b[31mevil" not in shown
    assert "\x1b[31mmissing" not in shown
