"""`entro ingest`: logs into the history, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from entro_cli.commands import options as given

if TYPE_CHECKING:
    from entro_cli.commands.storing import Stored
    from entro_cli.terminal import Terminal

EPILOG = """\
[bold]Examples[/bold]: what is new in the logs of a folder, rotated or not; and a log from elsewhere, for another pipeline.

[cyan]entro ingest 'logs/pipeline.csv*'[/cyan]

[cyan]zcat backup.csv.gz | entro ingest - --pipeline frontend[/cyan]
"""

Again = Annotated[
    bool, typer.Option("--again", help="Read logs from their beginning, also what was read of them before.")
]
SourceName = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="NAME",
        help="What the logs' source is called, where it runs beside others: sources are summed.",
    ),
]


def ingest(
    *,
    logs: given.Logs,
    history: given.History = None,
    pipeline: given.Pipeline = "default",
    source: SourceName = None,
    again: Again = False,
    stage: given.Stages = None,
    time: given.TimeColumn = None,
    start: given.Start = None,
    tz: given.TimeZone = None,
    step: given.Step = None,
    offset: given.Offsets = None,
    input_format: given.InputFormat = None,
    strict: given.Strict = False,
    redact: given.Redact = False,
    as_json: given.Json = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> None:
    """Add what is new in logs to the history: the same log twice changes nothing.

    A log that has grown or was rotated is read on from where it was left; what comes late finds its place.
    """
