"""`entro watch`: the figures of `analyze`, on a screen, in a line, as JSON and on a page."""

import json
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest

from entro_cli.commands.views.watch import status_json
from entro_cli.core.console import Terminal
from entro_cli.workflows.live import watch as live_watch
from entro_cli.workflows.settings import load_options, read_settings
from tests.history.test_step_counters import counters
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


def until_now(lines, age_s=0):
    """The rows of a log, in steps of 1 s, of which the last one is so old."""
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=age_s)
    times = (end - timedelta(seconds=number) for number in range(len(lines) - 2, -1, -1))
    rows = (line[line.index(",") :] for line in lines[1:])
    return lines[0] + "".join(f"{time.isoformat()}{row}" for time, row in zip(times, rows, strict=True))


def table(column, values, age_s=0):
    return until_now([f"time,{column}\n", *(f",{value}\n" for value in values)], age_s)


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
        status = json.loads(status_json(watch.state[0], "default", []))
    assert_as_analyzed(status, analyzed(SAMPLES / name))


@pytest.mark.slow
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


def test_counters_do_not_fall_when_steps_are_judged_anew(tmp_path, monkeypatch):
    """The published full loads are too small for this server; from a minute on they are learned."""
    monkeypatch.delenv("ENTRO_FULL_LOADS")
    settings = read_settings(None, "default", Terminal())
    log, file = tmp_path / "growing.csv", tmp_path / "entro.prom"
    rows = [f"2026-04-06T12:{second // 60:02}:{second % 60:02}Z,6.0,{30 + second % 3}\n" for second in range(400)]
    log.write_text("time,scraper_rate,llm_queue\n" + "".join(rows[:20]))
    with live_watch.watching([str(log)], load_options(settings), settings, counters=file) as watch:
        until_judged(watch)
        assert counters(file) == {"default": (20, 20)}
        with log.open("a") as grown:
            grown.writelines(rows[20:])
        until_judged(watch)
        assert (watch.state[0].observed_steps, watch.state[0].violations) == (400, 0)
    assert counters(file) == {"default": (400, 20)}


def test_a_file_that_cannot_be_written_is_named_once_until_it_can(tmp_path):
    log, folder = critical(tmp_path), tmp_path / "metrics"
    folder.write_text("in the way of a folder")
    with live_watch.watching([str(log)], load_options(SETTINGS), SETTINGS, counters=folder / "entro.prom") as watch:
        problems = []
        for _ in range(3):
            watch.update()
            problems.append((len(watch.problems), len(watch.new_problems)))
        assert problems == [(1, 1), (1, 0), (1, 0)]
        folder.unlink()
        watch.update()
        assert watch.problems == []


def test_counters_of_a_log_are_those_of_its_analysis(tmp_path):
    file = tmp_path / "entro.prom"
    assert entro("watch", SAMPLES / "three-phase.csv", "--once", "--metrics-file", file, "--pipeline", "a").status == 0
    analysis = analyzed(SAMPLES / "three-phase.csv")
    assert counters(file) == {"a": (analysis["observed_steps"], analysis["violations"])}
    refused = entro("watch", SAMPLES / "three-phase.csv", "--once", "--metrics-file", SAMPLES / "three-phase.csv")
    assert "would be overwritten" in refused.err


def test_one_line(tmp_path):
    outcome = entro("watch", critical(tmp_path), "--once", "--tz", "UTC")
    assert outcome.status == 0, outcome.err
    (line,) = outcome.out.splitlines()
    assert line.startswith(
        "no data since 2026-04-06 12:09:18, last state: critical since 2026-04-06 12:05:01, "
        "load 3.944 of 3.000 nat, scraper 0.903 req/s, llm 26.1"
    )
    assert ", wait 22 s, driver llm, newest data " in line


