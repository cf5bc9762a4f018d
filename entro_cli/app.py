"""The entry point, and the one place where an error becomes a message and a status."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer import TyperException


_MOST_NAMED = 3
"""Files that are named after an interrupt."""


def main() -> None:
    """Run the `entro` command and end the process with its status.

    0 means done, 1 that an error kept something from being done, 2 wrong usage, 3 done but a gate failed, and 130
    interrupted. A broken pipe ends the process without a message, by its signal, as it ends every filter.
    """
    # Modules and their constants stay. By default the collector goes through all of them time and again, as they are
    # imported, which takes a tenth of a short command, and when the process ends, which takes another tenth.
    gc.set_threshold(100_000)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    _open_closed_streams()
    if os.environ.get("COLUMNS") == "0":
        del os.environ["COLUMNS"]  # Rich would print nothing
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a character prints a question mark
    status = _guarded(sys.argv[1:])
    gc.freeze()
    sys.exit(status)


def _open_closed_streams() -> None:
    """Open the null device in place of each closed stream: a file would get its number, and what is printed into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # the lowest free number is taken; a write to standard output fails, as it does for `cat`
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_WRONLY), True)
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115 - open until the process ends
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def _guarded(arguments: list[str]) -> int:
    """Run the command and return its status; print an error as one message."""
    try:
        status = _run(arguments)
        sys.stdout.flush()  # here, so that a full disk is reported and not found out by the interpreter's last flush
    except KeyboardInterrupt:
        _explain_interrupt([])
        return 130
    except Exception as error:
        if "--debug" in arguments:
            _print_traceback(error)
            return 1
        return _explain(error)
    return status


def _run(arguments: list[str]) -> int:
    if arguments == ["--version"]:  # before anything heavy is imported
        sys.stdout.write(f"entro {_version()}\n")
        return 0
    from typer import TyperException

    from entro_cli.commands.cli import app_for
    from entro_cli.commands.options import Interrupted

    try:
        # Outside of its standalone mode Typer leaves errors to us. It would print them in a box.
        status = app_for(arguments)(arguments, prog_name="entro", standalone_mode=False)
    except SystemExit as end:
        status = end.code
    except TyperException as error:
        return _explain_usage(error)
    except Interrupted as end:
        _explain_interrupt(end.notes)
        return 130
    return status if isinstance(status, int) else 0 if status is None else 1


def _version() -> str:
    from importlib.metadata import version

    return version("entro-cli")


def _explain(error: Exception) -> int:
    """Print the message of an error, and return the status to end with."""
    from entro_cli.core.console import printable
    from entro_engine.errors import EntroError

    if isinstance(error, EntroError):
        message = str(error)
    elif isinstance(error, OSError) and not error.filename:
        message = f"standard output cannot be written: {error.strerror or error}"
        _drop_output()
    elif isinstance(error, PermissionError):
        message = f"{error.filename}: {error.strerror}; run it as a user who may use that file and its folders"
    elif isinstance(error, OSError):
        message = f"{error.filename}: {error.strerror or type(error).__name__}"
    elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryException":  # that is DuckDB's
        message = "there is not enough memory"
    elif isinstance(error, RuntimeError) and "start new thread" in str(error):
        message = "no thread can be started: there is not enough memory, or the limit of processes is reached"
    else:
        message = f"unexpected error ({type(error).__name__}: {error}); run again with --debug and report the traceback"
    _print_error(printable(" ".join(message.split())))
    return 1


def _print_traceback(error: Exception) -> None:
    """Print a traceback as Python does. The message of a library may hold a URL with a password."""
    from traceback import format_exception

    from entro_cli.core.urls import masked

    with contextlib.suppress(OSError):
        sys.stderr.write(masked("".join(format_exception(error))))


def _explain_interrupt(notes: list[str]) -> None:
    """Print what was stored or written before an interrupt, with notes on how far the command got."""
    from entro_cli.core.console import DONE
    from entro_cli.core.formatting import counted

    more = [f"and {counted(len(DONE) - _MOST_NAMED, 'more file')}"] if len(DONE) > _MOST_NAMED else []
    facts = [*DONE[:_MOST_NAMED], *more, *notes] or ["nothing was stored or written"]
    _print_error(f"interrupted: {', '.join(facts)}")


def _explain_usage(error: TyperException) -> int:
    """Print what is wrong with the arguments and the command whose help explains them; return the status."""
    from entro_cli.commands.help import usage_message

    message = usage_message(error)
    if message:
        _print_error(message)
    return error.exit_code


def _print_error(message: str) -> None:
    from entro_cli.core.console import Terminal

    with contextlib.suppress(OSError):  # standard error is closed: the status alone must do
        Terminal().error(message)


def _drop_output() -> None:
    """Send what is left of standard output nowhere, so that the interpreter's last flush does not fail again."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
