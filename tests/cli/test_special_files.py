"""Pipes, sockets, devices and folders in place of files: nothing waits for ever, and nothing ends in a traceback."""

import gzip
import json
import os
import socket
import subprocess
import threading

import duckdb
import pytest

from entro_cli.core import files
from entro_cli.readers.inputs import decompress, parquet_file
from tests.history.stored import HEADER, ingest, regular
from tests.running import COMMAND, entro, entro_process

LOG = HEADER + "".join(regular(300))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(files, "PIPE_TIMEOUT_S", 0.2)


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    return tmp_path / "log.csv"


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.mark.parametrize(
    "words",
    ["analyze PIPE", "config --config PIPE", "simulate --scenario PIPE", "analyze LOG --steps-csv PIPE", "ingest PIPE"],
)
def test_a_pipe_without_another_end(log, pipe, tmp_path, words):
    named = [{"PIPE": pipe, "LOG": log}.get(word, word) for word in words.split()]
    history = ["--history", tmp_path / "h"] if words.startswith("ingest") else []
    outcome = entro(*named, *history)
    assert (outcome.status, f"{pipe}: cannot be " in outcome.err, "this pipe" in outcome.err) == (1, True, True)


def test_what_the_shell_pipes_in():
    """Process substitution gives the name of a pipe, and so does /dev/stdin."""
    line = f"{COMMAND} analyze <(sleep 0.5; cat) --steps-csv >(wc -l) -q --config <(echo 'gamma = 0.5')"
    done = subprocess.run(["bash", "-c", line], input=LOG, capture_output=True, text=True, check=False)
    assert (done.returncode, "entro: " in done.stderr) == (0, False), done.stderr
    assert entro_process("analyze", "/dev/stdin", "--json", input=LOG).returncode == 0


