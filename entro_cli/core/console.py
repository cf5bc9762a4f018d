"""The output of `entro`: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from entro_cli.core.json_document import json_parts

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class Terminal:
    """The two output streams of one command.

    Rich's markup is off on both, so that text from a log is shown as it is.

    Args:
        quiet: print only results, warnings and errors.
        verbose: print details, too.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose

    @property
    def unicode(self) -> bool:
        """True if standard output takes more than ASCII."""
        return "utf" in (sys.stdout.encoding or "").lower()

    def show(self, *parts: RenderableType) -> None:
        """Print results: text, tables, anything Rich can draw."""
        console = _console(sys.stdout)
        with console.capture() as capture:
            for part in parts:
                console.print(part)
        # Rich pads every line to the width of the terminal.
        sys.stdout.writelines(f"{line.rstrip(' ')}\n" for line in capture.get().splitlines())

    def document(self, document: Mapping[str, Any]) -> None:
        """Print one JSON document and nothing else."""
        sys.stdout.writelines(json_parts(document))
        sys.stdout.write("\n")

    def text(self, text: str | bytes) -> None:
        """Print text or a binary file as it is."""
        if isinstance(text, str):
            sys.stdout.write(text)
        else:
            sys.stdout.buffer.write(text)

    def note(self, text: str) -> None:
        """Print a message that is neither a result nor an error, unless --quiet is given."""
        if not self.quiet:
            _print_message(text)

    def detail(self, text: str) -> None:
        """Print a message if --verbose is given."""
        if self.verbose:
            _print_message(text, "dim")

    def warn(self, text: str) -> None:
        """Print a warning, even with --quiet."""
        _print_message(f"warning: {text}", "yellow")

    def error(self, text: str) -> None:
        """Print an error, even with --quiet."""
        _print_message(f"entro: {text}", "red")


class Recorder(Terminal):
    """A terminal that records messages, for a worker that has no terminal. `replay_messages` prints them later.

    Attributes:
        messages: pairs of the method's name and the text.
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[tuple[str, str]] = []

    def text(self, text: str | bytes) -> None:
        """Record text to be printed as it is."""
        assert isinstance(text, str)  # noqa: S101 - a worker prints no binary file
        self.messages.append(("text", text))

    def note(self, text: str) -> None:
        """Record a note."""
        self.messages.append(("note", text))

    def detail(self, text: str) -> None:
        """Record a detail."""
        self.messages.append(("detail", text))

    def warn(self, text: str) -> None:
        """Record a warning."""
        self.messages.append(("warn", text))

    def error(self, text: str) -> None:
        """Record an error."""
        self.messages.append(("error", text))


def replay_messages(messages: Iterable[tuple[str, str]], terminal: Terminal) -> None:
    """Print recorded messages on a terminal."""
    for method, text in messages:
        getattr(terminal, method)(text)


def _print_message(text: str, style: str = "") -> None:
    """Print a message on standard error: wrapped between words on a terminal, else as one line for logs and grep."""
    console = _console(sys.stderr)
    console.print(text, style=style, soft_wrap=not console.is_terminal)


def _console(stream: Any) -> Console:
    from rich.console import Console

    return Console(file=stream, markup=False, highlight=False, emoji=False)


def printable(text: str) -> str:
    r"""Return text with control and other unprintable characters as escapes, such as \x1b: safe to show anywhere."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1].replace("\\u00", "\\x") for char in text)
