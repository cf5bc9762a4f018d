"""What a scheduled run does for one pipeline: ingest, the reports that are due, gates, alerts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal, cast

from entro_cli.analysis.figures import measure
from entro_cli.analysis.gates import failed_gates
from entro_cli.analysis.incidents import Incident
from entro_cli.analysis.replay import replay_from, step_range
from entro_cli.automation.alerts.alert import Alert
from entro_cli.automation.alerts.command import Command
from entro_cli.automation.alerts.deliver import Channels, deliver
from entro_cli.automation.alerts.email import Email
from entro_cli.automation.alerts.rules import gate_alert, incident_alerts, silence_alert
from entro_cli.automation.alerts.webhook import Webhook
from entro_cli.automation.schedule.last_reported import last_reported, record_reported
from entro_cli.config import AlertSettings, Settings
from entro_cli.core.clock import moment, nanoseconds
from entro_cli.core.console import Terminal, printable
from entro_cli.core.json_document import to_builtins
from entro_cli.core.secrets import secret_of
from entro_cli.history.ingest.ingest import IngestOptions, ingest, oldest_ns
from entro_cli.history.paths import PipelinePaths
from entro_cli.history.read import load_stored_state, nothing_stored_error
from entro_cli.history.transaction import task_lock
from entro_cli.report.fleet import Member, member_of
from entro_cli.report.periods import Period, PeriodKind, due
from entro_cli.workflows.load_history import last_data_ns, load_history
from entro_cli.workflows.print_warnings import print_ingest_warnings
from entro_cli.workflows.report import from_history, summary_of
from entro_cli.workflows.settings import load_options
from entro_cli.workflows.write_report import OutputOptions, write_report
from entro_engine import EntroError

_LOOK_BACK = timedelta(days=4)
"""How long before the first due period incidents are looked for, so that one keeps its beginning."""


@dataclass(frozen=True)
class ScheduledRun:
    """One pipeline's part of a scheduled run.

    Attributes:
        place: of its history.
        settings: in force for it.
        kind: of the reports.
        logs: what is ingested first; nothing where there is none.
        out: where reports go.
        gates: what makes the run end with status 3.
        now: when it runs, in the zone of the reports.
    """

    place: PipelinePaths
    settings: Settings
    kind: PeriodKind
    logs: tuple[str, ...]
    out: Path
    gates: tuple[str, ...]
    now: datetime


@dataclass
class RunOutcome:
    """What came of it.

    Attributes:
        failed_gates: a message for each failed gate.
        failures: what could not be done, each a message.
        alerts: what is to be told.
        said: what was said, as a recorder keeps it.
        members: the pipeline at a glance, by the first date of each period that was reported on.
    """

    failed_gates: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    members: dict[date, Member] = field(default_factory=dict)


def run_schedule(job: ScheduledRun, terminal: Terminal) -> RunOutcome:
    """Ingest, write the reports that are due, tell of incidents and silence.

    What cannot be done does not keep the rest from being done. While another run of this kind is at work on the
    pipeline, nothing is done.

    Args:
        job: what to do.
        terminal: is told the details.
    """
    outcome = RunOutcome()
    with task_lock(job.place, f"run-{job.kind}") as alone:
        if not alone:
            terminal.detail(f"{printable(job.place.name)}: another run is at work")
            return outcome
        _attempt(outcome, lambda: _ingest(job, terminal, outcome))
        periods = due(job.kind, last_reported(_reported(job), str(job.kind)), job.now)
        _attempt(outcome, lambda: _report(job, periods, terminal, outcome))
        _attempt(outcome, lambda: _tell(job, periods[0].start, outcome))
    return outcome


def _attempt(outcome: RunOutcome, part: Callable[[], None]) -> None:
    try:
        part()
    except EntroError as error:
        outcome.failures.append(str(error))


def _ingest(job: ScheduledRun, terminal: Terminal, outcome: RunOutcome) -> None:
    if not job.logs:
        return
    settings = job.settings
    how = IngestOptions(job.place, oldest_ns=oldest_ns(settings.retention_s, nanoseconds(job.now)))
    result = ingest(job.logs, load_options(settings), how)
    print_ingest_warnings(result, terminal, log_problems=False)
    outcome.failures += [str(failure) for failure in result.failures[:1]]


def _report(job: ScheduledRun, periods: Sequence[Period], terminal: Terminal, outcome: RunOutcome) -> None:
    """Write every report that is due, the oldest first."""
    if not job.place.days():
        raise nothing_stored_error(job.place, names_others=False)
    for period in periods:
        material = from_history(job.place, job.settings, period.zone, period, (None, None))
        outcome.failures += [note for note in material.notes if note not in outcome.failures]
        summary = summary_of(material, period, job.settings, None)
        stem = period.file_stem(job.place.name)
        write_report(summary, stem, OutputOptions("html", job.out, indexed=True), terminal)
        page = str(job.out / f"{stem}.html")
        outcome.members[period.first] = member_of(summary, page)
        named = f"{period.kind} {period.label}"
        failed = failed_gates(job.gates, to_builtins(summary.figures))
        outcome.failed_gates += [
            f"{printable(job.place.name)}, {named}: {gate}; see {printable(page)}" for gate in failed
        ]
        alert = gate_alert(job.place.name, named, failed, report=page)
        outcome.alerts += [alert] if alert else []
        record_reported(_reported(job), str(job.kind), period.first)


def _reported(job: ScheduledRun) -> Path:
    return job.place.metadata_dir / "reported.json"


def _tell(job: ScheduledRun, since: datetime, outcome: RunOutcome) -> None:
    """Tell of every incident that goes on after a moment, of silence and of broken gates, once on every channel."""
    alerts, channels = job.settings.alerts, channels_of(job.settings.alerts)
    found = [*outcome.alerts]
    if job.place.days():
        incidents, budget = _incidents(job, since)
        page = str(job.out / "index.html")
        found += incident_alerts(job.place.name, incidents, alerts.at_least_s, budget=budget, report=page)
    if job.settings.silence_s is not None:
        silence = silence_alert(
            job.place.name, _last_data(job), job.now, job.settings.silence_s, job.settings.maintenance()
        )
        found += [silence] if silence else []
    with task_lock(job.place, "tell", wait=True):
        outcome.failures += deliver(found, channels, job.place.metadata_dir / "told.json", job.now, os.environ)


def _incidents(job: ScheduledRun, since: datetime) -> tuple[Sequence[Incident], float]:
    """The incidents that go on after a moment, and the budget they broke."""
    zone = job.now.tzinfo
    assert zone is not None  # noqa: S101 - now is in a zone
    recalled = load_history(job.place, job.settings, zone, nanoseconds(since - _LOOK_BACK), nanoseconds(job.now))
    steps = job.settings.maintenance().without(recalled.steps)
    budget = job.settings.budget(len(steps.stages))
    if not steps.count:
        return (), budget
    run = replay_from(steps, budget, step_range(steps, nanoseconds(since), None)[0])
    figures = measure(run, 0, run.steps, job.settings.objective, zone, job.settings.maintenance())
    return [incident for incident in figures.incidents if incident.end > since], budget


def _last_data(job: ScheduledRun) -> datetime | None:
    """Where the last step with data ends; None where there never was any."""
    if not job.place.days():
        return None
    last = last_data_ns(job.place, job.settings)
    return None if last is None else moment(last + load_stored_state(job.place).step_ns, job.now.tzinfo)  # type: ignore[arg-type]


def channels_of(alerts: AlertSettings) -> Channels:
    """The channels of a pipeline's alerts; secrets are read when something is sent."""
    mail, hook = alerts.email, alerts.webhook
    address = secret_of(variable=hook.url_env, path=hook.url_file, text=hook.url) if hook else None
    return Channels(
        command=Command(alerts.command) if alerts.command else None,
        email=Email(
            mail.to,
            mail.sender,
            mail.host,
            mail.port,
            cast(Literal["none", "starttls", "tls"], mail.security),
            mail.user,
            secret_of(variable=mail.password_env, path=mail.password_file),
        )
        if mail
        else None,
        webhook=Webhook(address) if address else None,
    )
