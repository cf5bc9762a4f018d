"""One pipeline's part of a command for several: plain data in, plain data out, so that any process can do it.

Each may be done again, from its beginning, where whoever did it died on the way: the history takes a log once, reports
come out alike, and an alert that was told is written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from entro_cli.clock import zone_of
from entro_cli.commands.loading import LoadOptions
from entro_cli.commands.scheduled import Job, Outcome, run_job
from entro_cli.commands.storing import StoreOptions, store, tell_stored
from entro_cli.summary import StoredSummary
from entro_cli.terminal import Recorder
from entro_engine import EntroError


@dataclass(frozen=True)
class Ingest:
    """Logs to be stored.

    Attributes:
        logs: files, folders, patterns, URLs, `-` for standard input.
        options: how they are read.
        how: how they are stored.
    """

    logs: Sequence[str]
    options: LoadOptions
    how: StoreOptions


@dataclass(frozen=True)
class Ingested:
    """What came of it.

    Attributes:
        pipeline: whose logs they are.
        summary: what is said of it; None where nothing could be stored.
        said: what else there is to be told, as a recorder keeps it.
        failures: why it, or the first log that was not, could not be stored.
    """

    pipeline: str
    summary: StoredSummary | None
    said: Sequence[tuple[str, str]] = ()
    failures: Sequence[EntroError] = ()


def do_ingest(errand: Ingest) -> Ingested:
    """Store what is new in a pipeline's logs."""
    name = errand.how.place.name
    try:
        stored = store(errand.logs, errand.options, errand.how)
    except EntroError as error:
        return Ingested(name, None, failures=(error,))
    recorder = Recorder()
    tell_stored(stored, recorder)
    return Ingested(name, stored.summary(), recorder.said, stored.failures[:1])


def do_job(job: Job) -> Outcome:
    """Do a pipeline's part of a scheduled run; its `now` may be in any zone that can be pickled, as UTC can."""
    recorder = Recorder()
    outcome = run_job(replace(job, now=job.now.astimezone(zone_of(job.settings.zone))), recorder)
    outcome.said = recorder.said
    return outcome
