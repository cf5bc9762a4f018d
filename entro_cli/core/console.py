"""What `entro` says and where: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from entro_cli.core.json_document import json_parts

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class Terminal:
    """The two streams of one command.

    Rich's markup is off on both: text that comes from a log is shown as it is.

    Args:
        quiet: say nothing but results and errors.
        verbose: say more.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose

    @property
    def unicode(self) -> bool:
        """Whether standard output takes more than ASCII."""
        return "utf" in (sys.stdout.encoding or "").lower()

    def show(self, *parts: RenderableType) -> None:
        """Print results: text, tables, anything Rich can draw."""
        console = _console(sys.stdout)
        with console.capture() as capture:
            for part in parts:
                console.print(part)
        sys.stdout.writelines(f"{line.rstrip(' ')}\n" for line in capture.get().splitlines())

    def document(self, document: Mapping[str, Any]) -> None:
        """Print one JSON document, and nothing else."""
        sys.stdout.writelines(json_parts(document))
        sys.stdout.write("\n")

    def text(self, text: str) -> None:
        """Print text as it is."""
        sys.stdout.write(text)

    def note(self, text: str) -> None:
        """Say something that is neither a result nor an error; not with --quiet."""
        if not self.quiet:
            _console(sys.stderr).print(text, soft_wrap=True)

    def detail(self, text: str) -> None:
        """Say something only --verbose wants to know."""
        if self.verbose:
            _console(sys.stderr).print(text, soft_wrap=True, style="dim")

    def warn(self, text: str) -> None:
        """Say something the user should see, with --quiet too."""
        _console(sys.stderr).print(f"warning: {text}", soft_wrap=True, style="yellow")


class Recorder(Terminal):
    """A terminal that keeps what it is told, for another to repeat: whoever works for several has none.

    Attributes:
        said: what it was told: how, and the text.
    """

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []

    def text(self, text: str) -> None:
        """Keep text that is to be printed as it is."""
        self.said.append(("text", text))

    def note(self, text: str) -> None:
        """Keep what is neither a result nor an error."""
        self.said.append(("note", text))

    def detail(self, text: str) -> None:
        """Keep what only --verbose wants to know."""
        self.said.append(("detail", text))

    def warn(self, text: str) -> None:
        """Keep what the user should see."""
        self.said.append(("warn", text))


def replay_messages(said: Iterable[tuple[str, str]], terminal: Terminal) -> None:
    """Tell a terminal what a recorder was told."""
    for how, text in said:
        getattr(terminal, how)(text)


def _console(stream: Any) -> Console:
    from rich.console import Console

    return Console(file=stream, markup=False, highlight=False, emoji=False)


def printable(text: str) -> str:
    r"""Text with every control and other unprintable character written out, as in \x1b: safe to show anywhere."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1].replace("\\u00", "\\x") for char in text)
