"""`entro` as a user runs it: arguments in, status and both streams out; in this process, or in one of its own."""

import fcntl
import io
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from time import monotonic
from typing import NamedTuple
from unittest.mock import patch

import pytest
import typer.main

from entro_cli import app
from tests.documents import check_printed

REAL_TIME = pytest.mark.flaky(reruns=2, only_rerun=["AssertionError"])
"""For tests with bounds on the real clock, which a machine that stands still for a second breaks: twice tried again."""

COMMAND = str(Path(sys.executable).with_name("entro"))
# A process builds its commands once; here there are thousands of runs in one.
_build_once = cache(typer.main.get_command)


class Outcome(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def error(self):
        """The one line that says why it could not be done."""
        lines = self.err.splitlines()
        assert self.status == 1, (self.status, self.err)
        assert self.out == ""
        assert [line for line in lines if not line.startswith("warning: ")] == lines[-1:]
        assert lines[-1].startswith("entro: ")
        assert "unexpected error" not in lines[-1]
        return lines[-1].removeprefix("entro: ")


def entro(*arguments, stdin=b"", columns=80):
    """Run it in this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        patch.dict(os.environ, {"COLUMNS": str(columns)}),
        patch.object(typer.main, "get_command", _build_once),
    ):
        status = app._guarded([str(argument) for argument in arguments])
    check_printed(out.getvalue())
    return Outcome(status, out.getvalue(), err.getvalue())


def entro_process(*arguments, **options):
    """Run the installed command in a process of its own."""
    options = {"capture_output": True, "text": True, **options}
    return subprocess.run([COMMAND, *map(str, arguments)], check=False, **options)


@contextmanager
def terminal_of(*arguments, columns=80, cwd=None, kind="xterm"):
    """The installed command on a terminal: its process, and a function that returns what it shows up to a text."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    environment |= {"TERM": kind, "LC_ALL": "C.UTF-8"}
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    shown = b""

    def until(text=None):
        nonlocal shown
        deadline = monotonic() + 60  # progress is shown without end
        with suppress(OSError):  # the end of a terminal is an error on Linux
            while text is None or text.encode() not in shown:
                assert monotonic() < deadline, shown
                assert select.select([ours], [], [], 60)[0], shown
                shown += os.read(ours, 65536)
        return shown.decode().replace("\r\n", "\n")

    with subprocess.Popen([COMMAND, *map(str, arguments)], cwd=cwd, env=environment, **streams) as process:
        os.close(theirs)
        try:
            yield process, until
        finally:
            process.kill()
            os.close(ours)


def entro_terminal(*arguments, **options):
    """Run the installed command on a terminal; return its status and what it shows."""
    with terminal_of(*arguments, **options) as (process, until):
        shown = until()
        return process.wait(), shown
