"""`entro formats`: what can be read."""

from __future__ import annotations

from entro_cli.commands import options as given

EPILOG = """\
[bold]Example[/bold]: name a format that is not recognised.

[cyan]entro analyze odd.log --input-format scrapy[/cyan]
"""


def formats(
    *,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """List the formats of logs that are read, and what each gives. They are recognised from the content."""
    from rich.text import Text

    from entro_cli.core.console import Terminal
    from entro_cli.readers.registry import READERS
    from entro_cli.report.render.rich_table import grid

    terminal = Terminal(quiet, verbose)
    if as_json:
        every = [{"name": reader.NAME, "is": reader.DESCRIPTION, "gives": reader.GIVES} for reader in READERS]
        terminal.document({"schema": "entro/formats/1", "formats": every, "unpacked": ["gzip", "zstd"]})
        return
    table = grid(("Format", "left"), ("Is", "left"), ("Gives", "left"))
    for reader in READERS:
        table.add_row(Text(reader.NAME, style="bold"), reader.DESCRIPTION, reader.GIVES)
    terminal.show(table, "", Text(_MORE))


_MORE = (
    "Files packed with gzip or zstd, folders, patterns and standard input (-) are read, too. What is given by name is "
    "a stage where --stage NAME=COLUMN:KIND says so."
)