def test_in_a_folder_they_are_left_out_by_name(log, pipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as other:
        other.bind("socket")
        (tmp_path / "link").symlink_to("nowhere")
        outcome = entro("analyze", tmp_path, "--json")
        assert outcome.status == 0
        for name in ("pipe", "socket", "link"):
            assert f"warning: {tmp_path / name}: left out: this is not a regular file" in outcome.err
            assert entro("analyze", tmp_path / name).status == 1
        stored = json.loads(ingest(tmp_path / "h", tmp_path, "--json").out)["pipelines"][0]["logs"]
    assert {log["taken"] for log in stored} == {"new", "left out"}


@pytest.mark.parametrize("words", ["analyze /dev/zero", "config --config /dev/zero", "simulate --scenario /dev/zero"])
def test_a_device_without_an_end(words):
    assert "/dev/zero: cannot be read: this is a device" in entro(*words.split()).error


@pytest.mark.parametrize("name", ["state.json", "digests.json", "committed", "counts.json", "date=2026-03-29"])
def test_a_pipe_in_a_history(log, tmp_path, name):
    history = tmp_path / "h"
    ingest(history, log, "--metrics-file", tmp_path / "x.prom")
    folder = history / "pipeline=default"
    path = folder / name / "steps.parquet" if "date" in name else folder / "_entro" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    log.write_text(LOG.replace(",0.0,", ",9.0,"))
    outcome = entro("ingest", log, "--again", "--metrics-file", tmp_path / "x.prom", "--history", history)
    assert (outcome.status, f"{path}: " in outcome.err) == (1, True)
    assert entro("history", "check", "--history", history).status == (name not in {"committed", "counts.json"})
    assert entro("history", "repair", "--history", history).status == 0
    assert entro("history", "check", "--history", history).status == 0


@pytest.mark.parametrize("kind", ["counts.json", "reported.json"])
def test_a_changed_number_beside_the_history_is_not_used(log, tmp_path, kind, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["schedule", "run", "--daily", "--history", tmp_path / "h", "--out", tmp_path / "pages"]
    (tmp_path / "entro.toml").write_text('zone = "UTC"\n')
    ingest(tmp_path / "h", log, "--metrics-file", tmp_path / "x.prom")
    entro(*command)
    path = tmp_path / "h" / "pipeline=default" / "_entro" / kind
    content = path.read_bytes()
    digit = next(at for at, byte in enumerate(content) if chr(byte).isdigit() and chr(byte) != "9")
    path.write_bytes(content[:digit] + b"9" + content[digit + 1 :])
    again = ["ingest", log, "--history", tmp_path / "h", "--metrics-file", tmp_path / "x.prom"]
    outcome = entro(*(again if kind == "counts.json" else command))
    assert (outcome.status, f"{path}: " in outcome.err) == (1, True), outcome
    path.unlink()
    assert entro(*(again if kind == "counts.json" else command)).status == 0


def test_a_file_that_unpacks_to_far_more(tmp_path, monkeypatch):
    monkeypatch.setattr(decompress, "UNPACKED_BYTES", 1 << 22)
    (tmp_path / "zeros.gz").write_bytes(gzip.compress(bytes(1 << 23)))
    error = entro("analyze", tmp_path / "zeros.gz").error
    assert error.startswith(f"{tmp_path / 'zeros.gz'}: it unpacks to more than 500 times its size")
    (tmp_path / "rows.gz").write_bytes(gzip.compress((LOG * 1000).encode()))
    assert entro("analyze", tmp_path / "rows.gz", "--json").status == 0


def parquet(path, load):
    """A table of 60 rows whose rate is what a term of SQL gives."""
    times = "timestamp '2026-03-02' + interval (i) second AS time"
    rows = f"SELECT {times}, {load} AS scraper_rate, i % 5 + 0.5 AS llm_queue FROM range(60) rows(i)"
    duckdb.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    return path


def test_a_parquet_file_that_unpacks_to_far_more(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_file, "UNPACKED_BYTES", 1 << 20)
    path = parquet(tmp_path / "x.parquet", "repeat('x', 4000000)")
    assert "unpacks to more than 500 times its size" in entro("analyze", path).error


@pytest.mark.parametrize("kind", ["VARCHAR", "BLOB"])
def test_a_long_text_in_parquet_is_a_bad_row(tmp_path, kind):
    short = parquet(tmp_path / "short.parquet", f"'01.50'::{kind}")
    assert entro("analyze", short, "--json", "--tz", "UTC").err == ""
    # A number that is as long is one: what is left of it must not be read instead of it.
    long = f"(CASE i WHEN 7 THEN repeat('0', 5000) || '1' WHEN 9 THEN repeat('9', 5000) ELSE '01.50' END)::{kind}"
    outcome = entro("analyze", parquet(tmp_path / "long.parquet", long), "--json")
    assert "2 of 60 rows" in outcome.err, outcome


def test_a_copy_leaves_room_for_others(log, tmp_path, monkeypatch):
    monkeypatch.setattr(decompress, "_CHECKED_BYTES", 1)
    monkeypatch.setattr(decompress, "_LEFT_BYTES", 1 << 60)
    writer = threading.Thread(target=lambda: None)
    writer.start()
    assert "there is no room" in entro("analyze", "-", stdin=(LOG * 300).encode()).error


def test_an_output_that_is_a_circle_of_links(log, tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    outcome = entro("analyze", log, "--steps-csv", tmp_path / "circle" / "steps.csv")
    assert f"{tmp_path}/circle/steps.csv: cannot be written: File exists" in outcome.error
    assert entro("analyze", log, "--steps-csv", tmp_path / "circle").status == 0
    assert (tmp_path / "circle").read_text().startswith("time,")


def test_a_report_into_a_device(log):
    """Its name has no suffix, and was taken for that of a folder."""
    done = entro_process("report", log, "--tz", "UTC", "--format", "json", "--out", "/dev/stdout")
    assert json.loads(done.stdout)["schema"] == "entro/report/1", done.stderr
    assert entro("report", log, "--out", "/dev/null").status == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link away")
def test_a_link_that_another_user_planted(log, tmp_path):
    """The file that it leads to was overwritten."""
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "shared").mkdir()
    link = tmp_path / "shared" / "steps.csv"
    link.symlink_to(tmp_path / "mine")
    os.chown(link, 65534, 65534, follow_symlinks=False)
    (tmp_path / "shared").chmod(0o1777)
    error = entro("analyze", log, "--steps-csv", link).error
    assert error.startswith(f"{link}: cannot be written: it is a link of another user; nothing was left half-written")
    assert (tmp_path / "mine").read_text() == "precious"
    os.chown(link, 0, 0, follow_symlinks=False)
    assert entro("analyze", log, "--steps-csv", link).status == 0
    assert link.is_symlink()


def test_a_pipe_with_the_name_of_a_leftover(log, tmp_path):
    os.mkfifo(tmp_path / ".steps.csv.entro-x")
    done = entro_process("analyze", log, "--steps-csv", tmp_path / "steps.csv", timeout=30)
    assert (done.returncode, (tmp_path / "steps.csv").is_file()) == (0, True), done.stderr
