"""The Typer app, and the one place where an error becomes a message and a status."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys


def main() -> None:
    """The `entro` command: run it and end the process with its status.

    0 done; 1 it could not be done; 2 wrong usage; 3 done, but a gate was broken; 130 interrupted. A broken pipe ends
    the process the way it ends every filter, by its signal and without a word.
    """
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no such character shows another
    sys.exit(_guarded(sys.argv[1:]))


def _guarded(arguments: list[str]) -> int:
    """Run the command; whatever goes wrong comes out as one line and a status."""
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _explain(error)
    return status


def _run(arguments: list[str]) -> int:
    if arguments == ["--version"]:  # before anything heavy is imported
        sys.stdout.write(f"entro {_version()}\n")
        return 0
    from entro_cli.commands.cli import app

    try:
        app(arguments, prog_name="entro")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _version() -> str:
    from importlib.metadata import version

    return version("entro-cli")


def _explain(error: Exception) -> int:
    """Tell what went wrong in one line on standard error; the status to end with."""
    from entro_cli.core.console import printable
    from entro_engine.errors import EntroError

    if isinstance(error, EntroError):
        message = str(error)
    elif isinstance(error, OSError) and not error.filename:
        message = f"standard output cannot be written: {error.strerror or error}"
        _drop_output()
    elif isinstance(error, OSError | MemoryError):
        message = printable(str(error) or type(error).__name__)
    else:
        message = (
            f"this should not have happened ({type(error).__name__}: {error}); "
            "run it again with --debug and report what that prints"
        )
    with contextlib.suppress(OSError):
        sys.stderr.write(f"entro: {printable(' '.join(message.split()))}\n")
    return 1


def _drop_output() -> None:
    """Let the interpreter's last flush of standard output go nowhere, so that it does not complain again."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
