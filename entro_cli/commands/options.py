"""The options that several commands share, with one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is done.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something goes wrong.")]
TimeZone = Annotated[
    str | None,
    typer.Option(
        "--tz",
        metavar="ZONE",
        help="Zone of stamps that name none, and of what is shown [default: the machine's].",
    ),
]
Pipeline = Annotated[str, typer.Option("--pipeline", metavar="NAME", help="What the pipeline is called.")]
Budget = Annotated[
    float | None,
    typer.Option("--budget", metavar="NATS", help="Entropy budget [default: 0.75 x stages x 2.0]."),
]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-on",
        metavar="GATE",
        help="End with status 3 when this holds: 'violations>10', 'critical>5%'. Repeatable.",
    ),
]
OutPath = Annotated[Path | None, typer.Option("--out", metavar="PATH", help="Where to write it.")]
