"""The programs of the system that are asked to do something: crontab, systemctl, systemd-analyze."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from entro_cli.core.console import printable
from entro_engine import EntroError

_LONGEST_S = 60


@dataclass(frozen=True)
class CompletedCommand:
    """What a program answered.

    Attributes:
        status: 0 when it did what it was asked.
        out: its standard output.
        words: what it complained of, on one line, safe to show.
    """

    status: int
    out: bytes
    words: str


def is_there(program: str) -> bool:
    """Whether a program is on the PATH."""
    return shutil.which(program) is not None


def run(*command: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None) -> CompletedCommand:
    """Run a program, without a shell.

    Args:
        command: its name and its arguments.
        stdin: what it reads.
        variables: set for it besides the environment.

    Raises:
        EntroError: when it cannot be started or does not end.
    """
    environment = {**os.environ, "LC_ALL": "C", **(variables or {})}  # its words are looked at: not in another language
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, check=False, timeout=_LONGEST_S, env=environment
        )
    except OSError as error:
        raise EntroError(f"cannot be started: {error.strerror or error}", where=command[0]) from error
    except subprocess.TimeoutExpired as error:
        raise EntroError(f"gave no answer for {_LONGEST_S} s", where=" ".join(command)) from error
    words = " ".join(done.stderr.decode(errors="replace").split())
    return CompletedCommand(done.returncode, done.stdout, printable(words))
