"""The output of `entro`: results on standard output, everything else on standard error, progress among it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import asdict

from entro_cli.core.formatting import count, duration, quantity, share
from entro_cli.core.formatting import printable as printable  # noqa: PLC0414 - what it makes safe is printed
from entro_cli.core.json_document import json_parts
from entro_cli.core.urls import masked

if TYPE_CHECKING:
    from msgspec import Struct
    from rich.console import Console, ConsoleDimensions, RenderableType
    from rich.live import Live
    from rich.text import Text

Item = TypeVar("Item")

PROGRESS_AFTER_S = 1.0
"""Work that takes less shows no progress."""

DONE: list[str] = []
"""What this process has stored or written so far, in words: Ctrl-C says it."""

_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


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
        _erase_progress()
        console = _console(sys.stdout)
        with console.capture() as capture:
            for part in parts:
                console.print(part)
        # Rich pads every line to the width of the terminal.
        sys.stdout.writelines(f"{line.rstrip(' ')}\n" for line in capture.get().splitlines())

    def document(self, name: str, *parts: Mapping[str, object] | Struct) -> None:
        """Print one JSON document and nothing else.

        Args:
            name: NAME in its schema, `entro/NAME/1`; empty for a document without one.
            parts: mappings and structs, whose entries it has in their order.
        """
        _erase_progress()
        document: dict[str, object] = {"schema": f"entro/{name}/1"} if name else {}
        for part in parts:
            document |= part if isinstance(part, Mapping) else asdict(part)
        sys.stdout.writelines(json_parts(document))
        sys.stdout.write("\n")

    def text(self, text: str | bytes) -> None:
        """Print text or a binary file as it is."""
        _erase_progress()
        if isinstance(text, str):
            sys.stdout.write(text)
        else:
            sys.stdout.buffer.write(text)

    def line(self, text: str) -> None:
        """Print a line as it is, at once: whoever reads a pipe waits for it."""
        self.text(f"{text}\n")
        sys.stdout.flush()

    @contextmanager
    def screen(self) -> Iterator[Callable[[Callable[[ConsoleDimensions], RenderableType]], None]]:
        """Take the whole terminal for the duration of a context.

        Yields:
            A function that shows what another one makes for the size of the terminal.
        """
        console = _console(sys.stdout)

        def show(draw: Callable[[ConsoleDimensions], RenderableType]) -> None:
            with console.capture() as capture:
                console.print(draw(console.size), end="")
            # From the upper left corner on; what is left of each line and of the screen is erased.
            sys.stdout.write("\x1b[H" + "\x1b[K\n".join(capture.get().splitlines()) + "\x1b[K\x1b[J")
            sys.stdout.flush()

        with console.screen():
            yield show

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
        for method in ("text", "note", "detail", "warn", "error"):
            setattr(self, method, partial(self._record, method))

    def _record(self, method: str, text: str) -> None:
        self.messages.append((method, text))


def replay_messages(messages: Iterable[tuple[str, str]], terminal: Terminal) -> None:
    """Print recorded messages on a terminal."""
    for method, text in messages:
        getattr(terminal, method)(text)


def _print_message(text: str, style: str = "") -> None:
    """Print a message on standard error: wrapped between words on a terminal, else as one line for logs and grep."""
    _erase_progress()
    console = _console(sys.stderr)
    console.print(masked(text), style=style, soft_wrap=not console.is_terminal)


def _console(stream: Any) -> Console:
    from rich.console import Console

    return Console(file=stream, markup=False, highlight=False, emoji=False)


@dataclass(eq=False)
class Work:
    """Work under way.

    Attributes:
        what: its name, such as `reading spider.log`.
        total: how much there is to do, in the unit; None if that is not known.
        unit: `B` for bytes, or a noun in the singular.
        done: how much of it is done.
        began_s: when it began, on the monotonic clock, s.
    """

    what: str
    total: float | None = None
    unit: str = ""
    done: float = 0
    began_s: float = field(default_factory=monotonic)

    def add(self, amount: float) -> None:
        """Count up what is done."""
        self.done += amount

    def line(self) -> str:
        """Return what is done, how much of it, and how long it will take at the rate so far."""
        passed_s = monotonic() - self.began_s
        if not self.total:
            return f"{self.what}, for {duration(round(passed_s))}"
        name = f"{self.what}, " if self.what else ""
        if self.unit == "B":
            size, unit = next((one for one in _UNITS if self.total >= one[0]), (1, "B"))
            much = f"{share(self.done / self.total)} of {self.total / size:.3g} {unit}"
            rate = f"{quantity(self.done / passed_s / 1e6)} MB/s"
        else:
            much = f"{count(self.done)} of {count(self.total)} {self.unit}s"
            rate = f"{quantity(self.done / passed_s)}/s"
        if not self.done:  # no rate is known yet
            return f"{name}{much}"
        left_s = max(round(passed_s * (self.total / self.done - 1)), 1)
        return f"{name}{much}, {rate}, {duration(left_s)} to go"


class ProgressLine:
    """The line on a terminal that shows the work under way; work that is part of another one comes last.

    It appears when the whole has taken a second, and is erased before anything else is printed.
    """

    def __init__(self) -> None:
        self.works: list[Work] = []
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._timer = self._start()

    def _start(self) -> threading.Timer:
        timer = threading.Timer(PROGRESS_AFTER_S, self._show)
        timer.daemon = True
        timer.start()
        return timer

    def _show(self) -> None:
        # Measured: starting another thread here can take a Ctrl-C away from the main thread, which then reads on.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        from rich.live import Live

        live = Live(
            console=_console(sys.stderr),
            get_renderable=self.text,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with self._lock:
            if threading.current_thread() is self._timer:  # else it was erased meanwhile
                self._live = live
                live.start(refresh=True)

    def text(self) -> Text:
        """Return the line, cut at the edge of the terminal."""
        from rich.text import Text

        works = list(self.works)  # the other thread changes it
        parts = [f"{work.unit} {count(work.done + 1)} of {count(work.total)}: " for work in works[1:-1] if work.total]
        return Text("".join([*parts, *(work.line() for work in works[-1:])]), no_wrap=True, overflow="ellipsis")

    def erase(self, goes_on: bool = True) -> None:
        """Erase the line; it comes back after another second if the work goes on."""
        with self._lock:
            self._timer.cancel()
            live, self._live = self._live, None
            if goes_on:
                self._timer = self._start()
        if live is not None:
            live.stop()


# One for the process, and no parameter of thirty functions between a command and the loop over the blocks of a log: a
# process has one terminal. In worker processes and in programs that use the package there is none.
_progress: ProgressLine | None = None


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Show the progress of work on the terminal, for the duration of a context.

    Args:
        what: the name of the whole.
    """
    global _progress  # noqa: PLW0603 - see there
    if _progress is not None:  # a command that calls others, as the tour does
        yield
        return
    _progress = ProgressLine()
    try:
        with working(what):
            yield
    finally:
        line, _progress = _progress, None
        line.erase(goes_on=False)


