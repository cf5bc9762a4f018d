"""Print a page as PDF with an installed Chromium: headless, without network, in a temporary profile."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from entro_cli.core.console import printable
from entro_cli.report.render.page import store_plotly
from entro_engine import EntroError

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
_TIMEOUT_S = 60
_ARGUMENTS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no name has an address
    "--no-pdf-header-footer",
)
_DATE = re.compile(rb"\(D:\d{14}[+-]\d\d'\d\d'\)")


def render(page: str, date: datetime, browser: Path | None = None) -> bytes:
    """Return a page as PDF, on A4 unless its style sheet names another paper.

    Args:
        page: the page, which loads plotly.js from its folder or needs none.
        date: the date of the document, instead of the time of printing.
        browser: the program; None for the first Chromium, Chrome or Edge on the PATH.

    Returns:
        The PDF, with identical bytes for identical arguments and the same version of the browser.

    Raises:
        EntroError: if there is no browser, or it writes no PDF.
    """
    program = _program(browser)
    with TemporaryDirectory(prefix="entro-pdf-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        store_plotly(folder)
        # Ahead of the style sheet, which can name another paper. A page that is printed by hand leaves the choice open.
        paper = page.replace("<head>", "<head>\n<style>@page { size: A4; }</style>", 1)
        (folder / "page.html").write_text(paper, encoding="utf-8")
        message = _print(program, folder)
        with suppress(FileNotFoundError):
            # All dates of a PDF have one length, so that its table of offsets stays right.
            return _DATE.sub(
                f"(D:{date.astimezone(UTC):%Y%m%d%H%M%S}+00'00')".encode(), (folder / "page.pdf").read_bytes()
            )
    raise EntroError(
        f"wrote no PDF: {message or 'it gave no reason'}",
        where=program,
        remedy="name another browser in ENTRO_BROWSER; one that is a snap needs a TMPDIR in your home folder",
    )


def _program(browser: Path | None) -> str:
    """Return the path of the browser."""
    names = _PROGRAMS if browser is None else (str(browser),)
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise EntroError(
            "no Chromium, Chrome or Edge is on the PATH" if browser is None else "is not a program",
            where="--format pdf" if browser is None else printable(str(browser)),
            remedy="install one (Debian: apt-get install chromium), name it in ENTRO_BROWSER or as `browser` in "
            "entro.toml, or print the page of --format html",
        )
    return found


def _print(program: str, folder: Path) -> str:
    """Print page.html of a folder to page.pdf, and return the last line that the browser wrote."""
    arguments = [*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={folder / 'page.pdf'}"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses to run as root with its sandbox
    messages = folder / "messages"
    try:
        with messages.open("wb") as file:
            process = subprocess.Popen(
                [program, *arguments, (folder / "page.html").as_uri()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,  # a pipe would stay open as long as any of its processes lives
                env={**os.environ, "TZ": "UTC"},
                start_new_session=True,
            )
    except OSError as error:
        raise EntroError(f"cannot be started: {error.strerror or error}", where=program) from error
    try:
        process.wait(_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise EntroError(
            f"did not print within {_TIMEOUT_S} s", where=program, remedy="name another browser in ENTRO_BROWSER"
        ) from error
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with all processes that it started
        process.wait()
    lines = messages.read_text(encoding="utf-8", errors="replace").splitlines()
    return printable(lines[-1])[:200] if lines else ""
