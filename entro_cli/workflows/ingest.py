"""Add logs to the history: those of an analysis, or those of many pipelines, each in its own task.

A task is plain data in and plain data out, so that any process or cluster worker can run it. If a worker dies, its task
is run again from the beginning. That is safe, because the history stores a log once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import time_ns
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.analysis.results import IngestSummary, StepCounts
from entro_cli.config import Config, Settings
from entro_cli.core.console import Recorder, Terminal, printable, replay_messages
from entro_cli.core.formatting import counted
from entro_cli.core.parallel import Executor
from entro_cli.history.ingest.ingest import IngestOptions, ingest, oldest_ns
from entro_cli.history.paths import PipelinePaths, pipeline_paths
from entro_cli.history.remote_copy import working_copy
from entro_cli.history.step_counts import count_steps
from entro_cli.readers.inputs.log_file import STDIN
from entro_cli.readers.options import LoadOptions
from entro_cli.report.render.openmetrics import exposition, step_counters
from entro_cli.workflows.print_warnings import print_ingest_warnings, print_problems
from entro_cli.workflows.settings import load_options, settings_in
from entro_cli.workflows.write_report import write_metrics
from entro_engine import EntroError


class IngestTask(Struct, frozen=True):
    """Logs to store for a pipeline.

    Attributes:
        logs: files, folders, patterns, URLs, `-` for standard input.
        load_options: how they are read.
        ingest_options: how they are stored.
    """

    logs: Sequence[str]
    load_options: LoadOptions
    ingest_options: IngestOptions


class IngestOutcome(Struct, frozen=True):
    """The outcome of an `IngestTask`.

    Attributes:
        pipeline: the pipeline's name.
        summary: what was stored; None if nothing could be stored.
        messages: the messages that were printed, as a `Recorder` keeps them.
        failures: why the task failed, or why the first of the failed logs did.
    """

    pipeline: str
    summary: IngestSummary | None
    messages: Sequence[tuple[str, str]] = ()
    failures: Sequence[EntroError] = ()


def run_ingest_task(task: IngestTask) -> IngestOutcome:
    """Store the new rows of a pipeline's logs."""
    name = task.ingest_options.paths.name
    try:
        with working_copy(task.ingest_options.paths, writes=True):
            result = ingest(task.logs, task.load_options, task.ingest_options)
    except EntroError as error:
        return IngestOutcome(name, None, failures=(error,))
    recorder = Recorder()
    print_ingest_warnings(result, recorder)
    return IngestOutcome(name, result.summary(), recorder.messages, result.failures[:1])


class CountOutcome(Struct, frozen=True):
    """The steps of a pipeline; None if nothing was ever stored of it, or if they cannot be counted."""

    pipeline: str
    counts: StepCounts | None
    failure: EntroError | None = None


def run_count_task(settings: Settings) -> CountOutcome:
    """Count the steps of a pipeline that were ever stored."""
    paths = pipeline_paths(settings.history, settings.pipeline)
    try:
        with working_copy(paths, writes=True):
            return CountOutcome(settings.pipeline, count_steps(paths, settings))
    except EntroError as error:
        return CountOutcome(settings.pipeline, None, error)


def write_step_counters(
    path: Path, fleet: Sequence[Settings], logs: Iterable[str], executor: Executor
) -> list[EntroError]:
    """Write the counters of the steps of several pipelines into one file, and return what could not be done.

    Args:
        path: the file.
        fleet: the settings of each pipeline.
        logs: the files that were read, which must not be overwritten.
        executor: counts the steps.
    """
    outcomes = list(executor.map(run_count_task, fleet, "pipeline"))
    counts = {outcome.pipeline: outcome.counts for outcome in outcomes if outcome.counts is not None}
    failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    try:
        write_metrics(exposition(step_counters(counts)), path, logs)
    except EntroError as error:
        failures.append(error)
    return failures


def save_logs(names: Sequence[str], options: LoadOptions, settings: Settings, terminal: Terminal) -> LoadOptions:
    """Add the logs of an analysis to the history of their pipeline.

    Args:
        names: files, folders, patterns and URLs.
        options: how they are read.
        settings: the pipeline's settings.
        terminal: gets the warnings and a note on what was stored.

    Returns:
        The options with the step of the history, so that the logs are analyzed as they are stored.

    Raises:
        EntroError: if a log cannot be stored, or there is none that can be read twice.
    """
    if not names:
        raise EntroError("there is no log to save", where="--save", remedy="name one; a server's answers are not saved")
    if STDIN in names:
        raise EntroError(
            "standard input can be read only once", where="--save", remedy="name a file, or use `entro ingest -`"
        )
    paths = pipeline_paths(settings.history, settings.pipeline)
    with working_copy(paths, writes=True):
        result = ingest(names, options, ingest_options(paths, settings, time_ns()))
    for failure in result.failures:
        raise failure
    print_problems(result.problems, terminal)
    days = counted(len(result.days), "day")
    terminal.note(f"saved into {printable(f'{paths.shown}/{paths.folder.name}')}, {days} changed")
    return replace(options, step=f"{result.step_s:.9f}s") if options.step is None else options


def ingest_options(paths: PipelinePaths, settings: Settings, now_ns: int) -> IngestOptions:
    """Return how the logs of a pipeline are stored, by its settings."""
    return IngestOptions(
        paths, oldest_ns=oldest_ns(settings.retention_s, now_ns), learns=settings.full_loads == "learned"
    )


def ingest_tasks(
    config: Config,
    names: Iterable[str],
    logs: Sequence[str],
    keys: Mapping[str, Any],
    stage: Sequence[str] | None,
    again: bool = False,
    source: str | None = None,
) -> tuple[list[IngestTask], list[EntroError]]:
    """Return a task for each pipeline with logs, and an error for each of the others.

    Args:
        config: the configuration of all of them.
        names: the pipelines.
        logs: files, folders, patterns, URLs, `-`; without any, those of the configuration.
        keys: the options of the command line, by key of entro.toml.
        stage: the values of --stage.
        again: whether logs are read from their beginning.
        source: the name of the logs' source, if the user gave one.
    """
    tasks, failures = [], []
    for name in names:
        try:
            settings = settings_in(config, name, **keys)
            paths = pipeline_paths(settings.history, name)
            if not (found := logs or settings.logs):
                raise EntroError(
                    "no log is named", where="entro ingest", expected="LOGS, or `logs = [...]` in entro.toml"
                )
            options = replace(ingest_options(paths, settings, time_ns()), again=again, source=source)
            tasks.append(IngestTask(list(found), load_options(settings, stage), options))
        except EntroError as error:  # the other pipelines are stored all the same
            failures.append(error)
    return tasks, failures


def run_ingest_tasks(
    tasks: Sequence[IngestTask], executor: Executor, terminal: Terminal
) -> tuple[dict[str, IngestSummary], list[EntroError]]:
    """Store the logs of several pipelines.

    Args:
        tasks: one per pipeline.
        executor: runs them.
        terminal: gets the messages of each.

    Returns:
        By pipeline, the summary of what was stored; and the failures.
    """
    summaries: dict[str, IngestSummary] = {}
    failures: list[EntroError] = []
    for outcome in executor.map(run_ingest_task, tasks, "pipeline", keeps=True):
        replay_messages(outcome.messages, terminal)
        failures += outcome.failures
        if outcome.summary is not None:
            summaries[outcome.pipeline] = outcome.summary
    return summaries, failures
