"""Calls of the system's programs: crontab, systemctl, systemd-analyze."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from msgspec import Struct

from entro_cli.core.connections import lost_connections_as_errors
from entro_cli.core.console import printable
from entro_engine import EntroError

_TIMEOUT_S = 60


class CompletedCommand(Struct, frozen=True):
    """The result of a program.

    Attributes:
        status: 0 on success.
        stdout: its standard output.
        message: its standard error on one line, printable.
    """

    status: int
    stdout: bytes
    message: str


def is_installed(program: str) -> bool:
    """Return whether a program is on the PATH."""
    return shutil.which(program) is not None


def run(*command: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> CompletedCommand:
    """Run a program, without a shell.

    Args:
        command: its name and its arguments.
        stdin: its input.
        environ: variables set in addition to the environment.

    Raises:
        EntroError: if it cannot be started or does not end.
    """
    # Callers look for words in its messages, so they must not be translated.
    environment = {**os.environ, "LC_ALL": "C", **(environ or {})}
    try:
        with lost_connections_as_errors():  # a program may end before it has read its input
            done = subprocess.run(
                command, input=stdin, capture_output=True, check=False, timeout=_TIMEOUT_S, env=environment
            )
    except OSError as error:
        raise EntroError(f"cannot be started: {error.strerror or error}", where=command[0]) from error
    except subprocess.TimeoutExpired as error:
        raise EntroError(f"did not finish within {_TIMEOUT_S} s", where=" ".join(command)) from error
    message = " ".join(done.stderr.decode(errors="replace").split())
    return CompletedCommand(done.returncode, done.stdout, printable(message))