def test_a_source_that_is_dead(tmp_path):
    spider, llm, began = tmp_path / "spider.csv", tmp_path / "llm.csv", int(time.time())
    spider.write_text(table("scraper_rate", [2.0] * 600))
    llm.write_text(table("llm_queue", [0.2 * number for number in range(600)], age_s=300))
    document = json.loads(entro("watch", spider, llm, "--once", "--json").out)
    took_s = time.time() - began
    assert (document["regime"], document["last_regime"]) == ("no data", "critical")
    assert document["since"] == document["time"] == document["stages"][1]["time"]
    assert 300 <= document["age_s"] == document["stages"][1]["age_s"] < 300 + took_s
    assert document["stages"][0]["age_s"] < took_s
    (line,) = entro("watch", spider, llm, "--once").out.splitlines()
    assert line.startswith("no data of llm since ")
    assert ", last state: critical since " in line
    assert ", newest data of llm 5 min" in line
    assert entro("watch", spider, llm, "--wait-for", "stress", "--once").status == 0
    with terminal_of("watch", spider, llm) as (_, until):
        shown = until("last state: critical")
    assert "newest data of llm 5 min" in shown


def test_a_state_that_is_too_old(tmp_path, monkeypatch):
    log = tmp_path / "pipeline.csv"
    log.write_text(until_now(THREE_PHASE[:560]))
    now = time.time_ns()
    monkeypatch.setattr(live_watch.time, "time_ns", lambda: now)
    with watching(log) as watch:
        watch.update()
        assert (watch.state[0].regime, watch.has_reached("critical")) == ("critical", True)
        now += 15 * 10**9
        assert watch.update()
        assert (watch.state[0].regime, watch.has_reached("stress")) == ("no data", False)
        assert watch.state[0].since == watch.state[0].time
        assert not watch.update()


def test_a_spider_that_reports_less_often_than_the_step(tmp_path):
    now = datetime.now(UTC).replace(microsecond=0)
    log = tmp_path / "spider.log"
    log.write_text(
        "".join(
            f"{now - timedelta(seconds=60 * (10 - number) + 50):%Y-%m-%d %H:%M:%S} [scrapy.extensions.logstats] INFO: "
            f"Crawled {120 * number} pages (at 120 pages/min), scraped {number} items (at 1 items/min)\n"
            for number in range(11)
        )
    )
    document = json.loads(entro("watch", log, "--step", "10s", "--tz", "UTC", "--once", "--json").out)
    assert document["stages"][0]["interval_s"] == 60
    assert document["age_s"] >= 50
    assert document["regime"] == document["last_regime"]


def test_logs_of_different_times(tmp_path):
    spider, llm = tmp_path / "spider.csv", tmp_path / "llm.csv"
    llm.write_text(table("llm_queue", range(60), age_s=37))
    spider.write_text(table("scraper_rate", [2.0] * 10))
    refused = entro("analyze", spider, llm)
    assert "stage scraper begins 28 s after stage llm ends; expected logs of the same time" in refused.error
    assert entro("watch", spider, llm, "--once") == refused
    with live_watch.watching([str(spider), str(llm)], load_options(SETTINGS), SETTINGS) as watch:
        watch.update()
        assert watch.state is None
        assert watch.problems == [refused.error]
        llm.write_text(table("llm_queue", range(60)))
        assert until_judged(watch)
        assert watch.problems == []
        assert watch.state[0].regime == "critical"


def test_rows_that_cannot_be_read(tmp_path):
    log = critical(tmp_path)
    log.write_text(log.read_text() + "broken\n")
    outcome = entro("watch", log, "--once", "--json")
    assert json.loads(outcome.out)["problems"] == [f"{log}: 1 row of 560 skipped"]
    assert "1 row of 560 skipped" in outcome.err


def test_waiting_for_a_regime(tmp_path):
    log = critical(tmp_path)
    assert entro("watch", log, "--wait-for", "critical", "--once").status == 0  # it ended long ago
    log.write_text(until_now(THREE_PHASE[:560]))
    for regime in ("stress", "critical"):
        outcome = entro("watch", log, "--wait-for", regime)
        assert (outcome.status, len(outcome.out.splitlines())) == (3, 1), outcome.err
    log.write_text(until_now(THREE_PHASE[:100]))
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
@pytest.mark.parametrize("options", [(), ("--wait-for", "critical"), ("--json",)])
def test_the_end_of_standard_input(tmp_path, options):
    outcome = entro_process("watch", "-", "--tz", "UTC", *options, input=critical(tmp_path).read_text(), timeout=30)
    assert outcome.returncode == 0, outcome.stderr
    assert "2026-04-06" in outcome.stdout.splitlines()[-1]


