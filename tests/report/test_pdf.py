"""`--format pdf`: what a browser prints, and what is said if there is none or if it fails."""

import os
import tempfile
import time
from pathlib import Path

import pypdfium2
import pytest

from entro_cli.report.render import pdf
from tests.running import entro, entro_process

SAMPLE = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"
REPORT = ("report", "--weekly", "--date", "2026-04-06", "--logs", SAMPLE, "--tz", "UTC", "--format", "pdf")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Write a script that ENTRO_BROWSER names."""

    def write(script):
        path = tmp_path / "browser"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("ENTRO_BROWSER", str(path))
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        return path

    return write


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.usefixtures("browser")
def test_a_report_is_printed_with_its_charts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert entro(*REPORT).status == 0
    first = (tmp_path / "default-week-2026-W15.pdf").read_bytes()
    assert entro(*REPORT, "--out", "again.pdf").status == 0
    assert (tmp_path / "again.pdf").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.pdf", "default-week-2026-W15.pdf"]

    document = pypdfium2.PdfDocument(first)
    assert document.get_metadata_value("CreationDate") == "D:20260413000000+00'00'"
    assert [round(length) for length in document[0].get_size()] == [595, 842]
    text = document[0].get_textpage().get_text_bounded()
    for words in ("Week 15, 6 to 12 April 2026", "Sun 12", "12:00", "req/s", "requests", "Incidents"):
        assert words in text
    assert "As a table" not in text


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.usefixtures("browser")
def test_a_fleet_is_printed_to_standard_output(tmp_path):
    assert entro("ingest", SAMPLE, "--tz", "UTC", "--history", tmp_path).status == 0
    fleet = ("fleet", "--weekly", "--date", "2026-04-06", "--tz", "UTC", "--history", tmp_path, "--format", "pdf")
    printed = entro_process(*fleet, "--out", "-", text=False)
    assert printed.returncode == 0
    text = pypdfium2.PdfDocument(printed.stdout)[0].get_textpage().get_text_bounded()
    assert "all pipelines" in text


def test_without_a_browser_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = entro(*REPORT, "--out", tmp_path / "week.pdf")
    assert outcome.status == 1
    assert outcome.err.startswith("entro: --format pdf: no Chromium, Chrome or Edge is on the PATH; install one")
    monkeypatch.setenv("ENTRO_BROWSER", "/none")
    assert entro(*REPORT, "--out", tmp_path / "week.pdf").err.startswith("entro: /none: is not a program; install one")
    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_fails_leaves_the_old_file(tmp_path, program):
    path = program("echo cannot open display >&2; exit 1")
    (tmp_path / "week.pdf").write_text("old")
    outcome = entro(*REPORT, "--out", tmp_path / "week.pdf")
    assert outcome.status == 1
    assert outcome.err.startswith(f"entro: {path}: wrote no PDF: cannot open display; ")
    assert (tmp_path / "week.pdf").read_text() == "old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["browser", "week.pdf"]


def test_a_browser_that_hangs_is_ended_with_its_processes(tmp_path, program, monkeypatch):
    monkeypatch.setattr(pdf, "_TIMEOUT_S", 0.5)
    path = program(f"sleep 300 & echo $! > {tmp_path}/child; wait")
    outcome = entro(*REPORT, "--out", tmp_path / "week.pdf")
    assert outcome.status == 1
    assert outcome.err.startswith(f"entro: {path}: did not print within 0.5 s; ")
    child = int((tmp_path / "child").read_text())
    for _ in range(100):  # the system may take a moment
        if not is_running(child):
            break
        time.sleep(0.05)
    assert not is_running(child)
    assert not (tmp_path / "week.pdf").exists()


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_browser_is_given_no_network_and_a_sandbox_unless_it_is_root(tmp_path, program):
    program(f'printf "%s\\n" "$@" > {tmp_path}/arguments')
    entro(*REPORT, "--out", tmp_path / "week.pdf")
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in arguments
    assert ("--no-sandbox" in arguments) == (os.geteuid() == 0)
    assert any(one.startswith(f"--user-data-dir={tmp_path}") for one in arguments)
