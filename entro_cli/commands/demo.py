"""`entro demo`: the whole tour on the sample logs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from entro_cli.commands import options as given

EPILOG = """\
[bold]Example[/bold]: [cyan]entro demo --out /tmp/tour[/cyan]
"""

Folder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the page is written.")]

_ZONE = "Europe/Berlin"
_NO_CONFIG = Path(os.devnull)
"""The tour is the same in every folder."""


def demo(
    *,
    out: Folder = Path("entro-demo"),
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Take the tour: simulate, analyze a sample log, write its weekly report. It ends with the page to open."""
    from entro_cli.commands.analyze import analyze
    from entro_cli.commands.report import report
    from entro_cli.commands.simulate import simulate
    from entro_cli.core.console import Terminal, printable
    from entro_cli.core.resources import bundled

    terminal = Terminal(quiet, verbose)
    page = out / "week.html"
    log = _shown(bundled("sample_logs") / "five-weeks.csv")

    def step(number: int, what: str, command: str) -> None:
        terminal.text(f"\n{number}. {what}\n   $ {command}\n\n")

    step(1, "A surge, under four controllers", "entro simulate")
    simulate(config=_NO_CONFIG, quiet=quiet)
    reading = f"{log} --tz {_ZONE}"
    step(2, "Five weeks of a pipeline, from its log", f"entro analyze {reading}")
    analyze(logs=[str(log)], tz=_ZONE, config=_NO_CONFIG, quiet=quiet)
    step(
        3,
        "The report of its last week, as a page",
        f"entro report --weekly --format html --out {page} --logs {reading}",
    )
    report(weekly=True, logs=[str(log)], tz=_ZONE, output_format="html", out=page, quiet=True)
    terminal.text(f"Open this page: {printable(str(page.resolve()))}\n")


def _shown(path: Path) -> Path:
    """A path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
