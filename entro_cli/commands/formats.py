"""`entro formats`: the formats that entro reads."""

from __future__ import annotations

from entro_cli.commands.options import CommonOptions, ConfigFile, Json, expand_options

EPILOG = """\
[bold]Example[/bold]: name the format of a log that is not recognised.

[cyan]entro analyze odd.log --input-format scrapy[/cyan]
"""

_MORE = (
    "Files packed with gzip or zstd, folders, patterns and standard input (-) are read, too. Columns with names of "
    "your own become stages with --stage NAME=COLUMN:KIND."
)


@expand_options
def formats(*, config_file: ConfigFile = None, as_json: Json = False, common: CommonOptions) -> None:
    """List the formats of logs, and the stages that each gives. A format is recognised from the content.

    Those that entro.toml declares come first, those of other packages last.
    """
    from rich.text import Text

    from entro_cli.core.console import printable
    from entro_cli.readers.registry import readers
    from entro_cli.report.render.rich_table import grid
    from entro_cli.workflows.settings import read_settings

    terminal = common.terminal()
    known = list(readers(read_settings(config_file, "default", terminal).formats))
    if as_json:
        every = [{"name": reader.name, "is": reader.description, "gives": reader.gives} for reader in known]
        terminal.document({"schema": "entro/formats/1", "formats": every, "unpacked": ["gzip", "zstd"]})
        return
    table = grid(("Format", "left"), ("Content", "left"), ("Stages", "left"))
    for reader in known:
        table.add_row(
            Text(printable(reader.name), style="bold"), printable(reader.description), printable(reader.gives)
        )
    terminal.show(table, "", Text(_MORE))
