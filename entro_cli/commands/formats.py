"""`entro formats`: the formats that entro reads."""

from __future__ import annotations

from entro_cli.commands.options import CommonOptions, Json, expand_options

EPILOG = """\
[bold]Example[/bold]: name the format of a log that is not recognised.

[cyan]entro analyze odd.log --input-format scrapy[/cyan]
"""

_MORE = (
    "Files packed with gzip or zstd, folders, patterns and standard input (-) are read, too. Columns with names of "
    "your own become stages with --stage NAME=COLUMN:KIND."
)


@expand_options
def formats(*, as_json: Json = False, common: CommonOptions) -> None:
    """List the formats of logs, and the stages that each gives. A format is recognised from the content."""
    from rich.text import Text

    from entro_cli.readers.registry import READERS
    from entro_cli.report.render.rich_table import grid

    terminal = common.terminal()
    if as_json:
        every = [{"name": reader.name, "is": reader.description, "gives": reader.gives} for reader in READERS]
        terminal.document({"schema": "entro/formats/1", "formats": every, "unpacked": ["gzip", "zstd"]})
        return
    table = grid(("Format", "left"), ("Content", "left"), ("Stages", "left"))
    for reader in READERS:
        table.add_row(Text(reader.name, style="bold"), reader.description, reader.gives)
    terminal.show(table, "", Text(_MORE))
