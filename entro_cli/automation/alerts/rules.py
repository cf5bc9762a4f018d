"""What is worth an alert: an incident, a silence, a broken gate, and a whole lot of them at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from entro_cli.analysis.gates import FailedGate
from entro_cli.analysis.incidents import Incident
from entro_cli.automation.alerts.alert import Alert, instant, local
from entro_cli.core.clock import NS, nanoseconds
from entro_cli.core.formatting import duration, nats, quantity, shortened
from entro_cli.timeseries.maintenance import NONE, Maintenance

_LONGEST_NAME = 40
_LISTED = 20
_URGENT = frozenset({"silence", "gate"})


def incident_alerts(
    pipeline: str, incidents: Iterable[Incident], at_least_s: float, *, budget: float, report: str = ""
) -> tuple[Alert, ...]:
    """An alert for each incident that lasted long enough, in the order they are given in.

    Args:
        pipeline: the pipeline's name.
        incidents: from the `Figures` of a run.
        at_least_s: shorter ones are not told, seconds.
        budget: what the pipeline's Psi_total should stay within, nats, as in `Figures.budget`.
        report: where the report on them is, a path or an address; empty where there is none.
    """
    return tuple(
        Alert(
            key=f"incident {pipeline} {instant(incident.start)}",
            pipeline=pipeline,
            subject=f"entro: {_name(pipeline)} over its budget for {duration(incident.duration_s)}, "
            f"driven by {_name(incident.driver)}",
            text=_incident_text(pipeline, incident, budget, report),
            kind="incident",
            start=incident.start,
        )
        for incident in incidents
        if incident.duration_s >= at_least_s
    )


def silence_alert(
    pipeline: str, last_data: datetime | None, now: datetime, longest_s: float, maintenance: Maintenance = NONE
) -> Alert | None:
    """An alert when nothing has arrived for longer than it should be; None while that is not so.

    One silence is told once, the next one again. Data of the future (a clock that is wrong) is no silence.

    Args:
        pipeline: the pipeline's name.
        last_data: where its last step with data ends, with a zone; None when there never was any.
        now: the time it is.
        longest_s: how long it may be silent, seconds.
        maintenance: what does not count as silence.
    """
    if last_data is None:
        return Alert(
            key=f"silence {pipeline} never",
            pipeline=pipeline,
            subject=f"entro: {_name(pipeline)} has no data yet",
            text=f"Nothing has arrived for {_name(pipeline)} so far.\n{_LOOK}",
            kind="silence",
        )
    silent_s = (now - last_data).total_seconds()
    if silent_s - maintenance.length_ns(nanoseconds(last_data), nanoseconds(now)) / NS <= longest_s:
        return None
    return Alert(
        key=f"silence {pipeline} {instant(last_data)}",
        pipeline=pipeline,
        subject=f"entro: {_name(pipeline)} silent for {duration(silent_s)}",
        text=f"Nothing has arrived for {_name(pipeline)} since {local(last_data)}, {duration(silent_s)} ago.\n"
        f"It is told when that is longer than {duration(longest_s)}.\n{_LOOK}",
        kind="silence",
        start=last_data,
    )


_LOOK = "Check that it runs, that it still writes its logs, and that they are the ones entro reads."


def gate_alert(pipeline: str, period: str, failed: Sequence[FailedGate], *, report: str = "") -> Alert | None:
    """Return the alert for the failed gates of a period; None if none failed.

    There is one alert per period and set of gates.

    Args:
        pipeline: the pipeline's name.
        period: the period as reports name it, such as `day 2026-04-09`.
        failed: as `entro_cli.analysis.gates.failed_gates` returns them.
        report: where the report on it is, a path or an address; empty where there is none.
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
    )


def digest(alerts: Sequence[Alert]) -> Alert:
    """Many alerts as one: what is silent or broken first, then the newest incidents.

    Its key follows from theirs, so that the same lot makes the same message again.
    """
    pipelines = sorted({alert.pipeline for alert in alerts})
    ordered = sorted(alerts, key=lambda alert: alert.start or datetime.min.replace(tzinfo=UTC), reverse=True)
    ordered.sort(key=lambda alert: alert.kind not in _URGENT)
    more = len(ordered) - _LISTED
    starts = [alert.start for alert in alerts if alert.start]
    names = hashlib.sha256("\n".join(sorted(alert.key for alert in alerts)).encode()).hexdigest()
    return Alert(
        key=f"digest {names[:32]}",
        pipeline=", ".join(pipelines),
        subject=f"entro: {len(alerts)} alerts for {_name(', '.join(pipelines))}, in one message",
        text="\n".join(
            [f"{len(alerts)} alerts were new at once, so this is one message for all of them:"]
            + [_line(alert) for alert in ordered[:_LISTED]]
            + ([f"and {more} more, older ones"] if more > 0 else [])
        ),
        kind="digest",
        start=min(starts, default=None),
    )


def _line(alert: Alert) -> str:
    since = f"{local(alert.start)}: " if alert.start else ""
    return f"- {since}{alert.subject.removeprefix('entro: ')}"


def _incident_text(pipeline: str, incident: Incident, budget: float, report: str) -> str:
    times = f", {incident.peak_psi_total / budget:.1f} times the budget of {nats(budget)} nat" if budget else ""
    return "\n".join(
        [
            f"The stages of {_name(pipeline)} were over their shared budget for {duration(incident.duration_s)}.",
            f"Began: {local(incident.start)}",
            f"Last step over the budget until: {local(incident.end)}",
            f"Peak: {nats(incident.peak_psi_total)} nat{times}",
            f"Excess: {quantity(incident.excess_nat_s)} nat s",
            f"Driver: {_name(incident.driver)}, look there first",
            *_report(report),
        ]
    )


def _report(report: str) -> list[str]:
    return [f"Report: {report}"] if report else []


def _name(name: str) -> str:
    return shortened(name, _LONGEST_NAME)
