"""`entro formats`: the formats that entro reads, and how it reads a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from entro_cli.commands.options import (
    OUTPUT,
    CommonOptions,
    ConfigFile,
    Json,
    LogsOrNone,
    PipelineName,
    ReadingOptions,
    keys_set_by,
    option,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from entro_cli.core.console import Terminal
    from entro_cli.readers.reader import Reader

EPILOG = """\
[bold]Examples[/bold]: show how a log is read; then name the format of a log that is not recognised.

[cyan]entro formats --explain odd.log --tz UTC[/cyan]

[cyan]entro analyze odd.log --input-format scrapy[/cyan]
"""

_MORE = (
    "Files packed with gzip or zstd, folders, patterns and standard input (-) are read, too. Columns with names of "
    "your own become stages with --stage NAME=COLUMN:KIND. entro.toml describes other text logs in [formats.NAME]."
)

Explain = Annotated[
    bool, option(OUTPUT, "--explain", "Show how LOGS are recognised and read, with the first samples of each stage.")
]


def formats(
    *,
    logs: LogsOrNone = None,
    explain: Explain = False,
    reading: ReadingOptions,
    pipeline: PipelineName = "default",
    config_file: ConfigFile = None,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """List the formats of logs, and the stages that each gives; or explain how some logs are read.

    Formats that entro.toml declares come first, those of other packages last.
    """
    from entro_cli.commands.views.formats import explanation_view, log_document
    from entro_cli.readers.inputs.log_file import find_logs
    from entro_cli.readers.options import read_options
    from entro_cli.readers.recognition.explanation import explain_log
    from entro_cli.readers.registry import readers
    from entro_cli.workflows.settings import load_options, read_settings

    terminal = common.terminal()
    if bool(logs) != explain:
        raise typer.BadParameter("--explain and LOGS need each other", param_hint="--explain")
    settings = read_settings(config_file, pipeline, terminal, **keys_set_by(reading))
    if not logs:
        _list(readers(settings.formats), as_json, terminal)
        return
    zone, options = read_options(load_options(settings, reading.stage))
    explanations = [one for name in find_logs(logs) for one in explain_log(name, options, settings.input_format)]
    if as_json:
        terminal.document("explanation", {"logs": [log_document(one, zone) for one in explanations]})
    else:
        terminal.show(*explanation_view(explanations, zone))


def _list(known: Iterable[Reader], as_json: bool, terminal: Terminal) -> None:
    from rich.text import Text

    from entro_cli.core.console import printable
    from entro_cli.report.render.rich_table import grid

    if as_json:
        every = [{"name": reader.name, "is": reader.description, "gives": reader.gives} for reader in known]
        terminal.document("formats", {"formats": every, "unpacked": ["gzip", "zstd"]})
        return
    table = grid(("Format", "left"), ("Content", "left"), ("Stages", "left"))
    for reader in known:
        table.add_row(
            Text(printable(reader.name), style="bold"), printable(reader.description), printable(reader.gives)
        )
    terminal.show(table, "", Text(_MORE))
