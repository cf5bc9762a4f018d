"""Progress of long work on a terminal, and what Ctrl-C says. No test here depends on how fast anything is."""

import os
import signal
import subprocess
from subprocess import PIPE
from time import sleep

import pytest

from entro_cli.core import console
from entro_cli.core.console import Work, worked_off, working
from entro_cli.core.parallel import Executor
from tests.running import COMMAND, entro, terminal_of

LOG = "time,scraper,llm_waiting\n" + "".join(f"2026-01-01T00:{minute:02}:00Z,0.5,2\n" for minute in range(60))


@pytest.fixture
def pipe(tmp_path):
    """A log that is being written: reading of it ends when the writer closes it."""
    os.mkfifo(tmp_path / "pipe.csv")
    return tmp_path / "pipe.csv"


def test_a_terminal_shows_what_is_read_and_erases_it(pipe):
    with terminal_of("analyze", pipe.name, "--tz", "UTC", cwd=pipe.parent) as (process, until):
        with pipe.open("w") as log:
            until("reading pipe.csv, for ")
            log.write(LOG)
        shown = until()
        assert process.wait() == 0
    last_progress = shown.rindex(", for ")
    assert "\x1b[2K" in shown[last_progress : shown.index("steps of")]


@pytest.mark.slow
def test_quiet_and_other_outputs_than_a_terminal_show_none(pipe):
    said = "entro: interrupted: nothing was stored or written\n"
    command = ("analyze", pipe.name, "--tz", "UTC")

    def interrupt(process):
        with pipe.open("wb"):  # it reads by now, and waits for more
            sleep(1.5 * console.PROGRESS_AFTER_S)
            process.send_signal(signal.SIGINT)
            process.wait(60)

    with subprocess.Popen([COMMAND, *command], cwd=pipe.parent, stdout=PIPE, stderr=subprocess.STDOUT) as process:
        interrupt(process)
        assert process.stdout.read().decode() == said
    with terminal_of(*command, "--quiet", cwd=pipe.parent) as (process, until):
        interrupt(process)
        assert until().replace("\x1b[31m", "").replace("\x1b[0m", "") == said


def test_control_c_on_a_terminal(pipe):
    with terminal_of("report", pipe.name, cwd=pipe.parent) as (process, until), pipe.open("r+b", buffering=0):
        until("pipe.csv, for ")
        process.send_signal(signal.SIGINT)
        shown = until()
        assert process.wait() == 130
    assert "entro: interrupted: nothing was stored or written" in shown
    assert shown.count("\x1b[?25h") >= 1  # the cursor is back


def test_control_c_says_what_was_stored(tmp_path, pipe):
    (tmp_path / "first.csv").write_text(LOG)
    (tmp_path / "entro.toml").write_text(
        'zone = "UTC"\nhistory = "history"\n[pipelines.a]\nlogs = ["first.csv"]\n[pipelines.b]\nlogs = ["pipe.csv"]\n'
    )
    command = ("ingest", "--jobs", "1", "--config", tmp_path / "entro.toml")
    with terminal_of(*command, cwd=tmp_path, columns=200) as (process, until), pipe.open("r+b", buffering=0):
        until("pipeline 2 of 2: reading")
        process.send_signal(signal.SIGINT)
        shown = until()
        assert process.wait() == 130
    said = "interrupted: stored 1 day of a, 1 of 2 pipelines are done; run it again to go on"
    assert said in " ".join(shown.split())
    stored = entro("history", "list", "--history", tmp_path / "history").out
    assert " a " in f" {stored} ".replace("\n", " ")


def test_the_line_says_how_much_and_how_long_to_go(monkeypatch):
    monkeypatch.setattr(console, "monotonic", lambda: 100.0)
    assert Work("reading x", 2.5e9, "B", 1e9, 96.0).line() == "reading x, 40.0% of 2.5 GB, 250 MB/s, 6 s to go"
    assert Work("storing", 1234, "day", 617, 0.0).line() == "storing, 617 of 1,234 days, 6.17/s, 1 min 40 s to go"
    assert Work("", 3, "log", 0, 99.0).line() == "0 of 3 logs"
    assert Work("decompressing x.gz", began_s=10.0).line() == "decompressing x.gz, for 1 min 30 s"


def test_work_within_work_is_one_line(monkeypatch):
    line = console.ProgressLine()
    monkeypatch.setattr(console, "_progress", line)
    try:
        with working("report"):
            assert line.text().plain == "report, for 0 s"
            for _ in worked_off("ab", 2, "reading", "log"):
                with working("reading x.log", 1e6, "B") as inner:
                    shown = line.text().plain
            assert shown == "log 2 of 2: reading x.log, 0% of 1 MB"
            inner.done = 1
            doubled = list(Executor().map(abs, [-1], "pipeline"))
            assert line.text().plain == "report, for 0 s"
        assert (doubled, line.works) == ([1], [])
    finally:
        line.erase(goes_on=False)
