"""A scheduled run for one pipeline: ingest, the reports that are due, gates, alerts.

A step that fails does not keep the others from being done.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import asdict

from entro_cli.analysis.figures import measure
from entro_cli.analysis.gaps import LOOK_BACK_NS
from entro_cli.analysis.gates import failed_gates
from entro_cli.analysis.incident_details import DetailedIncident, causes_of, detailed
from entro_cli.analysis.incidents import Incident
from entro_cli.analysis.replay import replay_from, step_range
from entro_cli.automation.alerts.alert import Alert, Channel
from entro_cli.automation.alerts.apprise import Apprise
from entro_cli.automation.alerts.command import Command
from entro_cli.automation.alerts.deliver import Ledger, deliver
from entro_cli.automation.alerts.rules import gate_alert, incident_alerts, silence_alert, unusual_silence_alert
from entro_cli.automation.schedule.last_reported import last_reported, record_reported
from entro_cli.config import AlertSettings, Settings
from entro_cli.core.clock import moment, nanoseconds
from entro_cli.core.console import Terminal, printable
from entro_cli.core.json_document import to_builtins
from entro_cli.core.urls import page_address
from entro_cli.history.ingest.ingest import IngestOptions, ingest, oldest_ns
from entro_cli.history.paths import PipelinePaths
from entro_cli.history.read import load_stored_state, nothing_stored_error
from entro_cli.history.transaction import task_lock
from entro_cli.report.daily_report import Summary
from entro_cli.report.fleet import Member, member_of
from entro_cli.report.periods import Period, PeriodKind, due, period_of
from entro_cli.report.verdict import Health
from entro_cli.workflows.load_history import last_data_ns, load_activity, load_history
from entro_cli.workflows.print_warnings import print_ingest_warnings
from entro_cli.workflows.report import data_from_history, summarise_period
from entro_cli.workflows.settings import load_options
from entro_cli.workflows.write_report import OutputOptions, write_report
from entro_engine import EntroError

_LOOK_BACK = timedelta(days=4)
"""The search for incidents begins this long before the first due period.

