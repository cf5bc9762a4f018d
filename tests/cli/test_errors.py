"""Errors in one style: one line for a pipe, red and wrapped on a terminal, wrong usage with a hint to the help."""

import os
import pty
import re
import subprocess
import threading

import duckdb
import pytest

from tests.history.stored import HEADER, regular
from tests.running import COMMAND, entro, entro_process

RED, END = "\x1b[31m", "\x1b[0m"
NO_LOG = "there is no such file; expected a log, a folder of logs, a pattern or - for standard input"


def on_a_terminal(*arguments, columns=60, **variables):
    """What a command prints on a terminal's standard error, line by line."""
    above, terminal = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": str(columns)} | variables
    with os.fdopen(above, "rb", buffering=0) as screen:
        subprocess.run([COMMAND, *arguments], stderr=terminal, stdout=subprocess.DEVNULL, env=environment, check=False)
        os.close(terminal)
        shown = b""
        try:
            while part := screen.read(4096):
                shown += part
        except OSError:  # what Linux says where a terminal is at its end
            pass
    # On a busy machine the start takes over a second: then a line of progress was there, and was erased.
    after = shown.decode().rpartition("\x1b[?25h")[2]
    return re.sub(r"^(\r|\x1b\[1A|\x1b\[2K)+", "", after).splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["analyse"], "no such command 'analyse' (did you mean analyze?); see `entro --help`"),
        (["frobnicate"], "no such command 'frobnicate'; see `entro --help`"),
        (["history", "shw"], "no such command 'shw' (did you mean show?); see `entro history --help`"),
        (["analyze", "--tzz", "x"], "no such option: --tzz (did you mean --tz?); see `entro analyze --help`"),
        (["analyze", "--tz"], "option '--tz' requires an argument"),
        (["analyze"], "LOGS: name logs, or a server with --prometheus or --metrics; see `entro analyze --help`"),
        (["calibrate"], "missing argument 'LOGS'; see `entro calibrate --help`"),
        (["simulate", "--lag", "x"], "--lag: 'x' is not a whole number; see `entro simulate --help`"),
        (["simulate", "--noise", "loud"], "--noise: 'loud' is not a number; see `entro simulate --help`"),
        (["ingest", "--jobs", "0", "x"], "--jobs: 0 is less than 1; see `entro ingest --help`"),
        (
            ["report", "--template-dir", "\x1b[1m/none"],
            "--template-dir: dir '\\x1b[1m/none' does not exist; see `entro report --help`",
        ),
        (
            ["report", "--format", "docx"],
            "--format: 'docx' is not one of html, terminal, markdown, json, junit, email, pdf; "
            "see `entro report --help`",
        ),
        (["schedule", "add"], "choose one of --daily, --weekly and --monthly; see `entro schedule add --help`"),
        (["history", "prune"], "choose one of --older-than and --before; see `entro history prune --help`"),
    ],
)
def test_wrong_usage_is_one_line(arguments, message):
    assert entro(*arguments) == (2, "", f"entro: {message}\n")


def test_without_a_command_the_help_is_printed():
    for group in ([], ["history"], ["schedule"]):
        outcome = entro(*group)
        assert (outcome.status, outcome.err) == (2, "")
        assert outcome.out.strip() == entro(*group, "--help").out.strip()


def test_a_pipe_gets_one_line_without_colours():
    process = entro_process("analyze", "none.csv", env=os.environ | {"COLUMNS": "40", "TERM": "xterm"})
    assert (process.returncode, process.stderr) == (1, f"entro: none.csv: {NO_LOG}\n")


@pytest.mark.parametrize("arguments", [["analyze", "none.csv"], ["report", "--format", "pdf"]])
def test_a_terminal_gets_red_lines_that_end_between_words(arguments):
    lines = on_a_terminal(*arguments)
    assert len(lines) > 1
    assert all(line.startswith(RED) and line.endswith(END) for line in lines)
    plain = [line.removeprefix(RED).removesuffix(END) for line in lines]
    assert max(map(len, plain)) <= 60
    assert " ".join(" ".join(plain).split()) == entro_process(*arguments).stderr.strip()


