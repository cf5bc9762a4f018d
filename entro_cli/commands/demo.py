"""`entro demo`: a tour of entro on its sample logs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from entro_cli.commands.options import OUTPUT, CommonOptions, expand_options, option

EPILOG = """\
[bold]Example[/bold]: [cyan]entro demo --out /tmp/tour[/cyan]
"""

DemoFolder = Annotated[Path, option(OUTPUT, "--out DIR", "Folder the page is written to.")]

_ZONE = "Europe/Berlin"
_NO_CONFIG = Path(os.devnull)  # an entro.toml of the user must not change the tour


def demo(*, out: DemoFolder = Path("entro-demo"), common: CommonOptions) -> None:
    """Take the tour: turn a sample log into a page to open, report on its last week, and simulate a surge."""
    from entro_cli.commands.report import report
    from entro_cli.commands.simulate import simulate
    from entro_cli.core.console import printable
    from entro_cli.core.files import bundled

    report, simulate = expand_options(report), expand_options(simulate)
    terminal = common.terminal()
    log = _relative(bundled("sample_logs") / "five-weeks.csv")

    def announce(number: int, title: str, command: str) -> None:
        terminal.text(f"\n{number}. {title}\n   $ {command}\n\n")

    page, week = out / "five-weeks.html", out / "week.html"
    options = {"logs": [str(log)], "zone": _ZONE, "config_file": _NO_CONFIG}
    arguments = f"{log} --tz {_ZONE}"
    announce(1, "Five weeks of a pipeline, from its log to a page", f"entro report {arguments} --out {page}")
    report(**options, out=page, quiet=common.quiet)
    weekly = f"entro report {arguments} --weekly --format html --out {week}"
    announce(2, "Its last week, with the week before beside it", weekly)
    report(**options, weekly=True, output_format="html", out=week, quiet=common.quiet)
    announce(3, "A surge, under four controllers", "entro simulate")
    simulate(config_file=_NO_CONFIG, quiet=common.quiet)
    terminal.text(f"\nOpen this page: {printable(str(page.resolve()))}\n")


def _relative(path: Path) -> Path:
    """Return a path relative to the working directory, as a user would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