An incident that began before the search would appear to start there, and be delivered again under another key.
"""


class ScheduledRun(Struct, frozen=True):
    """A scheduled run for one pipeline.

    Attributes:
        paths: the files of its history.
        settings: the pipeline's settings.
        kind: the kind of period to report on.
        logs: the logs to ingest first; may be empty.
        out: the folder for reports.
        gates: the gates to try on each report.
        now: the time of the run, in the zone of the reports.
        indexed: whether to bring the index of the folder up to date after each report.
    """

    paths: PipelinePaths
    settings: Settings
    kind: PeriodKind
    logs: tuple[str, ...]
    out: Path
    gates: tuple[str, ...]
    now: datetime
    indexed: bool = True


class RunOutcome(Struct):
    """The outcome of a scheduled run for one pipeline.

    Attributes:
        failed_gates: a message for each failed gate.
        failures: a message for everything that could not be done.
        alerts: the alerts for failed gates.
        messages: the messages that were printed, as a `Recorder` keeps them.
        members: the pipeline's row in the fleet report, by the first date of each reported period.
    """

    failed_gates: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)
    members: dict[date, Member] = field(default_factory=dict)


def run_schedule(run: ScheduledRun, terminal: Terminal) -> RunOutcome:
    """Ingest logs, write the reports that are due, and deliver alerts.

    Nothing is done while another run of the same kind is working on the pipeline.

    Args:
        run: the run.
        terminal: prints what was written.
    """
    outcome = RunOutcome()
    with task_lock(run.paths, f"run-{run.kind}") as is_alone:
        if not is_alone:
            terminal.detail(f"{printable(run.paths.name)}: another run is at work")
            return outcome
        _attempt(outcome, lambda: _ingest(run, terminal, outcome))
        periods = due(run.kind, last_reported(_reported(run), str(run.kind)), run.now)
        _attempt(outcome, lambda: _report(run, periods, terminal, outcome))
        _attempt(outcome, lambda: _deliver_alerts(run, periods[0].start, outcome))
    return outcome


def _attempt(outcome: RunOutcome, step: Callable[[], None]) -> None:
    try:
        step()
    except EntroError as error:
        outcome.failures.append(str(error))


def _ingest(run: ScheduledRun, terminal: Terminal, outcome: RunOutcome) -> None:
    if not run.logs:
        return
    settings = run.settings
    oldest = oldest_ns(settings.retention_s, nanoseconds(run.now))
    options = IngestOptions(run.paths, oldest_ns=oldest, learns=settings.full_loads == "learned")
    result = ingest(run.logs, load_options(settings), options)
    print_ingest_warnings(result, terminal, log_problems=False)
    outcome.failures += [str(failure) for failure in result.failures[:1]]


def _report(run: ScheduledRun, periods: Sequence[Period], terminal: Terminal, outcome: RunOutcome) -> None:
    """Write and mail every report that is due, the oldest first."""
    if not run.paths.days():
        raise nothing_stored_error(run.paths, names_others=False)
    is_mailed = True
    for period in periods:
        stored = data_from_history(run.paths, run.settings, period.zone, period, (None, None))
        outcome.failures += [note for note in map(str, stored.problems) if note not in outcome.failures]
        summary = summarise_period(stored, period, run.settings, None)
        stem = period.file_stem(run.paths.name)
        write_report(summary, stem, OutputOptions("html", run.out, indexed=run.indexed), terminal)
        page = str(run.out / f"{stem}.html")
        outcome.members[period.first] = member_of(summary, page)
        period_name = f"{period.kind} {period.label}"
        failed = failed_gates(run.gates, to_builtins(summary.figures))
        outcome.failed_gates += [
            f"{printable(run.paths.name)}, {period_name}: {gate}; see {printable(page)}" for gate in failed
        ]
        address = page_address(run.settings.base_url, Path(page))
        alert = gate_alert(run.paths.name, period_name, failed, report=address)
        outcome.alerts += [alert] if alert else []
        # After a failure the rest waits: the next run does all again from the first period without its mail.
        if is_mailed:
            is_mailed = _mail(run, summary, Path(page), outcome)
            done = period if is_mailed else period.previous
            # After each report, so that a kill repeats at most the one that was being written.
            record_reported(_reported(run), str(run.kind), done.first)


def _mail(run: ScheduledRun, summary: Summary, page: Path, outcome: RunOutcome) -> bool:
    """Mail a report, once per period; return False if it has to be tried again."""
    settings = run.settings.report_email
    if settings is None or (settings.when == "problems" and summary.verdict.health is Health.GOOD):
        return True
    from entro_cli.automation.alerts.email import Email, ReportEmail
    from entro_cli.report.mail import message  # it draws with Pillow

    address = page_address(run.settings.base_url, page)
    channel = ReportEmail(
        Email(**asdict(settings.email), table="report.email"), lambda: message.render(summary, page.name, address)
    )
    key = f"report {run.paths.name} {summary.period.kind} {summary.period.label}"
    alert = Alert(key, run.paths.name, message.subject(summary), text="", kind="report")
    try:
        outcome.failures += _deliver(run, [alert], [channel])
        return Ledger.load(_ledger(run)).contains(alert.key, channel.name)
    except EntroError as error:  # the other reports are written all the same
        outcome.failures.append(str(error))
        return False


def _deliver(run: ScheduledRun, alerts: Sequence[Alert], channels: Iterable[Channel]) -> list[str]:
    # Runs of all kinds share this lock and the file. Version 0.6.0 uses the same names, so they must not change.
    with task_lock(run.paths, "tell", wait=True):
        return deliver(alerts, channels, _ledger(run), run.now, os.environ)


def _ledger(run: ScheduledRun) -> Path:
    return run.paths.metadata_dir / "told.json"


def _reported(run: ScheduledRun) -> Path:
    return run.paths.metadata_dir / "reported.json"


def _deliver_alerts(run: ScheduledRun, since: datetime, outcome: RunOutcome) -> None:
    """Deliver alerts for failed gates, silence, and incidents that ended after a time, once on each channel."""
    settings, alerts = run.settings.alerts, [*outcome.alerts]
    if run.paths.days():
        incidents = _incidents(run, since)
        address = partial(_incident_address, run)
        alerts += incident_alerts(run.paths.name, incidents, settings.at_least_s, report_of=address)
    silence = _silence_alert(run)
    alerts += [silence] if silence else []
    outcome.failures += _deliver(run, alerts, _channels(settings))


def _incidents(run: ScheduledRun, since: datetime) -> tuple[DetailedIncident, ...]:
    """Return the incidents that ended after a time."""
    zone = run.now.tzinfo
    assert zone is not None  # noqa: S101 - now is in a zone
    history = load_history(run.paths, run.settings, zone, nanoseconds(since - _LOOK_BACK), nanoseconds(run.now))
    steps = history.steps
    if not steps.count:
        return ()
    replayed = replay_from(steps, run.settings.budget, step_range(steps, nanoseconds(since), None)[0])
    figures = measure(replayed, 0, replayed.steps, run.settings.objective, zone, run.settings.maintenance())
    incidents = figures.incidents.explained(partial(causes_of, steps, history.signals))
    ended = [incident for incident in incidents if incident.end > since]
    return detailed(replayed, ended, run.settings.wait_s)


def _incident_address(run: ScheduledRun, incident: Incident) -> str:
    """Return the address of an incident in its page; of the index without a web address, or without a page yet."""
    zone = incident.start.tzinfo
    assert zone is not None  # noqa: S101 - times of incidents are in a zone
    page = run.out / f"{period_of(run.kind, incident.start.date(), zone).file_stem(run.paths.name)}.html"
    if run.settings.base_url is None or not page.exists():
        return page_address(run.settings.base_url, run.out / "index.html")
    return page_address(run.settings.base_url, page, incident.anchor)


def _silence_alert(run: ScheduledRun) -> Alert | None:
    """Return the alert if the pipeline is silent for longer than the configuration allows."""
    name, longest, maintenance = run.paths.name, run.settings.silence, run.settings.maintenance()
    if longest == "usual" and run.paths.days():
        now_ns = nanoseconds(run.now)  # data of the future, from a clock that is wrong, ends a silence
        activity = load_activity(run.paths, run.settings, now_ns - LOOK_BACK_NS, now_ns + LOOK_BACK_NS)
        return unusual_silence_alert(name, activity, run.now, maintenance)
    if longest is None:
        return None
    longest_s = 0.0 if longest == "usual" else float(longest)  # without any data, no length matters
    return silence_alert(name, _last_data(run), run.now, longest_s, maintenance)


def _last_data(run: ScheduledRun) -> datetime | None:
    """Return the end of the last step with data; None if there never was any."""
    if not run.paths.days():
        return None
    last = last_data_ns(run.paths, run.settings)
    return None if last is None else moment(last + load_stored_state(run.paths).step_ns, run.now.tzinfo)  # type: ignore[arg-type]


def _channels(settings: AlertSettings) -> Iterator[Channel]:
    """Yield the configured channels. Their secrets are read only when something is sent."""
    if settings.command:
        yield Command(settings.command)
    if settings.email:
        from entro_cli.automation.alerts.email import Email  # it loads OpenSSL, as the next one does

        yield Email(**asdict(settings.email))
    if settings.webhook:
        from entro_cli.automation.alerts.webhook import Webhook

        yield Webhook(settings.webhook)
    if settings.apprise:
        yield Apprise(settings.apprise)