def test_no_color():
    lines = on_a_terminal("analyze", "none.csv", NO_COLOR="1")
    assert not re.search("\x1b", "".join(lines))
    assert " ".join(" ".join(lines).split()) == f"entro: none.csv: {NO_LOG}"


def test_a_pipeline_unlike_any_other_is_not_guessed(tmp_path):
    (tmp_path / "entro.toml").write_text("[pipelines.frontend]\n[pipelines.backend]\n")
    config = ("config", "--config", tmp_path / "entro.toml", "--pipeline")
    assert "did you mean" not in entro(*config, "nope").error
    assert entro(*config, "fronted").error.endswith("did you mean frontend?")


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        ("schema report >&-", 1, "entro: standard output cannot be written: Bad file descriptor\n"),
        ("analyze nofile 2>&-", 1, ""),  # it was printed among the results
        ("formats >/dev/null 2>&-", 0, ""),
        ("ingest LOG --history h -q <&- >&- 2>&-", 0, ""),  # Python's own files would get the numbers 0 to 2
    ],
)
def test_closed_streams(tmp_path, line, status, message):
    (tmp_path / "LOG").write_text(HEADER + "".join(regular(300)))
    done = subprocess.run(
        ["bash", "-c", f"{COMMAND} {line}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, "", message)


def test_a_terminal_of_no_width():
    """Some programs start others with COLUMNS=0. Nothing was printed then."""
    done = entro_process("formats", env=os.environ | {"COLUMNS": "0"})
    assert (done.returncode, "scrapy" in done.stdout) == (0, True)


@pytest.mark.parametrize("zone", ["EST5EDT,M3.2.0,M11.1.0", ":/etc/passwd", "Nowhere/City"])
def test_a_zone_of_the_machine_without_a_name(zone):
    done = entro_process("history", "list", env=os.environ | {"TZ": zone})
    assert done.stderr.startswith("entro: TZ: the machine's time zone has no name that is known; expected a name such")


@pytest.mark.parametrize(
    "words",
    [
        "analyze LOG --step 999999999999w",
        "analyze LOG --offset log.csv=+999999999999w",
        "report LOG --since 0001-01-01T00:00+14:00",
        "report LOG --until 9999-12-31",
        "analyze LOG --start 9999-12-31",
        "fleet --daily --date 9999-12-31 --history HISTORY",
        "report --weekly --date 0001-01-01 --history HISTORY",
        "schedule run --monthly --as-of 9999-12-31 --history HISTORY --out HISTORY",
    ],
)
def test_times_that_no_log_has(tmp_path, words):
    """They ended in an OverflowError."""
    (tmp_path / "log.csv").write_text(HEADER + "".join(regular(300)))
    entro("ingest", tmp_path / "log.csv", "--history", tmp_path / "HISTORY", "--tz", "UTC")
    named = {"LOG": tmp_path / "log.csv", "HISTORY": tmp_path / "HISTORY"}
    error = entro(*(named.get(word, word) for word in words.split())).error
    assert re.search(r"--[a-z-]+: '.*' is (too long|out of range|not a date); expected ", error), error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("can't start new thread"), "no thread can be started: there is not enough memory, or the"),
        (duckdb.OutOfMemoryException("Allocation failure"), "there is not enough memory"),
    ],
)
def test_limits_of_the_system(tmp_path, monkeypatch, error, message):
    """As `ulimit -v 600000` and a container with few processes have them."""

    def start(_):
        raise error

    (tmp_path / "log.csv").write_text(HEADER + "".join(regular(300)))
    monkeypatch.setattr(threading.Thread, "start", start)
    assert entro("analyze", tmp_path / "log.csv").error.startswith(message)
