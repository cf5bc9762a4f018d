"""`entro coordinate`: hold scrapers and workers to what the server can take, live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from entro_cli.commands.options import (
    ADVANCED,
    INPUT,
    OUTPUT,
    CommonOptions,
    HistoryOptions,
    LiveSourceOptions,
    LogsOrNone,
    PipelineName,
    ReadingOptions,
    TargetWait,
    keys_set_by,
    option,
)

EPILOG = """\
[bold]Examples[/bold]: a vLLM server of 6 requests per second by its metrics, and by its log.

[cyan]entro coordinate --metrics http://localhost:8000/metrics --capacity 6[/cyan]

[cyan]entro coordinate server.log --capacity auto --target-wait 5s[/cyan]

[cyan]curl http://127.0.0.1:8517/cap[/cyan]  (what may be sent now)
"""

Capacity = Annotated[
    str | None,
    option(
        INPUT,
        "--capacity REQ_PER_S",
        "What the server can serve; `auto` works it out from the logs as they are.",
        "`capacity` in entro.toml, else learned",
    ),
]
Listen = Annotated[str, option(OUTPUT, "--listen HOST:PORT", "Address to listen at; port 0 takes a free one.")]
TokenFile = Annotated[
    Path | None, option(OUTPUT, "--token-file FILE", "File with the token that clients must give.", "ENTRO_TOKEN")
]
CapFile = Annotated[Path | None, option(OUTPUT, "--cap-file FILE", "Also write the cap to this file, every second.")]
Lease = Annotated[str, option(ADVANCED, "--lease DURATION", "Time that a client may use its share without asking.")]
DryRunLive = Annotated[bool, option(OUTPUT, "--dry-run", "Print what would be allowed; neither listen nor write.")]


def coordinate(
    *,
    logs: LogsOrNone = None,
    reading: ReadingOptions,
    server: LiveSourceOptions,
    capacity: Capacity = None,
    target_wait: TargetWait = None,
    listen: Listen = "127.0.0.1:8517",
    token_file: TokenFile = None,
    cap_file: CapFile = None,
    lease: Lease = "10s",
    dry_run: DryRunLive = False,
    pipeline: PipelineName = "default",
    store: HistoryOptions,
    common: CommonOptions,
) -> None:
    """Hold the clients of a server to what it can take, every second.

    It reads growing logs, a /metrics page or a Prometheus server, and gives scrapers and workers their share of what
    may be sent. A client without an answer falls back to a trickle. The step is one second.
    """
    import os

    from entro_cli.core.clock import NS, duration_ns
    from entro_cli.workflows.live.coordinate import CoordinateOptions, capacity_of, coordinate_source, is_loopback
    from entro_cli.workflows.live.sources import live_source
    from entro_cli.workflows.settings import load_options, read_settings

    terminal = common.terminal()
    query = server.query(logs)
    settings = read_settings(store.config_file, pipeline, terminal, **keys_set_by(reading, store), wait=target_wait)
    load = load_options(settings, reading.stage)
    options = CoordinateOptions(
        listen, token_file, cap_file, duration_ns(lease, "--lease") / NS, dry_run, capacity_of(capacity, logs, load)
    )
    options.check(logs or [])
    if not dry_run and not is_loopback(options.address()[0]) and options.token(os.environ) is None:
        raise typer.BadParameter("other machines can reach it: give --token-file or ENTRO_TOKEN", param_hint="--listen")
    with live_source(logs or [], load, settings, server.metrics, query) as source:
        status = coordinate_source(source, settings, options, terminal)
    raise typer.Exit(status)