@pytest.mark.slow
def test_standard_input_without_a_line():
    outcome = entro_process("watch", "-", input="", timeout=30)
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert "entro: " in outcome.stderr
    shell = ["sh", "-c", f"{COMMAND} watch - <&-"]
    closed = subprocess.run(shell, check=False, capture_output=True, text=True, timeout=30)
    assert (closed.returncode, closed.stdout) == (1, "")
    assert "entro: -: standard input is closed" in closed.stderr


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


@pytest.mark.slow
def test_a_page_of_metrics_in_long_steps(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    begin = time.monotonic()
    with page_server() as url:
        outcome = entro("watch", "--metrics", url, "--step", "5min", "--once", "--json")
    assert json.loads(outcome.out)["step_s"] == 300, outcome.err
    assert "refused" in entro("watch", "--metrics", "http://127.0.0.1:9/metrics", "--step", "5min", "--once").error
    assert time.monotonic() - begin < 100


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
    log = critical(tmp_path)
    log.write_text(until_now(THREE_PHASE[:560]))
    outcome = entro("watch", log, "--html", page, "--wait-for", "critical", "--quiet")
    assert outcome.status == 3, outcome.err
    assert '<meta http-equiv="refresh" content="10">' in page.read_text()
    assert "87.6 requests waiting at llm" in page.read_text()
    refused = entro("watch", log, "--html", log, "--wait-for", "critical")
    assert "is an input file" in refused.err
    assert log.read_text().startswith("timestamp,")


@pytest.mark.slow
def test_lines_as_the_log_grows(tmp_path):
    log = tmp_path / "pipeline.csv"
    lines = until_now(THREE_PHASE[:400]).splitlines(keepends=True)
    log.write_text("".join(lines[:200]))
    with subprocess.Popen([COMMAND, "watch", log, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            first = json.loads(process.stdout.readline())
            with log.open("a") as file:
                file.writelines(lines[200:])
            second = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            rest, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (first["steps"], first["regime"], first["last_regime"]) == (199, "no data", "stable")
    assert (second["steps"], second["regime"]) == (399, "critical")
    assert (process.returncode, rest) == (130, b"")
    assert err == b"entro: interrupted: nothing was stored or written\n"


@pytest.mark.slow
def test_documents_while_no_data_comes(tmp_path):
    log = tmp_path / "pipeline.csv"
    with subprocess.Popen(
        [COMMAND, "watch", log, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            missing = json.loads(process.stdout.readline())
            critical(tmp_path)
            states = [json.loads(process.stdout.readline()) for _ in range(2)]
        finally:
            process.kill()
    assert (missing["pipeline"], missing["regime"], missing["age_s"]) == ("default", "no data", None)
    assert "there is no such file" in missing["problems"][0]
    assert missing.keys() == states[0].keys()
    assert [state["last_regime"] for state in states] == ["critical", "critical"]
    assert 9 < states[1]["age_s"] - states[0]["age_s"] < 20


@pytest.mark.parametrize("columns", [80, pytest.param(120, marks=pytest.mark.slow)])
def test_a_screen(tmp_path, columns):
    log = critical(tmp_path)
    log.write_text(until_now(THREE_PHASE[:560]))
    with terminal_of("watch", log, "--tz", "UTC", columns=columns) as (process, until):
        shown = until("1 incident, the newest first")
        assert "driver: llm" in shown
        assert "Time to budget: " in shown
        process.send_signal(signal.SIGINT)
        assert "interrupted" in until()
        assert process.wait() == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=str)
def test_a_signal_leaves_nothing_behind(tmp_path, monkeypatch, number):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with terminal_of("watch", critical(tmp_path), "--tz", "UTC") as (process, until):
        until("driver")
        assert list((tmp_path / "temporary").iterdir())
        process.send_signal(number)
        assert "\x1b[?1049l" in until()  # the screen as it was before
        assert process.wait(10) == 0
    assert not list((tmp_path / "temporary").iterdir())


def test_a_terminal_without_a_screen(tmp_path):
    with terminal_of("watch", critical(tmp_path), "--tz", "UTC", kind="dumb") as (_, until):
        shown = until("newest data")
    assert shown.startswith("no data since 2026-04-06 12:09:18, last state: critical since 2026-04-06 12:05:01")


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
