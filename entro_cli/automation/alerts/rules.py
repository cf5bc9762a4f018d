"""Rules that turn incidents, silence and failed gates into alerts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from entro_cli.analysis.gaps import Activity
from entro_cli.analysis.gates import FailedGate
from entro_cli.analysis.incident_details import DetailedIncident
from entro_cli.automation.alerts.alert import Alert, local_time, utc_timestamp
from entro_cli.core.clock import NS, moment, nanoseconds
from entro_cli.core.formatting import duration, shortened
from entro_cli.core.urls import is_url
from entro_cli.timeseries.maintenance import NONE, Maintenance

_MAX_NAME = 40  # two names fit into a subject of 150 characters
_MAX_LISTED = 20
_URGENT = frozenset({"silence", "gate"})  # listed first in a digest
_ADVICE = "Check that the pipeline runs, that it writes its logs, and that entro reads those logs."


def incident_alerts(
    pipeline: str,
    incidents: Iterable[DetailedIncident],
    at_least_s: float,
    *,
    report_of: Callable[[DetailedIncident], str] = lambda _: "",
) -> tuple[Alert, ...]:
    """Return an alert for each incident that lasted long enough, in the given order.

    The key holds only the start: an incident that goes on keeps it, so that it is delivered once.

    Args:
        pipeline: the pipeline's name.
        incidents: with their details.
        at_least_s: the shortest duration to alert on, s.
        report_of: returns the path or address of the report of an incident; empty without one.
    """
    return tuple(
        Alert(
            key=f"incident {pipeline} {utc_timestamp(incident.start)}",
            pipeline=pipeline,
            subject=f"entro: {_name(pipeline)} over its budget for {duration(incident.duration_s)}, "
            f"driven by {_name(incident.driver)}",
            text=_incident_text(pipeline, incident, report_of(incident)),
            kind="incident",
            start=incident.start,
            report=report_of(incident),
        )
        for incident in incidents
        if incident.duration_s >= at_least_s
    )


def silence_alert(
    pipeline: str, last_data: datetime | None, now: datetime, longest_s: float, maintenance: Maintenance = NONE
) -> Alert | None:
    """Return an alert if no data has arrived for too long; None otherwise.

    The key holds the time of the last data, so that each silence is delivered once. Data of the future, from a clock
    that is wrong, is not silence.

    Args:
        pipeline: the pipeline's name.
        last_data: the end of the last step with data, with a zone; None if there never was any.
        now: the current time.
        longest_s: the longest silence that is acceptable, s.
        maintenance: windows that do not count as silence.
    """
    if last_data is None:
        return Alert(
            key=f"silence {pipeline} never",
            pipeline=pipeline,
            subject=f"entro: {_name(pipeline)} has no data yet",
            text=f"No data has arrived for {_name(pipeline)} yet.\n{_ADVICE}",
            kind="silence",
        )
    silent_s = (now - last_data).total_seconds()
    if silent_s - maintenance.length_ns(nanoseconds(last_data), nanoseconds(now)) / NS <= longest_s:
        return None
    return _silence(pipeline, last_data, silent_s, f"The longest silence allowed is {duration(longest_s)}.")


def unusual_silence_alert(
    pipeline: str, activity: Activity, now: datetime, maintenance: Maintenance = NONE
) -> Alert | None:
    """Return an alert if a pipeline is silent for longer than is usual; None otherwise, or without a known usual gap.

    The arguments are those of `silence_alert`, with the times with data from weeks before now on.
    """
    usual_ns, now_ns = activity.usual_gap_ns, nanoseconds(now)
    silences = activity.silences(now_ns, maintenance)
    if usual_ns is None or not silences or silences[-1].end_ns != now_ns:
        return None
    start_ns = silences[-1].start_ns
    rhythm = f"A run usually begins every {duration(usual_ns / NS)}." if activity.runs_at_times else ""
    return _silence(pipeline, moment(start_ns, now.tzinfo or UTC), (now_ns - start_ns) / NS, rhythm)


def _silence(pipeline: str, last_data: datetime, silent_s: float, allowed: str) -> Alert:
    return Alert(
        key=f"silence {pipeline} {utc_timestamp(last_data)}",
        pipeline=pipeline,
        subject=f"entro: {_name(pipeline)} silent for {duration(silent_s)}",
        text=f"No data has arrived for {_name(pipeline)} since {local_time(last_data)}, {duration(silent_s)} ago.\n"
        + "\n".join(line for line in (allowed, _ADVICE) if line),
        kind="silence",
        start=last_data,
    )


def gate_alert(pipeline: str, period: str, failed: Sequence[FailedGate], *, report: str = "") -> Alert | None:
    """Return the alert for the failed gates of a period; None if none failed.

    There is one alert per period and set of gates.

    Args:
        pipeline: the pipeline's name.
        period: the name of the period in reports, such as `day 2026-04-09`.
        failed: as `entro_cli.analysis.gates.failed_gates` returns them.
        report: the path or address of the report; empty without one.
    """
    if not failed:
        return None
    # The key leaves out the numbers: they change when late data arrives, and that is not a new alert.
    gates = ", ".join(sorted(failure.gate for failure in failed))
    count = "1 gate" if len(failed) == 1 else f"{len(failed)} gates"
    return Alert(
        key=f"gate {pipeline} {period} {gates}",
        pipeline=pipeline,
        subject=f"entro: {_name(pipeline)} failed {count} in {period}: {failed[0]}",
        text="\n".join([f"Failed in {period}:", *map(str, failed), *_report(report)]),
        kind="gate",
        report=report,
    )


def digest(alerts: Sequence[Alert]) -> Alert:
    """Combine many alerts into one: silence and failed gates first, then the newest incidents.

    The key is a hash of their keys, so that a repeat of the same alerts has the same key and message id.
    """
    pipelines = sorted({alert.pipeline for alert in alerts})
    ordered = sorted(alerts, key=lambda alert: alert.start or datetime.min.replace(tzinfo=UTC), reverse=True)
    ordered.sort(key=lambda alert: alert.kind not in _URGENT)
    more = len(ordered) - _MAX_LISTED
    starts = [alert.start for alert in alerts if alert.start]
    digest_of_keys = hashlib.sha256("\n".join(sorted(alert.key for alert in alerts)).encode()).hexdigest()
    return Alert(
        key=f"digest {digest_of_keys[:32]}",
        pipeline=", ".join(pipelines),
        subject=f"entro: {len(alerts)} alerts for {_name(', '.join(pipelines))}, in one message",
        text="\n".join(
            [f"{len(alerts)} new alerts, combined into one message:"]
            + [_line(alert) for alert in ordered[:_MAX_LISTED]]
            + ([f"and {more} more"] if more > 0 else [])
        ),
        kind="digest",
        start=min(starts, default=None),
    )


def _line(alert: Alert) -> str:
    since = f"{local_time(alert.start)}: " if alert.start else ""
    link = f" {alert.report}" if is_url(alert.report) else ""
    return f"- {since}{alert.subject.removeprefix('entro: ')}{link}"


def _incident_text(pipeline: str, incident: DetailedIncident, report: str) -> str:
    return "\n".join(
        [
            f"{_name(pipeline)}: {incident.sentence}.",
            f"Over the shared budget for {duration(incident.duration_s)}, "
            f"from {local_time(incident.start)} until {local_time(incident.end)}.",
            f"Driver: {_name(incident.driver)} (look here first)",
            *(f"Cause: {cause.sentence}" for cause in incident.causes),
            *_report(report),
        ]
    )


def _report(report: str) -> list[str]:
    return [f"Report: {report}"] if report else []


def _name(name: str) -> str:
    return shortened(name, _MAX_NAME)
