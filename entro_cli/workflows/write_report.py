"""A report's way out: a page with its index, a file, standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from entro_cli.core.console import Terminal, printable
from entro_cli.core.files import refuse_to_overwrite, write_whole
from entro_cli.core.json_document import as_json

if TYPE_CHECKING:
    from entro_cli.analysis.gates import FailedGate
    from entro_cli.report.daily_report import Summary
    from entro_cli.report.fleet import Fleet


@dataclass(frozen=True)
class OutputOptions:
    """What is written and where.

    Attributes:
        form: html, terminal, markdown, json, junit, or empty for a page and the terminal.
        place: a file or a folder, `-` for standard output, None when the user named none.
        self_contained: put plotly.js inside a page.
        inputs: the files that were read, which are not written over.
        indexed: keep an index of all reports beside a page that has its usual name.
        gates: those that the user set.
        failed_gates: the failed ones among them.
        templates: a folder with templates that take the place of those of the same name.
    """

    form: str = ""
    place: Path | None = None
    self_contained: bool = False
    inputs: tuple[str, ...] = ()
    indexed: bool = False
    gates: tuple[str, ...] = ()
    failed_gates: tuple[FailedGate, ...] = ()
    templates: Path | None = None


@dataclass(frozen=True)
class _Forms:
    """How something is rendered.

    Attributes:
        page: as a page, told whether plotly.js is to be inside.
        has_charts: whether the page needs plotly.js at all.
        text: as text, told whether block characters can be shown, and colours.
        others: by the name of the form: the ending of its file, and what makes its content.
    """

    page: Callable[[bool], str]
    has_charts: bool
    text: Callable[[bool, bool], str]
    others: Mapping[str, tuple[str, Callable[[], str]]]


def write_report(summary: Summary, stem: str, output: OutputOptions, terminal: Terminal) -> None:
    """Write a report.

    Args:
        summary: what it says.
        stem: its usual name, without an ending.
        output: what is written and where.
        terminal: is told what was written, and gets what has no other place.

    Raises:
        EntroError: when it cannot be written.
    """
    from entro_cli.report.render import html, junit, markdown
    from entro_cli.report.render import terminal as terminal_report

    own = output.templates
    forms = _Forms(
        page=lambda inside: html.render(summary, inside, own),
        has_charts=True,
        text=lambda unicode, color: terminal_report.render(summary, unicode=unicode, color=color, own=own),
        others={
            "json": ("json", lambda: as_json(summary) + "\n"),
            "markdown": ("md", lambda: markdown.render(summary, own)),
            "junit": ("xml", lambda: junit.render(summary, output.gates, output.failed_gates)),
        },
    )
    _deliver(forms, stem, output, terminal)


def write_fleet_report(fleet: Fleet, stem: str, output: OutputOptions, terminal: Terminal) -> None:
    """Write the report of all pipelines.

    Args:
        fleet: what it says.
        stem: its usual name, without an ending.
        output: what is written and where.
        terminal: is told what was written, and gets what has no other place.

    Raises:
        EntroError: when it cannot be written.
    """
    from entro_cli.report.render import fleet as fleet_view

    own = output.templates
    forms = _Forms(
        page=lambda inside: fleet_view.render_page_of(fleet, own),
        has_charts=False,
        text=lambda unicode, color: fleet_view.render_text(fleet, unicode, color, own),
        others={
            "json": ("json", lambda: as_json(fleet) + "\n"),
            "markdown": ("md", lambda: fleet_view.render_markdown(fleet, own)),
        },
    )
    _deliver(forms, stem, output, terminal)


def _deliver(forms: _Forms, stem: str, output: OutputOptions, terminal: Terminal) -> None:
    if output.form in {"", "html"}:
        _write_page(forms, stem, output, terminal)
    if output.form in forms.others:
        ending, content = forms.others[output.form]
        _put(content(), output.place, f"{stem}.{ending}", output.inputs, terminal)
    if output.form in {"", "terminal"}:
        place = output.place if output.form else None  # beside a page, the text is for the reader at the terminal
        _put(_as_text(forms, place, terminal), place, f"{stem}.txt", output.inputs, terminal)


def write_metrics(summary: Summary, path: Path, inputs: tuple[str, ...]) -> None:
    """Write a report's figures for a node exporter: whole or not at all.

    Raises:
        EntroError: when the file cannot be written, or is one of the inputs.
    """
    from entro_cli.report.render import openmetrics

    refuse_to_overwrite(path, inputs)
    write_whole(path, openmetrics.render(summary))


def _write_page(forms: _Forms, stem: str, output: OutputOptions, terminal: Terminal) -> None:
    from entro_cli.report.render.index import update_index
    from entro_cli.report.render.page import store_page

    place = output.place or Path()
    if _is_stream(place):
        terminal.text(forms.page(True))
        return
    path = _file(place, f"{stem}.html")
    store_page(path, forms.page, output.self_contained or not forms.has_charts, output.inputs)
    terminal.note(f"wrote {printable(str(path))}")
    if output.indexed and path.name == f"{stem}.html":
        problem = update_index(path.parent)
        if problem:
            terminal.warn(problem)


def _as_text(forms: _Forms, place: Path | None, terminal: Terminal) -> str:
    """A report for a terminal, or for a file: colours only where somebody sees them."""
    to_file = place is not None and not _is_stream(place)
    unicode = to_file or terminal.unicode
    return forms.text(unicode, not to_file and sys.stdout.isatty() and not os.environ.get("NO_COLOR"))


def _is_stream(place: Path) -> bool:
    """Whether a place stands for standard output."""
    return str(place) == "-"


def _file(place: Path, name: str) -> Path:
    """The file that a place means: itself, or the one of that name in it."""
    return place / name if place.is_dir() or not place.suffix else place


def _put(content: str, place: Path | None, name: str, inputs: tuple[str, ...], terminal: Terminal) -> None:
    """Put content where the user wants it: a file, a folder, standard output without one."""
    if place is None or _is_stream(place):
        terminal.text(content)
        return
    path = _file(place, name)
    refuse_to_overwrite(path, inputs)
    write_whole(path, content)
    terminal.note(f"wrote {printable(str(path))}")
