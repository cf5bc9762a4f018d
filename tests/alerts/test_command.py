import json
import os
import sys
import time
from pathlib import Path

import pytest

from entro_cli.automation.alerts.alert import Alert
from entro_cli.automation.alerts.command import Command
from entro_engine import EntroError

DUMP = """
import json, os, sys
received = {name: value for name, value in os.environ.items() if name.startswith("ENTRO_ALERT_")}
json.dump({"environ": received, "stdin": sys.stdin.read(), "argv": sys.argv[2:]}, open(sys.argv[1], "w"))
"""


@pytest.fixture
def environ(around):
    return around.given(PATH=os.environ["PATH"])


def python(code, *arguments, **options):
    return Command((sys.executable, "-c", code, *map(str, arguments)), **options)


def failure(command, alert, environ):
    with pytest.raises(EntroError) as raised:
        command.send(alert, environ)
    assert str(raised.value).isprintable()
    return str(raised.value)


def test_gets_the_document_and_the_variables(tmp_path, alert, environ):
    python(DUMP, tmp_path / "received", "$(touch x)", "; touch x").send(alert, environ)
    received = json.loads((tmp_path / "received").read_text())
    assert json.loads(received["stdin"]) == {
        "schema": "entro/alert/1",
        "key": alert.key,
        "pipeline": "default",
        "subject": alert.subject,
        "text": alert.text,
        "kind": "incident",
        "start": "2026-04-09T14:21:00+00:00",
        "report": "",
    }
    assert received["environ"] == {
        "ENTRO_ALERT_SUBJECT": alert.subject,
        "ENTRO_ALERT_TEXT": alert.text,
        "ENTRO_ALERT_KIND": "incident",
        "ENTRO_ALERT_PIPELINE": "default",
    }
    assert received["argv"] == ["$(touch x)", "; touch x"]


def test_no_name_is_run(tmp_path, environ, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile = "$(touch x) `touch x`; touch x\n\0\x1b[2J"
    python(DUMP, tmp_path / "received").send(Alert("k", hostile, hostile, hostile, "incident"), environ)
    assert [file.name for file in tmp_path.iterdir()] == ["received"]
    variables = json.loads((tmp_path / "received").read_text())["environ"]
    assert variables["ENTRO_ALERT_SUBJECT"] == r"$(touch x) `touch x`; touch x\n\x00\x1b[2J"


def test_a_name_of_any_length_can_be_handed_over(tmp_path, environ):
    name = "x" * 3_000_000
    python(DUMP, tmp_path / "received").send(Alert(name, name, name, name, "incident"), environ)
    assert len((tmp_path / "received").read_text()) < 10_000


def test_a_status_is_a_failure_with_its_first_line(alert, environ):
    command = python("import sys; print('out'); sys.stderr.write('\\n no \\x1b[1m pager \\nmore\\n'); sys.exit(3)")
    assert failure(command, alert, environ) == rf"{sys.executable}: exited with status 3: no \x1b[1m pager"


def test_a_signal_is_a_failure(alert, environ):
    assert failure(python("import os; os.kill(os.getpid(), 15)"), alert, environ).endswith("was killed by signal 15")


def test_what_it_prints_goes_nowhere(alert, environ, capfd):
    python("import sys; print('x' * 1000000); sys.stderr.write('y' * 1000000)").send(alert, environ)
    assert capfd.readouterr() == ("", "")


def test_one_that_does_not_read_is_fine(alert, environ):
    Command(("true",)).send(alert, environ)


@pytest.mark.parametrize("argv", [("/no/such/program",), (), ("a\0b",), ("/",)])
def test_one_that_cannot_be_started(alert, environ, argv):
    error = failure(Command(argv), alert, environ)
    assert "cannot be started: " in error
    assert error.endswith("use its absolute path: the PATH of cron is short")


def gone(pid):
    """Whether a process has ended, or does within a second or so."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.slow
def test_one_that_hangs_is_killed_with_its_children(tmp_path, alert, environ):
    hangs = """
import subprocess, sys, time
child = subprocess.Popen(["sleep", "60"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(60)
"""
    began = time.monotonic()
    error = failure(python(hangs, tmp_path / "child", timeout_s=1.5), alert, environ)
    assert error.endswith("was killed after 1.5 s")
    assert time.monotonic() - began < 20
    assert gone(int((tmp_path / "child").read_text()))


def test_one_that_leaves_a_child_behind_is_not_waited_for(alert, environ):
    began = time.monotonic()
    python("import subprocess; subprocess.Popen(['sleep', '60'])").send(alert, environ)
    assert time.monotonic() - began < 50
