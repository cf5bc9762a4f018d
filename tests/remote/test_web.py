"""Logs at URLs of a web server: the same as on this machine; and everything that may go wrong there."""

import gzip
import json
import os
import socket
import subprocess
import sys
from unittest.mock import patch

import pytest

from tests.history.stored import HEADER, days, ingest
from tests.marks import slow
from tests.remote.conftest import ROWS
from tests.running import entro

LATE = [(1, "a.csv", ROWS[:30]), (2, "b.csv", ROWS[30:])]


def put(folder, name, lines, changed_s=1_775_000_000, pack=bytes):
    path = folder / name
    path.write_bytes(pack((HEADER + "".join(lines)).encode()))
    os.utime(path, (changed_s, changed_s))
    return path


def figures(*names):
    outcome = entro("analyze", *names, "--json")
    assert outcome.status == 0, outcome.err
    document = json.loads(outcome.out)
    for source in document["sources"]:
        source["path"] = source["path"].rpartition("/")[2]
    for advice in document["recommendations"]:
        del advice["command"]  # names the logs
    return document


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_it_is_read_as_if_it_were_here(web, pack):
    here = put(web.folder, "log.csv", ROWS, pack=pack)
    assert figures(f"{web.url}/log.csv") == figures(here)
    assert figures(f"{web.url}/moved/log.csv") == figures(here)
    assert figures(f"file://{here}") == figures(here)


@pytest.mark.parametrize("ending", ["/*.csv", slow("/[ab].csv"), "/"])
def test_a_pattern_and_a_folder(web, ending):
    for age, name, lines in LATE:
        put(web.folder, name, lines, age)
    assert figures(f"{web.url}{ending}") == figures(web.folder / "a.csv", web.folder / "b.csv")
    assert figures(f"file://{web.folder}{ending}") == figures(f"{web.url}{ending}")


def test_what_is_no_log_is_left_out_of_a_folder_alone(web):
    put(web.folder, "a.csv", ROWS)
    (web.folder / "page.pdf").write_bytes(b"%PDF-1.7\n")
    assert f"{web.url}/page.pdf: left out: this is a PDF" in entro("analyze", f"{web.url}/", "--json").err
    assert entro("analyze", f"{web.url}/*", "--json").status == 1


def test_each_file_of_a_table_is_fetched_once(web):
    for age, name, lines in LATE:
        put(web.folder, name, lines, age)
    figures(f"{web.url}/a.csv", f"{web.url}/b.csv")
    assert sorted(path for command, path in web.asked if command == "GET") == ["/a.csv", "/b.csv"]


def test_a_log_without_a_year_is_of_the_year_it_was_last_changed_in(web):
    line = (
        "INFO {} 10:00:{:02} [loggers.py:118] Engine 000: Avg prompt throughput: 1.0 tokens/s, Avg generation "
        "throughput: 1.0 tokens/s, Running: 1 reqs, Waiting: 2 reqs, GPU KV cache usage: 1.0%, "
        "Prefix cache hit rate: 0.0%\n"
    )
    log = web.folder / "vllm.log"
    log.write_text("".join(line.format("04-06", second) for second in range(0, 60, 10)))
    os.utime(log, (1_650_000_000, 1_650_000_000))
    assert figures(f"{web.url}/vllm.log") == figures(log)
    assert figures(log)["sources"][0]["start"].startswith("2022-04-06")


def test_ingested_once_and_read_on(web, tmp_path):
    url, again = f"{web.url}/log.csv", tmp_path / "again"
    put(web.folder, "log.csv", ROWS[:40], 1_775_000_000)
    assert "new" in ingest(again, url).out
    first, fetched = days(again), web.asked.count(("GET", "/log.csv"))
    assert "nothing new" in ingest(again, url).out
    assert days(again) == first
    assert web.asked.count(("GET", "/log.csv")) == fetched, "what did not change need not be fetched"
    os.utime(web.folder / "log.csv", (1_775_000_500, 1_775_000_500))
    assert "nothing new" in ingest(again, url).out, "it was touched, and holds the same"
    here = put(web.folder, "log.csv", ROWS, 1_775_001_000)
    assert "read on" in ingest(again, url).out
    assert "nothing new" in ingest(again, here).out, "the same log, copied to this machine"
    ingest(tmp_path / "whole", here)
    assert days(again) == days(tmp_path / "whole")


def test_parts_are_read_in_the_order_they_were_written(web, tmp_path):
    for age, name, lines in [(2, "a.csv", ROWS[30:]), (1, "b.csv", ROWS[:30])]:
        put(web.folder, name, lines, 1_775_000_000 + age)
    ingest(tmp_path / "there", f"{web.url}/*.csv")
    ingest(tmp_path / "here", web.folder / "*.csv")
    assert days(tmp_path / "there") == days(tmp_path / "here")
    first = [path for command, path in web.asked if command == "GET" and path.endswith(".csv")]
    assert first == ["/b.csv", "/a.csv"]


