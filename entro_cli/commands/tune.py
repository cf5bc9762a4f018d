"""`entro tune`: search the controller's headroom, gain and guard on the user's own logs."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from entro_cli.commands.options import (
    ADVANCED,
    OUTPUT,
    BudgetOptions,
    CommonOptions,
    Exclude,
    HistoryOptions,
    Json,
    LogsOrNone,
    ParallelOptions,
    PipelineName,
    PrometheusOptions,
    RangeOptions,
    ReadingOptions,
    keys_set_by,
    option,
)

EPILOG = """\
[bold]Examples[/bold]: look for a better setting, and let reports and the coordinator use it.

[cyan]entro tune spider.log server.log[/cyan]

[cyan]entro tune requests.jsonl --step 1s --weight 0.1 --write[/cyan]
"""

Weight = Annotated[
    float,
    option(
        ADVANCED,
        "--weight NUMBER",
        "Cost of a request of service lost; a step over the budget costs 1.",
        min=0,
        max=1e9,
    ),
]
Write = Annotated[bool, option(OUTPUT, "--write", "Write the values that the proposal changes to entro.toml.")]


def tune(
    *,
    logs: LogsOrNone = None,
    reading: ReadingOptions,
    server: PrometheusOptions,
    within: RangeOptions,
    limits: BudgetOptions,
    exclude: Exclude = None,
    weight: Weight = 1.0,
    pipeline: PipelineName = "default",
    store: HistoryOptions,
    write: Write = False,
    parallel: ParallelOptions,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Search headroom, gain and guard of the controller on logs, and propose a setting if one is reliably better.

    Every setting of a grid is simulated on the logs, in six blocks. A setting is proposed if it is better than the
    present one in at least five of them, and by two standard errors. Usually none is.
    """
    from entro_cli.commands.views.tuning import evidence, tuning_view
    from entro_cli.workflows.analyze import replay_logs, tune_replay
    from entro_cli.workflows.load_logs import load_logs
    from entro_cli.workflows.print_warnings import print_load_warnings, print_summed_sources
    from entro_cli.workflows.query_prometheus import fetch, read_page
    from entro_cli.workflows.settings import load_options, period_ns, read_config, settings_in, write_setting

    terminal = common.terminal()
    if math.isnan(weight):  # neither below the least weight nor above the largest
        raise typer.BadParameter("it must be a number", param_hint="--weight")
    config = read_config(store.config_file, terminal)
    settings = settings_in(config, pipeline, **keys_set_by(reading, limits, store), exclude=exclude)
    options = load_options(settings, reading.stage)
    query = server.query(logs)
    measured = fetch(query, settings, within.since, within.until) + read_page(server.metrics, options)
    loaded = load_logs(logs or [], options, measured, parallel.executor())
    print_load_warnings(loaded, terminal)
    print_summed_sources(loaded, terminal)
    span_ns = period_ns(within.since, within.until, loaded.zone)
    replayed, full_loads = replay_logs(loaded, settings, limits.budget, *span_ns)
    tuning = tune_replay(replayed, full_loads, settings, weight, parallel.jobs)
    written = None
    if write and tuning.proposed:
        written = write_setting(tuning.changes, evidence(tuning), config, settings, terminal)
    if as_json:
        terminal.document("tuning", {"written": written}, tuning)
    else:
        terminal.show(*tuning_view(tuning, replayed.steps.step_s, written))
    if write and not written:
        terminal.note("nothing was written")
