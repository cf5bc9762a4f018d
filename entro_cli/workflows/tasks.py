"""Tasks for one pipeline each: plain data in, plain data out, so that any process or cluster worker can run them.

If a worker dies, its task is run again from the beginning. That is safe: the history stores a log once, reports come
out the same, and delivered alerts are recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from entro_cli.analysis.gates import failed_gates
from entro_cli.analysis.results import IngestSummary
from entro_cli.config import Settings
from entro_cli.core.clock import zone_of
from entro_cli.core.console import Recorder
from entro_cli.core.json_document import to_builtins
from entro_cli.history.ingest.ingest import IngestOptions, ingest
from entro_cli.history.paths import pipeline_paths
from entro_cli.history.remote_copy import working_copy
from entro_cli.readers.options import LoadOptions
from entro_cli.report.fleet import Member, Missing, member_of
from entro_cli.report.periods import PeriodKind, period_of
from entro_cli.workflows.print_warnings import print_ingest_warnings
from entro_cli.workflows.report import from_history, summary_of
from entro_cli.workflows.scheduled_run import RunOutcome, ScheduledRun, run_schedule
from entro_engine import EntroError


@dataclass(frozen=True)
class IngestTask:
    """Logs to store for a pipeline.

    Attributes:
        logs: files, folders, patterns, URLs, `-` for standard input.
        load_options: how they are read.
        ingest_options: how they are stored.
    """

    logs: Sequence[str]
    load_options: LoadOptions
    ingest_options: IngestOptions


@dataclass(frozen=True)
class IngestOutcome:
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


@dataclass(frozen=True)
class FleetTask:
    """A pipeline to summarise in a row of the fleet report.

    Attributes:
        settings: the pipeline's settings.
        kind: the kind of period.
        first: the first date of the period.
        zone: the name of the time zone whose midnights count; None for the machine's. Not every zone object can be
            pickled, but its name can.
        pages: folders that may hold the pipeline's own page, in order of search.
        gates: gates to try on its figures.
    """

    settings: Settings
    kind: PeriodKind
    first: date
    zone: str | None
    pages: tuple[Path, ...]
    gates: tuple[str, ...] = ()


@dataclass(frozen=True)
class FleetRow:
    """A row of the fleet report, and a message for each failed gate of its pipeline."""

    member: Member | Missing
    failed_gates: tuple[str, ...] = ()


def run_fleet_task(task: FleetTask) -> FleetRow:
    """Summarise a pipeline from its history."""
    settings, zone = task.settings, zone_of(task.zone)
    period = period_of(task.kind, task.first, zone)
    place = pipeline_paths(settings.history, settings.pipeline)
    pages = [folder / f"{period.file_stem(settings.pipeline)}.html" for folder in task.pages]
    page = next((str(page) for page in pages if page.is_file()), "")
    try:
        with working_copy(place):
            stored = from_history(place, settings, zone, period, (None, None))
        summary = summary_of(stored, period, settings, None, advise=False)
    except EntroError as error:
        return FleetRow(Missing(settings.pipeline, str(error)))
    failed = failed_gates(task.gates, to_builtins(summary.figures))
    return FleetRow(member_of(summary, page), tuple(map(str, failed)))


def run_ingest_task(task: IngestTask) -> IngestOutcome:
    """Store the new rows of a pipeline's logs."""
    name = task.ingest_options.place.name
    try:
        with working_copy(task.ingest_options.place, writes=True):
            result = ingest(task.logs, task.load_options, task.ingest_options)
    except EntroError as error:
        return IngestOutcome(name, None, failures=(error,))
    recorder = Recorder()
    print_ingest_warnings(result, recorder)
    return IngestOutcome(name, result.summary(), recorder.messages, result.failures[:1])


def run_schedule_task(run: ScheduledRun) -> RunOutcome:
    """Do a scheduled run. Its `now` may be in any zone that can be pickled, such as UTC."""
    recorder = Recorder()
    try:
        with working_copy(run.paths, writes=True):
            outcome = run_schedule(replace(run, now=run.now.astimezone(zone_of(run.settings.zone))), recorder)
    except EntroError as error:  # a history at a URL that cannot be read or written back
        outcome = RunOutcome(failures=[str(error)])
    outcome.messages = recorder.messages
    return outcome
