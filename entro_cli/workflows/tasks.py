"""One pipeline's part of a command for several: plain data in, plain data out, so that any process can do it.

Each may be done again, from its beginning, where whoever did it died on the way: the history takes a log once, reports
come out alike, and an alert that was told is written down.
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
    """Logs to be stored.

    Attributes:
        logs: files, folders, patterns, URLs, `-` for standard input.
        options: how they are read.
        how: how they are stored.
    """

    logs: Sequence[str]
    options: LoadOptions
    how: IngestOptions


@dataclass(frozen=True)
class IngestOutcome:
    """What came of it.

    Attributes:
        pipeline: whose logs they are.
        summary: what is said of it; None where nothing could be stored.
        said: what else there is to be told, as a recorder keeps it.
        failures: why it, or the first log that was not, could not be stored.
    """

    pipeline: str
    summary: IngestSummary | None
    said: Sequence[tuple[str, str]] = ()
    failures: Sequence[EntroError] = ()


@dataclass(frozen=True)
class FleetTask:
    """A pipeline to be seen at a glance.

    Attributes:
        settings: in force for it.
        kind: of the period.
        first: the first date of it.
        zone: the name of the zone in which it begins at midnight; None for the machine's.
        pages: folders in which its own page may be, the likeliest first.
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
    """What came of it: the pipeline at a glance, or why there is none; and a message for each failed gate."""

    seen: Member | Missing
    failed_gates: tuple[str, ...] = ()


def run_fleet_task(errand: FleetTask) -> FleetRow:
    """See a pipeline at a glance, as its history has it."""
    settings, zone = errand.settings, zone_of(errand.zone)
    period = period_of(errand.kind, errand.first, zone)
    place = pipeline_paths(settings.history, settings.pipeline)
    pages = [folder / f"{period.file_stem(settings.pipeline)}.html" for folder in errand.pages]
    page = next((str(page) for page in pages if page.is_file()), "")
    try:
        with working_copy(place):
            material = from_history(place, settings, zone, period, (None, None))
        summary = summary_of(material, period, settings, None, advise=False)
    except EntroError as error:
        return FleetRow(Missing(settings.pipeline, str(error)))
    failed = failed_gates(errand.gates, to_builtins(summary.figures))
    return FleetRow(member_of(summary, page), tuple(map(str, failed)))


def run_ingest_task(errand: IngestTask) -> IngestOutcome:
    """Store what is new in a pipeline's logs."""
    name = errand.how.place.name
    try:
        with working_copy(errand.how.place, writes=True):
            stored = ingest(errand.logs, errand.options, errand.how)
    except EntroError as error:
        return IngestOutcome(name, None, failures=(error,))
    recorder = Recorder()
    print_ingest_warnings(stored, recorder)
    return IngestOutcome(name, stored.summary(), recorder.messages, stored.failures[:1])


def run_schedule_task(job: ScheduledRun) -> RunOutcome:
    """Do a pipeline's part of a scheduled run; its `now` may be in any zone that can be pickled, as UTC can."""
    recorder = Recorder()
    try:
        with working_copy(job.place, writes=True):
            outcome = run_schedule(replace(job, now=job.now.astimezone(zone_of(job.settings.zone))), recorder)
    except EntroError as error:  # a history at a URL that cannot be reached, or not be brought back to it
        outcome = RunOutcome(failures=[str(error)])
    outcome.said = recorder.messages
    return outcome
