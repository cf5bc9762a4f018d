"""`entro` as a user runs it: arguments in, status and both streams out; in this process, or in one of its own."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import typer.main

from entro_cli import app

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
    return Outcome(status, out.getvalue(), err.getvalue())


def entro_process(*arguments, **options):
    """Run the installed command in a process of its own."""
    options = {"capture_output": True, "text": True, **options}
    return subprocess.run([COMMAND, *map(str, arguments)], check=False, **options)
