"""Command: an alert handed to a program of the user's."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, ClassVar

from entro_cli.automation.alerts.alert import Alert, DeliveryContext, document
from entro_cli.core.connections import one_line
from entro_engine import EntroError


@dataclass(frozen=True)
class Command:
    """A program that is run for each alert, without a shell.

    It reads the JSON document on its standard input, and finds ENTRO_ALERT_SUBJECT, _TEXT, _KIND and _PIPELINE in its
    environment. What it prints on its standard output goes nowhere.

    Attributes:
        argv: the program and its arguments.
        timeout_s: after so many seconds it is killed, with all it started.
    """

    argv: tuple[str, ...]
    timeout_s: float = 60.0
    name: ClassVar[str] = "command"

    def send(self, alert: Alert, around: DeliveryContext) -> None:
        """Run it; see `Channel`. Anything but status 0 is a failure, told with the first line of its standard error.

        Both streams are files, so that neither a program that does not read nor one that leaves a child behind,
        holding the other end, can keep us waiting.
        """
        environment = {**around.environ, **_variables(alert)}
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
            stdin.write(document(alert).encode() + b"\n")
            stdin.seek(0)
            process = self._start(stdin, stderr, environment)
            status = self._wait(process)
            if status:
                raise self._failed(_how(status), _first_line(stderr))

    def _start(self, stdin: IO[bytes], stderr: IO[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.argv,
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=environment,
                start_new_session=True,  # a group of its own, to be killed whole
            )
        except (OSError, ValueError, IndexError) as error:  # no such program; a NUL in an argument; no argument at all
            reason = getattr(error, "strerror", None) or str(error)
            failed = self._failed(f"cannot be started: {one_line(reason)}", "")
            failed.remedy = "name it by its absolute path: cron looks in few places"
            raise failed from error

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        """Its status. Whatever ends the waiting before it has ended ends it, too."""
        try:
            return process.wait(self.timeout_s)
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"was killed after {self.timeout_s:g} s", "") from error
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _failed(self, how: str, said: str) -> EntroError:
        program = one_line(self.argv[0]) if self.argv else "[alerts] command"
        return EntroError(f"{how}: {said}" if said else how, where=program)


def _variables(alert: Alert) -> dict[str, str]:
    return {
        "ENTRO_ALERT_SUBJECT": alert.subject,
        "ENTRO_ALERT_TEXT": alert.text,
        "ENTRO_ALERT_KIND": alert.kind,
        "ENTRO_ALERT_PIPELINE": alert.pipeline,
    }


def _how(status: int) -> str:
    return f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"


def _first_line(stderr: IO[bytes]) -> str:
    """The first line that says something, of what was written to standard error."""
    stderr.seek(0)
    lines = stderr.read(8192).decode(errors="replace").splitlines()
    return one_line(next((line for line in lines if line.strip()), ""))
