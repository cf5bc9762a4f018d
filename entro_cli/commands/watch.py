"""`entro watch`: the state of a running pipeline."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from entro_cli.commands.options import (
    OUTPUT,
    BudgetOptions,
    CommonOptions,
    ConfigFile,
    CountersFile,
    Exclude,
    LiveSourceOptions,
    LogsOrNone,
    PipelineName,
    ReadingOptions,
    keys_set_by,
    option,
)

EPILOG = """\
[bold]Examples[/bold]: growing logs, a server's page of metrics, a line for a status bar, a script that waits for \
trouble, and lines from a pipe.

[cyan]entro watch spider.log server.log[/cyan]

[cyan]entro watch --metrics http://localhost:8000/metrics[/cyan]

[cyan]entro watch server.log --once[/cyan]

[cyan]entro watch server.log --wait-for critical --quiet || notify-send "the pipeline is Critical"[/cyan]

[cyan]kubectl logs -f deploy/vllm | entro watch - --html vllm.html[/cyan]
"""

_WAITED_FOR = ("stress", "critical")

_JSON_EVERY_S = 10.0
"""The longest time between two documents, s: a program sees that data stays away."""

Once = Annotated[bool, option(OUTPUT, "--once", "Print the state in one line, and end.")]
JsonLines = Annotated[
    bool, option(OUTPUT, "--json", "Print one JSON document per line: at each change, and every 10 s.")
]
WaitFor = Annotated[
    str | None,
    option(
        OUTPUT,
        "--wait-for REGIME",
        "Exit with status 3 as soon as the pipeline is in this regime, or a worse one: stress or critical.",
        autocompletion=lambda: list(_WAITED_FOR),
    ),
]
LivePage = Annotated[Path | None, option(OUTPUT, "--html FILE", "Keep a report current, which a browser loads again.")]


def watch(
    *,
    logs: LogsOrNone = None,
    reading: ReadingOptions,
    server: LiveSourceOptions,
    limits: BudgetOptions,
    exclude: Exclude = None,
    pipeline: PipelineName = "default",
    config_file: ConfigFile = None,
    once: Once = False,
    wait_for: WaitFor = None,
    html: LivePage = None,
    metrics_file: CountersFile = None,
    as_json: JsonLines = False,
    common: CommonOptions,
) -> None:
    """Show the state of a running pipeline: its regime, its loads, and how long until the budget is reached.

    Logs are followed as they grow and are rotated. The figures are those of `entro analyze` on the same logs.
    """
    import os
    import sys
    from time import monotonic, time_ns

    from entro_cli.commands.views.watch import status_json, status_line, watch_screen
    from entro_cli.workflows.live.watch import watching
    from entro_cli.workflows.settings import load_options, read_settings

    terminal = common.terminal()
    if wait_for not in {None, *_WAITED_FOR}:
        raise typer.BadParameter(f"{wait_for!r} is not one of {', '.join(_WAITED_FOR)}", param_hint="--wait-for")
    query = server.query(logs)
    settings = read_settings(config_file, pipeline, terminal, **keys_set_by(reading, limits), exclude=exclude)
    options = load_options(settings, reading.stage)
    can_draw = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    has_screen = can_draw and not (once or as_json or common.quiet)
    is_reached, printed_s = False, monotonic()
    with (
        watching(logs or [], options, settings, server.metrics, query, limits.budget, html, metrics_file) as watched,
        terminal.screen() if has_screen else nullcontext() as show,
    ):
        if show is not None:  # reading what is there may take a while
            show(partial(watch_screen, None, [], time_ns(), terminal.unicode))
        for has_changed in watched.once() if once else watched.changes():
            is_reached = watched.has_reached(wait_for)
            is_due = once or is_reached or watched.has_ended if wait_for and not as_json else has_changed
            is_due |= as_json and (bool(watched.new_problems) or monotonic() - printed_s >= _JSON_EVERY_S)
            if show is not None:
                show(partial(watch_screen, watched.state, watched.problems, time_ns(), terminal.unicode))
            elif is_due and (as_json or watched.state):
                status = watched.state and watched.state[0]
                terminal.line(
                    status_json(status, settings.pipeline, watched.problems)
                    if as_json or not status
                    else status_line(status, time_ns())
                )
                printed_s = monotonic()
            for problem in watched.new_problems if show is None else ():
                terminal.warn(problem)
            if is_reached:
                break
    if has_screen and watched.state:
        terminal.line(status_line(watched.state[0], time_ns()))
    if is_reached:
        raise typer.Exit(3)
