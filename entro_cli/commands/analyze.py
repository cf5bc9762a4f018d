"""`entro analyze`: replay logs through the v9 regime engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from entro_cli.commands.options import (
    INPUT,
    OUTPUT,
    BudgetOptions,
    CommonOptions,
    Exclude,
    FailOn,
    HistoryOptions,
    Json,
    LogsOrNone,
    ParallelOptions,
    PipelineName,
    PrometheusOptions,
    RangeOptions,
    ReadingOptions,
    exit_if_failed,
    keys_set_by,
    option,
    options_without_key,
)

EPILOG = """\
[bold]Examples[/bold]: a log whose columns name its stages, a log that needs --stage, a Prometheus server, and a gate \
in CI.

[cyan]entro analyze spider.log server.log --tz Europe/Berlin[/cyan]

[cyan]entro analyze gauges.csv --stage llm=waiting:queue:22 --start 2026-04-25T18:49:44Z[/cyan]

[cyan]entro analyze --prometheus http://localhost:9090 --preset vllm --since 24h[/cyan]

[cyan]zcat pipeline.csv.gz | entro analyze - --json --fail-on 'critical>5%' --fail-on 'coverage<90%'[/cyan]
"""

StepsCsv = Annotated[
    Path | None,
    option(OUTPUT, "--steps-csv FILE", "Write one row per step: loads, Psi, regime and states; - for standard output."),
]
Save = Annotated[bool, option(INPUT, "--save", "Also add the logs to the history, and analyze them at its step.")]


def analyze(
    *,
    logs: LogsOrNone = None,
    reading: ReadingOptions,
    server: PrometheusOptions,
    within: RangeOptions,
    limits: BudgetOptions,
    exclude: Exclude = None,
    pipeline: PipelineName = "default",
    store: HistoryOptions,
    save: Save = False,
    steps_csv: StepsCsv = None,
    parallel: ParallelOptions,
    fail_on: FailOn = None,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Replay logs and report the regimes, the violations, the incidents and the stages that drove them.

    Every format of `entro formats` is read: tables, requests, the logs of vLLM, SGLang, Scrapy and Celery, and saved
    answers of a Prometheus server. Several logs become one pipeline.
    """
    from entro_cli.analysis.gates import check_gates, failed_gates
    from entro_cli.commands.views.analysis import analysis_document, analysis_view
    from entro_cli.workflows.analyze import analyze_replay, repeating_command, replay_logs, write_steps
    from entro_cli.workflows.load_logs import load_logs
    from entro_cli.workflows.print_warnings import print_load_warnings
    from entro_cli.workflows.query_prometheus import fetch, read_page
    from entro_cli.workflows.settings import load_options, period_ns, read_settings

    terminal = common.terminal()
    to_stdout = str(steps_csv) == "-"
    if as_json and to_stdout:
        raise typer.BadParameter("--json already prints to standard output", param_hint="--steps-csv")
    check_gates(gates := fail_on or [])
    settings = read_settings(
        store.config_file, pipeline, terminal, **keys_set_by(reading, limits, store), exclude=exclude
    )
    options = load_options(settings, reading.stage)
    query = server.query(logs)
    if save:  # the code that writes the history is loaded only for this
        from entro_cli.workflows.ingest import save_logs

        options = save_logs(logs or [], options, settings, terminal)
    loaded = load_logs(
        logs or [],
        options,
        fetch(query, settings, within.since, within.until) + read_page(server.metrics, options),
        parallel.executor(),
    )
    print_load_warnings(loaded, terminal)
    span_ns = period_ns(within.since, within.until, loaded.zone)
    replayed, full_loads = replay_logs(loaded, settings, limits.budget, *span_ns)
    again = repeating_command(
        ["analyze", *(logs or []), "--json"], settings, *options_without_key(server, reading, within, limits)
    )
    analysis, warning = analyze_replay(replayed, loaded, full_loads, settings, again)
    if warning:
        terminal.warn(warning)
    document = analysis_document(analysis) if as_json or gates else {}  # gates are tried on its numbers
    failed = failed_gates(gates, document)
    if steps_csv:
        write_steps(replayed, loaded, settings.wait_s, None if to_stdout else steps_csv, terminal)
    if as_json:
        terminal.document("analysis", document)
    elif not to_stdout:
        terminal.show(*analysis_view(analysis, terminal.unicode))
    exit_if_failed(failed, terminal)
