"""Alerts handed to a program of the user."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import IO, ClassVar

from msgspec import Struct

from entro_cli.automation.alerts.alert import Alert, DeliveryContext, alert_document
from entro_cli.core.connections import one_line
from entro_engine import EntroError


class Command(Struct, frozen=True):
    """A program that is run for each alert, without a shell.

    It reads the JSON document from standard input and finds ENTRO_ALERT_SUBJECT, _TEXT, _KIND and _PIPELINE in its
    environment. Its standard output is discarded.

    Attributes:
        argv: the program and its arguments.
        timeout_s: the program is killed with all its children after this time, s.
    """

    argv: tuple[str, ...]
    timeout_s: float = 60.0
    name: ClassVar[str] = "command"

    def send(self, alert: Alert, context: DeliveryContext) -> None:
        """Run the program; see `Channel`.

        Any status but 0 is a failure, reported with the first line of standard error.
        """
        environment = {**context.environ, **_variables(alert)}
        # Files instead of pipes: a program that does not read its input, or that leaves a child behind which holds
        # the other end, would block a pipe.
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
            stdin.write(alert_document(alert).encode() + b"\n")
            stdin.seek(0)
            process = self._start(stdin, stderr, environment)
            status = self._wait(process)
            if status:
                raise self._failure(_outcome(status), _first_line(stderr))

    def _start(self, stdin: IO[bytes], stderr: IO[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.argv,
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=environment,
                start_new_session=True,  # a process group of its own, so that children can be killed with it
            )
        # ValueError: a NUL in an argument. IndexError: no argument at all.
        except (OSError, ValueError, IndexError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            failure = self._failure(f"cannot be started: {one_line(reason)}")
            failure.remedy = "use its absolute path: the PATH of cron is short"
            raise failure from error

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        """Return the status, and kill the program if the wait ends first, by a timeout or by Ctrl-C."""
        try:
            return process.wait(self.timeout_s)
        except subprocess.TimeoutExpired as error:
            raise self._failure(f"was killed after {self.timeout_s:g} s") from error
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _failure(self, found: str, detail: str = "") -> EntroError:
        program = one_line(self.argv[0]) if self.argv else "[alerts] command"
        return EntroError(f"{found}: {detail}" if detail else found, where=program)


def _variables(alert: Alert) -> dict[str, str]:
    return {
        "ENTRO_ALERT_SUBJECT": alert.subject,
        "ENTRO_ALERT_TEXT": alert.text,
        "ENTRO_ALERT_KIND": alert.kind,
        "ENTRO_ALERT_PIPELINE": alert.pipeline,
    }


def _outcome(status: int) -> str:
    return f"exited with status {status}" if status > 0 else f"was killed by signal {-status}"


def _first_line(stderr: IO[bytes]) -> str:
    """Return the first line of standard error that is not blank."""
    stderr.seek(0)
    lines = stderr.read(8192).decode(errors="replace").splitlines()
    return one_line(next((line for line in lines if line.strip()), ""))
