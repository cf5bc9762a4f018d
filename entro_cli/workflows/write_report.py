"""Output of a report: an HTML page and its index, a file, or standard output."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from entro_cli.core.console import Terminal, printable, working
from entro_cli.core.files import refuse_to_overwrite, write_whole
from entro_cli.core.json_document import as_json
from entro_cli.core.urls import page_address

if TYPE_CHECKING:
    from entro_cli.analysis.gates import FailedGate
    from entro_cli.report.comparison import ReportPair
    from entro_cli.report.daily_report import Summary
    from entro_cli.report.fleet import Fleet


class OutputOptions(Struct, frozen=True):
    """The format of a report, and where it is written.

    Attributes:
        format: html, terminal, markdown, json, junit, email, pdf; empty for a page and the terminal.
        path: a file or a folder; `-` for standard output; None if the user named none.
        self_contained: whether a page includes plotly.js.
        inputs: the files that were read, which must not be overwritten.
        indexed: whether to keep an index of all reports in the folder of a page with its default name.
        gates: the user's gates.
        failed_gates: the failed ones among them.
        templates: a folder whose templates replace the bundled ones of the same name.
        browser: the browser that prints a PDF; None for one on the PATH.
        opens: whether to open the page, or the PDF, in the user's browser.
        base_url: the web address of the folder of reports, for links; None if there is none.
        long: whether the text has all of the report.
        metrics_file: a file that also gets the figures, as metrics; None for none.
    """

    format: str = ""
    path: Path | None = None
    self_contained: bool = False
    inputs: tuple[str, ...] = ()
    indexed: bool = False
    gates: tuple[str, ...] = ()
    failed_gates: tuple[FailedGate, ...] = ()
    templates: Path | None = None
    browser: Path | None = None
    opens: bool = False
    base_url: str | None = None
    long: bool = False
    metrics_file: Path | None = None


class _Renderers(Struct, frozen=True):
    """Functions that render one report in each format.

    Attributes:
        page: renders the HTML page; takes whether the page includes plotly.js.
        has_charts: whether the page needs plotly.js at all.
        text: renders the terminal report; takes its width, whether the output shows block characters, whether colours,
            and the file of the page.
        names_page: whether the terminal report says where the page is.
        files: by format, the suffix of its file and the function that renders it.
        end: the end of the period.
    """

    page: Callable[[bool], str]
    has_charts: bool
    text: Callable[[int, bool, bool, Path | None], str]
    names_page: bool
    files: Mapping[str, tuple[str, Callable[[], str | bytes]]]
    end: datetime


def write_report(summary: Summary, stem: str, output: OutputOptions, terminal: Terminal) -> None:
    """Write a report.

    Args:
        summary: the report's content.
        stem: the default file name, without a suffix.
        output: the format, and where it is written.
        terminal: prints the paths of the written files, and a report without a file.

    Raises:
        EntroError: if a file cannot be written.
    """
    from entro_cli.report.render import html, junit, markdown
    from entro_cli.report.render import terminal as terminal_report

    templates = output.templates
    # A folder from the time before there was a short text replaces the one text there was.
    is_long = output.long or (
        templates is not None
        and (templates / "report.txt").is_file()
        and not (templates / terminal_report.SHORT).is_file()
    )
    renderers = _Renderers(
        page=lambda self_contained: html.render(summary, self_contained, templates),
        has_charts=True,
        text=lambda width, unicode, color, page: (
            terminal_report.render(summary, width, unicode, color, templates)
            if is_long
            else terminal_report.render_short(summary, width, unicode, color, page, templates)
        ),
        names_page=not is_long,
        files={
            "json": ("json", lambda: as_json(summary) + "\n"),
            "markdown": ("md", lambda: markdown.render(summary, templates)),
            "email": ("eml", lambda: _email_file(summary, stem, output)),
            "junit": ("xml", lambda: junit.render(summary, output.gates, output.failed_gates)),
        },
        end=summary.period.end,
    )
    _write(renderers, stem, output, terminal)
    if output.metrics_file:
        from entro_cli.report.render.openmetrics import figures_of, render

        write_metrics(render(figures_of(summary)), output.metrics_file, output.inputs)


def _email_file(summary: Summary, stem: str, output: OutputOptions) -> bytes:
    from entro_cli.report.mail.message import file_bytes, render

    page = f"{stem}.html"
    address = page_address(output.base_url, Path(page)) if output.base_url else ""
    return file_bytes(render(summary, page, address, output.templates), summary.period.end)


def write_fleet_report(fleet: Fleet, stem: str, output: OutputOptions, terminal: Terminal) -> None:
    """Write the report of all pipelines.

    Args:
        fleet: the report's content.
        stem: the default file name, without a suffix.
        output: the format, and where it is written.
        terminal: prints the paths of the written files, and a report without a file.

    Raises:
        EntroError: if a file cannot be written.
    """
    from entro_cli.report.render import fleet as fleet_view

    templates = output.templates
    renderers = _Renderers(
        page=lambda _: fleet_view.render_page_of(fleet, templates),
        has_charts=False,
        text=lambda _width, unicode, color, _page: fleet_view.render_text(fleet, unicode, color, templates),
        names_page=False,
        files={
            "json": ("json", lambda: as_json(fleet) + "\n"),
            "markdown": ("md", lambda: fleet_view.render_markdown(fleet, templates)),
        },
        end=fleet.period.end,
    )
    _write(renderers, stem, output, terminal)


def write_comparison(
    comparison: ReportPair, folders: tuple[Path | None, Path | None], output: OutputOptions, terminal: Terminal
) -> None:
    """Write two reports side by side.

    Args:
        comparison: the two reports.
        folders: the folder of reports of each pipeline, to link to their own pages if they are in it or beside this.
        output: the format, and where it is written.
        terminal: prints the paths of the written files, and a comparison without a file.

    Raises:
        EntroError: if a file cannot be written.
    """
    from entro_cli.report import comparison as view

    target, templates = output.path or Path(), output.templates
    here = _file(target, f"{comparison.stem}.html").parent

    def page() -> str:
        reports = zip((comparison.first, comparison.second), folders, strict=True)
        first, second = (_linked(view.report_file(side), here, folder) for side, folder in reports)
        links = ("", "") if _is_stdout(target) else (first, second)
        return view.render_page_of(comparison, links, templates)

    renderers = _Renderers(
        page=lambda _: page(),
        has_charts=False,
        text=lambda width, _unicode, color, _page: view.render_text(comparison, width, color),
        names_page=False,
        files={
            "json": ("json", lambda: as_json(view.document(comparison)) + "\n"),
            "markdown": ("md", lambda: view.render_markdown(comparison, templates)),
        },
        end=comparison.second.period.end,
    )
    _write(renderers, comparison.stem, output, terminal)


def _linked(name: str, here: Path, folder: Path | None) -> str:
    """Return the path of a page relative to a folder: one beside it or in the folder of reports; empty without one."""
    places = [place / name for place in (here, folder) if place is not None]
    return next((Path(os.path.relpath(page, here)).as_posix() for page in places if page.is_file()), "")


def _write(renderers: _Renderers, stem: str, output: OutputOptions, terminal: Terminal) -> None:
    prints_text = output.format == "terminal" or (
        not output.format
        and not (output.path is not None and _is_stdout(output.path))
        and (output.long or not terminal.quiet)
    )
    page = None
    if output.format in {"", "html"}:
        page = _write_page(renderers, stem, output, terminal)
        if page is not None and not (prints_text and renderers.names_page):
            terminal.note(f"wrote {printable(str(page))}")
    if output.format == "pdf":
        from entro_cli.report.render import pdf

        document = pdf.render(renderers.page(False), renderers.end, output.browser)
        _put(document, output.path or Path(), f"{stem}.pdf", output.inputs, terminal)
        if output.opens:
            _open(_file(output.path or Path(), f"{stem}.pdf"), terminal)
    if output.format in renderers.files:
        suffix, render = renderers.files[output.format]
        # A terminal is no place for a mail with files in it.
        path = output.path or (Path() if output.format == "email" else None)
        _put(render(), path, f"{stem}.{suffix}", output.inputs, terminal)
    if prints_text:
        path = output.path if output.format else None  # without a format, --out is the place of the page alone
        _put(_render_text(renderers, path, page, terminal), path, f"{stem}.txt", output.inputs, terminal)
    if page is not None and output.opens:
        _open(page, terminal)


def write_metrics(text: str, path: Path, inputs: Iterable[str] = (), is_durable: bool = True) -> None:
    """Write metrics for the textfile collector of a node exporter.

    Args:
        text: the metrics.
        path: the file.
        inputs: the files that are read.
        is_durable: wait for the disk.

    Raises:
        EntroError: if the file cannot be written, or is one of the inputs.
    """
    refuse_to_overwrite(path, inputs)
    write_whole(path, text, is_durable)


def _write_page(renderers: _Renderers, stem: str, output: OutputOptions, terminal: Terminal) -> Path | None:
    """Write the page, and bring the index of its folder up to date; return its file, None for standard output."""
    from entro_cli.report.render.page import store_page

    target = output.path or Path()
    if _is_stdout(target):
        terminal.text(renderers.page(True))  # no folder to put plotly.js into
        return None
    path = _file(target, f"{stem}.html")
    with working("drawing the page"):
        store_page(path, renderers.page, output.self_contained or not renderers.has_charts, output.inputs)
    if output.indexed and path.name == f"{stem}.html":  # a page named by the user is not part of a series
        from entro_cli.report.render.index import update_index

        problem = update_index(path.parent, path.name)
        if problem:
            terminal.warn(problem)
    return path


def _open(path: Path, terminal: Terminal) -> None:
    """Open a page in the user's browser, or say why that is not possible."""
    import webbrowser

    # Without a display Python would run a browser for terminals, such as w3m, and wait for it.
    has_display = sys.platform in {"darwin", "win32"} or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if not (has_display and webbrowser.open(path.resolve().as_uri())):
        reason = "no browser was found" if has_display else "there is no display"
        terminal.warn(f"{reason}; open {printable(str(path.resolve()))} yourself")


def _render_text(renderers: _Renderers, path: Path | None, page: Path | None, terminal: Terminal) -> str:
    """Render the terminal report: in colour, and in another width than 80 columns, only for a terminal."""
    if path is not None and not _is_stdout(path):
        return renderers.text(80, True, False, page)
    has_color = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return renderers.text(shutil.get_terminal_size().columns, terminal.unicode, has_color, page)


def _is_stdout(path: Path) -> bool:
    """Return whether a path means standard output."""
    return str(path) == "-"


def _file(path: Path, name: str) -> Path:
    """Return the file that a path means. One without a suffix is a folder that does not exist yet, or a device."""
    return path / name if path.is_dir() or not (path.suffix or path.exists()) else path


def _put(content: str | bytes, target: Path | None, name: str, inputs: tuple[str, ...], terminal: Terminal) -> None:
    """Write content to a file, into a folder, or to standard output."""
    if target is None or _is_stdout(target):
        terminal.text(content)
        return
    path = _file(target, name)
    refuse_to_overwrite(path, inputs)
    write_whole(path, content)
    terminal.note(f"wrote {printable(str(path))}")