def test_calibrate_and_report(web, tmp_path):
    here = put(web.folder, "log.csv", ROWS)
    names = (here, f"{web.url}/log.csv")
    reports = [entro("report", "--daily", "--tz", "UTC", "--json", "--logs", name) for name in names]
    assert [report.status for report in reports] == [0, 0], reports[1].err
    assert json.loads(reports[0].out)["figures"] == json.loads(reports[1].out)["figures"]
    written = [entro("calibrate", name, "--out", "-") for name in names]
    assert written[0].out.replace(str(here), names[1]) == written[1].out != ""


def test_the_configuration_names_it(web, tmp_path, monkeypatch):
    monkeypatch.delenv("ENTRO_FULL_LOADS")
    put(web.folder, "log.csv", ROWS)
    config = tmp_path / "entro.toml"
    config.write_text(f'logs = ["{web.url}/*.csv"]\n')
    assert "new" in ingest(tmp_path / "history", "--config", config).out
    shown = entro("schedule", "add", "--daily", "--ingest", f"{web.url}/*.csv", "--cron", "--dry-run")
    assert f"{web.url}/*.csv" in shown.out, shown.err
    assert shown.err == ""


def test_nothing_tells_how_to_get_in(web, tmp_path):
    put(web.folder, "secret.csv", ROWS)
    address = web.url.removeprefix("http://")
    outcome = ingest(tmp_path, f"http://me:pass@{address}/secret.csv?token=abc")
    assert f"{web.url}/secret.csv" in outcome.out.replace("\n", "")
    kept = [path.read_bytes() for path in tmp_path.rglob("*.json")]
    shown = entro("analyze", f"http://me:pass@{address}/secret.csv?token=abc", "--json").out
    told = (*kept, outcome.out.encode(), shown.encode())
    assert not [secret for content in told for secret in (b"pass", b"abc") if secret in content]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("none.csv", "no such object"),
        ("none/*.csv", "no such object"),
        ("circle.csv", "redirects more than ten times; name where it leads to"),
        ("*.nix", "no object matches the pattern; expected at least one log"),
        ("secret.csv", "access denied; set the credentials in the environment, as for the server's own tools"),
        ("secret/*", "access denied; set the credentials in the environment, as for the server's own tools"),
        ("empty/", "the folder contains no files; expected logs; name another"),
        ("empty.csv", "the file is empty; expected a log with at least one row"),
    ],
)
def test_what_may_be_wrong_with_it(web, name, error):
    (web.folder / "empty").mkdir()
    (web.folder / "empty.csv").touch()
    assert entro("analyze", f"{web.url}/{name}").error == f"{web.url}/{name}: {error}"


def test_a_transfer_that_breaks_off_is_no_log(web):
    assert entro("analyze", f"{web.url}/short.csv").error.startswith(f"{web.url}/short.csv: cannot be fetched: ")


@pytest.mark.parametrize("name", ["log.csv", "*.csv", "logs/"])
def test_nobody_is_there(name):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # and it does not listen
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/{name}"
        assert entro("analyze", url).error == f"{url}: the server refused the connection; try again later"


def test_a_server_that_says_nothing():
    with socket.socket() as deaf, patch("entro_cli.core.remote_files.TIMEOUT_S", 0.3):
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/log.csv"
        error = entro("analyze", url).error
    assert error == f"{url}: the server cannot be reached or does not answer; try again later"


def test_one_that_cannot_be_fetched_keeps_the_others_from_nothing(web, tmp_path):
    put(web.folder, "log.csv", ROWS)
    outcome = ingest(tmp_path, f"{web.url}/none.csv", f"{web.url}/log.csv", status=1)
    assert outcome.err.splitlines()[-1] == f"entro: {web.url}/none.csv: no such object"
    assert days(tmp_path)


@pytest.mark.parametrize(
    ("url", "missing", "extra"),
    [
        slow("https://host/x.csv", "fsspec", "remote"),
        slow("file:///x.csv", "fsspec", "remote"),
        ("http://host/x.csv", "aiohttp", "remote"),
        ("s3://bucket/x.csv", "s3fs", "s3"),
        slow("gs://bucket/*.csv", "gcsfs", "gs"),
    ],
)
def test_which_extra_to_install(url, missing, extra):
    code = f"import sys; sys.modules[{missing!r}] = None; from entro_cli.app import main; main()"
    process = subprocess.run([sys.executable, "-c", code, "analyze", url], capture_output=True, text=True, check=False)
    scheme = url.partition("://")[0]
    told = (
        f"entro: {url}: reading {scheme}:// needs a package that is not installed; pip install 'entro-cli[{extra}]'\n"
    )
    assert (process.returncode, process.stderr) == (1, told)


def test_what_nothing_reads():
    assert entro("analyze", "gopher://x/y").error.startswith(
        "gopher://x/y: the scheme gopher:// is not supported; expected s3://"
    )


def test_a_lost_connection_ends_no_thread_that_was_started_for_it():
    code = """
import os, signal, socket, threading
from entro_cli.core.connections import lost_connections_as_errors
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
begin = threading.Event()
def write():
    begin.wait()
    mine, other = socket.socketpair()
    other.close()
    try:
        os.write(mine.fileno(), b"x")
    except BrokenPipeError:
        print("an error")
thread = threading.Thread(target=write)
with lost_connections_as_errors():
    thread.start()
begin.set()
thread.join()
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (0, "an error\n")