@contextmanager
def working(what: str, total: float | None = None, unit: str = "") -> Iterator[Work]:
    """Report work for the duration of a context. It costs next to nothing where no progress is shown.

    Args:
        what: its name, such as `reading spider.log`, safe to show.
        total: how much there is to do, in the unit; None if that is not known.
        unit: `B` for bytes, or a noun in the singular.

    Yields:
        The work, whose `done` the caller counts up.
    """
    work = Work(what, total, unit)
    works = _progress.works if _progress is not None and total != 1 else []  # one of one says nothing
    works.append(work)
    try:
        yield work
    finally:
        if work in works:
            works.remove(work)


@contextmanager
def no_progress() -> Iterator[None]:
    """Show no progress for the duration of a context."""
    global _progress  # noqa: PLW0603 - see there
    line, _progress = _progress, None
    if line is not None:
        line.erase(goes_on=False)
    try:
        yield
    finally:
        _progress = line


def worked_off(items: Iterable[Item], total: int, what: str, unit: str) -> Iterator[Item]:
    """Yield items, and report each as done when the next one is asked for.

    Args:
        items: the items.
        total: their number.
        what: the name of the work.
        unit: an item, as a noun in the singular.
    """
    with working(what, total, unit) as work:
        for item in items:
            yield item
            work.done += 1


def _erase_progress() -> None:
    if _progress is not None:
        _progress.erase()
