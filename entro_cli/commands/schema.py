"""`entro schema`: the JSON Schemas of the documents that the commands print."""

from __future__ import annotations

from typing import Annotated

import typer

from entro_cli.commands import completion
from entro_cli.commands.options import CommonOptions

EPILOG = """\
[bold]Examples[/bold]: the names of all documents, and the schema of one, to check a file against.

[cyan]entro schema[/cyan]

[cyan]entro schema report > report.schema.json[/cyan]
"""

DocumentName = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="The document, such as report.", autocompletion=completion.documents),
]


def schema(*, name: DocumentName = None, common: CommonOptions) -> None:
    """Print the JSON Schema of a document, or the names of all documents.

    A document of the schema entro/NAME/1 only grows: later versions of entro add keys and keep those that are there.
    """
    from entro_cli.commands.views.documents import SHAPES, json_schema
    from entro_cli.core.suggestions import did_you_mean
    from entro_engine import EntroError

    terminal = common.terminal()
    if name is None:
        terminal.text("".join(f"{each}\n" for each in SHAPES))
        return
    if name not in SHAPES:
        raise EntroError(
            f"there is no document {name!r}",
            where="entro schema",
            expected=", ".join(SHAPES),
            remedy=did_you_mean(name, SHAPES),
        )
    terminal.document("", json_schema(name))
